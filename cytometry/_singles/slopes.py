"""Slopes: how much of a dye's light each detector sees, from one control on the linear scale.

Every event counts, weighted by what it tells: an event's light in the dye's own detector, over the noise that grows
with it (photons, laser). From the sums over the control those over the negatives are taken, so that noise and
autofluorescence that both detectors share do not pass for spill. Events that lie off the line are left out and the
slopes found anew until nothing changes.

Roca CP et al. AutoSpill is a principled framework that simplifies the analysis of multichromatic flow cytometry
data. Nat Commun 2021;12:2890 (slopes on the linear scale, refined by residuals).
Bagwell CB, Adams EG. Fluorescence spectral overlap compensation for any number of flow cytometry parameters.
Ann N Y Acad Sci 1993;677:167-184.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cytometry._singles.negatives import Matched
from gating.scales import Floats

POSITIVE = 5.0  # SDs of the negatives, above which an event is called positive
BRIGHT = 20.0  # SDs of the negatives, from which an event's light counts in full
OFF_LINE, ODD_GLOW = 6.0, 3.0  # SDs off the line, and of autofluorescence
GROUPS = 29
ROUNDS, SETTLED = 15, 2e-5
BOOTSTRAPS = 100
DIM = 100.0
"""Times the autofluorescence of its own detector, below which a dye is dim enough for that of the others to matter."""
LEAST_SPILL = 0.2
"""A dye spills into no fewer than this share of the detectors next to nothing."""
FEWEST = 30


@dataclass(frozen=True, slots=True, eq=False)
class Slopes:
    """One row of a spillover, with what it rests on.

    Parameters
    ----------
    coefficients, errors
        Shape ``(p,)``; the errors are bootstrap SDs and know of sampling alone.
    positives, negatives
        Events.
    brightness
        Light of the dye in its own detector, as the weights see it, linear scale.
    growth
        Variance of each detector per unit of the dye's light, and per its square; shape ``(p, 2)``.
    glow
        How much of the spectrum of autofluorescence was taken off the row per unit of light; 0 for a bright dye.
    kept
        Which of the compared events the slopes rest on.
    """

    coefficients: Floats
    errors: Floats
    positives: int
    negatives: int
    brightness: float
    growth: Floats
    glow: float
    kept: NDArray[np.bool_]


def find_slopes(found: Matched, own: int, *, rng: np.random.Generator) -> Slopes | str:
    """Return the share of a dye's light in every detector, or why it cannot be told.

    Parameters
    ----------
    own
        The dye's own detector, a column of ``found.above``.
    """
    light, bright = found.above[:, own], POSITIVE * found.noise[own]
    if np.count_nonzero(light > bright) < FEWEST:
        return f"no positives: {np.count_nonzero(light > bright)} events, {FEWEST} are needed"
    growth, kept, fine = _settled(found, own)
    positives = int(np.count_nonzero(kept & (light > bright)))
    if min(positives, int(np.count_nonzero(fine))) < FEWEST:
        return f"no line: {positives} positive events lie on one, {FEWEST} are needed"
    sums = _Sums.of(found, own, growth=growth, kept=kept, fine=fine)
    row, errors = sums.ratio(), sums.errors(rng)
    row[own], errors[own] = 1.0, 0.0
    brightness = sums.brightness(light[kept])
    glow = _glow(row, found.spectrum, own, brightness)
    row -= glow * found.spectrum * (np.arange(len(row)) != own)
    return Slopes(row, errors, positives, int(fine.sum()), brightness, growth, glow, kept)


def _settled(found: Matched, own: int) -> tuple[Floats, NDArray[np.bool_], NDArray[np.bool_]]:
    """Return how noise grows with light, and the events on the line: of the control, and of the negatives.

    Slopes are found, events off the line left out, and slopes found anew, until neither changes or too few are left.
    """
    light, many = found.above[:, own], len(found.noise)
    others = np.arange(many) != own
    row, growth = (~others).astype(np.float64), np.zeros((many, 2))
    kept, fine = np.ones(len(light), dtype=np.bool_), np.ones(len(found.negatives), dtype=np.bool_)
    for turn in range(ROUNDS):
        sums = _Sums.of(found, own, growth=growth, kept=kept, fine=fine)
        new = sums.ratio()
        if turn < 2:  # a dim dye's first slopes hold the glow of dead cells, and the live would be left out
            new -= _glow(new, found.spectrum, own, sums.brightness(light[kept])) * found.spectrum * others
        off = found.above - np.outer(np.maximum(light, 0), new)
        growth = _growth(off[kept], light[kept], found.noise)
        before, (kept, fine) = kept, _on_line(found, off, new, own=own, growth=growth)
        positive = np.count_nonzero(kept & (light > POSITIVE * found.noise[own]))
        lost = int(positive) < FEWEST or np.count_nonzero(fine) < FEWEST
        settled = np.abs(new - row).max() < SETTLED and (before == kept).all()
        row = new
        if settled or lost:
            break
    return growth, kept, fine


@dataclass(frozen=True, slots=True, eq=False)
class _Sums:
    """The terms of numerator and denominator of each slope, by event: of the control, and of the negatives."""

    over: Floats
    under: Floats
    over_negative: Floats
    under_negative: Floats

    @classmethod
    def of(
        cls, found: Matched, own: int, *, growth: Floats, kept: NDArray[np.bool_], fine: NDArray[np.bool_]
    ) -> _Sums:
        half = BRIGHT * found.noise[own]
        parts: list[Floats] = []
        for values in (found.above[kept], found.negatives[fine]):
            light = values[:, own]
            weight = _weight(light, half)[:, None] / _variance(light, growth, found.noise)
            parts += [weight * light[:, None] * values, weight * light[:, None] ** 2]
        return cls(*parts)

    def ratio(self) -> Floats:
        over = self.over.mean(axis=0) - self.over_negative.mean(axis=0)
        return np.asarray(over / (self.under.mean(axis=0) - self.under_negative.mean(axis=0)))

    def errors(self, rng: np.random.Generator) -> Floats:
        drawn = []
        for over, under in ((self.over, self.under), (self.over_negative, self.under_negative)):
            counts = rng.poisson(1.0, (BOOTSTRAPS, len(over))).astype(np.float64)
            total = counts.sum(axis=1, keepdims=True)
            drawn.append((counts @ over / total, counts @ under / total))
        (over, under), (over_negative, under_negative) = drawn
        return np.asarray(((over - over_negative) / (under - under_negative)).std(axis=0, ddof=1))

    def brightness(self, light: Floats) -> float:
        """Return the light of the control's events that half of the information lies above."""
        told, order = np.median(self.under, axis=1), np.argsort(light)
        at = int(np.searchsorted(np.cumsum(told[order]), told.sum() / 2))
        return float(light[order][min(at, len(light) - 1)])


