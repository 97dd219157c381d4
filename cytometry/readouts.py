"""Readouts: the several numbers by which one biological statement is judged, side by side.

A marker has a percentage and a brightness, a Treg several definitions and two denominators. Where these agree there
is one finding; where they do not, a paper that shows one of them hides it. Phenotypes are called by their markers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from cytometry.errors import CompareError
from cytometry.table import (
    COUNT,
    FRACTION_OF_PARENT,
    MEDIAN_INTENSITY,
    check_table,
)
from gating.errors import StrategyError
from gating.strategy import find_path

if TYPE_CHECKING:
    import pandas as pd

TREG = MappingProxyType(
    {
        "Treg": "CD25+ CD127lo (surface)",
        "FoxP3+": "FoxP3+, also of activated conventional cells",
        "Treg Fr I": "CD45RA+ FoxP3lo (resting; Miyara fraction I)",
        "Treg Fr II": "CD45RA- FoxP3hi (effector; Miyara fraction II)",
        "Treg Fr III": "CD45RA- FoxP3lo (not suppressive; Miyara fraction III)",
    }
)
READOUT_COLUMNS = (
    "readout", "population", "marker", "statistic", "base", "unit", "mean_control", "mean_treated", "shift",
    "shift_low", "shift_high", "ratio_kind", "ratio", "ratio_low", "ratio_high", "n_control", "n_treated", "n_pairs",
    "reads", "reason",
)  # fmt: skip
UP, DOWN, OPEN = "rises", "falls", "not decided"
_FRACTION_OF = "fraction_of_"


def phenotype(population: str) -> str:
    """Return what a population may be called: its markers, and that they are co-expressed where there are two or more.

    ``"CD8 T/PD-1+TIM-3+"`` gives "PD-1+TIM-3+ of CD8 T (co-expressing PD-1 and TIM-3)". Nothing is called exhausted,
    dysfunctional or suppressive: that is shown by what cells do, and PD-1 is on activated cells too.
    """
    parent, _, name = population.rpartition("/")
    of = f" of {parent.rpartition('/')[2]}" if parent else ""
    positive, word = [], ""
    for place, letter in enumerate(name):
        ends = place + 1 == len(name) or name[place + 1] not in "+-"
        # A sign ends a marker where another marker or nothing follows; the dash of PD-1 is inside one.
        if letter == "+" and ends:
            positive.append(word.strip(" &,"))
            word = ""
        else:
            word += letter
    if len(positive) < 2:
        return f"{name}{of}"
    return f"{name}{of} (co-expressing {', '.join(positive[:-1])} and {positive[-1]})"


def marker_readouts(contrasts: pd.DataFrame, population: str, *, marker: str) -> pd.DataFrame:
    """Return the percentage positive beside the median intensities that a run compared, for one marker.

    Parameters
    ----------
    contrasts
        Of one comparison, as :func:`cytometry.compare.compare` gives.
    population
        The positive population, such as ``"CD8 T/PD-1+"``.

    Returns
    -------
    DataFrame
        Columns ``READOUT_COLUMNS``, three rows: the fraction positive, which depends on the cut; the median of the
        positive, which it changes too; the median of the parent, which it does not. ``reads`` says whether the
        interval of the shift lies above zero (rises), below (falls), or holds it (not decided). A readout that was
        not compared has NaN and the reason.

    Raises
    ------
    CompareError
        If the contrasts hold several comparisons, or no such population.
    """
    import pandas as pd

    one_comparison(contrasts)
    path = _path(population, contrasts)
    parent = path.rpartition("/")[0]
    rows = [
        _readout(contrasts, "percent positive", path, FRACTION_OF_PARENT),
        _readout(contrasts, "median of the positive", path, MEDIAN_INTENSITY, marker=marker),
        _readout(contrasts, "median of the parent", parent, MEDIAN_INTENSITY, marker=marker),
    ]
    return pd.DataFrame(rows, columns=list(READOUT_COLUMNS))


def agreement(readouts: pd.DataFrame) -> str:
    """Return whether the readouts of :func:`marker_readouts` agree, as a sentence."""
    said = dict(zip(readouts["readout"], readouts["reads"], strict=True))
    decided = {one for one in said.values() if one in (UP, DOWN)}
    each = "; ".join(f"{name}: {reads}" for name, reads in said.items())
    if len(decided) > 1:
        return f"the readouts contradict each other, so that the shift is one of the cut or of brightness ({each})"
    if not decided:
        return f"no readout decides it ({each})"
    whole = all(one in decided for one in said.values())
    return f"{'all readouts agree' if whole else 'some readouts show it and none contradicts it'} ({each})"


def definitions(
    contrasts: pd.DataFrame, named: Mapping[str, str] = TREG, *, bases: Sequence[str] = ("CD4 T", "CD45+")
) -> pd.DataFrame:
    """Return the shift of a cell type under each of its definitions and denominators.

    Parameters
    ----------
    contrasts
        Of one comparison.
    named
        Populations, each with its definition in words; those of regulatory T cells if not given.
    bases
        Populations of which each is a fraction: a Treg share of CD4 T cells may stay where that of leucocytes falls.

    Returns
    -------
    DataFrame
        ``definition``, then ``READOUT_COLUMNS``: a row per definition and base. One that was not gated, or not said
        of this base, has NaN and the reason.

    Raises
    ------
    CompareError
        If the contrasts hold several comparisons.
    """
    import pandas as pd

    one_comparison(contrasts)
    rows = []
    for name, words in named.items():
        paths = [p for p in dict.fromkeys(contrasts["population"]) if p == name or p.endswith(f"/{name}")]
        for base in bases:
            found = [_readout(contrasts, name, path, "", base=base) for path in paths] or [
                _nothing(name, name, "", f"no population {name} was gated in these stains")
            ]
            rows += [{"definition": words} | row for row in found]
    return pd.DataFrame(rows, columns=["definition", *READOUT_COLUMNS])


def definition_table(
    table: pd.DataFrame, named: Mapping[str, str] = TREG, *, bases: Sequence[str] = ("CD4 T", "CD45+")
) -> pd.DataFrame:
    """Return the same of each sample tube: a row per tube and definition, a column ``of <base>`` per denominator.

    Fractions, taken from the counts of the tidy table; NaN where a base is empty, or a population was not gated.
    ``n`` is the events of the population.

    Raises
    ------
    TableError
        If the table is not tidy.
    """
    import pandas as pd

    check_table(table)
    counts = table[(table["statistic"] == COUNT) & (table["kind"] == "sample")]
    rows = []
    for tube, some in counts.groupby("tube", sort=False):
        first = some.iloc[0]
        events = dict(zip(some["population"], some["value"], strict=True))
        for path, n in events.items():
            name = path.rpartition("/")[2]
            if name not in named:
                continue
            rows.append(
                {column: first[column] for column in ("stain", "specimen", "subject", "arm", "timepoint")}
                | {"tube": tube, "definition": named[name], "population": path, "n": n}
                | {f"of {base}": _share(path, base, events) for base in bases}
            )
    labels = ["stain", "tube", "specimen", "subject", "arm", "timepoint", "definition", "population", "n"]
    return pd.DataFrame(rows, columns=[*labels, *(f"of {base}" for base in bases)])


def reads(row: Mapping[str, Any] | pd.Series[Any]) -> str:
    """Return whether the interval of a contrast's shift lies above zero, below it, or holds it."""
    return UP if row["shift_low"] > 0 else DOWN if row["shift_high"] < 0 else OPEN


