"""A cohort: many files, one given strategy; each file its own job, and none that stops another."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import cytometry
from cytometry.cohort import gate_cohort, summary
from cytometry.errors import RunError, StudyError
from cytometry.fcs import read_fcs, write_fcs
from cytometry.store import Run
from gating.columns import Columns, Dimension, Spillover
from gating.gates import Boolean, Interval, Operand, Rectangle
from gating.membership import assign_plainly
from gating.scales import Linear, Logicle
from gating.strategy import GatingStrategy, Population

CHANNELS = ("FSC-A", "B530-A", "R670-A")
LABELS = ("", "CD3", "CD8")
SPILL = Spillover(CHANNELS[1:], np.array([[1.0, 0.2], [0.05, 1.0]]))
LOGICLE = Logicle(t=262144, w=0.5, m=4.5, a=0)
CUT = float(LOGICLE.forward(1000.0))
HEAVY = {"anndata", "scanpy", "matplotlib", "flowkit", "seaborn", "pandas", "pydantic"}


@pytest.fixture
def strategy() -> GatingStrategy:
    dimensions = {
        "FSC-A": Dimension("FSC-A", Linear(), compensated=False),
        "CD3": Dimension("B530-A", LOGICLE),
        "CD8": Dimension("R670-A", LOGICLE),
    }
    cells = Population("cells", Rectangle(("FSC-A",), (20_000.0,), (200_000.0,)))
    t = Population("T", Interval("CD3", low=CUT), "cells")
    cd8 = Population("CD8 T", Interval("CD8", low=CUT), "cells/T")
    other = Population("other", Boolean("not", (Operand("cells/T/CD8 T"),)), "cells/T")
    return GatingStrategy(dimensions, (cells, t, cd8, other))


def write_tube(path: Path, seed: int, *, channels: tuple[str, ...] = CHANNELS, n_events: int = 3000) -> Path:
    rng = np.random.default_rng(seed)
    light = 10 ** rng.choice([1.5, 3.7], (n_events, 2)) * np.exp(rng.normal(0, 0.3, (n_events, 2)))
    size = np.exp(rng.normal(np.log(60_000), 0.4, (n_events, 1)))
    spill = Spillover(channels[1:], SPILL.matrix)
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_fcs(path, np.hstack([size, light @ SPILL.matrix]), channels, labels=LABELS, spillover=spill)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    for seed in range(5):
        write_tube(tmp_path / "fcs" / f"D{seed}.fcs", seed)
    return tmp_path / "fcs"


def results(folder: Path) -> dict[str, bytes]:
    """Return all that a run found, file by file; not when, and what of it an earlier run had found."""
    patterns = ("tables/*.csv", ".cache/*.codes", "gating/*.json", "gating/tubes/*.json")
    found = {path.name: path.read_bytes() for pattern in patterns for path in folder.glob(pattern)}
    tubes = Run(folder).tubes.drop(columns=["work", "why"])
    return {**found, "tubes.csv": tubes.to_csv().encode()}


def written(folder: Path) -> dict[str, int]:
    """Return when each tube's result was written."""
    return {path.name[:2]: path.stat().st_mtime_ns for path in (folder / "gating" / "tubes").glob("*.json")}


def test_a_cohort_holds_what_each_file_gives_by_itself(
    files: Path, strategy: GatingStrategy, tmp_path: Path
) -> None:
    run = gate_cohort(files, strategy, out=tmp_path / "out")
    assert list(run.tubes["tube"]) == ["D0", "D1", "D2", "D3", "D4"]
    table = run.table.set_index(["tube", "population", "statistic"])
    for tube in run.tubes["tube"]:
        columns = Columns(read_fcs(files / f"{tube}.fcs"), strategy.dimensions, SPILL)
        alone = assign_plainly(strategy, columns)
        np.testing.assert_array_equal(run.membership(tube).to_numpy(), alone.frame().to_numpy())
        for path, count in alone.counts().items():
            assert table.loc[(tube, path, "count"), "value"] == count
            fraction = table.loc[(tube, path, "fraction_of_parent")]
            assert fraction["value"] == alone.fraction(path)
            assert fraction["base"] == (path.rpartition("/")[0] or "all events")
    assert str(run.strategy("D0")) == str(strategy)


