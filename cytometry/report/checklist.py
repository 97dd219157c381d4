"""The MIFlowCyt checklist as the page prints it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cytometry.errors import CytometryError
from cytometry.miflowcyt import FILLED, PAPER, SECTIONS, STEM, Item, write_checklist
from cytometry.report.blocks import Cell, Grid, cells
from cytometry.report.words import NOTHING, counted, minus

if TYPE_CHECKING:
    from cytometry.store import Run


@dataclass(frozen=True, slots=True)
class Checklist:
    """What the page says of MIFlowCyt: how far it is filled, what is missing, and every item."""

    text: str
    missing: Grid
    all: Grid
    files: tuple[str, ...]


def checklist(run: Run) -> Checklist:
    """Write the checklist of a run, and return it as the page prints it."""
    none = Grid("", (), ())
    try:
        items = write_checklist(run)
    except CytometryError as error:  # what the user wrote cannot be read; the page says so
        return Checklist(f"The checklist could not be made: {error}", none, none, ())
    filled = sum(item.status == FILLED for item in items)
    text = f"{filled} of {counted(len(items), 'item')} are filled from files, sheet and run ({PAPER})."
    missing = [item for item in items if item.status != FILLED]
    if missing:
        text += (
            " What no file can tell is written into miflowcyt.toml beside the study file, by the keys below."
        )
    return Checklist(
        text, _missing(missing), _all(items), tuple(f"{STEM}.{kind}" for kind in ("md", "tsv", "json"))
    )


def _missing(items: list[Item]) -> Grid:
    rows = [
        cells(
            [f"{one.number} {one.name}", Cell(one.status, look=not one.text), one.lacking or NOTHING, one.key]
        )
        for one in items
    ]
    return Grid("Still to be said.", ("item", "status", "what is missing", "key"), tuple(rows))


def _all(items: list[Item]) -> Grid:
    rows = [
        cells(
            [
                f"{one.number} {one.name}",
                SECTIONS[one.number.partition(".")[0]],
                one.status,
                minus(one.text) or NOTHING,
                one.source,
            ]
        )
        for one in items
    ]
    return Grid("Every item of MIFlowCyt.", ("item", "part", "status", "said", "from"), tuple(rows))
