"""Cut between two populations of which the smaller may be a shoulder, with no valley between."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from gating.answers import (
    Abstention,
    Cut,
    confidence_in_count,
    error_of_count,
    nothing_to_see,
    one_of,
    own_generator,
    spread,
    widened,
    within,
)
from gating.components import ONE, TWO, Fit
from gating.density import bin_values
from gating.dip import saw_dip
from gating.errors import TemplateError
from gating.pair import Grid, Pair, draw_cuts, fit_both, grid_of, pair_of

FEWEST = 200
FEWEST_IN_MINORITY = 15
MOST_LEFT = 0.05
UNSURE = 0.15
"""How far shapes other than the fitted move the best cut, a deviation, as a share of the two deviations together."""
CHARGE = 1.5
"""What the second population is charged, in twice the log likelihood, is this often the logarithm of the events."""
MOST_LEAN, MOST_EXPONENT = 0.4, 1.0
"""A greater population with sides more than 2.2-fold unlike, or tails steeper than ``exp(-z^5.4)``, is no model."""


def mixture(
    values: ArrayLike,
    *,
    side: str = "either",
    low: float = -math.inf,
    high: float = math.inf,
    smallest: float = 0.005,
    apart: float = 2.0,
    rng: np.random.Generator | None = None,
) -> Cut | Abstention:
    """Cut between a population and a smaller one beside it, where F1 of the smaller one is best.

    Two models are fitted to the counts: one population alone, which may lean and have heavy or light tails, each
    side its own (or a narrow and a wide one about the same centre); and a population near to normal with a normal
    one beside it. The second must explain the events better than chance would let it.

    Parameters
    ----------
    values
        Shape ``(n,)``, display scale. Values that are not finite, and spikes, are left out and counted.
    side
        On which side of the greater population the smaller one must lie: ``"upper"``, ``"lower"`` or ``"either"``.
    low, high
        The cut must lie between these.
    smallest
        The smaller population must hold this share of the events, and 15 events.
    apart
        How far apart the two must be, as Ashman's D: two populations that are nearer than 2 are one to the eye.
    rng
        Draws the repetitions for confidence and interval; when not given, the same for every call.

    Returns
    -------
    Cut | Abstention
        Abstains when there are fewer than 200 events, when one population explains the events as well, when the two
        are too near to each other, when the greater one leans so much that what lies beside it may be its tail, and
        when two populations leave many events unexplained. ``saw`` has the share, mean and deviation of both, D, and
        the gain in log likelihood.

    Raises
    ------
    TemplateError
        If an option has a value that it cannot have.

    Notes
    -----
    Of a tail and a bump of few events the likelihood cannot tell which it is, and the rule abstains. At a D of 3, 1 %
    is found in 6 of 10 samples of 20,000 events (in all but those where it is narrow, and so deep in the flank) and
    5 % in all; of 2,000 events, 5 % in 6 of 10 and 20 % in all (``tests/benchmarks/rules.py``).

    References
    ----------
    Schwarz 1978, Annals of Statistics 6:461; Ashman, Bird & Zepf 1994, Astronomical Journal 108:2348, for D.
    """
    one_of("side", side, ("either", "upper", "lower"))
    within("smallest", smallest, 0.0, 0.5)
    within("apart", apart, 0.0, math.inf)
    if not low < high:
        msg = f"a cut needs low < high, not low={low:g}, high={high:g}"
        raise TemplateError(msg)
    binned = bin_values(values, fewest=FEWEST)
    if binned is None:
        return nothing_to_see(values, FEWEST)
    grid = grid_of(binned)
    alone, two = fit_both(grid)
    pair = pair_of(grid, two)
    saw = binned.saw | saw_dip(binned.counts) | _saw(grid, pair, two.log_likelihood - alone)
    reason = _why_not(saw, pair, side=side, smallest=smallest, apart=apart, n=binned.n_kept)
    cut = grid.value(pair.cut)
    if not reason and not low <= cut <= high:
        reason = f"the two populations part at {cut:.3g}, not between {low:g} and {high:g}"
    if reason:
        return Abstention(reason, binned.n_events, saw)
    return _cut(grid, two, cut, saw=saw, rng=own_generator(rng))


def _cut(grid: Grid, two: Fit, cut: float, *, saw: dict[str, float], rng: np.random.Generator) -> Cut:
    binned = grid.binned
    again = np.array([grid.value(place) for place in draw_cuts(grid, two, rng)])
    counts = np.array([binned.below(grid.bin(value)) for value in again])
    unsure = UNSURE * math.hypot(saw["sd_greater"], saw["sd_lesser"])
    low, at, high = (binned.below(grid.bin(value)) for value in (cut - unsure, cut, cut + unsure))
    lesser = max(min(at, binned.n_kept - at), 1.0)
    confidence = confidence_in_count(error_of_count(counts, binned.n_kept), (high - low) / 2 / lesser)
    return Cut(cut, confidence, binned.n_events, saw, widened(spread(again, cut), cut, unsure))


def _saw(grid: Grid, pair: Pair, gain: float) -> dict[str, float]:
    names = ("greater", "lesser")
    saw = {f"share_{name}": share for name, share in zip(names, pair.shares, strict=True)}
    saw |= {f"mean_{name}": grid.value(mean) for name, mean in zip(names, pair.means, strict=True)}
    saw |= {f"sd_{name}": grid.length(sd) for name, sd in zip(names, pair.sds, strict=True)}
    free = TWO - ONE
    return saw | {
        "D": pair.apart,
        "gain": gain,
        "bic_gain": 2 * gain - free * math.log(grid.binned.n_kept),
        "f1": pair.f1,
        "left_over": pair.left,
    }


def _why_not(saw: dict[str, float], pair: Pair, *, side: str, smallest: float, apart: float, n: float) -> str:
    charge, gain = CHARGE * math.log(n), 2 * saw["gain"]
    lies = "upper" if pair.means[1] > pair.means[0] else "lower"
    objections = {
        f"one population explains the events: a second gains {gain:.1f} in twice the log likelihood, and "
        f"{charge:.1f} is beyond chance": gain < charge,
        f"two populations, if any, that look like one: Ashman's D is {pair.apart:.2f}, and {apart:g} parts": (
            pair.apart < apart
        ),
        f"the smaller population holds {pair.shares[1]:.2%} of the events, too few": (
            pair.shares[1] < max(smallest, FEWEST_IN_MINORITY / n)
        ),
        "the greater population leans, or is flat: what lies beside it may be a part of it": (
            abs(pair.lean) > MOST_LEAN or pair.exponent > MOST_EXPONENT
        ),
        f"more than two populations: two leave {pair.left:.1%} of the events over": (
            pair.left > min(0.5 * pair.shares[1], MOST_LEFT)
        ),
        f"the smaller population lies on the {lies} side": side not in ("either", lies),
    }
    return next((reason for reason, holds in objections.items() if holds), "")
