"""A run that was broken off, or repeated, ends with the results of an undisturbed one, and says what it did."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest

from cytometry.console import summary
from cytometry.errors import RunError
from cytometry.fcs import write_fcs
from cytometry.lock import locked
from cytometry.pipeline import run
from cytometry.record import codes_path, record_path
from cytometry.report import write_report
from cytometry.seal import seal
from cytometry.store import Run, open_run

EVENTS = 900
CHANNELS = ("V450-A", "B695-A", "Time")
STUDY = """\
[study]
name = "Small"
fcs_dir = "fcs"

[transform]
default = { w = 0.5 }

[stain.T]
template = "t.toml"

[stain.B]
template = "b.toml"

[[comparison]]
name = "temsirolimus against vehicle"
control = "vehicle"
treated = "temsirolimus"
primary = [{ stain = "T", population = "CD8 T" }]
"""
TEMPLATE = """\
[template]
name = "{name}"

[[population]]
name = "{first} cells"
cuts = [{{ marker = "{first}", rule = "valley" }}]

[[population]]
name = "{second} T"
parent = "{first} cells"
cuts = [{{ marker = "{second}", rule = "valley" }}]
"""
TUBES = [f"M{number}_{stain}" for stain in "TB" for number in range(4)]
CHANGED = "M2_T"
# Ends itself as kill -9 would, when it opens or renames a file for the n-th time whose name matches.
KILLED = """\
import os, re, signal, sys
from pathlib import Path
from cytometry.pipeline import run

wanted, pattern, left = sys.argv[3], re.compile(sys.argv[4]), int(sys.argv[5])

def watch(event, arguments):
    global left
    name = arguments[1] if event == "os.rename" else arguments[0] if event == "open" else ""
    if event == wanted and pattern.search(str(name)):
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(watch)
run(Path(sys.argv[1]), Path(sys.argv[2]))
"""
MOMENTS = {
    "opening": ("open", r"M1_T\.fcs$", 3),
    "learning": ("open", r"answers_.*jsonl$", 2),
    "scales": ("open", r"M3_T\.fcs$", 6),
    "the gates of a stain": ("os.rename", r"learnt_T\.json$", 1),
    "codes": ("os.rename", r"\.codes$", 3),
    "between codes and record": ("os.rename", r"tubes/.*\.json$", 2),
    "tables": ("os.rename", r"gates\.csv$", 1),
    "events": ("os.rename", r"events_T\.h5ad$", 1),
    "run.json": ("os.rename", r"run\.json$", 1),
    "seal": ("os.rename", r"sealed\.json$", 1),
}


def write_tube(path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    positive = rng.random((EVENTS, 2)) < (0.6, 0.4)
    stained = np.where(positive, 10 ** rng.normal(4, 0.15, (EVENTS, 2)), rng.normal(0, 60, (EVENTS, 2)))
    events = np.column_stack([stained, np.arange(EVENTS) / 100])
    markers = ("CD3", "CD8") if path.stem.endswith("T") else ("CD19", "CD20")
    write_fcs(path, events, CHANNELS, labels=(*markers, ""))


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a study of four mice in two stains, and its results."""
    folder = tmp_path_factory.mktemp("resume") / "study"
    (folder / "fcs").mkdir(parents=True)
    rows = ["file,subject,arm,stain"]
    for seed, tube in enumerate(TUBES):
        write_tube(folder / "fcs" / f"{tube}.fcs", seed)
        rows.append(f"{tube}.fcs,{tube[:2]},{('vehicle', 'temsirolimus')[seed % 2]},{tube[-1]}")
    panel = ["stain,detector,marker,fluorochrome,role"]
    panel += [f"T,{CHANNELS[0]},CD3,BV421,lineage", f"T,{CHANNELS[1]},CD8,PerCP-Cy5.5,lineage"]
    panel += [f"B,{CHANNELS[0]},CD19,BV421,lineage", f"B,{CHANNELS[1]},CD20,PerCP-Cy5.5,lineage"]
    for name, text in {
        "study.toml": STUDY,
        "t.toml": TEMPLATE.format(name="t", first="CD3", second="CD8"),
        "b.toml": TEMPLATE.format(name="b", first="CD19", second="CD20"),
        "panel.csv": "\n".join(panel) + "\n",
        "samples.csv": "\n".join(rows) + "\n",
    }.items():
        (folder / name).write_text(text, encoding="utf-8")
    run(folder, folder / "results")
    return folder


