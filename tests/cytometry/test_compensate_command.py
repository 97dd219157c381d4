"""``cytometry compensate``, ``power`` and ``templates``: what they print and write, and the exit codes."""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd
import pytest
from dyed import TRUE, controls

from cytometry import cli
from cytometry.compensation import read_spillover
from cytometry.spillovers import write_spillover
from gating.columns import Spillover


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("controls")
    controls(made)
    return made


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["cytometry", *map(str, arguments)])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    return int(stopped.value.code or 0)


def test_a_folder_of_controls_becomes_a_matrix_with_errors_and_a_check(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "spillover.csv"
    assert (
        run(monkeypatch, "compensate", folder, "-o", out, "--check", "--figure", tmp_path / "left.png") == 0
    )
    assert abs(read_spillover(out).matrix - TRUE.matrix).max() < 0.003
    assert len(pd.read_csv(tmp_path / "spillover_coefficients.csv")) == 16
    assert set(pd.read_csv(tmp_path / "spillover_residuals.csv")["verdict"]) == {"fine"}
    said = capsys.readouterr()
    assert said.out.splitlines()[0] == str(out)
    assert {"left.png", "left_events.png"} <= {path.name for path in tmp_path.iterdir()}
    assert "0 of 12 slopes prove an error" in said.err


def test_a_wrong_matrix_ends_with_review_and_names_the_pair(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    matrix = TRUE.matrix.copy()
    matrix[0, 1] = 0.25
    write_spillover(tmp_path / "old.csv", Spillover(TRUE.detectors, matrix))
    ends = run(
        monkeypatch, "compensate", folder, "--spillover", tmp_path / "old.csv", "-o", tmp_path / "o.csv"
    )
    assert ends == cli.REVIEW
    assert "over-compensated: FITC-A into PE-A -" in capsys.readouterr().err
    assert not (tmp_path / "o.csv").exists()


def test_control_names_a_detector_and_bad_grammar_is_a_usage_error(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "compensate", folder, "--control", "PE") == cli.USAGE
    assert run(monkeypatch, "compensate", folder, "--control", "PEE=PE-A") == cli.INVALID
    assert "has no PEE" in capsys.readouterr().err


def test_a_folder_that_is_not_there_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "compensate", tmp_path / "nowhere") == cli.INVALID
    assert "nowhere: is not there" in capsys.readouterr().err


def test_a_control_without_positives_ends_as_not_whole(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for file in folder.glob("*.fcs"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "PE.fcs").write_bytes((folder / "Unstained.fcs").read_bytes())
    out = tmp_path / "spillover.csv"
    assert run(monkeypatch, "compensate", tmp_path, "--control", "PE=PE-A", "-o", out) == cli.SOME_FAILED
    assert "error[CYT333] PE (PE-A)" in capsys.readouterr().err


def test_power_says_how_many_pairs_or_what_power_a_number_has(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "power", "--control", 16.8, "--treated", 12.7) == 0
    assert run(monkeypatch, "power", "--control", 16.8, "--treated", 12.7, "-n", 9) == 0
    needed, nine = capsys.readouterr().out.splitlines()
    assert needed == nine
    assert needed.startswith("9 pairs, 16.8 to 12.7 %: power 0.8")
    assert run(monkeypatch, "power", "--control", 168, "--treated", 12) == cli.USAGE
    assert "not 168 and 12" in capsys.readouterr().err
    assert run(monkeypatch, "power", "--control", 5, "--treated", 5) == cli.USAGE


def test_templates_lists_the_built_in_ones(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "templates") == 0
    assert "human_t" in capsys.readouterr().out
    assert run(monkeypatch, "templates", "--markers", "CD45,CD3,CD4,CD8,PD-1", "--species", "human") == 0
    assert "human" in capsys.readouterr().out.splitlines()[0]
