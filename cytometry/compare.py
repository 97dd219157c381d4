"""Compare treated with control: the tidy table in, one row per endpoint out. ``n`` counts subjects.

A table row is one tube, and tubes of one subject are averaged before anything is tested, so that neither
events nor tubes can stand as replicates. Whatever the design, a subject then has one number, and a linear model
of these is fitted on the scale that suits the measure (:mod:`cytometry.contrast`). Primary and secondary endpoints
are tested on their own variance, exploratory ones on a moderated one. Beside it stand the exact rank test, a count
model, the log ratio among siblings, and effect sizes.

Three families share nothing: Holm over the primary endpoints, Holm over the secondary ones, Benjamini and
Hochberg over all others. ``m`` is the size of the family: for Holm the endpoints that were named, whether
or not they could be tested; for the others those that have a p. Steps of the gating, complements, and a population's
further denominators and stains stay outside: they keep their rows, estimates and intervals, and are no finding
(``outside`` says why).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from cytometry._compare.answer import Answer
from cytometry._compare.entering import check_columns, check_options, entering, is_paired, known, united
from cytometry._compare.families import FAMILIES, adjusted, moderated_rows
from cytometry._compare.members import Stain, compositions, measure, split_others
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
from cytometry.contrast import contrast
from cytometry.errors import CompareError
from cytometry.table import Endpoint, check_table
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
    "counted", "adjusted_for", "term", "outside", "p_own", "prior_df", "residual_sd", "rank_p_least",
    "count_ratio", "count_p", "clr_ratio", "clr_p",
    "effect_size_kind", "effect_size", "effect_size_low", "effect_size_high", "dominance",
)  # fmt: skip
_ENDPOINT = ("stain", "population", "marker", "statistic", "base", "unit")

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
    check_options(table, levels, factor=factor, confidence=confidence, unit=unit, change=asked)
    scores = _scores(levels, design=design, change=asked)
    rows = entering(united(table, unit), factor, levels, where=where or {}, change=asked)
    question = _question(
        rows, factor, levels, design=design, change=asked, blocks=blocks, covariates=covariates,
        formula=formula, tested=tested, confidence=confidence, scores=scores, unit=unit,
    )  # fmt: skip
    check_columns(rows, question, blocks)
    columns = Tubes.of(rows, factor, columns=_known_columns(rows, question), composition=compositions(rows))
    groups = rows.groupby(list(_ENDPOINT), sort=False).indices
    by_endpoint = {_key(key): columns.take(np.asarray(places)) for key, places in groups.items()}
    families, outside = _families(
        list(by_endpoint), primary, secondary, stains=_stains(rows), empty=_empty(by_endpoint)
    )
    said = {
        "comparison": name,
        "factor": factor,
        "control": control,
        "design": _design(question),
        "counted": unit,
    }
    answers: dict[str, list[tuple[dict[str, Any], Answer]]] = {family: [] for family in families}
    for family, keys in families.items():
        for key in keys:
            labels = {**said, **dict(zip(_ENDPOINT, key, strict=True)), "family": family}
            labels["outside"] = outside.get(key, "")
            answers[family] += [
                (labels, one) for one in contrast(by_endpoint[key], question, statistic=key[3])
            ]
    found = pd.DataFrame(moderated_rows(answers), columns=list(CONTRAST_COLUMNS))
    found["effect_size_kind"] = (
        found["effect_size_kind"].astype(object).where(found["effect_size_kind"].notna(), "")
    )
    return adjusted(found, several=len(levels) > 2)


def _scores(levels: tuple[str, ...], *, design: str, change: Change | None) -> tuple[float, ...]:
    if design != TREND:
        return ()
    if change:
        msg = "a trend and a change are two questions; ask one at a time"
        raise CompareError(msg)
    return trend_scores(levels)


def _question(
    rows: pd.DataFrame, factor: str, levels: tuple[str, ...], *, design: str, change: Change | None,
    blocks: Sequence[str] | None, covariates: Sequence[str], formula: str, tested: str, confidence: float,
    scores: tuple[float, ...], unit: str,
) -> Question:  # fmt: skip
    terms, asked = asked_formula(formula, tested, factor)
    kind = UNPAIRED
    if design == TREND:
        kind = TREND
    elif change is None and is_paired(rows, factor, levels, design=design):
        kind = PAIRED
    return Question(
        factor, levels[0], levels[1:], kind, confidence=confidence, change=change,
        blocks=None if blocks is None else tuple(blocks), covariates=tuple(covariates),
        formula=terms, tested=asked, scores=scores, unit=unit,
    )  # fmt: skip


def _design(question: Question) -> str:
    if question.change:
        return "interaction" if question.change.baseline == "subtracted" else "baseline as covariate"
    return question.design


def _known_columns(rows: pd.DataFrame, question: Question) -> tuple[str, ...]:
    """Return the columns that a model reads; batch alone may be absent."""
    return tuple(column for column in question.columns if column in rows.columns)


def _stains(rows: pd.DataFrame) -> dict[str, Stain]:
    """Return what the design says of each stain: of which tissue its tubes are, and whether they were stimulated."""
    place = rows["tissue"] if "tissue" in rows.columns else rows["stain"].map(lambda _: "")
    return {
        str(stain): Stain(frozenset(place[some.index].astype(str)), bool((some["stimulus"] != "").any()))
        for stain, some in rows.groupby("stain", sort=False)
    }


def _empty(by_endpoint: Mapping[Key, Tubes]) -> set[Key]:
    return {key for key, tubes in by_endpoint.items() if not np.isfinite(tubes.value).any()}


def _families(
    keys: list[Key],
    primary: Sequence[Endpoint],
    secondary: Sequence[Endpoint],
    *,
    stains: Mapping[str, Stain],
    empty: Collection[Key],
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
    declared = [key for some in named.values() for key in some]
    named["exploratory"], outside = split_others(keys, declared, stains=stains, empty=empty)
    named["exploratory"] += list(outside)
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
            known(wanted, sorted({key[place] for key in left} - {""}), f"there is no {_ENDPOINT[place]}")
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
