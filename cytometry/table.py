"""The tidy table: one row per tube, population, marker and statistic.

Its columns, in order: what the sheet says of the tube (``SHEET_COLUMNS``), then what was measured
(``MEASURED_COLUMNS``). Other columns, such as ``tissue``, may follow. Fractions are fractions, never
percent, and stand beside the two counts they come from. A value that could not be had is NaN, with its
reason; the row stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from cytometry.errors import CytometryError

if TYPE_CHECKING:
    import pandas as pd

SHEET_COLUMNS = (
    "stain", "tube", "kind", "stimulus", "specimen", "subject", "arm", "timepoint", "batch",
)  # fmt: skip
MEASURED_COLUMNS = (
    "population", "marker", "statistic", "base", "value", "unit", "n", "n_base", "flag", "reason",
)  # fmt: skip
COLUMNS = SHEET_COLUMNS + MEASURED_COLUMNS
KEY = ("tube", "population", "marker", "statistic", "base")

COUNT = "count"
FRACTION_OF_PARENT = "fraction_of_parent"
MEDIAN_INTENSITY = "median_intensity"
NET_FRACTION_OF_PARENT = "net_fraction_of_parent"
CELLS_PER_UL, CELLS_PER_MG = "cells_per_ul", "cells_per_mg"
MEAN_FUNCTIONS = "mean_functions"
POLYFUNCTIONAL_SHARE = "polyfunctional_share"
POLYFUNCTIONALITY_INDEX = "polyfunctionality_index"
LOW_COUNT = "low count"

_FRACTION_OF = "fraction_of_"
_UNITS = MappingProxyType(
    {
        COUNT: "events",
        MEDIAN_INTENSITY: "intensity",
        NET_FRACTION_OF_PARENT: "fraction",
        CELLS_PER_UL: "cells/uL",
        CELLS_PER_MG: "cells/mg",
        MEAN_FUNCTIONS: "functions",
        POLYFUNCTIONAL_SHARE: "share of responders",
        POLYFUNCTIONALITY_INDEX: "index",
    }
)
_FROM_ZERO = ("events", "cells/uL", "cells/mg")
_NUMBERS = ("value", "n", "n_base")


class TableError(CytometryError, ValueError):
    """A table that is not the tidy table; the message holds every problem."""


def fraction_of(name: str) -> str:
    """Return the name of the statistic "fraction of the ancestor called ``name``"."""
    return f"{_FRACTION_OF}{name}"


def unit_of(statistic: str) -> str:
    """Return the unit of a statistic.

    Raises
    ------
    TableError
        If no statistic is called that.
    """
    if statistic in _UNITS:
        return _UNITS[statistic]
    if statistic.startswith(_FRACTION_OF) and len(statistic) > len(_FRACTION_OF):
        return "fraction"
    choice = ", ".join([*_UNITS, FRACTION_OF_PARENT])
    msg = f"no statistic is called {statistic!r}; there are {choice} and fraction_of_<an ancestor>"
    raise TableError(msg)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What a comparison asks about: a statistic of a population.

    Parameters
    ----------
    population
        Its path, or the end of it that is enough to know it: ``"CD8 T/PD-1+"``.
    statistic
        As in the table: ``fraction_of_parent``, ``fraction_of_CD45+``, ``median_intensity``...
    marker
        For a median intensity, whose.
    stain
        Where two stains hold the population, which.

    Raises
    ------
    TableError
        If the population is blank, there is no such statistic, or the marker does not suit it.
    """

    population: str
    statistic: str = FRACTION_OF_PARENT
    marker: str = ""
    stain: str = ""

    def __post_init__(self) -> None:
        if not self.population.strip():
            msg = "an endpoint names a population, such as 'CD8 T/PD-1+'"
            raise TableError(msg)
        unit_of(self.statistic)
        if bool(self.marker) != (self.statistic == MEDIAN_INTENSITY):
            wrong = "names no marker" if not self.marker else f"has no marker, and {self.marker!r} was named"
            msg = f"{self.statistic} of {self.population!r} {wrong}; a marker goes with {MEDIAN_INTENSITY}"
            raise TableError(msg)

    def __str__(self) -> str:
        parts = [self.marker, self.statistic, f"of {self.population}", f"({self.stain})" * bool(self.stain)]
        return " ".join(part for part in parts if part)