def one_comparison(contrasts: pd.DataFrame) -> None:
    """Return nothing where these are the contrasts of one comparison and treated level.

    Raises
    ------
    CompareError
        If they are those of several, or no contrasts.
    """
    absent = [
        column for column in ("comparison", "population", "shift_low") if column not in contrasts.columns
    ]
    if absent:
        msg = f"these are no contrasts: there is no column {', '.join(absent)}; compare() makes them"
        raise CompareError(msg)
    several = contrasts[["comparison", "treated"]].drop_duplicates()
    if len(several) > 1:
        names = ", ".join(f"{row.comparison!r} ({row.treated})" for row in several.itertuples())
        msg = f"readouts are those of one comparison and treated level, and these are {names}; choose the rows of one"
        raise CompareError(msg)


def _share(path: str, base: str, events: Mapping[str, float]) -> float:
    above = [
        one for one in events if path.startswith(f"{one}/") and (one == base or one.endswith(f"/{base}"))
    ]
    return events[path] / events[above[0]] if above and events[above[0]] > 0 else np.nan


def _path(name: str, contrasts: pd.DataFrame) -> str:
    try:
        return find_path(name, tuple(dict.fromkeys(contrasts["population"])))
    except StrategyError as error:
        raise CompareError(str(error)) from error


def _readout(
    contrasts: pd.DataFrame, readout: str, path: str, statistic: str, *, marker: str = "", base: str = ""
) -> dict[str, Any]:
    rows = contrasts[(contrasts["population"] == path) & (contrasts["marker"] == marker)]
    if base:
        ends = (rows["base"] == base) | rows["base"].str.endswith(f"/{base}")
        rows = rows[ends & rows["statistic"].str.startswith(_FRACTION_OF)]
    else:
        rows = rows[rows["statistic"] == statistic]
    if rows.empty:
        what = f"its fraction of {base}" if base else f"its {statistic}{f' of {marker}' * bool(marker)}"
        return _nothing(
            readout, path, marker, f"{what} was not compared; the study file says what is measured"
        )
    row = rows.iloc[0]
    return {column: row[column] for column in READOUT_COLUMNS if column in rows.columns} | {
        "readout": readout,
        "reads": reads(row),
    }


def _nothing(readout: str, path: str, marker: str, why: str) -> dict[str, Any]:
    said = {"readout": readout, "population": path, "marker": marker, "reads": "not compared", "reason": why}
    words = dict.fromkeys(("statistic", "base", "unit", "ratio_kind"), "")
    return dict.fromkeys(READOUT_COLUMNS, np.nan) | words | said
