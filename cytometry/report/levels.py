"""Levels: the columns of the population tables, and whose tubes stand in each. One column, one denominator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from cytometry.report.contrasts import contrasts_of
from cytometry.report.designs import asked
from cytometry.report.resting import MEASURED
from cytometry.report.words import listed

if TYPE_CHECKING:
    import pandas as pd

    from cytometry.store import Run

FACTORS = ("arm", "timepoint")
TUBE = "tube"
SAMPLE = ("sample",)
MOST_TUBES = 8  # in columns of their own
IS = "\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}"
Filter = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Levels:
    """The columns of the population tables, control first.

    Parameters
    ----------
    filters
        By the name of a column, what its tubes have: ``(("arm", "vehicle"), ("timepoint", "day 8"))``.
    kinds
        Of the tubes that are described.
    where
        What all of them have: the tubes that the comparison keeps.
    """

    filters: Mapping[str, Filter]
    kinds: tuple[str, ...] = SAMPLE
    where: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the columns."""
        return tuple(self.filters)

    def kept(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return the rows that are described at all."""
        rows = rows[rows["kind"].isin(self.kinds)]
        for column, wanted in self.where.items():
            rows = rows[rows[column].astype(str).isin(wanted)]
        return rows

    def at(self, rows: pd.DataFrame, name: str) -> pd.DataFrame:
        """Return the rows of one column."""
        for column, level in self.filters[name]:
            rows = rows[rows[column].astype(str) == level]
        return rows

    def sizes(self, rows: pd.DataFrame) -> dict[str, int]:
        """Return the number of subjects in each column, with a value or without."""
        return {name: who(self.at(rows, name)).nunique() for name in self.names}

    def heads(self, sizes: Mapping[str, int]) -> list[str]:
        """Return what stands over each column: its name, and how many subjects it has."""
        if self._of_tubes:
            return list(self.names)
        return [f"{name} (n{IS}{sizes[name]})" for name in self.names]

    @property
    def said(self) -> str:
        """Return what a cell of the tables is."""
        if self._of_tubes:
            return "the value of each tube"
        kept = "; ".join(f"{column} {listed(levels)}" for column, levels in self.where.items())
        only = f", tubes of {kept} only" if kept else ""
        return f"mean over n subjects{only}; a number in brackets where fewer of them have a value"

    @property
    def _of_tubes(self) -> bool:
        return any(column == TUBE for one in self.filters.values() for column, _ in one)


def levels_of(run: Run) -> Levels:
    """Return the levels that the run compares first; else those of arm or timepoint; else all together."""
    contrasts = contrasts_of(run)
    if len(contrasts):
        return _compared(run, contrasts)
    kinds = _described(run)
    samples = run.table[run.table["kind"].isin(kinds)]
    for factor in FACTORS:
        known = [str(level) for level in dict.fromkeys(samples[factor]) if level]
        if len(known) > 1:
            return Levels({level: ((factor, level),) for level in known}, kinds)
    tubes = [str(tube) for tube in dict.fromkeys(samples[TUBE])]
    if len(tubes) <= MOST_TUBES:
        return Levels({tube: ((TUBE, tube),) for tube in tubes}, kinds)
    return Levels({"all samples": ()})


def _compared(run: Run, contrasts: pd.DataFrame) -> Levels:
    first = contrasts.iloc[0]
    declared = asked(run, str(first["comparison"]))
    where = {
        str(column): tuple([kept] if isinstance(kept, str) else map(str, kept))
        for column, kept in (declared.get("where") or {}).items()
    }
    every = Levels({}, where=where)
    factor = str(first["factor"])
    samples = every.kept(run.table)
    known = [str(level) for level in dict.fromkeys(samples[factor]) if level]
    treated = declared.get("treated", first["treated"])
    ordered = [str(first["control"]), *([str(treated)] if isinstance(treated, str) else map(str, treated))]
    ordered += [level for level in known if level not in ordered]
    change = declared.get("change") or {}
    if not change:
        return Levels({level: ((factor, level),) for level in ordered}, where=where)
    within, ends = str(change.get("factor", "timepoint")), (str(change["before"]), str(change["after"]))
    crossed = {f"{level}, {end}": ((factor, level), (within, end)) for level in ordered for end in ends}
    return Levels(crossed, where=where)


def _described(run: Run) -> tuple[str, ...]:
    """Return the kinds of tube that the tables describe: samples, and unstimulated tubes of arms of their own.

    Where something is compared, or one arm has both, unstimulated tubes only serve to be subtracted.
    """
    measured = run.table[run.table["kind"].isin(MEASURED)]
    kinds = measured.groupby(list(FACTORS))["kind"].nunique()
    return MEASURED if len(kinds) > 1 and (kinds == 1).all() else SAMPLE


def who(rows: pd.DataFrame) -> pd.Series[str]:
    """Return each row's subject; a folder that was gated without a sheet names none, and its tubes stand in."""
    return rows["subject"].where(rows["subject"] != "", rows["tube"])
