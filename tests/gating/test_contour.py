"""Clouds in the plane: the contour around a peak, and the satellite on the flank of a main cloud."""

from __future__ import annotations

import time

import numpy as np
import pytest
from numpy.typing import NDArray

from gating.answers import Abstention, RegionFound
from gating.columns import ArrayEvents, Columns, Dimension
from gating.contour import density_contour
from gating.errors import TemplateError
from gating.gates import Polygon
from gating.learn import learn
from gating.membership import assign
from gating.satellite import satellite
from gating.scales import Linear
from gating.sources import TemplateTube
from gating.template import GatingTemplate

Values = NDArray[np.float64]
Mask = NDArray[np.bool_]
# CD45 and side scatter as blood shows them, on a display scale: middle, deviations, share
BLOOD = {
    "lymphocytes": ((5.6, 1.0), (0.2, 0.2), 0.25),
    "monocytes": ((5.3, 3.2), (0.2, 0.45), 0.07),
    "neutrophils": ((4.6, 5.8), (0.3, 0.5), 0.55),
    "debris": ((2.0, 1.5), (0.8, 0.9), 0.13),
}


def blood(seed: int, n: int = 20_000) -> tuple[Values, dict[str, Mask]]:
    """Return points of blood, and which is which."""
    rng = np.random.default_rng(seed)
    shares = np.array([share for *_, share in BLOOD.values()])
    kind = rng.choice(len(BLOOD), n, p=shares / shares.sum())
    middle = np.array([m for m, *_ in BLOOD.values()])[kind]
    spread = np.array([s for _, s, _ in BLOOD.values()])[kind]
    return middle + spread * rng.normal(size=(n, 2)), {name: kind == k for k, name in enumerate(BLOOD)}


def found(answer: RegionFound | Abstention) -> RegionFound:
    assert isinstance(answer, RegionFound), answer
    return answer


def inside(answer: RegionFound | Abstention, points: Values) -> Mask:
    return Polygon(("x", "y"), found(answer).vertices).contains(points)


def f1(ours: Mask, truth: Mask) -> float:
    return 2 * float((ours & truth).sum()) / float(ours.sum() + truth.sum())


# -------------------------------------------------------------- density contour


@pytest.mark.parametrize(
    ("words", "kind"),
    [("bottom right", "lymphocytes"), ("top", "neutrophils"), ("left", "debris"), ("largest", "neutrophils")],
)
def test_a_word_finds_the_cloud_that_a_person_would_point_at(words: str, kind: str) -> None:
    points, kinds = blood(1)
    assert f1(inside(density_contour(points, peak=words, keep=0.99), points), kinds[kind]) > 0.97


def test_the_contour_of_a_lone_normal_cloud_keeps_what_it_was_asked_to_keep() -> None:
    points = np.random.default_rng(2).normal(size=(20_000, 2)) @ np.array([[2.0, 1.0], [0.0, 0.5]])
    for keep in (0.5, 0.8, 0.95):
        assert inside(density_contour(points, keep=keep), points).mean() == pytest.approx(keep, abs=0.06)


def test_between_two_equal_clouds_the_contour_ends_in_the_middle() -> None:
    rng = np.random.default_rng(3)
    points = rng.normal(size=(20_000, 2)) + np.where(np.arange(20_000) < 10_000, -2.0, 2.0)[:, None] * [1, 0]
    corners = found(density_contour(points, peak="left", keep=0.999)).vertices
    beside = corners[np.abs(corners[:, 1]) < 1.0]
    assert beside[:, 0].max() == pytest.approx(0.0, abs=0.25)


def test_thin_ground_around_a_cloud_does_not_belong_to_it() -> None:
    rng = np.random.default_rng(4)
    cloud, thin = rng.normal(size=(8_000, 2)) * 0.5, rng.uniform(-10, 10, (4_000, 2))
    points = np.concatenate([cloud, thin])
    corners = found(density_contour(points, keep=0.999)).vertices
    assert np.hypot(*corners.T).max() < 1.8 * 0.5 * np.sqrt(-2 * np.log(0.001))


@pytest.mark.parametrize("words", ["left", "top right"])
def test_a_single_cloud_lies_on_no_side(words: str) -> None:
    points = np.random.default_rng(5).normal(size=(5_000, 2))
    answer = density_contour(points, peak=words)
    assert isinstance(answer, Abstention)
    assert answer.reason == f"no cloud at the {words}: there is one peak, and nothing to tell its side by"
    assert inside(density_contour(points, peak="rightmost"), points).mean() > 0.9


