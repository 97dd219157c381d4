"""Any cut: a valley before two populations, two populations before a tail."""

from __future__ import annotations

import numpy as np
import pytest

from gating.answers import Abstention
from gating.any_cut import ANY, CUTS, any_cut


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def two(apart: float, share: float, *, seed: int = 1) -> np.ndarray:
    draw = np.random.default_rng(seed)
    return np.concatenate(
        [draw.normal(size=int(5000 * (1 - share))), draw.normal(apart, 1, int(5000 * share))]
    )


@pytest.mark.parametrize(
    ("values", "rule"), [(two(6, 0.3), "valley"), (two(2.8, 0.15), "mixture"), (two(0, 0.0), "tail")]
)
def test_the_first_rule_that_finds_a_boundary_is_taken(values: np.ndarray, rule: str) -> None:
    found = any_cut(values, rule=ANY, rng=rng())
    assert isinstance(found, tuple)
    assert CUTS[found[1]] == rule


def test_a_rule_that_is_named_is_the_only_one_tried() -> None:
    found = any_cut(two(0, 0.0), rule="valley", rng=rng())
    assert isinstance(found, Abstention)
    assert found.reason.startswith("no valley")


@pytest.mark.parametrize("share", [0.3, 0.0])
def test_the_lower_side_is_the_upper_one_of_the_mirror_image(share: float) -> None:
    values = two(6, share)
    upper = any_cut(values, rule=ANY, beyond=0.5, rng=rng())
    lower = any_cut(-values, rule=ANY, side="lower", beyond=-0.5, rng=rng())
    assert isinstance(upper, tuple)
    assert isinstance(lower, tuple)
    assert lower[1] == upper[1]
    assert lower[0].value == pytest.approx(-upper[0].value, abs=0.1)
