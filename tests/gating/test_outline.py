"""Outlines: the densest part of the plane, and a convex polygon around it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gating.outline import convex_outline, densest, densest_cloud, plane, without_piles


def test_an_outline_is_convex_and_turns_left() -> None:
    corners = convex_outline(np.random.default_rng(15).normal(size=(3000, 2)))
    ahead = np.roll(corners, -1, axis=0) - corners
    after = np.roll(ahead, -1, axis=0)
    assert (ahead[:, 0] * after[:, 1] - ahead[:, 1] * after[:, 0] > -1e-12).all()
    assert 8 <= len(corners) <= 32


def test_the_outline_of_a_square_is_its_corners_and_scipys_hull_hardly_larger() -> None:
    from scipy.spatial import ConvexHull

    square = np.array([[0.0, 0], [2, 0], [2, 1], [0, 1], [1, 0.5]])
    assert {tuple(c) for c in convex_outline(square)} == {(0, 0), (2, 0), (2, 1), (0, 1)}
    points = np.random.default_rng(16).normal(size=(5000, 2))
    ours = convex_outline(points)
    x, y = ours.T
    area = 0.5 * abs((x * np.roll(y, -1) - y * np.roll(x, -1)).sum())
    assert 0.95 * ConvexHull(points).volume < area <= ConvexHull(points).volume


def test_the_densest_part_of_a_round_cloud_is_its_middle() -> None:
    points = np.random.default_rng(17).normal(size=(20_000, 2))
    half = densest(points, 0.5)
    assert len(half) == pytest.approx(10_000, rel=0.02)
    radius = math.sqrt(2 * math.log(2))  # half of a round normal cloud
    assert np.quantile(np.hypot(*half.T), 0.95) == pytest.approx(radius, rel=0.08)


def test_the_densest_cloud_leaves_its_neighbour_out() -> None:
    rng = np.random.default_rng(18)
    points = np.concatenate([rng.normal(0, 1, (8000, 2)), rng.normal(6, 1, (4000, 2))])
    cloud = densest_cloud(points)
    assert cloud[:8000].mean() > 0.9
    assert cloud[8000:].mean() < 0.02


def test_the_plane_counts_every_point() -> None:
    points = np.random.default_rng(19).normal(size=(1000, 2))
    ground = plane(points)
    assert ground.density.sum() == pytest.approx(1000, rel=5e-3)
    assert (ground.at_points > 0).all()


def test_events_at_the_top_of_an_axis_are_left_out_and_a_highest_event_is_not() -> None:
    points = np.column_stack([np.arange(1000.0), np.arange(1000.0)])
    assert len(without_piles(points)[0]) == 1000
    points[:10, 1] = 5000.0
    kept, tops = without_piles(points)
    assert len(kept) == 990
    assert tops.tolist() == [np.inf, 5000.0]
