"""Kernels: the compiled inner loops, nothing else.

A plan runs over tiles of events that fit into the cache. A tile's values lie in *columns*, one row of an array
each; the events of a population are *places* in the frame that it is gated in, and lie in a *slot*. A gate reads
places from one slot and leaves those inside in another. An event too near a boundary, or with a value that is not
finite, is *in doubt*: it is left to the reference arithmetic, so that sums may be contracted here and transforms
come from a table.

All in one file: a compiled function is kept on disk until its own file changes, whatever it calls.
"""

# mypy: disable-error-code="no-untyped-def,untyped-decorator,call-overload"
# ruff: noqa: PLR0912, PLR0917

from __future__ import annotations

import numpy as np
from numba import njit

LOAD, WEIGH, DIVIDE, INTERVAL, SCALE, POLYGON, ELLIPSOID, BOOLEAN, FRAME, MARK = range(10)
LINEAR, TABLE, NODES = range(3)
AND, OR, NOT = range(3)
TERMS, SEGMENT_BITS = 6, 48
DOUBTFUL = np.uint32(2**32 - 1)
COMPILED = {"cache": True, "nogil": True, "error_model": "numpy"}


@njit(**COMPILED)
def swap_bytes(words, out):
    """Reverse the bytes of 4-byte words."""
    for i in range(words.shape[0]):
        for j in range(words.shape[1]):
            w = words[i, j]
            out[i, j] = (w >> 24) | ((w >> 8) & 0xFF00) | ((w << 8) & 0xFF0000) | (w << 24)


@njit(**COMPILED)
def load(tile, rows, n, channels, factors, columns, first):
    """Copy some channels of some rows into columns from ``first`` on; ``factors`` has step and gain of each."""
    for j in range(channels.size):
        channel, step, gain, out = channels[j], factors[2 * j], factors[2 * j + 1], columns[first + j]
        if step == 1.0 and gain == 1.0:
            for k in range(n):
                out[k] = tile[rows[k], channel]
        else:
            for k in range(n):
                out[k] = float(tile[rows[k], channel]) * step / gain


@njit(**COMPILED, fastmath={"contract"})
def weigh(columns, first, weights, n, out):
    """Sum columns from ``first`` on by their weights, eight at a time: the sum is read and written less often."""
    out[:n] = 0.0
    j = 0
    while j + 8 <= weights.size:
        a, b, c, d = (
            columns[first + j],
            columns[first + j + 1],
            columns[first + j + 2],
            columns[first + j + 3],
        )
        e, f, g, h = (
            columns[first + j + 4],
            columns[first + j + 5],
            columns[first + j + 6],
            columns[first + j + 7],
        )
        wa, wb, wc, wd = weights[j], weights[j + 1], weights[j + 2], weights[j + 3]
        we, wf, wg, wh = weights[j + 4], weights[j + 5], weights[j + 6], weights[j + 7]
        for i in range(n):
            left = a[i] * wa + b[i] * wb + c[i] * wc + d[i] * wd
            out[i] = out[i] + left + e[i] * we + f[i] * wf + g[i] * wg + h[i] * wh
        j += 8
    while j < weights.size:
        a, wa = columns[first + j], weights[j]
        for i in range(n):
            out[i] = out[i] + a[i] * wa
        j += 1


@njit(**COMPILED)
def interval(values, ends, source, n, dest, rows, doubt):
    """Keep places with ``low <= value < high``; between where it is surely out and surely in is doubt."""
    low_out, low_in, high_in, high_out = ends[0], ends[1], ends[2], ends[3]
    kept = 0
    for k in range(n):
        place = source[k]
        v = values[place]
        inside = (v >= low_in) & (v < high_in)
        outside = (v < low_out) | (v >= high_out)
        dest[kept] = place
        kept += inside
        if not (inside | outside) or not np.isfinite(v):
            doubt[rows[place]] = 1
    return kept


@njit(**COMPILED)
def by_table(values, bits, table, base, shrink, source, n, out):
    """Scale values by polynomials of degree five, sixteen to an octave; infinite where only the reference knows."""
    segments = table.shape[0] // 2
    for k in range(n):
        place = source[k]
        magnitude = bits[place] & 0x7FFFFFFFFFFFFFFF
        at = (magnitude >> SEGMENT_BITS) - base
        if at < 0:
            at, u = 2 * segments, values[place] * shrink
        elif at >= segments:
            out[k] = np.inf
            continue
        else:
            u = (magnitude & ((1 << SEGMENT_BITS) - 1)) * (1.0 / (1 << SEGMENT_BITS))
            if bits[place] < 0:
                at += segments
        c = table[at]
        out[k] = ((((c[5] * u + c[4]) * u + c[3]) * u + c[2]) * u + c[1]) * u + c[0]


@njit(**COMPILED)
def by_nodes(values, nodes, source, n, out):
    """Scale values by the straight lines between nodes, held at both ends."""
    x, y = nodes[0], nodes[1]
    last = x.size - 1
    for k in range(n):
        v = values[source[k]]
        if not np.isfinite(v):
            out[k] = np.inf
        elif v <= x[0]:
            out[k] = y[0]
        elif v >= x[last]:
            out[k] = y[last]
        else:
            at = np.searchsorted(x, v)
            out[k] = (y[at] - y[at - 1]) / (x[at] - x[at - 1]) * (v - x[at - 1]) + y[at - 1]


