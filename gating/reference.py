"""Reference: the plain way to gate, population by population on whole columns.

It decides where the engine is in doubt, and is what the engine is tested against.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gating.columns import Columns, Rows
from gating.gates import Boolean, Interval, Mask, Rectangle, Shape
from gating.gathered import gather
from gating.strategy import GatingStrategy

AT_A_TIME = 65_536


def gate_plainly(strategy: GatingStrategy, columns: Columns, rows: Rows) -> tuple[NDArray[np.bool_], int]:
    """Return which populations hold which of the rows, and how many rows met a gate with a value not finite.

    Returns
    -------
    sets
        Shape ``(n_rows, n_populations)``.
    """
    sets = np.zeros((len(rows), len(strategy.populations)), dtype=np.bool_)
    not_finite = 0
    for first in range(0, len(rows), AT_A_TIME):
        part = rows[first : first + AT_A_TIME]
        seen = gather(columns, part)
        masks: dict[str, Mask] = {"": np.ones(len(part), dtype=np.bool_)}
        lost = np.zeros(len(part), dtype=np.bool_)
        for number, population in enumerate(strategy.populations):
            gate, parent = population.gate, masks[population.parent]
            if isinstance(gate, Boolean):
                inside = np.asarray(parent & gate.combine(masks))
            else:
                inside = parent
                for shape in _one_by_one(gate):
                    for name in shape.dimensions:
                        lost |= inside & ~np.isfinite(seen.linear(name))
                    inside = _inside(shape, seen, inside)
            masks[population.path] = sets[first : first + len(part), number] = inside
        not_finite += int(lost.sum())
    return sets, not_finite


def _one_by_one(gate: Shape) -> Sequence[Shape]:
    """Return a rectangle as the intervals that it is: an event outside one of them is not looked at further."""
    if not isinstance(gate, Rectangle):
        return (gate,)
    return [Interval(*one) for one in zip(gate.dimensions, gate.lows, gate.highs, strict=True)]


def _inside(gate: Shape, columns: Columns, parent: Mask) -> Mask:
    held = np.flatnonzero(parent)
    mask = np.zeros(len(parent), dtype=np.bool_)
    mask[held] = gate.contains(columns.exact(gate.dimensions, held))
    return mask
