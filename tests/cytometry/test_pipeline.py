"""A study runs whole: the same input gives the same numbers, one bad tube spoils no other, every event counts."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest

import cytometry
from cytometry.compensation import find_spillover
from cytometry.errors import RunError, StudyError
from cytometry.events import validate_events
from cytometry.fcs import read_fcs, write_fcs
from cytometry.folder import read_table
from cytometry.measure import LEUKOCYTES
from cytometry.pipeline import gate_folder, run
from cytometry.report import write_report
from cytometry.simulate.plan import BASELINE, ON_TREATMENT, STIMULUS, PlannedTube, StudyPlan
from cytometry.simulate.study import write_tube
from cytometry.simulate.tables import panel
from cytometry.store import Run, open_run
from cytometry.study import read_study
from cytometry.table import check_table

SUBJECTS = ("D01", "D02", "D03", "D04")
EVENTS = 1_200
T, CYTOKINE = "T", "cytokine"
SPOILT = "D02_baseline_T"
STUDY = """\
[study]
name = "Small"
fcs_dir = "fcs"

[stain.T]
template = "t.toml"

[stain.cytokine]
template = "cytokine.toml"

[[comparison]]
name = "on treatment"
factor = "timepoint"
control = "baseline"
treated = "on_treatment"
primary = [{ stain = "T", population = "CD8 T/PD-1+" }]
"""
LINEAGE = """
[[population]]
name = "CD45+"
cuts = [{ marker = "CD45", rule = "fixed", linear = 500 }]

[[population]]
name = "T cells"
parent = "CD45+"
cuts = [{ marker = "CD3", rule = "valley" }]

[[population]]
name = "CD8 T"
parent = "T cells"
cuts = [
  { marker = "CD4", keep = "below", rule = "fixed", linear = 1000 },
  { marker = "CD8", rule = "fixed", linear = 3000 },
]
"""
TEMPLATES = {
    T: f"""
[template]
name = "t"
lineage = ["CD8 T"]
{LINEAGE}
[[population]]
name = "PD-1+"
parent = "CD8 T"
cuts = [{{ marker = "PD-1", rule = "quantile", quantile = 0.95, source = "fmo" }}]
""",
    CYTOKINE: f"""
[template]
name = "cytokine"
lineage = ["CD8 T"]
{LINEAGE}
[[population]]
name = "IFN-g+"
parent = "CD8 T"
cuts = [{{ marker = "IFN-g", rule = "quantile", quantile = 0.95, source = "unstimulated", learn_over = "stain" }}]
""",
}
PD1 = "CD45+/T cells/CD8 T/PD-1+"
IFN = "CD45+/T cells/CD8 T/IFN-g+"
SHEET = ("file", "tube", "subject", "arm", "timepoint", "stain", "kind", "lacks", "batch", "stimulus")
STATISTICS = ["tube", "population", "marker", "statistic", "base"]


def planned() -> list[PlannedTube]:
    """Return a T tube and a pair of cytokine tubes of each subject and visit, and the FMO for PD-1."""
    tubes = []
    for subject in SUBJECTS:
        for timepoint in (BASELINE, ON_TREATMENT):
            common = {"subject": subject, "timepoint": timepoint, "batch": "B1"}
            common["treated"] = timepoint == ON_TREATMENT
            tubes += [
                PlannedTube(stain=T, **common),
                PlannedTube(stain=CYTOKINE, kind="unstimulated", **common),
                PlannedTube(stain=CYTOKINE, stimulus=STIMULUS, **common),
            ]
    return [*tubes, PlannedTube("anchor", "", "B1", T, "fmo", "PD-1", healthy=True)]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a small paired study in two stains."""
    folder = tmp_path_factory.mktemp("pipeline")
    for name in ("fcs", "truth"):
        (folder / name).mkdir()
    plan = StudyPlan(subjects=len(SUBJECTS), batches=1, events=EVENTS, seed=4)
    rows = []
    for place, tube in enumerate(planned()):
        write_tube(folder, plan, tube, place=place)
        rows.append([f"{tube.name}.fcs", tube.name, tube.subject, "temsirolimus", tube.timepoint, tube.stain])
        rows[-1] += [tube.kind, tube.lacks, tube.batch, tube.stimulus]
    write_rows(folder / "samples.csv", [list(SHEET), *rows])
    channels = [
        [s, c.detector, c.marker, c.fluorochrome, c.role] for s in (T, CYTOKINE) for c in panel(s).channels
    ]
    write_rows(folder / "panel.csv", [["stain", "channel", "marker", "fluorochrome", "role"], *channels])
    (folder / "study.toml").write_text(STUDY, encoding="utf-8")
    for stain, text in TEMPLATES.items():
        (folder / f"{stain.lower()}.toml").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def finished(source: Path) -> Run:
    return run(source / "study.toml", source / "results")


