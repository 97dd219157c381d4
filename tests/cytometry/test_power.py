from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from cytometry._power import logit_means, rank_sum_limit, signed_rank_limit
from cytometry.effects import signed_rank
from cytometry.errors import CompareError
from cytometry.plots.power import power_curve
from cytometry.power import (
    Plan,
    Spread,
    detectable_shift,
    power,
    power_table,
    spread_of,
    subjects_needed,
)
from cytometry.table import as_table

# Spread between subjects 0.55, visits 0.18, of the effect 0.20; 16.8 to 12.7 %; 1,500 simulated studies each.
PLANNED_ERROR = 0.5 / np.sqrt(1_500)
PAIRED = [
    (5, 0.00, 0.47),
    (6, 0.39, 0.59),
    (8, 0.66, 0.76),
    (10, 0.80, 0.85),
    (12, 0.88, 0.93),
    (20, 0.99, 1.00),
]
UNPAIRED = [(8, 0.19, 0.20), (10, 0.22, 0.26), (20, 0.44, 0.46), (40, 0.72, 0.73), (60, 0.89, 0.90)]


def test_the_mean_of_many_subjects_is_the_fraction_that_was_planned() -> None:
    start, shift = logit_means(Plan())
    assert start == pytest.approx(-1.706, abs=5e-4)  # the median subject has 15.4 %
    assert shift == pytest.approx(-0.356, abs=5e-4)
    rng = np.random.default_rng(1)
    before = start + np.hypot(0.55, 0.18) * rng.standard_normal(400_000)
    after = start + shift + np.sqrt(0.55**2 + 0.18**2 + 0.20**2) * rng.standard_normal(400_000)
    assert (1 / (1 + np.exp(-before))).mean() == pytest.approx(0.168, abs=5e-4)
    assert (1 / (1 + np.exp(-after))).mean() == pytest.approx(0.127, abs=5e-4)


@pytest.mark.slow
@pytest.mark.parametrize(("n", "by_rank", "by_t"), PAIRED)
def test_the_power_of_pairs_is_that_of_the_planning_table(n: int, by_rank: float, by_t: float) -> None:
    found = [power(n, Plan(test=test, simulations=20_000)) for test in ("rank of fractions", "t")]  # type: ignore[arg-type]
    for one, planned in zip(found, (by_rank, by_t), strict=True):
        assert abs(one.power - planned) < 0.005 + 3 * np.hypot(one.error, PLANNED_ERROR)
    assert power(n, Plan(test="rank", simulations=20_000)).power >= found[0].power - 3 * found[0].error


@pytest.mark.slow
@pytest.mark.parametrize(("n", "by_rank", "by_t"), UNPAIRED)
def test_the_power_of_two_arms_is_that_of_the_planning_table(n: int, by_rank: float, by_t: float) -> None:
    for test, planned in (("rank", by_rank), ("t", by_t)):
        one = power(n, Plan(design="unpaired", test=test, simulations=20_000))  # type: ignore[arg-type]
        assert abs(one.power - planned) < 0.005 + 3 * np.hypot(one.error, PLANNED_ERROR)


def test_a_few_numbers_of_the_planning_table() -> None:
    assert power(12).power == pytest.approx(0.93, abs=0.03)
    assert power(5, Plan(test="rank")).power == 0.0  # no two-sided exact p of five pairs is under 0.05
    assert power(20, Plan(design="unpaired")).power == pytest.approx(0.46, abs=0.05)


@pytest.mark.parametrize("design", ["paired", "unpaired"])
@pytest.mark.parametrize("test", ["t", "rank"])
def test_without_a_shift_the_power_is_the_type_one_error(design: Any, test: Any) -> None:
    plan = Plan(treated=0.168, spread=Spread(0.5, 0.2, 0.0), design=design, test=test, simulations=4_000)
    found = power(9, plan)
    assert found.power <= 0.05 + 3 * 0.0035
    assert found.power >= (0.05 if test == "t" else 0.035) - 3 * 0.0035


