"""Density of one measure: bins, spikes, ties, and a bandwidth that does not see the distance between peaks."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from gating.density import N_BINS, bin_values, choose_bandwidth, finite, local_scale, smooth


def normal_grid(n: int, mean: float = 0.0, sd: float = 1.0) -> NDArray[np.float64]:
    """Return the n middle quantiles of a normal distribution: a sample without chance."""
    from scipy.stats import norm

    return np.asarray(norm.ppf((np.arange(n) + 0.5) / n, mean, sd))


def test_the_smoothed_bins_are_the_kernel_density_that_scipy_computes() -> None:
    from scipy.stats import gaussian_kde

    x = np.random.default_rng(1).gamma(3, size=3000)
    binned = bin_values(x)
    assert binned is not None
    kde = gaussian_kde(x, bw_method=binned.bandwidth / x.std(ddof=1))
    middles = binned.start + binned.step * (np.arange(N_BINS) + 0.5)
    ours = binned.smooth(binned.bandwidth) / (x.size * binned.step)
    np.testing.assert_allclose(ours, kde(middles), atol=0.005 * ours.max())


def test_smoothing_is_a_convolution_that_does_not_wrap_around() -> None:
    counts = np.zeros(64)
    counts[[2, 30]] = 5, 7
    bins = np.arange(64)
    kernel = np.exp(-((bins[:, None] - bins[None]) ** 2) / (2 * 3.0**2)) / (3 * np.sqrt(2 * np.pi))
    np.testing.assert_allclose(smooth(counts, 3.0), kernel @ counts, atol=1e-9)


def test_every_event_is_on_the_grid_or_beyond_its_ends_or_in_a_spike_or_not_finite() -> None:
    x = np.concatenate([np.random.default_rng(0).normal(size=5000), np.zeros(400), [np.nan, np.inf, -np.inf]])
    binned = bin_values(x)
    assert binned is not None
    assert binned.n_nonfinite == 3
    assert binned.n_spiked == 400
    assert binned.n_events == 5400
    assert 0.998 * 5000 <= binned.n_kept <= 5000
    assert binned.below(0) == 0
    assert binned.below(N_BINS) == binned.n_kept


def test_the_bandwidth_of_a_normal_sample_is_near_the_best_known_for_it() -> None:
    binned = bin_values(normal_grid(20_000))
    assert binned is not None
    assert binned.bandwidth == pytest.approx(1.06 * 20_000**-0.2, rel=0.15)


@pytest.mark.parametrize("apart", [5.0, 15.0, 40.0])
def test_the_bandwidth_does_not_grow_with_the_distance_between_two_populations(apart: float) -> None:
    x = np.concatenate([normal_grid(10_000), normal_grid(10_000, apart)])
    binned = bin_values(x)
    assert binned is not None
    assert binned.bandwidth == pytest.approx(1.06 * 10_000**-0.2, rel=0.25)
    rule_of_thumb = 1.06 * x.std() * 20_000**-0.2
    assert binned.bandwidth < 0.8 * rule_of_thumb


def test_without_a_root_the_rule_of_thumb_for_the_local_scale_stands_in() -> None:
    assert choose_bandwidth(np.eye(1, N_BINS)[0], scale=10.0, n_events=1) == pytest.approx(9.0)


def test_the_local_scale_of_a_normal_population_is_its_deviation() -> None:
    assert local_scale(normal_grid(100_000, sd=3.0)) == pytest.approx(3.0, rel=0.01)


def test_a_digital_scale_is_smoothed_like_the_intensities_behind_it() -> None:
    x = normal_grid(20_000, 500, 40)
    exact, digital = bin_values(x), bin_values(np.round(x))
    assert exact is not None
    assert digital is not None
    assert digital.n_spiked == 0
    assert digital.bandwidth == pytest.approx(exact.bandwidth, rel=0.05)


def test_events_piled_up_at_the_end_of_the_range_are_left_out_though_compensation_smeared_them() -> None:
    rng = np.random.default_rng(2)
    x = np.concatenate([rng.normal(0.5, 0.1, 10_000), 1.0 + rng.normal(0, 0.0005, 300)])
    binned = bin_values(x)
    assert binned is not None
    assert 290 <= binned.n_spiked <= 310


def test_a_thin_population_inside_the_range_is_not_a_spike() -> None:
    binned = bin_values(
        np.concatenate([normal_grid(5000), normal_grid(500, 2.0, 0.1), normal_grid(500, 6.0)])
    )
    assert binned is not None
    assert binned.n_spiked == 0


@pytest.mark.parametrize(
    "values",
    [
        [],
        [1.0, 2.0],
        [np.nan] * 100,
        [3.0] * 100,
        [0.0, 1.0] * 100,
        [np.inf, -np.inf] * 50,
        list(0.9 * np.arange(1.0, 100) / np.arange(1.0, 100)),
    ],
    ids=["none", "two", "not a number", "all equal", "two values", "infinite", "equal but for rounding"],
)
def test_values_without_a_shape_have_no_density(values: list[float]) -> None:
    assert bin_values(np.array(values)) is None


def test_finite_values_come_back_flat_and_in_order() -> None:
    assert finite([[1.0, np.nan], [np.inf, 2.0]]).tolist() == [1.0, 2.0]
