"""The workbook and Prism's tables hold what the run's tables hold, typed, and nothing that a program would run."""

from __future__ import annotations

import csv
from pathlib import Path
from xml.etree import ElementTree
from zipfile import ZipFile

import numpy as np
import pandas as pd
import pytest
from small_run import PATH, ics_rows, t_rows, write_run

from cytometry.errors import RunError
from cytometry.export import export_events
from cytometry.prism import write_prism
from cytometry.safe import file_stem, safe_cell, safe_csv
from cytometry.store import Run
from cytometry.wide import short_names, wide
from cytometry.workbook import Sheet, typed, write_sheets, write_workbook

NAMES = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
EVIL = (
    '=HYPERLINK("http://x.example","look")',
    "+1+1",
    "-2+3",
    "@SUM(A1)",
    "=cmd|' /C calc'!A0",
    "https://x.example",
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return write_run(tmp_path_factory.mktemp("run"), [*t_rows(), *ics_rows()])


def read_sheet(path: Path, number: int) -> tuple[list[list[tuple[str, str]]], ElementTree.Element]:
    """Return a sheet's cells as (type, value), read from its XML by no library, and the sheet."""
    with ZipFile(path) as book:
        shared = ElementTree.fromstring(book.read("xl/sharedStrings.xml"))
        words = ["".join(t.text or "" for t in one.iter(f"{NAMES}t")) for one in shared]
        sheet = ElementTree.fromstring(book.read(f"xl/worksheets/sheet{number}.xml"))
    rows = []
    for row in sheet.iter(f"{NAMES}row"):
        cells = []
        for cell in row:
            value, kind = cell.findtext(f"{NAMES}v") or "", cell.get("t", "n")
            cells.append((kind, words[int(value)] if kind == "s" else value))
        rows.append(cells)
    return rows, sheet


def test_text_that_begins_like_a_formula_stays_text(tmp_path: Path) -> None:
    path = tmp_path / "evil.xlsx"
    write_sheets(path, [Sheet("evil", pd.DataFrame({EVIL[0]: EVIL, "number": np.arange(6.0)}))], title="=1+1")
    rows, sheet = read_sheet(path, 2)
    assert [row[0] for row in rows] == [("s", EVIL[0]), *(("s", one) for one in EVIL)]
    assert not list(sheet.iter(f"{NAMES}f"))  # no formula
    assert not list(sheet.iter(f"{NAMES}hyperlink"))
    with ZipFile(path) as book:
        assert not [name for name in book.namelist() if "externalLink" in name or "vba" in name]


def test_numbers_are_numbers_and_missing_ones_are_blank(tmp_path: Path) -> None:
    path = tmp_path / "typed.xlsx"
    table = pd.DataFrame(
        {"subject": ["001", "002", "003"], "value": [0.25, np.nan, np.inf], "read_back": ["1", "", "2.5"]}
    )
    write_sheets(path, [Sheet("a", table)], title="")
    rows, _ = read_sheet(path, 2)
    assert rows[1] == [("s", "001"), ("n", "0.25"), ("n", "1")]  # a subject's name is no number
    assert rows[2] == [("s", "002")]
    assert rows[3] == [("s", "003"), ("s", "infinite"), ("n", "2.5")]


def test_every_sheet_has_a_frozen_head_a_filter_and_widths(run: Run) -> None:
    path = write_workbook(run)
    with ZipFile(path) as book:
        sheets = [name for name in book.namelist() if name.startswith("xl/worksheets/sheet")]
    assert len(sheets) >= 10
    for number in range(1, len(sheets) + 1):
        _, sheet = read_sheet(path, number)
        assert sheet.find(f".//{NAMES}pane").get("state") == "frozen"
        assert sheet.find(f".//{NAMES}autoFilter") is not None
        assert sheet.find(f".//{NAMES}cols") is not None


def test_the_workbook_holds_the_contrasts_of_the_run(run: Run) -> None:
    path = write_workbook(run)
    rows, _ = read_sheet(path, 1)
    said = {row[0][1]: number for number, row in enumerate(rows[2:], start=2)}
    cells, _ = read_sheet(path, said["Contrasts"])
    heads = [head for _, head in cells[0]]
    assert "shift (see unit)" in heads
    assert len(cells) == 1 + len(run.contrasts)
    shifts = [float(value) for kind, value in cells[1] if kind == "n"]
    assert any(np.isclose(shifts, -0.0475))


def test_the_same_run_gives_the_same_workbook(run: Run) -> None:
    assert write_workbook(run).read_bytes() == write_workbook(run).read_bytes()


def test_a_wide_table_has_a_row_per_tube_and_percent_of_a_named_base(run: Run) -> None:
    rows = run.table[(run.table["stain"] == "T") & (run.table["statistic"] == "fraction_of_parent")]
    table = wide(rows).set_index("tube")
    assert len(table) == 9
    # 68 of 400 CD8 T cells of donor 1 before treatment.
    assert table.loc["D1_control", "PD-1+ (% of CD8 T)"] == pytest.approx(17.0)


def test_names_are_as_short_as_tells_them_apart() -> None:
    paths = pd.Series(["T/CD4 T/PD-1+", "T/CD8 T/PD-1+", "T/CD8 T"])
    assert list(short_names(paths).values()) == ["CD4 T/PD-1+", "CD8 T/PD-1+", "CD8 T"]


def test_a_column_is_typed_only_where_all_of_it_are_numbers() -> None:
    table = typed(pd.DataFrame({"a": ["1", "x"], "b": ["1", "2"], "reason": ["1", "2"]}))
    assert [str(kind) for kind in table.dtypes] == ["object", "int64", "object"]


def read_csv(path: Path) -> list[list[str]]:
    return list(csv.reader(path.read_text(encoding="utf-8").splitlines()))


def test_prism_gets_a_row_per_subject_and_a_column_per_level(run: Run) -> None:
    paths = {path.name: path for path in write_prism(run)}
    rows = read_csv(paths["treatment_T_PD-1+_fraction_of_parent_of_CD8_T.csv"])
    assert rows[0] == ["subject", "control", "temsirolimus"]
    assert rows[1:] == [
        ["D1", "17.0", "13.0"],
        ["D2", "18.0", "12.5"],
        ["D3", "15.0", "12.0"],
        ["D4", "20.0", "13.5"],
    ]


def test_prism_gets_all_populations_of_a_stain_grouped_by_level(run: Run) -> None:
    paths = {path.name: path for path in write_prism(run)}
    rows = read_csv(paths["grouped_treatment_T_fraction_of_parent.csv"])
    assert rows[0] == ["", *["control"] * 4, *["temsirolimus"] * 4]
    assert rows[1] == ["subject", *["D1", "D2", "D3", "D4"] * 2]
    (pd1,) = [row for row in rows if row[0].startswith("PD-1+")]
    assert pd1 == ["PD-1+ (% of CD8 T)", "17.0", "18.0", "15.0", "20.0", "13.0", "12.5", "12.0", "13.5"]
    assert PATH["PD-1"].endswith("CD8 T/PD-1+")


def test_two_arms_stand_one_below_the_other_in_prism(run: Run, tmp_path: Path) -> None:
    from cytometry.prism import column_table, compared

    row = run.contrasts.iloc[0].to_dict() | {"design": "unpaired"}
    lines = column_table(compared(run, row), row, run)
    assert lines[0] == ["control", "temsirolimus"]
    assert lines[1] == [17.0, 13.0]
    assert len(lines) == 5


@pytest.mark.parametrize("text", EVIL[:5])
def test_a_cell_of_a_csv_is_never_a_formula(text: str) -> None:
    (line,) = safe_csv([[text, -1.5]]).splitlines()
    (cell, number) = next(csv.reader([line]))
    assert cell == f"'{text}"
    assert number == "-1.5"


def test_a_safe_cell_keeps_plain_text_and_drops_what_is_no_number() -> None:
    assert [safe_cell(one) for one in ("PD-1+", None, float("nan"), 3, True)] == ["PD-1+", "", "", "3", "yes"]


def test_a_file_name_is_one_on_every_system() -> None:
    assert file_stem('compare_a/b: "PD-1+" of CD8 T?') == "compare_a_b_PD-1+_of_CD8_T"


def test_tables_are_exported_whole_or_not_at_all(run: Run) -> None:
    assert [path.name for path in export_events(run, to="xlsx")] == ["results.xlsx"]
    assert all(path.parent.name == "prism" for path in export_events(run, to="prism"))
    assert {path.suffix for path in export_events(run, to="miflowcyt")} == {".json", ".md", ".tsv"}
    with pytest.raises(RunError, match="tables of the whole run"):
        export_events(run, to="xlsx", population="CD8 T")