def test_more_subjects_more_events_and_less_spread_find_more() -> None:
    assert power(6).power < power(12).power
    assert power(12, Plan(events=100)).power < power(12, Plan(events=100_000)).power
    assert power(12, Plan(spread=Spread(visit=0.4))).power < power(12).power
    # Between subjects it does not matter to pairs.
    assert power(12, Plan(spread=Spread(subject=1.0))).power == pytest.approx(power(12).power, abs=0.06)


def test_the_subjects_needed_are_the_fewest_that_reach_the_power() -> None:
    found = subjects_needed()
    assert found.power >= 0.8 > power(found.n - 1).power
    assert found.n in (9, 10)
    assert "pairs, 16.8 to 12.7 %: power 0.8" in str(found)
    assert "1,500 simulated studies, seed 1" in str(found)
    assert 40 <= subjects_needed(Plan(design="unpaired")).n <= 50
    with pytest.raises(CompareError, match="20 subjects do not reach power"):
        subjects_needed(Plan(treated=0.167), most=20)


def test_the_detectable_shift_is_found_as_often_as_asked_and_a_smaller_one_is_not() -> None:
    found = detectable_shift(12)
    assert found.found is not None
    assert found.found.power >= 0.8
    assert power(12, Plan(treated=found.treated + 0.005)).power < 0.8
    assert -0.041 < found.shift < -0.025
    up = detectable_shift(12, direction="up")
    assert up.shift > 0.02
    none = detectable_shift(5, Plan(test="rank"))
    assert np.isnan(none.shift)
    assert "is found in 0.00 of studies" in str(none)


def test_the_same_seed_gives_the_same_power_and_another_one_nearly() -> None:
    assert power(10) == power(10)
    other = power(10, Plan(seed=2))
    assert abs(other.power - power(10).power) < 5 * other.error


@pytest.mark.parametrize("n", [5, 6, 8, 12, 20])
def test_the_limit_of_the_signed_rank_test_is_the_last_significant_sum(n: int) -> None:
    limit = signed_rank_limit(n, 0.05)
    known = {5: -1, 6: 0, 8: 3, 12: 13, 20: 52}  # Wilcoxon 1945, as in every table
    assert limit == known[n]
    if 0 < limit < n:
        ranks = np.arange(1, n + 1.0)
        assert signed_rank(np.where(ranks == limit, ranks, -ranks)) <= 0.05
        assert signed_rank(np.where(ranks == limit + 1, ranks, -ranks)) > 0.05


@pytest.mark.parametrize(("n", "known"), [(3, -1), (4, 0), (5, 2), (8, 13), (10, 23), (20, 127)])
def test_the_limit_of_the_rank_sum_test_is_that_of_the_tables(n: int, known: int) -> None:
    assert rank_sum_limit(n, 0.05) == known  # Mann and Whitney 1947


def test_a_plan_that_cannot_be_is_refused_with_every_reason() -> None:
    with pytest.raises(CompareError, match=r"16\.8 % is 0\.168"):
        Plan(control=16.8)
    with pytest.raises(CompareError, match="'crossed' by 't'"):
        Plan(design="crossed")  # type: ignore[arg-type]
    with pytest.raises(CompareError, match="100 simulations"):
        Plan(simulations=10)
    with pytest.raises(CompareError, match="which is not known"):
        Plan(spread=Spread(0.5, float("nan"), 0.0))
    with pytest.raises(CompareError, match="0 or more"):
        Spread(visit=-1)
    with pytest.raises(CompareError, match="fewer than 2"):
        power(1)
    with pytest.raises(CompareError, match="between alpha"):
        subjects_needed(target=0.04)


