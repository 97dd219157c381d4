"""Page: the plots of a strategy on one sheet, with titles, arrows and a footnote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cytometry.plots.arrows import draw_arrows
from cytometry.plots.axes import Limits, axis_label, elided
from cytometry.plots.biaxial import biaxial
from cytometry.plots.content import Content
from cytometry.plots.histogram import histogram
from cytometry.plots.marks import Kind
from cytometry.plots.sheet import LEFT, LETTER, Sheet, fit
from cytometry.plots.style import Size, axes_at, extent, new_figure
from cytometry.plots.views import View

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

    from cytometry.panel import Panel

FOOT_LINE, FOOT_LETTER = 2.2, 0.98  # mm at scale 1


@dataclass(frozen=True, slots=True, eq=False)
class Manner:
    """How events are drawn, the same on every plot; ``highlight`` are rows to pick out."""

    limits: Mapping[str, Limits]
    colours: str
    most: int
    rng: np.random.Generator
    kind: Kind = "auto"
    highlight: NDArray[np.intp] | None = None


def draw_page(
    content: Content,
    notes: Sequence[str],
    *,
    manner: Manner,
    panel: Panel | None,
    page: Size,
    figure: Figure | SubFigure | None,
) -> Figure | SubFigure:
    """Draw the plots of a strategy, titled, with arrows between them and the notes below; on ``figure`` if given.

    Raises
    ------
    ValueError
        If the given figure is too low for the plots.
    """
    if figure is not None:
        width, height = extent(figure)
        page = replace(page, width=width, height=height)
    lines = wrap_notes(notes, page)
    foot = foot_height(lines, page)
    sheet, titles = _sheet(content, page, foot=foot)
    if figure is None:
        figure = new_figure(page.width, sheet.height + foot)
    elif sheet.height + foot > page.height + 0.1:
        msg = f"the plots need {sheet.height + foot:.0f} mm of height, and the figure given has {page.height:.0f} mm"
        raise ValueError(msg)
    frames = []
    for i, view in enumerate(content.plan.views):
        left, top = sheet.frame(i)
        ax = axes_at(figure, left, top, width=sheet.plot_width, height=sheet.plot_height)
        labels = {name: axis_label(name, panel) for name in (view.x, view.y)}
        _draw_plot(ax, content, view, manner=manner, labels=labels, sheet=sheet, page=page)
        centre = left + sheet.plot_width / 2
        write_at(figure, titles[i], (centre, sheet.title_top(i)), size=page.medium, align="center")
        frames.append(ax)
    draw_arrows(figure, sheet, content.plan, frames=frames)
    write_notes(figure, lines, top=sheet.height, page=page)
    return figure


def wrap_notes(notes: Sequence[str], page: Size) -> list[str]:
    """Return the sentences of a footnote on lines that the page has room for, each sentence on a new one."""
    import textwrap

    letters = int(page.width / page.scale / FOOT_LETTER)
    return [line for note in notes for line in textwrap.wrap(note, letters, break_on_hyphens=False)]


def foot_height(lines: Sequence[str], page: Size) -> float:
    """Return how many mm a footnote takes."""
    return (len(lines) + 0.8) * FOOT_LINE * page.scale


def write_notes(figure: Figure | SubFigure, lines: Sequence[str], *, top: float, page: Size) -> None:
    """Write a footnote whose first line begins ``top`` mm from the upper edge."""
    for i, line in enumerate(lines):
        at = (page.scale, top + i * FOOT_LINE * page.scale)
        write_at(figure, line, at, size=page.small, align="left")


def write_at(
    figure: Figure | SubFigure, text: str, at: tuple[float, float], *, size: float, align: str
) -> None:
    """Write text whose top lies ``at`` mm from the figure's upper left corner."""
    width, height = extent(figure)
    x, y = at[0] / width, 1 - at[1] / height
    figure.text(x, y, text, ha=align, va="top", fontsize=size, linespacing=1.05)


def _sheet(content: Content, page: Size, *, foot: float) -> tuple[Sheet, list[str]]:
    """Return the sheet and the titles on it: how many lines they take depends on how wide its plots are."""
    lines = [1] * len(content.plan.views)
    while True:
        sheet = fit(lines, content.plan.links, page, foot=foot)
        titles = content.titles(sheet.title_letters())
        needed = [title.count("\n") + 1 for title in titles]
        if all(n <= room for n, room in zip(needed, lines, strict=True)):
            return replace(sheet, title_lines=tuple(needed)), titles
        lines = [max(pair) for pair in zip(needed, lines, strict=True)]


def _draw_plot(
    ax: Axes,
    content: Content,
    view: View,
    *,
    manner: Manner,
    labels: Mapping[str, str],
    sheet: Sheet,
    page: Size,
) -> None:
    k = page.scale
    room = {view.x: sheet.plot_width / k + 8.0, view.y: sheet.plot_height / k + 4.0}
    fitting = {name: elided(label, int(room[name] / LETTER)) for name, label in labels.items()}
    rows, gates = content.rows(view), content.gates(view)
    if view.y:
        biaxial(
            content.columns, view.x, view.y, rows=rows, gates=gates, labels=fitting, limits=manner.limits,
            kind=manner.kind, colours=manner.colours, highlight=manner.highlight, max_events=manner.most,
            rng=manner.rng, ax=ax, size=page.name,
        )  # fmt: skip
    else:
        histogram(
            content.columns, view.x, rows=rows, gates=gates, labels=fitting, limits=manner.limits,
            highlight=manner.highlight, ax=ax, size=page.name,
        )  # fmt: skip
    ax.yaxis.set_label_coords(-(LEFT - 2.3) * k / sheet.plot_width, 0.5)
