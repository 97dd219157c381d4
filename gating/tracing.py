"""Tracing: from cells of a grid to a polygon of few corners, as a hand would draw it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gating.answers import Floats

Mask = NDArray[np.bool_]
CORNERS = 40
TOLERANCE = 0.5
"""In cells: a corner nearer than this to the line between its neighbours is left out."""


def part_around(mask: Mask, cell: tuple[int, int]) -> Mask:
    """Return the connected part of a mask, shape ``(m, m)``, that a cell lies in, with its holes filled."""
    from scipy.ndimage import binary_fill_holes, label

    parts = label(mask)[0]
    if not parts[cell]:
        return np.zeros_like(mask)
    return np.asarray(binary_fill_holes(parts == parts[cell]))


def trace(mask: Mask) -> Floats:
    """Return the outline of a connected mask without holes, in cells, counterclockwise, shape ``(k, 2)``.

    The outline passes through the middles of the cells' outer sides. It is empty for an empty mask.
    """
    padded = np.pad(mask, 1)
    after: dict[tuple[int, int], list[tuple[int, int]]] = {}
    # Each outer side runs with its cell to the left: from a corner of the grid to the next.
    for step, start, along in (((0, -1), (0, 0), (1, 0)), ((1, 0), (1, 0), (0, 1)),
                               ((0, 1), (1, 1), (-1, 0)), ((-1, 0), (0, 1), (0, -1))):  # fmt: skip
        outer = padded & ~np.roll(padded, (-step[0], -step[1]), axis=(0, 1))
        for i, j in np.argwhere(outer).tolist():
            corner = (i + start[0], j + start[1])
            after.setdefault(corner, []).append((corner[0] + along[0], corner[1] + along[1]))
    if not after:
        return np.empty((0, 2))
    first = min(after)
    path = [first]
    while after:
        here = path[-1]
        ways = after[here]
        # Where two cells touch at a corner only, stay with the cell at hand: turn left.
        ahead = max(ways, key=lambda way: _turn(path, way)) if len(ways) > 1 else ways[0]
        ways.remove(ahead)
        if not ways:
            del after[here]
        if ahead == first and first not in after:
            break
        path.append(ahead)
    corners = np.array(path, dtype=np.float64) - 1
    return (corners + np.roll(corners, -1, axis=0)) / 2


def _turn(path: list[tuple[int, int]], way: tuple[int, int]) -> int:
    (x0, y0), (x1, y1) = path[-2], path[-1]
    return (x1 - x0) * (way[1] - y1) - (y1 - y0) * (way[0] - x1)


def simplified(outline: Floats) -> Floats:
    """Return an outline, shape ``(k, 2)``, with at most 40 of its corners, those furthest from the lines between.

    References
    ----------
    Douglas & Peucker 1973, Cartographica 10:112.
    """
    if len(outline) < 4:
        return outline
    tolerance = TOLERANCE
    furthest = int(np.argmax(((outline - outline[0]) ** 2).sum(axis=1)))
    while True:
        kept = _kept(outline, furthest, tolerance)
        if len(kept) <= CORNERS:
            return outline[kept] if len(kept) > 2 else outline
        tolerance *= 1.3


def _kept(outline: Floats, furthest: int, tolerance: float) -> list[int]:
    """Return the corners kept, in order, of the two halves between the first corner and the one furthest off."""
    closed = np.concatenate([outline, outline[:1]])
    kept, halves = {0, furthest}, [(0, furthest), (furthest, len(outline))]
    while halves:
        start, end = halves.pop()
        if end - start < 2:
            continue
        line = closed[end] - closed[start]
        away = closed[start + 1 : end] - closed[start]
        length = max(float(np.hypot(*line)), 1e-300)
        distance = np.abs(line[0] * away[:, 1] - line[1] * away[:, 0]) / length
        if distance.max() > tolerance:
            middle = start + 1 + int(np.argmax(distance))
            kept.add(middle)
            halves += [(start, middle), (middle, end)]
    return sorted(kept)
