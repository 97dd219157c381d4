"""Drawing gates of one tube: where a population was gated, over its control, its markers, and its ancestors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from cytometry.errors import RunError
from cytometry.plots.content import content_of
from cytometry.plots.one_gate import view_of
from cytometry.report.choice import named, nearest_control
from cytometry.report.drawing import figure_of, limits_of, panel_of
from cytometry.report.kinds import Asked
from cytometry.report.odd import own_gates
from cytometry.report.words import listed
from gating.errors import GeometryError, StrategyError

if TYPE_CHECKING:
    from matplotlib.figure import Figure, SubFigure

    from cytometry.store import Run
    from gating.columns import Columns

ON_A_PAGE = 24  # tubes of an overlay


def draw_gate(run: Run, tube: str, path: str, *, kind: str = "auto", size: str = "nature1") -> Figure:
    """Draw the plot of a tube on which a population was gated."""
    return _draw_gate(run, tube, path, kind=kind, size=size, marked=own_gates(run, tube))


def draw_control(run: Run, tube: str, path: str, *, kind: str = "auto", size: str = "nature1") -> Figure:
    """Draw a population's gate in a tube over the control tube that its boundary was learnt from.

    Raises
    ------
    RunError
        If the boundary came from no control.
    """
    _has(run, tube, path)
    control = nearest_control(run, run.gated(tube), path)
    beside = (run.columns(control.tube), run.gated(control.tube).membership)
    return _draw_gate(run, tube, path, kind=kind, size=size, control=beside, control_name=control.name)


def _draw_gate(run: Run, tube: str, path: str, **how: Any) -> Figure:
    from cytometry import plots

    _has(run, tube, path)
    found, columns = run.gated(tube), run.columns(tube)
    try:
        view = view_of(content_of(found.strategy, columns, found.membership), path)
    except GeometryError as error:
        raise RunError(str(error)) from error
    limits = limits_of(run, tube, columns, names=[name for name in (view.x, view.y) if name])
    panel = panel_of(run, tube)
    return figure_of(
        plots.gate_plot(found.strategy, columns, found.membership, path, panel=panel, limits=limits, **how)
    )


def draw_plane(run: Run, tube: str, asked: Asked) -> Figure:
    """Draw a population's events on the two markers asked for, without gates."""
    from cytometry import plots

    columns = run.columns(tube)
    x, y = markers_of(columns, asked.markers, tube)
    path, rows = _rows(run, tube, asked.population)
    panel = panel_of(run, tube)
    axes = plots.biaxial(
        columns,
        x,
        y,
        rows=rows,
        labels={name: plots.axis_label(name, panel) for name in (x, y)},
        limits=limits_of(run, tube, columns, names=(x, y)),
        title=f"{named(path) or 'all events'}, n = {len(rows):,}",
        kind=asked.events,
        size=asked.size,
    )
    return figure_of(axes)


def draw_histogram(run: Run, tube: str, asked: Asked) -> Figure:
    """Draw one marker of a population of a tube, from all of its events."""
    from cytometry import plots

    columns = run.columns(tube)
    (name,) = markers_of(columns, asked.markers, tube)
    path, rows = _rows(run, tube, asked.population)
    axes = plots.histogram(
        columns,
        name,
        rows=rows,
        labels={name: plots.axis_label(name, panel_of(run, tube))},
        limits=limits_of(run, tube, columns, names=[name]),
        title=f"{named(path) or 'all events'}, n = {len(rows):,}",
        size=asked.size,
    )
    return figure_of(axes)


def draw_backgating(run: Run, tube: str, path: str, *, size: str = "nature2") -> Figure | SubFigure:
    """Draw a population's events over the plots of its ancestors."""
    from cytometry import plots

    _has(run, tube, path)
    found, columns = run.gated(tube), run.columns(tube)
    limits = limits_of(run, tube, columns)
    how: dict[str, Any] = {"panel": panel_of(run, tube), "limits": limits, "size": size}
    return plots.backgating(found.strategy, columns, found.membership, path, **how)


