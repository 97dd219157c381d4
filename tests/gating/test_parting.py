"""Parting: valley or mixture, whichever is surer."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from gating.thresholds import Abstention, Cut, mixture, parting, valley


def two(seed: int, share: float, mean: float, sd: float, *, n: int = 20_000) -> NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    few = round(n * share)
    return np.concatenate([rng.normal(size=n - few), rng.normal(mean, sd, few)])


def test_a_shoulder_is_cut_as_by_the_mixture() -> None:
    x = two(1, 0.05, 3.4, 1.0)
    found = parting(x)
    assert isinstance(valley(x), Abstention)
    assert isinstance(found, Cut)
    assert found.value == mixture(x).value  # type: ignore[union-attr]
    assert found.saw["by_mixture"] == 1
    assert "other" not in found.saw


def test_of_three_populations_the_deepest_valley_is_cut() -> None:
    rng = np.random.default_rng(2)
    x = np.concatenate([rng.normal(0, 1, 12_000), rng.normal(6, 1, 5_000), rng.normal(14, 1, 3_000)])
    found = parting(x)
    assert isinstance(found, Cut)
    assert found.value == valley(x).value  # type: ignore[union-attr]
    assert found.saw["by_mixture"] == 0


def test_where_both_cut_the_surer_is_believed_and_the_other_is_told() -> None:
    x = two(3, 0.2, 5.1, 1.5)
    by = [valley(x), mixture(x)]
    found = parting(x)
    assert isinstance(found, Cut)
    assert found.confidence == max(one.confidence for one in by if isinstance(one, Cut))
    assert {found.value, found.saw["other"]} == {one.value for one in by if isinstance(one, Cut)}


def test_a_wide_minority_is_parted_nearer_to_the_best_cut_than_the_valley_is() -> None:
    """Two normals, the lesser half as wide again: F1 of it is best at 2.74 deviations."""
    from scipy.stats import norm

    x = two(4, 0.1, 5.1, 1.5)
    cuts = np.linspace(0, 5, 5001)
    right, wrong = 0.1 * norm.sf(cuts, 5.1, 1.5), 0.9 * norm.sf(cuts)
    best = cuts[np.argmax(2 * right / (right + wrong + 0.1))]
    assert best == pytest.approx(2.74, abs=0.01)
    assert abs(parting(x).value - best) < 0.15  # type: ignore[union-attr]
    assert abs(valley(x).value - best) > 0.3  # type: ignore[union-attr]


def test_one_population_is_left_and_both_say_why() -> None:
    found = parting(np.random.default_rng(5).gamma(8, size=5_000))
    assert isinstance(found, Abstention)
    assert found.reason.startswith("no valley: one peak")
    assert "; one population explains the events" in found.reason
    assert parting([]).reason == "too few events: 0, and 50 are needed; too few events: 0, and 200 are needed"  # type: ignore[union-attr]


def test_few_events_may_have_a_valley_though_too_few_for_two_shapes() -> None:
    x = two(6, 0.4, 9.0, 1.0, n=150)
    found = parting(x)
    assert isinstance(found, Cut)
    assert 2 < found.value < 7
