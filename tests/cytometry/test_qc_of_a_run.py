"""What quality control removes is seen by no rule and no gate, is listed with its reason, and is blind to the arm."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cytometry.checked import checked_path
from cytometry.errors import StudyError
from cytometry.fcs import write_fcs
from cytometry.pipeline import run
from cytometry.record import record_path
from cytometry.store import Run, open_run
from cytometry.study import check_study, read_study

N, CLOG = 6_000, slice(3_000, 3_200)
CHANNELS, LABELS = ("V450-A", "B695-A", "Time"), ("CD3", "CD8", "")
CLOGGED, SOUND = ("M0", "M3"), ("M1", "M2")
STUDY = """\
[study]
name = "Clogs"
fcs_dir = "fcs"

[transform]
default = {{ w = 0.5 }}

[stain.T]
template = "t.toml"
{more}
[[comparison]]
name = "temsirolimus against vehicle"
control = "vehicle"
treated = "temsirolimus"
primary = [{{ population = "CD8 T" }}]
"""
TEMPLATE = """\
[template]
name = "t"

[[population]]
name = "T cells"
cuts = [{ marker = "CD3", rule = "valley" }]

[[population]]
name = "CD8 T"
parent = "T cells"
cuts = [{ marker = "CD8", rule = "valley" }]
"""
PANEL = "detector,marker,fluorochrome,role\nV450-A,CD3,BV421,lineage\nB695-A,CD8,PerCP-Cy5.5,lineage\n"
ARMS = ("vehicle", "vehicle", "temsirolimus", "temsirolimus")


def events_of(number: int, *, clogged: bool) -> np.ndarray:
    """Return a tube's events; in its clog the light is far dimmer."""
    rng = np.random.default_rng(number)
    waits, light = rng.exponential(1 / 1_500, N), np.ones((N, 1))
    if clogged:
        waits[CLOG] *= 4
        light[CLOG] = 0.15
    bright = rng.random((N, 2)) < [0.6, 0.4]
    values = np.exp(rng.normal(np.where(bright, 8.5, 4.5), 0.5)) * light
    return np.column_stack([values, np.floor(np.cumsum(waits) / 1e-4) * 1e-4])


def written(folder: Path, *, arms: Sequence[str] = ARMS, more: str = "", without: bool = False) -> Path:
    """Write a study of four tubes, of which two clog; ``without`` the events of their clogs."""
    (folder / "fcs").mkdir(parents=True)
    for number in range(4):
        clogged = f"M{number}" in CLOGGED
        events = events_of(number, clogged=clogged)
        if without and clogged:
            events = np.delete(events, removed_rows(), axis=0)
        write_fcs(folder / "fcs" / f"M{number}.fcs", events, CHANNELS, labels=LABELS)
    sheet = [f"M{number}.fcs,M{number},{arm}" for number, arm in enumerate(arms)]
    (folder / "samples.csv").write_text("\n".join(["file,subject,arm", *sheet]) + "\n")
    (folder / "study.toml").write_text(STUDY.format(more=more))
    (folder / "t.toml").write_text(TEMPLATE)
    (folder / "panel.csv").write_text(PANEL)
    return folder


def removed_rows() -> np.ndarray:
    return np.arange(CLOG.start, CLOG.stop)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = written(tmp_path_factory.mktemp("clogs"))
    return run(folder, folder / "out")


def test_every_removed_event_is_in_a_row_with_its_reason(finished: Run) -> None:
    rows = finished.qc_intervals
    assert set(rows["tube"]) == set(CLOGGED)
    assert (rows["reason"] == "clog").all()
    assert rows["removed"].all()
    tubes = finished.tubes.set_index("tube")
    assert rows.groupby("tube")["n_events"].sum().to_dict() == tubes.loc[list(CLOGGED), "n_removed"].to_dict()
    assert (tubes.loc[list(SOUND), "n_removed"] == 0).all()
    shares = finished.qc[finished.qc["check"] == "removed"].set_index("tube")["value"]
    for tube in CLOGGED:
        assert shares[tube] == pytest.approx(tubes.loc[tube, "n_removed"] / N)
        assert tubes.loc[tube, "n_removed"] == pytest.approx(CLOG.stop - CLOG.start, abs=12)


def test_removed_events_never_count(finished: Run) -> None:
    for tube in CLOGGED:
        held = finished.gated(tube).membership
        gone = np.flatnonzero(~held.kept())
        assert np.isin(removed_rows()[10:-10], gone).all()
        assert not finished.membership(tube).iloc[gone].any(axis=None)
        rows = finished.table[finished.table["tube"] == tube].set_index(["population", "statistic"])
        assert rows.loc[("T cells", "fraction_of_parent"), "n_base"] == N - len(gone)
        assert rows.loc[("T cells", "count"), "value"] == finished.membership(tube)["T cells"].sum()
        assert finished.events(tubes=[tube]).n_obs == N - len(gone)
        assert f"removed by quality control: {len(gone)} of 6,000 events" in str(finished.gated(tube))


def test_no_rule_sees_a_removed_event(finished: Run, tmp_path: Path) -> None:
    first = finished.gated("M0").membership
    other = written(tmp_path / "other", without=True, more="\n[qc]\nremove = []\n")
    for tube in CLOGGED:
        gone = ~finished.gated(tube).membership.kept()
        events = events_of(int(tube[1]), clogged=True)[~gone]
        write_fcs(other / "fcs" / f"{tube}.fcs", events, CHANNELS, labels=LABELS)
    alone = run(other, other / "out")
    columns = ["tube", "population", "marker", "value", "n_events", "confidence"]
    pd.testing.assert_frame_equal(finished.gates[columns], alone.gates[columns], check_exact=True)
    np.testing.assert_array_equal(
        first.frame().to_numpy()[first.kept()], alone.gated("M0").membership.frame().to_numpy()
    )
    assert set(alone.qc_intervals["reason"]) == {"bubble"}  # where they were, hardly any came


