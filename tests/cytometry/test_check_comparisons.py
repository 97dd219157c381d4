"""How each design is declared in study.toml, and what ``check`` says that it cannot show."""

from __future__ import annotations

from typing import Any

import pytest

from cytometry.study import read_study

# Rows of the sheet: six donors, each under vehicle and temsirolimus, then two FMO tubes.
TWO_ARMS = ["vehicle", "temsirolimus"]


def declare(folder: Any, text: str) -> Any:
    return folder.edit("study.toml", 'control = "vehicle"\n', f'control = "vehicle"\n{text}\n')


def retime(folder: Any) -> Any:
    """Make of the two arms of a donor two times of one arm; the last three donors are of another arm."""
    path = folder.path / "samples.csv"
    rows = [line.split(",") for line in path.read_text(encoding="utf-8").splitlines()]
    rows[0].append("timepoint")
    for place, row in enumerate(rows[1:13]):
        row.append("pre" if row[2] == "vehicle" else "post")
        row[2] = "vehicle" if place < 6 else "temsirolimus"
    for row in rows[13:]:
        row.append("")
    path.write_text("\n".join(",".join(row) for row in rows) + "\n", encoding="utf-8")
    return folder


def test_arm_by_timepoint_is_declared_as_a_change(study_folder: Any) -> None:
    declare(retime(study_folder), 'change = { before = "pre", after = "post" }\nblocks = []')
    found = [problem.code for problem in study_folder.problems()]
    assert sorted(found) == ["CYT402", "CYT404"]  # 3 against 3, and an arm is a batch
    one = read_study(study_folder.path).comparisons[0]
    assert one.options["change"] == {
        "factor": "timepoint", "before": "pre", "after": "post", "baseline": "subtracted",
    }  # fmt: skip
    assert one.options["blocks"] == ()
    assert len(one.tubes(read_study(study_folder.path).tubes)) == 12


def test_a_change_names_levels_that_the_sheet_has(study_folder: Any) -> None:
    declare(retime(study_folder), 'change = { before = "pre", after = "pots" }')
    problem = study_folder.only("CYT403")
    assert problem.where == "study.toml:11"
    assert "change is 'pots', and no sample has that timepoint" in problem.message
    assert problem.hint.startswith("did you mean 'post'?")


def test_a_change_without_its_end_says_how_it_is_written(study_folder: Any) -> None:
    declare(study_folder, 'change = { before = "pre" }')
    problem = retime(study_folder).only("CYT004")
    assert "'after' in [comparison 1.change] is missing" in problem.message
    assert 'after = "on_treatment"' in problem.hint


def test_one_time_of_a_subject_is_no_change(study_folder: Any) -> None:
    declare(retime(study_folder), 'change = { before = "pre", after = "post" }')
    study_folder.edit("samples.csv", "D1_temsirolimus.fcs,D1,vehicle,sample,,B1,post\n", "")
    messages = [problem.message for problem in study_folder.problems() if problem.code == "CYT401"]
    assert messages == ["D1: not both 'pre' and 'post'; 5 subjects are compared"]


def test_several_treated_levels_are_each_looked_for(study_folder: Any) -> None:
    study_folder.edit("study.toml", 'treated = "temsirolimus"', 'treated = ["temsirolimus", "everolimus"]')
    problem = study_folder.only("CYT403")
    assert "treated is 'everolimus', and no sample has that arm" in problem.message
    study_folder.edit("study.toml", '"everolimus"', '"temsirolimus"')
    assert "names a treated level twice" in study_folder.only("CYT004").message


def test_a_treated_level_that_is_a_number_says_how_levels_are_written(study_folder: Any) -> None:
    study_folder.edit("study.toml", 'treated = "temsirolimus"', "treated = [1, 2]")
    problem = study_folder.only("CYT004")
    assert (problem.where, problem.severity) == ("study.toml:11", "error")
    assert '["temsirolimus", "everolimus"]' in problem.hint


