"""What a page is made of: cells, grids, pictures, notices. Plain values that the template prints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a grid.

    Parameters
    ----------
    text
        As printed.
    value
        The number behind it, by which a reader may sort; None where it is text.
    depth
        How far a population is indented under its ancestors.
    title
        What a pointer is shown: the whole path of a population.
    look
        Whether it asks for a look.
    """

    text: str
    value: float | None = None
    depth: int = 0
    title: str = ""
    look: bool = False

    @property
    def sort_by(self) -> str:
        """Return the number to sort by as text; nothing where there is none."""
        return f"{self.value!r}" if self.value is not None and isfinite(self.value) else ""


@dataclass(frozen=True, slots=True)
class Grid:
    """A table of the page: what it shows, its columns and rows; ``numeric`` columns stand to the right."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    numeric: frozenset[int] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.rows)


@dataclass(frozen=True, slots=True)
class Picture:
    """A figure of the page: where it was saved, what it says to those who cannot see it, its caption."""

    stem: str
    source: str
    alt: str
    caption: str
    width: float
    formats: tuple[str, ...] = ("pdf", "svg", "png")


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing that needs a look, with the tubes it is about."""

    kind: str
    title: str
    text: str = ""
    tubes: tuple[str, ...] = ()
    hint: str = ""
    always_folded: bool = False


def tidied(grid: Grid) -> Grid:
    """Return a grid without the columns of words that are empty in every row."""
    empty = {
        place
        for place in range(1, len(grid.columns))
        if place not in grid.numeric and not any(row[place].text for row in grid.rows)
    }
    if not empty or not grid.rows:
        return grid
    kept = [place for place in range(len(grid.columns)) if place not in empty]
    return Grid(
        grid.caption,
        tuple(grid.columns[place] for place in kept),
        tuple(tuple(row[place] for place in kept) for row in grid.rows),
        frozenset(new for new, place in enumerate(kept) if place in grid.numeric),
    )


def cells(values: Sequence[str | Cell]) -> tuple[Cell, ...]:
    """Return one row of a grid; text becomes a cell."""
    return tuple(value if isinstance(value, Cell) else Cell(value) for value in values)


def records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a table's rows as mappings from column to cell."""
    return [{str(name): cell for name, cell in row.items()} for row in rows.to_dict("records")]