def test_the_number_of_processes_changes_no_byte(
    files: Path, strategy: GatingStrategy, tmp_path: Path
) -> None:
    for jobs in (1, 2):
        gate_cohort(files, strategy, out=tmp_path / f"out{jobs}", jobs=jobs)
    assert results(tmp_path / "out1") == results(tmp_path / "out2")


def test_a_dask_cluster_changes_no_byte(files: Path, strategy: GatingStrategy, tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed", reason="needs the extra: pip install 'cytometry[dask]'")
    gate_cohort(files, strategy, out=tmp_path / "out")
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=2, processes=True, dashboard_address=None, silence_logs=50
    ) as local:
        gate_cohort(files, strategy, out=tmp_path / "dask", scheduler=local.scheduler_address)
    assert results(tmp_path / "out") == results(tmp_path / "dask")


def test_a_file_that_cannot_be_gated_is_named_with_its_reason_and_the_others_go_on(
    files: Path, strategy: GatingStrategy, tmp_path: Path
) -> None:
    (files / "D1.fcs").write_bytes(b"FCS3.1 and no more")
    write_tube(files / "D3.fcs", 3, channels=("FSC-A", "B530-A", "R660-A"))
    run = gate_cohort(files, strategy, out=tmp_path / "out", jobs=2)
    status = run.tubes.set_index("tube")
    assert list(status["status"]) == ["gated", "failed", "gated", "failed", "gated"]
    assert "R670-A" in status.loc["D3", "message"]
    rows = run.table[(run.table["tube"] == "D3") & (run.table["statistic"] == "count")]
    assert list(rows["population"]) == list(strategy.paths)
    assert rows["value"].isna().all()
    assert rows["reason"].str.contains("R670-A").all()
    with pytest.raises(RunError, match="was not gated"):
        run.membership("D1")


def test_where_no_file_can_be_gated_the_reasons_are_the_answer(
    strategy: GatingStrategy, tmp_path: Path
) -> None:
    write_tube(tmp_path / "fcs" / "D0.fcs", 0, channels=("FSC-A", "B530-A", "R660-A"))
    with pytest.raises(RunError, match=r"not one tube could be gated:\n  D0: .*R670-A"):
        gate_cohort(tmp_path / "fcs", strategy, out=tmp_path / "out")


def test_a_second_run_gates_only_what_changed(files: Path, strategy: GatingStrategy, tmp_path: Path) -> None:
    out = tmp_path / "out"
    gate_cohort(files, strategy, out=out)
    before = written(out)
    write_tube(files / "D2.fcs", 22)
    write_tube(files / "D5.fcs", 5)
    again = gate_cohort(files, strategy, out=out, jobs=2)
    after = written(out)
    assert {tube for tube in after if after[tube] != before.get(tube)} == {"D2", "D5"}
    assert list(again.tubes["why"]) == ["", "", "file changed", "", "", "new"]
    fresh = gate_cohort(files, strategy, out=tmp_path / "fresh")
    assert results(out) == results(fresh.folder)