def study(logits: np.ndarray, *, paired: bool = True) -> pd.DataFrame:
    """Shape (subjects, 2)."""
    rows = []
    for number, pair in enumerate(logits):
        for arm, logit in zip(("pre", "post"), pair, strict=True):
            n = round(1e6 / (1 + np.exp(-logit)))
            subject = f"d{number}" if paired else f"d{number}{arm}"
            rows.append(
                {
                    "stain": "T", "tube": f"{number}{arm}", "kind": "sample", "stimulus": "", "specimen": "",
                    "subject": subject, "arm": arm, "timepoint": "", "batch": "", "population": "CD8 T/PD-1+",
                    "marker": "", "statistic": "fraction_of_parent", "base": "CD8 T", "value": n / 1e6,
                    "unit": "fraction", "n": n, "n_base": 1_000_000, "flag": "", "reason": "",
                }
            )  # fmt: skip
    return as_table(pd.DataFrame(rows))


def test_the_spread_of_a_study_comes_back_from_its_table() -> None:
    rng = np.random.default_rng(2)
    subject = -1.7 + 0.55 * rng.standard_normal((4_000, 1))
    logits = subject + 0.18 * rng.standard_normal((4_000, 2))
    found, mean, n = spread_of(study(logits), control="pre", treated="post")
    assert found.subject == pytest.approx(0.55, abs=0.02)
    assert found.visit == pytest.approx(0.18, abs=0.01)
    assert n == 4_000
    assert mean == pytest.approx(0.168, abs=0.005)
    arms, _, _ = spread_of(study(logits[:500], paired=False), control="pre", treated="post")
    assert arms.subject == pytest.approx(np.hypot(0.55, 0.18), abs=0.03)
    assert np.isnan(arms.visit)


def test_a_small_pilots_spread_is_widened_to_its_upper_limit() -> None:
    logits = -1.7 + np.array([[0.1, 0.3], [0.4, 0.1], [-0.5, -0.2], [0.2, -0.3], [-0.1, 0.1], [0.3, 0.4]])
    plain, _, _ = spread_of(study(logits), control="pre", treated="post")
    wide, _, _ = spread_of(study(logits), control="pre", treated="post", upper=0.8)
    # chi-square with 5 degrees of freedom exceeds 2.343 with probability 0.8.
    assert wide.visit / plain.visit == pytest.approx(np.sqrt(5 / 2.343), rel=1e-3)
    differences = logits[:, 1] - logits[:, 0]
    assert plain.visit == pytest.approx(differences.std(ddof=1) / np.sqrt(2), rel=1e-3)


def test_a_spread_of_several_endpoints_or_of_two_subjects_is_refused() -> None:
    table = study(np.full((5, 2), -1.7) + np.arange(5)[:, None])
    with pytest.raises(CompareError, match="hold 2 endpoints"):
        spread_of(
            as_table(pd.concat([table, table.assign(population="CD8 T/TIM-3+")])),
            control="pre",
            treated="post",
        )
    with pytest.raises(CompareError, match="there are 2"):
        spread_of(table[table["subject"].isin(["d1", "d2"])], control="pre", treated="post")
    with pytest.raises(CompareError, match="no tube has the arm 'vehicle'"):
        spread_of(table, control="vehicle", treated="post")


def test_a_curve_is_drawn_for_each_plan_on_the_axes_given() -> None:
    plans = [Plan(simulations=200), Plan(simulations=200, test="rank")]
    table = power_table([5, 8, 12], plans)
    ax = power_curve(table)
    drawn = {line.get_gid(): line for line in ax.lines if line.get_gid()}
    assert set(drawn) == {"power:paired:t", "power:paired:rank"}
    assert drawn["power:paired:t"].get_ydata().tolist() == table.loc[table["test"] == "t", "power"].tolist()
    assert power_curve(table, ax=ax) is ax
    with pytest.raises(ValueError, match="has no row"):
        power_curve(table.iloc[:0])
    with pytest.raises(ValueError, match="no column error"):
        power_curve(table.drop(columns="error"))
