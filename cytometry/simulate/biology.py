"""Biology: the expected composition of one specimen, from donor, visit and treatment.

Leaves of the lineage tree are drawn on the absolute scale (cells per uL) and closed to shares, so that a leaf
that grows makes all others fall. Within a leaf, parts (memory, Miyara's fractions) close in the same way;
PD-1 and cytokines are logit-normal fractions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import log

import numpy as np
from numpy.typing import NDArray

from cytometry.simulate import cytokine_states
from cytometry.simulate.amend import amended
from cytometry.simulate.calibrate import expit, log_odds_for, logit
from cytometry.simulate.composition import (
    HUMAN,
    NOTHING,
    beside,
    leaf_rows,
    leaves_named,
    log_leaves,
    log_parts,
    origin_of,
    part_rows,
    parts_named,
    parts_of,
)
from cytometry.simulate.draws import stream
from cytometry.simulate.effects import effects
from cytometry.simulate.plan import PlannedTube, StudyPlan

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Specimen:
    """What is expected of one specimen; a tube's events are drawn from it.

    Parameters
    ----------
    species
        Whose cells they are.
    amounts
        Live CD45+ cells by leaf, per uL of blood or mg of tissue.
    leaves
        Shares of the live CD45+ cells by leaf; sums to 1.
    others
        Live cells that are not CD45+ by leaf, for each that is.
    parts
        By leaf, shares of its parts; each sums to 1.
    pd1
        Fraction PD-1+ by leaf, where it is planted.
    tim3
        Log odds of TIM-3+ among PD-1- and PD-1+ T cells.
    cytokines
        By leaf, shares of the eight combinations after stimulation.
    background
        The same of any unstimulated cell.
    silence
        By leaf, how much more often PD-1+ cells make nothing, log odds.
    cd4_loss
        The donor's deviation from the mean shift of CD4 on stimulation, log10.
    """

    species: str
    amounts: Mapping[str, float]
    leaves: Mapping[str, float]
    others: Mapping[str, float]
    parts: Mapping[str, Mapping[str, float]]
    pd1: Mapping[str, float]
    tim3: tuple[float, float]
    cytokines: Mapping[str, Numbers]
    background: Numbers
    silence: Mapping[str, float]
    cd4_loss: float

    @property
    def density(self) -> float:
        """Return the live CD45+ cells per uL or mg."""
        return sum(self.amounts.values())


def specimen(plan: StudyPlan, tube: PlannedTube) -> Specimen:
    """Return the specimen that a tube's cells come from; tubes of one specimen get the same."""
    here, states = amended(plan, "origins")[origin_of(tube)], amended(plan, "states")
    every = _amounts(plan, tube)
    aside = beside(tube.species)
    amounts = {leaf: amount for leaf, amount in every.items() if leaf not in aside}
    total = sum(amounts.values())
    donor = stream(plan.seed, "tim3", tube.subject).standard_normal()
    loss = stream(plan.seed, "cd4 loss", tube.subject).standard_normal()
    leaves = cytokine_states.STIMULATED if tube.species == HUMAN else ()
    tim3 = logit(np.array([here["tim3"]["of_pd1_negative"], here["tim3"]["of_pd1_positive"]]))
    return Specimen(
        species=tube.species,
        amounts=amounts,
        leaves={leaf: amount / total for leaf, amount in amounts.items()},
        others={leaf: every[leaf] / total for leaf in every if leaf in aside},
        parts={
            leaf: _parts(plan, tube, leaf)
            for leaf in dict.fromkeys(r["leaf"] for r in part_rows(tube.species))
        },
        pd1={leaf: _pd1(plan, tube, leaf) for leaf in here["pd1"]},
        tim3=tuple((tim3 + here["tim3"]["donor_sd"] * float(donor)).tolist()),
        cytokines={leaf: cytokine_states.stimulated(plan, leaf, tube) for leaf in leaves},
        background=cytokine_states.unstimulated(plan, tube.subject),
        silence={
            leaf: cytokine_states.silence(plan, leaf, arm=tube.arm, treated=tube.treated) for leaf in leaves
        },
        cd4_loss=states["stimulation"]["cd4_donor_sd"] * float(loss),
    )


