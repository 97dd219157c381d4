"""Pair: the two populations that explain counts best, beside the one population that does.

The greater may lean a little and have tails, the lesser is normal; see :mod:`gating.components`. From the fit
follow their shares, means and deviations, how far they are apart, and where F1 of the lesser is best.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gating.answers import Floats
from gating.components import EXPONENTS, LEAN, ONE, TWO, Fit, Prior, density, fit, parts
from gating.density import Binned

HALF_WIDTH = math.sqrt(2 * math.log(2))
"""A normal peak is this many deviations wide, on either side, at half its height."""
FINEST = 3.0  # bins per deviation of the tallest peak, at least
DRAWS = 200
EVEN = 0.3  # a box is this much wider, as a logarithm, than its deviation

_ALONE = Prior(np.zeros(ONE), np.array([3, 1, 1, 1.5, 1.5]))
_CENTRED = Prior(np.array([0, 0, 0, 0, 0, -2, 0, 0.9]), np.array([0.05, 2, 0.3, 0.3, 0.3, 3, 0.01, 0.4]))
_APART = Prior(np.array([0, 0, 0, 0, 0, -2, 0, 0]), np.array([5, 2, 0.12, 0.25, 0.25, 3, 20, 0.25]))


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """Counts in bins no finer than needed, on the axis of :mod:`gating.components`."""

    binned: Binned
    x: Floats
    counts: Floats
    top: float
    unit: float
    lean: float

    def bin(self, value: float) -> float:
        """Return the position of a value in the bins of ``binned``."""
        return (value - self.binned.start) / self.binned.step

    def value(self, place: float) -> float:
        """Return the value at a place on the standardised axis."""
        return self.binned.value(self.top + self.unit * place)

    def length(self, span: float) -> float:
        """Return a span of the standardised axis on the scale of the values."""
        return self.binned.step * self.unit * span


def grid_of(binned: Binned) -> Grid:
    """Return counts in bins a third of the tallest peak's deviation or finer, from the top in half widths."""
    smooth = binned.smooth(1.5 * binned.bandwidth)
    top = int(np.argmax(smooth))
    low = np.flatnonzero(smooth < 0.5 * smooth[top])
    below = top - int(max(low[low < top], default=-1))
    above = int(min(low[low > top], default=smooth.size)) - top
    widths = below / HALF_WIDTH, above / HALF_WIDTH
    merge = 1
    while 2 * merge <= min(widths) / FINEST and merge < 16:
        merge *= 2
    counts = binned.counts.reshape(-1, merge).sum(axis=1)
    unit, lean = math.sqrt(widths[0] * widths[1]), 0.5 * math.log(widths[1] / widths[0])
    middle = top + 0.5
    x = ((np.arange(counts.size) + 0.5) * merge - middle) / unit
    return Grid(binned, x, counts, middle, unit, max(-0.6, min(0.6, lean)))


def fit_both(grid: Grid) -> tuple[float, Fit]:
    """Return the log likelihood of one population, and the fit of two."""
    x, counts, lean = grid.x, grid.counts, grid.lean
    tails = ((0, 0), (-0.7, -0.7), (0, -1.2), (-1.2, 0), (1.2, 1.2), (0, 1.2))
    middle = float(x @ counts / counts.sum())
    wide = 0.5 * math.log(float((x - middle) ** 2 @ counts / counts.sum()))
    lone = [[0, 0, lean, *tail] for tail in tails] + [[middle, wide + EVEN, 0, 2, 2]]
    alone = fit(x, counts, np.array(lone), prior=_ALONE)
    centred = fit(x, counts, np.array([[0, 0, 0, 0, 0, -2, 0, 0.8]]), prior=_CENTRED)
    start = [0, 0, 0.3 * lean, 0, 0]
    beside = [
        [*start, -4, way * place * math.exp(way * lean), -0.2] for way in (1, -1) for place in (2, 3, 4.5)
    ]
    far = np.abs(x) > 3.5
    furthest = float(x[np.argmax(counts * far)]) if (counts * far).any() else 4.0
    beside += [[*start, -1, furthest, 0], [-1, 0, 0, 0, 0, 0, 1.5, 0], [1, 0, 0, 0, 0, 0, -1.5, 0]]
    beside += [[way * 1.6, -0.8, 0, 0, 0, 0.8, 0, -0.4] for way in (1, -1)]  # the lesser one is the taller
    return max(alone.log_likelihood, centred.log_likelihood), fit(x, counts, np.array(beside), prior=_APART)


