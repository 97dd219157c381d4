"""The text that a person writes: TOML whose keys know their lines, CSV as Excel and its readers save it."""

from __future__ import annotations

import csv
import os
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

from cytometry.errors import Problem

BYTE_ORDER_MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
SEPARATORS = (",", ";", "\t")
SHOWN = 4  # names in a message
_HEADER = re.compile(r"^\s*(\[\[?)\s*(.+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"""^\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*=""")
_PART = re.compile(r"""[\w-]+|"[^"]*"|'[^']*'""")
_VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")

Place = tuple[str | int, ...]


def shown(names: Sequence[str]) -> str:
    """Return file names for a message; the first few, and how many more there are."""
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def error(code: str, where: str, message: str, hint: str = "") -> Problem:
    """Return a problem that stops a study."""
    return Problem("error", code, where, message, hint)


def warning(code: str, where: str, message: str, hint: str = "") -> Problem:
    """Return a problem that a user should know of."""
    return Problem("warning", code, where, message, hint)


@dataclass(frozen=True, slots=True)
class TomlText:
    """A TOML file: what it says, and where."""

    path: Path
    values: Mapping[str, Any]
    lines: Mapping[Place, int] = field(repr=False)
    text: Sequence[str] = field(repr=False)

    def where(self, *place: str | int) -> str:
        """Return ``study.toml:12`` for a key; for one that is not there, the line of what should hold it."""
        for length in range(len(place), 0, -1):
            if place[:length] in self.lines:
                line = self.lines[place[:length]]
                below = self._further(line, place[length:]) if self._is_table(place[: length + 1]) else 0
                return f"{self.path.name}:{line + below}"
        return self.path.name

    def _is_table(self, place: Place) -> bool:
        """Return whether a table stands at a place: the entries of a list may as well be words."""
        value: Any = self.values
        for part in place:
            known = (
                value
                if isinstance(value, Mapping)
                else dict(enumerate(value))
                if isinstance(value, list)
                else {}
            )
            value = known.get(part)
        return isinstance(value, Mapping)

    def _further(self, line: int, rest: Place) -> int:
        """Return how many lines below a list's key its numbered table begins."""
        if not rest or not isinstance(rest[0], int):
            return 0
        seen = -1
        for offset, text in enumerate(self.text[line - 1 :]):
            seen += text.count("{")
            if seen >= rest[0]:
                return offset
        return 0


def read_text(path: Path) -> tuple[str | None, list[Problem]]:
    """Return a file's text, whatever program wrote it; ``None`` where there is none."""
    try:
        raw = path.read_bytes()
    except OSError as failure:
        why = (
            "is not there"
            if isinstance(failure, FileNotFoundError)
            else f"cannot be read: {failure.strerror}"
        )
        return None, [error("CYT001", path.name, f"{path} {why}", _instead(path))]
    encoding = next((name for mark, name in BYTE_ORDER_MARKS.items() if raw.startswith(mark)), "utf-8")
    try:
        return raw.decode(encoding), []
    except UnicodeDecodeError:
        said = "is not in UTF-8: read as Windows-1252, so that accents and Greek letters may be wrong"
        hint = "save it as CSV UTF-8" if path.suffix.lower() == ".csv" else "save it in UTF-8"
        return raw.decode("cp1252", errors="replace"), [warning("CYT002", path.name, said, hint)]


def _instead(path: Path) -> str:
    if not path.parent.is_dir():
        return f"there is no folder {path.parent}"
    alike = sorted(other.name for other in path.parent.iterdir() if other.suffix == path.suffix)
    if alike:
        return f"{path.parent} has {', '.join(alike)}"
    if path.name == "study.toml":
        return f"a draft of one is written by: cytometry init {path.parent}"
    return f"{path.parent} has no {path.suffix or 'such'} file"


def read_toml(path: Path) -> tuple[TomlText | None, list[Problem]]:
    """Return what a TOML file says; ``None``, with the line, where it is not TOML."""
    text, problems = read_text(path)
    if text is None:
        return None, problems
    text = text.replace("\r\n", "\n")
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as failure:
        line = re.search(r"line (\d+)", str(failure))
        where = f"{path.name}:{line[1]}" if line else path.name
        why = str(failure).partition(" (at ")[0]
        return None, [*problems, error("CYT002", where, *_not_toml(why))]
    written = text.split("\n")
    return TomlText(path, values, dict(_places(written)), written), problems


