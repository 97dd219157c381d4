"""Closer looks: other cuts, brightness, cytokines, each boundary tube by tube, what was removed; as the tables say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from small_run import PATH, ics_rows, t_rows, write_run

from cytometry.compare import compare
from cytometry.cytokines import subtract_background
from cytometry.folder import read_table, write_table
from cytometry.report.blocks import Cell, Grid, cells, tidied
from cytometry.report.closer import closer, key_of
from cytometry.report.cytokines import cytokines
from cytometry.report.designs import question
from cytometry.report.doubts import outlying
from cytometry.report.gate_pages import gate_pages
from cytometry.report.levels import levels_of
from cytometry.report.quality import quality, quality_methods
from cytometry.responses import call_responses
from cytometry.store import Run, open_run
from cytometry.subsets import subset_table
from cytometry.table import CELLS_PER_UL


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = write_run(tmp_path_factory.mktemp("run"), [*t_rows(), *ics_rows()])
    subsets = subset_table(run)
    both = pd.concat([subsets, subtract_background(subsets)], ignore_index=True)
    write_table(run.folder, "subsets", both)
    write_table(run.folder, "responses", call_responses(subsets))
    return open_run(run.folder)


def texts(grid: Grid) -> list[list[str]]:
    return [
        [cell.text.replace("\N{NO-BREAK SPACE}", " ").replace("\N{MINUS SIGN}", "-") for cell in row]
        for row in grid.rows
    ]


def test_a_declared_endpoint_is_recounted_at_other_cuts_without_a_p(run: Run) -> None:
    found = closer(run)
    row = run.contrasts.iloc[0].to_dict()
    looks = {look.title: look for look in found.of_endpoint[key_of(row)]}
    look = looks["At other cuts"]
    own = next(line for line in texts(look.grid) if line[0] == "own cut, as reported")
    assert own[2:5] == ["17.5 %", "12.8 %", "-4.8 points (-7.2 to -2.3)"]
    assert "There is no p here" in look.text
    assert "p" not in look.grid.columns
    assert len(found.tables["sensitivity"]) == len(look.grid.rows)


def test_brightness_stands_beside_percent(run: Run) -> None:
    found = closer(run)
    look = found.of_endpoint[key_of(run.contrasts.iloc[0].to_dict())][0]
    assert [line[0] for line in texts(look.grid)] == [
        "percent positive",
        "median of the positive",
        "median of the parent",
    ]
    assert texts(look.grid)[0][-1] == "falls"


def test_combinations_and_responses_are_those_of_the_tables(run: Run) -> None:
    made = cytokines(run, levels_of(run))
    # 40 of 400 stimulated, 4 of 400 unstimulated: 9 %, in three specimens of three.
    assert ["IFN-g+ of CD8 T", "9.00", "10.5"] in [line[:3] for line in texts(made.net)]
    assert not made.subsets  # the only combination is a gate of the template, and stands above
    assert texts(made.responses)[0][-2:] == ["3 of 3", "3 of 3"]
    means = {line[1]: line[2:] for line in texts(made.polyfunctionality)}
    assert means["functions a responding cell has, mean"][0] == "1.00"


def test_a_combination_that_no_gate_is_stands_below_the_net_fractions(run: Run, tmp_path: Path) -> None:
    import shutil

    folder = Path(shutil.copytree(run.folder, tmp_path / "out"))
    subsets = read_table(folder, "subsets")
    subsets["population"] = subsets["population"].str.replace("IFN-g+", "IFN-g+ IL-2+", regex=False)
    write_table(folder, "subsets", subsets)
    run = open_run(folder)
    (subset,) = texts(cytokines(run, levels_of(run)).subsets)
    assert subset[:4] == ["IFN-g+ IL-2+", "CD8 T", "1", "9.00"]


def test_cells_without_any_function_have_no_net_fraction_on_the_page(run: Run, tmp_path: Path) -> None:
    import shutil

    folder = Path(shutil.copytree(run.folder, tmp_path / "out"))
    none = '\n[[population]]\nname = "IFN-g-"\nparent = "CD8 T"\nboolean = "!IFN-g+"\n'
    file = folder / "gating" / "ICS.toml"
    file.write_text(file.read_text(encoding="utf-8") + none, encoding="utf-8")
    table = read_table(folder, "statistics")
    net = table[table["statistic"] == "net_fraction_of_parent"]
    other = net.assign(population=net["population"].str.replace("IFN-g+", "IFN-g-", regex=False))
    write_table(folder, "statistics", pd.concat([table, other], ignore_index=True))
    there = open_run(folder)
    assert texts(cytokines(there, levels_of(there)).net) == texts(cytokines(run, levels_of(run)).net)


def test_a_channel_is_said_to_drift_by_the_rule_of_the_check(run: Run, tmp_path: Path) -> None:
    import shutil

    folder = Path(shutil.copytree(run.folder, tmp_path / "out"))
    checks = read_table(folder, "qc")
    drift = {
        "tube": "D1_control",
        "check": "drift",
        "value": 0.06,
        "limit": 0.02,
        "flag": "look",
        "reason": "moved",
    }
    write_table(folder, "qc", pd.concat([checks, pd.DataFrame([drift])], ignore_index=True))
    rows = [
        ("D1_control", "V450-A", "CD45", -0.06, -0.08, -0.04, 0.0, 0.0),  # six standard errors
        ("D1_control", "R660-A", "CD8", -0.06, -0.11, -0.01, 0.0, 0.0),  # less than three
        ("D2_control", "V450-A", "CD45", -0.06, -0.08, -0.04, 0.0, 0.0),  # of a tube that met the check
    ]
    columns = ["tube", "channel", "marker", "slope", "slope_low", "slope_high", "margin_high", "margin_low"]
    write_table(folder, "qc_channels", pd.DataFrame(rows, columns=columns))
    (only,) = texts(quality(open_run(folder)).channels)
    assert only[:3] == ["D1_control", "CD45", "-6.0 (-8.0 to -4.0)"]


def with_counts(run: Run) -> pd.DataFrame:
    """Return contrasts in which PD-1+ loses three tenths of its share, and none of its cells per uL."""
    table = run.table[(run.table["stain"] == "T") & (run.table["kind"] == "sample")]
    table = table[(table["population"] == PATH["PD-1"]) & (table["statistic"] == "fraction_of_parent")]
    treated, donor = table["arm"] == "temsirolimus", table["subject"].str[1:].astype(int)
    wobble = np.where(treated, (-1) ** donor, 0)
    table = table.assign(n=np.where(treated, 56, 80) + donor + 3 * wobble, n_base=400)
    table["value"] = table["n"] / table["n_base"]
    counts = table.assign(
        statistic=CELLS_PER_UL, unit="cells/uL", base="all events", value=50.0 + donor + wobble
    )
    both = pd.concat([table, counts], ignore_index=True)
    return compare(both, factor="arm", control="control", treated="temsirolimus", name="treatment")


def test_a_share_that_falls_where_no_cell_is_lost_is_called_closure(run: Run, tmp_path: Path) -> None:
    import shutil

    folder = Path(shutil.copytree(run.folder, tmp_path / "out"))
    write_table(folder, "contrasts", with_counts(run))
    (look,) = closer(open_run(folder)).of_comparison["treatment"]
    assert look.title == "Shares beside numbers of cells"
    (line,) = texts(look.grid)
    assert line[-1].endswith("other populations may have moved it (closure)")
    assert line[2].startswith("-6.0")
    assert line[:2] == ["PD-1+", "CD8 T"]


def test_an_outlying_fraction_is_told_once_and_after_the_cuts(run: Run, tmp_path: Path) -> None:
    import shutil

    folder = Path(shutil.copytree(run.folder, tmp_path / "out"))
    gates = read_table(folder, "gates")
    first = (gates["tube"] == "D3_control") & (gates["marker"] == "CD45")
    twice = gates[first].assign(marker="CD19", outlying="fraction", fraction_distance=9.0)
    gates.loc[first, ["outlying", "fraction_distance"]] = ["fraction", 9.0]
    cut = (gates["tube"] == "D3_control") & (gates["marker"] == "PD-1")
    gates.loc[cut, ["outlying", "cohort_distance"]] = ["cut", 7.0]
    write_table(folder, "gates", pd.concat([gates, twice], ignore_index=True))
    rows = texts(outlying(open_run(folder)).grid)
    assert [line[:5] for line in rows] == [
        ["PD-1+", "PD-1", "T", "cut", "1"],
        ["CD45+", "CD45 and CD19", "T", "fraction", "1"],
    ]


def test_outlying_tubes_stand_first_on_the_page_of_their_gate(run: Run, tmp_path: Path) -> None:
    import shutil

    folder = Path(shutil.copytree(run.folder, tmp_path / "out"))
    gates = read_table(folder, "gates")
    cd45 = gates["population"].str.endswith("CD45+") & (gates["stain"] == "T")
    gates.loc[cd45, ["linear_low", "linear_high", "fraction"]] = [1_200.0, 1_800.0, 0.8]
    gates.loc[cd45 & (gates["tube"] == "D3_control"), ["outlying", "cohort_distance"]] = ["cut", -6.2]
    write_table(folder, "gates", gates)
    (doubt,) = texts(outlying(open_run(folder)).grid)
    assert doubt == ["CD45+", "CD45", "T", "cut", "1", "6.2", "D3_control"]
    pages = gate_pages(open_run(folder), "T")
    page = next(page for page in pages.pages if page.title.startswith("CD45+"))
    assert page.n_outlying == 1
    first = texts(page.grid)[0]
    assert first[0] == "D3_control"
    assert first[1] == "1,500 (1,200 to 1,800)"
    assert first[3] == "-6.2"
    summary = next(line for line in texts(pages.grid) if line[0] == "CD45+")
    assert summary[3] == "8 of 8"  # measured tubes; the FMO is on the page alone
    assert summary[5] == "20"  # half of 600 in 1,500
    assert summary[-1] == "1"


def test_what_was_removed_is_counted_by_reason(run: Run, tmp_path: Path) -> None:
    import shutil

    folder = Path(shutil.copytree(run.folder, tmp_path / "out"))
    rows = [
        ("D1_control", "clog", "", 1.0, 2.0, 100, 0.1, True, "slow"),
        ("D2_control", "clog", "", 0.0, 1.0, 50, 0.05, True, ""),
        ("D2_control", "jump", "V450-A", 3.0, 4.0, 20, 0.02, False, "up"),
    ]
    columns = ["tube", "reason", "channel", "start", "stop", "n_events", "share", "removed", "detail"]
    write_table(folder, "qc_intervals", pd.DataFrame(rows, columns=columns))
    found = quality(open_run(folder))
    events = sum(about["n_events"] for about in run.info["tubes"].values())
    assert f"150 of {events:,} events" in found.text
    assert "from 2 tubes" in found.text
    assert texts(found.reasons)[0][:5] == ["clog", "removed", "2", "2", "150"]
    assert texts(found.reasons)[1][1] == "marked, kept"
    assert len(found.intervals.rows) == 3
    said = quality_methods(open_run(folder))
    assert f"150 of {events:,} events" in said
    # What was only marked is not said to be removed.
    assert (
        "were removed from 2 tubes, at most 10.0 % of one, for these reasons: clog (2 intervals, 150 events)."
        in (said.replace("\N{NO-BREAK SPACE}", " "))
    )
    assert said.endswith(f"{events - 150:,} events were kept.")
    assert quality_methods(run).endswith("Nothing was removed.")


def test_a_column_of_words_that_is_empty_is_left_out() -> None:
    grid = Grid("", ("a", "n", "remarks"), (cells(["x", Cell("1", 1.0), ""]),), frozenset({1}))
    assert tidied(grid).columns == ("a", "n")
    assert tidied(grid).numeric == frozenset({1})


def test_cages_are_said_to_be_what_n_counts(run: Run) -> None:
    rows = run.contrasts.assign(counted="cage", design="unpaired", adjusted_for="batch").head(1)
    said = question(rows, {})
    assert "between cages" in said
    assert "n counts cages" in said
    assert "Taken out where the design can spare it: batch." in said
