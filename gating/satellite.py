"""The satellite: a small cloud on the flank of a large one, by what the large one's other side leaves unexplained."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gating.answers import Abstention, Floats, RegionFound, one_of, own_generator, within
from gating.contour import FEWEST_IN_CLOUD, SIDES, WAYS, Cloud, outline_of
from gating.relief import CELLS, Hills, Relief, hills
from gating.roots import ROOTS
from gating.tracing import part_around

SURE = 3.0
"""Standard errors by which a cell has more events than its mirror image, to be where a satellite begins."""
CORE, MOST_LEAN = 0.3, 0.1
"""Of the main cloud's core, where the density is at least 0.3 of the peak's, at most a tenth lies elsewhere than in its
mirror image, beyond what noise explains: a cloud that leans lends its own tail to a satellite that is none."""
Mask = NDArray[np.bool_]


def satellite(
    points: ArrayLike,
    *,
    side: str = "right",
    keep: float = 0.95,
    smallest: float = 0.003,
    roots: str = "none",
    rng: np.random.Generator | None = None,
) -> RegionFound | Abstention:
    """Outline a small cloud that lies on one side of the main one, whether or not it makes a peak of its own.

    A cloud of one kind of cell is nearly symmetric about its peak. What a cell of the plane holds beyond what its
    mirror image through the main peak holds is therefore the satellite's; the outline encloses the cells in which
    that is the larger part.

    Parameters
    ----------
    points
        Shape ``(n, 2)``, display scale.
    side
        Where the satellite lies, seen from the main peak: ``"left"``, ``"right"``, ``"bottom"``, ``"top"``, or a
        corner as ``"top right"``.
    keep
        The share of a normal satellite that stays inside, apart from where it meets the main cloud.
    smallest
        A satellite that holds a smaller share of the events is none, nor is one of fewer than 15.
    roots, rng
        As in :func:`gating.contour.density_contour`.

    Returns
    -------
    RegionFound | Abstention
        A polygon of at most 40 corners. Abstains when there are fewer than 100 events, when the main cloud's core
        is not nearly its own mirror image, and when no part of that side holds clearly more than its mirror image.

    Raises
    ------
    TemplateError
        If an option has a value that it cannot have.

    Notes
    -----
    Another population on the opposite side hides the satellite. Gate the parent until the main cloud is alone with
    it.

    References
    ----------
    Practice: the negative half, mirrored, as :func:`gating.tail.tail` does it on one axis.
    """
    one_of("side", side, SIDES)
    one_of("roots", roots, ROOTS)
    within("keep", keep, 0.0, 1.0)
    within("smallest", smallest, 0.0, 0.5)

    def find(ground: Relief, density: Floats, coarser: float) -> Cloud | str:
        least = max(FEWEST_IN_CLOUD, smallest * ground.counts.sum())
        found = hills(ground, density, least=least, coarser=coarser)
        if not len(found.tops):
            return "no cloud: no group of events is large enough"
        return _satellite(ground, density, found, side=side, keep=keep, coarser=coarser)

    return outline_of(points, find, smallest=smallest, roots=roots, scales=(1.0,), rng=own_generator(rng))


def _satellite(
    ground: Relief, density: Floats, found: Hills, *, side: str, keep: float, coarser: float
) -> Cloud | str:
    """Return the part of a side that holds most events beyond those of its mirror image."""
    from scipy.ndimage import label

    largest = int(np.argmax(found.masses))
    mine, height = found.owner == largest, float(found.heights[largest])
    centre = _centre(density, mine, height)
    mirrored = _mirrored(density, centre)
    excess = density - mirrored
    noise = np.hypot(ground.noise(density, coarser=coarser), ground.noise(mirrored, coarser=coarser))
    core = (mine & (density >= CORE * height)) | (mirrored >= CORE * height)
    lean = _lean(excess, noise, core=core) / float(density[core].sum())
    if lean > MOST_LEAN:
        return f"no satellite at the {side}: the main cloud leans, {lean:.0%} of its core has no mirror image"
    theirs = (mirrored <= density / 2) & (density > ground.ground(coarser=coarser)) & _towards(side, centre)
    sure = theirs & (excess > SURE * noise)
    parts, number = label(sure)
    if not number:
        return f"no satellite at the {side}: nothing there beyond the mirror image of the main cloud"
    weights = np.bincount(parts.ravel(), weights=np.where(sure, excess, 0.0).ravel())
    chosen = parts == int(np.argmax(weights))
    flat = int(np.argmax(np.where(chosen, excess, -1.0)))
    top = (flat // density.shape[1], flat % density.shape[1])
    rise = float(excess[top])
    cells = part_around(theirs & (excess >= (1 - keep) * rise), top)
    return Cloud(cells, top, rise, len(found.tops), float(mirrored[top]))


def _lean(excess: Floats, noise: Floats, *, core: Mask) -> float:
    """Return the events of a core that are not where their mirror images are, beyond what noise explains."""
    # Of a normal deviation the mean size is 0.8 standard errors; each event missing is in excess elsewhere.
    return float((np.abs(excess) - math.sqrt(2 / math.pi) * noise)[core].sum()) / 2


def _centre(density: Floats, mine: Mask, height: float) -> Floats:
    """Return the middle of the upper half of a cloud, in cells, shape ``(2,)``."""
    weights = np.where(mine & (density >= 0.5 * height), density, 0.0)
    i, j = np.indices(density.shape)
    return np.array([(weights * i).sum() / weights.sum(), (weights * j).sum() / weights.sum()])


def _mirrored(density: Floats, centre: Floats) -> Floats:
    """Return the density at the mirror image of each cell through a place."""
    from scipy.ndimage import map_coordinates

    i, j = np.indices(density.shape)
    there = [2 * centre[0] - i, 2 * centre[1] - j]
    return np.asarray(map_coordinates(density, there, order=1, mode="constant"))


def _towards(side: str, centre: Floats) -> Mask:
    """Return which cells lie on a side of a place, shape ``(CELLS, CELLS)``."""
    places = np.indices((CELLS, CELLS))
    mask: Mask = np.ones((CELLS, CELLS), dtype=np.bool_)
    for word in side.split():
        axis, sign = WAYS[word]
        mask &= sign * (places[axis] - centre[axis]) > 0
    return mask
