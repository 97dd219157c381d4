"""Rules for one axis: their cards, and the two that need no density."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from gating.answers import Abstention, Cut, RegionFound, confidence_in_count, error_of_count, widened
from gating.errors import GeometryError, TemplateError
from gating.thresholds import RULES, fixed, quantile


def test_every_rule_has_a_card_that_says_what_it_takes() -> None:
    assert set(RULES) == {"fixed", "valley", "mixture", "parting", "tail", "quantile"}
    assert RULES["fixed"].required == ("value",)
    assert RULES["quantile"].options == {"quantile": 0.995}
    assert RULES["valley"].options["between"] == "deepest"
    assert all("rng" not in rule.options for rule in RULES.values())
    assert all(rule.needs and rule.reference for rule in RULES.values())


def test_a_rule_is_a_choice_from_a_table() -> None:
    found = RULES["quantile"].learn(np.arange(1001.0), quantile=0.9)
    assert found.value == 900


def test_the_quantile_of_ten_thousand_and_one_steps_is_read_off() -> None:
    found = quantile(np.arange(10_001.0), quantile=0.99)
    assert isinstance(found, Cut)
    assert found.value == 9900
    assert found.n_events == 10_001
    assert found.saw["expected_beyond"] == pytest.approx(100.01)
    assert found.saw["in_line"] == 0


def test_the_quantile_lies_between_the_two_nearest_events() -> None:
    x = np.random.default_rng(0).normal(size=12_000)
    found = quantile(x, quantile=0.995)
    assert isinstance(found, Cut)
    ordered = np.sort(x)
    place = 0.995 * (x.size - 1)
    by_hand = ordered[int(place)] + (place % 1) * (ordered[int(place) + 1] - ordered[int(place)])
    assert found.value == pytest.approx(by_hand)


@pytest.mark.parametrize(("n", "q", "learnt"), [(999, 0.995, False), (1000, 0.995, True), (50, 0.1, True)])
def test_a_quantile_needs_five_events_beyond_it(n: int, q: float, learnt: bool) -> None:  # noqa: FBT001
    assert isinstance(quantile(np.arange(float(n)), quantile=q), Cut) is learnt


def test_a_quantile_that_cannot_be_learnt_says_how_many_events_it_needs() -> None:
    found = quantile(np.arange(300.0), quantile=0.999)
    assert isinstance(found, Abstention)
    assert found.reason == "too few events: 300, and the 0.999 quantile needs 5,000 to leave 5 beyond"


def test_of_few_normal_events_the_line_finds_the_quantile_that_counting_puts_too_low() -> None:
    rng = np.random.default_rng(11)
    samples = rng.normal(size=(200, 1_000))
    line = np.array([quantile(x).value for x in samples])  # type: ignore[union-attr]
    counted = np.quantile(samples, 0.995, axis=1)
    assert line.mean() == pytest.approx(2.576, abs=0.05)
    assert counted.mean() < 2.555
    assert np.mean((line - 2.576) ** 2) < 0.75 * np.mean((counted - 2.576) ** 2)


def test_the_lower_quantile_is_the_upper_one_of_the_mirrored_values() -> None:
    x = np.random.default_rng(12).gamma(5, size=1_900)
    low, high = quantile(x, quantile=0.005), quantile(-x)
    assert isinstance(low, Cut)
    assert isinstance(high, Cut)
    assert low.value == pytest.approx(-high.value)
    assert low.interval == pytest.approx((-high.interval[1], -high.interval[0]))  # type: ignore[index]


def test_more_events_make_a_quantile_surer() -> None:
    rng = np.random.default_rng(0)
    sure = [quantile(rng.normal(size=n)) for n in (2_000, 20_000, 200_000)]
    confidences = [found.confidence for found in sure if isinstance(found, Cut)]
    assert confidences == sorted(confidences)
    assert confidences[0] < 0.3
    assert confidences[2] > 0.99


def test_the_confidence_of_a_quantile_is_how_often_its_count_is_within_a_tenth() -> None:
    rng = np.random.default_rng(4)
    counts = rng.binomial(20_000, 0.005, 20_000)
    found = quantile(rng.normal(size=20_000))
    assert isinstance(found, Cut)
    assert found.confidence == pytest.approx(np.mean(np.abs(counts - 100) <= 10), abs=0.05)


def test_values_that_are_not_finite_are_left_out_and_counted() -> None:
    x = np.concatenate([np.arange(10_001.0), [np.nan, np.inf, -np.inf]])
    found = quantile(x, quantile=0.99)
    assert isinstance(found, Cut)
    assert found.value == 9900
    assert found.saw["nonfinite"] == 3
    assert fixed(x, value=1.5).saw["nonfinite"] == 3


@pytest.mark.parametrize("values", [[], [1.0, 2.0], [np.nan] * 2000, [7.0] * 2000])
def test_a_quantile_of_nothing_is_not_a_number_made_up(values: list[float]) -> None:
    assert isinstance(quantile(np.array(values)), Abstention)


@pytest.mark.parametrize("q", [0.0, 1.0, -0.5, np.nan])
def test_a_quantile_outside_its_range_is_refused(q: float) -> None:
    with pytest.raises(TemplateError, match="quantile lies between 0 and 1"):
        quantile(np.arange(100.0), quantile=q)


def test_a_fixed_cut_is_what_was_told_whatever_the_events() -> None:
    assert fixed([], value=2.5) == Cut(2.5, 1.0, 0, {"nonfinite": 0.0}, (2.5, 2.5))
    with pytest.raises(TemplateError, match="finite"):
        fixed([], value=np.nan)


def test_an_answer_cannot_be_changed_and_checks_itself() -> None:
    found = fixed([1.0], value=2.5)
    with pytest.raises(FrozenInstanceError):
        found.value = 3.0  # type: ignore[misc]
    with pytest.raises(TypeError):
        found.saw["x"] = 1.0  # type: ignore[index]
    with pytest.raises(GeometryError, match="finite"):
        Cut(np.inf, 0.5, 1, {})
    with pytest.raises(GeometryError, match="confidence"):
        Cut(0.0, 1.5, 1, {})
    with pytest.raises(GeometryError, match="3 is not within 1 to 2"):
        Cut(3.0, 0.5, 1, {}, (1.0, 2.0))
    with pytest.raises(GeometryError, match="an interval of a share"):
        RegionFound(np.eye(3, 2), 0.5, 1, {}, (0.4, 1.2))


@pytest.mark.parametrize("q", [0.02, 0.5, 0.995])
def test_the_interval_of_a_quantile_holds_the_true_one_95_times_of_100(q: float) -> None:
    rng = np.random.default_rng(8)
    held = []
    for _ in range(400):
        found = quantile(rng.random(15_000), quantile=q)
        assert isinstance(found, Cut)
        assert found.interval
        held.append(found.interval[0] <= q <= found.interval[1])
    assert 0.93 <= np.mean(held) <= 0.995


def test_the_error_of_a_count_is_that_of_the_lesser_side() -> None:
    rng = np.random.default_rng(1)
    below = 1000 * np.exp(rng.normal(0, 0.05, 20_000))
    assert error_of_count(below, 5000.0) == pytest.approx(0.05, abs=0.002)
    assert error_of_count(5000 - below, 5000.0) == pytest.approx(0.05, abs=0.002)
    assert error_of_count(np.array([np.inf, np.inf, 10.0]), 100.0) == np.inf


def test_the_confidence_in_a_count_is_that_of_a_normal_logarithm() -> None:
    assert confidence_in_count(0.0, 0.0) == 1
    assert confidence_in_count(np.inf, 0.0) == 0
    rng = np.random.default_rng(2)
    off = rng.normal(0, 0.06, 50_000) + rng.normal(0, 0.08, 50_000)
    assert confidence_in_count(0.06, 0.08) == pytest.approx(np.mean(np.abs(off) < np.log(1.1)), abs=0.01)


def test_an_interval_widens_by_what_else_is_unsure() -> None:
    assert widened(None, 2.0, 0.5) == pytest.approx((2 - 0.98, 2 + 0.98))
    assert widened((2 - 0.3, 2 + 0.4), 2.0, 0.0) == pytest.approx((1.7, 2.4))
    assert widened((1.0, 3.0), 2.0, 1 / 1.96) == pytest.approx((2 - 2**0.5, 2 + 2**0.5))


def test_a_tail_that_ends_is_not_cut_beyond_its_end() -> None:
    """Even values have no tail as a normal one has; counting says that the 0.99 quantile is at 98."""
    found = quantile(np.linspace(-100, 100, 3_000), quantile=0.99)
    assert isinstance(found, Cut)
    assert found.saw["in_line"] > 0
    assert found.value == pytest.approx(98, abs=1)
