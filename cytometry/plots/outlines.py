"""Outlines: the line that a gate draws on two axes, and the room it leaves for its label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cytometry.plots.axes import Limits
from cytometry.plots.style import TREATED_COLOUR
from gating.errors import GeometryError
from gating.gates import Boolean, Ellipsoid, Gate, Interval, Polygon, Rectangle
from gating.scales import Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.patches import PathPatch

GATE_COLOUR = "black"
MARKED_COLOUR = TREATED_COLOUR
MARK = "\N{NO-BREAK SPACE}*"
ELLIPSE_POINTS = 120


@dataclass(frozen=True, slots=True)
class DrawnGate:
    """A gate as a plot shows it.

    Parameters
    ----------
    name
        Of the population.
    gate
        In one or both of the plot's dimensions.
    fraction
        Of the parent's events, all of them, as the membership counts it; NaN where the parent is empty.
    base
        Named after the percentage where it is not the population that the plot shows.
    key
        Tells this outline from all others of a figure: the population's path.
    marked
        Whether the gate is this tube's own, unlike those of the other tubes: a vermilion dashed line, and an
        asterisk after the name.
    control, control_name
        The fraction of a control's events in the gate, and what it is called; written with the difference.
    """

    name: str
    gate: Gate
    fraction: float
    base: str = ""
    key: str = ""
    marked: bool = False
    control: float | None = None
    control_name: str = "FMO"

    @property
    def text(self) -> str:
        """Return what is written at the gate: the name, and the percentage under it; then the control's."""
        of_base = f" of {self.base}" if self.base else ""
        star = MARK if self.marked else ""
        share = percent(self.fraction) + of_base
        said = f"{self.name}{star}\n{share}" if self.name else f"{share}{star}"
        if self.control is None:
            return said
        return f"{said}\n{self.control_name} {percent(self.control)}\n{points(self.fraction - self.control)}"


def percent(fraction: float) -> str:
    """Return a fraction as a percentage with three figures: 45.2 %, 4.52 %, 0.45 %; an en dash for NaN."""
    if not np.isfinite(fraction):
        return "\N{EN DASH} %"
    value = 100.0 * fraction
    if value == 0 or value >= 99.95:
        return f"{value:.0f} %"
    if value < 0.01:
        return "<0.01 %"
    return f"{value:.1f} %" if value >= 9.995 else f"{value:.2f} %"


def points(difference: float) -> str:
    """Return a difference of two fractions in percentage points, with its sign; an en dash for NaN."""
    if not np.isfinite(difference):
        return "\N{EN DASH} points"
    value = 100.0 * difference
    sign = "\N{MINUS SIGN}" if value < 0 else "+"
    return f"{sign}{abs(value):.{1 if abs(value) >= 9.995 else 2}f} points"


@dataclass(frozen=True, slots=True, eq=False)
class Outline:
    """Lines on a plot, each of shape ``(k, 2)``, and the box (left, right, bottom, top) that they bound."""

    lines: tuple[Floats, ...]
    box: tuple[float, float, float, float]


def outline(gate: Gate, axes: tuple[str, str], limits: tuple[Limits, Limits]) -> Outline:
    """Return the gate's outline on two dimensions, on their display scales.

    An open end of an interval or rectangle is not drawn: the gate reaches the frame.

    Raises
    ------
    GeometryError
        If the gate reads a dimension that the plot does not show.
    """
    foreign = sorted(set(gate.dimensions) - set(axes))
    if foreign or isinstance(gate, Boolean):
        shown = " x ".join(axes)
        msg = f"a gate on {', '.join(foreign) or 'other populations'} cannot be drawn on {shown}"
        raise GeometryError(msg)
    if isinstance(gate, Interval | Rectangle):
        return _straight(gate, axes, limits)
    curve = gate.vertices if isinstance(gate, Polygon) else _ellipse(gate)
    if gate.dimensions[0] != axes[0]:
        curve = curve[:, ::-1]
    closed = np.vstack([curve, curve[:1]])
    (left, bottom), (right, top) = closed.min(axis=0), closed.max(axis=0)
    return Outline((closed,), _inside((left, right, bottom, top), limits))


def _straight(gate: Interval | Rectangle, axes: tuple[str, str], limits: tuple[Limits, Limits]) -> Outline:
    lows = (gate.low,) if isinstance(gate, Interval) else gate.lows
    highs = (gate.high,) if isinstance(gate, Interval) else gate.highs
    ends = dict(zip(gate.dimensions, zip(lows, highs, strict=True), strict=True))
    (x0, x1), (y0, y1) = (ends.get(name, (-np.inf, np.inf)) for name in axes)
    box = _inside((x0, x1, y0, y1), limits)
    left, right, bottom, top = box
    corners = np.array([[left, bottom], [left, top], [right, top], [right, bottom], [left, bottom]])
    drawn = [
        _seen(x0, limits[0]), _seen(y1, limits[1]), _seen(x1, limits[0]), _seen(y0, limits[1]),
    ]  # fmt: skip
    lines: list[Floats] = []
    for side, seen in enumerate(drawn):
        if seen and side and drawn[side - 1]:
            lines[-1] = np.vstack([lines[-1], corners[side + 1]])
        elif seen:
            lines.append(corners[side : side + 2])
    if drawn[0] and drawn[3] and len(lines) > 1:
        lines[0] = np.vstack([lines.pop()[:-1], lines[0]])
    return Outline(tuple(lines), box)


def _seen(end: float, limits: Limits) -> bool:
    return bool(limits[0] < end < limits[1])


def _inside(
    box: tuple[float, float, float, float], limits: tuple[Limits, Limits]
) -> tuple[float, float, float, float]:
    (left, right), (bottom, top) = np.clip(box[:2], *limits[0]), np.clip(box[2:], *limits[1])
    return float(left), float(right), float(bottom), float(top)


def _ellipse(gate: Ellipsoid) -> Floats:
    angle = np.linspace(0.0, 2 * np.pi, ELLIPSE_POINTS, endpoint=False)
    circle = np.column_stack([np.cos(angle), np.sin(angle)])
    half = np.linalg.cholesky(gate.covariance * gate.distance_squared)
    return np.asarray(gate.mean + circle @ half.T)


def draw_outline(
    ax: Axes, lines: Sequence[Floats], *, key: str, scale: float, marked: bool = False
) -> PathPatch:
    """Draw a gate's lines, black with a white edge so that they show over any dot; ``key`` is their gid.

    A marked gate is vermilion and dashed.
    """
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    codes = [code for line in lines for code in [Path.MOVETO] + [Path.LINETO] * (len(line) - 1)]
    path = Path(np.vstack(lines), codes) if lines else Path(np.empty((0, 2)))
    # All white edges lie under all black lines, or one gate would cut its neighbour's.
    colour, line = (MARKED_COLOUR, (0, (4, 1.5))) if marked else (GATE_COLOUR, "solid")
    width = 0.9 if marked else 0.7
    layers = (("white", "solid", 1.7, 2.9, None), (colour, line, width, 3.0, f"gate:{key}"))
    for edge, dashes, thickness, zorder, gid in layers:
        patch = PathPatch(
            path,
            fill=False,
            edgecolor=edge,
            linestyle=dashes,
            linewidth=thickness * scale,
            joinstyle="miter",
            capstyle="butt" if dashes != "solid" else "projecting",
            zorder=zorder,
            gid=gid,
        )
        ax.add_patch(patch)
    return patch
