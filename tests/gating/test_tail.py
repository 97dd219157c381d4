"""Tail: rare positives beyond the end of a negative peak."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from gating.errors import TemplateError
from gating.tail import fit_top
from gating.thresholds import Abstention, Cut, tail, valley

Values = NDArray[np.float64]


def normal_grid(n: int, mean: float = 0.0, sd: float = 1.0) -> Values:
    from scipy.stats import norm

    return np.asarray(norm.ppf((np.arange(n) + 0.5) / n, mean, sd))


def cut(values: Values, **options: object) -> Cut:
    found = tail(values, **options)  # type: ignore[arg-type]
    assert isinstance(found, Cut), found
    return found


def why_not(values: Values, **options: object) -> str:
    found = tail(values, **options)  # type: ignore[arg-type]
    assert isinstance(found, Abstention), found
    return found.reason


@pytest.mark.parametrize(("quantile", "deviations"), [(0.99, 2.326), (0.995, 2.576), (0.999, 3.090)])
def test_a_normal_peak_ends_at_its_own_quantile(quantile: float, deviations: float) -> None:
    assert cut(normal_grid(20_000, 10, 2), quantile=quantile).value == pytest.approx(
        10 + 2 * deviations, abs=0.03
    )


def test_the_lower_tail_is_the_upper_tail_of_the_mirrored_values() -> None:
    x = np.random.default_rng(0).normal(size=5000)
    lower, upper = cut(x, side="lower"), cut(-x)
    assert lower.value == -upper.value
    assert lower.interval
    assert upper.interval
    assert lower.interval == pytest.approx((-upper.interval[1], -upper.interval[0]))
    assert upper.interval[0] < upper.value < upper.interval[1]


@pytest.mark.parametrize("positives", [0.0, 0.005, 0.02, 0.1, 0.3])
def test_positives_do_not_move_the_end_of_the_negatives(positives: float) -> None:
    few = round(20_000 * positives)
    found = cut(np.concatenate([normal_grid(20_000 - few), normal_grid(few, 5.0) if few else []]))
    assert found.value == pytest.approx(2.576, abs=0.12)


def test_the_share_beyond_is_the_positives_and_half_a_percent_of_the_negatives() -> None:
    rng = np.random.default_rng(1)
    x = np.concatenate([rng.normal(0, 1, 19_800), rng.normal(6, 1, 200)])
    assert np.mean(x >= cut(x).value) == pytest.approx(0.01 + 0.005, abs=0.0015)


def test_it_cuts_where_rare_positives_make_no_valley() -> None:
    rng = np.random.default_rng(2)
    x = np.concatenate([rng.normal(0, 1, 19_800), rng.normal(3, 1, 200)])
    assert isinstance(valley(x), Abstention)
    assert np.mean(x[19_800:] >= cut(x).value) == pytest.approx(0.66, abs=0.08)  # P(N(3, 1) > 2.58)


def test_a_peak_wider_towards_the_positives_is_reflected_wider() -> None:
    """Two half normals that meet at 0, deviation 1 below and 1.2 above; the upper holds 1.2 of 2.2 events."""
    from scipy.stats import norm

    x = np.concatenate([-np.abs(normal_grid(20_000)), 1.2 * np.abs(normal_grid(24_000))])
    end = 1.2 * norm.isf(0.005 * 2.2 / 1.2 / 2)
    assert cut(x).value == pytest.approx(end, abs=0.2)
    assert cut(x).value > 2.576 + 0.3
    assert cut(x).saw["lean"] > 1.05


def test_the_negative_peak_may_be_named() -> None:
    rng = np.random.default_rng(3)
    x = np.concatenate([rng.normal(0, 1, 8000), rng.normal(10, 1, 12_000)])
    assert cut(x).value == pytest.approx(12.6, abs=0.25)
    assert cut(x, peak="lowest", dominant=0.3).value == pytest.approx(2.6, abs=0.25)
    assert cut(x, peak="highest", side="lower").value == pytest.approx(7.4, abs=0.25)
    assert why_not(x, peak="lowest").startswith("no dominant peak: the one at ")


def test_what_lies_below_the_peaks_own_valley_is_not_its_tail() -> None:
    rng = np.random.default_rng(4)
    x = np.concatenate([rng.normal(-12, 1, 4000), rng.normal(0, 1, 16_000)])
    assert cut(x).value == pytest.approx(2.576, abs=0.2)


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        (lambda rng: rng.gamma(2, size=5000), "leans"),
        (lambda rng: rng.lognormal(0, 0.6, 5000), "leans"),
        (lambda rng: rng.random(5000), "flat|no dominant"),
        (lambda rng: rng.normal(size=400), "too few events"),
        (lambda rng: np.concatenate([rng.normal(m, 1, 2000) for m in (0, 6, 12)]), "no dominant peak"),
    ],
    ids=["gamma", "lognormal", "uniform", "400 events", "three populations"],
)
def test_without_a_clear_negative_peak_it_says_why(shape: object, reason: str) -> None:
    import re

    assert callable(shape)
    assert re.search(reason, why_not(shape(np.random.default_rng(5))))


@pytest.mark.slow
@pytest.mark.parametrize("n", [2_000, 20_000])
def test_over_100_samples_half_a_percent_of_the_negatives_is_beyond(n: int) -> None:
    from scipy.stats import norm

    rng = np.random.default_rng(n)
    samples = (np.concatenate([rng.normal(size=n - n // 50), rng.normal(5, 1, n // 50)]) for _ in range(100))
    beyond = norm.sf([cut(x).value for x in samples])
    assert beyond.mean() == pytest.approx(0.005, abs=0.001)
    assert beyond.max() < 0.02


def test_moving_stretching_and_shuffling_change_nothing() -> None:
    rng = np.random.default_rng(6)
    x = np.concatenate([rng.normal(0, 1, 5000), rng.normal(5, 1, 100)])
    first = cut(x)
    assert tail(rng.permutation(x)) == first
    assert cut(50 + 3 * x).value == pytest.approx(50 + 3 * first.value, abs=0.1)


def test_dropping_nine_events_of_ten_moves_the_end_by_a_fraction_of_the_peak() -> None:
    rng = np.random.default_rng(7)
    x = np.concatenate([rng.normal(0, 1, 48_000), rng.normal(5, 1, 2000)])
    x = rng.permutation(x)
    ends = np.array([cut(x[k::10]).value for k in range(10)])
    assert np.abs(ends - cut(x).value).max() < 0.35


def test_a_control_of_negatives_ends_where_its_quantile_does() -> None:
    x = np.random.default_rng(8).normal(size=20_000)
    assert cut(x).value == pytest.approx(np.quantile(x, 0.995), abs=0.15)


def test_the_fitted_top_of_a_parabola_is_its_vertex() -> None:
    bins = np.arange(200.0)
    top = fit_top(1000 * np.exp(-0.5 * ((bins - 90.3) / 12) ** 2), 90)
    assert top is not None
    assert top.position == pytest.approx(90.8)  # bin 90 has its middle at 90.5
    assert top.below == pytest.approx(12 * np.sqrt(2 * np.log(5)), rel=0.01)
    assert top.lean == pytest.approx(1.0, abs=0.01)


def test_a_slope_has_no_top() -> None:
    assert fit_top(np.arange(100.0), 99) is None


@pytest.mark.parametrize(
    "values",
    [[], [1.0, 2.0], [np.nan] * 500, [4.0] * 500, [0.0, 1.0] * 500, [np.inf] * 100],
    ids=["none", "two", "not a number", "all equal", "two values", "infinite"],
)
def test_nothing_to_cut_is_said(values: list[float]) -> None:
    assert why_not(np.array(values)).startswith(("too few events", "no spread"))


def test_an_option_that_cannot_be_is_refused() -> None:
    x = np.arange(100.0)
    with pytest.raises(TemplateError, match="side is one of 'upper', 'lower', not 'above'"):
        tail(x, side="above")
    with pytest.raises(TemplateError, match=r"quantile lies between 0\.5 and 1"):
        tail(x, quantile=0.01)
