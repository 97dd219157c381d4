"""Hartigan's dip: how far a distribution is from the nearest one with a single peak."""

from __future__ import annotations

import numpy as np

from gating.answers import Floats

ENOUGH = 1000  # bins; more than these are taken two together

EXCEEDED = np.array([1.0, 0.99, 0.95, 0.9, 0.75, 0.5, 0.25, 0.1, 0.05, 0.025, 0.01, 0.005, 0.001])
ROOT_N_DIP = np.array(
    [0.1939, 0.2429, 0.2705, 0.2883, 0.3228, 0.3709, 0.4298, 0.4938, 0.533, 0.5756, 0.6179, 0.649, 0.7307]
)
"""The root of n times the dip that n = 1,000 uniform events exceed with these chances, from 20,000 such samples."""


def dip(ordered: Floats) -> float:
    """Return the dip of a sample, in ascending order, shape ``(n,)``: at most 0.25, and 0 for no event.

    References
    ----------
    Hartigan & Hartigan 1985, Annals of Statistics 13:70.
    """
    if not ordered.size:
        return 0.0
    places, counts = np.unique(ordered, return_counts=True)
    above = np.cumsum(counts) / ordered.size
    return max(_dip(places, above - counts / ordered.size, above), 0.5 / ordered.size)


def dip_of_counts(counts: Floats) -> float:
    """Return the dip of counts on a regular grid, shape ``(m,)``, each spread evenly over its bin.

    Spread, events are a little closer to a single peak than they are: of 20,000 in 1,024 bins by 0.0003.
    """
    total = float(counts.sum())
    if total <= 0:
        return 0.0
    coarse = counts.reshape(-1, 2).sum(axis=1) if counts.size > ENOUGH else counts
    shares = np.concatenate([[0.0], np.cumsum(coarse)]) / total
    return _dip(np.arange(shares.size, dtype=np.float64), shares, shares)


def chance_of_dip(dip: float, n_events: float) -> float:
    """Return how often uniform events, the hardest case of a single peak, have a dip as large; at least 0.001."""
    return float(np.interp(dip * np.sqrt(n_events), ROOT_N_DIP, EXCEEDED))


def saw_dip(counts: Floats) -> dict[str, float]:
    """Return what a rule reports: the dip of its counts and how often chance has one as large."""
    found = dip_of_counts(counts)
    return {"dip": found, "dip_p": chance_of_dip(found, float(counts.sum()))}


def _dip(x: Floats, below: Floats, above: Floats) -> float:
    """Return the dip of a distribution that rises from ``below`` to ``above`` at each of the places ``x``."""
    low, high, found = 0, x.size - 1, 0.0
    while True:
        part = slice(low, high + 1)
        knots_low = low + _hull(x[part], below[part])
        knots_high = low + _hull(x[part], -above[part])
        under = np.interp(x[part], x[knots_low], below[knots_low])
        over = np.interp(x[part], x[knots_high], above[knots_high])
        gap_low, gap_high = (over - under)[knots_low - low], (over - under)[knots_high - low]
        if gap_low.max() > gap_high.max():
            start = int(knots_low[np.argmax(gap_low)])
            end = int(knots_high[np.searchsorted(knots_high, start)])
        else:
            end = int(knots_high[np.argmax(gap_high)])
            start = int(knots_low[np.searchsorted(knots_low, end, side="right") - 1])
        if max(gap_low.max(), gap_high.max()) <= found:
            break
        left = (above[part] - under)[: start - low + 1].max()
        right = (over - below[part])[end - low :].max()
        found = max(found, float(left), float(right))
        if (start, end) == (low, high):
            break
        low, high = start, end
    return found / 2


def _hull(x: Floats, y: Floats) -> np.ndarray:
    """Return the indices of the greatest convex function below the points."""
    xs, ys = x.tolist(), y.tolist()
    hull: list[int] = []
    for i, (at, height) in enumerate(zip(xs, ys, strict=True)):
        while len(hull) > 1:
            a, b = hull[-2], hull[-1]
            if (ys[b] - ys[a]) * (at - xs[b]) < (height - ys[b]) * (xs[b] - xs[a]):
                break
            hull.pop()
        hull.append(i)
    return np.array(hull, dtype=np.intp)
