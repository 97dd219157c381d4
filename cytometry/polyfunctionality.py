"""Polyfunctionality: how many functions the responding cells have at once, per tube, above the background."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from cytometry.subsets import check_subsets
from cytometry.table import (
    FRACTION_OF_PARENT,
    MEAN_FUNCTIONS,
    NET_FRACTION_OF_PARENT,
    POLYFUNCTIONAL_SHARE,
    POLYFUNCTIONALITY_INDEX,
    TableError,
    as_table,
    unit_of,
)

if TYPE_CHECKING:
    import pandas as pd

# Of responders so few that their make-up is that of the background's noise.
LEAST_RESPONDERS = 0.0005


def mean_functions(fractions: ArrayLike) -> float:
    """Return the mean number of functions of responders.

    ``fractions`` has shape ``(k + 1,)``: of the parent, cells with 0, 1 ... k functions. NaN where the responders,
    those with one or more, are none or below none.
    """
    f = _by_number(fractions)
    responders = f[1:].sum()
    return float((np.arange(f.size) * f).sum() / responders) if responders > 0 else np.nan


def polyfunctional_share(fractions: ArrayLike, *, at_least: int = 2) -> float:
    """Return the share of responders with ``at_least`` so many functions; shapes and NaN as in mean_functions."""
    f = _by_number(fractions)
    responders = f[1:].sum()
    return float(f[at_least:].sum() / responders) if responders > 0 else np.nan


def polyfunctionality_index(fractions: ArrayLike, *, q: float = 1.0) -> float:
    """Return Larsen's index: the sum over i of F_i (i / k)^q, F_i the fraction of the parent with i of k functions.

    In [0, 1] for fractions; 1 where every cell has every function. ``q`` above 1 weighs cells with many functions
    more. Negative net fractions are summed as they are.

    Raises
    ------
    TableError
        If ``q`` is not above 0.

    References
    ----------
    Larsen M, et al. Evaluating cellular polyfunctionality with a novel polyfunctionality index. PLoS One
    2012;7:e42403.
    """
    if not q > 0:
        msg = f"the exponent q of the index lies above 0 (1 weighs functions alike), not {q}"
        raise TableError(msg)
    f = _by_number(fractions)
    return float((f * (np.arange(f.size) / (f.size - 1)) ** q).sum())


def polyfunctionality(
    subsets: pd.DataFrame, *, q: float = 1.0, least_responders: float = LEAST_RESPONDERS
) -> pd.DataFrame:
    """Return the three measures of each tube and parent as rows of the tidy table, to be compared over subjects.

    Parameters
    ----------
    subsets
        All subsets of :func:`cytometry.subsets.subset_table`, best after ``subtract_background``: nets are summed
        as they are, since negative ones cut at zero would add up to responders that are not there.
    q
        Of Larsen's index.
    least_responders
        Net fraction of the parent under which responders have no make-up worth a number: the mean number of functions
        and the polyfunctional share are then NaN with the reason. The index is a sum, and needs no responders.

    Returns
    -------
    DataFrame
        Per tube and parent, population the parent: statistics ``mean_functions`` (of responders, 1 to k),
        ``polyfunctional_share`` (of responders, two functions or more) and ``polyfunctionality_index``. ``n`` and
        ``n_base`` are the events of responders and of the parent in the stimulated tube. Net shares may lie outside
        [0, 1], and means outside 1 to k, where single subsets are below the background.

    Raises
    ------
    TableError
        If these are no subsets, or a parent has not all of its 2^k.
    """
    import pandas as pd

    check_subsets(subsets)
    rows: list[dict[str, Any]] = []
    chosen = subsets[subsets["statistic"].isin([FRACTION_OF_PARENT, NET_FRACTION_OF_PARENT])]
    if chosen["statistic"].nunique() > 1:
        msg = "these subsets are both net and not; measure one of them, best the net ones"
        raise TableError(msg)
    for (tube, base), some in chosen.groupby(["tube", "base"], sort=False):
        k = int(some["n_functions"].max())
        if len(some) != 2**k:
            msg = f"{base} of tube {tube} has {len(some)} subsets of {k} functions, and all {2**k} are needed"
            raise TableError(msg)
        rows += _measured(some, k, q=q, least=least_responders)
    return as_table(pd.DataFrame(rows, columns=[c for c in subsets.columns if c not in _OF_SUBSETS]))


_OF_SUBSETS = ("positive", "n_functions")


def _measured(some: pd.DataFrame, k: int, *, q: float, least: float) -> list[dict[str, Any]]:
    first = {str(column): cell for column, cell in some.iloc[0].items() if column not in _OF_SUBSETS}
    f = np.bincount(some["n_functions"].to_numpy(dtype=np.intp), some["value"].to_numpy(), minlength=k + 1)
    why = next((str(reason) for reason in some["reason"] if reason), "")
    few = why
    if not why and f[1:].sum() < max(least, 1e-12):
        few = f"{100 * f[1:].sum():.2g} % responders, under {100 * least:g} %"
    found = {
        MEAN_FUNCTIONS: (mean_functions(f), few),
        POLYFUNCTIONAL_SHARE: (polyfunctional_share(f), few),
        POLYFUNCTIONALITY_INDEX: (polyfunctionality_index(f, q=q), why),
    }
    said = first | {
        "population": first["base"],
        "n": some.loc[some["n_functions"] > 0, "n"].sum(skipna=False),
    }
    return [
        said
        | {
            "statistic": statistic,
            "unit": unit_of(statistic),
            "value": np.nan if reason else value,
            "flag": "" if reason else first["flag"],
            "reason": reason,
        }
        for statistic, (value, reason) in found.items()
    ]


def _by_number(fractions: ArrayLike) -> np.ndarray[Any, np.dtype[np.float64]]:
    f = np.asarray(fractions, dtype=np.float64)
    if f.ndim != 1 or f.size < 2:
        msg = f"fractions of cells with 0, 1 ... k functions have shape (k + 1,), k at least 1, not {f.shape}"
        raise TableError(msg)
    return f
