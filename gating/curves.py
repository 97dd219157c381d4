"""Curves: logicle and hyperlog, value by value.

Their arithmetic decides who is inside a gate, and an event may lie exactly on a threshold. So the operations and
their order are those of the C code of Moore and Parks, which flowutils also follows, to the last bit: nothing here
may be contracted, reordered or taken from a table.

Moore WA, Parks DR. Update for the logicle data scale including operational code implementations. Cytometry A
2012;81A:273-277. Bagwell CB. Hyperlog: a flexible log-like transform for negative, zero, and positive valued data.
Cytometry A 2005;64A:34-42.
"""

# ruff: noqa: SIM108 -- the branches of a curve are read one below the other
# mypy: disable-error-code="no-untyped-def,untyped-decorator,call-overload"

from __future__ import annotations

from functools import lru_cache
from math import exp, log
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

EPSILON = 2.220446049250313e-16
TERMS = 16  # of the Taylor series about zero, where the curve's own terms cancel
STEPS = 40
AT_ZERO = 3e-10  # so near to zero flowutils does not find the root where W = 0; the line is exact there
COMPILED = {"cache": True, "nogil": True, "error_model": "numpy"}
Floats = NDArray[np.float64]


class Curve(NamedTuple):
    """Coefficients of a curve, odd about ``x1``, the place of zero.

    Logicle is ``a exp(b y) - c exp(-d y) + f``, hyperlog ``a exp(b y) + c y - f``. The series holds below
    ``series_until`` on the display scale; a first guess is a straight line below ``line_until`` on the linear one.
    """

    a: float
    b: float
    c: float
    d: float
    f: float
    x1: float
    w: float
    series_until: float
    line_until: float


@lru_cache(maxsize=256)
def logicle_curve(t: float, w: float, m: float, a: float) -> tuple[Curve, Floats]:
    """Return the coefficients that Moore and Parks derive from T, W, M and A, and the Taylor series."""
    width, x2 = w / (m + a), a / (m + a)
    x1, x0 = x2 + width, x2 + 2 * width
    b = (m + a) * log(10.0)
    d = _decay(b, width)
    c_a = exp(x0 * (b + d))
    mf_a = exp(b * x1) - c_a / exp(d * x1)
    size = t / ((exp(b) - mf_a) - c_a / exp(d))
    c, f = c_a * size, -mf_a * size
    rise, fall = size * exp(b * x1), -c / exp(d * x1)
    taylor = np.zeros(TERMS)
    for order in range(TERMS):
        rise *= b / (order + 1)
        fall *= -d / (order + 1)
        taylor[order] = rise + fall
    taylor[1] = 0.0  # d was chosen so that there is no curvature at zero
    taylor.setflags(write=False)
    line_until = f if width else AT_ZERO * size * exp(b * x1)
    return Curve(size, b, c, d, f, x1, width, x1 + width / 4, line_until), taylor


def _decay(b: float, width: float) -> float:
    """Solve ``2 (ln d - ln b) + width (d + b) = 0`` by Newton's method kept in a bracket (Numerical Recipes)."""
    if width == 0:
        return b
    low, high = 0.0, b
    d, last_step = (low + high) / 2, high - low
    constant = -2 * log(b) + width * b
    value, last_value = 2 * log(d) + width * d + constant, float("nan")
    for _ in range(STEPS):
        slope = 2 / d + width
        leaves = ((d - high) * slope - value) * ((d - low) * slope - value) >= 0
        if leaves or abs(1.9 * value) > abs(last_step * slope):
            step = (high - low) / 2
            before, d = low, low + step
        else:
            step = value / slope
            before, d = d, d - step
        if d == before or abs(step) < 2 * b * EPSILON:
            return d
        last_step = step
        value = 2 * log(d) + width * d + constant
        if value in (0, last_value):
            return d
        last_value = value
        low, high = (d, high) if value < 0 else (low, d)
    return d


@lru_cache(maxsize=256)
def hyperlog_curve(t: float, w: float, m: float, a: float) -> tuple[Curve, Floats]:
    """Return the coefficients of Bagwell's curve as Gating-ML parametrises it, and the Taylor series."""
    width, x2 = w / (m + a), a / (m + a)
    x1, x0 = x2 + width, x2 + 2 * width
    b = (m + a) * log(10.0)
    c_a = exp(b * x0) / width
    f_a = exp(b * x1) + c_a * x1
    size = t / (exp(b) + c_a - f_a)
    c, f = c_a * size, f_a * size
    rise = size * exp(b * x1)
    taylor = np.zeros(TERMS)
    for order in range(TERMS):
        rise *= b / (order + 1)
        taylor[order] = rise
    taylor[0] += c
    taylor.setflags(write=False)
    line_until = size * exp(b * x0) + c * x0
    return Curve(size, b, c, 0.0, f, x1, width, x1 + width / 4, line_until), taylor