def test_a_side_without_a_cloud_is_said_to_have_none() -> None:
    rng = np.random.default_rng(6)
    points = np.concatenate([rng.normal(size=(4_000, 2)), rng.normal(8.0, 1.0, (4_000, 2))])
    answer = density_contour(points, peak="bottom right")
    assert isinstance(answer, Abstention)
    assert answer.reason == "no cloud at the bottom right: none of 2 peaks lies there"


def test_a_cloud_of_few_events_is_found_with_a_coarser_kernel() -> None:
    rng = np.random.default_rng(7)
    points = np.concatenate([rng.normal(0.0, 0.4, (9_920, 2)), rng.normal(6.0, 0.9, (80, 2))])
    answer = found(density_contour(points, peak="top right", keep=0.98))
    assert answer.saw["coarser"] > 1
    assert f1(inside(answer, points), np.arange(10_000) >= 9_920) > 0.8


def test_scatter_on_the_linear_scale_is_read_by_its_root() -> None:
    rng = np.random.default_rng(8)
    low, high = rng.normal(60e3, 8e3, 3_000), rng.normal(600e3, 120e3, 7_000)
    points = np.column_stack([rng.normal(0.5, 0.05, 10_000), np.maximum(np.concatenate([low, high]), 1.0)])
    kept = inside(density_contour(points, peak="bottom", roots="y", keep=0.99), points)
    assert f1(kept, np.arange(10_000) < 3_000) > 0.97


# --------------------------------------------------------------------- satellite


def granulocytes(seed: int, n: int = 20_000, share: float = 0.04, away: float = 2.2) -> tuple[Values, Mask]:
    """Return neutrophils and, on their upper right flank, eosinophils that make no peak of their own."""
    rng = np.random.default_rng(seed)
    is_one = rng.random(n) < share
    points = rng.normal(size=(n, 2)) @ np.array([[1.0, 0.3], [0.0, 1.0]])
    points[is_one] = rng.normal(size=(int(is_one.sum()), 2)) * 0.5 + away
    return points, is_one


def test_a_small_cloud_on_a_flank_is_found_though_it_makes_no_peak() -> None:
    points, is_one = granulocytes(1)
    assert isinstance(density_contour(points, peak="top right"), Abstention)
    kept = inside(satellite(points, side="top right"), points)
    assert f1(kept, is_one) > 0.8
    assert kept[is_one].mean() > 0.8


def test_a_small_cloud_by_itself_is_found_as_well() -> None:
    points, is_one = granulocytes(2, away=5.0)
    assert f1(inside(satellite(points, side="top right", keep=0.99), points), is_one) > 0.97


@pytest.mark.parametrize("side", ["left", "bottom", "bottom left", "top left"])
def test_no_satellite_is_found_on_the_sides_where_there_is_none(side: str) -> None:
    points, _ = granulocytes(3)
    answer = satellite(points, side=side)
    assert isinstance(answer, Abstention)
    assert answer.reason.startswith(f"no satellite at the {side}")


@pytest.mark.parametrize("n", [1_000, 20_000])
def test_a_cloud_that_leans_has_no_satellite_but_its_own_tail(n: int) -> None:
    points = np.random.default_rng(4).exponential(size=(n, 2))
    answer = satellite(points, side="top right")
    assert isinstance(answer, Abstention)
    assert "the main cloud leans" in answer.reason


def test_a_lone_cloud_has_no_satellite() -> None:
    answers = [satellite(np.random.default_rng(seed).normal(size=(5_000, 2))) for seed in range(20)]
    assert sum(isinstance(answer, Abstention) for answer in answers) >= 19


# -------------------------------------------------------------------------- both

BOTH = {
    "contour": lambda points: density_contour(points, peak="bottom right", keep=0.98),
    "satellite": lambda points: satellite(points, side="top right"),
}
POINTS = {"contour": lambda: blood(9)[0], "satellite": lambda: granulocytes(9, away=2.8)[0]}


@pytest.mark.parametrize("rule", BOTH)
def test_the_order_of_the_events_is_no_matter(rule: str) -> None:
    points = POINTS[rule]()
    one, other = found(BOTH[rule](points)), found(BOTH[rule](np.random.default_rng(0).permutation(points)))
    np.testing.assert_array_equal(one.vertices, other.vertices)
    assert (one.confidence, one.share) == (other.confidence, other.share)


