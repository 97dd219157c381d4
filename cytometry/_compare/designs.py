"""Designs: from subjects and a question to the columns of a linear model, and what cannot be told apart.

Every design has one row per subject. Paired: the differences, whose mean is asked for. Unpaired, and changes within
arms: a column per treated arm. A trend: a column of scores, or each subject's own slope. So ``n`` counts subjects
whatever is asked, and the arm x timepoint interaction is the difference of two mean changes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cytometry._compare.linear import aliased
from cytometry._compare.question import TREND, Question
from cytometry._compare.subjects import Column, Values
from cytometry.effects import Floats

FEWEST_DF = 3  # a block is taken out unasked only where so many degrees of freedom are left, and half of them
NEARLY = 0.9


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """The columns of a model.

    Parameters
    ----------
    keep
        Which subjects enter: those whose covariates are known; shape ``(n,)``.
    tested
        Shape ``(kept, k)``: one column per treated level, or one.
    others
        Shape ``(kept, q)``: the constant (unless it is what is tested), blocks and covariates.
    adjusted
        What was taken out, in words.
    notes
        What a reader should know.
    reason
        Why there is no answer; blank where there is one.
    """

    keep: np.ndarray[tuple[int], np.dtype[np.bool_]]
    tested: Floats
    others: Floats
    adjusted: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    reason: str = ""


def model_of(values: Values, question: Question) -> Model:
    """Return the model that answers a question; one with a reason where none can."""
    wanted = [*question.covariates, *(question.blocks or ()), *_named(question)]
    keep = np.isfinite(values.scaled)
    notes = []
    for name in dict.fromkeys(wanted):
        known = np.isfinite(values.columns[name].at).all(1)
        lost = [s for s, out in zip(values.subjects, keep & ~known, strict=True) if out]
        if lost:
            notes.append(f"{len(lost)} without {name} left out: {', '.join(lost[:8])}")
        keep = keep & known
    tested, constant, reason = _tested(values, question, keep)
    parts, adjusted = [np.ones((int(keep.sum()), 1))] if constant else [], []
    if question.change and question.change.baseline == "covariate":
        parts.append(_centred(values.start[keep][:, None]))
        adjusted.append(f"{question.change.before} value")
    for name in question.covariates:
        column, said = _entering(values.columns[name], keep, question)
        parts.append(column)
        adjusted += [said] if said else []
    if question.formula:
        parts += [_product(values, term, keep, question) for term in _beside(question)]
        adjusted.append("formula: " + " + ".join(":".join(term) for term in question.formula))
    others = np.column_stack(parts) if parts else np.empty((int(keep.sum()), 0))
    model = Model(keep, tested, others, tuple(adjusted), tuple(notes), reason)
    return model if reason else _blocked(model, values, question)


def _named(question: Question) -> list[str]:
    return [name for term in question.formula for name in term if name != question.factor]


def _tested(values: Values, question: Question, keep: np.ndarray) -> tuple[Floats, bool, str]:
    """Return the tested columns, whether a constant stands beside them, and why there are none."""
    size = int(keep.sum())
    if question.tested and question.tested != (question.factor,):
        column = _product(values, question.tested, keep, question)
        if column.shape[1] != 1:
            said = ":".join(question.tested)
            many = (
                f"{said} is {column.shape[1]} coefficients, and one can be tested; choose levels with where"
            )
            return column, True, many
        return column, True, ""
    group = values.group[keep]
    if question.paired or (question.design == TREND and not values.events):
        return np.ones((size, 1)), False, ""
    if question.design == TREND:
        scores = dict(zip(question.levels, question.scores, strict=True))
        width = question.scores[-1] - question.scores[0]
        column = np.array([[(scores[level] - question.scores[0]) / width] for level in group])
        return column.reshape(size, 1), True, ""
    return np.array([[float(one == level) for level in question.treated] for one in group]), True, ""


def _entering(column: Column, keep: np.ndarray, question: Question) -> tuple[Floats, str]:
    """Return a covariate's centred columns: its change within subjects where it changes, else as it stands."""
    within = question.paired or question.change is not None
    change = column.change[keep]
    if within and np.isfinite(change).all() and np.abs(change).max(initial=0.0) > 0:
        return _centred(_fewer(change, column)), f"change of {column.name}"
    here = _centred(_fewer(column.at[keep], column))
    return here, column.name if np.abs(here).max(initial=0.0) > 0 else ""


def _fewer(columns: Floats, column: Column) -> Floats:
    """Return all but the first level of a word: together they say no more."""
    return columns[:, 1:] if column.levels else columns


def _centred(columns: Floats) -> Floats:
    return np.asarray(columns - columns.mean(0), dtype=np.float64)


