"""Cohorts: simulated studies gated by the built-in templates, scored against what was planted in each event."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from scoring import JudgedSet, JudgedTube, Score, score_tube

import cytometry
from cytometry.report.recovered import true_members
from cytometry.simulate import StudyPlan, Truth, read_truth, write_plan
from cytometry.simulate.members import EVERYONE
from cytometry.store import Run
from gating.template import GatingTemplate

ROOTS = ("cells", "singlets", "singlets by SSC", "live", EVERYONE)


# Enough for every template in a few minutes; --full takes the design's usual numbers.
SMALL: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "human": {"subjects": 4, "batches": 2},
        "mouse gr1": {"subjects": 2, "batches": 1, "events_by": (("tumour", 40_000), ("spleen", 20_000))},
        "mouse ly6": {"subjects": 2, "batches": 1, "events_by": (("tumour", 40_000), ("spleen", 20_000))},
        "phospho": {"subjects": 1, "batches": 1, "events": 10_000},
    }
)
DESIGNS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "human": {"design": "paired_human"},
        "mouse gr1": {"design": "two_arm_mouse", "panel": "gr1"},
        "mouse ly6": {"design": "two_arm_mouse", "panel": "ly6"},
        "phospho": {"design": "dose_time_pS6"},
    }
)


def cohort(name: str, *, generator: str, seed: int, full: bool = False) -> StudyPlan:
    """Return the plan of one of ``DESIGNS``."""
    size = {} if full else SMALL[name]
    return StudyPlan(**DESIGNS[name], **size, generator=generator, seed=seed)


def judge_cohort(plan: StudyPlan) -> list[JudgedSet]:
    """Simulate a study, run it as any study is run, and score each stain's sample tubes."""
    with tempfile.TemporaryDirectory() as aside:
        folder = Path(aside) / "study"
        run = cytometry.run(write_plan(folder, plan), Path(aside) / "results")
        truth = read_truth(folder)
        name = f"simulated, {plan.generator} generator"
        return [judge_stain(run, truth, stain, name=name, seed=plan.seed) for stain in run.stains]


def judge_stain(run: Run, truth: Truth, stain: str, *, name: str, seed: int) -> JudgedSet:
    """Score the sample tubes of one stain of a simulated run."""
    template = run.template(stain)
    about = run.tubes[(run.tubes["stain"] == stain) & (run.tubes["kind"] == "sample")]
    failed = about.loc[about["status"] != "gated", "tube"].tolist()
    scores: list[Score] = []
    for tube in about.loc[about["status"] == "gated", "tube"]:
        gated = run.gated(tube)
        planted = true_members(truth, tube, template.paths)
        judged = JudgedTube(tube, run.columns(tube), gated.strategy, gated.membership, planted)
        scores += score_tube(judged, template)
    note = f"seed {seed}, {len(about)} tubes" + (f"; not gated: {', '.join(failed)}" if failed else "")
    title = f"{name}: {template.name}, {stain} stain"
    return JudgedSet(
        title, tuple(scores), roots_of(template), note, template=template.name, among=template.paths
    )


def roots_of(template: GatingTemplate) -> tuple[str, ...]:
    """Return the paths that everyone agrees on: cells, singlets, live, leucocytes."""
    return tuple(path for path in template.paths if path.rpartition("/")[2] in ROOTS)
