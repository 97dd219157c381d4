"""Tests of a shift, ours and the usual ones, over many simulated studies at once. Arrays in, p and intervals out.

Every function takes studies, whose values have the shape ``(studies, subjects, 2, populations)``, control and treated
on the second last axis, and gives arrays of shape ``(studies, populations)``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, stdtr, stdtrit

from cytometry._compare.moderated import learn_prior, moderated
from cytometry.effects import rank_sum, signed_rank

Floats = NDArray[np.float64]
OURS_DECLARED, OURS_EXPLORED = "ours, declared (own variance)", "ours, exploratory (moderated)"


@dataclass(frozen=True, eq=False)
class Found:
    """What a test found: p, and where it has one, estimate and interval on the scale of analysis."""

    p: Floats
    estimate: Floats | None = None
    low: Floats | None = None
    high: Floats | None = None


@dataclass(frozen=True, eq=False)
class Studies:
    """Simulated studies; ``n`` is None for what is no count, ``scale`` how a plain value is analysed."""

    k: Floats
    n: Floats | None
    paired: bool
    scale: str = "logit"
    noise: Floats | None = None  # what counting gives a value on the scale of points

    @property
    def analysed(self) -> Floats:
        """Return the values on our scale of analysis."""
        if self.scale == "logit":
            return np.log((self.k + 0.5) / (self.n - self.k + 0.5))
        return {"log count": np.log(self.k + 0.5), "points": self.k}.get(
            self.scale, np.log(np.maximum(self.k, 1e-300))
        )

    @property
    def counting(self) -> Floats:
        """Return the variance that counting gives each value; 0 where it is not known."""
        if self.noise is not None:
            return self.noise
        if self.scale == "logit":
            return 1 / (self.k + 0.5) + 1 / (self.n - self.k + 0.5)
        return 1 / (self.k + 0.5) if self.scale == "log count" else np.zeros(self.k.shape)

    @property
    def plain(self) -> Floats:
        """Return fractions, or the values themselves."""
        return self.k / self.n if self.scale == "logit" else self.k


def _t(y: Floats, *, paired: bool, welch: bool = False) -> tuple[Floats, Floats, Floats, float]:
    """Return estimate, residual variance, df, and what the variance of the estimate is of the residual one."""
    size = y.shape[1]
    if paired:
        d = y[:, :, 1] - y[:, :, 0]
        return d.mean(1), d.var(1, ddof=1), np.full(d.shape[::2], size - 1.0), 1 / size
    v0, v1 = y[:, :, 0].var(1, ddof=1), y[:, :, 1].var(1, ddof=1)
    df = np.full(v0.shape, 2.0 * size - 2)
    if welch:
        with np.errstate(invalid="ignore", divide="ignore"):
            df = (size - 1) * (v0 + v1) ** 2 / (v0**2 + v1**2)
    return y[:, :, 1].mean(1) - y[:, :, 0].mean(1), (v0 + v1) / 2, df, 2 / size


def _tested(estimate: Floats, variance: Floats, df: Floats, unscaled: float) -> Found:
    error = np.sqrt(variance * unscaled)
    with np.errstate(invalid="ignore", divide="ignore"):
        p = 2 * stdtr(df, -np.abs(estimate / error))
        half = stdtrit(df, 0.975) * error
    p = np.where(error > 1e-12, p, 1.0)
    return Found(p, estimate, estimate - half, estimate + half)


def ours_declared(s: Studies) -> Found:
    """Primary and key secondary endpoints: a t on the endpoint's own variance."""
    return _tested(*_t(s.analysed, paired=s.paired))


def ours_explored(s: Studies) -> Found:
    """Exploratory endpoints: the same on variances moderated over the family."""
    estimate, variance, df, unscaled = _t(s.analysed, paired=s.paired)
    counting = s.counting.sum(2).mean(1) if s.paired else s.counting.mean((1, 2))
    drawn, total = np.empty_like(variance), np.empty_like(variance)
    for at in range(len(variance)):
        prior = learn_prior(variance[at], df[at], counting=counting[at])
        drawn[at], total[at] = moderated(variance[at], df[at], prior)
        if not prior.df.any():
            drawn[at], total[at] = variance[at], df[at]
    return _tested(estimate, drawn, total, unscaled)


def plain_moderated(s: Studies) -> Found:
    """A moderated t as it is usually had: one prior, no trend, no outliers (Smyth 2004)."""
    from scipy.special import digamma, polygamma

    estimate, variance, df, unscaled = _t(s.analysed, paired=s.paired)
    grid = np.concatenate([np.geomspace(0.2, 500, 400), [1e9]])
    own = df[0, 0]
    e = np.log(np.maximum(variance, 1e-12)) - digamma(own / 2) + np.log(own / 2)
    excess = e.var(1, ddof=1) - polygamma(1, own / 2)
    place = np.abs(polygamma(1, grid / 2)[None, :] - excess[:, None]).argmin(1)
    prior = np.where(excess > 0, grid[place], 1e9)[:, None]
    scale = np.exp(e.mean(1)[:, None] + digamma(prior / 2) - np.log(prior / 2))
    pooled = own * variance.shape[1]
    return _tested(
        estimate, (own * variance + prior * scale) / (own + prior), np.minimum(own + prior, pooled), unscaled
    )


