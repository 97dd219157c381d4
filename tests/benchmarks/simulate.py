"""How fast a study is simulated: events a second of acquiring alone, and with the files and the truth written.

Seconds are those of the processor, all threads together, so that other work on the machine counts little.

python tests/benchmarks/simulate.py [--events 200000] [--repeats 7] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from cytometry.simulate import StudyPlan
from cytometry.simulate.acquire import acquire
from cytometry.simulate.biology import specimen
from cytometry.simulate.draws import stream
from cytometry.simulate.instrument import instrument
from cytometry.simulate.palette import palette
from cytometry.simulate.plan import PlannedTube
from cytometry.simulate.recipe import recipe
from cytometry.simulate.record import watched
from cytometry.simulate.study import write_tube
from cytometry.simulate.tables import panel


def main() -> None:
    """Print medians and ranges, one row per generator, stain and work."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    found = []
    print(f"{asked.events:,} events a tube, {asked.repeats} repeats, million events a second of one core")
    print(f"{'generator':10s} {'stain':10s} {'work':26s} {'median':>7s}  range")
    for generator in ("first", "second"):
        plan = StudyPlan(events=asked.events, generator=generator, subjects=1, batches=1)
        for stain in ("T", "myeloid", "cytokine"):
            tube = next(t for t in plan.tubes if t.stain == stain and t.kind == "sample")
            for what, speeds in _speeds(plan, tube, repeats=asked.repeats).items():
                low, middle, high = min(speeds), statistics.median(speeds), max(speeds)
                print(f"{generator:10s} {stain:10s} {what:26s} {middle:7.2f}  {low:.2f}-{high:.2f}")
                found.append(
                    {"generator": generator, "stain": stain, "work": what, "million events a second": speeds}
                )
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def _speeds(plan: StudyPlan, tube: PlannedTube, *, repeats: int) -> dict[str, list[float]]:
    """Return million events a second of each kind of work; interleaved, so that a slow moment falls on all."""
    analyser, stained, of = instrument(plan.generator), panel(tube.panel), specimen(plan, tube)
    kinds = recipe(of, stained.markers, stimulated=bool(tube.stimulus))
    colours = palette(plan, tube, kinds, panel=stained, instrument=analyser, cd4_loss=of.cd4_loss)

    def acquired() -> None:
        acquire(
            stream(plan.seed, "events", *tube.keys),
            plan.events,
            plan=plan,
            tube=tube,
            recipe=kinds,
            palette=colours,
            instrument=analyser,
            watched=watched(tube.panel, analyser),
        )

    def written() -> None:
        with tempfile.TemporaryDirectory() as name:
            for part in ("fcs", "truth"):
                (Path(name) / part).mkdir()
            write_tube(Path(name), plan, tube)

    work: dict[str, Callable[[], None]] = {"acquire": acquired, "acquire, write FCS, truth": written}
    for do in work.values():
        do()  # what is read and built once
    speeds: dict[str, list[float]] = {what: [] for what in work}
    for _ in range(repeats):
        for what, do in work.items():
            begin = time.process_time()
            do()
            speeds[what].append(plan.events / (time.process_time() - begin) / 1e6)
    return speeds


if __name__ == "__main__":
    main()
