"""Ugly runs get their report all the same: one tube, sixty, long names, nothing found, one arm."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from small_run import Page, Row, changed_tables, t_rows, write_run

from cytometry.folder import read_table, write_table
from cytometry.report import write_report
from cytometry.store import Run, open_run

LONG = "CD45RA-APC-eFluor780-HI+"  # 24 letters


def report(run: Run, *, figures: bool = False) -> Page:
    page = Page(write_report(run, figures=figures))
    assert page.open == []
    assert "nan" not in page.text.lower().replace("nanometre", "").split()
    return page


def test_one_tube(tmp_path: Path) -> None:
    page = report(write_run(tmp_path / "out", [t_rows()[0]], compared=False), figures=True)
    assert "1 of 1 tube gated" in page.text
    assert "Nothing was compared" in page.text


def test_sixty_tubes_of_one_arm(tmp_path: Path) -> None:
    rows = [Row(f"tube{n:02}", f"D{n:02}", "control", 40 + n) for n in range(60)]
    page = report(write_run(tmp_path / "out", rows, compared=False))
    assert "60 of 60 tubes gated" in page.text
    assert "all samples (n = 60)" in page.text
    assert len(page.html) < 2_000_000


def test_every_gate_abstained(tmp_path: Path) -> None:
    rows = [replace(row, abstains=True) for row in t_rows() if row.kind == "sample"]
    page = report(write_run(tmp_path / "out", rows))
    assert "8 of 8 tubes gated; 1 gate needs a look" in page.text
    assert "could not be compared" in page.text
    assert "not found in 8 tubes" in page.text


def test_not_one_gate_was_found_at_all(tmp_path: Path) -> None:
    run = write_run(tmp_path / "out", [row for row in t_rows() if row.kind == "sample"], compared=False)
    gates = read_table(run.folder, "gates")
    write_table(run.folder, "gates", gates.assign(status="abstained", linear=np.nan, reason="no valley"))
    page = report(open_run(run.folder))
    assert "gates need a look" in page.text


def test_a_reason_that_pooling_repeats_is_said_once(tmp_path: Path) -> None:
    run = write_run(tmp_path / "out", [t_rows()[0]], compared=False)
    gates = read_table(run.folder, "gates")
    why = "no valley: one peak"
    write_table(
        run.folder, "gates", gates.assign(status="abstained", reason=f"{why}; pooled from all tubes: {why}")
    )
    page = report(open_run(run.folder))
    assert "No valley: one peak, of this tube as of all tubes pooled." in page.text
    assert f"pooled from all tubes: {why}" not in page.text


def test_an_empty_population_is_a_zero_and_not_a_gap(tmp_path: Path) -> None:
    rows = [replace(row, positive=0) for row in t_rows() if row.kind == "sample"]
    page = report(write_run(tmp_path / "out", rows))
    assert "PD-1+ CD8 T 0 0" in page.text


def test_forty_populations_with_long_names(tmp_path: Path) -> None:
    run = write_run(tmp_path / "out", [row for row in t_rows() if row.kind == "sample"])
    run = changed_tables(run, forty=LONG)
    page = report(run)
    assert page.text.count(LONG) > 40
    assert "All populations of the T stain" in page.text


def test_what_the_user_wrote_wrong_is_said_on_the_page(tmp_path: Path) -> None:
    run = write_run(tmp_path / "out", [t_rows()[0]], compared=False)
    (tmp_path / "miflowcyt.toml").write_text("purpos = 1\n", encoding="utf-8")
    info = run.info | {"study_file": str(tmp_path / "study.toml")}
    (run.folder / "run.json").write_text(json.dumps(info), encoding="utf-8")
    page = report(open_run(run.folder))
    assert "The checklist could not be made" in page.text
    assert "no item purpos" in page.text
