"""Residuals: a check of any spillover against the data: what of each dye is left in the other detectors.

What is left is a slope on the compensated linear scale: 0.01 from PE to APC says that 1 % of the light of PE still
shows in APC; -0.01 that as much too much was taken off. How surely it can be seen depends on the tube:

- a *single stain* has one dye: any slope is the matrix's error;
- an *FMO* control lacks one dye: whatever its detector shows in step with the others is the matrix's error;
- in a *stained* tube cells may carry both dyes, and a slope upwards may be biology. No cell carries less than none:
  there only a slope downwards, over-compensation, is proof. Upwards it is no more than a bound.

Roca CP et al. Nat Commun 2021;12:2890 (residual slopes as the measure of a matrix).
Roederer M. Cytometry 2001;45:194-205 (why they are judged on the linear scale).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from cytometry._singles.leftover import slopes_by_bins, slopes_jointly
from cytometry._singles.negatives import Light, Negatives, far_from, match, prepare
from cytometry._singles.reading import read_light
from cytometry._singles.slopes import find_slopes
from cytometry.fcs import Tube
from gating.columns import Spillover
from gating.scales import Floats

if TYPE_CHECKING:
    import pandas as pd

SMALLEST = 0.005
"""A slope that matters; see the bar of compensation controls."""
SURE = 4.0  # errors from zero: a matrix of 16 has 240 slopes
MOST_GLOW = 0.95  # of the cells glow less, where no dye is
BRIGHT = 10.0  # SDs of the negatives, from which a dye is looked at
OVER, UNDER, FINE, UNSURE = "over-compensated", "under-compensated", "fine", "cannot be told"
COLUMNS = ("tube", "kind", "from", "detector", "slope", "error", "verdict")


@dataclass(frozen=True, slots=True, eq=False)
class Witness:
    """A tube that a matrix is checked against.

    Parameters
    ----------
    name
        Of the tube.
    kind
        ``"single_stain"``, ``"fmo"`` or ``"stained"``.
    detector
        The one dye that a single stain has, or an FMO control lacks; ``""`` for a stained tube.
    """

    tube: Tube
    name: str
    kind: Literal["single_stain", "fmo", "stained"]
    detector: str = ""


@dataclass(frozen=True, slots=True)
class Residual:
    """What is left of a dye in a detector: a row of the table; keys are ``COLUMNS``."""

    tube: str
    kind: str
    source: str
    detector: str
    slope: float
    error: float

    @property
    def verdict(self) -> str:
        """Return ``over-compensated``, ``under-compensated``, ``fine`` or ``cannot be told``.

        Fine is a slope within ``SMALLEST`` whose error is within it too. What is neither proved nor fine cannot be
        told.
        """
        if not np.isfinite(self.slope) or not np.isfinite(self.error):
            return UNSURE
        beyond = abs(self.slope) > SMALLEST and abs(self.slope) > SURE * self.error
        if beyond and self.slope < 0:
            return OVER
        if beyond and self.kind != "stained":
            return UNDER
        return FINE if abs(self.slope) <= SMALLEST and self.error <= SMALLEST else UNSURE


def residual_slopes(
    witnesses: Sequence[Witness], spillover: Spillover, *, unstained: Sequence[Tube] = (), seed: int = 1
) -> tuple[Residual, ...]:
    """Return what is left of each dye in each other detector, as far as each tube can tell.

    Parameters
    ----------
    witnesses
        Single stains, FMO controls, stained tubes. All must have the detectors of the spillover.
    unstained
        Against whose events of the same scatter single stains are set; without one, against their own dim events.
    """
    names, rng = spillover.detectors, np.random.default_rng(seed)
    dull = [prepare(_compensated(tube, spillover)) for tube in unstained]
    found: list[Residual] = []
    for one in witnesses:
        light = _compensated(one.tube, spillover)
        if one.kind == "single_stain":
            own = names.index(one.detector)
            found += _rows(one, names, own, _of_single(light, own, dull, rng=rng))
        elif one.kind == "fmo":
            found += _of_fmo(one, light, names, rng=rng)
        else:
            found += _of_stained(one, light, names)
    return tuple(found)


def residual_table(found: Sequence[Residual]) -> pd.DataFrame:
    """Return residuals as a data frame, the worst first."""
    import pandas as pd

    rows: list[dict[str, Any]] = [
        dict(zip(COLUMNS, (r.tube, r.kind, r.source, r.detector, r.slope, r.error, r.verdict), strict=True))
        for r in sorted(found, key=lambda r: (r.verdict not in (OVER, UNDER), -abs(np.nan_to_num(r.slope))))
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def wrong(found: Sequence[Residual]) -> tuple[Residual, ...]:
    """Return the residuals that prove an error of the matrix."""
    return tuple(one for one in found if one.verdict in (OVER, UNDER))


def _compensated(tube: Tube, spillover: Spillover) -> Light:
    raw = read_light(tube, spillover.detectors)
    return Light(raw.values @ spillover.inverse, raw.scatter, raw.piled)


def _of_single(
    light: Light, own: int, dull: Sequence[Negatives], *, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Return slopes of a single stain above matched negatives, or above its own dim events."""
    near = min(dull, key=lambda one: far_from(light, one), default=None)
    if near is None or not np.isfinite(far_from(light, near)):
        near = prepare(light.only(light.values[:, own] <= np.quantile(light.values[:, own], 0.2)))
    found = match(light, near)
    slopes = find_slopes(found, own, rng=rng)
    if isinstance(slopes, str):
        nothing = np.full(light.values.shape[1], np.nan)
        return nothing, nothing
    return slopes.coefficients, slopes.errors


