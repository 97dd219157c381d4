"""Valley: found where there is one, and abstained from where there is not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from gating.errors import TemplateError
from gating.scales import Logicle
from gating.thresholds import Abstention, Cut, valley

Values = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int], Values]


def skewed_t(rng: np.random.Generator, n: int) -> Values:
    """Azzalini's skew t with 4 degrees of freedom and shape 4."""
    lean = 4 / np.sqrt(17)
    both = lean * np.abs(rng.normal(size=n)) + np.sqrt(1 - lean**2) * rng.normal(size=n)
    return np.asarray(both / np.sqrt(rng.chisquare(4, n) / 4))


def dim_on_logicle(rng: np.random.Generator, n: int) -> Values:
    """A dim stain: lognormal dye, photon counting, electronic noise, on the default logicle scale."""
    photons = rng.poisson(10 ** rng.normal(2.7, 0.35, n) * 0.08) / 0.08
    return Logicle().forward(photons + rng.normal(0, 40, n))


def smear_on_logicle(rng: np.random.Generator, n: int) -> Values:
    """PD-1 as a smear: 17 % positive, whose median is only three times that of the negatives."""
    dye = np.where(rng.random(n) < 0.17, 10 ** rng.normal(2.4, 0.45, n), 10 ** rng.normal(1.9, 0.3, n))
    return Logicle().forward(dye + rng.normal(0, 40, n))


UNIMODAL: dict[str, Draw] = {
    "normal": lambda rng, n: rng.normal(size=n),
    "gamma": lambda rng, n: rng.gamma(2, size=n),
    "exponential": lambda rng, n: rng.exponential(size=n),
    "lognormal": lambda rng, n: rng.lognormal(0, 0.6, n),
    "t with 3": lambda rng, n: rng.standard_t(3, n),
    "t with 2": lambda rng, n: rng.standard_t(2, n),
    "skewed t": skewed_t,
    "uniform": lambda rng, n: rng.random(n),
    "negatives on logicle": lambda rng, n: Logicle().forward(
        10 ** rng.normal(1, 0.3, n) + rng.normal(0, 30, n)
    ),
    "positives on logicle": lambda rng, n: Logicle().forward(10 ** rng.normal(3.9, 0.2, n)),
    "dim on logicle": dim_on_logicle,
    "smear on logicle": smear_on_logicle,
}


def two(rng: np.random.Generator, n: int, minority: float, apart: float, *, sd: float = 1.0) -> Values:
    """A majority at 0, deviation 1, and a minority at the distance that gives Ashman's D."""
    few = round(n * minority)
    at = apart * np.sqrt((1 + sd**2) / 2)
    return np.concatenate([rng.normal(size=n - few), rng.normal(at, sd, few)])


def normal_grid(n: int, mean: float = 0.0, sd: float = 1.0) -> Values:
    from scipy.stats import norm

    return np.asarray(norm.ppf((np.arange(n) + 0.5) / n, mean, sd))


def cut(values: Values, **options: object) -> Cut:
    found = valley(values, **options)  # type: ignore[arg-type]
    assert isinstance(found, Cut), found
    return found


def why_not(values: Values, **options: object) -> str:
    found = valley(values, **options)  # type: ignore[arg-type]
    assert isinstance(found, Abstention), found
    return found.reason


def test_two_equal_populations_are_parted_midway() -> None:
    found = cut(np.concatenate([normal_grid(5000), normal_grid(5000, 6.0)]))
    assert found.value == pytest.approx(3.0, abs=0.02)
    assert found.confidence == 1.0
    assert found.n_events == 10_000
    assert found.saw["low_peak"] == pytest.approx(0, abs=0.1)
    assert found.saw["high_peak"] == pytest.approx(6, abs=0.1)


@pytest.mark.parametrize(
    ("minority", "apart", "sd"), [(0.5, 4, 1), (0.2, 5, 0.6), (0.05, 6, 0.6), (0.3, 5, 2)]
)
def test_the_cut_is_at_the_lowest_point_that_scipys_kernel_density_has(
    minority: float, apart: float, sd: float
) -> None:
    from scipy.stats import gaussian_kde

    x = two(np.random.default_rng(8), 20_000, minority, apart, sd=sd)
    found = cut(x)
    between = np.linspace(found.saw["low_peak"], found.saw["high_peak"], 2001)
    kde = gaussian_kde(x, bw_method=1.5 * found.saw["bandwidth"] / x.std(ddof=1))(between)
    lowest = kde.min()
    at_cut = np.interp(found.value, between, kde)
    assert at_cut - lowest < 0.05 * (min(kde[0], kde[-1]) - lowest)


def test_a_rare_population_is_found_on_either_side() -> None:
    x = two(np.random.default_rng(1), 20_000, 0.01, 7.0)
    above, below = cut(x), cut(-x)
    assert np.mean(x >= above.value) == pytest.approx(0.01, abs=0.0005)
    assert below.value == pytest.approx(-above.value, abs=0.05)