def _weight(light: Floats, half: float) -> Floats:
    square = np.maximum(light, 0) ** 2
    return np.asarray(square / (square + half**2))


def _variance(light: Floats, growth: Floats, noise: Floats) -> Floats:
    up = np.maximum(light, 0)[:, None]
    return np.asarray(noise**2 + growth[:, 0] * up + growth[:, 1] * up**2)


def _growth(off: Floats, light: Floats, noise: Floats) -> Floats:
    """Return how the variance of each detector grows with light and its square, shape ``(p, 2)``.

    Seen below the line alone: dead cells, doublets and other dyes lie above it.
    """
    from scipy.optimize import nnls

    lit = np.flatnonzero(light > 0)
    groups = np.array_split(lit[np.argsort(light[lit])], GROUPS)
    middle = np.array([light[group].mean() for group in groups])
    below = np.minimum(off, 0)
    many = np.array([np.maximum((below[group] < 0).sum(axis=0), 1) for group in groups])
    variance = np.array([(below[group] ** 2).sum(axis=0) for group in groups]) / many
    design = np.column_stack([middle, middle**2])
    found = np.empty((off.shape[1], 2))
    for at, own in enumerate(variance.T):
        weight = 1 / np.maximum(own, 0.1 * noise[at] ** 2)
        found[at], _ = nnls(design * weight[:, None], np.maximum(own - noise[at] ** 2, 0) * weight)
    return found


def _on_line(
    found: Matched, off: Floats, row: Floats, *, own: int, growth: Floats
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return the events that lie on the line and glow as usual: of the control, and of the negatives."""
    others = np.arange(len(row)) != own
    noise, spectrum = found.noise[others], found.spectrum[others]
    light = found.negatives[:, own]
    off_negative = (found.negatives - np.outer(light, row))[:, others]
    sd = np.sqrt(_variance(found.above[:, own], growth, found.noise))[:, others]
    information = (spectrum**2 / sd**2).sum(axis=1)
    glow = (off[:, others] * spectrum / sd**2).sum(axis=1) / information
    plain = (spectrum**2 / noise**2).sum()
    glow_negative = (off_negative * spectrum / noise**2).sum(axis=1) / plain
    below = glow_negative - np.median(glow_negative)
    usual = float(np.sqrt((np.minimum(below, 0) ** 2).sum() / max(np.count_nonzero(below < 0), 1)))
    usual = min(usual, float(1.4826 * np.median(np.abs(below)))) if len(below) else usual
    allowed = np.sqrt(max(usual**2 - 1 / plain, 0) + 1 / information)
    kept = (np.abs(off[:, others]) < OFF_LINE * sd).all(axis=1) & (np.abs(glow) < ODD_GLOW * allowed)
    fine = (np.abs(off_negative) < OFF_LINE * noise).all(axis=1) & (np.abs(glow_negative) < ODD_GLOW * usual)
    return kept, fine


def _glow(row: Floats, spectrum: Floats, own: int, brightness: float) -> float:
    """Return the autofluorescence in a dim dye's row: what nearly all detectors show, each by its own glow."""
    others = np.arange(len(row)) != own
    if brightness > DIM * spectrum[own] or np.count_nonzero(others) < 4:
        return 0.0
    return max(float(np.quantile((row / spectrum)[others], LEAST_SPILL)), 0.0)
