"""Prism tables: an endpoint as Prism reads it, a column per level and a row per subject, and grouped tables of all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cytometry.folder import write_text
from cytometry.safe import file_stem, safe_csv
from cytometry.table import COUNT
from cytometry.wide import short_names

if TYPE_CHECKING:
    import pandas as pd

    from cytometry.store import Run

FOLDER = "prism"
DECLARED = ("primary", "secondary")
KEY = ["stain", "population", "marker", "statistic", "base"]
Row = list[Any]


def write_prism(run: Run) -> list[Path]:
    """Write ``prism/*.csv``: a column table per declared endpoint, grouped tables of all; return the files.

    A column table of pairs has a row per subject, the same subject in every column; else the subjects of a level
    stand one below the other. Fractions are percent. Empty cells have no value. An endpoint of a change has a column
    per arm and time. Text is safe from being run as a formula.
    """
    written: dict[Path, None] = {}
    names = short_names(run.table["population"])
    for row in _records(run.contrasts):
        if row["family"] not in DECLARED:
            continue
        what = f"{row['comparison']} {row['stain']} {names.get(row['population'], row['population'])}"
        what += f" {row['marker']} {row['statistic']} of {str(row['base']).rsplit('/', 1)[-1]}"
        path = run.folder / FOLDER / f"{file_stem(what)}.csv"
        write_text(path, safe_csv(column_table(compared(run, row), row, run)))
        written[path] = None
    for name, rows in _grouped(run, names).items():
        path = run.folder / FOLDER / f"{file_stem(name)}.csv"
        write_text(path, safe_csv(rows))
        written[path] = None
    return list(written)


def compared(run: Run, row: Mapping[str, Any]) -> pd.DataFrame:
    """Return the sample rows of the tidy table that a contrast was made from."""
    return _by_endpoint(run, row).get(tuple(str(row[key]) for key in KEY), run.table.iloc[:0])


def _by_endpoint(run: Run, row: Mapping[str, Any]) -> dict[tuple[str, ...], pd.DataFrame]:
    """Return the sample rows that the comparison of a contrast keeps, by endpoint."""
    table = run.table[run.table["kind"] == "sample"]
    for column, wanted in (_asked(run, row).get("where") or {}).items():
        levels = [wanted] if isinstance(wanted, str) else [str(one) for one in wanted]
        table = table[table[column].astype(str).isin(levels)]
    return {tuple(map(str, key)): rows for key, rows in table.groupby(KEY, sort=False)}


def column_table(rows: pd.DataFrame, row: Mapping[str, Any], run: Run) -> list[Row]:
    """Return the lines of a column table of one contrast: a head, then subjects; tubes of one are averaged."""
    asked = _asked(run, row)
    factor, unit = str(row["factor"]), str(asked.get("unit") or "subject")
    levels = _levels(asked, row)
    change = asked.get("change") or {}
    within = str(change.get("factor", "")) if change else ""
    ends = [str(change["before"]), str(change["after"])] if change else [""]
    percent = 100.0 if row["unit"] == "fraction" else 1.0
    found = rows[rows["value"].notna()]
    columns: dict[str, dict[str, float]] = {}
    for level in levels:
        for end in ends:
            at = found[found[factor].astype(str) == level]
            at = at[at[within].astype(str) == end] if within else at
            means = at.groupby(unit, sort=False)["value"].mean() * percent
            columns[f"{level}, {end}" if end else level] = {str(k): _short(v) for k, v in means.items()}
    if row["design"] == "paired":
        subjects = [
            s for s in dict.fromkeys(str(one) for one in rows[unit]) if any(s in c for c in columns.values())
        ]
        return [[unit, *columns], *([s, *(c.get(s) for c in columns.values())] for s in subjects)]
    longest = max((len(column) for column in columns.values()), default=0)
    stacked = [list(column.values()) for column in columns.values()]
    lines = [[c[n] if n < len(c) else None for c in stacked] for n in range(longest)]
    return [list(columns), *lines]


def _grouped(run: Run, names: Mapping[str, str]) -> dict[str, list[Row]]:
    """Return by name a grouped table per stain and statistic: populations by level, a subject in each subcolumn."""
    found: dict[str, list[Row]] = {}
    contrasts = run.contrasts
    for comparison, of in contrasts.groupby("comparison", sort=False) if len(contrasts) else ():
        first = _records(of)[0]
        levels, factor = _levels(_asked(run, first), first), str(first["factor"])
        tables = _by_endpoint(run, first)
        for (stain, statistic), some in of.groupby(["stain", "statistic"], sort=False):
            if statistic == COUNT:
                continue
            rows = [
                (one, tables[tuple(str(one[key]) for key in KEY)])
                for one in _records(some.drop_duplicates(KEY))
            ]
            who = {
                level: list(
                    dict.fromkeys(
                        s for _, t in rows for s in t.loc[t[factor].astype(str) == level, "subject"]
                    )
                )
                for level in levels
            }
            head = ["", *(level for level in levels for _ in who[level])]
            below = ["subject", *(subject for level in levels for subject in who[level])]
            lines = [_line(one, table, names, who=who) for one, table in rows]
            found[f"grouped {comparison} {stain} {statistic}"] = [head, below, *lines]
    return found


def _line(
    row: Mapping[str, Any], table: pd.DataFrame, names: Mapping[str, str], *, who: Mapping[str, list[str]]
) -> Row:
    percent = 100.0 if row["unit"] == "fraction" else 1.0
    means = table.groupby([table[str(row["factor"])].astype(str), "subject"])["value"].mean() * percent
    marker = f" {row['marker']}" if row["marker"] else ""
    base = (
        f" (% of {str(row['base']).rsplit('/', 1)[-1]})" if row["unit"] == "fraction" else f" ({row['unit']})"
    )
    name = f"{names.get(row['population'], row['population'])}{marker}{base}"
    values = [means.get((level, subject)) for level, subjects in who.items() for subject in subjects]
    return [name, *(None if value is None else _short(value) for value in values)]


def _asked(run: Run, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the comparison that a contrast belongs to, as the study file declares it."""
    return next((one for one in run.info.get("comparisons", ()) if one["name"] == row["comparison"]), {})


def _levels(asked: Mapping[str, Any], row: Mapping[str, Any]) -> list[str]:
    treated = asked.get("treated", row["treated"])
    return [str(row["control"]), *([str(treated)] if isinstance(treated, str) else map(str, treated))]


def _short(value: float) -> float:
    """Return a number without the dust of binary arithmetic in its last places."""
    return float(f"{value:.12g}")


def _records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): cell for name, cell in row.items()} for row in rows.to_dict("records")]
