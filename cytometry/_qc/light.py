"""Light: how much of a channel's light is gained or lost over a run, as a laser fades or warms up.

A fading laser moves every event of a channel by the same factor. The slope of the logarithm over time is estimated
from each event's score, the derivative of the log density (Bickel 1982, Ann Stat 10:647): as precise as if the peaks
were known, and blind to how many cells are in which peak, which changes as cells settle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from cytometry._qc.signal import KEYS, Keys, Slices, value_of_keys
from gating.scales import Floats

STEP, WIDTH = 0.02, 0.12  # of the grid and of the smoothing, natural logarithm
NOISE = 4.0  # times the size of values below zero: dimmer events hold no light to speak of
RAMP = 1.0  # natural logarithm: events count ever more from the dimmest on
STEEP = 2.5  # times the usual score: an event in a thin tail says no more than this
FEWEST = 2_000  # events above the noise
FEWEST_SLICES = 5
HALF = 1.96


@dataclass(frozen=True, slots=True)
class Slope:
    """Light at the end of a run over that at its begin, less one; with its 95 % interval."""

    value: float
    low: float
    high: float

    @property
    def sd(self) -> float:
        """Return the standard error."""
        return (self.high - self.low) / (2 * HALF)


UNKNOWN = Slope(np.nan, np.nan, np.nan)


def light(keys: Keys, counts: NDArray[np.intp], slices: Slices) -> Floats | None:
    """Return the natural logarithm of a channel's light in each slice, but for a constant.

    ``None`` for too few events above the noise.
    """
    score, gain = _score(counts)
    return slices.sums(score[keys]) / slices.sizes / gain if gain else None


def slope_of(course: Floats | None, slices: Slices, *, sound: NDArray[np.bool_]) -> Slope:
    """Return how light changes over the run, from its course over the slices and those of them to take."""
    if course is None or sound.sum() < FEWEST_SLICES:
        return UNKNOWN
    mean = course[sound]
    at = slices.middle[sound] - slices.middle[sound].mean()
    squares = float(at @ at)
    if not squares:
        return UNKNOWN
    slope = float(at @ mean) / squares
    rest = mean - mean.mean() - slope * at
    sd = float(np.sqrt(rest @ rest / (len(rest) - 2) / squares))
    return Slope(*(float(np.expm1(slope + shift * sd)) for shift in (0.0, -HALF, HALF)))


def together(courses: Sequence[tuple[Floats, Slope]]) -> Floats:
    """Return the mean course of several channels, each weighted by how well its slope is known.

    What they share, as where a large cell is brighter in all, is left in it: the slope of the mean says how sure
    it is, which the slopes of the channels do not.
    """
    weights = [slope.sd**-2 for _, slope in courses]
    return np.asarray(np.average([course for course, _ in courses], axis=0, weights=weights))


def _score(counts: NDArray[np.intp]) -> tuple[Floats, float]:
    """Return the score of each key, and by how much its mean grows for each unit of the logarithm."""
    values, logs = value_of_keys(), _logs()
    below = counts[: KEYS // 2]
    noise = 0.0
    if below.sum():
        half = np.searchsorted(np.cumsum(below[::-1]), below.sum() / 2)
        noise = float(-values[KEYS // 2 - 1 - half])
    floor = np.log(max(NOISE * noise, 1e-3))
    lit = np.flatnonzero((logs > floor) & (counts > 0))
    if counts[lit].sum() < FEWEST:
        return np.zeros(KEYS), 0.0
    first, last = logs[lit[0]] - 4 * WIDTH, logs[lit[-1]] + 4 * WIDTH
    place = ((logs[lit] - first) / STEP).astype(np.intp)
    density = np.bincount(place, counts[lit], minlength=int((last - first) / STEP) + 2)
    reach = np.arange(-4 * WIDTH, 4 * WIDTH + STEP / 2, STEP)
    kernel = np.exp(-0.5 * (reach / WIDTH) ** 2)
    smooth = np.convolve(density, kernel / kernel.sum(), mode="same")
    grid = first + (np.arange(len(smooth)) + 0.5) * STEP
    slope = -np.gradient(smooth, STEP) / np.maximum(smooth, 1e-3 * smooth.max())
    usual = np.sqrt(np.average(slope**2, weights=smooth))
    slope = np.clip(slope, -STEEP * usual, STEEP * usual)
    slope *= np.clip((grid - floor) / RAMP, 0.0, 1.0)
    score = np.zeros(KEYS)
    score[lit] = np.interp(logs[lit], grid, slope)
    rise = np.interp(logs[lit], grid, np.gradient(slope, STEP))
    return score, float((counts[lit] * rise).sum()) / max(int(counts.sum()), 1)


@cache
def _logs() -> Floats:
    """Return the natural logarithm of the value of each key; minus infinity for those of zero and below."""
    values = value_of_keys()
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(
            np.isfinite(values) & (values > 0), np.log(np.where(values > 0, values, 1.0)), -np.inf
        )
