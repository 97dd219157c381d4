"""A study whose compensation is learnt from its own single stains, from its sheet to its result folder."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from cytometry.compensation import find_spillover
from cytometry.fcs import read_fcs
from cytometry.pipeline import run
from cytometry.simulate import simulate_study
from cytometry.study import check_study, read_study

ASKED = '\n[compensation]\nsource = "controls"\n'


def simulated(folder: Path) -> Path:
    """Write a study of one donor with bead controls, and no matrix in its files."""
    path = simulate_study(
        folder,
        subjects=1,
        batches=1,
        events={"": 3000, "single_stain": 3000, "unstained": 3000},
        seed=3,
        options=("single_stains", "no_artefacts"),
        spillover="identity",
        stains=("T",),
    )
    sheet = (folder / "samples.csv").read_text().splitlines()
    kept = [line for line in sheet if "_cells.fcs" not in line and "FMO" not in line]
    (folder / "samples.csv").write_text("\n".join(kept) + "\n")
    path.write_text(path.read_text() + ASKED)
    return path


@pytest.mark.slow
def test_the_matrix_of_the_controls_reaches_every_tube_and_is_not_learnt_twice(tmp_path: Path) -> None:
    path = simulated(tmp_path / "study")
    assert not [problem for problem in check_study(path) if problem.code.startswith("CYT33")]
    study = read_study(path)
    finished = run(study, tmp_path / "out")
    used = finished.gated("D01_baseline_T").spillover
    simulate_study(tmp_path / "true", subjects=1, batches=1, events=100, seed=3, stains=("T",))
    true = find_spillover(read_fcs(tmp_path / "true" / "fcs" / "D01_baseline_T.fcs"))
    assert used is not None
    assert true is not None
    assert abs(used.matrix - true.matrix).max() < 0.005
    table = pd.read_csv(tmp_path / "out" / "tables" / "spillovers.csv")
    assert set(table["batch"]) == {"B1"}
    assert table["error"].notna().all()
    kept = next((tmp_path / "out" / "gating" / "spillovers").iterdir())
    written = kept.stat().st_mtime_ns
    run(study, tmp_path / "out")
    assert kept.stat().st_mtime_ns == written


def test_a_study_without_single_stains_cannot_learn_from_controls(tmp_path: Path) -> None:
    path = simulate_study(tmp_path, subjects=1, batches=1, events=200, seed=1, stains=("T",))
    path.write_text(path.read_text() + ASKED)
    said = [problem for problem in check_study(path) if problem.severity == "error"]
    assert [problem.code for problem in said] == ["CYT332"]


def test_the_sheet_may_say_what_a_single_stain_was_stained_with(tmp_path: Path) -> None:
    path = simulate_study(
        tmp_path, subjects=1, batches=1, events=100, seed=1, options=("single_stains",), stains=("T",)
    )
    path.write_text(path.read_text() + ASKED)
    sheet = tmp_path / "samples.csv"
    lines = sheet.read_text().splitlines()
    written = [f"{line},{'stained' if at == 0 else ''}" for at, line in enumerate(lines)]

    def said_of(stained: str) -> list[str]:
        rows = [f"{one}{stained}" if "V450_beads" in one else one for one in written]
        sheet.write_text("\n".join(rows) + "\n")
        return [one.where for one in check_study(path) if one.code == "CYT330"]

    assert said_of("PD-1") == []
    assert said_of("V450-A") == []
    assert said_of("PD-L9") == ["stain T: B1_T_V450_beads"]
