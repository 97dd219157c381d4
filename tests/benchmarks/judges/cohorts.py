"""Cohorts: simulated studies gated by the built-in templates, scored against what was planted in each event."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scoring import JudgedSet, JudgedTube, Score, score_tube

import cytometry
from cytometry.simulate import StudyPlan, Truth, read_truth, write_plan
from cytometry.simulate.members import EVERYONE, members, populations
from cytometry.store import Run
from gating.template import GatingTemplate

ROOTS = ("cells", "singlets", "singlets by SSC", "live", EVERYONE)


@dataclass(frozen=True, slots=True)
class Cohort:
    """One simulated study to be gated and scored."""

    name: str
    plan: StudyPlan


def judge_cohort(cohort: Cohort) -> list[JudgedSet]:
    """Simulate a study, run it as any study is run, and score each stain's sample tubes."""
    with tempfile.TemporaryDirectory() as aside:
        folder = Path(aside) / "study"
        run = cytometry.run(write_plan(folder, cohort.plan), Path(aside) / "results")
        truth = read_truth(folder)
        seed = f"seed {cohort.plan.seed}"
        return [judge_stain(run, truth, stain, name=cohort.name, seed=seed) for stain in run.stains]


def judge_stain(run: Run, truth: Truth, stain: str, *, name: str, seed: str = "") -> JudgedSet:
    """Score the sample tubes of one stain of a simulated run."""
    template = run.template(stain)
    about = run.tubes[(run.tubes["stain"] == stain) & (run.tubes["kind"] == "sample")]
    failed = about.loc[about["status"] != "gated", "tube"].tolist()
    scores: list[Score] = []
    for tube in about.loc[about["status"] == "gated", "tube"]:
        gated = run.gated(tube)
        planted = planted_members(truth, tube, stain, template=template)
        judged = JudgedTube(tube, run.columns(tube), gated.strategy, gated.membership, planted)
        scores += score_tube(judged, template)
    note = f"{seed}, {len(about)} tubes" + (f"; not gated: {', '.join(failed)}" if failed else "")
    return JudgedSet(f"{name}: {template.name}", tuple(scores), roots_of(template), note)


def roots_of(template: GatingTemplate) -> tuple[str, ...]:
    """Return the paths that everyone agrees on: cells, singlets, live, leucocytes."""
    return tuple(path for path in template.paths if path.rpartition("/")[2] in ROOTS)


def planted_members(
    truth: Truth, tube: str, stain: str, *, template: GatingTemplate
) -> dict[str, NDArray[np.bool_]]:
    """Return which events of a tube truly are in each population of the template that the simulator knows."""
    events = truth.events(tube)
    cells = {str(column): events[column].to_numpy() for column in events.columns}
    roots = _roots(events, cells)
    named = [row["population"] for row in populations(stain)]
    found = {}
    for path in template.paths:
        short = path.rpartition("/")[2]
        known = [name for name in named if f"/{path}".endswith(f"/{name}")]
        if short in roots:
            found[path] = roots[short]
        elif known:
            found[path] = roots["live"] & members(cells, max(known, key=len))
    return found


def _roots(events: pd.DataFrame, cells: Mapping[str, NDArray[np.generic]]) -> dict[str, NDArray[np.bool_]]:
    whole = ~events["is_debris"].to_numpy(dtype=bool)
    single = whole & ~events["is_doublet"].to_numpy(dtype=bool)
    live = single & ~events["is_dead"].to_numpy(dtype=bool)
    return {
        "cells": whole,
        "singlets": single,
        "singlets by SSC": single,
        "live": live,
        EVERYONE: live & members(cells, EVERYONE),
    }
