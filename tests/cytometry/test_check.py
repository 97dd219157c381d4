from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from cytometry.errors import Problem, StudyError
from cytometry.study import CODES, check_study, read_study


def with_code(problems: list[Problem], code: str) -> list[Problem]:
    return [problem for problem in problems if problem.code == code]


def test_a_sound_study_has_no_problem(study_folder: Any) -> None:
    assert study_folder.problems() == []
    assert study_folder.problems(headers=False) == []


def test_problems_of_every_file_are_listed_at_once_each_with_its_line(study_folder: Any) -> None:
    study_folder.edit("study.toml", 'control = "vehicle"', 'contrl = "vehicle"')
    study_folder.edit("samples.csv", "D2_vehicle.fcs,D2", "D2_vehcle.fcs,D2")
    study_folder.edit("panel.csv", "lineage", "linage")
    study_folder.edit("template.toml", 'parent = "CD8 T"', 'parent = "CD8"')
    problems = study_folder.problems()
    where = {(problem.code, problem.where) for problem in problems}
    assert ("CYT003", "study.toml:10") in where
    assert ("CYT203", "samples.csv:4") in where
    assert ("CYT104", "panel.csv:3") in where
    assert ("CYT103", "template.toml:13") in where
    assert [problem.severity for problem in problems] == sorted(problem.severity for problem in problems)


# --- study.toml ---------------------------------------------------------------------------------------------


def test_an_unknown_key_is_an_error_with_the_near_one(study_folder: Any) -> None:
    problem = study_folder.edit("study.toml", 'name = "PD-1', 'sed = 3\nname = "PD-1').only("CYT003")
    assert (problem.where, problem.hint) == ("study.toml:2", "did you mean 'seed'?")


def test_a_wrong_choice_is_an_error_with_the_right_ones(study_folder: Any) -> None:
    problem = study_folder.edit("study.toml", "control =", 'design = "pared"\ncontrol =').only("CYT004")
    assert problem.where == "study.toml:10"
    assert "'paired'" in problem.hint


def test_a_broken_toml_file_gives_its_line(study_folder: Any) -> None:
    problem = study_folder.edit("study.toml", 'control = "vehicle"', "control = vehicle").only("CYT002")
    assert problem.where == "study.toml:10"


def test_a_stain_is_called_what_a_file_can_be_called(study_folder: Any) -> None:
    problem = study_folder.edit("study.toml", "[stain.T]", '[stain."T/1"]').only("CYT004")
    assert problem.where == "study.toml:5"
    assert "'T/1'" in problem.message


def test_what_is_left_to_do_says_what_to_write(study_folder: Any) -> None:
    study_folder.edit("study.toml", '"template.toml"', '"TODO"').edit(
        "samples.csv", "D1,vehicle", "TODO,TODO"
    )
    hints = {
        problem.message.split()[0]: problem.hint for problem in with_code(study_folder.problems(), "CYT018")
    }
    assert "human_t" in hints["'template'"]
    assert "what n counts" in hints["subject"]
    assert "vehicle" in hints["arm"]


def test_limits_that_contradict_each_other(study_folder: Any) -> None:
    problem = study_folder.edit("study.toml", 'fcs_dir = "fcs"', 'fcs_dir = "fcs"\nflag_count = 5').only(
        "CYT004"
    )
    assert "below low_count, 20" in problem.message


def test_a_missing_study_says_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "other.toml").write_text("", encoding="utf-8")
    (problem,) = check_study(tmp_path / "study.toml")
    assert problem.code == "CYT001"
    assert "other.toml" in problem.hint


def test_what_was_left_to_do_is_reported(study_folder: Any) -> None:
    study_folder.edit("study.toml", '"template.toml"', '"TODO"')
    study_folder.edit("samples.csv", "D1,vehicle", "D1,TODO").edit("panel.csv", "PD-1", "TODO")
    todo = with_code(study_folder.problems(), "CYT018")
    assert [problem.where for problem in todo] == ["study.toml:6", "panel.csv:2", "samples.csv:2"]


