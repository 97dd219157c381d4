"""Does a comparison hold its error rate? Null and effect studies at the level of counts, ours beside the usual tests.

    python tests/benchmarks/calibration.py [--json FILE] [--studies 2000] [--quick] [--processes 2] [--edger]

Twenty populations from 0.05 % to 40 %, subjects and visits normal on the logit scale, cells binomial; 3 to 12 subjects,
in pairs or two arms, residual spreads equal or unequal (0.7 to 2.5 times the usual). Printed, each with its Monte-Carlo
error: how often a test at 0.05 errs where nothing changed, over the family and in the worst single population; false
discoveries and power after Benjamini and Hochberg where four of twenty change; coverage of 95 % intervals; the same
with batches; the package's simulator and ``compare`` itself for the planted PD-1 shift and for permuted labels. A
second table scores against unchanged absolute numbers, where closure moves the shares of what did not change.
``calibrating/`` holds what is drawn (``drawn.py``), the tests (``rivals.py``) and their scores (``scored.py``).

Bars (exit 1 if one is missed by more than three Monte-Carlo errors, the worst of many being looked at): declared
endpoints err in at most 0.06 of studies, each single population; exploratory ones in 0.04 to 0.06, over the family;
where counts are sparse (cytokines in points) they may err less. Intervals cover in 0.93 to 0.97. False discoveries are
at most 0.07. FCS files instead of counts: ``interval_coverage.py``.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from calibrating import asked as designs  # noqa: E402
from calibrating import scored, simulated  # noqa: E402
from calibrating.drawn import MEASURES, Setting  # noqa: E402
from calibrating.rivals import OURS_DECLARED, OURS_EXPLORED  # noqa: E402

Row = dict[str, Any]
SIZES, FEWER = (3, 4, 5, 6, 8, 12), (3, 5, 8, 12)
DECLARED_BAR, EXPLORED_BAR, COVERAGE_BAR, FDR_BAR = 0.06, (0.04, 0.06), (0.93, 0.97), 0.07
ERRORS = 3.0
SPARSE = "cytokines"
TABLES = ("null", "effect", "batches", "designs", "points", "closure", "planted", "permuted")


@dataclass(frozen=True)
class Job:
    """One piece of work: which table its rows belong to, and what makes them."""

    table: str
    make: Callable[[], list[Row]]


def jobs(studies: int, *, quick: bool) -> Iterator[Job]:
    """Give all the work, the longest first."""
    sizes = (3, 6, 12) if quick else SIZES
    yield from _through_compare(studies)
    for measure in MEASURES:
        for n in sizes if quick or measure == "fractions" else FEWER:
            for paired in (True, False):
                for unequal in (False, True):
                    yield _scored("null", scored.nulls, Setting(n, paired, measure, unequal), studies)
    for n in sizes:
        for paired in (True, False):
            for unequal in (False, True):
                setting = Setting(n, paired, unequal=unequal, fold=1.6 if paired else 2.0)
                yield _scored("effect", scored.shifts, setting, studies)
    for n in (6, 12):
        for paired in (True, False):
            yield _scored("batches", scored.batches, Setting(n, paired), max(studies // 4, 100))
    for n in sizes:
        yield Job("points", partial(_points, n, studies))
    yield Job("closure", partial(_closure, 8, studies))


def _through_compare(studies: int) -> Iterator[Job]:
    """Give the work that goes through tables and ``compare``, in blocks of studies."""
    block = 25
    for start in range(0, studies, block):
        yield Job("planted", partial(simulated.planted, range(start + 1, start + 1 + block)))
    for start in range(0, max(studies // 5, 50), block):
        yield Job("permuted", partial(simulated.permuted, range(start + 1, start + 1 + block)))
    for start in range(0, max(studies // 10, 20), block):
        yield Job("designs", partial(designs.found, range(start + 1, start + 1 + block)))


def _scored(table: str, score: Callable[..., Iterator[Row]], setting: Setting, studies: int) -> Job:
    return Job(table, partial(_run, score, setting, studies))


def _run(score: Callable[..., Iterator[Row]], setting: Setting, studies: int) -> list[Row]:
    seed = [
        setting.n,
        setting.paired,
        setting.unequal,
        MEASURES.index(setting.measure),
        int(100 * setting.fold),
    ]
    return list(score(setting, studies, np.random.default_rng(seed)))


def _points(n: int, studies: int) -> list[Row]:
    return [scored.points(n, studies, np.random.default_rng([n, 7]))]


def _closure(n: int, studies: int) -> list[Row]:
    return list(scored.closure(n, 1.6, studies, np.random.default_rng([n, 8])))


def work(job: Job) -> tuple[str, list[Any]]:
    """Return a job's rows, with the table that they belong to."""
    return job.table, job.make()


