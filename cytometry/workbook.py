"""The workbook: the tables of a run as ``results.xlsx``, typed, filtered and frozen, with nothing that could run.

Text is always written as text, so that no cell is taken for a formula or a link, whatever it begins with.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cytometry.folder import written_aside
from cytometry.wide import wide_sheets

if TYPE_CHECKING:
    import pandas as pd

    from cytometry.store import Run

WORKBOOK = "results.xlsx"
LONGEST, MOST_ROWS, LONGEST_NAME = (
    32_767,
    1_048_575,
    31,
)  # Excel's limits: letters, rows below the head, sheet name
FORBIDDEN = "[]:*?/\\'"
NARROWEST, WIDEST, LOOKED_AT = 8, 48, 300
UNITS = {
    "confidence": "0 to 1", "n_events": "events", "n": "events", "n_base": "events of the base",
    "linear": "linear scale",
    "linear_low": "linear scale", "linear_high": "linear scale", "cohort_linear": "linear scale", "value": "see unit",
    "mean_control": "see unit", "mean_treated": "see unit", "shift": "see unit", "shift_low": "see unit",
    "shift_high": "see unit", "n_control": "subjects", "n_treated": "subjects", "n_pairs": "pairs",
    "m": "endpoints of the family", "f1": "0 to 1", "net": "fraction", "stimulated": "fraction",
    "unstimulated": "fraction", "cut_linear": "linear scale", "fraction": "of parent",
    "fraction_true": "of base", "fraction_found": "of base", "tissue_mg": "mg", "volume_ul": "uL",
    "hours_since_dose": "h",
}  # fmt: skip
TEXT = frozenset(
    "tube stain kind specimen subject arm timepoint batch stimulus tissue population base marker statistic unit factor "
    "control treated design flag reason message sha256 file learnt_from cage where code lacks check cut".split()
)
ABOUT = {
    "Contrasts": "One row per compared endpoint: means, shift and ratio with intervals, then p; n counts subjects.",
    "Statistics": "The tidy table: one row per tube, population and statistic, each fraction with its base and counts.",
    "Gates": "One row per tube and boundary: where it lies, how and from what it was learnt, or why there is none.",
    "QC": "One row per tube and acquisition check, with its limit.",
    "Tubes": "Every tube of the sheet: labels, file, SHA-256, and what became of it.",
    "Problems": "What the check of the study and the run warned of.",
    "MIFlowCyt": "The checklist of what a report must say, and what is still missing.",
    "Planted": "Simulated data only: what was planted and what was gated, population by population.",
    "Subsets": "Boolean combinations of the functions, stimulated, unstimulated and net.",
    "Responses": "Which specimens responded: detection within one subject, not a comparison.",
}


@dataclass(frozen=True, slots=True, eq=False)
class Sheet:
    """One sheet: its name, its table, and one line that says what it is."""

    name: str
    table: pd.DataFrame
    about: str = ""


def write_workbook(run: Run, *, more: Mapping[str, tuple[str, pd.DataFrame]] | None = None) -> Path:
    """Write the tables of a run to ``results.xlsx`` in its folder, and return its path.

    Parameters
    ----------
    more
        Other tables by sheet name, each with a line that says what it is.

    Raises
    ------
    RunError
        If the file cannot be written.
    """
    tables = {
        "Contrasts": run.contrasts, "Statistics": run.table, "Gates": run.gates, "QC": run.qc, "Tubes": run.tubes,
        "Problems": run.problems,
    }  # fmt: skip
    sheets = [Sheet(name, table, about) for name, about, table in wide_sheets(run)]
    sheets += [Sheet("Contrasts", tables.pop("Contrasts"), ABOUT["Contrasts"])]
    sheets += [Sheet(name, table, about) for name, (about, table) in (more or {}).items()]
    sheets += [Sheet(name, table, ABOUT.get(name, "")) for name, table in tables.items()]
    path = run.folder / WORKBOOK
    when = str(run.info.get("created", ""))
    with written_aside(path) as aside:
        write_sheets(
            aside, [one for one in sheets if len(one.table)], title=str(run.info["study"]), created=when
        )
    return path


def write_sheets(path: Path, sheets: Sequence[Sheet], *, title: str, created: str = "") -> None:
    """Write sheets, and before them one that says what each is.

    The same sheets give the same bytes. A table of more rows than a sheet holds is cut, and its line says so.
    """
    import pandas as pd
    import xlsxwriter

    book = xlsxwriter.Workbook(
        str(path), {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    )
    book.set_properties({"title": title, "created": _moment(created)})
    looks = {"head": book.add_format({"bold": True, "bottom": 1, "text_wrap": True, "valign": "top"})}
    names = _names(["README", *(sheet.name for sheet in sheets)])
    said = [(name, len(sheet.table), _about(sheet)) for name, sheet in zip(names[1:], sheets, strict=True)]
    first = pd.DataFrame([("", None, title), *said], columns=["sheet", "rows", "what it holds"])
    for name, sheet in zip(names, [Sheet("README", first), *sheets], strict=True):
        _write(book.add_worksheet(name), typed(sheet.table), looks)
    book.close()


def typed(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table with numbers where a column that is no label holds nothing else, as read back from a CSV."""
    import pandas as pd

    found = {}
    for place, name in enumerate(table.columns):
        column = table.iloc[:, place]
        if column.dtype == object and str(name) not in TEXT:
            filled = column[column.notna() & (column.astype(str).str.strip() != "")]
            numbers = pd.to_numeric(filled, errors="coerce")
            if len(filled) and numbers.notna().all():
                column = pd.to_numeric(column, errors="coerce")
        found[place] = column
    done = pd.DataFrame(found)
    done.columns = table.columns
    return done


