"""Populations on one axis whose truth is known: drawn from, and with the cut that no rule can beat.

Two populations stand on the axis of the greater one: its mean at 0, its deviation 1. A stain that varies twofold has a
deviation of 0.3 decades, and so are decades counted. ``FITTED`` are the families on which the constants of the rules'
confidence were chosen; ``OTHERS`` are others, in view when its form was chosen.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import scipy.stats as st
from numpy.typing import NDArray

from gating.scales import Logicle

Floats: TypeAlias = NDArray[np.float64]
Draw: TypeAlias = Callable[[np.random.Generator, int], Floats]
DECADES = 0.3
NORMAL = st.norm()


def skewed_t(rng: np.random.Generator, n: int) -> Floats:
    """Azzalini's skew t with 4 degrees of freedom and shape 4."""
    lean = 4 / np.sqrt(17)
    both = lean * np.abs(rng.normal(size=n)) + np.sqrt(1 - lean**2) * rng.normal(size=n)
    return np.asarray(both / np.sqrt(rng.chisquare(4, n) / 4))


def on_logicle(decade: float, sd: float, noise: float, w: float = 0.5) -> Draw:
    """A lognormal dye with electronic noise, on a logicle scale that may press it together near zero."""
    scale = Logicle(w=w)
    return lambda rng, n: scale.forward(10 ** rng.normal(decade, sd, n) + rng.normal(0, noise, n))


ONE_POPULATION: dict[str, Draw] = {
    "normal": lambda rng, n: rng.normal(size=n),
    "gamma 2": lambda rng, n: rng.gamma(2, size=n),
    "gamma 8": lambda rng, n: rng.gamma(8, size=n),
    "exponential": lambda rng, n: rng.exponential(size=n),
    "lognormal 0.6": lambda rng, n: rng.lognormal(0, 0.6, n),
    "Gumbel": lambda rng, n: rng.gumbel(size=n),
    "Weibull 1.5": lambda rng, n: rng.weibull(1.5, n),
    "skew normal 4": lambda rng, n: st.skewnorm.rvs(4, size=n, random_state=rng),
    "skew t, 4 df": skewed_t,
    "t, 3 df": lambda rng, n: rng.standard_t(3, n),
    "t, 2 df": lambda rng, n: rng.standard_t(2, n),
    "logistic": lambda rng, n: rng.logistic(size=n),
    "Laplace": lambda rng, n: rng.laplace(size=n),
    "narrow in wide": lambda rng, n: rng.normal(size=n) * np.where(rng.random(n) < 0.1, 2.5, 1),
    "triangular": lambda rng, n: rng.triangular(0, 0.3, 1, n),
    "uniform": lambda rng, n: rng.random(n),
    "normal and exponential": lambda rng, n: rng.normal(size=n) + rng.exponential(1.5, n),
    "negative on logicle": on_logicle(1.0, 0.3, 30),
    "noise on logicle": on_logicle(-9, 0.0, 60),
    "dim on logicle": on_logicle(2.2, 0.35, 40),
    "dim on wide logicle": on_logicle(1.8, 0.35, 40, w=1.0),
    "bright on logicle": on_logicle(3.9, 0.2, 40),
}
"""The thresholds of the rules were chosen with these in view; ``UNSEEN`` are judged alone."""


def drawn(family: Any) -> Draw:
    """Return how to draw from a frozen distribution."""
    return lambda rng, n: np.asarray(family.rvs(size=n, random_state=rng))


UNSEEN: dict[str, Draw] = {
    "inverse Gaussian 0.5": drawn(st.invgauss(0.5)),
    "Johnson SU": drawn(st.johnsonsu(-1, 1.8)),
    "exponentially modified normal": drawn(st.exponnorm(1)),
    "Rice 1.5": drawn(st.rice(1.5)),
    "Moyal": drawn(st.moyal()),
    "log gamma 1": drawn(st.loggamma(1)),
    "beta 3, 3": drawn(st.beta(3, 3)),
    "exponential power 4": drawn(st.gennorm(4)),
    "noncentral t, 5 df": drawn(st.nct(5, 1)),
    "generalised logistic 3": drawn(st.genlogistic(3)),
    "Maxwell": drawn(st.maxwell()),
    "hyperbolic secant": drawn(st.hypsecant()),
    "medium on logicle": on_logicle(2.5, 0.3, 60),
    "broad on logicle": on_logicle(1.5, 0.5, 25),
    "narrow on wide logicle": on_logicle(2.0, 0.25, 80, w=0.8),
}
FITTED = (
    {"normal": st.norm(), "skew normal": st.skewnorm(2), "skew normal, left": st.skewnorm(-2)}
    | {"logistic": st.logistic(), "lognormal 0.15": st.lognorm(0.15), "lognormal 0.3": st.lognorm(0.3)},
    {"normal": st.norm(), "skew normal": st.skewnorm(2), "skew normal, left": st.skewnorm(-3)},
)
OTHERS = (
    {"gamma 9": st.gamma(9), "Weibull 3": st.weibull_min(3), "t, 12 df": st.t(12)}
    | {"Gumbel": st.gumbel_r(), "t, 6 df": st.t(6)},
    {
        "t, 6 df": st.t(6),
        "Gumbel, left": st.gumbel_l(),
        "gamma 9": st.gamma(9),
        "Weibull 3": st.weibull_min(3),
    },
)


@dataclass(frozen=True, eq=False)
class Two:
    """A greater population and a lesser one above it.

    Parameters
    ----------
    greater, lesser
        Frozen distributions of ``scipy.stats``; they are moved and stretched.
    share
        Of the events, in the lesser one.
    apart
        Ashman's D.
    sd
        The lesser one's deviation; the greater one's is 1.
    """

    share: float
    apart: float
    sd: float = 1.0
    greater: Any = NORMAL
    lesser: Any = NORMAL

    @property
    def mean(self) -> float:
        """Return the mean of the lesser population."""
        return self.apart * math.sqrt((1 + self.sd**2) / 2)

    def draw(self, rng: np.random.Generator, n: int) -> Floats:
        """Return ``n`` events; how many are of the lesser population is binomial."""
        few = int(rng.binomial(n, self.share))
        drawn = [
            (one.rvs(size=size, random_state=rng) - one.mean()) / one.std()
            for one, size in ((self.greater, n - few), (self.lesser, few))
        ]
        return np.concatenate([drawn[0], self.mean + self.sd * drawn[1]])

    @cached_property
    def best_cut(self) -> float:
        """Return the cut of largest F1 of the lesser population, of infinitely many events."""
        cuts = np.linspace(-3, self.mean + 3 * self.sd, 3001)
        right = self.share * _beyond(self.lesser, (cuts - self.mean) / self.sd)
        wrong = (1 - self.share) * _beyond(self.greater, cuts)
        return float(cuts[np.argmax(2 * right / (right + wrong + self.share))])


def _beyond(one: Any, x: Floats) -> Floats:
    return np.asarray(one.sf(x * one.std() + one.mean()))


def any_two(rng: np.random.Generator, families: tuple[Mapping[str, Any], Mapping[str, Any]]) -> Two:
    """Return two populations as a stain may have them: 0.5 to 50 %, D 2.5 to 7, half to twice as wide."""
    greater, lesser = (list(family.values())[rng.integers(len(family))] for family in families)
    share, sd = math.exp(rng.uniform(math.log(0.005), math.log(0.5))), 2 ** rng.uniform(-1, 1)
    return Two(share, rng.uniform(2.5, 7), sd, greater, lesser)
