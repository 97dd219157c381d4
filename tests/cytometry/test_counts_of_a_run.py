"""Counting beads from the FCS files to a concentration, where the truth is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import cytometry
from cytometry.counts import absolute_counts
from cytometry.effects import paired_t
from cytometry.simulate import StudyPlan, read_truth, write_plan


@pytest.mark.slow
def test_where_monocytes_grow_a_run_finds_fewer_t_cells_in_share_and_as_many_per_ul(tmp_path: Path) -> None:
    plan = StudyPlan(
        scenario="closure",
        subjects=8,
        batches=1,
        events=6_000,
        stains=("T",),
        options=("counting_beads",),
        seed=3,
    )
    path = write_plan(tmp_path / "study", plan)
    run, study = cytometry.run(path, tmp_path / "out"), cytometry.read_study(path)
    table = run.table
    number = table[table["population"].str.endswith("/T cells") & (table["statistic"] == "cells_per_ul")]
    assert len(number) == 16
    assert number["reason"].eq("").all()
    again = absolute_counts(table, study.tubes, populations=["T cells"])
    assert np.array_equal(again["value"], number["value"])
    truth = read_truth(tmp_path / "study").fractions.query("population == 'T cells' and tube in @number.tube")
    true = truth.set_index("tube")["density"][number["tube"]].to_numpy()
    ratio = number["value"].to_numpy() / true
    assert np.median(ratio) == pytest.approx(1.0, abs=0.1)
    t_cells = table[
        table["population"].str.endswith("/T cells") & (table["statistic"] == "fraction_of_CD45+")
    ]

    def change(rows: object, *, log: bool) -> np.ndarray:
        wide = rows.pivot_table(index="subject", columns="timepoint", values="value")  # type: ignore[attr-defined]
        wide = np.log(wide) if log else wide
        return (wide["on_treatment"] - wide["baseline"]).to_numpy()

    share = paired_t(change(t_cells[t_cells["kind"] == "sample"], log=False))
    cells = paired_t(change(number, log=True))
    assert share.high < 0
    assert cells.low < 0 < cells.high
    # Counted without a gate, and shown to no rule: the cells are found beside them.
    assert "beads" not in run.strategy(str(number["tube"].iloc[0])).paths
    contrasts = run.contrasts[run.contrasts["population"].str.endswith("/T cells")].set_index("statistic")
    assert contrasts.loc["cells_per_ul", "ratio_high"] > 1 > contrasts.loc["fraction_of_parent", "ratio_high"]
