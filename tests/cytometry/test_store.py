"""A result folder gives back what was found: tables, gates and memberships, and the same events every time."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cytometry.errors import RunError
from cytometry.fcs import read_fcs, write_fcs
from cytometry.folder import read_table, write_table, write_text, written_aside
from cytometry.pipeline import gate_folder
from cytometry.record import codes_path, load_tube, record_path, save_tube
from cytometry.simulate.plan import PlannedTube, StudyPlan
from cytometry.simulate.study import write_tube
from cytometry.store import Run, draw, open_run
from cytometry.table import check_table
from gating.membership import assign

TEMPLATE = """\
[template]
name = "small"
lineage = ["CD4 T", "CD8 T"]

[[population]]
name = "T cells"
cuts = [{ marker = "CD3", rule = "fixed", linear = 1000 }]

[[population]]
name = "CD4 T"
parent = "T cells"
cuts = [
  { marker = "CD4", rule = "fixed", linear = 1000 },
  { marker = "CD8", keep = "below", rule = "fixed", linear = 3000 },
]

[[population]]
name = "CD8 T"
parent = "T cells"
cuts = [
  { marker = "CD4", keep = "below", rule = "fixed", linear = 1000 },
  { marker = "CD8", rule = "fixed", linear = 3000 },
]

[[population]]
name = "PD-1 high"
parent = "CD4 T"
cuts = [{ marker = "PD-1", rule = "quantile", quantile = 0.98 }]
"""
BASELINE, TREATED, SMALL = "D01_baseline_T", "D01_on_treatment_T", "D02_baseline_T"
CD4, CD8 = "T cells/CD4 T", "T cells/CD8 T"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with fcs/ and results/: three tubes, the last too small for its PD-1 gate."""
    folder = tmp_path_factory.mktemp("store")
    (folder / "fcs").mkdir()
    (folder / "truth").mkdir()
    plan = StudyPlan(subjects=2, batches=1, events=1_500, seed=3)
    for subject, timepoint, treated in (("D01", "baseline", False), ("D01", "on_treatment", True)):
        write_tube(folder, plan, PlannedTube(subject, timepoint, "B1", "T", treated=treated))
    write_tube(folder, replace(plan, events=300), PlannedTube("D02", "baseline", "B1", "T"))
    (folder / "small.toml").write_text(TEMPLATE, encoding="utf-8")
    gate_folder(folder / "fcs", folder / "small.toml", out=folder / "results")
    return folder


@pytest.fixture(scope="module")
def run(finished: Path) -> Run:
    return open_run(finished / "results")


@pytest.fixture
def moved(finished: Path, tmp_path: Path) -> Path:
    """Return a copy of the whole folder, which a test may spoil."""
    return Path(shutil.copytree(finished, tmp_path / "elsewhere"))


# --- Opening -------------------------------------------------------------------------------------------------


def test_a_folder_without_a_run_says_how_one_is_made(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"holds no finished run: it has no run.json; make one with"):
        open_run(tmp_path)


def test_a_run_of_another_format_is_not_misread(moved: Path) -> None:
    path = moved / "results" / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 99}), encoding="utf-8")
    with pytest.raises(RunError, match="written in format 99, not"):
        open_run(moved / "results")


@pytest.mark.parametrize("text", ["{", "[]", '"run"'])
def test_a_run_json_that_no_run_wrote_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_text(text, encoding="utf-8")
    with pytest.raises(RunError, match="run the study again"):
        open_run(tmp_path)


def test_a_tube_or_stain_that_the_run_lacks_hears_which_there_are(run: Run) -> None:
    with pytest.raises(RunError, match=f"no tube 'D9'; it has {BASELINE}, {TREATED}"):
        run.strategy("D9")
    with pytest.raises(RunError, match=f"did you mean {BASELINE}"):
        run.strategy(BASELINE.replace("D01", "D1"))
    with pytest.raises(RunError, match="no stain 'myeloid'; it has small"):
        run.panel("myeloid")


def test_a_tube_that_failed_says_why(moved: Path) -> None:
    file = moved / "fcs" / f"{TREATED}.fcs"
    file.write_bytes(file.read_bytes()[:3_000])
    again = gate_folder(moved / "fcs", moved / "small.toml", out=moved / "again")
    with pytest.raises(RunError, match=rf"tube {TREATED} was not gated: {TREATED}\.fcs: is truncated"):
        again.membership(TREATED)


