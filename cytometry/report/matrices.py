"""Compensation: which matrix each tube was given, how much of it there is, and what it left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cytometry.errors import CytometryError
from cytometry.report.blocks import Cell, Grid, cells
from cytometry.report.choice import representative
from cytometry.report.methods import compensated
from cytometry.report.words import counted, first_upper, number

if TYPE_CHECKING:
    from cytometry.store import Run
    from gating.spillover import Spillover

LARGE = 0.05  # of the fluorochrome's own light


@dataclass(frozen=True, slots=True)
class Compensation:
    """What the page says of the compensation of a stain."""

    text: str
    largest: Grid
    matrix: Grid


def compensation(run: Run, stain: str) -> Compensation:
    """Return how a stain was compensated, its largest spills, and the matrix of its representative tube."""
    text = f"{first_upper(compensated(str(run.info['stains'][stain].get('compensation', ''))))}."
    none = Grid("", (), ())
    tube = representative(run, stain).tube
    found = run.gated(tube).spillover if tube else None
    if found is None:
        return Compensation(text, none, none)
    held = {name: of for name in _tubes(run, stain) if (of := _spillover(run, name)) is not None}
    same = sum(_alike(found, other) for other in held.values())
    alike = (
        "every tube has this matrix"
        if same == len(held)
        else f"{same} of {counted(len(held), 'tube')} have it"
    )
    text += f" The matrix below is that of tube {tube}: {alike}, to the last digit."
    off = found.matrix - np.diag(np.diag(found.matrix))
    large = int((np.abs(off) >= LARGE).sum())
    text += (
        f" {counted(large, 'spill').capitalize()} of {100 * LARGE:g} % or more; condition number "
        f"{number(float(np.linalg.cond(found.matrix)))} (1 is no spill; noise grows with it)."
    )
    return Compensation(text, _largest(run, stain, found), matrix_grid(found, tube))


def matrix_grid(found: Spillover, tube: str) -> Grid:
    """Return a spillover matrix in percent."""
    rows = []
    for n, (detector, line) in enumerate(zip(found.detectors, found.matrix, strict=True)):
        spills = [Cell(number(100 * float(v)), float(v), look=_is_large(v, n, m)) for m, v in enumerate(line)]
        rows.append(cells([detector, *spills]))
    caption = (
        f"Spillover of tube {tube}, in % of the fluorochrome's own detector: from (rows) into (columns). Marked from "
        f"{100 * LARGE:g} %."
    )
    columns = ("detector", *found.detectors)
    return Grid(caption, columns, tuple(rows), frozenset(range(1, len(columns))))


def _is_large(value: float, row: int, column: int) -> bool:
    return row != column and abs(value) >= LARGE


def _largest(run: Run, stain: str, found: Spillover, most: int = 8) -> Grid:
    names = {
        c["detector"]: f"{c['marker']} ({c['fluorochrome']})" for c in run.info["stains"][stain]["panel"]
    }
    off = np.abs(found.matrix - np.diag(np.diag(found.matrix)))
    order = np.argsort(off, axis=None)[::-1][:most]
    rows = []
    for place in order:
        n, m = divmod(int(place), off.shape[1])
        value = float(found.matrix[n, m])
        if abs(value) >= LARGE:
            ends = [names.get(found.detectors[end], found.detectors[end]) for end in (n, m)]
            rows.append(cells([*ends, Cell(number(100 * value), value)]))
    return Grid("The largest spills.", ("from", "into", "% of its own light"), tuple(rows), frozenset({2}))


def _tubes(run: Run, stain: str) -> list[str]:
    about = run.info["tubes"]
    return [name for name, tube in about.items() if tube["stain"] == stain and tube["status"] == "gated"]


def _spillover(run: Run, tube: str) -> Spillover | None:
    try:
        return run.gated(tube).spillover
    except CytometryError:
        return None


def _alike(one: Spillover, other: Spillover) -> bool:
    return one.detectors == other.detectors and np.array_equal(one.matrix, other.matrix)
