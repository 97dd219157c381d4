"""The plane as a landscape: its peaks, whose ground is whose, and outlines of cells."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from gating.relief import CELLS, Relief, hills, relief
from gating.roots import rooted, squared
from gating.tracing import part_around, simplified, trace

Values = NDArray[np.float64]


def peaks(points: Values, *, smallest: float = 0.005) -> int:
    ground = relief(points)
    assert ground is not None
    return len(hills(ground, ground.smooth(), least=max(15.0, smallest * len(points))).tops)


ONE_CLOUD = {
    "round": lambda rng, n: rng.normal(size=(n, 2)),
    "long": lambda rng, n: rng.normal(size=(n, 2)) @ np.array([[1.0, 0.95], [0.0, 0.3]]),
    "heavy tails": lambda rng, n: rng.standard_t(3, size=(n, 2)),
    "a square": lambda rng, n: rng.random((n, 2)),
}


@pytest.mark.parametrize("n", [500, 5_000])
@pytest.mark.parametrize("shape", ONE_CLOUD)
def test_one_cloud_has_one_peak_whatever_its_noise(shape: str, n: int) -> None:
    assert [peaks(ONE_CLOUD[shape](np.random.default_rng(seed), n)) for seed in range(12)] == [1] * 12


def test_four_clouds_have_four_peaks_and_each_event_is_on_its_own_ground() -> None:
    rng = np.random.default_rng(1)
    centres = np.array([[0.0, 0], [6, 0], [0, 6], [6, 6]])
    kind = rng.choice(4, 8_000, p=[0.6, 0.25, 0.1, 0.05])
    points = centres[kind] + rng.normal(size=(8_000, 2))
    ground = relief(points)
    assert ground is not None
    found = hills(ground, ground.smooth(), least=40.0)
    assert len(found.tops) == 4
    np.testing.assert_allclose(sorted(found.masses), sorted(np.bincount(kind)), rtol=0.05)
    tops = ground.values(found.tops + 0.5)
    assert np.abs(tops[:, None] - centres[None]).max(axis=2).min(axis=1).max() < 0.7


def test_the_peaks_of_a_landscape_drawn_by_hand_are_merged_by_their_height_above_the_pass() -> None:
    """Along one row: 10 events, a pass of 9, 11 events: one hill; then a pass of 1 and a hill of 400."""
    density = np.zeros((CELLS, CELLS))
    density[10:17, 10] = [10, 9, 11, 1, 300, 400, 300]
    ground = Relief(density, np.zeros(2), np.ones(2), np.array([1.5, 1.5]))
    found = hills(ground, density, least=1.0)
    assert found.tops.tolist() == [[15, 10], [12, 10]]
    assert found.owner[10:17, 10].tolist() == [1, 1, 1, 0, 0, 0, 0]
    assert found.masses.tolist() == [1001, 30]


def test_too_small_a_peak_joins_the_neighbour_behind_the_highest_pass() -> None:
    rng = np.random.default_rng(2)
    points = np.concatenate([rng.normal(size=(5_000, 2)), rng.normal(size=(60, 2)) * 0.3 + [6, 0]])
    assert peaks(points, smallest=0.005) == 2
    assert peaks(points, smallest=0.05) == 1


def test_points_without_a_plane_have_no_relief() -> None:
    assert relief(np.ones((500, 2))) is None
    assert relief(np.column_stack([np.arange(500.0), np.zeros(500)])) is None


# --------------------------------------------------------------------- outlines


def area(outline: Values) -> float:
    x, y = outline.T
    return 0.5 * float((x * np.roll(y, -1) - y * np.roll(x, -1)).sum())


def test_the_outline_of_cells_turns_left_and_keeps_their_area() -> None:
    i, j = np.indices((60, 60))
    disc = (i - 30) ** 2 + (j - 28) ** 2 <= 20**2
    assert area(trace(disc)) == pytest.approx(disc.sum(), rel=0.02)
    corners = simplified(trace(disc))
    assert area(corners) == pytest.approx(disc.sum(), rel=0.03)
    assert 8 <= len(corners) <= 40


def test_two_cells_that_touch_at_a_corner_are_walked_around_once() -> None:
    mask = np.zeros((6, 6), dtype=np.bool_)
    mask[1:3, 1:3] = mask[3:5, 3:5] = True
    outline = trace(mask)
    assert len(outline) <= 16
    assert area(outline) > 0


def test_a_part_is_what_hangs_together_with_its_holes_filled() -> None:
    mask = np.ones((7, 7), dtype=np.bool_)
    mask[3, 3] = False
    mask[:, 5] = False
    part = part_around(mask, (1, 1))
    assert part[:, :5].all()
    assert not part[:, 5:].any()
    assert not part_around(mask, (0, 5)).any()


def test_nothing_has_no_outline() -> None:
    assert trace(np.zeros((4, 4), dtype=np.bool_)).shape == (0, 2)
    assert simplified(np.array([[0.0, 0], [1, 0], [0, 1]])).shape == (3, 2)


@pytest.mark.parametrize("roots", ["none", "x", "y", "both"])
def test_what_is_rooted_and_squared_is_as_before_below_zero_as_well(roots: str) -> None:
    points = np.random.default_rng(3).normal(size=(50, 2)) * 1e5
    np.testing.assert_allclose(squared(rooted(points, roots), roots), points)
    changed = (rooted(points, roots) != points).any(axis=0)
    assert changed.tolist() == [roots in ("x", "both"), roots in ("y", "both")]
