from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from dyed import DETECTORS, TRUE, controls, dyed, only

from cytometry.compensation import read_spillover
from cytometry.errors import StudyError
from cytometry.fcs import read_fcs
from cytometry.panel import Channel, Panel
from cytometry.single_stains import Control, LearntSpillover, learn_spillover, read_controls
from cytometry.spillovers import learn_batches, write_spillover
from cytometry.study import SheetRow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("controls")
    controls(made)
    return made


@pytest.fixture(scope="module")
def learnt(folder: Path) -> LearntSpillover:
    return learn_spillover(read_controls(folder))


def test_a_folder_of_controls_gives_back_the_analysers_matrix(learnt: LearntSpillover) -> None:
    assert learnt.spillover.detectors == DETECTORS
    np.testing.assert_allclose(learnt.spillover.matrix, TRUE.matrix, atol=0.002)
    assert not learnt.problems
    assert set(learnt.table["negatives"]) == {"Unstained"}


@pytest.mark.slow
def test_stated_errors_are_as_large_as_the_errors_made(tmp_path: Path) -> None:
    z = []
    for seed in (2, 3, 4):
        (tmp_path / str(seed)).mkdir()
        controls(tmp_path / str(seed), seed=seed)
        learnt = learn_spillover(read_controls(tmp_path / str(seed)))
        stated = learnt.table["error"].to_numpy().reshape(4, 4)
        off = ~np.eye(4, dtype=bool)
        z.append((learnt.spillover.matrix - TRUE.matrix)[off] / stated[off])
    assert 0.5 < np.sqrt(np.mean(np.square(z))) < 2.0


def test_the_slope_is_that_of_two_medians_where_positives_are_bright(
    folder: Path, learnt: LearntSpillover
) -> None:
    # Bagwell & Adams by hand: difference of medians over difference of medians.
    stained, dull = (read_fcs(folder / f"{name}.fcs").events(DETECTORS) for name in ("FITC", "Unstained"))
    rise = np.median(stained[stained[:, 0] > 3000], axis=0) - np.median(dull, axis=0)
    np.testing.assert_allclose(learnt.spillover.matrix[0], rise / rise[0], atol=0.004)


def test_without_an_unstained_tube_its_own_dull_cells_are_the_negatives(folder: Path) -> None:
    single = [one for one in read_controls(folder) if not one.unstained]
    learnt = learn_spillover(single)
    np.testing.assert_allclose(learnt.spillover.matrix, TRUE.matrix, atol=0.004)
    assert set(learnt.table["negatives"]) == {"its own dull events"}


def test_dead_cells_that_glow_and_bind_a_dim_dye_do_not_pass_for_spill(tmp_path: Path, folder: Path) -> None:
    rng = np.random.default_rng(5)
    light = only("PE-A", 8000, share=0.1, bright=2500, seed=6)
    dead = np.zeros(8000, dtype=bool)
    dead[:600] = True
    light[dead, 1] = 400 * np.exp(rng.normal(0, 0.5, 600))
    tube = dyed(tmp_path / "PE.fcs", light, seed=7, glow=np.where(dead, 3.0, 1.0))
    unstained = Control(read_fcs(folder / "Unstained.fcs"), "Unstained", unstained=True)
    learnt = learn_spillover([Control(tube, "PE"), unstained])
    naive = tube.events(DETECTORS)[light[:, 1] > 0]
    rise = naive.mean(axis=0) - unstained.tube.events(DETECTORS).mean(axis=0)
    assert rise[0] / rise[1] > 0.07  # of dead and live together; the truth is 0.03
    assert learnt.spillover.matrix[1, 0] == pytest.approx(0.03, abs=0.01)