def test_a_folder_behind_a_variable_needs_the_variable(
    study_folder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    study_folder.edit("study.toml", '"fcs"', '"${CYTOMETRY_TEST_FOLDER}/fcs"')
    monkeypatch.delenv("CYTOMETRY_TEST_FOLDER", raising=False)
    problem = study_folder.only("CYT001")
    assert "CYTOMETRY_TEST_FOLDER, which is not set" in problem.message
    monkeypatch.setenv("CYTOMETRY_TEST_FOLDER", str(study_folder.path))
    assert study_folder.problems() == []
    study_folder.edit("study.toml", "TEST_FOLDER}", "OTHER_FOLDER:-.}")
    assert study_folder.problems() == []


# --- samples.csv --------------------------------------------------------------------------------------------


def test_two_tubes_with_one_id(study_folder: Any) -> None:
    names = [f"t{n}" for n in range(14)]
    names[3] = "t1"
    problem = study_folder.column("tube", names).only("CYT014")
    assert problem.where == "samples.csv:5"
    assert "'t1', here and in line 3" in problem.message


def test_a_row_that_occurs_twice(study_folder: Any) -> None:
    row = "D1_vehicle.fcs,D1,vehicle,sample,,B1\n"
    problem = study_folder.edit("samples.csv", row, row + row).only("CYT015")
    assert (problem.where, problem.severity) == ("samples.csv:3", "error")


def test_a_missing_column_is_known_by_the_name_others_give_it(study_folder: Any) -> None:
    problem = study_folder.edit("samples.csv", "file,subject", "file,donor").problems()[0]
    assert (problem.code, problem.where) == ("CYT011", "samples.csv:1")
    assert "is it 'donor'? call that 'subject'" in problem.hint


def test_a_sample_without_subject_or_arm_and_a_control_that_needs_neither(study_folder: Any) -> None:
    study_folder.edit("samples.csv", "D3_vehicle.fcs,D3,vehicle", "D3_vehicle.fcs,,")
    problems = with_code(study_folder.problems(), "CYT012")
    assert {problem.where for problem in problems} == {"samples.csv:6"}
    assert ["subject" in problems[0].message, "arm" in problems[1].message] == [True, True]


def test_a_tube_of_an_unknown_stain(study_folder: Any) -> None:
    problem = study_folder.column("stain", ["T"] * 13 + ["t-cell"]).problems()[0]
    assert (problem.code, problem.where) == ("CYT016", "samples.csv:15")


def test_an_unknown_kind_of_tube_and_an_impossible_number(study_folder: Any) -> None:
    study_folder.edit("samples.csv", "fmo,PD-1,B1", "fnmo,PD-1,B1")
    study_folder.column("volume_ul", ["-5", *[""] * 13])
    problems = with_code(study_folder.problems(), "CYT013")
    assert {(problem.where, problem.hint) for problem in problems} == {
        ("samples.csv:2", "a number above 0, or blank"),
        ("samples.csv:14", "did you mean 'fmo'?"),
    }


def test_an_fmo_says_what_it_lacks_in_words_of_the_panel(study_folder: Any) -> None:
    study_folder.edit("samples.csv", "fmo,PD-1,B1", "fmo,PD2,B1").edit(
        "samples.csv", "fmo,PD-1,B2", "fmo,,B2"
    )
    errors = [problem for problem in study_folder.problems() if problem.severity == "error"]
    assert {(problem.code, problem.where) for problem in errors} == {
        ("CYT101", "samples.csv:14"),
        ("CYT013", "samples.csv:15"),
    }
    assert "did you mean 'PD-1'" in with_code(errors, "CYT101")[0].hint


def test_a_synonym_will_do_for_what_an_fmo_lacks(study_folder: Any) -> None:
    study_folder.edit("samples.csv", "fmo,PD-1,B1", "FMO,CD279,B1")
    assert study_folder.problems() == []
    assert read_study(study_folder.path).row("FMO_B1").lacks == ("PD-1",)


def test_a_file_outside_the_folder_is_refused(study_folder: Any) -> None:
    problem = study_folder.edit("samples.csv", "D1_vehicle.fcs", "../D1_vehicle.fcs").only("CYT017")
    assert (problem.where, problem.severity) == ("samples.csv:2", "error")


@pytest.mark.parametrize(
    ("encoding", "separator"), [("utf-8-sig", ","), ("utf-8", ";"), ("utf-16", "\t"), ("utf-8-sig", ";")]
)
def test_a_sheet_is_read_as_any_spreadsheet_saves_it(
    study_folder: Any, encoding: str, separator: str
) -> None:
    sheet = study_folder.path / "samples.csv"
    text = sheet.read_text(encoding="utf-8").replace(",", separator).replace("\n", "\r\n")
    sheet.write_bytes(text.encode(encoding))
    assert study_folder.problems() == []


def test_a_sheet_in_an_old_encoding_is_read_and_told(study_folder: Any) -> None:
    sheet = study_folder.path / "samples.csv"
    sheet.write_bytes(sheet.read_text(encoding="utf-8").replace("D1,", "José,").encode("cp1252"))
    assert study_folder.only("CYT002").severity == "warning"
    assert "José" in read_study(study_folder.path).subjects


def test_an_unquoted_comma_is_found(study_folder: Any) -> None:
    problem = study_folder.edit("samples.csv", "fmo,PD-1,B1", "fmo,PD-1,CD8,B1").problems()[0]
    assert (problem.code, problem.where) == ("CYT013", "samples.csv:14")
    assert "quotes" in problem.hint


# --- panel.csv ----------------------------------------------------------------------------------------------


def test_two_detectors_of_one_marker(study_folder: Any) -> None:
    problem = study_folder.edit("panel.csv", "CD8,APC", "CD3e,APC").problems()[0]
    assert (problem.code, problem.where) == ("CYT102", "panel.csv:4")
    assert "CD3 is read by B695-A (line 3) and by R670-A" in problem.message


def test_gr1_and_ly6g_block_each_other(study_folder: Any) -> None:
    study_folder.edit("panel.csv", "R670-A,CD8", "X-A,Gr-1,,\nY-A,Ly6G,,\nR670-A,CD8")
    problem = with_code(study_folder.problems(headers=False), "CYT107")[0]
    assert (problem.where, problem.severity) == ("panel.csv:4", "warning")


def test_an_ambiguous_marker_is_told(study_folder: Any) -> None:
    study_folder.edit("panel.csv", "R670-A,CD8", "FSC-A,FSC-A,,\nSSC-A,SSC-A,,\nTime,Time,,\nR670-A,CD8")
    assert study_folder.problems() == []
    study_folder.edit("panel.csv", "CD3,PerCP", "IFN-y,PerCP")
    assert "write IFN-g" in with_code(study_folder.problems(headers=False), "CYT105")[0].message


def test_a_detector_that_some_files_call_otherwise(study_folder: Any, write_tube: Any) -> None:
    write_tube(study_folder.path / "fcs/D2_vehicle.fcs", rename={"V450-A": "V451-A"})
    problem = study_folder.problems()[0]
    assert (problem.code, problem.where) == ("CYT206", "panel.csv:2")
    assert "'V450-A' (PD-1) is not in 1 of 14 files of stain T: D2_vehicle.fcs" in problem.message
    assert "D2_vehicle.fcs has 'V451-A'" in problem.hint


def test_a_label_that_contradicts_the_panel(study_folder: Any, write_tube: Any) -> None:
    write_tube(study_folder.path / "fcs/D2_vehicle.fcs", relabel={"R670-A": "CD4 APC"})
    problem = study_folder.only("CYT106")
    assert problem.severity == "warning"
    assert "says CD8 of 'R670-A', $PnS says 'CD4 APC' in D2_vehicle.fcs" in problem.message


def test_a_label_by_another_name_of_the_marker_contradicts_nothing(
    study_folder: Any, write_tube: Any
) -> None:
    write_tube(study_folder.path / "fcs/D2_vehicle.fcs", relabel={"R670-A": "CD8a-APC", "V450-A": ""})
    assert study_folder.problems() == []


# --- FCS files ----------------------------------------------------------------------------------------------


def test_a_missing_file_and_the_one_that_may_be_meant(study_folder: Any) -> None:
    problem = study_folder.edit("samples.csv", "D1_vehicle.fcs", "D1_vehicel.fcs").only("CYT203")
    assert "'D1_vehicle.fcs'" in problem.hint


def test_capitals_of_a_file_name_do_not_matter(study_folder: Any) -> None:
    (study_folder.path / "fcs/D1_vehicle.fcs").rename(study_folder.path / "fcs/D1_vehicle.FCS")
    assert study_folder.problems() == []
    study = read_study(study_folder.path)
    assert study.path_of("D1_vehicle").name == "D1_vehicle.FCS"


@pytest.mark.parametrize(
    ("code", "spoil", "said"),
    [
        ("CYT201", lambda raw: raw[: len(raw) - 400], "is truncated"),
        ("CYT202", lambda _: b"sample,donor\n1,2\n", 'starts with "sample,dono"'),
        ("CYT204", lambda _: b"", "is empty"),
    ],
)
def test_a_spoilt_file_is_an_error_that_stops_only_its_own_tube(
    study_folder, code: str, spoil: Any, said: str
) -> None:
    file = study_folder.path / "fcs/D4_temsirolimus.fcs"
    file.write_bytes(spoil(file.read_bytes()))
    problem = study_folder.only(code)
    assert (problem.severity, problem.where) == ("error", "samples.csv:9")
    assert said in problem.message
    study = read_study(study_folder.path)
    assert study.warnings == (problem,)
    assert len(study.tubes) == 14


def test_a_study_without_one_readable_file_is_refused(study_folder: Any) -> None:
    for file in (study_folder.path / "fcs").iterdir():
        file.write_bytes(b"")
    with pytest.raises(StudyError) as refused:
        read_study(study_folder.path)
    assert len(refused.value.problems) == 14


def test_a_spillover_that_names_other_channels(study_folder: Any) -> None:
    file = study_folder.path / "fcs/D5_vehicle.fcs"
    file.write_bytes(file.read_bytes().replace(b"3,V450-A,", b"3,BV42-A,"))
    problem = study_folder.only("CYT302")
    assert problem.severity == "error"
    assert "D5_vehicle.fcs" in problem.where
    assert "BV42-A" in problem.message


def test_files_without_a_spillover_are_told_once_together(study_folder: Any, write_tube: Any) -> None:
    for file in ("D5_vehicle.fcs", "D6_vehicle.fcs"):
        write_tube(study_folder.path / "fcs" / file, spillover=None)
    assert study_folder.only("CYT307").where == "D5_vehicle.fcs, D6_vehicle.fcs"


def test_a_spillover_matrix_that_is_not_there(study_folder: Any) -> None:
    text = '[compensation]\nsource = "file:spillovers.csv"\n\n[stain.T]'
    (study_folder.path / "spillover.csv").write_text("", encoding="utf-8")
    problem = study_folder.edit("study.toml", "[stain.T]", text).only("CYT001")
    assert problem.where == "study.toml:6"
    assert problem.hint.startswith("did you mean 'spillover.csv'")


def test_controls_alone_are_no_study(study_folder: Any) -> None:
    path = study_folder.path / "samples.csv"
    path.write_text(path.read_text(encoding="utf-8").replace(",sample,", ",unstained,"), encoding="utf-8")
    problem = with_code(study_folder.problems(), "CYT021")[0]
    assert (problem.severity, problem.where) == ("error", "samples.csv")
    assert "none of 14 tubes is of kind sample" in problem.message


# --- template -----------------------------------------------------------------------------------------------


def test_an_unknown_marker_in_the_studys_own_template(study_folder: Any) -> None:
    problem = study_folder.edit("template.toml", 'marker = "PD-1"', 'marker = "PD1"').only("CYT101")
    assert (problem.where, problem.severity) == ("template.toml:13", "error")
    assert (problem.message[:21], problem.hint) == ("unknown marker 'PD1' ", "did you mean 'PD-1'?")


def test_a_template_whose_parent_is_missing(study_folder: Any) -> None:
    problem = study_folder.edit("template.toml", 'parent = "T cells"', 'parent = "T cell"').problems()[0]
    assert (problem.code, problem.where) == ("CYT103", "template.toml:8")
    assert "T cells" in problem.message


def test_a_built_in_template_leaves_out_what_the_panel_cannot_show(study_folder: Any) -> None:
    study_folder.edit("study.toml", '"template.toml"', '"human_t"').edit(
        "study.toml", "CD8 T/PD-1+", "T cells"
    )
    problems = study_folder.problems()
    assert {problem.severity for problem in problems} == {"warning"}
    lost = read_study(study_folder.path).stains["T"].lost
    assert any(path.endswith("CD4 T") for path in lost)


def test_a_built_in_template_that_does_not_exist(study_folder: Any) -> None:
    problem = study_folder.edit("study.toml", '"template.toml"', '"human_tcell"').problems()[0]
    assert problem.code == "CYT103"
    assert "'human_t'" in problem.hint


def test_a_missing_template_file_says_what_is_there(study_folder: Any) -> None:
    problem = study_folder.edit("study.toml", '"template.toml"', '"small.toml"').problems()[0]
    assert problem.code == "CYT001"
    assert "template.toml" in problem.hint


def test_a_template_of_another_species(study_folder: Any) -> None:
    study_folder.edit("template.toml", 'name = "small"', 'name = "small"\nspecies = "human"')
    assert study_folder.column("species", ["Mus musculus"] * 14).only("CYT109").severity == "warning"


# --- controls -----------------------------------------------------------------------------------------------


def test_a_missing_fmo_names_the_batch_and_what_happens_instead(study_folder: Any) -> None:
    problem = study_folder.edit("samples.csv", "FMO_B2.fcs,,,fmo,PD-1,B2\n", "").only("CYT301")
    assert problem.severity == "warning"
    assert "no FMO control without PD-1 in batch B2" in problem.message
    assert "for PD-1+, the population is left out of these tubes" in problem.message


def test_a_missing_fmo_for_which_the_template_has_another_rule(study_folder: Any) -> None:
    study_folder.edit("template.toml", 'source = "fmo"', 'source = "fmo", otherwise = { rule = "tail" }')
    problem = study_folder.edit("samples.csv", "FMO_B2.fcs,,,fmo,PD-1,B2\n", "").only("CYT301")
    assert "the boundary is learnt by tail in the tube itself" in problem.message


def test_an_fmo_of_another_batch_may_stand_in_and_is_told(study_folder: Any) -> None:
    study_folder.edit("study.toml", 'fcs_dir = "fcs"', 'fcs_dir = "fcs"\nstand_in = "stain"')
    problem = study_folder.edit("samples.csv", "FMO_B2.fcs,,,fmo,PD-1,B2\n", "").only("CYT320")
    assert "in 3 subjects: D4, D5, D6" in problem.message


# --- comparisons --------------------------------------------------------------------------------------------


def test_an_unpaired_subject_is_named_with_the_number_of_pairs(study_folder: Any) -> None:
    problems = study_folder.edit(
        "samples.csv", "D6_temsirolimus.fcs,D6,temsirolimus,sample,,B2\n", ""
    ).problems()
    assert [(problem.code, problem.severity) for problem in problems] == [
        ("CYT401", "warning"),
        ("CYT402", "warning"),
    ]
    assert "D6 has no temsirolimus: 5 complete pairs of 6 subjects" in problems[0].message
    # 5 pairs of one sign are 2 of 2 ** 5 outcomes
    assert "only 5 pairs: the smallest two-sided Wilcoxon p is 0.0625" in problems[1].message


def test_pairs_are_counted_stain_by_stain(study_folder: Any) -> None:
    study_folder.edit(
        "study.toml", "[[comparison]]", '[stain.M]\ntemplate = "template.toml"\n\n[[comparison]]'
    )
    study_folder.edit("study.toml", '"CD8 T/PD-1+"', '"CD8 T/PD-1+", stain = "M"')
    sheet = study_folder.column("stain", ["T"] * 14).path / "samples.csv"
    rows = sheet.read_text(encoding="utf-8").splitlines()
    myeloid = [row.removesuffix(",T") + ",M" for row in rows[1:] if not row.startswith("D6_temsirolimus")]
    for row in myeloid:
        file = row.split(",")[0]
        (study_folder.path / "fcs" / f"M_{file}").write_bytes((study_folder.path / "fcs" / file).read_bytes())
    sheet.write_text("\n".join([*rows, *(f"M_{row}" for row in myeloid)]), encoding="utf-8")
    messages = [problem.message for problem in study_folder.problems()]
    assert messages[0].startswith("stain M: D6 has no temsirolimus: 5 complete pairs of 6 subjects")
    assert len(messages) == 2


def test_a_paired_comparison_without_a_pair_is_refused(study_folder: Any) -> None:
    study_folder.edit("study.toml", "control =", 'design = "paired"\ncontrol =')
    for donor in range(1, 7):
        study_folder.edit("samples.csv", f"D{donor},temsirolimus", f"E{donor},temsirolimus")
    problem = study_folder.only("CYT401")
    assert (problem.severity, problem.where) == ("error", "study.toml:10")


def test_an_unpaired_comparison_of_few_subjects_says_its_smallest_p(study_folder: Any) -> None:
    sheet = study_folder.path / "samples.csv"
    lines = sheet.read_text(encoding="utf-8").splitlines(keepends=True)
    keep = [lines[0], lines[1], lines[3], lines[6], lines[8], *lines[13:]]
    sheet.write_text("".join(keep), encoding="utf-8")
    # 2 of 4 subjects: 2 of comb(4, 2) = 6 orders are extreme
    assert "the smallest two-sided rank-sum p is 0.333" in study_folder.only("CYT402").message


def test_one_subject_has_no_interval(study_folder: Any) -> None:
    path = study_folder.path / "samples.csv"
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([*lines[:3], *lines[-2:]]) + "\n", encoding="utf-8")
    problem = with_code(study_folder.problems(), "CYT402")[0]
    assert problem.message == "only 1 pair: no interval is possible"


