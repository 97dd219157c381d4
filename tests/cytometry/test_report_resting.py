"""An endpoint is told to rest on a doubtful cut wherever that cut decides which cells it counts."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from small_run import PATH, Page, ics_rows, t_rows, write_run

from cytometry.folder import read_table, write_table, write_text
from cytometry.report import write_report
from cytometry.report.attention import notices
from cytometry.report.doubts import borrowed
from cytometry.report.endpoint_notices import borrowed_endpoints, outlying_endpoints
from cytometry.report.resting import declared_of, rests_on
from cytometry.report.verdict import needs_look, verdict
from cytometry.store import Run, open_run

NET = "IFN-g+ of CD8 T (stimulated minus unstimulated)"


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return write_run(tmp_path_factory.mktemp("run"), [*t_rows(), *ics_rows()])


@pytest.fixture
def folder(sound: Run, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound.folder, tmp_path / "run"))


def with_gates(folder: Path, stain: str, marker: str, tubes: tuple[str, ...] = (), **cells: object) -> Run:
    gates = read_table(folder, "gates")
    here = (gates["stain"] == stain) & (gates["marker"] == marker) & (gates["status"] == "learnt")
    if tubes:
        here &= gates["tube"].isin(tubes)
    for column, cell in cells.items():
        gates.loc[here, column] = cell
    write_table(folder, "gates", gates)
    return open_run(folder)


def test_a_sound_run_is_plainly_sound(sound: Run) -> None:
    assert not needs_look(sound)
    assert verdict(sound)[1:] == ["21 of 21 tubes gated; every gate found its boundary"]


def test_a_verdict_over_borrowed_cuts_counts_them_and_asks_for_a_look(folder: Path) -> None:
    run = with_gates(folder, "T", "PD-1", status="stand-in")
    result, gates, endpoints = verdict(run)
    assert result.startswith("Primary: PD-1+ of CD8 T changed from 17.5")
    # 20 measured tubes of two boundaries each; the FMO control is not measured.
    assert gates == "21 of 21 tubes gated; every gate has a boundary, 8 of 40 borrowed"
    assert endpoints == "Of 2 declared endpoints rest 1 on borrowed cuts: see below"
    assert needs_look(run)


def test_an_endpoint_on_borrowed_cuts_says_of_which_marker_in_how_many_tubes(folder: Path) -> None:
    run = with_gates(folder, "T", "PD-1", ("D1_control", "D2_control"), status="stand-in", learnt_from="FMO")
    (notice,) = borrowed_endpoints(run)
    assert notice.title == "Declared endpoint PD-1+ of CD8 T rests on borrowed cuts: PD-1 in 2 of 8 tubes"
    assert notice.text == "Learnt from the FMO control of another subject."
    assert notice.tubes == ("D1_control", "D2_control")


def test_controls_of_all_subjects_together_are_said_to_be_no_ones_own(folder: Path) -> None:
    tubes = "; ".join(f"D{n}_control_none" for n in (1, 2, 3))
    run = with_gates(
        folder, "ICS", "IFN-g", status="stand-in", learnt_from=tubes, reason="few, hence not by tail"
    )
    (notice,) = borrowed_endpoints(run)
    assert notice.title == f"Declared endpoint {NET} rests on borrowed cuts: IFN-g in 12 of 12 tubes"
    said = (
        "from the unstimulated controls of all subjects of the batch together, instead of the subject's own"
    )
    assert notice.text == f"Learnt {said}."
    assert said in [cell.text for cell in borrowed(run).grid.rows[0]]


def test_a_cut_above_the_base_of_an_endpoint_is_none_that_it_rests_on(folder: Path) -> None:
    assert borrowed_endpoints(with_gates(folder, "T", "CD45", status="pooled")) == []


def test_a_boolean_endpoint_rests_on_the_boundaries_of_its_operands(tmp_path: Path) -> None:
    run = write_run(tmp_path, t_rows())
    (file,) = (run.folder / "gating").glob("T.toml")
    text = file.read_text(encoding="utf-8")
    row = '\n[[population]]\nname = "not PD-1"\nparent = "CD8 T"\nboolean = "!PD-1+"\n'
    write_text(file, text + row)
    (endpoint,) = declared_of(open_run(run.folder))
    parent = PATH["PD-1"].rpartition("/")[0]
    lacking = {**endpoint, "population": f"{parent}/not PD-1"}
    assert set(rests_on(open_run(run.folder), lacking)) == {f"{parent}/not PD-1", PATH["PD-1"]}


def test_the_steps_between_base_and_population_are_rested_on(sound: Run) -> None:
    (endpoint, _) = declared_of(sound)
    of_leukocytes = {**endpoint, "base": "cells/CD45+"}
    assert set(rests_on(sound, of_leukocytes)) == {PATH["PD-1"], "cells/CD45+/CD8 T"}
    median = {**endpoint, "statistic": "median_intensity", "base": PATH["PD-1"]}
    assert rests_on(sound, median) == (PATH["PD-1"],)


def test_an_outlying_cut_of_a_declared_endpoint_comes_before_warnings_and_drift(folder: Path) -> None:
    checks = read_table(folder, "qc")
    checks.loc[0, ["check", "flag", "reason"]] = [
        "drift",
        "look",
        "the light of R660-A changes by -4.5 % over the run",
    ]
    write_table(folder, "qc", checks)
    run = with_gates(
        folder, "T", "PD-1", ("D2_control",), outlying="cut", cohort_linear=700.0, cohort_distance=25.0
    )
    (notice,) = outlying_endpoints(run)
    assert notice.title == "Declared endpoint PD-1+ of CD8 T: PD-1 cut stands apart in D2_control"
    assert notice.tubes == ("D2_control: Cut at 1,500, the cohort's at 700",)
    assert [one.kind for one in notices(run)] == ["outlying cut", "warning", "acquisition"]
    assert "CD8 (APC) signal changes by" in notices(run)[-1].title


def test_what_needs_a_look_is_on_the_page_in_those_words(folder: Path) -> None:
    run = with_gates(folder, "T", "PD-1", status="stand-in", learnt_from="FMO")
    page = Page(write_report(run, figures=False))
    assert "What needs a look" in page.text
    assert re.search(r'class="verdict look"', page.html)
