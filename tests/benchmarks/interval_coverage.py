"""How often the 95 % interval of the PD-1 shift covers what was planted, over simulated studies.

    python tests/benchmarks/interval_coverage.py [--seeds 40] [--events 20000] [--processes 2] [--json FILE]

Each study has 12 subjects, before and on temsirolimus: PD-1+ of CD8 T cells falls from a mean of 16.8 % to 12.7 %
over all possible subjects. It is simulated as FCS files, gated and compared as any study is: the T stain alone, with
its PD-1 FMO tubes, and of the template ``human_t`` the rows that lead to CD8 T/PD-1+.

*Truth.* A gate does not see the planted state but what is bright: some PD-1+ cells are too dim for it (it has a
sensitivity), some others are bright (a false-positive rate). Both are counted in the truth sidecars, on each sample
tube, over its true live single CD8 T cells, gated or not, from the light they sent without measurement noise, at the
boundary which the study itself learnt for that tube. A shift of the state by d is then one of
d x (sensitivity - false-positive rate) for the gate. The truth of a study is the planted shift, the mean over all
possible subjects and not that of the twelve, times the mean of this difference over subjects and visits. So the
interval must be wide enough for the choice of subjects and for counting, and anything else that is wrong with the
estimate counts against it: CD8 T cells lost or feigned, noise at the boundary, a boundary that differs by visit.

Fails (exit 1) if fewer than 35 of 40 intervals cover, or the same share of another number: if 95 % cover, 34 or
fewer of 40 come about once in 70 runs of the benchmark.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import cytometry
from cytometry.simulate import StudyPlan, read_truth, write_plan
from cytometry.simulate.plan import PlannedTube
from gating.template import GatingTemplate

if TYPE_CHECKING:
    from cytometry.store import Run

SUBJECTS = 12
EVENTS = 20_000
STAIN, MARKER, POPULATION = "T", "PD-1", "CD8 T/PD-1+"
REQUIRED = 35 / 40
PER_CENT = 100.0

STUDY = f"""\
[study]
name = "PD-1 of CD8 T cells, simulated"
seed = 1

[stain.{STAIN}]
template = "template.toml"

[measure]
fractions_of = []

[[comparison]]
name = "On temsirolimus against baseline"
factor = "timepoint"
control = "baseline"
treated = "on_treatment"
design = "paired"
primary = [ {{ population = "{POPULATION}" }} ]

[simulated]
truth = "truth/study.json"
"""


@dataclass(frozen=True)
class OneStain(StudyPlan):
    """A study of which only the tubes that PD-1 of CD8 T cells is read from are made."""

    @property
    def tubes(self) -> tuple[PlannedTube, ...]:
        """Return the sample tubes of the stain and its FMO tubes of the marker."""
        return tuple(t for t in super().tubes if t.stain == STAIN and t.lacks in ("", MARKER))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one simulated study said, and the truth; shifts in percentage points of CD8 T cells.

    Parameters
    ----------
    planted
        The shift of the state.
    truth
        The planted shift as the study's gates see it.
    subjects_truth
        The same of its twelve subjects alone, as counted: what an estimate without error would be.
    reason
        Why there is no estimate.
    """

    seed: int
    planted: float
    estimate: float = math.nan
    low: float = math.nan
    high: float = math.nan
    truth: float = math.nan
    subjects_truth: float = math.nan
    reason: str = ""

    @property
    def is_covered(self) -> bool:
        """Return whether the interval covers the truth; an interval that could not be had does not."""
        return self.low <= self.truth <= self.high

    @property
    def has_sign(self) -> bool:
        """Return whether the estimate has the sign of what was planted."""
        return self.estimate * self.planted > 0


def rows_towards(template: GatingTemplate, population: str) -> GatingTemplate:
    """Return the rows that a population needs, and no other; they are learnt as they are in the whole."""
    needed: set[str] = set()
    waiting = [template.find(population)]
    while waiting:
        path = waiting.pop()
        if path not in needed:
            needed.add(path)
            waiting += template.population(path).depends_on
    kept = tuple(row for row in template.populations if row.path in needed)
    return replace(template, populations=kept, lineage=())


def simulate(folder: Path, seed: int, events: int) -> Path:
    """Write the study, with its truth; return the path of its ``study.toml``."""
    path = write_plan(folder, OneStain(subjects=SUBJECTS, events=events, seed=seed))
    panel = folder / "panel.csv"
    with panel.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["stain"] == STAIN]
    with panel.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    template = rows_towards(GatingTemplate.builtin("human_t"), POPULATION)
    (folder / "template.toml").write_text(template.to_toml(), encoding="utf-8")
    path.write_text(STUDY, encoding="utf-8")
    return path


