"""The tables of the closer looks, printed."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import TYPE_CHECKING, Any

from cytometry.report.blocks import Cell, Grid, cells, records
from cytometry.report.words import (
    NOTHING,
    amount,
    bare,
    confidence,
    minus,
    name_of,
    number,
    ratio,
    shift,
    together,
)

if TYPE_CHECKING:
    import pandas as pd


def readouts_grid(found: pd.DataFrame, row: Mapping[str, Any]) -> Grid:
    """Return the readouts of one marker: percent positive, median of the positive, median of all."""
    interval = f"{confidence(row)} CI"
    columns = (
        "readout",
        str(row["control"]),
        str(row["treated"]),
        f"shift ({interval})",
        f"ratio ({interval})",
        "",
    )
    rows = [
        cells(
            [
                Cell(one["readout"], title=str(one["population"])),
                *_means(one),
                Cell(
                    bare(shift({**one, "confidence": row["confidence"]}), {**row, "unit": one["unit"]}),
                    one["shift"],
                )
                if isfinite(one["shift"])
                else NOTHING,
                Cell(ratio(one), one["ratio"]),
                one["reason"] if one["reads"] == "not compared" else one["reads"],
            ]
        )
        for one in records(found)
    ]
    return Grid("Readouts of the same marker, side by side.", columns, tuple(rows), frozenset(range(1, 5)))


def sensitivity_grid(found: pd.DataFrame, row: Mapping[str, Any]) -> Grid:
    """Return the endpoint at every cut: where the cut lies, the means, and the shift with its interval."""
    columns = (
        "cut", "at (linear)", str(row["control"]), str(row["treated"]), f"shift ({confidence(row)} CI)", "remarks",
    )  # fmt: skip
    rows = []
    means = [together(found[f"mean_{level}"], "fraction") for level in ("control", "treated")]
    for place, one in enumerate(records(found)):
        said = {**one, "unit": "fraction"}
        own = one["kind"] == "own"
        rows.append(
            cells(
                [
                    Cell("own cut, as reported" if own else str(one["cut"])),
                    Cell(number(one["cut_linear"]), one["cut_linear"]),
                    Cell(means[0][place], one["mean_control"]),
                    Cell(means[1][place], one["mean_treated"]),
                    Cell(bare(shift(said), said) if isfinite(one["shift"]) else NOTHING, one["shift"]),
                    minus(str(one["reason"] or "")),
                ]
            )
        )
    caption = "The same endpoint at other cuts; place of the cut as median over tubes."
    return Grid(caption, columns, tuple(rows), frozenset(range(1, 5)))


def decomposition_grid(parts: pd.DataFrame, row: Mapping[str, Any]) -> Grid:
    """Return the parts of a shift, which add up to it, with their intervals."""
    rows = []
    for one in records(told_parts(parts)):
        depth = 1 if str(one["part"]).startswith("within ") and one["part"] != "within subsets" else 0
        ends = [100 * float(one[name]) for name in ("shift", "shift_low", "shift_high")]
        rows.append(
            cells([Cell(str(one["part"]), depth=depth), Cell(_interval(ends, places=2), one["shift"])])
        )
    caption = "Parts of the shift; composition and within subsets add up to the total."
    return Grid(caption, ("part", f"shift, points ({confidence(row)} CI)"), tuple(rows), frozenset({1}))


def told_parts(parts: pd.DataFrame) -> pd.DataFrame:
    """Return the parts of a shift without that of other cells where the subsets leave nothing of the parent."""
    return parts[(parts["part"] != "within other") | (parts["shift"] != 0)]


def definitions_grid(found: pd.DataFrame, row: Mapping[str, Any]) -> Grid:
    """Return the shift of a cell type under each of its definitions and denominators."""
    interval = f"{confidence(row)} CI"
    columns = (
        "definition", "population", "of", str(row["control"]), str(row["treated"]), f"shift ({interval})",
        f"ratio ({interval})", "",
    )  # fmt: skip
    rows = [
        cells(
            [
                str(one["definition"]),
                Cell(name_of(str(one["population"])), title=str(one["population"])),
                name_of(str(one["base"])),
                *_means(one),
                Cell(bare(shift({**one, "confidence": row["confidence"]}), {**one, "confidence": row["confidence"]}),
                     one["shift"]),
                Cell(ratio(one), one["ratio"]),
                str(one["reads"]),
            ]
        )
        for one in records(found)
    ]  # fmt: skip
    caption = f"Regulatory T cells by definition, {row['treated']} against {row['control']}."
    return Grid(caption, columns, tuple(rows), frozenset(range(3, 7)))


def closure_grid(found: pd.DataFrame, row: Mapping[str, Any]) -> Grid:
    """Return the shift of each population's share beside the ratio of its number of cells."""
    interval = f"{confidence(row)} CI"
    columns = (
        "population",
        "share of",
        f"share, points ({interval})",
        f"number, ratio ({interval})",
        "together",
    )
    rows = []
    for one in records(found):
        shares = [100 * float(one[f"share_{name}"]) for name in ("shift", "shift_low", "shift_high")]
        counts = [float(one[f"number_{name}"]) for name in ("ratio", "ratio_low", "ratio_high")]
        rows.append(
            cells(
                [
                    Cell(name_of(str(one["population"])), title=str(one["population"])),
                    name_of(str(one["base"])),
                    Cell(_interval(shares), shares[0]),
                    Cell(_interval(counts), counts[0]),
                    str(one["conclusion"]),
                ]
            )
        )
    unit = str(found["number_unit"].iloc[0]).replace("uL", "\N{MICRO SIGN}L")
    caption = f"Shares beside {unit}, {row['treated']} against {row['control']}."
    return Grid(caption, columns, tuple(rows), frozenset({2, 3}))


def _means(row: Mapping[str, Any]) -> list[Cell]:
    unit = str(row["unit"])
    return [Cell(amount(row[key], unit), row[key]) for key in ("mean_control", "mean_treated")]


def _interval(values: list[float], *, places: int | None = None) -> str:
    if not all(isfinite(value) for value in values):
        return number(values[0], digits=2)
    if places is None:
        places = 2 if max(abs(value) for value in values) < 10 else 1
    first, low, high = (minus(f"{round(value, places) + 0.0:.{places}f}") for value in values)
    return f"{first} ({low} to {high})"
