"""The ridge: a cut parallel to the length of the main cloud, for cells off the line on which the others lie."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import ArrayLike

from gating.answers import Abstention, Cut, Floats, RegionFound, nothing_to_see, one_of, own_generator, within
from gating.any_cut import ANY, CUTS, any_cut
from gating.contour import LARGEST, OUTERMOST, SIDES, choose
from gating.outline import finite_points
from gating.relief import hills, relief
from gating.tracing import part_around

FEWEST = 100
FOOT = 0.2
"""The cloud is measured where its density is at least this share of the peak's: its length is to be seen."""
CUT_AT = {
    "below": ("lower",),
    "not below": ("lower",),
    "above": ("upper",),
    "not above": ("upper",),
    "along": ("lower", "upper"),
}
"""Which sides of the ridge are cut, by what is kept."""
UP_TO_THE_CUT = ("below", "not above")
FAR = 100.0
"""Where the half-plane ends, in ranges of the events: beyond any event of the same tube."""


@dataclass(frozen=True, slots=True)
class Line:
    """The line along a cloud, ``y = intercept + slope * x``; its middle, and how many times as long as wide it is."""

    intercept: float
    slope: float
    middle: float
    length: float


def ridge(
    points: ArrayLike,
    *,
    keep: str = "below",
    peak: str = LARGEST,
    cut: str = ANY,
    quantile: float = 0.995,
    longest: float = 1.3,
    rng: np.random.Generator | None = None,
) -> RegionFound | Abstention:
    """Cut parallel to the length of a cloud.

    Where two markers rise together in most cells, whether by nature (CD25 with CD127 in conventional T cells) or by
    spillover, no straight cut on either marker parts the cells that lie off that line. The line through the cloud is
    its major axis; the cut is found in the distances from it.

    Parameters
    ----------
    points
        Shape ``(n, 2)``, display scale.
    keep
        Cells off the ridge, ``"below"`` or ``"above"`` it; all but those, ``"not below"`` or ``"not above"``; or
        ``"along"``: the cells between a cut on either side.
    peak
        Which cloud the line runs through, as in :func:`gating.contour.density_contour`.
    cut
        By which rule the distances are cut: ``"valley"``, ``"mixture"``, ``"tail"``, or ``"any"``, the first of these
        that finds a cut. ``"along"`` always takes the tails.
    quantile
        The share of the cloud that a tail leaves on its own side.
    longest
        A cloud that is less than this many times as long as wide has no line: abstain. With 1.0 a round cloud's is
        taken as well.
    rng
        As in :func:`gating.valley.valley`.

    Returns
    -------
    RegionFound | Abstention
        The half-plane, or the strip, as four corners far beyond the events. Abstains when there are fewer than 100
        events, when the cloud is not there or is round, and when no cut is found in the distances.

    Raises
    ------
    TemplateError
        If an option has a value that it cannot have.

    References
    ----------
    Liu et al. 2006, J. Exp. Med. 203:1701, for CD25 x CD127.
    """
    one_of("keep", keep, tuple(CUT_AT))
    one_of("peak", peak, (LARGEST, *SIDES, *OUTERMOST))
    one_of("cut", cut, (ANY, *CUTS))
    within("quantile", quantile, 0.5, 1.0)
    within("longest", longest, 0.999, math.inf)
    rng = own_generator(rng)
    known = finite_points(points)
    scale = np.ptp(np.quantile(known, [0.01, 0.99], axis=0), axis=0) if len(known) else np.ones(2)
    if len(known) < FEWEST or not (scale > 0).all():
        return nothing_to_see(known, FEWEST)
    line = _line(known / scale, peak)
    saw = {"nonfinite": float(len(np.asarray(points)) - len(known))}
    if isinstance(line, str):
        return Abstention(line, len(known), saw)
    saw |= {
        "slope": line.slope * scale[1] / scale[0],
        "intercept": line.intercept * scale[1],
        "length": line.length,
    }
    if line.length < longest:
        reason = f"no ridge: the cloud is {line.length:.2f} times as long as wide, and {longest:g} is needed"
        return Abstention(reason, len(known), saw)
    x, y = (known / scale).T
    away = (y - line.intercept - line.slope * x) / math.hypot(1.0, line.slope)
    cuts = _cuts(away, keep, "tail" if keep == "along" else cut, quantile=quantile, rng=rng)
    if isinstance(cuts, str):
        return Abstention(f"no cut off the ridge: {cuts}", len(known), saw)
    return _strip(away, line, cuts, keep=keep, scale=scale, saw=saw)


