"""Kernels: the compiled inner loops of quality control, nothing else."""

# mypy: disable-error-code="no-untyped-def,untyped-decorator"
# ruff: noqa: PLR0917

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True, error_model="numpy")
def running_medians(values, window, out):
    """Write the median of every whole window of ``values`` to ``out``; the window is held in order."""
    held = np.sort(values[:window])
    for first in range(values.size - window + 1):
        if first:
            leaving, coming = values[first - 1], values[first + window - 1]
            at = np.searchsorted(held, leaving)
            while at + 1 < window and held[at + 1] < coming:
                held[at] = held[at + 1]
                at += 1
            while at > 0 and held[at - 1] > coming:
                held[at] = held[at - 1]
                at -= 1
            held[at] = coming
        out[first] = (held[(window - 1) // 2] + held[window // 2]) / 2


@njit(cache=True, nogil=True, error_model="numpy")
def tally(events, tops, high, low, odd):
    """Count values at ``tops`` or above and values not finite, and find the least; one place a channel.

    ``events`` has shape ``(n, channels)``; the others are carried on from call to call.
    """
    for i in range(events.shape[0]):
        for j in range(events.shape[1]):
            value = events[i, j]
            finite = value - value == 0
            odd[j] += not finite
            high[j] += finite & (value >= tops[j])
            low[j] = value if finite & (value < low[j]) else low[j]


@njit(cache=True, nogil=True, error_model="numpy")
def count_at(events, low, at_low):
    """Count the values of each channel that are ``low``."""
    for i in range(events.shape[0]):
        for j in range(events.shape[1]):
            at_low[j] += events[i, j] == low[j]
