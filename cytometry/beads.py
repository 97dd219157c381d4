"""Counting beads, found in a tube: they shine in every detector, and no cell does."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cytometry.errors import FCSError
from cytometry.fcs import Tube
from cytometry.panel import Panel

BEADS = "beads"
"""What their population is called, gated or counted without a gate."""
# Decades of the dimmest detector between the brightest cell and the beads, at the least.
LEAST_GAP = 0.15
SEEN_PER_BIN = 40


def find_beads(tube: Tube, channels: Sequence[str]) -> NDArray[np.bool_]:
    """Return which events are counting beads, shape ``(n_events,)``; none where no group of events shines in all.

    Each event is as bright as its dimmest detector. On a log scale cells are dim there, since every cell lacks some
    marker, and beads are a narrow peak at the bright end. They are what lies above the widest gap or deepest valley
    below that peak.

    Parameters
    ----------
    tube
        As recorded: beads are not compensated, since they hold no fluorochrome of the panel.
    channels
        The fluorescence detectors, two or more.

    Raises
    ------
    FCSError
        If fewer than two channels are named, or the tube has not all of them.
    """
    absent = [channel for channel in channels if channel not in tube.channels]
    if absent or len(channels) < 2:
        wrong = (
            f"has no channel {', '.join(absent)}"
            if absent
            else "beads are told from cells by two detectors or more"
        )
        raise FCSError(tube.path, wrong, hint=f"the channels are {', '.join(tube.channels)}")
    dimmest = np.min([tube.column(channel) for channel in channels], axis=0)
    return above_last_valley(np.log10(np.maximum(dimmest, 1.0)))


def fluorescence(panel: Panel) -> tuple[str, ...]:
    """Return the detectors of a panel in which beads shine."""
    return tuple(c.detector for c in panel.channels if c.role not in ("scatter", "time", "unused"))


def above_last_valley(brightness: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Return which values are in the last peak, that at the bright end, where a valley parts it from the others.

    ``brightness`` has shape ``(n,)``, on a log10 scale. Nothing is in it where there is but one peak, or the valley
    is narrower than 0.15 decades at a tenth of the peak's height.
    """
    none = np.zeros(brightness.size, dtype=np.bool_)
    if brightness.size < SEEN_PER_BIN:
        return none
    edges = np.arange(brightness.min(), brightness.max() + 0.03, 0.02)
    height = np.convolve(np.histogram(brightness, edges)[0], [0.25, 0.5, 0.25], mode="same")
    # From the bright end: up to the top of the last peak, then down until a tenth of it for long enough.
    tops = np.flatnonzero(height >= max(5.0, 0.001 * brightness.size))
    if not tops.size:
        return none
    last = int(tops[-1])
    while last > 0 and height[last - 1] >= height[last]:
        last -= 1
    low = height < 0.1 * height[last]
    start = last
    while start > 0 and not low[start]:
        start -= 1
    end = start
    while end > 0 and low[end]:
        end -= 1
    if end == 0 or (start - end) * 0.02 < LEAST_GAP:
        return none
    cut = edges[(start + end) // 2 + 1]
    return np.asarray(brightness >= cut)
