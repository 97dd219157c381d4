"""Effects: one value per subject in; an estimate, its interval and its p out. Numbers only.

Every value here is a subject's, on the scale that the caller chose; no function knows of events or tubes.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import comb
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

# Up to these sizes the permutation distribution is written out in full; beyond, the normal one stands in.
EXACT_PAIRS = 100
EXACT_SUBJECTS = 60
_TIED = 12  # decimals: differences of logits that agree to here are tied


@dataclass(frozen=True, slots=True)
class Effect:
    """A difference, treated minus control, with its interval and t test; NaN where it cannot be had."""

    estimate: float
    low: float = np.nan
    high: float = np.nan
    t: float = np.nan
    df: float = np.nan
    p: float = np.nan


def paired_t(differences: ArrayLike, *, confidence: float = 0.95) -> Effect:
    """Return the mean of the pairs' differences with its t interval.

    ``differences`` has shape ``(n_pairs,)``, treated minus control. The interval and the test are NaN for
    fewer than two pairs and where all differences are the same; everything is NaN for none.
    """
    d = np.asarray(differences, dtype=np.float64)
    if not d.size:
        return Effect(np.nan)
    error = float(d.std(ddof=1) / np.sqrt(d.size)) if d.size > 1 else 0.0
    return t_effect(float(d.mean()), error, float(d.size - 1), width=_width(d), confidence=confidence)


def welch_t(control: ArrayLike, treated: ArrayLike, *, confidence: float = 0.95) -> Effect:
    """Return the difference of two means with Welch's interval, which lets the two spreads differ.

    ``control`` and ``treated`` have shapes ``(n_control,)`` and ``(n_treated,)``. The interval and the test
    are NaN where either has fewer than two subjects or neither varies; everything is NaN where one is empty.

    References
    ----------
    Welch BL. Biometrika 1947;34:28-35.
    """
    a, b = np.asarray(control, dtype=np.float64), np.asarray(treated, dtype=np.float64)
    if not a.size or not b.size:
        return Effect(np.nan)
    difference = float(b.mean() - a.mean())
    if min(a.size, b.size) < 2:
        return Effect(difference)
    parts = np.array([a.var(ddof=1) / a.size, b.var(ddof=1) / b.size])
    error = float(np.sqrt(parts.sum()))
    shares = parts / parts.sum() if error > 0 else np.array([0.5, 0.5])
    df = 1.0 / float((shares**2 / np.array([a.size - 1, b.size - 1])).sum())
    return t_effect(difference, error, df, width=max(_width(a), _width(b)), confidence=confidence)


def signed_rank(differences: ArrayLike) -> float:
    """Return the two-sided p of Wilcoxon's signed-rank test, zeros ranked and then left out (Pratt).

    Exact up to ``EXACT_PAIRS`` pairs, ties and zeros included: every flip of the signs is counted. 1 where
    all differences are zero, NaN for none.

    References
    ----------
    Pratt JW. J Am Stat Assoc 1959;54:655-667.
    """
    d = np.round(np.asarray(differences, dtype=np.float64), _TIED)
    if not d.size:
        return np.nan
    ranks = _doubled_ranks(np.abs(d))[d != 0]
    positive = int(ranks[d[d != 0] > 0].sum())
    if d.size > EXACT_PAIRS:
        mean, spread = ranks.sum() / 2, float(np.sqrt((ranks.astype(np.float64) ** 2).sum()) / 2)
        return _normal_p(abs(positive - mean), spread)
    chances = np.ones(1)
    for rank in ranks:
        flipped = np.zeros(chances.size + rank)
        flipped[: chances.size] += chances / 2
        flipped[rank:] += chances / 2
        chances = flipped
    return _two_sided(chances, positive)


def rank_sum(control: ArrayLike, treated: ArrayLike) -> float:
    """Return the two-sided p of the Mann-Whitney test.

    Exact up to ``EXACT_SUBJECTS`` subjects in all, ties included: every way to deal the values to the two
    arms is counted. NaN where an arm is empty.

    References
    ----------
    Mann HB, Whitney DR. Ann Math Stat 1947;18:50-60.
    """
    a, b = np.asarray(control, dtype=np.float64), np.asarray(treated, dtype=np.float64)
    if not a.size or not b.size:
        return np.nan
    ranks = _doubled_ranks(np.round(np.concatenate([a, b]), _TIED))
    observed = int(ranks[a.size :].sum())
    if ranks.size > EXACT_SUBJECTS:
        mean = b.size * ranks.mean()
        spread = float(np.sqrt(a.size * b.size / ranks.size * ranks.var(ddof=1)))
        return _normal_p(abs(observed - mean), spread)
    ways = np.zeros((b.size + 1, int(ranks.sum()) + 1))
    ways[0, 0] = 1.0
    for rank in ranks:
        ways[1:, rank:] += ways[:-1, : ways.shape[1] - rank].copy()
    return _two_sided(ways[-1] / ways[-1].sum(), observed)


def smallest_rank_p(n_control: int, n_treated: int, *, paired: bool) -> float:
    """Return the smallest two-sided p that the exact rank test of so many subjects can reach."""
    ways = 2**n_control if paired else comb(n_control + n_treated, n_treated)
    return min(1.0, 2.0 / ways)


def hedges_g(t: float, df: float, unscaled: float, *, confidence: float = 0.95) -> tuple[float, float, float]:
    """Return Hedges' g, a difference in residual standard deviations freed of its small-sample bias, with its interval.

    Parameters
    ----------
    t, df
        Of the difference.
    unscaled
        The variance of the difference divided by that of a residual: ``1/n`` for pairs, ``1/n + 1/m`` for two arms.

    Returns
    -------
    tuple
        g and the ends of its interval, from the noncentral t; NaN where ``t`` is.

    References
    ----------
    Hedges LV. J Educ Stat 1981;6:107-128.
    """
    from scipy.special import gammaln, nctdtrinc

    if not np.isfinite(t) or df < 1:
        return np.nan, np.nan, np.nan
    unbiased = np.exp(gammaln(df / 2) - gammaln((df - 1) / 2)) / np.sqrt(df / 2) if df > 1 else np.nan
    tail = (1 - confidence) / 2
    ends = [float(nctdtrinc(df, 1 - tail, t)), float(nctdtrinc(df, tail, t))]
    scale = unbiased * np.sqrt(unscaled)
    return float(t * scale), float(ends[0] * scale), float(ends[1] * scale)


def dunnett(t: ArrayLike, correlation: ArrayLike, df: float, *, at: int) -> float:
    """Return the p of one of several arms, each against one control, adjusted for all of them together.

    Parameters
    ----------
    t
        Of each arm, shape ``(k,)``; ``at`` is the one asked for.
    correlation
        Of the estimates, shape ``(k, k)``: 1/2 off the diagonal for arms of one size.

    References
    ----------
    Dunnett CW. J Am Stat Assoc 1955;50:1096-1121.
    """
    from scipy.stats import multivariate_t

    values = np.asarray(t, dtype=np.float64)
    ends = np.full(values.size, abs(float(values[at])))
    shape: Any = np.asarray(correlation, dtype=np.float64)
    freedom: Any = df  # the annotation of scipy knows whole numbers only
    whole = multivariate_t(shape=shape, df=freedom, allow_singular=True)
    return float(np.clip(1.0 - whole.cdf(ends, lower_limit=-ends, random_state=1), 0.0, 1.0))


def holm(p: ArrayLike, *, m: int | None = None) -> Floats:
    """Return Holm's adjusted p; NaN stays NaN.

    ``m`` is the size of the family, by default the number of ``p`` that are not NaN. A larger one counts
    endpoints that were declared and could not be tested.

    References
    ----------
    Holm S. Scand J Stat 1979;6:65-70.
    """
    values, order = _sorted(p)
    size = order.size if m is None else m
    steps = size - np.arange(order.size)
    return _placed(values, order, np.maximum.accumulate(values[order] * steps))


def benjamini_hochberg(p: ArrayLike) -> Floats:
    """Return Benjamini and Hochberg's adjusted p over those that are not NaN; NaN stays NaN.

    References
    ----------
    Benjamini Y, Hochberg Y. J R Stat Soc B 1995;57:289-300.
    """
    values, order = _sorted(p)
    raised = values[order] * (order.size / np.arange(1, order.size + 1))
    return _placed(values, order, np.minimum.accumulate(raised[::-1])[::-1])


def t_effect(estimate: float, error: float, df: float, *, width: float, confidence: float) -> Effect:
    """Return an estimate with the interval and test of a t with ``df`` degrees of freedom.

    No interval and no test without degrees of freedom, or where ``error`` is but the rounding of values as large as
    ``width``.
    """
    from scipy.special import stdtr, stdtrit

    # Rounding alone leaves a spread of about 1e-16 of the values; a t test of that is a test of the rounding.
    if df < 1 or error <= 1e-12 * max(width, 1e-3):
        return Effect(estimate)
    half = float(stdtrit(df, (1 + confidence) / 2)) * error
    t = estimate / error
    return Effect(estimate, estimate - half, estimate + half, t, df, float(2 * stdtr(df, -abs(t))))


def _width(values: Floats) -> float:
    return float(np.abs(values).max(initial=0.0))


def _doubled_ranks(values: Floats) -> NDArray[np.intp]:
    """Return twice the ranks, ties sharing their mean: whole numbers, so that sums are exact."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((2 * last - counts + 1)[inverse], dtype=np.intp)


def _two_sided(chances: Floats, observed: int) -> float:
    tail = min(chances[: observed + 1].sum(), chances[observed:].sum())
    return float(min(1.0, 2.0 * tail))


def _normal_p(distance: float, spread: float) -> float:
    from scipy.special import ndtr

    return float(2.0 * ndtr(-distance / spread)) if spread > 0 else 1.0


def _sorted(p: ArrayLike) -> tuple[Floats, NDArray[np.intp]]:
    values = np.asarray(p, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    return values, order[~np.isnan(values[order])]


def _placed(values: Floats, order: NDArray[np.intp], adjusted: Floats) -> Floats:
    result = np.full(values.shape, np.nan)
    result[order] = np.minimum(adjusted, 1.0)
    return result
