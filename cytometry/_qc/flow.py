"""Flow: stretches of a run in which events came far too slowly or too fast, found beyond chance.

The number of events in a moment is compared with what the usual rate lets expect, by the cumulative sum of
log-likelihood ratios (Page 1954, Biometrika 41:100). The sum rises only where the rate is beyond the limit, and
where it begins to rise and is highest are the likeliest ends of the stretch: no width has to be guessed.
The usual rate is the running median over half of the run, so that a flow that was set anew, or fades, is no incident;
what lasts for less than a quarter of the run is one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cytometry._qc.limits import BUBBLE, CLOG, END, SPIKE, Limits
from gating.scales import Floats

EVENTS_PER_CELL, MOST_CELLS = 5, 400_000
EVENTS_PER_SLICE, MOST_SLICES, FEWEST_SLICES = 100, 500, 10
WINDOW = 1 / 2
SURE = 1e-3  # of finding anything in a run at the usual rate
NO_FLOW = 0.02  # of the usual rate: nothing comes by but air
MOST_INCIDENTS = 100


@dataclass(frozen=True, slots=True)
class Incident:
    """A stretch of time, in seconds since the first event, and what was wrong in it; the end is not in it."""

    reason: str
    start: float
    stop: float
    detail: str
    channels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Flow:
    """The flow of a run.

    Parameters
    ----------
    edges
        Of equal slices of time, in seconds since the first event.
    counts, usual
        Events in each slice, and as many as the usual rate lets expect.
    overdispersion
        Variance of the counts over that of chance, 1 at the least.
    incidents
        In order of time.
    """

    edges: Floats
    counts: NDArray[np.intp]
    usual: Floats
    overdispersion: float
    incidents: tuple[Incident, ...]


def read_flow(running: Floats, tick: float, limits: Limits) -> Flow | None:
    """Return the flow of events at ascending times; ``None`` for fewer than ten slices of a hundred events."""
    n, span = len(running), float(running[-1])
    if n < EVENTS_PER_SLICE * FEWEST_SLICES:
        return None
    # Whole ticks: moments of two and of three ticks differ without a cause.
    ticks = max(round(span / tick), 1)
    per_cell = max(-(-ticks // min(n // EVENTS_PER_CELL, MOST_CELLS)), 1)
    cell = per_cell * tick
    counts = np.bincount(((running + tick / 2) / cell).astype(np.int64))
    if len(counts) < FEWEST_SLICES:
        return None
    wanted = min(n // EVENTS_PER_SLICE, MOST_SLICES, len(counts))
    per_slice = -(-len(counts) // wanted)
    starts = np.arange(0, len(counts), per_slice)
    slices = np.add.reduceat(counts, starts)
    lengths = np.diff(np.append(starts, len(counts)))
    if len(slices) < FEWEST_SLICES:
        return None
    per_moment = _usual(slices / lengths)
    usual = per_moment * lengths
    spread = 1.4826 * np.median(np.abs(slices - usual)) / np.sqrt(np.median(usual))
    overdispersion = float(max(spread**2, 1.0))
    expected = np.repeat(per_moment, lengths)
    expected[-1] = min(expected[-1], counts[-1])  # the run may end anywhere within its last moment
    found = _incidents(counts, expected, limits=limits, overdispersion=overdispersion)
    # Ends lie between two ticks, where no event is.
    timed = (
        replace(one, start=max(one.start * cell - tick / 2, 0.0), stop=one.stop * cell - tick / 2)
        for one in found
    )
    return Flow(np.append(starts, len(counts)) * cell, slices, usual, overdispersion, tuple(timed))


def running_median(values: Floats, window: int) -> Floats:
    """Return the median around each place, shape ``(n,)`` as the values; whole windows at the ends."""
    from cytometry._qc.kernels import running_medians

    window = min(max(window, 1), len(values))
    inner = np.empty(len(values) - window + 1)
    running_medians(np.ascontiguousarray(values, dtype=np.float64), window, inner)
    before = (window - 1) // 2
    return np.asarray(inner[np.clip(np.arange(len(values)) - before, 0, len(inner) - 1)])


def _usual(rate: Floats) -> Floats:
    """Return the usual rate in each slice, from those around it in which anything came by."""
    flowing = np.flatnonzero(rate > 0)
    smooth = running_median(rate[flowing], round(len(flowing) * WINDOW))
    nearest = np.clip(np.searchsorted(flowing, np.arange(len(rate))), 0, len(flowing) - 1)
    return np.asarray(smooth[nearest])


def _incidents(
    counts: NDArray[np.intp], expected: Floats, *, limits: Limits, overdispersion: float
) -> list[Incident]:
    """Return the incidents, their times still in moments."""
    sure = overdispersion * np.log(len(counts) / SURE)
    slow = _stretches(counts, expected, ratio=_alternative(limits.slow), sure=sure)
    fast = _stretches(counts, expected, ratio=_alternative(limits.fast), sure=sure)
    found = []
    for begin, end in slow + fast:
        times = counts[begin:end].sum() / expected[begin:end].sum()
        # Too little may be left to be a run of its own.
        is_last = times < 1 and expected[end:].sum() < EVENTS_PER_SLICE
        reason = SPIKE if times > 1 else END if is_last else BUBBLE if times < NO_FLOW else CLOG
        detail = f"events came at {times:.2g} times the usual rate"
        found.append(Incident(reason, begin, len(counts) if is_last else end, detail))
    return sorted(found, key=lambda one: one.start)


def _alternative(limit: float) -> float:
    """Return the ratio of rates whose likelihood overtakes that of the usual rate just at ``limit`` times it."""
    # (ratio - 1) / ln(ratio) is the limit; it grows with the ratio.
    low, high = (1e-9, 1.0) if limit < 1 else (1.0, 1e3 * limit)
    for _ in range(100):
        middle = (low + high) / 2
        at = (middle - 1) / np.log(middle) if middle != 1 else 1.0
        low, high = (middle, high) if at < limit else (low, middle)
    return (low + high) / 2


def _stretches(
    counts: NDArray[np.intp], expected: Floats, *, ratio: float, sure: float
) -> list[tuple[int, int]]:
    """Return begin and end of the stretches in which the sum of scores rises to ``sure`` and above."""
    scores = counts * np.log(ratio) - (ratio - 1) * expected
    found: list[tuple[int, int]] = []
    while len(found) < MOST_INCIDENTS:
        total = np.cumsum(scores)
        above = total - np.minimum(np.minimum.accumulate(total), 0.0)
        # Each excursion begins after the last moment at which the sum was at its least.
        bottom = np.flatnonzero(above <= 0)
        begins = np.concatenate([[0], bottom + 1])
        begins = begins[begins < len(above)]
        tops = np.maximum.reduceat(above, begins)
        risen = np.flatnonzero(tops >= sure)
        if not len(risen):
            break
        ends = np.append(begins[1:], len(above))
        for one in risen:
            begin = int(begins[one])
            end = begin + int(np.argmax(above[begin : ends[one]])) + 1
            found.append((begin, end))
            scores[begin:end] = -sure  # what comes after may be a stretch of its own
    return found
