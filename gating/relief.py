"""Relief: the density of two measures as a landscape, its peaks that are more than noise, and whose ground is whose."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gating.answers import Floats
from gating.density import bin_values, smooth

CELLS = 128
MARGIN = 10
BEYOND_NOISE = 5.0
"""A peak rises above its saddle by this many standard errors: of all bumps of one cloud, chance makes none so high."""
SHALLOWEST = 0.1
COARSER = 1.25
"""A kernel that suits one axis is too fine for two, where each cell holds fewer events."""
FINEST, COARSEST = 1.2, 6.0
NO_GROUND = 0.5
Labels = NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class Relief:
    """Events counted on a grid in the plane.

    Attributes
    ----------
    counts
        Events per cell, shape ``(CELLS, CELLS)``, first axis x; the outermost 0.1 % of either axis are not counted.
    low, step
        Where the grid begins and how wide a cell is, for x and y, shape ``(2,)``.
    bandwidth
        Of the Gaussian kernel that suits these events, in cells, shape ``(2,)``.
    """

    counts: Floats
    low: Floats
    step: Floats
    bandwidth: Floats

    def smooth(self, *, coarser: float = 1.0, counts: Floats | None = None) -> Floats:
        """Return events per cell after the kernel, made coarser; of other counts if given."""
        width = coarser * self.bandwidth
        rough = self.counts if counts is None else counts
        return smooth(smooth(rough, float(width[1])).T.copy(), float(width[0])).T

    def noise(self, density: Floats, *, coarser: float = 1.0) -> Floats:
        """Return the standard error of a smoothed density, from the Poisson number of events under the kernel."""
        under_kernel = 4 * np.pi * np.prod(coarser * self.bandwidth)
        return np.asarray(np.sqrt(np.maximum(density, 0.0) / under_kernel))

    def ground(self, *, coarser: float = 1.0) -> float:
        """Return the density below which there is nothing: far from every event."""
        return float(NO_GROUND / (2 * np.pi * np.prod(coarser * self.bandwidth)))

    def values(self, places: Floats) -> Floats:
        """Return where places in cells are on the axes, shape ``(k, 2)``; cell ``i`` has its middle at ``i + 0.5``."""
        return np.asarray(self.low + self.step * places)

    def cells(self, points: Floats) -> Labels:
        """Return the cell of each point, shape ``(n, 2)``; beyond the grid it is none of its cells."""
        return np.floor((points - self.low) / self.step).astype(np.intp)


@dataclass(frozen=True, slots=True, eq=False)
class Hills:
    """The peaks of a relief and the ground that belongs to each.

    Attributes
    ----------
    owner
        The number of the peak that the way up from a cell leads to, shape ``(CELLS, CELLS)``; -1 where nothing is.
    tops
        The cell of each peak, shape ``(k, 2)``, highest first.
    heights, masses
        The density on each peak and the events on its ground, shape ``(k,)``.
    """

    owner: Labels
    tops: Labels
    heights: Floats
    masses: Floats


def relief(points: Floats) -> Relief | None:
    """Count points, shape ``(n, 2)``, on a grid and choose the kernel, axis by axis; ``None`` without a shape."""
    axes = [bin_values(axis) for axis in points.T]
    if axes[0] is None or axes[1] is None:
        return None
    first, last = np.quantile(points, [0.001, 0.999], axis=0)
    step = (last - first) / (CELLS - 2 * MARGIN)
    if not (step > 0).all():
        return None
    low = first - MARGIN * step
    widths = np.array([axis.bandwidth for axis in axes if axis]) / step
    cells = np.floor((points - low) / step)
    cells = cells[((cells >= 0) & (cells < CELLS)).all(axis=1)].astype(np.intp)
    counts = np.bincount(cells[:, 0] * CELLS + cells[:, 1], minlength=CELLS * CELLS)
    bandwidth = np.clip(COARSER * widths, FINEST, COARSEST)
    return Relief(counts.reshape(CELLS, CELLS).astype(np.float64), low, step, bandwidth)


def hills(ground: Relief, density: Floats, *, least: float, coarser: float = 1.0) -> Hills:
    """Return the peaks of a density that are more than noise and hold at least ``least`` events.

    Every cell belongs to the peak that the steepest way up leads to. Where two grounds meet, the highest pass
    between them is their saddle. From the highest saddle down, a peak that rises above it by less than five
    standard errors, or by less than a tenth of its height, joins the higher peak.

    References
    ----------
    Chazal, Guibas, Oudot & Skraba 2013, J. ACM 60:41, on merging by the height above the saddle.
    """
    owner = _uphill(density, ground.ground(coarser=coarser))
    if not (owner >= 0).any():
        return Hills(owner, np.empty((0, 2), np.intp), np.empty(0), np.empty(0))
    heights = density.ravel()
    passes = _passes(owner, density)
    joined = _join(passes, heights, ground.noise(heights, coarser=coarser))
    masses: dict[int, float] = {}
    summits = np.unique(owner[owner >= 0])
    inside = np.bincount(owner[owner >= 0], weights=ground.counts[owner >= 0], minlength=density.size)
    for summit in summits.tolist():
        root = _root(joined, summit)
        masses[root] = masses.get(root, 0.0) + float(inside[summit])
    _absorb(passes, joined, masses, least)
    kept = np.array(sorted(masses, key=lambda top: (-heights[top], top)), dtype=np.intp)
    number = np.full(density.size + 1, -1, dtype=np.intp)
    place = {int(top): index for index, top in enumerate(kept)}
    for summit in summits.tolist():
        number[summit] = place.get(_root(joined, summit), -1)
    tops = np.column_stack(np.unravel_index(kept, density.shape)).astype(np.intp)
    return Hills(number[owner], tops, heights[kept], np.array([masses[int(top)] for top in kept]))


def _uphill(density: Floats, nothing: float) -> Labels:
    """Return the summit, as a flat cell number, that the steepest way up from each cell leads to; -1 for none."""
    rows, columns = density.shape
    padded = np.pad(density, 1, constant_values=-1.0)
    shifts = [(0, 0), *((i, j) for i in (-1, 0, 1) for j in (-1, 0, 1) if i or j)]
    around = np.stack([padded[1 + i : 1 + i + rows, 1 + j : 1 + j + columns] for i, j in shifts])
    best = np.array(shifts)[np.argmax(around, axis=0)]
    here = np.arange(density.size).reshape(density.shape)
    to = (here + best[..., 0] * columns + best[..., 1]).ravel()
    while not np.array_equal(further := to[to], to):
        to = further
    return np.where(density > nothing, to.reshape(density.shape), -1)


def _passes(owner: Labels, density: Floats) -> list[tuple[float, int, int]]:
    """Return the highest pass between each two grounds that meet, highest first: height and the two summits."""
    found: list[NDArray[np.float64]] = []
    for i, j in ((0, 1), (1, 0), (1, 1), (1, -1)):
        here = (slice(0, -i or None), slice(1, None) if j < 0 else slice(0, -j or None))
        there = (slice(i, None), slice(0, -1) if j < 0 else slice(j, None))
        one, other = owner[here].ravel(), owner[there].ravel()
        meet = (one != other) & (one >= 0) & (other >= 0)
        height = np.minimum(density[here].ravel(), density[there].ravel())[meet]
        low, high = np.minimum(one[meet], other[meet]), np.maximum(one[meet], other[meet])
        found.append(np.column_stack([height, low, high]))
    table = np.concatenate(found)
    table = table[np.lexsort((table[:, 2], table[:, 1], -table[:, 0]))]
    pairs = table[:, 1] * owner.size + table[:, 2]
    first = np.sort(np.unique(pairs, return_index=True)[1])
    return [(float(height), int(low), int(high)) for height, low, high in table[first]]


def _join(passes: list[tuple[float, int, int]], heights: Floats, noise: Floats) -> dict[int, int]:
    """Return, for each summit that is no peak of its own, the one that it joins."""
    joined: dict[int, int] = {}
    for saddle, one, other in passes:
        low, high = sorted(
            (_root(joined, one), _root(joined, other)), key=lambda top: (float(heights[top]), -top)
        )
        if low == high:
            continue
        rise, error = float(heights[low]) - saddle, float(noise[low])
        # The saddle's own noise, as much again at the most, is a Poisson number's as well.
        error *= float(np.sqrt(1 + saddle / max(float(heights[low]), 1e-300)))
        if rise < BEYOND_NOISE * error or rise < SHALLOWEST * float(heights[low]):
            joined[low] = high
    return joined


def _absorb(
    passes: list[tuple[float, int, int]], joined: dict[int, int], masses: dict[int, float], least: float
) -> None:
    """Join peaks of too few events to the neighbour behind the highest saddle, the smallest first."""
    between: dict[tuple[int, int], None] = {}
    for _, one, other in passes:
        low, high = sorted((_root(joined, one), _root(joined, other)))
        if low != high:
            between.setdefault((low, high))
    for smallest in sorted(masses, key=lambda top: (masses[top], top)):
        if masses[smallest] >= least:
            continue
        mass = masses.pop(smallest)
        pairs = ((_root(joined, one), _root(joined, other)) for one, other in between)
        beside = next((pair for pair in pairs if smallest in pair and pair[0] != pair[1]), None)
        if beside is not None:
            neighbour = beside[0] if beside[1] == smallest else beside[1]
            joined[smallest] = neighbour
            masses[neighbour] += mass


def _root(joined: dict[int, int], summit: int) -> int:
    while summit in joined:
        summit = joined[summit]
    return summit
