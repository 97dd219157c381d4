"""Shapes: the families that the brightness of one kind of cell in one dye is drawn from.

The first generator has lognormal brightness. The second has none of it: what is bright follows a gamma
distribution, left-skewed on the log scale, as staining that saturates is; what is dim follows a right-skewed t
with tails that a cell has in all its dyes at once, as sticky cells do.
"""

from __future__ import annotations

from functools import cache
from math import exp, lgamma, pi, sqrt

import numpy as np
from numpy.typing import NDArray

from cytometry.simulate.draws import Floats, normals
from cytometry.simulate.palette import Palette

LEAST_ROOT = np.float32(0.05)  # of a gamma value's cube root over its middle: a 10,000th of the brightness


def deviations(rng: np.random.Generator, z: Floats, kinds: NDArray[np.intp], *, palette: Palette) -> Floats:
    """Return deviations from the median of the natural logarithm of light, from normal ``z``; shape ``(p, n)``."""
    sd = palette.sd.take(kinds, axis=1)
    if palette.skewed is None:
        z *= sd
        return z
    bright = palette.skewed.take(kinds, axis=1)
    dim = sd * _skew_t(rng, z, palette.artefacts["skew_t"])
    return np.asarray(np.where(bright, _log_gamma(z, sd), dim), dtype=np.float32)


def _log_gamma(z: Floats, sd: Floats) -> Floats:
    """Return the log of gamma values over their median, by the cube root of Wilson and Hilferty (1931).

    The shape is the one whose logarithm has this SD; the trigamma function is 1/k + 1/(2 k^2) nearly.
    """
    square = sd * sd
    shape = (1 + np.sqrt(1 + 2 * square)) / (2 * square)
    part = 1 / (9 * shape)
    root = 1 + np.sqrt(part) * z / (1 - part)
    return np.asarray(3 * np.log(np.maximum(root, LEAST_ROOT)), dtype=np.float32)


def _skew_t(rng: np.random.Generator, z: Floats, said: dict[str, float]) -> Floats:
    """Return standard skew t values (Azzalini and Capitanio 2003) of mean 0 and SD 1.

    The divisor is an event's own, shared by its dyes, so that its tails come together.
    """
    freedom, lean = float(said["freedom"]), float(said["lean"])
    drawn: Floats = np.float32(sqrt(1 - lean**2)) * z
    drawn += np.float32(lean) * np.abs(normals(rng, *z.shape))
    drawn /= np.sqrt(rng.standard_gamma(freedom / 2, z.shape[1], dtype=np.float32) * np.float32(2 / freedom))
    mean, sd = _moments(freedom, lean)
    drawn -= np.float32(mean)
    drawn /= np.float32(sd)
    return drawn


@cache
def _moments(freedom: float, lean: float) -> tuple[float, float]:
    mean = lean * sqrt(freedom / pi) * exp(lgamma((freedom - 1) / 2) - lgamma(freedom / 2))
    return mean, sqrt(freedom / (freedom - 2) - mean**2)
