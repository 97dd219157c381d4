"""Gate pages: where each boundary lies in every tube, how it was learnt, how sure it is, the outlying tubes first."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

from cytometry.report.blocks import Cell, Grid, cells, records
from cytometry.report.endpoint_notices import learnt_instead
from cytometry.report.populations import down, indented
from cytometry.report.resting import measured_tubes
from cytometry.report.words import (
    NOTHING,
    count,
    counted,
    first_upper,
    listed,
    minus,
    name_of,
    number,
    once,
    percent,
)
from gating.sources import KINDS

if TYPE_CHECKING:
    import pandas as pd

    from cytometry.store import Run

REGION = " x "
NAN = float("nan")
OUTLYING = "outlying"
DISTANCES = ("cohort_distance", "fraction_distance")
NUMERIC = (
    "linear", "linear_low", "linear_high", "cohort_linear", "fraction", "cohort_fraction", *DISTANCES, "n_events",
    "confidence",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class GatePage:
    """One boundary: the line that opens its page, what is to be known of it, and its tubes."""

    title: str
    text: str
    grid: Grid
    n_outlying: int


@dataclass(frozen=True, slots=True)
class GatePages:
    """The boundaries of a stain: all in one table, then each by itself."""

    grid: Grid
    pages: tuple[GatePage, ...]


def gate_pages(run: Run, stain: str) -> GatePages:
    """Return the boundaries of a stain as its tubes have them; combinations of others have none of their own."""
    gates = _numbers(run.gates[(run.gates["stain"] == stain) & (run.gates["rule"] != "boolean")])
    measured = measured_tubes(run)
    by_place = {
        (str(path), str(marker)): of
        for (path, marker), of in gates.groupby(["population", "marker"], sort=False)
    }
    order = {path: place for place, path in enumerate(down(dict.fromkeys(path for path, _ in by_place)))}
    places = sorted(by_place, key=lambda place: order[place[0]])
    rows = [_summary(path, marker, by_place[path, marker], measured) for path, marker in places]
    columns = (
        "population", "on", "learnt by", "tubes", "place (linear): median, range", "interval, \N{PLUS-MINUS SIGN} %",
        "% of parent: median, range", "events shown, median", "outlying tubes",
    )  # fmt: skip
    caption = (
        f"Boundaries of the {stain} stain over the tubes that are measured. The interval is half of the 95 % interval "
        "of the place, in % of it; outlying tubes lie further from those of the same cohort than chance brings them."
    )
    pages = tuple(_page(run, path, marker, by_place[path, marker]) for path, marker in places)
    return GatePages(Grid(caption, columns, tuple(rows), frozenset({3, 5, 7})), pages)


def _numbers(gates: pd.DataFrame) -> pd.DataFrame:
    """Return the gates with every column that a page reads; of an earlier version some are missing."""
    import pandas as pd

    found = {
        name: pd.to_numeric(gates[name], errors="coerce").astype(float) if name in gates.columns else NAN
        for name in NUMERIC
    }
    return gates.assign(**found, **({} if OUTLYING in gates.columns else {OUTLYING: ""}))


def _summary(path: str, marker: str, gates: pd.DataFrame, measured: Iterable[str]) -> tuple[Cell, ...]:
    here = gates[gates["tube"].isin(measured)]
    found = here[here["status"] != "abstained"]
    widths = (found["linear_high"] - found["linear_low"]) / 2 / found["linear"].abs()
    outlying = list(here.loc[here[OUTLYING] != "", "tube"])
    missing = len(here) - len(found)
    width = float(np.nanmedian(widths)) if widths.notna().any() else NAN
    events = float(found["n_events"].median()) if len(found) else NAN
    return cells(
        [
            indented(path),
            marker,
            listed(_ways(found), at_most=2),
            Cell(f"{len(found)} of {len(here)}", float(len(found)), look=missing > 0),
            _spread(found["linear"], number) if REGION not in marker else "region",
            Cell(f"{100 * width:.0f}" if isfinite(width) else NOTHING, width),
            _spread(100 * found["fraction"], number),
            Cell(count(events), events),
            Cell(str(len(outlying)) if outlying else "", title=", ".join(outlying), look=bool(outlying)),
        ]
    )


def _spread(values: pd.Series[Any], said: Any) -> str:
    known = values[np.isfinite(values)]
    if known.empty:
        return NOTHING
    low, middle, high = (float(known.quantile(q)) for q in (0, 0.5, 1))
    return said(middle) if said(low) == said(high) else f"{said(middle)} ({said(low)} to {said(high)})"


def _ways(gates: pd.DataFrame) -> list[str]:
    ways = gates.groupby(["rule", "source"], sort=False).size().sort_values(ascending=False)
    return [_way(str(rule), str(source)) for rule, source in ways.index]


def _way(rule: str, source: str) -> str:
    return rule if source in {"", "own"} else f"{rule} of the {KINDS.get(source, source)}"


def _page(run: Run, path: str, marker: str, gates: pd.DataFrame) -> GatePage:
    gates = gates.assign(
        _far=gates[list(DISTANCES)].abs().max(axis=1).fillna(-1), _calm=(gates[OUTLYING] == "").astype(int)
    )
    gates = gates.sort_values(["_calm", "_far"], ascending=[True, False], kind="stable")
    outlying = int((gates[OUTLYING] != "").sum())
    lost = int((gates["status"] == "abstained").sum())
    said = [
        f"learnt by {listed(_ways(gates), at_most=3)}",
        f"{counted(outlying, 'outlying tube')}" if outlying else "",
        f"not found in {counted(lost, 'tube')}" if lost else "",
    ]
    title = f"{name_of(path)} on {marker}, in {name_of(path.rpartition('/')[0]) or 'all events'}"
    columns = (
        "tube", "place (linear), 95 % interval", "median of its cohort", "SDs from it", "% of parent",
        "median of its cohort", "SDs from it", "events shown", "learnt from", "remarks",
    )  # fmt: skip
    rows = tuple(_row(run, row) for row in records(gates))
    grid = Grid(f"{title}: tube by tube, outlying ones first.", columns, rows, frozenset(range(1, 8)))
    text = first_upper("; ".join(part for part in said if part)) + "."
    return GatePage(title, text, grid, outlying)


def _row(run: Run, row: dict[str, Any]) -> tuple[Cell, ...]:
    far = str(row[OUTLYING])
    remarks = [
        f"outlying: {far}" if far else "",
        "not found" if row["status"] == "abstained" else "",
        f"learnt {learnt_instead(run, row)}" if row["status"] in {"stand-in", "pooled", "cohort"} else "",
        once(str(row["reason"] or "")),
    ]
    return cells(
        [
            str(row["tube"]),
            Cell(_place(row), row["linear"], look="cut" in far),
            Cell(number(row["cohort_linear"]), row["cohort_linear"]),
            _distance(row["cohort_distance"]),
            Cell(percent(row["fraction"]).removesuffix("%").strip(), row["fraction"], look="fraction" in far),
            Cell(percent(row["cohort_fraction"]).removesuffix("%").strip(), row["cohort_fraction"]),
            _distance(row["fraction_distance"]),
            Cell(count(row["n_events"]), row["n_events"]),
            "its own events" if row["source"] in {"", "own"} else _from(row),
            minus("; ".join(part for part in remarks if part)),
        ]
    )


def _from(row: dict[str, Any]) -> str:
    return listed(re.split("[;,] ", str(row["learnt_from"])), at_most=2)


def _place(row: dict[str, Any]) -> str:
    if REGION in str(row["marker"]) and not isfinite(row["linear"]):
        return "region" if row["status"] != "abstained" else NOTHING
    if not isfinite(row["linear_low"]) or not isfinite(row["linear_high"]):
        return number(row["linear"])
    return f"{number(row['linear'])} ({number(row['linear_low'])} to {number(row['linear_high'])})"


def _distance(value: float) -> Cell:
    return Cell(minus(f"{value:+.1f}") if isfinite(value) else NOTHING, value)
