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

    All in percentage points; NaN for what is not known.
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


def planted_shifts(shifts: Sequence[PlantedShift], *, size: str = "nature2") -> Axes:
    """Draw each endpoint's estimate with its interval, beside the shift that was planted and the one drawn.

    A filled dot is an estimate whose interval holds what was planted, an open one an estimate whose interval does
    not. No endpoints give an empty frame.
    """
    with style(size) as page:
        k = page.scale
        height = max(len(shifts), 2) * ROW
        figure = new_figure(page.width, (height + ABOVE + BELOW) * k)
        ax = axes_at(figure, NAMES * k, ABOVE * k, width=page.width - (NAMES + RIGHT) * k, height=height * k)
        for y, one in enumerate(shifts):
            _row(ax, y, one, scale=k, label=y == 0)
            ax.text(
                -0.015, y, elided(one.name, int(NAMES / LETTER)), transform=ax.get_yaxis_transform(),
                ha="right", va="center", fontsize=page.small,
            )  # fmt: skip
        ax.set_ylim(max(len(shifts), 2) - 0.4, -0.6)
        ax.set_yticks([])
        for side in ("top", "left", "right"):
            ax.spines[side].set_visible(False)
        ax.axvline(0.0, color=GREY, linewidth=0.6 * k, zorder=1)
        ax.set_xlabel("shift (percentage points)", fontsize=page.medium)
        print_ticks(ax, page)
        if shifts:
            ax.legend(
                loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=3, fontsize=page.small,
                handletextpad=0.3, columnspacing=1.4, borderaxespad=0.4, markerscale=1.0,
            )  # fmt: skip
    return ax


def _row(ax: Axes, y: int, one: PlantedShift, *, scale: float, label: bool) -> None:
    def named(text: str) -> str:
        return text if label else "_"

    if np.isfinite(one.low) and np.isfinite(one.high):
        ax.plot(
            [one.low, one.high], [y, y], color="black", linewidth=0.8 * scale, zorder=2, gid=f"interval:{y}"
        )
    ax.scatter(
        [one.estimate], [y], s=15 * scale**2, marker="o", linewidths=0.7 * scale,
        facecolors="black" if one.holds else "white", edgecolors="black", zorder=3,
        label=named("estimated, with interval"),
    )  # fmt: skip
    ax.scatter(
        [one.planted], [y - 0.3], s=15 * scale**2, marker="v", linewidths=0.0, color=TREATED_COLOUR, zorder=4,
        label=named("planted, mean over all possible subjects"),
    )  # fmt: skip
    ax.scatter(
        [one.realised], [y + 0.3], s=15 * scale**2, marker="^", linewidths=0.0, color=GREY, zorder=4,
        label=named("of the true cells in these tubes"),
    )  # fmt: skip