def welch_percent(s: Studies) -> Found:
    """Welch's t on the plain values, as though subjects were not paired."""
    return _tested(*_t(s.plain, paired=False, welch=True))


def welch_scaled(s: Studies) -> Found:
    """Welch's t on the scale of analysis, pairing ignored."""
    return _tested(*_t(s.analysed, paired=False, welch=True))


def paired_t_percent(s: Studies) -> Found:
    """Paired t on the plain values."""
    return _tested(*_t(s.plain, paired=True))


def pooled_binomial(s: Studies) -> Found:
    """Two proportions of all cells of each arm together: cells as n."""
    k, n = s.k.sum(1), s.n.sum(1)
    share = k.sum(1) / n.sum(1)
    error = np.sqrt(share * (1 - share) * (1 / n[:, 0] + 1 / n[:, 1]))
    return Found(2 * ndtr(-np.abs(k[:, 1] / n[:, 1] - k[:, 0] / n[:, 0]) / np.maximum(error, 1e-300)))


def mann_whitney(s: Studies) -> Found:
    """Exact Mann-Whitney test of the plain values, pairing ignored."""
    a, b = s.plain[:, :, 0], s.plain[:, :, 1]
    above = (b[:, :, None] > a[:, None]).sum((1, 2)) + 0.5 * (b[:, :, None] == a[:, None]).sum((1, 2))
    return Found(_rank_sum_p(a.shape[1])[np.rint(above).astype(int)])


def wilcoxon(s: Studies) -> Found:
    """Exact signed-rank test of the differences on the scale of analysis."""
    d = s.analysed[:, :, 1] - s.analysed[:, :, 0]
    ranks = np.abs(d).argsort(1).argsort(1) + 1
    return Found(_signed_rank_p(d.shape[1])[(ranks * (d > 0)).sum(1)])


@cache
def _rank_sum_p(size: int) -> Floats:
    """Return the p of each value of the Mann-Whitney statistic; from the package up to 6, from the counts beyond."""
    ways = np.zeros((size + 1, size * size + 1))
    ways[0, 0] = 1
    for rank in range(1, 2 * size + 1):
        for taken in range(min(rank, size), 0, -1):
            shift = rank - taken  # how far the taken-th of the chosen lies above its lowest place
            if shift <= size * size:
                ways[taken, shift:] += ways[taken - 1, : size * size + 1 - shift].copy()
    chances = ways[size] / ways[size].sum()
    lower, upper = np.cumsum(chances), np.cumsum(chances[::-1])[::-1]
    found = np.minimum(1.0, 2 * np.minimum(lower, upper))
    if size <= 4:
        for some in combinations(range(2 * size), size):
            rest = [v for v in range(2 * size) if v not in some]
            above = sum(x > y for x in some for y in rest)
            assert abs(found[above] - rank_sum(rest, some)) < 1e-12, "the table is the package's own test"
    return found


@cache
def _signed_rank_p(size: int) -> Floats:
    """Return the p of each sum of positive ranks."""
    chances = np.ones(1)
    for rank in range(1, size + 1):
        longer = np.zeros(chances.size + rank)
        longer[: chances.size] += chances / 2
        longer[rank:] += chances / 2
        chances = longer
    lower, upper = np.cumsum(chances), np.cumsum(chances[::-1])[::-1]
    found = np.minimum(1.0, 2 * np.minimum(lower, upper))
    assert abs(found[-1] - signed_rank(np.arange(1.0, size + 1))) < 1e-12, (
        "the table is the package's own test"
    )
    return found


PAIRED: Mapping[str, Callable[[Studies], Found]] = MappingProxyType(
    {
        OURS_DECLARED: ours_declared,
        OURS_EXPLORED: ours_explored,
        "signed rank, exact": wilcoxon,
        "paired t on %": paired_t_percent,
        "plain moderated t": plain_moderated,
        "Welch on %, pairing ignored": welch_percent,
        "pooled binomial, cells as n": pooled_binomial,
    }
)
UNPAIRED: Mapping[str, Callable[[Studies], Found]] = MappingProxyType(
    {
        OURS_DECLARED: ours_declared,
        OURS_EXPLORED: ours_explored,
        "Mann-Whitney, exact": mann_whitney,
        "Welch on %": welch_percent,
        "Welch on logit": welch_scaled,
        "plain moderated t": plain_moderated,
        "pooled binomial, cells as n": pooled_binomial,
    }
)


def adjusted(p: Floats) -> Floats:
    """Return Benjamini and Hochberg's adjusted p within each study; as ``cytometry.effects`` does, row by row."""
    order = np.argsort(p, axis=1)
    ranked = np.take_along_axis(p, order, axis=1) * p.shape[1] / np.arange(1, p.shape[1] + 1)
    steps = np.minimum(np.minimum.accumulate(ranked[:, ::-1], axis=1)[:, ::-1], 1.0)
    found = np.empty_like(p)
    np.put_along_axis(found, order, steps, axis=1)
    return found
