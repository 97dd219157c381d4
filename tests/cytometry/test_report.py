"""The report says what the tables say, needs nothing but itself, and points at what needs a look."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import pytest
from small_run import PATH, Page, Row, ics_rows, t_rows, write_run

from cytometry._miflowcyt.study import analysis
from cytometry.errors import RunError
from cytometry.folder import read_table, write_table
from cytometry.report import write_figure, write_report
from cytometry.report.attention import lost_boundaries, n_gates_to_see
from cytometry.report.choice import representative
from cytometry.report.contrasts import not_tested
from cytometry.report.doubts import borrowed, few_events
from cytometry.report.figures import Studio, file_stem
from cytometry.report.methods import methods
from cytometry.report.populations import down
from cytometry.report.subjects import subjects_grid
from cytometry.report.words import MINUS, NOTHING, first_upper, minus, number, percent, shift
from cytometry.store import Run, open_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return write_run(tmp_path_factory.mktemp("run"), [*t_rows(), *ics_rows()])


@pytest.fixture(scope="module")
def page(run: Run) -> Page:
    return Page(write_report(run))


def copied(run: Run, folder: Path) -> Path:
    """Copy a result folder, FCS files and all, to change one thing in it."""
    import shutil

    return Path(shutil.copytree(run.folder, folder))


def changed(folder: Path, table: str, **cells: object) -> Run:
    """Change cells of the first row of a table that has the population of the primary endpoint."""
    found = read_table(folder, table)
    row = found.index[found["population"] == PATH["PD-1"]][0] if "population" in found else found.index[0]
    for column, value in cells.items():
        found.loc[row, column] = value
    write_table(folder, table, found)
    return open_run(folder)


def test_the_verdict_counts_tubes_and_says_the_primary_shift_with_its_interval(page: Page) -> None:
    # Control 68, 72, 60, 80 and treated 52, 50, 48, 54 of 400: means 17.5 % and 12.75 %, differences
    # -4, -5.5, -3, -6.5 points, whose mean is -4.75, SD 1.555, SE 0.777 and t(3) half width 2.474.
    assert "21 of 21 tubes gated; every gate found its boundary" in page.text
    assert (
        "Primary: PD-1+ of CD8 T changed from 17.5 % (control) to 12.8 % (temsirolimus), by -4.8 points (95 % CI -7.2 "
        "to -2.3), n = 4 pairs, Holm p = "
    ) in page.text
    assert page.text.index("Primary: PD-1+") < page.text.index("21 of 21 tubes gated")


def test_estimate_and_interval_stand_before_p_and_no_word_judges_it(page: Page) -> None:
    sentence = next(words for words in page.words if "changed from 17.5 %" in words)
    assert sentence.index("95 % CI") < sentence.index("p = ")
    assert "signific" not in page.html.lower()


def test_every_fraction_of_the_populations_table_has_its_base_and_its_n(page: Page) -> None:
    assert "% of parent, control (n = 4)" in page.text
    assert "% of CD45+, temsirolimus (n = 4)" in page.text
    assert re.search(r"PD-1\+ CD8 T 17\.5 12\.8 8\.75 6\.38 57", page.text)


def test_a_number_changed_in_its_table_moves_in_the_report(run: Run, page: Page, tmp_path: Path) -> None:
    changed_run = changed(copied(run, tmp_path / "run"), "contrasts", shift=-0.0312)
    text = Page(write_report(changed_run, figures=False)).text
    assert "by -3.1 points (95 %" in text
    assert "by -3.1 points (95 %" not in page.text


def test_one_event_moved_in_one_fcs_file_moves_the_report(tmp_path: Path) -> None:
    rows = [row for row in t_rows() if row.kind == "sample"]
    before = Page(write_report(write_run(tmp_path / "before", rows), figures=False)).text
    first = Row(rows[0].tube, rows[0].subject, rows[0].arm, rows[0].positive - 20)
    after = Page(write_report(write_run(tmp_path / "after", [first, *rows[1:]]), figures=False)).text
    assert "from 17.5 % (control)" in before
    assert "from 16.2 % (control)" in after


def test_the_page_is_one_file_that_fetches_nothing_and_runs_its_own_script_alone(page: Page) -> None:
    (script,) = page.all("script")
    assert script == {}  # written in the page; it sorts and enlarges
    (policy,) = [m["content"] for m in page.all("meta") if m.get("http-equiv") == "Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; img-src data:")
    for tag in ("img", "link", "source", "iframe"):
        for attributes in page.all(tag):
            assert attributes.get("src", attributes.get("href", "")).startswith("data:")
    assert "url(" not in page.html
    assert "@import" not in page.html
    assert len(page.html) < 10_000_000
    assert page.open == []


def test_every_picture_says_its_numbers_in_words(page: Page) -> None:
    pictures = page.all("img")
    assert (
        len(pictures) == 7
    )  # two endpoints, the cuts of the primary one, two hierarchies, one overlay, one forest
    assert all(len(picture["alt"]) > 40 for picture in pictures)
    assert any(f"shift {MINUS}4.8 points" in picture["alt"] for picture in pictures)
    assert any(
        "CD8 T 50.0 % of CD45+; PD-1+ 1" in picture["alt"].replace("\N{NO-BREAK SPACE}", " ")
        for picture in pictures
    )


def test_the_pictures_of_the_page_are_the_saved_figures(run: Run, page: Page) -> None:
    stems = {path.stem for path in (run.folder / "figures").glob("*.svg")}
    assert stems >= {"gating_T", "gating_ICS", "overlay_PD-1_T", "forest_treatment"}
    for stem in stems:
        assert {path.suffix for path in (run.folder / "figures").glob(f"{stem}.*")} == {
            ".pdf",
            ".svg",
            ".png",
        }
    saved = base64.b64encode((run.folder / "figures" / "gating_T.svg").read_bytes()).decode()
    assert saved in page.html


def test_every_anchor_of_the_contents_is_on_the_page(page: Page) -> None:
    anchors = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    wanted = {a["href"][1:] for a in page.all("a") if a["href"].startswith("#")}
    assert wanted <= anchors
    assert {"verdict", "eyes", "endpoints", "gating", "populations", "cytokines", "methods"} <= wanted


def test_links_point_at_files_that_are_there(run: Run, page: Page) -> None:
    files = [a["href"] for a in page.all("a") if not a["href"].startswith("#")]
    assert {"methods.md", "results.xlsx", "miflowcyt.md", "miflowcyt.tsv", "miflowcyt.json"} <= set(files)
    assert all((run.folder / name.replace("%2B", "+")).is_file() for name in files)


def test_intervals_that_disagree_on_no_change_are_explained(run: Run, tmp_path: Path) -> None:
    row = changed(copied(run, tmp_path / "run"), "contrasts", shift_high=0.01)
    text = Page(write_report(row, figures=False)).text
    assert "difference and odds ratio disagree on whether no change lies in their interval" in text
    assert "taken on logit" in text


def test_cytokines_are_net_of_the_unstimulated_tube(page: Page) -> None:
    # 40 of 400 stimulated and 4 of 400 unstimulated: 9 %.
    assert re.search(r"IFN-g\+ of CD8 T 9\.00 10\.5", page.text)


def test_a_tube_that_failed_a_gate_that_abstained_and_few_events_are_said(tmp_path: Path) -> None:
    rows = [
        *t_rows(),
        Row("D5_control", "D5", "control", 30, abstains=True),
        Row("D6_control", "D6", "control", -1),
        Row("D7_temsirolimus", "D7", "temsirolimus", 4, low=True),
    ]
    run = write_run(tmp_path, rows)
    text = Page(write_report(run, figures=False)).text
    assert "11 of 12 tubes gated; 1 gate needs a look" in text
    assert "Truncated: half of its events are missing. D6_control" in text
    assert "No boundary on PD-1 in 1 tube, T stain 12 events, and 100 are needed." in text
    assert "Among them a declared endpoint: PD-1+ of CD8 T. D5_control" in text
    rare, few = few_events(run).grid.rows
    assert [cell.text for cell in rare] == ["CD8 T", "CD45+", "T", "0", "0", "1", "10"]  # D7: 10 of 800
    assert [cell.text for cell in few] == ["PD-1+", "CD8 T", "T", "1", "0", "0", "10"]
    assert few[3].title == "D7_temsirolimus"


def test_a_smaller_number_of_subjects_stands_beside_its_mean(tmp_path: Path) -> None:
    run = write_run(tmp_path, [*t_rows(), Row("D7_temsirolimus", "D7", "temsirolimus", 4, low=True)])
    text = Page(write_report(run, figures=False)).text
    # D7 has 10 CD8 T cells: its PD-1+ has no value, and 4 of the 5 treated subjects are averaged.
    assert "% of parent, temsirolimus (n = 5)" in text
    assert re.search(r"PD-1\+ CD8 T 17\.5 12\.8 \(4\)", text)
    assert "no value in 1 tube" in text


def test_what_only_follows_from_another_gate_is_no_gate_to_see(run: Run, tmp_path: Path) -> None:
    folder = copied(run, tmp_path / "run")
    gates = read_table(folder, "gates")
    gates.loc[gates["tube"] == "D1_control", ["status", "reason"]] = ["abstained", "no valley"]
    follows = (gates["tube"] == "D1_control") & (gates["population"] == PATH["PD-1"])
    gates.loc[follows, "reason"] = "CD45+ was not found in this tube"
    write_table(folder, "gates", gates)
    changed_run = open_run(folder)
    assert n_gates_to_see(changed_run) == 1
    (notice,) = lost_boundaries(changed_run)
    assert notice.title == "No boundary on CD45 in 1 tube, T stain"
    assert "PD-1+" in notice.hint


def test_a_boundary_from_another_subjects_control_is_said_once_for_all_its_tubes(
    run: Run, tmp_path: Path
) -> None:
    folder = copied(run, tmp_path / "run")
    gates = read_table(folder, "gates")
    gates.loc[(gates["source"] == "fmo") & (gates["status"] == "learnt"), "status"] = "stand-in"
    write_table(folder, "gates", gates)
    (row,) = borrowed(open_run(folder)).grid.rows
    assert [cell.text for cell in row] == [
        "PD-1",
        "PD-1+",
        "T",
        "8",
        "from the FMO control of another subject",
        "",
    ]


def test_a_run_that_compares_nothing_still_makes_a_report(tmp_path: Path) -> None:
    page = Page(write_report(write_run(tmp_path, t_rows(), compared=False), figures=False))
    assert "Nothing was compared" in page.text
    assert "Endpoints" not in page.text
    assert "The figures were left out." in page.text
    assert "tests nothing" in (tmp_path / "methods.md").read_text()


SIMULATED = {
    "simulated": True,
    "statement": "These data are simulated. They reproduce no study.",
    "seed": 1,
    "scenario": "seed",
    "planted": [
        {
            "stain": "T",
            "population": "CD8 T/PD-1+",
            "statistic": "fraction_of_parent",
            "control": 0.168,
            "treated": 0.127,
            "shift": shift_,
        }
        for shift_ in (-0.041, -0.1)
    ],
}


def test_simulated_data_say_so_and_stand_beside_what_was_planted(tmp_path: Path) -> None:
    run = write_run(tmp_path, t_rows(), simulated=SIMULATED)
    text = Page(write_report(run, figures=False)).text
    assert text.index("These data are simulated") < text.rindex("What needs a look")
    found = r"PD-1\+ of CD8 T 16\.8 to 12\.7 -4\.1 - 17\.5 to 12\.8 -4\.8"
    assert re.search(found + r" \(-7\.2 to -2\.3\) yes", text)
    assert re.search(r"-10\.0 - 17\.5 to 12\.8 -4\.8 \(-7\.2 to -2\.3\) no", text)  # outside the interval
    assert "holds the planted shift for 1 of 2 endpoints" in text
    assert "These data are simulated (seed 1)" in (tmp_path / "methods.md").read_text(encoding="utf-8")


def test_real_data_say_nothing_of_a_simulation(page: Page) -> None:
    assert "simulated" not in page.text.lower()


def test_unstimulated_tubes_of_an_arm_of_their_own_are_described_where_nothing_is_compared(
    tmp_path: Path,
) -> None:
    rows = [
        Row("resting", "W1", "no antigen", 4, "ICS", "unstimulated"),
        Row("fed", "W2", "antigen", 40, "ICS", "sample", "OVA"),
    ]
    text = Page(write_report(write_run(tmp_path, rows, compared=False), figures=False)).text
    assert re.search(r"IFN-g\+ CD8 T 1\.00 10\.0", text)


def test_names_that_look_like_markup_stay_names(tmp_path: Path) -> None:
    run = write_run(tmp_path, t_rows(), study='<script>alert(1)</script> & "co"')
    page = Page(write_report(run, figures=False))
    assert len(page.all("script")) == 1
    assert "<script>alert(1)" not in page.html
    assert '<script>alert(1)</script> & "co"' in page.text


def test_methods_say_template_rules_tests_and_corrections(run: Run, page: Page) -> None:
    text = (run.folder / "methods.md").read_text(encoding="utf-8")
    for said in (
        "Stain T: template small (sha256",
        "quantile (FMO control; 8)",
        "paired t on logit",
        "declared in the study file: PD-1+ of CD8 T (Holm over m = 1)",
        "Benjamini-Hochberg over the m = ",
        "fewer than 20 events",
        "random seed 1",
    ):
        assert said in text
    plain = re.sub(r"[*\\]", "", text.split("\n\n", 1)[1]).replace(MINUS, "-")
    assert all(paragraph in page.text for paragraph in plain.strip().split("\n\n"))


def test_methods_say_that_all_events_are_those_that_quality_control_kept(run: Run, tmp_path: Path) -> None:
    folder = copied(run, tmp_path / "run")
    tubes = read_table(folder, "tubes")
    tubes["n_removed"] = 0
    whole = {one.heading: one.text for one in methods(open_run(folder))}
    assert "Every event was assigned;" in whole["Gating"]
    tubes.loc[:1, "n_removed"] = [40, 60]
    write_table(folder, "tubes", tubes)
    said = {one.heading: one.text for one in methods(open_run(folder))}
    assert (
        "21 were gated, with 21,000 events, of which 20,900 were gated after quality control" in said["Data"]
    )
    assert (
        'Every event that quality control kept was assigned, and "all events" stands for these'
        in said["Gating"]
    )


def test_boundaries_are_counted_alike_in_methods_and_checklist(run: Run) -> None:
    # 20 measured tubes and the FMO control, two each.
    gating = next(one.text for one in methods(run) if one.heading == "Gating")
    assert (
        "Of 42 boundaries (40 of them in tubes whose values are reported, the others in control tubes)"
        in gating
    )
    assert "42 boundaries, control tubes included" in analysis(run)["gating"].text


def test_the_values_subject_by_subject_stand_beside_their_events(run: Run) -> None:
    row = run.contrasts.to_dict("records")[0]
    grid = subjects_grid(run.table, row, {})
    assert grid.columns[-2:] == ("events, control", "events, temsirolimus")
    assert [cell.text for cell in grid.rows[0]][-2:] == ["68 of 400", "52 of 400"]
    assert not any(cell.look for cell in grid.rows[0])


def test_those_outside_the_family_by_rule_are_not_said_to_be_impossible_to_test(run: Run) -> None:
    rows = run.contrasts.head(3).assign(
        p=[0.1, float("nan"), float("nan")], outside=["", "one population, once", ""]
    )
    assert not_tested(rows) == "1 was not tested, by rule and 1 could not be tested"
    assert not_tested(rows.head(1)) == ""


def test_the_representative_tube_has_the_median_number_of_leukocytes(run: Run, tmp_path: Path) -> None:
    folder = copied(run, tmp_path / "run")
    table = read_table(folder, "statistics")
    samples = [row.tube for row in t_rows() if row.kind == "sample"]
    for events, tube in zip((500, 100, 300, 700, 200, 600, 400, 800), samples, strict=True):
        here = (
            (table["tube"] == tube) & (table["population"] == "cells/CD45+") & (table["statistic"] == "count")
        )
        table.loc[here, ["value", "n"]] = float(events)
    write_table(folder, "statistics", table)
    chosen = representative(open_run(folder), "T")
    assert chosen.tube == samples[6]  # 400, the lower of the two in the middle of 100 to 800
    assert "median number of CD45+ events (400; 100 to 800)" in chosen.why


def test_a_missing_fcs_file_costs_its_figure_and_says_so(run: Run, tmp_path: Path) -> None:
    folder = copied(run, tmp_path / "run")
    tube = representative(run, "T").tube
    (folder / f"{tube}.fcs").unlink()
    info = json.loads((folder / "run.json").read_text())
    info["tubes"][tube]["file"] = str(folder / "gone.fcs")
    (folder / "run.json").write_text(json.dumps(info))
    why = Studio(open_run(folder)).hierarchy("T")
    assert why[0] is None
    assert f"the FCS file of tube {tube} is gone" in why[1]
    assert Studio(open_run(folder)).overlay("T") is None


def test_the_same_run_gives_the_same_page(run: Run, tmp_path: Path) -> None:
    same = open_run(copied(run, tmp_path / "run"))
    first, second = (write_report(same, figures=False).read_bytes() for _ in range(2))
    assert first == second


@pytest.mark.parametrize(
    ("kind", "options", "stem"),
    [
        ("hierarchy", {"tubes": ("D2_control",), "population": "CD8 T"}, "gating_D2_control"),
        ("overlay", {}, "overlay_PD-1_T"),
        (
            "overlay",
            {"tubes": ("D1_control", "FMO"), "population": "CD8 T", "marker": "PD-1"},
            "overlay_PD-1_CD8_T",
        ),
        ("compare", {"population": "CD8 T/PD-1+", "marker": ""}, "compare_treatment_T_PD-1+_of_CD8_T"),
        ("forest", {}, "forest_all_treatment"),
    ],
)
def test_a_single_figure_is_drawn_on_demand(run: Run, kind: str, options: dict, stem: str) -> None:
    paths = write_figure(run, kind, formats=("svg",), **options)
    assert run.folder / "figures" / f"{stem}.svg" in paths


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("pie", {}, "choose one of hierarchy"),
        ("overlay", {"population": "CD8 T"}, "names population and marker"),
        ("overlay", {"tubes": ("FMO",), "population": "CD8 T", "marker": "CD99"}, "no marker 'CD99'"),
        ("compare", {"population": "Treg"}, "no population is called 'Treg'"),
        ("hierarchy", {"tubes": ("Z",)}, "no tube 'Z'"),
    ],
)
def test_a_figure_that_cannot_be_drawn_says_what_could(
    run: Run, kind: str, options: dict, message: str
) -> None:
    with pytest.raises(RunError, match=re.escape(message)):
        write_figure(run, kind, **options)


def test_numbers_print_with_three_figures_and_a_true_minus() -> None:
    assert [percent(f) for f in (0.168, 0.00312, 0.0000312, 1.0, 0.0)] == [
        "16.8\N{NO-BREAK SPACE}%", "0.312\N{NO-BREAK SPACE}%", "0.00312\N{NO-BREAK SPACE}%",
        "100\N{NO-BREAK SPACE}%", "0\N{NO-BREAK SPACE}%",
    ]  # fmt: skip
    assert number(-12_345.6) == f"{MINUS}12,300"
    assert percent(float("nan")) == NOTHING
    assert (
        minus("PD-1 fell by -4.1, IL-2 by (-3 to -1)")
        == f"PD-1 fell by {MINUS}4.1, IL-2 by ({MINUS}3 to {MINUS}1)"
    )


def test_the_effect_and_its_sentence_print_the_same_numbers(run: Run) -> None:
    from cytometry.compare import sentence

    for row in run.contrasts.to_dict("records"):
        numbers = re.findall(rf"[{MINUS}\d.,]*\d", shift(row).replace("95\N{NO-BREAK SPACE}%", ""))
        assert all(found in minus(sentence(row)) for found in numbers)


def test_a_sentence_begins_with_a_capital_unless_a_name_has_its_own() -> None:
    said = ("median PD-1", "eMDSC of CD45+", "on_treatment minus", "no valley: one")
    printed = ["Median PD-1", "eMDSC of CD45+", "on_treatment minus", "No valley: one"]
    assert [first_upper(text) for text in said] == printed


def test_populations_are_read_as_a_tree() -> None:
    assert down(["T", "T/CD4", "T/CD8", "B", "T/CD4/naive"]) == ["T", "T/CD4", "T/CD4/naive", "T/CD8", "B"]


def test_a_file_name_is_one_on_every_system() -> None:
    assert file_stem('compare_a/b: "PD-1+" of CD8 T?') == "compare_a_b_PD-1+_of_CD8_T"