def test_a_run_prints_how_many_tubes_were_gated(run: Run) -> None:
    assert "fcs, 3 of 3 tubes gated" in repr(run)


# --- What it gives back --------------------------------------------------------------------------------------


def test_the_membership_that_was_stored_is_the_one_that_the_gates_give(run: Run) -> None:
    for tube in (BASELINE, TREATED, SMALL):
        again = assign(run.strategy(tube), run.columns(tube), kept=run.gated(tube).membership.kept())
        pd.testing.assert_frame_equal(run.membership(tube), again.frame(), check_exact=True)


def test_the_counts_of_the_table_are_those_of_the_membership(run: Run) -> None:
    rows = run.table[(run.table["tube"] == BASELINE) & (run.table["statistic"] == "count")]
    held = run.membership(BASELINE).sum()
    assert dict(zip(rows["population"], rows["value"], strict=True)) == held.astype(float).to_dict()


def test_the_table_that_is_read_back_is_tidy(run: Run) -> None:
    check_table(run.table)
    assert len(run.contrasts) == 0


def test_a_gated_tube_prints_its_tree_with_counts_and_what_was_not_found(run: Run) -> None:
    held = run.membership(SMALL)
    lines = str(run.gated(SMALL)).splitlines()
    assert lines[0] == "all events  300"
    cd4, t_cells = (int(held[path].sum()) for path in (CD4, "T cells"))
    assert f"    CD4 T  {cd4:,}  ({100 * cd4 / t_cells:.3g} % of parent)" in lines
    assert lines[-1].startswith(f"no gate: {CD4}/PD-1 high: ")
    assert repr(run.gated(SMALL)) == f"GatedTube({SMALL!r}: 300 events, 3 populations)"


def test_the_template_that_was_used_is_read_back(run: Run) -> None:
    assert run.template("small").paths == ("T cells", CD4, CD8, f"{CD4}/PD-1 high")


def test_a_tube_is_written_and_read_back_the_same(run: Run, tmp_path: Path) -> None:
    found = run.gated(BASELINE)
    save_tube(tmp_path, found)
    back = load_tube(tmp_path, BASELINE)
    assert back.strategy.to_dict() == found.strategy.to_dict()
    assert [repr(gate) for gate in back.gates] == [repr(gate) for gate in found.gates]
    np.testing.assert_array_equal(back.membership.codes, found.membership.codes)
    np.testing.assert_array_equal(back.membership.sets, found.membership.sets)
    assert back.spillover is not None
    np.testing.assert_array_equal(back.spillover.matrix, found.spillover.matrix)


def test_a_result_of_another_tube_or_a_lost_one_is_never_taken_for_it(moved: Path) -> None:
    results = moved / "results"
    shutil.copy(record_path(results, BASELINE), record_path(results, TREATED))
    shutil.copy(codes_path(results, BASELINE), codes_path(results, TREATED))
    with pytest.raises(RunError, match=f"holds tube {BASELINE} where {TREATED} should be"):
        load_tube(results, TREATED)
    codes_path(results, BASELINE).unlink()
    with pytest.raises(RunError, match=f"tube {BASELINE} cannot be read"):
        open_run(results).membership(BASELINE)


@pytest.mark.parametrize("spoil", [b"", b"half a file", b"\x01" * 1_500])
def test_spoilt_codes_are_an_error_of_the_run(moved: Path, spoil: bytes) -> None:
    codes_path(moved / "results", BASELINE).write_bytes(spoil)
    with pytest.raises(RunError, match=f"tube {BASELINE} cannot be read .* checksum does not fit"):
        open_run(moved / "results").membership(BASELINE)


def test_a_count_that_was_altered_by_hand_is_not_believed(moved: Path) -> None:
    record = record_path(moved / "results", BASELINE)
    text = record.read_text(encoding="utf-8")
    assert '"n_events": 1500' in text
    record.write_text(text.replace('"n_events": 1500', '"n_events": 1499'), encoding="utf-8")
    with pytest.raises(RunError, match=f"tube {BASELINE} cannot be read .* checksum does not fit"):
        open_run(moved / "results").membership(BASELINE)


# --- Events --------------------------------------------------------------------------------------------------