@dataclass(frozen=True, slots=True)
class Pair:
    """The two populations fitted, the lesser one second; on the standardised axis."""

    shares: tuple[float, float]
    means: tuple[float, float]
    sds: tuple[float, float]
    lean: float
    exponent: float
    cut: float
    f1: float
    left: float

    @property
    def apart(self) -> float:
        """Return Ashman's D."""
        return math.sqrt(2) * abs(self.means[1] - self.means[0]) / math.hypot(*self.sds)


def pair_of(grid: Grid, two: Fit) -> Pair:
    """Return the two populations of a fit, as they lie on the grid."""
    both = list(parts(grid.x, two.parameters))
    if both[1].sum() > both[0].sum():
        both.reverse()
    shares = [float(part.sum()) for part in both]
    means = [float(grid.x @ part) / share for part, share in zip(both, shares, strict=True)]
    sds = [
        math.sqrt(float((grid.x - mean) ** 2 @ part) / share)
        for part, mean, share in zip(both, means, shares, strict=True)
    ]
    cut, f1 = _best_cut(grid.x, both[0][None], both[1][None], upper=np.array([means[1] > means[0]]))
    expected = grid.counts.sum() * (both[0] + both[1])
    return Pair(
        (shares[0], shares[1]),
        (means[0], means[1]),
        (sds[0], sds[1]),
        float(two.parameters[LEAN]),
        float(two.parameters[EXPONENTS].max()),
        float(cut[0]),
        float(f1[0]),
        _left_over(grid.counts, expected),
    )


def _best_cut(
    x: Floats, greater: Floats, lesser: Floats, *, upper: NDArray[np.bool_]
) -> tuple[Floats, Floats]:
    """Return where F1 of the lesser population is best, and that F1; of pairs of shape ``(k, m)``."""
    step = x[1] - x[0]
    right = np.where(upper[:, None], lesser[:, ::-1].cumsum(axis=1)[:, ::-1], lesser.cumsum(axis=1))
    all_kept = lesser + greater
    kept = np.where(upper[:, None], all_kept[:, ::-1].cumsum(axis=1)[:, ::-1], all_kept.cumsum(axis=1))
    f1 = 2 * right / (kept + lesser.sum(axis=1, keepdims=True))
    rows = np.arange(len(f1))
    at = f1.argmax(axis=1).clip(1, x.size - 2)
    before, here, after = f1[rows, at - 1], f1[rows, at], f1[rows, at + 1]
    bend = before - 2 * here + after
    shift = np.where(bend < 0, 0.5 * (before - after) / np.where(bend < 0, bend, 1), 0).clip(-0.5, 0.5)
    edge = np.where(upper, -0.5, 0.5)  # what is kept begins, or ends, at the edge of its bin
    return x[at] + step * (edge + shift), f1.max(axis=1)


def _left_over(counts: Floats, expected: Floats) -> float:
    """Return the share of the events that is more than the model holds, beyond three errors of each stretch."""
    window = np.ones(5)
    seen, model = np.convolve(counts, window, "same"), np.convolve(expected, window, "same")
    return float(np.maximum(seen - model - 3 * np.sqrt(model + 1), 0).sum() / window.size / counts.sum())


def draw_cuts(grid: Grid, two: Fit, rng: np.random.Generator) -> Floats:
    """Return where the cut would be for other parameters as probable as the fitted ones."""
    expected = np.maximum(grid.counts.sum() * density(grid.x, two.parameters), 1e-9)
    enough = expected > 5
    misfit = float(((grid.counts - expected)[enough] ** 2 / expected[enough]).mean()) if enough.any() else 1.0
    values, vectors = np.linalg.eigh(two.information)
    spans = vectors * np.sqrt(max(1.0, misfit) / np.maximum(values, 1e-9))
    drawn = two.parameters + rng.standard_normal((DRAWS, TWO)) @ spans.T
    first, second = parts(grid.x, drawn)
    swap = (second.sum(axis=1) > first.sum(axis=1))[:, None]
    greater, lesser = np.where(swap, second, first), np.where(swap, first, second)
    centre_first, centre_second = (part @ grid.x / part.sum(axis=1) for part in (greater, lesser))
    return _best_cut(grid.x, greater, lesser, upper=centre_second > centre_first)[0]
