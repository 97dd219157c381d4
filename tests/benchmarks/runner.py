"""What running costs: gating a cohort's files through workers, against a plain loop over the same function.

python tests/benchmarks/runner.py [--tubes 40] [--events 100000] [--rounds 5] [--json FILE]

Each way is warm before its clock starts: what it costs to start is printed beside it. Two processes are held against
two plain loops side by side, each over half of the tubes; one Dask worker against one plain loop. The second table is
of tubes that wait for 50 ms and answer as others do: what it costs to hand out and to take in, where workers, scheduler
and this process do not fight for the same cores.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from waiting import WAIT, wait
from workload import strategy, write_tubes

from cytometry._cohort.tube import FileJob, gate_file
from cytometry.study import SheetRow
from cytometry.workers import Failure, Workers, open_workers

KINDS = 4  # distinct files, each as several tubes
WARM = 4
Jobs = Sequence[FileJob]
Task = Callable[[FileJob], Any]


def main() -> None:
    """Print medians and ranges, way by way."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tubes", type=int, default=40)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = write_tubes(folder / "fcs", KINDS, asked.events)
        works = {f"gated, {asked.events:,} events each": gate_file, f"waiting for {1e3 * WAIT:.0f} ms": wait}
        found = {what: _measured(task, files, folder / task.__name__, asked) for what, task in works.items()}
    for what, ways in found.items():
        print(f"{asked.tubes} tubes {what}; medians and ranges of {asked.rounds} rounds, interleaved")
        print(
            f"{'way':16} {'ms a tube':>20} {'against its plain loop':>25} {'own ms a tube':>14} {'start s':>8}"
        )
        for way, said in ways.items():
            each, ratio = _range(said["ms"], ".1f"), _range(said["ratio"], ".3f")
            own = statistics.median(said["own"])
            print(f"{way:16} {each:>20} {ratio:>25} {own:14.2f} {said['start']:8.2f}")
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def _measured(task: Task, files: Sequence[Path], folder: Path, asked: argparse.Namespace) -> dict[str, Any]:
    """Return by way its milliseconds a tube, and how they compare with the plain loop of the same round."""
    ways: dict[str, tuple[Callable[[], Workers], int]] = {
        "1 process": (open_workers, 1),
        "2 processes": (lambda: open_workers(2), 2),
    }
    cluster = _cluster()
    if cluster is not None:
        ways["Dask, 1 worker"] = (lambda: open_workers(scheduler=cluster.scheduler_address), 1)
    seconds: dict[str, list[float]] = {f"plain loop x {n}": [] for n in (1, 2)} | {way: [] for way in ways}
    starts = dict.fromkeys(seconds, 0.0)
    for number in range(asked.rounds):
        for n in (1, 2):
            jobs = _jobs(files, folder / f"loop{n}-{number}", asked.tubes)
            seconds[f"plain loop x {n}"].append(_side_by_side(task, jobs, n))
        for place, (way, (opened, _)) in enumerate(ways.items()):
            jobs = _jobs(files, folder / f"way{place}-{number}", asked.tubes)
            starts[way], spent = _through(task, opened, jobs)
            seconds[way].append(spent)
    if cluster is not None:
        cluster.close()
    found = {}
    for way, each in seconds.items():
        base = seconds[way if way.startswith("plain") else f"plain loop x {ways[way][1]}"]
        found[way] = {
            "ms": [1e3 * one / asked.tubes for one in each],
            "ratio": [one / other for one, other in zip(each, base, strict=True)],
            "own": [1e3 * (one - other) / asked.tubes for one, other in zip(each, base, strict=True)],
            "start": starts[way],
        }
    return found


def _jobs(files: Sequence[Path], out: Path, tubes: int) -> list[FileJob]:
    """Return jobs whose results have a folder of their own, so that none is there already."""
    return [
        FileJob(SheetRow(f"{n}.fcs", f"{n}"), n, files[n % len(files)], strategy(), "fcs", out)
        for n in range(-WARM, tubes)
    ]


def _through(task: Task, opened: Callable[[], Workers], jobs: Jobs) -> tuple[float, float]:
    """Return the seconds until workers have done the first jobs, and those for the rest."""

    def take(name: str, result: Any) -> None:
        if isinstance(result, Failure):
            sys.exit(f"{name}: {result.message}")

    begin = time.perf_counter()
    with opened() as workers:
        workers.run(task, ((job.row.tube, (job,)) for job in jobs[:WARM]), done=take)
        warm = time.perf_counter()
        workers.run(task, ((job.row.tube, (job,)) for job in jobs[WARM:]), done=take)
        return warm - begin, time.perf_counter() - warm


def _side_by_side(task: Task, jobs: Jobs, n: int) -> float:
    """Return the seconds that plain loops in ``n`` fresh processes take, which begin together."""
    context = get_context("spawn")
    ready, said = context.Barrier(n), context.Queue()
    loops = [
        context.Process(target=_loop, args=(task, [*jobs[:WARM], *jobs[WARM + place :: n]], ready, said))
        for place in range(n)
    ]
    for loop in loops:
        loop.start()
    spent = [said.get() for _ in loops]
    for loop in loops:
        loop.join()
    return max(spent)


def _loop(task: Task, jobs: Jobs, ready: Any, said: Any) -> None:
    for job in jobs[:WARM]:
        task(job)
    ready.wait()
    begin = time.perf_counter()
    for job in jobs[WARM:]:
        task(job)
    said.put(time.perf_counter() - begin)


def _cluster() -> Any:
    """Return a scheduler with one worker process; ``None`` where Dask is not installed."""
    try:
        from distributed import LocalCluster
    except ImportError:
        return None
    return LocalCluster(n_workers=1, threads_per_worker=1, processes=True, dashboard_address=None)


def _range(values: Sequence[float], form: str) -> str:
    return f"{statistics.median(values):{form}} ({min(values):{form}}-{max(values):{form}})"


if __name__ == "__main__":
    main()
