"""One endpoint: its subjects, their shift, its tests and its caveats; one row per treated level.

Fractions are tested on the logit scale, where their spread depends least on their size; each tube enters as
``log((n + 0.5) / (n_base - n + 0.5))``. Net fractions can be negative and stay in percentage points. Counts
and positive intensities are tested on the log scale, intensities of which one is zero or negative on
``asinh(value / 150)``. The shift is always the mean difference of the plain values, over subjects; the ratio is
what the mean difference on the scale of analysis is once transformed back: that of the median subject.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cytometry._compare import beside
from cytometry._compare.answer import Answer
from cytometry._compare.caveats import about_design, about_scale, about_tubes, uniform, untestable
from cytometry._compare.designs import Model, model_of
from cytometry._compare.linear import Fit, fit, sandwich
from cytometry._compare.question import TREND, Question
from cytometry._compare.subjects import Values, values_of
from cytometry._compare.tubes import AnalysisScale, Tubes, scale_of
from cytometry.effects import Effect, Floats, paired_t, welch_t

# Arms within this ratio of each other's size bear unequal spreads; beyond it, each keeps its own (Welch).
BALANCED = 1.5
_NOTHING = Effect(np.nan)


def contrast(tubes: Tubes, question: Question, *, statistic: str) -> list[Answer]:
    """Return the contrasts of one endpoint, one per treated level; of a trend, one.

    Parameters
    ----------
    tubes
        The rows of one endpoint at the levels asked for, one per tube, NaN values included.
    question
        Levels, design, blocks and confidence.
    statistic
        Of the endpoint; with the values it decides the scale.

    Returns
    -------
    list of Answer
        Tubes of one subject at one level are averaged, on the scale of analysis for the test and as they are for
        the shift. An endpoint that cannot be tested has NaN for p, and the reason.
    """
    if question.paired and len(question.treated) > 1:
        return [one for level in question.treated for one in _of_pair(tubes, question, level, statistic)]
    usable, alone = _usable(tubes, question)
    scale = scale_of(usable, statistic)
    values = values_of(usable, question, scale)
    if question.design == TREND:
        alone = sorted(set(usable.subject) - set(values.subjects))
    model = model_of(values, question)
    levels = question.treated[-1:] if question.design == TREND else question.treated
    effects = _fitted(values, model, question)
    case = _Case(tubes, usable, tuple(alone), scale, values, model, question, effects)
    return [_answer(case, level, at) for at, level in enumerate(levels)]


def _of_pair(tubes: Tubes, question: Question, level: str, statistic: str) -> list[Answer]:
    here = tubes.take(np.isin(tubes.level.astype(str), [question.control, level]))
    return contrast(here, replace(question, treated=(level,)), statistic=statistic)


def _usable(tubes: Tubes, question: Question) -> tuple[Tubes, list[str]]:
    """Return the tubes that have a value, of subjects that have all their levels; and who was left out."""
    usable = tubes.take(~np.isnan(tubes.value))
    if question.paired:
        column, ends = usable.level, question.levels
    elif question.change:
        column, ends = usable.more[question.change.factor], (question.change.before, question.change.after)
    else:
        return usable, []
    at = (set(usable.subject[column == level]) for level in ends)
    alone = sorted(next(at) ^ next(at))
    return usable.take(~np.isin(usable.subject.astype(str), alone)), alone


@dataclass(frozen=True, slots=True, eq=False)
class _Effects:
    scaled: Fit | None
    plain: Fit | None


@dataclass(frozen=True, slots=True, eq=False)
class _Case:
    """All that is known of one endpoint."""

    tubes: Tubes
    usable: Tubes
    alone: tuple[str, ...]
    scale: AnalysisScale
    values: Values
    model: Model
    question: Question
    effects: _Effects


def _fitted(values: Values, model: Model, question: Question) -> _Effects:
    enough = not model.reason and model.tested.shape[0] > 0 and np.ptp(model.tested, axis=0).shape[0] > 0
    if not enough or (model.others.shape[1] + model.tested.shape[1] > model.tested.shape[0]):
        return _Effects(None, None)
    try:
        return _Effects(
            fit(values.scaled[model.keep], model.tested, model.others),
            fit(values.plain[model.keep], model.tested, model.others),
        )
    except ValueError:
        return _Effects(None, None)


def _answer(case: _Case, level: str, at: int) -> Answer:
    tubes, usable, scale, values, model = case.tubes, case.usable, case.scale, case.values, case.model
    question, effects = case.question, case.effects
    sizes, all_sizes = _sizes(values, model, question, level)
    own, test = _own(values, model, question, effects.scaled, at=at, level=level)
    shift = _shift(values, model, question, effects.plain, at=at, level=level)
    reason = untestable(tubes, question, all_sizes) or uniform(usable, scale) or model.reason
    ranks = dict(beside.NO_RANK) if reason else beside.rank_test(values, question, level)
    if not reason and np.isnan(own.p):
        reason = _no_spread(question, effects.scaled)
    flags = [
        *about_tubes(tubes, usable, case.alone, question=question),
        *model.notes,
        *about_scale(usable, scale, 0.0 if question.change else shift.estimate * own.estimate),
        *about_design(usable, question, sizes, level),
    ]
    row = {
        "treated": level,
        **_estimates(values, model, question, sizes=sizes, level=level),
        **{"shift": shift.estimate, "shift_low": shift.low, "shift_high": shift.high},
        **ranks,
        "flag": "; ".join(flag for flag in flags if flag),
        "reason": reason,
        "adjusted_for": ", ".join(model.adjusted),
        "term": ":".join(question.tested) if question.term_tested else "",
        **_beside(values, model, question, effects.scaled, own=own, at=at, level=level, tested=not reason),
    }
    counting = float(values.counting[model.keep].mean()) if model.keep.any() else 0.0
    return Answer(
        row, scale, f"{test} on {scale.name}", own, effects.scaled, at, counting, question.confidence
    )


def _sizes(values: Values, model: Model, question: Question, level: str) -> tuple[tuple[int, int], list[int]]:
    """Return subjects at control and at the treated level; and at all levels."""
    if question.paired or (question.design == TREND and not values.events):
        size = int(model.keep.sum())
        return (size, size), [size]
    group = values.group[model.keep]
    at = {one: int((group == one).sum()) for one in question.levels}
    every = [int(model.keep.sum())] if question.design == TREND else list(at.values())
    return (at[question.control], at[level]), every


def _own(
    values: Values, model: Model, question: Question, found: Fit | None, *, at: int, level: str
) -> tuple[Effect, str]:
    """Return the test on the endpoint's own variance, and its name."""
    words = _name(question)
    y = values.scaled[model.keep]
    if found is None:
        return _unfitted(y, values, model, question=question, level=level), words
    if (
        not model.adjusted
        and not question.formula
        and len(question.treated) == 1
        and question.design != TREND
    ):
        if question.paired:
            return paired_t(y, confidence=question.confidence), words
        group = values.group[model.keep]
        arms = [y[group == one] for one in (question.control, level)]
        if max(map(len, arms)) > BALANCED * min(map(len, arms)):
            return welch_t(*arms, confidence=question.confidence), f"Welch {words}"
        if arms[0].size and np.ptp(arms[0]) == 0 and np.ptp(arms[1]) == 0:
            return Effect(float(arms[1].mean() - arms[0].mean())), words
    return found.effect(at, confidence=question.confidence), words


