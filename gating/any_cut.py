"""Any cut: the first of the rules on one axis that finds a boundary, for rules that cut a line through the plane."""

from __future__ import annotations

import math

import numpy as np

from gating.answers import Abstention, Cut, Floats
from gating.mixture import mixture
from gating.tail import tail
from gating.valley import valley

ANY = "any"
CUTS = ("valley", "mixture", "tail")
MOST_LEAN = 2.0
"""The events beyond a ridge make its cloud lean; they are what is looked for."""


def any_cut(
    values: Floats,
    *,
    rule: str,
    side: str = "upper",
    beyond: float = -math.inf,
    quantile: float = 0.995,
    rng: np.random.Generator,
) -> tuple[Cut, int] | Abstention:
    """Return the cut of a rule, or of the first that finds one: a valley, two populations, the end of a tail.

    Parameters
    ----------
    values
        Shape ``(n,)``.
    rule
        One of :data:`CUTS`, or ``"any"`` to try them in this order.
    side
        On which side of the greater population the cut lies, ``"upper"`` or ``"lower"``.
    beyond
        The cut lies above this value, with ``side="lower"`` below it.
    quantile
        As in :func:`gating.tail.tail`.

    Returns
    -------
    tuple[Cut, int] | Abstention
        The cut and the number of its rule in :data:`CUTS`; or why the last rule tried found none.
    """
    upper = side == "upper"
    low, high = (beyond, math.inf) if upper else (-math.inf, -beyond if math.isinf(beyond) else beyond)
    declined = Abstention("no rule was tried", 0, {})
    answer: Cut | Abstention
    for number, name in enumerate(CUTS):
        if rule not in (ANY, name):
            continue
        if name == "valley":
            nearest = "lowest" if upper else "highest"
            between = nearest if math.isfinite(beyond) else "deepest"
            answer = valley(values, between=between, low=low, high=high, rng=rng)
        elif name == "mixture":
            answer = mixture(values, side=side, low=low, high=high, rng=rng)
        else:
            answer = tail(values, side=side, quantile=quantile, lean=MOST_LEAN, dominant=0.2, rng=rng)
        if isinstance(answer, Cut):
            return answer, number
        declined = answer
    return declined
