"""Effects: what the drug does in a scenario, and how each subject responds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from math import hypot, log
from types import MappingProxyType
from typing import Any

from cytometry.simulate.calibrate import log_odds_for
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


def effects(plan: StudyPlan) -> Mapping[str, Effect]:
    """Return the planted effects by population; in the null scenario all are there and all are zero."""
    return _effects(plan.scenario, plan.drug)


@cache
def _effects(scenario: str, drug: str) -> Mapping[str, Effect]:
    table = settings("effects")
    scene = table["scenarios"][scenario]
    sd = table["heterogeneity_sd"]
    return MappingProxyType(
        {
            population: Effect(
                population, scene["scale"] * _log_odds(population, said, sd), scene["scale"] * sd
            )
            for population, said in table[scene["effects"]][drug].items()
        }
    )


def _log_odds(population: str, said: Mapping[str, float], sd: float) -> float:
    if "odds_ratio" in said:
        return log(said["odds_ratio"])
    mean, spread = planted_mean(population)
    return log_odds_for(said["to"], hypot(spread, sd)) - log_odds_for(mean, spread)


def planted_mean(population: str) -> tuple[float, float]:
    """Return the mean fraction at baseline and its SD over subjects on the logit scale.

    For the populations whose fraction is itself planted as logit-normal.

    Raises
    ------
    SimulationError
        If the population's fraction follows from others.
    """
    states: Mapping[str, Any] = settings("states")
    leaf, _, state = population.partition("/")
    if state == "PD-1+" and leaf in states["pd1"]["planted"]:
        said = states["pd1"]["planted"][leaf]
        return said["mean"], hypot(said["donor_sd"], said["visit_sd"])
    made = states["cytokines"]["stimulated"].get(leaf)
    if state == "IFN-g+TNF-a+" and made:
        said = states["cytokines"]
        return made["+++"] + made["++-"], hypot(said["donor_sd"], said["visit_sd"])
    msg = f"the fraction of {population!r} follows from others: give its effect as an odds ratio"
    raise SimulationError(msg)
