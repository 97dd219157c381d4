"""Mixture: everything that passes the lasers in one stretch of a tube, before any detector sees it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cytometry.simulate.beads import capture_beads, counting_beads
from cytometry.simulate.before import ABSENT, Before
from cytometry.simulate.cells import Particles, draw_cells, kill, tear
from cytometry.simulate.course import Course
from cytometry.simulate.draws import Flags
from cytometry.simulate.instrument import Instrument
from cytometry.simulate.palette import Palette
from cytometry.simulate.recipe import Recipe

ALONE = -1


@dataclass(frozen=True, slots=True, eq=False)
class Mixture:
    """What one tube holds.

    Parameters
    ----------
    tissue
        Shares of debris, platelets, doublets: a table of ``tissues.toml``.
    dead
        Fraction of the cells.
    beads
        Share of all events that are counting beads.
    only_beads
        Whether there are no cells, only the beads of a compensation control.
    before
        What the sample line still holds of the tube before.
    """

    recipe: Recipe
    palette: Palette
    instrument: Instrument
    tissue: Mapping[str, float]
    dead: float
    beads: float
    only_beads: bool
    before: Before | None


@dataclass(slots=True)
class Drawn:
    """Particles of a stretch and what they are; see ``Known``."""

    particles: Particles
    kinds: NDArray[np.intp]
    partner: NDArray[np.int16]
    is_dead: Flags
    is_debris: Flags
    is_bead: Flags
    is_bound: Flags
    is_carry_over: Flags


def draw_mixture(rng: np.random.Generator, course: Course, *, mixture: Mixture) -> Drawn:
    """Return the particles of a stretch of the course, ``course.seconds.size`` of them."""
    doublet = mixture.tissue["doublet"] * np.where(
        course.in_spike, mixture.palette.artefacts["spike"]["doublet"], 1
    )
    pairs = rng.random(course.seconds.size) < doublet
    drawn = _beads(rng, pairs, mixture) if mixture.only_beads else _cells(rng, course, pairs, mixture)
    _break_tandems(rng, drawn.particles, mixture.palette)
    return drawn


def _cells(rng: np.random.Generator, course: Course, pairs: Flags, mixture: Mixture) -> Drawn:
    n, recipe, palette = pairs.size, mixture.recipe, mixture.palette
    kinds = _kinds(rng, n, recipe)
    fate = rng.random(n)
    fates = np.cumsum(
        [mixture.beads, *((1 - mixture.beads) * mixture.tissue[k] for k in ("debris", "platelet"))]
    )
    what = np.searchsorted(fates, fate, side="right")  # 0 a bead, 1 debris, 2 a platelet, 3 a cell
    is_bead, is_cell = what == 0, what == len(fates)
    kinds[is_bead | (what == 2)] = recipe.platelet
    cells, dies = _live_or_dead(rng, kinds, is_cell, mixture=mixture, palette=palette)
    carried = _carry_over(
        rng, course.is_carry_over & is_cell, cells=cells, kinds=kinds, dies=dies, mixture=mixture
    )
    tear(rng, cells, (what == 1) | (what == 2), palette=palette)
    at = np.flatnonzero(is_bead)
    if at.size:
        cells.put(counting_beads(rng, at.size, palette=palette, instrument=mixture.instrument), at)
    partner = np.full(n, ALONE, dtype=np.int16)
    at = np.flatnonzero(pairs & is_cell)
    others = _kinds(rng, at.size, recipe)
    every = np.ones(at.size, dtype=bool)
    second, dies_too = _live_or_dead(rng, others, every, mixture=mixture, palette=palette)
    cells.join(second, at)
    partner[at], dies[at] = others, dies[at] | dies_too
    return Drawn(
        particles=cells,
        kinds=kinds,
        partner=partner,
        is_dead=dies,
        is_debris=~(is_cell | is_bead),
        is_bead=is_bead,
        is_bound=np.zeros(n, dtype=bool),
        is_carry_over=carried,
    )


def _beads(rng: np.random.Generator, pairs: Flags, mixture: Mixture) -> Drawn:
    n, palette = pairs.size, mixture.palette
    particles, bound = capture_beads(rng, n, palette=palette, instrument=mixture.instrument)
    at = np.flatnonzero(pairs)
    second, also = capture_beads(rng, at.size, palette=palette, instrument=mixture.instrument)
    particles.join(second, at)
    bound[at] |= also
    none = np.zeros(n, dtype=bool)
    return Drawn(
        particles=particles,
        kinds=np.full(n, mixture.recipe.platelet, dtype=np.intp),
        partner=np.where(pairs, mixture.recipe.platelet, ALONE).astype(np.int16),
        is_dead=none,
        is_debris=none,
        is_bead=~none,
        is_bound=bound,
        is_carry_over=none,
    )


def _kinds(rng: np.random.Generator, n: int, recipe: Recipe) -> NDArray[np.intp]:
    """Return the kinds of cells that come by: counts are multinomial."""
    found = np.searchsorted(recipe.cumulative, rng.random(n), side="right")
    return np.minimum(found, recipe.platelet - 1)


def _live_or_dead(
    rng: np.random.Generator,
    kinds: NDArray[np.intp],
    is_cell: Flags,
    *,
    mixture: Mixture,
    palette: Palette,
) -> tuple[Particles, Flags]:
    cells = draw_cells(rng, kinds, palette=palette, instrument=mixture.instrument)
    dies = is_cell & (rng.random(kinds.size) < mixture.dead)
    dying = rng.random(kinds.size) < palette.artefacts["dying"]
    kill(rng, cells, dies, dying=dying, palette=palette)
    return cells, dies


def _carry_over(
    rng: np.random.Generator,
    wanted: Flags,
    *,
    cells: Particles,
    kinds: NDArray[np.intp],
    dies: Flags,
    mixture: Mixture,
) -> Flags:
    """Put cells of the tube before in some places; return in which."""
    carried = np.zeros(wanted.size, dtype=bool)
    before = mixture.before
    if before is None or not wanted.any():
        return carried
    at = np.flatnonzero(wanted)
    theirs = _kinds(rng, at.size, before.recipe)
    others, dead = _live_or_dead(
        rng, theirs, np.ones(at.size, dtype=bool), mixture=mixture, palette=before.palette
    )
    known = before.here[theirs] != ABSENT
    cells.put(others.only(known), at[known])
    kinds[at[known]], dies[at[known]] = before.here[theirs[known]], dead[known]
    carried[at[known]] = True
    return carried


def _break_tandems(rng: np.random.Generator, cells: Particles, palette: Palette) -> None:
    """Let some of each tandem dye's light come from its donor."""
    most = np.float32(palette.artefacts["tandem"]["most"])
    if most:
        for tandem, donor in palette.broken:
            lost = cells.light[tandem] * (most * rng.random(cells.light.shape[1], dtype=np.float32))
            cells.light[tandem] -= lost
            cells.light[donor] += lost