def test_subjects_of_which_some_have_both_levels_must_be_decided_upon(study_folder: Any) -> None:
    for donor in range(1, 6):
        study_folder.edit("samples.csv", f"D{donor},temsirolimus", f"E{donor},temsirolimus")
    problem = study_folder.only("CYT407")
    assert (problem.severity, "1 of 11 subjects" in problem.message) == ("error", True)


def test_a_level_that_no_sample_has_is_refused_with_those_seen(study_folder: Any) -> None:
    problem = study_folder.edit("study.toml", '"temsirolimus"\n', '"temsirolimous"\n').only("CYT403")
    assert (problem.where, problem.severity) == ("study.toml:11", "error")
    assert problem.hint == "did you mean 'temsirolimus'? (arm is vehicle, temsirolimus)"


def test_an_unknown_population_of_an_endpoint(study_folder: Any) -> None:
    problem = study_folder.edit("study.toml", "CD8 T/PD-1+", "CD8 T/PD1+").only("CYT108")
    assert (problem.where, problem.hint) == ("study.toml:13", "did you mean 'CD8 T/PD-1+'?")


def test_a_fraction_of_what_is_no_ancestor(study_folder: Any) -> None:
    text = 'CD8 T/PD-1+", statistic = "fraction_of_CD45+'
    problem = study_folder.edit("study.toml", "CD8 T/PD-1+", text).only("CYT108")
    assert "there are CD8 T, T cells" in problem.hint


