"""The table of gates: which tube stands out, in its cut or in its fraction, is told and changes nothing."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from cytometry.gate_table import GATE_COLUMNS, gate_rows
from cytometry.study import SheetRow
from gating.records import ABSTAINED, GateRecord, Learnt
from gating.strategy import GatingStrategy

NOTHING = GatingStrategy({}, ())


def sheet(n: int = 8, **labels: str) -> dict[str, SheetRow]:
    return {f"D{i}": SheetRow(f"D{i}.fcs", f"D{i}", stain="T", **labels) for i in range(n)}


def record(tube: str, value: float = 1.0) -> GateRecord:
    return GateRecord(
        "T", "CD3", "valley", "own", (tube,), 900, value, 100 * value, 0.9, "learnt", keep="above",
        interval=(95 * value, 105 * value), value_interval=(value - 0.02, value + 0.02),
    )  # fmt: skip


def learnt(*values: float) -> dict[str, Learnt]:
    return {f"D{i}": Learnt(NOTHING, (record(f"D{i}", value),)) for i, value in enumerate(values)}


def counts(*of_thousand: int) -> dict[str, dict[str, int]]:
    return {f"D{i}": {"": 1000, "T": n} for i, n in enumerate(of_thousand)}


EVEN = (1.0, 1.01, 0.98, 1.03, 0.99, 1.02, 0.97, 1.0)
SHARES = (400, 420, 380, 440, 410, 390, 430, 405)


def test_every_row_has_every_column() -> None:
    rows = gate_rows(sheet(), learnt(*EVEN), counts(*SHARES))
    assert {tuple(row) for row in rows} == {GATE_COLUMNS}
    assert {row["outlying"] for row in rows} == {""}
    assert rows[0]["fraction"] == 0.4
    assert rows[0]["cohort_fraction"] == pytest.approx(0.4075)
    assert (rows[0]["cohort"], rows[0]["cohort_n"]) == ("stain", 8)
    assert (rows[0]["linear_low"], rows[0]["linear_high"]) == (95, 105)


def test_a_far_cut_and_a_far_fraction_are_told_apart() -> None:
    cut = gate_rows(sheet(), learnt(*EVEN[:7], 2.0), counts(*SHARES))
    assert [row["outlying"] for row in cut] == [""] * 7 + ["cut"]
    share = gate_rows(sheet(), learnt(*EVEN), counts(*SHARES[:7], 5))
    assert [row["outlying"] for row in share] == [""] * 7 + ["fraction"]
    assert share[7]["fraction_distance"] < -8
    both = gate_rows(sheet(), learnt(*EVEN[:7], 2.0), counts(*SHARES[:7], 5))
    assert both[7]["outlying"] == "cut and fraction"


def test_a_fraction_of_few_events_is_not_compared() -> None:
    few = counts(*SHARES[:7], 1) | {"D7": {"": 49, "T": 0}}
    rows = gate_rows(sheet(), learnt(*EVEN), few)
    assert math.isnan(rows[7]["fraction_distance"])
    assert rows[7]["fraction"] == 0


def test_a_binomial_wobble_of_small_parents_is_no_outlier() -> None:
    small = {f"D{i}": {"": 60, "T": n} for i, n in enumerate((24, 24, 24, 25, 24, 23, 24, 33))}
    assert {row["outlying"] for row in gate_rows(sheet(), learnt(*EVEN), small)} == {""}


def test_treated_tubes_are_compared_with_all_others_whatever_their_arm() -> None:
    blind = gate_rows(sheet(), learnt(*EVEN[:7], 2.0), counts(*SHARES))
    told = {
        name: replace(row, arm="AB"[i % 2], timepoint="12"[i % 2])
        for i, (name, row) in enumerate(sheet().items())
    }
    again = gate_rows(told, learnt(*EVEN[:7], 2.0), counts(*SHARES))
    assert list(map(str, again)) == list(map(str, blind))


def test_what_subjects_vary_by_is_no_outlier_however_alike_their_visits_are() -> None:
    # Donors of 48 to 70 % in three batches, two visits each: in one of the batches all but one are near 55 %.
    donors = (480, 560, 610, 700, 520, 590, 640, 570, 551, 552, 549, 611)
    rows = {
        f"D{i}{v}": SheetRow(f"D{i}{v}.fcs", f"D{i}{v}", stain="T", subject=f"D{i}", batch=f"B{i // 4}")
        for i in range(12)
        for v in "ab"
    }
    held = {name: {"": 100_000, "T": 100 * donors[int(name[1:-1])] + 50 * (name[-1] == "b")} for name in rows}
    shown = {name: Learnt(NOTHING, (record(name, 1 + 0.001 * i),)) for i, name in enumerate(rows)}
    found = gate_rows(rows, shown, held)
    assert {row["outlying"] for row in found} == {""}
    held["D5b"]["T"] = 2_000
    assert [row["tube"] for row in gate_rows(rows, shown, held) if row["outlying"]] == ["D5b"]


def test_another_tissue_is_another_cohort() -> None:
    mixed = {
        name: replace(row, tissue="spleen" if i < 4 else "tumour")
        for i, (name, row) in enumerate(sheet().items())
    }
    assert {row["cohort"] for row in gate_rows(mixed, learnt(*EVEN), counts(*SHARES))} == {""}


def test_a_boundary_that_was_not_found_has_no_fraction() -> None:
    lost = learnt(*EVEN)
    lost["D7"] = Learnt(NOTHING, (replace(record("D7"), status=ABSTAINED, value=math.nan),))
    last = gate_rows(sheet(), lost, counts(*SHARES[:7]) | {"D7": {"": 1000}})[7]
    assert math.isnan(last["fraction"])
    assert last["cohort"] == ""