def test_of_three_peaks_the_valley_asked_for_is_cut() -> None:
    rng = np.random.default_rng(2)
    x = np.concatenate([rng.normal(0, 1, 6000), rng.normal(5, 1, 3000), rng.normal(12, 1, 3000)])
    assert cut(x, between="lowest").value == pytest.approx(2.7, abs=0.4)
    assert cut(x, between="highest").value == pytest.approx(8.5, abs=0.6)
    assert cut(x).value == pytest.approx(8.5, abs=0.6)  # empty, where the other is a third full
    assert cut(x, high=6.0).value == pytest.approx(2.7, abs=0.4)
    assert cut(x, low=6.0, between="lowest").value == pytest.approx(8.5, abs=0.6)
    assert why_not(x, low=20.0).startswith("no valley between 20 and inf; there is one at 2.")


def test_fewer_peaks_keep_those_that_outlast_the_most_smoothing() -> None:
    rng = np.random.default_rng(2)
    x = np.concatenate([rng.normal(0, 1, 6000), rng.normal(4.2, 1, 3000), rng.normal(15, 1, 3000)])
    assert cut(x, peaks=2, between="lowest").value > 6
    assert cut(x, peaks=3, between="lowest").value < 4


def test_a_bump_in_a_wide_valley_does_not_send_the_cut_elsewhere() -> None:
    rng = np.random.default_rng(5)
    halves = [rng.normal(0, 1, 8000), rng.normal(12, 1, 5000), rng.normal(15.5, 0.5, 2000)]
    x = np.concatenate([*halves, rng.uniform(0, 12, 1500), rng.normal(6, 0.5, 300)])
    assert 2 < cut(x).value < 10


@pytest.mark.parametrize("shape", UNIMODAL)
def test_one_population_is_not_cut(shape: str) -> None:
    rng = np.random.default_rng(20)
    false = sum(isinstance(valley(UNIMODAL[shape](rng, 2000)), Cut) for _ in range(10))
    assert false <= 1


@pytest.mark.slow
@pytest.mark.parametrize("n", [200, 2_000, 20_000])
@pytest.mark.parametrize("shape", UNIMODAL)
def test_one_population_is_not_cut_in_95_of_100_samples(shape: str, n: int) -> None:
    rng = np.random.default_rng(n)
    false = sum(isinstance(valley(UNIMODAL[shape](rng, n)), Cut) for _ in range(100))
    assert false <= 5


FOUND = [  # where the density has a valley by half and more: events, minority, Ashman's D
    (1_000, 0.5, 3.5),
    (5_000, 0.5, 3.0),
    (5_000, 0.3, 3.5),
    (5_000, 0.1, 4.5),
    (5_000, 0.05, 5.0),
    (20_000, 0.05, 4.5),
    (20_000, 0.02, 5.0),
    (20_000, 0.01, 6.0),
]


@pytest.mark.parametrize(("n", "minority", "apart"), FOUND)
def test_a_valley_is_found(n: int, minority: float, apart: float) -> None:
    rng = np.random.default_rng(7)
    found = [valley(two(rng, n, minority, apart)) for _ in range(5)]
    assert sum(isinstance(f, Cut) and 0 < f.value < apart for f in found) >= 4


@pytest.mark.slow
@pytest.mark.parametrize("sd", [1.0, 0.6])
@pytest.mark.parametrize(("n", "minority", "apart"), FOUND)
def test_a_valley_is_found_in_90_of_100_samples(n: int, minority: float, apart: float, sd: float) -> None:
    rng = np.random.default_rng(7)
    found = [valley(two(rng, n, minority, apart, sd=sd)) for _ in range(100)]
    assert sum(isinstance(f, Cut) and 0 < f.value < apart for f in found) >= 90


def test_one_in_a_hundred_at_three_deviations_makes_a_shoulder_and_no_valley() -> None:
    """The density itself falls all the way, so there is nothing for any valley rule to find."""
    from scipy.stats import norm

    x = np.linspace(0, 3, 1000)
    assert (np.diff(0.99 * norm.pdf(x) + 0.01 * norm.pdf(x - 3)) < 0).all()
    assert why_not(two(np.random.default_rng(3), 20_000, 0.01, 3.0)).startswith("no valley")


def test_events_at_zero_and_at_the_end_of_the_range_are_not_populations() -> None:
    rng = np.random.default_rng(6)
    x = np.concatenate([rng.normal(0.45, 0.1, 10_000), np.zeros(800), np.full(500, 1.0)])
    found = valley(x)
    assert isinstance(found, Abstention)
    assert found.saw["spiked"] == 1300


