"""The sequential quadrant: a cut on x, then on each of its sides a cut on y of its own."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from gating.answers import Abstention, Cut, Floats, RegionFound, nothing_to_see, one_of, own_generator, within
from gating.any_cut import ANY, CUTS, any_cut
from gating.outline import finite_points

FEWEST = 100
QUADRANTS = ("bottom left", "bottom right", "top left", "top right")
FAR = 100.0
"""Where a quadrant ends, in ranges of the events: beyond any event of the same tube."""


def quadrant(
    points: ArrayLike,
    *,
    keep: str = "top right",
    cut: str = ANY,
    quantile: float = 0.995,
    rng: np.random.Generator | None = None,
) -> RegionFound | Abstention:
    """Keep one of four quadrants, of which the two on the left may be parted at another height than those on the right.

    Where the negatives of y lie elsewhere for those with much x (by spillover, or because those cells are larger), one
    cut on y for all is wrong on one of the sides. x is cut first; then y is cut on each side of it by itself. Where
    the side at hand shows no cut, the one that all events show is taken, and ``saw`` says so.

    Parameters
    ----------
    points
        Shape ``(n, 2)``, display scale.
    keep
        ``"bottom left"``, ``"bottom right"``, ``"top left"`` or ``"top right"``. The four of one set of events share
        their cuts, and each event is in exactly one.
    cut
        By which rule: ``"valley"``, ``"mixture"``, ``"tail"``, or ``"any"``, the first of these that finds a cut.
    quantile, rng
        As in :func:`gating.tail.tail`.

    Returns
    -------
    RegionFound | Abstention
        Four corners, the outer ones far beyond the events. Abstains when there are fewer than 100 events, when x
        shows no cut, and when neither the side nor all events show one on y.

    Raises
    ------
    TemplateError
        If an option has a value that it cannot have.

    References
    ----------
    Maecker & Trotter 2006, Cytometry A 69:1037, on negatives that lie elsewhere for positives of another marker.
    """
    one_of("keep", keep, QUADRANTS)
    one_of("cut", cut, (ANY, *CUTS))
    within("quantile", quantile, 0.5, 1.0)
    rng = own_generator(rng)
    known = finite_points(points)
    if len(known) < FEWEST or not (np.ptp(known, axis=0) > 0).all():
        return nothing_to_see(known, FEWEST)
    saw = {"nonfinite": float(len(np.asarray(points)) - len(known))}
    on_x = any_cut(known[:, 0], rule=cut, quantile=quantile, rng=rng)
    if isinstance(on_x, Abstention):
        return Abstention(f"no cut on x: {on_x.reason}", len(known), saw)
    right = known[:, 0] >= on_x[0].value
    mine = known[right == keep.endswith("right"), 1]
    on_y, own = any_cut(mine, rule=cut, quantile=quantile, rng=rng), True
    if isinstance(on_y, Abstention):
        on_y, own = any_cut(known[:, 1], rule=cut, quantile=quantile, rng=rng), False
    if isinstance(on_y, Abstention):
        return Abstention(
            f"no cut on y {keep.split()[1]} of x = {on_x[0].value:.3g}: {on_y.reason}", len(known), saw
        )
    saw |= {"x": on_x[0].value, "x_by": on_x[1], "y": on_y[0].value, "y_by": on_y[1], "y_own": own}
    return _found(known, on_x[0], on_y[0], keep=keep, saw=saw)


def _found(points: Floats, x: Cut, y: Cut, *, keep: str, saw: dict[str, float]) -> RegionFound:
    reach = FAR * np.maximum(np.ptp(points, axis=0), 1e-300)
    far = np.array([points.min(axis=0) - reach, points.max(axis=0) + reach])
    lows, highs = far[0].copy(), far[1].copy()
    for axis, found, positive in ((0, x, keep.endswith("right")), (1, y, keep.startswith("top"))):
        if positive:
            lows[axis] = found.value
        else:
            highs[axis] = found.value
    corners = np.array([lows, [highs[0], lows[1]], highs, [lows[0], highs[1]]])
    ends = [(a, b) for a in x.interval or (x.value,) for b in y.interval or (y.value,)]
    shares = [_share(points, keep, a, b) for a, b in [(x.value, y.value), *ends]]
    confidence = min(x.confidence, y.confidence)
    return RegionFound(
        corners, confidence, len(points), saw | {"inside": shares[0]}, (min(shares), max(shares))
    )


def _share(points: Floats, keep: str, x: float, y: float) -> float:
    """Return the share of the events in a quadrant of cuts at ``x`` and ``y``."""
    on_x = (points[:, 0] >= x) == keep.endswith("right")
    on_y = (points[:, 1] >= y) == keep.startswith("top")
    return float(np.mean(on_x & on_y))
