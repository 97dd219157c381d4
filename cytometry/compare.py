"""Compare treated with control: the tidy table in, one row per endpoint out. ``n`` counts subjects.

A table row is one tube, and tubes of one subject are averaged before anything is tested, so that neither
events nor tubes can stand as replicates. Whatever the design, a subject then has one number, and a linear model
of these is fitted on the scale that suits the measure (:mod:`cytometry.contrast`). Primary and secondary endpoints
are tested on their own variance, exploratory ones on a moderated one. Beside it stand the exact rank test, a count
model, the log ratio among siblings, and effect sizes.

Three families share nothing: Holm over the primary endpoints, Holm over the secondary ones, Benjamini and
Hochberg over all others. ``m`` is the size of the family: for Holm the endpoints that were named, whether
or not they could be tested; for the others those that have a p. Technical gates, and a population's further
denominators, are ``outside``: they keep their rows, and their p is adjusted for nothing.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from cytometry._compare.caveats import NAMED_AT_MOST
from cytometry._compare.families import FAMILIES, adjusted, moderated_rows
from cytometry._compare.members import compositions, measure, split_others
from cytometry._compare.question import (
    PAIRED,
    TREND,
    UNPAIRED,
    Change,
    Question,
    asked_formula,
    trend_scores,
)
from cytometry._compare.tubes import Tubes
from cytometry.contrast import Answer, contrast
from cytometry.errors import CompareError
from cytometry.table import MEASURED_COLUMNS, Endpoint, check_table
from cytometry.wording import sentence
from gating.errors import StrategyError
from gating.strategy import find_path

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CONTRAST_COLUMNS", "FAMILIES", "Change", "compare", "resolve", "sentence"]

CONTRAST_COLUMNS = (
    "comparison", "family", "stain", "population", "marker", "statistic", "base", "unit",
    "factor", "control", "treated", "design", "n_control", "n_treated", "n_pairs",
    "mean_control", "mean_treated", "shift", "shift_low", "shift_high",
    "ratio_kind", "ratio", "ratio_low", "ratio_high", "confidence",
    "test", "t", "df", "p", "adjustment", "m", "p_adjusted", "rank_test", "rank_p", "flag", "reason",
    "adjusted_for", "term", "outside", "p_own", "prior_df", "residual_sd", "rank_p_least",
    "count_ratio", "count_p", "clr_ratio", "clr_p",
    "effect_size_kind", "effect_size", "effect_size_low", "effect_size_high", "dominance",
)  # fmt: skip
_ENDPOINT = ("stain", "population", "marker", "statistic", "base", "unit")
# Tubes of one subject at one level that differ in these are no technical replicates.
_NO_REPLICATE = ("arm", "timepoint", "stimulus", "tissue")
_NO_FACTOR = {*MEASURED_COLUMNS, "subject", "tube", "specimen", "stain", "kind"}
_CELLS = {"event", "events", "cell", "cells", "tube", "tubes", "file", "well", "specimen"}

Design = Literal["auto", "paired", "unpaired", "trend"]
Key = tuple[str, ...]


def compare(
    table: pd.DataFrame,
    *,
    control: str,
    treated: str | Sequence[str],
    factor: str = "arm",
    design: Design = "auto",
    change: Change | Mapping[str, str] | None = None,
    blocks: Sequence[str] | None = None,
    covariates: Sequence[str] = (),
    formula: str = "",
    tested: str = "",
    unit: str = "subject",
    where: Mapping[str, object] | None = None,
    primary: Sequence[Endpoint] = (),
    secondary: Sequence[Endpoint] = (),
    name: str = "",
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Return the contrast of treated with control for every endpoint of a table.

    Parameters
    ----------
    table
        Tidy table. Only tubes of kind ``sample`` enter; an unstimulated tube enters through the net
        fractions that were made with it.
    control, treated
        Levels of ``factor``, a column of the sheet; a shift is treated minus control. Several treated levels are
        each compared with control, a row for each.
    design
        ``"paired"``: subjects that have both levels, the others left out and named. ``"unpaired"``: each
        subject has one. ``"auto"``: unpaired where no subject has both, paired where at least half have,
        and a question back where it is neither. ``"trend"``: one slope over control and the treated levels in their
        order, spaced by the numbers in their names if all have one; said as the difference between last and first.
    change
        For arm x timepoint: the change within each subject that the levels of ``factor`` are compared in.
    blocks
        Columns taken out level by level. ``None``: batch, where the design can spare it. ``()``: nothing.
    covariates
        Columns taken out as they stand: numbers as a slope around their mean, words level by level.
    formula, tested
        For the rest: terms of the model, such as ``"arm * sex + age"``, and which one is tested.
    unit
        ``"subject"``, or a column whose members were treated together (cage, litter) and are averaged: then it is
        what n counts.
    where
        Columns of the table and the value, or values, to keep.
    primary, secondary
        Endpoints declared beforehand. Event counts are compared only where they are named here: how many
        events a tube holds is how long it ran.
    name
        Of the comparison, for its column.
    confidence
        Of the intervals, between 0 and 1.

    Returns
    -------
    DataFrame
        Columns ``CONTRAST_COLUMNS``; primary and secondary endpoints in the order named, then the others by
        p. An endpoint that cannot be tested keeps its row, with NaN and the reason.

    Raises
    ------
    TableError
        If the table is not tidy: rows per event, for one.
    CompareError
        If a level, column or endpoint is not there, with near matches; if subjects have both levels in a
        part of the study only; if tubes of one subject at one level differ in time, stimulus, arm or tissue; if
        events or tubes are asked to be the unit.
    """
    import pandas as pd

    check_table(table)
    levels = (control, *([treated] if isinstance(treated, str) else treated))
    asked = Change(**change) if isinstance(change, Mapping) else change
    _check_options(table, levels, factor=factor, confidence=confidence, unit=unit, change=asked)
    rows = _entering(_united(table, unit), factor, levels, where=where or {}, change=asked)
    question = _question(
        rows, factor, levels, design=design, change=asked, blocks=blocks, covariates=covariates,
        formula=formula, tested=tested, confidence=confidence,
    )  # fmt: skip
    _check_columns(rows, question, blocks)
    columns = Tubes.of(rows, factor, columns=_known_columns(rows, question), composition=compositions(rows))
    groups = rows.groupby(list(_ENDPOINT), sort=False).indices
    by_endpoint = {_key(key): columns.take(np.asarray(places)) for key, places in groups.items()}
    families, outside = _families(list(by_endpoint), primary, secondary)
    said = {"comparison": name, "factor": factor, "control": control, "design": _design(question)}
    answers: dict[str, list[tuple[dict[str, Any], Answer]]] = {family: [] for family in families}
    for family, keys in families.items():
        for key in keys:
            labels = {**said, "family": family, **dict(zip(_ENDPOINT, key, strict=True)), "outside": outside.get(key, "")}
            answers[family] += [(labels, one) for one in contrast(by_endpoint[key], question, statistic=key[3])]
    found = pd.DataFrame(moderated_rows(answers), columns=list(CONTRAST_COLUMNS))
    found["effect_size_kind"] = found["effect_size_kind"].astype(object).where(found["effect_size_kind"].notna(), "")
    return adjusted(found, several=len(levels) > 2)


