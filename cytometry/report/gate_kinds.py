"""The figures of gates, as they are asked for by name: see :mod:`cytometry.report.kinds`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from cytometry.errors import RunError
from cytometry.report.choice import named, nearest_control, overlaid, representative
from cytometry.report.cohort_drawing import draw_difference, draw_grid
from cytometry.report.drawing import DRAWN, draw_hierarchy, draw_overlay
from cytometry.report.gate_captions import (
    acquisition_caption,
    backgating_caption,
    control_caption,
    difference_caption,
    gate_caption,
    grid_caption,
    histogram_caption,
    overlay_caption,
    plane_caption,
)
from cytometry.report.gate_drawing import (
    draw_acquisition,
    draw_backgating,
    draw_control,
    draw_gate,
    draw_histogram,
    draw_plane,
    overlay_of,
)
from cytometry.report.kinds import Asked, Captioned
from cytometry.report.words import listed
from gating.errors import StrategyError
from gating.strategy import find_path

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from cytometry.store import Run

MEASURED = ("sample", "unstimulated")


def hierarchy(run: Run, asked: Asked) -> dict[str, Captioned]:
    """Draw the gating hierarchy of each tube named, or of each stain's representative one."""
    from cytometry import plots

    leaves = [asked.population] if asked.population else None
    drawn = {}
    for tube in _tubes(run, asked):
        figure = draw_hierarchy(run, tube, leaves=leaves, size=asked.size, kind=asked.events)
        caption = plots.gating_caption(run.strategy(tube), tube=tube, max_events=DRAWN, kind=asked.events)
        drawn[f"gating_{tube}"] = Captioned(figure, caption)
    return drawn


def biaxial(run: Run, asked: Asked) -> dict[str, Captioned]:
    """Draw the plot on which a population was gated; with two markers, its events on those."""
    if len(asked.markers) == 2:
        return {
            f"biaxial_{asked.population or 'all events'}_{tube}": Captioned(
                draw_plane(run, tube, asked), plane_caption(run, tube, asked.population, events=asked.events)
            )
            for tube in _tubes(run, asked)
        }
    return {
        f"gate_{named(path)}_{tube}": Captioned(
            draw_gate(run, tube, path, kind=asked.events, size=asked.size),
            gate_caption(run, tube, path, events=asked.events),
        )
        for tube, path in _gated(run, asked)
    }


def histogram(run: Run, asked: Asked) -> dict[str, Captioned]:
    """Draw one marker of a population of each tube named, or of the representative one."""
    if len(asked.markers) != 1:
        msg = "a histogram names one marker"
        raise RunError(msg)
    return {
        f"histogram_{asked.marker}_{asked.population or 'all events'}_{tube}": Captioned(
            draw_histogram(run, tube, asked), histogram_caption(run, tube, asked.population)
        )
        for tube in _tubes(run, asked)
    }


def overlay(run: Run, asked: Asked) -> dict[str, Captioned]:
    """Draw a marker in several tubes; without any name, the boundary of each stain that an FMO control gave."""
    if not asked.tubes and not asked.population:
        return _controls(run, asked)
    if not (asked.population and asked.marker):
        msg = "an overlay names population and marker; with neither and no tube it shows each FMO control"
        raise RunError(msg)
    several = [(asked.tubes, "")] if asked.tubes else [(_samples(run, s), s) for s, _ in _placed(run, asked)]
    drawn: dict[str, Captioned] = {}
    for tubes, stain in several:
        stem = "_".join(part for part in ("overlay", asked.marker, asked.population, stain) if part)
        drawn |= _numbered(stem, overlay_of(run, tubes, asked), overlay_caption(asked, tubes))
    return drawn


def control(run: Run, asked: Asked) -> dict[str, Captioned]:
    """Draw a population's gate in a tube over the control that its boundary was learnt from."""
    drawn = {}
    for tube, path in _gated(run, asked):
        figure = draw_control(run, tube, path, kind=asked.events, size=asked.size)
        beside = nearest_control(run, run.gated(tube), path)
        caption = control_caption(run, tube, path, control=beside, events=asked.events)
        drawn[f"control_{named(path)}_{tube}"] = Captioned(figure, caption)
    return drawn


def grid(run: Run, asked: Asked) -> dict[str, Captioned]:
    """Draw one population's gate in all sample tubes, or in those named; outliers first."""
    _needs_population(asked)
    drawn: dict[str, Captioned] = {}
    for stain, path in _placed(run, asked):
        tubes = asked.tubes or _samples(run, stain)
        pages = draw_grid(run, stain, path, tubes=tubes, kind=asked.events, size=asked.size)
        caption = grid_caption(run, path, tubes, events=asked.events)
        drawn |= _numbered(f"grid_{named(path)}_{stain}", pages, caption)
    return drawn


def backgating(run: Run, asked: Asked) -> dict[str, Captioned]:
    """Draw a population's events over the plots of its ancestors."""
    return {
        f"backgating_{named(path)}_{tube}": Captioned(
            draw_backgating(run, tube, path, size=asked.size), backgating_caption(run, tube, path)
        )
        for tube, path in _gated(run, asked)
    }