def test_what_is_removed_does_not_depend_on_the_arm(finished: Run, tmp_path: Path) -> None:
    swapped = written(tmp_path / "swapped", arms=ARMS[::-1])
    other = run(swapped, swapped / "out")
    pd.testing.assert_frame_equal(finished.qc_intervals, other.qc_intervals, check_exact=True)
    pd.testing.assert_frame_equal(finished.qc, other.qc, check_exact=True)
    pd.testing.assert_frame_equal(finished.qc_channels, other.qc_channels, check_exact=True)


def test_a_resumed_run_removes_the_same_and_checks_no_tube_again(tmp_path: Path) -> None:
    folder = written(tmp_path / "study")
    before = run(folder, folder / "out")
    tables = {path.name: path.read_bytes() for path in (folder / "out" / "tables").glob("qc*.csv")}
    codes = before.gated("M0").membership.codes.copy()
    kept = checked_path(folder / "out", "M0")
    stamp = kept.stat().st_mtime_ns
    record_path(folder / "out", "M0").unlink()
    (folder / "out" / "run.json").unlink()
    (folder / "out" / ".cache" / "sealed.json").unlink()
    again = run(folder, folder / "out")
    assert kept.stat().st_mtime_ns == stamp
    assert {path.name: path.read_bytes() for path in (folder / "out" / "tables").glob("qc*.csv")} == tables
    np.testing.assert_array_equal(again.gated("M0").membership.codes, codes)
    assert dict(zip(again.tubes["tube"], again.tubes["work"], strict=True))["M1"] == "reused"


def test_what_a_study_removes_is_said_in_its_file_and_a_change_gates_anew(tmp_path: Path) -> None:
    folder = written(tmp_path / "study")
    run(folder, folder / "out")
    text = STUDY.format(more="\n[qc]\nremove = []\nevents = 50\n")
    (folder / "study.toml").write_text(text)
    limits = read_study(folder).limits
    assert (limits.remove, limits.events, limits.most_removed) == ((), 50, 0.2)
    kept = run(folder, folder / "out")
    assert kept.info["qc"]["remove"] == []
    assert not kept.qc_intervals["removed"].any()
    tubes = kept.tubes.set_index("tube")
    assert (tubes["n_removed"] == 0).all()
    assert tubes.loc["M0", "why"] in ("what quality control removes changed", "gates changed")
    flagged = kept.qc[(kept.qc["check"] == "rate break") & (kept.qc["flag"] == "look")]
    assert set(flagged["tube"]) == set(CLOGGED)


def test_a_tube_with_too_much_to_remove_is_kept_whole_and_flagged_or_fails_with_its_rows(
    tmp_path: Path,
) -> None:
    folder = written(tmp_path / "study", more="\n[qc]\nmost_removed = 0.01\n")
    kept = run(folder, folder / "out")
    tubes = kept.tubes.set_index("tube")
    assert (tubes["status"] == "gated").all()
    assert (tubes["n_removed"] == 0).all()
    look = kept.qc[(kept.qc["check"] == "removed") & (kept.qc["flag"] == "look")]
    assert set(look["tube"]) == set(CLOGGED)
    text = STUDY.format(more='\n[qc]\nmost_removed = 0.01\ntoo_much = "fail"\n')
    (folder / "study.toml").write_text(text)
    failed = run(folder, folder / "out").tubes.set_index("tube")
    assert (failed.loc[list(CLOGGED), "status"] == "failed").all()
    assert failed.loc["M0", "message"].startswith(
        "quality control: 3 % of the events are in stretches to remove (clog), more than 1 %"
    )
    assert (failed.loc[list(SOUND), "status"] == "gated").all()
    rows = open_run(folder / "out").qc_intervals
    assert set(rows["tube"]) == set(CLOGGED)
    assert not rows["removed"].any()


@pytest.mark.parametrize(
    ("line", "said", "hint"),
    [
        ("most_removed = 1.4", "'most_removed' in [qc] is 1.4", "less than or equal to 1"),
        ('remove = ["clogs"]', "entry 1 of 'remove' in [qc] is 'clogs'", "clog"),
        ('remove = "clog"', "'remove' in [qc] is 'clog'", 'remove = ["..."]'),
        ("slow = 2.0", "'slow' in [qc] is 2.0", "less than 1"),
        ('too_much = "drop"', "'too_much' in [qc] is 'drop'", "keep"),
        ("most_remove = 0.1", "there is no 'most_remove' in [qc]", "most_removed"),
        ('drift = "2 %"', "'drift' in [qc] is '2 %'", "number"),
    ],
)
def test_a_limit_that_makes_no_sense_is_told_with_its_line(
    tmp_path: Path, line: str, said: str, hint: str
) -> None:
    folder = written(tmp_path / "study", more=f"\n[qc]\n{line}\n")
    wrong = [problem for problem in check_study(folder) if problem.severity == "error"]
    (problem,) = wrong
    assert said in problem.message
    assert hint in problem.hint
    assert problem.where == "study.toml:12"
    with pytest.raises(StudyError):
        read_study(folder)
