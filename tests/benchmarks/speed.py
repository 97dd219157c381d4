"""How fast, against FlowKit: in one process, for whole processes with their start, and for dense arrays.

    python tests/benchmarks/speed.py [--json FILE] [--quick]

All works of a table are done in turn, in one run; medians, and in brackets the least and the most. Files are in the
system's cache, and compiled kernels in numba's, but for the first start, which is given by itself. Every event and
every count is compared.
"""

from __future__ import annotations

import argparse
import csv
import json
import pickle
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import workload
from measure import MB, Cost, Costs, child, interleaved, markdown, ratio, spread, timed, write

from cytometry.fcs import read_fcs
from gating.columns import ArrayEvents, Columns
from gating.engine import read
from gating.membership import Membership, assign

SCRIPTS = Path(__file__).resolve().parent / "scripts"
COLUMNS = (
    "work",
    "times faster",
    "by processor time",
    "theirs, s",
    "ours, s",
    "theirs, MB",
    "ours, MB",
    "differ",
)
TUBE = 500_000
RUN = (sys.executable, "-m", "cytometry", "run")


@dataclass(frozen=True, slots=True)
class Row:
    """A work done by others and by us, and how many of its answers differ."""

    work: str
    theirs: Costs
    ours: Costs
    differ: int

    def cells(self) -> list[str]:
        """Return the row as it is printed."""
        times = [spread(ratio(self.theirs, self.ours, what)) for what in ("wall", "cpu")]
        seconds = [spread(one.of("wall")) for one in (self.theirs, self.ours)]
        memory = [spread(one.of("memory"), MB) for one in (self.theirs, self.ours)]
        return [self.work, *times, *seconds, *memory, str(self.differ)]

    def plain(self) -> dict[str, Any]:
        """Return the row as plain values, for JSON."""
        said = {
            "work": self.work,
            "theirs": self.theirs.plain(),
            "ours": self.ours.plain(),
            "differ": self.differ,
        }
        return said | {f"times_{what}": ratio(self.theirs, self.ours, what) for what in ("wall", "cpu")}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the tables, write the numbers."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", type=Path)
    parser.add_argument(
        "--quick", action="store_true", help="smaller works, fewer repeats: less than two minutes"
    )
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="cytometry-speed-") as name:
        rows, first = _rows(Path(name), quick=asked.quick), first_start(Path(name))
    print(markdown(COLUMNS, [row.cells() for row in rows]))
    print(f"\n{first['text']}")
    write(asked.json, {"rows": [row.plain() for row in rows], "first_start": first})


def _rows(folder: Path, *, quick: bool) -> list[Row]:
    """Do the works, small ones more often than large ones."""
    sizes = (
        {100_000: (5, 5), 1_000_000: (3, 2)}
        if quick
        else {100_000: (9, 9), 1_000_000: (7, 5), 5_000_000: (5, 2)}
    )
    rows: list[Row] = []
    for n_events, (repeats, theirs) in sizes.items():
        rows += in_process(
            folder, n_events, repeats=repeats, theirs=theirs, cached=n_events == 1_000_000 and not quick
        )
    rows.append(dense(200_000 if quick else 1_000_000, 5))
    cohorts = {(1, TUBE): (3, 2), (8, TUBE): (2, 1)} if quick else {
        (1, 100_000): (5, 3), (1, 1_000_000): (5, 2), (1, 5_000_000): (3, 1), (64, TUBE): (3, 1)
    }  # fmt: skip
    for (n_tubes, n_events), (repeats, theirs) in cohorts.items():
        rows += whole_process(folder, n_tubes, n_events, repeats=repeats, theirs=theirs)
    return rows


def in_process(folder: Path, n_events: int, *, repeats: int, theirs: int, cached: bool) -> list[Row]:
    """Gate one tube, from its file to the membership of every event."""
    import flowkit as fk

    file = workload.write_tubes(folder / f"one of {n_events}", 1, n_events)[0]
    strategy, flowkits = workload.strategy(), workload.flowkit_strategy()
    found: dict[str, Any] = {}

    def ours() -> None:
        tube = read_fcs(file)
        found["ours"] = assign(strategy, Columns(tube, strategy.dimensions, workload.spillover()))

    def flowkit(*, cache_events: bool = False) -> None:
        found["theirs"] = None  # the events of the last repeat are let go first
        sample = fk.Sample(file, sample_id="tube")
        found["theirs"] = flowkits.gate_sample(sample, cache_events=cache_events)
        flowkits.clear_cache()

    ours()  # compiled, or from numba's cache
    work: dict[str, Callable[[], Cost]] = {"ours": lambda: timed(ours), "FlowKit": lambda: timed(flowkit)}
    if cached:
        work["FlowKit, cache_events"] = lambda: timed(lambda: flowkit(cache_events=True))
    fewer = {"FlowKit": theirs, "FlowKit, cache_events": min(theirs, 3)}
    costs = interleaved(work, repeats, fewer=fewer)
    differ = _differ(found["ours"], found["theirs"])
    what = f"in process, {n_events:,} events"
    others = [name for name in work if name != "ours"]
    return [Row(f"{what}, {name}", costs[name], costs["ours"], differ) for name in others]


def _differ(ours: Membership, theirs: Any) -> int:
    """Return how many events of how many populations are gated otherwise."""
    total = 0
    for path in ours.populations:
        *above, name = path.split("/")
        total += int(np.count_nonzero(theirs.get_gate_membership(name, ("root", *above)) != ours.of(path)))
    return total


