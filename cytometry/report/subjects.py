"""The values behind a contrast, subject by subject: the table twin of its figure."""

from __future__ import annotations

from collections.abc import Mapping
from math import isnan
from typing import TYPE_CHECKING, Any

from cytometry.measure import FEWEST_POSITIVE
from cytometry.report.blocks import Cell, Grid, cells
from cytometry.report.designs import unit_of
from cytometry.report.words import NOTHING, POINTS, measure_of, points, together
from cytometry.table import COUNT, MEDIAN_INTENSITY, NET_FRACTION_OF_PARENT

if TYPE_CHECKING:
    import pandas as pd

KEY = ("stain", "population", "marker", "statistic", "base")


def subjects_grid(rows: pd.DataFrame, row: Mapping[str, Any], declared: Mapping[str, Any]) -> Grid:
    """Return the values of the subjects of one contrast; those of pairs side by side, with their difference.

    Parameters
    ----------
    rows
        Of the tidy table, those that the comparison keeps.
    declared
        The comparison as the study file declares it: its levels, and the change within subjects if it is one.
    """
    keep = rows["kind"] == "sample"
    for key in KEY:
        keep &= rows[key] == row[key]
    here = rows[keep]
    change = declared.get("change") or {}
    if change:
        ends = [str(change["before"]), str(change["after"])]
        return _side_by_side(here, row, str(change.get("factor", "timepoint")), ends, by=str(row["factor"]))
    levels = [str(row["control"]), str(row["treated"])]
    if row["design"] == "paired":
        return _side_by_side(here, row, str(row["factor"]), levels)
    if row["design"] == "trend":
        treated = declared.get("treated", levels[1:])
        levels = [levels[0], *([str(treated)] if isinstance(treated, str) else map(str, treated))]
    return _listed(here, row, levels)


def _side_by_side(
    rows: pd.DataFrame, row: Mapping[str, Any], factor: str, levels: list[str], *, by: str = ""
) -> Grid:
    unit, who = str(row["unit"]), unit_of(row)
    rows = rows[rows[factor].astype(str).isin(levels)]
    index = [who, by] if by else [who]
    values = rows.pivot_table(
        index=index, columns=factor, values="value", aggfunc="mean", sort=False, dropna=False, observed=True
    ).reindex(columns=levels)
    counts = _counts(rows, [*index, factor])
    printed = []
    found = values.to_numpy(dtype=float)
    said = together(found.ravel(), unit)
    for place, (name, (control, treated)) in enumerate(zip(values.index, found, strict=True)):
        moved = points(treated - control, row).removesuffix(POINTS)
        pair = [Cell(said[2 * place], control), Cell(said[2 * place + 1], treated)]
        named = [str(one) for one in name] if by else [str(name)]
        if by and isnan(control) and isnan(treated):
            continue  # an arm that this subject is not of
        key = name if by else (name,)
        events = [_events(counts, (*key, level)) for level in levels]
        printed.append(cells([*named, *pair, Cell(moved, treated - control), *events]))
    heading = " (points)" if unit == "fraction" else ""
    first = len(index)
    columns = (*index, *levels, f"difference{heading}", *(f"events, {level}" for level in levels))
    return Grid(_caption(row), columns, tuple(printed), frozenset(range(first, first + 5)))


def _listed(rows: pd.DataFrame, row: Mapping[str, Any], levels: list[str]) -> Grid:
    factor, unit, who = str(row["factor"]), str(row["unit"]), unit_of(row)
    rows = rows[rows[factor].astype(str).isin(levels)]
    means = rows.groupby([rows[factor].astype(str), who], sort=False)["value"].mean()
    counts = _counts(rows, [factor, who])
    known = [
        (str(name), level, float(value))
        for level in levels
        if level in means.index
        for name, value in means[level].items()
    ]
    said = together((value for _, _, value in known), unit)
    printed = [
        cells([name, level, Cell(text, value), _events(counts, (level, name))])
        for (name, level, value), text in zip(known, said, strict=True)
    ]
    columns = (who, factor, "value", "events")
    return Grid(_caption(row), columns, tuple(printed), frozenset({2, 3}))


def _caption(row: Mapping[str, Any]) -> str:
    of = "" if row["statistic"] in {MEDIAN_INTENSITY, COUNT} else " of those of the base"
    stimulated = ", in the stimulated tubes" if row["statistic"] == NET_FRACTION_OF_PARENT else ""
    return f"{measure_of(row)}, by {unit_of(row)}; events: of the population{of}{stimulated}, tubes added up"


def _counts(rows: pd.DataFrame, by: list[str]) -> dict[tuple[Any, ...], tuple[int, int]]:
    """Return the events of the population and of its base, tubes of one subject at one level added up."""
    known = rows[rows["value"].notna() & rows["n"].notna()]
    sums = (
        known.assign(n_base=known["n_base"].fillna(0))
        .groupby(by, sort=False, observed=True)[["n", "n_base"]]
        .sum()
    )
    return {
        tuple(map(str, key)): (int(n), int(base))
        for key, (n, base) in zip(sums.index, sums.to_numpy(), strict=True)
    }


def _events(counts: Mapping[tuple[Any, ...], tuple[int, int]], key: tuple[Any, ...]) -> Cell:
    n, base = counts.get(tuple(map(str, key)), (-1, 0))
    if n < 0:
        return Cell(NOTHING)
    return Cell(f"{n:,} of {base:,}" if base > n else f"{n:,}", float(n), look=n < FEWEST_POSITIVE)
