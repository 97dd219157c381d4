"""How long checks and learning take beside gating, a tube of 1M events and 23 channels, by the human T template.

    python tests/benchmarks/learning.py [--json FILE] [--quick]

A simulated stain of two samples and four FMO controls is checked, learnt and gated as a run does it, each file in the
system's cache and compiled kernels in numba's. Seconds are of one tube and 1M events: medians of the repeats, and in
brackets the least and the most. The memory is the peak of the process, files that it maps not counted.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from measure import MB, Cost, Costs, child, digits, interleaved, markdown, spread, timed, write

from cytometry.checked import CheckJob, check_tube
from cytometry.compensation import choose_spillover
from cytometry.digest import stamp
from cytometry.fcs import read_fcs
from cytometry.learnt import StainJob, StainLearnt, StainTube, learn_stain
from cytometry.simulate import simulate_study
from cytometry.study import Study, read_study
from gating.columns import Columns
from gating.membership import assign
from gating.strategy import GatingStrategy

BAR, AIM = 2.0, 0.5  # seconds of checks and learning, a tube of 1M events and 20 channels
SEED = 5
COLUMNS = ("work", "s per 1M events", "processor s", "of gating")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the table, write the numbers."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--quick", action="store_true", help="each work once: about a minute")
    parser.add_argument("--only-learn", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    if asked.only_learn:
        learnt(read_study(asked.only_learn))
        return
    # Most of what rules cost does not depend on the events: fewer of them would make learning look slower.
    n_events, repeats = 1_000_000, 1 if asked.quick else 5
    with tempfile.TemporaryDirectory(prefix="cytometry-learning-") as name:
        folder = Path(name) / "study"
        simulate_study(folder, subjects=1, batches=1, events=n_events, seed=SEED, stains=("T",))
        found = measured(read_study(folder), n_events, repeats)
        peak = child([sys.executable, Path(__file__).resolve(), "--only-learn", folder]).memory
    print(markdown(COLUMNS, rows(found)))
    both = found["checks"].of("cpu")[0] + found["learning"].of("cpu")[0]
    verdict = "within the aim" if both <= AIM else "within the bar" if both <= BAR else "beyond the bar"
    print(f"\nchecks and learning take {digits(both)} processor seconds: {verdict} ({BAR:g}, aim {AIM:g})")
    spent = sum(getattr(os.times(), name) for name in ("user", "system", "children_user", "children_system"))
    print(f"{spent:.0f} s of processor time")
    print(f"peak memory of learning six tubes of {n_events:,} events: {peak / MB:,.0f} MB")
    plain = {name: costs.plain() for name, costs in found.items()}
    write(asked.json, {"n_events": n_events, "per_1M": plain, "both": both, "memory": peak})


def rows(found: Mapping[str, Costs]) -> list[list[str]]:
    """Return the table's rows: of each work the seconds, and how often gating fits into them."""
    gating = found["gating"].of("cpu")[0]
    return [
        [work, spread(costs.of("wall")), spread(costs.of("cpu")), digits(costs.of("cpu")[0] / gating)]
        for work, costs in found.items()
    ]


def measured(study: Study, n_events: int, repeats: int) -> dict[str, Costs]:
    """Return what each work costs, for a tube of 1M events."""
    strategies = learnt(study)  # and so numba's kernels are compiled, and the files read once
    works: dict[str, Callable[[], object]] = {
        "checks": partial(checked, study),
        "learning": partial(learnt, study),
        "gating": partial(gated, study, strategies),
    }
    share = len(study.tubes) * n_events / 1e6
    found = interleaved({name: partial(timed, work) for name, work in works.items()}, repeats)
    return {name: _per(costs, share) for name, costs in found.items()}


def _per(costs: Costs, share: float) -> Costs:
    return Costs(tuple(Cost(one.wall / share, one.cpu / share) for one in costs.each))


def checked(study: Study) -> None:
    """Check how every tube was acquired, with nothing remembered."""
    stain = study.stains["T"]
    with tempfile.TemporaryDirectory(prefix="cytometry-checked-") as out:
        for row in study.tubes:
            file = study.folder / row.file
            check_tube(CheckJob(row.tube, file, Path(out), stain.panel, study.limits, row.tube, stamp(file)))


def learnt(study: Study) -> StainLearnt:
    """Learn the stain's scales and gates, with nothing remembered."""
    stain = study.stains["T"]
    tubes = []
    for row in study.tubes:
        file = study.folder / row.file
        spillover, _ = choose_spillover(stain.compensation, read_fcs(file), folder=study.folder)
        tubes.append(StainTube(row, file, row.tube, stamp(file), spillover))
    with tempfile.TemporaryDirectory(prefix="cytometry-learnt-") as out:
        (Path(out) / ".cache").mkdir()
        job = StainJob(
            "T",
            Path(out),
            stain.panel,
            stain.template,
            stain.scales,
            study.seed,
            study.stand_in,
            tuple(tubes),
        )
        found = learn_stain(job)
    if found.lost or found.refused:
        msg = f"nothing was learnt: {found.lost or found.refused}"
        raise RuntimeError(msg)
    return found


def gated(study: Study, found: StainLearnt) -> None:
    """Gate every tube by its own strategy."""
    stain = study.stains["T"]
    for row in study.tubes:
        tube = read_fcs(study.folder / row.file)
        spillover, _ = choose_spillover(stain.compensation, tube, folder=study.folder)
        strategy = GatingStrategy(found.dimensions, found.tubes[row.tube].strategy.populations)
        assign(strategy, Columns(tube, strategy.dimensions, spillover))


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
