"""One endpoint, one row: the subjects' values at two levels, their shift, its tests and its caveats.

Fractions are tested on the logit scale, where their spread depends least on their size; each tube enters as
``log((n + 0.5) / (n_base - n + 0.5))``. Net fractions can be negative and stay in percentage points. Counts
and positive intensities are tested on the log scale, intensities of which one is zero or negative on
``asinh(value / 150)``. The shift is always the difference of the plain values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cytometry.effects import (
    EXACT_PAIRS,
    EXACT_SUBJECTS,
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
Words = NDArray[np.object_]


@dataclass(frozen=True, slots=True, eq=False)
class Tubes:
    """Columns of the tidy table as arrays of shape ``(n_rows,)``; ``level`` is that of the factor."""

    level: Words
    subject: Words
    tube: Words
    specimen: Words
    arm: Words
    batch: Words
    flag: Words
    reason: Words
    value: Floats
    n: Floats
    n_base: Floats

    @classmethod
    def of(cls, table: pd.DataFrame, factor: str) -> Tubes:
        """Return the columns that a contrast reads."""
        words = {f.name: table[f.name].to_numpy(dtype=object) for f in fields(cls)[1:8]}
        value = table["value"].to_numpy(dtype=np.float64)
        level = table[factor].to_numpy(dtype=object)
        return cls(level=level, **words, value=value, n=counts(table, "n"), n_base=counts(table, "n_base"))

    def __len__(self) -> int:
        return len(self.value)

    def take(self, rows: NDArray[Any]) -> Tubes:
        """Return some of the rows."""
        return replace(self, **{f.name: getattr(self, f.name)[rows] for f in fields(self)})


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
    forward: Callable[[Tubes], Floats]
    ratio: str = ""


LOGIT = AnalysisScale("logit", lambda t: np.log((t.n + 0.5) / (t.n_base - t.n + 0.5)), "odds ratio")
POINTS = AnalysisScale("percentage points", lambda t: t.value)
LOG_COUNT = AnalysisScale("log", lambda t: np.log(t.value + 0.5), "fold")
LOG = AnalysisScale("log", lambda t: np.log(t.value), "fold")
ASINH = AnalysisScale(f"asinh(value / {COFACTOR:g})", lambda t: np.arcsinh(t.value / COFACTOR))


@dataclass(frozen=True, slots=True, eq=False)
class Level:
    """The subjects of one level, in the order of their names: means of their tubes, plain and on the scale."""

    subjects: tuple[str, ...]
    plain: Floats
    scaled: Floats


def contrast(tubes: Tubes, question: Question, *, statistic: str) -> dict[str, Any]:
    """Return the contrast of one endpoint, from n to reason.

    Parameters
    ----------
    tubes
        The rows of one endpoint at the two levels, one per tube, NaN values included.
    question
        Levels, design and confidence.
    statistic
        Of the endpoint; with the values it decides the scale.

    Returns
    -------
    dict
        By column of the contrasts. Tubes of one subject at one level are averaged, on the scale of analysis
        for the test and as they are for the shift. An endpoint that cannot be tested has NaN for p, and the
        reason.
    """
    usable = tubes.take(~np.isnan(tubes.value))
    alone: list[str] = []
    if question.paired:
        at = (set(usable.subject[usable.level == level]) for level in question.levels)
        alone = sorted(next(at) ^ next(at))
        usable = usable.take(~np.isin(usable.subject.astype(str), alone))
    scale = _scale(usable, statistic)
    control, treated = (_level(usable, level, scale) for level in question.levels)
    shift = _effect(control.plain, treated.plain, question)
    effect = _effect(control.scaled, treated.scaled, question)
    sizes = len(control.subjects), len(treated.subjects)
    reason = _untestable(tubes, question, sizes) or _uniform(usable, scale)
    rank_p, rank_test = (np.nan, "") if reason else _rank(control.scaled, treated.scaled, question)
    if not reason and np.isnan(effect.p):
        same = "pairs differ by the same amount" if question.paired else "subjects of a level are the same"
        reason = f"no spread to test against: all {same}"
    flags = [
        *_about_tubes(tubes, usable, alone),
        *_about_scale(usable, scale, shift.estimate * effect.estimate),
        *_about_design(usable, question, sizes),
    ]
    return {
        **_estimates(control, treated, question),
        **_intervals(shift, effect, scale),
        "test": "" if reason else f"{'paired' if question.paired else 'Welch'} t on {scale.name}",
        **{key: np.nan if reason else getattr(effect, key) for key in ("t", "df", "p")},
        "rank_test": rank_test,
        "rank_p": rank_p,
        "flag": "; ".join(flags),
        "reason": reason,
    }


def _scale(usable: Tubes, statistic: str) -> AnalysisScale:
    if statistic == MEDIAN_INTENSITY:
        return LOG if (usable.value > 0).all() else ASINH
    return {NET_FRACTION_OF_PARENT: POINTS, COUNT: LOG_COUNT}.get(statistic, LOGIT)


def _level(usable: Tubes, level: str, scale: AnalysisScale) -> Level:
    here = usable.take(usable.level == level)
    subjects, which = np.unique(here.subject.astype(str), return_inverse=True)
    size = np.bincount(which, minlength=len(subjects))
    sums = [np.bincount(which, values, len(subjects)) for values in (here.value, scale.forward(here))]
    return Level(tuple(subjects.tolist()), sums[0] / size, sums[1] / size)


def _effect(control: Floats, treated: Floats, question: Question) -> Effect:
    if question.paired:
        return paired_t(treated - control, confidence=question.confidence)
    return welch_t(control, treated, confidence=question.confidence)


def _rank(control: Floats, treated: Floats, question: Question) -> tuple[float, str]:
    if question.paired:
        p, exact = signed_rank(treated - control), control.size <= EXACT_PAIRS
        return p, f"Wilcoxon signed-rank, {'exact' if exact else 'normal'}"
    p, exact = rank_sum(control, treated), control.size + treated.size <= EXACT_SUBJECTS
    return p, f"Mann-Whitney, {'exact' if exact else 'normal'}"


def _estimates(control: Level, treated: Level, question: Question) -> dict[str, Any]:
    def mean(level: Level) -> float:
        return float(level.plain.mean()) if level.plain.size else np.nan

    return {
        "n_control": len(control.subjects),
        "n_treated": len(treated.subjects),
        "n_pairs": len(control.subjects) if question.paired else 0,
        "mean_control": mean(control),
        "mean_treated": mean(treated),
        "confidence": question.confidence,
    }


def _intervals(shift: Effect, effect: Effect, scale: AnalysisScale) -> dict[str, Any]:
    with np.errstate(over="ignore"):  # one degree of freedom can reach to infinity
        ratio = np.exp([effect.estimate, effect.low, effect.high]) if scale.ratio else np.full(3, np.nan)
    return {
        "shift": shift.estimate,
        "shift_low": shift.low,
        "shift_high": shift.high,
        "ratio_kind": scale.ratio,
        **dict(zip(("ratio", "ratio_low", "ratio_high"), ratio.tolist(), strict=True)),
    }


def _untestable(tubes: Tubes, question: Question, sizes: tuple[int, int]) -> str:
    """Say why there are too few subjects for a test; nothing where there are enough."""
    for level in question.levels:
        here = tubes.take(tubes.level == level)
        if np.isnan(here.value).all():
            return f"no value at {level!r}: {here.reason[0]}" if len(here) else f"no tube at {level!r}"
    if question.paired and sizes[0] < 2:
        return f"{sizes[0] or 'no'} subject with a value at both levels, and two are needed"
    if min(sizes) < 2:
        return f"{sizes[0]} and {sizes[1]} subjects, and two are needed at each level"
    return ""


def _uniform(usable: Tubes, scale: AnalysisScale) -> str:
    # Half an event is more of 100 events than of 1,000: without this, zeros would differ by their depth.
    if scale in {LOGIT, LOG_COUNT} and (usable.value == 0).all():
        return "every value is zero"
    if scale is LOGIT and (usable.value == 1).all():
        return "every value is one: all events of the base are in the population"
    return ""


def _about_tubes(tubes: Tubes, usable: Tubes, alone: list[str]) -> list[str]:
    flags = []
    specimens: dict[tuple[str, str], list[str]] = {}
    for level, subject, specimen in zip(usable.level, usable.subject, usable.specimen, strict=True):
        specimens.setdefault((level, subject), []).append(specimen)
    several = {key: found for key, found in specimens.items() if len(found) > 1}
    if several:
        differ = any(len(set(found)) > 1 for found in several.values())
        who = _named(sorted({subject for _, subject in several}))
        flags.append(f"tubes of one subject averaged{', of different specimens' * differ}: {who}")
    if alone:
        flags.append(f"{len(alone)} without a pair left out: {_named(alone)}")
    lost = tubes.take(np.isnan(tubes.value))
    if len(lost):
        said = sorted(f"{tube} ({why})" for tube, why in zip(lost.tube, lost.reason, strict=True))
        flags.append(f"no value in {len(lost)} of {len(tubes)} tubes: {_named(said)}")
    low = sum(LOW_COUNT in flag for flag in usable.flag)
    if low:
        flags.append(f"{LOW_COUNT} in {low} of {len(tubes)} tubes")
    return flags


def _about_scale(usable: Tubes, scale: AnalysisScale, agreement: float) -> list[str]:
    flags = []
    zeros = int((usable.value == 0).sum())
    if zeros and scale in {LOGIT, LOG_COUNT}:
        flags.append(f"no event in {zeros} of {len(usable)} tubes, where half an event is added")
    if len(usable) and scale is ASINH:
        flags.append(f"a median is not positive: tested on {scale.name}, which has no fold")
    if agreement < 0:
        flags.append(f"the mean of the values and their mean on {scale.name} move in opposite directions")
    return flags


def _about_design(usable: Tubes, question: Question, sizes: tuple[int, int]) -> list[str]:
    """Say what the design cannot show, however many events were recorded."""
    flags = []
    smallest = smallest_rank_p(*sizes, paired=question.paired)
    if min(sizes) > 1 and smallest > 1 - question.confidence:
        size = f"{sizes[0]} pairs" if question.paired else f"{sizes[0]} against {sizes[1]} subjects"
        flags.append(f"{size}: the exact rank test cannot give a p below {smallest:.2g}")
    batches = [set(usable.batch[usable.level == level]) for level in question.levels]
    if all(batches) and not batches[0] & batches[1]:
        flags.append(f"no batch holds both levels: {question.factor} and batch cannot be told apart")
    arms = sorted(set(usable.arm))
    if question.factor != "arm" and len(arms) > 1:
        flags.append(f"arms taken together: {_named(arms)}")
    elif question.factor == "timepoint":
        flags.append("time and treatment change together: no second arm is compared")
    return flags


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED_AT_MOST} more" if len(names) > NAMED_AT_MOST else ""
    return ", ".join(names[:NAMED_AT_MOST]) + more
