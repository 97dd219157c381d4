"""The grids of the page, each printed from one of the run's tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cytometry.report.blocks import Cell, Grid, cells, records
from cytometry.report.words import (
    NOTHING,
    amount,
    count,
    counted,
    listed,
    measure_of,
    minus,
    name_of,
    number,
    p_value,
    percent,
    ratio,
    shift,
    subjects,
)
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


def contrasts_grid(contrasts: pd.DataFrame, caption: str) -> Grid:
    """Return contrasts, one per row: means, shift and ratio with their intervals, then p."""
    if contrasts.empty:
        return Grid(caption, (), ())
    first = contrasts.iloc[0]
    columns = (
        "endpoint", str(first["control"]), str(first["treated"]), "shift", "ratio", "n",
        "p", "p adjusted", "rank p", "remarks",
    )  # fmt: skip
    rows = []
    for row in records(contrasts):
        unit = row["unit"]
        remarks = "; ".join(part for part in (row["reason"], row["flag"]) if part)
        rows.append(
            cells(
                [
                    Cell(measure_of(row), title=f"{row['stain']}: {row['population']}"),
                    Cell(amount(row["mean_control"], unit), row["mean_control"]),
                    Cell(amount(row["mean_treated"], unit), row["mean_treated"]),
                    Cell(shift(row), row["shift"]),
                    Cell(ratio(row), row["ratio"]),
                    Cell(subjects(row).removeprefix("n = ")),
                    Cell(p_value(row["p"]), row["p"]),
                    Cell(p_value(row["p_adjusted"]), row["p_adjusted"]),
                    Cell(p_value(row["rank_p"]), row["rank_p"]),
                    Cell(minus(remarks)),
                ]
            )
        )
    return Grid(caption, columns, tuple(rows), frozenset({1, 2, 3, 4, 6, 7, 8}))


def subjects_grid(rows: pd.DataFrame, row: dict[str, Any]) -> Grid:
    """Return the values behind one contrast, subject by subject: the table twin of its figure.

    ``rows`` are those of the tidy table that were compared.
    """
    levels, factor = [str(row["control"]), str(row["treated"])], str(row["factor"])
    keep = (rows["kind"] == "sample") & rows[factor].isin(levels)
    for key in ("stain", "population", "marker", "statistic", "base"):
        keep &= rows[key] == row[key]
    values = rows[keep].pivot_table(
        index="subject", columns=factor, values="value", aggfunc="mean", sort=False, dropna=False
    )
    values = values.reindex(columns=levels)
    unit = str(row["unit"])
    printed = []
    for subject, (control, treated) in zip(values.index, values.to_numpy(dtype=float), strict=True):
        moved = number(100 * (treated - control) if unit == "fraction" else treated - control)
        pair = [Cell(amount(control, unit), control), Cell(amount(treated, unit), treated)]
        printed.append(cells([str(subject), *pair, Cell(moved, treated - control)]))
    points = " (points)" if unit == "fraction" else ""
    return Grid(
        f"{measure_of(row)}, by subject",
        ("subject", *levels, f"difference{points}"),
        tuple(printed),
        frozenset({1, 2, 3}),
    )


def qc_grid(run: Run, *, flagged: bool = False) -> Grid:
    """Return the acquisition checks, a row per tube and a column per check; of the ``flagged`` tubes only."""
    checks = list(dict.fromkeys(run.qc["check"]))
    wanted = set(run.qc.loc[run.qc["flag"] != "", "tube"]) if flagged else set(run.qc["tube"])
    units = {row["check"]: row["unit"] for row in records(run.qc) if row["unit"]}
    rows = []
    for tube, of in run.qc[run.qc["tube"].isin(wanted)].groupby("tube", sort=False):
        found = {row["check"]: row for row in records(of)}
        values = []
        for check in checks:
            row = found.get(check)
            value = float(row["value"]) if row else np.nan
            text = percent(value) if "fraction" in units.get(check, "") else number(value, digits=4)
            text = count(value) if value == round(value) and "fraction" not in units.get(check, "") else text
            values.append(Cell(text, value, look=bool(row and row["flag"])))
        reasons = "; ".join(str(row["reason"]) for row in found.values() if row["reason"])
        rows.append(cells([str(tube), *values, reasons or NOTHING]))
    heads = [
        check + (f" ({units[check]})" if units.get(check) not in {None, check} else "") for check in checks
    ]
    limits = [
        f"{row['check']} {percent(row['limit']) if 'fraction' in row['unit'] else number(row['limit'])}"
        for row in records(run.qc.drop_duplicates("check"))
        if np.isfinite(row["limit"])
    ]
    caption = (
        f"Acquisition checks. Limits: {listed(limits, at_most=None)}. Nothing was removed from any tube."
    )
    columns = ("tube", *heads, "remarks")
    return Grid(caption, columns, tuple(rows), frozenset(range(1, len(columns) - 1)))


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
