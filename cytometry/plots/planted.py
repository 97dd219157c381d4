"""Planted: what a simulated study planted beside what was estimated, endpoint by endpoint, each on its own row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cytometry.plots.axes import elided
from cytometry.plots.style import GREY, TREATED_COLOUR, axes_at, new_figure, print_ticks, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROW = 4.6  # mm at scale 1
ABOVE, BELOW, NAMES, RIGHT = 8.0, 9.0, 56.0, 4.0
LETTER = 1.28


@dataclass(frozen=True, slots=True)
class PlantedShift:
    """One endpoint: the planted shift, that of the true cells drawn, and the estimate with its interval.

    All in one unit, percentage points or another; NaN for what is not known.
    """

    name: str
    planted: float
    realised: float
    estimate: float
    low: float
    high: float

    @property
    def holds(self) -> bool:
        """Return whether the interval holds the planted shift."""
        return self.low <= self.planted <= self.high


def planted_shifts(
    shifts: Sequence[PlantedShift], *, unit: str = "shift (percentage points)", size: str = "nature2"
) -> Axes:
    """Draw each endpoint's estimate with its interval, beside the shift that was planted and the one drawn.

    A filled dot is an estimate whose interval holds what was planted, an open one an estimate whose interval does
    not, a grey one an estimate without an interval. No endpoints give an empty frame.
    """
    with style(size) as page:
        k = page.scale
        height = max(len(shifts), 2) * ROW
        figure = new_figure(page.width, (height + ABOVE + BELOW) * k)
        ax = axes_at(figure, NAMES * k, ABOVE * k, width=page.width - (NAMES + RIGHT) * k, height=height * k)
        for y, one in enumerate(shifts):
            _row(ax, y, one, scale=k)
            ax.text(
                -0.015, y, elided(one.name, int(NAMES / LETTER)), transform=ax.get_yaxis_transform(),
                ha="right", va="center", fontsize=page.small,
            )  # fmt: skip
        ax.set_ylim(max(len(shifts), 2) - 0.4, -0.6)
        ax.set_yticks([])
        for side in ("top", "left", "right"):
            ax.spines[side].set_visible(False)
        ax.axvline(0.0, color=GREY, linewidth=0.6 * k, zorder=1)
        ax.set_xlabel(unit, fontsize=page.medium)
        print_ticks(ax, page)
        if shifts:
            _legend(ax, scale=k, font=page.small)
    return ax


def _row(ax: Axes, y: int, one: PlantedShift, *, scale: float) -> None:
    has_interval = bool(np.isfinite(one.low) and np.isfinite(one.high))
    if has_interval:
        ax.plot(
            [one.low, one.high], [y, y], color="black", linewidth=0.8 * scale, zorder=2, gid=f"interval:{y}"
        )
    inside = "black" if one.holds else "white" if has_interval else GREY
    marks = [(one.estimate, y, "o", inside, "black"), (one.planted, y - 0.3, "v", *2 * (TREATED_COLOUR,))]
    marks.append((one.realised, y + 0.3, "^", GREY, GREY))
    for x, height, marker, fill, edge in marks:
        if np.isfinite(x):
            ax.scatter(
                [x], [height], s=15 * scale**2, marker=marker, facecolors=fill, edgecolors=edge, zorder=3,
                linewidths=0.7 * scale if marker == "o" else 0.0,
            )  # fmt: skip


def _legend(ax: Axes, *, scale: float, font: float) -> None:
    from matplotlib.lines import Line2D

    shown = [
        ("o", "black", "black", "estimated, with interval"),
        ("v", TREATED_COLOUR, "none", "planted, mean over all possible subjects"),
        ("^", GREY, "none", "of the true cells in these tubes"),
    ]
    handles = [
        Line2D(
            [],
            [],
            linestyle="",
            marker=m,
            markersize=3.9 * scale,
            color=fill,
            markeredgecolor=edge,
            label=said,
        )
        for m, fill, edge, said in shown
    ]
    ax.legend(
        handles=handles, loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=3, fontsize=font,
        handletextpad=0.3, columnspacing=1.4, borderaxespad=0.4,
    )  # fmt: skip
