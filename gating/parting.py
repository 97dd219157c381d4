"""Cut between two populations, by the valley or by what the two populations are, whichever is surer."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from gating.answers import Abstention, Cut
from gating.mixture import mixture
from gating.valley import valley


def parting(
    values: ArrayLike,
    *,
    low: float = -math.inf,
    high: float = math.inf,
    smallest: float = 0.005,
    rng: np.random.Generator | None = None,
) -> Cut | Abstention:
    """Cut where two populations part.

    A valley's lowest point leans towards the narrower of two populations, and a shoulder has none; two fitted
    populations are near the best cut, where they have the shapes that were fitted. Both are asked, and the surer
    is believed.

    Parameters
    ----------
    values
        Shape ``(n,)``, display scale.
    low, high
        The cut must lie between these.
    smallest, rng
        As in :func:`gating.valley.valley` and :func:`gating.mixture.mixture`.

    Returns
    -------
    Cut | Abstention
        As the rule that is believed answers. ``saw`` says beside what it saw which it was (``by_mixture`` 1 or 0), and
        where the other would have cut, if it would. Abstains where both do, with both reasons.

    Raises
    ------
    TemplateError
        If an option has a value that it cannot have.
    """
    deepest = valley(values, low=low, high=high, smallest=smallest, rng=rng)
    fitted = mixture(values, low=low, high=high, smallest=smallest, rng=rng)
    if isinstance(deepest, Abstention) and isinstance(fitted, Abstention):
        reason = f"{deepest.reason}; {fitted.reason}"
        return Abstention(reason, deepest.n_events, {**fitted.saw, **deepest.saw})
    found = [one for one in (fitted, deepest) if isinstance(one, Cut)]
    surer = max(found, key=lambda one: one.confidence)
    saw = {**surer.saw, "by_mixture": float(surer is fitted)}
    if len(found) > 1:
        saw["other"] = next(one.value for one in found if one is not surer)
    return replace(surer, saw=saw)
