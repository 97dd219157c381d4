"""A closer look at a shift: other definitions, other cuts, composition, brightness, and cells beside shares.

Each is computed from the run, written to ``tables/``, and printed from there. What cannot be had says why.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cytometry.errors import CytometryError
from cytometry.report.blocks import Grid, Picture, records
from cytometry.report.closer_grids import (
    closure_grid,
    decomposition_grid,
    definitions_grid,
    readouts_grid,
    sensitivity_grid,
)
from cytometry.report.closer_pictures import look_at
from cytometry.report.contrasts import contrasts_of
from cytometry.report.designs import two_at_a_time
from cytometry.report.figures import Studio
from cytometry.report.words import first_upper, measure_of, minus
from cytometry.table import FRACTION_OF_PARENT

if TYPE_CHECKING:
    import pandas as pd

    from cytometry.store import Run

DECLARED = ("primary", "secondary")
MOST = 6  # endpoints whose events are read again
LABELS = ("comparison", "treated", "stain", "population", "marker")


@dataclass(frozen=True, slots=True)
class Look:
    """One closer look: the line that opens it, what it says, and its table."""

    title: str
    text: str
    grid: Grid
    picture: Picture | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Closer:
    """All closer looks of a run: of each declared endpoint, of each comparison, and their tables by name."""

    of_endpoint: Mapping[tuple[str, ...], tuple[Look, ...]]
    of_comparison: Mapping[str, tuple[Look, ...]]
    tables: Mapping[str, pd.DataFrame]


def key_of(row: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what tells one contrast from the others."""
    names = ("comparison", "treated", "stain", "population", "marker", "statistic", "base")
    return tuple(str(row[name]) for name in names)


def closer(run: Run, studio: Studio | None = None) -> Closer:
    """Return every closer look that the run's design and gates allow; those of primary endpoints drawn by a studio."""
    tables: dict[str, list[pd.DataFrame]] = {}
    of_endpoint: dict[tuple[str, ...], tuple[Look, ...]] = {}
    of_comparison: dict[str, tuple[Look, ...]] = {}
    contrasts = contrasts_of(run)
    declared = contrasts[
        contrasts["family"].isin(DECLARED) & (contrasts["statistic"] == FRACTION_OF_PARENT)
    ].head(MOST)
    for row in records(declared):
        of_endpoint[key_of(row)] = tuple(
            _endpoint(run, row, tables, studio if row["family"] == "primary" else None)
        )
    for name, rows in contrasts.groupby("comparison", sort=False):
        found = [look for part in two_at_a_time(rows) for look in _comparison(run, part, tables)]
        of_comparison[str(name)] = tuple(found)
    return Closer(of_endpoint, of_comparison, {name: _joined(parts) for name, parts in tables.items()})


def _joined(parts: list[pd.DataFrame]) -> pd.DataFrame:
    import pandas as pd

    return pd.concat(parts, ignore_index=True)


def _endpoint(
    run: Run, row: dict[str, Any], tables: dict[str, list[pd.DataFrame]], studio: Studio | None
) -> list[Look]:
    marker = _marker(run, row)
    made: list[tuple[str, str, Callable[[], tuple[str, Grid, pd.DataFrame]]]] = []
    if marker:
        made.append(("readouts", "Percent positive beside brightness", lambda: _readouts(run, row, marker)))
        made.append(("sensitivity", "At other cuts", lambda: _sensitivity(run, row, marker)))
    if _has_memory(run, row):
        made.append(("decomposition", "Which cells, or what they show", lambda: _decomposed(run, row)))
    looks = []
    for table, title, make in made:
        try:
            text, grid, found = make()
        except CytometryError as error:
            looks.append(Look(title, f"Not to be had here: {minus(str(error))}", Grid("", (), ())))
            continue
        labels = {name: row[name] for name in LABELS if name != "marker"} | {"marker": marker}
        tables.setdefault(table, []).append(_labelled(found, labels))
        looks.append(Look(title, text, grid, look_at(studio, table, found, row) if studio else None))
    return looks


def _labelled(table: pd.DataFrame, labels: Mapping[str, Any]) -> pd.DataFrame:
    """Return a table with what it is about before its own columns."""
    new = {name: value for name, value in labels.items() if name not in table.columns}
    done = table.assign(**new)
    return done[[*new, *table.columns]]


