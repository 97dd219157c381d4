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

from gating.answers import Abstention, Card, Cut, Floats, chance_within_a_tenth, within
from gating.density import finite
from gating.errors import TemplateError
from gating.mixture import mixture
from gating.tail import tail
from gating.valley import valley

__all__ = ["RULES", "Abstention", "Cut", "Rule", "fixed", "mixture", "quantile", "tail", "valley"]

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


def quantile(values: ArrayLike, *, quantile: float = 0.995) -> Cut | Abstention:
    """Cut at a quantile of the values: of an FMO control, of a population known to be negative.

    Parameters
    ----------
    values
        Shape ``(n,)``, display scale.
    quantile
        The share of the values to leave below, interpolated linearly between the two nearest (type 7 of
        Hyndman & Fan 1996).

    Returns
    -------
    Cut | Abstention
        Abstains when fewer than 5 events are expected beyond the cut, or all have one value. The confidence
        is the chance that the number beyond, which is binomial, is within a tenth of its expectation. The
        interval is the exact one between two of the values.

    References
    ----------
    Hahn & Meeker 1991, Statistical Intervals, 5.2, for the interval.
    """
    within("quantile", quantile, 0.0, 1.0)
    x = finite(values)
    lesser = min(quantile, 1 - quantile)
    expected = round(x.size * lesser, 9)
    saw = {"nonfinite": np.asarray(values).size - x.size, "expected_beyond": expected}
    if expected < 5:
        needed = math.ceil(round(5 / lesser, 6))
        reason = f"too few events: {x.size}, and the {quantile:g} quantile needs {needed:,} to leave 5 beyond"
        return Abstention(reason, x.size, saw)
    if not np.ptp(x) > 0:
        return Abstention(f"no spread: all of {x.size} events have the value {x[0]:.3g}", x.size, saw)
    confidence = chance_within_a_tenth(expected, math.sqrt(expected * (1 - lesser)))
    value = float(np.quantile(x, quantile))
    return Cut(value, confidence, x.size, saw, _between_values(np.sort(x), quantile))


def _between_values(ordered: Floats, quantile: float) -> tuple[float, float]:
    """Return the two values between which the quantile lies, 95 times of 100 or more, whatever the density.

    The number of values below the true quantile is binomial.
    """
    from scipy.special import bdtrik

    n = ordered.size
    least, most = (math.ceil(bdtrik(chance, n, quantile)) for chance in (0.025, 0.975))
    return float(ordered[max(least, 1) - 1]), float(ordered[min(most, n - 1)])


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
TAIL = Rule(
    "tail",
    tail,
    "a negative peak, nearly symmetric, that holds most events",
    "practice: the negative half, mirrored",
)
QUANTILE = Rule("quantile", quantile, "events known to be negative", "Roederer 2001, Cytometry 45:194")

RULES: Mapping[str, Rule] = MappingProxyType(
    {rule.name: rule for rule in (FIXED, VALLEY, MIXTURE, TAIL, QUANTILE)}
)
