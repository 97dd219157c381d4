from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cytometry.errors import StudyError
from cytometry.study import check_study, init_study, read_study


def rows(path: Path) -> Iterator[dict[str, str]]:
    """Yield the rows of a CSV file without its comments."""
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    columns = lines[0].split(",")
    for line in lines[1:]:
        yield dict(zip(columns, line.split(","), strict=True))


def draft(folder: Path, out: Path) -> tuple[dict[str, dict[str, str]], str, str]:
    """Return the rows of the drafted sheet by file, the text of study.toml, and all guesses."""
    path, guesses = init_study(folder, out=out)
    return (
        {row["file"]: row for row in rows(out / "samples.csv")},
        path.read_text(encoding="utf-8"),
        "\n".join(guesses),
    )


@pytest.fixture
def folder(tmp_path: Path, write_tube: Any) -> Any:
    """Return a function that makes a folder of tubes with these names."""

    def made(*names: str) -> Path:
        for name in names:
            write_tube(tmp_path / "files" / f"{name}.fcs")
        return tmp_path / "files"

    return made


def test_donors_before_and_after_are_paired_by_name(folder: Any, tmp_path: Path) -> None:
    fcs = folder("P01_pre", "P01_post", "P02_pre", "P02_post", "P02_FMO_PD1", "unstained")
    sheet, study, guesses = draft(fcs, tmp_path / "out")
    assert sheet["P01_post.fcs"]["subject"] == sheet["P01_pre.fcs"]["subject"] == "P01"
    assert sheet["P02_post.fcs"]["timepoint"] == "post"
    assert (sheet["P02_FMO_PD1.fcs"]["kind"], sheet["P02_FMO_PD1.fcs"]["lacks"]) == ("fmo", "PD-1")
    assert sheet["unstained.fcs"]["kind"] == "unstained"
    assert 'factor = "timepoint"' in study
    assert "timepoint from the file names: post (2), pre (2)" in guesses


def test_a_timepoint_of_two_words_is_one(folder: Any, tmp_path: Path) -> None:
    fcs = folder(
        "D01_baseline_T", "D01_on_treatment_T", "D02_baseline_T", "D02_on_treatment_T", "B1_T_anchor"
    )
    sheet, study, _ = draft(fcs, tmp_path / "out")
    assert sheet["D02_on_treatment_T.fcs"]["timepoint"] == "on_treatment"
    assert sheet["D02_on_treatment_T.fcs"]["subject"] == "D02"
    assert sheet["B1_T_anchor.fcs"]["kind"] == "healthy_anchor"
    assert 'control = "baseline"' in study


def test_arms_are_known_by_their_names_and_the_control_among_them(folder: Any, tmp_path: Path) -> None:
    fcs = folder("D1_vehicle", "D1_temsirolimus", "D2_vehicle", "D2_temsirolimus")
    sheet, study, _ = draft(fcs, tmp_path / "out")
    assert {row["subject"] for row in sheet.values()} == {"D1", "D2"}
    assert 'control = "vehicle"' in study
    assert 'treated = "temsirolimus"' in study


def test_bare_numbers_are_animals_of_their_own_arm(folder: Any, tmp_path: Path) -> None:
    sheet, _, guesses = draft(folder("Mock_01", "Mock_02", "Virus_01", "Virus_02"), tmp_path / "out")
    assert len({row["subject"] for row in sheet.values()}) == 4
    assert "one number in two arms is taken as two subjects" in guesses


def test_dates_in_names_are_batches(folder: Any, tmp_path: Path) -> None:
    fcs = folder("2025_07_26_INF052_SEB", "2025_07_26_INF100_SEB", "2025_07_29_INF134_SEB")
    sheet, _, _ = draft(fcs, tmp_path / "out")
    row = sheet["2025_07_29_INF134_SEB.fcs"]
    assert (row["batch"], row["subject"], row["stimulus"]) == ("2025-07-29", "INF134", "SEB")


