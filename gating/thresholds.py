"""Rules for one axis: values in, a cut out, or the reason why there is none.

What is cut, and from which tube the values come, is the template's business: any rule reads any values, the
tube's own, an FMO control's, a reference population's. All values are on the display scale.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike

from gating.answers import Abstention, Card, Cut
from gating.density import finite
from gating.errors import TemplateError
from gating.mixture import mixture
from gating.parting import parting
from gating.quantile import quantile
from gating.tail import tail
from gating.valley import valley

__all__ = ["RULES", "Abstention", "Cut", "Rule", "fixed", "mixture", "parting", "quantile", "tail", "valley"]

Rule = Card


def fixed(values: ArrayLike, *, value: float) -> Cut:
    """Return the cut that was told.

    Parameters
    ----------
    values
        Shape ``(n,)``; only counted.
    value
        The cut, on the scale of the values.

    Returns
    -------
    Cut
        With confidence 1, and an interval of no width: it is not learnt, so nothing about it can come out
        otherwise.
    """
    if not math.isfinite(value):
        msg = f"a fixed cut is a finite value on the display scale, not {value!r}"
        raise TemplateError(msg)
    n_events = finite(values).size
    saw = {"nonfinite": np.asarray(values).size - n_events}
    return Cut(float(value), 1.0, n_events, saw, (value, value))


FIXED = Rule("fixed", fixed, "a boundary known beforehand", "Maecker & Trotter 2006, Cytometry A 69:1037")
VALLEY = Rule(
    "valley", valley, "two peaks with a valley between them", "Silverman 1981, J. R. Statist. Soc. B 43:97"
)
MIXTURE = Rule(
    "mixture",
    mixture,
    "a population and a smaller one beside it, which may be a shoulder with no valley",
    "McLachlan & Peel 2000, Finite Mixture Models; Schwarz 1978, Annals of Statistics 6:461",
)
PARTING = Rule(
    "parting",
    parting,
    "two populations: a valley between them, or the smaller one a shoulder; the surer of valley and mixture",
    "Silverman 1981, J. R. Statist. Soc. B 43:97; McLachlan & Peel 2000, Finite Mixture Models",
)
TAIL = Rule(
    "tail",
    tail,
    "a negative peak, nearly symmetric, that holds most events",
    "practice: the negative half, mirrored",
)
QUANTILE = Rule("quantile", quantile, "events known to be negative", "Roederer 2001, Cytometry 45:194")

RULES: Mapping[str, Rule] = MappingProxyType(
    {rule.name: rule for rule in (FIXED, VALLEY, MIXTURE, PARTING, TAIL, QUANTILE)}
)