def test_a_control_without_positives_has_no_row_and_says_why(tmp_path: Path, folder: Path) -> None:
    nothing = dyed(tmp_path / "APC.fcs", np.zeros((3000, 4)), seed=8)
    rest = [one for one in read_controls(folder) if one.name in ("PE", "Unstained")]
    learnt = learn_spillover([*rest, Control(nothing, "APC")])
    np.testing.assert_array_equal(learnt.spillover.matrix[2], [0, 0, 1, 0])
    said = {problem.code: problem for problem in learnt.problems}
    assert "no positives" in said["CYT333"].message
    assert "APC-A" in said["CYT334"].message
    assert learnt.table.query("`from` == 'APC-A'")["error"].isna().all()


def test_a_control_at_the_end_of_its_detector_is_refused(tmp_path: Path, folder: Path) -> None:
    light = only("PE-A", bright=600_000, seed=9)
    piled = Control(dyed(tmp_path / "PE.fcs", light, seed=9), "PE")
    rest = [one for one in read_controls(folder) if one.name in ("APC", "Unstained")]
    problem = next(p for p in learn_spillover([*rest, piled]).problems if p.code == "CYT333")
    assert "saturated" in problem.message


def test_names_and_light_that_disagree_are_an_error_for_all_controls_at_once(folder: Path) -> None:
    tubes = {one.name: one for one in read_controls(folder)}
    swapped = [
        Control(tubes["PE"].tube, "FITC"),
        Control(tubes["FITC"].tube, "PE"),
        tubes["APC"],
        tubes["Unstained"],
    ]
    with pytest.raises(StudyError) as caught:
        learn_spillover(swapped)
    said = [str(problem) for problem in caught.value.problems]
    assert len(said) == 2
    assert "which is FITC-A, but PE-A is brightest" in said[0]
    assert "--control FITC=DETECTOR" in said[0]


def test_a_name_that_says_nothing_is_asked_about_and_not_guessed(tmp_path: Path, folder: Path) -> None:
    tube = dyed(tmp_path / "tube7.fcs", only("PE-A"), seed=11)
    unstained = Control(read_fcs(folder / "Unstained.fcs"), "Unstained", unstained=True)
    with pytest.raises(StudyError, match="does not say whose control it is; PE-A is brightest"):
        learn_spillover([Control(tube, "tube7"), unstained])
    learnt = learn_spillover([Control(tube, "tube7", detector="PE-A"), unstained])
    assert learnt.spillover.matrix[1, 0] == pytest.approx(0.03, abs=0.003)


def test_apc_cy7_is_not_taken_for_apc(learnt: LearntSpillover) -> None:
    tubes = learnt.table.groupby("from")["tube"].first()
    assert (tubes["APC-A"], tubes["APC-Cy7-A"]) == ("APC", "APC-Cy7")


def test_a_control_may_be_called_by_its_marker(tmp_path: Path, folder: Path) -> None:
    tube = dyed(tmp_path / "comp CD8.fcs", only("APC-A"), seed=12)
    unstained = Control(read_fcs(folder / "Unstained.fcs"), "Unstained", unstained=True)
    panel = Panel(
        tuple(
            Channel(detector, marker, detector.removesuffix("-A"), "lineage")
            for detector, marker in zip(DETECTORS, ("CD3", "CD4", "CD8", "CD19"), strict=True)
        )
    )
    learnt = learn_spillover([Control(tube, "comp CD8"), unstained], panel=panel)
    assert learnt.spillover.matrix[2, 3] == pytest.approx(0.15, abs=0.003)
    (missing,) = [problem for problem in learnt.problems if problem.code == "CYT334"]
    assert missing.hint.startswith("the panel has a dye in ")


def test_of_two_controls_of_a_dye_the_better_is_used_and_the_other_named(
    tmp_path: Path, folder: Path
) -> None:
    dim = Control(dyed(tmp_path / "PE dim.fcs", only("PE-A", bright=1500), seed=13), "PE dim")
    bright = [one for one in read_controls(folder) if one.name in ("PE", "Unstained")]
    learnt = learn_spillover([*bright, dim])
    row = learnt.table.query("`from` == 'PE-A' and detector == 'FITC-A'").iloc[0]
    assert row["tube"] == "PE"
    assert "chosen over PE dim" in row["note"]


