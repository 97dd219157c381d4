"""Planted: the mean fractions over all possible subjects, without and with the drug, that a scenario asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import exp
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cytometry.simulate import cytokine_states
from cytometry.simulate.amend import amended
from cytometry.simulate.asked import Asked, asked, endpoints
from cytometry.simulate.calibrate import expit, log_odds_for, logit, mean_fraction, mean_shares
from cytometry.simulate.composition import (
    PATIENTS,
    beside,
    leaf_rows,
    leaves_named,
    log_leaves,
    log_parts,
    parts_named,
    parts_of,
)
from cytometry.simulate.effects import DOUBLE, SILENT, Effect, effects, planted_mean
from cytometry.simulate.members import population_row
from cytometry.simulate.phospho import mean_log_remaining, stimulated_median
from cytometry.simulate.plan import StudyPlan
from cytometry.simulate.tables import settings, split
from cytometry.simulate.tubes import UNTREATED

NET, MEDIAN = "net_fraction_of_parent", "median_intensity"
Numbers = NDArray[np.float64]
Pair = tuple[float, float]


def planted_endpoints(plan: StudyPlan) -> list[dict[str, Any]]:
    """Return what was planted, a row per comparison and endpoint: those asked for, then what else the drug changes.

    ``control`` and ``treated`` are means over all possible subjects, as fractions, and ``shift`` their
    difference. ``log_odds`` is the mean effect within a subject, natural log, and ``heterogeneity_sd`` how
    far subjects differ in it. ``density_control`` and ``density_treated`` are the same population's mean cells
    per ``unit`` of blood or tissue: where a leaf changes, others fall in their share by closure, and not in that.
    Where an arm's change over time is compared with another's, ``control`` and ``treated`` are the two changes.
    Of a median intensity, ``control`` and ``treated`` are light of the dye, and ``odds_ratio`` is their ratio.
    """
    return [
        _row(plan, one, row) for one in asked(plan) for row in endpoints(plan) if _is_listed(plan, one, row)
    ]


def _row(plan: StudyPlan, one: Asked, row: Mapping[str, str]) -> dict[str, Any]:
    if row["statistic"] == MEDIAN:
        return _intensity(plan, one, row)
    own = _Planted.of(plan, one, row).row(row)
    if not one.against:
        return own
    other = _Planted.of(plan, replace(one, arm=one.against), row).row(row)
    log_odds = own["log_odds"] - other["log_odds"]
    return {
        **_labels(row, one),
        "control": other["shift"],
        "treated": own["shift"],
        "shift": own["shift"] - other["shift"],
        "log_odds": log_odds,
        "odds_ratio": exp(log_odds),
        "heterogeneity_sd": own["heterogeneity_sd"],
    }


def _is_listed(plan: StudyPlan, one: Asked, row: Mapping[str, str]) -> bool:
    changed = effects(plan, one.arm, tissue=_tissue(plan, row["stain"]))
    return bool(row["family"] or row["population"] in changed or row["scenario"] == plan.scenario)


def _tissue(plan: StudyPlan, stain: str) -> str:
    return str(plan.stain_tables[stain].get("tissue", "PBMC"))


def _labels(row: Mapping[str, str], one: Asked) -> dict[str, str]:
    names = ("stain", "population", "statistic", "marker", "family")
    return {**{name: row[name] for name in names}, "comparison": one.name, "arm": one.arm}


def _intensity(plan: StudyPlan, one: Asked, row: Mapping[str, str]) -> dict[str, Any]:
    control = stimulated_median(row["population"])
    left = mean_log_remaining(plan, one.dose_mg or 0.0, one.hours or 0.0)
    treated = control * exp(left)
    return {
        **_labels(row, one),
        "control": control,
        "treated": treated,
        "shift": treated - control,
        "log_odds": left,
        "odds_ratio": exp(left),
        "heterogeneity_sd": settings("phospho")["pharmacology"]["donor_sd_ln"],
    }


@dataclass(frozen=True, slots=True)
class _Planted:
    """The planted means of one comparison in one tissue."""

    plan: StudyPlan
    one: Asked
    origin: str
    changed: Mapping[str, Effect]

    @classmethod
    def of(cls, plan: StudyPlan, one: Asked, row: Mapping[str, str]) -> _Planted:
        tissue = _tissue(plan, row["stain"])
        given = {} if one.arm == UNTREATED else effects(plan, one.arm, tissue=tissue)
        return cls(plan, one, PATIENTS.get(tissue, tissue), given)

    @property
    def species(self) -> str:
        return self.plan.species

    @property
    def cage(self) -> float:
        return float(amended(self.plan, "origins")[self.origin].get("cage", 0.0))

    def row(self, row: Mapping[str, str]) -> dict[str, Any]:
        population = row["population"]
        effect = self.changed.get(population, Effect(population, 0.0, 0.0))
        control, treated = self.fractions(population)
        cells = self.densities(population, (control, treated))
        if row["statistic"] == NET:
            background = _background(population)
            control, treated = control - background, treated - background
        return {
            **_labels(row, self.one),
            "control": control,
            "treated": treated,
            "shift": treated - control,
            "log_odds": effect.log_odds,
            "odds_ratio": exp(effect.log_odds),
            "heterogeneity_sd": effect.sd,
            "density_control": cells[0],
            "density_treated": cells[1],
            "unit": settings("origins")[self.origin]["unit"],
        }

    def fractions(self, population: str) -> Pair:
        """Return the mean fractions: of the CD45+ cells for leaves, of the leaf for its parts and states."""
        leaf = population_row(population)["leaves"]
        if leaves := leaves_named(population):
            return self.leaf_shares(leaves)
        if parts := parts_named(population, leaf):
            return self.part_shares(leaf, parts)
        if population == DOUBLE or (population_row(population)["pd1"] and population != SILENT):
            return self.logit_normal(population)
        # The other states follow from several terms; their means are stated at the mean of those.
        control, effect = _state(population), self.changed.get(population)
        return control, float(expit(logit(control) + effect.log_odds)) if effect else control

    def logit_normal(self, population: str) -> Pair:
        mean, sd = planted_mean(population, tissue=_tissue_of(self.origin), cage=self.cage)
        effect = self.changed.get(population)
        if not effect:
            return mean, mean
        return mean, mean_fraction(log_odds_for(mean, sd) + effect.log_odds, float(np.hypot(sd, effect.sd)))

    def leaf_shares(self, members: tuple[str, ...]) -> Pair:
        there = self.there()
        sds = self.leaf_sds()[there]
        names = [row["leaf"] for row, here in zip(leaf_rows(self.species), there, strict=True) if here]
        shares, more, spread = (
            np.array(log_leaves(self.plan, self.origin))[there],
            *self.shifts(names, of_leaf=""),
        )
        return _mean_pair(shares, sds, more=more, spread=spread, inside=np.isin(names, members))

    def part_shares(self, leaf: str, members: tuple[str, ...]) -> Pair:
        found = parts_of(leaf, self.species)
        names = [row["part"] for row in found]
        sds = np.array([np.hypot(float(row["donor_sd"]), float(row["visit_sd"])) for row in found])
        shares, more, spread = np.array(log_parts(leaf, self.origin)), *self.shifts(names, of_leaf=leaf)
        return _mean_pair(shares, sds, more=more, spread=spread, inside=np.isin(names, members))

    def there(self) -> NDArray[np.bool_]:
        """Return which leaves of the table are CD45+ cells of this origin."""
        found = np.isfinite(log_leaves(self.plan, self.origin))
        return found & ~np.isin([row["leaf"] for row in leaf_rows(self.species)], beside(self.species))

    def leaf_sds(self) -> Numbers:
        said = settings("origins")[self.origin]
        donor = np.array([float(row["donor_sd"]) for row in leaf_rows(self.species)])
        return np.asarray(np.sqrt(donor**2 + said["visit"] ** 2 + self.cage**2))

    def shifts(self, names: list[str], *, of_leaf: str) -> tuple[Numbers, Numbers]:
        """Return what the drug adds to the logarithms of these leaves, or parts of a leaf, and its SDs."""
        shift, spread = np.zeros(len(names)), np.zeros(len(names))
        for population, effect in self.changed.items():
            hit = np.isin(names, parts_named(population, of_leaf) if of_leaf else leaves_named(population))
            shift[hit] += effect.log_odds
            spread[hit] = np.hypot(spread[hit], effect.sd)
        return shift, spread

    def densities(self, population: str, fractions: Pair) -> Pair:
        """Return the mean cells per unit; of a part or state, cells of the leaf times the fraction."""
        leaves = leaves_named(population)
        names = [row["leaf"] for row in leaf_rows(self.species)]
        inside = np.isin(names, leaves or split(population_row(population)["leaves"])) & self.there()
        thawed = np.log([float(row["cryo"]) for row in leaf_rows(self.species)]) * self.plan.cryo
        middle = (np.array(log_leaves(self.plan, self.origin)) + thawed)[inside]
        variance, (more, spread) = self.leaf_sds()[inside] ** 2, self.shifts(names, of_leaf="")
        density = amended(self.plan, "origins")[self.origin]["density"]
        before = density * float(np.exp(middle + variance / 2).sum())
        after = density * float(np.exp(middle + more[inside] + (variance + spread[inside] ** 2) / 2).sum())
        return (before, after) if leaves else (before * fractions[0], after * fractions[1])


def _tissue_of(origin: str) -> str:
    return next((tissue for tissue, name in PATIENTS.items() if name == origin), origin)


def _mean_pair(
    log_shares: Numbers, sds: Numbers, *, more: Numbers, spread: Numbers, inside: NDArray[np.bool_]
) -> Pair:
    """Return the mean share of some members of a composition before and after every effect on it."""
    control = mean_shares(log_shares, sds)[inside].sum()
    treated = mean_shares(log_shares + more, np.hypot(sds, spread))[inside].sum()
    return float(control), float(treated)


def _state(population: str) -> float:
    states: Mapping[str, Any] = settings("states")
    if population == SILENT:
        return float(states["dysfunctional"]["mean"])
    row = population_row(population)
    table = states["cytokines"]["stimulated"][row["leaves"]]
    return float(cytokine_states.from_table(table)[cytokine_states.bits(row["cytokines"])].sum())


def _background(population: str) -> float:
    """Return the mean fraction of unstimulated cells that look like this population."""
    said = settings("states")["cytokines"]["unstimulated"]
    mean = np.array(said["fractions"]) * exp(said["donor_sd_ln"] ** 2 / 2)
    wanted = np.array([sign == "+" for sign in population_row(population)["cytokines"]])
    return float(mean[wanted].prod())
