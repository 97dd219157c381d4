"""The report of every design says what was asked of whom, prints it with its denominators, and does not fall over."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from small_run import Page, Row, write_run

from cytometry.report import write_report
from cytometry.report.levels import levels_of
from cytometry.store import Run

ARMS = ("vehicle", "everolimus", "temsirolimus")


def arms(count: int = 4) -> list[Row]:
    """Mice of three arms, of whom the drugs take 10 and 20 of 80 PD-1+ cells."""
    return [
        Row(f"{arm}_{n}", f"{arm[0].upper()}{n}", arm, 80 - 10 * place + 3 * n)
        for place, arm in enumerate(ARMS)
        for n in range(count)
    ]


def changes() -> list[Row]:
    """Mice of two arms before and after: vehicle stays, temsirolimus loses 20 of 80."""
    return [
        Row(f"{arm}_{n}_{time}", f"{arm[0].upper()}{n}", arm, 80 + 3 * n - 20 * (arm != "vehicle") * late + n * late,
            timepoint=time)
        for arm in ("vehicle", "temsirolimus")
        for n in range(4)
        for late, time in enumerate(("day 0", "day 8"))
    ]  # fmt: skip


def report(run: Run) -> Page:
    return Page(write_report(run, figures=False))


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Run:
    question = {"factor": "arm", "control": "vehicle", "treated": ["everolimus", "temsirolimus"]}
    return write_run(tmp_path_factory.mktemp("arms") / "out", arms(), question=question)


def test_several_arms_are_each_compared_with_control_and_named_in_every_row(several: Run) -> None:
    text = report(several).text
    assert "Everolimus and temsirolimus, each minus vehicle (arm), between subjects of one level each" in text
    assert re.search(
        r"Primary: PD-1\+ of CD8 T was 21\.1 % in vehicle and 18\.6 % in everolimus: -2\.5 points", text
    )
    assert re.search(
        r"PD-1\+ of CD8 T was 21\.1 % in vehicle and 16\.1 % in temsirolimus: -5\.0 points", text
    )
    assert "treated with" in text
    assert (
        "% of parent, vehicle (n = 4) % of parent, everolimus (n = 4) % of parent, temsirolimus (n = 4)"
        in text
    )


def test_several_arms_have_a_forest_each(several: Run) -> None:
    page = Page(write_report(several))
    forests = {image["alt"] for image in page.all("img") if image["alt"].startswith("Forest")}
    assert len(forests) == 2
    assert {path.stem for path in (several.folder / "figures").glob("forest_*.svg")} == {
        "forest_treatment_everolimus",
        "forest_treatment_temsirolimus",
    }


def test_the_values_of_unpaired_subjects_are_listed_with_their_arm(several: Run) -> None:
    # 80 of 400 of the first vehicle mouse; no difference stands where there is no pair.
    assert re.search(r"subject arm value events V0 vehicle 20\.0 % 80 of 400", report(several).text)


def test_a_change_in_one_arm_against_the_change_in_another(tmp_path: Path) -> None:
    change = {"factor": "timepoint", "before": "day 0", "after": "day 8"}
    question = {"factor": "arm", "control": "vehicle", "treated": "temsirolimus", "change": change}
    page = report(write_run(tmp_path / "out", changes(), question=question))
    assert (
        "subject's own change from day 0 to day 8, temsirolimus minus vehicle (arm): an arm x time interaction"
        in page.text
    )
    assert "change in temsirolimus minus change in vehicle: -5.0 points" in page.text
    assert (
        "% of parent, vehicle, day 0 (n = 4) % of parent, vehicle, day 8 (n = 4)" in page.text
    )  # no mixed means
    assert re.search(
        r"subject arm day 0 day 8 difference \(points\) events, day 0 events, day 8 "
        r"V0 vehicle 20\.0 % 20\.0 % 0\.0 80 of 400 80 of 400",
        page.text,
    )


def test_a_trend_over_doses_says_its_order(tmp_path: Path) -> None:
    question = {
        "factor": "arm",
        "control": "vehicle",
        "treated": ["everolimus", "temsirolimus"],
        "design": "trend",
    }
    page = report(write_run(tmp_path / "out", arms(), question=question))
    assert (
        "One trend over vehicle, everolimus and temsirolimus (arm), in this order; shifts are last minus first"
        in page.text
    )
    assert "from vehicle to temsirolimus along the trend" in page.text


def test_only_the_tubes_that_the_comparison_keeps_stand_in_the_tables(tmp_path: Path) -> None:
    question = {
        "factor": "arm", "control": "vehicle", "treated": "temsirolimus", "where": {"timepoint": ["day 8"]},
    }  # fmt: skip
    run = write_run(tmp_path / "out", changes(), question=question)
    page = report(run)
    assert "Only tubes of timepoint day 8." in page.text
    assert "mean over n subjects, tubes of timepoint day 8 only" in page.text
    levels = levels_of(run)
    kept = levels.kept(run.table)
    assert set(kept["timepoint"]) == {"day 8"}
    # 80, 84, 88, 92 of 400 on day 8 in vehicle mice: 21.5 %.
    assert re.search(r"PD-1\+ CD8 T 21\.5 16\.5", page.text)


@pytest.mark.parametrize("word", ["signific", "proves", "confirms"])
def test_no_word_judges_a_p(several: Run, word: str) -> None:
    assert word not in report(several).html.lower()