@pytest.fixture
def study(source: Path, tmp_path: Path) -> Path:
    """Return a copy of the study with its results, which a test may spoil."""
    return Path(shutil.copytree(source, tmp_path / "study"))


def results(folder: Path) -> dict[str, object]:
    """Return what a run found, without when and in how many steps it was found."""
    held: dict[str, object] = {}
    for pattern in ("tables/*.csv", "gating/*.toml", "gating/tubes/*.json", ".cache/*.codes"):
        held |= {str(path.relative_to(folder)): path.read_bytes() for path in folder.glob(pattern)}
    tubes = pd.read_csv(folder / "tables" / "tubes.csv", dtype=str, keep_default_na=False)
    held["tables/tubes.csv"] = tubes.drop(columns=["work", "why", "file"]).to_csv()
    for path in folder.glob("data/*.h5ad"):
        data = anndata.read_h5ad(path)
        held[path.name] = (list(data.obs_names), np.asarray(data.X).tobytes(), data.obs.to_csv())
    return held


def work(found: Run) -> dict[str, str]:
    """Return by tube whether its result was reused, or why it was gated."""
    tubes = found.tubes.set_index("tube")
    return {str(tube): str(row["why"] or row["work"]) for tube, row in tubes.iterrows()}


def spoil(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def kill_at(study: Path, out: Path, moment: str) -> None:
    words = [sys.executable, "-c", KILLED, str(study), str(out), *map(str, MOMENTS[moment])]
    ended = subprocess.run(words, capture_output=True, text=True, check=False)
    assert ended.returncode == -signal.SIGKILL, f"it was not killed: {ended.stderr[-2000:]}"


# --- What has not changed is not done again ------------------------------------------------------------------


def test_a_run_of_which_nothing_changed_stands_as_it_is(study: Path) -> None:
    run(study, study / "results")  # the copy lies elsewhere than the study it was copied from
    for path in (study / "fcs").iterdir():
        os.utime(path, (1, 1))  # the time of a file says nothing
    before = {path: path.stat().st_mtime_ns for path in (study / "results").rglob("*") if path.is_file()}
    again = run(study, study / "results")
    assert again.stood
    after = {path: path.stat().st_mtime_ns for path in (study / "results").rglob("*") if path.is_file()}
    same = {path for path in before if path.name not in {"lock", "writable"}}
    assert {path: after.get(path) for path in same} == {path: before[path] for path in same}


def test_a_moved_study_takes_every_result_along(study: Path, source: Path) -> None:
    moved = run(study, study / "results")
    assert not moved.stood, "run.json says where the files lie"
    assert set(work(moved).values()) == {"reused"}
    assert results(study / "results") == results(source / "results")


def test_one_changed_file_costs_its_own_tube_and_its_own_rules(study: Path) -> None:
    write_tube(study / "fcs" / f"{CHANGED}.fcs", 99)
    again = run(study, study / "results")
    assert work(again) == {tube: "file changed" if tube == CHANGED else "reused" for tube in TUBES}
    assert again.info["stains"]["B"]["learning"].startswith("reused")
    assert "2 answers of rules found, 6 known" in again.info["stains"]["T"]["learning"]
    fresh = run(study, study / "fresh")
    assert results(again.folder) == results(fresh.folder)


def test_results_are_the_same_side_by_side_and_after_a_change(study: Path) -> None:
    write_tube(study / "fcs" / f"{CHANGED}.fcs", 99)
    fresh = run(study, study / "fresh")
    both = run(study, study / "results", jobs=2)
    assert list(work(both).values()).count("reused") == len(TUBES) - 1
    assert results(both.folder) == results(fresh.folder)


@pytest.mark.slow
def test_results_are_the_same_on_a_cluster_one_of_whose_workers_is_killed(study: Path, source: Path) -> None:
    distributed = pytest.importorskip("distributed", reason="needs the extra: pip install 'cytometry[dask]'")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
    ) as local:
        pids = [worker.pid for worker in local.workers.values()]

        def kill(stage: str, _: str, done: int, __: int) -> None:
            if stage == "gate T" and done == 1 and pids:
                os.kill(pids.pop(), signal.SIGKILL)

        found = run(study, study / "out", scheduler=local.scheduler_address, progress=kill)
        assert (found.tubes["status"] == "gated").all()
        assert results(found.folder) == results(source / "results")


