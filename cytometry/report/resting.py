"""Resting: on which boundaries the number of an endpoint depends, and which of those were borrowed or stand apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cytometry.report.blocks import records
from cytometry.report.contrasts import contrasts_of
from gating.records import OF_COHORT, POOLED, STAND_IN
from gating.strategy import ALL_EVENTS

if TYPE_CHECKING:
    import pandas as pd

    from cytometry.store import Run

BORROWED = (STAND_IN, POOLED, OF_COHORT)
MEASURED = ("sample", "unstimulated")
EXPLORATORY = "exploratory"
OUTLYING = "outlying"


def measured_tubes(run: Run) -> set[str]:
    """Return the tubes whose values are reported: no control tubes but the unstimulated ones."""
    return set(run.tubes.loc[run.tubes["kind"].isin(MEASURED), "tube"])


def measured_gates(run: Run) -> pd.DataFrame:
    """Return the gates of the tubes whose values are reported."""
    return run.gates[run.gates["tube"].isin(measured_tubes(run))]


def borrowed_gates(run: Run) -> pd.DataFrame:
    """Return the boundaries in measured tubes that were not learnt from the tubes that the template names first."""
    gates = measured_gates(run)
    return gates[gates["status"].isin(BORROWED)]


def outlying_gates(run: Run) -> pd.DataFrame:
    """Return the gates in measured tubes that lie far from those of the same cohort; none in a run without cohorts."""
    gates = measured_gates(run)
    return gates[gates[OUTLYING] != ""] if OUTLYING in gates.columns else gates.iloc[:0]


def declared_of(run: Run) -> list[dict[str, Any]]:
    """Return the contrasts of declared endpoints, each endpoint once."""
    contrasts = contrasts_of(run)
    declared = contrasts[contrasts["family"] != EXPLORATORY]
    return records(declared.drop_duplicates(["stain", "population", "marker", "statistic", "base"]))


def rests_on(run: Run, row: dict[str, Any]) -> tuple[str, ...]:
    """Return the populations whose boundaries decide which cells of its base an endpoint counts, as paths.

    They are the endpoint's own population, the steps between it and its base, and the operands of a Boolean gate
    among them. What lies above the base changes both counts alike and is left out.
    """
    stain, base = str(row["stain"]), str(row["base"])
    if base == row["population"]:  # a median's
        base = base.rpartition("/")[0] or ALL_EVENTS
    operands = _operands(run, stain)
    found: dict[str, None] = {}
    waiting = [str(row["population"])]
    while waiting:
        path = waiting.pop()
        if path in found or not _is_below(path, base):
            continue
        found[path] = None
        waiting += [*operands.get(path, ()), path.rpartition("/")[0]]
    return tuple(found)


def resting_on(run: Run, gates: pd.DataFrame, row: dict[str, Any]) -> pd.DataFrame:
    """Return those of the gates that an endpoint rests on, in the tubes of its kind."""
    here = (gates["stain"] == row["stain"]) & gates["population"].isin(rests_on(run, row))
    if not str(row["statistic"]).startswith("net_"):  # unstimulated tubes have a part in net fractions alone
        here &= gates["tube"].isin(run.tubes.loc[run.tubes["kind"] == "sample", "tube"])
    found: pd.DataFrame = gates[here]
    return found


def _is_below(path: str, base: str) -> bool:
    return bool(path) and path != base and (base == ALL_EVENTS or path.startswith(f"{base}/"))


def _operands(run: Run, stain: str) -> dict[str, tuple[str, ...]]:
    if "template" not in run.info["stains"][stain]:
        return {}
    return {row.path: tuple(row.boolean.operands) for row in run.template(stain).populations if row.boolean}
