"""The rules' benchmark: its truth is the truth, and its errors are of what it says."""

from __future__ import annotations

import math

import numpy as np
import pytest
import rules
import shapes
from attainable import best_cut


@pytest.mark.parametrize("share", [0.02, 0.3])
def test_the_best_cut_of_infinitely_many_events_is_nearly_that_of_very_many(share: float) -> None:
    two = shapes.Two(share, 4.0, 0.8, shapes.OTHERS[0]["gamma 9"], shapes.OTHERS[1]["t, 6 df"])
    values = two.draw(np.random.default_rng(1), 400_000)
    # Which events are of which population, found again by drawing with the same seed.
    few = int(np.random.default_rng(1).binomial(values.size, share))
    truth = np.arange(values.size) >= values.size - few
    at, f1 = best_cut(values, truth)
    kept = values >= two.best_cut
    assert two.best_cut == pytest.approx(at, abs=0.1)
    assert 2 * np.sum(kept & truth) / (kept.sum() + truth.sum()) == pytest.approx(f1, abs=0.002)


def test_two_populations_are_as_far_apart_as_was_asked() -> None:
    rng = np.random.default_rng(2)
    two = shapes.any_two(rng, shapes.OTHERS)
    values = two.draw(np.random.default_rng(3), 300_000)
    few = int(np.random.default_rng(3).binomial(values.size, two.share))
    greater, lesser = values[:-few], values[-few:]
    apart = math.sqrt(2) * (lesser.mean() - greater.mean()) / math.hypot(greater.std(), lesser.std())
    assert apart == pytest.approx(two.apart, rel=0.03)


def test_an_honest_confidence_has_the_error_of_chance_and_a_boast_has_its_own() -> None:
    rng = np.random.default_rng(4)
    chances = rng.random(4_000)
    came = rng.random(4_000) < chances
    honest = rules.reliability([("valley", p, bool(y)) for p, y in zip(chances, came, strict=True)], rng)
    boast = rules.reliability(
        [("valley", min(p + 0.2, 1), bool(y)) for p, y in zip(chances, came, strict=True)], rng
    )
    assert honest["error"] < honest["by_chance"] + 3 * honest["standard_error"]
    assert boast["error"] == pytest.approx(0.18, abs=0.02)


def test_a_share_is_printed_with_an_error_even_where_it_is_whole() -> None:
    assert rules.share(1.0, 98) == "100 ±1 %"
    assert rules.share(0.5, 98) == "50 ±5 %"
    assert rules.share(math.nan, 10) == ""