def test_a_changed_rule_gates_its_stain_again_and_no_other(study: Path) -> None:
    text = (study / "t.toml").read_text(encoding="utf-8")
    changed = text.replace('marker = "CD8", rule = "valley"', 'marker = "CD8", rule = "fixed", linear = 900')
    (study / "t.toml").write_text(changed, encoding="utf-8")
    again = run(study, study / "results")
    assert work(again) == {t: "gates changed" if t.endswith("T") else "reused" for t in TUBES}
    assert "0 answers of rules found, 4 known" in again.info["stains"]["T"]["learning"]
    assert results(again.folder) == results(run(study, study / "fresh").folder)


def test_another_name_of_the_comparison_gates_nothing_again(study: Path) -> None:
    text = (study / "study.toml").read_text(encoding="utf-8")
    (study / "study.toml").write_text(text.replace("temsirolimus against", "drug against"), encoding="utf-8")
    again = run(study, study / "results")
    assert set(work(again).values()) == {"reused"}
    assert set(again.contrasts["comparison"]) == {"drug against vehicle"}


def test_the_order_of_the_sheet_gates_nothing_again(study: Path) -> None:
    head, *rows = (study / "samples.csv").read_text(encoding="utf-8").splitlines()
    (study / "samples.csv").write_text("\n".join([head, *reversed(rows)]) + "\n", encoding="utf-8")
    assert set(work(run(study, study / "results")).values()) == {"reused"}


def test_a_tube_that_left_the_sheet_leaves_nothing(study: Path) -> None:
    lines = (study / "samples.csv").read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if not line.startswith(f"{CHANGED}.")]
    (study / "samples.csv").write_text("\n".join(kept) + "\n", encoding="utf-8")
    run(study, study / "results")
    assert not record_path(study / "results", CHANGED).exists()
    assert not codes_path(study / "results", CHANGED).exists()


# --- What is not as it was written is not believed ------------------------------------------------------------


@pytest.mark.parametrize("path", [record_path, codes_path])
def test_half_a_result_is_done_again_and_said(study: Path, source: Path, path: object) -> None:
    run(study, study / "results")
    spoil(path(study / "results", CHANGED))  # type: ignore[operator]
    again = run(study, study / "results")
    lost = "its stored result is gone or was altered"
    assert work(again) == {tube: lost if tube == CHANGED else "reused" for tube in TUBES}
    assert results(again.folder) == results(source / "results")


def test_a_record_of_one_tube_in_anothers_place_is_not_taken(study: Path, source: Path) -> None:
    folder = study / "results"
    shutil.copy(record_path(folder, "M1_T"), record_path(folder, CHANGED))
    shutil.copy(codes_path(folder, "M1_T"), codes_path(folder, CHANGED))
    assert results(run(study, folder).folder) == results(source / "results")


