from __future__ import annotations

from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import pytest

from cytometry.errors import CytometryError, StudyError
from cytometry.study import Comparison, SheetRow, folder_study, read_study
from cytometry.table import Endpoint


def test_a_study_knows_whose_tube_is_whose(study_folder: Any) -> None:
    study = read_study(study_folder.path / "study.toml")
    assert (study.name, study.seed, study.stand_in) == ("PD-1 under temsirolimus", 1, "batch")
    assert (study.low_count, study.flag_count) == (20, 50)
    assert len(study.tubes) == 14
    assert len(study.samples) == 12
    assert study.subjects == ("D1", "D2", "D3", "D4", "D5", "D6")
    row = study.row("D1_vehicle")
    assert (row.subject, row.specimen, row.arm, row.stain, row.kind, row.line) == (
        "D1", "D1", "vehicle", "T", "sample", 2,
    )  # fmt: skip
    assert study.row("FMO_B1").lacks == ("PD-1",)
    assert study.path_of("D1_vehicle").is_file()
    assert len(study.tubes_of("T")) == 14


def test_a_study_without_problems_has_no_warnings(study_folder: Any) -> None:
    assert read_study(study_folder.path).warnings == ()


def test_a_specimen_is_the_subject_at_its_timepoint(study_folder: Any) -> None:
    study = read_study(study_folder.column("timepoint", ["week 4"] * 14).path)
    assert study.row("D2_temsirolimus").specimen == "D2_week 4"


def test_what_is_worth_knowing_goes_with_the_study(study_folder: Any) -> None:
    study_folder.edit("samples.csv", "FMO_B2.fcs,,,fmo,PD-1,B2\n", "")
    assert [problem.code for problem in read_study(study_folder.path).warnings] == ["CYT301"]


def test_a_study_that_cannot_be_run_is_refused_with_every_error(study_folder: Any) -> None:
    study_folder.edit("study.toml", 'control = "vehicle"', 'control = "vehicl"')
    study_folder.edit("samples.csv", "D1_vehicle.fcs", "none.fcs")
    study_folder.edit("samples.csv", "FMO_B2.fcs,,,fmo,PD-1,B2\n", "")
    with pytest.raises(StudyError) as refused:
        read_study(study_folder.path)
    assert [problem.code for problem in refused.value.problems] == ["CYT203", "CYT403"]
    assert "samples.csv:2" in str(refused.value)


def test_the_panel_takes_scatter_and_time_from_the_files(study_folder: Any) -> None:
    panel = read_study(study_folder.path).stains["T"].panel
    assert panel.markers == ("PD-1", "CD3", "CD8")
    assert {"FSC-A", "SSC-A", "Time"} <= set(panel.dimensions)
    assert panel.label("PD-1") == "PD-1 (BV421)"


def test_a_dye_in_the_panel_is_viability_unless_the_files_name_a_marker(
    study_folder: Any, write_tube: Any
) -> None:
    study_folder.edit("panel.csv", "R670-A,CD8,APC,lineage", "R670-A,,7-AAD,")
    study_folder.edit("template.toml", 'marker = "CD8"', 'marker = "CD69"')
    for file in (study_folder.path / "fcs").iterdir():
        write_tube(file, relabel={"R670-A": "CD69"})
    assert read_study(study_folder.path).stains["T"].panel.label("CD69") == "CD69 (7-AAD)"
    study_folder.edit("template.toml", 'marker = "CD69"', 'marker = "Viability"')
    for file in (study_folder.path / "fcs").iterdir():
        write_tube(file, relabel={"R670-A": ""})
    assert read_study(study_folder.path).stains["T"].panel.label("Viability") == "Viability (7-AAD)"


def test_a_comparison_carries_its_endpoints_and_its_tubes(study_folder: Any) -> None:
    filters = 'where = { batch = "B1" }\nprimary ='
    study = read_study(study_folder.edit("study.toml", "primary =", filters).path)
    (asked,) = study.comparisons
    assert (asked.factor, asked.control, asked.treated, asked.design) == (
        "arm",
        "vehicle",
        "temsirolimus",
        "auto",
    )
    assert asked.primary == (Endpoint("CD8 T/PD-1+"),)
    assert {row.subject for row in asked.tubes(study.tubes)} == {"D1", "D2", "D3"}


def test_what_a_study_asks_of_scales_is_given_by_the_panels_names(study_folder: Any) -> None:
    scales = (
        '[transform]\ndefault = { kind = "logicle", T = 262144, W = 0.5 }\n"CD279" = { W = 0.7 }\n\n'
        '[stain.T.transform]\n"CD8" = { kind = "arcsinh", cofactor = 150 }\n\n[[comparison]]'
    )
    found = read_study(study_folder.edit("study.toml", "[[comparison]]", scales).path).stains["T"].scales
    assert found == {
        "default": {"kind": "logicle", "t": 262144, "w": 0.5},
        "PD-1": {"w": 0.7},
        "CD8": {"kind": "arcsinh", "cofactor": 150},
    }


