"""Cytokine states: which of IFN-g, TNF-a and IL-2 a cell makes, as shares of the eight combinations.

Combinations are counted by their bits, IFN-g 4, TNF-a 2, IL-2 1: index 0 makes none, 7 all three.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from cytometry.simulate.calibrate import expit, log_odds_for, logit, root
from cytometry.simulate.draws import stream
from cytometry.simulate.effects import DOUBLE, PD1, SILENT, effects, planted_mean
from cytometry.simulate.plan import PlannedTube, StudyPlan
from cytometry.simulate.tables import settings

Shares = NDArray[np.float64]
COMBINATIONS = 8
NONE = 0
LEAST_SILENT = 0.01
STIMULATED = ("CD8 T", "CD4 T")


def name_of(code: int) -> str:
    """Return ``++-`` for the combination that makes IFN-g and TNF-a."""
    return "".join("+" if code & bit else "-" for bit in (4, 2, 1))


def from_table(table: Mapping[str, float]) -> Shares:
    """Return the shares of a table whose keys are names such as ``++-``, in the order of the combinations."""
    return np.array([table[name_of(code)] for code in range(COMBINATIONS)])


def bits(pattern: str) -> NDArray[np.bool_]:
    """Return which of the eight combinations a pattern such as ``++.`` means; all of them for a blank one."""
    wanted = re.compile("".join("." if sign == "." else re.escape(sign) for sign in pattern or "..."))
    return np.array([bool(wanted.fullmatch(name_of(code))) for code in range(COMBINATIONS)])


DOUBLES, REST, IL2 = bits("++."), ~bits("++.") & ~bits("---"), bits("..+")


def stimulated(plan: StudyPlan, leaf: str, tube: PlannedTube) -> Shares:
    """Return the shares of the combinations among stimulated cells of a specimen's CD8 or CD4 T cells.

    Producers of IFN-g and TNF-a are planted as logit-normal over subjects. What treatment adds to one kind of
    producer it takes from the cells that make nothing.
    """
    said = settings("states")["cytokines"]
    shares = from_table(said["stimulated"][leaf])
    donor = stream(plan.seed, "cytokines", tube.subject, leaf).standard_normal(2)
    visit = stream(plan.seed, "cytokines", tube.subject, leaf, tube.timepoint).standard_normal()
    mean, spread = planted_mean(f"{leaf}/IFN-g+TNF-a+")
    own = log_odds_for(mean, spread) + said["donor_sd"] * donor[0] + said["visit_sd"] * visit
    shares = _tilt(shares, DOUBLES, own - float(logit(shares[DOUBLES].sum())))
    shares = _tilt(shares, REST, said["rest_donor_sd"] * donor[1])
    if tube.treated:
        for population, of in ((f"{leaf}/IFN-g+TNF-a+", DOUBLES), (f"{leaf}/IL-2+", IL2)):
            effect = effects(plan, tube.arm).get(population)
            shares = _tilt(shares, of, effect.of(plan, tube.subject)) if effect else shares
    return shares


def unstimulated(plan: StudyPlan, subject: str) -> Shares:
    """Return the shares of the combinations among a subject's resting cells: rare, each cytokine by itself."""
    said = settings("states")["cytokines"]["unstimulated"]
    drawn = stream(plan.seed, "background", subject).standard_normal(3)
    return by_themselves(np.array(said["fractions"]) * np.exp(said["donor_sd_ln"] * drawn))


def by_themselves(fractions: Sequence[float] | Shares) -> Shares:
    """Return the shares of the combinations of three functions that do not know of each other."""
    shares = np.ones(1)
    for fraction in fractions:
        shares = np.outer(shares, [1 - fraction, fraction]).ravel()
    return shares


def given_pd1(shares: Shares, pd1: float, silence: float) -> tuple[Shares, Shares]:
    """Return the shares among PD-1- and among PD-1+ cells, which together give ``shares``.

    ``silence`` is the log odds ratio of making nothing, of PD-1+ cells against all.
    """
    none = shares[NONE]
    if not 0 < pd1 < 1 or not 0 < none < 1:
        return shares, shares
    # The PD-1+ silent cannot be more than all silent cells, nor so few that the others do not hold the rest.
    least, most = max(0.0, none - (1 - pd1)), min(pd1, none)
    silent = float(np.clip(pd1 * expit(logit(none) + silence), least, most))
    of_positive, of_negative = silent / pd1, (none - silent) / (1 - pd1)
    makers = np.where(np.arange(COMBINATIONS) == NONE, 0.0, shares / (1 - none))
    given = []
    for of in (of_negative, of_positive):
        here = makers * (1 - of)
        here[NONE] = of
        given.append(here)
    return given[0], given[1]


def silence(plan: StudyPlan, leaf: str, *, arm: str, treated: bool) -> float:
    """Return the ``silence`` of PD-1+ cells that gives the planted fraction of silent PD-1+ CD8 T cells.

    It is solved at the mean fractions of PD-1+ and of silent cells; 0 for other cells than CD8 T.
    """
    if leaf != SILENT.partition("/")[0]:
        return 0.0
    planted = effects(plan, arm) if treated else {}
    return _silence(*(planted[name].log_odds if name in planted else 0.0 for name in (PD1, DOUBLE, SILENT)))


@cache
def _silence(of_pd1: float, of_double: float, of_silent: float) -> float:
    """Return the same from what treatment adds to the log odds of the three populations."""
    states, leaf = settings("states"), SILENT.partition("/")[0]
    pd1 = _shift(settings("origins")["rcc"]["pd1"][leaf]["mean"], of_pd1)
    table = states["cytokines"]["stimulated"][leaf]
    double = table["+++"] + table["++-"]
    none = table["---"] - (_shift(double, of_double) - double)
    wanted = _shift(states["dysfunctional"]["mean"], of_silent)
    return root(lambda log_odds: pd1 * float(expit(logit(none) + log_odds)) - wanted)


def _shift(fraction: float, log_odds: float) -> float:
    return float(expit(logit(fraction) + log_odds))


def _tilt(shares: Shares, of: NDArray[np.bool_], log_odds: float) -> Shares:
    """Multiply the odds of some combinations by ``exp(log_odds)``, at the cost of the cells that make nothing."""
    before = shares[of].sum()
    others = shares.sum() - before - shares[NONE]
    after = min(_shift(float(before), log_odds), 1 - others - LEAST_SILENT)
    tilted = np.where(of, shares * (after / before), shares)
    tilted[NONE] = 1 - others - after
    return np.asarray(tilted)