def _marker(run: Run, row: Mapping[str, Any]) -> str:
    """Return the one marker that the endpoint's population is cut on; nothing where there are several or none."""
    gates = run.gates
    here = gates[(gates["stain"] == row["stain"]) & (gates["population"] == row["population"])]
    markers = set(here["marker"])
    (only,) = markers if len(markers) == 1 else ("",)
    return "" if " x " in only or (here["rule"] == "boolean").any() else str(only)


def _has_memory(run: Run, row: Mapping[str, Any]) -> bool:
    from cytometry.decomposition import MEMORY

    parent, _, name = str(row["population"]).rpartition("/")
    known = run.template(str(row["stain"])).paths if "template" in run.info["stains"][row["stain"]] else ()
    return name not in MEMORY and all(f"{parent}/{one}" in known for one in MEMORY)


def _readouts(run: Run, row: dict[str, Any], marker: str) -> tuple[str, Grid, pd.DataFrame]:
    from cytometry.readouts import agreement, marker_readouts

    rows = contrasts_of(run)
    rows = rows[(rows["comparison"] == row["comparison"]) & (rows["treated"] == row["treated"])]
    found = marker_readouts(rows[rows["stain"] == row["stain"]], str(row["population"]), marker=marker)
    text = (
        f"{first_upper(agreement(found))}. A percentage hangs on the cut; the median of the parent does not."
    )
    return text, readouts_grid(found, row), found


def _sensitivity(run: Run, row: dict[str, Any], marker: str) -> tuple[str, Grid, pd.DataFrame]:
    from cytometry.sensitivity import sensitivity

    found = sensitivity(
        run, str(row["population"]), marker=marker, comparison=str(row["comparison"]),
        treated=str(row["treated"]), stain=str(row["stain"]),
    )  # fmt: skip
    known = found[found["shift"].notna()]
    same = int((known["shift"] * row["shift"] > 0).sum())
    apart = int(((known["shift_low"] > 0) | (known["shift_high"] < 0)).sum())
    text = (
        f"The {marker} cut of every tube was moved, and the same endpoint recounted. The shift has the sign of the "
        f"reported one at {same} of {len(known)} cuts; its interval lies off zero at {apart}. There is no p here: a "
        "cut chosen by its p would make it worthless."
    )
    return text, sensitivity_grid(found, row), found


def _decomposed(run: Run, row: dict[str, Any]) -> tuple[str, Grid, pd.DataFrame]:
    from cytometry.decomposition import decompose

    found = decompose(
        run, str(row["population"]), comparison=str(row["comparison"]), treated=str(row["treated"]),
        stain=str(row["stain"]),
    )  # fmt: skip
    text = (
        f"{first_upper(measure_of(row))} may move because other memory subsets are there, or because cells of the same "
        f"subset show more or less. The parts add up to the whole ({found.parts['method'].iloc[0]})."
    )
    if found.left_out:
        text += f" Left out: {'; '.join(f'{who}: {why}' for who, why in found.left_out.items())}."
    return minus(text), decomposition_grid(found.parts, row), found.parts


def _comparison(run: Run, rows: pd.DataFrame, tables: dict[str, list[pd.DataFrame]]) -> list[Look]:
    from cytometry.closure import share_and_number
    from cytometry.readouts import definitions

    first = records(rows.head(1))[0]
    labels = {"comparison": first["comparison"], "treated": first["treated"]}
    looks = []
    treg = definitions(rows)
    treg = treg[treg["reads"] != "not compared"]
    if len(treg) > 1:
        tables.setdefault("definitions", []).append(_labelled(treg, labels))
        text = (
            "No one definition of a regulatory T cell is the right one, and neither is one denominator: a share of CD4 "
            "T cells may stay where that of CD45+ cells falls."
        )
        looks.append(
            Look("Regulatory T cells, definition by definition", text, definitions_grid(treg, first))
        )
    beside = share_and_number(rows)
    if len(beside):
        tables.setdefault("shares_and_numbers", []).append(_labelled(beside, labels))
        text = (
            "Shares sum to one: where one population grows, others fall in their share and lose no cell. A fall "
            "that is one of cells shows in both."
        )
        looks.append(Look("Shares beside numbers of cells", text, closure_grid(beside, first)))
    return looks
