"""Moderation: residual variances of many endpoints, each drawn towards what variances are like in its family.

With three to eight subjects an endpoint's own variance is known badly. The others of its family say what variances
are like: their distribution, a scaled inverse chi-squared around a trend, is estimated from all, and each variance is
averaged with it, weighted by degrees of freedom. That holds the error rate over the family, not of each endpoint: one
whose spread is truly wide is drawn down, and errs more often than it should; a quiet one errs less. So it is for
exploring, and declared endpoints are tested on their own variance.

References
----------
Smyth GK. Stat Appl Genet Mol Biol 2004;3:3. Sartor MA, et al. BMC Bioinformatics 2006;7:538 (trend). Phipson B, Lee S,
Majewski IJ, Alexander WS, Smyth GK. Ann Appl Stat 2016;10:946-963 (robust).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

FEWEST = 8  # endpoints; with fewer, nothing can be said of how their variances are distributed
WINSOR = (0.05, 0.10)  # of the smallest and of the largest log variances, drawn in before moments are taken
_NODES = 48
# Prior degrees of freedom to choose from; the last stands for "all variances lie on the trend".
_GRID = np.concatenate([np.geomspace(0.25, 400.0, 160), [1e10]])


@dataclass(frozen=True, slots=True, eq=False)
class Prior:
    """What variances of a family are like: each lies around ``scale``, as if known from ``df`` observations.

    Both have shape ``(n,)``. ``scale`` follows the trend; ``df`` is smaller for a variance that is an outlier above it,
    and 0 where there were too few to learn from.
    """

    scale: Floats
    df: Floats


def moderated(variances: ArrayLike, df: ArrayLike, prior: Prior) -> tuple[Floats, Floats]:
    """Return the moderated variances and their degrees of freedom, each of shape ``(n,)``.

    The degrees of freedom never exceed those of all variances together. NaN where ``variances`` is NaN.
    """
    s2, own = np.broadcast_arrays(np.asarray(variances, dtype=np.float64), np.asarray(df, dtype=np.float64))
    trusted = np.isfinite(s2) & (own > 0)
    pooled = float(own[trusted].sum())
    weight = np.minimum(prior.df, 1e12)
    with np.errstate(invalid="ignore", divide="ignore"):
        drawn = (own * s2 + weight * np.where(weight > 0, prior.scale, 0.0)) / (own + weight)
    total = np.minimum(own + weight, max(pooled, 0.0))
    return np.where(trusted, drawn, np.nan), np.where(trusted, total, np.nan)


def learn_prior(variances: ArrayLike, df: ArrayLike, *, counting: ArrayLike | None = None) -> Prior:
    """Return what the variances of a family are like.

    Parameters
    ----------
    variances
        Residual variances, shape ``(n,)``, on one scale of analysis; NaN for those that could not be had.
    df
        Their residual degrees of freedom, a number or shape ``(n,)``.
    counting
        What counting a finite number of events adds to each variance, shape ``(n,)``, 0 where unknown. It is the
        trend: variances are taken to lie around a common one plus this, so that a rare population may vary more.

    Returns
    -------
    Prior
        With ``df`` 0, so that it moderates nothing, where fewer than ``FEWEST`` variances are positive. The prior is
        weaker the fewer variances it is learnt from, by how far they leave its scale uncertain.
    """
    s2, own = np.broadcast_arrays(np.asarray(variances, dtype=np.float64), np.asarray(df, dtype=np.float64))
    usable = np.isfinite(s2) & (s2 > 0) & (own > 0)
    scale, prior_df = np.full(s2.shape, np.nan), np.zeros(s2.shape)
    if usable.sum() < FEWEST:
        return Prior(scale, prior_df)
    floor = (
        np.zeros(int(usable.sum())) if counting is None else np.asarray(counting, dtype=np.float64)[usable]
    )
    scale[usable], prior_df[usable] = _learn(s2[usable], own[usable], floor)
    return Prior(scale, prior_df)


def _learn(s2: Floats, df: Floats, counting: Floats) -> tuple[Floats, Floats]:
    s2 = np.maximum(s2, 1e-5 * np.median(s2))  # rounding alone must not make a variance an outlier
    most = float(df.max())
    trend = _trend(np.log(s2) - _mean_log(df), counting)
    # Variances known from fewer subjects scatter more: put all on the scatter of the best known.
    excess = _prior_df_plain(np.log(s2) - _mean_log(df) - trend, df)
    z = np.log(_same_df(s2 / np.exp(trend), df, excess, most))
    drawn_in = np.clip(z, *np.quantile(z, [WINSOR[0], 1 - WINSOR[1]]))
    spread = float(drawn_in.var(ddof=1))
    means, variances = _winsorized(most)
    steps = np.arange(_GRID.size)
    centre = drawn_in.mean() - np.interp(_place(spread, variances), steps, means)
    # The centre is known to within spread / n, which to the prior is as if variances scattered that much more.
    at = _place(spread + spread / z.size, variances)
    prior = float(np.exp(np.interp(at, steps, np.log(_GRID))))
    return np.exp(trend + centre), _for_outliers(np.exp(z - centre), most, prior)


def _trend(z: Floats, counting: Floats) -> Floats:
    """Return log(common + counting) at each, the common variance such that ``z`` lies around it, tails left out."""
    cut = round(WINSOR[1] * z.size)

    def above(common: float) -> float:
        left = np.sort(z - np.log(np.exp(common) + counting))
        return float(left[cut : z.size - cut].mean())

    low, high = float(z.min()) - 12.0, float(z.max()) + 1.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if above(middle) > 0 else (low, middle)
    return np.asarray(np.log(np.exp(low) + counting), dtype=np.float64)


def _for_outliers(ratios: Floats, df: float, prior: float) -> Floats:
    """Return each variance's prior degrees of freedom: fewer where it lies further above than chance would put it."""
    from scipy.special import fdtrc

    tail = np.maximum(fdtrc(df, prior, ratios), 1e-300)
    order = np.argsort(-ratios, kind="stable")  # the largest first
    expected = (np.arange(ratios.size) + 0.5) / ratios.size
    belongs = np.minimum(tail[order] / expected, 1.0)
    if (belongs >= 1).all():
        return np.full(ratios.size, prior)
    # For what does not belong: the prior under which the largest ratio would be an ordinary one, its median.
    outlying = min(prior, np.log(0.5) / np.log(tail[order[0]]) * min(prior, 1e4))
    each = belongs * min(prior, 1e4) + (1 - belongs) * outlying
    found = np.full(ratios.size, prior)
    # A larger ratio never gets a stronger prior than a smaller one.
    found[order] = np.where(belongs < 1, np.maximum.accumulate(each), prior)
    found[order] = np.minimum.accumulate(found[order][::-1])[::-1]
    return found


