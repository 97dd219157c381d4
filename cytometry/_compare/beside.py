"""Beside the main test: exact ranks, counts as counts, the composition's log ratio, and effect sizes."""

from __future__ import annotations

from typing import Any

import numpy as np

from cytometry._compare.counted import quasi_binomial
from cytometry._compare.designs import Model
from cytometry._compare.linear import Fit, fit
from cytometry._compare.question import TREND, Question
from cytometry._compare.subjects import Values
from cytometry.effects import (
    EXACT_PAIRS,
    EXACT_SUBJECTS,
    Effect,
    Floats,
    hedges_g,
    rank_sum,
    signed_rank,
    smallest_rank_p,
)

NO_RANK: dict[str, Any] = {"rank_test": "", "rank_p": np.nan, "rank_p_least": np.nan}


def rank_test(values: Values, question: Question, level: str) -> dict[str, Any]:
    """Return the exact rank test of one treated level, and the smallest p that so many subjects can reach.

    No block or covariate enters it. None for a trend over levels that differ between subjects.
    """
    y, group = values.scaled, values.group
    if question.paired or (question.design == TREND and not values.events):
        method = "exact" if y.size <= EXACT_PAIRS else "normal"
        least = smallest_rank_p(y.size, y.size, paired=True)
        return {
            "rank_test": f"Wilcoxon signed-rank, {method}",
            "rank_p": signed_rank(y),
            "rank_p_least": least,
        }
    if question.design == TREND:
        return NO_RANK
    control, treated = y[group == question.control], y[group == level]
    method = "exact" if control.size + treated.size <= EXACT_SUBJECTS else "normal"
    least = smallest_rank_p(control.size, treated.size, paired=False)
    return {
        "rank_test": f"Mann-Whitney, {method}",
        "rank_p": rank_sum(control, treated),
        "rank_p_least": least,
    }


def count_model(values: Values, model: Model, question: Question, at: int) -> dict[str, Any]:
    """Return the quasi-binomial odds ratio of one treated level; NaN for what is no fraction, a change or a trend."""
    nothing = {"count_ratio": np.nan, "count_p": np.nan}
    if question.change or question.design == TREND or question.formula or not values.events:
        return nothing
    keep = model.keep
    if question.paired:
        size = int(keep.sum())
        n, base = (
            np.concatenate([values.events[level][part][keep] for level in question.levels[:2]])
            for part in (0, 1)
        )
        columns = np.column_stack([np.tile(np.eye(size), (2, 1)), np.repeat([0.0, 1.0], size)])
        tested = size
    else:
        own = [values.events[level] for level in question.levels]
        n, base = (np.sum([events[part] for events in own], axis=0)[keep] for part in (0, 1))
        columns = np.column_stack([model.tested, model.others])
        tested = at
    if not np.isfinite(n).all() or not (base > 0).all() or (n > base).any():
        return nothing
    effect = quasi_binomial(n, base, columns, tested=tested, confidence=question.confidence)
    return {"count_ratio": float(np.exp(effect.estimate)), "count_p": effect.p}


def composition(values: Values, model: Model, question: Question, at: int) -> dict[str, Any]:
    """Return the change against the geometric mean of all siblings, which closure alone does not move."""
    y = values.composition[model.keep]
    if not y.size or not np.isfinite(y).all():
        return {"clr_ratio": np.nan, "clr_p": np.nan}
    found = fit(y, model.tested, model.others).effect(at, confidence=question.confidence)
    return {"clr_ratio": float(np.exp(found.estimate)), "clr_p": found.p}


def effect_size(found: Fit, own: Effect, at: int, question: Question) -> dict[str, Any]:
    """Return Hedges' g with its interval: of the differences where subjects are paired, else of the arms."""
    unscaled = float(found.unscaled[at, at])
    size, low, high = hedges_g(own.t, found.df, unscaled, confidence=question.confidence)
    kind = "Hedges g_z" if question.paired else "Hedges g"
    return {"effect_size_kind": kind, "effect_size": size, "effect_size_low": low, "effect_size_high": high}


def dominance(values: Values, question: Question, level: str) -> float:
    """Return Cliff's delta: how much more often the treated value is the larger one; of pairs, within them."""
    y: Floats = values.scaled
    if question.design == TREND and values.events:
        return np.nan
    if question.paired or question.design == TREND:
        return float(np.sign(y).mean()) if y.size else np.nan
    control, treated = y[values.group == question.control], y[values.group == level]
    if not control.size or not treated.size:
        return np.nan
    return float(np.sign(treated[:, None] - control[None, :]).mean())
