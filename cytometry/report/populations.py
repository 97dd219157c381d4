"""All populations: each with its base and its mean per level, or its value in each tube."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from cytometry.measure import FEW_POSITIVE
from cytometry.report.blocks import Cell, Grid, cells, records
from cytometry.report.levels import Levels, who
from cytometry.report.words import NOTHING, amount, count, counted, listed, name_of, number
from cytometry.table import (
    CELLS_PER_MG,
    CELLS_PER_UL,
    FRACTION_OF_PARENT,
    LOW_COUNT,
    MEDIAN_INTENSITY,
    NET_FRACTION_OF_PARENT,
)

NOT_STAINED = frozenset({"scatter", "time", "unused"})

if TYPE_CHECKING:
    import pandas as pd

    from cytometry.store import Run


def populations_grid(run: Run, stain: str, levels: Levels) -> Grid:
    """Return every population of a stain: its share of its parent and of other bases, mean per level."""
    shares = _samples(run, stain, levels)
    shares = shares[(shares["unit"] == "fraction") & (shares["statistic"] != NET_FRACTION_OF_PARENT)]
    sizes = levels.sizes(shares)
    statistics = [FRACTION_OF_PARENT, *_other_bases(shares)]
    by_path = {str(path): of for path, of in shares.groupby("population", sort=False)}
    rows = []
    for path in down(by_path):
        parent = by_path[path][by_path[path]["statistic"] == FRACTION_OF_PARENT]
        shown = [
            cell
            for statistic in statistics
            for cell in means(by_path[path][by_path[path]["statistic"] == statistic], levels, sizes)
        ]
        events = float(np.nanmedian(parent["n"])) if parent["n"].notna().any() else np.nan
        base = name_of(parent["base"].iloc[0])
        rows.append(cells([indented(path), base, *shown, Cell(count(events), events), remarks(parent)]))
    named = ["% of parent", *(f"% of {s.removeprefix('fraction_of_')}" for s in statistics[1:])]
    heads = [f"{base}, {head}" for base in named for head in levels.heads(sizes)]
    columns = ("population", "parent", *heads, "events, median tube", "remarks")
    caption = f"All populations of the {stain} stain, in %: {levels.said}."
    return Grid(caption, columns, tuple(rows), frozenset(range(2, len(columns) - 1)))


def intensities_grid(run: Run, stain: str, levels: Levels) -> Grid:
    """Return the median intensities of a stain, mean of the subjects' per level."""
    medians = _samples(run, stain, levels)
    medians = medians[medians["statistic"] == MEDIAN_INTENSITY]
    sizes = levels.sizes(medians)
    rows = []
    for (path, marker), of in medians.groupby(["population", "marker"], sort=False):
        parent = name_of(str(path).rpartition("/")[0] or "all events")
        name = Cell(f"{name_of(str(path))} of {parent}", title=str(path))
        rows.append(cells([name, str(marker), *means(of, levels, sizes), remarks(of)]))
    caption = f"Median intensity on the compensated linear scale, {stain} stain: {levels.said}."
    columns = ("population", "marker", *levels.heads(sizes), "remarks")
    return Grid(caption, columns, tuple(rows), frozenset(range(2, len(columns) - 1)))


def numbers_grid(run: Run, stain: str, levels: Levels) -> Grid:
    """Return the numbers of cells per volume or weight, mean of the subjects' per level; none without beads."""
    table = _samples(run, stain, levels)
    table = table[table["statistic"].isin([CELLS_PER_UL, CELLS_PER_MG])]
    sizes = levels.sizes(table)
    by_path = {str(path): of for path, of in table.groupby("population", sort=False)}
    rows = [
        cells([indented(path), *means(by_path[path], levels, sizes), remarks(by_path[path])])
        for path in down(by_path)
    ]
    unit = str(table["unit"].iloc[0]).replace("uL", "\N{MICRO SIGN}L") if len(table) else ""
    columns = ("population", *levels.heads(sizes), "remarks")
    caption = f"Numbers of cells, {unit}, from counting beads, {stain} stain: {levels.said}."
    return Grid(caption, columns, tuple(rows), frozenset(range(1, len(columns) - 1)))