def test_an_endpoint_that_is_named_twice_or_means_two_populations(study_folder: Any) -> None:
    study_folder.edit("study.toml", "},\n]", '},\n]\nsecondary = [{ population = "CD8 T/PD-1+" }]')
    assert [problem.code for problem in study_folder.problems()] == ["CYT110"]
    both = '[[population]]\nname = "PD-1+"\nparent = "T cells"\ncuts = [{ marker = "PD-1", rule = "tail" }]\n'
    template = study_folder.path / "template.toml"
    template.write_text(template.read_text(encoding="utf-8") + both, encoding="utf-8")
    study_folder.edit(
        "study.toml", 'secondary = [{ population = "CD8 T/PD-1+" }]', 'secondary = [{ population = "PD-1+" }]'
    )
    assert "means 2 populations" in study_folder.only("CYT108").message


def test_a_level_that_is_a_number_stands_in_quotes(study_folder: Any) -> None:
    problem = study_folder.edit("study.toml", 'control = "vehicle"', "control = 0").problems()[0]
    assert (problem.code, problem.hint) == ("CYT004", 'a text stands in quotes: "0"')


def test_an_arm_that_cannot_be_told_from_its_batch(study_folder: Any) -> None:
    sheet = study_folder.path / "samples.csv"
    batches = {"vehicle": "B1", "temsirolimus": "B2"}
    lines = [
        ",".join([*cells[:5], batches.get(cells[2], cells[5])])
        for cells in (line.split(",") for line in sheet.read_text(encoding="utf-8").splitlines())
    ]
    sheet.write_text("\n".join(lines), encoding="utf-8")
    problem = study_folder.only("CYT404")
    assert problem.severity == "warning"
    assert "B1 is all vehicle, B2 is all temsirolimus" in problem.message


