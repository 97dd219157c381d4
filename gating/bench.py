"""Bench: one tube while it is learnt. Which events each population holds so far, and what they look like."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gating.columns import Columns, EventSource, Rows
from gating.gates import Boolean, Mask
from gating.records import GateRecord, Learnt
from gating.rows import PopulationRow
from gating.scales import Floats, Scale
from gating.sources import TemplateTube
from gating.strategy import ROOT, GatingStrategy, Population
from gating.tree import downwards


@dataclass(frozen=True, slots=True, eq=False)
class EventsAt:
    """Some rows of an event source, as an event source of their own."""

    events: EventSource
    rows: Rows

    @property
    def channels(self) -> tuple[str, ...]:
        """Return the channel names, in order."""
        return self.events.channels

    @property
    def n_events(self) -> int:
        """Return the number of events."""
        return len(self.rows)

    def column(self, channel: str, rows: Rows | None = None) -> Floats:
        """Return one channel on the linear scale, for these events or for some of them."""
        return self.events.column(channel, self.rows if rows is None else self.rows[rows])


class Bench:
    """One tube while it is learnt.

    Only the rows of populations that something else still needs are held, and of their values only the
    dimensions in ``reads``, so that a study of large tubes fits into memory.
    """

    def __init__(
        self, name: str, tube: TemplateTube, *, seed: int, reads: Mapping[str, tuple[str, ...]]
    ) -> None:
        self.name = name
        self.tube = tube
        self.seed = seed
        self.reads = reads
        self.populations: dict[str, Population] = {}
        self.records: list[GateRecord] = []
        self.boundaries: dict[tuple[str, str], GateRecord] = {}
        self._rows: dict[str, NDArray[np.int32]] = {ROOT: np.arange(tube.columns.n_events, dtype=np.int32)}
        self._values: dict[str, dict[str, Floats]] = {}

    def reaches(self, path: str) -> bool:
        """Return whether the events of a population are known in this tube."""
        return path in self._rows

    def deepest(self, path: str) -> str:
        """Return the nearest population at or above ``path`` that the tube was gated to."""
        while path and path not in self._rows:
            path = path.rpartition("/")[0]
        return path

    def scale(self, dimension: str) -> Scale:
        """Return the display scale of a dimension."""
        return self.tube.columns.dimensions[dimension].scale

    def values(self, path: str, dimension: str) -> Floats:
        """Return a dimension of every event of a population, on the display scale."""
        kept = self._values.setdefault(path, {})
        if dimension not in kept:
            columns = self.tube.columns
            source = EventsAt(columns.events, self._rows[path].astype(np.intp)) if path else columns.events
            view = Columns(source, columns.dimensions, columns.spillover)
            wanted = {dimension, *self.reads.get(path, ())} - set(kept)
            kept |= {name: view.values(name) for name in wanted if name in columns.dimensions}
        return kept[dimension]

    def shown(self, path: str, dimensions: tuple[str, ...], limit: int) -> Floats:
        """Return values of a population's events, shape ``(n, d)``, n at most ``limit``.

        The sample is drawn from the seed, the tube's name and the path: it does not depend on what else is
        learnt.
        """
        values = np.column_stack([self.values(path, dimension) for dimension in dimensions])
        if len(values) <= limit:
            return values
        rng = np.random.default_rng([self.seed, _digest(self.name), _digest(path)])
        return np.asarray(values[np.sort(rng.choice(len(values), limit, replace=False))])

    def place(self, population: Population, *, hold: bool) -> None:
        """Add a population; with ``hold``, find its events for those that need them."""
        self.populations[population.path] = population
        if hold:
            rows = self._rows[population.parent]
            self._rows[population.path] = rows[self._inside(population, rows)]

    def forget(self, path: str) -> None:
        """Let go of a population's events, which nothing needs any more."""
        self._rows.pop(path, None)
        self._values.pop(path, None)

    def learnt(self) -> Learnt:
        """Return the tube's strategy and records."""
        populations = _in_order(self.populations)
        used = {name for population in populations for name in population.gate.dimensions}
        dimensions = {name: d for name, d in self.tube.columns.dimensions.items() if name in used}
        return Learnt(GatingStrategy(dimensions, populations), tuple(self.records))

    def _inside(self, population: Population, rows: NDArray[np.int32]) -> Mask:
        gate = population.gate
        if isinstance(gate, Boolean):
            among = {
                o.population: np.isin(rows, self._rows[o.population], assume_unique=True)
                for o in gate.operands
            }
            return gate.combine(among)
        points = np.column_stack([self.values(population.parent, d) for d in gate.dimensions])
        return gate.contains(points)


def reads_of(rows: tuple[PopulationRow, ...]) -> dict[str, tuple[str, ...]]:
    """Return, for each population, the dimensions that are read of its events, to read them together."""
    reads: dict[str, list[str]] = {}
    for row in rows:
        reads.setdefault(row.parent, []).extend(row.dimensions)
        for cut in (tried for first in row.cuts for tried in first.chain):
            reads.setdefault(cut.shown(row.parent), []).append(cut.marker)
    return {path: tuple(dict.fromkeys(names)) for path, names in reads.items()}


def last_use(rows: tuple[PopulationRow, ...]) -> dict[str, int]:
    """Return the index of the last row that needs a population's events; none for those nobody needs."""
    last: dict[str, int] = {}
    for index, row in reversed(list(enumerate(rows))):
        tried = [cut for first in row.cuts for cut in first.chain]
        needed = [row.parent, *(cut.shown(row.parent) for cut in tried)]
        if any(cut.source == "unstained" for cut in tried):
            parts = row.parent.split("/")
            needed += ["/".join(parts[:depth]) for depth in range(len(parts))]
        if row.boolean and row.path in last:
            needed += row.boolean.operands
        for path in needed:
            last.setdefault(path, index)
    return last


def _in_order(populations: Mapping[str, Population]) -> tuple[Population, ...]:
    """Return populations as a tree is printed, except that an operand comes before what combines it."""
    done: dict[str, Population] = {}
    waiting = [populations[path] for path in downwards(populations)]
    while waiting:
        ready = next(p for p in waiting if _operands(p) <= done.keys() and (not p.parent or p.parent in done))
        waiting.remove(ready)
        done[ready.path] = ready
    return tuple(done.values())


def _operands(population: Population) -> set[str]:
    gate = population.gate
    return {o.population for o in gate.operands} if isinstance(gate, Boolean) else set()


def _digest(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")