def test_another_strategy_gates_everything_anew(
    files: Path, strategy: GatingStrategy, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    gate_cohort(files, strategy, out=out)
    before = written(out)
    fewer = GatingStrategy(strategy.dimensions, strategy.populations[:2])
    run = gate_cohort(files, fewer, out=out)
    assert all(written(out)[tube] != before[tube] for tube in before)
    assert set(run.table["population"]) == {"cells", "cells/T"}


def test_what_is_no_longer_there_is_no_result(files: Path, strategy: GatingStrategy, tmp_path: Path) -> None:
    gate_cohort(files, strategy, out=tmp_path / "out")
    (files / "D4.fcs").unlink()
    run = gate_cohort(files, strategy, out=tmp_path / "out")
    assert list(run.tubes["tube"]) == ["D0", "D1", "D2", "D3"]
    assert set(written(tmp_path / "out")) == {"D0", "D1", "D2", "D3"}


def test_a_run_killed_between_tubes_goes_on_where_it_was(
    files: Path, strategy: GatingStrategy, tmp_path: Path
) -> None:
    given, out = tmp_path / "strategy.json", tmp_path / "out"
    given.write_text(json.dumps(strategy.to_dict()), encoding="utf-8")
    script = f"""
import os, signal
from cytometry.cohort import gate_cohort
def end(stage, tube, done, total):
    if done == 3:
        os.kill(os.getpid(), signal.SIGKILL)
gate_cohort({str(files)!r}, {str(given)!r}, out={str(out)!r}, progress=end)
"""
    ended = subprocess.run([sys.executable, "-c", script], check=False)
    assert ended.returncode == -9
    with pytest.raises(RunError, match="no finished run"):
        cytometry.open_run(out)
    before = written(out)
    assert len(before) == 3
    gate_cohort(files, given, out=out)
    after = written(out)
    assert {tube for tube in after if after[tube] != before.get(tube)} == {"D3", "D4"}
    gate_cohort(files, strategy, out=tmp_path / "fresh")
    assert results(out) == results(tmp_path / "fresh")


def test_a_table_takes_the_place_of_the_files_own_spillover(
    files: Path, strategy: GatingStrategy, tmp_path: Path
) -> None:
    own = gate_cohort(files, strategy, out=tmp_path / "own")
    table = tmp_path / "spill.csv"
    table.write_text(",B530-A,R670-A\nB530-A,1,0.2\nR670-A,0.05,1\n", encoding="utf-8")
    same = gate_cohort(files, strategy, out=tmp_path / "same", spillover=table)
    np.testing.assert_array_equal(own.table["value"], same.table["value"])
    table.write_text(",B530-A,R670-A\nB530-A,1,0\nR670-A,0,1\n", encoding="utf-8")
    other = gate_cohort(files, strategy, out=tmp_path / "other", spillover=table)
    assert (own.table["value"] != other.table["value"]).any()
    with pytest.raises(StudyError, match="spil"):
        gate_cohort(files, strategy, out=tmp_path / "none", spillover=tmp_path / "spil.csv")


def test_a_file_without_spillover_is_gated_and_the_lack_is_said(
    strategy: GatingStrategy, tmp_path: Path
) -> None:
    events = np.random.default_rng(1).uniform(1, 1e5, (100, 3))
    (tmp_path / "fcs").mkdir()
    write_fcs(tmp_path / "fcs" / "D0.fcs", events, CHANNELS)
    run = gate_cohort(tmp_path / "fcs", strategy, out=tmp_path / "out")
    assert "its $SPILLOVER is missing" in run.problems["message"].iloc[0]
    linear = {
        name: Dimension(d.channel, d.scale, compensated=False) for name, d in strategy.dimensions.items()
    }
    plain = gate_cohort(
        tmp_path / "fcs", GatingStrategy(linear, strategy.populations), out=tmp_path / "plain"
    )
    assert plain.problems.empty


def test_tubes_of_one_name_are_told_apart_by_their_folders(strategy: GatingStrategy, tmp_path: Path) -> None:
    for seed, place in enumerate(("day0/A.fcs", "day7/A.fcs")):
        write_tube(tmp_path / "fcs" / place, seed)
    run = gate_cohort(tmp_path / "fcs", strategy, out=tmp_path / "out")
    assert list(run.tubes["tube"]) == ["day0/A", "day7/A"]
    assert run.membership("day7/A").shape == (3000, 4)


def test_files_may_be_named_one_by_one(files: Path, strategy: GatingStrategy, tmp_path: Path) -> None:
    run = gate_cohort([files / "D3.fcs", files / "D1.fcs"], strategy, out=tmp_path / "out")
    assert list(run.tubes["tube"]) == ["D3", "D1"]
    with pytest.raises(RunError, match="one tube, not two"):
        gate_cohort([files / "D3.fcs", files / "D3.fcs"], strategy, out=tmp_path / "out")


def test_nothing_to_gate_is_an_error(strategy: GatingStrategy, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"there is no .*nowhere"):
        gate_cohort(tmp_path / "nowhere", strategy, out=tmp_path / "out")
    for nothing in (tmp_path, ()):
        with pytest.raises(RunError, match="there is no FCS file in"):
            gate_cohort(nothing, strategy, out=tmp_path / "out")


def test_a_tubes_strategy_of_an_earlier_run_gates_a_cohort(
    files: Path, strategy: GatingStrategy, tmp_path: Path
) -> None:
    first = gate_cohort([files / "D0.fcs"], strategy, out=tmp_path / "first")
    kept = next((first.folder / "gating" / "tubes").glob("*.json"))
    again = gate_cohort(files, kept, out=tmp_path / "again")
    assert str(again.strategy("D4")) == str(strategy)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "holds no strategy"),
        ('{"dimensions": {}}', "it has no 'populations'"),
        ("[]", "holds no strategy"),
    ],
)
def test_json_that_is_no_strategy_is_an_error(files: Path, tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "gates.json").write_text(text, encoding="utf-8")
    with pytest.raises(RunError, match=said):
        gate_cohort(files, tmp_path / "gates.json", out=tmp_path / "out")


