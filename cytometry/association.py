"""Association: do subjects in whom one endpoint moved more also move in another? Drug effect beside immune shift.

For the pharmacodynamic read-out (pS6 falls from before to after a dose) and the shift that it is thought to bring: the
change of each subject in both, one explained by the other. An association over subjects is no proof that one brings
about the other, and with fewer than about ten subjects it can hardly be seen at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from cytometry._compare.entering import check_options, entering
from cytometry._compare.linear import fit
from cytometry._compare.question import PAIRED, Question
from cytometry._compare.subjects import Values, values_of
from cytometry._compare.tubes import Tubes, scale_of
from cytometry.compare import resolve
from cytometry.effects import Floats
from cytometry.errors import CompareError
from cytometry.table import Endpoint, check_table

if TYPE_CHECKING:
    import pandas as pd

FEWEST = 4  # subjects; three points are on a line too easily
_ENDPOINT = ("stain", "population", "marker", "statistic", "base", "unit")


def associate(
    table: pd.DataFrame,
    *,
    outcome: Endpoint,
    exposure: Endpoint,
    control: str,
    treated: str,
    factor: str = "timepoint",
    where: Mapping[str, object] | None = None,
    confidence: float = 0.95,
) -> dict[str, Any]:
    """Return how the change of one endpoint goes with that of another, over subjects.

    Parameters
    ----------
    table
        Tidy table.
    outcome, exposure
        What is explained, and what explains it: PD-1+ of CD8 T cells, and the median pS6 of CD8 T cells.
    control, treated
        The two levels of ``factor`` in which each subject was seen.

    Returns
    -------
    dict
        ``n`` subjects with both changes; ``slope`` with its interval and test: the change of the outcome, on its scale
        of analysis, per unit of change of the exposure on its own; ``scales``; Spearman's ``rho`` with its p. NaN with
        a ``reason`` where fewer than four subjects have both, or one does not vary.

    Raises
    ------
    TableError
        If the table is not tidy.
    CompareError
        If a level or endpoint is not there, or both endpoints are the same.
    """
    check_table(table)
    if outcome == exposure:
        msg = f"{outcome} would explain itself; name another endpoint as the exposure"
        raise CompareError(msg)
    check_options(
        table, (control, treated), factor=factor, confidence=confidence, unit="subject", change=None
    )
    rows = entering(table, factor, (control, treated), where=where or {}, change=None)
    question = Question(factor, control, (treated,), PAIRED, confidence=confidence, blocks=())
    (first, first_scale), (second, second_scale) = (
        _changes(rows, one, question) for one in (outcome, exposure)
    )
    shared = [subject for subject in first.subjects if subject in second.subjects]
    y, x = (_of(values, shared) for values in (first, second))
    found = {
        "outcome": str(outcome),
        "exposure": str(exposure),
        "n": len(shared),
        "scales": f"{first_scale} on {second_scale}",
    }
    return found | _explained(y, x, confidence=confidence)


def _changes(rows: pd.DataFrame, endpoint: Endpoint, question: Question) -> tuple[Values, str]:
    groups = rows.groupby(list(_ENDPOINT), sort=False).indices
    keys = [tuple(str(part) for part in key) for key in groups if isinstance(key, tuple)]
    wanted = resolve(endpoint, keys)
    places = next(
        at for key, at in groups.items() if isinstance(key, tuple) and tuple(map(str, key)) == wanted
    )
    here = rows.iloc[places]
    tubes = Tubes.of(here, question.factor, columns=(), composition=np.full(len(here), np.nan))
    usable = tubes.take(~np.isnan(tubes.value))
    scale = scale_of(usable, wanted[3])
    return values_of(usable, question, scale), scale.name


def _of(values: Values, subjects: list[str]) -> Floats:
    at = dict(zip(values.subjects, values.scaled, strict=True))
    return np.array([at[subject] for subject in subjects], dtype=np.float64)


def _explained(y: Floats, x: Floats, *, confidence: float) -> dict[str, Any]:
    names = ("slope", "slope_low", "slope_high", "t", "df", "p", "rho", "rho_p")
    nothing = dict.fromkeys(names, np.nan)
    if y.size < FEWEST:
        return {**nothing, "reason": f"{y.size} subjects with both changes, and {FEWEST} are needed"}
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return {
            **nothing,
            "reason": f"the {'exposure' if np.ptp(x) == 0 else 'outcome'} changed alike in all subjects",
        }
    from scipy.stats import spearmanr

    line = fit(y, (x - x.mean())[:, None], np.ones((y.size, 1))).effect(confidence=confidence)
    ranks = spearmanr(x, y)
    values = (
        line.estimate,
        line.low,
        line.high,
        line.t,
        line.df,
        line.p,
        float(ranks.statistic),
        float(ranks.pvalue),
    )
    return {**dict(zip(names, values, strict=True)), "reason": ""}
