"""Contrasts, subjects, checks, channels and files: grids that each print one of the run's tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cytometry.report.blocks import Cell, Grid, cells, records
from cytometry.report.designs import unit_of
from cytometry.report.signals import reason_of
from cytometry.report.words import (
    NO_BREAK,
    NOTHING,
    amount,
    bare,
    confidence,
    count,
    listed,
    measure_of,
    minus,
    number,
    once,
    p_value,
    percent,
    ratio,
    shift,
)

if TYPE_CHECKING:
    import pandas as pd

    from cytometry.store import Run


def contrasts_grid(contrasts: pd.DataFrame, caption: str) -> Grid:
    """Return contrasts, one per row: means, shift and ratio with their intervals, then p."""
    if contrasts.empty:
        return Grid(caption, (), ())
    first = records(contrasts)[0]
    interval = f"{confidence(first)} CI"
    unit_ = unit_of(first)
    n = "pairs" if first["design"] == "paired" else "n" if unit_ == "subject" else f"n ({unit_}s)"
    several = contrasts["treated"].nunique() > 1
    over = "change in " if first["design"] == "interaction" else ""
    stains = contrasts["stain"].nunique() > 1
    columns = (
        "endpoint", *(["stain"] if stains else []), *(["treated with"] if several else []), f"{over}{first['control']}",
        "treated" if several else f"{over}{first['treated']}", f"shift ({interval})", n,
        "p", f"p ({first['adjustment']})", f"ratio ({interval})", "rank p", "remarks",
    )  # fmt: skip
    rows = []
    for row in records(contrasts):
        unit, paired = row["unit"], row["design"] == "paired"
        who = f"{row['n_pairs']}" if paired else f"{row['n_control']}, {row['n_treated']}"
        out = f"taken out: {row['adjusted_for']}" if row["adjusted_for"] else ""
        remarks = "; ".join(part for part in (once(str(row["reason"])), row["flag"], out) if part)
        rows.append(
            cells(
                [
                    Cell(measure_of(row), title=f"{row['stain']}: {row['population']}"),
                    *([str(row["stain"])] if stains else []),
                    *([str(row["treated"])] if several else []),
                    Cell(amount(row["mean_control"], unit), row["mean_control"]),
                    Cell(amount(row["mean_treated"], unit), row["mean_treated"]),
                    Cell(bare(shift(row), row), row["shift"]),
                    Cell(who, float(who) if who.isdigit() else None),
                    Cell(p_value(row["p"]), row["p"]),
                    Cell(p_value(row["p_adjusted"]), row["p_adjusted"]),
                    Cell(ratio(row), row["ratio"]),
                    Cell(p_value(row["rank_p"]), row["rank_p"]),
                    Cell(minus(remarks)),
                ]
            )
        )
    start = 1 + stains + several
    return Grid(caption, columns, tuple(rows), frozenset(range(start, start + 8)))


def table_of(run: Run, name: str) -> pd.DataFrame | None:
    """Return a table of the run that not every run has; None where it has none."""
    from cytometry.folder import read_table

    if not (run.folder / "tables" / f"{name}.csv").is_file():
        return None
    return read_table(run.folder, name)


def qc_grid(run: Run, *, removed: str = "") -> Grid:
    """Return the acquisition checks, a row per tube and a column per check."""
    checks = list(dict.fromkeys(run.qc["check"]))
    units = {row["check"]: row["unit"] for row in records(run.qc) if row["unit"]}
    rows = []
    for tube, of in run.qc.groupby("tube", sort=False):
        found = {row["check"]: row for row in records(of)}
        values = [
            Cell(_checked(row["value"], row["unit"]), float(row["value"]), look=bool(row["flag"]))
            if (row := found.get(check))
            else Cell(NOTHING)
            for check in checks
        ]
        rows.append(cells([str(tube), *values]))
    heads = [
        check + (f" ({_unit(units[check])})" if units.get(check) not in {None, check} else "")
        for check in checks
    ]
    caption = f"Acquisition checks. Limits: {_limits(run)}. {removed}".strip()
    return Grid(caption, ("tube", *heads), tuple(rows), frozenset(range(1, len(heads) + 1)))


def flagged_grid(run: Run) -> Grid:
    """Return the checks that fell short, a row per tube and check."""
    flagged = run.qc[run.qc["flag"] != ""]
    rows = [
        cells(
            [
                str(row["tube"]),
                str(row["check"]),
                Cell(_checked(row["value"], row["unit"]), row["value"]),
                Cell(_limit(row["limit"], row["unit"]), row["limit"]),
                minus(reason_of(run, row)),
            ]
        )
        for row in records(flagged)
    ]
    columns = ("tube", "check", "value", "limit", "why")
    return Grid("Checks that fell short.", columns, tuple(rows), frozenset({2, 3}))


def _limits(run: Run) -> str:
    limits = [
        f"{row['check']} {_limit(row['limit'], row['unit'])}"
        for row in records(run.qc.drop_duplicates("check"))
        if np.isfinite(row["limit"])
    ]
    return listed(limits, at_most=None)


def _checked(value: float, unit: str) -> str:
    """Return a check's value as it is read: a share as percent, a count whole."""
    if _is_share(unit):
        return percent(value)
    return count(value) if np.isfinite(value) and value == round(value) else number(value)


def _limit(value: float, unit: str) -> str:
    """Return a limit as it was set: 2 %, not 2.00 %."""
    return f"{100 * value:g}{NO_BREAK}%" if _is_share(unit) and np.isfinite(value) else _checked(value, unit)


def _is_share(unit: str) -> bool:
    return "fraction" in unit or unit.startswith("of ")


def _unit(unit: str) -> str:
    unit = unit.replace("of the light", "of the signal")
    return (
        unit.replace("fraction of", "% of")
        if "fraction" in unit
        else f"% {unit}"
        if _is_share(unit)
        else unit
    )


def channels_grid(run: Run, stain: str) -> Grid:
    """Return a stain's channels: what was read where, and on which scale it was gated and drawn."""
    about = run.info["stains"][stain]
    scales = about.get("scales", {})
    rows = []
    for channel in about["panel"]:
        scale = scales.get(channel["marker"]) or scales.get(channel["detector"]) or {}
        rows.append(
            cells(
                [
                    channel["marker"] or NOTHING,
                    channel["fluorochrome"] or NOTHING,
                    channel["detector"],
                    channel["role"],
                    minus(str(scale.get("scale", NOTHING))),
                    str(scale.get("why", "")),
                ]
            )
        )
    columns = ("marker", "fluorochrome", "detector", "role", "scale", "why this scale")
    return Grid(f"Channels of the {stain} stain and the scale of each.", columns, tuple(rows))


def files_grid(run: Run) -> Grid:
    """Return every tube of the run with its file and the file's hash."""
    rows = []
    for tube, about in run.info["tubes"].items():
        events = about.get("n_events")
        rows.append(
            cells(
                [
                    str(tube),
                    about["relative"],
                    about["stain"],
                    about["kind"],
                    Cell(count(float(events)) if events is not None else NOTHING, events),
                    about["sha256"] or NOTHING,
                    "; ".join(about.get("repairs", ())),
                ]
            )
        )
    columns = ("tube", "file", "stain", "kind", "events", "sha256", "repairs made when reading")
    return Grid("The files that were read.", columns, tuple(rows), frozenset({4}))
