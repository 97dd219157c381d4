"""Peaks of a density, and whether a valley between them is more than noise."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from gating.answers import Floats
from gating.density import Binned

REPEATS, ALLOWED = 119, 3
"""A peak counts when at most 3 of 119 samples that lack it show one as persistent: p <= (3 + 1) / (119 + 1)."""
LEVEL = (ALLOWED + 1) / (REPEATS + 1)
BEYOND_NOISE = 8.0  # standard errors: chance reaches that once in 10^15
FINER = 0.02  # critical bandwidths are found to within a hundredth
FEWEST_IN_PEAK = 15


@dataclass(frozen=True, slots=True)
class Modes:
    """Peaks and the valleys between them, as positions in bins, lowest first; one valley fewer than peaks."""

    peaks: tuple[int, ...]
    valleys: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Valley:
    """The lowest ground between two peaks.

    Attributes
    ----------
    position
        In bins, as are the two peaks; bin ``i`` has its middle at ``i + 0.5``.
    drop, depth
        How far it lies below the lesser of the highest peaks on its two sides: in events per bin, and as a
        share of that peak. A bump in the middle of a wide valley makes neither of its halves shallow.
    """

    position: float
    low_peak: int
    high_peak: int
    drop: float
    depth: float


@dataclass(frozen=True, slots=True)
class Landscape:
    """The peaks that are more than noise.

    Attributes
    ----------
    modes
        The peaks, and where they part at ``bandwidth``.
    bandwidth
        The finest smoothing, on the scale of the values, that shows these peaks and no other.
    p_next
        The p value of one more peak than these; 1 if none was seen.
    p_last
        The largest p value among the peaks accepted; 0 for a single peak.
    """

    modes: Modes
    bandwidth: float
    p_next: float
    p_last: float


def find_modes(density: Floats, least: float) -> Modes:
    """Return the peaks of a smoothed density that hold at least ``least`` events between their valleys.

    A lesser peak goes to the neighbour behind its shallower valley, the least of a neighbourhood first.
    """
    slope = np.sign(np.diff(density))
    turning = np.flatnonzero(slope)
    if not turning.size:
        return Modes((len(density) // 2,), ())
    before, after = turning[:-1], turning[1:]
    middle = (before + 1 + after) // 2  # the middle of a level stretch
    peaks = middle[(slope[before] > 0) & (slope[after] < 0)].tolist()
    valleys = middle[(slope[before] < 0) & (slope[after] > 0)].tolist()
    if slope[turning[0]] < 0:
        peaks.insert(0, 0)
    if slope[turning[-1]] > 0:
        peaks.append(len(density) - 1)
    return _merge(density, peaks, valleys, least)


def _merge(density: Floats, peaks: list[int], valleys: list[int], least: float) -> Modes:
    cumulative = np.concatenate([[0.0], np.cumsum(density)])
    while valleys:
        mass = np.diff(cumulative[[0, *valleys, len(density)]])
        j = int(np.argmin(mass))
        if mass[j] >= least:
            break
        i = max((k for k in (j - 1, j) if 0 <= k < len(valleys)), key=lambda k: density[valleys[k]])
        lower = i if density[peaks[i]] < density[peaks[i + 1]] else i + 1
        valleys.pop(i)
        peaks.pop(lower)
    return Modes(tuple(peaks), tuple(valleys))


def landscape(binned: Binned, *, smallest: float, most_peaks: int, rng: np.random.Generator) -> Landscape:
    """Return the peaks that are more than noise, counted upwards from one.

    Whether there are more than ``k`` peaks is asked as Silverman did: by the smoothing that it takes to leave
    only ``k`` (his critical bandwidth), against the same for samples drawn from a density that has only
    ``k``. That density is the sample's own, finely smoothed, with each valley in question filled level by the
    events of the peak behind it (pooling adjacent violators), rather than smoothed away as Silverman's is:
    on a plateau his test finds peaks in half of all samples.

    Parameters
    ----------
    binned
        The events.
    smallest
        A peak with a smaller share of the events is none, nor is one of fewer than 15 events.
    most_peaks
        Ask no further than this number of peaks.
    rng
        Draws the samples.

    References
    ----------
    Silverman 1981, J. R. Statist. Soc. B 43:97. Hall & York 2001, Statistica Sinica 11:515, on its level.
    """
    least = max(float(FEWEST_IN_PEAK), smallest * binned.n_kept)
    fine = binned.smooth(binned.bandwidth)
    tops = find_modes(fine, least).peaks
    accepted = 0.0
    for k in range(1, most_peaks + 1):
        bandwidth = critical_bandwidth(binned, k, least)
        modes = find_modes(binned.smooth(bandwidth), least)
        seen = bandwidth > binned.bandwidth
        if not seen or k == most_peaks:
            return Landscape(modes, bandwidth, 1.0, accepted)

        if _plain(binned, fine, bandwidth, least):
            p = 1 / (REPEATS + 1)
        else:
            null = _at_most(fine, modes, tops)
            p = _chance(binned, bandwidth, k, null=null, least=least, rng=rng)
        if p > LEVEL:
            return Landscape(modes, bandwidth, p, accepted)
        accepted = max(accepted, p)
    raise AssertionError  # pragma: no cover


def critical_bandwidth(binned: Binned, k: int, least: float) -> float:
    """Return the smallest bandwidth, from the binned events' own upwards, that leaves at most ``k`` peaks."""
    low, high = binned.bandwidth, binned.step * len(binned.counts)
    if not _crowded(binned.smooth(low)[None], k, least):
        return low
    for _ in range(10):
        middle = math.sqrt(low * high)
        crowded = _crowded(binned.smooth(middle)[None], k, least)
        low, high = (middle, high) if crowded else (low, middle)
    return high


