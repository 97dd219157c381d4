"""Planted against found: what the simulator put in, beside what the run estimates, endpoint and population."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite, log2
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cytometry.folder import write_table
from cytometry.report.blocks import Cell, Grid, Picture, cells
from cytometry.report.drawing import figure_of
from cytometry.report.endpoint_pairs import Pair, pairs_of
from cytometry.report.figures import FORMATS, WIDE, Studio, embedded
from cytometry.report.recovered import recovered, recovered_grid, worst_recovered
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
    population_of,
    ratio,
    shift,
)

if TYPE_CHECKING:
    from cytometry.simulate import Truth
    from cytometry.store import Run

COLUMNS = (
    "endpoint", "planted, %", "shift planted", "in these tubes", "found, %", "shift found, with interval",
    "interval holds what was planted",
)  # fmt: skip


TABLE = "planted"
STEM = "compare_planted_and_found"
CAPTION = (
    "What was planted beside what was estimated. A filled dot: the interval holds the planted shift; an open one: it "
    "does not. How far the true cells of the subjects drawn are from what was planted is the luck of the draw; how "
    "far the estimate is from the true cells is the gating's doing."
)
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
    truth = _truth(run, said)
    pairs = pairs_of(run, list(said.get("planted", ())), truth)
    found = recovered(run, truth) if truth else None
    if found is not None and len(found):
        write_table(run.folder, TABLE, found)
    grids = {stain: recovered_grid(found, stain) for stain in run.stains} if found is not None else {}
    grid = Grid(
        f"Planted and found, endpoint by endpoint; {_units(pairs)}.",
        tuple(name.replace(", %", "") for name in COLUMNS) if any(p.is_fold for p in pairs) else COLUMNS,
        tuple(_line(pair, several=_several(pairs)) for pair in pairs),
        frozenset(range(1, 6)),
    )
    untold = "" if any(grids.values()) else UNTOLD
    worst = worst_recovered(found) if found is not None else ""
    text = " ".join(part for part in (_text(said, pairs), worst) if part)
    return Planted(text, grid, _picture(studio, pairs), grids, untold)


def _units(pairs: list[Pair]) -> str:
    """Return what the grid's shifts are."""
    folds = [pair.is_fold for pair in pairs]
    if not any(folds):
        return "shifts in percentage points"
    return "folds of the median" if all(folds) else "shifts in percentage points, of a median its fold"


def _truth(run: Run, said: dict[str, Any]) -> Truth | None:
    """Return the truth beside the study file; None where it was taken away, or is another simulation's."""
    from cytometry.simulate import SimulationError, read_truth

    try:
        truth = read_truth(Path(str(run.info.get("study_file", ""))).parent)
    except SimulationError:
        return None
    return truth if truth.summary.get("parameters") == said.get("parameters") else None


def _picture(studio: Studio, pairs: list[Pair]) -> Picture | None:
    """Return the endpoints as a figure: planted, of the true cells drawn, and estimated with its interval.

    Fractions, or median intensities where there are no others: the two share no axis.
    """
    from cytometry.plots import save
    from cytometry.plots.planted import PlantedShift, planted_shifts

    shown = [pair for pair in pairs if not pair.is_fold] or pairs
    if not (shown and studio.draws):
        return None
    fold, several = shown[0].is_fold, _several(pairs)
    shifts = [
        PlantedShift(_name(pair, several=several), *(log2(end) if fold else 100 * end for end in _ends(pair)))
        for pair in shown
    ]
    unit = "log2 of the fold" if fold else "shift (percentage points)"
    path = studio.run.folder / "figures" / STEM
    save(figure_of(planted_shifts(shifts, unit=unit)), path, formats=FORMATS)
    alt = "; ".join(
        f"{one.name}: planted {one.planted:.1f}, estimated {one.estimate:.1f} ({one.low:.1f} to {one.high:.1f})"
        for one in shifts
    )
    return Picture(path.name, embedded(path), minus(f"{alt}."), CAPTION, WIDE, FORMATS)


def _ends(pair: Pair) -> tuple[float, ...]:
    return (pair.planted, pair.realised, pair.estimate, pair.low, pair.high)


def _name(pair: Pair, *, several: bool) -> str:
    """Return what the endpoint measures, and in which comparison where there are several."""
    if not several:
        return f"{first_upper(measure_of(pair.contrast)).partition(' (')[0]} [{pair.contrast['stain']}]"
    measured = population_of(pair.contrast) if pair.is_fold else measure_of(pair.contrast).partition(" (")[0]
    return f"{measured}, {pair.contrast['comparison']}"


def _several(pairs: list[Pair]) -> bool:
    return len({pair.contrast["comparison"] for pair in pairs}) > 1


def _line(pair: Pair, *, several: bool) -> tuple[Cell, ...]:
    row, contrast = pair.row, pair.contrast
    where = f" ({contrast['comparison']})" if several else ""
    return cells(
        [
            Cell(
                f"{first_upper(measure_of(contrast))}{where}",
                title=f"{contrast['stain']}: {contrast['population']}",
            ),
            _from_to(row["control"], row["treated"], pair),
            Cell(_moved(pair.planted, pair), pair.planted),
            Cell(_moved(pair.realised, pair), pair.realised),
            _from_to(contrast["mean_control"], contrast["mean_treated"], pair),
            Cell(ratio(contrast) if pair.is_fold else _interval(contrast), pair.estimate),
            NOTHING if pair.holds is None else "yes" if pair.holds else "no",
        ]
    )


def _from_to(control: float, treated: float, pair: Pair) -> str:
    if not (isfinite(control) and isfinite(treated)):
        return "not measured"
    factor = 1 if pair.is_fold else 100
    return f"{number(factor * control)} to {number(factor * treated)}"


def _moved(value: float, pair: Pair) -> str:
    return number(value, digits=2) if pair.is_fold else points(value, pair.contrast).removesuffix(POINTS)


def _interval(contrast: dict[str, Any]) -> str:
    return bare(shift(contrast).replace(POINTS, ""), contrast)


def _text(said: dict[str, Any], pairs: list[Pair]) -> str:
    held = [pair.holds for pair in pairs]
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
