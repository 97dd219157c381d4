"""The scoreboard: every built-in template on simulated cohorts, and the benchmark's own on labelled real cells.

    python tests/benchmarks/accuracy.py [--data DIR] [--json FILE] [--only NAME ...] [--jobs N] [--full]

What is judged: ``simulated`` (both generators; the second is one that no rule was developed on), ``pd1`` (the
difference between the arms), ``activation`` (hand gates), ``euroflow``, ``bone_marrow``, ``hipc`` (expert labels),
``wnv`` and ``fmo`` (no labels: what is found is printed). Real sets are looked for in the data folder and read by
their layout; one that is not there is named, and left out.

F1 counts the whole path: an event that a gate above lost is lost. It is given where the reference has 100 events or
more; elsewhere the difference in percent of the parent says something. The roots (cells, singlets, live) are apart
from the median. An abstention scores 0. ``best`` is what the best attainable thresholds would have reached on the same
events (``judges/attainable.py``). FlowSOM, where it is installed, stands beside the labelled sets
(``judges/outside.py``). The benchmark's templates are in ``templates/``: written from the panel, with no coordinate.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent / "judges"))

import pd1
import printing
import unlabelled
from activation import judge_activation
from bars import bars, bars_text
from cohorts import DESIGNS, INSTEAD, cohort, judge_cohort
from labelled import LAYOUTS, judge_layout

from cytometry.simulate import StudyPlan
from gating.template import builtin_templates

HERE = Path(__file__).resolve().parent
VARIABLE = "CYTOMETRY_DATA"
GENERATORS = ("first", "second")
LEVELS = ("clean", "realistic", "smear")
REAL = ("activation", *LAYOUTS, "wnv", "fmo")
NAMES = ("simulated", "pd1", *REAL)
Task = tuple[str, dict[str, Any]]


def tasks(names: Sequence[str], data: Path, *, full: bool) -> list[Task]:
    """Return what is to be done, each by itself, the longest first."""
    seeds = range(1, 6) if full else range(1, 3)
    found: list[Task] = []
    if "simulated" in names:
        every = [(name, g, seed) for seed in seeds[: len(seeds) // 2] for name in DESIGNS for g in GENERATORS]
        found += [("simulated", {"name": n, "generator": g, "seed": s, "full": full}) for n, g, s in every]
    if "pd1" in names:
        levels = [(g, level, seed) for seed in seeds for g in GENERATORS for level in LEVELS]
        found += [("pd1", {"generator": g, "level": level, "seed": seed}) for g, level, seed in levels]
    return found + [(name, {"data": data}) for name in REAL if name in names]


def perform(task: Task) -> dict[str, Any]:
    """Do one task; return what is printed of it, and its numbers.

    The numbers of a study are put together with those of its fellows in :func:`gathered`.
    """
    name, told = task
    begun = time.monotonic()
    done: dict[str, Any] = {"name": name}
    if name == "simulated":
        done["sets"] = judge_cohort(cohort(**told), INSTEAD.get(told["name"], ""))
    elif name == "pd1":
        plan = StudyPlan(seed=told["seed"], pd1=told["level"], generator=told["generator"])
        done["difference"] = pd1.difference(plan)
    elif name == "wnv":
        done["wnv"] = unlabelled.wnv(told["data"])
    elif name == "fmo":
        done["fmo"] = unlabelled.fmo_pairs(told["data"])
    else:
        judged = judge_activation(told["data"]) if name == "activation" else judge_layout(told["data"], name)
        done["sets"] = [judged] if judged else []
    return done | {"seconds": time.monotonic() - begun}


def results(asked: Sequence[Task], jobs: int) -> Iterator[dict[str, Any]]:
    """Yield what each task did, in order; the number of processes changes nothing but the time."""
    if jobs <= 1:
        yield from map(perform, asked)
        return
    # Several threads in each of several processes only wait for each other.
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(variable, "1")
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        yield from pool.map(perform, asked)


def gathered(done: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the judged sets, studies of one generator and template together, and all else by name."""
    sets: dict[str, Any] = {}
    for one in done:
        for found in one.get("sets", ()):
            sets[found.name] = sets[found.name].joined(found) if found.name in sets else found
    differences = [one["difference"] for one in done if one["name"] == "pd1"]
    other = {name: one[name] for one in done for name in ("wnv", "fmo") if one.get(name)}
    return {"sets": list(sets.values()), "pd1": differences, **other}


def report(found: dict[str, Any], names: Sequence[str]) -> str:
    """Return everything that was found, as it is printed."""
    parts = [printing.LEGEND, *(printing.table(one) for one in found["sets"])]
    if found["pd1"]:
        parts.append(pd1.text(found["pd1"]))
    if "wnv" in found:
        parts.append(unlabelled.wnv_text(found["wnv"]))
    if "fmo" in found:
        parts.append(unlabelled.fmo_text(found["fmo"]))
    reached = bars_text(found["sets"], found["pd1"])
    parts += [reached] if reached else []
    if "simulated" in names:
        judged = {one.template for one in found["sets"]}
        missing = [name for name in builtin_templates() if name not in judged]
        if missing:
            parts.append(f"no simulated study uses the template {', '.join(missing)}: not judged")
    return "\n\n".join(parts)


def main(arguments: Sequence[str] | None = None) -> int:
    """Judge what is asked for and print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, help=f"the folder of the real data; else {VARIABLE}")
    parser.add_argument("--json", type=Path, help="also write every number to this file")
    parser.add_argument(
        "--only", nargs="+", choices=NAMES, default=NAMES, metavar="NAME", help=", ".join(NAMES)
    )
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument(
        "--full", action="store_true", help="more subjects and studies: smaller Monte-Carlo errors"
    )
    asked = parser.parse_args(arguments)
    beside = HERE.parents[1].parent / "shared" / "data"
    data = (asked.data or Path(os.environ.get(VARIABLE) or beside)).resolve()
    begun = time.monotonic()
    done = list(results(tasks(asked.only, data, full=asked.full), asked.jobs))
    found = gathered(done)
    print(report(found, asked.only))
    absent = [
        one["name"] for one in done if one["name"] in REAL and not (one.get("sets") or one.get(one["name"]))
    ]
    if absent:
        print(f"\nnot in {data}, and left out: {', '.join(absent)}", file=sys.stderr)
    print(f"\n{time.monotonic() - begun:.0f} s with {asked.jobs} processes")
    if asked.json:
        asked.json.write_text(json.dumps(numbers(found), indent=1) + "\n", encoding="utf-8")
    return 2 if absent and set(asked.only) <= set(absent) else 0


def numbers(found: dict[str, Any]) -> Any:
    """Return every number, for JSON."""
    from dataclasses import asdict

    whole = {
        "sets": [printing.numbers(one) for one in found["sets"]],
        "pd1": [{**asdict(one), "off": one.off} for one in found["pd1"]],
        "bars": [{**asdict(one), "held": one.held} for one in bars(found["sets"])],
        **{name: found[name] for name in ("wnv", "fmo") if name in found},
    }
    return printing.plain(whole)


if __name__ == "__main__":
    sys.exit(main())
