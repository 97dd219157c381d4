"""Views: which plots show a whole strategy, and which population each gate on them is drawn for.

No drawing here: a strategy in, a list of plots out, with the gate that each plot's events come from.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from gating.gates import Boolean, Ellipsoid, Gate, Interval, Rectangle
from gating.strategy import ROOT, GatingStrategy, Population

SECOND_AXES = ("SSC-A", "SSC-H", "FSC-A", "FSC-H")
NO_PARTNER = (*SECOND_AXES, "FSC-W", "SSC-W", "Time")
MOST_GATES = 6  # on one plot, before another cut gets a plot of its own


@dataclass(frozen=True, slots=True)
class Shown:
    """A population's gate on a plot; a gate in more than two dimensions is shown in ``steps``."""

    path: str
    gate: Gate
    step: int = 1
    steps: int = 1


@dataclass(frozen=True, slots=True)
class View:
    """One plot: the events of ``parent`` on two dimensions, and the gates drawn there.

    Parameters
    ----------
    parent
        Path of the population whose events are shown; ``""`` for all events.
    x, y
        Dimensions; ``y`` is ``""`` where the strategy has only one, and the plot is a histogram.
    shown
        The gates.
    before
        Steps of the same gate that the events shown have already passed.
    """

    parent: str
    x: str
    y: str
    shown: tuple[Shown, ...]
    before: tuple[Shown, ...] = ()


@dataclass(frozen=True, slots=True)
class Link:
    """An arrow: the gate of population ``path`` on plot ``source`` leads to plot ``target``."""

    source: int
    path: str
    target: int


@dataclass(frozen=True, slots=True)
class Plan:
    """All plots of a strategy, the arrows between them, and the populations that only words can show."""

    views: tuple[View, ...]
    links: tuple[Link, ...]
    in_words: tuple[str, ...]


def plan(
    strategy: GatingStrategy,
    *,
    leaves: Collection[str] | None = None,
    dimensions: Sequence[str] | None = None,
) -> Plan:
    """Return the plots that show the strategy, parents before children.

    Gates of one parent on the same two dimensions share a plot; a cut in one dimension joins a plot that
    shows it, or another cut, or gets a plot against side scatter. Two cuts joined by "and" are a rectangle;
    other boolean populations are left to words.

    Parameters
    ----------
    strategy
        Of one tube.
    leaves
        Populations to lead to, by name, path or end of a path; all of them by default.
    dimensions
        Those that may serve as a second axis; the strategy's by default.

    Raises
    ------
    StrategyError
        If a leaf is not in the strategy.
    """
    kept = _kept(strategy, leaves)
    populations = [p for p in strategy.populations if p.path in kept]
    axes = tuple(strategy.dimensions if dimensions is None else dimensions)
    flat = _flat_gates(strategy, populations)
    parents = dict.fromkeys([ROOT, *(p.path for p in populations)])
    views: list[View] = []
    for parent in parents:
        views += _views_of(parent, {p.path: flat[p.path] for p in populations if p.parent == parent}, axes)
    drawn = {shown.path for view in views for shown in view.shown}
    in_words = tuple(p.path for p in populations if p.path not in drawn)
    if not views and axes:
        views = [View(ROOT, *_bare_axes(axes), ())]
    return Plan(tuple(views), _links(views), in_words)


def short_name(path: str, paths: Iterable[str]) -> str:
    """Return the population's name, with its parent's before it where another one shares the name."""
    if not path:
        return "all events"
    name = path.rpartition("/")[2]
    namesakes = [p for p in paths if p.rpartition("/")[2] == name]
    return " / ".join(path.split("/")[-2:]) if len(namesakes) > 1 else name


def _kept(strategy: GatingStrategy, leaves: Collection[str] | None) -> set[str]:
    if leaves is None:
        return set(strategy.paths)
    found = [strategy.find(leaf) for leaf in leaves]
    return {above for path in found for above in (path, *strategy.ancestors(path))}


def _views_of(parent: str, flat: Mapping[str, Gate | None], dimensions: tuple[str, ...]) -> list[View]:
    """Return the plots of one parent's gates: those that fix their axes first, then the others join in."""
    views: list[View] = []
    for width in (2, 3, 1):
        for path, gate in flat.items():
            if gate is None or min(len(gate.dimensions), 3) != width:
                continue
            if width == 3:
                _add_steps(views, parent, path, gate=gate, dimensions=dimensions)
            else:
                _add(views, parent, Shown(path, gate), dimensions=dimensions)
    order = list(flat)
    return sorted(views, key=lambda view: (order.index(view.shown[0].path), view.shown[0].step))


def _flat_gates(strategy: GatingStrategy, populations: Sequence[Population]) -> dict[str, Gate | None]:
    """Return each population's gate without the dimensions it leaves open, ``None`` where none can be drawn."""
    known = {population.path: population for population in strategy.populations}
    return {p.path: _corner(p, known) if isinstance(p.gate, Boolean) else _flat(p.gate) for p in populations}