def as_table(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame as a checked tidy table: columns in order, blanks ``""``, counts whole numbers.

    For a table that comes back from a CSV file, where blank text is read as NaN.

    Raises
    ------
    TableError
        With every problem.
    """
    import pandas as pd

    absent = [column for column in COLUMNS if column not in frame.columns]
    if absent:
        msg = f"the table has no column {', '.join(absent)}"
        raise TableError(msg)
    table = frame[[*COLUMNS, *(c for c in frame.columns if c not in COLUMNS)]].reset_index(drop=True)
    for column in COLUMNS:
        if column in _NUMBERS:
            try:
                number = pd.to_numeric(table[column])
                table[column] = number.astype("float64") if column == "value" else number.astype("Int64")
            except (ValueError, TypeError) as error:
                msg = f"the table's column {column} holds something that is no number: {error}"
                raise TableError(msg) from error
        else:
            table[column] = table[column].astype(object).where(table[column].notna(), "").astype(str)
    check_table(table)
    return table


def check_table(table: Any) -> None:
    """Return nothing where ``table`` is a tidy DataFrame.

    Raises
    ------
    TableError
        With every problem: columns that are missing or hold the wrong kind of thing, statistics and units
        that do not agree, NaN without a reason, fractions that are not ``n / n_base``, tubes that are
        described in two ways, rows that occur twice.
    """
    import pandas as pd

    if not isinstance(table, pd.DataFrame):
        msg = (
            f"the tidy table is a DataFrame with one row per tube, population, marker and statistic, "
            f"not {type(table).__name__}; measure() makes it, and events are not rows of it"
        )
        raise TableError(msg)
    problems = _columns(table)
    if not problems:
        problems = [*_words(table), *_values(table), *_counts(table), *_tubes(table)]
    if problems:
        raise TableError("\n".join(problems))


def counts(table: pd.DataFrame, column: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return ``n`` or ``n_base`` as floats, NaN where they are unknown."""
    return table[column].to_numpy(dtype=np.float64, na_value=np.nan)


def _columns(table: pd.DataFrame) -> list[str]:
    import pandas as pd

    problems = [f"the table has no column {c!r}" for c in COLUMNS if c not in table.columns]
    for column in (c for c in COLUMNS if c in table.columns):
        if column in _NUMBERS:
            if not pd.api.types.is_numeric_dtype(table[column]):
                problems.append(f"{column} holds {table[column].dtype}, not numbers")
        elif not table[column].map(lambda cell: isinstance(cell, str)).all():
            problems.append(f"{column} holds something that is not text; a blank is '', not NaN")
    return problems


def _words(table: pd.DataFrame) -> list[str]:
    problems = [f"{column} is blank{_at(table, table[column] == '')}"
                for column in ("tube", "population", "base") if (table[column] == "").any()]  # fmt: skip
    for statistic in sorted(set(table["statistic"])):
        rows = table[table["statistic"] == statistic]
        try:
            unit = unit_of(statistic)
        except TableError as error:
            problems.append(str(error))
            continue
        wrong = rows[rows["unit"] != unit]
        if len(wrong):
            problems.append(f"{statistic} is in {unit}, not {wrong['unit'].iloc[0] or 'blank'}{_at(wrong)}")
        unmarked = (rows["marker"] == "") == (statistic == MEDIAN_INTENSITY)
        if unmarked.any():
            problems.append(f"a marker goes with {MEDIAN_INTENSITY}, and with no other{_at(rows, unmarked)}")
    return problems


def _values(table: pd.DataFrame) -> list[str]:
    value = table["value"].to_numpy(dtype=np.float64, na_value=np.nan)
    nan, said = np.isnan(value), (table["reason"] != "").to_numpy()
    fraction = (table["unit"] == "fraction").to_numpy()
    net = (table["statistic"] == NET_FRACTION_OF_PARENT).to_numpy()
    lowest = np.where(
        fraction, np.where(net, -1.0, 0.0), np.where(table["unit"].isin(_FROM_ZERO), 0.0, -np.inf)
    )
    outside = ~nan & ((value < lowest) | (fraction & (value > 1.0)))
    found = {
        "a value is NaN without a reason": nan & ~said,
        "a value is given and also a reason why there is none": ~nan & said,
        "a value is infinite": np.isinf(value),
        "a fraction lies in [0, 1] (percent is for print), a net fraction in [-1, 1], a count or concentration from "
        "0 up, "
        "and a value does not": outside,
    }
    return [f"{problem}{_at(table, rows)}" for problem, rows in found.items() if rows.any()]


def _counts(table: pd.DataFrame) -> list[str]:
    value = table["value"].to_numpy(dtype=np.float64, na_value=np.nan)
    n, n_base = counts(table, "n"), counts(table, "n_base")
    plain = (table["statistic"].str.startswith(_FRACTION_OF)).to_numpy() & ~np.isnan(value)
    with np.errstate(invalid="ignore", divide="ignore"):
        differs = plain & ~(np.abs(value - n / n_base) <= 1e-9)
        found = {
            "n or n_base is not a whole number of events": (
                (n < 0) | (n_base < 0) | (n % 1 != 0) & ~np.isnan(n) | (n_base % 1 != 0) & ~np.isnan(n_base)
            ),
            "a fraction is not n / n_base": differs,
        }
    return [f"{problem}{_at(table, rows)}" for problem, rows in found.items() if rows.any()]


def _tubes(table: pd.DataFrame) -> list[str]:
    problems = []
    twice = table.duplicated(list(KEY), keep=False)
    if twice.any():
        problems.append(
            f"{int(twice.sum())} rows share their tube, population, marker, statistic and base"
            f"{_at(table, twice)}; a row is one tube's statistic, and events are never replicates"
        )
    for column in SHEET_COLUMNS:
        if column != "tube":
            several = table.groupby("tube", sort=False)[column].nunique() > 1
            problems += [f"tube {tube!r} has more than one {column}" for tube in several.index[several]]
    return problems


def _at(table: pd.DataFrame, rows: Any = None) -> str:
    """Say where: the first such row, and how many more there are."""
    chosen = table if rows is None else table[np.asarray(rows)]
    first = chosen.iloc[0]
    more = f" and {len(chosen) - 1} more" if len(chosen) > 1 else ""
    return f" (tube {first['tube']!r}, population {first['population']!r}, {first['statistic']}{more})"
