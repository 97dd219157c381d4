"""Negatives: what each event of a control would show without its dye, from unstained events of the same scatter."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gating.scales import Floats

NEIGHBOURS = 30
BLOCK = 2048
SOME = 1000  # events that tell how near a control lies
FAR = 0.99
"""An event is compared when its neighbours are as near as those of 99 % of the unstained events."""
OUTLYING = 8.0  # robust SDs


@dataclass(frozen=True, slots=True, eq=False)
class Light:
    """Events that no detector has at its end, linear scale.

    Parameters
    ----------
    values
        Shape ``(n, p)``, by detector.
    scatter
        Shape ``(n, k)``, natural logarithm; ``k`` may be 0, where a tube has none.
    piled
        How many events lay at the end of each detector; shape ``(p,)``. They are not among the others.
    """

    values: Floats
    scatter: Floats
    piled: NDArray[np.intp]

    def only(self, rows: NDArray[np.bool_]) -> Light:
        """Return some of the events."""
        return Light(self.values[rows], self.scatter[rows], self.piled)


@dataclass(frozen=True, slots=True, eq=False)
class Matched:
    """Events of a control, and negatives, each above the median of the negatives next to it in scatter.

    Parameters
    ----------
    above, negatives
        Shapes ``(n, p)`` and ``(m, p)``.
    noise
        SD of the negatives, shape ``(p,)``.
    spectrum
        Median autofluorescence, shape ``(p,)``; never below the noise by more than tenfold.
    compared
        Which events of the control have negatives next to them, shape of the control.
    """

    above: Floats
    negatives: Floats
    noise: Floats
    spectrum: Floats
    compared: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Negatives:
    """Unstained events, made ready to be looked up by scatter; see :func:`prepare`."""

    light: Light
    below: Floats
    centre: Floats
    width: Floats
    tree: object | None
    reach: float


def prepare(negative: Light) -> Negatives:
    """Return unstained events with what each lies above its own neighbours."""
    from scipy.spatial import cKDTree

    scatter = negative.scatter
    if not scatter.shape[1] or len(scatter) <= NEIGHBOURS:
        nowhere = np.zeros(scatter.shape[1])
        below = negative.values - np.median(negative.values, axis=0)
        return Negatives(negative, _inlying(below), nowhere, nowhere, None, np.inf)
    centre, width = np.median(scatter, axis=0), spread(scatter)
    tree = cKDTree((scatter - centre) / width)
    own, distance = _level(tree, (scatter - centre) / width, negative.values, own=True)
    reach = float(np.quantile(distance, FAR))
    return Negatives(negative, _inlying(negative.values - own), centre, width, tree, reach)


def match(stained: Light, to: Negatives) -> Matched:
    """Set each event against its nearest negatives in forward and side scatter.

    Cells of one kind glow alike, and scatter tells kinds apart; dead cells and debris are set against their like.
    """
    middle = np.median(to.light.values, axis=0)
    if to.tree is None:
        above, compared = stained.values - middle, np.ones(len(stained.values), dtype=np.bool_)
    else:
        level, far = _level(to.tree, (stained.scatter - to.centre) / to.width, to.light.values)
        compared = far <= to.reach
        above = (stained.values - level)[compared]
    noise = np.maximum(to.below.std(axis=0), 1e-6)
    return Matched(above, to.below, noise, np.maximum(middle, 0.1 * noise), compared)


def far_from(light: Light, to: Negatives) -> float:
    """Return how far in scatter a control lies from unstained events: infinite where most of it lies beyond them."""
    if to.tree is None or not len(light.scatter):
        return 0.0
    some = light.scatter[:: max(1, len(light.scatter) // SOME)]
    distance, _ = to.tree.query((some - to.centre) / to.width, k=NEIGHBOURS)  # type: ignore[attr-defined]
    if np.mean(distance[:, -1] <= to.reach) < 0.5:
        return float(np.inf)
    return float(np.median(distance[:, -1]) * np.exp(np.log(to.width).mean()))


def _inlying(below: Floats) -> Floats:
    return np.asarray(below[(np.abs(below) < OUTLYING * spread(below)).all(axis=1)])


def spread(values: Floats) -> Floats:
    """Return the SD of each column, from the median absolute deviation; never 0."""
    found = 1.4826 * np.median(np.abs(values - np.median(values, axis=0)), axis=0)
    return np.maximum(found, 1e-6)


def _level(tree: object, points: Floats, values: Floats, *, own: bool = False) -> tuple[Floats, Floats]:
    """Return the median of the neighbours' values, and how far the last of them is."""
    level, distance = np.empty((len(points), values.shape[1])), np.empty(len(points))
    for begin in range(0, len(points), BLOCK):
        part = slice(begin, begin + BLOCK)
        far, at = tree.query(points[part], k=NEIGHBOURS + own)  # type: ignore[attr-defined]
        level[part] = np.median(values[at[:, int(own) :]], axis=1)
        distance[part] = far[:, -1]
    return level, distance