def collected(parts: Iterator[tuple[str, list[Any]]]) -> dict[str, list[Row]]:
    """Return the rows of each table; the studies of the simulator summed up."""
    found: dict[str, list[Any]] = {name: [] for name in TABLES}
    for table, rows in parts:
        found[table] += rows
    found["planted"] = [simulated.summed(found["planted"])]
    found["designs"] = list(designs.tallied(found["designs"]))
    found["permuted"] = list(simulated.tallied(found["permuted"]))
    return found


def missed(tables: dict[str, list[Row]]) -> list[str]:
    """Return the bars that were missed, each in words."""
    found = []

    def check(row: Row, what: str, low: float, high: float, *, error: str) -> None:
        value, slack = row[what], ERRORS * row[error]
        if value < low - slack or value > high + slack:
            where = ", ".join(str(row[key]) for key in ("design", "measure", "spread", "test") if key in row)
            found.append(f"{what} {value:.3f} is not in {low:g} to {high:g}: {where}")

    for row in tables["null"]:
        if row["test"] == OURS_DECLARED:
            check(row, "worst", 0.0, DECLARED_BAR, error="worst_error")
        if row["test"] == OURS_EXPLORED:
            check(
                row,
                "family",
                0.0 if row["measure"] == SPARSE else EXPLORED_BAR[0],
                EXPLORED_BAR[1],
                error="family_error",
            )
    for row in tables["effect"]:
        if row["test"] == OURS_EXPLORED:
            check(row, "fdr", 0.0, FDR_BAR, error="fdr_error")
    for row in [*tables["null"], *tables["effect"], *tables["points"], *tables["planted"]]:
        if "coverage" in row:
            check(row, "coverage", *COVERAGE_BAR, error="coverage_error")
    ours = [row for row in tables["designs"] if "usual error" not in row["test"]]
    ours += [row for row in tables["batches"] if row["test"].startswith("ours")]
    for row in ours:
        check(row, "family", 0.0, DECLARED_BAR, error="family_error")
    for row in tables["permuted"]:
        check(row, "rate", 0.0, 0.05, error="rate_error")
    return found


def printed(title: str, rows: Sequence[Row]) -> None:
    """Print a table: a column per key, a value with its error."""
    if not rows:
        return
    keys = [key for key in dict.fromkeys(key for row in rows for key in row) if not key.endswith("_error")]
    lines = [[_cell(row, key) for key in keys] for row in rows]
    widths = [max(len(key), *(len(line[at]) for line in lines)) for at, key in enumerate(keys)]
    print(f"\n{title}")
    for line in [keys, *lines]:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _cell(row: Row, key: str) -> str:
    value = row.get(key, "")
    if not isinstance(value, float):
        return str(value)
    error = row.get(f"{key}_error")
    return f"{value:.3f}" + (f" ± {error:.3f}" if error is not None else "")


TITLES = {
    "null": "Nothing changed: how often p < 0.05 (bars: declared, worst population at most 0.06; exploratory, family "
    "0.04 to 0.06; coverage 0.93 to 0.97)",
    "effect": "Four of twenty changed: false discoveries (bar 0.07) and power after Benjamini and Hochberg",
    "batches": "Batches that go partly with what is compared: how often p < 0.05 (bar 0.06)",
    "designs": "Other designs through compare, nothing changed: how often p < 0.05 (bar 0.06)",
    "points": "The mean shift in points, PD-1 from 16.8 %: coverage of the 95 % interval (bar 0.93 to 0.97), bias",
    "closure": "Against unchanged absolute numbers (no bar): closure moves the shares of the others",
    "planted": "The simulator's `seed` scenario through compare, 12 pairs: PD-1+ of CD8 T (bar: coverage 0.93 to 0.97)",
    "permuted": "Labels permuted in the simulator's null studies: share of studies with a finding (bar 0.05)",
}


def main() -> int:
    """Run the studies, print the tables, and say which bar was missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, help="write the tables here too")
    parser.add_argument("--studies", type=int, default=2000, help="of each setting")
    parser.add_argument("--quick", action="store_true", help="few studies of few settings, under a minute")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument(
        "--edger", action="store_true", help="edgeR's tests too, as inmoose has them: pip install inmoose"
    )
    asked = parser.parse_args()
    studies = min(asked.studies, 120) if asked.quick else asked.studies
    started = time.monotonic()
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    with ProcessPoolExecutor(asked.processes, mp_context=get_context("spawn")) as pool:
        tables = collected(pool.map(work, list(jobs(studies, quick=asked.quick))))
    if asked.edger:
        from calibrating.edger import edger_rows  # needs inmoose, which is GPL and no dependency

        tables["edger"] = list(edger_rows(studies=min(studies, 100)))
        printed("edgeR's tests (inmoose), 100 studies", tables["edger"])
    for name in TABLES:
        printed(TITLES[name], tables[name])
    found = missed(tables)
    print(f"\n{studies} studies a setting, {time.monotonic() - started:.0f} s")
    print("\n".join(f"missed: {one}" for one in found) if found else "every bar is held")
    if asked.json:
        asked.json.write_text(json.dumps({"studies": studies, "missed": found, **tables}, indent=1) + "\n")
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