def outcome(seed: int, events: int) -> Outcome:
    """Simulate, run and judge one study."""
    with tempfile.TemporaryDirectory() as aside:
        folder = Path(aside) / "study"
        run = cytometry.run(simulate(folder, seed, events), Path(aside) / "results")
        found = run.contrasts.query("family == 'primary'").to_dict("records")[0]
        truth = read_truth(folder)
        planted = PER_CENT * truth.planted.query("population == @POPULATION")["shift"].item()
        reason = str(found["reason"])
        if reason:
            return Outcome(seed, planted, reason=reason)
        seen = truth.seen_shifts(boundaries(run))
    return Outcome(
        seed,
        planted,
        estimate=PER_CENT * found["shift"],
        low=PER_CENT * found["shift_low"],
        high=PER_CENT * found["shift_high"],
        truth=planted * float(seen["sees"].mean()),
        subjects_truth=PER_CENT * float(seen["shift"].mean()),
    )


def boundaries(run: Run) -> dict[str, float]:
    """Return where each sample tube's boundary of PD-1 lies, compensated linear scale; none where it abstained."""
    samples = set(run.tubes.loc[run.tubes["kind"] == "sample", "tube"])
    gates = run.gates[run.gates["marker"] == MARKER].to_dict("records")
    of_cd8 = [gate for gate in gates if str(gate["population"]).endswith(f"/{POPULATION}")]
    return {
        gate["tube"]: gate["linear"]
        for gate in of_cd8
        if gate["tube"] in samples and np.isfinite(gate["linear"])
    }


def outcomes(seeds: Sequence[int], events: int, processes: int) -> Iterator[Outcome]:
    """Yield the outcome of each seed, in order; the number of processes changes nothing but the time."""
    judge = partial(outcome, events=events)
    if processes <= 1:
        yield from map(judge, seeds)
        return
    # Several threads in each of several processes only wait for each other.
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(variable, "1")
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        yield from pool.map(judge, seeds)


def required(n: int) -> int:
    """Return how many of ``n`` intervals must cover."""
    return math.floor(n * REQUIRED)


def wilson(k: int, n: int) -> tuple[float, float]:
    """Return the 95 % interval of a proportion (Wilson 1927)."""
    z = 1.959963984540054
    middle = (k + z * z / 2) / (n + z * z)
    half = z / (n + z * z) * math.sqrt(k * (n - k) / n + z * z / 4)
    return middle - half, middle + half


def mean_and_error(values: Sequence[float]) -> tuple[float, float]:
    """Return the mean and its standard error, of the values there are; NaN for fewer than two."""
    there = np.array([value for value in values if np.isfinite(value)])
    if there.size < 2:
        return float(there.mean()) if there.size else math.nan, math.nan
    return float(there.mean()), float(there.std(ddof=1) / math.sqrt(there.size))


def line(one: Outcome) -> str:
    """Return one study's line."""
    if one.reason:
        return f"{one.seed:5d}  no estimate: {one.reason}"
    said = "yes" if one.is_covered else "NO"
    return (
        f"{one.seed:5d} {one.estimate:+9.2f}  [{one.low:+6.2f}, {one.high:+6.2f}] "
        f"{one.truth:+7.2f} {one.subjects_truth:+9.2f}  {said}"
    )


def totals(found: Sequence[Outcome]) -> str:
    """Return what all studies together say, each number with its Monte-Carlo error."""
    n, k = len(found), sum(one.is_covered for one in found)
    low, high = wilson(k, n)
    bias = mean_and_error([one.estimate - one.truth for one in found])
    method = mean_and_error([one.estimate - one.subjects_truth for one in found])
    width = mean_and_error([one.high - one.low for one in found])
    return "\n".join(
        [
            f"covered       {k} of {n}, and {required(n)} are required: {100 * k / n:.1f} %, "
            f"Monte-Carlo interval {100 * low:.0f} to {100 * high:.0f} %",
            f"sign correct  {sum(one.has_sign for one in found)} of {n}",
            f"bias          {bias[0]:+.2f} points (standard error {bias[1]:.2f}), against the truth",
            f"              {method[0]:+.2f} points (standard error {method[1]:.2f}), against the subjects' own",
            f"width         {width[0]:.2f} points (standard error {width[1]:.2f})",
        ]
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the studies and print what was found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=40, help="how many studies; their seeds are 1, 2, ...")
    parser.add_argument("--events", type=int, default=EVENTS, help="recorded events of each tube")
    parser.add_argument("--processes", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--json", type=Path, help="also write every number to this file")
    asked = parser.parse_args(arguments)
    print("PD-1+ of CD8 T cells, on temsirolimus minus baseline, percentage points")
    print(" seed  estimate  95 % interval       truth  subjects  covered")
    found = []
    for one in outcomes(range(1, asked.seeds + 1), asked.events, asked.processes):
        found.append(one)
        print(line(one), flush=True)
    print(totals(found))
    covered = sum(one.is_covered for one in found)
    if asked.json:
        studies = [{**asdict(one), "covered": one.is_covered} for one in found]
        whole = {"covered": covered, "of": len(found), "required": required(len(found)), "studies": studies}
        asked.json.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
    return 0 if covered >= required(len(found)) else 1


if __name__ == "__main__":
    sys.exit(main())
