"""Dip: Hartigan's distance from a single peak."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from gating.dip import chance_of_dip, dip, dip_of_counts, saw_dip


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], 0.0),
        ([3.0], 0.5),
        ([1.0, 2.0, 3.0, 4.0], 0.125),  # evenly spaced: half an event, the least there is
        ([0.0, 0.0, 1.0, 1.0], 0.25),  # two points: as far as can be
    ],
)
def test_the_dip_of_a_few_events(values: list[float], expected: float) -> None:
    assert dip(np.array(values)) == pytest.approx(expected)


@pytest.mark.parametrize("shape", ["normal", "two", "gamma"])
@pytest.mark.parametrize("n", [5, 60])
def test_the_dip_is_the_distance_to_the_nearest_single_peak_that_linear_programming_finds(
    shape: str, n: int
) -> None:
    rng = np.random.default_rng(n)
    half = n // 2
    drawn = {
        "normal": rng.normal(size=n),
        "two": np.concatenate([rng.normal(size=half), rng.normal(5, 1, n - half)]),
        "gamma": rng.gamma(2, size=n),
    }
    x = np.sort(drawn[shape])
    assert dip(x) == pytest.approx(nearest_single_peak(x), abs=1e-6)


def nearest_single_peak(ordered: np.ndarray) -> float:
    """Return the least distance over distributions that are convex up to one event and concave from there on."""
    from scipy.optimize import linprog

    places, counts = np.unique(ordered, return_counts=True)
    above = np.cumsum(counts) / ordered.size
    below = above - counts / ordered.size
    m = places.size
    best = np.inf
    for mode in range(m):
        # Unknown: the distribution just below and at each place (they differ at the mode alone), and the distance.
        rows, limits = [], []

        def at(values: dict[int, float], limit: float, rows: list = rows, limits: list = limits) -> None:
            row = np.zeros(m + 2)
            for index, value in values.items():
                row[index] += value
            rows.append(row)
            limits.append(limit)

        left = [*range(mode), m]  # m: just below the mode
        right = list(range(mode, m))
        where = np.append(places, places[mode])
        for index in range(m):
            low_side = m if index == mode else index
            at({index: -1, m + 1: -1}, -above[index])
            at({low_side: 1, m + 1: -1}, below[index])
        for chain, sign in ((left, 1.0), (right, -1.0)):
            for a, b, c in zip(chain, chain[1:], chain[2:], strict=False):
                first, second = where[b] - where[a], where[c] - where[b]
                at({a: -sign / first, b: sign / first + sign / second, c: -sign / second}, 0.0)
            for a, b in pairwise(chain):
                at({a: 1, b: -1}, 0.0)
        at({m: 1, mode: -1}, 0.0)
        found = linprog(np.eye(m + 2)[-1], np.array(rows), np.array(limits), bounds=[(0, 1)] * (m + 2))
        best = min(best, found.fun) if found.success else best
    return float(best)


def test_counts_in_fine_bins_have_the_dip_of_their_events() -> None:
    rng = np.random.default_rng(3)
    x = np.sort(np.concatenate([rng.normal(size=6000), rng.normal(4, 1, 3000)]))
    counts = np.histogram(x, 1024)[0].astype(float)
    assert dip_of_counts(counts) == pytest.approx(dip(x), abs=4e-4)
    assert dip_of_counts(np.zeros(64)) == 0


def test_moving_and_stretching_the_axis_leaves_the_dip() -> None:
    x = np.sort(np.random.default_rng(4).gamma(2, size=300))
    assert dip(5 + 3 * x) == pytest.approx(dip(x))


def test_one_uniform_sample_in_twenty_is_beyond_the_chance_of_a_twentieth() -> None:
    rng = np.random.default_rng(6)
    chances = np.array([chance_of_dip(dip(np.sort(rng.random(200))), 200) for _ in range(400)])
    assert np.mean(chances <= 0.05) == pytest.approx(0.05, abs=0.03)
    assert np.mean(chances <= 0.5) == pytest.approx(0.5, abs=0.08)


def test_two_peaks_have_a_dip_that_chance_has_not() -> None:
    rng = np.random.default_rng(7)
    one = np.histogram(rng.normal(size=9000), 1024)[0].astype(float)
    two = np.histogram(np.concatenate([rng.normal(size=6000), rng.normal(4, 1, 3000)]), 1024)[0].astype(float)
    assert saw_dip(one)["dip_p"] > 0.5
    assert saw_dip(two)["dip_p"] == pytest.approx(0.001)
