"""How time and memory grow with events, tubes, populations and workers.

    python tests/benchmarks/scaling.py [--json FILE] [--quick]

Gating by itself is timed in this process, from the file to the membership of every event; memory, and the work with
many tubes, in processes of their own: ``cytometry run`` with a given strategy. The exponent is that of ``time ~ size **
b`` over the larger half of the sizes, where fixed costs count for little. All sizes are done in turn; medians are
printed, and the least processor time of each goes into a fit.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any

import workload
from measure import (
    MB,
    Cost,
    Costs,
    child,
    digits,
    exponent,
    interleaved,
    markdown,
    spread,
    straight,
    timed,
    write,
)

from cytometry.fcs import read_fcs
from gating.columns import Columns
from gating.membership import assign
from gating.strategy import GatingStrategy

RUN = (sys.executable, "-m", "cytometry", "run")
EVENTS = (10_000, 100_000, 300_000, 1_000_000, 2_000_000, 5_000_000)
TUBES = (1, 4, 16, 64)
POPULATIONS = (5, 10, 20, 50, 100, 200)
PER_TUBE = 200_000
BAR, AIM, PER_EVENT = 250 * MB, 150 * MB, 8
Said = dict[str, Any]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the tables, write the numbers."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--quick", action="store_true", help="smaller sizes, fewer repeats")
    asked = parser.parse_args(arguments)
    found: dict[str, Said] = {}
    with tempfile.TemporaryDirectory(prefix="cytometry-scaling-") as name:
        for what, measured in {
            "events": events,
            "populations": populations,
            "tubes": tubes,
            "workers": workers,
        }.items():
            folder = Path(name) / what
            folder.mkdir()
            found[what] = measured(folder, quick=asked.quick)
            print(found[what].pop("text") + "\n", flush=True)
    write(asked.json, found)


def events(folder: Path, *, quick: bool) -> Said:
    """Time in this process, and memory of a whole one, against the events of one tube."""
    sizes = EVENTS[:-2] if quick else EVENTS
    strategy = workload.strategy()
    files = {n: workload.write_tubes(folder / str(n), 1, n)[0] for n in sizes}
    inside = interleaved({str(n): _gating(file, strategy) for n, file in files.items()}, 3 if quick else 7)
    outside = interleaved({str(n): _run(folder, folder / str(n)) for n in sizes}, 1 if quick else 3)
    memory = [outside[str(n)].of("memory")[0] for n in sizes]
    rows = [
        [f"{n:,}", *_times(inside[str(n)], n), digits(at / MB), digits((BAR + PER_EVENT * n) / MB)]
        for n, at in zip(sizes, memory, strict=True)
    ]
    fixed, each = straight(sizes, memory)
    table = markdown(("events", "gating, s", "ns per event", "memory of a process, MB", "bar, MB"), rows)
    grows = _grows("events", inside, sizes)
    memory_said = f"Memory: {fixed / MB:.0f} MB and {each:.1f} bytes per event"
    memory_said += f" (the aim is {AIM / MB:.0f} and {PER_EVENT})."
    fit = {"memory_fixed": fixed, "memory_per_event": each}
    return _said(f"{table}\n\n{grows[0]} {memory_said}", sizes, inside, {**grows[1], **fit, "memory": memory})


def populations(folder: Path, *, quick: bool) -> Said:
    """Time in this process against the populations of a strategy."""
    sizes = POPULATIONS[:4] if quick else POPULATIONS
    n_events = 100_000 if quick else 300_000
    file = workload.write_tubes(folder, 1, n_events)[0]
    work = {str(n): _gating(file, workload.strategy_of(n)) for n in sizes}
    inside = interleaved(work, 3 if quick else 7)
    rows = [[str(n), *_times(inside[str(n)], n * n_events)] for n in sizes]
    table = markdown(("populations", "gating, s", "ns per event and population"), rows)
    grows = _grows("populations", inside, sizes)
    return _said(f"{table}\n\n{grows[0]}", sizes, inside, grows[1])


def tubes(folder: Path, *, quick: bool) -> Said:
    """Time and memory of ``cytometry run`` against the number of tubes."""
    sizes = TUBES[:3] if quick else TUBES
    n_events = 50_000 if quick else PER_TUBE
    for n in sizes:
        workload.write_tubes(folder / str(n), n, n_events)
    outside = interleaved({str(n): _run(folder, folder / str(n)) for n in sizes}, 1 if quick else 3)
    memory = [outside[str(n)].of("memory")[0] for n in sizes]
    rows = [
        [
            f"{n} x {n_events:,}",
            spread(outside[str(n)].of("wall")),
            digits(outside[str(n)].of("cpu")[0]),
            digits(at / MB),
        ]
        for n, at in zip(sizes, memory, strict=True)
    ]
    table = markdown(("tubes", "`cytometry run`, s", "processor, s", "memory, MB"), rows)
    start, each = straight(sizes, [outside[str(n)].of("cpu")[1] for n in sizes])
    _, more = straight(sizes, memory)
    bar = BAR + PER_EVENT * n_events
    text = f"{start:.1f} s to start and {1e3 * each:.0f} ms a tube. Memory: {more / MB:+.2f} MB a tube; the most is "
    text += f"{max(memory) / MB:.0f} MB, and {bar / MB:.0f} are allowed."
    fit = {"start": start, "per_tube": each, "memory_per_tube": more, "memory": memory, "bar": bar}
    return _said(f"{table}\n\n{text}", sizes, outside, fit)


def workers(folder: Path, *, quick: bool) -> Said:
    """Time of ``cytometry run`` against who does the work; a Dask cluster stands before the clock starts."""
    n_tubes, n_events = (4, 50_000) if quick else (32, PER_TUBE)
    place = folder / "fcs"
    workload.write_tubes(place, n_tubes, n_events)
    work = {"1": _run(folder, place, "-j", "1"), "2": _run(folder, place, "-j", "2")}
    repeats = 1 if quick else 3
    if find_spec("distributed"):
        from distributed import LocalCluster

        options = {"threads_per_worker": 1, "processes": True, "dashboard_address": None, "silence_logs": 50}
        with LocalCluster(n_workers=2, **options) as cluster:
            address = str(cluster.scheduler_address)
            work["2 of a Dask cluster"] = _run(folder, place, "--scheduler", address)
            found = interleaved(work, repeats)
    else:
        found = interleaved(work, repeats)
    alone = found["1"].of("wall")[0]
    rows = [
        [
            name,
            spread(costs.of("wall")),
            digits(alone / costs.of("wall")[0]),
            digits(costs.of("memory")[0] / MB),
        ]
        for name, costs in found.items()
    ]
    table = markdown((f"workers, {n_tubes} x {n_events:,}", "s", "times faster than 1", "memory, MB"), rows)
    note = "A cluster's processor time and memory are not this process's, and not in the table."
    return _said(f"{table}\n\n{note}" if len(found) > 2 else table, list(found), found, {})


def _gating(file: Path, strategy: GatingStrategy) -> Callable[[], Cost]:
    def gate() -> None:
        tube = read_fcs(file)
        assign(strategy, Columns(tube, strategy.dimensions, workload.spillover()))

    gate()  # compiled, its pages in the cache
    return lambda: timed(gate)


def _run(folder: Path, place: Path, *options: str) -> Callable[[], Cost]:
    strategy, number = folder / "strategy.json", count()
    strategy.write_text(json.dumps(workload.strategy().to_dict()), encoding="utf-8")

    def run() -> Cost:
        out = folder / f"result {place.name} {'-'.join(options)} {next(number)}".replace("/", "_")
        return child([*RUN, place, "--strategy", strategy, "-o", out, "-q", *options])

    return run


def _times(costs: Costs, of: int) -> tuple[str, str]:
    """Return seconds with their range, and the least processor time in ns for each that is counted."""
    return spread(costs.of("wall")), digits(1e9 * costs.of("cpu")[1] / of)


def _grows(what: str, costs: Mapping[str, Costs], sizes: Sequence[int]) -> tuple[str, dict[str, float]]:
    """Return the exponent of the larger half, and the straight line through all, in words and as numbers."""
    least = [costs[str(n)].of("cpu")[1] for n in sizes]
    half = len(sizes) // 2
    power = exponent(sizes[half:], least[half:])
    fixed, each = straight(sizes, least)
    text = f"Time grows as {what} to the power of {power:.2f}."
    return text, {"exponent": power, "fixed": fixed, "each": each}


def _said(text: str, sizes: Sequence[Any], costs: Mapping[str, Costs], fit: Mapping[str, Any]) -> Said:
    return {
        "text": text,
        "sizes": list(sizes),
        "costs": {name: c.plain() for name, c in costs.items()},
        **fit,
    }


if __name__ == "__main__":
    main()
