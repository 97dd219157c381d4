from __future__ import annotations

import itertools

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from cytometry.effects import (
    benjamini_hochberg,
    dunnett,
    hedges_g,
    holm,
    paired_t,
    rank_sum,
    signed_rank,
    smallest_rank_p,
    welch_t,
)

# Extra hours of sleep with two drugs in the same ten patients. Student, Biometrika 1908;6:1-25.
SLEEP = np.array([1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4])
# Depression scores of nine patients at two visits; Hollander and Wolfe 1973, page 29.
VISIT_1 = np.array([1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30])
VISIT_2 = np.array([0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29])
# Permeability of the chorioamnion at term and earlier; Hollander and Wolfe 1973, page 69.
TERM = np.array([0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46])
EARLIER = np.array([1.15, 0.88, 0.90, 0.74, 1.21])
# Fifteen p values of a trial; Benjamini and Hochberg, J R Stat Soc B 1995;57:289-300, section 4.
TRIAL = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719,
         0.6528, 0.7590, 1.0]  # fmt: skip
FEW = st.lists(st.integers(-3, 3).map(float), min_size=1, max_size=8)


def test_students_sleep_data_give_students_answer() -> None:
    effect = paired_t(SLEEP)
    assert effect.estimate == pytest.approx(1.58)
    assert (effect.low, effect.high) == pytest.approx((0.7001, 2.4599), abs=1e-4)
    assert (effect.t, effect.df, effect.p) == pytest.approx((4.0621, 9, 0.002833), abs=1e-4)


def test_two_subjects_per_arm_give_welchs_t_on_paper() -> None:
    # Means 2 and 6, variances 2 and 8 of two each: error sqrt(1 + 4), df = 25 / (1 + 16).
    effect = welch_t([1.0, 3.0], [4.0, 8.0])
    assert effect.estimate == 4.0
    assert effect.t == pytest.approx(4 / np.sqrt(5))
    assert effect.df == pytest.approx(25 / 17)


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
def test_both_t_tests_agree_with_scipy(confidence: float) -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(0, 1, 7), rng.normal(1, 3, 7)
    for effect, peer in (
        (paired_t(b - a, confidence=confidence), scipy.stats.ttest_rel(b, a)),
        (welch_t(a, b, confidence=confidence), scipy.stats.ttest_ind(b, a, equal_var=False)),
    ):
        interval = peer.confidence_interval(confidence)
        assert (effect.t, effect.df, effect.p) == pytest.approx((peer.statistic, peer.df, peer.pvalue))
        assert (effect.low, effect.high) == pytest.approx((interval.low, interval.high))


def test_no_shift_gives_no_shift_and_p_of_one() -> None:
    effect = paired_t([-1.0, 1.0, -2.0, 2.0])
    assert (effect.estimate, effect.t, effect.p) == (0.0, 0.0, 1.0)
    assert effect.low == -effect.high


@pytest.mark.parametrize("differences", [[], [0.3], [0.1, 0.1, 0.1], [0.3 - 0.2, 0.2 - 0.1, 0.1]])
def test_pairs_without_spread_have_an_estimate_and_no_test(differences: list[float]) -> None:
    effect = paired_t(differences)
    assert np.isnan([effect.low, effect.high, effect.t, effect.p]).all()
    assert np.isnan(effect.estimate) == (not differences)


@pytest.mark.parametrize(("a", "b"), [([], [1.0, 2.0]), ([1.0], [2.0, 3.0]), ([1.0, 1.0], [2.0, 2.0])])
def test_arms_without_spread_have_no_test(a: list[float], b: list[float]) -> None:
    effect = welch_t(a, b)
    assert np.isnan([effect.low, effect.t, effect.p]).all()
    assert np.isnan(effect.estimate) == (not a)


def test_the_depression_scores_give_hollander_and_wolfes_p() -> None:
    assert signed_rank(VISIT_2 - VISIT_1) == pytest.approx(2 * 0.01953125)


def test_the_permeabilities_give_hollander_and_wolfes_p() -> None:
    assert rank_sum(TERM, EARLIER) == pytest.approx(0.2544, abs=1e-4)


@given(FEW)
def test_signed_rank_counts_every_flip_of_the_signs(differences: list[float]) -> None:
    d = np.array(differences)
    ranks = scipy.stats.rankdata(np.abs(d))[d != 0]
    observed = ranks[d[d != 0] > 0].sum()
    sums = np.array([np.dot(ranks, flips) for flips in itertools.product([0, 1], repeat=ranks.size)])
    expected = min(1.0, 2 * min(np.mean(sums <= observed), np.mean(sums >= observed)))
    assert signed_rank(d) == pytest.approx(expected)


@given(FEW, FEW)
def test_rank_sum_counts_every_way_to_deal_the_arms(a: list[float], b: list[float]) -> None:
    a, b = a[:5], b[:4]
    ranks = scipy.stats.rankdata([*a, *b])
    observed = ranks[len(a) :].sum()
    sums = np.array([sum(deal) for deal in itertools.combinations(ranks, len(b))])
    expected = min(1.0, 2 * min(np.mean(sums <= observed + 1e-9), np.mean(sums >= observed - 1e-9)))
    assert rank_sum(a, b) == pytest.approx(expected)


