"""Quality control of acquisitions: what it finds of what was planted, what it loses of good events, and its time.

    python tests/benchmarks/qc.py [--quick] [--tubes 16] [--events 100000] [--data FOLDER] [--json FILE]

*Removal.* Each simulated tube has a clog, a bubble with a rush after it, or both; it is known of every event whether
it came then. Balanced accuracy is the mean of the share of those events that are removed and the share of the others
that are kept. *Clean.* Tubes with every other artefact (doublets, debris, dead cells, margins, carry-over) and an even
stream: nothing should be removed, nothing flagged as drift. *Drift.* The red laser fades by 3 % over the run; the slope
is that of the laser's channels together. Both generators and four panels take turns. *Time.* One tube of a million
events and twenty channels with a clog, a rush and drift, read from its file and checked, five times.

With a folder of real files: what is found in acquisitions that are known to be unstable, beside what PeacoQC's own
report removed of the files of its paper, which are not among these; nothing is tuned to them.

``--quick``, as CI runs it: 6 tubes in each row, and no real files.

Fails (exit 1) where a bar is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cytometry.fcs import Tube, read_fcs, write_fcs
from cytometry.panel import Channel, Panel, guess_panel
from cytometry.qc import Acquisition, check_acquisition, kept_events
from cytometry.simulate import StudyPlan
from cytometry.simulate.acquire import SCATTER, Known, acquire
from cytometry.simulate.biology import specimen
from cytometry.simulate.draws import stream
from cytometry.simulate.instrument import instrument
from cytometry.simulate.palette import palette
from cytometry.simulate.plan import PlannedTube
from cytometry.simulate.recipe import recipe
from cytometry.simulate.tables import panel as stained_panel
from gating.columns import ArrayEvents

GENERATORS = ("first", "second")
EVEN = ("no_clog", "no_spike", "no_drift")
PLANTED_DRIFT = -0.03
ACCURATE, LOST, SLOPE = 0.95, 0.02, 0.01
SECONDS = 2.0
QUICK_TUBES = 6
TIMED_EVENTS, TIMED_CHANNELS, ROUNDS = 1_000_000, 20, 5
REAL = (
    "peacoqc/111.fcs",
    "flowcut/derived_fcs/*.fcs",
    "cytoflow_tasbe/tests/data/module_examples/stabilize.fcs",
)
PEACOQC = "peacoqc/PeacoQC_report.txt"


@dataclass(frozen=True, slots=True, eq=False)
class Made:
    """A simulated tube: its events, its panel, and what each event is."""

    events: ArrayEvents
    panel: Panel
    ranges: tuple[float, ...]
    known: Known

    def check(self) -> Acquisition:
        """Return what quality control finds."""
        return check_acquisition(self.events, self.panel, ranges=self.ranges)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the table, write the numbers; return 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="few tubes, no real files")
    parser.add_argument("--tubes", type=int, default=16, help="of each row of the table")
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("CYTOMETRY_DATA", "")))
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args(arguments)
    if asked.quick:
        asked.tubes, asked.data = QUICK_TUBES, Path()
    rows = [
        removal("clog", ("clog", "no_spike"), asked.tubes, asked.events),
        removal("rush", ("no_clog", "spike"), asked.tubes, asked.events),
        removal("clog and rush", ("clog", "spike"), asked.tubes, asked.events),
        clean(asked.tubes, asked.events),
        drift(asked.tubes, asked.events),
        timed(),
    ]
    width = max(len(row["what"]) for row in rows)
    for row in rows:
        print(
            f"{row['what']:{width}}  {row['found']:68} bar {row['bar']:30} {'met' if row['met'] else 'MISSED'}"
        )
    real = list(real_files(asked.data)) if asked.data.name and asked.data.is_dir() else []
    for line in real:
        print(line)
    if asked.json:
        asked.json.write_text(json.dumps({"rows": rows, "real": real}, indent=1) + "\n", encoding="utf-8")
    print(f"\n{time.process_time():.0f} s of processor time")
    return int(not all(row["met"] for row in rows))


def simulated(seed: int, options: tuple[str, ...], events: int) -> Made:
    """Return the tube of a seed: generator and panel take turns."""
    generator = GENERATORS[seed % 2]
    plan = StudyPlan(options=options, generator=generator, subjects=3, seed=seed)
    stains = sorted({tube.stain for tube in plan.tubes})
    stain = stains[seed // 2 % len(stains)]
    tube = [one for one in plan.tubes if one.kind == "sample" and one.stain == stain][-1]
    return acquired(plan, tube, events)


def acquired(plan: StudyPlan, tube: PlannedTube, events: int) -> Made:
    """Return a planned tube as the instrument records it."""
    stained, of, analyser = stained_panel(tube.panel), specimen(plan, tube), instrument(plan.generator)
    kinds = recipe(of, stained.markers, stimulated=bool(tube.stimulus))
    colours = palette(plan, tube, kinds, panel=stained, instrument=analyser, cd4_loss=of.cd4_loss)
    values, known = acquire(
        stream(plan.seed, "events", *tube.keys), events, plan=plan, tube=tube, recipe=kinds, palette=colours,
        instrument=analyser,
    )  # fmt: skip
    channels = (*SCATTER, *analyser.channels, "Time")
    rows = [Channel(name, name, "", "scatter") for name in SCATTER]
    for name in analyser.channels:
        role = "viability" if name == plan_viability(plan) else "lineage"
        rows.append(Channel(name, stained.marker(name) or name, "", role))
    panel = Panel((*rows, Channel("Time", "Time", "", "time")))
    return Made(ArrayEvents(values, channels), panel, (analyser.top,) * (len(channels) - 1) + (0.0,), known)


def plan_viability(plan: StudyPlan) -> str:
    """Return the detector of the viability dye."""
    from cytometry.simulate.amend import amended

    return str(amended(plan, "artefacts")["viability_channel"])


def removal(what: str, options: tuple[str, ...], tubes: int, events: int) -> dict[str, Any]:
    """Score what is removed against what was planted."""
    accuracy, lost = [], []
    for seed in range(1, tubes + 1):
        made = simulated(seed, (*options, "no_drift"), events)
        gone = ~kept_events(made.events, made.panel, made.check().removed)
        bad = made.known.in_clog | made.known.in_spike
        lost.append(float(gone[~bad].mean()))
        accuracy.append((float(gone[bad].mean()) + 1 - lost[-1]) / 2)
    said = (
        f"balanced accuracy {mean(accuracy, '.4f')}, least {min(accuracy):.3f}; "
        f"good events lost {100 * np.mean(lost):.2f} %"
    )
    met = float(np.mean(accuracy)) >= ACCURATE and float(np.mean(lost)) < LOST
    return {"what": what, "found": said, "bar": "0.95, under 2 % lost", "met": bool(met)} | {
        "accuracy": accuracy,
        "lost": lost,
    }


def clean(tubes: int, events: int) -> dict[str, Any]:
    """Count what is removed or flagged of tubes whose stream is even."""
    lost, flagged = [], 0
    for seed in range(1, tubes + 1):
        made = simulated(seed, (*EVEN, "carry_over", "margin", "doublets", "debris", "dead"), events)
        found = made.check()
        lost.append(found.n_removed / events)
        flagged += any(row["flag"] and row["check"] == "drift" for row in found.checks)
    said = (
        f"events removed {100 * np.mean(lost):.3f} %, most {100 * max(lost):.3f} %; "
        f"drift flagged in {flagged} of {tubes}"
    )
    met = float(np.mean(lost)) < LOST / 10 and flagged <= max(1, tubes // 20)
    return {"what": "clean", "found": said, "bar": "0.2 % removed", "met": bool(met), "lost": lost}


def drift(tubes: int, events: int) -> dict[str, Any]:
    """Compare the slope of the fading laser with what was planted."""
    errors, flagged, lost = [], 0, []
    for seed in range(1, tubes + 1):
        made = simulated(seed, ("no_clog", "no_spike", "drift"), events)
        found = made.check()
        lost.append(found.n_removed / events)
        errors.append(found.lasers["R"].value - PLANTED_DRIFT)
        flagged += any(row["flag"] and row["check"] == "drift" for row in found.checks)
    points = [100 * error for error in errors]
    off = float(np.sqrt(np.mean(np.square(points))))
    said = (
        f"error {mean(points, '+.2f')} points, RMS {off:.2f}, within 1 point {sum(abs(e) < 1 for e in points)}, "
        f"flagged {flagged} of {tubes}"
    )
    met = off < 100 * SLOPE and not sum(lost) and flagged >= 0.9 * tubes
    return {"what": "drift", "found": said, "bar": "1 point, flagged, none removed", "met": bool(met)} | {
        "errors": points
    }


def timed() -> dict[str, Any]:
    """Time the checks of a tube of a million events and twenty channels, from its file."""
    plan = StudyPlan(options=("clog", "spike", "drift"), subjects=3)
    tube = [one for one in plan.tubes if one.kind == "sample"][-1]
    made = acquired(plan, tube, TIMED_EVENTS)
    channels = (*made.events.channels[: TIMED_CHANNELS - 1], "Time")
    places = [made.events.channels.index(name) for name in channels]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tube.fcs"
        write_fcs(path, made.events.values[:, places], channels)
        panel = Panel(tuple(c for c in made.panel.channels if c.detector in channels))
        both = [_seconds(lambda: _checked(path, panel)) for _ in range(ROUNDS + 1)][1:]
    seconds = [wall for wall, _ in both]
    busy = statistics.median(processor for _, processor in both)
    said = (
        f"median {statistics.median(seconds):.3f} s, {min(seconds):.3f} to {max(seconds):.3f}, of {ROUNDS}; "
        f"processor {busy:.3f} s"
    )
    what = f"{TIMED_EVENTS:,} x {TIMED_CHANNELS}"
    met = statistics.median(seconds) < SECONDS
    return {"what": what, "found": said, "bar": "2 s with learning", "met": met, "seconds": seconds}


def _checked(path: Path, panel: Panel) -> Acquisition:
    tube = read_fcs(path)
    return check_acquisition(tube, panel, ranges=tube.ranges)


def _seconds(work: Callable[[], Any]) -> tuple[float, float]:
    """Return the seconds that a work takes: by the clock, and of the processor, whoever else is busy there."""
    begin, used = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - begin, time.process_time() - used


def real_files(data: Path) -> Iterator[str]:
    """Give a line for each real file, and one for each stretch that is found in it."""
    report = data / PEACOQC
    if report.is_file():
        rows = [line.split("\t") for line in report.read_text(encoding="utf-8").splitlines()[1:]]
        shares = [float(row[3]) for row in rows]
        yield (
            f"\nPeacoQC's report of its paper: removed {statistics.median(shares):.1f} % of the events, "
            f"median of {len(rows)} rows"
        )
    for path in sorted(path for pattern in REAL for path in data.glob(pattern)):
        tube: Tube = read_fcs(path)
        panel = guess_panel([tube])[0]
        found = check_acquisition(tube, panel, ranges=tube.ranges)
        flags = ", ".join(row["check"] for row in found.checks if row["flag"]) or "none"
        removed = 100 * found.n_removed / max(tube.n_events, 1)
        yield f"\n{path.name}: {tube.n_events:,} events, {removed:.1f} % removed; flagged: {flags}"
        for one in found.intervals:
            what = f"{one.reason} {one.channel}".strip()
            yield (
                f"  {one.start:9.2f} to {one.stop:9.2f} s  {100 * one.share:5.1f} % of events  "
                f"{'removed' if one.removed else 'kept   '}  {what[:60]}: {one.detail}"
            )


def mean(values: Sequence[float], form: str) -> str:
    """Return a mean with its Monte-Carlo error, the standard error over tubes."""
    error = float(np.std(values, ddof=1) / np.sqrt(len(values))) if len(values) > 1 else float("nan")
    return f"{np.mean(values):{form}} ± {error:{form.lstrip('+')}}"


if __name__ == "__main__":
    sys.exit(main())
