"""The singlet band: around the line of area and height on which cells lie that passed one at a time."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from gating.answers import Abstention, Floats, RegionFound, chance_within_a_tenth, nothing_to_see, within
from gating.density import bin_values
from gating.outline import finite_points, share_within, without_piles
from gating.tail import fit_top

FEWEST = 100
LOOSEST = 0.25
"""Heights that scatter by more than this share around their line make no band."""
NARROWEST = 1e-3
ROUNDS = 6
GROUPS = 10
STEADY = 1.5


@dataclass(frozen=True, slots=True)
class Line:
    """Height as ``intercept + slope * area``, and the robust deviation from it, as a share of the height."""

    intercept: float
    slope: float
    spread: float

    def height(self, area: Floats) -> Floats:
        """Return the height on the line."""
        return self.intercept + self.slope * area

    def inside(self, points: Floats, width: float) -> int:
        """Return how many points lie within the band."""
        height = self.height(points[:, 0])
        return int((np.abs(points[:, 1] - height) <= width * self.spread * height).sum())


def singlet_band(
    points: ArrayLike, *, width: float = 4.0, least_inside: float = 0.5
) -> RegionFound | Abstention:
    """Keep a band around the line of area and height on which single cells lie.

    Two cells that pass together have the area of two and the height of one, so they lie below the line. The
    line starts as the commonest ratio of height to area and is then fitted, with an intercept, to the events
    near it. Its spread, a share of the height, comes from the events above it, where there are no doublets.

    Parameters
    ----------
    points
        Shape ``(n, 2)``: area, then height, linear scale, where zero is no light.
    width
        Half the width of the band, in robust standard deviations.
    least_inside
        Abstain when the band holds a smaller share of the events.

    Returns
    -------
    RegionFound | Abstention
        Four corners, from area zero to above the largest area; events piled up at the top of an axis are
        outside. Abstains when there are fewer than 100 events with an area and a height above zero, when no
        ratio is the commonest, when heights scatter by more than a quarter around the line, and when the band
        holds too few of the events.

    Raises
    ------
    TemplateError
        If an option has a value that it cannot have.

    References
    ----------
    A robust line with a band around it, as openCyto's: Finak et al. 2014, PLoS Comput. Biol. 10:e1003806.
    """
    within("width", width, 0.0, math.inf)
    within("least_inside", least_inside, 0.0, 1.0)
    known = finite_points(points)
    lit, tops = without_piles(known[(known > 0).all(axis=1)])
    if len(lit) < FEWEST:
        return nothing_to_see(lit, FEWEST)
    # In the order of their ratio: groups of them, below, do not depend on the order of the events.
    lit = lit[np.lexsort((lit[:, 0], lit[:, 1] / lit[:, 0]))]
    saw = {"nonfinite": len(np.asarray(points)) - len(known), "piled": (known >= tops).any(axis=1).sum()}
    line = fit_line(lit)
    if line is None:
        return Abstention("no band: no ratio of height to area is the commonest", len(known), saw)
    held = line.inside(lit, width)
    saw |= {
        "slope": line.slope,
        "intercept": line.intercept,
        "spread": line.spread,
        "inside": held / len(known),
    }
    if line.spread > LOOSEST or held < least_inside * len(lit):
        reason = f"no band: heights scatter by {line.spread:.0%} around their line"
        return Abstention(f"{reason}, and the band holds {held / len(lit):.0%}", len(known), saw)
    confidence, share = _repeated(lit, line, width, n=len(known))
    return RegionFound(_corners(line, lit, tops[0], width), confidence, len(known), saw, share)


def fit_line(points: Floats) -> Line | None:
    """Fit height to area, from the commonest ratio on.

    Parameters
    ----------
    points
        Area and height, both above zero, shape ``(n, 2)``.

    Returns
    -------
    Line | None
        ``None`` when the ratios have no peak to start from, or the fit leaves the events.
    """
    area, height = points.T
    ratios = bin_values(np.log(height / area))
    if ratios is None:
        return _exact_line(area, height)
    density = ratios.smooth(STEADY * ratios.bandwidth)
    top = fit_top(density, int(np.argmax(density)))
    if top is None:
        return None
    start = Line(0.0, math.exp(ratios.value(top.position)), top.above * ratios.step / STEADY)
    return _refit(points, start, ROUNDS)


def _refit(points: Floats, line: Line | None, rounds: int) -> Line | None:
    """Reweight the events by Tukey's biweight of their deviation, as a share of the height, and fit again."""
    area, height = points.T
    for _ in range(rounds):
        if line is None:
            return None
        on_line = np.maximum(line.height(area), 1e-300)
        share = (height - on_line) / on_line
        weights = (np.clip(1 - (share / (4 * line.spread)) ** 2, 0, None) / on_line) ** 2
        # Sums, not dot products: for vectors this long those start threads, which wait for each other.
        w, wx, wy = weights.sum(), (weights * area).sum(), (weights * height).sum()
        wxx, wxy = (weights * area * area).sum(), (weights * area * height).sum()
        determinant = w * wxx - wx * wx
        if not determinant > 0:
            return None
        slope = (w * wxy - wx * wy) / determinant
        intercept = (wy - slope * wx) / w
        line = _with_spread(area, height, (float(intercept), float(slope)), line.spread)
    return line


def _with_spread(area: Floats, height: Floats, fit: tuple[float, float], spread: float) -> Line | None:
    """Return the line with its spread, from the events above it and not far."""
    on_line = fit[0] + fit[1] * area
    above = height > on_line
    share = height[above] / np.maximum(on_line[above], 1e-300) - 1
    share = share[share < 6 * spread]
    if not fit[1] > 0:
        return None
    return Line(*fit, max(1.4826 * float(np.median(share)), NARROWEST) if share.size else NARROWEST)


def _exact_line(area: Floats, height: Floats) -> Line | None:
    """Return the line of events that all have one ratio, as simulated ones may."""
    ratio = height / area
    exact = np.ptp(ratio) < NARROWEST * ratio.max()
    return Line(0.0, float(np.median(ratio)), NARROWEST) if exact else None


def _corners(line: Line, points: Floats, top: float, width: float) -> Floats:
    """Return the band from where it begins, at the lowest, to beyond the largest area."""
    largest = float(points[:, 0].max())
    start = max(0.0, -line.intercept / line.slope)
    end = 1.05 * largest if math.isinf(top) else (largest + top) / 2
    areas = np.array([start, end])
    middle, half = line.height(areas), width * line.spread * line.height(areas)
    # A little room where the edges meet, so that the polygon has an inside at its tip.
    half = np.maximum(half, 1e-9 * end)
    low, high = middle - half, middle + half
    return np.array([[start, low[0]], [end, low[1]], [end, high[1]], [start, high[0]]])


def _repeated(
    points: Floats, line: Line, width: float, *, n: int
) -> tuple[float, tuple[float, float] | None]:
    """Return the chance that the number inside is within a tenth, and within which shares of ``n`` it lies.

    Both come from leaving out a tenth of the events at a time; without a line in each, they are 0 and unknown.
    """
    counts = []
    for group in range(GROUPS):
        again = _refit(np.delete(points, slice(group, None, GROUPS), axis=0), line, 2)
        if again is not None:
            counts.append(again.inside(points, width))
    if len(counts) < GROUPS:
        return 0.0, None
    held, error = line.inside(points, width), math.sqrt((GROUPS - 1) * float(np.var(counts)))
    return chance_within_a_tenth(held, error), share_within(held, error, n)
