"""Signal: how bright a channel's events are in the course of a run, slice by slice.

What is compared is ranks: the mean rank of a slice is the chance that one of its events is brighter than one of the
whole run (Mann and Whitney 1947, Ann Math Stat 18:50), one half where nothing changes. Its spread by chance is known
whatever the channel holds, it needs no scale, and two populations do not make it jump as they do a median.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from cytometry._qc.flow import running_median
from gating.scales import Floats

EVENTS_PER_SLICE, MOST_SLICES, FEWEST_SLICES = 250, 400, 12
WINDOW = 1 / 3  # of the run: what lasts for less than half of that is a jump, and all else a slow change
KEYS = 65_536
SURE = 5.5  # SDs: once in 25 million slices by chance
ABOUT = 3.0  # SDs, for a slice beside one that is sure
NEARLY = 0.5  # of the limit, for the same
SKIPPED = 2  # sound slices between two that are not, which are taken for a gap in the same stretch
BRIGHT, MORE = 0.99, 3.0  # at first: so many times as many events above that quantile as there should be
Keys = NDArray[np.uint16]


@dataclass(frozen=True, slots=True, eq=False)
class Slices:
    """Equal numbers of events, in order of time.

    Parameters
    ----------
    starts
        Where each begins among the events that are looked at.
    sizes
        Events in each.
    middle
        The time of each, from 0 at the begin of the run to 1 at its end.
    """

    starts: NDArray[np.intp]
    sizes: NDArray[np.intp]
    middle: Floats

    def sums(self, values: Floats) -> Floats:
        """Return the sum over each slice."""
        return np.asarray(np.add.reduceat(values, self.starts))


@dataclass(frozen=True, slots=True, eq=False)
class Levels:
    """A channel's level in each slice: mean rank less one half; the slow course of it; and SDs of the rest."""

    level: Floats
    slow: Floats
    sd: Floats

    @property
    def off(self) -> Floats:
        """Return how far each slice lies from the slow course."""
        return np.asarray(self.level - self.slow)


def cut_slices(running: Floats) -> Slices | None:
    """Return slices of events at ascending times; ``None`` for too few of them."""
    wanted = min(len(running) // EVENTS_PER_SLICE, MOST_SLICES)
    span = float(running[-1] - running[0]) if len(running) else 0.0
    if wanted < FEWEST_SLICES or not span:
        return None
    bounds = np.linspace(0, len(running), wanted + 1).astype(np.intp)
    at = (running - running[0]) / span
    sizes = np.diff(bounds)
    return Slices(bounds[:-1], sizes, np.add.reduceat(at, bounds[:-1]) / sizes)


def keys_of(values: NDArray[np.floating]) -> Keys:
    """Return numbers from 0 to 65,535 in the order of the values: the upper half of a 4-byte decimal, 0.8 % apart.

    A value that is no number is taken for the largest or the smallest.
    """
    bits = np.ascontiguousarray(values, dtype=np.float32).view(np.int32)
    return ((bits ^ ((bits >> 31) & 0x7FFFFFFF)) >> 16).astype(np.int16).view(np.uint16) ^ np.uint16(0x8000)


@cache
def value_of_keys() -> Floats:
    """Return the value in the middle of each key."""
    order = (np.arange(KEYS, dtype=np.int64) - KEYS // 2).astype(np.int32) << 16 | 0x8000
    with np.errstate(invalid="ignore"):
        return (order ^ ((order >> 31) & 0x7FFFFFFF)).astype(np.int32).view(np.float32).astype(np.float64)


def ranks(counts: NDArray[np.intp]) -> Floats:
    """Return the rank in (0, 1) of each key from the counts of all; events of one key share the middle one."""
    above = np.cumsum(counts)
    return np.asarray((above - counts / 2) / max(int(above[-1]), 1))


def levels(keys: Keys, counts: NDArray[np.intp], slices: Slices) -> Levels:
    """Return a channel's level over the run."""
    rank = ranks(counts)
    level = slices.sums(rank[keys]) / slices.sizes - 0.5
    slow = running_median(level, round(len(level) * WINDOW))
    variance = float((counts * (rank - 0.5) ** 2).sum()) / max(int(counts.sum()), 1)
    chance = np.sqrt(variance / slices.sizes)
    seen = 1.4826 * float(np.median(np.abs(level - slow))) if variance else 0.0
    return Levels(level, slow, np.maximum(chance, seen))


def jumps(found: Levels, limit: float) -> list[tuple[int, int]]:
    """Return first and last slice, the last not included, of stretches that lie off the slow course of a channel."""
    off = found.off
    with np.errstate(divide="ignore", invalid="ignore"):
        far = np.nan_to_num(np.abs(off) / found.sd)
    sure = (np.abs(off) > limit) & (far > SURE)
    nearly = (np.abs(off) > NEARLY * limit) & (far > ABOUT)
    stretches = []
    for sign in (-1.0, 1.0):
        for begin, end in runs(nearly & (np.sign(off) == sign)):
            if sure[begin:end].any():
                stretches.append((begin, end))
    return joined(sorted(stretches))


def begins_otherwise(
    keys: Keys, counts: NDArray[np.intp], found: Levels, slices: Slices, *, limit: float
) -> int:
    """Return how many of the first slices hold what the rest does not: another level, or far more bright events."""
    rank = ranks(counts)
    bright = slices.sums((rank >= BRIGHT)[keys].astype(float))
    usual = float(np.median(bright / slices.sizes)) * slices.sizes
    more = (bright > MORE * np.maximum(usual, 1.0)) & (
        bright - usual > SURE * np.sqrt(np.maximum(usual, 1.0))
    )
    # The slow course begins with the first slices: they are held against the run as a whole.
    off = found.level - np.median(found.slow[: max(len(found.slow) // 3, 1)])
    with np.errstate(divide="ignore", invalid="ignore"):
        far = np.nan_to_num(np.abs(off) / found.sd)
    other = more | ((np.abs(off) > limit) & (far > SURE))
    sound = np.flatnonzero(~other)
    return int(sound[0]) if len(sound) else 0


def runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return begin and end of each run of true flags."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return [(int(begin), int(end)) for begin, end in zip(edges[::2], edges[1::2], strict=True)]


def joined(stretches: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return stretches with those joined that overlap, or lie but two slices apart."""
    out: list[tuple[int, int]] = []
    for begin, end in stretches:
        if out and begin <= out[-1][1] + SKIPPED:
            out[-1] = (out[-1][0], max(end, out[-1][1]))
        else:
            out.append((begin, end))
    return out
