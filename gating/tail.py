"""Cut where the negative peak's tail ends, for positives too rare to make a valley."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from gating.answers import (
    Abstention,
    Cut,
    Floats,
    confidence_in_count,
    error_of_count,
    nothing_to_see,
    one_of,
    own_generator,
    spread,
    within,
)
from gating.density import Binned, bin_values
from gating.peaks import Modes, landscape

FEWEST = 50
STEADY = 1.5
RESAMPLES = 40
FOOT = 0.2
"""A peak's widths are read at this share of its height: low enough to show a lean, above most positives."""
MOVED, LEANS, STEEP = 1.2, 3.0, 2.5
"""How the chance of the best count falls with the share of the events that a shift of the cut moves, and the lean."""
UNSURE = 0.3
"""How far a side that is not the other's reflection moves the count beyond, a deviation of its logarithm."""
FLATTEST = 1.05
"""A tail's end, as a multiple of the width at the foot: 1.44 for a normal peak (0.995), 1 for a plateau."""


@dataclass(frozen=True, slots=True)
class Top:
    """A peak's top and its widths below and above, at a fifth of its height; in bins."""

    position: float
    below: float
    above: float

    @property
    def lean(self) -> float:
        """Return the width above as a multiple of the width below."""
        return self.above / max(self.below, 1e-300)

    def share_beyond(self, quantile: float) -> float:
        """Return the share of the upper side that lies beyond a quantile of the whole peak.

        The upper side is the lower one reflected and stretched by the lean, so it holds ``lean`` events for
        each one of the lower side; of a symmetric peak, twice ``1 - quantile`` of it lies beyond.
        """
        return (1 - quantile) * (1 + self.lean) / self.lean


def tail(
    values: ArrayLike,
    *,
    side: str = "upper",
    quantile: float = 0.995,
    peak: str = "tallest",
    dominant: float = 0.5,
    lean: float = 1.3,
    smallest: float = 0.005,
    rng: np.random.Generator | None = None,
) -> Cut | Abstention:
    """Cut where the tail of the negative peak ends.

    The negative peak's side away from the positives, where there are none, is reflected about its top and
    stretched to the width that the peak has, at a fifth of its height, on the side of the positives. The cut
    leaves out the outermost part of the reflection.

    Parameters
    ----------
    values
        Shape ``(n,)``, display scale.
    side
        The ``"upper"`` tail, where the positives are above the peak, or the ``"lower"``.
    quantile
        The share of the negative peak that stays on its own side of the cut.
    peak
        Which peak is the negative one: ``"tallest"``, ``"lowest"`` or ``"highest"`` on the axis.
    dominant
        The peak, reflection included, must hold at least this share of the events.
    lean
        The peak's widths on its two sides, at a fifth of its height, may differ by this factor at most.
    smallest, rng
        As in :func:`gating.valley.valley`.

    Returns
    -------
    Cut | Abstention
        Abstains when there are fewer than 50 events, when the peak is flat, leans or holds too few of the
        events, and when fewer than 5 events of the reflection are expected beyond the cut. The confidence is that the
        count is near the one at the best cut between negatives and positives; where hardly more than the negatives'
        own tail lies beyond, that it is near their true quantile, which is seldom. The interval is of the tail's end.

    Raises
    ------
    TemplateError
        If an option has a value that it cannot have.

    Notes
    -----
    Stretching mends a lean by half: of lognormal negatives with a deviation of 10 %, 1.3 % are beyond the
    cut meant for 0.5 %, and 2.5 % without it. A control, where there is one, is the better judge.
    """
    one_of("side", side, ("upper", "lower"))
    one_of("peak", peak, ("tallest", "lowest", "highest"))
    for name, share, least in (
        ("quantile", quantile, 0.5),
        ("dominant", dominant, 0),
        ("smallest", smallest, 0),
    ):
        within(name, share, least, 1.0)
    within("lean", lean, 1.0, math.inf)
    rng = own_generator(rng)
    towards = 1.0 if side == "upper" else -1.0
    x = towards * np.asarray(values, dtype=np.float64).reshape(-1)  # from here on the positives are above
    binned = bin_values(x, fewest=FEWEST)
    if binned is None:
        return nothing_to_see(values, FEWEST)
    modes = landscape(binned, smallest=smallest, most_peaks=5, rng=rng).modes
    density = binned.smooth(STEADY * binned.bandwidth)
    chosen = _choose(density, modes, peak, flipped=side == "lower")
    top = fit_top(density, modes.peaks[chosen])
    if top is None:
        reason = "no clear negative peak: its top is flat, or at the end of the range"
        return Abstention(reason, binned.n_events, binned.saw | {"peaks": len(modes.peaks)})
    centre = binned.value(top.position)
    foot = modes.valleys[chosen - 1] if chosen else 0
    away = centre - x[(x >= (binned.value(foot) if chosen else -math.inf)) & (x < centre)]
    beyond = top.share_beyond(quantile)
    reach = float(np.quantile(away, 1 - beyond)) if away.size and beyond < 1 else 0.0
    cut = centre + top.lean * reach
    saw = binned.saw | {"peaks": len(modes.peaks), "top": towards * centre, "lean": top.lean}
    saw |= {
        "share": (1 + top.lean) * away.size / binned.n_events,
        "expected_beyond": round(beyond * away.size, 9),
    }
    saw |= {"reach": reach / (top.below * binned.step)}
    reason = _why_not(saw, dominant, lean)
    if reason:
        return Abstention(reason, binned.n_events, saw)
    ends = _again(binned, modes.peaks[chosen], foot, quantile=quantile, rng=rng)
    place = (cut - binned.start) / binned.step
    confidence = _confidence(binned, density, top, cut=place, ends=ends, quantile=quantile)
    interval = spread(towards * (binned.start + binned.step * ends), towards * cut)
    return Cut(towards * cut, confidence, binned.n_events, saw, interval)


