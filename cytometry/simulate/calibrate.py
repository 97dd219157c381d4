"""Calibration: intercepts such that the mean over subjects, not the middle subject, is the figure that was planted.

A fraction whose logit is normal over subjects has a mean nearer to one half than the middle subject's.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray

from cytometry.simulate.draws import stream

Numbers = NDArray[np.float64]
NODES = 64
SUBJECTS = 20_000
ROUNDS = 12
WIDEST = 60.0
STEPS, LONGEST_STEP, SHORTEST_STEP = 100, 1.0, 1e-12


def logit(fraction: float | Numbers) -> Numbers:
    """Return the log odds of fractions inside (0, 1)."""
    return np.log(fraction) - np.log1p(-np.asarray(fraction, dtype=np.float64))


def expit(log_odds: float | Numbers) -> Numbers:
    """Return the fractions of log odds."""
    return np.asarray(1 / (1 + np.exp(-np.asarray(log_odds, dtype=np.float64))))


def mean_fraction(log_odds: float, sd: float) -> float:
    """Return the mean fraction of subjects whose log odds are normal (Gauss-Hermite quadrature)."""
    nodes, weights = _quadrature()
    return float(weights @ expit(log_odds + np.sqrt(2) * sd * nodes) / np.sqrt(np.pi))


def normal_nodes() -> tuple[Numbers, Numbers]:
    """Return values of a standard normal term and their weights, which sum to 1 (Gauss-Hermite quadrature)."""
    nodes, weights = _quadrature()
    return np.sqrt(2) * nodes, weights / np.sqrt(np.pi)


@cache
def _quadrature() -> tuple[Numbers, Numbers]:
    nodes, weights = np.polynomial.hermite.hermgauss(NODES)
    return nodes, weights


@cache
def log_odds_for(mean: float, sd: float) -> float:
    """Return the middle subject's log odds such that the mean fraction is ``mean``, in (0, 1)."""
    return root(lambda log_odds: mean_fraction(log_odds, sd) - mean)


def shift_to(mean: float, *, weights: Numbers, log_odds: Numbers) -> float:
    """Return what is added to all these log odds so that the weighted mean fraction is ``mean``: Newton's method.

    It closes in from wherever the slope is steep; where a step would be long, it is cut short.
    """
    shift = float(logit(mean)) - float(logit(float(weights @ expit(log_odds))))
    for _ in range(STEPS):
        fractions = expit(log_odds + shift)
        step = (mean - float(weights @ fractions)) / float(weights @ (fractions * (1 - fractions)))
        shift += min(max(step, -LONGEST_STEP), LONGEST_STEP)
        if abs(step) < SHORTEST_STEP:
            break
    return shift


def root(rising: Callable[[float], float]) -> float:
    """Return where a rising function of log odds is zero, by bisection: exact to the last bits and no surprise."""
    low, high = -WIDEST, WIDEST
    while high - low > 1e-13 * max(1.0, abs(low)):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if rising(middle) < 0 else (low, middle)
    return (low + high) / 2


@cache
def log_shares_for(shares: tuple[float, ...], sds: tuple[float, ...]) -> tuple[float, ...]:
    """Return the middle subject's log shares such that the mean share of each part is ``shares``.

    Shares of a subject are the softmax of normal log shares with these SDs.
    """
    wanted = np.asarray(shares) / sum(shares)
    found = np.log(wanted)
    for _ in range(ROUNDS):
        found += np.log(wanted / mean_shares(found, sds))
    return tuple((found - np.log(np.exp(found).sum())).tolist())


def mean_shares(log_shares: Numbers | tuple[float, ...], sds: Numbers | tuple[float, ...]) -> Numbers:
    """Return the mean shares over 20,000 subjects, always the same ones; sums to 1."""
    drawn = np.exp(np.asarray(log_shares) + np.asarray(sds) * _subjects(len(log_shares)))
    return np.asarray((drawn / drawn.sum(axis=1, keepdims=True)).mean(axis=0))


@cache
def _subjects(parts: int) -> Numbers:
    """Return standard normal terms whose odd moments vanish: every subject has its mirror image."""
    one = stream(0, "calibration").standard_normal((SUBJECTS // 2, parts))
    one /= one.std(axis=0)
    return np.concatenate([one, -one])