def _unfitted(y: Floats, values: Values, model: Model, *, question: Question, level: str) -> Effect:
    """Return the difference alone, where no model can be fitted."""
    if question.paired:
        return Effect(float(y.mean())) if y.size else _NOTHING
    group = values.group[model.keep]
    ends = [y[group == one] for one in (question.control, level)]
    return Effect(float(ends[1].mean() - ends[0].mean())) if all(len(end) for end in ends) else _NOTHING


def _name(question: Question) -> str:
    if question.paired:
        return "paired t"
    if question.change:
        return "t of the change" if question.change.baseline == "subtracted" else "t given baseline"
    return "t of the trend" if question.design == TREND else "t"


def _shift(
    values: Values, model: Model, question: Question, found: Fit | None, *, at: int, level: str
) -> Effect:
    """Return the mean difference of the plain values, its interval without the premise that arms spread alike."""
    y = values.plain[model.keep]
    if question.paired and not model.adjusted:
        return paired_t(y, confidence=question.confidence)
    group = values.group[model.keep]
    if not question.paired and not model.adjusted and not question.formula and question.design != TREND:
        arms = [y[group == one] for one in (question.control, level)]
        return welch_t(*arms, confidence=question.confidence)
    if found is None:
        return _unfitted(y, values, model, question=question, level=level)
    order = [at, *(one for one in range(model.tested.shape[1]) if one != at)]
    if not found.df > 0:
        return Effect(float(found.estimates[at]))
    return sandwich(y, model.tested[:, order], model.others, confidence=question.confidence)


def _no_spread(question: Question, found: Fit | None) -> str:
    if found is None or not found.df > 0:
        return "no degrees of freedom are left: fewer subjects than levels, blocks and covariates"
    same = "pairs differ by the same amount" if question.paired else "subjects of a level are the same"
    return f"no spread to test against: all {same}"


def _estimates(
    values: Values, model: Model, question: Question, *, sizes: tuple[int, int], level: str
) -> dict[str, Any]:
    def mean(plain: Floats) -> float:
        known = plain[np.isfinite(plain)]
        return float(known.mean()) if known.size else np.nan

    keep = model.keep
    if question.change:
        change = values.ends[question.change.after] - values.ends[question.change.before]
        means = [mean(change[keep & (values.group == one)]) for one in (question.control, level)]
    else:
        means = [mean(values.ends[one][keep]) for one in (question.control, level)]
    return {
        "n_control": sizes[0],
        "n_treated": sizes[1],
        "n_pairs": sizes[0] if question.paired else 0,
        "mean_control": means[0],
        "mean_treated": means[1],
        "confidence": question.confidence,
    }


def _beside(
    values: Values, model: Model, question: Question, found: Fit | None, *,
    own: Effect, at: int, level: str, tested: bool,
) -> dict[str, Any]:  # fmt: skip
    """Return what stands beside the main test, nothing of it where that could not be made."""
    if not tested or found is None:
        return {}
    return {
        **beside.count_model(values, model, question, at),
        **beside.composition(values, model, question, at),
        **beside.effect_size(found, own, at, question),
        "dominance": beside.dominance(values, question, level),
        "residual_sd": float(np.sqrt(found.variance)),
    }
