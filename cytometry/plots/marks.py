"""Marks: the events of a plot as coloured density, as contours with outliers, or as dots."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cytometry.plots.axes import Limits
from cytometry.plots.style import LIGHT_GREY, TREATED_COLOUR
from gating.scales import Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Rows: TypeAlias = NDArray[np.bool_] | NDArray[np.intp]
Kind: TypeAlias = Literal["auto", "pseudocolour", "contour", "dots"]
Frame: TypeAlias = tuple[Limits, Limits]
KINDS: tuple[Kind, ...] = ("auto", "pseudocolour", "contour", "dots")

FEW_EVENTS = 2_000  # below, density has nothing to say and every event is drawn as a dot
FEWEST_CONTOURED = 100  # below, a contour would be invented
DENSITY_BINS = 128
DENSITY_SMOOTHING = 1.6  # bins
COLOURS = "viridis"
DOT_COLOUR = "#3B3B6D"
CONTROL_LINES = "#404040"
HIGHLIGHT = TREATED_COLOUR
SHARES = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)  # of the events that lie outside a contour
CONTROL_SHARES = (0.02, 0.1, 0.5)


def row_numbers(rows: Rows | None, n_events: int) -> NDArray[np.intp]:
    """Return row numbers from a bool per event, from row numbers, or from ``None`` for all events."""
    if rows is None:
        return np.arange(n_events, dtype=np.intp)
    given = np.asarray(rows)
    return np.flatnonzero(given) if given.dtype == np.bool_ else given.astype(np.intp)


def subsample(rows: NDArray[np.intp], most: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Return at most ``most`` of the rows, chosen at random, in ascending order."""
    return rows if len(rows) <= most else np.sort(rng.choice(rows, most, replace=False))


def density_grid(points: Floats, frame: Frame, *, bins: int, smoothing: float) -> tuple[Floats, list[Floats]]:
    """Return the smoothed number of events per bin, shape ``(bins, bins)``, x first, and the edges of the bins."""
    from scipy.ndimage import gaussian_filter

    x, y = points.T
    grid, *edges = np.histogram2d(x, y, bins=bins, range=frame)
    return np.asarray(gaussian_filter(grid, smoothing, mode="nearest")), edges


def local_density(points: Floats, frame: Frame) -> Floats:
    """Return the smoothed density at each point, shape ``(n,)``: events per bin of a 128 x 128 grid."""
    grid, edges = density_grid(points, frame, bins=DENSITY_BINS, smoothing=DENSITY_SMOOTHING)
    return _at(points, grid, edges)


def contours(
    points: Floats, frame: Frame, *, shares: tuple[float, ...] = SHARES
) -> tuple[Floats, list[Floats], list[float], NDArray[np.bool_]]:
    """Return a density grid, the middles of its bins, contour levels, and which points lie outside them all.

    Between two levels lies a known share of the events: outside the lowest ``shares[0]`` of them. The fewer
    the events, the smoother the grid.
    """
    smoothing = float(np.clip(13.0 * len(points) ** -0.25, DENSITY_SMOOTHING, 6.0))
    grid, edges = density_grid(points, frame, bins=DENSITY_BINS, smoothing=smoothing)
    here = _at(points, grid, edges)
    levels = np.unique(np.quantile(here, shares))
    middles = [(edge[:-1] + edge[1:]) / 2 for edge in edges]
    return grid, middles, levels.tolist(), here < levels[0]


def draw_events(
    ax: Axes, points: Floats, frame: Frame, *, kind: Kind, colours: str = COLOURS, scale: float = 1.0
) -> None:
    """Draw points, shape ``(n, 2)``, on axes whose limits are ``frame``; none of them says so in words."""
    if kind not in KINDS:
        msg = f"events are drawn as {', '.join(KINDS)}, not as {kind!r}"
        raise ValueError(msg)
    if not len(points):
        ax.text(0.03, 0.03, "no events", transform=ax.transAxes, color="0.4", fontsize=5.0 * scale)
        return
    few = len(points) < (FEWEST_CONTOURED if kind == "contour" else FEW_EVENTS)
    if kind == "contour" and not few:
        _draw_contours(ax, points, frame, scale=scale)
    elif kind == "pseudocolour" or (kind == "auto" and not few):
        density = local_density(points, frame)
        order = np.argsort(density, kind="stable")
        # The square root spreads the colours over sparse and dense parts alike.
        _dots(ax, points[order], size=0.7 * scale, c=np.sqrt(density[order]), cmap=colours)
    else:
        _dots(ax, points, size=dot_size(len(points)) * scale, c=DOT_COLOUR)


def draw_highlight(ax: Axes, points: Floats, chosen: NDArray[np.bool_], *, scale: float) -> None:
    """Draw all points in light grey, and the chosen ones on them in vermilion and larger."""
    if not len(points):
        draw_events(ax, points, ((0.0, 1.0), (0.0, 1.0)), kind="dots", scale=scale)
        return
    _dots(ax, points[~chosen], size=0.7 * scale, c=LIGHT_GREY)
    few = int(np.count_nonzero(chosen))
    _dots(ax, points[chosen], size=dot_size(few) * scale, c=HIGHLIGHT, zorder=1.5)


def draw_control(ax: Axes, points: Floats, frame: Frame, *, scale: float) -> None:
    """Draw a control's events over a sample's: dashed contours with a white edge, crosses where they are few."""
    from matplotlib import patheffects

    if len(points) < FEWEST_CONTOURED:
        ax.plot(*points.T, linestyle="none", marker="x", markersize=2.0 * scale, markeredgewidth=0.5 * scale,
                color=CONTROL_LINES, zorder=2, rasterized=True)  # fmt: skip
        return
    grid, (x, y), levels, _ = contours(points, frame, shares=CONTROL_SHARES)
    drawn = ax.contour(
        x, y, grid.T, levels=levels, colors=CONTROL_LINES, linewidths=0.6 * scale, linestyles=[(0, (2.5, 1))],
        zorder=2,
    )  # fmt: skip
    drawn.set_path_effects([patheffects.withStroke(linewidth=1.5 * scale, foreground="white", alpha=0.85)])


def dot_size(n_events: int) -> float:
    """Return the width of a dot in points: the fewer there are, the larger."""
    return next(width for width, most in ((2.0, 200), (1.2, FEW_EVENTS), (0.8, np.inf)) if n_events <= most)


def _draw_contours(ax: Axes, points: Floats, frame: Frame, *, scale: float) -> None:
    grid, (x, y), levels, outside = contours(points, frame)
    _dots(ax, points[outside], size=0.8 * scale, c=DOT_COLOUR)
    ax.contour(x, y, grid.T, levels=levels, colors=DOT_COLOUR, linewidths=0.4 * scale, zorder=1)


def _dots(ax: Axes, points: Floats, *, size: float, **options: Any) -> None:
    chosen: dict[str, Any] = {
        "zorder": 1,
        "linewidths": 0,
        "rasterized": True,
        "antialiased": False,
        **options,
    }
    ax.scatter(points[:, 0], points[:, 1], s=size**2, **chosen)


def _at(points: Floats, grid: Floats, edges: list[Floats]) -> Floats:
    at = [
        np.clip(np.searchsorted(edge, values, side="right") - 1, 0, len(edge) - 2)
        for edge, values in zip(edges, points.T, strict=True)
    ]
    return np.asarray(grid[at[0], at[1]])
