"""Cut at the lowest density between two peaks; abstain where there is no second peak."""

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
from gating.density import Binned, bin_values
from gating.dip import saw_dip
from gating.errors import TemplateError
from gating.peaks import Valley, landscape, valley_between, valleys

FEWEST = 50
SHALLOWEST = 0.1
STEADY = 1.5
"""The lowest point of a valley is steadier at one and a half times the bandwidth that suits the density."""
SMOOTHINGS = (1.0, STEADY, 2.2)
RESAMPLES = 20
UNSURE = 0.06
"""How far the lowest point lies from the best cut, a deviation, as a share of the distance between the peaks."""


def valley(
    values: ArrayLike,
    *,
    between: str = "deepest",
    peaks: int = 5,
    low: float = -math.inf,
    high: float = math.inf,
    smallest: float = 0.005,
    rng: np.random.Generator | None = None,
) -> Cut | Abstention:
    """Cut at the lowest density between two peaks.

    Parameters
    ----------
    values
        Shape ``(n,)``, display scale. Values that are not finite, and spikes (many events at one value, as
        at zero or at the end of the range), are left out and counted.
    between
        Which valley where there are several: ``"deepest"`` (furthest below the lesser of the highest
        peaks on its two sides), ``"lowest"`` or ``"highest"`` on the axis.
    peaks
        Keep at most this number of peaks, those that outlast the most smoothing.
    low, high
        The cut must lie between these.
    smallest
        A peak that holds a smaller share of the events is none; nor is one of fewer than 15 events.
    rng
        Draws the samples that tell a valley from noise; when not given, the same for every call.

    Returns
    -------
    Cut | Abstention
        Abstains when there are fewer than 50 events, when no second peak is more than noise
        (:func:`gating.peaks.landscape`), when no valley lies between ``low`` and ``high``, and when the
        valley is less than a tenth lower than the lesser peak on either side. A small population on the
        flank of a large one makes a shoulder and no valley: ``mixture``, ``tail`` or a control cuts there.

    Raises
    ------
    TemplateError
        If an option has a value that it cannot have.

    Notes
    -----
    Peaks are those of the scale: a logicle scale whose linear region is narrower than the negatives parts
    them at zero into two true peaks, with a true valley between. Widen the scale, or search above ``low``.

    References
    ----------
    Silverman 1981, J. R. Statist. Soc. B 43:97, for the test of one more peak.
    """
    one_of("between", between, ("deepest", "lowest", "highest"))
    within("smallest", smallest, 0.0, 0.5)
    if peaks < 2 or not low < high:
        msg = f"a valley needs peaks >= 2 and low < high, not peaks={peaks}, low={low:g}, high={high:g}"
        raise TemplateError(msg)
    rng = own_generator(rng)
    binned = bin_values(values, fewest=FEWEST)
    if binned is None:
        return nothing_to_see(values, FEWEST)
    ground = landscape(binned, smallest=smallest, most_peaks=peaks, rng=rng)
    saw = (
        binned.saw
        | saw_dip(binned.counts)
        | {"peaks": len(ground.modes.peaks), "p": ground.p_last, "p_next": ground.p_next}
    )
    found = valleys(binned.smooth(STEADY * binned.bandwidth), ground.modes)
    inside = [v for v in found if low <= binned.value(v.position) <= high]
    if not inside:
        where = [binned.value(v.position) for v in found]
        top = binned.value(ground.modes.peaks[0] + 0.5)
        return Abstention(_why_none(top, where, (low, high), ground.p_next), binned.n_events, saw)
    chosen = {"deepest": max(inside, key=_drop), "lowest": inside[0], "highest": inside[-1]}[between]
    return _cut(binned, chosen, saw, rng)


def _cut(binned: Binned, chosen: Valley, saw: dict[str, float], rng: np.random.Generator) -> Cut | Abstention:
    cut = binned.value(chosen.position)
    ends = {
        "low_peak": binned.value(chosen.low_peak + 0.5),
        "high_peak": binned.value(chosen.high_peak + 0.5),
    }
    saw = saw | ends | {"depth": chosen.depth}
    if chosen.depth < SHALLOWEST:
        reason = (
            f"the valley at {cut:.3g} is only {chosen.depth:.0%} lower than the lesser peak on either side"
        )
        return Abstention(reason, binned.n_events, saw)
    places = _again(binned, chosen, rng)
    interval = spread(np.array([binned.value(place) for place in places]), cut)
    interval = widened(interval, cut, UNSURE * (chosen.high_peak - chosen.low_peak) * binned.step)
    return Cut(cut, _confidence(binned, chosen, places), binned.n_events, saw, interval)


def confidence_in(binned: Binned, chosen: Valley, rng: np.random.Generator) -> float:
    """Return the chance that the count is within a tenth of that at the best cut between the two peaks."""
    return _confidence(binned, chosen, _again(binned, chosen, rng))


def _again(binned: Binned, chosen: Valley, rng: np.random.Generator) -> list[float]:
    """Return where other samples, smoothed more or less, have the valley, in bins."""
    return [
        valley_between(density, chosen.low_peak, chosen.high_peak)
        for smoothing in SMOOTHINGS
        for density in binned.smooth(smoothing * binned.bandwidth, binned.resample(RESAMPLES, rng))
    ]


def _confidence(binned: Binned, chosen: Valley, places: list[float]) -> float:
    counts = np.array([binned.below(place) for place in places])
    below = binned.below(chosen.position)
    lesser = max(min(below, binned.n_kept - below), 1.0)
    floor = float(binned.smooth(STEADY * binned.bandwidth)[int(chosen.position)])
    moved = UNSURE * (chosen.high_peak - chosen.low_peak) * floor
    return confidence_in_count(error_of_count(counts, binned.n_kept), moved / lesser)


def _drop(valley: Valley) -> float:
    return valley.drop


def _why_none(top: float, found: list[float], search: tuple[float, float], p_next: float) -> str:
    if found:
        where = ", ".join(f"{cut:.3g}" for cut in found)
        return f"no valley between {search[0]:.3g} and {search[1]:.3g}; there is one at {where}"
    if p_next < 1:
        return f"no valley: one peak, at {top:.3g}; a second is no more than noise (p = {p_next:.2g})"
    return f"no valley: one peak, at {top:.3g}"
