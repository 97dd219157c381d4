"""Hierarchy: the whole gating strategy of a tube in one figure, each gate with an arrow to what it leads to."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

import numpy as np

from cytometry.plots.axes import Limits, shared_limits
from cytometry.plots.biaxial import NO_LABELS
from cytometry.plots.content import Content, content_of
from cytometry.plots.marks import COLOURS, Kind
from cytometry.plots.page import Manner, draw_page
from cytometry.plots.style import style
from cytometry.plots.views import short_name
from gating.columns import Columns
from gating.membership import Membership
from gating.strategy import GatingStrategy

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure, SubFigure

    from cytometry.panel import Panel

MAX_EVENTS = 10_000


def gating_hierarchy(
    strategy: GatingStrategy,
    columns: Columns,
    membership: Membership | pd.DataFrame,
    *,
    panel: Panel | None = None,
    leaves: Collection[str] | None = None,
    marked: Collection[str] = (),
    absent: Mapping[str, str] = NO_LABELS,
    limits: Mapping[str, Limits] | None = None,
    kind: Kind = "auto",
    colours: str = COLOURS,
    max_events: int = MAX_EVENTS,
    rng: np.random.Generator | None = None,
    figure: Figure | SubFigure | None = None,
    size: str = "nature2",
) -> Figure | SubFigure:
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
    marked
        Paths of populations whose gates are this tube's own, unlike the other tubes': dashed, with an asterisk.
    absent
        Paths of populations that have no gate in this tube, each with its reason: said in the footnote.
    limits
        Display limits by dimension, where several tubes are to be compared; see :func:`shared_limits`.
    kind, colours
        As for :func:`biaxial`.
    max_events, rng
        At most so many events a plot, chosen by ``rng`` (seed 0 if not given).
    figure
        A figure or a part of one to draw on, its whole width; by default a new one of the page's size.
    size
        ``nature2`` (183 mm), ``nature1`` (89 mm) or ``slide``. At most the page's height, unless the plots
        would be too small to read.

    Raises
    ------
    StrategyError
        If a leaf or a population of the strategy is not in the membership.
    ValueError
        If ``figure`` is too low.

    Notes
    -----
    A strategy without populations gives one plot of all events; a tube without events gives empty frames.
    """
    content = content_of(strategy, columns, membership, leaves=leaves, marked=marked, absent=absent)
    manner = manner_of(content, limits=limits, kind=kind, colours=colours, most=max_events, rng=rng)
    with style(size) as page:
        notes = content.notes(max_events)
        return draw_page(content, notes, manner=manner, panel=panel, page=page, figure=figure)


def backgating(
    strategy: GatingStrategy,
    columns: Columns,
    membership: Membership | pd.DataFrame,
    population: str,
    *,
    panel: Panel | None = None,
    limits: Mapping[str, Limits] | None = None,
    max_events: int = MAX_EVENTS,
    rng: np.random.Generator | None = None,
    figure: Figure | SubFigure | None = None,
    size: str = "nature2",
) -> Figure | SubFigure:
    """Draw the events of one population over every plot on the way to it.

    Vermilion are the population's events, light grey the others of the plot's parent. A population that sits at
    an ancestor's border, or far from the middle of its cloud, has a gate to look at again.

    Parameters
    ----------
    population
        A name, path or end of a path.
    strategy, columns, membership, panel, limits, max_events, rng, figure, size
        As for :func:`gating_hierarchy`; of the population too, at most ``max_events`` events are drawn.

    Raises
    ------
    StrategyError
        If the strategy has no such population, or several.
    """
    path = strategy.find(population)
    content = content_of(strategy, columns, membership, leaves=[path])
    rows = content.membership.rows(path)
    manner = manner_of(content, limits=limits, most=max_events, rng=rng, highlight=rows)
    name = short_name(path, strategy.paths)
    drawn = (
        f"all {len(rows):,}"
        if len(rows) <= max_events
        else f"{max_events:,} of {len(rows):,}, chosen at random"
    )
    notes = [
        f"Vermilion, larger: events of {name} ({drawn}). Grey: at most {max_events:,} events of the population in "
        f"the title. Numbers at gates: % of the parent population, counted from all its events."
    ]
    with style(size) as page:
        return draw_page(content, notes, manner=manner, panel=panel, page=page, figure=figure)


def manner_of(
    content: Content,
    *,
    limits: Mapping[str, Limits] | None,
    most: int,
    rng: np.random.Generator | None,
    kind: Kind = "auto",
    colours: str = COLOURS,
    highlight: np.ndarray[tuple[int], np.dtype[np.intp]] | None = None,
) -> Manner:
    """Return how to draw a tube's plots, on limits that hold all of its gates."""
    names = list(dict.fromkeys(name for view in content.plan.views for name in (view.x, view.y) if name))
    found = {**shared_limits([content.columns], names, gates=content.all_gates()), **(limits or {})}
    rng = np.random.default_rng(0) if rng is None else rng
    return Manner(found, colours, most, rng, kind, highlight)