def test_beads_are_set_against_unstained_beads(tmp_path: Path, folder: Path) -> None:
    beads = dyed(tmp_path / "PE.fcs", only("PE-A", share=0.5), seed=14, glow=0.2, fsc=20_000)
    dull = dyed(tmp_path / "dull.fcs", np.zeros((3000, 4)), seed=15, glow=0.2, fsc=20_000)
    cells = Control(read_fcs(folder / "Unstained.fcs"), "cells", unstained=True)
    learnt = learn_spillover([Control(beads, "PE"), Control(dull, "beads", unstained=True), cells])
    assert set(learnt.table.query("`from` == 'PE-A'")["negatives"]) == {"beads"}


def test_a_folder_that_lacks_a_named_control_says_which_is_near(folder: Path) -> None:
    with pytest.raises(StudyError, match="did you mean"):
        read_controls(folder, given={"APC-Cy": "APC-A"})


def test_a_file_that_is_no_control_may_be_left_out(folder: Path) -> None:
    kept = read_controls(folder, given={"APC.fcs": "skip", "PE": "PE-A"})
    assert [(one.name, one.detector) for one in kept if not one.unstained] == [
        ("APC-Cy7", ""),
        ("FITC", ""),
        ("PE", "PE-A"),
    ]


def test_a_written_matrix_reads_back_the_same(tmp_path: Path) -> None:
    write_spillover(tmp_path / "spill.csv", TRUE)
    assert read_spillover(tmp_path / "spill.csv") == TRUE


def batches(folder: Path) -> list[tuple[SheetRow, object]]:
    rows = [("PE", "single_stain", "B1"), ("Unstained", "unstained", "B1"), ("FITC", "sample", "B2")]
    return [
        (
            SheetRow(f"{name}.fcs", name, subject="D1", kind=kind, batch=batch),
            read_fcs(folder / f"{name}.fcs"),
        )
        for name, kind, batch in rows
    ]


WHOLE = Panel(
    tuple(Channel(name, name.removesuffix("-A"), name.removesuffix("-A"), "lineage") for name in DETECTORS)
)
# The one dye that the batch has a control of.
PANEL = Panel(
    tuple(
        Channel(name, dye, dye, "lineage" if dye == "PE" else "unused")
        for name, dye in ((name, name.removesuffix("-A")) for name in DETECTORS)
    )
)


def test_a_dye_without_a_usable_control_is_not_taken_to_spill_nowhere(folder: Path) -> None:
    spillover, problems = learn_batches(batches(folder), stain="T", panel=WHOLE).of("B1")  # type: ignore[arg-type]
    assert spillover is None
    (refused,) = [one for one in problems if one.severity == "error"]
    assert refused.code == "CYT334"
    assert "APC-A" in refused.hint


def test_a_batch_without_controls_is_refused_unless_the_stains_stand_in(folder: Path) -> None:
    found = learn_batches(batches(folder), stain="T", panel=PANEL)  # type: ignore[arg-type]
    assert found.of("B1")[0] is not None
    assert found.of("B2")[0] is None
    assert [problem.code for problem in found.of("B2")[1]] == ["CYT332"]
    lent = learn_batches(batches(folder), stain="T", panel=PANEL, stand_in="stain")  # type: ignore[arg-type]
    assert lent.of("B2")[0] == lent.of("B1")[0]


def test_what_was_learnt_is_kept_and_read_back_for_the_same_files(tmp_path: Path, folder: Path) -> None:
    first = learn_batches(batches(folder), stain="T", panel=PANEL, folder=tmp_path)  # type: ignore[arg-type]
    kept = list((tmp_path / "gating" / "spillovers").iterdir())
    assert len(kept) == 1
    written = kept[0].stat().st_mtime_ns
    again = learn_batches(batches(folder), stain="T", panel=PANEL, folder=tmp_path)  # type: ignore[arg-type]
    assert again.of("B1") == first.of("B1")
    assert kept[0].stat().st_mtime_ns == written
