"""Bounds: from the boundaries of a population to its gate."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from gating.expression import Expression
from gating.gates import Boolean, Gate, Interval, Rectangle
from gating.records import GateRecord
from gating.rows import PopulationRow


def between(records: Sequence[GateRecord]) -> Gate:
    """Return the gate that keeps what every boundary keeps."""
    ends: dict[str, tuple[float, float]] = {}
    for record in records:
        low, high = ends.get(record.marker, (-np.inf, np.inf))
        if record.keep == "above":
            low = max(low, record.value)
        else:
            high = min(high, record.value)
        # Boundaries that cross leave nothing between them; the narrowest interval there is says so.
        ends[record.marker] = (low, high if low < high else float(np.nextafter(low, np.inf)))
    names = tuple(ends)
    if len(names) == 1:
        return Interval(names[0], *ends[names[0]])
    return Rectangle(names, tuple(ends[n][0] for n in names), tuple(ends[n][1] for n in names))


def combination(expression: Expression) -> Boolean:
    """Return the gate of a flat expression: one *and*, or one *or* of single populations."""
    if len(expression.terms) == 1:
        return Boolean("and", expression.terms[0])
    return Boolean("or", tuple(term[0] for term in expression.terms))


def way_to(path: str, rows: Iterable[PopulationRow]) -> tuple[str, ...]:
    """Return every dimension by which a population is found, of itself, all above it, and what it combines."""
    known = {row.path: row for row in rows}
    waiting, seen = [path], set[str]()
    while waiting:
        row = known.get(waiting.pop())
        if row and row.path not in seen:
            seen.add(row.path)
            waiting += [row.parent, *(row.boolean.operands if row.boolean else ())]
    return tuple(dict.fromkeys(name for one in rows if one.path in seen for name in one.dimensions))
