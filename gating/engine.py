"""Engine: runs a plan over all events of a tube; what it leaves in doubt goes to the plain reference."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gating import kernels
from gating.columns import Columns, RawSource, Rows
from gating.plan import Plan, Stored, channels_of, dimensions_of, plan_of, plan_to_read
from gating.strategy import GatingStrategy

TILE = 4096
"""Events of a tile: with twenty channels its values fit into a second-level cache."""
DOUBTFUL = kernels.DOUBTFUL
APART = 8  # columns of a power of two would share one set of the first-level cache
CHUNK = 32 * TILE
SWAPPED = 4 * TILE  # few enough to be still in a cache when they are gated
Codes = NDArray[np.uint32]
Chunk = tuple[int, NDArray[np.floating]]


def gate(strategy: GatingStrategy, columns: Columns) -> tuple[Codes, NDArray[np.bool_]]:
    """Return a code for every event, and the distinct sets of populations that codes stand for.

    Returns
    -------
    codes
        Shape ``(n_events,)``; ``DOUBTFUL`` for an event that only the reference arithmetic can place.
    sets
        Shape ``(n_codes, n_populations)``, in the order in which they were met.
    """
    stored, chunks = _opened(columns, dimensions_of(strategy.populations))
    plan = plan_of(strategy, columns, stored)
    codes = np.empty(columns.n_events, dtype=np.uint32)
    bench = _bench(plan)
    keys, held = _room(4 * TILE, np.zeros((0, plan.n_words), dtype=np.uint64))
    count = 0
    for first, events in chunks:
        begin, part = 0, codes[first : first + len(events)]
        while begin < len(events):
            begin, count = kernels.gate(events, *bench, keys, held, count, part, begin)
            if begin < len(events):
                keys, held = _room(2 * len(keys), keys[:count])
    sets = np.unpackbits(keys[:count].astype("<u8").view(np.uint8), axis=1, bitorder="little")
    return codes, sets[:, : len(strategy.populations)].astype(np.bool_)


def read(
    columns: Columns, names: Sequence[str], *, rows: Rows | None = None, display: bool = True
) -> NDArray[np.float32]:
    """Return dimensions of all events, or of some rows, side by side: float32, shape ``(n, len(names))``.

    On the display scale, NaN where a value is not finite; or on the linear scale, compensated where a dimension
    asks for it. Within the precision of float32 of what ``Columns`` returns, and much faster for many events.
    """
    if rows is not None:
        columns = columns.at(rows)
    stored, chunks = _opened(columns, names)
    plan = plan_to_read(columns, names, stored, display=display)
    bench = _bench(plan)
    out = np.empty((columns.n_events, len(names)), dtype=np.float32)
    for first, events in chunks:
        kernels.read(events, *bench, plan.read, out[first : first + len(events)])
    if display:
        for place, name in enumerate(names):
            unsure = np.flatnonzero(np.isinf(out[:, place]))
            if len(unsure):
                out[unsure, place] = columns.values(name, unsure)
    return out


def _bench(plan: Plan) -> tuple[Any, ...]:
    """Return a plan's data, and the room that its tiles are worked on in."""
    values = np.zeros((plan.n_columns, TILE + APART))
    places = np.zeros((plan.n_slots, TILE), dtype=np.int32)
    flags = np.zeros((TILE, plan.n_words), dtype=np.uint64)
    return (plan.steps, plan.numbers, plan.integers), values, values.view(np.int64), places, flags


def _opened(columns: Columns, names: Sequence[str]) -> tuple[dict[str, Stored], Iterator[Chunk]]:
    """Return where the chunks of events hold each channel, and the chunks."""
    source = columns.events
    raw = source.raw() if isinstance(source, RawSource) else None
    if raw is not None and raw.values.dtype.newbyteorder("=") == np.float32 and raw.values.flags.c_contiguous:
        told = zip(source.channels, raw.steps.tolist(), raw.gains.tolist(), strict=True)
        return {name: Stored(n, step, gain) for n, (name, step, gain) in enumerate(told)}, _as_stored(
            raw.values
        )
    channels = channels_of(columns, names)
    return {name: Stored(place) for place, name in enumerate(channels)}, _read(columns, channels)


def _as_stored(values: NDArray[np.floating]) -> Iterator[Chunk]:
    """Give all events at once, or chunk by chunk where bytes have to be swapped.

    Events are never to be written to: kernels that are compiled for that serve files and arrays alike.
    """
    if values.dtype.isnative:
        yield 0, _read_only(np.asarray(values))
        return
    words = np.asarray(values).view(np.uint32)
    swapped = np.empty((min(SWAPPED, len(words)), words.shape[1]), dtype=np.uint32)
    for first in range(0, len(words), SWAPPED):
        n = min(SWAPPED, len(words) - first)
        kernels.swap_bytes(_read_only(words[first : first + n]), swapped)
        yield first, _read_only(swapped[:n].view(np.float32))


def _read(columns: Columns, channels: tuple[str, ...]) -> Iterator[Chunk]:
    """Give chunks of linear values, for events that are stored in another way than as 4-byte decimals."""
    for first in range(0, columns.n_events, CHUNK):
        rows = np.arange(first, min(first + CHUNK, columns.n_events))
        chunk = np.empty((len(rows), len(channels)))
        for place, channel in enumerate(channels):
            chunk[:, place] = columns.events.column(channel, rows)
        yield first, _read_only(chunk)


def _read_only(events: NDArray[Any]) -> NDArray[Any]:
    view = events.view()
    view.setflags(write=False)
    return view


def _room(size: int, keys: NDArray[np.uint64]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Return a hash table of twice ``size`` places that holds the keys there are."""
    larger = np.zeros((size, keys.shape[1]), dtype=np.uint64)
    held = np.full(2 * size, -1, dtype=np.int64)
    codes = np.empty(len(keys), dtype=np.uint32)
    sure = np.zeros(len(keys), dtype=np.uint8)
    kernels.encode(keys, sure, len(keys), larger, held, 0, codes)
    return larger, held