def _confidence(
    binned: Binned, density: Floats, top: Top, *, cut: float, ends: Floats, quantile: float
) -> float:
    """Return the chance that the count is within a tenth of the best.

    Of positives beyond the cut, the best is that of their F1, and how far it lies from the end of the negatives no
    repetition tells: the chance falls with the events that a shift of the cut would move, and with a lean, of which the
    reflection mends but half. Of negatives alone, the best is their true quantile.
    """
    beyond = binned.n_kept - binned.below(cut)
    lesser = max(min(beyond, binned.n_kept - beyond), 1.0)
    moved = density[min(int(cut), density.size - 1)] * (cut - top.position) / lesser
    parted = 1 / (1 + (MOVED * moved * top.lean**LEANS) ** STEEP)
    ended = confidence_in_count(
        error_of_count(np.array([binned.below(end) for end in ends]), binned.n_kept), UNSURE
    )
    negatives = min(1.0, (1 - quantile) * binned.n_kept / max(beyond, 1.0)) ** 2
    return float((1 - negatives) * parted + negatives * ended)


def fit_top(density: Floats, peak: int) -> Top | None:
    """Fit a parabola to the logarithm of the upper half of a peak.

    The fit places the top with all events of the upper half, where the highest point alone follows the noise.

    Parameters
    ----------
    density
        Smoothed counts, shape ``(m,)``.
    peak
        The bin of the peak, or one on its upper half.

    Returns
    -------
    Top | None
        ``None`` where the upper half has no top: it reaches an end of the grid, or is hollow.
    """
    high = np.flatnonzero(density < 0.5 * density[peak])
    left, right = high[high < peak], high[high > peak]
    if not left.size or not right.size or right[0] - left[-1] < 6:
        return None
    bins = np.arange(left[-1] + 1, right[0], dtype=np.float64)
    heights = density[left[-1] + 1 : right[0]]
    weights = np.sqrt(heights)
    design = np.column_stack([np.ones_like(bins), bins - peak, (bins - peak) ** 2])
    _, slope, bend = np.linalg.lstsq(design * weights[:, None], np.log(heights) * weights, rcond=None)[0]
    top = peak - slope / (2 * bend) if bend < 0 else -1.0
    if not bins[0] < top < bins[-1]:
        return None
    foot = FOOT * float(np.interp(top, bins, heights))
    reach = np.flatnonzero(density < foot)
    below, above = reach[reach < top], reach[reach > top]
    if not below.size or not above.size:
        return None
    return Top(
        float(top) + 0.5,
        float(top) - _crossing(density, int(below[-1]), 1, foot),
        _crossing(density, int(above[0]), -1, foot) - float(top),
    )


def _crossing(density: Floats, outside: int, inward: int, height: float) -> float:
    """Return the position, between a bin below a height and the next one inward, where it is reached."""
    step = density[outside + inward] - density[outside]
    return outside + inward * float((height - density[outside]) / max(step, 1e-300))


def _choose(density: Floats, modes: Modes, peak: str, *, flipped: bool) -> int:
    if peak == "tallest":
        return int(np.argmax(density[list(modes.peaks)]))
    return 0 if (peak == "lowest") != flipped else len(modes.peaks) - 1


def _why_not(saw: Mapping[str, float], dominant: float, lean: float) -> str:
    if saw["share"] < dominant:
        return f"no dominant peak: the one at {saw['top']:.3g} holds {saw['share']:.0%} of the events"
    if not 1 / lean <= saw["lean"] <= lean:
        fold = max(saw["lean"], 1 / saw["lean"])
        return f"the peak at {saw['top']:.3g} leans: its widths on either side differ {fold:.2f}-fold"
    if saw["reach"] < FLATTEST:
        return f"no clear peak: the one at {saw['top']:.3g} is flat, with hardly a tail"
    if saw["expected_beyond"] < 5:
        return f"too few events: {saw['expected_beyond']:.2f} expected beyond the tail, and 5 are needed"
    return ""


def _again(binned: Binned, peak: int, foot: int, *, quantile: float, rng: np.random.Generator) -> Floats:
    """Return where several resamples are cut, in bins; at infinity where one has no clear top."""
    samples = binned.resample(RESAMPLES, rng)
    ends = []
    for counts, density in zip(samples, binned.smooth(STEADY * binned.bandwidth, samples), strict=True):
        top = fit_top(density, peak)
        if top is None:
            ends.append(math.inf)
            continue
        cumulative = np.concatenate([[0.0], np.cumsum(counts)])
        bins = np.arange(len(cumulative))
        at_foot, at_top = np.interp([foot, top.position], bins, cumulative)
        end = np.interp(at_foot + top.share_beyond(quantile) * (at_top - at_foot), cumulative, bins)
        ends.append(top.position + top.lean * (top.position - float(end)))
    return np.array(ends)
