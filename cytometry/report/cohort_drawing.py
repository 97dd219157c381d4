"""Drawing a gate in many tubes side by side, and two arms' mean densities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from cytometry.errors import RunError
from cytometry.plots.content import content_of
from cytometry.plots.grid import MAX_EVENTS, Axis
from cytometry.plots.marks import subsample
from cytometry.plots.one_gate import view_of
from cytometry.plots.views import View
from cytometry.report.choice import named
from cytometry.report.drawing import figure_of, limits_of, panel_of
from cytometry.report.gate_drawing import markers_of
from cytometry.report.kinds import Asked
from cytometry.report.odd import NO_GATE, outliers_first, own_gates
from cytometry.report.words import listed

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from cytometry.plots.axes import Limits
    from cytometry.store import Run
    from gating.columns import Columns
    from gating.scales import Floats

PER_SUBJECT = 20_000  # events of a tube that its density is made from


def draw_grid(
    run: Run, stain: str, path: str, *, tubes: Sequence[str], kind: str = "auto", size: str = "nature2"
) -> tuple[Figure, ...]:
    """Draw one population's gate in all of the tubes, those without it and the outliers first.

    Raises
    ------
    RunError
        If none of the tubes has a gate for it, or two of them show it on other scales.
    """
    from cytometry import plots

    with_gate = [tube for tube in tubes if path in run.strategy(tube).paths]
    if not with_gate:
        msg = f"{path} was gated in none of {listed(tubes)}; run.gates says why"
        raise RunError(msg)
    view, axes = _shared_axes(run, with_gate, path)
    tiles = []
    for ranked in outliers_first(run, path, tubes):
        found, columns = run.gated(ranked.tube), run.columns(ranked.tube)
        marked = own_gates(run, ranked.tube)
        if path in found.strategy.paths:
            content = content_of(found.strategy, columns, found.membership, leaves=[path], marked=marked)
            seen = view_of(content, path)
        elif view.parent in ("", *found.strategy.paths):
            content = content_of(found.strategy, columns, found.membership, leaves=[])
            seen = View(view.parent, view.x, view.y, ())
        else:
            tiles.append(plots.Tile(ranked.tube, np.empty((0, 2)), 0, (), f"no {named(view.parent)}"))
            continue
        tiles.append(plots.gate_tile(ranked.tube, content, seen, note=ranked.note))
    missing = sum(tile.note == NO_GATE for tile in tiles)
    notes = [
        f"% of {named(view.parent) or 'all events'}, counted from all its events; at most {MAX_EVENTS:,} a "
        f"plot are drawn, chosen at random. Axes are the same for all tubes. Order: tubes without the gate "
        f"({missing}), then by how far cut or fraction lies from the other tubes' (robust SD). *, dashed: a cut apart."
    ]
    title = f"{named(path)} in {len(tiles)} tubes"
    return plots.gate_grid(tiles, *axes, title=title, notes=notes, kind=kind, size=size)  # type: ignore[arg-type]


def draw_difference(run: Run, stain: str, path: str, *, asked: Asked) -> Figure:
    """Draw where a comparison's treated arm has more of a population's events than its control arm."""
    from cytometry import plots

    comparison = _comparison(run, asked)
    arms: dict[str, dict[str, list[Floats]]] = {comparison["control"]: {}, comparison["treated"]: {}}
    first = ""
    for tube, about in run.info["tubes"].items():
        arm = str(about["labels"].get(comparison["factor"], ""))
        gated = about["stain"] == stain and about["status"] == "gated" and about["kind"] == "sample"
        if not gated or arm not in arms or path not in run.strategy(tube).paths:
            continue
        first = first or tube
        columns = run.columns(tube)
        names = markers_of(columns, asked.markers, tube)
        rows = run.gated(tube).membership.rows(path)
        rows = subsample(rows, PER_SUBJECT, np.random.default_rng(0))
        subject = str(about["labels"].get("subject", tube))
        arms[arm].setdefault(subject, []).append(np.column_stack([columns.values(n, rows) for n in names]))
    if not first:
        msg = f"no tube of the {stain} stain in {listed(arms)} has {path}"
        raise RunError(msg)
    columns = run.columns(first)
    limits = limits_of(run, first, columns, names=asked.markers)
    x, y = (
        _axis(run, first, columns, name=name, limits=limits)
        for name in markers_of(columns, asked.markers, first)
    )
    points = {arm: {who: np.vstack(of) for who, of in subjects.items()} for arm, subjects in arms.items()}
    axes = plots.density_difference(
        points,
        x,
        y,
        paired=comparison["design"] == "paired",
        title=f"{named(path)} (illustration, no test)",
        size=asked.size,
    )
    return figure_of(axes)


def _shared_axes(run: Run, tubes: Sequence[str], path: str) -> tuple[View, tuple[Axis, Axis]]:
    """Return the plot on which the first tube shows a gate, and axes that hold all tubes' events and gates."""
    from cytometry import plots

    opened = [run.columns(tube) for tube in tubes]
    seen = content_of(run.strategy(tubes[0]), opened[0], run.gated(tubes[0]).membership, leaves=[path])
    view = view_of(seen, path)
    names = (view.x, view.y)
    for tube, columns in zip(tubes, opened, strict=True):
        other = [name for name in names if columns.dimensions[name].scale != opened[0].dimensions[name].scale]
        if other:
            msg = f"{listed(other)} has another scale in tube {tube} than in {tubes[0]}: the plots would not compare"
            raise RunError(msg)
    gates = [run.strategy(tube).population(path).gate for tube in tubes]
    of_parent = [c.at(run.gated(t).membership.rows(view.parent)) for c, t in zip(opened, tubes, strict=True)]
    limits = plots.shared_limits(of_parent, names, gates=gates)
    x, y = (_axis(run, tubes[0], opened[0], name=name, limits=limits) for name in names)
    return view, (x, y)


def _axis(run: Run, tube: str, columns: Columns, *, name: str, limits: Mapping[str, Limits]) -> Axis:
    from cytometry import plots

    label = plots.axis_label(name, panel_of(run, tube))
    return Axis(name, columns.dimensions[name].scale, limits[name], label)


def _comparison(run: Run, asked: Asked) -> dict[str, Any]:
    known = {one["name"]: one for one in run.info.get("comparisons", ())}
    if not known:
        msg = f"{run.folder} compares nothing, so that there are no arms to draw"
        raise RunError(msg)
    if asked.comparison and asked.comparison not in known:
        msg = f"no comparison is called {asked.comparison!r}; the run has {listed(known, at_most=None)}"
        raise RunError(msg)
    return known[asked.comparison] if asked.comparison else next(iter(known.values()))
