"""One endpoint, one row: the subjects' values at two levels, their shift, its tests and its caveats.

Fractions are tested on the logit scale, where their spread depends least on their size; each tube enters as
``log((n + 0.5) / (n_base - n + 0.5))``. Net fractions can be negative and stay in percentage points. Counts
and positive intensities are tested on the log scale, intensities of which one is zero or negative on
``asinh(value / 150)``. The shift is always the difference of the plain values.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cytometry.effects import (
    Effect,
    Floats,
    paired_t,
    rank_sum,
    signed_rank,
    smallest_rank_p,
    welch_t,
)
from cytometry.table import COUNT, LOW_COUNT, MEDIAN_INTENSITY, NET_FRACTION_OF_PARENT, counts

if TYPE_CHECKING:
    import pandas as pd

COFACTOR = 150.0
NAMED_AT_MOST = 8


@dataclass(frozen=True, slots=True)
class Question:
    """What a comparison asks: which levels of which factor, and whether subjects are pairs."""

    factor: str
    control: str
    treated: str
    paired: bool
    confidence: float = 0.95

    @property
    def levels(self) -> tuple[str, str]:
        """Return control and treated, the order in which they are always said."""
        return self.control, self.treated


@dataclass(frozen=True, slots=True)
class AnalysisScale:
    """The scale on which an endpoint is tested, and what its difference is once transformed back."""

    name: str
    forward: Callable[[pd.DataFrame], Floats]
    ratio: str = ""


def _value(rows: pd.DataFrame) -> Floats:
    return rows["value"].to_numpy(dtype=np.float64)


LOGIT = AnalysisScale(
    "logit",
    lambda rows: np.log((counts(rows, "n") + 0.5) / (counts(rows, "n_base") - counts(rows, "n") + 0.5)),
    "odds ratio",
)
POINTS = AnalysisScale("percentage points", _value)
LOG_COUNT = AnalysisScale("log", lambda rows: np.log(_value(rows) + 0.5), "fold")
LOG = AnalysisScale("log", lambda rows: np.log(_value(rows)), "fold")
ASINH = AnalysisScale(f"asinh(value / {COFACTOR:g})", lambda rows: np.arcsinh(_value(rows) / COFACTOR))


def contrast(rows: pd.DataFrame, question: Question) -> dict[str, object]:
    """Return the contrast of one endpoint, from n to reason.

    Parameters
    ----------
    rows
        Rows of the tidy table of one endpoint at the two levels: one per tube, NaN values included.
    question
        Levels, design and confidence.

    Returns
    -------
    dict
        By column of the contrasts. Tubes of one subject at one level are averaged, on the scale of analysis
        for the test and as they are for the shift. An endpoint that cannot be tested has NaN for p, and the
        reason.
    """
    usable = rows[rows["value"].notna()]
    scale = _scale(usable)
    subjects = usable.assign(scaled=scale.forward(usable)).groupby([question.factor, "subject"])
    means = subjects[["value", "scaled"]].mean()
    at = [_level(means, level) for level in question.levels]
    alone: list[str] = []
    if question.paired:
        both = at[0].index.intersection(at[1].index)
        alone = sorted(set(at[0].index.symmetric_difference(at[1].index)))
        at = [values.loc[both] for values in at]
    shift = _effect(at, "value", question)
    effect = _effect(at, "scaled", question)
    reason = _untestable(rows, usable, at, question)
    rank_p = np.nan if reason else _rank(at, question)
    if not reason and np.isnan(effect.p):
        reason = "no spread to test against: " + (
            "all pairs differ by the same amount" if question.paired else "no subject differs within a level"
        )
    flags = [
        *_about_tubes(rows, usable, question, alone=alone),
        *_about_scale(usable, scale, shift, effect),
        *_about_design(usable, at, question),
    ]
    return {
        **_estimates(at, shift, effect, question, scale=scale),
        "test": "" if reason else f"{'paired' if question.paired else 'Welch'} t on {scale.name}",
        **{key: np.nan if reason else getattr(effect, key) for key in ("t", "df", "p")},
        "rank_test": "" if np.isnan(rank_p) else _rank_name(at, question),
        "rank_p": rank_p,
        "flag": "; ".join(flags),
        "reason": reason,
    }


def _scale(usable: pd.DataFrame) -> AnalysisScale:
    if usable.empty:
        return POINTS
    fixed = {NET_FRACTION_OF_PARENT: POINTS, COUNT: LOG_COUNT}
    statistic = usable["statistic"].iloc[0]
    if statistic == MEDIAN_INTENSITY:
        return LOG if (usable["value"] > 0).all() else ASINH
    return fixed.get(statistic, LOGIT)


def _level(means: pd.DataFrame, level: str) -> pd.DataFrame:
    here = means.index.get_level_values(0) == level
    return means[here].droplevel(0)


def _effect(at: list[pd.DataFrame], column: str, question: Question) -> Effect:
    control, treated = (values[column].to_numpy() for values in at)
    if question.paired:
        return paired_t(treated - control, confidence=question.confidence)
    return welch_t(control, treated, confidence=question.confidence)


def _rank(at: list[pd.DataFrame], question: Question) -> float:
    control, treated = (values["scaled"].to_numpy() for values in at)
    return signed_rank(treated - control) if question.paired else rank_sum(control, treated)


def _estimates(
    at: list[pd.DataFrame], shift: Effect, effect: Effect, question: Question, *, scale: AnalysisScale
) -> dict[str, object]:
    n_control, n_treated = (len(values) for values in at)
    with np.errstate(over="ignore"):
        ratio = np.exp([effect.estimate, effect.low, effect.high]) if scale.ratio else np.full(3, np.nan)
    return {
        "n_control": n_control,
        "n_treated": n_treated,
        "n_pairs": n_control if question.paired else 0,
        "mean_control": float(at[0]["value"].mean()),
        "mean_treated": float(at[1]["value"].mean()),
        "shift": shift.estimate,
        "shift_low": shift.low,
        "shift_high": shift.high,
        "ratio_kind": scale.ratio,
        "ratio": float(ratio[0]),
        "ratio_low": float(ratio[1]),
        "ratio_high": float(ratio[2]),
        "confidence": question.confidence,
    }


def _untestable(rows: pd.DataFrame, usable: pd.DataFrame, at: list[pd.DataFrame], question: Question) -> str:
    """Say why no test can be made, before one is tried; nothing where it can."""
    for level in question.levels:
        here = rows[rows[question.factor] == level]
        if here["value"].isna().all():
            return (
                f"no value at {level!r}: {here['reason'].iloc[0]}" if len(here) else f"no tube at {level!r}"
            )
    sizes = [len(values) for values in at]
    values = usable["value"]
    if question.paired and sizes[0] < 2:
        return f"{sizes[0] or 'no'} subject with a value at both levels, and two are needed"
    if min(sizes) < 2:
        return f"{sizes[0]} and {sizes[1]} subjects, and two are needed at each level"
    if _scale(usable) in {LOGIT, LOG_COUNT} and (values == 0).all():
        return "every value is zero"
    if _scale(usable) is LOGIT and (values == 1).all():
        return "every value is one: all events of the base are in the population"
    return ""


def _about_tubes(
    rows: pd.DataFrame, usable: pd.DataFrame, question: Question, *, alone: list[str]
) -> list[str]:
    flags = []
    groups = usable.groupby([question.factor, "subject"], sort=True)
    several = groups.size()[lambda sizes: sizes > 1]
    if len(several):
        who = _named(sorted({str(subject) for _, subject in several.index}))
        made = groups["specimen"].nunique().max() > 1
        flags.append(f"tubes of one subject averaged{', of different specimens' * bool(made)}: {who}")
    if alone:
        flags.append(f"{len(alone)} without a pair left out: {_named(alone)}")
    lost = rows[rows["value"].isna()]
    if len(lost):
        said = [f"{tube} ({reason})" for tube, reason in zip(lost["tube"], lost["reason"], strict=True)]
        flags.append(f"no value in {len(lost)} of {len(rows)} tubes: {_named(said)}")
    low = usable["flag"].str.contains(LOW_COUNT, regex=False).sum()
    if low:
        flags.append(f"{LOW_COUNT} in {low} of {len(rows)} tubes")
    return flags


def _about_scale(usable: pd.DataFrame, scale: AnalysisScale, shift: Effect, effect: Effect) -> list[str]:
    flags = []
    if scale in {LOGIT, LOG_COUNT} and (zeros := int((usable["value"] == 0).sum())):
        flags.append(f"no event in {zeros} of {len(usable)} tubes, where half an event is added")
    if scale is ASINH:
        flags.append(f"a median is not positive: tested on {scale.name}, which has no fold")
    if shift.estimate * effect.estimate < 0:
        flags.append(f"the mean of the values and their mean on {scale.name} move in opposite directions")
    return flags


def _about_design(usable: pd.DataFrame, at: list[pd.DataFrame], question: Question) -> list[str]:
    """Say what the design cannot show, however many events were recorded."""
    flags = []
    n_control, n_treated = (len(values) for values in at)
    smallest = smallest_rank_p(n_control, n_treated, paired=question.paired)
    if min(n_control, n_treated) > 1 and smallest > 1 - question.confidence:
        size = f"{n_control} pairs" if question.paired else f"{n_control} against {n_treated} subjects"
        flags.append(f"{size}: the exact rank test cannot give a p below {smallest:.2g}")
    batches = [set(usable.loc[usable[question.factor] == level, "batch"]) for level in question.levels]
    if all(batches) and not batches[0] & batches[1]:
        flags.append(f"no batch holds both levels: {question.factor} and batch cannot be told apart")
    arms = sorted(set(usable["arm"]))
    if question.factor != "arm" and len(arms) > 1:
        flags.append(f"arms taken together: {_named(arms)}")
    elif question.factor == "timepoint":
        flags.append("time and treatment change together: no second arm is compared")
    return flags


def _rank_name(at: list[pd.DataFrame], question: Question) -> str:
    from cytometry.effects import EXACT_PAIRS, EXACT_SUBJECTS

    if question.paired:
        return "Wilcoxon signed-rank, " + ("exact" if len(at[0]) <= EXACT_PAIRS else "normal")
    return "Mann-Whitney, " + ("exact" if len(at[0]) + len(at[1]) <= EXACT_SUBJECTS else "normal")


def _named(names: list[str]) -> str:
    more = f" and {len(names) - NAMED_AT_MOST} more" if len(names) > NAMED_AT_MOST else ""
    return ", ".join(names[:NAMED_AT_MOST]) + more
