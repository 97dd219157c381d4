"""The best attainable cut: what thresholds could have reached at most on the events they were asked to part.

One threshold is chosen exactly: of all that part the events, the one of largest F1 against the truth. Several are
chosen together by ascent, one at a time exactly with the others held, from three starts (all open, each threshold's
own best, and where the gate under judgement has them) until none moves; the best end is kept. That is a lower bound of
the best box, and as a rule the best. Which markers are cut, and which side is kept, is the template's; where is the
truth's, which no method knows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Mask: TypeAlias = NDArray[np.bool_]
ABOVE, BELOW = "above", "below"
OPEN = {ABOVE: -np.inf, BELOW: np.inf}
MOST_ROUNDS = 25


@dataclass(frozen=True, slots=True, eq=False)
class BestBox:
    """The thresholds of largest F1, in the order of the columns; infinite where a side is better left open."""

    thresholds: tuple[float, ...]
    f1: float
    inside: Mask


def best_cut(values: Floats, truth: Mask, *, keep: str = ABOVE) -> tuple[float, float]:
    """Return the threshold of largest F1 and that F1; values and truth of shape ``(n,)``.

    With no true event there is nothing to find: infinity, so that nothing is kept, and NaN.
    """
    box = best_box(values[:, np.newaxis], truth, keeps=(keep,))
    return box.thresholds[0], box.f1


def best_box(
    values: Floats, truth: Mask, *, keeps: Sequence[str], also_from: Sequence[float] | None = None
) -> BestBox:
    """Return the box of largest F1 with one side in each column.

    Parameters
    ----------
    values
        Shape ``(n, k)``; NaN is inside nothing.
    keeps
        For each column, whether ``above`` (``x >= threshold``) or ``below`` (``x < threshold``) is kept.
    also_from
        Thresholds to start from, besides the two starts of its own.
    """
    sides = [_Side(column, keep) for column, keep in zip(values.T, keeps, strict=True)]
    if not truth.any():
        nothing = tuple(-OPEN[keep] for keep in keeps)
        return BestBox(nothing, float("nan"), np.zeros(truth.size, dtype=bool))
    everyone = np.ones(truth.size, dtype=bool)
    starts = [[OPEN[keep] for keep in keeps]]
    if len(sides) > 1:
        starts.append([side.best(truth, everyone)[0] for side in sides])
        starts += [list(also_from)] if also_from is not None else []
    ends = [_climb(sides, truth, start) for start in starts]
    thresholds, reached = max(ends, key=lambda end: end[1])
    inside = np.logical_and.reduce([s.kept(t) for s, t in zip(sides, thresholds, strict=True)])
    return BestBox(tuple(thresholds), reached, inside)


def _climb(sides: Sequence[_Side], truth: Mask, start: list[float]) -> tuple[list[float], float]:
    at, reached = list(start), -1.0
    kept = [side.kept(threshold) for side, threshold in zip(sides, at, strict=True)]
    for _ in range(MOST_ROUNDS):
        before = reached
        for index, side in enumerate(sides):
            others = [mask for place, mask in enumerate(kept) if place != index]
            among = np.logical_and.reduce(others) if others else np.ones(truth.size, dtype=bool)
            at[index], reached = side.best(truth, among)
            kept[index] = side.kept(at[index])
        if reached <= before + 1e-12:
            break
    return at, reached


class _Side:
    """One column in order, so that each threshold's counts are running sums."""

    def __init__(self, values: Floats, keep: str) -> None:
        self.values, self.keep = values, keep
        finite = np.flatnonzero(np.isfinite(values))
        order = finite[np.argsort(values[finite], kind="stable")]
        # Kept events come first: from the top for above, from the bottom for below.
        self.order = order[::-1] if keep == ABOVE else order
        ordered = values[self.order]
        # A threshold cannot part equal values: only where the value changes, and after the last, may a run end.
        self.ends = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True)) if ordered.size else order
        self.ordered = ordered

    def kept(self, threshold: float) -> Mask:
        with np.errstate(invalid="ignore"):
            inside = self.values >= threshold if self.keep == ABOVE else self.values < threshold
        return np.asarray(inside)

    def best(self, truth: Mask, among: Mask) -> tuple[float, float]:
        """Return the threshold of largest F1 among the events that every other side keeps."""
        if not self.order.size:
            return OPEN[self.keep], 0.0
        inside = among[self.order]
        predicted = np.cumsum(inside)[self.ends]
        right = np.cumsum(inside & truth[self.order])[self.ends]
        scores = 2 * right / (predicted + np.count_nonzero(truth))
        index = int(np.argmax(scores))
        return self._between(int(self.ends[index])), float(scores[index])

    def _between(self, last: int) -> float:
        """Return the threshold that keeps the run up to ``last``: midway to the next value, open after the end."""
        if last + 1 == self.ordered.size:
            return OPEN[self.keep]
        here, following = self.ordered[last], self.ordered[last + 1]
        middle = float((here + following) / 2)
        if min(here, following) < middle < max(here, following):
            return middle
        # Neighbouring floats have no middle: above keeps its threshold, below does not.
        return float(here if self.keep == ABOVE else following)
