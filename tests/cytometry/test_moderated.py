from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from cytometry._compare.moderated import FEWEST, WINSOR, Prior, _winsorized, learn_prior, moderated


def drawn(rng: np.random.Generator, *, many: int, df: float, prior_df: float, scale: float) -> np.ndarray:
    """Return residual variances whose true values are scaled inverse chi-squared."""
    true = scale * prior_df / rng.chisquare(prior_df, many)
    return np.asarray(true * rng.chisquare(df, many) / df)


def test_a_variance_is_averaged_with_its_prior_by_degrees_of_freedom() -> None:
    # (4 x 1 + 6 x 2) / 10 = 1.6, on 10 degrees of freedom; Smyth 2004, equation 3.
    variance, df = moderated([1.0, 5.0], 4.0, Prior(np.array([2.0, 2.0]), np.array([6.0, 0.0])))
    assert variance == pytest.approx([1.6, 5.0])
    assert df == pytest.approx([8.0, 4.0])  # 10, but there are no more than 8 in all


def test_a_prior_without_weight_changes_nothing_and_one_of_all_weight_decides() -> None:
    s2 = np.array([1.0, 2.0, 9.0])
    same, df = moderated(s2, 5.0, Prior(np.full(3, np.nan), np.zeros(3)))
    assert same == pytest.approx(s2)
    assert df == pytest.approx([5.0] * 3)
    drawn_all, pooled = moderated(s2, 5.0, Prior(np.full(3, 4.0), np.full(3, np.inf)))
    assert drawn_all == pytest.approx([4.0] * 3)
    assert pooled == pytest.approx([15.0] * 3)


def test_the_prior_of_many_variances_is_found_again() -> None:
    rng = np.random.default_rng(1)
    for prior_df in (4.0, 20.0):
        s2 = drawn(rng, many=4000, df=6, prior_df=prior_df, scale=2.0)
        prior = learn_prior(s2, 6)
        assert np.median(prior.df) == pytest.approx(prior_df, rel=0.2)
        assert np.median(prior.scale) == pytest.approx(2.0, rel=0.05)


def test_the_prior_agrees_with_scipys_likelihood_of_the_f_distribution() -> None:
    s2 = drawn(np.random.default_rng(2), many=3000, df=8, prior_df=5.0, scale=1.5)
    _, likely_df, _, likely_scale = scipy.stats.f.fit(s2, f0=8, floc=0)
    prior = learn_prior(s2, 8)
    assert np.median(prior.df) == pytest.approx(likely_df, rel=0.15)
    assert np.median(prior.scale) == pytest.approx(likely_scale, rel=0.05)


def test_winsorized_moments_are_those_of_simulated_ratios() -> None:
    rng = np.random.default_rng(3)
    z = np.log(scipy.stats.f.rvs(4, 8.0, size=400_000, random_state=rng))
    inside = np.clip(z, *np.quantile(z, [WINSOR[0], 1 - WINSOR[1]]))
    means, variances = _winsorized(4.0)
    from cytometry._compare.moderated import _GRID

    assert np.interp(8.0, _GRID, means) == pytest.approx(inside.mean(), abs=0.01)
    assert np.interp(8.0, _GRID, variances) == pytest.approx(inside.var(), rel=0.02)


def test_equal_variances_lie_on_their_common_value() -> None:
    s2 = np.random.default_rng(4).chisquare(10, 500) / 10
    prior = learn_prior(s2, 10)
    assert np.median(prior.df) > 50
    assert np.median(prior.scale) == pytest.approx(1.0, rel=0.05)


def test_what_counting_adds_is_the_trend() -> None:
    rng = np.random.default_rng(5)
    counting = np.geomspace(0.001, 1.0, 400)
    s2 = (0.05 + counting) * rng.chisquare(6, 400) / 6
    with_trend = learn_prior(s2, 6, counting=counting)
    np.testing.assert_allclose(with_trend.scale, 0.05 + counting, rtol=0.12)
    assert np.median(with_trend.df) > 5 * np.median(learn_prior(s2, 6).df)


def test_a_variance_far_above_the_others_is_trusted_more_than_they() -> None:
    s2 = np.append(np.random.default_rng(6).chisquare(6, 60) / 6, 40.0)
    prior = learn_prior(s2, 6)
    assert prior.df[-1] < 0.2 * np.median(prior.df)
    assert moderated(s2, 6, prior)[0][-1] > 20


def test_a_larger_variance_never_has_the_stronger_prior() -> None:
    rng = np.random.default_rng(7)
    s2 = np.concatenate([rng.chisquare(4, 40) / 4, [6.0, 9.0, 30.0]])
    prior = learn_prior(s2, 4)
    assert (np.diff(prior.df[np.argsort(s2)]) <= 1e-9).all()


def test_too_few_variances_teach_nothing() -> None:
    prior = learn_prior(np.ones(FEWEST - 1), 4)
    assert not prior.df.any()
    assert learn_prior(np.append(np.ones(FEWEST - 1), np.nan), 4).df.sum() == 0


def test_variances_of_different_depth_are_learnt_from_together() -> None:
    rng = np.random.default_rng(8)
    df = np.where(np.arange(1000) % 2, 4.0, 9.0)
    s2 = 2.0 * 6 / rng.chisquare(6, 1000) * rng.chisquare(df) / df
    prior = learn_prior(s2, df)
    assert np.median(prior.df) == pytest.approx(6.0, rel=0.3)
    assert np.median(prior.scale) == pytest.approx(2.0, rel=0.1)


def test_moderated_tests_err_as_often_as_they_say_over_a_family() -> None:
    from scipy.special import stdtr

    rng = np.random.default_rng(9)
    wrong = []
    for _ in range(150):
        sd = np.geomspace(0.7, 2.5, 20)
        s2 = sd**2 * rng.chisquare(4, 20) / 4
        variance, df = moderated(s2, 4, learn_prior(s2, 4))
        wrong.append(2 * stdtr(df, -np.abs(rng.normal(0, sd) / np.sqrt(variance))) < 0.05)
    assert 0.035 < np.mean(wrong) < 0.07
