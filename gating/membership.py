"""Membership: which events are in which population. The plain reference, gate by gate, event by event."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gating.columns import Columns
from gating.errors import StrategyError
from gating.gates import Boolean, Mask
from gating.strategy import GatingStrategy, Population, find_path

if TYPE_CHECKING:
    import pandas as pd


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
    """

    populations: tuple[str, ...]
    codes: NDArray[np.unsignedinteger]
    sets: Mask

    def __post_init__(self) -> None:
        if self.sets.ndim != 2 or self.sets.shape[1] != len(self.populations):
            msg = f"{len(self.populations)} populations need sets of that width, not {self.sets.shape}"
            raise StrategyError(msg)
        if self.codes.size and int(self.codes.max()) >= len(self.sets):
            msg = f"code {int(self.codes.max())} has no row among {len(self.sets)} sets"
            raise StrategyError(msg)

    @property
    def n_events(self) -> int:
        """Return the number of events, in any population or none."""
        return len(self.codes)

    def of(self, population: str) -> Mask:
        """Return which events are in the population, shape ``(n_events,)``."""
        return np.asarray(self.sets[:, self._index(population)][self.codes])

    def rows(self, population: str) -> NDArray[np.intp]:
        """Return the row numbers of the population's events; all of them for ``""``."""
        return np.flatnonzero(self.of(population)) if population else np.arange(self.n_events)

    def counts(self) -> dict[str, int]:
        """Return the number of events of every population, by path."""
        per_set = np.bincount(self.codes, minlength=len(self.sets))
        return dict(zip(self.populations, (per_set @ self.sets).astype(int).tolist(), strict=True))

    def count(self, population: str) -> int:
        """Return the number of events in the population; of all events for ``""``."""
        return int(np.count_nonzero(self.of(population))) if population else self.n_events

    def fraction(self, population: str, *, base: str | None = None) -> float:
        """Return the population's events over those of ``base``, an ancestor; NaN where the base is empty.

        ``base`` is the parent if not named, and all events if ``""``.

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


def assign(strategy: GatingStrategy, columns: Columns) -> Membership:
    """Return the membership of every event of a tube.

    Each gate looks only at the events of its parent; a boolean gate combines memberships inside its parent.
    """
    seen = columns.with_dimensions(strategy.dimensions)
    masks: dict[str, Mask] = {}
    everything = np.ones(columns.n_events, dtype=np.bool_)
    for population in strategy.populations:
        parent = masks[population.parent] if population.parent else everything
        masks[population.path] = _inside(population, seen, parent, masks)
    return encode(masks, columns.n_events)


def _inside(population: Population, columns: Columns, parent: Mask, masks: dict[str, Mask]) -> Mask:
    gate = population.gate
    if isinstance(gate, Boolean):
        return np.asarray(parent & gate.combine(masks))
    rows = np.flatnonzero(parent)
    mask = np.zeros(columns.n_events, dtype=np.bool_)
    mask[rows] = gate.contains(columns.points(gate.dimensions, rows))
    return mask


def encode(masks: dict[str, Mask], n_events: int) -> Membership:
    """Return one code per event from one mask per population, in the masks' order."""
    if not masks or not n_events:
        return Membership(
            tuple(masks), np.zeros(n_events, dtype=np.uint8), np.zeros((1, len(masks)), dtype=np.bool_)
        )
    packed = np.packbits(np.column_stack(list(masks.values())), axis=1)
    rows = np.ascontiguousarray(packed).view(np.dtype((np.void, packed.shape[1]))).reshape(-1)
    distinct, codes = np.unique(rows, return_inverse=True)
    sets = np.unpackbits(distinct.view(np.uint8).reshape(len(distinct), -1), axis=1, count=len(masks))
    smallest = np.min_scalar_type(max(len(distinct) - 1, 0))
    return Membership(tuple(masks), codes.astype(smallest), sets.astype(np.bool_))
