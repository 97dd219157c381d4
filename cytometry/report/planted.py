"""Planted against found: what the simulator put in, beside what the run estimates, endpoint and population."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cytometry.folder import write_table
from cytometry.report.blocks import Cell, Grid, Picture, cells, records
from cytometry.report.contrasts import contrasts_of
from cytometry.report.drawing import figure_of
from cytometry.report.figures import FORMATS, WIDE, Studio, embedded
from cytometry.report.recovered import recovered, recovered_grid
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


TABLE = "planted"
STEM = "compare_planted_and_found"
UNTOLD = (
    "Which event truly is what is not known here: the truth folder is not beside the study file, or is that of another "
    "simulation."
)


@dataclass(frozen=True, slots=True)
class Planted:
    """What the page says of simulated data: the endpoints, as picture and grid, then the populations by stain."""

    text: str
    grid: Grid
    picture: Picture | None
    populations: dict[str, Grid]
    untold: str


def planted(run: Run, studio: Studio) -> Planted | None:
    """Return what was planted beside what was found; None where the data are not simulated.

    What the simulator changed is shown too where the study did not declare it and a contrast measures it. The
    populations are those of the true cells; they are written to ``tables/planted.csv`` as well, tube by tube.
    """
    said = run.info.get("simulated")
    if not said:
        return None
    pairs = [(row, contrast) for row in said.get("planted", ()) if (contrast := _contrast(run, row))]
    truth = _truth(run, said)
    found = recovered(run, truth) if truth else None
    if found is not None and len(found):
        write_table(run.folder, TABLE, found)
    grids = {stain: recovered_grid(found, stain) for stain in run.stains} if found is not None else {}
    grid = Grid(
        "Planted and found, endpoint by endpoint; shifts in percentage points.",
        COLUMNS,
        tuple(_line(row, contrast, truth) for row, contrast in pairs),
        frozenset(range(1, 6)),
    )
    untold = "" if any(grids.values()) else UNTOLD
    return Planted(_text(said, pairs), grid, _picture(studio, pairs, truth), grids, untold)


def _contrast(run: Run, row: dict[str, Any]) -> dict[str, Any] | None:
    """Return the contrast that measures a planted endpoint."""
    known = contrasts_of(run)
    here = known[(known["stain"] == row["stain"]) & (known["statistic"] == row["statistic"])]
    path = str(row["population"])
    here = here[(here["population"] == path) | here["population"].str.endswith(f"/{path}")]
    return records(here)[0] if len(here) else None


def _truth(run: Run, said: dict[str, Any]) -> Truth | None:
    """Return the truth beside the study file; None where it was taken away, or is another simulation's."""
    from cytometry.simulate import SimulationError, read_truth

    try:
        truth = read_truth(Path(str(run.info.get("study_file", ""))).parent)
    except SimulationError:
        return None
    return truth if truth.summary.get("parameters") == said.get("parameters") else None


def _picture(
    studio: Studio, pairs: list[tuple[dict[str, Any], dict[str, Any]]], truth: Truth | None
) -> Picture | None:
    """Return the endpoints as a figure: planted, of the true cells drawn, and estimated with its interval."""
    from cytometry.plots import save
    from cytometry.plots.planted import PlantedShift, planted_shifts

    if not (pairs and studio.draws):
        return None
    shifts = [
        PlantedShift(
            f"{first_upper(measure_of(contrast)).partition(' (')[0]} [{contrast['stain']}]",
            100 * row["shift"],
            100 * _realised(truth, row),
            *(100 * contrast[end] for end in ("shift", "shift_low", "shift_high")),
        )
        for row, contrast in pairs
    ]
    path = studio.run.folder / "figures" / STEM
    save(figure_of(planted_shifts(shifts)), path, formats=FORMATS)
    caption = (
        "What was planted beside what was estimated. A filled dot: the interval holds the planted shift; an open one: "
        "it does not. How far the true cells of the subjects drawn are from what was planted is the luck of the draw; "
        "how far the estimate is from the true cells is the gating's doing."
    )
    alt = "; ".join(
        f"{one.name}: planted {one.planted:.1f}, estimated {one.estimate:.1f} ({one.low:.1f} to {one.high:.1f})"
        for one in shifts
    )
    return Picture(path.name, embedded(path), minus(f"{alt}."), caption, WIDE, FORMATS)


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