def _question(
    rows: pd.DataFrame, factor: str, levels: tuple[str, ...], *, design: str, change: Change | None,
    blocks: Sequence[str] | None, covariates: Sequence[str], formula: str, tested: str, confidence: float,
) -> Question:  # fmt: skip
    terms, asked = asked_formula(formula, tested, factor)
    options = {
        "confidence": confidence,
        "change": change,
        "blocks": None if blocks is None else tuple(blocks),
        "covariates": tuple(covariates),
        "formula": terms,
        "tested": asked,
    }
    if design == TREND:
        return Question(factor, levels[0], levels[1:], TREND, scores=trend_scores(levels), **options)
    paired = change is None and _paired(rows, factor, levels, design=design)
    return Question(factor, levels[0], levels[1:], PAIRED if paired else UNPAIRED, **options)


def _design(question: Question) -> str:
    if question.change:
        return "interaction" if question.change.baseline == "subtracted" else "baseline as covariate"
    return question.design


def _known_columns(rows: pd.DataFrame, question: Question) -> tuple[str, ...]:
    """Return the columns that a model reads; batch alone may be absent."""
    return tuple(column for column in question.columns if column in rows.columns)


def _check_columns(rows: pd.DataFrame, question: Question, blocks: Sequence[str] | None) -> None:
    for column in question.columns:
        _known(column, rows.columns, "the table has no column")
        if column in {"subject", "tube", *MEASURED_COLUMNS}:
            msg = f"{column!r} is no block or covariate: a subject has one number, and is in the model once"
            raise CompareError(msg)
    for column in blocks or ():
        if (rows[column].astype(str) == "").any():
            tube = rows.loc[rows[column].astype(str) == "", "tube"].iloc[0]
            msg = f"{column} is a block, and tube {tube!r} has none; fill it in, or leave the block out"
            raise CompareError(msg)


