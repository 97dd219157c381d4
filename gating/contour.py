"""The density contour: the cloud around a peak of the plane, down to where the next cloud begins."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gating.answers import (
    Abstention,
    Floats,
    RegionFound,
    chance_within_a_tenth,
    nothing_to_see,
    one_of,
    own_generator,
    within,
)
from gating.outline import finite_points, share_within, without_piles
from gating.relief import Hills, Relief, hills, relief
from gating.roots import ROOTS, rooted, squared
from gating.tracing import part_around, simplified, trace

FEWEST = 100
FEWEST_IN_CLOUD = 15
SIDES = ("left", "right", "bottom", "top", "bottom left", "bottom right", "top left", "top right")
LARGEST = "largest"
OUTERMOST = ("leftmost", "rightmost", "bottommost", "topmost")
SCALES = (1.0, 1.5, 2.2, 3.3)
"""A kernel that suits a large cloud leaves a small one in pieces: where none is found, a coarser kernel may show it."""
REPEATS = 9
SMOOTHINGS = (0.85, 1.0, 1.2)
WAYS = {"left": (0, -1), "right": (0, 1), "bottom": (1, -1), "top": (1, 1)}
"""By word: the axis, and towards which end of it."""
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Cloud:
    """A peak's cloud on a grid: its cells, the cell of its peak, its height, and the number of peaks seen."""

    cells: Mask
    top: tuple[int, int]
    height: float
    peaks: int
    saddle: float


def density_contour(
    points: ArrayLike,
    *,
    peak: str = LARGEST,
    keep: float = 0.95,
    stray: float = 1.25,
    smallest: float = 0.005,
    roots: str = "none",
    rng: np.random.Generator | None = None,
) -> RegionFound | Abstention:
    """Outline the cloud around a peak of the density, as a hand gate does.

    The cloud ends where the way up leads to another peak, along the valley between the two, and where the
    density has fallen to ``1 - keep`` of the peak's, which on a normal cloud leaves ``keep`` of it inside.

    Parameters
    ----------
    points
        Shape ``(n, 2)``, display scale.
    peak
        Which cloud: the ``"largest"``, or the largest of those that lie ``"left"``, ``"right"``, ``"top"``,
        ``"bottom"``, or in a corner (``"top left"``) of the middle between the outermost peaks; or the one that lies
        ``"leftmost"``, ``"rightmost"``, ``"bottommost"`` or ``"topmost"``, be it the only one.
    keep
        The share of a normal cloud, with no neighbour, that stays inside.
    stray
        How far the outline may stray from that of a normal cloud with the same upper half, as a multiple of its
        distance from the peak: thin ground around a cloud, as debris or doublets make, does not belong to it.
    smallest
        A cloud that holds a smaller share of the events is none, nor is one of fewer than 15.
    roots
        Which axes to read as square roots: ``"none"``, ``"x"``, ``"y"`` or ``"both"``. Scatter on the linear scale
        crowds small cells and spreads large ones; by its root they are as wide as each other.
    rng
        As in :func:`gating.valley.valley`.

    Returns
    -------
    RegionFound | Abstention
        A polygon of at most 40 corners. Abstains when there are fewer than 100 events; when a side is named and
        no peak that is more than noise lies there, a single peak lying on no side; and when the cloud is smaller
        than ``smallest``.

    Raises
    ------
    TemplateError
        If an option has a value that it cannot have.

    References
    ----------
    Naumann, Luta & Wand 2010, BMC Bioinformatics 11:44, on gates as regions of high density.
    """
    one_of("peak", peak, (LARGEST, *SIDES, *OUTERMOST))
    one_of("roots", roots, ROOTS)
    within("keep", keep, 0.0, 1.0)
    within("stray", stray, 1.0, math.inf)
    within("smallest", smallest, 0.0, 0.5)

    def find(ground: Relief, density: Floats, coarser: float) -> Cloud | str:
        least = max(FEWEST_IN_CLOUD, smallest * ground.counts.sum())
        found = hills(ground, density, least=least, coarser=coarser)
        chosen = choose(found, peak)
        if isinstance(chosen, str):
            return chosen
        return _cloud(density, found, chosen, keep=keep, stray=stray)

    return outline_of(points, find, smallest=smallest, roots=roots, rng=own_generator(rng))


Finder = Callable[[Relief, Floats, float], "Cloud | str"]


