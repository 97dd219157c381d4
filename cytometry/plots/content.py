"""Content: what the plots of a strategy say of one tube. Events, percentages, titles, footnotes; no drawing."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cytometry.plots.labels import folded
from cytometry.plots.outlines import DrawnGate, percent
from cytometry.plots.views import Plan, Shown, View, plan, short_name
from gating.columns import Columns
from gating.gates import Boolean, Gate, Interval
from gating.membership import Membership, encode
from gating.strategy import GatingStrategy

if TYPE_CHECKING:
    import pandas as pd

NO_BREAK = "\N{NO-BREAK SPACE}"
TITLE_LINES = 2  # of a name that is too long for one
ARROWS = {("x", "low"): "→", ("x", "high"): "←", ("y", "low"): "↑", ("y", "high"): "↓"}


@dataclass(frozen=True, slots=True, eq=False)
class Content:
    """A tube's strategy with its events, and the plots that were planned for it.

    ``marked`` are the populations whose gates are the tube's own, ``absent`` those without a gate, and why.
    """

    strategy: GatingStrategy
    columns: Columns
    membership: Membership
    plan: Plan
    marked: frozenset[str] = frozenset()
    absent: Mapping[str, str] = field(default_factory=dict)

    def rows(self, view: View) -> NDArray[np.intp]:
        """Return the events that a plot shows, all of them."""
        rows = self.membership.rows(view.parent)
        for passed in view.before:
            rows = rows[self.passes(passed, rows)]
        return rows

    def gates(self, view: View) -> list[DrawnGate]:
        """Return a plot's gates, each with its fraction of the parent, counted from all events."""
        return [self._drawn(shown, view) for shown in view.shown]

    def all_gates(self) -> list[Gate]:
        """Return every gate of every plot."""
        return [shown.gate for view in self.plan.views for shown in view.shown]

    def titles(self, letters: int) -> list[str]:
        """Return each plot's title, on lines of so many letters: the population, and its number of events."""
        return [self._title(view, letters) for view in self.plan.views]

    def notes(self, max_events: int) -> list[str]:
        """Return the footnote's sentences: what the numbers are, what was drawn, what only words can say."""
        said = ["Numbers at gates: % of the parent population, counted from all its events."]
        if any(view.y for view in self.plan.views):
            said[0] += f" Drawn: at most {max_events:,} events a plot, chosen at random."
        if any(_arrow(shown, view) for view in self.plan.views for shown in view.shown):
            said[0] += " An arrow beside a name: all events on that side of the line."
        if any(shown.steps > 1 for view in self.plan.views for shown in view.shown):
            said[0] += " (1/2): the first of two steps of a gate in more than two dimensions."
        if any(shown.path in self.marked for view in self.plan.views for shown in view.shown):
            said[0] += " *, dashed: a gate that lies apart from those of the other tubes."
        if not self.strategy.populations:
            said.append("No population was gated in this tube.")
        for parent in dict.fromkeys(path.rpartition("/")[0] for path in self.plan.in_words):
            those = [path for path in self.plan.in_words if path.rpartition("/")[0] == parent]
            words = "; ".join(self._in_words(path) for path in those)
            said.append(f"Not drawn, % of {short_name(parent, self.strategy.paths)}: {words}.")
        if self.absent:
            several = [*self.strategy.paths, *self.absent]
            reasons: dict[str, list[str]] = {}
            for path, why in self.absent.items():
                reasons.setdefault(why, []).append(short_name(path, several))
            words = "; ".join(", ".join(names) + f" ({why})" * bool(why) for why, names in reasons.items())
            said.append(f"Without a gate in this tube: {words}.")
        return said

    def _drawn(self, shown: Shown, view: View) -> DrawnGate:
        name = shown.path.rpartition("/")[2]
        if shown.step == shown.steps:
            base = short_name(view.parent, self.strategy.paths) if view.before else ""
            fraction = self.membership.fraction(shown.path)
            marked = shown.path in self.marked
            name += _arrow(shown, view)
            return DrawnGate(name, shown.gate, fraction, base=base, key=shown.path, marked=marked)
        rows = self.membership.rows(view.parent)
        n = len(rows)
        for step in (*view.before, shown):
            rows = rows[self.passes(step, rows)]
        fraction = len(rows) / n if n else np.nan
        base = short_name(view.parent, self.strategy.paths) if view.before else ""
        key = f"{shown.path}#{shown.step}"
        return DrawnGate(f"{name} ({shown.step}/{shown.steps})", shown.gate, fraction, base=base, key=key)

    def passes(self, shown: Shown, rows: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Return which of the rows a shown gate, or a step of one, holds."""
        if isinstance(shown.gate, Boolean):  # never planned as a step
            return np.zeros(len(rows), dtype=np.bool_)
        return shown.gate.contains(self.columns.points(shown.gate.dimensions, rows))

    def _title(self, view: View, letters: int) -> str:
        name = short_name(view.parent, self.strategy.paths)
        if view.before:
            passed = view.before[-1]
            name = f"{passed.path.rpartition('/')[2]} ({passed.step}/{passed.steps})"
        n = f"n = {len(self.rows(view)):,}"
        one_line = f"{name}, {n}"
        if len(one_line) <= letters:
            return one_line
        return "\n".join([*folded(name, max(letters, 6), lines=TITLE_LINES), n])

    def _in_words(self, path: str) -> str:
        """Return the population's name, its percentage, and its rule where the name does not spell it out."""
        gate, name = self.strategy.population(path).gate, path.rpartition("/")[2]
        share = percent(self.membership.fraction(path))
        if not isinstance(gate, Boolean):
            return f"{name} {share} (a gate on {', '.join(gate.dimensions)})"
        beside = path.rpartition("/")[0] + "/"
        operands = [
            ("not " * o.complement)
            + (o.population.removeprefix(beside) if o.population.startswith(beside) else o.population)
            for o in gate.operands
        ]
        spelt = "".join(o[4:-1] + "-" if o.startswith("not ") and o.endswith("+") else o for o in operands)
        if gate.operator == "and" and spelt == name:
            return f"{name} {share}"
        rule = f"not {operands[0]}" if gate.operator == "not" else f" {gate.operator} ".join(operands)
        return f"{name} {share} ({rule})"


def content_of(
    strategy: GatingStrategy,
    columns: Columns,
    membership: Membership | pd.DataFrame,
    *,
    leaves: Collection[str] | None = None,
    marked: Collection[str] = (),
    absent: Mapping[str, str] = MappingProxyType({}),
) -> Content:
    """Return what the plots of a tube's strategy show, those that lead to ``leaves``."""
    seen = columns.with_dimensions(strategy.dimensions) if strategy.dimensions else columns
    found = membership if isinstance(membership, Membership) else _encoded(membership)
    planned = plan(strategy, leaves=leaves, dimensions=tuple(seen.dimensions))
    return Content(strategy, seen, found, planned, frozenset(marked), dict(absent))


def _encoded(frame: pd.DataFrame) -> Membership:
    return encode({str(path): frame[path].to_numpy(dtype=np.bool_) for path in frame}, len(frame))


def _arrow(shown: Shown, view: View) -> str:
    """Return an arrow to the side of a line that counts, where other gates share the plot with a cut."""
    gate = shown.gate
    others = {other.gate.dimensions for other in view.shown} - {gate.dimensions}
    if not isinstance(gate, Interval) or not others or np.isfinite(gate.low) == np.isfinite(gate.high):
        return ""
    return (
        NO_BREAK
        + ARROWS["x" if gate.dimension == view.x else "y", "low" if np.isfinite(gate.low) else "high"]
    )