def test_a_trend_of_two_levels_is_none(study_folder: Any) -> None:
    problem = declare(study_folder, 'design = "trend"').only("CYT004")
    assert "a trend needs control and two treated levels" in problem.message


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ('covariates = ["hours_since_dose"]', "hours_since_dose is blank in all tubes"),
        ('blocks = ["cage"]', "cage is blank in all tubes"),
        ('blocks = ["arm"]', "arm is what is compared"),
        ('unit = "cage"', "the unit is the cage, and 12 tubes have none"),
        ('formula = "arm * sex"', "the formula names 'sex', no column of the sheet"),
        ('formula = "arm +"', "ends where a column's name was expected"),
        ('formula = "arm + batch"\ntested = "arm:batch"', "tested is 'arm:batch', no term of the formula"),
    ],
)
def test_what_the_sheet_cannot_fill_does_not_enter_a_model(
    study_folder: Any, declared: str, message: str
) -> None:
    problem = declare(study_folder, declared).only("CYT413")
    assert problem.severity == "error"
    assert message in problem.message
    assert problem.where.startswith("study.toml:")


def test_a_block_that_is_no_column_is_refused_with_those_that_are(study_folder: Any) -> None:
    problem = declare(study_folder, 'blocks = ["bacth"]').only("CYT004")
    assert "batch" in problem.hint


def test_time_without_an_untreated_arm_is_said_to_hold_regression_to_the_mean(study_folder: Any) -> None:
    over_time = 'factor = "timepoint"\ncontrol = "pre"\ntreated = "post"\nwhere = { arm = "vehicle" }'
    retime(study_folder).edit("study.toml", 'control = "vehicle"\ntreated = "temsirolimus"', over_time)
    codes = {problem.code: problem for problem in study_folder.problems()}
    assert set(codes) == {"CYT402", "CYT409"}
    assert "regression to the mean" in codes["CYT409"].hint


def test_groups_that_an_outcome_names_are_said_to_come_after_baseline(study_folder: Any) -> None:
    path = study_folder.path / "samples.csv"
    renamed = path.read_text(encoding="utf-8").replace(",vehicle,", ",non-responder,").replace(
        ",temsirolimus,", ",responder,"
    )  # fmt: skip
    path.write_text(renamed, encoding="utf-8")
    study_folder.edit(
        "study.toml", '"vehicle"\ntreated = "temsirolimus"', '"non-responder"\ntreated = "responder"'
    )
    problem = study_folder.only("CYT412")
    assert "immortal time" in problem.hint


def test_a_drug_is_not_taken_for_an_outcome() -> None:
    from cytometry._study.comparison import outcome_groups

    assert outcome_groups(["vehicle", "temsirolimus", "everolimus", "prednisone", "PD-1 blockade"]) == []
    assert outcome_groups(["responder", "PR", "progressive disease"]) == [
        "responder",
        "PR",
        "progressive disease",
    ]


def unpaired(folder: Any) -> Any:
    for donor in range(1, 7):
        folder.edit("samples.csv", f"D{donor},temsirolimus", f"E{donor},temsirolimus")
    return folder


def test_cage_mates_of_one_arm_are_said_to_be_alike(study_folder: Any) -> None:
    cages = [f"{arm[0]}{donor // 3}" for donor in range(6) for arm in TWO_ARMS] + ["", ""]
    problem = unpaired(study_folder).column("cage", cages).only("CYT411")
    assert "4 cages hold what is counted as more subjects" in problem.message
    few = declare(study_folder, 'unit = "cage"').only("CYT402")
    assert "only 2 and 2 subjects" in few.message


def test_a_batch_that_mostly_goes_with_an_arm_is_said(study_folder: Any) -> None:
    path = unpaired(study_folder).path / "samples.csv"
    lines = path.read_text(encoding="utf-8").splitlines()
    moved = [lines[0]]
    for line in lines[1:13]:
        batch = "B1" if ",vehicle," in line or line.startswith("D1_") else "B2"
        moved.append(line.rsplit(",", 1)[0] + f",{batch}")
    path.write_text("\n".join([*moved, *lines[13:]]) + "\n", encoding="utf-8")
    problem = study_folder.only("CYT404")
    assert "arm and batch can hardly be told apart: B2 is all temsirolimus" in problem.message
    path.write_text(
        path.read_text(encoding="utf-8").replace("E1,temsirolimus,sample,,B1", "E1,temsirolimus,sample,,B2")
    )
    assert "cannot be told apart: B1 is all vehicle" in study_folder.only("CYT404").message


def test_subjects_that_are_replicates_by_name_are_said(study_folder: Any) -> None:
    path = study_folder.path / "samples.csv"
    path.write_text(
        path.read_text(encoding="utf-8").replace(",D1,", ",D9_rep1,").replace(",D2,", ",D9_rep2,")
    )
    problem = study_folder.only("CYT414")
    assert "D9_rep1, D9_rep2 look like replicates" in problem.message
