"""Responses: did this specimen answer the stimulus? Detection within one subject, and no comparison of subjects.

A call says that more cells make cytokine in one stimulated tube than in the unstimulated one of the same specimen,
with events as the n. It says nothing of other subjects, so calls are no rows of the tidy table, and comparisons
refuse them: net fractions are compared, over subjects, whether they were called or not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cytometry.cytokines import background_of
from cytometry.effects import benjamini_hochberg
from cytometry.table import FRACTION_OF_PARENT, SHEET_COLUMNS, TableError, check_table

if TYPE_CHECKING:
    import pandas as pd

DETECTION = "detection within one subject; not a comparison"
CALL_COLUMNS = (
    *SHEET_COLUMNS, "population", "base", "n_stimulated", "n_base_stimulated", "n_unstimulated",
    "n_base_unstimulated", "stimulated", "unstimulated", "net", "fold", "p", "p_adjusted", "m",
    "detected", "missed", "reason", "kind_of_evidence",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class CallRule:
    """When a response is called: the test and every rule must agree.

    Parameters
    ----------
    false_discovery
        Of the one-sided exact test, Benjamini and Hochberg over the subsets of one parent in one tube.
    fold
        Times the background, at the least; a background of no events passes.
    net
        Fraction of the parent above background, at the least: 0.0005 is 0.05 %.
    events
        Positive events in the stimulated tube, at the least.

    Raises
    ------
    TableError
        If a number is out of its range.
    """

    false_discovery: float = 0.05
    fold: float = 2.0
    net: float = 0.0005
    events: int = 10

    def __post_init__(self) -> None:
        if not 0 < self.false_discovery < 1 or not 0 <= self.net < 1 or self.fold < 1 or self.events < 0:
            msg = (
                "a call needs 0 < false_discovery < 1, fold >= 1, 0 <= net < 1 (a fraction: 0.05 % is 0.0005) and "
                f"events >= 0, not {self.false_discovery}, {self.fold}, {self.net} and {self.events}"
            )
            raise TableError(msg)


def fisher_greater(n: int, of: int, n_background: int, of_background: int) -> float:
    """Return Fisher's one-sided p that ``n`` of ``of`` is a larger fraction than the background's.

    1 where nothing is positive or a tube is empty. By hand: 3 of 3 against 0 of 3 is 1 way in 20, p = 0.05.

    Raises
    ------
    TableError
        If more events are positive than there are.

    References
    ----------
    Fisher RA. J R Stat Soc 1935;98:39-54.
    """
    from scipy.stats import hypergeom

    if not 0 <= n <= of or not 0 <= n_background <= of_background:
        msg = f"{n} of {of} and {n_background} of {of_background} are no counts of a part and its whole"
        raise TableError(msg)
    return float(hypergeom.sf(n - 1, of + of_background, n + n_background, of))


def call_responses(
    table: pd.DataFrame, *, populations: Sequence[str] | None = None, rule: CallRule = CallRule()
) -> pd.DataFrame:
    """Return a call for each stimulated tube and population: whether it holds more than the unstimulated one.

    Parameters
    ----------
    table
        Tidy table of subsets (:func:`cytometry.subsets.subset_table`) or populations, with both kinds of tube. Of
        subsets, the one without any function is left out: it falls when any of the others rises.
    populations
        Paths or ends of paths; all if not given.
    rule
        When a response is called.

    Returns
    -------
    DataFrame
        Columns ``CALL_COLUMNS``. Events of both tubes, their fractions and the net, which may be negative; ``fold``
        is infinite over a background of none. ``p_adjusted`` over the ``m`` subsets of the same tube and base that
        have a p. ``missed`` names the rules that were not met. Several unstimulated tubes are pooled. Where there is
        none, or too few events, ``p`` is NaN, ``detected`` False and ``reason`` says why.

    Raises
    ------
    TableError
        If the table is not tidy, or holds no population of a given name.

    References
    ----------
    Horton H, et al. J Immunol Methods 2007;323:39-54 (exact test for intracellular cytokines). Benjamini Y, Hochberg
    Y. J R Stat Soc B 1995;57:289-300.
    """
    import pandas as pd

    check_table(table)
    fractions = table[table["statistic"] == FRACTION_OF_PARENT]
    if "n_functions" in table.columns:
        fractions = fractions[fractions["n_functions"] > 0]
    rows = [
        _call(stimulated, partners, why)
        for stimulated, partners, why in background_of(fractions, populations=populations)
    ]
    calls = pd.DataFrame(rows, columns=list(CALL_COLUMNS))
    for _, places in calls.groupby(["tube", "base"], sort=False).indices.items():
        p = calls["p"].to_numpy(dtype=np.float64)[places]
        calls.loc[calls.index[places], "p_adjusted"] = benjamini_hochberg(p)
        calls.loc[calls.index[places], "m"] = int(np.isfinite(p).sum())
    calls["missed"] = [_missed(row, rule) for row in calls.to_dict("records")]
    calls["detected"] = (calls["missed"] == "") & calls["p"].notna()
    whole = {name: "Int64" for name in CALL_COLUMNS if name.startswith("n_") or name == "m"}
    return calls.astype(whole | {"detected": bool, "p_adjusted": "float64"})


def responders(calls: pd.DataFrame) -> pd.DataFrame:
    """Return a row per stimulated tube and base: whether any subset was detected, and which.

    Columns: the sheet's, ``base``, ``responds``, ``detected`` (names), ``n_tested``, ``n_base_stimulated``,
    ``n_base_unstimulated``, ``reason`` where nothing could be tested, ``kind_of_evidence``.

    Raises
    ------
    TableError
        If these are no calls.
    """
    import pandas as pd

    absent = [column for column in CALL_COLUMNS if column not in calls.columns]
    if absent:
        msg = f"these are no calls: there is no column {', '.join(absent)}; call_responses() makes them"
        raise TableError(msg)
    rows = []
    for _, some in calls.groupby(["tube", "base"], sort=False):
        first = some.iloc[0]
        tested = int(some["p"].notna().sum())
        names = [path.rsplit("/", 1)[-1] for path in some.loc[some["detected"], "population"]]
        kept = (*SHEET_COLUMNS, "base", "n_base_stimulated", "n_base_unstimulated", "kind_of_evidence")
        rows.append(
            {column: first[column] for column in kept}
            | {
                "responds": bool(names),
                "detected": ", ".join(names),
                "n_tested": tested,
                "reason": "" if tested else first["reason"],
            }
        )
    return pd.DataFrame(rows)


def _call(stimulated: Mapping[str, Any], partners: Sequence[Mapping[str, Any]], why: str) -> dict[str, Any]:
    n, of = (_sum([stimulated], column) for column in ("n", "n_base"))
    background, of_background = (_sum(partners, column) for column in ("n", "n_base"))
    said = {column: stimulated[column] for column in (*SHEET_COLUMNS, "population", "base")}
    here, there = _ratio(n, of), _ratio(background, of_background)
    with np.errstate(divide="ignore", invalid="ignore"):
        fold = float(np.float64(here) / np.float64(there))
    return said | {
        "n_stimulated": _whole(n),
        "n_base_stimulated": _whole(of),
        "n_unstimulated": _whole(background),
        "n_base_unstimulated": _whole(of_background),
        "stimulated": here,
        "unstimulated": there,
        "net": here - there,
        "fold": fold,
        "p": np.nan if why else fisher_greater(int(n), int(of), int(background), int(of_background)),
        "p_adjusted": np.nan,
        "m": 0,
        "detected": False,
        "missed": "",
        "reason": why,
        "kind_of_evidence": DETECTION,
    }


def _sum(rows: Sequence[Mapping[str, Any]], column: str) -> float:
    import pandas as pd

    known = [float(row[column]) for row in rows if not pd.isna(row[column])]
    return float(sum(known)) if known else np.nan


def _ratio(n: float, of: float) -> float:
    return n / of if of > 0 else np.nan


def _whole(number: float) -> int | None:
    return None if np.isnan(number) else int(number)


def _missed(row: Mapping[Any, Any], rule: CallRule) -> str:
    if np.isnan(row["p"]):
        return "not tested"
    missed = []
    if not row["p_adjusted"] <= rule.false_discovery:
        missed.append(f"adjusted p {row['p_adjusted']:.2g}, over {rule.false_discovery:g}")
    if row["unstimulated"] > 0 and row["fold"] < rule.fold:
        missed.append(f"{row['fold']:.2g} times the background, under {rule.fold:g}")
    if row["net"] < rule.net:
        missed.append(f"net {100 * row['net']:.2g} %, under {100 * rule.net:g} %")
    if row["n_stimulated"] < rule.events:
        missed.append(f"{row['n_stimulated']:.0f} events, under {rule.events}")
    return "; ".join(missed)
