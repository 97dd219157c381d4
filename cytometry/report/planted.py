"""Planted against found: what the simulator put in, beside what the run estimates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cytometry.report.blocks import Grid

if TYPE_CHECKING:
    from cytometry.store import Run


@dataclass(frozen=True, slots=True)
class Planted:
    """What the page says of simulated data."""

    text: str
    grid: Grid


def planted(run: Run) -> Planted | None:
    """Return what was planted beside what was found; None where the data are not simulated."""
    said = run.info.get("simulated")
    if not said:
        return None
    return Planted("", Grid("", (), ()))
