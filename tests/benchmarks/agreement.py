"""Two gatings of the same events, held against each other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FEWEST = 100
"""With fewer reference events F1 hangs on single cells: only the difference in percent of parent is looked at."""


@dataclass(frozen=True, slots=True)
class Score:
    """How one population of one tube was gated, beside the reference.

    Parameters
    ----------
    n_reference, n_ours
        Events in the population; ``n_ours`` is 0 where the rule abstained.
    f1
        Of the events, with the whole path counted: an event that a parent lost is lost. 0 for an abstention, NaN
        where neither gating has an event.
    of_parent_reference, of_parent_ours
        Percent of each gating's own parent; NaN for an empty parent or an abstention.
    """

    population: str
    tube: str
    n_reference: int
    n_ours: int
    f1: float
    of_parent_reference: float
    of_parent_ours: float
    abstained: bool = False

    @property
    def difference(self) -> float:
        """Return ours minus the reference, in percentage points of the parent."""
        return self.of_parent_ours - self.of_parent_reference

    @property
    def is_scored(self) -> bool:
        """Return whether the reference has enough events for F1 to mean something."""
        return self.n_reference >= FEWEST


def f1(reference: NDArray[np.bool_], ours: NDArray[np.bool_]) -> float:
    """Return the harmonic mean of precision and recall over the events; NaN where both are empty."""
    either = int(reference.sum()) + int(ours.sum())
    return 2 * int((reference & ours).sum()) / either if either else float("nan")


def percent(inside: int, parent: int) -> float:
    """Return a count as percent of its parent's; NaN for an empty parent."""
    return 100 * inside / parent if parent else float("nan")
