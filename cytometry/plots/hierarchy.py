"""Hierarchy: the whole gating strategy of a tube in one figure, each gate with an arrow to what it leads to."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from cytometry.plots.arrows import draw_arrows
from cytometry.plots.axes import Limits, axis_label, elided, shared_limits
from cytometry.plots.biaxial import biaxial
from cytometry.plots.content import Content
from cytometry.plots.histogram import histogram
from cytometry.plots.marks import COLOURS
from cytometry.plots.sheet import LEFT, LETTER, Sheet, fit
from cytometry.plots.style import MM_PER_INCH, Size, axes_at, new_figure, style
from cytometry.plots.views import View, plan
from gating.columns import Columns
from gating.membership import Membership, encode
from gating.strategy import GatingStrategy

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from cytometry.panel import Panel

MAX_EVENTS = 10_000
FOOT_LINE, FOOT_LETTER = 2.2, 0.98  # mm at scale 1


@dataclass(frozen=True, slots=True, eq=False)
class _Events:
    """How events are drawn, the same on every plot."""

    limits: Mapping[str, Limits]
    colours: str
    most: int
    rng: np.random.Generator


def gating_hierarchy(
    strategy: GatingStrategy,
    columns: Columns,
    membership: Membership | pd.DataFrame,
    *,
    panel: Panel | None = None,
    leaves: Collection[str] | None = None,
    limits: Mapping[str, Limits] | None = None,
    colours: str = COLOURS,
    max_events: int = MAX_EVENTS,
    rng: np.random.Generator | None = None,
    size: str = "nature2",
) -> Figure:
    """Draw every gate of a tube on the plot where it was set, with its percentage of its parent.

    Each plot is titled with the population it shows and its number of events; arrows lead from a gate to the
    plots of its events. Percentages are of all events of the parent; at most ``max_events`` of them are drawn,
    which the footnote says. Boolean populations that no plot can show stand there too. A gate in three
    dimensions or more is shown two at a time, each step on the events that passed the last.

    Parameters
    ----------
    strategy, columns, membership
        Of the same tube. The membership may be the bool DataFrame that a run gives.
    panel
        Adds the fluorochromes to the axis labels.
    leaves
        Populations to lead to, by name, path or end of a path; all by default.
    limits
        Display limits by dimension, where several tubes are to be compared; see :func:`shared_limits`.
    colours
        A colour map of matplotlib.
    max_events, rng
        At most so many events a plot, chosen by ``rng`` (seed 0 if not given).
    size
        ``nature2`` (183 mm), ``nature1`` (89 mm) or ``slide``. At most the page's height, unless the plots
        would be too small to read.

    Raises
    ------
    StrategyError
        If a leaf or a population of the strategy is not in the membership.

    Notes
    -----
    A strategy without populations gives one plot of all events; a tube without events gives empty frames.
    """
    seen = columns.with_dimensions(strategy.dimensions) if strategy.dimensions else columns
    found = membership if isinstance(membership, Membership) else _encoded(membership)
    planned = plan(strategy, leaves=leaves, dimensions=tuple(seen.dimensions))
    content = Content(strategy, seen, found, planned)
    names = list(dict.fromkeys(name for view in planned.views for name in (view.x, view.y) if name))
    events = _Events(
        {**shared_limits([seen], names, gates=content.all_gates()), **(limits or {})},
        colours,
        max_events,
        np.random.default_rng(0) if rng is None else rng,
    )
    with style(size) as page:
        notes = content.notes(max_events, int(page.width / page.scale / FOOT_LETTER))
        foot = (len(notes) + 0.8) * FOOT_LINE * page.scale
        sheet, titles = _sheet(content, page, foot=foot)
        figure = new_figure(page.width, sheet.height + foot)
        frames = []
        for i, view in enumerate(planned.views):
            left, top = sheet.frame(i)
            ax = axes_at(figure, left, top, width=sheet.plot_width, height=sheet.plot_height)
            labels = {name: axis_label(name, panel) for name in (view.x, view.y)}
            _draw_plot(ax, content, view, events=events, labels=labels, sheet=sheet, page=page)
            centre = left + sheet.plot_width / 2
            _text(figure, titles[i], (centre, sheet.title_top(i)), size=page.medium, align="center")
            frames.append(ax)
        draw_arrows(figure, sheet, planned, frames=frames)
        _text(figure, "\n".join(notes), (page.scale, sheet.height), size=page.small, align="left")
    return figure


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
    events: _Events,
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
            content.columns, view.x, view.y, rows=rows, gates=gates, labels=fitting, limits=events.limits,
            colours=events.colours, max_events=events.most, rng=events.rng, ax=ax, size=page.name,
        )  # fmt: skip
    else:
        histogram(
            content.columns, view.x, rows=rows, gates=gates, labels=fitting, limits=events.limits, ax=ax,
            size=page.name,
        )  # fmt: skip
    ax.yaxis.set_label_coords(-(LEFT - 2.3) * k / sheet.plot_width, 0.5)


def _encoded(frame: pd.DataFrame) -> Membership:
    return encode({str(path): frame[path].to_numpy(dtype=np.bool_) for path in frame}, len(frame))


def _text(figure: Figure, text: str, at: tuple[float, float], *, size: float, align: str) -> None:
    """Write text whose top lies ``at`` mm from the figure's upper left corner."""
    width, height = (float(inches) * MM_PER_INCH for inches in figure.get_size_inches())
    x, y = at[0] / width, 1 - at[1] / height
    figure.text(x, y, text, ha=align, va="top", fontsize=size, linespacing=1.05)
