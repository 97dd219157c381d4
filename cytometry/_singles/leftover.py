"""Leftover: slopes that remain after compensation, by medians of bins, and jointly where one dye is absent."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gating.scales import Floats

BINS = 24
FEWEST = 12  # events of a bin
OFF = 3.0  # robust SDs from the plane, beyond which an event is left out
ROUNDS = 12
BOOTSTRAPS = 40


def slopes_by_bins(light: Floats, above: Floats, *, from_light: float) -> tuple[Floats, Floats]:
    """Return the slope of the bins' medians over light, through the origin, and its error; each shape ``(p,)``.

    A median is that of most events: the few that lie off the line in a bin do not move it.

    Parameters
    ----------
    light
        Of one dye, shape ``(n,)``, compensated linear scale.
    above
        Of every detector, above its own negatives; shape ``(n, p)``.
    from_light
        Dimmer events are not looked at.

    Returns
    -------
    tuple
        NaN where fewer than two bins can be filled.
    """
    lit = np.flatnonzero(light > from_light)
    nothing = np.full(above.shape[1], np.nan)
    count = min(BINS, lit.size // FEWEST)
    if count < 2:
        return nothing, nothing
    groups = np.array_split(lit[np.argsort(light[lit], kind="stable")], count)
    x = np.array([np.median(light[group]) for group in groups])[:, None]
    y = np.array([np.median(above[group], axis=0) for group in groups])
    wide = np.array([np.median(np.abs(above[g] - m), axis=0) for g, m in zip(groups, y, strict=True)])
    many = np.array([group.size for group in groups])[:, None]
    error = np.maximum(1.4826 * 1.2533 * wide / np.sqrt(many), 1e-6)  # of a median
    weight = x / error**2
    slope = (weight * y).sum(axis=0) / (weight * x).sum(axis=0)
    scatter = (((y - slope * x) / error) ** 2).sum(axis=0) / (count - 1)
    return slope, np.sqrt(np.maximum(scatter, 1) / (weight * x).sum(axis=0))


def slopes_jointly(lights: Floats, detector: Floats, *, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return the slope of a detector whose own dye is absent over each of the other dyes, and its error.

    The error is that of sampling and of the straight line through all: cells that carry a dye may glow by themselves,
    however much of it they carry. What they alone say otherwise, from dim to bright, is part of the error.

    Parameters
    ----------
    lights
        Of the dyes that are there, compensated linear scale; shape ``(n, q)``. 0 in a cell that does not surely carry
        the dye.
    detector
        Shape ``(n,)``, compensated; nothing but autofluorescence if the matrix is right.

    Returns
    -------
    tuple
        NaN for a dye that too few cells carry to fill three bins.
    """
    known = np.flatnonzero(np.count_nonzero(lights, axis=0) >= 3 * FEWEST)
    slope, error = np.full(lights.shape[1], np.nan), np.full(lights.shape[1], np.nan)
    design = np.column_stack([np.ones(len(lights)), lights[:, known]])
    total = np.abs(lights).sum(axis=1)
    noise = 1 / np.maximum(total, max(float(np.median(total)), 1.0))
    found, kept = _plane(design, detector, noise)
    rows = np.flatnonzero(kept)
    drawn = [rng.choice(rows, rows.size) for _ in range(BOOTSTRAPS)]
    sampled = np.array([_solve(design[one], detector[one], noise[one]) for one in drawn]).std(axis=0, ddof=1)
    off = detector - design @ found
    for place, dye in enumerate(known, start=1):
        light = design[:, place]
        carry = rows[light[rows] > 0]
        again, wide = _slope_within(light[carry], off[carry] + found[place] * light[carry])
        slope[dye] = found[place]
        error[dye] = np.hypot(np.hypot(sampled[place], wide), again - found[place])
    return slope, error


def _slope_within(light: Floats, seen: Floats) -> tuple[float, float]:
    """Return the slope of the bins' medians over light, not through the origin, and its error; NaN under three bins."""
    count = min(BINS, light.size // FEWEST)
    if count < 3:
        return np.nan, np.nan
    groups = np.array_split(np.argsort(light, kind="stable"), count)
    x = np.array([np.median(light[group]) for group in groups])
    y = np.array([np.median(seen[group]) for group in groups])
    wide = np.array([np.median(np.abs(seen[g] - m)) for g, m in zip(groups, y, strict=True)])
    many = np.array([group.size for group in groups])
    weight = many / np.maximum(1.4826 * 1.2533 * wide, 1e-6) ** 2  # of medians
    middle = (weight * x).sum() / weight.sum()
    along = (weight * (x - middle) ** 2).sum()
    slope = (weight * (x - middle) * y).sum() / along
    off = y - (weight * y).sum() / weight.sum() - slope * (x - middle)
    scatter = (weight * off**2).sum() / (count - 2)
    return float(slope), float(np.sqrt(max(scatter, 1.0) / along))


def _plane(design: Floats, detector: Floats, noise: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Return the plane through most events, and which lie on it."""
    found = np.zeros(design.shape[1])
    kept = np.ones(len(design), dtype=np.bool_)
    for _ in range(ROUNDS):
        found = _solve(design[kept], detector[kept], noise[kept])
        off = (detector - design @ found) * np.sqrt(noise)
        width = 1.4826 * np.median(np.abs(off - np.median(off)))
        new = np.abs(off - np.median(off)) < OFF * width
        if (new == kept).all():
            break
        kept = new
    return found, kept


def _solve(design: Floats, values: Floats, weight: Floats) -> Floats:
    weighted = design * weight[:, None]
    return np.asarray(np.linalg.lstsq(weighted.T @ design, weighted.T @ values, rcond=None)[0])
