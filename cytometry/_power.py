"""Simulated studies for planning: subjects drawn as logit-normal, and tested, thousands at once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cytometry.effects import Floats, rank_sum, signed_rank
from cytometry.errors import CompareError

Design = Literal["paired", "unpaired"]
Test = Literal["t", "rank", "rank of fractions"]
TESTS = ("t", "rank", "rank of fractions")
CONTROL, TREATED = 0.168, 0.127  # PD-1+ of CD8 T, before and on temsirolimus, as planned
SIMULATIONS = 1_500


@dataclass(frozen=True, slots=True)
class Spread:
    """Standard deviations on the logit scale.

    Parameters
    ----------
    subject
        Between subjects.
    visit
        Between visits of one subject; NaN where a study does not show it.
    heterogeneity
        Of the effect, between subjects.

    Raises
    ------
    CompareError
        If one is negative.
    """

    subject: float = 0.55
    visit: float = 0.18
    heterogeneity: float = 0.20

    def __post_init__(self) -> None:
        if self.subject < 0 or self.visit < 0 or self.heterogeneity < 0:
            msg = f"standard deviations are 0 or more, not {self.subject}, {self.visit} and {self.heterogeneity}"
            raise CompareError(msg)

    @property
    def of_difference(self) -> float:
        """Return the SD of one subject's change."""
        return float(np.sqrt(2 * self.visit**2 + self.heterogeneity**2))


@dataclass(frozen=True, slots=True)
class Plan:
    """What is planned: two mean fractions, their spread, and how they will be tested.

    Parameters
    ----------
    control, treated
        Mean fractions over subjects, in (0, 1); by default the planned 16.8 and 12.7 %.
    design
        ``paired``: n subjects with both; ``unpaired``: n subjects in each arm.
    test
        ``t`` on the logit; the exact ``rank`` test on the logit, signed-rank or rank-sum; or ``rank of fractions``,
        which ranks paired differences in percentage points, as most papers do, and finds less.
    alpha
        Two-sided.
    events
        Of the parent in each tube, whose counting adds to the spread; none for infinitely many.
    simulations, seed
        Of the studies that are drawn.

    Raises
    ------
    CompareError
        If a fraction, alpha or number is out of range, or the design or test is unknown.
    """

    control: float = CONTROL
    treated: float = TREATED
    spread: Spread = Spread()
    design: Design = "paired"
    test: Test = "t"
    alpha: float = 0.05
    events: int | None = None
    simulations: int = SIMULATIONS
    seed: int = 1

    def __post_init__(self) -> None:
        problems = []
        if not (0 < self.control < 1 and 0 < self.treated < 1 and 0 < self.alpha < 1):
            problems.append(
                f"control, treated and alpha are fractions between 0 and 1 (16.8 % is 0.168), not {self.control}, "
                f"{self.treated} and {self.alpha}"
            )
        if self.design not in ("paired", "unpaired") or self.test not in TESTS:
            problems.append(
                f"a plan is paired or unpaired, by {', '.join(TESTS)}, not {self.design!r} by {self.test!r}"
            )
        if self.simulations < 100 or (self.events is not None and self.events < 1):
            problems.append(
                f"it takes 100 simulations or more, and an event, not {self.simulations} and {self.events}"
            )
        if self.design == "paired" and np.isnan(self.spread.visit):
            problems.append(
                "a paired plan needs the spread between visits of one subject, which is not known"
            )
        if problems:
            raise CompareError("\n".join(problems))


def logit_means(plan: Plan) -> tuple[float, float]:
    """Return the median subject's logit at control, and its shift, that give the plan's mean fractions.

    The mean of fractions is not the fraction of the mean logit, so that both are solved for, by Gauss-Hermite
    quadrature of 40 points. Treated subjects spread by the heterogeneity of the effect too.
    """
    total = float(np.hypot(plan.spread.subject, np.nan_to_num(plan.spread.visit)))
    start = _intercept(plan.control, total)
    return start, _intercept(plan.treated, float(np.hypot(total, plan.spread.heterogeneity))) - start


