"""Acquire: one tube's events as the instrument records them, and beside them what each event truly is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cytometry.simulate.cells import Flags, Particles, draw_cells, kill, tear
from cytometry.simulate.draws import Floats, normals
from cytometry.simulate.instrument import Instrument
from cytometry.simulate.palette import Palette
from cytometry.simulate.plan import PlannedTube, StudyPlan
from cytometry.simulate.recipe import Recipe
from cytometry.simulate.tables import settings

STRETCH = 16_384  # events at a time, so that what is worked on stays in the cache
SCATTER = ("FSC-A", "FSC-H", "FSC-W", "SSC-A", "SSC-H", "SSC-W")
ALONE = -1


@dataclass(slots=True)
class Known:
    """What each event truly is; arrays of ``n`` events.

    Parameters
    ----------
    kind, partner
        Kinds of the recipe; the partner is the second cell of a doublet, -1 where there is none.
    light, own_af
        By detector number: noise-free light of the dye, and what compensation makes of autofluorescence.
    """

    kind: NDArray[np.int16]
    partner: NDArray[np.int16]
    is_dead: Flags
    is_debris: Flags
    is_margin: Flags
    light: Mapping[int, Floats]
    own_af: Mapping[int, Floats]

    @property
    def is_doublet(self) -> Flags:
        """Return which events are two cells."""
        return np.asarray(self.partner != ALONE)

    @property
    def is_live_single(self) -> Flags:
        """Return which events are one live cell."""
        return np.asarray(~(self.is_debris | self.is_dead | self.is_doublet))


def acquire(
    rng: np.random.Generator,
    n_events: int,
    *,
    plan: StudyPlan,
    tube: PlannedTube,
    recipe: Recipe,
    palette: Palette,
    instrument: Instrument,
    dead: float,
    beads: float = 0.0,
    watched: tuple[int, ...] = (),
) -> tuple[Floats, Known]:
    """Return recorded events ``(n, 6 + p + 1)`` and what they are.

    The columns are FSC and SSC (area, height, width), the detectors, and Time in seconds. ``dead`` is the
    fraction of cells that are, ``beads`` the share of all events that are counting beads (biology knows how many
    cells there are beside them), ``watched`` the detectors whose noise-free light is kept.
    """
    columns = np.empty((len(SCATTER) + len(instrument.channels) + 1, n_events), dtype=np.float32)
    known = []
    for start in range(0, n_events, STRETCH):
        part = columns[:, start : start + STRETCH]
        known.append(
            _stretch(
                rng,
                part,
                tissue=tube.tissue,
                recipe=recipe,
                palette=palette,
                instrument=instrument,
                dead=dead,
                watched=watched,
            )
        )
    said = settings("instrument")
    arrivals = np.cumsum(rng.exponential(1 / said["rate"], n_events))
    columns[-1] = np.floor(arrivals / said["timestep"]) * said["timestep"]
    return columns.T, _joined(known)


def _stretch(
    rng: np.random.Generator,
    recorded: Floats,
    *,
    tissue: str,
    recipe: Recipe,
    palette: Palette,
    instrument: Instrument,
    dead: float,
    watched: tuple[int, ...],
) -> Known:
    said, n = settings("tissues")[tissue], recorded.shape[1]
    kinds = _kinds(rng, n, recipe)
    fate = rng.random(n)
    debris = fate < said["debris"]
    platelets = ~debris & (fate < said["debris"] + said["platelet"])
    kinds[platelets] = recipe.platelet
    is_cell = ~debris & ~platelets
    pairs = np.flatnonzero(is_cell & (rng.random(n) < said["doublet"]))
    cells, dies = _cells(rng, kinds, is_cell, palette=palette, instrument=instrument, dead=dead)
    tear(rng, cells, debris, palette=palette)
    partner = np.full(n, ALONE, dtype=np.int16)
    others = _kinds(rng, pairs.size, recipe)
    second, dies_too = _cells(
        rng, others, np.ones(pairs.size, dtype=bool), palette=palette, instrument=instrument, dead=dead
    )
    cells.join(second, pairs)
    partner[pairs], dies[pairs] = others, dies[pairs] | dies_too
    recorded[: len(SCATTER)] = _scatter(rng, cells.area, partner != ALONE, top=instrument.top)
    recorded[len(SCATTER) : -1] = instrument.detect(rng, cells.light, cells.af)
    return Known(
        kind=kinds.astype(np.int16),
        partner=partner,
        is_dead=dies,
        is_debris=~is_cell,
        is_margin=_margin(rng, recorded, instrument.top),
        light={detector: cells.light[detector] for detector in watched},
        own_af={detector: instrument.own_light(cells.af, detector) for detector in watched},
    )


def _kinds(rng: np.random.Generator, n: int, recipe: Recipe) -> NDArray[np.intp]:
    """Return the kinds of cells that come by: counts are multinomial."""
    found = np.searchsorted(recipe.cumulative, rng.random(n), side="right")
    return np.minimum(found, recipe.platelet - 1)


def _cells(
    rng: np.random.Generator,
    kinds: NDArray[np.intp],
    is_cell: Flags,
    *,
    palette: Palette,
    instrument: Instrument,
    dead: float,
) -> tuple[Particles, Flags]:
    cells = draw_cells(rng, kinds, palette=palette, instrument=instrument)
    dies = is_cell & (rng.random(kinds.size) < dead)
    dying = rng.random(kinds.size) < settings("artefacts")["dying"]
    kill(rng, cells, dies, dying=dying, palette=palette)
    return cells, dies


def _scatter(rng: np.random.Generator, area: Floats, pair: Flags, *, top: float) -> Floats:
    """Return area, height and width of FSC, then of SSC; two cells in a row are lower and longer for their area."""
    said: Mapping[str, Any] = settings("artefacts")["geometry"]
    n = area.shape[1]
    low, high = said["doublet_height"]
    one = np.float32(said["height"])
    two = low + (high - low) * rng.random(n, dtype=np.float32)
    share = np.where(pair, two, one)
    found = np.empty((6, n), dtype=np.float32)
    for row in range(2):
        error = np.float32(1) + np.float32(said["height_cv"]) * normals(rng, n)
        height = area[row] * share * error
        found[3 * row : 3 * row + 3] = area[row], height, np.float32(said["width"]) * area[row] / height
    return np.minimum(found, np.float32(top - 1), out=found)


def _margin(rng: np.random.Generator, recorded: Floats, top: float) -> Flags:
    """Put some events on the edge: one channel at its top, or scatter at its floor; return all that lie there."""
    n, floor = recorded.shape[1], [0, 3]
    chosen = np.flatnonzero(rng.random(n) < settings("artefacts")["margin"])
    for event in chosen:
        if rng.random() < 1 / 2:
            recorded[rng.integers(len(recorded) - 1), event] = top - 1
        else:
            recorded[rng.choice(floor), event] = 0
    return np.asarray((recorded[:-1] >= top - 1).any(axis=0) | (recorded[floor] <= 0).any(axis=0))


def _joined(parts: list[Known]) -> Known:
    arrays = {
        field.name: np.concatenate([getattr(part, field.name) for part in parts])
        for field in fields(Known)
        if field.name not in ("light", "own_af")
    }
    light = {d: np.concatenate([part.light[d] for part in parts]) for d in parts[0].light}
    own_af = {d: np.concatenate([part.own_af[d] for part in parts]) for d in parts[0].own_af}
    return Known(**arrays, light=light, own_af=own_af)