@pytest.mark.parametrize("name", ["learnt_T.json", "answers_T.jsonl"])
def test_half_a_memory_costs_only_what_it_lost(study: Path, source: Path, name: str) -> None:
    spoil(study / "results" / ".cache" / name)
    again = run(study, study / "results")
    assert set(work(again).values()) == {"reused"}
    assert results(again.folder) == results(source / "results")


def test_a_table_that_was_altered_by_hand_is_written_again(study: Path, source: Path) -> None:
    run(study, study / "results")
    table = study / "results" / "tables" / "statistics.csv"
    table.write_text(table.read_text(encoding="utf-8").replace("CD8 T", "CD8 X"), encoding="utf-8")
    assert not run(study, study / "results").stood
    assert table.read_bytes() == (source / "results" / "tables" / "statistics.csv").read_bytes()


def test_the_report_stands_as_long_as_its_results_do(study: Path) -> None:
    finished = run(study, study / "results")
    report = write_report(finished, figures=False)
    seal(finished.folder)
    assert run(study, study / "results").stood
    write_tube(study / "fcs" / f"{CHANGED}.fcs", 99)
    run(study, study / "results")
    assert not report.exists(), "a report of other results is none"


def test_the_summary_says_what_stood_and_what_was_gated_and_why(study: Path) -> None:
    first = summary(run(study, study / "fresh"))
    assert not any("reused" in line for line in first)
    assert summary(run(study, study / "fresh"))[0] == "nothing has changed: all results of 8 tubes stand"
    write_tube(study / "fcs" / f"{CHANGED}.fcs", 99)
    assert summary(run(study, study / "fresh"))[0] == "reused 7 of 8 tubes; gated 1: file changed"
    spoil(codes_path(study / "fresh", CHANGED))
    text = (study / "b.toml").read_text(encoding="utf-8")
    (study / "b.toml").write_text(text.replace('"CD20 T"', '"CD20 B"'), encoding="utf-8")
    said = summary(run(study, study / "fresh"))[0]
    assert said == "reused 3 of 8 tubes; gated 5: 1 its stored result is gone or was altered, 4 gates changed"


# --- One run on a folder at a time ----------------------------------------------------------------------------


def test_the_second_run_on_a_folder_hears_who_is_at_work(study: Path) -> None:
    words = [sys.executable, "-c", HOLDS, str(study / "results")]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        try:
            with pytest.raises(
                RunError, match=rf"in use by another run \(process {holder.pid} on .*, since 2"
            ):
                run(study, study / "results")
        finally:
            holder.send_signal(signal.SIGKILL)
    assert (study / "results" / ".cache" / "lock").exists(), "it was killed, and left its file"
    assert (run(study, study / "results").tubes["status"] == "gated").all()


