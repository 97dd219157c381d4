"""Asked: which of a run's comparisons is meant, as the options of :func:`cytometry.compare.compare`."""

from __future__ import annotations

import difflib
from typing import Any

from cytometry.errors import CompareError
from cytometry.store import Run
from gating.errors import StrategyError
from gating.strategy import find_path

_OPTIONS = (
    "control", "treated", "factor", "design", "change", "blocks", "covariates", "formula", "tested", "unit", "where",
)  # fmt: skip


def asked_of(run: Run, comparison: str = "", *, treated: str = "") -> dict[str, Any]:
    """Return what one contrast of the study asks, by the names of compare's options.

    Parameters
    ----------
    comparison
        Its name, which may be left out where the study has one.
    treated
        Of a comparison with several treated levels, which.

    Raises
    ------
    CompareError
        If the study has none of that name, none at all, or several and none is named; if it has several treated
        levels and none is named, or is a trend, which has no two levels.
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
    # An empty list of blocks says that there are none, which is not the default.
    options = {
        name: one[name] for name in _OPTIONS if one.get(name) or (name == "blocks" and one.get(name) == [])
    }
    return options | {"treated": _level(one, treated)}


def _level(one: dict[str, Any], wanted: str) -> str:
    """Return the treated level that is meant."""
    if one.get("design") == "trend":
        msg = f"comparison {one['name']!r} is a trend over all its levels, and has no contrast of two"
        raise CompareError(msg)
    levels = [one["treated"]] if isinstance(one["treated"], str) else [str(level) for level in one["treated"]]
    if wanted in levels or (not wanted and len(levels) == 1):
        return wanted or levels[0]
    asked = f"has no treated level {wanted!r}" if wanted else "has several treated levels"
    msg = f"comparison {one['name']!r} {asked}; name one: treated={' or '.join(repr(level) for level in levels)}"
    raise CompareError(msg)


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
            f"{name!r} is in the stains {', '.join(one for one, _ in found)}; name one: stain={found[0][0]!r}, "
            f"or for a figure --option stain={found[0][0]}"
        )
        raise CompareError(msg)
    raise CompareError("\n".join(reasons))