def _united(table: pd.DataFrame, unit: str) -> pd.DataFrame:
    """Return the table with what was treated together in the place of subjects."""
    if unit == "subject":
        return table
    cells = table[unit].astype(str)
    lost = (cells.isin(["", "nan"])) & (table["kind"] == "sample")
    if lost.any():
        msg = f"the unit is the {unit}, and tube {table.loc[lost, 'tube'].iloc[0]!r} has none"
        raise CompareError(msg)
    return table.assign(subject=unit + " " + cells)


def _check_options(
    table: pd.DataFrame, levels: tuple[str, ...], *, factor: str, confidence: float, unit: str, change: Change | None
) -> None:
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
        _known(unit, table.columns, "the table has no column")
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
    _known(factor, table.columns, "the table has no column")
    if len(levels) < 2:
        msg = f"nothing is compared with {levels[0]!r}; treated names one level of {factor}, or several"
        raise CompareError(msg)
    for level in levels:
        _known(level, sorted(set(table[factor].astype(str)) - {""}), f"no tube has the {factor}")
    if len(set(levels)) < len(levels):
        twice = next(level for level in levels if levels.count(level) > 1)
        both = "control and treated are both" if levels[0] == twice else "treated names twice"
        msg = f"{both} {twice!r}"
        raise CompareError(msg)


def _entering(
    table: pd.DataFrame, factor: str, levels: tuple[str, ...], *, where: Mapping[str, object], change: Change | None
) -> pd.DataFrame:
    """Return the rows that answer the question: samples at the levels, where asked for."""
    table = table.assign(**{factor: table[factor].astype(str)})
    keep = (table["kind"] == "sample") & table[factor].isin(levels)
    if change:
        keep &= table[change.factor].isin((change.before, change.after))
    for column, wanted in where.items():
        _known(column, table.columns, "the table has no column")
        values = [wanted] if isinstance(wanted, str) or not isinstance(wanted, Iterable) else list(wanted)
        cells = table[column].astype(str)
        for value in values:
            _known(str(value), sorted(set(cells)), f"no tube has the {column}")
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


def _paired(rows: pd.DataFrame, factor: str, levels: tuple[str, ...], *, design: str) -> bool:
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


def _families(
    keys: list[Key], primary: Sequence[Endpoint], secondary: Sequence[Endpoint]
) -> tuple[dict[str, list[Key]], dict[Key, str]]:
    """Return the endpoints of each family, and why those outside are outside."""
    problems: list[str] = []
    named: dict[str, list[Key]] = {}
    seen: set[Key] = set()
    for family, endpoints in (("primary", primary), ("secondary", secondary)):
        named[family] = []
        for endpoint in endpoints:
            try:
                key = resolve(endpoint, keys)
            except CompareError as error:
                problems.append(f"{family} endpoint {endpoint}: {error}")
                continue
            if measure(key) in seen:
                problems.append(f"{family} endpoint {endpoint}: named twice, in this family or the other")
            seen.add(measure(key))
            named[family].append(key)
    if problems:
        raise CompareError("\n".join(problems))
    named["exploratory"], outside = split_others(keys, [key for some in named.values() for key in some])
    named["outside"] = list(outside)
    if not any(named.values()):
        msg = "the table holds only event counts, which are compared where they are named: primary=[Endpoint(...)]"
        raise CompareError(msg)
    return named, outside


def resolve(endpoint: Endpoint, keys: Sequence[Key]) -> Key:
    """Return the one of ``keys`` (stain, population, marker, statistic, base, unit) that is meant.

    Raises
    ------
    CompareError
        If none is, with near matches, or several are, with what tells them apart.
    """
    left = list(keys)
    for place, wanted in ((0, endpoint.stain), (3, endpoint.statistic), (2, endpoint.marker)):
        if wanted:
            _known(wanted, sorted({key[place] for key in left} - {""}), f"there is no {_ENDPOINT[place]}")
            left = [key for key in left if key[place] == wanted]
    try:
        path = find_path(endpoint.population, tuple(dict.fromkeys(key[1] for key in left)))
    except StrategyError as error:
        raise CompareError(str(error)) from error
    left = [key for key in left if key[1] == path]
    if len(left) > 1:
        places = ", ".join(f"stain {key[0]!r} of base {key[4]!r}" for key in left)
        msg = f"{path!r} is measured in {len(left)} ways: {places}; name the stain"
        raise CompareError(msg)
    return left[0]


def _key(labels: Any) -> Key:
    return tuple(str(label) for label in labels)


def _known(name: str, names: Iterable[Any], complaint: str) -> None:
    choice = [str(known) for known in names]
    if name in choice:
        return
    near = difflib.get_close_matches(name, choice, n=3)
    hint = f"did you mean {', '.join(near)}?" if near else f"there are {', '.join(choice) or 'none'}"
    msg = f"{complaint} {name!r}; {hint}"
    raise CompareError(msg)
