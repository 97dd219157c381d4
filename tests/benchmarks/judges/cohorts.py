"""Cohorts: simulated studies gated by the built-in templates, scored against what was planted in each event."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from scoring import JudgedSet, JudgedTube, Score, score_tube

import cytometry
from cytometry.report.recovered import true_members
from cytometry.simulate import StudyPlan, Truth, read_truth, write_plan
from cytometry.simulate.members import EVERYONE
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
        planted = true_members(truth, tube, stain, paths=template.paths)
        judged = JudgedTube(tube, run.columns(tube), gated.strategy, gated.membership, planted)
        scores += score_tube(judged, template)
    note = f"{seed}, {len(about)} tubes" + (f"; not gated: {', '.join(failed)}" if failed else "")
    return JudgedSet(f"{name}: {template.name}", tuple(scores), roots_of(template), note)


def roots_of(template: GatingTemplate) -> tuple[str, ...]:
    """Return the paths that everyone agrees on: cells, singlets, live, leucocytes."""
    return tuple(path for path in template.paths if path.rpartition("/")[2] in ROOTS)
