"""Counting beads from the FCS files to a concentration, where the truth is known."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

import cytometry
from cytometry.beads import find_beads
from cytometry.counts import CountedBy, absolute_counts
from cytometry.effects import paired_t
from cytometry.simulate import StudyPlan, read_truth, write_plan

# Beads shine in every detector; no cell is CD14+, FoxP3++ and PD-1+++ at once.
BEADS = """
[[population]]
name = "beads"
cuts = [
  { marker = "CD14", rule = "fixed", linear = 8000.0 },
  { marker = "FoxP3", rule = "fixed", linear = 8000.0 },
  { marker = "PD-1", rule = "fixed", linear = 9000.0 },
]

[[population]]
name = "not beads"
boolean = "!beads"

"""


def template_with_beads() -> str:
    """Return human_t with the beads taken out first."""
    text = (files("gating") / "templates" / "human_t.toml").read_text(encoding="utf-8")
    before, after = text.split("[[population]]", 1)
    after = after.replace('name = "cells"', 'name = "cells"\nparent = "not beads"', 1)
    return f"{before}{BEADS}[[population]]{after}".replace(
        'reference = "all events"', 'reference = "not beads"'
    )


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
    path.write_text(path.read_text().replace('template = "human_t"', 'template = "with_beads.toml"'))
    (path.parent / "with_beads.toml").write_text(template_with_beads(), encoding="utf-8")
    run, study = cytometry.run(path, tmp_path / "out"), cytometry.read_study(path)
    number = absolute_counts(run.table, study.tubes, CountedBy(), populations=["T cells"])
    assert number["reason"].eq("").all()
    truth = read_truth(tmp_path / "study").fractions.query("population == 'T cells' and tube in @number.tube")
    true = truth.set_index("tube")["density"][number["tube"]].to_numpy()
    ratio = number["value"].to_numpy() / true
    assert np.median(ratio) == pytest.approx(1.0, abs=0.1)
    table = run.table
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
    # The beads that the gate counts are those that are found without any gate.
    tube = str(number["tube"].iloc[0])
    channels = [
        channel.detector for channel in run.panel("T").channels if channel.role not in ("scatter", "time")
    ]
    found = find_beads(cytometry.read_fcs(run.locate(tube)), channels)
    assert found.sum() == pytest.approx(number["n_base"].iloc[0], rel=0.02)
