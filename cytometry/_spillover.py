"""A spillover as it is written: ``n,name...,value...`` in a keyword, or a table of any usual dialect."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from cytometry.errors import Problem, StudyError

DIVA_HEADER = re.compile(r"-\s*%\s*fluorochrome", re.IGNORECASE)
PREFIX = re.compile(r"^comp-", re.IGNORECASE)
Lines: TypeAlias = list[tuple[int, list[str]]]


@dataclass(frozen=True, slots=True, eq=False)
class Named:
    """A matrix as it was written: names that need not be channels, a diagonal that need not be 1."""

    where: str
    names: tuple[str, ...]
    matrix: NDArray[np.float64]


def problem(code: str, where: str, message: str, hint: str = "") -> Problem:
    """Return an error of a study's compensation."""
    return Problem("error", code, where, message, hint)


def parse_keyword(text: str, where: str) -> Named | None:
    """Parse ``$SPILLOVER``, where commas may also be the decimal sign, or semicolons the separator.

    ``None`` for no text, and for names without numbers, as MACSQuant writes them.
    """
    separator = ";" if ";" in text else ","
    tokens = [token.strip() for token in text.strip(f" \t\r\n{separator}").split(separator)]
    count = int(tokens[0]) if tokens[0].isdecimal() and len(tokens[0]) < 5 else 0
    names, numbers = tuple(tokens[1 : 1 + count]), tokens[1 + count :]
    if not text or (count and len(names) == count and not numbers):
        return None
    if len(numbers) == 2 * count**2 and separator == ",":
        numbers = [f"{units}.{part}" for units, part in zip(numbers[::2], numbers[1::2], strict=True)]
    matrix = _square(numbers, count)
    if matrix is None:
        msg = f"its $SPILLOVER is no matrix: {len(numbers)} values after {count} names ({text[:40]}...)"
        hint = 'give compensation = "file:spillover.csv" or "none" in the study'
        raise StudyError([problem("CYT303", where, msg, hint)])
    return Named(where, names, matrix)


def _square(numbers: Sequence[str], count: int) -> NDArray[np.float64] | None:
    try:
        values = np.array([float(number.replace(",", ".")) for number in numbers])
    except ValueError:
        return None
    return values.reshape(count, count) if values.size == count**2 > 0 else None


def read_table(path: Path) -> Named:
    """Read a table; the separator is what its first line has of tab, semicolon and comma.

    Raises
    ------
    StudyError
        If it is not there, not square, or a cell is no number; with the line.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise StudyError([problem("CYT303", str(path), f"cannot be opened: {error.strerror}")]) from error
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    first = next((line for line in text.splitlines() if line.strip()), "")
    separator = "\t" if "\t" in first else ";" if ";" in first else ","
    try:
        rows = list(csv.reader(text.splitlines(), delimiter=separator))
    except csv.Error as error:
        raise StudyError([problem("CYT303", path.name, f"is no table: {error}")]) from error
    lines = [(number, _cells(row)) for number, row in enumerate(rows, 1) if _cells(row)]
    if len(lines) < 2:
        msg = "is no spillover table: it has fewer than two lines"
        raise StudyError([problem("CYT303", path.name, msg)])
    if any(DIVA_HEADER.search(cell) for cell in lines[0][1]):
        return _diva_overlaps(path, lines[1:])
    return _grid(path, lines)


def _cells(row: Sequence[str]) -> list[str]:
    """Return the cells of a line without blanks, and without empty ones at its end."""
    cells = [cell.strip() for cell in row]
    filled = [at for at, cell in enumerate(cells, 1) if cell]
    return cells[: filled[-1]] if filled else []


def _grid(path: Path, lines: Lines) -> Named:
    """Read a header of names above a square of numbers, with or without names before the rows."""
    header = [cell.lstrip("# ") if at == 0 else cell for at, cell in enumerate(lines[0][1])]
    body = lines[1:]
    widest = max(len(row) for _, row in body)
    corner = not header[0] or (widest == len(header) and all(_number(row[0]) is None for _, row in body))
    named_rows = corner or widest == len(header) + 1
    columns = header[1:] if corner else header
    rows = [row[1:] if named_rows else row for _, row in body]
    if len(rows) != len(columns):
        msg = f"a spillover is square, this table has {len(rows)} rows under {len(columns)} names"
        hint = "the first line names the detectors; then one line per fluorochrome, in the same order"
        raise StudyError([problem("CYT303", path.name, msg, hint)])
    matrix = np.empty((len(rows), len(columns)))
    for at, ((line, _), row) in enumerate(zip(body, rows, strict=True)):
        numbers = [_number(cell) for cell in row[: len(columns)]]
        if None in numbers or len(numbers) != len(columns):
            msg = f"{len(columns)} numbers are wanted, not {', '.join(row)}"
            raise StudyError([problem("CYT303", f"{path.name}:{line}", msg)])
        matrix[at] = np.array(numbers, dtype=np.float64)
    names = [row[0] for _, row in body] if named_rows else columns
    order = _row_order(names, columns)
    return Named(path.name, tuple(columns), matrix[order])


def _number(cell: str) -> float | None:
    try:
        return float(cell.rstrip("%").replace(",", "."))
    except ValueError:
        return None


def _row_order(rows: Sequence[str], columns: Sequence[str]) -> list[int]:
    """Return the rows in the order of the columns where they bear the same names, else as they stand."""
    found = [plain(name) for name in rows]
    wanted = [plain(name) for name in columns]
    same = len(set(found)) == len(found) and set(found) == set(wanted)
    return [found.index(name) for name in wanted] if same else list(range(len(rows)))


def _diva_overlaps(path: Path, lines: Lines) -> Named:
    """Read FACSDiva's list: fluorochrome, minus % fluorochrome, overlap of the second into the first."""
    names = list(dict.fromkeys(name for _, row in lines for name in row[:2]))
    matrix = np.eye(len(names))
    for line, row in lines:
        overlap = _number(row[2]) if len(row) > 2 else None
        if overlap is None:
            msg = f"a detector, a fluorochrome and a percentage are wanted, not {', '.join(row)}"
            raise StudyError([problem("CYT303", f"{path.name}:{line}", msg)])
        matrix[names.index(row[1]), names.index(row[0])] = overlap / 100
    return Named(path.name, tuple(names), matrix)


def stripped(name: str) -> str:
    """Return a name without what software puts around it: <>, Comp-, and :: with the marker."""
    return PREFIX.sub("", name.partition("::")[0].strip().strip("<>").strip())


def plain(name: str) -> str:
    """Return a name without case, and with one space for several."""
    return " ".join(stripped(name).replace("/", "_").casefold().split())  # FlowJo writes _ for /


def letters(name: str) -> str:
    """Return the letters and digits of a name."""
    return "".join(letter for letter in plain(name) if letter.isalnum())