def test_the_events_of_a_population_are_all_of_them_from_every_tube(run: Run) -> None:
    adata = run.events("CD8 T")
    held = {tube: int(run.membership(tube)[CD8].sum()) for tube in (BASELINE, TREATED, SMALL)}
    assert adata.obs["tube"].value_counts().to_dict() == held
    assert (adata.obs["weight"] == 1).all()
    assert (adata.obs["population"] == "CD8 T").all()
    assert adata.obsm["membership"]["T cells|CD8 T"].all()


def test_events_have_the_values_of_the_fcs_file(run: Run) -> None:
    adata = run.events("CD8 T", tubes=[TREATED])
    tube = read_fcs(run.locate(TREATED))
    column = tube.column(run.panel("small").detector("PD-1"), adata.obs["event"].to_numpy())
    np.testing.assert_array_equal(np.ravel(adata[:, "PD-1"].layers["raw"]), column.astype(np.float32))


def test_a_sample_of_events_is_the_same_for_the_same_seed_and_stands_for_all(run: Run) -> None:
    one, same, other = (run.events("CD4 T", per_tube=50, seed=seed) for seed in (1, 1, 2))
    assert list(one.obs_names) == list(same.obs_names)
    assert list(one.obs_names) != list(other.obs_names)
    alone = run.events("CD4 T", tubes=[TREATED], per_tube=50, seed=1)
    assert set(alone.obs_names) < set(one.obs_names), "a tube's sample does not depend on the other tubes"
    held = run.membership(BASELINE)[CD4].sum()
    weights = one.obs.loc[one.obs["tube"] == BASELINE, "weight"]
    assert len(weights) == 50
    assert weights.sum() == pytest.approx(held, rel=1e-6)


def test_a_sample_larger_than_the_population_is_the_population() -> None:
    rows = np.array([3, 5, 8])
    np.testing.assert_array_equal(draw(rows, 3, seed=1, tube="a"), rows)
    np.testing.assert_array_equal(draw(rows, None, seed=1, tube="a"), rows)
    assert len(draw(rows, 2, seed=1, tube="a")) == 2


def test_a_tube_whose_gate_abstained_is_left_out_and_the_others_go_on(run: Run) -> None:
    gate = run.gates[(run.gates["tube"] == SMALL) & (run.gates["population"] == f"{CD4}/PD-1 high")]
    assert gate["status"].tolist() == ["abstained"]
    assert set(run.events("PD-1 high").obs["tube"]) == {BASELINE, TREATED}
    with pytest.raises(RunError, match=f"in none of {SMALL} was {CD4}/PD-1 high gated; run.gates says why"):
        run.events("PD-1 high", tubes=[SMALL])


def test_a_population_that_no_template_names_is_refused_with_what_there_is(run: Run) -> None:
    with pytest.raises(RunError, match=r"no population is called 'CD8T'; did you mean .*CD8 T"):
        run.events("CD8T")


def test_a_name_means_the_same_population_in_every_tube(moved: Path) -> None:
    text = (moved / "small.toml").read_text(encoding="utf-8")
    both = text.replace('parent = "CD4 T"', 'parent = ["CD4 T", "CD8 T"]').replace("0.98", "0.97")
    (moved / "small.toml").write_text(both, encoding="utf-8")
    again = gate_folder(moved / "fcs", moved / "small.toml", out=moved / "again")
    gated = {tube: [p for p in again.membership(tube) if p.endswith("high")] for tube in (BASELINE, SMALL)}
    assert [len(paths) for paths in gated.values()] == [2, 0], "otherwise this test says nothing"
    with pytest.raises(RunError, match=f"names 2 populations: {CD4}/PD-1 high, {CD8}/PD-1 high"):
        again.events("PD-1 high")


def test_events_of_no_tube_are_refused(run: Run) -> None:
    with pytest.raises(RunError, match="not of none"):
        run.events(tubes=[])


def test_one_tube_is_still_a_list_of_tubes(run: Run) -> None:
    with pytest.raises(RunError, match=f"list of names: \\['{BASELINE}'\\]"):
        run.events(tubes=BASELINE)


def test_events_of_a_tube_that_a_check_flags_do_not_pass_qc(moved: Path) -> None:
    there = moved / "results"
    qc = read_table(there, "qc")
    write_table(there, "qc", qc.assign(flag=["look" if tube == SMALL else "" for tube in qc["tube"]]))
    obs = open_run(there).events().obs
    assert set(obs.loc[obs["qc_pass"], "tube"]) == {BASELINE, TREATED}
    assert set(obs.loc[~obs["qc_pass"], "tube"]) == {SMALL}


