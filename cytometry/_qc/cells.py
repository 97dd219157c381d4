"""Cells: shares of doublets and of dead cells, as far as they can be told before anything is gated."""

from __future__ import annotations

import numpy as np

from gating.scales import Floats

SINGLETS = (
    4.0  # MADs above the median of area over height, as PeacoQC has it (Emmaneel 2022, Cytometry A 101:325)
)
NEAR_ZERO = 150.0  # of the inverse hyperbolic sine, for linear values of up to 262,144
FEWEST = 500
BINS, SMOOTHED = 200, 4.0  # of the viability dye's range; of the smoothing, in bins
DEEP, LEAST = (
    0.7,
    0.005,
)  # a valley is no more than this much of the lesser peak, which holds so many of the events


def doublets(area: Floats, height: Floats) -> float:
    """Return the share of events whose area is too large for their height; NaN for fewer than 500 of them."""
    sound = (height > 0) & np.isfinite(area) & np.isfinite(height)
    if sound.sum() < FEWEST:
        return float("nan")
    ratio = area[sound] / height[sound]
    middle = np.median(ratio)
    return float(np.mean(ratio > middle + SINGLETS * 1.4826 * np.median(np.abs(ratio - middle))))


def dead(viability: Floats) -> tuple[float, str]:
    """Return the share of events above the deepest valley of the viability dye; NaN with the reason for none."""
    values = np.arcsinh(viability[np.isfinite(viability)] / NEAR_ZERO)
    if values.size < FEWEST:
        return float("nan"), f"{values.size} events are too few"
    counts, edges = np.histogram(values, BINS)
    reach = np.arange(-3 * SMOOTHED, 3 * SMOOTHED + 1)
    kernel = np.exp(-0.5 * (reach / SMOOTHED) ** 2)
    height = np.convolve(counts, kernel / kernel.sum(), mode="same")
    live = int(np.argmax(height))
    # Down from the live peak, and to the highest place beyond each: the deepest valley between them.
    beyond = np.maximum.accumulate(height[::-1])[::-1]
    share = np.cumsum(counts[::-1])[::-1] / values.size
    depth = np.where(share >= LEAST, height / np.maximum(beyond, 1e-9), 1.0)
    depth[: live + 1] = 1.0
    cut = int(np.argmin(depth))
    if depth[cut] > DEEP:
        return float("nan"), "the viability dye does not part live from dead cells"
    return float(np.mean(values >= edges[cut])), ""
