"""All populations: each with its base and its mean per level, or its value in each tube."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cytometry.report.blocks import Cell, Grid, cells, records
from cytometry.report.words import NOTHING, amount, count, counted, name_of
from cytometry.table import FRACTION_OF_PARENT, LOW_COUNT, MEDIAN_INTENSITY, NET_FRACTION_OF_PARENT

if TYPE_CHECKING:
    import pandas as pd

    from cytometry.store import Run

FACTORS = ("arm", "timepoint")
TUBE = "tube"
MOST_TUBES = 8  # in columns of their own


@dataclass(frozen=True, slots=True)
class Levels:
    """The columns of the population tables: the levels of one factor, control first.

    ``factor`` is ``tube`` where the run compares nothing and has few tubes, ``""`` where it has many.
    """

    factor: str
    names: tuple[str, ...]

    def rows(self, table: pd.DataFrame, name: str) -> pd.DataFrame:
        """Return the rows at one level."""
        return table[table[self.factor] == name] if self.factor else table

    @property
    def said(self) -> str:
        """Return what a cell of the tables is."""
        if self.factor == TUBE:
            return "each tube"
        return "mean over subjects, with the number of subjects in brackets"


def levels_of(run: Run) -> Levels:
    """Return the levels that the run compares first; else those of arm or timepoint; else all together."""
    samples = run.table[run.table["kind"] == "sample"]
    for row in records(run.contrasts.head(1)):
        known = [str(level) for level in dict.fromkeys(samples[row["factor"]]) if level]
        first = [str(row["control"]), str(row["treated"])]
        return Levels(str(row["factor"]), (*first, *(level for level in known if level not in first)))
    for factor in FACTORS:
        known = [str(level) for level in dict.fromkeys(samples[factor]) if level]
        if len(known) > 1:
            return Levels(factor, tuple(known))
    tubes = tuple(str(tube) for tube in dict.fromkeys(samples[TUBE]))
    return Levels(TUBE, tubes) if len(tubes) <= MOST_TUBES else Levels("", ("all samples",))


def populations_grid(run: Run, stain: str, levels: Levels) -> Grid:
    """Return every population of a stain: its share of its parent and of other bases, mean per level."""
    samples = _samples(run, stain)
    shares = samples[(samples["unit"] == "fraction") & (samples["statistic"] != NET_FRACTION_OF_PARENT)]
    named = [s for s in dict.fromkeys(shares["statistic"]) if s != FRACTION_OF_PARENT]
    rows = []
    for path, of in shares.groupby("population", sort=False):
        parent = of[of["statistic"] == FRACTION_OF_PARENT]
        if parent.empty:
            continue
        name = Cell(name_of(str(path)), depth=str(path).count("/"), title=str(path))
        means = [_mean(levels.rows(parent, level), counts=levels.factor != TUBE) for level in levels.names]
        others = [
            _mean(levels.rows(of[of["statistic"] == statistic], level), counts=levels.factor != TUBE)
            for statistic in named
            for level in levels.names
        ]
        events = float(np.nanmedian(parent["n"])) if parent["n"].notna().any() else np.nan
        base = name_of(parent["base"].iloc[0])
        rows.append(cells([name, base, *means, *others, Cell(count(events), events), _remarks(parent)]))
    of_base = [f"% of {s.removeprefix('fraction_of_')}" for s in named]
    heads = [f"{base}, {level}" for base in ["% of parent", *of_base] for level in levels.names]
    caption = f"All populations of the {stain} stain: {levels.said}."
    columns = ("population", "parent", *heads, "events, median tube", "remarks")
    return Grid(caption, columns, tuple(rows), frozenset(range(2, len(columns) - 1)))


def intensities_grid(run: Run, stain: str, levels: Levels) -> Grid:
    """Return the median intensities of a stain, mean of the subjects' per level."""
    medians = _samples(run, stain)
    medians = medians[medians["statistic"] == MEDIAN_INTENSITY]
    rows = []
    for (path, marker), of in medians.groupby(["population", "marker"], sort=False):
        name = Cell(name_of(str(path)), depth=str(path).count("/"), title=str(path))
        means = [_mean(levels.rows(of, level), counts=levels.factor != TUBE) for level in levels.names]
        rows.append(cells([name, str(marker), *means, _remarks(of)]))
    caption = f"Median intensity on the compensated linear scale, {stain} stain: {levels.said}."
    columns = ("population", "marker", *levels.names, "remarks")
    return Grid(caption, columns, tuple(rows), frozenset(range(2, len(columns) - 1)))


def cytokines_grid(run: Run, levels: Levels) -> Grid:
    """Return the net fractions, stimulated minus unstimulated; no rows where no tube was stimulated."""
    net = run.table[run.table["statistic"] == NET_FRACTION_OF_PARENT]
    rows = []
    for (_, path, base), of in net.groupby(["stain", "population", "base"], sort=False):
        means = [_mean(levels.rows(of, level), counts=levels.factor != TUBE) for level in levels.names]
        title = Cell(f"{name_of(str(path))} of {name_of(str(base))}", title=str(path))
        rows.append(cells([title, *means, _remarks(of)]))
    columns = ("net fraction", *levels.names, "remarks")
    caption = (
        "Cytokine-positive fractions of the stimulated tube minus those of the unstimulated tube of the same "
        f"specimen: {levels.said}. Negative values are kept."
    )
    return Grid(caption, columns, tuple(rows), frozenset(range(1, len(columns) - 1)))


def _samples(run: Run, stain: str) -> pd.DataFrame:
    table = run.table
    return table[(table["stain"] == stain) & (table["kind"] == "sample")]


def _mean(rows: pd.DataFrame, *, counts: bool) -> Cell:
    """Return the mean over subjects and their number; tubes of one subject are averaged first."""
    usable = rows[rows["value"].notna()]
    if usable.empty:
        return Cell(NOTHING)
    # A folder that was gated without a sheet names no subjects: each of its tubes counts for itself.
    who = usable["subject"].where(usable["subject"] != "", usable["tube"])
    by_subject = usable.groupby(who)["value"].mean()
    mean = float(by_subject.mean())
    of = f" ({len(by_subject)})" if counts else ""
    return Cell(f"{amount(mean, usable['unit'].iloc[0])}{of}", mean)


def _remarks(rows: pd.DataFrame) -> str:
    low = rows["flag"].str.contains(LOW_COUNT, regex=False).sum()
    none = rows["value"].isna().sum()
    said: Sequence[str] = [
        f"{LOW_COUNT} in {counted(int(low), 'tube')}" if low else "",
        f"no value in {counted(int(none), 'tube')}" if none else "",
    ]
    return "; ".join(part for part in said if part)
