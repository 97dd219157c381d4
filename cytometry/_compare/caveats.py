"""Caveats: what a reader of one contrast should know of its tubes, its scale and its design."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cytometry._compare.question import TREND, Question
from cytometry._compare.tubes import ASINH, LOG_COUNT, LOGIT, AnalysisScale, Tubes
from cytometry._study.comparison import outcome_groups
from cytometry.effects import smallest_rank_p
from cytometry.table import LOW_COUNT

NAMED_AT_MOST = 8


def named(names: Sequence[str]) -> str:
    """Return names as a list, the rest counted."""
    more = f" and {len(names) - NAMED_AT_MOST} more" if len(names) > NAMED_AT_MOST else ""
    return ", ".join(names[:NAMED_AT_MOST]) + more


def untestable(tubes: Tubes, question: Question, sizes: Sequence[int]) -> str:
    """Say why there are too few subjects for a test; nothing where there are enough."""
    for level in question.levels:
        here = tubes.take(tubes.level == level)
        if question.design == TREND and len(here):
            continue
        if np.isnan(here.value).all():
            return f"no value at {level!r}: {here.reason[0]}" if len(here) else f"no tube at {level!r}"
    if question.paired and sizes[0] < 2:
        return f"{sizes[0] or 'no'} subject with a value at both levels, and two are needed"
    if question.design == TREND:
        return "" if max(sizes) > 2 else f"{max(sizes)} subjects, and three are needed for a trend"
    if min(sizes) < 2:
        both = f" with a value at both {question.change.factor}s" if question.change else ""
        return f"{' and '.join(str(size) for size in sizes)} subjects{both}, and two are needed at each level"
    return ""


def uniform(usable: Tubes, scale: AnalysisScale) -> str:
    """Say that nothing varies; nothing where something does."""
    # Half an event is more of 100 events than of 1,000: without this, zeros would differ by their depth.
    if scale in {LOGIT, LOG_COUNT} and (usable.value == 0).all():
        return "every value is zero"
    if scale is LOGIT and (usable.value == 1).all():
        return "every value is one: all events of the base are in the population"
    return ""


def about_tubes(tubes: Tubes, usable: Tubes, alone: Sequence[str], *, question: Question) -> list[str]:
    """Return what was averaged, left out, lost or low."""
    flags = []
    times = usable.more[question.change.factor] if question.change else usable.level
    specimens: dict[tuple[str, str], list[str]] = {}
    for level, subject, specimen in zip(times, usable.subject, usable.specimen, strict=True):
        specimens.setdefault((level, subject), []).append(specimen)
    several = {key: found for key, found in specimens.items() if len(found) > 1}
    if several:
        differ = any(len(set(found)) > 1 for found in several.values())
        who = named(sorted({subject for _, subject in several}))
        flags.append(f"tubes of one {question.unit} averaged{', of different specimens' * differ}: {who}")
    if alone:
        without = "with one level alone" if question.design == TREND else "without a pair"
        flags.append(f"{len(alone)} {without} left out: {named(list(alone))}")
    lost = tubes.take(np.isnan(tubes.value))
    if len(lost):
        said = sorted(f"{tube} ({why})" for tube, why in zip(lost.tube, lost.reason, strict=True))
        flags.append(f"no value in {len(lost)} of {len(tubes)} tubes: {named(said)}")
    low = sum(LOW_COUNT in flag for flag in usable.flag)
    if low:
        flags.append(f"{LOW_COUNT} in {low} of {len(tubes)} tubes")
    return flags


def about_scale(usable: Tubes, scale: AnalysisScale, agreement: float) -> list[str]:
    """Return what the scale did to the values; ``agreement`` is negative where two estimates differ in sign."""
    flags = []
    zeros = int((usable.value == 0).sum())
    if zeros and scale in {LOGIT, LOG_COUNT}:
        flags.append(f"no event in {zeros} of {len(usable)} tubes, where half an event is added")
    if len(usable) and scale is ASINH:
        flags.append(f"a median is not positive: tested on {scale.name}, which has no fold")
    if agreement < 0:
        flags.append(f"the mean of the values and their mean on {scale.name} move in opposite directions")
    return flags


def about_design(usable: Tubes, question: Question, sizes: tuple[int, int], level: str) -> list[str]:
    """Say what the design cannot show, however many events were recorded."""
    flags = []
    if question.design != TREND:
        smallest = smallest_rank_p(*sizes, paired=question.paired)
        if min(sizes) > 1 and smallest > 1 - question.confidence:
            size = f"{sizes[0]} pairs" if question.paired else f"{sizes[0]} against {sizes[1]} subjects"
            flags.append(f"{size}: the exact rank test cannot give a p below {smallest:.2g}")
        flags += _batches(usable, question, level)
    later = outcome_groups(question.levels) if question.factor == "arm" else []
    if later:
        flags.append(
            f"groups defined after baseline ({', '.join(later)}): who lived to be called that had time to "
            "(immortal time); this describes and does not predict"
        )
    arms = sorted(set(usable.arm))
    if question.factor == "arm" or (question.change and question.factor == "arm"):
        return flags
    if len(arms) > 1:
        flags.append(f"arms taken together: {named(arms)}")
    elif question.factor == "timepoint":
        flags.append(
            "time and treatment change together: no second arm is compared, so that regression to the mean "
            "is in the shift"
        )
    return flags


def _batches(usable: Tubes, question: Question, level: str) -> list[str]:
    if question.factor == "batch" or question.change:  # a batch that adds to both times is not in the change
        return []
    batches = [set(usable.batch[usable.level == one]) for one in (question.control, level)]
    if all(batches) and not batches[0] & batches[1]:
        return [f"no batch holds both levels: {question.factor} and batch cannot be told apart"]
    return []