def test_a_strategy_that_is_not_there_or_of_another_kind_is_an_error(files: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="cannot be read: No such file"):
        gate_cohort(files, tmp_path / "absent.json", out=tmp_path / "out")
    with pytest.raises(RunError, match=r"give a \.json, a Gating-ML \.xml or a FlowJo \.wsp"):
        gate_cohort(files, tmp_path / "gates.txt", out=tmp_path / "out")


def test_results_do_not_go_among_the_files(files: Path, strategy: GatingStrategy) -> None:
    with pytest.raises(RunError, match="folder of their own"):
        gate_cohort(files, strategy, out=files)


def test_progress_counts_every_tube(files: Path, strategy: GatingStrategy, tmp_path: Path) -> None:
    (files / "D1.fcs").write_bytes(b"")
    told: list[tuple[str, str, int, int]] = []
    gate_cohort(files, strategy, out=tmp_path / "out", jobs=2, progress=lambda *said: told.append(said))
    assert [(stage, done, total) for stage, _, done, total in told] == [("gate", n, 5) for n in range(1, 6)]
    assert {tube for _, tube, _, _ in told} == {"D0", "D1", "D2", "D3", "D4"}


@pytest.mark.parametrize("jobs", [1, 2])
def test_gating_a_cohort_loads_nothing_heavy(
    files: Path, strategy: GatingStrategy, tmp_path: Path, jobs: int
) -> None:
    given = tmp_path / "strategy.json"
    given.write_text(json.dumps(strategy.to_dict()), encoding="utf-8")
    script = f"""
import sys
import cytometry
cytometry.gate_cohort({str(files)!r}, {str(given)!r}, out={str(tmp_path / "out")!r}, jobs={jobs})
print(*sorted({{name.split('.')[0] for name in sys.modules}} & {HEAVY!r}))
"""
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert told.stdout.split() == []


def test_the_run_keeps_whence_its_gates_come(files: Path, strategy: GatingStrategy, tmp_path: Path) -> None:
    given = tmp_path / "strategy.json"
    given.write_text(json.dumps(strategy.to_dict()), encoding="utf-8")
    run: Run = gate_cohort(files, given, out=tmp_path / "out")
    about = run.info["stains"]["cohort"]
    assert about["strategy_source"] == str(given)
    kept = json.loads((run.folder / about["strategy"]).read_text(encoding="utf-8"))
    assert str(GatingStrategy.from_dict(kept)) == str(strategy)
    assert [row["marker"] for row in about["panel"]] == ["FSC-A", "CD3", "CD8"]
    assert run.contrasts.empty
    assert run.gates.empty


