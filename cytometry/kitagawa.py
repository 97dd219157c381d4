"""Kitagawa: the parts of a change between two fractions, by what the whole is made of and by what each part shows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cytometry.errors import CompareError
from gating.membership import Membership

Floats = NDArray[np.float64]


def kitagawa(
    subset_before: ArrayLike, positive_before: ArrayLike, subset_after: ArrayLike, positive_after: ArrayLike
) -> tuple[Floats, Floats]:
    """Return each subset's part in the change of the fraction positive: by composition, and within the subset.

    Parameters
    ----------
    subset_before, subset_after
        Events of each subset, shape ``(k,)``; together the parent.
    positive_before, positive_after
        How many of them are positive.

    Returns
    -------
    composition, within
        Shape ``(k,)`` each, in fractions of the parent. Their sums add up to the change. A subset that is empty
        before or after has no fraction there and takes that of the other time: it can only change the composition. A
        subset's composition part is counted from the mean fraction of the whole parent, so that a growing subset of
        low fraction has a negative one.

    Raises
    ------
    CompareError
        If the shapes differ, more are positive than there are, or a parent is empty.

    References
    ----------
    Kitagawa EM. Components of a difference between two rates. J Am Stat Assoc 1955;50:1168-1194.
    """
    n0, x0, n1, x1 = (
        np.asarray(one, dtype=np.float64)
        for one in (subset_before, positive_before, subset_after, positive_after)
    )
    if len({one.shape for one in (n0, x0, n1, x1)}) > 1 or (x0 > n0).any() or (x1 > n1).any():
        msg = "each subset has its events and how many of them are positive, before and after, in the same order"
        raise CompareError(msg)
    if not n0.sum() > 0 or not n1.sum() > 0:
        msg = "an empty parent has no fractions to compare"
        raise CompareError(msg)
    w0, w1 = n0 / n0.sum(), n1 / n1.sum()
    r0, r1 = rates(x0, n0), rates(x1, n1)
    r0, r1 = np.where(np.isnan(r0), r1, r0), np.where(np.isnan(r1), r0, r1)
    r0, r1 = np.nan_to_num(r0), np.nan_to_num(r1)
    middle = (x0.sum() / n0.sum() + x1.sum() / n1.sum()) / 2
    return (w1 - w0) * ((r0 + r1) / 2 - middle), (r1 - r0) * (w0 + w1) / 2


def rates(positive: Floats, events: Floats) -> Floats:
    """Return the fraction positive of each subset, shape ``(k,)``; NaN where it is empty."""
    return np.asarray(np.divide(positive, events, out=np.full(events.shape, np.nan), where=events > 0))


def count_subsets(membership: Membership, population: str, subsets: Sequence[str]) -> tuple[Floats, Floats]:
    """Return the events of each subset and of what they leave of the parent, and how many of each are positive.

    Shapes ``(k + 1,)``.

    Raises
    ------
    CompareError
        If two subsets overlap.
    """
    parent = population.rpartition("/")[0]
    index = {path: place for place, path in enumerate(membership.populations)}
    per_set = np.bincount(membership.codes, minlength=len(membership.sets))
    inside = membership.sets[:, index[parent]]
    held = membership.sets[:, [index[path] for path in subsets]] & inside[:, None]
    if per_set[held.sum(axis=1) > 1].any():
        msg = f"{', '.join(subsets)} overlap, and a decomposition needs subsets that do not"
        raise CompareError(msg)
    masks = np.column_stack([held, inside & ~held.any(axis=1)])
    positive = membership.sets[:, index[population]]
    return (per_set @ masks).astype(np.float64), (per_set @ (masks & positive[:, None])).astype(np.float64)