def _plain(binned: Binned, fine: Floats, bandwidth: float, least: float) -> bool:
    """Return whether every valley that shows just below a bandwidth is deeper than noise could ever make it.

    Then no sample of the null would reach it, and drawing them is spared. The noise of a smoothed count is
    that of the events under the kernel, a Poisson number.
    """
    finer = find_modes(binned.smooth(bandwidth * (1 - FINER)), least)
    under_kernel = 2 * math.sqrt(math.pi) * binned.bandwidth / binned.step
    ends = [0, *finer.valleys, len(fine)]
    tops = [float(fine[start:end].max()) for start, end in pairwise(ends)]
    places = [start + int(np.argmax(fine[start:end])) for start, end in pairwise(ends)]
    for (left, right), (first, second) in zip(pairwise(places), pairwise(tops), strict=True):
        floor, lesser = float(fine[left : right + 1].min()), min(first, second)
        if lesser - floor < BEYOND_NOISE * math.sqrt((lesser + floor) / under_kernel):
            return False
    return len(places) > 1


def _chance(
    binned: Binned, bandwidth: float, k: int, *, null: Floats, least: float, rng: np.random.Generator
) -> float:
    """Return how often a sample of ``null``, smoothed, shows more than ``k`` peaks; stop once too often."""
    exceeded = done = 0
    while done < REPEATS and exceeded <= ALLOWED:
        samples = rng.poisson(null, (min(20, REPEATS - done), null.size)).astype(np.float64)
        exceeded += _crowded(binned.smooth(bandwidth, samples), k, least)
        done += len(samples)
    return (exceeded + 1) / (done + 1)


def _crowded(densities: Floats, k: int, least: float) -> int:
    """Return how many of the densities, shape ``(m, n_bins)``, have more than ``k`` peaks."""
    rising = np.diff(densities, axis=1, prepend=0.0, append=0.0) > 0
    summits = (rising[:, :-1] & ~rising[:, 1:]).sum(axis=1)  # as many as the peaks, or more
    return sum(len(find_modes(density, least).peaks) > k for density in densities[summits > k])


def _at_most(density: Floats, modes: Modes, tops: tuple[int, ...]) -> Floats:
    """Return the likeliest density with no peaks but these: one between any two of the valleys.

    Each has its top at the one of ``tops`` that leaves the most of the density as it is.
    """
    parts = []
    for start, end in pairwise([0, *modes.valleys, len(density)]):
        part = density[start:end]
        within = [top - start for top in tops if start <= top < end] or [int(np.argmax(part))]
        models = [_single(part, top) for top in within]
        parts.append(models[int(np.argmax([_fit(part, model) for model in models]))])
    return np.concatenate(parts)


def _single(density: Floats, top: int) -> Floats:
    """Return the likeliest density that never rises away from the top."""
    return np.concatenate([_falling(density[:top][::-1])[::-1], _falling(density[top:])])


def _fit(density: Floats, model: Floats) -> float:
    """Return the log likelihood of a model, for events distributed as the density."""
    return float(np.sum(density * np.log(np.maximum(model, 1e-300))))


def _falling(heights: Floats) -> Floats:
    """Return the nearest heights that never rise, by pooling adjacent violators."""
    levels: list[float] = []
    widths: list[int] = []
    for height in heights.tolist():
        level, width = height, 1
        while levels and levels[-1] < level:
            level = (level * width + levels[-1] * widths[-1]) / (width + widths[-1])
            width += widths.pop()
            levels.pop()
        levels.append(level)
        widths.append(width)
    return np.repeat(np.array(levels, dtype=np.float64), np.array(widths, dtype=np.intp))


def valley_between(density: Floats, low: int, high: int) -> float:
    """Return the position in bins of the lowest ground between two peaks.

    It is the middle of the stretch that is within a twentieth of the lesser peak's rise from the lowest
    point, since the lowest point itself wanders along a flat floor.
    """
    part = density[low : high + 1]
    deepest = int(np.argmin(part))
    floor = part[deepest]
    near = part <= floor + 0.05 * (min(part[0], part[-1]) - floor)
    left = deepest - int(np.argmin(np.append(near[: deepest + 1][::-1], False)))
    right = deepest + int(np.argmin(np.append(near[deepest:], False)))
    return low + (left + 1 + right - 1) / 2 + 0.5


def valleys(density: Floats, modes: Modes) -> list[Valley]:
    """Return the valleys between neighbouring peaks, lowest on the axis first."""
    found = []
    for low, high in pairwise(modes.peaks):
        position = valley_between(density, low, high)
        at = int(position)
        floor, lesser = density[at], min(density[: at + 1].max(), density[at:].max())
        found.append(
            Valley(position, low, high, float(lesser - floor), float(1 - floor / max(lesser, 1e-300)))
        )
    return found
