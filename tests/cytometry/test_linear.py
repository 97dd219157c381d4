"""Linear models, the sandwich and the count model, each beside statsmodels."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
import statsmodels.api as sm

from cytometry._compare.counted import quasi_binomial
from cytometry._compare.linear import aliased, fit, sandwich

RNG = np.random.default_rng(11)
ARM = np.repeat([0.0, 1.0], [5, 7])
BATCH = np.array([0, 1] * 6, dtype=float)
AGE = RNG.normal(50, 10, 12)
Y = 1 + 0.5 * ARM + 0.8 * BATCH + 0.02 * AGE + RNG.normal(0, 0.4, 12)
OTHERS = np.column_stack([np.ones(12), BATCH, AGE])


def test_two_arms_give_the_difference_of_their_means() -> None:
    found = fit(np.array([1.0, 3, 4, 8]), np.array([[0.0], [0], [1], [1]]), np.ones((4, 1)))
    assert found.estimates[0] == 4.0
    assert found.variance == 5.0  # (2 + 8) / 2
    assert found.df == 2
    assert found.unscaled[0, 0] == 1.0


def test_a_model_with_block_and_covariate_is_that_of_statsmodels() -> None:
    effect = fit(Y, ARM[:, None], OTHERS).effect(confidence=0.95)
    peer = sm.OLS(Y, np.column_stack([ARM, OTHERS])).fit()
    assert (effect.estimate, effect.t, effect.p, effect.df) == pytest.approx(
        (peer.params[0], peer.tvalues[0], peer.pvalues[0], peer.df_resid)
    )
    assert (effect.low, effect.high) == pytest.approx(tuple(peer.conf_int()[0]))


def test_the_sandwich_is_hc2_of_statsmodels() -> None:
    effect = sandwich(Y, ARM[:, None], OTHERS, confidence=0.95)
    peer = sm.OLS(Y, np.column_stack([ARM, OTHERS])).fit(cov_type="HC2")
    assert effect.estimate == pytest.approx(peer.params[0])
    assert effect.estimate / effect.t == pytest.approx(peer.bse[0])


def test_the_sandwich_of_two_arms_has_welchs_error() -> None:
    a, b = Y[ARM == 0], Y[ARM == 1]
    effect = sandwich(Y, ARM[:, None], np.ones((12, 1)), confidence=0.95)
    assert effect.t == pytest.approx(scipy.stats.ttest_ind(b, a, equal_var=False).statistic)
    # Bell and McCaffrey's degrees of freedom are Welch's for spreads that are the same.
    shares = np.array([1 / 5, 1 / 7])
    assert effect.df == pytest.approx(shares.sum() ** 2 / (shares**2 / np.array([4, 6])).sum())


def test_a_column_that_says_nothing_new_costs_no_degree_of_freedom() -> None:
    twice = np.column_stack([OTHERS, OTHERS[:, 1]])
    assert fit(Y, ARM[:, None], twice).df == fit(Y, ARM[:, None], OTHERS).df


def test_what_cannot_be_told_apart_is_refused() -> None:
    assert aliased(ARM, ARM[:, None] * 2 + 1) == pytest.approx(1.0)
    assert aliased(np.array([0.0, 0, 1, 1]), np.array([[0.0], [1], [0], [1]])) == pytest.approx(0.0)
    with pytest.raises(ValueError, match="a combination of the blocks"):
        fit(Y, ARM[:, None], np.column_stack([np.ones(12), 1 - ARM]))


def test_counts_agree_with_a_quasi_binomial_of_statsmodels() -> None:
    n_base = RNG.integers(2000, 9000, 12).astype(float)
    p = 1 / (1 + np.exp(-(-2 + 0.4 * ARM + RNG.normal(0, 0.3, 12))))
    n = RNG.binomial(n_base.astype(int), p).astype(float)
    columns = np.column_stack([ARM, np.ones(12)])
    effect = quasi_binomial(n, n_base, columns, tested=0, confidence=0.95)
    # With proportions and weights; statsmodels 0.15 scales two columns of counts wrongly.
    peer = sm.GLM(n / n_base, columns, family=sm.families.Binomial(), var_weights=n_base).fit(
        scale="X2", use_t=True
    )
    assert effect.estimate == pytest.approx(peer.params[0], abs=1e-8)
    assert effect.estimate / effect.t == pytest.approx(peer.bse[0], rel=1e-6)
    assert effect.p == pytest.approx(peer.pvalues[0], rel=1e-5)


def test_a_level_without_any_event_has_no_count_model() -> None:
    n = np.array([0.0, 0, 0, 5, 8, 6])
    columns = np.column_stack([np.repeat([0.0, 1.0], 3), np.ones(6)])
    assert np.isnan(quasi_binomial(n, np.full(6, 100.0), columns, tested=0, confidence=0.95).estimate)
