"""Bounds: from the boundaries of a population to its gate."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gating.expression import Expression
from gating.gates import Boolean, Gate, Interval, Rectangle
from gating.records import GateRecord


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