def _beside(question: Question) -> list[tuple[str, ...]]:
    """Return the terms that stand beside what is tested."""
    own = (question.tested or (question.factor,)) if not question.paired else question.tested
    return [
        term
        for term in question.formula
        if term != own and not (question.paired and term == (question.factor,))
    ]


def _product(values: Values, term: tuple[str, ...], keep: np.ndarray, question: Question) -> Floats:
    """Return the columns of a term: products of its columns, covariates centred, the factor against its control."""
    found = np.ones((int(keep.sum()), 1))
    for name in term:
        if name == question.factor:
            if question.paired:
                continue
            group = values.group[keep]
            part = np.array([[float(one == level) for level in question.treated] for one in group])
        else:
            column = values.columns[name]
            part = _centred(_fewer(column.at[keep], column))
        found = (found[:, :, None] * part[:, None, :]).reshape(found.shape[0], -1)
    return found


def _blocked(model: Model, values: Values, question: Question) -> Model:
    """Return the model with its blocks, or with why they are not in it."""
    others, adjusted, notes = model.others, list(model.adjusted), list(model.notes)
    asked = question.blocks is not None
    already = {*question.covariates, *_named(question), question.factor}
    for name in ("batch",) if question.blocks is None else question.blocks:
        columns = _block(values.columns[name], model.keep, question) if name not in already else None
        if columns is None or np.abs(columns).max(initial=0.0) == 0:
            continue
        both = np.column_stack([others, columns])
        share = max((_aliased(model.tested, at, both) for at in range(model.tested.shape[1])), default=0.0)
        if share > 1 - 1e-9:
            who = _who(values.columns[name], values, model.keep)
            said = f"{question.factor} and {name} cannot be told apart: {who}"
            if asked:
                return Model(model.keep, model.tested, others, tuple(adjusted), tuple(notes), said)
            continue  # what is said of the design covers it
        left = _df(model.tested, both)
        if not asked and (left < FEWEST_DF or 2 * left < _df(model.tested, others)):
            notes.append(f"{name} is not taken out: too few subjects for it")
            continue
        if share > NEARLY:
            notes.append(f"{question.factor} and {name} can hardly be told apart")
        others, adjusted = both, [*adjusted, name]
    if model.tested.size and any(
        _aliased(model.tested, at, others) > 1 - 1e-9 for at in range(model.tested.shape[1])
    ):
        with_what = ", ".join(adjusted)
        said = f"{question.factor} and {with_what} cannot be told apart" if adjusted else ""
        return Model(model.keep, model.tested, others, tuple(adjusted), tuple(notes), said)
    return Model(model.keep, model.tested, others, tuple(adjusted), tuple(notes))


def _block(column: Column, keep: np.ndarray, question: Question) -> Floats | None:
    """Return a block's columns, one per level but the first: a change of block where a subject is its own control."""
    within = question.paired or question.change is not None
    source = column.change if within else column.at
    here = source[keep]
    if not here.size or not np.isfinite(here).all():
        return None
    columns = here[:, 1:] if column.levels else _levels(here)
    return columns if within else _centred(columns)


def _levels(numbers: Floats) -> Floats:
    """Return numbered batches as levels, not as a slope."""
    names = np.unique(numbers)
    if names.size < 2:
        return numbers * 0
    return np.column_stack([numbers[:, 0] == name for name in names[1:]]).astype(np.float64)


def _aliased(tested: Floats, at: int, others: Floats) -> float:
    column = tested[:, at]
    beside = np.column_stack([others, np.delete(tested, at, axis=1)])
    if np.ptp(column) > 0:
        return aliased(column, beside)
    # A constant is tested: what the others explain of it, itself uncentred.
    found = np.linalg.lstsq(beside, column, rcond=None)[0] if beside.shape[1] else np.zeros(0)
    left = column - beside @ found if beside.shape[1] else column
    length = float(column @ column)
    return 1.0 - float(left @ left) / length if length > 0 else 1.0


def _df(tested: Floats, others: Floats) -> int:
    both = np.column_stack([tested, others])
    return both.shape[0] - int(np.linalg.matrix_rank(both)) if both.size else 0


def _who(column: Column, values: Values, keep: np.ndarray) -> str:
    """Say which level of a block holds which level of the factor alone."""
    if not column.levels:
        return f"each {column.name} has one level of it"
    parts = []
    for at, level in enumerate(column.levels):
        groups = {str(group) for group in values.group[keep][column.at[keep][:, at] > 0]}
        if len(groups) == 1:
            parts.append(f"{level} is all {groups.pop()}")
    return ", ".join(parts[:4]) or f"every {column.name} goes with one level of it"
