"""Loop: runs a plan over tiles of events that fit into the cache, compiled.

A tile's values lie in *columns*, one row of an array each; the events of a population are *places* in the frame
that it is gated in, and lie in a *slot*. A step reads places from one slot and leaves those inside in another.
"""

# mypy: disable-error-code="no-untyped-def,untyped-decorator,call-overload"
# ruff: noqa: PLR0912, PLR0917

from __future__ import annotations

import numpy as np
from numba import njit

from gating.kernels import (
    COMPILED,
    boolean,
    by_line,
    by_nodes,
    by_table,
    ellipsoid,
    interval,
    load,
    polygon,
    swap_bytes,
    weigh,
)

LOAD, WEIGH, DIVIDE, INTERVAL, SCALE, POLYGON, ELLIPSOID, BOOLEAN, FRAME, MARK = range(10)
LINEAR, TABLE, NODES = range(3)
TERMS = 6
DOUBTFUL = np.uint32(2**32 - 1)


@njit(**COMPILED)
def encode(bits, doubt, n, keys, held, count, codes):
    """Give each distinct set of populations a code, by a hash table with room for all that a tile can add."""
    words = bits.shape[1]
    mask = np.uint64(held.size - 1)
    for t in range(n):
        if doubt[t]:
            codes[t] = DOUBTFUL
            continue
        mixed = np.uint64(0)
        for w in range(words):
            mixed = (mixed ^ bits[t, w]) * np.uint64(0x9E3779B97F4A7C15)
            mixed ^= mixed >> np.uint64(29)
        at = mixed & mask
        while True:
            code = held[at]
            if code < 0:
                held[at] = code = count
                for w in range(words):
                    keys[count, w] = bits[t, w]
                count += 1
                break
            same = True
            for w in range(words):
                same &= keys[code, w] == bits[t, w]
            if same:
                break
            at = (at + np.uint64(1)) & mask
        codes[t] = code
    return count


@njit(**COMPILED)
def gate(events, words, plan, columns, column_bits, places, bits, keys, held, count, codes, begin):
    """Run a plan over events from ``begin`` on, tile by tile; return where it stopped and the number of codes.

    It stops before the end where ``keys`` might not hold the sets of one more tile.
    """
    size = places.shape[1]
    room = _room(size, words.shape[1], places)
    while begin < events.shape[0] and count + size <= keys.shape[0]:
        n = min(size, events.shape[0] - begin)
        tile(events, words, begin, n, plan, columns, column_bits, places, bits, room)
        count = encode(bits, room[4], n, keys, held, count, codes[begin : begin + n])
        begin += n
    return begin, count


@njit(**COMPILED)
def read(events, words, plan, columns, column_bits, places, bits, wanted, out):
    """Run a plan over all events, and copy the wanted columns; what only the reference knows is infinite."""
    size = places.shape[1]
    room = _room(size, words.shape[1], places)
    for begin in range(0, events.shape[0], size):
        n = min(size, events.shape[0] - begin)
        tile(events, words, begin, n, plan, columns, column_bits, places, bits, room)
        for k in range(n):
            for j in range(wanted.size):
                out[begin + k, j] = columns[wanted[j], k]


@njit(**COMPILED)
def _room(size, width, places):
    """Return what a tile is worked on in: swapped bytes, counts, rows of both frames, doubt, two spare rows."""
    swapped = np.empty((size, width), dtype=np.uint32)
    rows = np.zeros((2, size), dtype=np.int32)
    for k in range(size):
        rows[0, k] = places[0, k] = places[1, k] = k
    counts = np.zeros(places.shape[0], dtype=np.int64)
    doubt = np.zeros(size, dtype=np.uint8)
    return swapped, swapped.view(np.float32), counts, rows, doubt, np.zeros((2, size), dtype=np.int64)


@njit(**COMPILED)
def tile(events, words, begin, n, plan, columns, column_bits, places, bits, room):
    """Make one tile ready and do the steps of a plan on it."""
    swapped, native, counts, rows, doubt, spare = room
    doubt[:n] = 0
    bits[:n] = 0
    counts[0] = n
    if words.shape[0] > 0:
        swap_bytes(words[begin : begin + n], swapped)
        run(native, plan, columns, column_bits, places, counts, rows, bits, doubt, spare)
    else:
        run(events[begin : begin + n], plan, columns, column_bits, places, counts, rows, bits, doubt, spare)


@njit(**COMPILED)
def run(values, plan, columns, column_bits, places, counts, rows, bits, doubt, spare):
    """Do the steps of a plan on one tile. Each is ``operation, frame, destination, source`` and what it needs."""
    steps, numbers, integers = plan
    for s in range(steps.shape[0]):
        op, frame, to, source, a, b, c = steps[s]
        n = counts[source]
        if op == LOAD:
            factors = numbers[c : c + 2 * b]
            load(values, rows[frame], counts[frame], integers[a : a + b], factors, columns, to)
            continue
        if op == WEIGH:
            weigh(columns, a, numbers[b : b + c], counts[frame], columns[to])
        elif op == DIVIDE:
            x, y = columns[a], columns[b]
            for k in range(counts[frame]):
                columns[to, k] = numbers[c] * ((x[k] - numbers[c + 1]) / (y[k] - numbers[c + 2]))
        elif op == INTERVAL:
            counts[to] = interval(
                columns[a], numbers[b : b + 4], places[source], n, places[to], rows[frame], doubt
            )
        elif op == SCALE:
            scale(columns, column_bits, numbers, a, b, c, places[source], n, to)
        elif op == POLYGON:
            vertices = numbers[b + 2 : b + 2 + 2 * c].reshape((c, 2))
            x, y = columns[a], columns[a + 1]
            near = numbers[b : b + 2]
            counts[to] = polygon(
                x,
                y,
                near,
                vertices,
                places[source],
                n,
                places[to],
                rows[frame],
                doubt,
                spare[0],
                spare[1],
            )
        elif op == ELLIPSOID:
            mean = numbers[b + 2 : b + 2 + c]
            weights = numbers[b + 2 + c : b + 2 + c + c * c].reshape((c, c))
            counts[to] = ellipsoid(
                columns,
                a,
                mean,
                weights,
                numbers[b],
                numbers[b + 1],
                places[source],
                n,
                places[to],
                rows[frame],
                doubt,
            )
        elif op == BOOLEAN:
            operands = integers[a : a + 3 * b].reshape((b, 3))
            counts[to] = boolean(bits, operands, c, places[source], n, places[to], rows[frame])
        elif op == FRAME:
            counts[1] = n
            for k in range(n):
                rows[1, k] = rows[0, places[source, k]]
        elif op == MARK:
            flag = np.uint64(1) << np.uint64(b)
            for k in range(n):
                bits[rows[frame, places[source, k]], a] |= flag


@njit(**COMPILED)
def scale(columns, column_bits, numbers, column, kind, at, source, n, to):
    """Scale a column at some places; ``numbers`` has from ``at`` on what the kind of scale needs."""
    if kind == LINEAR:
        by_line(columns[column], numbers[at], numbers[at + 1], source, n, columns[to])
    elif kind == TABLE:
        base, length, shrink = int(numbers[at]), int(numbers[at + 1]), numbers[at + 2]
        table = numbers[at + 3 : at + 3 + length * TERMS].reshape((length, TERMS))
        by_table(columns[column], column_bits[column], table, base, shrink, source, n, columns[to])
    else:
        length = int(numbers[at])
        nodes = numbers[at + 1 : at + 1 + 2 * length].reshape((2, length))
        by_nodes(columns[column], nodes, source, n, columns[to])