@pytest.fixture
def study(source: Path, tmp_path: Path) -> Path:
    """Return a copy of the study without results, which a test may spoil."""
    return Path(shutil.copytree(source, tmp_path / "study", ignore=shutil.ignore_patterns("results")))


def write_rows(path: Path, rows: list[list[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as handle:
        csv.writer(handle).writerows(rows)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def in_order(table: pd.DataFrame) -> pd.DataFrame:
    """Return the statistics in an order that does not depend on the sheet's."""
    return table.sort_values(STATISTICS, ignore_index=True)


# --- What a run holds ----------------------------------------------------------------------------------------


def test_every_tube_is_gated_and_measured(finished: Run) -> None:
    assert (finished.tubes["status"] == "gated").all()
    assert (finished.tubes["n_events"] == EVENTS).all()
    check_table(finished.table)
    measured = finished.tubes[finished.tubes["kind"] != "fmo"]["tube"]
    assert set(finished.table["tube"]) == set(measured), "a control tube has gates, and no statistics"


def test_pairs_of_subjects_are_compared_and_not_tubes_or_events(finished: Run) -> None:
    primary = finished.contrasts.iloc[0]
    assert (primary["population"], primary["family"], primary["design"]) == (PD1, "primary", "paired")
    assert primary["n_pairs"] == len(SUBJECTS)


def test_the_net_fraction_is_the_stimulated_minus_the_unstimulated_one(finished: Run) -> None:
    table = finished.table[finished.table["population"] == IFN].set_index(["tube", "statistic"])["value"]
    for subject in SUBJECTS:
        tubes = [f"{subject}_baseline_cytokine_{state}" for state in ("stimulated", "unstimulated")]
        stimulated, resting = (table[tube, "fraction_of_parent"] for tube in tubes)
        assert table[tubes[0], "net_fraction_of_parent"] == pytest.approx(stimulated - resting, abs=1e-15)
    assert "net_fraction_of_parent" in set(finished.contrasts["statistic"])


def test_run_json_says_enough_to_do_it_again(finished: Run, source: Path) -> None:
    info = json.loads((finished.folder / "run.json").read_text(encoding="utf-8"))
    about = info["tubes"]["D01_baseline_T"]
    assert about["sha256"] == read_fcs(source / "fcs" / "D01_baseline_T.fcs").sha256()
    assert about["relative"] == "../fcs/D01_baseline_T.fcs"
    assert {"cytometry", "numpy", "python"} <= set(info["versions"])
    assert info["stains"]["T"]["template_sha256"] == finished.template(T).sha256
    assert info["simulated"] is None, "these files came without the truth"


def test_events_and_specimens_are_there_as_anndata(finished: Run) -> None:
    for stain in (T, CYTOKINE):
        events = anndata.read_h5ad(finished.folder / "data" / f"events_{stain}.h5ad")
        validate_events(events)
        assert events.obsm["membership"][LEUKOCYTES].all()
    specimens = anndata.read_h5ad(finished.folder / "data" / "specimens.h5ad")
    assert specimens.n_obs == 2 * len(SUBJECTS)
    of = finished.table.set_index(["tube", "population", "statistic"])["value"]
    for name in ("fraction_of_parent", "count"):
        found = specimens[f"{SUBJECTS[0]}_{BASELINE}", f"T|{PD1.replace('/', '|')}"].layers[name]
        assert float(np.ravel(found)[0]) == of["D01_baseline_T", PD1, name]


def test_progress_is_told_tube_by_tube(study: Path) -> None:
    told: list[tuple[str, str, int, int]] = []
    run(study, study / "results", progress=lambda *said: told.append(said))
    gated = [said for said in told if said[0] == "gate T"]
    assert [done for _, _, done, _ in gated] == list(range(1, 10))
    assert {total for *_, total in gated} == {9}


# --- The same input, the same numbers ------------------------------------------------------------------------


def test_the_same_input_gives_the_same_files_to_the_bit(finished: Run, study: Path) -> None:
    again = run(study, study / "results")
    for name in ("statistics", "contrasts", "gates", "qc", "problems"):
        first, second = (folder / "tables" / f"{name}.csv" for folder in (finished.folder, again.folder))
        assert first.read_bytes() == second.read_bytes(), name
    events = [anndata.read_h5ad(r.folder / "data" / "events_T.h5ad") for r in (finished, again)]
    assert list(events[0].obs_names) == list(events[1].obs_names)
    np.testing.assert_array_equal(events[0].X, events[1].X)


def test_the_order_of_the_sheet_changes_no_number(finished: Run, study: Path) -> None:
    head, *rows = list(csv.reader((study / "samples.csv").read_text(encoding="utf-8").splitlines()))
    shuffled = [rows[i] for i in np.random.default_rng(1).permutation(len(rows))]
    write_rows(study / "samples.csv", [head, *shuffled])
    other = run(study, study / "results")
    assert list(other.tubes["tube"]) == [row[1] for row in shuffled]
    pd.testing.assert_frame_equal(in_order(other.table), in_order(finished.table), check_exact=True)
    pd.testing.assert_frame_equal(other.contrasts, finished.contrasts, check_exact=True)
    order = ["tube", "population", "marker"]
    gates = [r.gates.sort_values(order, ignore_index=True) for r in (other, finished)]
    pd.testing.assert_frame_equal(*gates, check_exact=True)


def test_stains_gated_side_by_side_give_the_same_numbers(finished: Run, study: Path) -> None:
    other = run(study, study / "results", jobs=2)
    pd.testing.assert_frame_equal(other.table, finished.table, check_exact=True)
    pd.testing.assert_frame_equal(other.contrasts, finished.contrasts, check_exact=True)


def test_one_event_more_above_the_cut_moves_table_contrast_and_report(finished: Run, study: Path) -> None:
    tube = "D03_on_treatment_T"
    brighten_one(study / "fcs" / f"{tube}.fcs", finished)
    changed = run(study, study / "results")
    before, after = (
        r.table[(r.table["tube"] == tube) & (r.table["population"] == PD1)].set_index("statistic")
        for r in (finished, changed)
    )
    assert after.loc["count", "value"] == before.loc["count", "value"] + 1
    base = before.loc["fraction_of_parent", "n_base"]
    assert after.loc["fraction_of_parent", "n_base"] == base
    moved = changed.contrasts.iloc[0]["shift"] - finished.contrasts.iloc[0]["shift"]
    assert moved == pytest.approx(1 / base / len(SUBJECTS), rel=1e-9)  # one event of one of four subjects
    pages = [
        cytometry.write_report(r, figures=False).read_text(encoding="utf-8") for r in (finished, changed)
    ]
    said = [
        f"{100 * r.contrasts.iloc[0]['mean_treated']:.1f}\N{NO-BREAK SPACE}%" for r in (finished, changed)
    ]
    assert said[0] != said[1], "otherwise the page has nothing to show"
    for page, own, other in zip(pages, said, reversed(said), strict=True):
        endpoints = page[page.index('id="endpoints"') :].split("<h2", 1)[0]
        plain = endpoints.replace("&nbsp;", "\N{NO-BREAK SPACE}").replace(" %", "\N{NO-BREAK SPACE}%")
        assert own in plain
        assert other not in plain


def brighten_one(path: Path, finished: Run) -> None:
    """Give one PD-1 negative CD8 T cell of a tube more BV421, with all its spill, and nothing else."""
    tube, name = read_fcs(path), path.stem
    held = finished.membership(name)
    row = int(np.flatnonzero(held[PD1.rpartition("/")[0]] & ~held[PD1])[0])
    spillover = find_spillover(tube)
    assert spillover is not None
    detector = finished.panel(T).detector("PD-1")
    events = tube.events()
    places = [tube.channels.index(name) for name in spillover.detectors]
    events[row, places] += 20_000 * spillover.matrix[spillover.detectors.index(detector)]
    write_fcs(
        path, events, tube.channels, labels=tube.labels, ranges=tube.ranges, spillover=spillover,
        keywords={"timestep": tube.keywords["timestep"]},
    )  # fmt: skip


# --- What goes wrong stays where it is -----------------------------------------------------------------------


def test_one_truncated_file_fails_alone(finished: Run, study: Path) -> None:
    truncate(study / "fcs" / f"{SPOILT}.fcs")
    found = run(study, study / "results")
    status = found.tubes.set_index("tube")["status"]
    assert status[SPOILT] == "failed"
    assert (status.drop(SPOILT) == "gated").all()
    assert f"{SPOILT}.fcs" in found.tubes.set_index("tube").loc[SPOILT, "message"]
    rows = found.table[found.table["tube"] == SPOILT]
    assert len(rows) == len(finished.table[finished.table["tube"] == SPOILT]), (
        "its rows stay, with the reason"
    )
    assert rows["value"].isna().all()
    assert rows["reason"].str.contains(SPOILT).all()
    primary = found.contrasts.iloc[0]
    assert primary["n_pairs"] == len(SUBJECTS) - 1
    assert "D02" in primary["flag"]
    others = finished.table[finished.table["stain"] == CYTOKINE].reset_index(drop=True)
    pd.testing.assert_frame_equal(
        found.table[found.table["stain"] == CYTOKINE].reset_index(drop=True), others, check_exact=True
    )


def test_a_stain_of_which_no_sample_can_be_read_leaves_the_other_its_results(study: Path) -> None:
    for tube in planned():
        if tube.stain == CYTOKINE:
            truncate(study / "fcs" / f"{tube.name}.fcs")
    found = run(study, study / "results")
    assert found.stains == (T,)
    assert found.contrasts.iloc[0]["n_pairs"] == len(SUBJECTS)
    assert (found.tubes.set_index("stain").loc[CYTOKINE, "status"] == "failed").all()


def test_a_stain_with_nothing_but_its_control_leaves_the_other_its_results(study: Path) -> None:
    for tube in planned():
        if tube.stain == T and tube.kind == "sample":
            truncate(study / "fcs" / f"{tube.name}.fcs")
    found = run(study, study / "results")
    status = found.tubes.set_index("tube")["status"]
    assert status["B1_T_FMO_PD-1"] == "gated"
    assert (status.filter(like="cytokine") == "gated").all()
    assert (found.folder / "data" / "events_cytokine.h5ad").is_file()
    assert any("PD-1+" in text for text in found.problems["message"]), "the primary endpoint is missed aloud"


def test_without_the_fmo_the_population_keeps_its_rows_with_the_reason(study: Path) -> None:
    lines = (study / "samples.csv").read_text(encoding="utf-8").splitlines()
    (study / "samples.csv").write_text(
        "\n".join(line for line in lines if "_FMO_" not in line), encoding="utf-8"
    )
    found = run(study, study / "results")
    rows = found.table[found.table["population"] == PD1]
    assert len(rows) > 0
    assert rows["value"].isna().all()
    assert rows["reason"].str.contains("there is no FMO control without PD-1").all()
    primary = found.contrasts.iloc[0]
    assert np.isnan(primary["shift"])
    assert primary["reason"] != ""


def test_not_one_readable_tube_is_an_error_with_the_reasons(study: Path) -> None:
    found = read_study(study)  # the files are spoilt after they were checked
    for tube in planned():
        truncate(study / "fcs" / f"{tube.name}.fcs")
    with pytest.raises(RunError, match=rf"of Small could be gated(.*\n)+  {SPOILT}: .* is truncated"):
        run(found, study / "results")
    assert not (study / "results" / "run.json").exists(), "no folder looks finished that is not"


def test_a_result_folder_that_cannot_be_written_is_named_before_any_work(study: Path) -> None:
    (study / "results").write_text("a file", encoding="utf-8")
    told: list[object] = []
    with pytest.raises(RunError, match=r"cannot write .*results"):
        run(study, study / "results", progress=lambda *said: told.append(said))
    assert told == []


def test_a_run_that_is_broken_off_leaves_no_folder_that_looks_finished(study: Path) -> None:
    run(study, study / "results")

    def stop(stage: str, *_: object) -> None:
        if stage == "gate cytokine":
            raise KeyboardInterrupt

    text = (study / "cytokine.toml").read_text(encoding="utf-8")
    (study / "cytokine.toml").write_text(text.replace("quantile = 0.95", "quantile = 0.9"), encoding="utf-8")
    with pytest.raises(KeyboardInterrupt):
        run(study, study / "results", progress=stop)
    with pytest.raises(RunError, match="holds no finished run"):
        open_run(study / "results")
    assert (run(study, study / "results").tubes["status"] == "gated").all()


def test_a_second_run_with_fewer_tubes_leaves_nothing_of_the_first(study: Path) -> None:
    results = study / "results"
    write_report(run(study, results))
    (results / "my notes.md").write_text("mine", encoding="utf-8")
    text = (study / "study.toml").read_text(encoding="utf-8")
    for name in ("samples.csv", "panel.csv"):
        lines = (study / name).read_text(encoding="utf-8").splitlines(keepends=True)
        kept = [line for line in lines if "cytokine" not in line and not line.startswith("D04")]
        (study / name).write_text("".join(kept), encoding="utf-8")
    head, _, rest = text.partition("[stain.cytokine]")
    (study / "study.toml").write_text(head + rest[rest.index("[[comparison]]") :], encoding="utf-8")
    again = run(study, results)
    there = {path.relative_to(results).as_posix() for path in results.rglob("*") if path.is_file()}
    assert not [name for name in there if "cytokine" in name or name.startswith("figures/")]
    assert "report.html" not in there, "the report of the first run is not one of this run"
    assert len([name for name in there if name.startswith("gating/tubes/")]) == len(again.tubes) == 7
    assert "my notes.md" in there


def test_results_are_not_written_among_the_files_of_the_study(study: Path) -> None:
    sheet = (study / "samples.csv").read_text(encoding="utf-8")
    (study / "samples.csv").write_text(
        sheet.replace("\nD", "\nfcs/D").replace("\nB", "\nfcs/B"), encoding="utf-8"
    )
    text = (study / "study.toml").read_text(encoding="utf-8")
    (study / "study.toml").write_text(text.replace('fcs_dir = "fcs"', 'fcs_dir = "."'), encoding="utf-8")
    before = sorted(study.rglob("*"))
    for folder in (study, study / "fcs"):
        with pytest.raises(RunError, match="holds the study's own files; give results a folder of their own"):
            run(study, folder)
    assert sorted(study.rglob("*")) == before


def test_a_sheet_that_contradicts_itself_is_a_study_error(study: Path) -> None:
    text = (study / "samples.csv").read_text(encoding="utf-8")
    (study / "samples.csv").write_text(
        text.replace("D02_baseline_T,D02", "D01_baseline_T,D02"), encoding="utf-8"
    )
    with pytest.raises(StudyError, match="D01_baseline_T"):
        run(study, study / "results")


# --- A folder without a study --------------------------------------------------------------------------------


def test_a_folder_of_files_is_gated_by_a_template_alone(source: Path, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    for name in ("D01_baseline_T", "D02_baseline_T", "D03_baseline_T"):
        shutil.copy(source / "fcs" / f"{name}.fcs", folder)
    truncate(folder / "D03_baseline_T.fcs")
    found = gate_folder(folder, source / "t.toml")
    assert found.folder == folder / "gated"
    assert found.tubes.set_index("tube")["status"].to_dict() == {
        "D01_baseline_T": "gated",
        "D02_baseline_T": "gated",
        "D03_baseline_T": "failed",
    }
    assert found.contrasts.empty
    held = found.membership("D01_baseline_T")
    assert held["CD45+/T cells/CD8 T"].sum() > 50
    assert found.events("CD8 T").n_obs > 100
    assert read_table(found.folder, "contrasts").empty


def test_a_folder_that_is_not_there_is_not_called_empty(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="there is no such folder"):
        gate_folder(tmp_path / "nowhere", "human_t")


def test_a_folder_without_files_is_a_study_error(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="there is no FCS file"):
        gate_folder(tmp_path, "human_t")
