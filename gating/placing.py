"""Placing: which events of a tube are in the populations found so far, each looked for only among its parent's.

A byte or two per event say it, so that a gate is asked of the events of its parent alone, and once. What does not fit
into a bound, over all tubes, is found again from the top: the answer is the same.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from gating.columns import Columns, Rows
from gating.gates import Boolean, Mask
from gating.gathered import gather
from gating.membership import assign
from gating.strategy import ROOT, GatingStrategy, Population

AT_A_TIME = 131_072
MOST = 0.5
"""Above this share of the events it is faster to ask the gate of all of them than to gather those of the parent."""


class Budget:
    """Bytes that the tubes of a stain may hold together; first come, first served."""

    def __init__(self, most: int) -> None:
        self.left = most

    def take(self, size: int) -> bool:
        """Take so many bytes, if they are left."""
        if size > self.left:
            return False
        self.left -= size
        return True


class Placing:
    """The events of one tube by population, for those that were asked for."""

    def __init__(self, columns: Columns, budget: Budget) -> None:
        self._columns = columns
        self._paths: list[str] = []
        self._sets = np.zeros((1, 0), dtype=np.bool_)
        self._codes: NDArray[np.unsignedinteger] | None = None
        # Codes of two bytes are rare, and then a budget of one byte too many is no harm.
        self._held = budget.take(columns.n_events)

    def rows(self, path: str, populations: Mapping[str, Population]) -> Rows:
        """Return the rows of a population, ascending."""
        if path == ROOT:
            return np.arange(self._columns.n_events)
        if not self._held:
            return assign(_strategy(path, populations, self._columns), self._columns).rows(path)
        self._know(path, populations)
        return np.flatnonzero(self._mask(path))

    def _know(self, path: str, populations: Mapping[str, Population]) -> None:
        """Find a population, and first what it rests on."""
        if path == ROOT or path in self._paths:
            return
        if self._codes is None:
            self._start(path, populations)
            return
        population = populations[path]
        for needed in (population.parent, *operands(population)):
            self._know(needed, populations)
        self._add(path, self._inside(population))

    def _start(self, path: str, populations: Mapping[str, Population]) -> None:
        """Find a population with all above it in one pass over the tube."""
        found = assign(_strategy(path, populations, self._columns), self._columns)
        self._paths, self._sets = list(found.populations), found.sets
        self._codes = found.codes.astype(np.min_scalar_type(len(found.sets)))

    def _inside(self, population: Population) -> Rows:
        """Return the rows of a population whose parent is known, ascending."""
        gate, above = population.gate, self._mask(population.parent)
        if isinstance(gate, Boolean):
            masks = {operand.population: self._mask(operand.population) for operand in gate.operands}
            return np.flatnonzero(above & gate.combine(masks))
        alone = Population(population.name, gate)
        dimensions = {name: self._columns.dimensions[name] for name in gate.dimensions}
        strategy = GatingStrategy(dimensions, (alone,))
        rows = np.flatnonzero(above)
        if len(rows) > MOST * self._columns.n_events:
            return np.flatnonzero(above & assign(strategy, self._columns).of(alone.name))
        parts = [rows[:0]]
        for first in range(0, len(rows), AT_A_TIME):
            part = rows[first : first + AT_A_TIME]
            parts.append(part[assign(strategy, gather(self._columns, part)).of(alone.name)])
        return np.concatenate(parts)

    def _mask(self, path: str) -> Mask:
        if path == ROOT or self._codes is None:
            return np.ones(self._columns.n_events, dtype=np.bool_)
        return np.asarray(self._sets[:, self._paths.index(path)][self._codes])

    def _add(self, path: str, inside: Rows) -> None:
        assert self._codes is not None
        before = self._codes[inside]
        met = np.flatnonzero(np.bincount(before, minlength=len(self._sets)))
        fresh = np.zeros(len(self._sets), dtype=np.intp)
        fresh[met] = len(self._sets) + np.arange(len(met))
        outside = np.column_stack([self._sets, np.zeros(len(self._sets), dtype=np.bool_)])
        within = np.column_stack([self._sets[met], np.ones(len(met), dtype=np.bool_)])
        self._sets = np.concatenate([outside, within])
        self._paths.append(path)
        codes = self._codes.astype(np.min_scalar_type(len(self._sets)), copy=False)
        codes[inside] = fresh[before]
        self._codes = codes


def operands(population: Population) -> tuple[str, ...]:
    """Return the populations that a boolean gate combines."""
    gate = population.gate
    return tuple(operand.population for operand in gate.operands) if isinstance(gate, Boolean) else ()


def _strategy(path: str, populations: Mapping[str, Population], columns: Columns) -> GatingStrategy:
    """Return the gates that decide which events a population holds."""
    needed: dict[str, Population] = {}
    _collect(path, populations, needed)
    used = {name for population in needed.values() for name in population.gate.dimensions}
    dimensions = {name: d for name, d in columns.dimensions.items() if name in used}
    return GatingStrategy(dimensions, tuple(needed.values()))


def _collect(path: str, populations: Mapping[str, Population], needed: dict[str, Population]) -> None:
    """Put a population after all that it rests on."""
    if path == ROOT or path in needed:
        return
    for other in (populations[path].parent, *operands(populations[path])):
        _collect(other, populations, needed)
    needed[path] = populations[path]
