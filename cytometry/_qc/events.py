"""Events: what quality control reads of a tube. All events for its counts, evenly spread ones for its signals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gating.columns import EventSource, RawEvents, RawSource
from gating.scales import Floats

BLOCK = 16_384
LOOKED_AT = 131_072
"""Events whose signal is looked at, spread evenly over the run: four hundred slices of three hundred."""


@dataclass(frozen=True, slots=True, eq=False)
class Ends:
    """Events of each channel at the top of its range, at its lowest value, and with a value that is no number.

    Arrays of shape ``(channels,)``. A lowest value that one event alone has is no floor, and counts none.
    """

    high: NDArray[np.intp]
    low: NDArray[np.intp]
    odd: NDArray[np.intp]


def ends(source: EventSource, channels: Sequence[str], tops: Floats) -> Ends:
    """Return how many events of some channels lie at either end.

    Parameters
    ----------
    tops
        Shape ``(channels,)``: what counts as the top, on the linear scale; infinite where it is not known.
    """
    from cytometry._qc.kernels import count_at, tally

    raw = source.raw() if isinstance(source, RawSource) else None
    # Stored events are counted as they lie, with all their channels: picking some would copy all.
    places = list(range(len(channels))) if raw is None else [source.channels.index(name) for name in channels]
    limits = np.full(len(channels) if raw is None else len(source.channels), np.inf)
    limits[places] = tops
    high, at_low, odd = (np.zeros(len(limits), dtype=np.int32) for _ in range(3))
    low = np.full(len(limits), np.inf)
    for begin in range(0, source.n_events, BLOCK):
        block = _block(source, raw, slice(begin, min(begin + BLOCK, source.n_events)), channels).view()
        block.setflags(write=False)  # kernels that are compiled for that serve files and arrays alike
        low, limits = low.astype(block.dtype), limits.astype(block.dtype)
        before = low.copy()
        tally(block, limits, high, low, odd)
        at_low[low < before] = 0
        count_at(block, low, at_low)
    at_low[at_low == 1] = 0
    return Ends(*(counts[places].astype(np.intp) for counts in (high, at_low, odd)))


def _block(
    source: EventSource, raw: RawEvents | None, rows: slice, channels: Sequence[str]
) -> NDArray[np.floating]:
    if raw is None:
        numbers = np.arange(rows.start, rows.stop)
        return np.column_stack([source.column(name, numbers) for name in channels])
    stored = raw.values[rows]
    if stored.dtype.newbyteorder("=") not in (np.float32, np.float64):
        stored = stored.astype(np.float64)
    factors = raw.steps / raw.gains
    block = stored if (factors == 1).all() else stored * factors
    return np.ascontiguousarray(block, dtype=block.dtype.newbyteorder("="))


def looked_at(rows: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return at most 131,072 of some rows, evenly spread."""
    every = -(-len(rows) // LOOKED_AT)
    return rows[::every] if every > 1 else rows


def signals(source: EventSource, channels: Sequence[str], rows: NDArray[np.intp]) -> NDArray[np.float32]:
    """Return the values of some rows, channel by channel: shape ``(channels, rows)``."""
    places = [source.channels.index(name) for name in channels]
    raw = source.raw() if isinstance(source, RawSource) else None
    out = np.empty((len(channels), len(rows)), dtype=np.float32)
    if raw is None:
        for place, name in enumerate(channels):
            out[place] = source.column(name, rows)
        return out
    out[:] = raw.values[rows][:, places].T
    factors = (raw.steps / raw.gains)[places]
    return out if (factors == 1).all() else (out * factors[:, np.newaxis]).astype(np.float32)
