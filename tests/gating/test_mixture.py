"""Mixture: a smaller population beside a greater one, shoulder or peak, and nothing where there is one alone."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import norm, skewnorm

from gating.components import ONE, Prior, density, fit
from gating.errors import TemplateError
from gating.scales import Logicle
from gating.thresholds import Abstention, Cut, mixture, valley

Values = NDArray[np.float64]
N = 20_000


def two(rng: np.random.Generator, minority: float, apart: float, *, sd: float = 1.0, n: int = N) -> Values:
    """A majority at 0, deviation 1, and a minority at the distance that gives Ashman's D."""
    few = round(n * minority)
    at = apart * np.sqrt((1 + sd**2) / 2)
    return np.concatenate([rng.normal(size=n - few), rng.normal(at, sd, few)])


def best_cut(minority: float, apart: float, sd: float = 1.0) -> float:
    at = apart * np.sqrt((1 + sd**2) / 2)
    cuts = np.linspace(0, at, 4001)
    right, wrong = minority * norm.sf(cuts, at, sd), (1 - minority) * norm.sf(cuts)
    return float(cuts[np.argmax(2 * right / (right + wrong + minority))])


def cut(values: Values, **options: object) -> Cut:
    found = mixture(values, **options)  # type: ignore[arg-type]
    assert isinstance(found, Cut), found
    return found


def why_not(values: Values, **options: object) -> str:
    found = mixture(values, **options)  # type: ignore[arg-type]
    assert isinstance(found, Abstention), found
    return found.reason


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("minority", "apart", "sd"), [(0.02, 3.5, 1), (0.05, 3, 1), (0.1, 3, 0.6), (0.3, 3, 0.6), (0.5, 3, 1)]
)
def test_a_shoulder_is_cut_within_a_tenth_of_a_decade_of_the_best(
    minority: float, apart: float, sd: float, seed: int
) -> None:
    """A tenth of a decade is a third of a deviation, of a stain that varies twofold."""
    found = cut(two(np.random.default_rng(seed), minority, apart, sd=sd))
    assert found.value == pytest.approx(best_cut(minority, apart, sd), abs=1 / 3)
    assert found.interval
    assert found.interval[0] < found.value < found.interval[1]


def test_it_cuts_where_there_is_no_valley() -> None:
    x = two(np.random.default_rng(2), 0.03, 3.2)
    assert isinstance(valley(x), Abstention)
    found = cut(x)
    assert found.saw["share_lesser"] == pytest.approx(0.03, abs=0.015)
    assert found.saw["mean_lesser"] == pytest.approx(3.2, abs=0.5)
    assert found.saw["D"] == pytest.approx(3.2, abs=0.5)
    assert found.saw["bic_gain"] > 0


UNIMODAL = {
    "normal": lambda rng, n: rng.normal(size=n),
    "gamma": lambda rng, n: rng.gamma(2, size=n),
    "exponential": lambda rng, n: rng.exponential(size=n),
    "lognormal": lambda rng, n: rng.lognormal(0, 0.6, n),
    "skew normal": lambda rng, n: skewnorm.rvs(4, size=n, random_state=rng),
    "t with 3": lambda rng, n: rng.standard_t(3, n),
    "uniform": lambda rng, n: rng.random(n),
    "narrow in wide": lambda rng, n: rng.normal(size=n) * np.where(rng.random(n) < 0.1, 2.5, 1),
    "noise on logicle": lambda rng, n: Logicle().forward(rng.normal(0, 120, n)),
    "dim on logicle": lambda rng, n: Logicle().forward(10 ** rng.normal(2.2, 0.35, n) + rng.normal(0, 40, n)),
}


@pytest.mark.parametrize("n", [1_000, N])
@pytest.mark.parametrize("shape", UNIMODAL)
def test_one_population_is_not_cut_however_it_leans(shape: str, n: int) -> None:
    rng = np.random.default_rng(20)
    assert sum(isinstance(mixture(UNIMODAL[shape](rng, n)), Cut) for _ in range(4)) == 0


@pytest.mark.slow
@pytest.mark.parametrize("n", [1_000, 5_000, N])
@pytest.mark.parametrize("shape", UNIMODAL)
def test_one_population_is_not_cut_in_95_of_100_samples(shape: str, n: int) -> None:
    rng = np.random.default_rng(n)
    assert sum(isinstance(mixture(UNIMODAL[shape](rng, n)), Cut) for _ in range(100)) <= 5


def test_fifty_events_in_a_shoulder_may_be_chance_and_it_says_so() -> None:
    reason = why_not(two(np.random.default_rng(4), 0.01, 3.0, n=5_000))
    assert reason.startswith("one population explains the events: a second gains ")


def test_a_minority_on_either_side_is_found_and_the_other_side_is_refused() -> None:
    x = two(np.random.default_rng(4), 0.05, 4.0)
    assert cut(-x).value == pytest.approx(-cut(x).value, abs=0.1)
    assert cut(x, side="upper") == cut(x)
    assert why_not(x, side="lower") == "the smaller population lies on the upper side"
    assert "not between" in why_not(x, high=1.0)


def test_three_populations_are_not_two() -> None:
    rng = np.random.default_rng(5)
    x = np.concatenate([rng.normal(0, 1, 12_000), rng.normal(6, 1, 5_000), rng.normal(14, 1, 3_000)])
    assert why_not(x).startswith("more than two populations")


def test_moving_and_stretching_the_axis_moves_and_stretches_the_cut() -> None:
    x = two(np.random.default_rng(6), 0.1, 3.5)
    assert cut(50 + 20 * x).value == pytest.approx(50 + 20 * cut(x).value, abs=20 * 0.02)


def test_the_order_of_the_events_does_not_matter_and_the_same_events_give_the_same_answer() -> None:
    rng = np.random.default_rng(7)
    x = two(rng, 0.1, 3.5, n=5_000)
    assert mixture(x) == mixture(rng.permutation(x)) == mixture(x)


def test_a_better_parted_minority_is_cut_with_more_confidence() -> None:
    rng = np.random.default_rng(8)
    near, far = cut(two(rng, 0.05, 3.0)), cut(two(rng, 0.05, 6.0))
    assert near.confidence < far.confidence


@pytest.mark.parametrize("values", [[], [1.0] * 500, np.arange(100.0), [np.nan] * 500])
def test_nothing_to_cut_is_said(values: list[float]) -> None:
    assert why_not(np.array(values)).startswith(("too few events", "no spread"))


def test_an_option_that_cannot_be_is_refused() -> None:
    with pytest.raises(TemplateError, match="side is one of 'either', 'upper', 'lower', not 'above'"):
        mixture(np.arange(500.0), side="above")
    with pytest.raises(TemplateError, match="low < high"):
        mixture(np.arange(500.0), low=3, high=2)


def test_the_family_holds_the_normal_and_its_fit_finds_it() -> None:
    x = np.linspace(-6, 6, 121)
    expected = norm.pdf(x, 0.4, 1.2)
    expected /= expected.sum()
    shape = np.array([0.4, np.log(1.2), 0, 0, 0])
    np.testing.assert_allclose(density(x, shape), expected, atol=1e-12)
    flat = Prior(np.zeros(ONE), np.full(ONE, 100.0))
    found = fit(x, 1e6 * expected, np.zeros((1, ONE)), prior=flat)
    np.testing.assert_allclose(found.parameters, shape, atol=0.02)