def dense(n_events: int, repeats: int) -> Row:
    """Compensate and scale 16 channels of all events, to float32."""
    from flowutils.compensate import compensate
    from flowutils.transforms import logicle

    recorded = workload.events(n_events, seed=1)
    doubles = recorded.astype(np.float64)
    dimensions = {name: d for name, d in workload.strategy().dimensions.items() if d.compensated}
    columns = Columns(ArrayEvents(recorded, workload.CHANNELS), dimensions, workload.spillover())
    places = [workload.CHANNELS.index(d.channel) for d in dimensions.values()]
    in_order = [workload.CHANNELS.index(name) for name in workload.DETECTORS]
    scale = dimensions[workload.MARKERS[0]].scale
    found: dict[str, Any] = {}

    def ours() -> None:
        found["ours"] = read(columns, tuple(dimensions))

    def flowutils() -> None:
        light = compensate(doubles, workload.spillover().matrix, in_order)
        told = {key: getattr(scale, key) for key in "tmwa"}
        found["theirs"] = logicle(light, in_order, **told)[:, places].astype(np.float32)

    ours()
    costs = interleaved({"ours": lambda: timed(ours), "theirs": lambda: timed(flowutils)}, repeats)
    differ = np.abs(found["ours"] - found["theirs"]) > np.finfo(np.float32).eps
    what = f"compensate + logicle of {len(places)} channels, {n_events:,} events, flowutils"
    return Row(what, costs["theirs"], costs["ours"], int(differ.sum()))


def whole_process(folder: Path, n_tubes: int, n_events: int, *, repeats: int, theirs: int) -> list[Row]:
    """Gate a folder, from the start of a process to its end, with one and with two of them at work."""
    place = folder / f"{n_tubes} of {n_events}"
    _see_room(folder, 1.2 * n_tubes * n_events * 4 * len(workload.CHANNELS))
    workload.write_tubes(place, n_tubes, n_events)
    strategy, pickled = folder / "strategy.json", folder / "strategy.pickle"
    strategy.write_text(json.dumps(workload.strategy().to_dict()), encoding="utf-8")
    pickled.write_bytes(pickle.dumps(workload.flowkit_strategy()))
    flowkit, loop = (
        (sys.executable, SCRIPTS / "with_flowkit.py"),
        (sys.executable, SCRIPTS / "with_a_loop.py"),
    )
    number = count()

    def run(jobs: int) -> Cost:
        out = folder / f"{place.name}, result {next(number)}"  # a new one: a run takes up what it finds
        made = child([*RUN, place, "--strategy", strategy, "-o", out, "-q", "-j", str(jobs)])
        (out / "tables" / "statistics.csv").replace(folder / "ours.csv")
        return made

    work = {
        "run": lambda: run(1),
        "loop": lambda: child([*loop, place, strategy, folder / "loop.csv"]),
        "FlowKit": lambda: child([*flowkit, place, pickled, folder / "theirs.csv"]),
    }
    if n_tubes > 1:
        work["run -j 2"] = lambda: run(2)
        work["FlowKit, 2"] = lambda: child([*flowkit, place, pickled, folder / "theirs.csv", "2"])
    costs = interleaved(work, repeats, fewer={"FlowKit": theirs, "FlowKit, 2": theirs})
    shutil.rmtree(place)
    known = counts(folder / "theirs.csv")
    from_run, from_loop = (
        _unlike(known, counts(folder / "ours.csv")),
        _unlike(known, counts(folder / "loop.csv")),
    )
    what = f"{n_tubes} x {n_events:,}"
    rows = [Row(f"process, {what}, `cytometry run`", costs["FlowKit"], costs["run"], from_run)]
    rows.append(Row(f"process, {what}, a plain loop", costs["FlowKit"], costs["loop"], from_loop))
    if n_tubes > 1:
        rows.append(Row(f"process, {what}, both with 2", costs["FlowKit, 2"], costs["run -j 2"], from_run))
    return rows


def _see_room(folder: Path, needed: float) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed:
        sys.exit(
            f"{folder} has {free / 1e9:.1f} GB free, {needed / 1e9:.1f} are needed; set TMPDIR to a larger place"
        )


def counts(table: Path) -> dict[tuple[str, str], int]:
    """Return the events of each population of each tube, from a script's table or a run's."""
    with table.open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    if "statistic" in rows[0]:
        rows = [
            {**row, "count": row["value"]}
            for row in rows
            if row["statistic"] == "count" and row["population"]
        ]
    return {(row["tube"], row["population"]): int(float(row["count"])) for row in rows}


def _unlike(known: Mapping[tuple[str, str], int], found: Mapping[tuple[str, str], int]) -> int:
    return sum(known.get(key) != found.get(key) for key in known.keys() | found.keys())


def first_start(folder: Path) -> dict[str, Any]:
    """Return what the first start of all costs, when kernels are compiled, beside the next."""
    place = folder / "first"
    workload.write_tubes(place, 1, 1000)
    command = [
        sys.executable,
        SCRIPTS / "with_a_loop.py",
        place,
        folder / "strategy.json",
        folder / "first.csv",
    ]
    cache = {"NUMBA_CACHE_DIR": str(folder / "compiled")}
    first, then = child(command, environment=cache), child(command, environment=cache)
    text = f"One small tube at the first start, when kernels are compiled: {first.wall:.1f} s; then {then.wall:.1f} s."
    return {"first": first.wall, "then": then.wall, "text": text}


if __name__ == "__main__":
    main()
