"""The command line: what it prints, where, and the exit code that a script can rely on."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cytometry
from cytometry import cli
from cytometry.errors import CytometryError
from cytometry.fcs import write_fcs

TEMPLATE = """\
[template]
name = "small"
lineage = ["CD8 T", "CD4 T"]

[[population]]
name = "T cells"
cuts = [{ marker = "CD3", rule = "valley" }]

[[population]]
name = "CD8 T"
parent = "T cells"
cuts = [{ marker = "CD8", rule = "valley" }]

[[population]]
name = "CD4 T"
parent = "T cells"
cuts = [{ marker = "CD8", keep = "below", rule = "valley" }]
"""
STUDY = """\
[study]
name = "Small"
fcs_dir = "fcs"

[stain.T]
template = "template.toml"

[[comparison]]
name = "temsirolimus against vehicle"
control = "vehicle"
treated = "temsirolimus"
primary = [{ population = "CD8 T" }]
"""
CHANNELS = ("V450-A", "B695-A", "Time")


def _write(path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    positive = rng.random((900, 2)) < (0.6, 0.4)
    stained = np.where(positive, 10 ** rng.normal(4, 0.15, (900, 2)), rng.normal(0, 60, (900, 2)))
    events = np.column_stack([stained, np.arange(900) / 100])
    write_fcs(path, events, CHANNELS, labels=("CD3", "CD8", ""))


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Return a study of four mice an arm, of 900 events each."""
    rows = ["file,subject,arm"]
    (tmp_path / "fcs").mkdir()
    for number in range(8):
        arm = ("vehicle", "temsirolimus")[number % 2]
        _write(tmp_path / "fcs" / f"M{number}.fcs", number)
        rows.append(f"M{number}.fcs,M{number},{arm}")
    panel = "detector,marker,fluorochrome,role\nV450-A,CD3,BV421,lineage\nB695-A,CD8,PerCP-Cy5.5,lineage\n"
    for name, text in {
        "study.toml": STUDY,
        "template.toml": TEMPLATE,
        "panel.csv": panel,
        "samples.csv": "\n".join(rows) + "\n",
    }.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Return a function that runs the command line, and gives exit code, stdout and stderr."""

    def run(*words: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["cytometry", *map(str, words)])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        printed = capsys.readouterr()
        return int(stopped.value.code or 0), printed.out, printed.err

    return run


def test_a_run_ends_with_the_path_of_its_report(command: Any, study: Path) -> None:
    code, out, err = command("run", study, "-o", study / "results")
    assert code == cli.OK, err
    report = Path(out.strip())
    assert report == study / "results" / "report.html"
    assert "CD8 T" in report.read_text(encoding="utf-8")
    assert "8 of 8 tubes gated" in err


def test_one_bad_tube_is_exit_4_and_the_others_are_finished(command: Any, study: Path) -> None:
    spoilt = study / "fcs" / "M3.fcs"
    spoilt.write_bytes(spoilt.read_bytes()[:-2000])
    code, out, err = command("run", study, "-o", study / "results")
    assert code == cli.SOME_FAILED, err
    assert "7 of 8 tubes gated" in err
    assert "M3.fcs" in err
    tubes = cytometry.open_run(study / "results").tubes.set_index("tube")
    assert tubes.loc["M3", "status"] == "failed"
    assert (tubes.drop("M3")["status"] == "gated").all()
    assert Path(out.strip()).is_file()


def test_an_invalid_study_is_exit_3_with_every_problem_and_no_traceback(command: Any, study: Path) -> None:
    sheet = study / "samples.csv"
    sheet.write_text(sheet.read_text(encoding="utf-8").replace("M1.fcs,M1", "M0.fcs,M1"), encoding="utf-8")
    template = study / "template.toml"
    template.write_text(TEMPLATE.replace('"CD3"', '"CD33"'), encoding="utf-8")
    code, out, err = command("run", study)
    assert code == cli.INVALID
    assert out == ""
    assert "Traceback" not in err
    assert "samples.csv:3" in err
    assert "CD33" in err
    assert "template.toml" in err


def test_check_lists_problems_as_json_for_a_script(command: Any, study: Path) -> None:
    (study / "fcs" / "M2.fcs").write_text("sample,donor\n1,2\n", encoding="utf-8")
    code, out, _ = command("check", study, "--json")
    problems = json.loads(out)
    assert code == cli.INVALID
    assert {"severity", "code", "where", "message", "hint"} == set(problems[0])
    assert any("M2.fcs" in problem["where"] + problem["message"] for problem in problems)


def test_a_result_folder_that_cannot_be_written_is_exit_3_and_named(command: Any, study: Path) -> None:
    (study / "taken").write_text("a file where a folder should be", encoding="utf-8")
    code, _, err = command("run", study, "-o", study / "taken")
    assert code == cli.INVALID
    assert "taken" in err
    assert "cannot write" in err


def test_wrong_words_are_exit_2(command: Any) -> None:
    assert command("frobnicate")[0] == cli.USAGE
    assert command("run")[0] == cli.USAGE


def test_our_own_bug_is_exit_1(command: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("cytometry.study.check_study", broken)
    code, _, err = command("check", tmp_path)
    assert code == cli.BUG
    assert "bug" in err


def test_an_interrupted_run_is_exit_130(
    command: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("cytometry.study.check_study", interrupted)
    assert command("check", tmp_path)[0] == cli.INTERRUPTED


def test_show_says_where_a_gate_lies_and_why(command: Any, study: Path) -> None:
    command("run", study, "-o", study / "results")
    code, out, _ = command("show", study / "results", "M0")
    assert code == cli.OK
    assert "T cells" in out
    assert "% of parent" in out
    code, out, _ = command("show", study / "results", "M0", "CD8 T")
    assert code == cli.OK
    assert "valley" in out
    assert "events" in out
    code, _, err = command("show", study / "results", "M9")
    assert code == cli.INVALID
    assert "M9" in err
    code, _, err = command("show", study / "results", "M0", "CD9 T")
    assert (code, "Traceback" in err) == (cli.INVALID, False)
    assert "did you mean CD8 T" in err


def test_what_a_folder_without_a_study_leaves_out_is_said(command: Any, study: Path) -> None:
    (study / "fcs" / "M7.fcs").rename(study / "fcs" / "M7_FMO.fcs")
    code, _, err = command("run", study / "fcs", "--template", study / "template.toml", "-o", study / "gated")
    assert code == cli.OK
    assert "M7_FMO.fcs: is not used: its name says fmo, and not which marker it lacks" in err
    assert "7 of 7 tubes gated" in err


def test_a_copy_of_a_file_is_not_taken_for_a_subject_unnoticed(command: Any, study: Path) -> None:
    fcs = study / "fcs"
    (fcs / "M5.fcs").write_bytes((fcs / "M1.fcs").read_bytes())
    code, _, err = command("run", study, "-o", study / "results")
    assert code == cli.OK
    assert "warning[CYT208] M1, M5: the files are the same to the byte" in err
    assert "CYT208" in set(cytometry.open_run(study / "results").problems["code"])


def test_a_folder_is_gated_without_a_study_file(command: Any, study: Path) -> None:
    words = ("run", study / "fcs", "--template", study / "template.toml", "-o", study / "gated")
    code, out, err = command(*words)
    assert code == cli.OK, err
    assert Path(out.strip()).is_file()
    finished = cytometry.open_run(study / "gated")
    assert finished.contrasts.empty
    assert finished.table["population"].str.endswith("CD8 T").any()


def test_a_tube_with_two_missing_cuts_counts_once_in_the_summary(command: Any, study: Path) -> None:
    cut = '{ marker = "CD3", rule = "valley" }'
    neither = '{ marker = "CD3", rule = "valley", between = "lowest", reference = "nothing" }'
    text = (study / "template.toml").read_text(encoding="utf-8")
    few = """