def test_spikes_do_not_hide_a_valley() -> None:
    rng = np.random.default_rng(6)
    x = np.concatenate([rng.normal(0.2, 0.05, 6000), rng.normal(0.7, 0.05, 4000)])
    spiked = np.concatenate([x, np.zeros(800), np.full(500, 1.0)])
    assert cut(spiked).value == pytest.approx(cut(x).value, abs=0.02)


def test_moving_and_stretching_the_axis_moves_and_stretches_the_cut() -> None:
    x = two(np.random.default_rng(9), 5000, 0.2, 5.0)
    first, moved = cut(x), cut(1000 + 250 * x)
    assert moved.value == pytest.approx(1000 + 250 * first.value, abs=250 * 0.01)
    assert moved.confidence == pytest.approx(first.confidence, abs=0.1)


def test_the_order_of_the_events_does_not_matter_and_the_same_events_give_the_same_answer() -> None:
    rng = np.random.default_rng(9)
    x = two(rng, 5000, 0.05, 5.0)
    assert valley(x) == valley(rng.permutation(x)) == valley(x)


def test_the_interval_holds_the_best_cut_and_is_wider_of_few_events() -> None:
    from scipy.stats import norm

    places = np.linspace(0, 4.5, 2001)
    right, wrong = 0.3 * norm.sf(places, 4.5), 0.7 * norm.sf(places)
    best = places[np.argmax(2 * right / (right + wrong + 0.3))]
    rng = np.random.default_rng(4)
    few, many = ([cut(two(rng, n, 0.3, 4.5)).interval for _ in range(8)] for n in (300, 50_000))
    held = [ends[0] <= best <= ends[1] for ends in (*few, *many) if ends]
    assert sum(held) >= 15
    assert np.mean([np.ptp(ends) for ends in few if ends]) > np.mean([np.ptp(ends) for ends in many if ends])


def test_dropping_nine_events_of_ten_hardly_moves_the_cut() -> None:
    x = np.random.default_rng(3).permutation(two(np.random.default_rng(10), 50_000, 0.15, 5.0, sd=0.7))
    whole = np.mean(x >= cut(x).value)
    tenths = [np.mean(x >= cut(x[k::10]).value) for k in range(10)]
    assert np.abs(np.array(tenths) / whole - 1).max() < 0.05


def test_confidence_falls_with_the_depth_of_the_valley() -> None:
    rng = np.random.default_rng(12)
    clear, shallow = cut(two(rng, 20_000, 0.05, 7.0)), cut(two(rng, 1000, 0.3, 3.8))
    assert clear.confidence > 0.95
    assert shallow.confidence < clear.confidence


def test_a_population_below_the_smallest_share_is_left_where_it_is() -> None:
    x = two(np.random.default_rng(13), 20_000, 0.01, 8.0)
    assert cut(x).saw["peaks"] == 2
    assert why_not(x, smallest=0.02).startswith("no valley: one peak, at ")


def test_steps_of_a_digital_scale_are_not_peaks() -> None:
    rng = np.random.default_rng(14)
    linear = np.round(rng.lognormal(np.log(40), 0.5, 5000))
    assert isinstance(valley(np.log10(np.maximum(linear, 1))), Abstention)
    two_digital = np.round(np.concatenate([rng.normal(20, 4, 3000), rng.normal(60, 5, 2000)]))
    assert cut(two_digital).value == pytest.approx(39, abs=4)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([], "too few events: 0, and 50 are needed"),
        ([1.0, 2.0], "too few events: 2, and 50 are needed"),
        ([np.nan] * 500, "too few events: 0, and 50 are needed"),
        ([4.0] * 500, "no spread: nearly all of 500 events have the same value, or one of two"),
        ([0.0, 1.0] * 500, "no spread: nearly all of 1000 events have the same value, or one of two"),
    ],
    ids=["none", "two", "not a number", "all equal", "two values"],
)
def test_nothing_to_cut_is_said(values: list[float], reason: str) -> None:
    assert why_not(np.array(values)) == reason


def test_infinite_and_missing_values_are_counted_and_change_nothing() -> None:
    x = two(np.random.default_rng(15), 5000, 0.3, 6.0)
    found = cut(np.concatenate([x, [np.inf, -np.inf, np.nan]]))
    assert found.value == cut(x).value
    assert found.saw["nonfinite"] == 3
    assert found.n_events == 5000


def test_an_option_that_cannot_be_is_refused() -> None:
    x = np.arange(100.0)
    with pytest.raises(TemplateError, match="between is one of 'deepest', 'lowest', 'highest', not 'middle'"):
        valley(x, between="middle")
    with pytest.raises(TemplateError, match="needs peaks >= 2 and low < high"):
        valley(x, low=3, high=2)
    with pytest.raises(TemplateError, match=r"smallest lies between 0 and 0\.5"):
        valley(x, smallest=0.7)
