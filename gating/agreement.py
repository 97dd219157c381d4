"""Agreement: two gatings of the same events, held against each other population by population.

Which of the two is right is not said here: one is called the reference, an expert's or a simulator's truth.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from gating.errors import StrategyError
from gating.gates import Mask
from gating.strategy import ROOT

__all__ = ["FEWEST", "Agreement", "agreement", "f1", "jaccard"]

FEWEST = 100
"""With fewer reference events F1 hangs on single cells: only the difference in percent of parent says something."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How one population was gated, beside the reference.

    Parameters
    ----------
    n_reference, n_ours
        Events in the population; ``n_ours`` is 0 where it was not gated.
    f1, jaccard
        Of the events, with the whole path counted: an event that a parent lost is lost. 0 where it was not gated,
        NaN where neither gating has an event.
    of_parent_reference, of_parent_ours
        Percent of each gating's own parent; NaN for an empty parent, or where it was not gated.
    abstained
        Whether ours lacks the population.
    """

    population: str
    n_reference: int
    n_ours: int
    f1: float
    jaccard: float
    of_parent_reference: float
    of_parent_ours: float
    abstained: bool = False

    @property
    def difference(self) -> float:
        """Return ours minus the reference, in percentage points of the parent."""
        return self.of_parent_ours - self.of_parent_reference

    @property
    def count_error(self) -> float:
        """Return ours minus the reference as a share of the reference; NaN for an empty one or no gate."""
        if self.abstained or not self.n_reference:
            return float("nan")
        return (self.n_ours - self.n_reference) / self.n_reference

    @property
    def is_scored(self) -> bool:
        """Return whether the reference has enough events for F1 to mean something."""
        return self.n_reference >= FEWEST


def agreement(
    reference: Mapping[str, Mask], ours: Mapping[str, Mask | None], *, parents: Mapping[str, str]
) -> tuple[Agreement, ...]:
    """Hold two gatings of the same events against each other, population by population.

    Parameters
    ----------
    reference
        Which events are in each population, shape ``(n_events,)``.
    ours
        The same by the same names; ``None``, or no entry, where no gate was found.
    parents
        Of the populations to compare, in the order wanted; ``""`` stands for all events.

    Raises
    ------
    StrategyError
        If the reference lacks a population or a parent, or two memberships differ in length.
    """
    absent = sorted(({*parents} | {parent for parent in parents.values() if parent}) - set(reference))
    if absent:
        msg = f"the reference has no {', '.join(map(repr, absent))}; it has {', '.join(reference)}"
        raise StrategyError(msg)
    sizes = {len(mask) for mask in (*reference.values(), *ours.values()) if mask is not None}
    if len(sizes) > 1:
        msg = f"two gatings of the same events have one length, not {', '.join(map(str, sorted(sizes)))}"
        raise StrategyError(msg)
    return tuple(_one(name, parent, reference, ours) for name, parent in parents.items())


def f1(reference: Mask, ours: Mask) -> float:
    """Return the harmonic mean of precision and recall over the events; NaN where both are empty."""
    either = np.count_nonzero(reference) + np.count_nonzero(ours)
    return 2 * np.count_nonzero(reference & ours) / either if either else float("nan")


def jaccard(reference: Mask, ours: Mask) -> float:
    """Return the events in both over the events in either; NaN where both are empty."""
    union = np.count_nonzero(reference | ours)
    return np.count_nonzero(reference & ours) / union if union else float("nan")


def _one(name: str, parent: str, reference: Mapping[str, Mask], ours: Mapping[str, Mask | None]) -> Agreement:
    theirs, mine = reference[name], ours.get(name)
    n_theirs = int(np.count_nonzero(theirs))
    of_theirs = _percent(n_theirs, _count(reference, parent, theirs.size))
    if mine is None:
        return Agreement(name, n_theirs, 0, 0.0, 0.0, of_theirs, float("nan"), abstained=True)
    n_mine = int(np.count_nonzero(mine))
    of_mine = _percent(n_mine, _count(ours, parent, theirs.size))
    return Agreement(name, n_theirs, n_mine, f1(theirs, mine), jaccard(theirs, mine), of_theirs, of_mine)


def _count(masks: Mapping[str, Mask | None], parent: str, everything: int) -> int:
    if parent == ROOT:
        return everything
    mask = masks.get(parent)
    return 0 if mask is None else int(np.count_nonzero(mask))


def _percent(inside: int, parent: int) -> float:
    return 100 * inside / parent if parent else float("nan")
