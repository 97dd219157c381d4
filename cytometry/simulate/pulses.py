"""Pulses: area, height and width of scatter, and the events that lie on the edge of the range."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cytometry.simulate.draws import Floats, normals

SCATTER = ("FSC-A", "FSC-H", "FSC-W", "SSC-A", "SSC-H", "SSC-W")
FLOOR = (0, 3)  # the areas


def scatter(
    rng: np.random.Generator, area: Floats, *, pairs: NDArray[np.bool_], said: Mapping[str, Any], top: float
) -> Floats:
    """Return area, height and width of FSC, then of SSC, shape ``(6, n)``, of areas ``(2, n)``.

    Two cells in a row (``pairs``) are lower and longer for their area.
    """
    n = area.shape[1]
    low, high = said["doublet_height"]
    one = np.float32(said["height"])
    two = low + (high - low) * rng.random(n, dtype=np.float32)
    share = np.where(pairs, two, one)
    found = np.empty((6, n), dtype=np.float32)
    for row in range(2):
        error = np.float32(1) + np.float32(said["height_cv"]) * normals(rng, n)
        height = area[row] * share * error
        found[3 * row : 3 * row + 3] = area[row], height, np.float32(said["width"]) * area[row] / height
    return np.minimum(found, np.float32(top - 1), out=found)


def put_on_margin(
    rng: np.random.Generator, recorded: Floats, *, share: float, top: float
) -> NDArray[np.bool_]:
    """Put some events on the edge: one channel at its top, or scatter at its floor; return all that lie there."""
    chosen = np.flatnonzero(rng.random(recorded.shape[1]) < share)
    above = rng.random(chosen.size) < 1 / 2
    high, low = chosen[above], chosen[~above]
    recorded[rng.integers(len(recorded) - 1, size=high.size), high] = top - 1
    recorded[np.asarray(FLOOR)[rng.integers(len(FLOOR), size=low.size)], low] = 0
    return np.asarray((recorded[:-1] >= top - 1).any(axis=0) | (recorded[list(FLOOR)] <= 0).any(axis=0))
