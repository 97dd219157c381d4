"""One gate: the plot on which a population was gated, alone or over the control that its boundary came from."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from cytometry.plots.axes import Limits, axis_label, shared_limits
from cytometry.plots.biaxial import MAX_EVENTS, Control, biaxial
from cytometry.plots.content import Content, content_of
from cytometry.plots.histogram import histogram
from cytometry.plots.marks import COLOURS, Kind
from cytometry.plots.views import View, short_name
from gating.columns import Columns
from gating.errors import GeometryError
from gating.gates import Boolean
from gating.membership import Membership
from gating.strategy import GatingStrategy

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from cytometry.panel import Panel


def gate_plot(
    strategy: GatingStrategy,
    columns: Columns,
    membership: Membership | pd.DataFrame,
    population: str,
    *,
    control: tuple[Columns, Membership] | None = None,
    control_name: str = "FMO",
    panel: Panel | None = None,
    marked: Collection[str] = (),
    limits: Mapping[str, Limits] | None = None,
    kind: Kind = "auto",
    colours: str = COLOURS,
    max_events: int = MAX_EVENTS,
    rng: np.random.Generator | None = None,
    ax: Axes | None = None,
    size: str = "nature1",
) -> Axes:
    """Draw the plot of a tube on which a population was gated, as it stands in the hierarchy.

    Parameters
    ----------
    population
        A name, path or end of a path.
    control, control_name
        A control tube's events and populations, of the same channels. Its events of the population's parent
        are laid over the tube's as contours; the gate, then drawn alone, also says which fraction of them it
        holds, and the difference in percentage points.
    strategy, columns, membership, panel, marked, limits, kind, colours, max_events, rng
        As for :func:`gating_hierarchy`.

    Raises
    ------
    StrategyError
        If the strategy has no such population, or several.
    GeometryError
        If its gate is no shape: a boolean of others.
    """
    path = strategy.find(population)
    content = content_of(strategy, columns, membership, marked=marked)
    view = view_of(content, path)
    beside, gates = None, content.gates(view)
    if control is not None:
        laid = replace(
            content, columns=control[0].with_dimensions(strategy.dimensions), membership=control[1]
        )
        own = next(gate for gate in gates if gate.key == path)
        gates = [replace(own, control=_inside(laid, view, path), control_name=control_name)]
        beside = Control(laid.columns, laid.rows(view))
    names = [name for name in (view.x, view.y) if name]
    found = {**shared_limits([content.columns], names, gates=content.all_gates()), **(limits or {})}
    how: dict[str, Any] = {
        "rows": content.rows(view), "gates": gates, "limits": found, "ax": ax, "size": size,
        "labels": {name: axis_label(name, panel) for name in names},
        "title": f"{short_name(view.parent, strategy.paths)}, n = {len(content.rows(view)):,}",
    }  # fmt: skip
    if not view.y:
        return histogram(content.columns, view.x, **how)
    drawn: dict[str, Any] = {
        "kind": kind,
        "colours": colours,
        "control": beside,
        "max_events": max_events,
        "rng": rng,
    }
    return biaxial(content.columns, view.x, view.y, **how, **drawn)


def view_of(content: Content, path: str) -> View:
    """Return the plot on which a population's gate is drawn, the last where it takes several steps.

    Raises
    ------
    GeometryError
        If no plot draws it.
    """
    for view in content.plan.views:
        if any(shown.path == path and shown.step == shown.steps for shown in view.shown):
            return view
    gate = content.strategy.population(path).gate
    what = (
        "a boolean of other populations" if isinstance(gate, Boolean) else "a gate that two axes cannot show"
    )
    msg = f"{path} is {what}, and has no plot of its own"
    raise GeometryError(msg)


def _inside(control: Content, view: View, path: str) -> float:
    """Return which fraction of the control's events of the parent the tube's gate holds; NaN of none."""
    parent = control.membership.count(view.parent)
    if not parent:
        return float("nan")
    rows = control.rows(view)
    shown = next(s for s in view.shown if s.path == path and s.step == s.steps)
    return float(np.count_nonzero(control.passes(shown, rows)) / parent)
