"""The main cloud: cells against debris in forward and side scatter, generously outlined."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from gating.answers import (
    Abstention,
    Floats,
    RegionFound,
    chance_within_a_tenth,
    nothing_to_see,
    one_of,
    own_generator,
    within,
)
from gating.density import Binned, bin_values
from gating.gates import Polygon
from gating.outline import convex_outline, densest, densest_cloud, finite_points, share_within, without_piles
from gating.peaks import Valley, landscape, valleys
from gating.valley import SHALLOWEST, STEADY, confidence_in

FEWEST = 100
CLEAR, NEXT_TO_NOTHING, FAR_LARGER, A_TENTH = 0.4, 0.02, 3.3, 0.1
"""Cells stand clear of the origin when at most 2 % of events are below 0.4 of the commonest size; and it is
the size of cells, and not of debris at the detection threshold, when at most 10 % are above 3.3 times it."""
SMALL, VERY_SMALL, BROAD = 0.5, 0.3, 0.4
"""Debris has less than half the size of the cells next to it, and less than 0.3 of it or a relative
interquartile range above 0.4; lymphocytes beside tumour cells have 0.4 of their size and a range of 0.2."""
LARGEST = 0.7
"""Debris ends below this share of the size of the cells next to it; a valley nearer to them parts cells."""
GROUPS = 5
COUNTED = 2_000
"""Events, evenly chosen, that are counted to see how far an outline depends on the events it is from."""


@dataclass(frozen=True, slots=True)
class Floor:
    """Where debris ends on the x axis, how sure, and how it was found: 0 told, 1 a valley, 2 none needed."""

    value: float
    confidence: float
    kind: int


def main_cloud(
    points: ArrayLike,
    *,
    mode: str = "all cells",
    keep: float = 0.99,
    smallest: float = 0.02,
    floor: float | None = None,
    rng: np.random.Generator | None = None,
) -> RegionFound | Abstention:
    """Keep the cells and leave out debris and events at the top of the range.

    Debris is what lies below the valley of forward scatter that parts it from the cells: its sizes are small,
    less than half the cells', and either broad or very small. What lies above is outlined convexly, so that
    lymphocytes, monocytes and granulocytes are all inside.

    Parameters
    ----------
    points
        Shape ``(n, 2)``: forward scatter, then side scatter, linear scale, where zero is no light.
    mode
        ``"all cells"``, or ``"densest"`` for the one cloud around the highest density.
    keep
        The share of the events above the debris, or of the densest cloud, that the outline is drawn around:
        those where the density is highest.
    smallest
        A group of sizes that holds a smaller share of the events is no group.
    floor
        Where to part debris from cells on x when there is no valley; without it, abstain.
    rng
        As in :func:`gating.valley.valley`.

    Returns
    -------
    RegionFound | Abstention
        A convex polygon of at most 32 corners. Where there is no valley, next to nothing has less than
        0.4 of the commonest size and little more than 3.3 times it, the events hold no debris and are all
        outlined. Otherwise, without a valley
        and without ``floor``, abstains; also when there are fewer than 100 events.

    Raises
    ------
    TemplateError
        If an option has a value that it cannot have.
    """
    one_of("mode", mode, ("all cells", "densest"))
    within("keep", keep, 0.0, 1.0)
    within("smallest", smallest, 0.0, 0.5)
    rng = own_generator(rng)
    known = finite_points(points)
    inner, _ = without_piles(known)
    if len(inner) < FEWEST or not (np.ptp(inner, axis=0) > 0).all():
        return nothing_to_see(inner, FEWEST)
    saw = {"nonfinite": float(len(np.asarray(points)) - len(known)), "piled": len(known) - len(inner)}
    found = find_floor(inner[:, 0], floor, smallest, rng)
    if found is None:
        reason = "no boundary between debris and cells: sizes run on from the commonest to the lowest"
        return Abstention(reason, len(known), saw)
    cells = inner[inner[:, 0] >= found.value]
    saw |= {"floor": found.value, "floor_kind": found.kind, "above_floor": len(cells) / len(known)}
    if len(cells) < FEWEST:
        reason = f"too few events: {len(cells)} above the debris, and {FEWEST} are needed"
        return Abstention(reason, len(known), saw)
    if mode == "densest":
        cells = cells[densest_cloud(cells)]
    cells = cells[np.lexsort(cells.T)]
    core = densest(cells, keep)
    vertices = convex_outline(core)
    if len(vertices) < 3:
        return Abstention("no spread: the events lie on a line", len(known), saw)
    held = int(Polygon(("x", "y"), vertices).contains(known).sum())
    steady, error = _repeated(cells, keep)
    share = share_within(held, held * error, len(known))
    return RegionFound(
        vertices, found.confidence * steady, len(known), saw | {"inside": held / len(known)}, share
    )


def find_floor(sizes: Floats, told: float | None, smallest: float, rng: np.random.Generator) -> Floor | None:
    """Return where debris ends; ``None`` when it runs on into the cells and no floor was told.

    The valley is looked for on the linear scale, and then on that of square roots, where debris, crowded at
    the origin, and large cells, spread wide, come to similar widths. Where both scales show one, the first is
    taken, and is as sure as the other agrees about the number of events above it.
    """
    found: list[Floor] = []
    for power in (1.0, 0.5):
        binned = bin_values(np.maximum(sizes, 0.0) ** power, fewest=FEWEST)
        valley = None if binned is None else _end_of_debris(binned, power, smallest, rng)
        if binned is not None and valley is not None:
            value = binned.value(valley.position) ** (1 / power)
            found.append(Floor(value, confidence_in(binned, valley, rng), 1))
    if found:
        above = [int((sizes >= floor.value).sum()) for floor in found]
        return Floor(found[0].value, found[0].confidence * min(above) / max(above), 1)
    if told is not None:
        return Floor(float(told), 1.0, 0)
    usual = commonest(sizes)
    clear = (
        np.mean(sizes < CLEAR * usual) <= NEXT_TO_NOTHING and np.mean(sizes > FAR_LARGER * usual) <= A_TENTH
    )
    return Floor(CLEAR * usual, 1.0, 2) if clear else None


def _end_of_debris(binned: Binned, power: float, smallest: float, rng: np.random.Generator) -> Valley | None:
    """Return the highest valley with nothing but debris below it."""
    ground = landscape(binned, smallest=smallest, most_peaks=5, rng=rng)
    last, start = None, 0.0
    for valley in valleys(binned.smooth(STEADY * binned.bandwidth), ground.modes):
        places = np.array([valley.low_peak + 0.5, valley.position, valley.high_peak + 0.5])
        low, floor, high = np.maximum(binned.start + binned.step * places, 1e-300) ** (1 / power)
        broad = _relative_range(binned, start, valley.position, power) > BROAD
        small = low < (SMALL if broad else VERY_SMALL) * high and floor < LARGEST * high
        if valley.depth < SHALLOWEST or not small:
            break
        last, start = valley, valley.position
    return last


def commonest(sizes: Floats) -> float:
    """Return the size at which there are most events."""
    binned = bin_values(sizes, fewest=FEWEST)
    if binned is None:
        return float(np.median(sizes))
    return binned.value(int(np.argmax(binned.smooth(STEADY * binned.bandwidth))) + 0.5)


def _relative_range(binned: Binned, start: float, end: float, power: float) -> float:
    """Return the interquartile range of the sizes between two positions, as a share of their median."""
    below = np.concatenate([[0.0], np.cumsum(binned.counts)])
    first, last = binned.below(start), binned.below(end)
    shares = first + np.array([0.25, 0.5, 0.75]) * (last - first)
    positions = np.interp(shares, below, np.arange(len(below)))
    low, middle, high = (max(binned.value(float(p)), 0.0) ** (1 / power) for p in positions)
    return (high - low) / middle if middle > 0 else math.inf


def _repeated(cells: Floats, keep: float) -> tuple[float, float]:
    """Return the chance that the number outlined is within a tenth, and its standard error as a share of it.

    Both come from leaving out a fifth of the events at a time, and say nothing of the floor.
    """
    shown = cells[:: max(1, len(cells) // COUNTED)]
    counts = []
    for group in range(GROUPS):
        outline = convex_outline(densest(np.delete(cells, slice(group, None, GROUPS), axis=0), keep))
        if len(outline) < 3:
            return 0.0, 1.0
        counts.append(Polygon(("x", "y"), outline).contains(shown).sum())
    usual, error = float(np.mean(counts)), math.sqrt((GROUPS - 1) * float(np.var(counts)))
    return chance_within_a_tenth(usual, error), error / max(usual, 1.0)
