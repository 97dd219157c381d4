"""How long the report of a run takes beyond gating, and how large its page is.

python tests/benchmarks/report.py [--subjects 12] [--events 50000] [--json FILE]

One stain, each subject before and on treatment, with its FMO tubes: 12 subjects are 24 sample tubes.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import cytometry
from cytometry.report import write_report
from cytometry.simulate import simulate_study
from cytometry.store import open_run

LARGEST, SLOWEST = 10.0, 60.0  # MB, s


def main() -> None:
    """Print seconds and megabytes, beside what is allowed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--subjects", type=int, default=12)
    parser.add_argument("--events", type=int, default=50_000)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measured(Path(folder), subjects=asked.subjects, events=asked.events)
    for name, value in found.items():
        print(f"{name:28} {value:10,.1f}")
    print(f"allowed: {SLOWEST:g} s and {LARGEST:g} MB")
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def measured(folder: Path, *, subjects: int, events: int) -> dict[str, float]:
    """Return what the report of a simulated study costs, once with figures and once without."""
    study = simulate_study(folder / "study", subjects=subjects, events=events, stains=("T",))
    out = folder / "out"
    cytometry.run(study, out)
    found = {"tubes": float(len(open_run(out).tubes))}
    for said, figures in (("with figures", True), ("without figures", False)):
        run = open_run(out)
        wall, cpu = time.perf_counter(), time.process_time()
        page = write_report(run, figures=figures)
        found[f"s, {said}"] = time.perf_counter() - wall
        found[f"CPU s, {said}"] = time.process_time() - cpu
        found[f"MB, {said}"] = page.stat().st_size / 1e6
    return found


if __name__ == "__main__":
    main()