# --- Where the FCS files are ---------------------------------------------------------------------------------


def test_a_study_that_was_moved_as_a_whole_still_finds_its_files(moved: Path) -> None:
    there = open_run(moved / "results")
    assert there.locate(BASELINE).resolve() == (moved / "fcs" / f"{BASELINE}.fcs").resolve()
    assert there.events("CD8 T").n_obs > 0


def test_results_moved_alone_find_the_files_where_they_lay(finished: Path, moved: Path) -> None:
    alone = shutil.move(moved / "results", moved.parent / "alone")
    assert open_run(alone).locate(BASELINE) == (finished / "fcs" / f"{BASELINE}.fcs").resolve()


def test_a_file_that_is_gone_is_an_error_that_says_where_it_was_sought(moved: Path) -> None:
    path = moved / "results" / "run.json"
    info = json.loads(path.read_text(encoding="utf-8"))
    info["tubes"][BASELINE]["file"] = "/nowhere/tube.fcs"
    path.write_text(json.dumps(info), encoding="utf-8")
    (moved / "fcs" / f"{BASELINE}.fcs").unlink()
    with pytest.raises(
        RunError, match=rf"tube {BASELINE} is gone: neither .*{BASELINE}.fcs nor /nowhere/tube.fcs"
    ):
        open_run(moved / "results").events("CD8 T")


def test_a_file_that_changed_since_it_was_gated_is_refused(moved: Path) -> None:
    path = moved / "fcs" / f"{BASELINE}.fcs"
    tube = read_fcs(path)
    events = tube.events()
    events[17, tube.channels.index("V450-A")] += 1.0
    write_fcs(path, events, tube.channels, labels=tube.labels, ranges=tube.ranges)
    with pytest.raises(RunError, match=r"has changed since it was gated \(sha256 differs\)"):
        open_run(moved / "results").events("CD8 T")


# --- The files of the folder ---------------------------------------------------------------------------------


def test_a_table_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    table = pd.DataFrame(
        {
            "subject": ["007", "NA", "", "1e3", 'Müller, "A"'],
            "value": [0.1 + 0.2, np.nan, -1e-300, 12345678.9, 1 / 3],
            "n": pd.array([1, None, 0, 2**53, 7], dtype="Int64"),
            "reason": ["", "no valley: one peak", "None", "nan", "a\nb"],
        }
    )
    write_table(tmp_path, "statistics", table)
    back = read_table(tmp_path, "statistics")
    assert back["subject"].tolist() == table["subject"].tolist()
    assert back["reason"].tolist() == table["reason"].tolist()
    np.testing.assert_array_equal(back["value"], table["value"])
    np.testing.assert_array_equal(back["n"], table["n"].to_numpy(dtype=float, na_value=np.nan))


def test_a_word_where_a_number_should_be_is_refused(tmp_path: Path) -> None:
    write_table(tmp_path, "contrasts", pd.DataFrame({"population": ["T cells"], "p": ["0,05"]}))
    with pytest.raises(
        RunError, match=r"contrasts\.csv: the column p holds something else than numbers: .*0,05"
    ):
        read_table(tmp_path, "contrasts")


def test_a_table_that_is_not_there_is_an_error_of_the_run(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="has no table 'contrasts'; run the study again"):
        read_table(tmp_path, "contrasts")


def test_a_file_whose_writing_failed_leaves_the_old_one_and_nothing_half_written(tmp_path: Path) -> None:
    target = tmp_path / "run.json"
    write_text(target, "old")

    def fail() -> None:
        with written_aside(target) as aside:
            aside.write_text("half of the ne", encoding="utf-8")
            msg = "power cut"
            raise RuntimeError(msg)

    with pytest.raises(RuntimeError, match="power cut"):
        fail()
    assert target.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("a file, not a folder", encoding="utf-8")
    with pytest.raises(RunError, match=r"cannot write .*results.*run\.json: .*; choose another folder"):
        write_text(tmp_path / "results" / "run.json", "{}")
    assert (tmp_path / "results").read_text(encoding="utf-8") == "a file, not a folder"


def test_a_file_cannot_take_the_place_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "run.json").mkdir()
    with pytest.raises(RunError, match="cannot write"):
        write_text(tmp_path / "run.json", "{}")
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"], "no half-written file stays"
