"""Cohorts: which of a row of numbers stands out, and how seldom chance says so."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from gating.cohort import Peers, allowed, beside, stands
from gating.records import ABSTAINED, GateRecord

NO_ERRORS = [math.nan] * 7


def cut(value: float, tube: str, *, half: float = 0.0) -> GateRecord:
    return GateRecord(
        "T", "CD3", "valley", "own", (tube,), 1000, value, 1000 * value, 0.9, "learnt", keep="above",
        value_interval=(value - half, value + half),
    )  # fmt: skip


def peers(n: int, **groups: str) -> Peers:
    return Peers({f"D{i}": ("sample", groups) for i in range(n)})


def test_a_distance_can_be_checked_on_paper() -> None:
    # The median of 1 to 7 is 4, its median absolute deviation 2: one robust standard deviation is 2.9652.
    far, out = stands(10.0, [1, 2, 3, 4, 5, 6, 7], NO_ERRORS, error=math.nan)
    assert (far, out) == (pytest.approx(6 / 2.9652), False)
    assert stands(4.0, [1, 2, 3, 4, 5, 6, 7], NO_ERRORS, error=math.nan) == (0, False)


def test_what_a_cuts_own_error_explains_is_nothing_to_look_at() -> None:
    close = [1.0, 1.001, 0.999, 1.0, 1.002]
    assert stands(1.1, close, [0.01] * 5, error=0.03)[1]
    assert not stands(1.1, close, [0.01] * 5, error=0.04)[1]


def test_of_equal_numbers_another_is_as_far_as_their_errors_say_or_not_measurably() -> None:
    assert stands(9.0, [1.0] * 6, [math.nan] * 6, error=math.nan) == (0, False)
    assert stands(9.0, [1.0] * 6, [0.5] * 6, error=0.1) == (16, True)


@pytest.mark.parametrize("n", [5, 6, 7, 8, 12, 20, 60])
def test_of_a_hundred_cohorts_about_one_has_a_tube_flagged_by_chance(n: int) -> None:
    rng = np.random.default_rng(n)
    values = rng.normal(size=(4000, n))
    middle = np.median(values, axis=1, keepdims=True)
    spread = 1.4826 * np.median(np.abs(values - middle), axis=1)
    flagged = np.mean((np.abs(values - middle) / spread[:, None]).max(axis=1) > allowed(n))
    assert 0.003 < flagged < 0.018


@pytest.mark.parametrize("likeness", [0.0, 0.6, 0.9, 1.0])
@pytest.mark.parametrize("tubes", [2, 3])
def test_tubes_of_the_same_few_subjects_are_not_flagged_more_often_the_more_they_are(
    likeness: float, tubes: int
) -> None:
    rng = np.random.default_rng(8)
    subjects = [f"D{i // tubes}" for i in range(6 * tubes)]
    flagged = 0
    for _ in range(400):
        own = math.sqrt(likeness) * np.repeat(rng.normal(size=6), tubes)
        values = own + math.sqrt(1 - likeness) * rng.normal(size=6 * tubes)
        errors = [math.nan] * len(values)
        flagged += any(stands(v, values, errors, error=math.nan, subjects=subjects)[1] for v in values)
    assert flagged <= 0.03 * 400


def test_of_eight_tubes_of_four_subjects_none_is_the_odd_one_out() -> None:
    values = [1.0, 1.01, 1.02, 1.0, 0.99, 1.0, 0.98, 5.0]
    assert stands(5.0, values, [math.nan] * 8, error=math.nan)[1]
    subjects = ["A", "A", "B", "B", "C", "C", "D", "D"]
    assert not stands(5.0, values, [math.nan] * 8, error=math.nan, subjects=subjects)[1]


def test_a_subject_with_many_tubes_weighs_as_one() -> None:
    # One subject's six zeros would make zero the middle; of the five subjects it is 2, and the others lie 1 and 2 away.
    values, subjects = [0.0] * 6 + [1.0, 2.0, 3.0, 4.0], ["A"] * 6 + ["B", "C", "D", "E"]
    far, _ = stands(4.0, values, [math.nan] * 10, error=math.nan, subjects=subjects)
    assert far == pytest.approx((4 - 2) / 1.4826)


def two_visits(subjects: int, of_batch: int) -> Peers:
    return Peers(
        {
            f"D{i:02}{v}": ("sample", {"batch": f"{i // of_batch}", "subject": f"D{i:02}"})
            for i in range(subjects)
            for v in "ab"
        }
    )


def test_a_batch_of_too_few_subjects_is_compared_with_the_stain_however_many_tubes_it_has() -> None:
    among = two_visits(12, 3)
    found = beside({name: cut(1 + 0.01 * i, name) for i, name in enumerate(among.tubes)}, among)
    assert {(cohort.label, cohort.n) for cohort in found.values()} == {("stain", 24)}


def test_batches_of_four_subjects_lend_each_other_their_spread_and_not_their_place() -> None:
    rng, among = np.random.default_rng(3), two_visits(12, 4)
    places = {name: int(groups["batch"]) + 0.02 * rng.normal() for name, (_, groups) in among.tubes.items()}
    found = beside({name: cut(place, name) for name, place in places.items()}, among)
    assert {(cohort.label, cohort.n) for cohort in found.values()} == {(f"batch {i}", 8) for i in range(3)}
    assert not any(cohort.outlying for cohort in found.values())
    # Where the second batch has its cuts, a tube of the first stands out; the stain's own spread would hide it.
    wrong = places | {"D02b": 1.0}
    flagged = beside({name: cut(place, name) for name, place in wrong.items()}, among)
    assert [name for name, cohort in flagged.items() if cohort.outlying] == ["D02b"]
    assert flagged["D02b"].linear == pytest.approx(0, abs=50)


@pytest.mark.parametrize("batches", [2, 3, 5])
def test_of_batches_of_four_subjects_few_have_a_tube_flagged_by_chance(batches: int) -> None:
    among = Peers(
        {f"D{i:02}": ("sample", {"batch": str(i // 4), "subject": f"D{i:02}"}) for i in range(4 * batches)}
    )
    rng = np.random.default_rng(batches)
    flagged = 0
    for _ in range(200):
        records = {name: cut(float(rng.normal()), name) for name in among.tubes}
        records = {
            name: replace(r, value_interval=(math.nan, math.nan), interval=(math.nan, math.nan))
            for name, r in records.items()
        }
        flagged += any(cohort.outlying for cohort in beside(records, among).values())
    assert flagged <= 8


def test_the_one_cut_on_the_wrong_side_of_a_peak_stands_out() -> None:
    places = [1.0, 1.02, 0.97, 1.05, 0.99, 1.01, 1.6]
    records = {f"D{i}": cut(place, f"D{i}", half=0.03) for i, place in enumerate(places)}
    found = beside(records, peers(7))
    assert {name for name, cohort in found.items() if cohort.outlying} == {"D6"}
    assert (found["D6"].label, found["D6"].n, found["D6"].linear) == ("stain", 7, 1010)
    assert found["D6"].distance > 10


def test_fewer_than_five_different_cuts_say_nothing_of_each_other() -> None:
    shared = {f"D{i}": cut(1.0 + (i == 5), "FMO" if i < 5 else "D5") for i in range(6)}
    assert beside(shared, peers(6)) == {}
    assert beside({f"D{i}": cut(float(i), f"D{i}") for i in range(4)}, peers(4)) == {}


def test_a_batch_with_enough_tubes_is_compared_within_itself() -> None:
    tubes = {f"D{i}": ("sample", {"batch": str(i // 5)}) for i in range(10)}
    places = [1.0, 1.01, 1.02, 0.99, 0.98, 2.0, 2.01, 2.02, 1.99, 1.98]
    found = beside({f"D{i}": cut(place, f"D{i}") for i, place in enumerate(places)}, Peers(tubes))
    assert {cohort.label for cohort in found.values()} == {"batch 0", "batch 1"}
    assert not any(cohort.outlying for cohort in found.values())


def test_arm_and_timepoint_play_no_part() -> None:
    records = {f"D{i}": cut(1 + 0.01 * i, f"D{i}") for i in range(8)}
    blind = Peers({name: ("sample", {"batch": "1"}) for name in records})
    told = Peers({n: ("sample", {"batch": "1", "arm": "AB"[i % 2]}) for i, n in enumerate(records)})
    assert beside(records, blind) == beside(records, told)


def test_a_tube_that_found_nothing_is_neither_compared_nor_counted() -> None:
    records = {f"D{i}": cut(1 + 0.01 * i, f"D{i}") for i in range(6)}
    records["D5"] = replace(records["D5"], status=ABSTAINED, value=math.nan)
    found = beside(records, peers(6))
    assert "D5" not in found
    assert found["D0"].n == 5


def test_an_fmo_tube_is_compared_with_the_samples() -> None:
    tubes = {f"D{i}": ("sample", {}) for i in range(5)} | {"FMO": ("fmo", {})}
    records = {f"D{i}": cut(1 + 0.01 * i, f"D{i}") for i in range(5)} | {"FMO": cut(1.9, "FMO")}
    found = beside(records, Peers(tubes))
    assert (found["FMO"].n, found["FMO"].outlying) == (5, True)
