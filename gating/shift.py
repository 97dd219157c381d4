"""Shift: where a peak lies, so that a boundary learnt over several tubes can be moved to each of them."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from gating.answers import Abstention, Card, Cut, Floats, nothing_to_see, one_of, own_generator
from gating.density import Binned, bin_values
from gating.peaks import Modes, landscape

FEWEST = 50
SMALLEST = 0.05
MOST = 0.5
ROUNDS = 50


def peak(values: ArrayLike, *, which: str = "negative") -> Cut | Abstention:
    """Return the place of a peak: the mean of the events about it, which wanders less than its top does.

    Parameters
    ----------
    values
        Shape ``(n,)``, display scale; values that are not finite, and spikes, are left out and counted.
    which
        ``"negative"``, the lowest peak that holds a twentieth of the events or more; ``"main"``, the one that holds
        more than half of them.

    Returns
    -------
    Cut | Abstention
        The place as ``value``, with the interval of 95 of 100 repetitions. Abstains with fewer than 50 events, and
        where no peak holds more than half of them and the main one is asked for.

    References
    ----------
    Hahne et al. 2010, Cytometry A 77:121, align the peaks of tubes; here only one is, by a move and without a warp.
    """
    one_of("which", which, ("negative", "main"))
    binned = bin_values(values, fewest=FEWEST)
    if binned is None:
        return nothing_to_see(values, FEWEST)
    ground = landscape(binned, smallest=SMALLEST, most_peaks=5, rng=own_generator(None))
    shares = _shares(binned, ground.modes)
    saw = binned.saw | {"peaks": len(shares), "share": max(shares)}
    place = 0 if which == "negative" else int(np.argmax(shares))
    if which == "main" and shares[place] <= MOST:
        reason = f"no main peak: of {len(shares)}, the largest holds {100 * max(shares):.0f} % of the events"
        return Abstention(reason, binned.n_events, saw)
    top = ground.modes.peaks[place]
    middle, error = _middle(binned, top, _half_width(binned.smooth(binned.bandwidth), top) * binned.step)
    interval = (middle - 1.96 * error, middle + 1.96 * error)
    return Cut(middle, 1.0, binned.n_events, saw | {"share": shares[place]}, interval)


def _shares(binned: Binned, modes: Modes) -> list[float]:
    ends = [0.0, *(binned.below(valley + 0.5) for valley in modes.valleys), binned.n_kept]
    return [float(part) / binned.n_kept for part in np.diff(ends)]


def _half_width(density: Floats, top: int) -> float:
    """Return how far, in bins, a peak falls to half its height, on its steeper side."""
    low = density <= density[top] / 2
    left = np.flatnonzero(low[:top])
    right = np.flatnonzero(low[top:])
    sides = [top - int(left[-1])] * bool(left.size) + [int(right[0])] * bool(right.size)
    return float(max(2, min(sides, default=2)))


def _middle(binned: Binned, top: int, width: float) -> tuple[float, float]:
    """Return the mean of the events within a width of it, by moving there until it rests, and its standard error."""
    centres = binned.start + binned.step * (np.arange(len(binned.counts)) + 0.5)
    middle = binned.value(top + 0.5)
    near, held = binned.counts, binned.n_kept
    for _ in range(ROUNDS):
        # The share of a bin counts that lies within, so that the mean moves smoothly.
        near = np.clip((width - np.abs(centres - middle)) / binned.step + 0.5, 0.0, 1.0) * binned.counts
        held = max(float(near.sum()), 1.0)
        moved = float((near * centres).sum()) / held
        rests = abs(moved - middle) < 1e-9 * width
        middle = moved
        if rests:
            break
    spread = float((near * (centres - middle) ** 2).sum()) / held
    # Where the window goes the mean follows, by the events at its edges: the fewer fall away, the less it is held.
    edges = (
        np.interp([middle - width, middle + width], centres, binned.smooth(binned.bandwidth)) / binned.step
    )
    follows = min(0.9, width * float(edges.sum()) / held)
    return middle, math.sqrt(spread / held) / (1 - follows)


PEAK = Card(
    "peak",
    peak,
    "a peak of its own",
    "Hahne et al. 2010, Cytometry A 77:121, for aligning tubes by their peaks",
)
