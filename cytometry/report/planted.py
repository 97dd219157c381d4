"""Planted against found: what the simulator put in, beside what the run estimates."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cytometry.report.blocks import Cell, Grid, cells, records
from cytometry.report.words import (
    NOTHING,
    counted,
    first_upper,
    measure_of,
    minus,
    percent,
    points,
    shift,
    subjects,
)

if TYPE_CHECKING:
    from cytometry.simulate import Truth
    from cytometry.store import Run

COLUMNS = (
    "endpoint", "planted", "planted shift", "shift in these tubes", "found", "found shift", "n",
    "interval holds the planted shift",
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
        "Planted and found, endpoint by endpoint.",
        COLUMNS,
        tuple(_line(row, contrast, truth) for row, contrast in pairs),
        frozenset(range(1, 6)),
    )
    return Planted(_text(said, pairs), grid)


def _contrast(run: Run, row: dict[str, Any]) -> dict[str, Any] | None:
    """Return the contrast that measures a planted endpoint."""
    known = run.contrasts
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
    found = f"{percent(contrast['mean_control'])} to {percent(contrast['mean_treated'])}"
    holds = _holds(row, contrast)
    return cells(
        [
            Cell(first_upper(measure_of(contrast)), title=f"{contrast['stain']}: {contrast['population']}"),
            f"{percent(row['control'])} to {percent(row['treated'])}",
            Cell(points(row["shift"], contrast), row["shift"]),
            Cell(points(realised, contrast), realised),
            found,
            Cell(shift(contrast), contrast["shift"]),
            subjects(contrast).removeprefix("n = "),
            NOTHING if holds is None else "yes" if holds else "no",
        ]
    )


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
