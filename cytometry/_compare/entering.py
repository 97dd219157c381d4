"""Which tubes enter a comparison, and whether they can answer it; a question back where they cannot."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cytometry._compare.caveats import NAMED_AT_MOST
from cytometry._compare.question import Change, Question
from cytometry.errors import CompareError
from cytometry.table import MEASURED_COLUMNS

if TYPE_CHECKING:
    import pandas as pd

# Tubes of one subject at one level that differ in these are no technical replicates.
_NO_REPLICATE = ("arm", "timepoint", "stimulus", "tissue")
_NO_FACTOR = {*MEASURED_COLUMNS, "subject", "tube", "specimen", "stain", "kind"}
_CELLS = {"event", "events", "cell", "cells", "tube", "tubes", "file", "well", "specimen"}


def check_columns(rows: pd.DataFrame, question: Question, blocks: Sequence[str] | None) -> None:
    """Refuse blocks and covariates that are not there, are the subject, or are blank."""
    for column in question.columns:
        known(column, rows.columns, "the table has no column")
        if column in {"subject", "tube", *MEASURED_COLUMNS}:
            msg = f"{column!r} is no block or covariate: a subject has one number, and is in the model once"
            raise CompareError(msg)
    for column in blocks or ():
        if (rows[column].astype(str) == "").any():
            tube = rows.loc[rows[column].astype(str) == "", "tube"].iloc[0]
            msg = f"{column} is a block, and tube {tube!r} has none; fill it in, or leave the block out"
            raise CompareError(msg)


def united(table: pd.DataFrame, unit: str) -> pd.DataFrame:
    """Return the table with what was treated together in the place of subjects."""
    if unit == "subject":
        return table
    cells = table[unit].astype(str)
    lost = (cells.isin(["", "nan"])) & (table["kind"] == "sample")
    if lost.any():
        msg = f"the unit is the {unit}, and tube {table.loc[lost, 'tube'].iloc[0]!r} has none"
        raise CompareError(msg)
    return table.assign(subject=unit + " " + cells)


def check_options(
    table: pd.DataFrame,
    levels: tuple[str, ...],
    *,
    factor: str,
    confidence: float,
    unit: str,
    change: Change | None,
) -> None:
    """Refuse levels, factors and units that mean nothing."""
    if not 0 < confidence < 1:
        msg = f"confidence lies between 0 and 1, unlike {confidence}"
        raise CompareError(msg)
    if unit in _CELLS:
        msg = (
            f"the unit cannot be the {unit}: events and tubes of one subject are alike because they are of one "
            "subject, and taken as replicates they find shifts in most studies where there are none; it is the "
            "subject, or what was treated together, such as cage or litter"
        )
        raise CompareError(msg)
    if unit != "subject":
        known(unit, table.columns, "the table has no column")
    if factor in _NO_FACTOR:
        msg = (
            f"{factor!r} is not what two groups of subjects differ in; a factor is arm, timepoint or the like"
        )
        raise CompareError(msg)
    _check_levels(table, factor, levels)
    if change:
        _check_levels(table, change.factor, (change.before, change.after))
        if change.factor == factor:
            msg = f"a change over {factor} cannot be compared between levels of {factor}; compare arms in it"
            raise CompareError(msg)


def _check_levels(table: pd.DataFrame, factor: str, levels: tuple[str, ...]) -> None:
    known(factor, table.columns, "the table has no column")
    if len(levels) < 2:
        msg = f"nothing is compared with {levels[0]!r}; treated names one level of {factor}, or several"
        raise CompareError(msg)
    for level in levels:
        known(level, sorted(set(table[factor].astype(str)) - {""}), f"no tube has the {factor}")
    if len(set(levels)) < len(levels):
        twice = next(level for level in levels if levels.count(level) > 1)
        both = "control and treated are both" if levels[0] == twice else "treated names twice"
        msg = f"{both} {twice!r}"
        raise CompareError(msg)


def entering(
    table: pd.DataFrame,
    factor: str,
    levels: tuple[str, ...],
    *,
    where: Mapping[str, object],
    change: Change | None,
) -> pd.DataFrame:
    """Return the rows that answer the question: samples at the levels, where asked for."""
    table = table.assign(**{factor: table[factor].astype(str)})
    keep = (table["kind"] == "sample") & table[factor].isin(levels)
    if change:
        keep &= table[change.factor].isin((change.before, change.after))
    for column, wanted in where.items():
        known(column, table.columns, "the table has no column")
        values = [wanted] if isinstance(wanted, str) or not isinstance(wanted, Iterable) else list(wanted)
        cells = table[column].astype(str)
        for value in values:
            known(str(value), sorted(set(cells)), f"no tube has the {column}")
        keep &= cells.isin([str(value) for value in values])
    rows = table[keep]
    for level in levels:
        if not (rows[factor] == level).any():
            filtered = ", ".join(f"{column} = {value!r}" for column, value in where.items())
            msg = f"no tube of kind 'sample' has the {factor} {level!r}" + f" where {filtered}" * bool(where)
            raise CompareError(msg)
    if (rows["subject"] == "").any():
        tube = rows.loc[rows["subject"] == "", "tube"].iloc[0]
        msg = f"tube {tube!r} has no subject; the subject is what is counted, so the sheet must name it"
        raise CompareError(msg)
    within = change.factor if change else factor
    for column in (c for c in _NO_REPLICATE if c in rows.columns and c not in (factor, within)):
        _check_replicates(rows, within, column)
    if change:
        _check_arms(rows, factor)
    return rows


def _check_arms(rows: pd.DataFrame, factor: str) -> None:
    several = rows.groupby("subject")[factor].nunique()
    if (several > 1).any():
        who = several.index[several > 1][0]
        msg = f"subject {who!r} has more than one {factor}, so that its change belongs to neither; compare it paired"
        raise CompareError(msg)


def _check_replicates(rows: pd.DataFrame, factor: str, column: str) -> None:
    kinds = rows.groupby(["stain", "subject", factor])[column].nunique(dropna=False)
    if (kinds <= 1).all():
        return
    stain, subject, level = kinds.index[kinds > 1][0]
    here = rows[(rows["stain"] == stain) & (rows["subject"] == subject) & (rows[factor] == level)]
    values = ", ".join(repr(value) for value in sorted(set(here[column].astype(str))))
    msg = (
        f"subject {subject!r} has tubes of more than one {column} at {factor} {level!r} ({values}), which are "
        f"not replicates of each other; choose one with where={{{column!r}: ...}}"
    )
    raise CompareError(msg)


def is_paired(rows: pd.DataFrame, factor: str, levels: tuple[str, ...], *, design: str) -> bool:
    """Return whether subjects are compared with themselves."""
    if design not in {"auto", "paired", "unpaired"}:
        msg = f"design is auto, paired, unpaired or trend, not {design!r}"
        raise CompareError(msg)
    control = set(rows.loc[rows[factor] == levels[0], "subject"])
    treated = set(rows.loc[rows[factor] != levels[0], "subject"])
    both, everyone = sorted(control & treated), control | treated
    if design == "paired" or (design == "auto" and both and 2 * len(both) >= len(everyone)):
        return True
    if not both:
        _check_once(rows, factor, levels)
        return False
    shown = ", ".join(both[:NAMED_AT_MOST]) + ", ..." * (len(both) > NAMED_AT_MOST)
    others = levels[1] if len(levels) == 2 else "another level"
    msg = (
        f"{len(both)} of {len(everyone)} subjects occur at both {levels[0]!r} and {others!r} ({shown}): "
        "they would be counted twice in an unpaired comparison; say design='paired' to compare them alone, "
        "or leave them out with where={'subject': [...]}"
    )
    raise CompareError(msg)


def _check_once(rows: pd.DataFrame, factor: str, levels: tuple[str, ...]) -> None:
    several = rows[rows[factor].isin(levels)].groupby("subject")[factor].nunique()
    if (several > 1).any():
        who = several.index[several > 1][0]
        msg = f"subject {who!r} has more than one treated {factor}, and would be counted twice; compare one at a time"
        raise CompareError(msg)


def known(name: str, names: Iterable[Any], complaint: str) -> None:
    """Refuse a name that is none of those known, with near matches."""
    choice = [str(known) for known in names]
    if name in choice:
        return
    near = difflib.get_close_matches(name, choice, n=3)
    hint = f"did you mean {', '.join(near)}?" if near else f"there are {', '.join(choice) or 'none'}"
    msg = f"{complaint} {name!r}; {hint}"
    raise CompareError(msg)
