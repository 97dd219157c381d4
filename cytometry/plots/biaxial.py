"""Biaxial: the events of one population on two dimensions, with the gates drawn on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cytometry.plots.axes import Limits, dress, label_of, shared_limits
from cytometry.plots.labels import Wanted, draw_labels
from cytometry.plots.outlines import DrawnGate, Outline, draw_outline, outline
from cytometry.plots.style import single_axes, style
from gating.columns import Columns
from gating.scales import Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Rows: TypeAlias = NDArray[np.bool_] | NDArray[np.intp]
Kind = Literal["auto", "pseudocolour", "dots"]

MAX_EVENTS = 20_000
FEW_EVENTS = 2_000  # below, density has nothing to say and every event is drawn as a dot
DENSITY_BINS = 128
DENSITY_SMOOTHING = 1.6  # bins
COLOURS = "viridis"
DOT_COLOUR = "#3B3B6D"
NO_LABELS: Mapping[str, str] = MappingProxyType({})


def biaxial(
    columns: Columns,
    x: str,
    y: str,
    *,
    rows: Rows | None = None,
    gates: Sequence[DrawnGate] = (),
    labels: Mapping[str, str] = NO_LABELS,
    limits: Mapping[str, Limits] | None = None,
    title: str = "",
    kind: Kind = "auto",
    colours: str = COLOURS,
    max_events: int = MAX_EVENTS,
    rng: np.random.Generator | None = None,
    ax: Axes | None = None,
    size: str = "nature1",
) -> Axes:
    """Draw events on two dimensions as coloured density, or as dots where they are few.

    Parameters
    ----------
    columns, x, y
        The tube, and the names of the dimensions to show on their display scales.
    rows
        Which events the plot shows, its parent population: a bool per event, or row numbers; all by default.
    gates
        Drawn with name and percentage. The percentage is given, never counted from what is drawn.
    labels
        Axis labels by dimension, such as ``PD-1 (BV421)``; the name where none is given.
    limits
        Display limits by dimension; by default those of :func:`shared_limits` for this tube alone. Events
        outside are drawn on the frame.
    kind
        ``auto`` draws dots under 2,000 events, and pseudocolour from there.
    colours
        A colour map of matplotlib; ``turbo`` is near to FlowJo's.
    max_events, rng
        At most so many events are drawn, chosen by ``rng`` (seed 0 if not given).

    Raises
    ------
    GeometryError
        If a gate reads a dimension that is not shown.
    ColumnsError
        If the tube lacks a dimension.

    Notes
    -----
    An empty population gives an empty frame that says so.
    """
    chosen = row_numbers(rows, columns.n_events)
    known = limits or {}
    absent = [name for name in (x, y) if name not in known]
    found = {**known, **shared_limits([columns], absent, gates=[g.gate for g in gates])}
    shown = subsample(chosen, max_events, np.random.default_rng(0) if rng is None else rng)
    with style(size) as page:
        drawn_on = single_axes(page) if ax is None else ax
        scales = columns.dimensions[x].scale, columns.dimensions[y].scale
        dress(drawn_on, "x", scale=scales[0], limits=found[x], label=label_of(labels, x), page=page)
        dress(drawn_on, "y", scale=scales[1], limits=found[y], label=label_of(labels, y), page=page)
        points = np.column_stack([np.clip(columns.values(name, shown), *found[name]) for name in (x, y)])
        frame = (found[x], found[y])
        points = points[np.isfinite(points).all(axis=1)]
        _draw_events(drawn_on, points, frame, kind=kind, colours=colours, scale=page.scale)
        draw_gates(drawn_on, gates, axes=(x, y), events=points, scale=page.scale)
        if title:
            drawn_on.set_title(title, fontsize=page.medium)
    return drawn_on


def row_numbers(rows: Rows | None, n_events: int) -> NDArray[np.intp]:
    """Return row numbers from a bool per event, from row numbers, or from ``None`` for all events."""
    if rows is None:
        return np.arange(n_events, dtype=np.intp)
    given = np.asarray(rows)
    return np.flatnonzero(given) if given.dtype == np.bool_ else given.astype(np.intp)


def subsample(rows: NDArray[np.intp], most: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Return at most ``most`` of the rows, chosen at random, in ascending order."""
    return rows if len(rows) <= most else np.sort(rng.choice(rows, most, replace=False))


def local_density(points: Floats, frame: tuple[Limits, Limits]) -> Floats:
    """Return the smoothed density at each point, shape ``(n,)``: events per bin of a 128 x 128 grid."""
    from scipy.ndimage import gaussian_filter

    x, y = points.T
    grid, *edges = np.histogram2d(x, y, bins=DENSITY_BINS, range=frame)
    smooth = gaussian_filter(grid, DENSITY_SMOOTHING, mode="nearest")
    at = [
        np.clip(np.searchsorted(edge, values, side="right") - 1, 0, DENSITY_BINS - 1)
        for edge, values in zip(edges, points.T, strict=True)
    ]
    return np.asarray(smooth[at[0], at[1]])


def _draw_events(
    ax: Axes, points: Floats, frame: tuple[Limits, Limits], *, kind: Kind, colours: str, scale: float
) -> None:
    if not len(points):
        ax.text(0.03, 0.03, "no events", transform=ax.transAxes, color="0.4", fontsize=5.0 * scale)
        return
    coloured = kind == "pseudocolour" or (kind == "auto" and len(points) >= FEW_EVENTS)
    size = 0.7 if coloured else 1.2 if len(points) > 200 else 2.0
    options: dict[str, Any] = {
        "s": (size * scale) ** 2,
        "linewidths": 0,
        "rasterized": True,
        "zorder": 1,
        "antialiased": False,
    }
    if coloured:
        density = local_density(points, frame)
        order = np.argsort(density, kind="stable")
        # The square root spreads the colours over sparse and dense parts alike.
        ax.scatter(points[order, 0], points[order, 1], c=np.sqrt(density[order]), cmap=colours, **options)
    else:
        ax.scatter(points[:, 0], points[:, 1], c=DOT_COLOUR, **options)


def draw_gates(
    ax: Axes, gates: Sequence[DrawnGate], *, axes: tuple[str, str], events: Floats, scale: float = 1.0
) -> list[Outline]:
    """Draw gates with their labels on axes that have their limits, and return where they lie."""
    frame: tuple[Limits, Limits] = (ax.get_xlim(), ax.get_ylim())
    found = [outline(drawn.gate, axes, frame) for drawn in gates]
    for drawn, lines in zip(gates, found, strict=True):
        draw_outline(ax, lines.lines, key=drawn.key or drawn.name, scale=scale)
    low = np.array([frame[0][0], frame[1][0]])
    span = np.array([frame[0][1], frame[1][1]]) - low
    wanted = [
        Wanted(
            drawn.text,
            (
                *((np.array(lines.box[:2]) - low[0]) / span[0]).tolist(),
                *((np.array(lines.box[2:]) - low[1]) / span[1]).tolist(),
            ),
            tuple((line - low) / span for line in lines.lines),
        )
        for drawn, lines in zip(gates, found, strict=True)
    ]
    draw_labels(ax, wanted, events=(events - low) / span, scale=scale)
    return found
