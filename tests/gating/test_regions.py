"""Rules for two axes: what each says of itself, the singlet band, the main cloud, and hostile input for all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from gating.cloud import find_floor
from gating.errors import GeometryError, TemplateError
from gating.gates import Polygon
from gating.regions import REGIONS, Abstention, RegionFound, main_cloud, singlet_band

Values = NDArray[np.float64]
Kinds = dict[str, NDArray[np.bool_]]
TOP = 262_143.0

# share, forward scatter and its deviation, side scatter and its deviation
LYMPHOCYTES, MONOCYTES = (60e3, 7e3, 15e3, 4e3), (95e3, 12e3, 45e3, 10e3)
GRANULOCYTES, TUMOUR, DEAD = (100e3, 12e3, 110e3, 25e3), (140e3, 30e3, 80e3, 25e3), (42e3, 7e3, 15e3, 5e3)
PBMC = ((0.8, LYMPHOCYTES), (0.2, MONOCYTES))
BLOOD = ((0.3, LYMPHOCYTES), (0.08, MONOCYTES), (0.62, GRANULOCYTES))
DIGEST = ((0.25, LYMPHOCYTES), (0.1, MONOCYTES), (0.1, GRANULOCYTES), (0.35, TUMOUR), (0.2, DEAD))


def lognormal(rng: np.random.Generator, mean: Values, deviation: Values) -> Values:
    spread = np.log(1 + (deviation / mean) ** 2)
    return np.asarray(np.exp(rng.normal(np.log(mean) - spread / 2, np.sqrt(spread))))


def tube(
    seed: int, mixture: tuple = PBMC, *, n: int = 10_000, debris: float = 0.08, doublets: float = 0.04
) -> tuple[Values, Kinds]:
    """Return FSC-A, FSC-H and SSC-A of cells, doublets, debris and events beyond the range; and which is which."""
    rng = np.random.default_rng(seed)
    kind = rng.choice(len(mixture), n, p=[share for share, _ in mixture])
    fsc, fsc_sd, ssc, ssc_sd = np.array([sizes for _, sizes in mixture])[kind].T
    area, side = lognormal(rng, fsc, fsc_sd), lognormal(rng, ssc, ssc_sd)
    height = 0.93 * area * rng.normal(1, 0.025, n)
    is_doublet, other = rng.random(n) < doublets, rng.integers(0, n, n)
    height = np.where(is_doublet, np.maximum(height, height[other]) * rng.uniform(1, 1.25, n), height)
    area, side = area + is_doublet * area[other], side + is_doublet * side[other]
    is_debris = rng.random(n) < debris
    area = np.where(is_debris, 1500 + rng.exponential(12e3, n), area)
    side = np.where(is_debris, 500 + rng.exponential(8e3, n), side)
    height = np.where(is_debris, 0.93 * area * rng.normal(1, 0.04, n), height)
    area = np.where(rng.random(n) < 0.002, TOP, area)
    points = np.minimum(np.column_stack([area, height, side]), TOP)
    at_top = (points == TOP).any(axis=1)
    cells = ~is_debris & ~is_doublet & ~at_top
    return points, {
        "cells": cells, "debris": is_debris & ~at_top, "doublets": is_doublet & ~is_debris & ~at_top,
        "at top": at_top, **{f"kind {k}": cells & (kind == k) for k in range(len(mixture))},
    }  # fmt: skip


def found(answer: RegionFound | Abstention) -> RegionFound:
    assert isinstance(answer, RegionFound), answer
    return answer


def inside(region: RegionFound, points: Values) -> NDArray[np.bool_]:
    return Polygon(("x", "y"), region.vertices).contains(points)


def test_every_region_rule_has_a_card_that_says_what_it_takes() -> None:
    assert set(REGIONS) == {"singlet band", "main cloud", "density contour", "satellite", "ridge", "quadrant"}
    assert REGIONS["singlet band"].options == {"width": 4.0, "least_inside": 0.5}
    assert REGIONS["main cloud"].options["mode"] == "all cells"
    assert all(rule.required == () and rule.needs and rule.reference for rule in REGIONS.values())


# ---------------------------------------------------------------- singlet band


def test_doublets_are_outside_the_band_and_single_cells_inside() -> None:
    points, kinds = tube(1, debris=0.0, doublets=0.1)
    kept = inside(found(singlet_band(points[:, :2])), points[:, :2])
    assert kept[kinds["cells"]].mean() > 0.995
    assert kept[kinds["doublets"]].mean() < 0.02
    assert not kept[kinds["at top"]].any()


def test_a_band_is_as_wide_as_asked_for() -> None:
    points, _ = tube(4, debris=0.0, doublets=0.0)
    shares = [
        inside(found(singlet_band(points[:, :2], width=w)), points[:, :2]).mean() for w in (1.0, 2.0, 4.0)
    ]
    np.testing.assert_allclose(shares, [0.683, 0.954, 1.0], atol=0.02)


def test_a_band_scales_with_its_axes_and_ignores_the_order_of_the_events() -> None:
    points, _ = tube(5, n=4000)
    pairs = points[points[:, 0] > 30e3][:, :2]
    first = found(singlet_band(pairs))
    other = found(singlet_band(np.random.default_rng(0).permutation(pairs)))
    np.testing.assert_allclose(first.vertices, other.vertices, rtol=1e-9)
    assert other.confidence == pytest.approx(first.confidence)
    scaled = found(singlet_band(pairs / [1000, 500]))
    np.testing.assert_allclose(scaled.vertices * [1000, 500], first.vertices, rtol=1e-3, atol=50)


# ------------------------------------------------------------------ main cloud


@pytest.mark.parametrize(
    ("mixture", "debris"),
    [(PBMC, 0.08), (BLOOD, 0.08), (DIGEST, 0.4), (PBMC, 0.02)],
    ids=["PBMC", "blood", "digest", "washed PBMC"],
)
@pytest.mark.parametrize("n", [3_000, 20_000])
def test_all_kinds_of_cells_are_kept_and_debris_is_left_out(mixture: tuple, debris: float, n: int) -> None:
    points, kinds = tube(7, mixture, n=n, debris=debris)
    kept = inside(found(main_cloud(points[:, [0, 2]])), points[:, [0, 2]])
    assert kept[kinds["cells"]].mean() > 0.97
    for k in range(len(mixture)):
        assert kept[kinds[f"kind {k}"]].mean() > 0.9
    assert kept[kinds["debris"]].mean() < 0.25
    assert not kept[kinds["at top"]].any()


def test_without_debris_all_cells_are_outlined() -> None:
    points, kinds = tube(8, debris=0.0)
    region = found(main_cloud(points[:, [0, 2]]))
    assert region.saw["floor_kind"] == 2
    assert inside(region, points[:, [0, 2]])[kinds["cells"]].mean() > 0.98


def test_lymphocytes_are_not_debris_beside_large_tumour_cells() -> None:
    points, kinds = tube(9, ((0.3, LYMPHOCYTES), (0.7, TUMOUR)), debris=0.0)
    kept = inside(found(main_cloud(points[:, [0, 2]])), points[:, [0, 2]])
    assert kept[kinds["kind 0"]].mean() > 0.97


@pytest.mark.slow
def test_in_a_small_digest_lymphocytes_are_not_taken_for_debris() -> None:
    """The valley between lymphocytes and granulocytes may be the only one that 3,000 events show."""
    kept = []
    for seed in range(40):
        points, kinds = tube(seed, DIGEST, n=3000, debris=0.4, doublets=0.1)
        answer = main_cloud(points[:, [0, 2]])
        if isinstance(answer, RegionFound):
            kept.append(inside(answer, points[:, [0, 2]])[kinds["kind 0"]].mean())
    assert len(kept) >= 36
    assert min(kept) > 0.9


def test_two_scales_that_disagree_about_the_debris_lower_the_confidence() -> None:
    """A group of small events, too broad for cells and too narrow for debris, may go to either side."""
    rng = np.random.default_rng(1)
    debris, small, large = (
        rng.exponential(6e3, 4000) + 4e3,
        rng.normal(25e3, 7e3, 2500),
        rng.normal(60e3, 8e3, 6000),
    )
    floors = [find_floor(np.concatenate(sizes), None, 0.02, np.random.default_rng(0)) for sizes in
              ([debris, small, large], [debris, large])]  # fmt: skip
    unclear, clear = (floor.confidence if floor else 0.0 for floor in floors)
    assert unclear < 0.9 < clear


@pytest.mark.parametrize("threshold", [1e3, 2e3, 4e3])
def test_debris_cut_off_by_the_detection_threshold_is_not_cells_that_stand_clear(threshold: float) -> None:
    rng = np.random.default_rng(23)
    points = np.column_stack([threshold + rng.exponential(12e3, 5000), rng.exponential(20e3, 5000)])
    assert isinstance(main_cloud(points), Abstention)


def test_the_densest_cloud_is_the_lymphocytes() -> None:
    points, kinds = tube(10, n=20_000)
    kept = inside(found(main_cloud(points[:, [0, 2]], mode="densest")), points[:, [0, 2]])
    assert kept[kinds["kind 0"]].mean() > 0.9
    assert kept[kinds["kind 1"]].mean() < 0.15
    assert kept[kinds["debris"]].mean() < 0.1


def test_sizes_that_run_on_to_the_lowest_have_no_boundary_unless_a_floor_is_told() -> None:
    rng = np.random.default_rng(11)
    points = np.column_stack([rng.exponential(40e3, 5000), rng.exponential(20e3, 5000)])
    answer = main_cloud(points)
    assert isinstance(answer, Abstention)
    assert answer.reason.startswith("no boundary between debris and cells")
    told = found(main_cloud(points, floor=30e3))
    assert told.vertices[:, 0].min() >= 30e3
    assert told.saw["floor"] == 30e3


def test_a_valley_is_believed_before_a_floor() -> None:
    points, _ = tube(12)
    pairs = points[:, [0, 2]]
    np.testing.assert_array_equal(
        found(main_cloud(pairs, floor=1.0)).vertices, found(main_cloud(pairs)).vertices
    )


def test_a_cloud_scales_with_its_axes_and_ignores_the_order_of_the_events() -> None:
    points, _ = tube(13, n=4000)
    pairs = points[:, [0, 2]]
    first = found(main_cloud(pairs))
    other = found(main_cloud(np.random.default_rng(0).permutation(pairs)))
    np.testing.assert_allclose(other.vertices, first.vertices, rtol=1e-9)
    assert other.confidence == first.confidence
    scaled = found(main_cloud(pairs / TOP))
    agree = inside(scaled, pairs / TOP) == inside(first, pairs)
    assert agree.mean() > 0.995


def test_dropping_nine_events_of_ten_keeps_the_same_cells() -> None:
    points, _ = tube(14, n=30_000)
    pairs = points[:, [0, 2]]
    whole = inside(found(main_cloud(pairs)), pairs).mean()
    tenth = inside(found(main_cloud(pairs[::10])), pairs).mean()
    assert tenth == pytest.approx(whole, rel=0.03)


@pytest.mark.parametrize(("rule", "axes"), [("singlet band", [0, 1]), ("main cloud", [0, 2])])
def test_scatter_regions_say_within_which_share_of_the_events_they_lie(rule: str, axes: list[int]) -> None:
    for seed in range(4):
        points, _ = tube(seed, n=4000)
        answer = found(REGIONS[rule].learn(points[:, axes]))
        assert answer.share is not None
        low, high = answer.share
        assert low <= answer.saw["inside"] <= high < low + 0.1
        assert inside(answer, points[:, axes]).mean() == pytest.approx(answer.saw["inside"], abs=0.005)


# --------------------------------------------------------------- hostile input

OF_SCATTER = ("singlet band", "main cloud")
NOTHING = {
    "none": np.empty((0, 2)),
    "two": np.array([[1.0, 2.0], [3.0, 4.0]]),
    "not numbers": np.full((500, 2), np.nan),
    "infinite": np.full((500, 2), np.inf),
    "all equal": np.ones((500, 2)),
    "a line": np.column_stack([np.linspace(0, 1, 500), np.zeros(500)]),
    "all negative": -np.random.default_rng(0).random((500, 2)),
}


@pytest.mark.parametrize("name", NOTHING)
@pytest.mark.parametrize("rule", REGIONS)
def test_points_without_a_shape_get_a_reason_and_no_region(rule: str, name: str) -> None:
    answer = REGIONS[rule].learn(NOTHING[name])
    if (rule, name) == ("singlet band", "all equal"):
        return  # they do have one ratio
    if name == "all negative" and rule not in OF_SCATTER:
        return  # only light has no values below zero
    assert isinstance(answer, Abstention)
    assert answer.reason


@pytest.mark.parametrize("rule", OF_SCATTER)
def test_points_that_are_not_finite_are_counted_and_change_nothing(rule: str) -> None:
    points, _ = tube(20, n=3000, debris=0.02)
    pairs = points[:, [0, 1]]
    strange = np.concatenate([pairs, [[np.nan, 1.0], [1.0, np.inf], [-np.inf, np.nan]]])
    clean, mixed = found(REGIONS[rule].learn(pairs)), found(REGIONS[rule].learn(strange))
    np.testing.assert_array_equal(mixed.vertices, clean.vertices)
    assert mixed.saw["nonfinite"] == 3
    assert mixed.n_events == 3000


@pytest.mark.parametrize("rule", [*OF_SCATTER, "density contour"])
def test_whole_numbers_with_ties_are_no_hindrance(rule: str) -> None:
    points, _ = tube(21, n=5000)
    answer = found(REGIONS[rule].learn(np.round(points[points[:, 0] > 20e3][:, [0, 1]] / 1000)))
    assert len(answer.vertices) >= 4


@pytest.mark.parametrize("rule", REGIONS)
def test_what_a_rule_says_of_strange_points_it_says_without_them(rule: str) -> None:
    rng = np.random.default_rng(22)
    pairs = np.concatenate([rng.normal(0.0, 1.0, (3000, 2)), rng.normal(5.0, 1.0, (1000, 2))]) + 20
    strange = np.concatenate([pairs, [[np.nan, 1.0], [1.0, np.inf], [-np.inf, np.nan]]])
    clean, mixed = REGIONS[rule].learn(pairs), REGIONS[rule].learn(strange)
    assert mixed.n_events == clean.n_events == 4000
    assert mixed.saw["nonfinite"] == 3
    if isinstance(clean, RegionFound):
        np.testing.assert_array_equal(found(mixed).vertices, clean.vertices)
    else:
        assert mixed.reason == clean.reason


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(GeometryError, match=r"points of shape \(n, 2\), not \(10,\)"):
        main_cloud(np.arange(10.0))
    with pytest.raises(TemplateError, match="mode is one of 'all cells', 'densest', not 'lymphocytes'"):
        main_cloud(np.ones((10, 2)), mode="lymphocytes")
    with pytest.raises(TemplateError, match="width lies between 0 and inf"):
        singlet_band(np.ones((10, 2)), width=-1.0)
    with pytest.raises(GeometryError, match="three finite vertices"):
        RegionFound(np.zeros((2, 2)), 0.5, 10, {})


@pytest.mark.slow
def test_every_real_tube_gets_a_cloud_and_a_band_or_a_reason(real_data: Path) -> None:
    import flowio

    answers = []
    for path in sorted((real_data / "cytoexplorer_activation" / "Activation").glob("*.fcs")):
        events = flowio.FlowData(path).as_array()
        cloud = found(main_cloud(events[:, [0, 3]]))
        cells = events[inside(cloud, events[:, [0, 3]])]
        answers += [cloud, found(singlet_band(cells[:, [0, 1]]))]
    assert len(answers) == 16
    assert (
        min(answer.confidence for answer in answers) > 0.3
    )  # of being within a tenth of the best, which is little