def test_fresh_mixed_with_frozen_and_pmn_mdsc_from_frozen(study_folder: Any) -> None:
    study_folder.edit("template.toml", 'name = "PD-1+"', 'name = "PMN-MDSC"').edit(
        "study.toml", "PD-1+", "PMN-MDSC"
    )
    study_folder.column("fresh_or_frozen", ["Frozen", *["fresh"] * 13])
    problems = study_folder.problems()
    assert [problem.code for problem in problems] == ["CYT405", "CYT406", "CYT602"]
    assert "D1_vehicle" in problems[1].message


def test_tubes_of_one_subject_that_are_no_replicates(study_folder: Any) -> None:
    study_folder.column("tissue", ["blood", *["spleen"] * 13])
    study_folder.edit("samples.csv", "D1,temsirolimus", "D1,vehicle")
    problem = study_folder.problems()[0]
    assert problem.code == "CYT408"
    assert "tissue = " in problem.hint


# --- measures and scales ------------------------------------------------------------------------------------


def test_a_scale_for_an_unknown_marker_or_of_an_impossible_shape(study_folder: Any) -> None:
    scales = '[stain.T.transform]\n"PD2" = { W = 1 }\nCD3 = { kind = "logicle", W = 9 }\n\n[[comparison]]'
    problems = study_folder.edit("study.toml", "[[comparison]]", scales).problems()
    assert [(problem.code, problem.where) for problem in problems] == [
        ("CYT312", "study.toml:9"),
        ("CYT313", "study.toml:10"),
    ]