def _not_toml(why: str) -> tuple[str, str]:
    """Return what is wrong with a text that is not TOML, and what would be right."""
    if re.search(r"twice|overwrite", why):
        return "a table or a key of this name stands above already", "each stands once: put the two together"
    return f"is not TOML: {why}", 'a text stands in quotes: name = "my study"'


def _places(lines: Sequence[str]) -> Iterator[tuple[Place, int]]:
    """Return the line of each table and key; tables of an array are numbered."""
    table: Place = ()
    counts: dict[Place, int] = {}
    for number, line in enumerate(lines, 1):
        if header := _HEADER.match(line):
            table = _parts(header[2])
            if header[1] == "[[":
                counts[table] = counts.get(table, -1) + 1
                yield table, number
                table = (*table, counts[table])
            yield table, number
        elif key := _KEY.match(line):
            path = (*table, *_parts(key[1]))
            for length in range(len(table) + 1, len(path) + 1):
                yield path[:length], number


def _parts(dotted: str) -> Place:
    return tuple(part.strip("\"'") for part in _PART.findall(dotted))


@dataclass(frozen=True, slots=True)
class CsvRow:
    """A row of a CSV file: its cells by column, and its line."""

    line: int
    cells: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class CsvText:
    """A CSV file: columns in lower case with ``_`` for spaces, cells without surrounding blanks."""

    path: Path
    columns: tuple[str, ...]
    rows: tuple[CsvRow, ...]

    def where(self, line: int) -> str:
        """Return ``samples.csv:7``."""
        return f"{self.path.name}:{line}"

    def renamed(self, names: Mapping[str, str]) -> CsvText:
        """Return the table with some columns called otherwise."""
        rows = tuple(
            CsvRow(r.line, {names.get(c, c): cell for c, cell in r.cells.items()}) for r in self.rows
        )
        return CsvText(self.path, tuple(names.get(c, c) for c in self.columns), rows)


def read_csv(path: Path) -> tuple[CsvText | None, list[Problem]]:
    """Return the rows of a CSV file: comma, semicolon or tab; lines that begin with ``#`` are comments."""
    text, problems = read_text(path)
    if text is None:
        return None, problems
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip(" ,;\t")]
    lines = [(number, line) for number, line in lines if not line.lstrip(' "').startswith("#")]
    if not lines:
        return None, [*problems, error("CYT010", path.name, "is empty", "its first line names the columns")]
    separator = max(SEPARATORS, key=lines[0][1].count)
    numbers = [number for number, _ in lines]
    reader = csv.reader(StringIO("\n".join(line for _, line in lines)), delimiter=separator)
    columns = tuple("_".join(cell.strip().lower().replace("-", " ").split()) for cell in next(reader))
    rows, start = [], reader.line_num
    for cells in reader:
        line, start = numbers[start], reader.line_num
        if len(cells) > len(columns) and any(cell.strip() for cell in cells[len(columns) :]):
            said = f"has {len(cells)} cells, and the first line names {len(columns)} columns"
            hint = 'a cell that holds the separator stands in quotes: "CD3, CD19"'
            problems.append(error("CYT013", f"{path.name}:{line}", said, hint))
        padded = [*cells, *[""] * (len(columns) - len(cells))]
        rows.append(CsvRow(line, {c: cell.strip() for c, cell in zip(columns, padded, strict=False) if c}))
    return CsvText(path, tuple(c for c in columns if c), tuple(rows)), problems


def expanded(text: str) -> tuple[str, list[str]]:
    """Return a path with ``${VARIABLE}`` and ``${VARIABLE:-default}`` filled in, and the variables not set."""
    unset: list[str] = []

    def fill(match: re.Match[str]) -> str:
        value = os.environ.get(match[1]) or match[2]
        if value is None:
            unset.append(match[1])
            return match[0]
        return value

    return _VARIABLE.sub(fill, text), unset