def test_single_stains_are_known_by_name_and_an_fmo_by_its_fluorochrome(
    tmp_path: Path, write_tube: Any, folder: Any
) -> None:
    folder("D1_vehicle", "Compensation/Unstained", "Compensation/PE")
    names = {"V450-A": "BV421-A", "B695-A": "PE-A", "R670-A": "APC-A"}
    for file in ("D1_vehicle", "FMO APC", "Compensation/Unstained", "Compensation/PE"):
        write_tube(tmp_path / "files" / f"{file}.fcs", rename=names)
    sheet, _, _ = draft(tmp_path / "files", tmp_path / "out")
    kinds = {file: row["kind"] for file, row in sheet.items()}
    assert kinds["Compensation/PE.fcs"] == "single_stain"
    assert kinds["Compensation/Unstained.fcs"] == "unstained"
    assert {row["lacks"] for row in sheet.values() if row["kind"] == "fmo"} == {"CD8"}


def test_a_tube_is_unstimulated_only_beside_one_that_is(folder: Any, tmp_path: Path) -> None:
    sheet, _, _ = draft(folder("D1_unstim", "D1_PMA", "D2_unstim", "D2_PMA"), tmp_path / "out")
    assert {row["kind"] for row in sheet.values()} == {"unstimulated", "sample"}
    shutil.rmtree(tmp_path / "files")
    sheet, _, _ = draft(folder("D1_unstim", "D2_unstim"), tmp_path / "other")
    assert {row["kind"] for row in sheet.values()} == {"sample"}


def test_panels_that_differ_are_stains_of_their_own(folder: Any, tmp_path: Path, write_tube: Any) -> None:
    fcs = folder("D1_vehicle", "D2_vehicle", "D1_temsirolimus", "D2_temsirolimus")
    for donor in ("D1", "D2"):
        write_tube(
            fcs / f"{donor}_myeloid.fcs", relabel={"V450-A": "CD33", "B695-A": "CD14", "R670-A": "HLA-DR"}
        )
    sheet, _, guesses = draft(fcs, tmp_path / "out")
    assert guesses.startswith("6 FCS files in 2 stains")
    assert sheet["D1_vehicle.fcs"]["stain"] != sheet["D1_myeloid.fcs"]["stain"]
    panel = [(row["stain"], row["marker"]) for row in rows(tmp_path / "out/panel.csv")]
    assert ("stain2", "HLA-DR") in panel
    assert ("stain1", "PD-1") in panel


def test_a_draft_that_is_filled_in_is_sound(folder: Any, tmp_path: Path, study_folder: Any) -> None:
    names = [f"D{n}_{arm}" for n in range(1, 7) for arm in ("vehicle", "temsirolimus")]
    path, _ = init_study(folder(*names, "FMO_PD-1"), out=tmp_path / "out")
    todo = check_study(path)
    assert [problem.code for problem in todo] == ["CYT018"]
    assert "'template'" in todo[0].message
    shutil.copy(study_folder.path / "template.toml", path.parent)
    path.write_text(path.read_text(encoding="utf-8").replace('"TODO"', '"template.toml"'), encoding="utf-8")
    assert check_study(path) == []
    study = read_study(path)
    assert study.comparisons[0].control == "vehicle"
    assert study.row("FMO_PD-1").lacks == ("PD-1",)


def test_files_that_name_no_marker_leave_the_panel_to_do(tmp_path: Path, write_tube: Any) -> None:
    labels = {"V450-A": "", "B695-A": "", "R670-A": ""}
    names = {"V450-A": "BV421-A", "B695-A": "7-AAD-A", "R670-A": "APC-A"}
    write_tube(tmp_path / "files/D1_vehicle.fcs", relabel=labels, rename=names)
    _, _, guesses = draft(tmp_path / "files", tmp_path / "out")
    markers = {row["detector"]: row["marker"] for row in rows(tmp_path / "out/panel.csv")}
    assert markers == {
        "FSC-A": "FSC-A", "SSC-A": "SSC-A", "BV421-A": "TODO", "7-AAD-A": "TODO: Viability?", "APC-A": "TODO",
        "Time": "Time",
    }  # fmt: skip
    assert "from your staining protocol" in guesses
    codes = {problem.code for problem in check_study(tmp_path / "out")}
    assert codes == {"CYT018"}