def silent_markers(run: Run, stain: str) -> str:
    """Say which markers of the panel are in no population and have no median intensity; nothing where all have."""
    gates = run.gates.loc[run.gates["stain"] == stain, "marker"].unique()
    table = run.table[(run.table["stain"] == stain) & (run.table["statistic"] == MEDIAN_INTENSITY)]
    measured = set(table["marker"])
    used = {part for marker in gates for part in re.split(r" x | [&|] ", str(marker))}
    if "template" in run.info["stains"][stain]:
        used |= {cut.marker for row in run.template(stain).populations for cut in row.cuts}
    stained = [
        channel["marker"]
        for channel in run.info["stains"][stain]["panel"]
        if channel["marker"] and channel["role"] not in NOT_STAINED
    ]
    without = [marker for marker in stained if marker not in used | measured]
    said = f"Of the panel, {listed(without, at_most=None)} {'is' if len(without) == 1 else 'are'} in no population and "
    parts = [f"{said}{'has' if len(without) == 1 else 'have'} no median intensity."] if without else []
    if stained and not measured:
        parts.append("No median intensity was measured in this stain.")
    return " ".join(parts)


def down(paths: Iterable[str]) -> list[str]:
    """Return paths as a tree is read: each population, then all below it, siblings as they come."""
    known = list(paths)
    rank = {path: place for place, path in enumerate(known)}

    def key(path: str) -> list[int]:
        parts = path.split("/")
        return [rank.get("/".join(parts[: depth + 1]), len(known)) for depth in range(len(parts))]

    return sorted(known, key=key)


def _samples(run: Run, stain: str, levels: Levels) -> pd.DataFrame:
    return levels.kept(run.table[run.table["stain"] == stain])


def _other_bases(shares: pd.DataFrame) -> list[str]:
    """Return the statistics of other bases than the parent, those left out that only repeat the parent's."""
    parents = shares[shares["statistic"] == FRACTION_OF_PARENT].drop_duplicates("population")
    parent_of = dict(zip(parents["population"], parents["base"], strict=True))
    found = []
    for statistic, rows in shares[shares["statistic"] != FRACTION_OF_PARENT].groupby("statistic", sort=False):
        if any(parent_of.get(row["population"]) != row["base"] for row in records(rows)):
            found.append(str(statistic))
    return found


def means(rows: pd.DataFrame, levels: Levels, sizes: dict[str, int]) -> list[Cell]:
    """Return the mean over subjects of each column of the levels."""
    return [_mean(levels.at(rows, name), sizes[name]) for name in levels.names]


def _mean(rows: pd.DataFrame, size: int) -> Cell:
    """Return the mean over subjects, tubes of one averaged first; their number where some have no value."""
    usable = rows[rows["value"].notna()]
    if usable.empty:
        return Cell(NOTHING)
    by_subject = usable.groupby(who(usable))["value"].mean()
    mean = float(by_subject.mean())
    unit = usable["unit"].iloc[0]
    text = number(100 * mean) if unit == "fraction" else amount(mean, unit)
    return Cell(text + f" ({len(by_subject)})" * (len(by_subject) < size), mean)


def indented(path: str) -> Cell:
    """Return a population's name under those above it, its path for a pointer."""
    return Cell(name_of(path), depth=path.count("/"), title=path)


def remarks(rows: pd.DataFrame) -> str:
    """Return how many tubes have few events of the base or of the population, or no value."""
    # Few positive cells in the unstimulated tube are as it should be: what follows its own word is left out.
    flags = rows["flag"].str.partition("background: ")[0]
    low, few = (flags.str.contains(word, regex=False).sum() for word in (LOW_COUNT, FEW_POSITIVE))
    none = rows["value"].isna().sum()
    said: Sequence[str] = [
        f"{LOW_COUNT} in {counted(int(low), 'tube')}" if low else "",
        f"{FEW_POSITIVE} in {counted(int(few), 'tube')}" if few else "",
        f"no value in {counted(int(none), 'tube')}" if none else "",
    ]
    return "; ".join(part for part in said if part)
