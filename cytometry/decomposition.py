"""Decomposition: whether a shift is one of which cells there are, or of what the cells show.

PD-1 differs between naive and memory cells, so that PD-1+ of CD8 T rises when memory grows and no cell changes.
Kitagawa's decomposition parts a change in two that add up to it exactly: the composition shift, with the fractions
within subsets at their mean, and the shift within subsets, with the composition at its mean
(:func:`cytometry.kitagawa.kitagawa`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cytometry.asked import asked_of, population_of
from cytometry.effects import Effect, paired_t, welch_t
from cytometry.errors import CompareError
from cytometry.kitagawa import Floats, count_subsets, kitagawa, rates
from cytometry.store import Run

if TYPE_CHECKING:
    import pandas as pd

MEMORY = ("naive", "CM", "EM", "TEMRA")
OTHER = "other"
FEW = 20
KITAGAWA, STANDARDISED = (
    "Kitagawa, each subject with itself",
    "standardised to the mean composition of all subjects",
)


@dataclass(frozen=True, slots=True, eq=False)
class Decomposition:
    """A shift and its parts.

    Parameters
    ----------
    parts
        A row each for ``total``, ``composition`` and ``within subsets``, then ``within <subset>`` of every subset:
        ``shift`` with its interval ``shift_low``, ``shift_high`` (fractions of the parent), ``n_control``,
        ``n_treated``, ``n_pairs``, ``method``.
    subjects
        A row per subject, and level where it has but one: its own parts; ``flag`` names subsets of fewer than 20
        events.
    left_out
        Subjects that have no decomposition, with the reason.
    """

    parts: pd.DataFrame
    subjects: pd.DataFrame
    left_out: dict[str, str]

    def __repr__(self) -> str:
        lines = [f"{self.parts['method'].iloc[0]}, percentage points"]
        for row in self.parts.to_dict("records"):
            shift, low, high = (100 * float(row[name]) for name in ("shift", "shift_low", "shift_high"))
            interval = "(no interval)" if np.isnan(low) else f"({low:+.2f} to {high:+.2f})"
            lines.append(f"{row['part']:16} {shift:+6.2f}  {interval}")
        lines += [f"left out: {subject}: {why}" for subject, why in self.left_out.items()]
        return "\n".join(lines)


def decompose(
    run: Run,
    population: str,
    *,
    by: Sequence[str] = MEMORY,
    comparison: str = "",
    treated: str = "",
    stain: str = "",
    confidence: float = 0.95,
) -> Decomposition:
    """Return how much of a shift is composition and how much is within subsets, over subjects.

    Paired: Kitagawa's parts of each subject's own change, then their means with t intervals. Unpaired: each
    subject's fractions within subsets are standardised to the mean composition of all subjects (within), what is left
    of its fraction is composition, and the arms are compared by Welch's interval. Either way the parts add up to the
    total exactly. No block or covariate enters. Tubes of one subject at one level are pooled.

    Parameters
    ----------
    population
        The positive population, such as ``"CD8 T/PD-1+"``.
    by
        Populations of the same parent that do not overlap: the subsets. What they leave of the parent is ``other``.
    comparison, treated
        Which, where the study has several comparisons, or this one several treated levels.

    Raises
    ------
    CompareError
        If a population is not there, subsets overlap, the comparison is neither paired nor of two arms, or too few
        subjects are left.
    """
    question = asked_of(run, comparison, treated=treated)
    if question.get("change") or question.get("formula"):
        msg = "a shift between two levels can be decomposed, and this comparison is one of changes or of a formula"
        raise CompareError(msg)
    of_stain, path = population_of(run, population, stain)
    parent = path.rpartition("/")[0]
    if not parent:
        msg = f"{path} has no parent, of which it could be a fraction"
        raise CompareError(msg)
    subsets = [population_of(run, f"{parent}/{name}", of_stain)[1] for name in by]
    found, left_out = _counted(run, question, of_stain, path=path, subsets=subsets)
    names = [*by, OTHER]
    levels = (question["control"], question["treated"])
    paired = _is_paired(found, levels, question.get("design", "auto"))
    rows, lost = _pairs(found, levels, names) if paired else _standardised(found, levels, names)
    parts = _parts(rows, names, levels, paired=paired, confidence=confidence)
    return Decomposition(parts, rows, left_out | lost)


def subset_fractions(
    run: Run,
    population: str,
    *,
    by: Sequence[str] = MEMORY,
    comparison: str = "",
    treated: str = "",
    stain: str = "",
) -> pd.DataFrame:
    """Return the fraction positive within each subset, a row per subject, level and subset.

    Parameters are those of :func:`decompose`.

    Returns
    -------
    DataFrame
        Columns subject, level, subset, n (events in the subset), n_positive, fraction (NaN where the subset is empty).

    Raises
    ------
    CompareError
        If a population is not there, or subsets overlap.
    """
    import pandas as pd

    question = asked_of(run, comparison, treated=treated)
    of_stain, path = population_of(run, population, stain)
    parent = path.rpartition("/")[0]
    subsets = [population_of(run, f"{parent}/{name}", of_stain)[1] for name in by]
    found, _ = _counted(run, question, of_stain, path=path, subsets=subsets)
    rows = [
        (subject, level, name, int(n), int(x), float(x / n) if n else np.nan)
        for (subject, level), (sizes, positive) in found.items()
        for name, n, x in zip(by, sizes, positive, strict=False)  # the last is what they leave of the parent
    ]
    return pd.DataFrame(rows, columns=["subject", "level", "subset", "n", "n_positive", "fraction"])


_Counts = dict[tuple[str, str], tuple[Floats, Floats]]


def _counted(
    run: Run, question: dict[str, Any], stain: str, *, path: str, subsets: Sequence[str]
) -> tuple[_Counts, dict[str, str]]:
    """Return subsets and positives by subject and level."""
    found: _Counts = {}
    left_out: dict[str, str] = {}
    factor, where = question.get("factor", "arm"), question.get("where", {})
    for about in run.tubes.to_dict("records"):
        level, subject = str(about[factor]), str(about["subject"])
        if about["kind"] != "sample" or about["stain"] != stain:
            continue
        if level not in (question["control"], question["treated"]):
            continue
        if any(str(about[column]) not in [str(one) for one in wanted] for column, wanted in where.items()):
            continue
        if about["status"] != "gated":
            left_out[subject] = f"tube {about['tube']} was not gated: {about['message']}"
            continue
        membership = run.gated(about["tube"]).membership
        absent = [one for one in (path, *subsets) if one not in membership.populations]
        if absent:
            left_out[subject] = f"tube {about['tube']} lacks {', '.join(absent)}: its gate was not found"
            continue
        n, x = count_subsets(membership, path, subsets)
        before = found.get((subject, level), (np.zeros_like(n), np.zeros_like(x)))
        found[subject, level] = (before[0] + n, before[1] + x)
    return {key: one for key, one in found.items() if key[0] not in left_out}, left_out


def _is_paired(found: _Counts, levels: tuple[str, str], design: str) -> bool:
    both = {s for s, _ in found if all((s, level) in found for level in levels)}
    if design in ("paired", "unpaired"):
        return design == "paired"
    if both and 2 * len(both) < len({s for s, _ in found}):
        msg = (
            f"{len(both)} subjects have both levels and the others one; say in the study whether it is paired"
        )
        raise CompareError(msg)
    return bool(both)


def _pairs(
    found: _Counts, levels: tuple[str, str], names: Sequence[str]
) -> tuple[pd.DataFrame, dict[str, str]]:
    import pandas as pd

    rows, lost = [], {}
    for subject in dict.fromkeys(s for s, _ in found):
        ends = [found.get((subject, level)) for level in levels]
        if ends[0] is None or ends[1] is None:
            lost[subject] = f"has no tube at {levels[0 if ends[0] is None else 1]}"
        elif not ends[0][0].sum() > 0 or not ends[1][0].sum() > 0:
            lost[subject] = "has no event in the parent"
        else:
            composition, within = kitagawa(*ends[0], *ends[1])
            parts = float(composition.sum() + within.sum()), float(composition.sum())
            rows.append(_row(subject, "", parts, within=within, names=names, sizes=[ends[0][0], ends[1][0]]))
    return pd.DataFrame(rows), lost


def _standardised(
    found: _Counts, levels: tuple[str, str], names: Sequence[str]
) -> tuple[pd.DataFrame, dict[str, str]]:
    import pandas as pd

    lost = {}
    occurs = np.array([n for n, _ in found.values()]).sum(axis=0) > 0
    for (subject, _), (n, _) in found.items():
        empty = [name for name, size, real in zip(names, n, occurs, strict=True) if real and not size]
        if empty:
            lost[subject] = f"has no event in {', '.join(empty)}, so that its fraction there is not known"
    kept = {key: one for key, one in found.items() if key[0] not in lost}
    if not kept:
        return pd.DataFrame(), lost
    shares = np.array([n / n.sum() for n, _ in kept.values()])
    standard = shares.mean(axis=0)
    rows = []
    for (subject, level), (n, x) in kept.items():
        within = standard * np.nan_to_num(rates(x, n))
        total = float(x.sum() / n.sum())
        rows.append(
            _row(subject, level, (total, total - float(within.sum())), within=within, names=names, sizes=[n])
        )
    return pd.DataFrame(rows), lost


def _row(
    subject: str, level: str, parts: tuple[float, float], *, within: Floats, names: Sequence[str],
    sizes: Sequence[Floats],
) -> dict[str, Any]:  # fmt: skip
    few = [name for place, name in enumerate(names) if any(0 < size[place] < FEW for size in sizes)]
    return {
        "subject": subject,
        "level": level,
        "total": parts[0],
        "composition": parts[1],
        "within subsets": float(within.sum()),
        **{f"within {name}": float(one) for name, one in zip(names, within, strict=True)},
        "flag": f"under {FEW} events: {', '.join(few)}" if few else "",
    }


def _parts(
    rows: pd.DataFrame, names: Sequence[str], levels: tuple[str, str], *, paired: bool, confidence: float
) -> pd.DataFrame:
    import pandas as pd

    sizes = (
        [len(rows)] * 2
        if paired
        else [int((rows["level"] == one).sum()) if len(rows) else 0 for one in levels]
    )
    if min(sizes) < 1:
        msg = f"no subject is left at {levels[0]} or at {levels[1]} ({sizes[0]} and {sizes[1]}): nothing to decompose"
        raise CompareError(msg)

    def effect(part: str) -> Effect:
        if paired:
            return paired_t(rows[part], confidence=confidence)
        ends = [rows.loc[rows["level"] == level, part] for level in levels]
        return welch_t(*ends, confidence=confidence)

    found = []
    for part in ("total", "composition", "within subsets", *(f"within {name}" for name in names)):
        one = effect(part)
        found.append(
            {
                "part": part,
                **{"shift": one.estimate, "shift_low": one.low, "shift_high": one.high},
                **{"n_control": sizes[0], "n_treated": sizes[1], "n_pairs": sizes[0] if paired else 0},
                "confidence": confidence,
                "method": KITAGAWA if paired else STANDARDISED,
            }
        )
    return pd.DataFrame(found)
