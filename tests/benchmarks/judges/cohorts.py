"""Cohorts: simulated studies gated by the built-in templates, scored against what was planted in each event."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from scoring import JudgedSet, JudgedTube, Score, score_tube

import cytometry
from cytometry.report.recovered import true_members
from cytometry.simulate import StudyPlan, Truth, read_truth, write_plan
from cytometry.simulate.members import EVERYONE
from cytometry.store import Run
from gating.gates import Mask
from gating.membership import Membership
from gating.template import GatingTemplate

ROOTS = ("cells", "singlets", "singlets by SSC", "live", EVERYONE)


PARTLY = ("treg", "memory", "checkpoint", "NK")  # judged on the T-cell stain
# Enough for every template in a few minutes; --full takes the design's usual numbers.
SMALL: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "human": {"subjects": 4, "batches": 2},
        "mouse gr1": {"subjects": 2, "batches": 1, "events_by": (("tumour", 40_000), ("spleen", 20_000))},
        "mouse ly6": {"subjects": 2, "batches": 1, "events_by": (("tumour", 40_000), ("spleen", 20_000))},
        "phospho": {"subjects": 1, "batches": 1, "events": 10_000},
        "human, M-MDSC easy": {"subjects": 4, "batches": 2},
        **{name: {"subjects": 2, "batches": 1} for name in (*PARTLY, "DC")},
    }
)
DESIGNS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "human": {"design": "paired_human"},
        "mouse gr1": {"design": "two_arm_mouse", "panel": "gr1"},
        "mouse ly6": {"design": "two_arm_mouse", "panel": "ly6"},
        "phospho": {"design": "dose_time_pS6"},
        "human, M-MDSC easy": {"design": "paired_human", "mdsc": "easy", "stains": ("myeloid",)},
        **{
            name: {"design": "paired_human", "stains": ("T",)}
            for name in ("treg", "memory", "checkpoint", "NK")
        },
        "DC": {"design": "paired_human", "stains": ("myeloid",)},
    }
)
# What a study of one stain is gated by. Where the stain shows a part of a template, the rest is pruned, and not judged.
INSTEAD: Mapping[str, str] = MappingProxyType(
    {
        "treg": "human_treg",
        "memory": "human_memory",
        "checkpoint": "human_checkpoint",
        "NK": "human_nk",
        "DC": "human_dc",
        "human, M-MDSC easy": "human_myeloid",
    }
)
# What they show beyond the planted populations: leaf and part.
BEYOND: Mapping[str, tuple[str, str]] = MappingProxyType(
    {"NK cells/CD56bright": ("NK", "bright"), "NK cells/CD56dim": ("NK", "dim"), "NKT-like": ("NKT-like", "")}
)


def cohort(name: str, *, generator: str, seed: int, full: bool = False) -> StudyPlan:
    """Return the plan of one of ``DESIGNS``."""
    size = {} if full else SMALL[name]
    return StudyPlan(**DESIGNS[name], **size, generator=generator, seed=seed)


def judge_cohort(plan: StudyPlan, template: str = "") -> list[JudgedSet]:
    """Simulate a study, run it as any study is run, and score each stain's sample tubes.

    ``template`` is another one than the design's, for its only stain.
    """
    with tempfile.TemporaryDirectory() as aside:
        folder = Path(aside) / "study"
        study = write_plan(folder, plan)
        if template:
            _gate_by(study, template)
        run = cytometry.run(study, Path(aside) / "results")
        truth = read_truth(folder)
        easier = "" if plan.mdsc == "realistic" else f", M-MDSC {plan.mdsc}"
        name = f"simulated, {plan.generator} generator{easier}"
        return [judge_stain(run, truth, stain, name=name, seed=plan.seed) for stain in run.stains]


def _gate_by(study: Path, template: str) -> None:
    """Write another template into a study, and take out what is measured and compared, which it need not have."""
    text = study.read_text(encoding="utf-8")
    begin, end = text.index("[measure]"), text.index("[simulated]")
    named = re.sub(r'(?m)^template = ".*"$', f'template = "{template}"', text[:begin])
    study.write_text(named + text[end:], encoding="utf-8")


def judge_stain(run: Run, truth: Truth, stain: str, *, name: str, seed: int) -> JudgedSet:
    """Score the sample tubes of one stain of a simulated run."""
    template = run.template(stain)
    about = run.tubes[(run.tubes["stain"] == stain) & (run.tubes["kind"] == "sample")]
    failed = about.loc[about["status"] != "gated", "tube"].tolist()
    scores: list[Score] = []
    for tube in about.loc[about["status"] == "gated", "tube"]:
        gated = run.gated(tube)
        # Gates are judged on the events that quality control left them.
        held, rows = gated.membership, gated.membership.rows("")
        kept = Membership(held.populations, held.codes[rows], held.sets, held.not_finite)
        planted = {**true_members(truth, tube, template.paths), **_beyond(truth, tube, template)}
        planted = {path: mask[rows] for path, mask in planted.items()}
        judged = JudgedTube(tube, run.columns(tube).at(rows), gated.strategy, kept, planted)
        scores += score_tube(judged, template)
    note = f"seed {seed}, {len(about)} tubes" + (f"; not gated: {', '.join(failed)}" if failed else "")
    title = f"{name}: {template.name}, {stain} stain"
    return JudgedSet(
        title, tuple(scores), roots_of(template), note, template=template.name, among=template.paths
    )


def _beyond(truth: Truth, tube: str, template: GatingTemplate) -> dict[str, Mask]:
    events = truth.events(tube)
    alone = truth.is_in(tube, EVERYONE)
    found = {}
    for name, (leaf, part) in BEYOND.items():
        for path in (path for path in template.paths if f"/{path}".endswith(f"/{name}")):
            of_part = np.isin(events["subset"], [part]) if part else True
            found[path] = np.asarray(alone & np.isin(events["leaf"], [leaf]) & of_part)
    return found


def roots_of(template: GatingTemplate) -> tuple[str, ...]:
    """Return the paths that everyone agrees on: cells, singlets, live, leucocytes."""
    return tuple(path for path in template.paths if path.rpartition("/")[2] in ROOTS)
