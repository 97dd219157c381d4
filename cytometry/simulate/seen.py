"""Seen: what a gate without noise would see of a population; the gate-defined truth."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Seen:
    """What a gate without noise would see of a population: noise-free intensity at or above its boundary.

    Parameters
    ----------
    n
        True live single cells of the population.
    fraction
        Of them at or above: the gate-defined truth. NaN for no cells.
    of_positive, of_negative
        Of those truly in the state, and of those not. What a gate sees of a planted shift is the shift times
        the difference of the two.
    """

    n: int
    fraction: float
    of_positive: float
    of_negative: float