HOLDS = """\
import sys, time
from pathlib import Path
from cytometry.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_lock_is_free_again_when_its_run_has_ended(tmp_path: Path) -> None:
    for _ in range(2):
        with locked(tmp_path), pytest.raises(RunError, match="in use by another run"), locked(tmp_path):
            pass


# --- Killed, full, gone ---------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_run_killed_while_it_learns_is_completed_by_the_next(study: Path, source: Path) -> None:
    kill_at(study, study / "killed", "the gates of a stain")
    with pytest.raises(RunError, match="holds no finished run"):
        open_run(study / "killed")
    again = run(study, study / "killed")
    assert "0 answers of rules found, 8 known" in again.info["stains"]["T"]["learning"]
    assert results(again.folder) == results(source / "results")


def test_a_killed_run_has_lost_no_more_than_the_tube_in_work(study: Path, source: Path) -> None:
    kill_at(study, study / "killed", "between codes and record")
    again = run(study, study / "killed")
    assert list(work(again).values()).count("reused") == 1, "it was killed when the second tube was written"
    assert all(about["learning"].startswith("reused") for about in again.info["stains"].values())
    assert results(again.folder) == results(source / "results")


@pytest.mark.slow
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_run_may_be_killed_at_any_moment(study: Path, source: Path, moment: str) -> None:
    kill_at(study, study / "killed", moment)
    again = run(study, study / "killed")
    assert results(again.folder) == results(source / "results")
    left = [path for path in again.folder.rglob("*.part") if path.is_file()]
    assert left == [], "half-written files are taken away"


@pytest.mark.slow
def test_workers_and_all_may_be_killed_from_outside_at_any_time(study: Path, source: Path) -> None:
    out = study / "killed"
    words = [sys.executable, "-m", "cytometry", "run", str(study), "-o", str(out), "-j", "2"]
    for seconds in (1.0, 2.0, 3.0, 4.5, 6.0):
        with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
            time.sleep(seconds)
            running.kill()
    assert results(run(study, out).folder) == results(source / "results")


def test_a_tube_that_cannot_be_written_fails_alone_and_is_completed_later(study: Path, source: Path) -> None:
    out = study / "out"
    record_path(out, CHANGED).mkdir(parents=True)
    found = run(study, out)
    status = found.tubes.set_index("tube")
    assert status.loc[CHANGED, "status"] == "failed"
    assert "cannot write" in status.loc[CHANGED, "message"]
    assert (status.drop(CHANGED)["status"] == "gated").all()
    record_path(out, CHANGED).rmdir()
    again = run(study, out)
    assert list(work(again).values()).count("reused") == len(TUBES) - 1
    assert results(out) == results(source / "results")


FULL = """\
import resource, signal, sys
from pathlib import Path
from cytometry.pipeline import run
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (200, resource.RLIM_INFINITY))
try:
    run(Path(sys.argv[1]), Path(sys.argv[2]))
except Exception as error:
    print(type(error).__name__, error)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(resource, "RLIMIT_FSIZE"), reason="this system does not limit files")
def test_where_nothing_can_be_written_it_is_said_and_completed_when_there_is_room(
    study: Path, source: Path
) -> None:
    out = study / "out"
    words = [sys.executable, "-c", FULL, str(study), str(out)]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    assert said.startswith("RunError")
    assert "cannot write" in said
    assert "make room" in said
    with pytest.raises(RunError, match="holds no finished run"):
        open_run(out)
    assert results(run(study, out).folder) == results(source / "results")


@pytest.mark.slow
def test_a_full_disk_is_an_error_that_a_larger_one_mends(study: Path, source: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("file systems cannot be mounted here")
    try:
        with pytest.raises(RunError, match=r"cannot write .*No space left"):
            run(study, disk / "out")
        subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
        again = run(study, disk / "out")
        assert results(again.folder) == results(source / "results")
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize("stage", ["learn T", pytest.param("gate T", marks=pytest.mark.slow)])
def test_a_file_that_vanishes_in_mid_run_fails_alone_and_is_completed_later(
    study: Path, source: Path, stage: str
) -> None:
    file, out = study / "fcs" / f"{CHANGED}.fcs", study / "out"

    def vanish(said: str, *_: object) -> None:
        if said == stage and file.exists():
            file.rename(study / "elsewhere")

    found = run(study, out, progress=vanish)
    status = found.tubes.set_index("tube")
    assert status.loc[CHANGED, "status"] == "failed"
    assert f"{CHANGED}.fcs" in status.loc[CHANGED, "message"]
    assert (status.drop(CHANGED)["status"] == "gated").all()
    (study / "elsewhere").rename(file)
    assert results(run(study, out).folder) == results(source / "results")


def test_a_file_that_is_written_to_in_mid_run_is_not_believed(study: Path) -> None:
    file = study / "fcs" / f"{CHANGED}.fcs"

    def write(stage: str, *_: object) -> None:
        if stage == "learn T":
            write_tube(file, 99)

    found = run(study, study / "out", progress=write)
    status = found.tubes.set_index("tube")
    assert status.loc[CHANGED, "status"] == "failed"
    assert "was written to while it was read" in status.loc[CHANGED, "message"]
