"""The sample sheet, ``samples.csv``: one row per tube, checked cell by cell and among each other."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import PurePath
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from cytometry._study.model import LACKING, SheetRow
from cytometry._study.settings import is_todo, todo_hint
from cytometry._study.text import CsvRow, CsvText, error, warning
from cytometry.errors import Problem
from cytometry.panel import did_you_mean, repeated, suggest
from gating.sources import KINDS

REQUIRED = ("file", "subject", "arm")
# What other programs and laboratories call the columns.
ELSEWHERE = MappingProxyType(
    {
        "sample_id": "tube", "sample": "tube", "id": "tube", "filename": "file", "file_name": "file", "fcs": "file",
        "donor": "subject", "patient": "subject", "mouse": "subject", "animal": "subject", "individual": "subject",
        "condition": "arm", "group": "arm", "treatment": "arm", "role": "kind", "control_type": "kind",
        "fmo_for": "lacks", "stim": "stimulus", "time": "timepoint", "visit": "timepoint", "panel": "stain",
        "fresh_cryo": "fresh_or_frozen", "storage": "fresh_or_frozen",
        "cryo": "fresh_or_frozen", "anti_pd1": "prior_anti_pd1", "prior_anti_pd_1": "prior_anti_pd1",
        "mouse_strain": "strain", "plate": "batch", "run": "batch", "volume": "volume_ul",
    }
)  # fmt: skip
OTHER_KINDS = MappingProxyType(
    {"full": "sample", "stained": "sample", "single": "single_stain", "compensation": "single_stain",
     "unstim": "unstimulated", "anchor": "healthy_anchor", "healthy": "healthy_anchor", "blank": "unstained"}
)  # fmt: skip


def _number(cell: Any) -> Any:
    """Read a decimal comma as a point."""
    return (cell.replace(",", ".") or None) if isinstance(cell, str) else cell


def _kind(cell: Any) -> Any:
    words = "_".join(str(cell).lower().replace("-", " ").split())
    return OTHER_KINDS.get(words, words) or "sample"


def _species(cell: Any) -> Any:
    return {"homo sapiens": "human", "mus musculus": "mouse", "mice": "mouse"}.get(
        str(cell).lower(), str(cell).lower()
    )


def _unless_no(cell: Any) -> Any:
    """Return a drug or a yes; blank for a no in its several spellings."""
    return "" if str(cell).lower() in ("no", "none", "false", "0", "never", "naive") else cell


def _markers(cell: Any) -> Any:
    return tuple(part for part in (one.strip() for one in re.split(r"[;,+|]", cell)) if part)


Number = Annotated[float | None, BeforeValidator(_number)]
Positive = Annotated[Annotated[float, Field(gt=0)] | None, BeforeValidator(_number)]


class _Cells(BaseModel):
    """The cells of a row, as the sheet may write them."""

    model_config = ConfigDict(frozen=True)

    file: Annotated[str, Field(min_length=1)]
    tube: str = ""
    specimen: str = ""
    subject: str = ""
    arm: str = ""
    timepoint: str = ""
    stain: str = ""
    kind: Annotated[Literal[tuple(KINDS)], BeforeValidator(_kind)] = "sample"  # type: ignore[valid-type]
    lacks: Annotated[tuple[str, ...], BeforeValidator(_markers)] = ()
    batch: str = ""
    stimulus: str = ""
    tissue: str = ""
    species: Annotated[str, BeforeValidator(_species)] = ""
    strain: str = ""
    fresh_or_frozen: Annotated[Literal["", "fresh", "frozen"], BeforeValidator(str.lower)] = ""
    hours_since_dose: Number = None
    prior_anti_pd1: Annotated[str, BeforeValidator(_unless_no)] = ""
    cage: str = ""
    tissue_mg: Positive = None
    volume_ul: Positive = None
    beads_added: Positive = None
    stained: str = ""


COLUMNS = tuple(_Cells.model_fields)


def read_sheet(sheet: CsvText, stains: Sequence[str]) -> tuple[tuple[SheetRow, ...], list[Problem]]:
    """Return the tubes of the sheet, without those whose row is wrong, and every problem of its rows.

    Parameters
    ----------
    stains
        Of the study; a tube of the only one need not name it.
    """
    problems = _column_problems(sheet)
    if any(problem.severity == "error" for problem in problems):
        return (), problems
    rows: list[SheetRow] = []
    problems += todo_problems(sheet, COLUMNS)
    for row in sheet.rows:
        made, wrong = _row(sheet, row, stains)
        problems += wrong
        rows += [made] if made else []
    if not sheet.rows:
        problems.append(error("CYT010", sheet.path.name, "names no tube", "each FCS file has a row"))
    return tuple(rows), problems + list(_among_each_other(sheet, rows))


def todo_problems(sheet: CsvText, columns: Sequence[str]) -> list[Problem]:
    """Return what ``init`` could not guess and nobody has filled in, each column once."""
    problems = []
    for column in columns:
        lines = [row.line for row in sheet.rows if is_todo(row.cells.get(column, ""))]
        if lines:
            many = f" in {len(lines)} rows, to line {lines[-1]}" if len(lines) > 1 else ""
            problems.append(
                error("CYT018", sheet.where(lines[0]), f"{column} is still TODO{many}", todo_hint(column))
            )
    return problems


def _column_problems(sheet: CsvText) -> list[Problem]:
    where = sheet.where(1)
    unknown = [column for column in sheet.columns if column not in COLUMNS]
    problems = [error("CYT011", where, f"column {one!r} occurs twice") for one in repeated(sheet.columns)]
    for column in (name for name in REQUIRED if name not in sheet.columns):
        near = [one for one in unknown if ELSEWHERE.get(one) == column] or list(suggest(column, unknown))
        hint = f"is it {near[0]!r}? call that {column!r}" if near else f"the columns are {', '.join(COLUMNS)}"
        problems.append(error("CYT011", where, f"has no column {column!r}", hint))
    for column in unknown:
        means = ELSEWHERE.get(column) or next(iter(suggest(column, COLUMNS)), "")
        if means and means not in sheet.columns and means not in REQUIRED:
            problems.append(
                warning("CYT019", where, f"does not use column {column!r}", f"did you mean {means!r}?")
            )
    return problems


def _row(sheet: CsvText, row: CsvRow, stains: Sequence[str]) -> tuple[SheetRow | None, list[Problem]]:
    where = sheet.where(row.line)
    cells = {column: cell for column, cell in row.cells.items() if column in COLUMNS}
    todo = [column for column, cell in cells.items() if is_todo(cell)]
    problems: list[Problem] = []
    filled = {column: "" if column in todo else cell for column, cell in cells.items()}
    if "file" in todo:
        return None, problems
    try:
        read = _Cells.model_validate(filled)
    except ValidationError as failure:
        return None, problems + [_cell_problem(where, detail) for detail in failure.errors(include_url=False)]
    problems += _blank(where, read, todo) + ([] if "lacks" in todo else _control_problems(where, read))
    stain, wrong = _stain(where, read.stain, stains, unknown="stain" in todo)
    if wrong or (read.kind in LACKING and not read.lacks):
        return None, problems + wrong
    specimen = read.specimen or "_".join(part for part in (read.subject, read.timepoint) if part)
    file = read.file.replace("\\", "/")
    own = {"file": file, "tube": read.tube or PurePath(file).stem, "stain": stain, "specimen": specimen}
    return SheetRow(**{**read.model_dump(), **own}, line=row.line, sheet=sheet.path.name), problems


def _cell_problem(where: str, detail: Any) -> Problem:
    column, given = detail["loc"][0], detail["input"]
    if column == "file":
        return error("CYT012", where, "file is blank", "the name of the FCS file, relative to fcs_dir")
    if column == "kind":
        return error("CYT013", where, f"kind is {given!r}", did_you_mean(str(given), KINDS))
    hint = "fresh or frozen, or blank" if column == "fresh_or_frozen" else "a number above 0, or blank"
    return error("CYT013", where, f"{column} is {given!r}", hint)


def _blank(where: str, read: _Cells, todo: Sequence[str]) -> list[Problem]:
    """Return the blanks that a sample may not have; a control tube belongs to no arm."""
    needed = {"sample": ("subject", "arm"), "unstimulated": ("subject",)}.get(read.kind, ())
    hints = {
        "subject": "the donor or animal: the experimental unit",
        "arm": "such as vehicle or temsirolimus",
    }
    return [
        error("CYT012", where, f"{column} is blank in a tube of kind {read.kind!r}", hints[column])
        for column in needed
        if not getattr(read, column) and column not in todo
    ]


def _control_problems(where: str, read: _Cells) -> list[Problem]:
    if read.kind in LACKING and not read.lacks:
        hint = "write the marker in lacks, such as PD-1"
        return [error("CYT013", where, f"an {KINDS[read.kind]} says which marker it lacks", hint)]
    if read.kind == "sample" and read.lacks:
        lacks = ", ".join(read.lacks)
        hint = "is it an FMO control? then kind is fmo"
        return [warning("CYT013", where, f"a sample tube lacks {lacks}", hint)]
    return []


def _stain(where: str, stain: str, stains: Sequence[str], *, unknown: bool) -> tuple[str, list[Problem]]:
    if stain in stains:
        return stain, []
    if not stain and len(stains) == 1:
        return stains[0], []
    if unknown or not stains:
        return "", []
    if not stain:
        hint = f"write one of {', '.join(stains)}"
        return "", [error("CYT012", where, f"stain is blank, and the study has {len(stains)}", hint)]
    return "", [error("CYT016", where, f"the study has no stain {stain!r}", did_you_mean(stain, stains))]


def _among_each_other(sheet: CsvText, rows: Sequence[SheetRow]) -> Iterator[Problem]:
    """Yield what is wrong between rows: a name or a file twice, a specimen of two subjects."""
    first: dict[tuple[str, str], SheetRow] = {}
    for row in rows:
        same_tube = first.setdefault(("tube", row.tube), row)
        same_file = first.setdefault(("file", row.file), row)
        where = sheet.where(row.line)
        if same_file is not row:
            said = f"{row.file} is already the file of line {same_file.line}"
            yield error("CYT015", where, said, "a tube is one acquisition; delete one of the rows")
        elif same_tube is not row:
            said = f"two tubes are called {row.tube!r}, here and in line {same_tube.line}"
            yield error("CYT014", where, said, "give each a name of its own in the column tube")
        if row.specimen and row.subject:
            other = first.setdefault(("specimen", row.specimen), row)
            if other.subject != row.subject:
                said = f"specimen {row.specimen!r} is of {row.subject}, and in line {other.line} of {other.subject}"
                yield error("CYT013", where, said, "a specimen is material of one subject")
