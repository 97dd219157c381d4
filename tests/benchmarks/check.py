"""How long `cytometry check` takes, once imported: against reading the same headers, and the same events.

python tests/benchmarks/check.py [--files 100] [--events 20000] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from cytometry.fcs import read_fcs, write_fcs
from cytometry.study import check_study

CHANNELS = ("FSC-A", "SSC-A", *(f"V{450 + 10 * n}-A" for n in range(16)), "Time")
MARKERS = ("", "", *(f"Marker {n}" for n in range(16)), "")
STUDY = '[study]\nname = "check"\n\n[stain.T]\ntemplate = "template.toml"\n'
TEMPLATE = """\
[template]
name = "t"

[[population]]
name = "bright"
cuts = [{ marker = "Marker 0", rule = "valley" }]
"""
REPEATS = 5


def main() -> None:
    """Print medians and ranges."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=100)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = _study(folder, asked.files, asked.events)
        work: dict[str, Callable[[], object]] = {
            "check_study": lambda: check_study(folder),
            "headers alone": lambda: [read_fcs(file) for file in files],
            "every event": lambda: [read_fcs(file).events() for file in files],
        }
        seconds = {what: [] for what in work}
        for _ in range(REPEATS):  # interleaved, so that a slow moment of the machine falls on all
            for what, do in work.items():
                begin = time.perf_counter()
                do()
                seconds[what].append(time.perf_counter() - begin)
    print(
        f"{asked.files} files of {asked.events:,} events x {len(CHANNELS)} channels; seconds, {REPEATS} repeats"
    )
    base = statistics.median(seconds["headers alone"])
    for what, each in seconds.items():
        middle = statistics.median(each)
        print(
            f"{what:14s} median {middle:6.3f}  range {min(each):.3f}-{max(each):.3f}  x {middle / base:5.2f} headers"
        )
    if asked.json:
        asked.json.write_text(json.dumps(seconds, indent=1) + "\n", encoding="utf-8")


def _study(folder: Path, n_files: int, n_events: int) -> list[Path]:
    """Write a study of many files that hold the same events."""
    events = np.random.default_rng(1).normal(1000, 300, (n_events, len(CHANNELS)))
    rows, files = ["file,subject,arm"], []
    for number in range(n_files):
        files.append(write_fcs(folder / f"tube{number:03d}.fcs", events, CHANNELS, labels=MARKERS))
        rows.append(f"tube{number:03d}.fcs,S{number},{('vehicle', 'temsirolimus')[number % 2]}")
    stained = [f"{c},{m},,functional" for c, m in zip(CHANNELS, MARKERS, strict=True) if m]
    for name, text in {
        "samples.csv": "\n".join(rows),
        "panel.csv": "\n".join(["detector,marker,fluorochrome,role", *stained]),
        "study.toml": STUDY,
        "template.toml": TEMPLATE,
    }.items():
        (folder / name).write_text(text + "\n", encoding="utf-8")
    return files


if __name__ == "__main__":
    main()