[[population]]
name = "nothing"
cuts = [{ marker = "CD3", rule = "fixed", linear = 1e9 }]

[[population]]
name = "T cells"
"""
    text = text.replace('[[population]]\nname = "T cells"\n', few.lstrip(), 1)
    both = f"{neither}, {neither.replace('CD3', 'CD8')}"
    (study / "template.toml").write_text(text.replace(cut, both, 1), encoding="utf-8")
    code, _, err = command("run", study, "-o", study / "results")
    assert code == cli.OK, err
    gates = cytometry.open_run(study / "results").gates
    assert len(gates[(gates["population"] == "T cells") & (gates["status"] == "abstained")]) == 16
    assert "no gate: T T cells in 8 tubes (M0, M1, M2 ...)" in err


def test_events_are_exported_for_other_programs(command: Any, study: Path) -> None:
    command("run", study, "-o", study / "results")
    code, out, err = command(
        "export", study / "results", "--to", "csv", "--population", "CD8 T", "--tube", "M0"
    )
    assert code == cli.OK, err
    exported = Path(out.strip()).read_text(encoding="utf-8").splitlines()
    finished = cytometry.open_run(study / "results")
    assert len(exported) - 1 == finished.gated("M0").membership.count("CD8 T")
    assert command("export", study / "results", "--to", "xml")[0] == cli.INVALID
    code, out, err = command("export", study / "results", "--to", "csv", "--population", "T cells/CD8 T")
    assert (code, Path(out.strip()).name) == (cli.OK, "events_T_T cells_CD8 T.csv"), err


def test_figures_are_drawn_at_journal_size(command: Any, study: Path) -> None:
    command("run", study, "-o", study / "results")
    code, out, err = command("figure", study / "results", "hierarchy", "--size", "nature1", "--format", "svg")
    assert code == cli.OK, err
    assert Path(out.strip()).read_text(encoding="utf-8").startswith("<?xml")
    code, _, err = command("figure", study / "results", "hierarchy", "--format", "gif")
    assert (code, "Traceback" in err) == (cli.INVALID, False)
    assert "pdf, svg, png, not as 'gif'" in err


def test_init_drafts_a_study_and_lists_its_guesses(command: Any, study: Path) -> None:
    code, out, err = command("init", study / "fcs", "-o", study / "draft")
    assert code == cli.OK, err
    assert Path(out.strip()).name == "study.toml"
    assert "guessed:" in err


def test_help_and_the_gating_core_load_nothing_heavy() -> None:
    heavy = "flowkit scanpy anndata seaborn matplotlib pandas scipy numba"
    for start in ("import gating", "import cytometry.cli", "from gating.membership import assign"):
        said = subprocess.run(
            [sys.executable, "-c", f"{start}\nimport sys\nprint(*set('{heavy}'.split()) & set(sys.modules))"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert said.stdout.strip() == "", start


def test_the_public_names_are_those_that_are_promised() -> None:
    promised = {
        "read_study",
        "run",
        "open_run",
        "gate_folder",
        "read_fcs",
        "write_fcs",
        "check_study",
        "init_study",
    }
    assert promised <= set(dir(cytometry))
    assert all(getattr(cytometry, name) is not None for name in cytometry.__all__)
    with pytest.raises(AttributeError, match="no attribute 'normalise'"):
        _ = cytometry.normalise
    assert issubclass(CytometryError, Exception)
