"""Axes: ticks of a display scale labelled with linear intensities, limits that tubes share, labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from cytometry.plots.style import FAMILY, Size, print_ticks
from gating.columns import Columns
from gating.gates import Ellipsoid, Gate, Interval, Polygon, Rectangle
from gating.scales import Linear, Scale

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cytometry.panel import Panel

Limits: TypeAlias = tuple[float, float]
ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"
Along: TypeAlias = Literal["x", "y"]

SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
MINUS = "\N{MINUS SIGN}"
MINUS_WIDTH = 1.25  # how much wider the minus makes a label
NICE_STEPS = (1.0, 2.0, 5.0)
LOOKED_AT = 20_000  # events of a tube that its limits are taken from
BEYOND = 0.25  # of the events' range: how far a gate may widen the limits
TAIL = 0.001  # fraction of them left outside at either end, and drawn on the frame


@dataclass(frozen=True, slots=True)
class Ticks:
    """Where the ticks of an axis lie, on the display scale, and what they say, on the linear scale."""

    major: tuple[float, ...]
    labels: tuple[str, ...]
    minor: tuple[float, ...]


def ticks(scale: Scale, limits: Limits, *, room: int = 6) -> Ticks:
    """Return the ticks of an axis that shows ``limits`` (display scale) and has room for so many labels.

    A linear axis counts in K; any other has decades, with 2 to 9 between them, on both sides of a zero.
    No decade is labelled that would touch the zero or the next, so none in the near-linear region.
    """
    if isinstance(scale, Linear):
        return _linear_ticks(scale, limits, room)
    return _decade_ticks(scale, limits, room)


def _linear_ticks(scale: Linear, limits: Limits, room: int) -> Ticks:
    low, high = sorted(float(v) for v in scale.inverse(np.array(limits)))
    step = _nice_step((high - low) / max(room - 1, 1))
    values = np.arange(np.ceil(low / step), np.floor(high / step) + 1) * step
    between = np.arange(np.ceil(2 * low / step), np.floor(2 * high / step) + 1) * step / 2
    largest = float(np.abs(values).max(initial=0.0))
    return Ticks(
        tuple(scale.forward(values).tolist()),
        tuple(_plain(value, largest) for value in values),
        tuple(scale.forward(np.setdiff1d(between, values)).tolist()),
    )


def _nice_step(least: float) -> float:
    power = 10.0 ** np.floor(np.log10(least))
    return float(power * next(nice for nice in (*NICE_STEPS, 10.0) if nice * power >= least * (1 - 1e-9)))


def _plain(value: float, largest: float) -> str:
    divisor, unit = next((d, u) for d, u in ((1e6, "M"), (1e3, "K"), (1.0, "")) if largest >= d or d == 1.0)
    return "0" if value == 0 else f"{value / divisor:g}{unit}".replace("-", MINUS)


def _decade_ticks(scale: Scale, limits: Limits, room: int) -> Ticks:
    low, high = (float(v) for v in scale.inverse(np.array(limits)))
    top = int(np.floor(np.log10(max(abs(low), abs(high), 1.0))))
    gap = (limits[1] - limits[0]) / (room + 3)  # a decade is written shorter than 250K
    has_zero = low <= 0 <= high and np.isfinite(scale.forward(0.0))
    major, labels = ([float(scale.forward(0.0))], ["0"]) if has_zero else ([], [])
    minor: list[float] = []
    for sign in (1.0, -1.0):
        free_below = np.inf  # where the last label, further out, was put
        for power in range(top, top - 12, -1):
            at, inner = (float(scale.forward(sign * 10.0**p)) for p in (power, power - 1))
            if not np.isfinite(at) or (has_zero and abs(at - major[0]) < gap / 4):
                break
            if not np.isclose(scale.inverse(at), sign * 10.0**power):
                continue  # the scale stands still there: what lies beyond its end is drawn on the end
            values = sign * np.arange(2, 10) * 10.0**power
            steps = scale.forward(values)
            minor += steps[np.isclose(scale.inverse(steps), values)].tolist()
            crowded = has_zero and abs(at - major[0]) < gap * (1.0 if sign > 0 else MINUS_WIDTH)
            if limits[0] <= at <= limits[1] and not crowded and abs(free_below - at) >= gap:
                major.append(at)
                labels.append(f"{MINUS if sign < 0 else ''}10{str(power).translate(SUPERSCRIPT)}")
                free_below = at
            else:
                minor.append(at)
            if not np.isfinite(inner):
                break
    order = np.argsort(major)
    inside = sorted(m for m in set(minor) if limits[0] <= m <= limits[1])
    return Ticks(tuple(major[i] for i in order), tuple(labels[i] for i in order), tuple(inside))


def shared_limits(
    tubes: Iterable[Columns], names: Sequence[str], *, gates: Iterable[Gate] = ()
) -> dict[str, Limits]:
    """Return display limits of each dimension that hold for all of the tubes, so that plots compare.

    They hold all but 1 in 1,000 events at either end, the top of the scale, and the ends of ``gates``, unless
    those lie far beyond the events. Without an event they come from the scale alone.
    """
    several = list(tubes)
    cuts = list(gates)
    return {name: _limits(several, name, _cut_values(cuts, name)) for name in names}


def _limits(tubes: Sequence[Columns], name: str, cuts: Sequence[float]) -> Limits:
    ends = []
    for columns in tubes:
        stride = max(1, columns.n_events // LOOKED_AT)
        values = columns.values(name, np.arange(0, columns.n_events, stride, dtype=np.intp))
        values = values[np.isfinite(values)]
        if values.size:
            ends += np.quantile(values, [TAIL, 1 - TAIL]).tolist()
    scale = tubes[0].dimensions[name].scale if tubes else Linear()
    if ends:
        far = BEYOND * (max(ends) - min(ends))
        cuts = np.clip(cuts, min(ends) - far, max(ends) + far).tolist() if far else list(cuts)
    if isinstance(scale, Linear):
        known = [0.0, *ends, *cuts] if ends or cuts else [0.0, 1.0]
        low, high = min(known), max(known)
    else:
        zero, top = (float(scale.forward(v)) for v in (0.0, getattr(scale, "t", 1.0)))
        floor = zero - 0.1 * (top - zero) if np.isfinite(zero) else min([0.0, *ends])
        low, high = min([floor, *ends, *cuts]), max([top, *ends, *cuts])
    pad = 0.02 * (high - low) or 0.5
    return low - pad * (low < 0 or not isinstance(scale, Linear)), high + pad


def _cut_values(gates: Sequence[Gate], name: str) -> list[float]:
    found: list[float] = []
    for gate in gates:
        if name not in gate.dimensions:
            continue
        at = gate.dimensions.index(name)
        match gate:
            case Interval():
                found += [gate.low, gate.high]
            case Rectangle():
                found += [gate.lows[at], gate.highs[at]]
            case Polygon():
                found += [gate.vertices[:, at].min(), gate.vertices[:, at].max()]
            case Ellipsoid():
                half = float(np.sqrt(gate.covariance[at, at] * gate.distance_squared))
                found += [gate.mean[at] - half, gate.mean[at] + half]
    return [float(value) for value in found if np.isfinite(value)]


def axis_label(name: str, panel: Panel | None) -> str:
    """Return ``PD-1 (BV421)`` for a marker of the panel, the name itself for scatter and time."""
    return panel.label(name) if panel is not None and name in panel.markers else name


def dress(ax: Axes, along: Along, *, scale: Scale, limits: Limits, label: str, page: Size) -> None:
    """Give the axis ``along`` ("x" or "y") its limits, ticks and label, in the page's type."""
    from matplotlib.ticker import FixedFormatter, FixedLocator

    set_limits, set_label, axis = (
        (ax.set_xlim, ax.set_xlabel, ax.xaxis) if along == "x" else (ax.set_ylim, ax.set_ylabel, ax.yaxis)
    )
    print_ticks(ax, page)  # before there are ticks: it changes every one there is
    found = ticks(scale, limits, room=_room(ax, along, page))
    set_limits(*limits)
    axis.set_major_locator(FixedLocator(found.major))
    axis.set_major_formatter(FixedFormatter(found.labels))
    axis.set_minor_locator(FixedLocator(found.minor))
    set_label(label, fontsize=page.medium, fontfamily=list(FAMILY))


def _room(ax: Axes, along: Along, page: Size) -> int:
    """Return how many tick labels fit: one takes about four letters across, two lines down."""
    box = ax.get_window_extent()
    points = (box.width if along == "x" else box.height) * 72.0 / ax.figure.dpi
    return int(np.clip(points / (page.small * (2.6 if along == "x" else 2.0)), 2, 7))


def label_of(labels: Mapping[str, str], name: str) -> str:
    """Return the label given for a dimension, or its name."""
    return labels.get(name, name)


def elided(text: str, letters: int) -> str:
    """Return the text, its middle left out where it has more letters than that: name and dye stay readable."""
    if len(text) <= letters:
        return text
    kept = max(letters - 1, 2)
    return text[: kept - kept // 2] + ELLIPSIS + text[len(text) - kept // 2 :]
