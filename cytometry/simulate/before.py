"""Before: the tube that ran before this one, of which the sample line still holds a few cells."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from cytometry.simulate.biology import specimen
from cytometry.simulate.instrument import Instrument
from cytometry.simulate.palette import Palette, palette
from cytometry.simulate.phospho import with_ps6
from cytometry.simulate.plan import PlannedTube, StudyPlan
from cytometry.simulate.recipe import Recipe, recipe
from cytometry.simulate.tables import panel

ABSENT = -1


@dataclass(frozen=True, slots=True, eq=False)
class Before:
    """The cells of the tube before.

    Parameters
    ----------
    recipe, palette
        Its kinds of cell, and how bright they are.
    here
        By its kinds, the same kind of this tube's recipe; -1 where this tube has none.
    """

    recipe: Recipe
    palette: Palette
    here: NDArray[np.intp]


def tube_before(
    plan: StudyPlan, tube: PlannedTube, kinds: Recipe, *, instrument: Instrument
) -> Before | None:
    """Return what ran before a tube of these kinds; None for the first tube of its stain, and for beads.

    Tubes run stain by stain, stimulated ones by themselves, in the order of the plan.
    """
    earlier = _order(plan).get(tube)
    if earlier is None:
        return None
    stained, of = panel(earlier.panel), specimen(plan, earlier)
    old = recipe(of, stained.markers, stimulated=bool(earlier.stimulus))
    places = {code: place for place, code in enumerate(_codes(kinds))}
    colours = palette(plan, earlier, old, panel=stained, instrument=instrument, cd4_loss=of.cd4_loss)
    return Before(
        recipe=old,
        palette=with_ps6(colours, plan, earlier, panel=stained, channels=instrument.channels),
        here=np.array([places.get(code, ABSENT) for code in _codes(old)]),
    )


@cache
def _order(plan: StudyPlan) -> dict[PlannedTube, PlannedTube]:
    """Return the tube before each."""
    last: dict[tuple[str, ...], PlannedTube] = {}
    found = {}
    for tube in plan.tubes:
        if tube.material != "cells":
            continue
        rack = (tube.panel, tube.stimulus, tube.tissue, tube.species)
        if rack in last:
            found[tube] = last[rack]
        last[rack] = tube
    return found


def _codes(kinds: Recipe) -> list[tuple[int, ...]]:
    columns = (kinds.stratum, kinds.pd1, kinds.tim3, kinds.cytokines)
    return [tuple(map(int, code)) for code in zip(*columns, strict=True)]
