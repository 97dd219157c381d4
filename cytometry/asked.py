"""Asked: which of a run's comparisons is meant, as the options of :func:`cytometry.compare.compare`."""

from __future__ import annotations

import difflib
from typing import Any

from cytometry.errors import CompareError
from cytometry.store import Run
from gating.errors import StrategyError
from gating.strategy import find_path

_OPTIONS = ("control", "treated", "factor", "design", "change", "blocks", "covariates", "unit", "where")


def asked_of(run: Run, comparison: str = "") -> dict[str, Any]:
    """Return what a comparison of the study asks, by the names of compare's options.

    ``comparison`` is its name, and may be left out where the study has one.

    Raises
    ------
    CompareError
        If the study has none of that name, none at all, or several and none is named.
    """
    known = {str(one["name"]): one for one in run.info["comparisons"]}
    if not known:
        msg = "this run compares nothing; add a [[comparison]] to its study file"
        raise CompareError(msg)
    if comparison not in known and (comparison or len(known) > 1):
        near = difflib.get_close_matches(comparison, known, n=3)
        there = ", ".join(repr(name) for name in (near or known))
        msg = (
            f"the study has no comparison {comparison!r}; "
            if comparison
            else "the study has several comparisons; "
        )
        raise CompareError(msg + (f"did you mean {there}?" if near else f"name one of {there}"))
    one = known[comparison] if comparison else next(iter(known.values()))
    return {name: one[name] for name in _OPTIONS if one.get(name)}


def population_of(run: Run, name: str, stain: str = "") -> tuple[str, str]:
    """Return the stain and path of a population, sought in the templates.

    Raises
    ------
    CompareError
        If no stain has it, with near matches, or several have it and none is named.
    """
    found, reasons = [], []
    for one in [stain] if stain else run.stains:
        try:
            found.append((one, find_path(name, run.template(one).paths)))
        except StrategyError as error:
            reasons.append(f"stain {one}: {error}")
    if len(found) == 1:
        return found[0]
    if found:
        msg = (
            f"{name!r} is in the stains {', '.join(one for one, _ in found)}; name one: stain={found[0][0]!r}"
        )
        raise CompareError(msg)
    raise CompareError("\n".join(reasons))