def _of_fmo(one: Witness, light: Light, names: Sequence[str], *, rng: np.random.Generator) -> list[Residual]:
    """Return how the detector of the absent dye goes with every other dye, among cells that surely carry it.

    Noise of unmixing goes together in detectors that share light, most of all among cells that carry no dye: dimmer
    than ``BRIGHT`` noises, a cell counts as without the dye. Cells that hold a dye may glow more than others, by
    themselves: what the glow of the brightest twentieth of all cells could make of it is counted as error.
    """
    to = names.index(one.detector)
    others = [at for at in range(len(names)) if at != to]
    seen = light.values[:, to]
    lit = light.values[:, others]
    lit = np.where(lit > BRIGHT * np.array([_noise(light.values[:, at]) for at in others]), lit, 0.0)
    slope, error = slopes_jointly(lit, seen, rng=rng)
    usual = np.array([np.median(each[each > 0]) if each.any() else 1e-6 for each in lit.T])
    left = seen - lit @ np.nan_to_num(slope)
    glow = max(2 * float(np.median(left)), float(np.quantile(left, MOST_GLOW)), 0.0)
    glowing = glow / usual / SURE
    return [
        Residual(one.name, one.kind, names[at], one.detector, float(slope[place]), float(wide))
        for place, (at, wide) in enumerate(zip(others, np.hypot(error, glowing), strict=True))
    ]


def _noise(shine: Floats) -> float:
    """Return the SD of a detector's light where there is none, from what lies below 0."""
    below = shine[shine < 0]
    return float(np.sqrt((below**2).mean())) if below.size else float(np.quantile(shine, 0.2))


def _of_stained(one: Witness, light: Light, names: Sequence[str]) -> list[Residual]:
    """Return the slope of each detector's medians over each dye, from no light at all: below 0 it is no biology."""
    found: list[Residual] = []
    for own in range(len(names)):
        shine = light.values[:, own]
        found += _rows(
            one, names, own, slopes_by_bins(shine, light.values, from_light=BRIGHT * _noise(shine))
        )
    return found


def _rows(one: Witness, names: Sequence[str], own: int, found: tuple[Floats, Floats]) -> list[Residual]:
    slope, error = found
    return [
        Residual(one.name, one.kind, names[own], name, float(slope[to]), float(error[to]))
        for to, name in enumerate(names)
        if to != own
    ]
