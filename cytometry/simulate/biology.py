"""Biology: the expected composition of one specimen, from donor, visit and treatment.

Leaves of the lineage tree are drawn on the absolute scale (cells per uL) and closed to shares, so that a leaf
that grows makes all others fall. Within a leaf, parts (memory, Miyara's fractions) close in the same way;
PD-1 and cytokines are logit-normal fractions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import hypot, log

import numpy as np
from numpy.typing import NDArray

from cytometry.simulate import cytokine_states
from cytometry.simulate.calibrate import expit, log_odds_for, log_shares_for
from cytometry.simulate.draws import stream
from cytometry.simulate.effects import effects, planted_mean
from cytometry.simulate.plan import PlannedTube, StudyPlan
from cytometry.simulate.tables import rows, settings, split

PBMC_PER_UL = 2000.0
HEALTHY, PATIENT = "healthy", "rcc"


@dataclass(frozen=True, slots=True, eq=False)
class Specimen:
    """What is expected of one specimen; a tube's events are drawn from it.

    Parameters
    ----------
    per_ul
        Cells per uL of blood by leaf.
    leaves
        Shares of the live CD45+ cells by leaf; sums to 1.
    parts
        By leaf, shares of its parts; each sums to 1.
    pd1
        Fraction PD-1+ by leaf, where it is planted.
    tim3
        The donor's shift of TIM-3, log odds.
    cytokines
        By leaf, shares of the eight combinations after stimulation.
    background
        The same of any unstimulated cell.
    silence
        By leaf, how much more often PD-1+ cells make nothing, log odds.
    cd4_loss
        The donor's deviation from the mean shift of CD4 on stimulation, log10.
    """

    per_ul: Mapping[str, float]
    leaves: Mapping[str, float]
    parts: Mapping[str, Mapping[str, float]]
    pd1: Mapping[str, float]
    tim3: float
    cytokines: Mapping[str, NDArray[np.float64]]
    background: NDArray[np.float64]
    silence: Mapping[str, float]
    cd4_loss: float


def specimen(plan: StudyPlan, tube: PlannedTube) -> Specimen:
    """Return the specimen that a tube's cells come from; tubes of one specimen get the same."""
    per_ul = _per_ul(plan, tube)
    total = sum(per_ul.values())
    states = settings("states")
    donor = stream(plan.seed, "tim3", tube.subject).standard_normal()
    loss = stream(plan.seed, "cd4 loss", tube.subject).standard_normal()
    leaves = cytokine_states.STIMULATED
    return Specimen(
        per_ul=per_ul,
        leaves={leaf: amount / total for leaf, amount in per_ul.items()},
        parts={
            leaf: _parts(plan, tube, leaf) for leaf in dict.fromkeys(row["leaf"] for row in rows("parts"))
        },
        pd1={leaf: _pd1(plan, tube, leaf) for leaf in states["pd1"]["planted"]},
        tim3=states["tim3"]["donor_sd"] * float(donor),
        cytokines={
            leaf: cytokine_states.stimulated(
                plan, leaf, tube.subject, timepoint=tube.timepoint, treated=tube.treated
            )
            for leaf in leaves
        },
        background=cytokine_states.unstimulated(plan, tube.subject),
        silence={leaf: cytokine_states.silence(plan, leaf, treated=tube.treated) for leaf in leaves},
        cd4_loss=states["stimulation"]["cd4_donor_sd"] * float(loss),
    )


def _per_ul(plan: StudyPlan, tube: PlannedTube) -> dict[str, float]:
    found = rows("leaves")
    visit_sd = settings("artefacts")["variation"]["visit_leaf"]
    middle = log_leaves(PATIENT if not tube.healthy else HEALTHY)
    donor, visit = _terms(plan, tube, "leaves", len(found))
    amounts = {}
    for row, start, own, now in zip(found, middle, donor, visit, strict=True):
        log_amount = start + float(row["donor_sd"]) * own + visit_sd * now
        log_amount += log(float(row["cryo"])) if plan.cryo else 0.0
        amounts[row["leaf"]] = PBMC_PER_UL * float(np.exp(log_amount))
    return _treat(plan, tube, amounts, {name: leaves_named(name) for name in effects(plan)})


