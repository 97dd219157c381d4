"""Pairs: each planted endpoint with the contrast that measures it, and what the true cells of these tubes did."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

from cytometry.report.blocks import records
from cytometry.report.contrasts import contrasts_of
from cytometry.table import MEDIAN_INTENSITY

if TYPE_CHECKING:
    from cytometry.simulate import Truth
    from cytometry.store import Run

NAN = float("nan")


@dataclass(frozen=True, slots=True)
class Pair:
    """One planted endpoint and its estimate.

    Parameters
    ----------
    row, contrast
        As the simulator and the run say them.
    is_fold
        Whether the numbers are folds, of a median intensity; else differences of fractions.
    planted, realised, estimate, low, high
        The mean over all possible subjects, that of the true cells of the subjects drawn (NaN where the truth does
        not say), and the estimate with its interval.
    """

    row: dict[str, Any]
    contrast: dict[str, Any]
    is_fold: bool
    planted: float
    realised: float
    estimate: float
    low: float
    high: float

    @property
    def holds(self) -> bool | None:
        """Return whether the interval holds what was planted; None where there is no interval."""
        if not (isfinite(self.low) and isfinite(self.high)):
            return None
        return self.low <= self.planted <= self.high


def pairs_of(run: Run, rows: list[dict[str, Any]], truth: Truth | None) -> list[Pair]:
    """Return the planted endpoints that a contrast measures, in the order they were planted."""
    found = []
    for row in rows:
        contrast = _contrast(run, row)
        if contrast is None:
            continue
        is_fold = row["statistic"] == MEDIAN_INTENSITY
        planted = row["treated"] / row["control"] if is_fold else row["shift"]
        name = "ratio" if is_fold else "shift"
        ends = (float(contrast[name]), float(contrast[f"{name}_low"]), float(contrast[f"{name}_high"]))
        realised = _realised(truth, row, contrast, is_fold=is_fold)
        found.append(Pair(row, contrast, is_fold, float(planted), realised, *ends))
    return found


def _contrast(run: Run, row: dict[str, Any]) -> dict[str, Any] | None:
    known = contrasts_of(run)
    here = known[(known["stain"] == row["stain"]) & (known["statistic"] == row["statistic"])]
    # Studies simulated before there were several comparisons say neither.
    for said in ("comparison", "marker"):
        here = here[here[said] == row[said]] if row.get(said) else here
    path = str(row["population"])
    here = here[(here["population"] == path) | here["population"].str.endswith(f"/{path}")]
    return records(here)[0] if len(here) else None


def _realised(truth: Truth | None, row: dict[str, Any], contrast: dict[str, Any], *, is_fold: bool) -> float:
    """Return the mean over subjects: of shifts, or of folds on the log scale."""
    from cytometry.simulate import SimulationError

    if truth is None:
        return NAN
    try:
        shifts = truth.shifts(
            row["population"],
            stain=row["stain"],
            statistic=row["statistic"],
            marker=row.get("marker", ""),
            # Between arms, the controls are another arm: the truth needs all of them.
            arm=row.get("arm", "") if contrast["design"] == "paired" else "",
            timepoint=str(contrast["treated"]) if contrast["factor"] == "timepoint" else "",
        )
    except SimulationError:
        return NAN
    if not is_fold:
        return float(shifts["realised_shift"].mean())
    with np.errstate(divide="ignore", invalid="ignore"):
        folds = np.log(
            shifts["realised_treated"].to_numpy(float) / shifts["realised_control"].to_numpy(float)
        )
    there = folds[np.isfinite(folds)]
    return float(np.exp(there.mean())) if there.size else NAN
