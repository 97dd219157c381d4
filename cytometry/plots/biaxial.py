"""Biaxial: the events of one population on two dimensions, with the gates drawn on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cytometry.plots.axes import Limits, dress, label_of, shared_limits
from cytometry.plots.labels import Wanted, draw_labels
from cytometry.plots.marks import (
    COLOURS,
    Frame,
    Kind,
    Rows,
    draw_control,
    draw_events,
    draw_highlight,
    row_numbers,
    subsample,
)
from cytometry.plots.outlines import DrawnGate, Outline, draw_outline, outline
from cytometry.plots.style import head, single_axes, style
from gating.columns import Columns
from gating.scales import Floats, Scale

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAX_EVENTS = 20_000
NO_LABELS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True, eq=False)
class Control:
    """A control tube to lay over a sample: its events, and which of them are of the population shown."""

    columns: Columns
    rows: Rows | None = None


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
    control: Control | None = None,
    highlight: Rows | None = None,
    max_events: int = MAX_EVENTS,
    rng: np.random.Generator | None = None,
    ax: Axes | None = None,
    size: str = "nature1",
) -> Axes:
    """Draw events on two dimensions as coloured density or contours, or as dots where they are few.

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
        ``auto`` draws dots under 2,000 events, and pseudocolour from there. ``contour`` has 5 % of the events
        outside its lowest line, each a dot, and a tenth between two lines; under 100 events all are dots.
    colours
        A colour map of matplotlib; ``turbo`` is near to FlowJo's.
    control
        A control tube drawn over the sample as dashed contours, which leave 2, 10 and 50 % of its events
        outside; crosses under 100 events. It stands on the sample's scales.
    highlight
        Events to draw in vermilion over all others in grey, as back-gating does: a bool per event, or row
        numbers. Up to ``max_events`` of them are drawn, besides as many of the others.
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
    frame = (found[x], found[y])
    rng = np.random.default_rng(0) if rng is None else rng
    with style(size) as page:
        drawn_on = single_axes(page, top=head(title)) if ax is None else ax
        scales = columns.dimensions[x].scale, columns.dimensions[y].scale
        dress(drawn_on, "x", scale=scales[0], limits=found[x], label=label_of(labels, x), page=page)
        dress(drawn_on, "y", scale=scales[1], limits=found[y], label=label_of(labels, y), page=page)
        points, bright = _seen(columns, (x, y), chosen, highlight=highlight, most=max_events, rng=rng)
        points = _framed(points, frame)
        if bright is None:
            draw_events(drawn_on, points, frame, kind=kind, colours=colours, scale=page.scale)
        else:
            draw_highlight(drawn_on, points, bright, scale=page.scale)
        if control is not None:
            laid = _laid(control, (x, y), scales, most=max_events, rng=rng)
            draw_control(drawn_on, _framed(laid, frame), frame, scale=page.scale)
        draw_gates(drawn_on, gates, axes=(x, y), events=points, scale=page.scale)
        if title:
            drawn_on.set_title(title, fontsize=page.medium)
    return drawn_on


def _seen(
    columns: Columns,
    axes: tuple[str, str],
    rows: NDArray[np.intp],
    *,
    highlight: Rows | None,
    most: int,
    rng: np.random.Generator,
) -> tuple[Floats, NDArray[np.bool_] | None]:
    """Return the events to draw on two display scales, shape ``(n, 2)``, and which of them are highlighted."""
    shown = subsample(rows, most, rng)
    bright = None
    if highlight is not None:
        chosen = np.intersect1d(rows, row_numbers(highlight, columns.n_events))
        chosen = subsample(chosen, most, rng)
        shown = np.union1d(shown, chosen)
        bright = np.isin(shown, chosen)
    points = np.column_stack([columns.values(name, shown) for name in axes])
    finite = np.isfinite(points).all(axis=1)
    return points[finite], None if bright is None else bright[finite]


def _laid(
    control: Control,
    axes: tuple[str, str],
    scales: tuple[Scale, Scale],
    *,
    most: int,
    rng: np.random.Generator,
) -> Floats:
    """Return a control's events on the sample's display scales, shape ``(n, 2)``."""
    rows = subsample(row_numbers(control.rows, control.columns.n_events), most, rng)
    at = [control.columns.linear(name, rows) for name in axes]
    return np.column_stack([scale.forward(values) for scale, values in zip(scales, at, strict=True)])


def _framed(points: Floats, frame: Frame) -> Floats:
    """Return finite points, those beyond the frame on it."""
    (left, right), (bottom, top) = frame
    finite = np.isfinite(points).all(axis=1)
    return np.asarray(np.clip(points[finite], (left, bottom), (right, top)))


def draw_gates(
    ax: Axes, gates: Sequence[DrawnGate], *, axes: tuple[str, str], events: Floats, scale: float = 1.0
) -> list[Outline]:
    """Draw gates with their labels on axes that have their limits, and return where they lie."""
    frame: tuple[Limits, Limits] = (ax.get_xlim(), ax.get_ylim())
    found = [outline(drawn.gate, axes, frame) for drawn in gates]
    for drawn, lines in zip(gates, found, strict=True):
        draw_outline(ax, lines.lines, key=drawn.key or drawn.name, scale=scale, marked=drawn.marked)
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
