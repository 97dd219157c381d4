"""Lines through the plane: the ridge of a long cloud, and the quadrant cut on x and then on y."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from gating.answers import Abstention, RegionFound
from gating.errors import TemplateError
from gating.gates import Polygon
from gating.quadrant import QUADRANTS, quadrant
from gating.ridge import CUT_AT, ridge

Values = NDArray[np.float64]
Mask = NDArray[np.bool_]


def cd4(seed: int, n: int = 10_000, treg: float = 0.06) -> tuple[Values, Mask]:
    """Return CD25 and CD127 of CD4 T cells, which rise together but in regulatory ones; and which are those."""
    rng = np.random.default_rng(seed)
    is_treg = rng.random(n) < treg
    along, noise = rng.normal(size=n), rng.normal(size=(n, 2)) * 0.05
    points = np.array([0.35, 0.60]) + along[:, None] * [0.10, 0.06] + noise
    points[is_treg] = np.array([0.62, 0.42]) + 0.06 * rng.normal(size=(int(is_treg.sum()), 2))
    return points, is_treg


def four(seed: int, n: int = 8_000) -> tuple[Values, Mask, Mask]:
    """Return points of which the negatives of y lie higher on the right; and which are right, and which positive."""
    rng = np.random.default_rng(seed)
    right = rng.random(n) < 0.4
    positive = rng.random(n) < np.where(right, 0.15, 0.3)
    x = np.where(right, 0.7, 0.25)
    y = np.where(right, 0.4, 0.1) + 0.3 * positive
    return np.column_stack([x, y]) + 0.05 * rng.normal(size=(n, 2)), right, positive


def found(answer: RegionFound | Abstention) -> RegionFound:
    assert isinstance(answer, RegionFound), answer
    return answer


def inside(answer: RegionFound | Abstention, points: Values) -> Mask:
    return Polygon(("x", "y"), found(answer).vertices).contains(points)


def f1(ours: Mask, truth: Mask) -> float:
    return 2 * float((ours & truth).sum()) / float(ours.sum() + truth.sum())


# ------------------------------------------------------------------------- ridge


def test_regulatory_t_cells_lie_below_the_ridge_of_the_others() -> None:
    points, is_treg = cd4(1)
    assert f1(inside(ridge(points, keep="below"), points), is_treg) > 0.97


def test_no_straight_cut_on_either_marker_parts_them_as_well() -> None:
    points, is_treg = cd4(1)
    best = max(
        f1(sign * points[:, axis] >= cut, is_treg)
        for axis in (0, 1) for sign in (-1, 1) for cut in np.quantile(sign * points[:, axis], np.linspace(0.5, 1, 200))
    )  # fmt: skip
    assert best < f1(inside(ridge(points, keep="below"), points), is_treg) - 0.1


def test_the_line_is_the_clouds_own() -> None:
    """CD127 rises by 0.06 where CD25 rises by 0.10; noise alike on both makes the axis no less steep."""
    answer = found(ridge(cd4(2, treg=0.0)[0], keep="along"))
    spread = np.array([[0.10**2 + 0.05**2, 0.10 * 0.06], [0.10 * 0.06, 0.06**2 + 0.05**2]])
    # Axes are scaled by their ranges, as a plot is, before the major axis is taken.
    scale = np.sqrt(np.diag(spread))
    axis = np.linalg.eigh(spread / np.outer(scale, scale))[1][:, 1] * scale
    assert answer.saw["slope"] == pytest.approx(axis[1] / axis[0], rel=0.05)


def test_what_is_not_below_is_all_the_rest_and_along_leaves_out_both_sides() -> None:
    points, is_treg = cd4(3)
    below, not_below = (inside(ridge(points, keep=keep), points) for keep in ("below", "not below"))
    np.testing.assert_array_equal(below, ~not_below)
    above, not_above = (
        inside(ridge(points, keep=keep, cut="tail"), points) for keep in ("above", "not above")
    )
    np.testing.assert_array_equal(above, ~not_above)
    along = inside(ridge(points, keep="along"), points)
    assert along[~is_treg].mean() == pytest.approx(0.99, abs=0.01)
    assert along[is_treg].mean() < 0.1


def test_a_round_cloud_has_no_ridge_unless_it_is_asked_for() -> None:
    points = np.random.default_rng(4).normal(size=(5_000, 2))
    answer = ridge(points, keep="above", cut="tail")
    assert isinstance(answer, Abstention)
    assert answer.reason.startswith("no ridge: the cloud is 1.")
    assert found(ridge(points, keep="above", cut="tail", longest=1.0)).saw["inside"] < 0.02


def test_where_nothing_lies_off_the_ridge_there_is_no_valley_to_cut_at() -> None:
    points, _ = cd4(5, treg=0.0)
    answer = ridge(points, keep="below", cut="valley")
    assert isinstance(answer, Abstention)
    assert answer.reason.startswith("no cut off the ridge: no valley")


def test_regulatory_cells_stay_the_same_when_nine_events_of_ten_are_dropped() -> None:
    points, _ = cd4(6, n=20_000)
    whole = inside(ridge(points, keep="below"), points)
    assert f1(inside(ridge(points[::10], keep="below"), points), whole) > 0.95


def test_events_far_from_zero_are_inside_all_the_same() -> None:
    points, is_treg = cd4(9)
    moved = points + np.array([300.0, -5_000.0])
    assert f1(inside(ridge(moved, keep="below"), moved), is_treg) > 0.97
    assert inside(ridge(moved, keep="not below"), moved)[~is_treg].mean() > 0.97


# ---------------------------------------------------------------------- quadrant


def test_each_side_of_x_has_its_own_cut_on_y() -> None:
    points, right, positive = four(1)
    assert f1(inside(quadrant(points, keep="top right"), points), right & positive) > 0.98
    assert f1(inside(quadrant(points, keep="top left"), points), ~right & positive) > 0.98
    saw = [found(quadrant(points, keep=keep)).saw for keep in ("top left", "top right")]
    assert [s["y"] for s in saw] == pytest.approx([0.25, 0.55], abs=0.04)


def test_every_event_is_in_exactly_one_quadrant() -> None:
    points, *_ = four(2)
    held = np.sum([inside(quadrant(points, keep=keep), points) for keep in QUADRANTS], axis=0)
    np.testing.assert_array_equal(held, np.ones(len(points)))


def test_a_side_that_shows_no_cut_takes_the_one_of_all_events_and_says_so() -> None:
    points, right, positive = four(3)
    points = points[~(right & positive)]
    answer = found(quadrant(points, keep="top right", cut="valley"))
    assert answer.saw["y_own"] == 0.0
    assert found(quadrant(points, keep="top left", cut="valley")).saw["y_own"] == 1.0


def test_without_two_groups_on_x_there_is_no_quadrant() -> None:
    points = np.random.default_rng(4).normal(size=(3_000, 2))
    answer = quadrant(points, cut="valley")
    assert isinstance(answer, Abstention)
    assert answer.reason.startswith("no cut on x: no valley")


# -------------------------------------------------------------------------- both


@pytest.mark.parametrize("keep", CUT_AT)
def test_the_ridges_share_lies_in_its_interval_and_order_is_no_matter(keep: str) -> None:
    points, _ = cd4(7)
    answer = found(ridge(points, keep=keep))
    again = found(ridge(np.random.default_rng(0).permutation(points), keep=keep))
    np.testing.assert_allclose(answer.vertices, again.vertices, rtol=1e-9)
    assert answer.share is not None
    assert answer.share[0] <= inside(answer, points).mean() <= answer.share[1]


@pytest.mark.parametrize("keep", QUADRANTS)
def test_the_quadrants_share_lies_in_its_interval_and_order_is_no_matter(keep: str) -> None:
    points, *_ = four(8)
    answer = found(quadrant(points, keep=keep))
    again = found(quadrant(np.random.default_rng(0).permutation(points), keep=keep))
    np.testing.assert_array_equal(answer.vertices, again.vertices)
    assert answer.share is not None
    assert answer.share[0] <= inside(answer, points).mean() <= answer.share[1]


def test_what_cannot_be_asked_is_refused() -> None:
    points = np.ones((200, 2))
    with pytest.raises(TemplateError, match="keep is one of 'below', 'not below'"):
        ridge(points, keep="left")
    with pytest.raises(TemplateError, match="cut is one of 'any', 'valley', 'mixture', 'tail'"):
        ridge(points, cut="middle")
    with pytest.raises(TemplateError, match="keep is one of 'bottom left'"):
        quadrant(points, keep="below")
    with pytest.raises(TemplateError, match=r"quantile lies between 0\.5 and 1"):
        quadrant(points, quantile=0.4)
