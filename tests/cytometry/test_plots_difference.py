"""Where two arms differ: subjects weigh alike, and what lies within their spread is left white."""

from __future__ import annotations

import numpy as np
import pytest
from drawn import LOGICLE
from matplotlib.axes import Axes

from cytometry.plots import Axis, density_difference

X, Y = (Axis(name, LOGICLE, (0.0, 1.0), name) for name in ("PD-1", "TIM-3"))


def cloud(centre: float, n: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(centre, 0.06, (n, 2))


def image(ax: Axes) -> np.ndarray:
    return np.asarray(ax.images[0].get_array())


def arms(second: float, n: int = 6) -> dict[str, dict[str, np.ndarray]]:
    return {
        "vehicle": {f"v{i}": cloud(0.35, 2000, i) for i in range(n)},
        "treated": {f"t{i}": cloud(second, 2000, 50 + i) for i in range(n)},
    }


def test_more_of_the_treated_arm_is_positive_and_lies_where_its_events_are() -> None:
    found = image(density_difference(arms(0.65), X, Y))
    highest, lowest = (np.unravel_index(at, found.shape) for at in (found.argmax(), found.argmin()))
    assert np.array(highest) / len(found) == pytest.approx([0.65, 0.65], abs=0.05)
    assert np.array(lowest) / len(found) == pytest.approx([0.35, 0.35], abs=0.05)
    assert found.max() > 0.5


def test_arms_that_do_not_differ_leave_the_plot_nearly_white() -> None:
    found = image(density_difference(arms(0.35), X, Y))
    assert np.mean(found != 0.0) < 0.1


def test_a_subject_with_many_events_weighs_no_more_than_one_with_few() -> None:
    few = {
        "vehicle": {"a": cloud(0.3, 500, 1), "b": cloud(0.5, 500, 2)},
        "treated": {"c": cloud(0.5, 500, 3)},
    }
    many = {
        "vehicle": {"a": np.vstack([few["vehicle"]["a"]] * 20), "b": few["vehicle"]["b"]},
        "treated": few["treated"],
    }
    np.testing.assert_allclose(*(image(density_difference(of, X, Y)) for of in (few, many)), atol=1e-12)


def test_pairs_are_compared_with_themselves() -> None:
    rng = np.random.default_rng(0)
    # Every subject has a place of its own and moves by as much: between subjects that is lost, within pairs not.
    places = rng.uniform(0.2, 0.7, 6)
    before = {f"s{i}": cloud(at, 3000, i) for i, at in enumerate(places)}
    after = {f"s{i}": cloud(at + 0.08, 3000, 90 + i) for i, at in enumerate(places)}
    shown = [
        np.abs(image(density_difference({"a": before, "b": after}, X, Y, paired=p))).sum()
        for p in (False, True)
    ]
    assert shown[1] > shown[0]


def test_a_paired_difference_takes_only_subjects_of_both_arms() -> None:
    both = {"a": {"s1": cloud(0.3, 100, 1), "s2": cloud(0.3, 100, 2)}, "b": {"s1": cloud(0.4, 100, 3)}}
    said = [text.get_text() for text in density_difference(both, X, Y, paired=True).child_axes[0].texts]
    assert said == ["more in\nb\nn = 1", "more in\na\nn = 1"]


def test_more_in_either_arm_differs_in_its_lines_too_not_in_colour_alone() -> None:
    ax = density_difference(arms(0.65), X, Y)
    assert {str(c.linestyles) for c in ax.collections if hasattr(c, "linestyles")} >= {"dashed", "solid"}


def test_an_arm_without_events_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match="no subject of treated has events"):
        density_difference({"vehicle": {"a": cloud(0.3, 10, 1)}, "treated": {"b": np.empty((0, 2))}}, X, Y)
    with pytest.raises(ValueError, match="between two arms, not 1"):
        density_difference({"vehicle": {"a": cloud(0.3, 10, 1)}}, X, Y)
