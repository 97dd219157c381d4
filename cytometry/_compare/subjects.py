"""Subjects: each with one value per level, the mean of its tubes; then one number each, which the model explains."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cytometry._compare.question import TREND, Question
from cytometry._compare.tubes import AnalysisScale, Tubes, Words
from cytometry.effects import Floats

_BLANK = {"", "nan", "<na>", "none"}
# Levels, even where they are called 1, 2, 3.
_LEVELS = ("arm", "timepoint", "batch", "cage", "tissue", "stimulus", "fresh_or_frozen")


@dataclass(frozen=True, slots=True, eq=False)
class Values:
    """One row per subject, in the order of their names.

    Parameters
    ----------
    group
        The subject's level of the factor; that of the treated where a subject has both.
    scaled, plain
        What is compared: a value, a difference, a change or a slope; on the scale of analysis and as measured.
    counting
        What counting alone adds to the variance of ``scaled``.
    composition
        As ``scaled``, of the centred log ratio.
    start
        Values at control (paired) or before (change), on the scale of analysis; NaN where a subject has none.
    ends
        Plain values by level, as the means are taken from: shape ``(n,)`` each, NaN where a subject has none.
    events
        Events of population and base by level, summed over a subject's tubes.
    columns
        Numbers and words of each subject that may enter the model: at the (later) level, and their change.
    """

    subjects: tuple[str, ...]
    group: Words
    scaled: Floats
    plain: Floats
    counting: Floats
    composition: Floats
    start: Floats
    ends: Mapping[str, Floats]
    events: Mapping[str, tuple[Floats, Floats]]
    columns: Mapping[str, Column]

    def __len__(self) -> int:
        return len(self.subjects)


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """A column of the sheet over subjects: one number each, or one share per level of a word.

    ``at`` and ``change`` have shape ``(n, k)``, ``k`` levels or 1; ``change`` is zero where a subject has one level.
    """

    name: str
    levels: tuple[str, ...]
    at: Floats
    change: Floats


def values_of(usable: Tubes, question: Question, scale: AnalysisScale) -> Values:
    """Return the subjects' values at the levels that a question names; only subjects that can answer it.

    Paired: those with both levels. Change: those with both times. Trend: all, a subject with several levels as its own
    slope. Tubes of one subject at one level are averaged, on the scale of analysis and as they are.
    """
    cells = _Cells.of(usable, question)
    if question.change:
        return _changes(cells, usable, question, scale)
    if question.paired:
        control, treated = question.control, question.treated[0]
        return _differences(cells, usable, scale, (control, treated), group=None)
    if question.design == TREND and cells.repeated:
        return _slopes(cells, usable, question, scale)
    return _single(cells, usable, question, scale)


@dataclass(frozen=True, slots=True, eq=False)
class _Cells:
    """Which tubes belong to which subject and level; ``level`` is that within which tubes are averaged."""

    subjects: tuple[str, ...]
    which: NDArray[np.intp]
    level: Words
    arm: Words
    words: frozenset[str]

    @classmethod
    def of(cls, usable: Tubes, question: Question) -> _Cells:
        subjects, which = np.unique(usable.subject.astype(str), return_inverse=True)
        level = usable.more[question.change.factor] if question.change else usable.level
        words = frozenset([*_LEVELS, *(question.blocks or ())])
        return cls(tuple(subjects.tolist()), which, level, usable.level, words)

    @property
    def repeated(self) -> bool:
        """Return whether some subject has more than one level."""
        return len({*zip(self.which.tolist(), self.level, strict=True)}) > len(set(self.which.tolist()))

    def mean(self, values: Floats, level: str) -> Floats:
        """Return the mean over a subject's tubes at a level, NaN where there is none; shape ``(subjects, ...)``."""
        here = self.level == level
        size = np.bincount(self.which[here], minlength=len(self.subjects)).astype(np.float64)
        sums = np.zeros((len(self.subjects), *values.shape[1:]))
        np.add.at(sums, self.which[here], values[here])
        with np.errstate(invalid="ignore", divide="ignore"):
            shape = (-1, *([1] * (values.ndim - 1)))
            return np.asarray(sums / np.where(size > 0, size, np.nan).reshape(shape), dtype=np.float64)

    def counting(self, variance: Floats, level: str) -> Floats:
        """Return the variance that counting adds to a mean over tubes."""
        here = self.level == level
        size = np.bincount(self.which[here], minlength=len(self.subjects)).astype(np.float64)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(self.mean(variance, level) / np.where(size > 0, size, np.nan))

    def events(self, usable: Tubes, level: str) -> tuple[Floats, Floats]:
        """Return the sums over a subject's tubes of the events of population and base."""
        here, size = self.level == level, len(self.subjects)
        return (
            np.bincount(self.which[here], usable.n[here], size).astype(np.float64),
            np.bincount(self.which[here], usable.n_base[here], size).astype(np.float64),
        )


def _columns(usable: Tubes, cells: _Cells, *, at: str | None, before: str | None) -> dict[str, Column]:
    """Return the columns of the sheet, of each subject at one level, or of all its tubes where ``at`` is None."""
    found = {}
    for name in usable.more:
        levels, numbers = _numbers(usable.more[name], words=name in cells.words)
        if at is None:
            whole = _Cells(
                cells.subjects, cells.which, np.full(len(usable), "", dtype=object), cells.arm, cells.words
            )
            late, change = whole.mean(numbers, ""), None
        else:
            late = cells.mean(numbers, at)
            change = late - cells.mean(numbers, before) if before is not None else None
        found[name] = Column(name, levels, late, np.zeros_like(late) if change is None else change)
    return found