@pytest.mark.parametrize("rule", BOTH)
def test_nine_events_of_ten_may_be_dropped(rule: str) -> None:
    points = POINTS[rule]()
    whole = inside(BOTH[rule](points), points)
    for start in range(3):
        assert f1(inside(BOTH[rule](points[start::10]), points), whole) > 0.85


@pytest.mark.parametrize("rule", BOTH)
def test_a_change_of_units_changes_nothing(rule: str) -> None:
    points = POINTS[rule]()
    units = np.array([1000.0, 0.01])
    scaled = inside(BOTH[rule](points * units + [3e4, 7.0]), points * units + [3e4, 7.0])
    assert (scaled == inside(BOTH[rule](points), points)).mean() > 0.999


@pytest.mark.parametrize("rule", BOTH)
def test_the_interval_of_the_share_holds_the_share(rule: str) -> None:
    points = POINTS[rule]()
    answer = found(BOTH[rule](points))
    assert answer.share is not None
    low, high = answer.share
    assert low <= answer.saw["inside"] <= high
    assert inside(answer, points).mean() == pytest.approx(answer.saw["inside"], rel=0.02)


def test_where_a_cloud_is_clear_the_next_sample_shows_the_same_share() -> None:
    points, kinds = blood(10)
    answer = found(density_contour(points, peak="bottom right", keep=0.98))
    again = [
        inside(density_contour(blood(s)[0], peak="bottom right", keep=0.98), points).mean()
        for s in range(11, 17)
    ]
    assert answer.confidence > 0.9
    assert np.ptp(again) < 0.1 * kinds["lymphocytes"].mean()


def test_twenty_thousand_points_take_a_tenth_of_a_second() -> None:
    points, _ = blood(12)
    density_contour(points)
    times = []
    for _ in range(3):
        begun = time.process_time()
        density_contour(points, peak="bottom right")
        times.append(time.process_time() - begun)
    assert min(times) < 0.1


def test_what_cannot_be_asked_is_refused() -> None:
    points = np.ones((200, 2))
    with pytest.raises(TemplateError, match="peak is one of 'largest', 'left'"):
        density_contour(points, peak="middle")
    with pytest.raises(TemplateError, match="keep lies between 0 and 1"):
        density_contour(points, keep=1.0)
    with pytest.raises(TemplateError, match="stray lies between 1 and inf"):
        density_contour(points, stray=0.5)
    with pytest.raises(TemplateError, match="roots is one of 'none', 'x'"):
        satellite(points, roots="z")
    with pytest.raises(TemplateError, match="side is one of 'left'"):
        satellite(points, side="largest")


# ------------------------------------------------------------------- in a template

TEMPLATE = """
[template]
name = "blood"

[[population]]
name = "lymphocytes"
region = { rule = "density contour", x = "CD45", y = "SSC-A", peak = "bottom right", keep = 0.99 }

[[population]]
name = "granulocytes"
region = { rule = "density contour", x = "CD45", y = "SSC-A", peak = "top", keep = 0.99 }

[[population]]
name = "eosinophils"
parent = "granulocytes"
region = { rule = "satellite", x = "CD45", y = "SSC-A", side = "top right" }
"""


def test_a_template_names_clouds_by_where_they_lie_and_keeps_its_words_when_written() -> None:
    points, kinds = blood(13)
    columns = Columns(
        ArrayEvents(points, ("a", "b")), {"CD45": Dimension("a", Linear()), "SSC-A": Dimension("b", Linear())}
    )
    template = GatingTemplate.from_text(TEMPLATE)
    assert GatingTemplate.from_text(template.to_toml()) == template
    learnt = learn(template, {"tube": TemplateTube(columns)}, seed=1)["tube"]
    members = assign(learnt.strategy, columns)
    assert f1(members.of("lymphocytes"), kinds["lymphocytes"]) > 0.97
    assert f1(members.of("granulocytes"), kinds["neutrophils"]) > 0.97
    assert "granulocytes/eosinophils" not in members.populations
    reasons = {gate.population: gate.reason for gate in learnt.gates}
    assert reasons["granulocytes/eosinophils"].startswith("no satellite at the top right")
