"""Cut at a quantile of values known to be negative, by their tail where few of them lie beyond."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from gating.answers import Abstention, Cut, Floats, confidence_in_count, within
from gating.density import finite

MANY = 50
"""As many events beyond the quantile place it by themselves; fewer are helped by those before them."""
RAREST = 0.05
"""A line is laid along a tail no thicker than this."""
FEWEST = 5
IN_LINE, TIMES_BEYOND, LARGEST_SHARE = 100, 10, 0.2
UNSURE = 0.006
"""How far a tail that is not a normal one moves the count beyond, a deviation of its logarithm, for each time that the
line is longer than what lies beyond."""


def quantile(values: ArrayLike, *, quantile: float = 0.995) -> Cut | Abstention:
    """Cut at a quantile of the values: of an FMO control, of a population known to be negative.

    The quantile is interpolated linearly between the two nearest values (type 7 of Hyndman & Fan 1996). With fewer
    than 50 events beyond it, that is too low and unsteady, and it is read off a straight line through the
    outermost values against the normal scores of their ranks: at least 100 values, and ten times those beyond, but no
    more than a fifth of all. It stays within the exact interval of the quantile.

    Parameters
    ----------
    values
        Shape ``(n,)``, display scale.
    quantile
        The share of the values to leave below.

    Returns
    -------
    Cut | Abstention
        Abstains when fewer than 5 events are expected beyond the cut, or all have one value. The confidence is the
        chance that the share beyond is within a tenth of what is asked for; the interval is the exact one between two
        of the values, or the line's. ``saw`` says how many values the line is laid through, 0 for none.

    References
    ----------
    Blom 1958, Statistical Estimates and Transformed Beta-Variables, for the scores; Hahn & Meeker 1991, Statistical
    Intervals, 5.2, for the interval.
    """
    within("quantile", quantile, 0.0, 1.0)
    x = np.sort(finite(values))
    lesser = min(quantile, 1 - quantile)
    expected = round(x.size * lesser, 9)
    straight = lesser <= RAREST and expected < MANY
    saw = {"nonfinite": np.asarray(values).size - x.size, "expected_beyond": expected, "in_line": 0.0}
    if expected < FEWEST:
        needed = math.ceil(round(FEWEST / lesser, 6))
        reason = f"too few events: {x.size}, and the {quantile:g} quantile needs {needed:,} to leave {FEWEST} beyond"
        return Abstention(reason, x.size, saw)
    if not np.ptp(x) > 0:
        return Abstention(f"no spread: all of {x.size} events have the value {x[0]:.3g}", x.size, saw)
    if straight:
        return _along(x, quantile, saw)
    confidence = confidence_in_count(math.sqrt((1 - lesser) / expected), 0.0)
    value = float(np.quantile(x, quantile))
    return Cut(value, confidence, x.size, saw, _between_values(x, quantile))


def _between_values(ordered: Floats, quantile: float) -> tuple[float, float]:
    """Return the two values between which the quantile lies, 95 times of 100 or more, whatever the density.

    The number of values below the true quantile is binomial.
    """
    from scipy.special import bdtrik

    n = ordered.size
    least, most = (math.ceil(bdtrik(chance, n, quantile)) for chance in (0.025, 0.975))
    return float(ordered[max(least, 1) - 1]), float(ordered[min(most, n - 1)])


def _along(ordered: Floats, quantile: float, saw: dict[str, float]) -> Cut | Abstention:
    from scipy.special import ndtri

    upper = quantile > 0.5
    outward = ordered if upper else -ordered[::-1]
    share = 1 - quantile if upper else quantile
    n = outward.size
    k = min(max(math.ceil(TIMES_BEYOND * share * n), IN_LINE), math.ceil(LARGEST_SHARE * n))
    below = (np.arange(n - k, n) + 0.625) / (n + 0.25)
    score, at = ndtri(below), float(ndtri(1 - share))
    height = np.exp(-0.5 * score**2) / math.sqrt(2 * math.pi)
    design = np.column_stack([np.ones(k), score - at])
    weighted = design * (height**2 / (below * (1 - below)))[:, None]
    solve = np.linalg.solve(weighted.T @ design, weighted.T)
    reach, slope = (float(row @ outward[n - k :]) for row in solve)
    if not slope > 0:
        reason = f"no spread: the outermost {k} of {n} events have the value {outward[-1]:.3g}"
        return Abstention(reason, n, saw)
    # Of two order statistics the lesser's share below and the greater's share above make their covariance.
    pull, push = solve[0] * below / height, solve[0] * (1 - below) / height
    variance = float(2 * push @ np.cumsum(pull) - push @ pull) / n
    hazard = math.exp(-0.5 * at**2) / math.sqrt(2 * math.pi) / share
    unsure = UNSURE * k / (n * share)
    off = 1.96 * slope * math.hypot(math.sqrt(variance), unsure / hazard)
    low, high = _between_values(outward, 1 - share)
    reach = min(max(reach, low), high)  # a tail may be no normal one, but it holds as many events as it does
    value = reach if upper else -reach
    confidence = confidence_in_count(hazard * math.sqrt(variance), unsure)
    return Cut(value, confidence, n, saw | {"in_line": float(k)}, (value - off, value + off))
