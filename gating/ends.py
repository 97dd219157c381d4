"""Ends: the ends of an interval on the display scale, carried back to the linear scale.

A transform need then not be evaluated for millions of events: a scale never falls.
"""

from __future__ import annotations

import numpy as np

from gating.scales import Linear, Scale

LARGEST = float(np.finfo(np.float64).max)
FAR = 1e30
NEAR = 1e-9
"""How near to a boundary, on the display scale, an event is in doubt. Tables err by 1e-10 at most."""


def linear_ends(scale: Scale, low: float, high: float, *, is_exact: bool = False) -> tuple[float, ...]:
    """Return where on the linear scale a value is surely too low, surely not, surely not too high, surely so.

    Parameters
    ----------
    low, high
        On the display scale; infinite for an open end.
    is_exact
        Whether values on a linear scale are known to the last bit, so that nothing has to be in doubt.
    """
    if is_exact and scale == Linear():
        return _within(low, low, high, high)
    with np.errstate(all="ignore"):
        has_floor = bool(np.isnan(scale.forward(np.array([-1.0]))[0]))  # a logarithm below zero
        floor = 0.0 if has_floor else -LARGEST
        lows = _bracket(scale, low) if low > -np.inf else (floor, floor)
        highs = _bracket(scale, high) if high < np.inf else (np.inf, np.inf)
    return _within(*(max(end, floor) for end in lows), *highs)


def _bracket(scale: Scale, end: float) -> tuple[float, float]:
    """Return where a value is surely below an end, and surely not; between, only the reference knows."""
    margin = NEAR * max(1.0, abs(end))
    below, above = (float(value) for value in scale.inverse(np.array([end - margin, end + margin])))
    if np.isfinite([below, above]).all():
        back = scale.forward(np.array([below, above]))
        if below <= above and back[0] < end <= back[1]:
            return below, above
    least, most = scale.forward(np.array([-FAR, FAR]))
    if least >= end:
        return -LARGEST, -LARGEST
    if most < end:
        return LARGEST, LARGEST
    return -LARGEST, LARGEST  # on a stretch where the scale stands still


def _within(*ends: float) -> tuple[float, ...]:
    return tuple(max(end, -LARGEST) for end in ends)
