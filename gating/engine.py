"""Engine: runs a plan over all events of a tube; what it leaves in doubt goes to the plain reference."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from gating import loop
from gating.columns import Columns, RawSource
from gating.plan import Plan, Stored, channels_of, plan_of
from gating.strategy import GatingStrategy

TILE = 4096
"""Events of a tile: with twenty channels its values fit into a second-level cache."""
DOUBTFUL = loop.DOUBTFUL
APART = 8  # columns of a power of two would share one set of the first-level cache
CHUNK = 32 * TILE
Codes = NDArray[np.uint32]
Chunk = tuple[int, int, NDArray[np.floating], NDArray[np.uint32]]


def gate(strategy: GatingStrategy, columns: Columns) -> tuple[Codes, NDArray[np.bool_]]:
    """Return a code for every event, and the distinct sets of populations that codes stand for.

    Returns
    -------
    codes
        Shape ``(n_events,)``; ``DOUBTFUL`` for an event that only the reference arithmetic can place.
    sets
        Shape ``(n_codes, n_populations)``, in the order in which they were met.
    """
    plan, chunks = _opened(strategy, columns)
    codes = np.empty(columns.n_events, dtype=np.uint32)
    places = np.zeros((plan.n_slots, TILE), dtype=np.int32)
    values = np.zeros((plan.n_columns, TILE + APART))
    flags = np.zeros((TILE, plan.n_words), dtype=np.uint64)
    keys, held = _room(4 * TILE, np.zeros((0, plan.n_words), dtype=np.uint64))
    count = 0
    for first, last, events, words in chunks:
        begin = 0
        while begin < last - first:
            begin, count = loop.gate(
                events,
                words,
                plan.steps,
                plan.numbers,
                plan.integers,
                values,
                values.view(np.int64),
                places,
                flags,
                keys,
                held,
                count,
                codes[first:last],
                begin,
            )
            if begin < last - first:
                keys, held = _room(2 * len(keys), keys[:count])
    sets = np.unpackbits(keys[:count].astype("<u8").view(np.uint8), axis=1, bitorder="little")
    return codes, sets[:, : len(strategy.populations)].astype(np.bool_)


def _opened(strategy: GatingStrategy, columns: Columns) -> tuple[Plan, Iterator[Chunk]]:
    """Return the plan of a strategy and the chunks of events that it is made for."""
    source = columns.events
    raw = source.raw() if isinstance(source, RawSource) else None
    if raw is not None and raw.values.dtype.newbyteorder("=") == np.float32 and raw.values.flags.c_contiguous:
        told = zip(source.channels, raw.steps.tolist(), raw.gains.tolist(), strict=True)
        stored = {name: Stored(place, step, gain) for place, (name, step, gain) in enumerate(told)}
        return plan_of(strategy, columns, stored), _as_stored(raw.values)
    channels = channels_of(strategy, columns)
    stored = {name: Stored(place) for place, name in enumerate(channels)}
    return plan_of(strategy, columns, stored), _read(columns, channels)


def _as_stored(values: NDArray[np.floating]) -> Iterator[Chunk]:
    """Give all events at once, with their words where bytes have to be swapped."""
    native = np.asarray(values).view(np.float32)
    swapped = not values.dtype.isnative
    words = native.view(np.uint32) if swapped else np.zeros((0, native.shape[1]), dtype=np.uint32)
    yield 0, len(native), native, words


def _read(columns: Columns, channels: tuple[str, ...]) -> Iterator[Chunk]:
    """Give chunks of linear values, for events that are stored in another way than as 4-byte decimals."""
    no_words = np.zeros((0, max(len(channels), 1)), dtype=np.uint32)
    for first in range(0, columns.n_events, CHUNK):
        rows = np.arange(first, min(first + CHUNK, columns.n_events))
        chunk = np.empty((len(rows), len(channels)))
        for place, channel in enumerate(channels):
            chunk[:, place] = columns.events.column(channel, rows)
        yield first, first + len(rows), chunk, no_words


def _room(size: int, keys: NDArray[np.uint64]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Return a hash table of twice ``size`` places that holds the keys there are."""
    larger = np.zeros((size, keys.shape[1]), dtype=np.uint64)
    held = np.full(2 * size, -1, dtype=np.int64)
    codes = np.empty(len(keys), dtype=np.uint32)
    sure = np.zeros(len(keys), dtype=np.uint8)
    loop.encode(keys, sure, len(keys), larger, held, 0, codes)
    return larger, held
