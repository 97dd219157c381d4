"""Subsets: every combination of the functions of a parent, tube by tube, as rows of the tidy table.

A subset is named by all its functions, "IFN-g+ TNF-a+ IL-2-", and each event of the parent is in exactly one. As rows
of the tidy table they take part in :func:`cytometry.cytokines.subtract_background` and in comparisons like any other
population; the further columns ``positive`` and ``n_functions`` say what a subset is made of.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from cytometry.cytokines import boolean_subsets
from cytometry.store import Run
from cytometry.table import (
    COLUMNS,
    FRACTION_OF_PARENT,
    LOW_COUNT,
    SHEET_COLUMNS,
    TableError,
    as_table,
    check_table,
    unit_of,
)
from gating.membership import Membership
from gating.strategy import find_path

if TYPE_CHECKING:
    import pandas as pd

UNSTIMULATED = "unstimulated"
KINDS = ("sample", UNSTIMULATED)
SUBSET_COLUMNS = (*COLUMNS, "positive", "n_functions")
JOINED = " & "


def declared_functions(run: Run, *, stain: str = "") -> dict[str, tuple[str, ...]]:
    """Return the functional populations by their parent: those whose cut is learnt from an unstimulated tube.

    Empty where the run has no stain with such cuts.
    """
    gates = run.gates
    if not len(gates):
        return {}
    chosen = gates[
        (gates["source"] == UNSTIMULATED) & (gates["stain"].isin([stain] if stain else run.stains))
    ]
    found: dict[str, list[str]] = {}
    for path in dict.fromkeys(chosen["population"]):
        found.setdefault(str(path).rpartition("/")[0], []).append(str(path))
    return {parent: tuple(paths) for parent, paths in found.items()}


def subset_table(
    run: Run, functions: Mapping[str, Sequence[str]] | None = None, *, stain: str = "", fewest: int = 20
) -> pd.DataFrame:
    """Return all 2^k combinations of the functions of each parent, for every stimulated and unstimulated tube.

    Parameters
    ----------
    run
        A finished run.
    functions
        By parent, its single functions: ``{"CD8 T": ["IFN-g+", "TNF-a+"]}``; :func:`declared_functions` if not given.
    stain
        Needed only where several stains have the parent.
    fewest
        Under so many events in the parent a fraction is NaN with the reason; under 50 it is flagged.

    Returns
    -------
    DataFrame
        Tidy rows, statistic ``fraction_of_parent``: population ``<parent>/IFN-g+ TNF-a-``, ``n`` events of
        ``n_base`` of the parent, to which they sum in every tube; ``positive`` the functions that are, joined by
        "&"; ``n_functions`` how many. NaN with the reason in a tube where a function's gate was not found.

    Raises
    ------
    TableError
        If a parent or function is not there, or the functions do not divide the parent.
    """
    import pandas as pd

    asked = _asked(run, functions, stain)
    rows: list[dict[str, Any]] = []
    for about in run.tubes.to_dict("records"):
        if about["kind"] not in KINDS:
            continue
        said = {column: str(about.get(column, "")) for column in (*SHEET_COLUMNS, "tissue")}
        for parent, names in asked.get(said["stain"], {}).items():
            membership = run.gated(said["tube"]).membership if about["status"] == "gated" else None
            why = "" if membership else f"tube {said['tube']} was not gated: {about['message']}"
            rows += [said | row for row in tube_subsets(membership, names, parent, fewest=fewest, why=why)]
    return as_table(pd.DataFrame(rows, columns=[*SUBSET_COLUMNS, "tissue"]))


def tube_subsets(
    membership: Membership | None, functions: Sequence[str], parent: str, *, fewest: int = 20, why: str = ""
) -> Iterator[dict[str, Any]]:
    """Yield the measured columns of each subset of one tube; paths in full. Without membership NaN, with ``why``."""
    absent = [path for path in (parent, *functions) if membership and path not in membership.populations]
    if absent:
        why = f"{', '.join(path.rsplit('/', 1)[-1] for path in absent)} has none in this tube"
    if membership is None or absent:
        membership, known = _empty((parent, *functions)), False
    else:
        known = True
    n_base = membership.count(parent)
    if known and n_base < max(fewest, 1):
        why = f"{n_base} events in {parent}, under {max(fewest, 1)}"
    for said in boolean_subsets(membership, functions, parent).to_dict("records"):
        yield {
            "population": f"{parent}/{said['subset']}",
            "marker": "",
            "statistic": FRACTION_OF_PARENT,
            "base": parent,
            "value": np.nan if why else said["fraction"],
            "unit": unit_of(FRACTION_OF_PARENT),
            "n": said["count"] if known else None,
            "n_base": n_base if known else None,
            "flag": LOW_COUNT if known and not why and n_base < 50 else "",
            "reason": why,
            "positive": JOINED.join(path.rsplit("/", 1)[-1] for path in functions if said[path]),
            "n_functions": said["n_functions"],
        }


def producers(
    subsets: pd.DataFrame,
    positive: Sequence[str] = (),
    *,
    at_least: int = 0,
    others: Literal["any", "none"] = "any",
) -> pd.DataFrame:
    """Return double, triple... producers as tidy rows, summed from subsets under a rule that the name states.

    Parameters
    ----------
    subsets
        Of :func:`subset_table`, or the same after ``subtract_background``: nets are summed like fractions, and stay
        negative where they are.
    positive
        Functions that must be positive: ``["IFN-g+", "TNF-a+"]``.
    others
        ``any``: whatever the other functions are, named "IFN-g+ & TNF-a+"; ``none``: no other is positive, "IFN-g+ &
        TNF-a+ only".
    at_least
        Instead of ``positive``: so many functions or more, whichever they are, "at least 2 functions". 1 gives all
        responders.

    Raises
    ------
    TableError
        If neither or both are said, or a function is not among those of the subsets.
    """
    check_subsets(subsets)
    if bool(positive) == bool(at_least) or at_least < 0:
        msg = "say which functions are positive (positive=[...]), or how many (at_least=2), and not both"
        raise TableError(msg)
    known = sorted({name for cell in subsets["positive"] for name in str(cell).split(JOINED) if name})
    for name in positive:
        if name not in known:
            msg = f"no function of these subsets is called {name!r}; there are {', '.join(known)}"
            raise TableError(msg)
    if at_least:
        chosen = subsets[subsets["n_functions"] >= at_least]
        return _summed(chosen, f"at least {at_least} function{'s' * (at_least > 1)}")
    wanted = set(positive)
    held = subsets["positive"].map(lambda cell: wanted <= set(str(cell).split(JOINED)))
    if others == "none":
        held &= subsets["n_functions"] == len(wanted)
    return _summed(subsets[held], JOINED.join(positive) + " only" * (others == "none"))


def check_subsets(table: pd.DataFrame) -> None:
    """Return nothing where a table holds subsets.

    Raises
    ------
    TableError
        If it is not tidy or does not say which functions its rows are made of.
    """
    check_table(table)
    absent = [column for column in ("positive", "n_functions") if column not in table.columns]
    if absent:
        msg = f"the table has no column {', '.join(absent)}; subset_table() makes subsets, measure() populations"
        raise TableError(msg)


def _summed(chosen: pd.DataFrame, name: str) -> pd.DataFrame:
    import pandas as pd

    rows = []
    for (_, _, base), some in chosen.groupby(["tube", "statistic", "base"], sort=False):
        first = {str(column): cell for column, cell in some.iloc[0].items()}
        rows.append(
            first
            | {
                "population": f"{base}/{name}",
                "value": some["value"].sum(skipna=False),
                "n": some["n"].sum(skipna=False),
                "positive": "",
                "n_functions": some["n_functions"].min(),
            }
        )
    return as_table(pd.DataFrame(rows, columns=list(chosen.columns)))


def _asked(
    run: Run, functions: Mapping[str, Sequence[str]] | None, stain: str
) -> dict[str, dict[str, tuple[str, ...]]]:
    """Return, by stain and path of the parent, the paths of its functions."""
    found: dict[str, dict[str, tuple[str, ...]]] = {}
    for one in [stain] if stain else run.stains:
        paths = run.template(one).paths
        if functions is None:
            found[one] = declared_functions(run, stain=one)
            continue
        for name, wanted in functions.items():
            if stain or any(path == name or path.endswith(f"/{name}") for path in paths):
                parent = _path(name, paths)
                below = tuple(path for path in paths if path.startswith(f"{parent}/"))
                found.setdefault(one, {})[parent] = tuple(_path(function, below) for function in wanted)
    if not any(found.values()):
        named = ", ".join(functions) if functions else "functions, cut by an unstimulated tube"
        msg = f"no stain of this run has {named}; name them: functions={{'CD8 T': ['IFN-g+', 'TNF-a+']}}"
        raise TableError(msg)
    return found


def _path(name: str, paths: tuple[str, ...]) -> str:
    try:
        return find_path(name, paths)
    except ValueError as error:
        raise TableError(str(error)) from error


def _empty(paths: tuple[str, ...]) -> Membership:
    return Membership(paths, np.zeros(0, dtype=np.uint8), np.zeros((1, len(paths)), dtype=np.bool_))
