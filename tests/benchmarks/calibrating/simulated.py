"""The package's simulator and ``compare`` itself, at the level of counts: the planted shift, and permuted labels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from cytometry.compare import FAMILIES, compare
from cytometry.simulate import StudyPlan, simulate_counts
from cytometry.table import FRACTION_OF_PARENT, Endpoint

Row = dict[str, Any]
PD1 = "CD8 T/PD-1+"
OVER_TIME = {"factor": "timepoint", "control": "baseline", "treated": "on_treatment"}


def planted(seeds: range) -> list[tuple[float, float, float, float]]:
    """Return shift, interval and truth of PD-1+ of CD8 T, of each simulated study of 12 pairs."""
    found = []
    for study in simulate_counts(StudyPlan(stains=("T",)), seeds=seeds):
        rows = study.table[
            (study.table["population"] == PD1) & (study.table["statistic"] == FRACTION_OF_PARENT)
        ]
        one = compare(rows, **OVER_TIME, primary=[Endpoint(PD1)]).iloc[0]
        truth = next(row for row in study.planted if row["population"] == PD1)
        found.append((one["shift"], one["shift_low"], one["shift_high"], truth["treated"] - truth["control"]))
    return found


def permuted(seeds: range) -> list[tuple[bool, bool, bool, bool]]:
    """Return, of each null study with its labels permuted, what was found: primary, secondary, exploratory; paired.

    Every other study is taken as pairs whose two labels are swapped at random, the others as two arms of baseline
    tubes dealt out at random.
    """
    found = []
    for study in simulate_counts(StudyPlan(scenario="null", stains=("T",)), seeds=seeds):
        rng = np.random.default_rng(study.plan.seed)
        paired = bool(study.plan.seed % 2)
        table = (_swapped if paired else _dealt)(study.table, rng)
        options = OVER_TIME if paired else {"factor": "arm", "control": "dealt A", "treated": "dealt B"}
        contrasts = compare(
            table,
            **options,
            primary=[Endpoint(PD1)],
            secondary=[Endpoint("CD8 T/TIM-3+"), Endpoint("FoxP3+")],
        )
        called = contrasts["p_adjusted"] < 0.05
        some = [bool(called[contrasts["family"] == one].any()) for one in FAMILIES]
        found.append((some[0], some[1], some[2], paired))
    return found


def _swapped(table: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    subjects = sorted(set(table["subject"]))
    turned = {subject for subject in subjects if rng.random() < 0.5}
    other = {"baseline": "on_treatment", "on_treatment": "baseline"}
    times = [
        other[t] if s in turned else t for s, t in zip(table["subject"], table["timepoint"], strict=True)
    ]
    return table.assign(timepoint=times)


def _dealt(table: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    table = table[table["timepoint"] == "baseline"]
    subjects = rng.permutation(sorted(set(table["subject"])))
    first = set(subjects[: len(subjects) // 2])
    return table.assign(arm=["dealt A" if s in first else "dealt B" for s in table["subject"]])


def summed(shifts: list[tuple[float, float, float, float]]) -> Row:
    """Return coverage, sign and bias of the planted shift over studies."""
    shift, low, high, truth = np.array(shifts).T
    held = (low <= truth) & (truth <= high)
    size = len(held)
    return {
        "studies": size,
        "truth": float(truth[0]),
        "coverage": float(held.mean()),
        "coverage_error": float(np.sqrt(held.mean() * (1 - held.mean()) / size)),
        "sign_right": float((np.sign(shift) == np.sign(truth)).mean()),
        "bias": float((shift - truth).mean()),
        "bias_error": float((shift - truth).std(ddof=1) / np.sqrt(size)),
    }


def tallied(found: list[tuple[bool, bool, bool, bool]]) -> Iterator[Row]:
    """Give the share of permuted null studies in which a family found something."""
    for paired in (True, False):
        some = np.array([one[:3] for one in found if one[3] is paired], dtype=float)
        for place, family in enumerate(FAMILIES):
            rate = float(some[:, place].mean())
            yield {
                "design": "12 pairs" if paired else "6 v 6", "test": family, "rate": rate,
                "rate_error": float(np.sqrt(max(rate, 0.01) * (1 - rate) / len(some))),
            }  # fmt: skip