def _flat(gate: Gate) -> Gate | None:
    match gate:
        case Ellipsoid():
            return gate if len(gate.dimensions) == 2 else None
        case Rectangle():
            closed = [
                name
                for name, low, high in zip(gate.dimensions, gate.lows, gate.highs, strict=True)
                if np.isfinite(low) or np.isfinite(high)
            ]
            return _part(gate, closed or list(gate.dimensions[:1]))
        case _:
            return gate


def _corner(population: Population, known: Mapping[str, Population]) -> Rectangle | None:
    """Return the rectangle that two cuts of one parent, joined by "and", are; ``None`` for any other boolean."""
    gate = population.gate
    if not isinstance(gate, Boolean) or gate.operator != "and" or len(gate.operands) != 2:
        return None
    sides = []
    for operand in gate.operands:
        other = known[operand.population]
        if not isinstance(other.gate, Interval) or other.parent != population.parent:
            return None
        side = _outside(other.gate) if operand.complement else other.gate
        if side is None:
            return None
        sides.append(side)
    if sides[0].dimension == sides[1].dimension:
        return None
    names = (sides[0].dimension, sides[1].dimension)
    return Rectangle(names, (sides[0].low, sides[1].low), (sides[0].high, sides[1].high))


def _outside(gate: Interval) -> Interval | None:
    """Return the other side of a cut; ``None`` for an interval with two ends, which has two."""
    if np.isfinite(gate.low) and np.isfinite(gate.high):
        return None
    if np.isfinite(gate.low):
        return Interval(gate.dimension, high=gate.low)
    return Interval(gate.dimension, low=gate.high) if np.isfinite(gate.high) else None


def _part(gate: Rectangle, names: Sequence[str]) -> Gate:
    at = [gate.dimensions.index(name) for name in names]
    lows, highs = [gate.lows[i] for i in at], [gate.highs[i] for i in at]
    if len(names) == 1:
        return Interval(names[0], lows[0], highs[0])
    return Rectangle(tuple(names), tuple(lows), tuple(highs))


def _add(views: list[View], parent: str, shown: Shown, *, dimensions: tuple[str, ...]) -> None:
    """Draw a gate on the first plot that shows its dimensions, else on a new one."""
    names = shown.gate.dimensions
    for i, view in enumerate(views):
        fits = set(names) == {view.x, view.y} or (len(names) == 1 and names[0] in (view.x, view.y))
        free = (
            len(names) == 1 and names[0] not in NO_PARTNER and view.y in SECOND_AXES and _cuts_x_alone(view)
        )
        if (fits or free) and not view.before and len(view.shown) < MOST_GATES:
            views[i] = replace(view, y=view.y if fits else names[0], shown=(*view.shown, shown))
            return
    x, y = names if len(names) == 2 else (names[0], _second_axis(names[0], dimensions))
    views.append(View(parent, x, y, (shown,)))


def _add_steps(views: list[View], parent: str, path: str, *, gate: Gate, dimensions: tuple[str, ...]) -> None:
    """Show a gate in three dimensions or more two at a time, each step on the events that passed the last."""
    if not isinstance(gate, Rectangle):
        return
    names = list(gate.dimensions)
    taken = [{view.x, view.y} for view in views if not view.before]
    first = next((pair for pair in combinations(names, 2) if set(pair) in taken), (names[0], names[1]))
    rest = [name for name in names if name not in first]
    pairs = [first, *(tuple(rest[i : i + 2]) for i in range(0, len(rest), 2))]
    steps = [Shown(path, _part(gate, pair), i + 1, len(pairs)) for i, pair in enumerate(pairs)]
    _add(views, parent, steps[0], dimensions=dimensions)
    for i, step in enumerate(steps[1:], start=1):
        on = step.gate.dimensions
        x, y = on if len(on) == 2 else (on[0], _second_axis(on[0], dimensions))
        views.append(View(parent, x, y, (step,), tuple(steps[:i])))


def _cuts_x_alone(view: View) -> bool:
    """Return whether the second axis is there only because a plot has two, so that another cut may have it."""
    return view.x not in NO_PARTNER and all(s.gate.dimensions == (view.x,) for s in view.shown)


def _second_axis(name: str, dimensions: tuple[str, ...]) -> str:
    return next((other for other in (*SECOND_AXES, *dimensions) if other in dimensions and other != name), "")


def _bare_axes(dimensions: tuple[str, ...]) -> tuple[str, str]:
    x = "FSC-A" if "FSC-A" in dimensions else dimensions[0]
    return x, _second_axis(x, dimensions)


def _links(views: Sequence[View]) -> tuple[Link, ...]:
    where = {(s.path, s.step, s.steps): i for i, view in enumerate(views) for s in view.shown}
    last = {path: i for (path, step, steps), i in where.items() if step == steps}
    links = []
    for target, view in enumerate(views):
        if view.before:
            passed = view.before[-1]
            links.append(Link(where[passed.path, passed.step, passed.steps], passed.path, target))
        elif view.parent in last:
            links.append(Link(last[view.parent], view.parent, target))
    return tuple(links)
