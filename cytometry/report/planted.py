"""Planted against found: what the simulator put in, beside what the run estimates."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cytometry.report.blocks import Cell, Grid, cells, records
from cytometry.report.contrasts import contrasts_of
from cytometry.report.words import (
    NOTHING,
    POINTS,
    bare,
    counted,
    first_upper,
    measure_of,
    minus,
    number,
    points,
    shift,
)

if TYPE_CHECKING:
    from cytometry.simulate import Truth
    from cytometry.store import Run

COLUMNS = (
    "endpoint", "planted, %", "shift planted", "in these tubes", "found, %", "shift found, with interval",
    "holds the planted",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Planted:
    """What the page says of simulated data."""

    text: str
    grid: Grid


def planted(run: Run) -> Planted | None:
    """Return what was planted beside what was found; None where the data are not simulated.

    What the simulator changed is shown too where the study did not declare it and a contrast measures it.
    """
    said = run.info.get("simulated")
    if not said:
        return None
    pairs = [(row, contrast) for row in said.get("planted", ()) if (contrast := _contrast(run, row))]
    truth = _truth(run)
    grid = Grid(
        "Planted and found, endpoint by endpoint; shifts in percentage points.",
        COLUMNS,
        tuple(_line(row, contrast, truth) for row, contrast in pairs),
        frozenset(range(1, 6)),
    )
    return Planted(_text(said, pairs), grid)


def _contrast(run: Run, row: dict[str, Any]) -> dict[str, Any] | None:
    """Return the contrast that measures a planted endpoint."""
    known = contrasts_of(run)
    here = known[(known["stain"] == row["stain"]) & (known["statistic"] == row["statistic"])]
    path = str(row["population"])
    here = here[(here["population"] == path) | here["population"].str.endswith(f"/{path}")]
    return records(here)[0] if len(here) else None


def _truth(run: Run) -> Truth | None:
    """Return the truth beside the study file; None where it was taken away."""
    from cytometry.simulate import SimulationError, read_truth

    try:
        return read_truth(Path(str(run.info.get("study_file", ""))).parent)
    except SimulationError:
        return None


def _realised(truth: Truth | None, row: dict[str, Any]) -> float:
    """Return the mean shift of the true cells in these tubes; NaN where the truth does not say."""
    from cytometry.simulate import SimulationError

    if truth is None:
        return float("nan")
    try:
        shifts = truth.shifts(row["population"], stain=row["stain"], statistic=row["statistic"])
    except SimulationError:
        return float("nan")
    return float(shifts["realised_shift"].mean())


def _line(row: dict[str, Any], contrast: dict[str, Any], truth: Truth | None) -> tuple[Cell, ...]:
    realised = _realised(truth, row)
    holds = _holds(row, contrast)
    return cells(
        [
            Cell(first_upper(measure_of(contrast)), title=f"{contrast['stain']}: {contrast['population']}"),
            _from_to(row["control"], row["treated"]),
            Cell(points(row["shift"], contrast).removesuffix(POINTS), row["shift"]),
            Cell(points(realised, contrast).removesuffix(POINTS), realised),
            _from_to(contrast["mean_control"], contrast["mean_treated"]),
            Cell(_interval(contrast), contrast["shift"]),
            NOTHING if holds is None else "yes" if holds else "no",
        ]
    )


def _from_to(control: float, treated: float) -> str:
    if not (isfinite(control) and isfinite(treated)):
        return "not measured"
    return f"{number(100 * control)} to {number(100 * treated)}"


def _interval(contrast: dict[str, Any]) -> str:
    return bare(shift(contrast).replace(POINTS, ""), contrast)


def _holds(row: dict[str, Any], contrast: dict[str, Any]) -> bool | None:
    if not (isfinite(contrast["shift_low"]) and isfinite(contrast["shift_high"])):
        return None
    return bool(contrast["shift_low"] <= row["shift"] <= contrast["shift_high"])


def _text(said: dict[str, Any], pairs: list[tuple[dict[str, Any], dict[str, Any]]]) -> str:
    held = [_holds(row, contrast) for row, contrast in pairs]
    parts = [
        f"Scenario {said['scenario']}, seed {said['seed']}." if "scenario" in said else "",
        str(said.get("statement", "")).removeprefix("These data are simulated. "),
    ]
    if pairs:
        tested = sum(one is not None for one in held)
        parts.append(
            f"The interval holds the planted shift for {sum(one is True for one in held)} of "
            f"{counted(tested, 'endpoint')}; one in twenty is expected to miss. Planted are means over all possible "
            "subjects; the shift in these tubes is that of the true cells of the subjects drawn."
        )
    return minus(" ".join(part for part in parts if part))