def outline_of(
    points: ArrayLike,
    find: Finder,
    *,
    smallest: float,
    roots: str,
    scales: tuple[float, ...] = SCALES,
    rng: np.random.Generator,
) -> RegionFound | Abstention:
    """Return the outline of what a finder finds in the density, or why it finds nothing.

    The confidence, and the interval of the share inside, come from finding it again in samples like this one.
    """
    known = finite_points(points)
    read = rooted(known, roots)
    inner, _ = without_piles(read)
    ground = relief(inner) if len(inner) >= FEWEST else None
    if ground is None:
        return nothing_to_see(inner, FEWEST)
    saw = {"nonfinite": float(len(np.asarray(points)) - len(known)), "piled": float(len(read) - len(inner))}
    least = max(FEWEST_IN_CLOUD, smallest * len(known))
    cloud, scale = _first(ground, find, scales, least)
    if isinstance(cloud, str):
        return Abstention(cloud, len(known), saw)
    held = float(ground.counts[cloud.cells].sum())
    share = held / len(known)
    x, y = squared(ground.values(np.array(cloud.top) + 0.5)[None], roots)[0]
    saw |= {"peaks": cloud.peaks, "x": x, "y": y, "saddle": cloud.saddle / cloud.height, "inside": share}
    saw["coarser"] = scale
    corners = simplified(trace(cloud.cells))
    if held < least or len(corners) < 3:
        reason = f"no cloud: the one at {x:.3g}, {y:.3g} holds {share:.2%} of the events"
        return Abstention(reason, len(known), saw)
    counts = _again(ground, find, scale=scale, rng=rng)
    # How far repetitions that find the cloud are from this one, and how many of them find it.
    again = counts[counts > 0]
    error = math.sqrt(float(np.mean((again - held) ** 2))) if again.size else math.inf
    confidence = chance_within_a_tenth(held, error) * again.size / counts.size
    vertices = squared(ground.values(corners), roots)
    return RegionFound(
        vertices, confidence, len(known), saw, share_within(held, min(error, held), len(known))
    )


def _first(
    ground: Relief, find: Finder, scales: tuple[float, ...], least: float
) -> tuple[Cloud | str, float]:
    """Return the cloud of at least ``least`` events that the finest of several scales shows, and which scale it is."""
    last: Cloud | str = "no cloud"
    for scale in scales:
        answer = find(ground, ground.smooth(coarser=scale), scale)
        if isinstance(answer, Cloud) and ground.counts[answer.cells].sum() >= least:
            return answer, scale
        last = answer if isinstance(answer, Cloud) or isinstance(last, str) else last
    return last, scales[-1]


def _again(ground: Relief, find: Finder, *, scale: float, rng: np.random.Generator) -> Floats:
    """Return how many of the events at hand lie inside what is found in other samples; 0 where nothing is."""
    counts = []
    for repeat in range(REPEATS):
        coarser = scale * SMOOTHINGS[repeat % len(SMOOTHINGS)]
        sample = rng.poisson(ground.counts).astype(np.float64)
        cloud = find(ground, ground.smooth(coarser=coarser, counts=sample), coarser)
        counts.append(0.0 if isinstance(cloud, str) else float(ground.counts[cloud.cells].sum()))
    return np.array(counts)


def choose(found: Hills, peak: str) -> int | str:
    """Return the number of the peak that a word means, or why there is none."""
    if not len(found.tops):
        return "no cloud: no group of events is large enough"
    if peak in OUTERMOST:
        axis, sign = WAYS[peak.removesuffix("most")]
        return int(np.argmax(sign * found.tops[:, axis]))
    on_side = np.ones(len(found.tops), dtype=np.bool_)
    if peak != LARGEST:
        if len(found.tops) == 1:
            return f"no cloud at the {peak}: there is one peak, and nothing to tell its side by"
        on_side = _on_side(found.tops.astype(np.float64), peak)
    if not on_side.any():
        return f"no cloud at the {peak}: none of {len(found.tops)} peaks lies there"
    return int(np.argmax(np.where(on_side, found.masses, -1.0)))


def _on_side(tops: Floats, words: str) -> Mask:
    """Return which peaks lie on a side of the middle between the outermost ones, shape ``(k,)``."""
    middle = (tops.min(axis=0) + tops.max(axis=0)) / 2
    on_side = np.ones(len(tops), dtype=np.bool_)
    for word in words.split():
        axis, sign = WAYS[word]
        on_side &= sign * (tops[:, axis] - middle[axis]) > 0
    return on_side


def _cloud(density: Floats, found: Hills, chosen: int, *, keep: float, stray: float) -> Cloud:
    """Return the ground of a peak down to the level at which the cloud ends."""
    i, j = (int(at) for at in found.tops[chosen])
    mine = found.owner == chosen
    height = float(density[i, j])
    near = normal_distance(density, part_around(mine & (density >= 0.5 * height), (i, j)))
    ends = stray**2 * -2 * math.log(1 - keep)
    cells = part_around(mine & (density >= (1 - keep) * height) & (near <= ends), (i, j))
    return Cloud(cells, (i, j), height, len(found.tops), _saddle(density, mine))


def normal_distance(density: Floats, upper: Mask) -> Floats:
    """Return the squared distance of each cell from a cloud's middle, in deviations of a normal one.

    The upper half of a normal cloud, where the density is at least half of the peak's, is an ellipse, and its second
    moment is half the logarithm of 2 times the cloud's covariance.
    """
    cells = np.argwhere(upper).astype(np.float64)
    away = np.moveaxis(np.indices(density.shape), 0, -1) - cells.mean(axis=0)
    # A cell is no point: its own width counts, and keeps a cloud of a few cells from being a line.
    moment = np.cov(cells.T, bias=True) + np.eye(2) / 12 if len(cells) > 1 else np.eye(2) / 12
    return np.asarray(((away @ np.linalg.inv(moment * 2 / math.log(2))) * away).sum(axis=-1))


def _saddle(density: Floats, mine: Mask) -> float:
    """Return the highest density on the border with another's ground; 0 without a neighbour."""
    from scipy.ndimage import binary_dilation

    border = mine & binary_dilation(~mine & (density > 0))
    return float(density[border].max()) if border.any() else 0.0
