"""Arrows: from the edge of a gate to the plot of its events."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from cytometry.plots.outlines import outline
from cytometry.plots.sheet import LEFT, Sheet, route_points
from cytometry.plots.style import MM_PER_INCH, extent
from cytometry.plots.views import Plan, Shown, View
from gating.scales import Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure
    from matplotlib.transforms import BboxBase

Point = tuple[float, float]

ARROW_COLOUR = "#4D4D4D"
HEIGHTS = (
    0.5,
    0.42,
    0.58,
    0.34,
    0.66,
    0.26,
    0.74,
    0.18,
    0.82,
    0.1,
    0.9,
)  # of a gate, where an arrow may leave
APART = 1.4  # mm between two arrows that leave one plot
CLEAR = 0.7  # mm between an arrow and a label


def draw_arrows(figure: Figure | SubFigure, sheet: Sheet, plan: Plan, *, frames: Sequence[Axes]) -> None:
    """Draw every arrow of the plan between frames that hold their gates and labels already."""
    used: dict[int, list[float]] = {}
    starts: dict[tuple[int, str], Point] = {}
    for link in plan.links:
        key = (link.source, link.path)
        if key not in starts:
            view = plan.views[link.source]
            shown = next(s for s in view.shown if s.path == link.path)
            taken = used.setdefault(link.source, [])
            start = _exit(frames[link.source], view, shown, taken=taken, apart=APART * sheet.scale)
            taken.append(start[1])
            right = sheet.frame(link.source)[0] + sheet.plot_width
            starts[key] = (max(start[0], right), start[1])
            _draw_stem(frames[link.source], figure, (start, starts[key]), scale=sheet.scale)
    ways: dict[tuple[int, str], list[tuple[int, list[Point]]]] = {}
    for link in sheet.grid.direct:
        start = starts[link.source, link.path]
        left = sheet.frame(link.target)[0] - (LEFT + 0.1) * sheet.scale
        ways.setdefault((link.source, link.path), []).append((link.target, [start, (left, start[1])]))
    for route in sheet.grid.routes:
        for target in route.targets:
            points = route_points(sheet, route, starts[route.source, route.path], target=target)
            ways.setdefault((route.source, route.path), []).append((target, points))
    for i, way in enumerate(ways.values()):
        _draw_ways(figure, way, zorder=6 + i, scale=sheet.scale)


def _exit(ax: Axes, view: View, shown: Shown, *, taken: Sequence[float], apart: float) -> Point:
    """Return where an arrow leaves its gate, in mm: off the labels on its way, and off other arrows."""
    limits = (ax.get_xlim(), ax.get_ylim())
    if not view.y:
        ring = np.array([[limits[0][1], limits[1][0]], [limits[0][1], limits[1][1]]])
    else:
        found = outline(shown.gate, (view.x, view.y), limits)
        left, right, bottom, top = found.box
        straight = np.array([[left, bottom], [left, top], [right, top], [right, bottom], [left, bottom]])
        curved = found.lines and len(found.lines) == 1 and len(shown.gate.dimensions) == 2
        ring = found.lines[0] if curved and len(found.lines[0]) > 3 else straight
    ring = np.column_stack([np.clip(ring[:, 0], *limits[0]), np.clip(ring[:, 1], *limits[1])])
    edge = _in_mm(ax, ring)
    low, high = edge[:, 1].min(), edge[:, 1].max()
    labels = [_box_in_mm(ax, text.get_window_extent()) for text in ax.texts]
    choices = []
    for height in HEIGHTS:
        y = low + height * (high - low)
        x = _rightmost(edge, y)
        covered = sum(x < right and up - CLEAR < y < down + CLEAR for _, right, up, down in labels)
        crowded = sum(abs(y - other) < apart for other in taken)
        choices.append((5 * crowded + covered + abs(height - 0.5), (x, y)))
    return min(choices)[1]


def _rightmost(edge: Floats, y: float) -> float:
    crossings = [float(edge[:, 0].max())] if np.ptp(edge[:, 1]) == 0 else []
    for (x1, y1), (x2, y2) in pairwise(edge):
        if min(y1, y2) <= y <= max(y1, y2) and y1 != y2:
            crossings.append(float(x1 + (x2 - x1) * (y - y1) / (y2 - y1)))
    return max(crossings, default=float(edge[:, 0].max()))


def _figure(ax: Axes) -> Figure | SubFigure:
    figure = ax.get_figure(root=False)
    if figure is None:
        msg = "these axes were removed from their figure"
        raise ValueError(msg)
    return figure


def _in_mm(ax: Axes, points: Floats) -> Floats:
    """Return data points in mm from the figure's upper left corner."""
    figure = _figure(ax)
    pixels = ax.transData.transform(points)
    pixels[:, 0] -= figure.bbox.x0
    pixels[:, 1] = figure.bbox.y1 - pixels[:, 1]
    return np.asarray(pixels / figure.dpi * MM_PER_INCH)


def _box_in_mm(ax: Axes, box: BboxBase) -> tuple[float, float, float, float]:
    figure = _figure(ax)
    unit = MM_PER_INCH / figure.dpi
    left, top = figure.bbox.x0, figure.bbox.y1
    return (box.x0 - left) * unit, (box.x1 - left) * unit, (top - box.y1) * unit, (top - box.y0) * unit


def _draw_stem(ax: Axes, figure: Figure | SubFigure, ends: tuple[Point, Point], *, scale: float) -> None:
    """Draw an arrow's way out of its plot: over gates and events, under the labels, whose numbers it must not hide."""
    corners = _in_figure(figure, ends)
    for colour, width, order in (("white", 2.2, 3.6), (ARROW_COLOUR, 0.7, 3.7)):
        ax.plot(
            *corners.T, color=colour, linewidth=width * scale, zorder=order, transform=figure.transSubfigure,
            solid_capstyle="butt", scalex=False, scaley=False,
        )  # fmt: skip


def _in_figure(figure: Figure | SubFigure, points: Sequence[Point]) -> Floats:
    """Return points in mm from the upper left corner as fractions of the figure from the lower left one."""
    corners = np.array(points) / np.array(extent(figure))
    corners[:, 1] = 1 - corners[:, 1]
    return np.asarray(corners)


def _draw_ways(
    figure: Figure | SubFigure, ways: Sequence[tuple[int, Sequence[Point]]], *, zorder: float, scale: float
) -> None:
    """Draw the arrows of one gate over a white edge, which breaks the arrows of others that they cross."""
    from matplotlib.patches import FancyArrowPatch, PathPatch
    from matplotlib.path import Path

    for target, points in ways:
        path = Path(_in_figure(figure, points))
        shared: dict[str, Any] = {"transform": figure.transSubfigure, "joinstyle": "miter"}
        figure.add_artist(
            PathPatch(path, fill=False, edgecolor="white", linewidth=2.2 * scale, zorder=zorder, **shared)
        )
        figure.add_artist(
            FancyArrowPatch(
                path=path, arrowstyle="-|>,head_length=2.2,head_width=1.1", mutation_scale=scale,
                color=ARROW_COLOUR, linewidth=0.7 * scale, shrinkA=0, shrinkB=0, zorder=zorder + 0.5,
                gid=f"arrow:{target}", **shared,
            )
        )  # fmt: skip
