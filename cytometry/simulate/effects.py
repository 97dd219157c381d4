"""Effects: what the drug does in a scenario, and how each subject responds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from math import hypot, log
from types import MappingProxyType
from typing import Any

from cytometry.simulate.amend import amended
from cytometry.simulate.calibrate import log_odds_for
from cytometry.simulate.composition import PATIENTS
from cytometry.simulate.draws import stream
from cytometry.simulate.plan import StudyPlan
from cytometry.simulate.tables import SimulationError, settings

PD1, DOUBLE, SILENT = "CD8 T/PD-1+", "CD8 T/IFN-g+TNF-a+", "CD8 T/PD-1+ without cytokine"


@dataclass(frozen=True, slots=True)
class Effect:
    """What the drug does to the odds of a population: mean over subjects and SD between them, natural log."""

    population: str
    log_odds: float
    sd: float

    def of(self, plan: StudyPlan, subject: str) -> float:
        """Return a subject's own effect."""
        drawn = stream(plan.seed, "response", subject, self.population).standard_normal()
        return float(self.log_odds + self.sd * drawn)


def effects(plan: StudyPlan, arm: str = "", *, tissue: str = "PBMC") -> Mapping[str, Effect]:
    """Return the planted effects of an arm's drug by population, in a tissue.

    In the null scenario all are there and all are zero. An arm that is no drug of the plan, a dose or the vehicle
    for one, has those of the first drug: whether it was given, the tube says.
    """
    drug = arm if arm in plan.drugs else plan.drugs[0]
    cage = amended(plan, "origins")[PATIENTS.get(tissue, tissue)].get("cage", 0.0)
    return _effects(plan.design_table["effects"], plan.scenario, drug, tissue, cage=cage)


@cache
def _effects(design: str, scenario: str, drug: str, tissue: str, *, cage: float) -> Mapping[str, Effect]:
    table = settings("effects")
    scene = table["scenarios"][scenario]
    sd = table["heterogeneity_sd"]
    return MappingProxyType(
        {
            population: Effect(
                population,
                scene["scale"] * _log_odds(population, said, sd, tissue=tissue, cage=cage),
                scene["scale"] * sd,
            )
            for population, said in table[design][scene["effects"]][drug].get(tissue, {}).items()
        }
    )


def _log_odds(population: str, said: Mapping[str, float], sd: float, *, tissue: str, cage: float) -> float:
    if "odds_ratio" in said:
        return log(said["odds_ratio"])
    mean, spread = planted_mean(population, tissue=tissue, cage=cage)
    return log_odds_for(said["to"], hypot(spread, sd)) - log_odds_for(mean, spread)


def planted_mean(population: str, *, tissue: str = "PBMC", cage: float = 0.0) -> tuple[float, float]:
    """Return the mean fraction at baseline and its SD over subjects on the logit scale.

    For the populations whose fraction is itself planted as logit-normal; ``cage`` is the SD of cages.

    Raises
    ------
    SimulationError
        If the population's fraction follows from others.
    """
    states: Mapping[str, Any] = settings("states")
    here = settings("origins")[PATIENTS.get(tissue, tissue)]
    leaf, _, state = population.partition("/")
    if state == "PD-1+" and leaf in here["pd1"]:
        said = here["pd1"][leaf]
        return said["mean"], hypot(said["donor_sd"], said["visit_sd"], cage)
    made = states["cytokines"]["stimulated"].get(leaf)
    if state == "IFN-g+TNF-a+" and made:
        said = states["cytokines"]
        return made["+++"] + made["++-"], hypot(said["donor_sd"], said["visit_sd"])
    msg = f"the fraction of {population!r} follows from others: give its effect as an odds ratio"
    raise SimulationError(msg)
