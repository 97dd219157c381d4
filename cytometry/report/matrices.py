"""Compensation: which matrix each tube was given, how much of it there is, and what it left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cytometry.errors import CytometryError
from cytometry.report.blocks import Cell, Grid, Notice, cells
from cytometry.report.choice import representative
from cytometry.report.contrasts import contrasts_of
from cytometry.report.methods import compensated
from cytometry.report.tables import table_of
from cytometry.report.words import NOTHING, counted, first_upper, listed, minus, number

if TYPE_CHECKING:
    from cytometry.residuals import Residual
    from cytometry.store import Run
    from gating.spillover import Spillover

LARGE = 0.05  # of the fluorochrome's own signal
MOST_CONTROLS = 1  # of a stain: each takes seconds


@dataclass(frozen=True, slots=True)
class Compensation:
    """What the page says of the compensation of a stain."""

    text: str
    largest: Grid
    matrix: Grid
    residuals: Grid
    learnt: Grid
    notice: Notice | None = None


def compensation(run: Run, stain: str, *, checks: bool = True) -> Compensation:
    """Return how a stain was compensated, its largest spills, what they left, and the representative tube's matrix."""
    text = f"{first_upper(compensated(str(run.info['stains'][stain].get('compensation', ''))))}."
    none = Grid("", (), ())
    tube = representative(run, stain).tube
    found = run.gated(tube).spillover if tube else None
    if found is None:
        return Compensation(text, none, none, none, none)
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
    left, said, proven = residuals(run, stain, found) if checks else (none, "", None)
    learnt = _learnt(run, stain)
    return Compensation(
        text + said, _largest(run, stain, found), matrix_grid(found, tube), left, learnt, proven
    )


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
    return Grid("The largest spills.", ("from", "into", "% of its own signal"), tuple(rows), frozenset({2}))


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


def residuals(run: Run, stain: str, found: Spillover) -> tuple[Grid, str, Notice | None]:
    """Return what a matrix leaves where an FMO control can tell, the worst first; that in words; and what is proven.

    A control that lacks a dye shows in its detector nothing but what the others leave there. To keep the report quick,
    one control is asked: of a marker of a declared endpoint, if there is one.
    """
    from cytometry.fcs import read_fcs
    from cytometry.residuals import FINE, SMALLEST, UNSURE, Witness, residual_slopes

    none = Grid("", (), ())
    panel = {c["marker"]: c["detector"] for c in run.info["stains"][stain]["panel"]}
    chosen: dict[str, Witness] = {}
    declared = " ".join(contrasts_of(run).query("family == 'primary'")["population"])
    lacking = {name: " ".join(run.info["tubes"][name].get("lacks") or ()) for name in _tubes(run, stain)}
    for name in sorted(lacking, key=lambda name: not (lacking[name] and lacking[name] in declared)):
        about = run.info["tubes"][name]
        lacks = list(about.get("lacks") or ())
        if about["kind"] != "fmo" or len(lacks) != 1 or panel.get(lacks[0]) not in found.detectors:
            continue
        if lacks[0] not in chosen and len(chosen) < MOST_CONTROLS:
            try:
                chosen[lacks[0]] = Witness(read_fcs(run.locate(name)), name, "fmo", panel[lacks[0]])
            except CytometryError:
                continue
    if not chosen:
        return none, "", None
    try:
        slopes = residual_slopes(list(chosen.values()), found, seed=int(run.info.get("seed") or 1))
    except (CytometryError, ValueError) as error:
        return none, f" What the matrix leaves could not be told: {error}.", None
    wrong = [one for one in slopes if one.verdict not in {FINE, UNSURE}]
    unsure = sum(one.verdict == UNSURE for one in slopes)
    markers = {detector: marker for marker, detector in panel.items()}
    rows = [
        cells(
            [
                one.tube,
                markers.get(one.source, one.source),
                markers.get(one.detector, one.detector),
                Cell(_percent(one.slope, one.error), one.slope, look=one in wrong),
                one.verdict,
            ]
        )
        for one in sorted(
            slopes, key=lambda one: (one not in wrong, one.verdict == FINE, -abs(np.nan_to_num(one.slope)))
        )
    ]
    said = (
        f" Of {len(slopes)} residual slopes into {listed(list(chosen))}, read from FMO controls, "
        f"{len(wrong) or 'none'} {'is' if len(wrong) == 1 else 'are'} surely beyond {100 * SMALLEST:g} %"
        f"{f', and {unsure} cannot be told from these events' if unsure else ''}."
    )
    notice = _proven(stain, wrong, markers) if wrong else None
    caption = "What is left of each dye after compensation, in % of its signal, with the standard error."
    columns = ("control tube", "signal of", "left in", "% (standard error)", "verdict")
    return Grid(caption, columns, tuple(rows), frozenset({3})), said, notice


def _proven(stain: str, wrong: Sequence[Residual], markers: Mapping[str, str]) -> Notice:
    title = (
        f"{first_upper(stain)} stain: the matrix leaves more than it should in {counted(len(wrong), 'place')}"
    )
    places = tuple(
        f"{markers.get(one.source, one.source)} in {markers.get(one.detector, one.detector)}: "
        f"{_percent(one.slope, one.error)} %, {one.verdict}"
        for one in wrong
    )
    text = "Residual slopes of an FMO control, with their standard errors: compare the matrix with the single stains."
    return Notice("compensation", title, text, places)


def _percent(slope: float, error: float) -> str:
    if not (np.isfinite(slope) and np.isfinite(error)):
        return NOTHING
    return minus(f"{round(100 * slope, 2) + 0.0:.2f} ({100 * error:.2f})")


def _learnt(run: Run, stain: str) -> Grid:
    """Return the spills that were learnt from the study's own single stains, as the run recorded them."""
    table = table_of(run, "spillovers")
    if table is None:
        return Grid("", (), ())
    table = table[table["stain"] == stain].drop(columns="stain")
    rows = tuple(cells([str(cell) for cell in row]) for row in table.itertuples(index=False))
    return Grid("Spills learnt from the study's own controls.", tuple(map(str, table.columns)), rows)
