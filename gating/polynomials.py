"""Polynomials: a scale as a table of short polynomials, for where millions of events are scaled.

Each octave of the linear scale is cut into sixteen, on either side of zero; where a value lies is read from the
bits of the number. The table says of itself where it is not exact enough.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from gating.scales import Floats, Scale

TERMS = 6
PER_OCTAVE = 16
OCTAVES_BELOW, OCTAVES = 24, 48  # the table begins so far below the top of the scale; T is often 2**18
EXPONENT_OF_ONE = 1023
ENOUGH = 1e-10
"""Largest error of a segment, on the display scale; one with a larger one is left to the reference."""


@dataclass(frozen=True, slots=True, eq=False)
class Polynomials:
    """A scale by polynomials of the place within a segment, from 0 to 1.

    Parameters
    ----------
    base
        The segment of a magnitude is the upper 16 bits of its float64, less ``base``.
    terms
        Shape ``(2 * segments + 1, TERMS)``: above zero, below zero, and around it, where the place is
        ``value * shrink`` from -1 to 1. Infinite where the reference has to be asked.
    """

    base: int
    shrink: float
    terms: Floats


def polynomials(scale: Scale) -> Polynomials:
    """Return the table of a scale."""
    return _polynomials(scale)  # type: ignore[arg-type]  # scales are frozen


@lru_cache(maxsize=256)
def _polynomials(scale: Any) -> Polynomials:
    top = float(getattr(scale, "t", 1.0))
    lowest = int(np.floor(np.log2(abs(top) or 1.0))) - OCTAVES_BELOW
    starts = 2.0 ** (lowest + np.arange(OCTAVES * PER_OCTAVE + 1) // PER_OCTAVE)
    edges = starts * (1 + np.arange(len(starts)) % PER_OCTAVE / PER_OCTAVE)
    sides = [np.column_stack([edges[:-1], edges[1:]]), -np.column_stack([edges[:-1], edges[1:]])]
    terms = np.concatenate([_fitted(scale, *side.T) for side in sides])
    centre = _fitted(scale, np.array([0.0]), np.array([edges[0]]), both=True)
    table = np.concatenate([terms, centre])
    table.setflags(write=False)
    return Polynomials((EXPONENT_OF_ONE + lowest) * PER_OCTAVE, 1.0 / float(edges[0]), table)


def _fitted(scale: Scale, begin: Floats, end: Floats, *, both: bool = False) -> Floats:
    """Fit each segment at Chebyshev's points, and mark those that miss what lies between."""
    points = np.cos(np.pi * (np.arange(TERMS) + 0.5) / TERMS)
    points = points if both else (points + 1) / 2
    powers = np.vander(points, TERMS, increasing=True)
    terms = np.linalg.solve(powers, _at(scale, begin, end, points).T).T
    between = np.linspace(-1 if both else 0, 1, 2 * TERMS + 1)
    missed = np.abs(terms @ np.vander(between, TERMS, increasing=True).T - _at(scale, begin, end, between))
    nowhere = np.isnan(missed).all(axis=1)  # a logarithm below zero: surely NaN
    unsure = ~(missed <= ENOUGH).all(axis=1) & ~nowhere
    terms[unsure] = [np.inf, *[0.0] * (TERMS - 1)]
    return np.asarray(terms)


def _at(scale: Scale, begin: Floats, end: Floats, points: Floats) -> Floats:
    return scale.forward(begin[:, np.newaxis] + (end - begin)[:, np.newaxis] * points)
