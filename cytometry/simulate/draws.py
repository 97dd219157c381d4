"""Draws: random numbers that depend on the seed and on what they are for, never on when they are drawn."""

from __future__ import annotations

from hashlib import sha256
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float32]
Flags: TypeAlias = NDArray[np.bool_]
TWO_PI = np.float32(2 * np.pi)
LEAST_MEAN = np.float32(0.25)


def stream(seed: int, *names: str) -> np.random.Generator:
    """Return the generator of one purpose: the same for the same seed and names, in any process and order."""
    keys = [int.from_bytes(sha256(name.encode()).digest()[:4], "big") for name in names]
    return np.random.default_rng(np.random.SeedSequence([seed, *keys]))


def normals(rng: np.random.Generator, *shape: int) -> Floats:
    """Return standard normal values, by Box and Muller's pairs: twice as fast in float32 as one by one."""
    size = int(np.prod(shape))
    half = (size + 1) // 2
    radius = rng.random(half, dtype=np.float32)
    np.subtract(np.float32(1), radius, out=radius)  # in (0, 1], whose logarithm is finite
    np.log(radius, out=radius)
    radius *= np.float32(-2)
    np.sqrt(radius, out=radius)
    angle = rng.random(half, dtype=np.float32)
    angle *= TWO_PI
    pairs = np.empty((2, half), dtype=np.float32)
    np.cos(angle, out=pairs[0])
    np.sin(angle, out=pairs[1])
    pairs *= radius
    return pairs.reshape(-1)[:size].reshape(shape)


def poisson(rng: np.random.Generator, mean: Floats) -> Floats:
    """Return Poisson counts of these means, by their normal expansion: one normal value each, then floored.

    The quantile function's expansion of Giles (2016, ACM Trans Math Softw 42:7) to order mean^-1/2. Against
    the exact distribution, mean and variance are within 0.3 % and 1.3 % at a mean of 2, where 0.4 % of the
    counts differ, and within 0.01 % and 0.1 % from 5 on. Means are a few counts or more here: an empty
    detector has 1.6.
    """
    mean = np.maximum(mean, LEAST_MEAN)
    z = normals(rng, *mean.shape)
    root = np.sqrt(mean)
    square = z * z
    counts = square + np.float32(2)
    counts *= np.float32(1 / 6)
    counts += mean
    counts += root * z
    square += np.float32(2)
    square *= z
    square *= np.float32(-1 / 72)
    square /= root
    counts += square
    np.floor(counts, out=counts)
    np.maximum(counts, np.float32(0), out=counts)
    return counts
