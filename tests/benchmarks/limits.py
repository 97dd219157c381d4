"""Where the engine's time goes, and how far it is from what the machine can do.

    python tests/benchmarks/limits.py [--json FILE] [--events N] [--repeats N] [--folder DIR]

A stage is what a plan with its steps takes longer than the plan that ends before it; so the kernels that are measured
are those that are used. All plans are run in turn, and the least processor time of each counts: what is left then is
the work, not what else the machine does. Beside it stand a copy of the same bytes in memory, their read from the
system's cache, and their read after the system was asked to forget the file.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import workload
from measure import Cost, digits, interleaved, markdown, timed, write

from cytometry.fcs import read_fcs
from cytometry.record import GatedTube, save_tube
from gating import engine, kernels
from gating.columns import ArrayEvents, Columns
from gating.membership import assign
from gating.plan import Plan, dimensions_of, plan_of

STAGES = {
    kernels.LOAD: "load channels into columns",
    kernels.WEIGH: "compensate, float64",
    kernels.INTERVAL: "intervals and quadrants",
    kernels.SCALE: "scale by table",
    kernels.POLYGON: "polygons",
    kernels.ELLIPSOID: "ellipsoids",
    kernels.BOOLEAN: "booleans",
    kernels.FRAME: "mark populations",
    kernels.MARK: "mark populations",
}
START, SWAP, MAPPED = "tiles and codes", "swap bytes, where the file needs it", "map pages of the file"
NUMBER = "smallest codes, header"
SHA, SAVE = "sha256 of the file", "codes and record to disk"
COPY, CACHED, COLD = "copy of the bytes in memory", "read from the system's cache", "read from the disk"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the table, write the numbers."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--folder", type=Path, help="on the disk whose cold read is asked for")
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="cytometry-limits-", dir=asked.folder) as name:
        found = {
            what: 1e9 * seconds / asked.events
            for what, seconds in stages(Path(name), asked.events, asked.repeats).items()
        }
    print(report(found))
    write(asked.json, {"events": asked.events, "ns_per_event": found})


def stages(folder: Path, n_events: int, repeats: int) -> dict[str, float]:
    """Return the seconds of every stage and of every limit, the least of the repeats."""
    recorded = workload.events(n_events, seed=1)
    file = workload.write_tube(folder / "tube.fcs", recorded)
    strategy, tube = workload.strategy(), read_fcs(file)
    apart = {"native": recorded, "swapped": recorded.astype(recorded.dtype.newbyteorder())}
    held = {
        what: Columns(ArrayEvents(v, tube.channels), strategy.dimensions, workload.spillover())
        for what, v in apart.items()
    }
    columns = Columns(tube, strategy.dimensions, workload.spillover())
    stored, _ = engine._opened(columns, dimensions_of(strategy.populations))
    plans = list(_cut(plan_of(strategy, columns, stored)))

    def run(plan: Plan, on: Columns) -> Callable[[], Cost]:
        def do() -> Cost:
            with patch.object(engine, "plan_of", return_value=plan):
                return timed(lambda: engine.gate(strategy, on))

        return do

    membership = assign(strategy, columns)
    gated = GatedTube("tube", strategy, membership, workload.spillover(), ())
    work = {f"{number}": run(plan, held["native"]) for number, plan in enumerate(plans)}
    work |= {"swapped": run(plans[-1], held["swapped"]), "mapped": run(plans[-1], columns)}
    work["assign"] = lambda: timed(
        lambda: assign(strategy, Columns(read_fcs(file), strategy.dimensions, workload.spillover()))
    )
    work |= {SHA: lambda: timed(tube.sha256), SAVE: lambda: timed(lambda: save_tube(folder / "out", gated))}
    least = {
        name: costs.of("wall" if name == COLD else "cpu")[1]
        for name, costs in interleaved(work | _limits(file, recorded), repeats).items()
    }
    whole = least[str(len(plans) - 1)]
    found = {START: least["0"]}
    for number, plan in enumerate(plans[1:], 1):
        stage = STAGES[int(plan.steps[-1, 0])]
        found[stage] = found.get(stage, 0.0) + least[f"{number}"] - least[f"{number - 1}"]
    found |= {MAPPED: least["mapped"] - whole, NUMBER: least["assign"] - least["mapped"]}
    found |= {"assign": least["assign"], SWAP: least["swapped"] - whole}
    return found | {what: least[what] for what in (SHA, SAVE, COPY, CACHED, COLD)}


def _cut(plan: Plan) -> Iterator[Plan]:
    """Give the plan without any step, then ever longer ones, each ending where a stage ends."""
    kind = plan.steps[:, 0]
    ends = [n for n in range(1, len(kind)) if STAGES[int(kind[n - 1])] != STAGES[int(kind[n])]]
    for end in (0, *ends, len(kind)):
        yield replace(plan, steps=plan.steps[:end])


def _limits(file: Path, recorded: np.ndarray) -> dict[str, Callable[[], Cost]]:
    """Return what moving the file's bytes takes, and nothing else."""
    room = np.empty_like(recorded)
    buffer = memoryview(
        np.zeros(file.stat().st_size, dtype=np.uint8)
    )  # written to once, so that its pages are there

    def read() -> None:
        with file.open("rb", buffering=0) as handle:
            at = 0
            while at < len(buffer):
                at += handle.readinto(buffer[at:]) or len(buffer)

    def forgotten() -> Cost:
        with file.open("rb") as handle:
            os.fsync(handle.fileno())
            os.posix_fadvise(handle.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        cold = timed(read)
        read()
        return cold

    return {
        COPY: lambda: timed(lambda: np.copyto(room, recorded)),
        CACHED: lambda: timed(read),
        COLD: forgotten,
    }


def report(found: dict[str, float]) -> str:
    """Return the tables: stages with their share, then what stands beside them as multiples of a copy."""
    beside = (SWAP, SHA, SAVE, "assign", COPY, CACHED, COLD)
    whole = found["assign"]
    inside = sorted((what for what in found if what not in beside), key=lambda what: -found[what])
    rows = [[what, digits(found[what]), f"{100 * found[what] / whole:.0f} %"] for what in inside]
    rows.append(["**read_fcs + assign**", f"**{digits(whole)}**", "100 %"])
    rows += [[what, digits(found[what]), f"{100 * found[what] / whole:.0f} %"] for what in (SWAP, SHA, SAVE)]
    rows += [
        [what, digits(found[what]), f"{100 * found[what] / whole:.0f} %"] for what in (COPY, CACHED, COLD)
    ]
    far = f"read_fcs + assign takes {digits(whole / found[COPY])} times a copy of the bytes, "
    far += f"{digits(whole / found[CACHED])} times their read from the system's cache, "
    far += f"{digits(whole / found[COLD])} times their read from the disk."
    return f"{markdown(('stage', 'ns per event', 'of the whole'), rows)}\n\n{far}"


if __name__ == "__main__":
    main()