@lru_cache(maxsize=512)
def _intercept(mean: float, sd: float) -> float:
    nodes, weights = np.polynomial.hermite_e.hermegauss(40)
    weights = weights / weights.sum()
    low, high = -40.0, 40.0
    for _ in range(80):
        middle = (low + high) / 2
        if float((weights / (1 + np.exp(-(middle + sd * nodes)))).sum()) < mean:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def significant(n: int, plan: Plan) -> NDArray[np.bool_]:
    """Return which of the plan's simulated studies of ``n`` pairs, or ``n`` an arm, found the shift."""
    rng = np.random.default_rng([plan.seed, n, plan.design == "paired"])
    start, shift = logit_means(plan)
    spread, shape = plan.spread, (plan.simulations, n)
    visit = float(np.nan_to_num(spread.visit))
    control = start + spread.subject * rng.standard_normal(shape)
    treated = control if plan.design == "paired" else start + spread.subject * rng.standard_normal(shape)
    before = _seen(control + visit * rng.standard_normal(shape), plan, rng)
    own = visit * rng.standard_normal(shape) + spread.heterogeneity * rng.standard_normal(shape)
    after = _seen(treated + shift + own, plan, rng)
    if plan.design == "paired":
        return _paired(
            _fraction(after) - _fraction(before) if plan.test == TESTS[2] else after - before, plan
        )
    return _unpaired(before, after, plan)


def _seen(logit: Floats, plan: Plan, rng: np.random.Generator) -> Floats:
    """Return what is counted of it, on the logit scale."""
    if plan.events is None:
        return logit
    n = rng.binomial(plan.events, _fraction(logit))
    return np.asarray(np.log((n + 0.5) / (plan.events - n + 0.5)))


def _fraction(logit: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-logit)))


def _paired(d: Floats, plan: Plan) -> NDArray[np.bool_]:
    n = d.shape[1]
    if plan.test != "t":
        from scipy.stats import rankdata

        positive = np.where(d > 0, rankdata(np.abs(d), axis=1), 0.0).sum(axis=1)
        least = np.minimum(positive, n * (n + 1) / 2 - positive)
        return np.asarray(least <= signed_rank_limit(n, plan.alpha))
    return _beyond(d.mean(1), d.std(1, ddof=1) / np.sqrt(n), n - 1, plan.alpha)


def _unpaired(a: Floats, b: Floats, plan: Plan) -> NDArray[np.bool_]:
    n = a.shape[1]
    if plan.test != "t":
        from scipy.stats import rankdata

        ranks = rankdata(np.concatenate([a, b], axis=1), axis=1)[:, n:].sum(axis=1) - n * (n + 1) / 2
        return np.asarray(np.minimum(ranks, n * n - ranks) <= rank_sum_limit(n, plan.alpha))
    error = np.sqrt((a.var(1, ddof=1) + b.var(1, ddof=1)) / n)
    return _beyond(b.mean(1) - a.mean(1), error, 2 * n - 2, plan.alpha)


def _beyond(estimate: Floats, error: Floats, df: int, alpha: float) -> NDArray[np.bool_]:
    from scipy.special import stdtrit

    return np.asarray(np.abs(estimate) > float(stdtrit(df, 1 - alpha / 2)) * error)


@lru_cache(maxsize=256)
def signed_rank_limit(n: int, alpha: float) -> int:
    """Return the largest rank sum of the rarer sign whose two-sided exact p is at most alpha; -1 where none is."""

    def p(total: int) -> float:
        signs = -np.ones(n)
        for rank in range(n, 0, -1):
            if rank <= total:
                signs[rank - 1], total = 1.0, total - rank
        return signed_rank(signs * np.arange(1, n + 1))

    return _largest(p, n * (n + 1) // 4, alpha)


@lru_cache(maxsize=256)
def rank_sum_limit(n: int, alpha: float) -> int:
    """Return the largest U of two arms of ``n`` whose two-sided p is at most alpha; -1 where none is."""

    def p(u: int) -> float:
        above = np.full(n, u // n) + (np.arange(n) < u % n)  # of how many controls each treated lies above
        return rank_sum(np.arange(n), above - 0.5 + 1e-3 * np.arange(n))

    return _largest(p, n * n // 2, alpha)


def _largest(p: Any, most: int, alpha: float) -> int:
    low, high = -1, most + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if p(middle) <= alpha else (low, middle)
    return low
