"""Safe text: cells that a spreadsheet reads as text, and names that every file system takes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from io import StringIO
from math import isfinite
from typing import Any

STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\N{FULLWIDTH EQUALS SIGN}")
KEPT = frozenset("+-_.")


def safe_cell(cell: Any) -> str:
    """Return a cell of a CSV as text that no spreadsheet runs as a formula; numbers stay numbers.

    Text that begins with a sign of a formula gets an apostrophe before it, which spreadsheets do not show. A missing
    or infinite number is an empty cell.
    """
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, (int, float)):
        return repr(cell) if isfinite(cell) else ""
    text = str(cell)
    return f"'{text}" if text.lstrip(" ").startswith(STARTS) else text


def safe_csv(rows: Iterable[Sequence[Any]], *, separator: str = ",") -> str:
    """Return rows as a CSV text of safe cells."""
    import csv

    held = StringIO()
    writer = csv.writer(held, delimiter=separator, lineterminator="\n")
    writer.writerows([safe_cell(cell) for cell in row] for row in rows)
    return held.getvalue()


def file_stem(text: str) -> str:
    """Return the text as a file name that every system takes: PD-1+ of CD8 T is ``PD-1+_of_CD8_T``."""
    kept = "".join(letter if letter.isalnum() or letter in KEPT else "_" for letter in text)
    return "_".join(part for part in kept.split("_") if part).strip(".") or "unnamed"