def log_leaves(health: str) -> tuple[float, ...]:
    """Return the middle subject's log shares of the leaves, such that the mean shares are those of the table."""
    found = rows("leaves")
    visit_sd = settings("artefacts")["variation"]["visit_leaf"]
    return log_shares_for(
        tuple(float(row[health]) for row in found),
        tuple(hypot(float(row["donor_sd"]), visit_sd) for row in found),
    )


def log_parts(leaf: str, health: str) -> tuple[float, ...]:
    """Return the same of the parts of a leaf."""
    found = parts_of(leaf)
    return log_shares_for(
        tuple(float(row[health]) for row in found),
        tuple(hypot(float(row["donor_sd"]), float(row["visit_sd"])) for row in found),
    )


def parts_of(leaf: str) -> list[Mapping[str, str]]:
    """Return the rows of ``parts.csv`` of a leaf."""
    return [row for row in rows("parts") if row["leaf"] == leaf]


def _parts(plan: StudyPlan, tube: PlannedTube, leaf: str) -> dict[str, float]:
    found = parts_of(leaf)
    middle = log_parts(leaf, PATIENT if not tube.healthy else HEALTHY)
    donor, visit = _terms(plan, tube, f"parts of {leaf}", len(found))
    amounts = {
        row["part"]: float(np.exp(start + float(row["donor_sd"]) * own + float(row["visit_sd"]) * now))
        for row, start, own, now in zip(found, middle, donor, visit, strict=True)
    }
    amounts = _treat(plan, tube, amounts, {name: parts_named(name, leaf) for name in effects(plan)})
    total = sum(amounts.values())
    return {part: amount / total for part, amount in amounts.items()}


def _pd1(plan: StudyPlan, tube: PlannedTube, leaf: str) -> float:
    said = settings("states")["pd1"]["planted"][leaf]
    mean, spread = planted_mean(f"{leaf}/PD-1+")
    donor, visit = _terms(plan, tube, f"PD-1 of {leaf}", 1)
    log_odds = log_odds_for(mean, spread) + said["donor_sd"] * donor[0] + said["visit_sd"] * visit[0]
    effect = effects(plan).get(f"{leaf}/PD-1+")
    if tube.treated and effect:
        log_odds += effect.of(plan, tube.subject)
    return float(expit(log_odds))


def _terms(
    plan: StudyPlan, tube: PlannedTube, what: str, count: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the standard normal terms of donor and visit; the anchor is an ordinary donor, the same every time."""
    if tube.healthy:
        return np.zeros(count), np.zeros(count)
    donor = stream(plan.seed, "donor", tube.subject, what).standard_normal(count)
    visit = stream(plan.seed, "visit", tube.subject, tube.timepoint, what).standard_normal(count)
    return donor, visit


def _treat(
    plan: StudyPlan, tube: PlannedTube, amounts: dict[str, float], affected: Mapping[str, tuple[str, ...]]
) -> dict[str, float]:
    if not tube.treated:
        return amounts
    for name, members in affected.items():
        for member in members:
            if member in amounts:
                amounts[member] *= float(np.exp(effects(plan)[name].of(plan, tube.subject)))
    return amounts


def leaves_named(population: str) -> tuple[str, ...]:
    """Return the leaves that make up a population, none where it is a state or a part of a leaf."""
    for row in rows("populations"):
        if row["population"] == population:
            whole = not any(row[column] for column in ("subset", "fraction", "pd1", "tim3", "cytokines"))
            return split(row["leaves"]) if whole else ()
    return ()


def parts_named(population: str, leaf: str) -> tuple[str, ...]:
    """Return the parts of a leaf that make up a population such as ``Treg Fr II``."""
    for row in rows("populations"):
        if row["population"] == population and row["leaves"] == leaf:
            return split(row["fraction"])
    return ()
