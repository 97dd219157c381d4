"""Grid: one population's gate in every tube, small and side by side, on axes that are the same for all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from cytometry.plots.axes import Limits, dress, elided
from cytometry.plots.biaxial import draw_gates
from cytometry.plots.content import Content
from cytometry.plots.marks import Kind, draw_events, subsample
from cytometry.plots.outlines import DrawnGate
from cytometry.plots.page import foot_height, wrap_notes, write_at, write_notes
from cytometry.plots.sheet import LETTER
from cytometry.plots.style import Size, axes_at, extent, new_figure, style
from cytometry.plots.views import View
from gating.scales import Floats, Scale

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_EVENTS = 3_000
ENOUGH = 500  # events of the median tube: from there all are coloured by density
# mm at scale 1
LEFT, BELOW, EDGE, GAP = 9.5, 6.5, 1.2, 2.2
HEAD, TITLE, LINE = 7.2, 3.4, 2.05
LARGEST, SMALLEST = 34.0, 20.0


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis that all tubes share: the dimension, its scale, its limits on that scale, and its label."""

    name: str
    scale: Scale
    limits: Limits
    label: str


@dataclass(frozen=True, slots=True, eq=False)
class Tile:
    """One tube of a grid.

    Parameters
    ----------
    label
        The tube.
    points
        Those of the parent's events that are drawn, on the display scales, shape ``(n, 2)``.
    n_events
        How many the parent has.
    gates
        With their fractions of all of these; none where the tube has no gate.
    note
        What is said of it beside its number of events.
    """

    label: str
    points: Floats
    n_events: int
    gates: tuple[DrawnGate, ...] = ()
    note: str = ""


def gate_tile(
    label: str,
    content: Content,
    view: View,
    *,
    note: str = "",
    most: int = MAX_EVENTS,
    rng: np.random.Generator | None = None,
) -> Tile:
    """Return a tube's tile of a grid: the gates of one view, on the events it shows, at most ``most`` of them."""
    rows = content.rows(view)
    drawn = subsample(rows, most, np.random.default_rng(0) if rng is None else rng)
    points = np.column_stack([content.columns.values(name, drawn) for name in (view.x, view.y)])
    gates = tuple(content.gates(view))
    return Tile(label, points[np.isfinite(points).all(axis=1)], len(rows), gates, note)