def test_many_subjects_get_the_normal_p_of_scipy() -> None:
    rng = np.random.default_rng(2)
    d, a, b = rng.normal(0.2, 1, 150), rng.normal(0, 1, 50), rng.normal(0.4, 1, 40)
    wilcoxon = scipy.stats.wilcoxon(d, method="approx", correction=False)
    mann_whitney = scipy.stats.mannwhitneyu(a, b, method="asymptotic", use_continuity=False)
    assert signed_rank(d) == pytest.approx(wilcoxon.pvalue)
    assert rank_sum(a, b) == pytest.approx(mann_whitney.pvalue)


def test_rank_tests_of_nothing_are_nan_and_of_no_difference_are_one() -> None:
    assert np.isnan(signed_rank([]))
    assert np.isnan(rank_sum([], [1.0]))
    assert signed_rank([0.0, 0.0, 0.0]) == 1.0
    assert rank_sum([2.0, 2.0], [2.0, 2.0]) == 1.0


def test_small_designs_have_the_smallest_p_that_the_textbook_gives() -> None:
    assert smallest_rank_p(3, 3, paired=False) == pytest.approx(0.1)
    assert smallest_rank_p(4, 4, paired=False) == pytest.approx(2 / 70)
    assert smallest_rank_p(5, 5, paired=True) == pytest.approx(0.0625)
    assert smallest_rank_p(5, 5, paired=True) == pytest.approx(signed_rank([1.0, 2.0, 3.0, 4.0, 5.0]))
    assert smallest_rank_p(3, 3, paired=False) == pytest.approx(rank_sum([1.0, 2.0, 3.0], [4.0, 5.0, 6.0]))
    assert smallest_rank_p(0, 0, paired=True) == 1.0


def test_holm_on_paper_and_with_an_endpoint_that_could_not_be_tested() -> None:
    np.testing.assert_allclose(holm([0.04, 0.01, 0.03, 0.02]), [0.06, 0.04, 0.06, 0.06])
    np.testing.assert_allclose(holm([0.01, np.nan, 0.03]), [0.02, np.nan, 0.03])
    np.testing.assert_allclose(holm([0.01, np.nan, 0.03], m=3), [0.03, np.nan, 0.06])


def test_the_trial_of_benjamini_and_hochberg_rejects_the_first_four() -> None:
    adjusted = benjamini_hochberg(TRIAL)
    assert int((adjusted <= 0.05).sum()) == 4
    np.testing.assert_allclose(adjusted, multipletests(TRIAL, method="fdr_bh")[1])
    np.testing.assert_allclose(holm(TRIAL), multipletests(TRIAL, method="holm")[1])
    assert int((holm(TRIAL) <= 0.05).sum()) == 3


@given(st.lists(st.floats(0, 1), max_size=12))
def test_an_adjusted_p_is_never_below_its_p_and_keeps_the_order(p: list[float]) -> None:
    for adjusted in (holm(p), benjamini_hochberg(p)):
        assert (adjusted >= np.array(p)).all()
        assert (adjusted <= 1).all()
        assert (np.diff(adjusted[np.argsort(p, kind="stable")]) >= 0).all()


# Two-sided 5 % points for k arms of one size against a control; Dunnett, Biometrics 1964;20:482-491, table II.
@pytest.mark.parametrize(
    ("arms", "df", "point"), [(2, 10, 2.57), (3, 10, 2.76), (2, 20, 2.38), (3, 20, 2.54)]
)
def test_dunnetts_table_gives_a_p_of_a_twentieth(arms: int, df: float, point: float) -> None:
    correlation = np.full((arms, arms), 0.5) + 0.5 * np.eye(arms)
    assert dunnett(np.append(point, np.zeros(arms - 1)), correlation, df, at=0) == pytest.approx(
        0.05, abs=0.0012
    )


def test_dunnetts_p_is_scipys() -> None:
    rng = np.random.default_rng(3)
    control, one, two = rng.normal(0, 1, 8), rng.normal(0.8, 1, 6), rng.normal(1.5, 1, 7)
    peer = scipy.stats.dunnett(one, two, control=control, random_state=1)
    pooled = sum(((x - x.mean()) ** 2).sum() for x in (control, one, two)) / 18
    t = [(x.mean() - control.mean()) / np.sqrt(pooled * (1 / 8 + 1 / x.size)) for x in (one, two)]
    shared = (1 / 8) / np.sqrt((1 / 8 + 1 / 6) * (1 / 8 + 1 / 7))
    correlation = np.array([[1, shared], [shared, 1]])
    assert [dunnett(t, correlation, 18, at=at) for at in (0, 1)] == pytest.approx(list(peer.pvalue), abs=5e-4)


def test_hedges_g_of_students_sleep_is_cohens_d_freed_of_its_bias() -> None:
    effect = paired_t(SLEEP)
    size, low, high = hedges_g(effect.t, 9, 1 / 10)
    # d_z = 1.58 / 1.23; the bias factor 1 - 3 / (4 x 9 - 1) is Hedges' approximation of the exact one.
    assert size == pytest.approx(1.58 / SLEEP.std(ddof=1) * (1 - 3 / 35), rel=1e-3)
    unbiased = size / (effect.t / np.sqrt(10))
    for end, tail in ((low, 0.025), (high, 0.975)):
        centre = end / unbiased * np.sqrt(10)
        assert scipy.stats.nct.sf(effect.t, 9, centre) == pytest.approx(tail, abs=1e-6)


def test_no_t_gives_no_effect_size() -> None:
    assert np.isnan(hedges_g(np.nan, 9, 0.1)).all()