def _mean_log(df: Floats) -> Floats:
    """Return the mean of the log of a variance known from ``df``, whose true value is 1."""
    from scipy.special import digamma

    return np.asarray(digamma(df / 2) - np.log(df / 2), dtype=np.float64)


def _prior_df_plain(left: Floats, df: Floats) -> float:
    """Return the prior degrees of freedom from plain moments: what the scatter exceeds that of chance by."""
    from scipy.special import polygamma

    excess = float(left.var(ddof=1)) - float(polygamma(1, df / 2).mean())
    return (
        float(_GRID[np.argmin(np.abs(polygamma(1, _GRID / 2) - excess))]) if excess > 0 else float(_GRID[-1])
    )


def _same_df(ratios: Floats, df: Floats, prior: float, most: float) -> Floats:
    """Return ratios of variances as they would be, at the same place of their distribution, with ``most`` df."""
    from scipy.special import fdtr, fdtri

    fewer = df < most - 1e-9
    if not fewer.any():
        return ratios
    place = np.clip(fdtr(df[fewer], prior, ratios[fewer]), 1e-12, 1 - 1e-12)
    found = ratios.copy()
    found[fewer] = fdtri(most, prior, place)
    return found


def _place(spread: float, variances: Floats) -> float:
    """Return where on the grid the winsorized variance is ``spread``; the wider, the smaller the prior."""
    return float(np.interp(-spread, -variances, np.arange(_GRID.size)))


@lru_cache(maxsize=256)
def _winsorized(df: float) -> tuple[Floats, Floats]:
    """Return mean and variance of log F(df, prior), its tails drawn in, for every prior of the grid."""
    from scipy.special import fdtri

    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    low, high = WINSOR[0], 1 - WINSOR[1]
    at = low + (high - low) * (nodes + 1) / 2
    shares = np.concatenate([[WINSOR[0]], weights * (high - low) / 2, [WINSOR[1]]])
    places = np.concatenate([[low], at, [high]])
    logs = np.log(fdtri(df, _GRID[:, None], places[None, :]))
    mean = logs @ shares
    return mean, ((logs - mean[:, None]) ** 2) @ shares