def test_the_summary_says_what_failed_what_is_doubtful_and_what_was_there(
    files: Path, strategy: GatingStrategy, tmp_path: Path
) -> None:
    for number in (6, 7, 8):
        events = np.random.default_rng(number).uniform(1, 1e5, (100, 3))
        write_fcs(files / f"D{number}.fcs", events, CHANNELS)
    gate_cohort(files, strategy, out=tmp_path / "out")
    (files / "D1.fcs").write_bytes(b"")
    doubt, reused, gated, failed = summary(gate_cohort(files, strategy, out=tmp_path / "out"))
    assert doubt.startswith(
        "warning[CYT307] D6.fcs and 2 more: is not compensated: its $SPILLOVER is missing"
    )
    assert reused == "reused 7 of 8 tubes"
    assert gated == "7 of 8 tubes gated"
    assert failed.startswith("failed: D1: D1.fcs: ")


GATING_ML = """<?xml version="1.0" encoding="UTF-8"?>
<gating:Gating-ML
    xmlns:gating="http://www.isac-net.org/std/Gating-ML/v2.0/gating"
    xmlns:data-type="http://www.isac-net.org/std/Gating-ML/v2.0/datatypes">
  <gating:RectangleGate gating:id="cells">
    <gating:dimension gating:min="20000" gating:max="200000" gating:compensation-ref="uncompensated">
      <data-type:fcs-dimension data-type:name="FSC-A"/>
    </gating:dimension>
  </gating:RectangleGate>
</gating:Gating-ML>
"""


def test_gates_of_a_gating_ml_document_gate_a_cohort(
    files: Path, strategy: GatingStrategy, tmp_path: Path
) -> None:
    (tmp_path / "gates.xml").write_text(GATING_ML, encoding="utf-8")
    theirs = gate_cohort(files, tmp_path / "gates.xml", out=tmp_path / "theirs")
    ours = gate_cohort(files, strategy, out=tmp_path / "ours")
    for tube in ours.tubes["tube"]:
        np.testing.assert_array_equal(theirs.membership(tube)["cells"], ours.membership(tube)["cells"])


def test_each_sample_of_a_workspace_has_its_own_gates(real_data: Path, tmp_path: Path) -> None:
    place = real_data / "flowkit" / "simple_line_example"
    run = gate_cohort(
        [place / "data_set_simple_line_100.fcs"], place / "single_ellipse_51_events.wsp", out=tmp_path / "out"
    )
    assert run.gated("data_set_simple_line_100").membership.counts() == {"ellipse1": 51}  # as FlowJo counted
    assert "strategy" not in run.info["stains"]["cohort"]


def test_a_file_that_the_workspace_does_not_know_has_failed(
    files: Path, real_data: Path, tmp_path: Path
) -> None:
    place = real_data / "flowkit" / "simple_line_example"
    run = gate_cohort(
        [files / "D0.fcs", place / "data_set_simple_line_100.fcs"],
        place / "single_ellipse_51_events.wsp",
        out=tmp_path / "out",
    )
    assert list(run.tubes["status"]) == ["failed", "gated"]
    assert run.tubes["message"][0].startswith("single_ellipse_51_events.wsp has no sample D0.fcs; it has")


def test_events_of_a_population_are_one_call_away(
    files: Path, strategy: GatingStrategy, tmp_path: Path
) -> None:
    run = gate_cohort(files, strategy, out=tmp_path / "out")
    adata = run.events("CD8 T")
    counts = run.table[(run.table["population"] == "cells/T/CD8 T") & (run.table["statistic"] == "count")]
    assert adata.n_obs == counts["value"].sum()
    assert list(adata.var_names) == ["FSC-A", "CD3", "CD8"]
    assert adata.obsm["membership"]["cells|T|CD8 T"].all()
    assert float(adata[:, "CD8"].X.min()) >= np.float32(CUT)
    with pytest.raises(RunError, match="did you mean"):
        run.events("CD8T")
