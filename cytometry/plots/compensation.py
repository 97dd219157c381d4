"""Compensation: what is left of each dye in each detector, as a map and as the events themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from cytometry.plots.style import GREY, OKABE_ITO, axes_at, new_figure, size_named, style
from cytometry.residuals import OVER, UNDER, Residual
from gating.scales import Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDEST = 0.05
"""Slope at which the colour of the map is full."""
DOTS = 300
CELL = 7.0  # mm of a square of the map
LEFT, TOP, RIGHT, BELOW = 26.0, 26.0, 4.0, 12.0


def residual_map(
    residuals: Sequence[Residual], detectors: Sequence[str], *, size: str = "nature2", title: str = ""
) -> Figure:
    """Draw what is left of each dye (rows) in each detector (columns), in percent of the dye's light.

    Blue is over-compensated, red under-compensated. A number stands where an error is proved; a square is grey where
    no tube can tell. Of several tubes, that with the smallest error speaks for a pair.
    """
    page, best, many = size_named(size), best_of(residuals), len(detectors)
    values = np.full((many, many), np.nan)
    for (source, detector), one in best.items():
        if one.verdict != "cannot be told":
            values[detectors.index(source), detectors.index(detector)] = one.slope
    with style(size):
        k = page.scale
        edge = min(CELL, (page.width - LEFT - RIGHT) / max(many, 1)) * k * many
        figure = new_figure(max(edge + (LEFT + RIGHT) * k, 89.0 * k), edge + (TOP + BELOW) * k)
        ax = axes_at(figure, LEFT * k, TOP * k, width=edge, height=edge)
        ax.set_facecolor("#DDDDDD")
        ax.imshow(values, cmap="RdBu_r", vmin=-WIDEST, vmax=WIDEST, aspect="equal")
        _numbers(ax, best, detectors, points=page.small * 0.8)
        ax.set_xticks(range(many), list(detectors), rotation=90)
        ax.set_yticks(range(many), list(detectors))
        ax.xaxis.tick_top()
        ax.tick_params(length=0)
        _key(ax, points=page.small)
        said = title or "Light of each dye (rows) left in each detector (columns), in percent of it"
        figure.text(0.01, 0.99, said, ha="left", va="top")
    return figure


def _key(ax: Axes, *, points: float) -> None:
    """Say below the map what its colours and numbers mean."""
    width = f"{100 * WIDEST:g}"
    said = (
        f"Red: light left over, up to {width} % (too little is taken off); blue: as much below zero (too much).\n"
        f"A number stands where an error is proved; grey: no tube can tell."
    )
    ax.text(0.0, -0.02, said, transform=ax.transAxes, ha="left", va="top", fontsize=points)


def _numbers(
    ax: Axes, best: Mapping[tuple[str, str], Residual], detectors: Sequence[str], *, points: float
) -> None:
    for (source, detector), one in best.items():
        if one.verdict in (OVER, UNDER):
            colour = "white" if abs(one.slope) > 0.6 * WIDEST else "black"
            text = f"{100 * one.slope:.1f}".replace("-", "\u2212")
            at = (detectors.index(detector), detectors.index(source))
            ax.text(*at, text, ha="center", va="center", fontsize=points, color=colour)


def residual_grid(
    lights: Mapping[str, Floats],
    residuals: Sequence[Residual],
    detectors: Sequence[str],
    *,
    size: str = "nature2",
) -> Figure:
    """Draw the events of each dye's tube: its own light across, each other detector up, and the line that is left.

    Parameters
    ----------
    lights
        Compensated events of each dye's single stain, linear scale; shape ``(n, p)``, columns as ``detectors``.
    """
    page, best = size_named(size), best_of(residuals)
    with style(size):
        rows = [name for name in detectors if name in lights]
        k = page.scale
        side = min(14.0, (page.width - LEFT) / max(len(detectors), 1)) * k
        high = TOP * k + side * max(len(rows), 1) + BELOW * k
        figure = new_figure(max(LEFT * k + side * len(detectors), 89.0 * k), high)
        said = (
            f"Rows: the dye of each single stain, its own light from 0 to the 99.5th percentile. Columns: what is left "
            f"in each detector,\nfrom {-200 * WIDEST:g} to +{200 * WIDEST:g} % of that. Lines: the residual slope; "
            f"vermilion where an error is proved."
        )
        figure.text(0.01, 0.01, said.replace("-", "\u2212"), ha="left", va="bottom", fontsize=page.small)
        for down, source in enumerate(rows):
            for across, detector in enumerate(detectors):
                left, top = LEFT * k + across * side, TOP * k + down * side
                ax = axes_at(figure, left, top, width=0.92 * side, height=0.92 * side)
                ax.set_xticks([])
                ax.set_yticks([])
                if down == 0:
                    ax.set_title(detector, rotation=90, fontsize=page.small, pad=2 * k, va="bottom")
                if across == 0:
                    ax.set_ylabel(source, rotation=0, ha="right", va="center", fontsize=page.small)
                if source == detector:
                    ax.set_facecolor("#EEEEEE")
                    continue
                own = detectors.index(source)
                _pair(
                    ax, lights[source][:, own], lights[source][:, across], best.get((source, detector)), k=k
                )
    return figure


def _pair(ax: Axes, light: Floats, other: Floats, one: Residual | None, *, k: float) -> None:
    """Draw one dye against one detector; the brighter events are drawn more often than the dim, which are many."""
    order = np.argsort(light, kind="stable")
    some = order[((len(order) - 1) * np.sqrt(np.linspace(0, 1, min(DOTS, len(order))))).astype(int)]
    reach = float(np.quantile(light, 0.995))
    ax.set_xlim(-0.05 * reach, reach)
    ax.set_ylim(-2 * WIDEST * reach, 2 * WIDEST * reach)
    ax.plot(light[some], other[some], ".", ms=0.8 * k, mew=0, color=GREY, rasterized=True)
    ax.axhline(0, color="black", lw=0.3 * k)
    if one is not None and np.isfinite(one.slope):
        colour = OKABE_ITO["vermilion"] if one.verdict in (OVER, UNDER) else OKABE_ITO["blue"]
        ax.plot([0, reach], [0, one.slope * reach], color=colour, lw=0.7 * k)


def best_of(residuals: Sequence[Residual]) -> dict[tuple[str, str], Residual]:
    """Return for each pair of dye and detector the residual with the smallest error; stained tubes come last."""
    order = sorted(residuals, key=lambda one: (one.kind == "stained", np.nan_to_num(one.error, nan=np.inf)))
    best: dict[tuple[str, str], Residual] = {}
    for one in order:
        best.setdefault((one.source, one.detector), one)
    return best