@njit(**COMPILED)
def logicle(values, curve, taylor, out):
    """Write the display value of each linear one; what is not finite stays what it is."""
    for k in range(values.size):
        value = values[k]
        if not np.isfinite(value):
            out[k] = value
        elif value == 0:
            out[k] = curve.x1
        elif value < 0:
            out[k] = 2 * curve.x1 - _logicle_root(-value, curve, taylor)
        else:
            out[k] = _logicle_root(value, curve, taylor)


@njit(**COMPILED)
def _logicle_root(value, curve, taylor):
    """Solve for the display value by Halley's method.

    Where it does not come to rest flowutils returns -1, among the negatives; here the best that was found.
    """
    a, b, c, d, f = curve.a, curve.b, curve.c, curve.d, curve.f
    x = curve.x1 + value / taylor[0] if value < curve.line_until else log(value / a) / b
    tolerance = 3 * x * EPSILON if x > 1 else 3 * EPSILON
    for _ in range(STEPS):
        rise = a * exp(b * x)
        fall = c / exp(d * x)
        if x < curve.series_until:
            y = _even_series(x - curve.x1, taylor) - value
        else:
            y = (rise + f) - (fall + value)
        slope = b * rise + d * fall
        curvature = b * (b * rise) - d * (d * fall)
        step = y / (slope * (1 - y * curvature / (2 * slope * slope)))
        if not np.isfinite(step):  # beyond 1e159, where the first guess is the root
            break
        x -= step
        if abs(step) < tolerance:
            break
    return x


@njit(**COMPILED)
def logicle_inverse(values, curve, taylor, out):
    """Write the linear value of each display one."""
    for k in range(values.size):
        value = values[k]
        is_below = value < curve.x1
        x = 2 * curve.x1 - value if is_below else value
        if x < curve.series_until:
            y = _even_series(x - curve.x1, taylor)
        else:
            y = (curve.a * exp(curve.b * x) + curve.f) - curve.c / exp(curve.d * x)
        out[k] = -y if is_below else y


@njit(**COMPILED)
def _even_series(x, taylor):
    """Sum the series, its second term zero."""
    total = taylor[TERMS - 1] * x
    for order in range(TERMS - 2, 1, -1):
        total = (total + taylor[order]) * x
    return (total * x + taylor[0]) * x


@njit(**COMPILED)
def hyperlog(values, curve, taylor, out):
    """Write the display value of each linear one; what is not finite stays what it is."""
    for k in range(values.size):
        value = values[k]
        if not np.isfinite(value):
            out[k] = value
        elif value == 0:
            out[k] = curve.x1
        elif value < 0:
            out[k] = 2 * curve.x1 - _hyperlog_root(-value, curve, taylor)
        else:
            out[k] = _hyperlog_root(value, curve, taylor)


@njit(**COMPILED)
def _hyperlog_root(value, curve, taylor):
    """Solve for the display value by Halley's method."""
    a, b, c = curve.a, curve.b, curve.c
    if value < curve.line_until:
        x = curve.x1 + value * curve.w / curve.line_until
    else:
        x = log(value / a) / b
    for _ in range(STEPS):
        rise = a * exp(b * x)
        if x < curve.series_until:
            y = _full_series(x - curve.x1, taylor) - value
        else:
            y = (rise + c * x) - (curve.f + value)
        slope = b * rise + c
        curvature = b * (b * rise)
        step = y / (slope * (1 - y * curvature / (2 * slope * slope)))
        if not np.isfinite(step):
            break
        x -= step
        if abs(step) < 3 * EPSILON:
            break
    return x


@njit(**COMPILED)
def hyperlog_inverse(values, curve, taylor, out):
    """Write the linear value of each display one."""
    for k in range(values.size):
        value = values[k]
        is_below = value < curve.x1
        x = 2 * curve.x1 - value if is_below else value
        if x < curve.series_until:
            y = _full_series(x - curve.x1, taylor)
        else:
            y = (curve.a * exp(curve.b * x) + curve.c * x) - curve.f
        out[k] = -y if is_below else y


@njit(**COMPILED)
def _full_series(x, taylor):
    total = taylor[TERMS - 1] * x
    for order in range(TERMS - 2, -1, -1):
        total = (total + taylor[order]) * x
    return total
