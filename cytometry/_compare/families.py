"""Families: exploratory variances moderated together, and p adjusted within each family by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from cytometry._compare.answer import Answer
from cytometry._compare.moderated import learn_prior, moderated
from cytometry.effects import benjamini_hochberg, holm

if TYPE_CHECKING:
    import pandas as pd

FAMILIES = ("primary", "secondary", "exploratory")
EXPLORATORY = "exploratory"
_ORDER = ("p", "stain", "population", "marker", "statistic", "base", "treated")

Labelled = tuple[dict[str, Any], Answer]


def moderated_rows(answers: Mapping[str, Sequence[Labelled]]) -> list[dict[str, Any]]:
    """Return all rows; the exploratory ones on variances moderated with others on the same scale of analysis.

    A declared endpoint is tested on its own variance. A single one with several arms has Dunnett's p among them.
    """
    rows = []
    for family, some in answers.items():
        if family == EXPLORATORY:
            rows += _explored(some)
            continue
        single = len({_endpoint(labels) for labels, _ in some}) == 1
        for labels, answer in some:
            row = {**labels, **answer.finished()}
            rows.append({**row, "p_adjusted": answer.p_dunnett() if single else np.nan})
    return rows


def _endpoint(labels: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(labels[name]) for name in ("stain", "population", "marker", "statistic", "base"))


def _explored(some: Sequence[Labelled]) -> list[dict[str, Any]]:
    finished: dict[int, dict[str, Any]] = {}
    scales = dict.fromkeys(answer.scale.name for _, answer in some if answer.tested)
    for scale in scales:
        places = [at for at, (labels, answer) in enumerate(some) if _joins(labels, answer, scale)]
        ours = {at: found for at in places if (found := some[at][1].found) is not None}
        # Arms of one endpoint share one variance, which is learnt from once.
        first: dict[tuple[str, ...], int] = {}
        for at, one in ours.items():
            first.setdefault((*_endpoint(some[at][0]), str(one.variance)), at)
        learnt_from = list(first.values())
        s2 = np.array([ours[at].variance for at in learnt_from])
        df = np.array([ours[at].df for at in learnt_from])
        counting = np.array([some[at][1].counting for at in learnt_from])
        prior = learn_prior(s2, df, counting=counting)
        drawn, total = moderated(s2, df, prior)
        of = {key: place for place, key in enumerate(first)}
        for at, found in ours.items():
            place = of[*_endpoint(some[at][0]), str(found.variance)]
            if prior.df[place] > 0:
                finished[at] = some[at][1].finished(
                    variance=float(drawn[place]),
                    df=float(total[place]),
                    prior_df=float(min(prior.df[place], 1e6)),
                )
    return [
        _outside({**labels, **finished.get(at, answer.finished())})
        for at, (labels, answer) in enumerate(some)
    ]


def _joins(labels: Mapping[str, Any], answer: Answer, scale: str) -> bool:
    return answer.tested and answer.scale.name == scale and not labels["outside"]


def _outside(row: dict[str, Any]) -> dict[str, Any]:
    """Return the row; of an endpoint outside the family with estimates and intervals, and no test but its own."""
    if not row["outside"] or row["reason"]:
        return row
    return {
        **row,
        "reason": row["outside"],
        "test": "",
        **dict.fromkeys(("t", "df", "p", "prior_df"), np.nan),
    }


def adjusted(contrasts: pd.DataFrame, *, several: bool) -> pd.DataFrame:
    """Return the rows family by family, p adjusted in each.

    Holm over declared endpoints and arms, or Dunnett where one endpoint is compared in several arms; Benjamini and
    Hochberg over exploratory rows that have a p.
    """
    import pandas as pd

    parts = []
    for family in FAMILIES:
        part = contrasts[contrasts["family"] == family]
        if not len(part):
            continue
        p = part["p"].to_numpy(dtype=np.float64)
        if family == EXPLORATORY:
            part = part.assign(adjustment="BH", m=int(np.isfinite(p).sum()), p_adjusted=benjamini_hochberg(p))
        elif several and np.isfinite(part["p_adjusted"].to_numpy(dtype=np.float64)).all():
            part = part.assign(adjustment="Dunnett", m=len(part))
        else:
            part = part.assign(adjustment="Holm", m=len(part), p_adjusted=holm(p, m=len(part)))
        if family == EXPLORATORY:
            part = part.sort_values(list(_ORDER), na_position="last", kind="stable")
        parts.append(part)
    return pd.concat(parts, ignore_index=True)
