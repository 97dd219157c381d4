"""Captions of the figures of gates: what is drawn, n, the base of each percentage, and what was not tested."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING

from cytometry.plots.biaxial import MAX_EVENTS
from cytometry.plots.captions import MANNERS
from cytometry.plots.grid import MAX_EVENTS as MOST_IN_A_TILE
from cytometry.plots.hierarchy import MAX_EVENTS as MOST_IN_A_HIERARCHY
from cytometry.plots.marks import Kind
from cytometry.plots.outlines import percent
from cytometry.report.choice import Beside, named
from cytometry.report.kinds import Asked
from cytometry.report.words import counted

if TYPE_CHECKING:
    from cytometry.store import Run

SCALES = "Axes: compensated intensity on the linear scale, displayed on the scale of the table of channels."


def software() -> str:
    """Return what a figure was drawn with."""
    return f"Drawn with cytometry {version('cytometry')} and matplotlib {version('matplotlib')}."


def gate_caption(run: Run, tube: str, path: str, *, events: Kind = "auto") -> str:
    """Return the caption of one gate of a tube."""
    return f"{_share(run, tube, path)} {_drawn(events, MAX_EVENTS)} {SCALES}"


def control_caption(run: Run, tube: str, path: str, *, control: Beside, events: Kind = "auto") -> str:
    """Return the caption of a gate over its control."""
    parent = path.rpartition("/")[0]
    n = run.gated(control.tube).membership.count(parent)
    return (
        f"{_share(run, tube, path)} Dashed: {control.name} control, tube {control.tube}, n = {n:,} events of the same "
        f"parent; its lines leave 2, 10 and 50 % of them outside. The difference of the percentages is in points. "
        f"{_drawn(events, MAX_EVENTS)} {SCALES}"
    )


def plane_caption(run: Run, tube: str, population: str, *, events: Kind = "auto") -> str:
    """Return the caption of a population's events on axes that were chosen."""
    return f"{_events_of(run, tube, population)} {_drawn(events, MAX_EVENTS)} {SCALES}"


def histogram_caption(run: Run, tube: str, population: str) -> str:
    """Return the caption of a histogram."""
    return f"{_events_of(run, tube, population)} Smoothed histogram of all of them, normalised to its mode. {SCALES}"


def backgating_caption(run: Run, tube: str, path: str) -> str:
    """Return the caption of a population's events over its ancestors."""
    return (
        f"{_share(run, tube, path)} Its events (vermilion) over the plots of its ancestors (grey), at most "
        f"{MOST_IN_A_HIERARCHY:,} of each, chosen at random. Numbers at gates: % of the parent, counted from all its "
        f"events. {SCALES}"
    )


def grid_caption(run: Run, path: str, tubes: Sequence[str], *, events: Kind = "auto") -> str:
    """Return the caption of one gate in many tubes."""
    subjects = {run.info["tubes"][tube]["labels"].get("subject") or tube for tube in tubes}
    parent = named(path.rpartition("/")[0]) or "all events"
    many = f"{counted(len(tubes), 'tube')} of {counted(len(subjects), 'subject')}"
    return (
        f"{named(path)} in {many}. Numbers: % of {parent}, counted from all its events. Tubes without the gate first, "
        f"then by how far cut or fraction lies from those of the tubes it is compared with (robust standard "
        f"deviations). {_drawn(events, MOST_IN_A_TILE)} {SCALES}"
    )


def overlay_caption(asked: Asked, tubes: Sequence[str]) -> str:
    """Return the caption of a marker in several tubes."""
    many = counted(len(tubes), "tube")
    return (
        f"{asked.marker} on {asked.population} in {many}; n at each name counts events. Smoothed histograms of all "
        f"events, each normalised to its mode. Dashed: the tube's cut; %: of the events, at or above it. Grey: "
        f"fluorescence-minus-one control."
    )


def difference_caption(path: str, asked: Asked) -> str:
    """Return the caption of two arms' densities."""
    return (
        f"{asked.marker} on {named(path)}: mean density of the treated subjects minus that of the control subjects, as "
        f"a share of the highest mean density; each subject weighs alike, n is given at the bar. White: within two "
        f"standard errors between subjects, point by point. Grey: where events lie. An illustration: nothing was "
        f"tested."
    )


def acquisition_caption(tube: str) -> str:
    """Return the caption of a tube's run over time."""
    return (
        f"Tube {tube} over the time of its acquisition: events per second, and the median of each channel by slice of "
        f"time, as recorded. Band: two robust standard deviations. Hatched: events taken out; outlined: left in."
    )


def _events_of(run: Run, tube: str, population: str) -> str:
    found = run.gated(tube)
    path = found.strategy.find(population) if population else ""
    return f"{named(path) or 'All events'} of tube {tube}, n = {found.membership.count(path):,} events."


def _share(run: Run, tube: str, path: str) -> str:
    held = run.gated(tube).membership
    parent = path.rpartition("/")[0]
    base = f"{held.count(path):,} of {held.count(parent):,} events of {named(parent) or 'all events'}"
    return f"{named(path)} of tube {tube}: {percent(held.fraction(path))}, {base}."


def _drawn(events: Kind, most: int) -> str:
    return f"{MANNERS[events]} At most {most:,} events a plot are drawn, chosen at random; percentages are of all."