def test_files_of_one_name_in_two_folders_are_two_tubes(tmp_path: Path, write_tube: Any) -> None:
    for place in ("plate 1/A1.fcs", "plate 2/A1.fcs", "plate 2/A2.fcs"):
        write_tube(tmp_path / "files" / place)
    sheet, _, _ = draft(tmp_path / "files", tmp_path / "out")
    assert [row["tube"] for row in sheet.values()] == ["plate 1_A1", "plate 2_A1", ""]
    assert "CYT014" not in {problem.code for problem in check_study(tmp_path / "out")}


def test_nothing_is_overwritten(folder: Any, tmp_path: Path) -> None:
    fcs = folder("D1_vehicle")
    init_study(fcs)
    before = (fcs / "samples.csv").read_bytes()
    (fcs / "study.toml").unlink()
    with pytest.raises(StudyError, match=r"samples.csv, panel.csv are already there"):
        init_study(fcs)
    assert (fcs / "samples.csv").read_bytes() == before
    assert not (fcs / "study.toml").exists()


def test_a_file_that_cannot_be_read_is_named_and_left_out(folder: Any, tmp_path: Path) -> None:
    fcs = folder("D1_vehicle", "D2_vehicle")
    (fcs / "notes.fcs").write_text("sample,donor\n", encoding="utf-8")
    sheet, _, guesses = draft(fcs, tmp_path / "out")
    assert set(sheet) == {"D1_vehicle.fcs", "D2_vehicle.fcs"}
    assert "not in samples.csv: notes.fcs is not an FCS file" in guesses


def test_a_folder_without_fcs_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="no FCS file"):
        init_study(tmp_path)
    with pytest.raises(StudyError, match="no such folder"):
        init_study(tmp_path / "nowhere")


def test_mock_and_virus_mice_are_drafted(real_data: Path, tmp_path: Path) -> None:
    sheet, study, guesses = draft(real_data / "wnv_mock_virus_mouse", tmp_path)
    assert {row["arm"] for row in sheet.values()} == {"Mock", "Virus"}
    assert {row["species"] for row in sheet.values()} == {"mouse"}
    assert 'control = "Mock"' in study
    assert "Ly6G (DyLight 800)" in guesses
    assert [problem.code for problem in check_study(tmp_path)] == ["CYT018"]


def test_unlabelled_activation_files_are_drafted_with_their_controls(real_data: Path, tmp_path: Path) -> None:
    sheet, _, guesses = draft(real_data / "cytoexplorer_activation", tmp_path)
    kinds = [row["kind"] for row in sheet.values()]
    assert (kinds.count("sample"), kinds.count("single_stain"), kinds.count("unstained")) == (8, 6, 1)
    assert "compensation with each file's own spillover" in guesses
    assert {problem.code for problem in check_study(tmp_path)} == {"CYT018"}


def test_a_human_folder_gets_a_template(real_data: Path, tmp_path: Path) -> None:
    sheet, study, guesses = draft(real_data / "coereba_vd2_seb", tmp_path)
    assert 'template = "human_treg"' in study  # 32 markers fit several; the others are named
    assert "these would do too: human_memory, human_t" in guesses
    assert len({row["batch"] for row in sheet.values()}) == 8
    assert len({row["subject"] for row in sheet.values()}) == 23
    assert {problem.code for problem in check_study(tmp_path) if problem.severity == "error"} == {"CYT018"}


def test_a_mess_of_instruments_is_sorted_and_its_broken_files_named(real_data: Path, tmp_path: Path) -> None:
    sheet, _, guesses = draft(real_data / "fcsparser", tmp_path)
    assert len(sheet) == 14
    assert "corrupted.fcs is not an FCS file" in guesses
    assert "sample_header.fcs is truncated" in guesses
    assert "markers: CD20 (FITC), CD10 (PE), CD45 (PerCP)" in guesses
