"""Studies drawn at the level of counts: twenty populations of subjects that differ, of visits that differ, of cells.

Subjects and visits are normal on the scale of analysis, cells binomial or Poisson, so that rare populations vary more.
With unequal spreads the residual standard deviations of the populations run from 0.7 to 2.5 times the usual one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from calibrating.rivals import Floats, Studies

POPULATIONS = 20
RAREST, COMMONEST = 0.0005, 0.4
CELLS = (20_000, 80_000)
SUBJECT_SD, VISIT_SD, ARM_SD = 0.5, 0.2, 0.35
MULTIPLES = (0.7, 2.5)
CHANGED = (3, 8, 13, 18)
MEASURES = ("fractions", "intensities", "counts", "cytokines")
_ORDER = np.random.default_rng(5).permutation(
    POPULATIONS
)  # which population has which spread: not by its size


@dataclass(frozen=True)
class Setting:
    """What is drawn: how many subjects, paired or in two arms, of what, with which spreads and which effect."""

    n: int
    paired: bool
    measure: str = "fractions"
    unequal: bool = False
    fold: float = 1.0

    @property
    def design(self) -> str:
        """Return the design in words."""
        return f"{self.n} pairs" if self.paired else f"{self.n} v {self.n}"

    @property
    def spread(self) -> str:
        """Return how the spreads of the populations compare."""
        return "unequal" if self.unequal else "equal"


def multiples(setting: Setting) -> Floats:
    """Return the multiple of the usual residual spread that each population has."""
    return np.geomspace(*MULTIPLES, POPULATIONS)[_ORDER] if setting.unequal else np.ones(POPULATIONS)


def effects(setting: Setting) -> Floats:
    """Return the planted shift of each population: alternately up and down, zero for the others."""
    found = np.zeros(POPULATIONS)
    found[list(CHANGED)] = np.log(setting.fold) * np.array([1, -1, 1, -1])
    return found


def draw(setting: Setting, studies: int, rng: np.random.Generator) -> Studies:
    """Return so many studies of a setting."""
    shape = (studies, setting.n, 2, POPULATIONS)
    subject = rng.normal(0, SUBJECT_SD, (studies, setting.n, 1, POPULATIONS)) if setting.paired else 0.0
    sd = (VISIT_SD if setting.paired else ARM_SD) * multiples(setting)
    moved = np.array([0.0, 1.0])[:, None] * effects(setting)
    share = np.geomspace(RAREST, COMMONEST, POPULATIONS)
    eta = np.log(share / (1 - share)) + subject + sd * rng.normal(size=shape) + moved
    cells = rng.integers(*CELLS, (studies, setting.n, 2, 1)).astype(float)
    if setting.measure == "intensities":
        return Studies(np.exp(6 + eta), None, setting.paired, "log")
    if setting.measure == "counts":
        return Studies(
            rng.poisson(cells.mean() * np.exp(np.minimum(eta, 3))), None, setting.paired, "log count"
        )
    p = 1 / (1 + np.exp(-eta))
    k = rng.binomial(cells.astype(int), p).astype(float)
    if setting.measure == "fractions":
        return Studies(k, cells, setting.paired)
    at_rest = rng.integers(*CELLS, (studies, setting.n, 2, 1))
    background = rng.binomial(at_rest, 0.001 * np.exp(0.5 * rng.normal(size=shape)))
    noise = (k + 0.5) / (cells + 1) * (1 - (k + 0.5) / (cells + 1)) / cells
    return Studies(k / cells - background / at_rest, None, setting.paired, "points", noise)


def closed(n: int, fold: float, studies: int, rng: np.random.Generator) -> tuple[Floats, Floats, Floats]:
    """Return counts of paired studies whose absolute numbers change in four of twenty leaves, all upwards.

    Returns
    -------
    tuple
        Events of each leaf, shape ``(studies, n, 2, 20)``; events in all; and which leaves changed.
    """
    moved = np.zeros(POPULATIONS)
    moved[[15, 16, 17, 18]] = np.log(fold)
    level = np.log(np.geomspace(RAREST, COMMONEST, POPULATIONS))
    subject = rng.normal(0, SUBJECT_SD, (studies, n, 1, POPULATIONS))
    visit = VISIT_SD * rng.normal(size=(studies, n, 2, POPULATIONS))
    eta = level + subject + visit + np.array([0, 1.0])[:, None] * moved
    share = np.exp(eta)
    share /= share.sum(-1, keepdims=True)
    cells = rng.integers(*CELLS, (studies, n, 2))
    return rng.multinomial(cells, share).astype(float), cells[..., None].astype(float), moved != 0