def _numbers(cells: Words, *, words: bool) -> tuple[tuple[str, ...], Floats]:
    """Return a column as numbers, shape ``(n, 1)``; or, where it holds words, a share per level, ``(n, k)``."""
    blank = np.array([cell is None or str(cell).strip().lower() in _BLANK for cell in cells], dtype=bool)
    if not words:
        try:
            numbers = [np.nan if no else float(cell) for cell, no in zip(cells, blank, strict=True)]
            return (), np.array(numbers, dtype=np.float64)[:, None]
        except (TypeError, ValueError):
            pass  # it holds words
    texts = np.array([str(cell) for cell in cells], dtype=object)
    levels = tuple(sorted(set(texts[~blank])))
    shares = np.zeros((len(cells), len(levels)))
    for place, level in enumerate(levels):
        shares[:, place] = texts == level
    shares[blank] = np.nan
    return levels, shares


def _kept(values: Values, keep: NDArray[np.bool_]) -> Values:
    """Return some of the subjects."""

    def rows(array: Floats) -> Floats:
        return array[keep]

    own = {
        name: rows(getattr(values, name)) for name in ("scaled", "plain", "counting", "composition", "start")
    }
    return Values(
        subjects=tuple(np.array(values.subjects, dtype=object)[keep]),
        group=values.group[keep],
        **own,
        ends={level: rows(array) for level, array in values.ends.items()},
        events={level: (rows(n), rows(base)) for level, (n, base) in values.events.items()},
        columns={
            name: Column(name, one.levels, rows(one.at), rows(one.change))
            for name, one in values.columns.items()
        },
    )


def _differences(
    cells: _Cells, usable: Tubes, scale: AnalysisScale, levels: tuple[str, str], *, group: Words | None
) -> Values:
    start, end = levels
    scaled, counting = scale.forward(usable), scale.counting(usable)
    means = {level: cells.mean(scaled, level) for level in levels}
    ends = {level: cells.mean(usable.value, level) for level in levels}
    found = Values(
        cells.subjects,
        np.full(len(cells.subjects), end, dtype=object) if group is None else group,
        means[end] - means[start],
        ends[end] - ends[start],
        cells.counting(counting, end) + cells.counting(counting, start),
        cells.mean(usable.composition, end) - cells.mean(usable.composition, start),
        means[start],
        ends,
        {level: cells.events(usable, level) for level in levels},
        _columns(usable, cells, at=end, before=start),
    )
    return _kept(found, np.isfinite(found.scaled))


def _changes(cells: _Cells, usable: Tubes, question: Question, scale: AnalysisScale) -> Values:
    asked = question.change
    if asked is None:
        msg = "a change was not asked for"
        raise ValueError(msg)
    arm = np.empty(len(cells.subjects), dtype=object)
    arm[cells.which] = cells.arm
    found = _differences(cells, usable, scale, (asked.before, asked.after), group=arm)
    if asked.baseline == "subtracted":
        return found
    after = found.start + found.scaled
    counting = cells.counting(scale.counting(usable), asked.after)
    kept = dict(zip(cells.subjects, counting, strict=True))
    own = np.array([kept[subject] for subject in found.subjects])
    plain = found.ends[asked.after]
    return Values(
        found.subjects, found.group, after, plain, own, found.composition, found.start, found.ends, found.events,
        found.columns,
    )  # fmt: skip


def _single(cells: _Cells, usable: Tubes, question: Question, scale: AnalysisScale) -> Values:
    """Return one value per subject, each of which has one level."""
    group = np.empty(len(cells.subjects), dtype=object)
    group[cells.which] = cells.arm
    scaled, counting = scale.forward(usable), scale.counting(usable)

    def own(per_level: dict[str, Floats]) -> Floats:
        found = np.full(len(cells.subjects), np.nan)
        for level, values in per_level.items():
            found = np.where(group == level, values, found)
        return found

    levels = question.levels
    ends = {level: cells.mean(usable.value, level) for level in levels}
    return Values(
        cells.subjects,
        group,
        own({level: cells.mean(scaled, level) for level in levels}),
        own(ends),
        own({level: cells.counting(counting, level) for level in levels}),
        own({level: cells.mean(usable.composition, level) for level in levels}),
        np.full(len(cells.subjects), np.nan),
        ends,
        {level: cells.events(usable, level) for level in levels},
        _columns(usable, cells, at=None, before=None),
    )


def _slopes(cells: _Cells, usable: Tubes, question: Question, scale: AnalysisScale) -> Values:
    """Return each subject's least-squares slope over the levels it has, times the range of the scores."""
    scores = np.array(question.scores)
    width = scores[-1] - scores[0]

    def slope(values: Floats) -> Floats:
        means = np.stack([cells.mean(values, level) for level in question.levels], axis=1)
        known = np.isfinite(means)
        number = known.sum(1)
        with np.errstate(invalid="ignore", divide="ignore"):
            x = np.where(known, scores, 0.0)
            x = np.where(known, scores - (x.sum(1) / number)[:, None], 0.0)
            found = (x * np.where(known, means, 0.0)).sum(1) / (x**2).sum(1) * width
        return np.where(number >= 2, found, np.nan)

    ends = {level: cells.mean(usable.value, level) for level in question.levels}
    found = Values(
        cells.subjects,
        np.full(len(cells.subjects), question.treated[-1], dtype=object),
        slope(scale.forward(usable)),
        slope(usable.value),
        np.zeros(len(cells.subjects)),
        slope(usable.composition),
        np.full(len(cells.subjects), np.nan),
        ends,
        {},
        _columns(usable, cells, at=None, before=None),
    )
    return _kept(found, np.isfinite(found.scaled))
