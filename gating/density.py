"""Density of one measure: values to bins, without spikes, and the width by which to smooth them.

All rules that look for peaks read the same 1,024 bins, so that smoothing is one Fourier transform, whatever
the number of events.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gating.answers import Floats

N_BINS = 1024


@dataclass(frozen=True, slots=True, eq=False)
class Binned:
    """Events counted on a regular grid.

    Attributes
    ----------
    counts
        Events per bin, shape ``(N_BINS,)``; the grid leaves out the outermost 0.05 % of either side.
    start, step
        The low edge of the first bin and the width of a bin, on the scale of the values.
    bandwidth
        The standard deviation of the Gaussian kernel that suits these events, on the scale of the values.
    n_events
        The finite values, spikes included.
    n_nonfinite, n_spiked
        Values left out because they are not finite, or sit in a spike: a pile-up at one value.
    """

    counts: Floats
    start: float
    step: float
    bandwidth: float
    n_events: int
    n_nonfinite: int
    n_spiked: int

    def smooth(self, bandwidth: float, counts: Floats | None = None) -> Floats:
        """Return events per bin after a Gaussian kernel; of other counts, shape ``(..., N_BINS)``, if given."""
        return smooth(self.counts if counts is None else counts, bandwidth / self.step)

    def value(self, position: float) -> float:
        """Return the value at a position in bins; bin ``i`` has its middle at ``i + 0.5``."""
        return float(self.start + self.step * position)

    @property
    def n_kept(self) -> float:
        """Return the number of events on the grid."""
        return float(self.counts.sum())

    def below(self, position: float) -> float:
        """Return the number of events below a position in bins, a part of a bin counting as its share."""
        whole = np.arange(len(self.counts) + 1)
        return float(np.interp(position, whole, np.concatenate([[0.0], np.cumsum(self.counts)])))

    def resample(self, times: int, rng: np.random.Generator) -> Floats:
        """Return the counts of other samples like this one, shape ``(times, N_BINS)``: each bin Poisson."""
        return rng.poisson(self.counts, (times, len(self.counts))).astype(np.float64)

    @property
    def saw(self) -> dict[str, float]:
        """Return what every rule reports."""
        return {"nonfinite": self.n_nonfinite, "spiked": self.n_spiked, "bandwidth": self.bandwidth}


def finite(values: ArrayLike) -> Floats:
    """Return the finite values, as a flat float64 array."""
    flat = np.asarray(values, dtype=np.float64).reshape(-1)
    return flat[np.isfinite(flat)]


def bin_values(values: ArrayLike, *, fewest: int = 20) -> Binned | None:
    """Count values on a grid, spikes left out, ties of a digital scale spread over their step.

    Parameters
    ----------
    values
        Shape ``(n,)``, on the scale on which to look for peaks.
    fewest
        The smallest number of events, outside spikes, that shows a shape.

    Returns
    -------
    Binned | None
        ``None`` when there is no shape to see: too few events, or all in one or two values.
    """
    given = np.asarray(values).size
    clean = finite(values)
    levels, sizes = np.unique(clean, return_counts=True)
    levels, sizes = _without_spikes(levels, sizes, clean.size)
    if sizes.sum() < fewest or len(levels) < 3:
        return None
    x = _without_edge_piles(_spread_ties(levels, sizes))
    # Values that differ by no more than rounding are one value.
    if x.size < fewest or not x[-1] - x[0] > 1e-12 * max(abs(x[0]), abs(x[-1])):
        return None
    scale = local_scale(x)
    first, last = x[int(0.0005 * x.size)], x[math.ceil(0.9995 * (x.size - 1))]
    # Far beyond any population there are only strays, and they must not stretch the bins.
    middle = float(np.median(x))
    first, last = max(first, middle - 100 * scale), min(last, middle + 100 * scale)
    if not last > first:
        first, last = float(x[0]), float(x[-1])
    start, end = first - 2 * scale, last + 2 * scale
    counts = np.histogram(x, N_BINS, (start, end))[0].astype(np.float64)
    step = (end - start) / N_BINS
    bandwidth = choose_bandwidth(counts, scale / step, x.size) * step
    return Binned(
        counts,
        float(start),
        float(step),
        float(bandwidth),
        clean.size,
        given - clean.size,
        clean.size - x.size,
    )


def local_scale(ordered: Floats, *, share: float = 0.25) -> float:
    """Return a standard deviation from the shortest interval that holds a share of the ordered values.

    Unlike the overall deviation it is not stretched by the distance between two populations; for two equal
    ones it reads about twice the deviation of one.
    """
    k = max(2, math.ceil(share * ordered.size))
    shortest = float((ordered[k - 1 :] - ordered[: ordered.size - k + 1]).min())
    if shortest <= 0:
        shortest = float(ordered[-1] - ordered[0]) / 100
    return shortest / 0.6373


def smooth(counts: Floats, bandwidth: float) -> Floats:
    """Convolve counts, shape ``(..., m)``, with a Gaussian of a bandwidth in bins; nothing wraps around."""
    m = counts.shape[-1]
    length = 2 * m
    frequency = np.fft.rfftfreq(length)
    kernel = np.exp(-2 * (np.pi * frequency * bandwidth) ** 2)
    smoothed = np.fft.irfft(np.fft.rfft(counts, length) * kernel, length)[..., :m]
    return np.asarray(np.maximum(smoothed, 0.0))


def choose_bandwidth(counts: Floats, scale: float, n_events: int) -> float:
    """Return a Gaussian bandwidth, in bins: the improved Sheather-Jones rule, held near the local scale.

    The rule of thumb from the overall deviation smooths two populations into one; this one does not look at
    the distance between them. It undersmooths densities with a step, so it is kept above half the rule of
    thumb for the local scale, which also stands in when the equation has no root (few events).

    References
    ----------
    Botev, Grotowski & Kroese 2010, Annals of Statistics 38:2916.
    """
    thumb = 0.9 * scale * math.pow(n_events, -0.2)
    root = _improved_sheather_jones(counts)
    return thumb if root is None else max(root, 0.5 * thumb)


def _improved_sheather_jones(counts: Floats) -> float | None:
    m, n = len(counts), float(counts.sum())
    squares = np.arange(1, m, dtype=np.float64) ** 2
    power = (_cosine_transform(counts / n)[1:] / 2) ** 2
    weights = {order: squares**order * power for order in range(2, 8)}
    decay = -squares * math.pi**2

    def excess(time: float) -> float:
        return time - _stage(weights, decay, n, time)

    times = np.geomspace(1e-7, 0.1, 32)
    below: float | None = None
    for time in times:
        if excess(time) > 0:
            if below is None:
                return None
            low, high = below, float(time)
            for _ in range(10):
                middle = math.sqrt(low * high)
                low, high = (low, middle) if excess(middle) > 0 else (middle, high)
            return math.sqrt(math.sqrt(low * high)) * m
        below = float(time)
    return None


def _stage(weights: Mapping[int, Floats], decay: Floats, n: float, time: float) -> float:
    """Return Botev's seven-stage estimate of the squared bandwidth, of a range of 1, from a pilot one."""
    roughness = 0.0
    for order in range(7, 1, -1):
        if order < 7:
            odd = float(math.prod(range(1, 2 * order, 2))) / math.sqrt(2 * math.pi)
            constant = (1 + 0.5 ** (order + 0.5)) / 3
            time = (2 * constant * odd / (n * roughness)) ** (2 / (3 + 2 * order))
        roughness = 2 * math.pi ** (2 * order) * float((weights[order] * np.exp(decay * time)).sum())
        if not roughness > 0:
            return math.inf
    return float((2 * n * math.sqrt(math.pi) * roughness) ** -0.4)