def _write(sheet: Any, table: pd.DataFrame, looks: Mapping[str, Any]) -> None:
    names = [str(name) for name in table.columns]
    heads = [f"{name} ({UNITS[name]})" if name in UNITS else name for name in names]
    for column, head in enumerate(heads):
        sheet.write_string(0, column, head, looks["head"])
        values = table.iloc[:MOST_ROWS, column]
        cells = [
            None if gone else cell for cell, gone in zip(values.tolist(), values.isna().tolist(), strict=True)
        ]
        widest = max([len(head) * 0.6, *(len(_shown(cell)) for cell in cells[:LOOKED_AT])])
        sheet.set_column(column, column, min(max(widest + 2, NARROWEST), WIDEST))
        for row, cell in enumerate(cells, start=1):
            if cell is not None and cell != "":
                _put(sheet, row, column, cell)
    rows = min(len(table), MOST_ROWS)
    sheet.freeze_panes(1, 1)
    sheet.autofilter(0, 0, max(rows, 1), max(len(heads) - 1, 0))


def _put(sheet: Any, row: int, column: int, cell: Any) -> None:
    """Write a cell as what it is, text always as text."""
    if isinstance(cell, str):
        sheet.write_string(row, column, cell[:LONGEST])
    elif isinstance(cell, bool):
        sheet.write_boolean(row, column, cell)
    elif isfinite(cell):
        sheet.write_number(row, column, cell)
    else:
        sheet.write_string(row, column, "infinite" if cell > 0 else "minus infinite")


def _shown(cell: Any) -> str:
    if cell is None:
        return ""
    if isinstance(cell, float):
        return f"{cell:.6g}"
    return str(cell)


def _about(sheet: Sheet) -> str:
    over = len(sheet.table) - MOST_ROWS
    return sheet.about + (
        f" The last {over:,} rows do not fit a sheet; tables/ has them all." if over > 0 else ""
    )


def _names(wanted: Iterable[str]) -> list[str]:
    """Return sheet names that Excel takes: 31 letters at most, no two the same."""
    found: list[str] = []
    for one in wanted:
        name = "".join("-" if letter in FORBIDDEN else letter for letter in one)[:LONGEST_NAME] or "sheet"
        number = 1
        while name.lower() in {other.lower() for other in found}:
            number += 1
            name = f"{name[: LONGEST_NAME - len(str(number)) - 1]}~{number}"
        found.append(name)
    return found


def _moment(created: str) -> datetime:
    try:
        return datetime.fromisoformat(created).replace(tzinfo=None)
    except ValueError:
        return datetime(2000, 1, 1)  # a workbook knows no time zone