def draw_acquisition(run: Run, tube: str, *, size: str = "nature2") -> Figure | SubFigure:
    """Draw a tube's rate and its channels' medians over time, with the intervals that were found."""
    from cytometry import plots
    from cytometry.fcs import read_fcs
    from cytometry.qc import course_table

    about, panel = run.info["tubes"].get(tube, {}), panel_of(run, tube)
    source = read_fcs(run.locate(tube), data_set=about.get("data_set", 0))
    intervals = run.qc_intervals[run.qc_intervals["tube"] == tube]
    out = intervals[intervals["removed"]]
    removed = list(zip(out["start"].astype(float), out["stop"].astype(float), strict=True))
    course = course_table(source, panel, removed=removed)
    labels = {c.detector: panel.label(c.marker) for c in panel.channels if c.marker}
    return plots.acquisition_plot(course, intervals, labels=labels, title=tube, size=size)


def overlay_of(run: Run, tubes: Sequence[str], asked: Asked) -> tuple[Figure, ...]:
    """Draw a marker of a population in several tubes, one above the other, each with its own cut where it has one.

    Where the run compares levels of a label, such as arms, each level has its colour. 24 tubes stand on a page.
    """
    from cytometry import plots

    columns = {tube: run.columns(tube) for tube in tubes}
    first = tubes[0]
    (marker,) = markers_of(columns[first], asked.markers, first)
    scale = columns[first].dimensions[marker].scale
    factor = next((str(one["factor"]) for one in run.info.get("comparisons", ())), "")
    curves = []
    for tube, seen in columns.items():
        path, rows = _rows(run, tube, asked.population)
        about = run.info["tubes"][tube]
        group = str(about["labels"].get(factor, "")) if about["kind"] == "sample" else ""
        cut = _cut(run, tube, path, marker=marker, forward=scale.forward)
        values = scale.forward(seen.linear(marker, rows))
        curves.append(plots.Curve(tube, values, cut=cut, fmo=about["kind"] == "fmo", group=group))
    how: dict[str, Any] = {
        "scale": scale,
        "limits": plots.shared_limits(columns.values(), [marker])[marker],
        "label": plots.axis_label(marker, panel_of(run, first)),
        "title": asked.population,
        "size": asked.size,
    }
    pages = range(0, len(curves), ON_A_PAGE)
    return tuple(figure_of(plots.overlay(curves[at : at + ON_A_PAGE], **how)) for at in pages)


def _cut(run: Run, tube: str, path: str, *, marker: str, forward: Any) -> float | None:
    """Return where a child of the population is cut on the marker; None where there is none, or several."""
    cuts = {
        record.linear
        for record in run.gated(tube).gates
        if record.marker == marker
        and record.population.rpartition("/")[0] == path
        and np.isfinite(record.linear)
    }
    return float(forward(cuts.pop())) if len(cuts) == 1 else None


def markers_of(columns: Columns, names: Sequence[str], tube: str) -> tuple[str, ...]:
    """Return the markers that were named.

    Raises
    ------
    RunError
        If the tube lacks one, with those it has.
    """
    for name in names:
        if name not in columns.dimensions:
            msg = f"tube {tube} has no marker {name!r}; it has {listed(columns.dimensions, at_most=None)}"
            raise RunError(msg)
    return tuple(names)


def _rows(run: Run, tube: str, population: str) -> tuple[str, np.ndarray[Any, np.dtype[np.intp]]]:
    found = run.gated(tube)
    try:
        path = found.strategy.find(population) if population else ""
    except StrategyError as error:
        msg = f"tube {tube}: {error}"
        raise RunError(msg) from error
    return path, found.membership.rows(path)


def _has(run: Run, tube: str, path: str) -> None:
    if path not in run.strategy(tube).paths:
        msg = f"tube {tube} has no gate for {path}; cytometry show says why"
        raise RunError(msg)
