"""Membership: which events are in which population, as one code per event."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gating.columns import Columns
from gating.errors import StrategyError
from gating.gates import Mask
from gating.reference import gate_plainly
from gating.strategy import GatingStrategy, find_path

if TYPE_CHECKING:
    import pandas as pd


BLOCK = 65_536
"""Events that are numbered or counted at a time: numpy makes an 8-byte index of each."""


@dataclass(frozen=True, slots=True, eq=False)
class Membership:
    """One code per event into a table of distinct membership sets.

    Parameters
    ----------
    populations
        Paths, parents before children.
    codes
        Shape ``(n_events,)``, the smallest unsigned integer that holds them: each event's row of ``sets``.
    sets
        Shape ``(n_sets, n_populations)``: the distinct combinations of populations that occur.
    not_finite
        Events that are outside a gate because a value that it reads is NaN or infinite.
    removed
        The code of events that were taken out before gating: they are in no population, and not among all events
        either. ``None`` where none was.
    """

    populations: tuple[str, ...]
    codes: NDArray[np.unsignedinteger]
    sets: Mask
    not_finite: int = 0
    removed: int | None = None

    def __post_init__(self) -> None:
        if self.sets.ndim != 2 or self.sets.shape[1] != len(self.populations):
            msg = f"{len(self.populations)} populations need sets of that width, not {self.sets.shape}"
            raise StrategyError(msg)
        if self.codes.size and int(self.codes.max()) >= len(self.sets):
            msg = f"code {int(self.codes.max())} has no row among {len(self.sets)} sets"
            raise StrategyError(msg)
        if self.removed is not None and (self.removed >= len(self.sets) or self.sets[self.removed].any()):
            msg = f"removed events are in no population, and {self.removed} is no code of such events"
            raise StrategyError(msg)

    @property
    def n_events(self) -> int:
        """Return the number of events of the file, in any population or none, kept or removed."""
        return len(self.codes)

    @property
    def n_removed(self) -> int:
        """Return the number of events that were taken out before gating."""
        return 0 if self.removed is None else int(np.count_nonzero(self.codes == self.removed))

    def kept(self) -> Mask:
        """Return which events were gated, shape ``(n_events,)``: all that were not removed."""
        if self.removed is None:
            return np.ones(self.n_events, dtype=np.bool_)
        return np.asarray(self.codes != self.removed)

    def of(self, population: str) -> Mask:
        """Return which events are in the population, shape ``(n_events,)``."""
        return np.asarray(self.sets[:, self._index(population)][self.codes])

    def rows(self, population: str) -> NDArray[np.intp]:
        """Return the row numbers of the population's events; of all that were gated for ``""``."""
        return np.flatnonzero(self.of(population) if population else self.kept())

    def counts(self) -> dict[str, int]:
        """Return the number of events of every population, by path."""
        per_set = np.zeros(len(self.sets), dtype=np.int64)
        for begin in range(0, self.n_events, BLOCK):
            per_set += np.bincount(self.codes[begin : begin + BLOCK], minlength=len(self.sets))
        return dict(zip(self.populations, (per_set @ self.sets).astype(int).tolist(), strict=True))

    def count(self, population: str) -> int:
        """Return the number of events in the population; of all that were gated for ``""``."""
        if not population:
            return self.n_events - self.n_removed
        return int(np.count_nonzero(self.of(population)))

    def fraction(self, population: str, *, base: str | None = None) -> float:
        """Return the population's events over those of ``base``, an ancestor; NaN where the base is empty.

        ``base`` is the parent if not named, and all events that were gated if ``""``.

        Raises
        ------
        StrategyError
            If ``base`` is not an ancestor, since the result would be no fraction.
        """
        path = self.populations[self._index(population)]
        above = path.rpartition("/")[0] if base is None else base and self.populations[self._index(base)]
        if above and not path.startswith(f"{above}/"):
            msg = f"{above!r} is not above {path!r}, so that no fraction of it can be given"
            raise StrategyError(msg)
        total = self.count(above)
        return self.count(path) / total if total else float("nan")

    def frame(self) -> pd.DataFrame:
        """Return a bool DataFrame: a row per event, a column per population path."""
        import pandas as pd

        return pd.DataFrame(self.sets[self.codes], columns=list(self.populations))

    def _index(self, population: str) -> int:
        return self.populations.index(find_path(population, self.populations))


