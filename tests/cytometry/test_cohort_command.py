"""``cytometry run FOLDER --strategy FILE``: what it prints, where, and the exit code that a script can rely on."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cytometry.fcs import write_fcs
from gating.columns import Dimension
from gating.gates import Interval
from gating.scales import Linear
from gating.strategy import GatingStrategy, Population

CHANNELS = ("FSC-A", "B530-A", "R670-A")
HEAVY = {"anndata", "scanpy", "matplotlib", "flowkit", "seaborn", "pandas"}


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    """Return a folder of three files, with a strategy and a spillover beside it."""
    (tmp_path / "fcs").mkdir()
    for seed in range(3):
        events = np.random.default_rng(seed).uniform(0, 1000, (500, 3))
        write_fcs(tmp_path / "fcs" / f"D{seed}.fcs", events, CHANNELS)
    dimensions = {"B530-A": Dimension("B530-A", Linear())}
    strategy = GatingStrategy(dimensions, (Population("bright", Interval("B530-A", low=500.0)),))
    (tmp_path / "strategy.json").write_text(json.dumps(strategy.to_dict()), encoding="utf-8")
    (tmp_path / "spill.csv").write_text(",B530-A,R670-A\nB530-A,1,0.3\nR670-A,0.3,1\n", encoding="utf-8")
    return tmp_path


def cytometry(*arguments: object, inside: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cytometry", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=inside)


def counts(table: str, inside: Path) -> list[float]:
    lines = (inside / table.strip()).read_text(encoding="utf-8").splitlines()
    columns = lines[0].split(",")
    rows = [dict(zip(columns, line.split(","), strict=True)) for line in lines[1:]]
    return [float(row["value"]) for row in rows if row["statistic"] == "count" and row["value"]]


def test_a_cohort_is_gated_by_one_command(cohort: Path) -> None:
    told = cytometry("run", "fcs", "--strategy", "strategy.json", "-o", "out", "-j", 2, inside=cohort)
    assert told.returncode == 0, told.stderr
    assert told.stdout == f"{Path('out', 'tables', 'statistics.csv')}\n"
    assert "D0.fcs and 2 more: is not compensated" in told.stderr
    assert told.stderr.endswith("3 of 3 tubes gated\n")
    assert len(counts(told.stdout, cohort)) == 3


def test_a_given_spillover_changes_the_counts(cohort: Path) -> None:
    plain = cytometry("run", "fcs", "--strategy", "strategy.json", "-o", "plain", inside=cohort)
    given = cytometry(
        "run", "fcs", "--strategy", "strategy.json", "--spillover", "spill.csv", "-o", "given", inside=cohort
    )
    assert "not compensated" not in given.stderr
    assert counts(plain.stdout, cohort) != counts(given.stdout, cohort)


def test_results_go_beside_the_files_where_no_place_is_named(cohort: Path) -> None:
    told = cytometry("run", "fcs", "--strategy", "strategy.json", inside=cohort)
    assert told.stdout == f"{Path('fcs', 'gated', 'tables', 'statistics.csv')}\n"


def test_a_file_that_fails_is_named_and_the_exit_code_is_4(cohort: Path) -> None:
    (cohort / "fcs" / "D1.fcs").write_bytes(b"no FCS")
    told = cytometry("run", "fcs", "--strategy", "strategy.json", "-o", "out", inside=cohort)
    assert told.returncode == 4
    assert "2 of 3 tubes gated\nfailed: D1: " in told.stderr


def test_a_second_run_says_what_stands(cohort: Path) -> None:
    for _ in range(2):
        told = cytometry("run", "fcs", "--strategy", "strategy.json", "-o", "out", inside=cohort)
    assert "reused 3 of 3 tubes" in told.stderr


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (("--strategy", "strategy.json", "--template", "human_t"), 2, "--template or --strategy"),
        (("--template", "human_t", "--spillover", "spill.csv"), 2, "--spillover goes with --strategy"),
        (("--strategy", "nothing.json"), 3, "nothing.json cannot be read"),
        (("--strategy", "strategy.json", "-j", "0"), 3, "give 1 or more"),
        (("--strategy", "strategy.json", "-j", "2", "--scheduler", "tcp://a:1"), 3, "not both"),
    ],
)
def test_what_cannot_be_is_said(cohort: Path, options: tuple[str, ...], code: int, said: str) -> None:
    told = cytometry("run", "fcs", *options, inside=cohort)
    assert told.returncode == code
    assert said in told.stderr


def test_the_command_shows_a_tube_and_loads_nothing_heavy(cohort: Path) -> None:
    script = f"""
import sys
from cytometry import cli
sys.argv = ["cytometry", "run", "fcs", "--strategy", "strategy.json", "-o", "out"]
try:
    cli.main()
except SystemExit as stop:
    print(stop.code, *sorted({{name.split('.')[0] for name in sys.modules}} & {HEAVY!r}))
"""
    told = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=cohort, check=True
    )
    assert told.stdout.splitlines()[1:] == ["0"]
    shown = cytometry("show", "out", "D0", inside=cohort)
    assert shown.stdout.startswith("all events  500\n  bright  ")