def test_a_measure_of_an_unknown_population_or_marker(study_folder: Any) -> None:
    measure = '[measure]\nfractions_of = ["T cell"]\nintensities = ["PD2"]\n\n[[comparison]]'
    problems = study_folder.edit("study.toml", "[[comparison]]", measure).problems()
    assert {(problem.code, problem.hint) for problem in problems} == {
        ("CYT108", "did you mean 'T cells'?"),
        ("CYT101", "did you mean 'PD-1'?"),
    }


def test_a_hundred_files_are_checked_together(study_folder: Any) -> None:
    file = (study_folder.path / "fcs/D1_vehicle.fcs").read_bytes()
    rows = [f"x{n}.fcs,S{n},{('vehicle', 'temsirolimus')[n % 2]},sample,,B1" for n in range(100)]
    for row in rows:
        (study_folder.path / "fcs" / row.split(",")[0]).write_bytes(file)
    with (study_folder.path / "samples.csv").open("a", encoding="utf-8") as sheet:
        sheet.write("\n".join(rows) + "\n")
    assert {problem.code for problem in study_folder.problems()} == {"CYT407"}


def test_every_code_has_its_one_meaning() -> None:
    sources = [path for path in Path(str(files("cytometry"))).rglob("*.py") if path.name != "codes.py"]
    used = {code for path in sources for code in re.findall(r"CYT\d{3}", path.read_text(encoding="utf-8"))}
    assert used <= set(CODES)
    assert len(set(CODES.values())) == len(CODES)


def test_a_table_that_stands_twice_is_called_that(study_folder: Any) -> None:
    path = study_folder.path / "study.toml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text + "\n[study]\nname = 'again'\n", encoding="utf-8")
    (problem,) = check_study(path)
    assert problem.code == "CYT002"
    assert "stands above already" in problem.message
    assert problem.where.startswith("study.toml:")
