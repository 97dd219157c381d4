"""PD-1: the difference between the arms that the gates find, beside the one that the best single cut finds.

The best single cut is one threshold for the whole study: of all, the one of largest F1 against the planted state over
the true CD8 T cells of every sample tube, as they were measured. The difference it finds, of the same cells, is what a
perfect choice of one boundary would have reported. Ours is that of the run: of the cells it took for CD8 T, at the
boundaries it learnt. Both are means over subjects, on treatment minus baseline, in percentage points of CD8 T.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from attainable import best_cut
from interval_coverage import rows_towards
from scoring import NAN

import cytometry
from cytometry.simulate import StudyPlan, Truth, read_truth, write_plan
from cytometry.store import Run
from cytometry.study import read_study
from cytometry.table import FRACTION_OF_PARENT
from gating.agreement import f1

STAIN, MARKER, PARENT, POPULATION = "T", "PD-1", "CD8 T", "CD8 T/PD-1+"
ROLES = ("baseline", "on_treatment")


@dataclass(frozen=True, slots=True)
class Difference:
    """Of one simulated study, in percentage points of CD8 T cells.

    Parameters
    ----------
    planted, realised
        The planted shift over all possible subjects, and that of the true cells in these tubes.
    best, best_f1
        What the best single cut finds, and its F1 over the study.
    ours, ours_f1
        What the run finds, and the median F1 over its tubes; NaN where no tube of an arm has the gate.
    abstained
        Sample tubes without the gate.
    """

    generator: str
    level: str
    seed: int
    planted: float
    realised: float
    best: float
    best_f1: float
    ours: float
    ours_f1: float
    abstained: int

    @property
    def off(self) -> float:
        """Return ours minus that of the best single cut."""
        return self.ours - self.best


def difference(plan: StudyPlan) -> Difference:
    """Simulate a study, gate its T stain and compare the arms."""
    with tempfile.TemporaryDirectory() as aside:
        folder = Path(aside) / "study"
        study = read_study(write_plan(folder, replace(plan, stains=(STAIN,))))
        stain = study.stains[STAIN]
        # Rows and control tubes that PD-1 does not rest on change nothing of it, and take most of the time.
        towards = replace(stain, template=rows_towards(stain.template, POPULATION))
        tubes = tuple(row for row in study.tubes if row.kind != "fmo" or MARKER in row.lacks)
        asked = replace(study, stains={STAIN: towards}, tubes=tubes, comparisons=())
        run = cytometry.run(asked, Path(aside) / "results")
        return compare_arms(run, read_truth(folder), plan)


def compare_arms(run: Run, truth: Truth, plan: StudyPlan) -> Difference:
    """Compare the arms of a gated study by its own gates and by the best single cut."""
    samples = run.tubes[(run.tubes["kind"] == "sample") & (run.tubes["stain"] == STAIN)]
    values, states, f1s = {}, {}, []
    for tube in samples["tube"]:
        inside = truth.is_in(tube, PARENT)
        values[tube] = run.columns(tube).values(MARKER, np.flatnonzero(inside))
        states[tube] = truth.is_in(tube, POPULATION)[inside]
        membership = run.gated(tube).membership
        path = [p for p in membership.populations if f"/{p}".endswith(f"/{POPULATION}")]
        state = truth.is_in(tube, POPULATION)
        f1s.append(f1(state, membership.of(path[0])) if path else 0.0)
    cut, reached = best_cut(np.concatenate([*values.values()]), np.concatenate([*states.values()]))
    rows = run.table[run.table["statistic"] == FRACTION_OF_PARENT]
    rows = rows[[f"/{path}".endswith(f"/{POPULATION}") for path in rows["population"]]]
    ours = dict(zip(rows["tube"], rows["value"].astype(float), strict=True))
    about = {row["tube"]: row for row in samples.to_dict("records")}
    planted = truth.planted.query("population == @POPULATION and stain == @STAIN")["shift"]
    return Difference(
        generator=plan.generator,
        level=plan.pd1,
        seed=plan.seed,
        planted=100 * float(planted.iloc[0]),
        realised=_shift({t: float(states[t].mean()) for t in about}, about),
        best=_shift({t: float((values[t] >= cut).mean()) for t in about}, about),
        best_f1=reached,
        ours=_shift({t: ours.get(t, NAN) for t in about}, about),
        ours_f1=float(np.median(f1s)),
        abstained=sum(not np.isfinite(ours.get(t, NAN)) for t in about),
    )


def _shift(fractions: dict[str, float], about: dict[str, dict[str, object]]) -> float:
    """Return the mean over subjects with both values, in percentage points; NaN where there is none."""
    by_subject: dict[object, dict[object, float]] = {}
    for tube, row in about.items():
        by_subject.setdefault(row["subject"], {})[row["timepoint"]] = fractions[tube]
    pairs = np.array([[found.get(role, NAN) for role in ROLES] for found in by_subject.values()])
    moved = pairs[:, 1] - pairs[:, 0]
    there = moved[np.isfinite(moved)]
    return 100 * float(there.mean()) if there.size else NAN


def text(found: list[Difference]) -> str:
    """Return the differences as a table, a line per generator and level, with the spread over seeds."""
    lines = [
        "PD-1+ of CD8 T, on treatment minus baseline, percentage points: ours and that of the best single pooled cut",
        f"{'':24}{'seeds':>10}{'planted':>9}{'realised':>10}{'best cut':>10}{'ours':>8}{'ours - best':>18}"
        f"{'F1':>8}{'best F1':>9}{'abst.':>7}",
    ]
    for key in dict.fromkeys((one.generator, one.level) for one in found):
        these = [one for one in found if (one.generator, one.level) == key]
        off = np.array([one.off for one in these])
        error = f" ±{off.std(ddof=1) / np.sqrt(off.size):.2f}" if off.size > 1 else ""
        means = {
            name: np.mean([getattr(one, name) for one in these]) for name in ("realised", "best", "ours")
        }
        lines.append(
            f"{', '.join(key):24}{_seeds(these):>10}{these[0].planted:+9.2f}{means['realised']:+10.2f}"
            f"{means['best']:+10.2f}{means['ours']:+8.2f}{f'{off.mean():+.2f}{error}':>18}"
            f"{np.mean([o.ours_f1 for o in these]):8.3f}{np.mean([o.best_f1 for o in these]):9.3f}"
            f"{sum(o.abstained for o in these):7}"
        )
    return "\n".join(lines)


def _seeds(found: list[Difference]) -> str:
    return ", ".join(str(one.seed) for one in found)