@njit(**COMPILED)
def by_line(values, t, a, source, n, out):
    """Scale values by ``(x + A) / (T + A)``; infinite where they are not finite."""
    plain = t == 1.0 and a == 0.0
    for k in range(n):
        v = values[source[k]]
        out[k] = v if plain else (v + a) / (t + a)
        if not np.isfinite(v):
            out[k] = np.inf


@njit(**COMPILED)
def polygon(x, y, near, vertices, source, n, dest, rows, doubt, crossed, unsure):
    """Keep places inside by even-odd crossings; within ``near`` of a side is doubt.

    Side by side over all places, so that several are held against a side at once.
    """
    for k in range(n):
        crossed[k] = 0
        unsure[k] = (x[k] == np.inf) | (y[k] == np.inf)
    for i in range(vertices.shape[0]):
        x1, y1, x2, y2 = vertices[i - 1, 0], vertices[i - 1, 1], vertices[i, 0], vertices[i, 1]
        if y1 > y2:  # the side's direction matters to no one: an event on it is in doubt
            x1, y1, x2, y2 = x2, y2, x1, y1
        dx, dy = x2 - x1, y2 - y1
        left, right = min(x1, x2) - near[0], max(x1, x2) + near[0]
        low, high = y1 - near[1], y2 + near[1]
        width = near[0] * dy + near[1] * abs(dx)
        for k in range(n):
            px, py = x[k], y[k]
            side = dx * (py - y1) - (px - x1) * dy
            crossed[k] ^= (py >= y1) & (py < y2) & (side > 0)
            unsure[k] |= (abs(side) <= width) & (py >= low) & (py <= high) & (px >= left) & (px <= right)
    kept = 0
    for k in range(n):
        place = source[k]
        if unsure[k]:
            doubt[rows[place]] = 1
        else:
            dest[kept] = place
            kept += crossed[k]
    return kept


@njit(**COMPILED)
def ellipsoid(columns, first, mean, weights, limit, near, source, n, dest, rows, doubt):
    """Keep places within a squared Mahalanobis distance; within ``near`` of it is doubt."""
    kept = 0
    for k in range(n):
        place = source[k]
        distance = 0.0
        for i in range(mean.size):
            along = 0.0
            for j in range(mean.size):
                along += weights[i, j] * (columns[first + j, k] - mean[j])
            distance += along * (columns[first + i, k] - mean[i])
        if distance < limit - near:
            dest[kept] = place
            kept += 1
        elif not distance > limit + near or distance == np.inf:
            doubt[rows[place]] = 1
    return kept


@njit(**COMPILED)
def boolean(bits, operands, operator, source, n, dest, rows):
    """Keep places by the populations that hold them: ``operands`` has word, bit and complement of each."""
    kept = 0
    for k in range(n):
        row = rows[source[k]]
        met = 0
        for i in range(operands.shape[0]):
            held = (bits[row, operands[i, 0]] >> np.uint64(operands[i, 1])) & np.uint64(1)
            met += (held != 0) != (operands[i, 2] != 0)
        holds = met == operands.shape[0] if operator == AND else met > 0
        if operator == NOT:
            holds = met == 0
        dest[kept] = source[k]
        kept += holds
    return kept


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
def gate(events, plan, columns, column_bits, places, bits, keys, held, count, codes, begin):
    """Run a plan over events from ``begin`` on, tile by tile; return where it stopped and the number of codes.

    It stops before the end where ``keys`` might not hold the sets of one more tile.
    """
    size = places.shape[1]
    room = _room(size, places)
    while begin < events.shape[0] and count + size <= keys.shape[0]:
        n = min(size, events.shape[0] - begin)
        tile(events[begin : begin + n], plan, columns, column_bits, places, bits, room)
        count = encode(bits, room[2], n, keys, held, count, codes[begin : begin + n])
        begin += n
    return begin, count


@njit(**COMPILED)
def read(events, plan, columns, column_bits, places, bits, wanted, out):
    """Run a plan over all events, and copy the wanted columns; what only the reference knows is infinite."""
    size = places.shape[1]
    room = _room(size, places)
    for begin in range(0, events.shape[0], size):
        n = min(size, events.shape[0] - begin)
        tile(events[begin : begin + n], plan, columns, column_bits, places, bits, room)
        for k in range(n):
            for j in range(wanted.size):
                out[begin + k, j] = columns[wanted[j], k]


@njit(**COMPILED)
def _room(size, places):
    """Return what a tile is worked on in: counts, rows of both frames, doubt, two spare rows."""
    rows = np.zeros((2, size), dtype=np.int32)
    for k in range(size):
        rows[0, k] = places[0, k] = places[1, k] = k
    counts = np.zeros(places.shape[0], dtype=np.int64)
    return counts, rows, np.zeros(size, dtype=np.uint8), np.zeros((2, size), dtype=np.int64)


@njit(**COMPILED)
def tile(values, plan, columns, column_bits, places, bits, room):
    """Make one tile ready and do the steps of a plan on it."""
    counts, rows, doubt, spare = room
    n = values.shape[0]
    doubt[:n] = 0
    bits[:n] = 0
    counts[0] = n
    run(values, plan, columns, column_bits, places, counts, rows, bits, doubt, spare)


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
