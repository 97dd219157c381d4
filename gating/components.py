"""Components: one population that may lean and have heavy or light tails, alone or with a normal one beside it.

Fitted to counts on a grid, so that the time does not grow with the events. The axis is standardised: zero at the
tallest peak, one its half width. Parameters are rows of an array, so that many fits climb together:

0. the population's centre, and
1. the logarithm of its width;
2. its lean: its sides are ``exp(lean)`` and ``exp(-lean)`` times as wide as the width;
3. the logarithm of the exponent of its tail below, and
4. of that above: 0 is normal, -inf as heavy as a Cauchy, above 0 lighter than normal;
5. the log odds of the share of the second, normal population;
6. its mean; and
7. the logarithm of its deviation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gating.answers import Floats

ONE, TWO = 5, 8
LEAN, EXPONENTS, SHARE, MEAN, LOG_SD = 2, slice(3, 5), 5, 6, 7
MOST_LEAN, EXPONENT_RANGE = 1.5, (-3.0, 3.0)
STEP = 1e-4
FIRST_ROUNDS, KEPT, MOST_ROUNDS = 8, 3, 40
SETTLED = 1e-2


@dataclass(frozen=True, slots=True, eq=False)
class Prior:
    """Independent normal priors of the parameters: they hold those that the events say little about."""

    mean: Floats
    sd: Floats

    def log(self, parameters: Floats) -> Floats:
        """Return the logarithm of the prior density, up to a constant; shape ``(k,)`` of ``(k, p)``."""
        return np.asarray(-0.5 * (((parameters - self.mean) / self.sd) ** 2).sum(axis=-1))


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """The most probable parameters, shape ``(p,)``, with the log likelihood and the information, ``(p, p)``."""

    parameters: Floats
    log_likelihood: float
    information: Floats


def shape_of_one(x: Floats, parameters: Floats) -> Floats:
    """Return the share per bin, shape ``(..., m)``, of the population that may lean.

    Its sides are generalised tails, ``exp((1 - (1 + z^2 / 2)^p) / p)``: normal for ``p = 1``, with every weight
    of tail on either side of it. Width and exponent pass smoothly from one side to the other.
    """
    centre, width, lean, below, above = (parameters[..., i, None] for i in range(ONE))
    u = (x - centre) * np.exp(-width)
    side = np.tanh(u)
    z = u * np.exp(-lean * side)
    low, high = np.exp(below), np.exp(above)
    exponent = 0.5 * ((low + high) + side * (high - low))
    logs = -np.expm1(np.minimum(exponent * np.log1p(0.5 * z * z), 30.0)) / exponent
    density = np.exp(logs - logs.max(axis=-1, keepdims=True))
    return np.asarray(density / density.sum(axis=-1, keepdims=True))


def parts(x: Floats, parameters: Floats) -> tuple[Floats, Floats]:
    """Return the shares per bin of the leaning and of the normal population; together they sum to 1."""
    first = shape_of_one(x, parameters)
    z = (x - parameters[..., MEAN, None]) * np.exp(-parameters[..., LOG_SD, None])
    second = np.exp(-0.5 * z * z) + 1e-300
    second /= second.sum(axis=-1, keepdims=True)
    share = 1 / (1 + np.exp(-parameters[..., SHARE, None]))
    return (1 - share) * first, share * second


def density(x: Floats, parameters: Floats) -> Floats:
    """Return the share per bin, shape ``(..., m)``, of one population or of two, by the number of parameters."""
    return shape_of_one(x, parameters) if parameters.shape[-1] == ONE else np.add(*parts(x, parameters))


def fit(x: Floats, counts: Floats, starts: Floats, *, prior: Prior) -> Fit:
    """Return the best fit that is reached from several starts.

    Parameters
    ----------
    x, counts
        The middles of the bins and the events in them, shape ``(m,)``.
    starts
        Shape ``(k, p)``; after a few rounds only the best three go on.
    """
    climbers = _Climbers(x, counts, starts, prior)
    climbers.climb(FIRST_ROUNDS)
    if len(starts) > KEPT:
        best = climbers.parameters[np.argsort(-climbers.height, kind="stable")[:KEPT]]
        climbers = _Climbers(x, counts, best, prior)
    climbers.climb(MOST_ROUNDS)
    return climbers.best()


class _Climbers:
    """Fisher scoring with Levenberg's damping, many starts at once."""

    def __init__(self, x: Floats, counts: Floats, starts: Floats, prior: Prior) -> None:
        self.x, self.counts, self.prior = x, counts, prior
        self.parameters = np.array(starts, dtype=np.float64)
        self.damping = np.full(len(starts), 1e-2)
        self.height, self.fitted = self._height(self.parameters)

    def _height(self, parameters: Floats) -> tuple[Floats, Floats]:
        fitted = density(self.x, parameters)
        return self._log_likelihood(fitted) + self.prior.log(parameters), fitted

    def _log_likelihood(self, fitted: Floats) -> Floats:
        return np.asarray((self.counts * np.log(np.maximum(fitted, 1e-300))).sum(axis=-1))

    def climb(self, rounds: int) -> None:
        """Climb until the best one has settled."""
        for _ in range(rounds):
            before = self.height
            moved = self.parameters + self._steps()
            moved[:, LEAN] = moved[:, LEAN].clip(-MOST_LEAN, MOST_LEAN)
            moved[:, EXPONENTS] = moved[:, EXPONENTS].clip(*EXPONENT_RANGE)
            height, fitted = self._height(moved)
            higher = height > before
            self.parameters = np.where(higher[:, None], moved, self.parameters)
            self.fitted = np.where(higher[:, None], fitted, self.fitted)
            self.height = np.where(higher, height, before)
            self.damping = np.where(higher, 0.2 * self.damping, 8 * self.damping).clip(1e-6, 1e6)
            best = int(np.argmax(self.height))
            if higher[best] and self.height[best] - before[best] < SETTLED:
                return
            if (self.damping > 1e3).all():
                return

    def _steps(self) -> Floats:
        gradient, information = self._derivatives()
        scale = np.einsum("kii->ki", information)
        damped = information + np.eye(scale.shape[1]) * (self.damping[:, None] * scale + 1e-6)[:, :, None]
        return np.asarray(np.linalg.solve(damped, gradient[:, :, None])[:, :, 0].clip(-1, 1))

    def _derivatives(self) -> tuple[Floats, Floats]:
        p = self.parameters.shape[1]
        beside = density(self.x, self.parameters[:, None, :] + STEP * np.eye(p))
        slopes = (beside - self.fitted[:, None, :]) / STEP
        floor = np.maximum(self.fitted, 1e-12)
        gradient = (slopes * (self.counts / floor)[:, None, :]).sum(axis=-1)
        information = (slopes * (self.counts.sum() / floor)[:, None, :]) @ slopes.transpose(0, 2, 1)
        precision = self.prior.sd**-2.0
        return gradient - (self.parameters - self.prior.mean) * precision, information + np.diag(precision)

    def best(self) -> Fit:
        at = int(np.argmax(self.height))
        information = self._derivatives()[1][at]
        return Fit(self.parameters[at], float(self._log_likelihood(self.fitted[at])), information)