def gate_grid(
    tiles: Sequence[Tile],
    x: Axis,
    y: Axis,
    *,
    title: str = "",
    notes: Sequence[str] = (),
    kind: Kind = "auto",
    size: str = "nature2",
) -> tuple[Figure, ...]:
    """Draw one gate in all tubes, in the order given; as many pages as that takes.

    Parameters
    ----------
    tiles
        At least one; see :func:`gate_tile`.
    x, y
        The same for all tubes.
    title, notes
        Above and below the plots, on each page; the title then says which page of how many it is.
    kind
        As for :func:`biaxial`, the same for all: ``auto`` is pseudocolour where the median tube has 500 events.

    Raises
    ------
    ValueError
        If there are no tiles.
    """
    if not tiles:
        msg = "a grid needs at least one tube"
        raise ValueError(msg)
    with style(size) as page:
        lines = wrap_notes(notes, page)
        if kind == "auto":
            enough = np.median([len(tile.points) for tile in tiles]) >= ENOUGH
            kind = "pseudocolour" if enough else "dots"
        across, side, down = _shape(len(tiles), page, foot=foot_height(lines, page))
        pages = [tiles[at : at + across * down] for at in range(0, len(tiles), across * down)]
        figures = []
        for number, some in enumerate(pages, start=1):
            of = f" ({number} of {len(pages)})" if len(pages) > 1 else ""
            rows = -(-len(some) // across)
            height = _height(rows, side) * page.scale
            figure = new_figure(page.width, height + foot_height(lines, page))
            write_at(figure, title + of, (page.scale, 0.8 * page.scale), size=page.medium, align="left")
            for i, tile in enumerate(some):
                ax = _axes(figure, i, across=across, side=side, page=page)
                _draw(ax, tile, x, y, kind=kind, page=page)
                _only_outer_labels(ax, i, across=across, below=i + across < len(some))
                _write_title(figure, tile, i, across=across, side=side, page=page)
            _write_labels(
                figure, (x.label, y.label), across=min(across, len(some)), rows=rows, side=side, page=page
            )
            write_notes(figure, lines, top=height, page=page)
            figures.append(figure)
    return tuple(figures)


def _shape(n: int, page: Size, *, foot: float) -> tuple[int, float, int]:
    """Return how many plots stand side by side, their side in mm at scale 1, and how many rows a page has."""
    width, height = page.width / page.scale, (page.height - foot) / page.scale
    most = max(1, int((width - LEFT - EDGE + GAP) / (SMALLEST + GAP)))
    shapes = []
    for across in range(1, min(most, n) + 1):
        side = min(LARGEST, (width - LEFT - EDGE + GAP) / across - GAP)
        shapes.append((across, side, max(1, int((height - _height(0, side)) / (side + HEAD)))))
    on_one_page = [shape for shape in shapes if shape[0] * shape[2] >= n]
    # The largest plots that one page holds, in as few rows as these take; else as many as a page can hold.
    return max(on_one_page or shapes[-1:], key=lambda shape: (shape[1], shape[0]))


def _height(rows: int, side: float) -> float:
    return TITLE + rows * (side + HEAD) + BELOW


def _axes(figure: Figure, i: int, *, across: int, side: float, page: Size) -> Axes:
    k = page.scale
    left, top = _corner(i, across, side)
    return axes_at(figure, left * k, top * k, width=side * k, height=side * k)


def _corner(i: int, across: int, side: float) -> tuple[float, float]:
    row, column = divmod(i, across)
    return LEFT + column * (side + GAP), TITLE + row * (side + HEAD) + HEAD


def _draw(ax: Axes, tile: Tile, x: Axis, y: Axis, *, kind: Kind, page: Size) -> None:
    dress(ax, "x", scale=x.scale, limits=x.limits, label="", page=page)
    dress(ax, "y", scale=y.scale, limits=y.limits, label="", page=page)
    (left, right), (bottom, top) = frame = (x.limits, y.limits)
    points = np.clip(tile.points, (left, bottom), (right, top))
    draw_events(ax, points, frame, kind=kind, scale=page.scale)
    # The page's title names the population: at the gate stands the percentage alone.
    gates = [replace(gate, name="") for gate in tile.gates]
    draw_gates(ax, gates, axes=(x.name, y.name), events=points, scale=page.scale)


def _only_outer_labels(ax: Axes, i: int, *, across: int, below: bool) -> None:
    """Keep the numbers of the ticks on the left and on the lowest plots: all axes are the same."""
    ax.tick_params(labelleft=i % across == 0, labelbottom=not below)


def _write_title(figure: Figure, tile: Tile, i: int, *, across: int, side: float, page: Size) -> None:
    k = page.scale
    left, top = _corner(i, across, side)
    letters = int((side + GAP - 0.6) / LETTER * page.medium / page.small)
    said = [tile.label, f"n = {tile.n_events:,}", *([tile.note] if tile.note else [])]
    text = "\n".join(elided(line, letters) for line in said)
    above = LINE * len(said) + 0.9
    write_at(figure, text, ((left + side / 2) * k, (top - above) * k), size=page.small, align="center")


def _write_labels(
    figure: Figure, labels: tuple[str, str], *, across: int, rows: int, side: float, page: Size
) -> None:
    k = page.scale
    width, height = extent(figure)
    middle = LEFT + (across * (side + GAP) - GAP) / 2
    bottom = TITLE + rows * (side + HEAD)
    write_at(figure, labels[0], (middle * k, (bottom + 3.4) * k), size=page.medium, align="center")
    at = (0.9 * k / width, 1 - (TITLE + HEAD / 2 + (bottom - TITLE) / 2) * k / height)
    figure.text(*at, labels[1], rotation=90, ha="left", va="center", fontsize=page.medium)