def difference(run: Run, asked: Asked) -> dict[str, Captioned]:
    """Draw where the arms of a comparison differ on two markers of a population."""
    _needs_population(asked)
    if len(asked.markers) != 2:
        msg = "a difference names two markers, joined by a comma"
        raise RunError(msg)
    drawn, errors = {}, []
    for stain, path in _placed(run, asked):
        try:
            figure = draw_difference(run, stain, path, asked=asked)
        except RunError as error:  # another stain may have the markers
            errors.append(error)
        else:
            stem = f"difference_{asked.marker}_{named(path)}_{stain}"
            drawn[stem] = Captioned(figure, difference_caption(path, asked))
    if not drawn:
        raise errors[0]
    return drawn


def acquisition(run: Run, asked: Asked) -> dict[str, Captioned]:
    """Draw each tube's rate and medians over time."""
    return {
        f"acquisition_{tube}": Captioned(
            draw_acquisition(run, tube, size=asked.size), acquisition_caption(tube)
        )
        for tube in _tubes(run, asked)
    }


def _numbered(stem: str, pages: Sequence[Figure], caption: str) -> dict[str, Captioned]:
    """Return pages by stem, with their number where there are several."""
    if len(pages) == 1:
        return {stem: Captioned(pages[0], caption)}
    return {f"{stem}_{number}": Captioned(figure, caption) for number, figure in enumerate(pages, start=1)}


def _controls(run: Run, asked: Asked) -> dict[str, Captioned]:
    """Return the overlay of the report, stain by stain."""
    from cytometry import plots

    drawn = {}
    for stain in run.stains:
        tube = representative(run, stain).tube
        chosen = overlaid(run, stain, tube) if tube else None
        if chosen:
            figure, curves = draw_overlay(run, chosen, size=asked.size)
            caption = plots.overlay_caption(curves, marker=chosen.marker, population=named(chosen.parent))
            drawn[f"overlay_{chosen.marker}_{stain}"] = Captioned(figure, f"{caption} {chosen.why}")
    if not drawn:
        msg = "no boundary of this run was learnt from an FMO control; name tubes, population and marker"
        raise RunError(msg)
    return drawn


def _tubes(run: Run, asked: Asked) -> tuple[str, ...]:
    """Return the tubes named, else the representative one of each stain that has the population asked for."""
    if asked.tubes:
        return asked.tubes
    stains = [stain for stain, _ in _placed(run, asked)] if asked.population else list(run.stains)
    known = {stain: _dimensions(run, stain) for stain in stains}
    having = [stain for stain in stains if set(asked.markers) <= known[stain]]
    stains = having or stains  # where none has them, the drawing says so
    found = tuple(tube for tube in (representative(run, stain).tube for stain in stains) if tube)
    if not found:
        msg = "no tube was gated, so that there is nothing to draw"
        raise RunError(msg)
    return found


def _gated(run: Run, asked: Asked) -> list[tuple[str, str]]:
    """Return each tube named, or the representative ones, with the path of the population asked for."""
    _needs_population(asked)
    if not asked.tubes:
        return [(representative(run, stain).tube, path) for stain, path in _placed(run, asked)]
    return [
        (tube, _found(asked.population, run.strategy(tube).paths, f"tube {tube}")) for tube in asked.tubes
    ]


def _placed(run: Run, asked: Asked) -> list[tuple[str, str]]:
    """Return each stain that has the population asked for, with its path there."""
    stains = dict.fromkeys(run.info["tubes"][t]["stain"] for t in asked.tubes if t in run.info["tubes"])
    placed, errors = [], []
    for stain in stains or run.stains:
        try:
            placed.append((stain, _found(asked.population, _paths(run, stain), f"stain {stain}")))
        except RunError as error:
            errors.append(error)
    if not placed:
        raise errors[0]
    return placed


def _paths(run: Run, stain: str) -> tuple[str, ...]:
    if run.info["stains"][stain].get("template"):
        return run.template(stain).paths
    return tuple(dict.fromkeys(path for tube in _samples(run, stain) for path in run.strategy(tube).paths))


def _dimensions(run: Run, stain: str) -> set[str]:
    panel = run.info["stains"][stain]["panel"]
    return {str(channel[key]) for channel in panel for key in ("marker", "detector") if channel.get(key)}


def _found(population: str, paths: Iterable[str], where: str) -> str:
    try:
        return find_path(population, tuple(paths))
    except StrategyError as error:
        msg = f"{where}: {error}"
        raise RunError(msg) from error


def _samples(run: Run, stain: str) -> tuple[str, ...]:
    """Return a stain's gated sample tubes, in the order of the sheet; its unstimulated ones where it has no other."""
    of_stain = {n: t for n, t in run.info["tubes"].items() if t["stain"] == stain and t["status"] == "gated"}
    for kind in MEASURED:
        if found := tuple(name for name, tube in of_stain.items() if tube["kind"] == kind):
            return found
    msg = f"no sample tube of the {stain} stain was gated; it has {listed(of_stain) or 'none'}"
    raise RunError(msg)


def _needs_population(asked: Asked) -> None:
    if not asked.population:
        msg = "this figure names a population"
        raise RunError(msg)
