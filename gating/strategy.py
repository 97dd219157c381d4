"""Strategy: the resolved gates of one tube, an ordered tree of named populations."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from gating.columns import Dimension
from gating.errors import StrategyError
from gating.gates import Boolean, Gate, gate_from_dict, gate_to_dict

ROOT = ""
ALL_EVENTS = "all events"


@dataclass(frozen=True, slots=True)
class Population:
    """A named node: a gate and the population it is drawn on.

    ``parent`` is the parent's path, or ``""`` for all events.
    """

    name: str
    gate: Gate
    parent: str = ROOT

    def __post_init__(self) -> None:
        if not self.name.strip() or "/" in self.name:
            msg = f"a population's name is not empty and has no '/', unlike {self.name!r}"
            raise StrategyError(msg)

    @property
    def path(self) -> str:
        """Return the names from the top population down, joined by ``/``."""
        return f"{self.parent}/{self.name}" if self.parent else self.name


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class GatingStrategy:
    """The gates of one tube: what each dimension reads, and the populations, parents before children.

    Raises
    ------
    StrategyError
        If a parent, operand or dimension is missing, comes later, or a path occurs twice; all at once.
    """

    dimensions: Mapping[str, Dimension]
    populations: tuple[Population, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "dimensions", MappingProxyType(dict(self.dimensions)))
        object.__setattr__(self, "populations", tuple(self.populations))
        seen: set[str] = set()
        wrong: list[str] = []
        for population in self.populations:
            wrong += _problems(population, seen, self.dimensions)
            seen.add(population.path)
        if wrong:
            raise StrategyError("; ".join(wrong))

    @property
    def paths(self) -> tuple[str, ...]:
        """Return the path of each population, parents before children."""
        return tuple(population.path for population in self.populations)

    def find(self, name: str) -> str:
        """Return the one path that is ``name`` or ends in it.

        Raises
        ------
        StrategyError
            If no path does, with near matches, or several do, with all of them.
        """
        return find_path(name, self.paths)

    def population(self, name: str) -> Population:
        """Return the population of that name, path or end of a path."""
        path = self.find(name)
        return next(p for p in self.populations if p.path == path)

    def parent(self, name: str) -> str:
        """Return the path of a population's parent; ``""`` for all events."""
        return self.population(name).parent

    def ancestors(self, name: str) -> tuple[str, ...]:
        """Return the paths above a population, nearest first, without all events."""
        parts = self.find(name).split("/")
        return tuple("/".join(parts[:depth]) for depth in range(len(parts) - 1, 0, -1))

    def children(self, name: str = ROOT) -> tuple[str, ...]:
        """Return the paths right below a population, or below all events."""
        above = self.find(name) if name else ROOT
        return tuple(p.path for p in self.populations if p.parent == above)

    def __repr__(self) -> str:
        return f"GatingStrategy({len(self.populations)} populations on {', '.join(self.dimensions)})"

    def __str__(self) -> str:
        lines = [ALL_EVENTS]
        for population in self.populations:
            depth = population.path.count("/") + 1
            lines.append(f"{'  ' * depth}{population.name}  [{_describe(population.gate, self.dimensions)}]")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return the strategy as plain values, for JSON."""
        return {
            "dimensions": {name: dimension.to_dict() for name, dimension in self.dimensions.items()},
            "populations": [
                {"name": p.name, "parent": p.parent, "gate": gate_to_dict(p.gate)} for p in self.populations
            ],
        }

    @classmethod
    def from_dict(cls, description: dict[str, Any]) -> GatingStrategy:
        """Build a strategy from the plain values of :meth:`to_dict`."""
        dimensions = {name: Dimension.from_dict(d) for name, d in description["dimensions"].items()}
        populations = tuple(
            Population(p["name"], gate_from_dict(p["gate"]), p["parent"]) for p in description["populations"]
        )
        return cls(dimensions, populations)


def find_path(name: str, paths: tuple[str, ...]) -> str:
    """Return the one of ``paths`` that is ``name`` or ends in it, part by part.

    Raises
    ------
    StrategyError
        If none does, with near matches, or several do, with all of them.
    """
    if name in paths:
        return name
    found = [path for path in paths if path.endswith(f"/{name}")]
    if len(found) == 1:
        return found[0]
    if found:
        msg = f"{name!r} names {len(found)} populations: {', '.join(found)}; write more of the path"
        raise StrategyError(msg)
    names = tuple(dict.fromkeys(path.rsplit("/", 1)[-1] for path in paths))
    as_deep = ("/".join(path.split("/")[-1 - name.count("/") :]) for path in paths)
    near = difflib.get_close_matches(name, dict.fromkeys([*paths, *as_deep, *names]), n=3)
    hint = f"; did you mean {', '.join(dict.fromkeys(near))}?" if near else f"; there are {', '.join(names)}"
    msg = f"no population is called {name!r}{hint}"
    raise StrategyError(msg)


def _problems(population: Population, seen: set[str], dimensions: Mapping[str, Dimension]) -> list[str]:
    wrong = []
    if population.path in seen:
        wrong.append(f"{population.path!r} occurs twice")
    if population.parent and population.parent not in seen:
        wrong.append(f"the parent {population.parent!r} of {population.name!r} does not come before it")
    if isinstance(population.gate, Boolean):
        absent = [o.population for o in population.gate.operands if o.population not in seen]
        wrong += [f"{population.path!r} combines {name!r}, which does not come before it" for name in absent]
    missing = [name for name in population.gate.dimensions if name not in dimensions]
    wrong += [f"{population.path!r} is drawn on {name!r}, which is no dimension" for name in missing]
    return wrong


def _describe(gate: Gate, dimensions: Mapping[str, Dimension]) -> str:
    """Say a gate in one line, its ends on the linear scale, where people think."""
    if isinstance(gate, Boolean):
        joint = {"and": " & ", "or": " | ", "not": ""}[gate.operator]
        said = joint.join(
            ("!" if o.complement else "") + o.population.rsplit("/", 1)[-1] for o in gate.operands
        )
        return f"not {said}" if gate.operator == "not" else said
    description = gate_to_dict(gate)
    if description["kind"] == "interval":
        ends = [(gate.dimensions[0], description["low"], description["high"])]
    elif description["kind"] == "rectangle":
        ends = list(zip(gate.dimensions, description["lows"], description["highs"], strict=True))
    else:
        return f"{description['kind']} on {' x '.join(gate.dimensions)}"
    return ", ".join(_range(name, low, high, dimensions[name]) for name, low, high in ends)


def _range(name: str, low: float | None, high: float | None, dimension: Dimension) -> str:
    def linear(value: float) -> str:
        return f"{float(dimension.scale.inverse(value)):,.0f}"

    match (low, high):
        case (None, None):
            return f"any {name}"
        case (None, float()):
            return f"{name} < {linear(high)}"
        case (float(), None):
            return f"{name} >= {linear(low)}"
        case _:
            return f"{linear(low or 0.0)} <= {name} < {linear(high or 0.0)}"