def _amounts(plan: StudyPlan, tube: PlannedTube) -> dict[str, float]:
    """Return cells per uL or mg by leaf, those beside the CD45+ ones included."""
    found, here = leaf_rows(tube.species), amended(plan, "origins")[origin_of(tube)]
    middle = log_leaves(plan, origin_of(tube))
    sds = np.array([[float(row["donor_sd"]), here["visit"], here.get("cage", 0.0)] for row in found])
    own = _deviations(plan, tube, "leaves", sds)
    amounts = {}
    for row, start, deviation in zip(found, middle, own, strict=True):
        if start > NOTHING:
            thawed = log(float(row["cryo"])) if plan.cryo else 0.0
            amounts[row["leaf"]] = here["density"] * float(np.exp(start + deviation + thawed))
    return _treat(plan, tube, amounts, named=leaves_named)


def _parts(plan: StudyPlan, tube: PlannedTube, leaf: str) -> dict[str, float]:
    found = parts_of(leaf, tube.species)
    sds = np.array([[float(row["donor_sd"]), float(row["visit_sd"]), 0.0] for row in found])
    middle, own = log_parts(leaf, origin_of(tube)), _deviations(plan, tube, f"parts of {leaf}", sds)
    amounts = {
        row["part"]: float(np.exp(start + deviation))
        for row, start, deviation in zip(found, middle, own, strict=True)
    }
    amounts = _treat(plan, tube, amounts, named=lambda population: parts_named(population, leaf))
    total = sum(amounts.values())
    return {part: amount / total for part, amount in amounts.items()}


def _pd1(plan: StudyPlan, tube: PlannedTube, leaf: str) -> float:
    here = amended(plan, "origins")[origin_of(tube)]
    said = here["pd1"][leaf]
    sds = np.array([[said["donor_sd"], said["visit_sd"], here.get("cage", 0.0)]])
    middle = log_odds_for(said["mean"], float(np.hypot.reduce(sds[0])))
    found = middle + float(_deviations(plan, tube, f"PD-1 of {leaf}", sds)[0])
    effect = effects(plan, tube.arm, tissue=tube.tissue).get(f"{leaf}/PD-1+")
    if tube.treated and effect:
        found += effect.of(plan, tube.subject)
    return float(expit(found))


def _deviations(plan: StudyPlan, tube: PlannedTube, what: str, sds: Numbers) -> Numbers:
    """Return how far a specimen is from the middle one; ``sds`` are of donor, visit and cage, shape ``(n, 3)``.

    The anchor is an ordinary donor, the same every time. Tissues of one animal go their own ways.
    """
    if tube.healthy:
        return np.zeros(len(sds))
    here = (tube.subject,) if tube.species == HUMAN else (tube.subject, tube.tissue)
    places = (
        ("donor", *here, what),
        ("visit", *here, tube.timepoint, what),
        ("cage", tube.cage, tube.tissue, what),
    )
    found = np.zeros(len(sds))
    for sd, names in zip(sds.T, places, strict=True):
        if sd.any():
            found += sd * stream(plan.seed, *names).standard_normal(len(sds))
    return found


def _treat(
    plan: StudyPlan,
    tube: PlannedTube,
    amounts: dict[str, float],
    *,
    named: Callable[[str], tuple[str, ...]],
) -> dict[str, float]:
    if not tube.treated:
        return amounts
    for name, effect in effects(plan, tube.arm, tissue=tube.tissue).items():
        for member in named(name):
            if member in amounts:
                amounts[member] *= float(np.exp(effect.of(plan, tube.subject)))
    return amounts