def _cosine_transform(x: Floats) -> Floats:
    m = len(x)
    folded = np.concatenate([x[::2], x[1::2][::-1]])
    return np.asarray(
        (np.fft.fft(folded) * 2 * np.exp(-1j * np.pi * np.arange(m) / (2 * m))).real, dtype=np.float64
    )


def _without_spikes(levels: Floats, sizes: NDArray[np.intp], n: int) -> tuple[Floats, NDArray[np.intp]]:
    """Leave out single values that hold many more events than the values beside them, as at 0 or at $PnR."""
    around = np.concatenate([[0, 0], sizes, [0, 0]])
    beside = np.maximum.reduce([around[:-4], around[1:-3], around[3:-1], around[4:]])
    spike = sizes > np.maximum(8 * np.maximum(beside, 1), max(10.0, 0.002 * n))
    return levels[~spike], sizes[~spike]


def _spread_ties(levels: Floats, sizes: NDArray[np.intp]) -> Floats:
    """Spread tied events evenly over their step: a digital scale has steps, and steps are not peaks."""
    x = np.repeat(levels, sizes)
    if sizes.max() == 1:
        return x
    gaps = np.diff(levels)
    half = np.minimum(np.concatenate([gaps[:1], gaps]), np.concatenate([gaps, gaps[-1:]])) / 2
    rank = np.arange(x.size) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    within = 2 * (rank + 0.5) / np.repeat(sizes, sizes) - 1
    return np.asarray(x + within * np.repeat(half, sizes), dtype=np.float64)


def _without_edge_piles(x: Floats) -> Floats:
    """Leave out events packed at either end of the range, which compensation has smeared a little."""
    width = 0.1 * local_scale(x)
    for _ in range(2):
        x = -x[::-1]  # once for the high end, once for the low
        inside = int(np.searchsorted(x, x[0] + width))
        beyond = int(np.searchsorted(x, x[0] + 3 * width)) - inside
        if max(10.0, 0.002 * x.size) < inside < x.size / 2 and inside > 4 * max(beyond, 1):
            x = x[inside:]
    return x
