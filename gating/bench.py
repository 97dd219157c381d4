"""Bench: one tube while it is learnt. Its populations so far, and what their events look like."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np

from gating.columns import Columns, Rows
from gating.gathered import gather
from gating.placing import Budget, Placing, operands
from gating.records import ABSTAINED, GateRecord, Learnt
from gating.scales import Floats, Scale
from gating.sources import TemplateTube
from gating.strategy import ROOT, GatingStrategy, Population
from gating.tree import downwards

HELD_BYTES = 48 * 2**20
"""Of values kept for the next rule that is shown the same events; what is let go of is read again."""


class Held:
    """The values last shown, of all tubes together, as many as fit into a bound."""

    def __init__(self, most: int = HELD_BYTES) -> None:
        self._most, self._sum = most, 0
        self.codes = Budget(most)
        self._views: dict[tuple[str, str, int], tuple[Columns, int]] = {}

    def take(self, key: tuple[str, str, int]) -> Columns | None:
        """Return what is held, which is then the newest."""
        found = self._views.pop(key, None)
        if found:
            self._views[key] = found
        return found[0] if found else None

    def put(self, key: tuple[str, str, int], view: Columns) -> None:
        """Hold a view, and let go of the oldest ones for it."""
        # As large as it can become: stored, linear and display values of every dimension.
        size = 8 * view.n_events * 3 * (len(view.dimensions) + 1)
        self._views[key] = (view, size)
        self._sum += size
        while self._sum > self._most and len(self._views) > 1:
            self._sum -= self._views.pop(next(iter(self._views)))[1]


class Bench:
    """One tube while it is learnt: the populations placed so far, and of its events a code for each, if it fits.

    Where it does not, the events of a population are found again when they are asked for, from the gates above it, so
    that a study of many large tubes fits into memory.
    """

    def __init__(self, name: str, tube: TemplateTube, *, seed: int, held: Held) -> None:
        self.name = name
        self.tube = tube
        self.seed = seed
        self.held = held
        self.populations: dict[str, Population] = {}
        self.records: list[GateRecord] = []
        self.boundaries: dict[tuple[str, str], GateRecord] = {}
        self._counts: dict[str, int] = {ROOT: tube.columns.n_events}
        self._placing = Placing(tube.columns, held.codes)

    def reaches(self, path: str) -> bool:
        """Return whether the tube was gated down to a population."""
        return path == ROOT or path in self.populations

    def deepest(self, path: str) -> str:
        """Return the nearest population at or above ``path`` that the tube was gated to."""
        while not self.reaches(path):
            path = path.rpartition("/")[0]
        return path

    def scale(self, dimension: str) -> Scale:
        """Return the display scale of a dimension."""
        return self.tube.columns.dimensions[dimension].scale

    def shown(self, path: str, dimensions: tuple[str, ...], limit: int) -> Floats:
        """Return values of a population's events, shape ``(n, d)``, n at most ``limit``.

        The sample is drawn from the seed, the tube's name and the path: it does not depend on what else is
        learnt.
        """
        known = self._counts.get(path)
        view = None if known is None else self.held.take((self.name, path, min(known, limit)))
        if view is None:
            columns, rows = self.tube.columns, self._rows(path, limit)
            view = gather(columns, rows)
            self.held.put((self.name, path, len(rows)), view)
        return np.column_stack([view.values(name) for name in dimensions])

    def _rows(self, path: str, limit: int) -> Rows:
        """Return the rows of at most ``limit`` events of a population, ascending."""
        rows = self._placing.rows(path, self.populations)
        self._counts[path] = len(rows)
        if len(rows) <= limit:
            return rows
        rng = np.random.default_rng([self.seed, _digest(self.name), _digest(path)])
        return np.asarray(rows[np.sort(rng.choice(len(rows), limit, replace=False))])

    def place(self, population: Population) -> None:
        """Add a population."""
        self.populations[population.path] = population

    def keep(self, record: GateRecord) -> None:
        """Keep a boundary for rows that use it again: of several on one side, the one that decides."""
        key = (record.population, record.marker)
        if _decides(record, self.boundaries.get(key)):
            self.boundaries[key] = record

    def learnt(self) -> Learnt:
        """Return the tube's strategy and records."""
        return Learnt(self._strategy(self.populations), tuple(self.records))

    def _strategy(self, placed: Mapping[str, Population]) -> GatingStrategy:
        populations = _in_order(placed)
        used = {name for population in populations for name in population.gate.dimensions}
        dimensions = {name: d for name, d in self.tube.columns.dimensions.items() if name in used}
        return GatingStrategy(dimensions, populations)


def _decides(record: GateRecord, before: GateRecord | None) -> bool:
    """Return whether a boundary holds more back than the one before it; a missing one holds back everything."""
    if before is None or record.status == ABSTAINED:
        return True
    if before.status == ABSTAINED:
        return False
    return record.value > before.value if record.keep == "above" else record.value < before.value


def _in_order(populations: Mapping[str, Population]) -> tuple[Population, ...]:
    """Return populations as a tree is printed, except that an operand comes before what combines it."""
    done: dict[str, Population] = {}
    waiting = [populations[path] for path in downwards(populations)]
    while waiting:
        ready = next(
            p for p in waiting if set(operands(p)) <= done.keys() and (not p.parent or p.parent in done)
        )
        waiting.remove(ready)
        done[ready.path] = ready
    return tuple(done.values())


def _digest(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")
