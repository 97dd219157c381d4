"""The best attainable cut, held against trying every cut there is."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from attainable import best_box, best_cut

from gating.agreement import f1


def test_the_best_cut_of_five_events_on_paper() -> None:
    # True are 3, 4 and 1: from 3 up, 2 of 3 true and 2 of 3 kept; from 1 up, 3 of 3 true and 3 of 4 kept.
    values = np.array([0.0, 1.0, 2.0, 3.0, 4.0])
    truth = np.array([False, True, False, True, True])
    cut, reached = best_cut(values, truth)
    assert 0 < cut <= 1
    assert reached == pytest.approx(2 * 3 / (3 + 4))


@pytest.mark.parametrize("keep", ["above", "below"])
def test_no_other_cut_is_better(keep: str) -> None:
    rng = np.random.default_rng(1)
    for _ in range(20):
        values = rng.integers(0, 30, 80).astype(float)  # ties among them
        truth = rng.random(80) < (0.1 + 0.8 * (values > 15 if keep == "above" else values < 15))
        cut, reached = best_cut(values, truth, keep=keep)
        inside = values >= cut if keep == "above" else values < cut
        assert f1(truth, inside) == pytest.approx(reached)
        every = [values >= t if keep == "above" else values < t for t in np.arange(-0.5, 31)]
        assert reached == pytest.approx(max(f1(truth, kept) for kept in every if kept.any()))


def test_equal_values_cannot_be_parted() -> None:
    values = np.array([1.0, 1.0, 1.0, 2.0])
    truth = np.array([True, False, False, True])
    assert best_cut(values, truth)[1] == pytest.approx(2 / 3)  # 2 alone, or all four: never one of the three


def test_neighbouring_floats_are_parted() -> None:
    low = 1.0
    high = np.nextafter(low, 2.0)
    for keep, truth in (("above", [False, True]), ("below", [True, False])):
        assert best_cut(np.array([low, high]), np.array(truth), keep=keep)[1] == 1


def test_a_box_is_no_worse_than_any_of_a_grid() -> None:
    rng = np.random.default_rng(2)
    for _ in range(5):
        truth = rng.random(400) < 0.3
        points = rng.normal(size=(400, 2)) + 1.5 * truth[:, np.newaxis]
        box = best_box(points, truth, keeps=("above", "above"))
        grid = np.linspace(-2, 3, 21)
        every = [f1(truth, (points >= pair).all(axis=1)) for pair in product(grid, grid)]
        assert box.f1 >= max(every) - 0.01  # ascent by one threshold at a time is a lower bound
        assert box.f1 == pytest.approx(f1(truth, box.inside))
        assert box.f1 >= best_cut(points[:, 0], truth)[1]


def test_a_good_start_is_never_made_worse() -> None:
    rng = np.random.default_rng(3)
    truth = rng.random(500) < 0.05
    points = rng.normal(size=(500, 3)) + truth[:, np.newaxis]
    start = (0.5, 0.5, 0.5)
    box = best_box(points, truth, keeps=("above",) * 3, also_from=start)
    assert box.f1 >= f1(truth, (points >= start).all(axis=1))


def test_what_is_not_a_number_is_inside_nothing() -> None:
    values = np.array([np.nan, 1.0, 2.0])
    cut, reached = best_cut(values, np.array([True, False, True]))
    assert reached == pytest.approx(2 / 3)
    assert 1 < cut <= 2


def test_without_a_true_event_there_is_nothing_to_find() -> None:
    box = best_box(np.zeros((3, 1)), np.zeros(3, dtype=bool), keeps=("above",))
    assert np.isnan(box.f1)
    assert not box.inside.any()
