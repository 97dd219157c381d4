"""Planted: the mean fractions over all possible subjects, at baseline and on treatment, that a scenario asks for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import exp, hypot
from typing import Any

import numpy as np

from cytometry.simulate import cytokine_states
from cytometry.simulate.biology import PATIENT, leaves_named, log_leaves, log_parts, parts_named, parts_of
from cytometry.simulate.calibrate import expit, log_odds_for, logit, mean_fraction, mean_shares
from cytometry.simulate.effects import DOUBLE, PD1, SILENT, Effect, effects, planted_mean
from cytometry.simulate.plan import StudyPlan
from cytometry.simulate.tables import rows, settings

NET = "net_fraction_of_parent"


def planted_endpoints(plan: StudyPlan) -> list[dict[str, Any]]:
    """Return what was planted, a row per endpoint: those the study asks for, then what else the drug changes.

    ``control`` and ``treated`` are means over all possible subjects, as fractions, and ``shift`` their
    difference. ``log_odds`` is the mean effect within a subject, natural log, and ``heterogeneity_sd`` how
    far subjects differ in it. Where a leaf changes, others fall by closure without an effect of their own.
    """
    changed = effects(plan)
    found = []
    for row in rows("endpoints"):
        population = row["population"]
        if not row["family"] and population not in changed:
            continue
        effect = changed.get(population, Effect(population, 0.0, 0.0))
        control, treated = _means(plan, population)
        if row["statistic"] == NET:
            background = _background(population)
            control, treated = control - background, treated - background
        found.append(
            {
                "stain": row["stain"],
                "population": population,
                "statistic": row["statistic"],
                "family": row["family"],
                "control": control,
                "treated": treated,
                "shift": treated - control,
                "log_odds": effect.log_odds,
                "odds_ratio": exp(effect.log_odds),
                "heterogeneity_sd": effect.sd,
            }
        )
    return found


def _means(plan: StudyPlan, population: str) -> tuple[float, float]:
    if population in (PD1, DOUBLE):
        return _logit_normal(plan, population)
    if leaves := leaves_named(population):
        return _shares(
            plan, [row["leaf"] for row in rows("leaves")], leaves, named=leaves_named, at=_leaves()
        )
    leaf = next(row["leaves"] for row in rows("populations") if row["population"] == population)
    if parts := parts_named(population, leaf):
        names = [row["part"] for row in parts_of(leaf)]
        return _shares(plan, names, parts, named=lambda name: parts_named(name, leaf), at=_parts(leaf))
    # The other states follow from several terms; their means are stated at the mean of those.
    control = _state(population)
    effect = effects(plan).get(population)
    return control, float(expit(logit(control) + effect.log_odds)) if effect else control


def _logit_normal(plan: StudyPlan, population: str) -> tuple[float, float]:
    mean, sd = planted_mean(population)
    effect = effects(plan).get(population)
    if not effect:
        return mean, mean
    return mean, mean_fraction(log_odds_for(mean, sd) + effect.log_odds, hypot(sd, effect.sd))


def _shares(
    plan: StudyPlan,
    names: Sequence[str],
    members: Sequence[str],
    *,
    named: Callable[[str], tuple[str, ...]],
    at: tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]],
) -> tuple[float, float]:
    """Return the mean share of ``members`` of a composition before and after every effect on it."""
    log_shares, sds = at
    inside = np.isin(names, members)
    control = mean_shares(log_shares, sds)[inside].sum()
    shifts, spreads = np.zeros(len(names)), np.zeros(len(names))
    for population, effect in effects(plan).items():
        hit = np.isin(names, named(population))
        shifts[hit] += effect.log_odds
        spreads[hit] = np.hypot(spreads[hit], effect.sd)
    treated = mean_shares(log_shares + shifts, np.hypot(sds, spreads))[inside].sum()
    return float(control), float(treated)


def _leaves() -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    visit = settings("artefacts")["variation"]["visit_leaf"]
    sds = np.array([hypot(float(row["donor_sd"]), visit) for row in rows("leaves")])
    return np.array(log_leaves(PATIENT)), sds


def _parts(leaf: str) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    sds = np.array([hypot(float(row["donor_sd"]), float(row["visit_sd"])) for row in parts_of(leaf)])
    return np.array(log_parts(leaf, PATIENT)), sds


def _state(population: str) -> float:
    states: Mapping[str, Any] = settings("states")
    if population == SILENT:
        return float(states["dysfunctional"]["mean"])
    row = next(row for row in rows("populations") if row["population"] == population)
    table = states["cytokines"]["stimulated"][row["leaves"]]
    return float(cytokine_states.from_table(table)[cytokine_states.bits(row["cytokines"])].sum())


def _background(population: str) -> float:
    """Return the mean fraction of unstimulated cells that look like this population."""
    row = next(row for row in rows("populations") if row["population"] == population)
    said = settings("states")["cytokines"]["unstimulated"]
    mean = np.array(said["fractions"]) * exp(said["donor_sd_ln"] ** 2 / 2)
    wanted = np.array([sign == "+" for sign in row["cytokines"]])
    return float(mean[wanted].prod())
