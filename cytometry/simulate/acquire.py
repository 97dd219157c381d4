"""Acquire: one tube's events as the instrument records them, and beside them what each event truly is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cytometry.simulate.amend import amended
from cytometry.simulate.before import tube_before
from cytometry.simulate.course import Course, run_tube
from cytometry.simulate.draws import Flags, Floats
from cytometry.simulate.instrument import Instrument
from cytometry.simulate.mixture import ALONE, Drawn, Mixture, draw_mixture
from cytometry.simulate.palette import SINGLE_STAIN, Palette
from cytometry.simulate.plan import PlannedTube, StudyPlan
from cytometry.simulate.pulses import SCATTER, put_on_margin, scatter
from cytometry.simulate.recipe import Recipe

__all__ = ["ALONE", "FLAGS", "SCATTER", "Known", "acquire"]

STRETCH = 16_384  # events at a time, so that what is worked on stays in the cache
FLAGS = (
    "is_doublet", "is_dead", "is_debris", "is_bead", "is_bound", "is_margin", "is_carry_over", "in_clog", "in_spike",
)  # fmt: skip


@dataclass(slots=True)
class Known:
    """What each event truly is; arrays of ``n`` events.

    Parameters
    ----------
    kind, partner
        Kinds of the recipe; the partner is the second cell of a doublet, -1 where there is none. Beads, red cells
        and platelets have the last kind.
    is_debris
        What is neither cell nor bead.
    is_bound
        Which beads of a compensation control caught the antibody.
    light, own_af
        By detector number: noise-free light of the dye, and what compensation makes of autofluorescence.
    about
        What befell the run, for the record of the tube.
    """

    kind: NDArray[np.int16]
    partner: NDArray[np.int16]
    is_dead: Flags
    is_debris: Flags
    is_bead: Flags
    is_bound: Flags
    is_margin: Flags
    is_carry_over: Flags
    in_clog: Flags
    in_spike: Flags
    light: Mapping[int, Floats]
    own_af: Mapping[int, Floats]
    about: Mapping[str, Any]

    @property
    def is_doublet(self) -> Flags:
        """Return which events are two cells, or two beads."""
        return np.asarray(self.partner != ALONE)

    @property
    def is_live_single(self) -> Flags:
        """Return which events are one live cell."""
        return np.asarray(~(self.is_debris | self.is_dead | self.is_doublet | self.is_bead))


def acquire(
    rng: np.random.Generator,
    n_events: int,
    *,
    plan: StudyPlan,
    tube: PlannedTube,
    recipe: Recipe,
    palette: Palette,
    instrument: Instrument,
    dead: float | None = None,
    beads: float = 0.0,
    watched: tuple[int, ...] = (),
) -> tuple[Floats, Known]:
    """Return recorded events ``(n, 6 + p + 1)`` and what they are.

    The columns are FSC and SSC (area, height, width), the detectors, and Time in seconds. ``dead`` is the
    fraction of cells that are, by default what tissue, freezing and stimulus make of it; ``beads`` the share of
    all events that are counting beads (biology knows how many cells there are beside them), ``watched`` the
    detectors whose noise-free light is kept.
    """
    mixture = Mixture(
        recipe=recipe,
        palette=palette,
        instrument=instrument,
        tissue=amended(plan, "tissues")[tube.tissue],
        dead=dead_share(plan, tube) if dead is None else dead,
        beads=beads,
        only_beads=tube.material == "beads",
        before=tube_before(plan, tube, recipe, instrument=instrument),
    )
    course = run_tube(rng, n_events, plan=plan, tube=tube, instrument=instrument)
    columns = np.empty((len(SCATTER) + len(instrument.channels) + 1, n_events), dtype=np.float32)
    known = []
    for start in range(0, n_events, STRETCH):
        piece = slice(start, start + STRETCH)
        here = course.piece(piece)
        known.append(_stretch(rng, columns[:, piece], here, mixture=mixture, watched=watched))
    columns[-1] = course.seconds
    return columns.T, _joined(known, course)


def dead_share(plan: StudyPlan, tube: PlannedTube) -> float:
    """Return the fraction of a tube's cells that are dead; half of those that show what dead ones look like."""
    said = amended(plan, "artefacts")
    if tube.kind == SINGLE_STAIN and tube.stained == said["viability_channel"]:
        return float(said["dead_of_viability_control"])
    thawed = said["dead_cryo"] if plan.cryo else 0.0
    stimulated = amended(plan, "states")["stimulation"]["dead"] if tube.activated else 0.0
    return float(amended(plan, "tissues")[tube.tissue]["dead"] + thawed + stimulated)


def _stretch(
    rng: np.random.Generator, recorded: Floats, course: Course, *, mixture: Mixture, watched: tuple[int, ...]
) -> Known:
    drawn = draw_mixture(rng, course, mixture=mixture)
    instrument, said = mixture.instrument, mixture.palette.artefacts
    cells = drawn.particles
    recorded[: len(SCATTER)] = scatter(
        rng, cells.area, pairs=drawn.partner != ALONE, said=said["geometry"], top=instrument.top
    )
    recorded[len(SCATTER) : -1] = instrument.detect(rng, cells.light, cells.af, reaching=course.light)
    is_margin = put_on_margin(rng, recorded, share=said["margin"], top=instrument.top)
    return _known(drawn, course, is_margin=is_margin, instrument=instrument, watched=watched)


def _known(
    drawn: Drawn, course: Course, *, is_margin: Flags, instrument: Instrument, watched: tuple[int, ...]
) -> Known:
    cells = drawn.particles
    return Known(
        kind=drawn.kinds.astype(np.int16),
        partner=drawn.partner,
        is_dead=drawn.is_dead,
        is_debris=drawn.is_debris,
        is_bead=drawn.is_bead,
        is_bound=drawn.is_bound,
        is_margin=is_margin,
        is_carry_over=drawn.is_carry_over,
        in_clog=course.in_clog,
        in_spike=course.in_spike,
        light={detector: cells.light[detector] for detector in watched},
        own_af={detector: instrument.own_light(cells.af, detector) for detector in watched},
        about=course.about,
    )


def _joined(parts: Sequence[Known], course: Course) -> Known:
    arrays = {
        field.name: np.concatenate([getattr(part, field.name) for part in parts])
        for field in fields(Known)
        if field.name not in ("light", "own_af", "about")
    }
    light = {d: np.concatenate([part.light[d] for part in parts]) for d in parts[0].light}
    own_af = {d: np.concatenate([part.own_af[d] for part in parts]) for d in parts[0].own_af}
    return Known(**arrays, light=light, own_af=own_af, about=course.about)