def test_compensation_is_the_studys_unless_a_stain_has_its_own(study_folder: Any) -> None:
    matrix = "V450-A,B695-A\n1,0.1\n0,1\n"
    (study_folder.path / "matrix.csv").write_text(matrix, encoding="utf-8")
    study_folder.edit("study.toml", "[stain.T]", '[compensation]\nsource = "file:matrix.csv"\n\n[stain.T]')
    source = read_study(study_folder.path).stains["T"].compensation
    assert source == f"file:{(study_folder.path / 'matrix.csv').resolve()}"
    study_folder.edit(
        "study.toml", "[[comparison]]", '[stain.T.compensation]\nsource = "none"\n\n[[comparison]]'
    )
    assert read_study(study_folder.path).stains["T"].compensation == "none"


def test_fractions_are_of_cd45_and_of_what_the_endpoints_name(study_folder: Any) -> None:
    assert read_study(study_folder.path).fractions_of == ()  # this template has no CD45+
    study_folder.edit("study.toml", 'CD8 T/PD-1+"', 'CD8 T/PD-1+", statistic = "fraction_of_T cells"')
    assert read_study(study_folder.path).fractions_of == ("T cells",)


def test_two_stains_share_a_panel_file_by_its_stain_column(study_folder: Any) -> None:
    stains = '[stain.M]\ntemplate = "human_myeloid"\n\n[[comparison]]'
    study_folder.edit("study.toml", "[[comparison]]", stains).edit("study.toml", '"CD8 T/PD-1+"', '"CD8 T"')
    panel = "detector,marker,fluorochrome,role,stain\n"
    panel += "".join(f"{d},{m},,,T\n" for d, m in (("V450-A", "PD-1"), ("B695-A", "CD3"), ("R670-A", "CD8")))
    panel += "".join(
        f"{d},{m},,,M\n" for d, m in (("V450-A", "CD45"), ("B695-A", "CD14"), ("R670-A", "HLA-DR"))
    )
    (study_folder.path / "panel.csv").write_text(panel, encoding="utf-8")
    study_folder.column("stain", ["T"] * 14)
    study = read_study(study_folder.path)
    assert study.stains["M"].panel.markers == ("CD45", "CD14", "HLA-DR")
    assert study.stains["M"].lost
    assert study.tubes_of("M") == ()


def test_names_that_a_study_does_not_have_are_told_with_the_near_one(study_folder: Any) -> None:
    study = read_study(study_folder.path)
    with pytest.raises(CytometryError, match="no stain 't'; did you mean 'T'"):
        study.tubes_of("t")
    with pytest.raises(CytometryError, match="no tube 'D1_vehicel'; did you mean 'D1_vehicle'"):
        study.row("D1_vehicel")


def test_a_study_cannot_change_and_shows_itself_escaped(study_folder: Any) -> None:
    study = read_study(study_folder.edit("study.toml", "PD-1 under", "<b>PD-1</b> under").path)
    with pytest.raises(FrozenInstanceError):
        study.seed = 2  # type: ignore[misc]
    assert "&lt;b&gt;PD-1" in study._repr_html_()
    assert "12 samples, 2 controls" in study._repr_html_()
    assert repr(study).endswith("12 samples, 2 controls, 6 subjects, stains T)")


def test_a_row_checks_itself() -> None:
    with pytest.raises(CytometryError, match="did you mean 'fmo'"):
        SheetRow("a.fcs", "a", kind="fnmo")
    with pytest.raises(CytometryError, match="does not say which marker it lacks"):
        SheetRow("a.fcs", "a", kind="fmo")


def test_a_comparison_of_a_level_with_itself_is_refused() -> None:
    with pytest.raises(CytometryError, match="with itself"):
        Comparison("c", "vehicle", "vehicle")


def test_a_folder_without_a_study_file_is_gated_by_a_template(study_folder: Any) -> None:
    study = folder_study(study_folder.path / "fcs", template=str(study_folder.path / "template.toml"))
    assert list(study.stains) == ["small"]
    assert study.comparisons == ()
    assert {row.kind for row in study.tubes} == {"sample"}
    left_out = [problem.where for problem in study.warnings if problem.code == "CYT016"]
    assert left_out == ["FMO_B1.fcs", "FMO_B2.fcs"]  # their names do not say what they lack
    assert study.path_of("D1_vehicle").is_file()


def test_files_of_a_folder_that_the_template_does_not_suit_are_left_out_and_told(
    study_folder: Any, write_tube: Any
) -> None:
    fcs = study_folder.path / "fcs"
    write_tube(fcs / "other.fcs", relabel={"B695-A": "CD19", "R670-A": "CD20", "V450-A": "IgD"})
    (fcs / "broken.fcs").write_bytes(b"not FCS")
    study = folder_study(fcs, template=str(study_folder.path / "template.toml"))
    assert "other" not in {row.tube for row in study.tubes}
    said = {problem.where: problem.message for problem in study.warnings}
    assert "does not suit" in said["other.fcs"]
    assert said["broken.fcs"].startswith("is not an FCS file")


def test_a_folder_of_nothing_and_a_template_of_nothing_are_refused(study_folder: Any, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(StudyError, match="no FCS file"):
        folder_study(tmp_path / "empty", template="human_t")
    with pytest.raises(StudyError, match="did you mean 'human_t'"):
        folder_study(study_folder.path / "fcs", template="human_tt")
    with pytest.raises(StudyError, match="human_myeloid"):
        folder_study(study_folder.path / "fcs", template="human_myeloid")
