"""Endpoints: each declared one as a sentence with its figure, the exploratory ones as forest and grid."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from cytometry.compare import sentence
from cytometry.report.beside import beside_grid
from cytometry.report.blocks import Grid, Picture, records
from cytometry.report.closer import Closer, Look, key_of
from cytometry.report.contrasts import contrasts_of, not_tested, shared_flags, without_shared
from cytometry.report.designs import asked, drawn, question, treated_of, two_at_a_time
from cytometry.report.drawing import compared
from cytometry.report.figures import Studio
from cytometry.report.subjects import subjects_grid
from cytometry.report.tables import contrasts_grid
from cytometry.report.words import (
    NOTHING,
    counted,
    first_upper,
    headline,
    listed,
    measure_of,
    minus,
    name_of,
    population_of,
    scales_disagree,
)

if TYPE_CHECKING:
    import pandas as pd

    from cytometry.store import Run

DECLARED = ("primary", "secondary")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One declared endpoint as the page shows it."""

    title: str
    family: str
    effect: str
    sentence: str
    base: str
    flag: str
    values: Grid
    picture: Picture | None
    looks: tuple[Look, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """One comparison: its question in words, and its declared endpoints."""

    title: str
    text: str
    endpoints: tuple[Endpoint, ...]
    grid: Grid
    beside: Grid
    looks: tuple[Look, ...]


@dataclass(frozen=True, slots=True)
class Explored:
    """The exploratory contrasts of one comparison."""

    title: str
    text: str
    grid: Grid
    beside: Grid
    forests: tuple[Picture, ...]


def comparisons(run: Run, studio: Studio, looks: Closer) -> list[Comparison]:
    """Return every comparison with its declared endpoints; none where nothing was compared."""
    found = []
    for name, all_rows in contrasts_of(run).groupby("comparison", sort=False):
        rows = without_shared(all_rows)
        declared = rows[rows["family"].isin(DECLARED)]
        endpoints = tuple(_endpoint(run, studio, row, looks) for row in records(declared))
        grid = contrasts_grid(declared, "The endpoints declared in the study file, side by side.")
        text = f"{question(rows, asked(run, str(name)))} {_declared(rows)}"
        if flags := shared_flags(all_rows):
            text += f" To bear in mind throughout: {minus('; '.join(flags))}."
        closer = looks.of_comparison.get(str(name), ())
        beside = beside_grid(declared)
        found.append(Comparison(_title(str(name), rows), text, endpoints, grid, beside, closer))
    return found


def explored(run: Run, studio: Studio) -> list[Explored]:
    """Return the exploratory contrasts, comparison by comparison, those that have any."""
    found = []
    for name, all_rows in contrasts_of(run).groupby("comparison", sort=False):
        rows = without_shared(all_rows)
        others = rows[rows["family"] == "exploratory"]
        if others.empty:
            continue
        m = int(others["m"].max())
        untested = int(others["p"].isna().sum())
        text = (
            f"{first_upper(counted(len(others), 'endpoint'))} not declared in the study file. p is adjusted after "
            f"Benjamini and Hochberg over m = {m} tested"
        )
        text += f"; {not_tested(others)}, and stay in the table with the reason. " if untested else ". "
        text += "These are leads for another study, not findings of this one."
        grid = contrasts_grid(others, f"Exploratory contrasts (m = {m}), by p.")
        forests = tuple(_forests(studio, others, str(name)))
        found.append(Explored(_title(str(name), rows), text, grid, beside_grid(others), forests))
    return found


def _forests(studio: Studio, others: pd.DataFrame, name: str) -> Iterator[Picture]:
    """Yield a forest per treated level; one where there is one."""
    levels = two_at_a_time(others)
    for level, rows in zip(treated_of(others), levels, strict=True):
        drawn_ = studio.forest(rows, name if len(levels) == 1 else f"{name} {level}")
        if drawn_:
            yield (
                drawn_
                if len(levels) == 1
                else replace(drawn_, caption=f"{first_upper(level)}. {drawn_.caption}")
            )


def _title(name: str, rows: pd.DataFrame) -> str:
    return name or f"{listed(treated_of(rows))} against {rows.iloc[0]['control']}"


def _declared(rows: pd.DataFrame) -> str:
    """Return what was declared beforehand, and over how many endpoints p is adjusted."""
    sizes = {
        family: int((rows["family"] == family).sum())
        for family in DECLARED
        if (rows["family"] == family).any()
    }
    if not sizes:
        return "The study file declares no endpoint, so all contrasts are exploratory."
    said = " and ".join(f"m = {many} {family}" for family, many in sizes.items())
    each = ", each family by itself" if len(sizes) > 1 else ""
    noun = "endpoint" if sum(sizes.values()) == 1 else "endpoints"
    return f"p is adjusted after Holm over {said} {noun}{each}."


def _endpoint(run: Run, studio: Studio, row: dict[str, Any], looks: Closer) -> Endpoint:
    effect = headline(row)
    return Endpoint(
        title=first_upper(measure_of(row)),
        family=str(row["family"]),
        effect="" if effect == NOTHING else effect,
        sentence=_sentence(row),
        base=_base(row),
        flag=minus("; ".join(part for part in (str(row["flag"]), _two_scales(row)) if part)),
        values=subjects_grid(compared(run, row), row, asked(run, str(row["comparison"]))),
        picture=studio.contrast(row) if drawn(row) else None,
        looks=looks.of_endpoint.get(key_of(row), ()),
    )


def _two_scales(row: dict[str, Any]) -> str:
    """Say why the interval of the difference may hold no change where that of the ratio does not, or the reverse."""
    if not scales_disagree(row):
        return ""
    test = str(row["test"]).rpartition(" on ")[2] or "another scale"
    return (
        f"difference and {row['ratio_kind']} disagree on whether no change lies in their interval: the test and the "
        f"ratio are taken on {test}, where large values weigh less"
    )


def _sentence(row: dict[str, Any]) -> str:
    """Return the contrast's sentence with short names; the whole path of the base stands below it."""
    short = {**row, "population": population_of(row), "base": name_of(row["base"])}
    return minus(sentence(short).replace(f" (base: {short['base']})", ""))


def _base(row: dict[str, Any]) -> str:
    above = " \N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK} ".join(
        name_of(part) for part in str(row["base"]).split("/")
    )
    return f"Base: {above} ({row['stain']} stain)."