def assign(strategy: GatingStrategy, columns: Columns, *, kept: Mask | None = None) -> Membership:
    """Return the membership of every event of a tube.

    Each gate looks only at the events of its parent; a boolean gate combines memberships inside its parent. An
    event with a value that is not finite is inside no gate that reads the value.

    Parameters
    ----------
    kept
        Shape ``(n_events,)``: the events to gate. The others are removed: they are in no population, and not among
        all events. All of them if not given.
    """
    from gating.engine import DOUBTFUL, gate

    seen = columns.with_dimensions(strategy.dimensions)
    codes, sets = gate(strategy, seen)
    if kept is not None and not kept.all():
        return _without(strategy, seen, codes, sets, kept=kept)
    rows = np.flatnonzero(codes == DOUBTFUL)
    doubted, not_finite = gate_plainly(strategy, seen, rows)
    codes[rows] = len(sets) + np.arange(len(rows))
    return _numbered(strategy.paths, codes, np.concatenate([sets, doubted]), not_finite)


def _without(
    strategy: GatingStrategy, seen: Columns, codes: NDArray[np.uint32], sets: Mask, *, kept: Mask
) -> Membership:
    """Return the membership of the kept events as if there were no others, and one code more for those."""
    from gating.engine import DOUBTFUL

    held = np.flatnonzero(kept)
    mine = codes[held]
    unsure = np.flatnonzero(mine == DOUBTFUL)
    doubted, not_finite = gate_plainly(strategy, seen, held[unsure])
    mine[unsure] = len(sets) + np.arange(len(unsure))
    found = _numbered(strategy.paths, mine, np.concatenate([sets, doubted]), not_finite)
    removed = len(found.sets)
    every = np.full(len(codes), removed, dtype=np.min_scalar_type(removed))
    every[held] = found.codes
    nowhere = np.zeros((1, len(strategy.paths)), dtype=np.bool_)
    return Membership(strategy.paths, every, np.concatenate([found.sets, nowhere]), not_finite, removed)


def assign_plainly(strategy: GatingStrategy, columns: Columns) -> Membership:
    """Return what :func:`assign` does, by the plain reference alone: slow, and short enough to be believed."""
    seen = columns.with_dimensions(strategy.dimensions)
    sets, not_finite = gate_plainly(strategy, seen, np.arange(columns.n_events))
    return _numbered(strategy.paths, np.arange(columns.n_events), sets, not_finite)


def encode(masks: dict[str, Mask], n_events: int) -> Membership:
    """Return one code per event from one mask per population, in the masks' order."""
    sets = np.column_stack(list(masks.values())) if masks else np.zeros((n_events, 0), dtype=np.bool_)
    return _numbered(tuple(masks), np.arange(n_events), sets, 0)


def _numbered(
    populations: tuple[str, ...], codes: NDArray[np.integer], sets: Mask, not_finite: int
) -> Membership:
    """Give the sets numbers by their bits: equal memberships have equal codes however they were found."""
    if not len(codes) or not populations:
        nothing = np.zeros((1, len(populations)), dtype=np.bool_)
        return Membership(populations, np.zeros(len(codes), dtype=np.uint8), nothing, not_finite)
    packed = np.packbits(sets, axis=1)
    rows = np.ascontiguousarray(packed).view(np.dtype((np.void, packed.shape[1]))).reshape(-1)
    distinct, numbers = np.unique(rows, return_inverse=True)
    unpacked = np.unpackbits(
        distinct.view(np.uint8).reshape(len(distinct), -1), axis=1, count=len(populations)
    )
    smallest = np.min_scalar_type(max(len(distinct) - 1, 0))
    numbers, renumbered = numbers.astype(smallest), np.empty(len(codes), dtype=smallest)
    for begin in range(0, len(codes), BLOCK):
        np.take(numbers, codes[begin : begin + BLOCK], out=renumbered[begin : begin + BLOCK], mode="clip")
    return Membership(populations, renumbered, unpacked.astype(np.bool_), not_finite)