def _cuts(
    away: Floats, keep: str, rule: str, *, quantile: float, rng: np.random.Generator
) -> list[Cut] | str:
    """Return a cut for each side of the ridge that is not kept to its end, the lower first; or why one is missing."""
    cuts: list[Cut] = []
    for side in CUT_AT[keep]:
        found = any_cut(away, rule=rule, side=side, beyond=0.0, quantile=quantile, rng=rng)
        if isinstance(found, Abstention):
            return found.reason
        cuts.append(found[0])
    return cuts


def _line(points: Floats, peak: str) -> Line | str:
    """Return the major axis of a cloud, or why there is none."""
    ground = relief(points)
    if ground is None:
        return "no cloud: no group of events is large enough"
    density = ground.smooth()
    found = hills(ground, density, least=max(15.0, 0.01 * len(points)))
    chosen = choose(found, peak)
    if isinstance(chosen, str):
        return chosen
    i, j = (int(at) for at in found.tops[chosen])
    cells = part_around((found.owner == chosen) & (density >= FOOT * density[i, j]), (i, j))
    at = np.argwhere(cells)
    weights = ground.counts[cells]
    places = ground.values(at.astype(np.float64) + 0.5)
    middle = (weights[:, None] * places).sum(axis=0) / weights.sum()
    spread = ((weights[:, None] * (places - middle)).T @ (places - middle)) / weights.sum()
    widths, axes = np.linalg.eigh(spread)
    along = axes[:, 1]
    if abs(along[0]) < 1e-6:
        return "no ridge: the cloud stands upright, and nothing is below or above it"
    slope = float(along[1] / along[0])
    length = float(np.sqrt(widths[1] / max(widths[0], 1e-300)))
    return Line(float(middle[1] - slope * middle[0]), slope, float(middle[0]), length)


def _strip(
    away: Floats, line: Line, cuts: list[Cut], *, keep: str, scale: Floats, saw: dict[str, float]
) -> RegionFound:
    """Return the half-plane or strip between the cuts, with its corners on the scale of the points."""
    low, high = _ends(keep, [found.value for found in cuts])
    # Distances are taken at a right angle to the line; along y they are longer.
    steep = math.hypot(1.0, line.slope)
    ends = line.middle + np.array([-FAR, FAR])
    floor, roof = (line.intercept + line.slope * ends + steep * at for at in (low, high))
    corners = np.array([[ends[0], floor[0]], [ends[1], floor[1]], [ends[1], roof[1]], [ends[0], roof[0]]])
    inside = _share(away, *_ends(keep, [found.value for found in cuts]))
    others = [
        _share(away, *_ends(keep, list(values)))
        for values in product(*(found.interval or (found.value,) for found in cuts))
    ]
    confidence = min(found.confidence for found in cuts)
    shares = (min([inside, *others]), max([inside, *others]))
    return RegionFound(corners * scale, confidence, len(away), saw | {"inside": inside}, shares)


def _ends(keep: str, cuts: list[float]) -> tuple[float, float]:
    """Return between which distances from the ridge the cells kept lie."""
    return (-FAR if keep in UP_TO_THE_CUT else cuts[0]), (
        cuts[-1] if keep in (*UP_TO_THE_CUT, "along") else FAR
    )


def _share(away: Floats, low: float, high: float) -> float:
    return float(np.mean((away >= low) & (away < high)))
