"""One figure on demand: the kinds that the command line offers, drawn at journal size into ``figures/``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from cytometry.errors import RunError
from cytometry.report.blocks import records
from cytometry.report.choice import overlaid, representative
from cytometry.report.contrasts import contrasts_of
from cytometry.report.drawing import draw_contrast, draw_hierarchy, draw_overlay, figure_of
from cytometry.report.figures import file_stem
from cytometry.report.words import listed, measure_of
from gating.errors import StrategyError
from gating.strategy import find_path

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from cytometry.store import Run


@dataclass(frozen=True, slots=True)
class Asked:
    """What to draw: the tubes, population and marker that were named, and the size."""

    tubes: tuple[str, ...]
    population: str
    marker: str
    size: str


def draw_figure(
    run: Run,
    kind: str,
    *,
    tubes: Sequence[str] | None,
    population: str | None,
    marker: str | None,
    size: str,
    formats: tuple[str, ...],
) -> tuple[Path, ...]:
    """Draw figures of one kind and save them; see :func:`cytometry.report.write_figure`."""
    from cytometry import plots

    if kind not in KINDS:
        msg = f"no figure is called {kind!r}; choose one of {', '.join(KINDS)}"
        raise RunError(msg)
    asked = Asked(tuple(tubes or ()), population or "", marker or "", size)
    written: list[Path] = []
    for name, figure in KINDS[kind](run, asked).items():
        written += plots.save(figure, run.folder / "figures" / file_stem(name), formats=formats)
    return tuple(written)


def _hierarchy(run: Run, asked: Asked) -> dict[str, Figure]:
    tubes = asked.tubes or tuple(t for t in (representative(run, s).tube for s in run.stains) if t)
    leaves = [asked.population] if asked.population else None
    return {f"gating_{tube}": draw_hierarchy(run, tube, leaves=leaves, size=asked.size) for tube in tubes}


def _overlay(run: Run, asked: Asked) -> dict[str, Figure]:
    from cytometry import plots

    if not asked.tubes and not asked.population:
        return _controls(run, asked)
    if not (asked.tubes and asked.population and asked.marker):
        msg = "an overlay names tubes, population and marker; with none of them it shows each FMO control"
        raise RunError(msg)
    columns = {tube: run.columns(tube) for tube in asked.tubes}
    first = columns[asked.tubes[0]]
    if asked.marker not in first.dimensions:
        msg = f"tube {asked.tubes[0]} has no marker {asked.marker!r}; it has {listed(first.dimensions, at_most=None)}"
        raise RunError(msg)
    scale = first.dimensions[asked.marker].scale
    curves = []
    for tube, seen in columns.items():
        membership = run.gated(tube).membership
        rows = membership.rows(find_path(asked.population, membership.populations))
        fmo = run.info["tubes"][tube]["kind"] == "fmo"
        curves.append(plots.Curve(tube, scale.forward(seen.linear(asked.marker, rows)), fmo=fmo))
    panel = run.panel(run.info["tubes"][asked.tubes[0]]["stain"])
    axes = plots.overlay(
        curves,
        scale=scale,
        limits=plots.shared_limits(columns.values(), [asked.marker])[asked.marker],
        label=panel.label(asked.marker) if asked.marker in panel.markers else asked.marker,
        title=asked.population,
        size=asked.size,
    )
    return {f"overlay_{asked.marker}_{asked.population}": figure_of(axes)}


def _controls(run: Run, asked: Asked) -> dict[str, Figure]:
    """Return the overlay of the report, stain by stain."""
    figures = {}
    for stain in run.stains:
        tube = representative(run, stain).tube
        chosen = overlaid(run, stain, tube) if tube else None
        if chosen:
            figures[f"overlay_{chosen.marker}_{stain}"] = draw_overlay(run, chosen, size=asked.size)[0]
    if not figures:
        msg = "no boundary of this run was learnt from an FMO control; name tubes, population and marker"
        raise RunError(msg)
    return figures


def _compare(run: Run, asked: Asked) -> dict[str, Figure]:
    return {
        f"compare_{row['comparison']}_{row['stain']}_{measure_of(row)}": draw_contrast(
            run, row, size=asked.size
        )
        for row in records(_endpoints(run, asked))
    }


def _endpoints(run: Run, asked: Asked) -> pd.DataFrame:
    """Return the contrasts that were asked for: those of a population, else the declared ones."""
    contrasts = contrasts_of(run)
    if contrasts.empty:
        msg = f"{run.folder} compares nothing, so that there is nothing to draw"
        raise RunError(msg)
    if not asked.population:
        declared = contrasts[contrasts["family"] != "exploratory"]
        return declared if len(declared) else contrasts.head(1)
    try:
        path = find_path(asked.population, tuple(dict.fromkeys(contrasts["population"])))
    except StrategyError as error:
        raise RunError(str(error)) from error
    rows = contrasts[contrasts["population"] == path]
    rows = rows[rows["marker"] == asked.marker] if asked.marker else rows
    if rows.empty:
        msg = f"no contrast of {path} is about {asked.marker!r}"
        raise RunError(msg)
    return rows


def _forest(run: Run, asked: Asked) -> dict[str, Figure]:
    from cytometry import plots

    if contrasts_of(run).empty:
        msg = f"{run.folder} compares nothing, so that there is nothing to draw"
        raise RunError(msg)
    return {
        f"forest_all_{name}": figure_of(plots.forest(rows, size=asked.size))
        for name, rows in contrasts_of(run).groupby("comparison", sort=False)
    }


KINDS: Mapping[str, Callable[[Run, Asked], dict[str, Any]]] = MappingProxyType(
    {"hierarchy": _hierarchy, "overlay": _overlay, "compare": _compare, "forest": _forest}
)
