"""Peaks: what stands in a density, and how much smoothing, or chance, it takes to make it."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from gating.density import bin_values
from gating.peaks import (
    Modes,
    _at_most,
    _falling,
    critical_bandwidth,
    find_modes,
    landscape,
    valley_between,
    valleys,
)


def normal_grid(n: int, mean: float = 0.0, sd: float = 1.0) -> NDArray[np.float64]:
    from scipy.stats import norm

    return np.asarray(norm.ppf((np.arange(n) + 0.5) / n, mean, sd))


def hills(*heights: float) -> NDArray[np.float64]:
    return np.interp(np.arange(10 * len(heights) - 9), 10 * np.arange(len(heights)), heights)


def test_peaks_and_valleys_alternate() -> None:
    assert find_modes(hills(0, 4, 1, 6, 0), 1) == Modes((10, 30), (20,))


def test_a_peak_at_either_end_counts() -> None:
    assert find_modes(hills(5, 1, 4), 1) == Modes((0, 20), (10,))


def test_a_level_top_has_its_peak_in_the_middle() -> None:
    assert find_modes(hills(0, 4, 4, 0), 1) == Modes((15,), ())


def test_a_peak_with_too_few_events_goes_to_the_neighbour_behind_the_shallower_valley() -> None:
    density = hills(0, 9, 2, 4, 3, 9, 0)  # the middle peak parts from the left at 2, from the right at 3
    assert find_modes(density, 70) == Modes((10, 50), (20,))


def test_no_density_is_one_peak() -> None:
    assert find_modes(np.zeros(100), 10) == Modes((50,), ())


def test_the_nearest_falling_heights_are_those_of_scipys_isotonic_regression() -> None:
    from scipy.optimize import isotonic_regression

    heights = np.random.default_rng(3).poisson(20 * np.exp(-np.arange(200) / 60)).astype(float)
    np.testing.assert_allclose(_falling(heights), isotonic_regression(heights, increasing=False).x)


def test_filling_a_valley_keeps_the_events_and_leaves_one_peak() -> None:
    density = hills(0, 8, 2, 3, 0)
    filled = _at_most(density, Modes((10,), ()), (10, 30))
    assert filled.sum() == pytest.approx(density.sum())
    assert find_modes(filled, 0.0).valleys == ()
    np.testing.assert_array_equal(filled[:11], density[:11])


def test_a_tall_narrow_peak_does_not_swallow_a_broad_one_when_the_valley_is_filled() -> None:
    broad = 10 * np.exp(-0.5 * ((np.arange(300) - 100) / 30) ** 2)
    narrow = 12 * np.exp(-0.5 * ((np.arange(300) - 250) / 4) ** 2)
    filled = _at_most(broad + narrow, Modes((100,), ()), (100, 250))
    assert np.argmax(filled) == 100


@pytest.mark.parametrize("half", [1.5, 2.0, 3.0])
def test_two_normal_peaks_merge_at_the_bandwidth_that_theory_gives(half: float) -> None:
    """Equal normals at -d and d, deviation 1, smoothed by h: one peak once 1 + h^2 >= d^2."""
    binned = bin_values(np.concatenate([normal_grid(50_000, -half), normal_grid(50_000, half)]))
    assert binned is not None
    assert critical_bandwidth(binned, 1, 10) == pytest.approx(np.sqrt(half**2 - 1), rel=0.02)


def test_a_single_peak_needs_no_more_smoothing_than_its_own() -> None:
    binned = bin_values(normal_grid(10_000))
    assert binned is not None
    assert critical_bandwidth(binned, 1, 10) == binned.bandwidth


def test_three_populations_are_three_peaks() -> None:
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(0, 1, 4000), rng.normal(6, 1, 2000), rng.normal(12, 0.5, 1000)])
    binned = bin_values(x)
    assert binned is not None
    found = landscape(binned, smallest=0.005, most_peaks=5, rng=rng)
    np.testing.assert_allclose([binned.value(p + 0.5) for p in found.modes.peaks], [0, 6, 12], atol=0.3)
    assert len(landscape(binned, smallest=0.005, most_peaks=2, rng=rng).modes.peaks) == 2


def test_the_lowest_ground_of_an_empty_stretch_is_its_middle() -> None:
    density = np.concatenate([hills(0, 5, 0), np.zeros(40), hills(0, 5, 0)])
    assert valley_between(density, 10, 71) == pytest.approx(41.0, abs=1.0)


def test_a_valley_is_as_deep_as_the_lesser_of_the_highest_peaks_on_its_two_sides() -> None:
    density = hills(0, 10, 2, 3, 2, 8, 0)  # a bump of 3 in the middle of one wide valley
    left, right = valleys(density, find_modes(density, 1))
    assert left.depth == pytest.approx(0.75)
    assert right.drop == pytest.approx(6.0)
