"""The tables and the ``run.json`` of a cohort, in the form of a study's run, without a data frame on the way."""

from __future__ import annotations

import csv
import json
import math
import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from cytometry import qc
from cytometry.errors import Problem
from cytometry.folder import write_text, written_aside
from cytometry.measure import CARRIED, LowCounts, count_rows
from cytometry.panel import guess_panel
from cytometry.provenance import FORMAT, TUBE_COLUMNS, panel_rows, tube_rows
from cytometry.table import COLUMNS, SHEET_COLUMNS

STAIN = "cohort"
PACKAGES = ("cytometry", "flowio", "numba", "numpy")  # whose code a cohort calls
PROBLEM_COLUMNS = tuple(field.name for field in fields(Problem))
# What a cohort does not have: nothing is learnt, checked or compared. Whoever reads them finds no rows.
EMPTY = {
    "gates": ("stain", "tube", "population", "marker", "rule", "source", "n_events", "value", "linear",
              "confidence", "status", "reason", "learnt_from"),
    "qc": qc.COLUMNS,
    "qc_intervals": qc.INTERVAL_COLUMNS,
    "qc_channels": qc.CHANNEL_COLUMNS,
    "contrasts": ("name", "population", "marker", "statistic"),
}  # fmt: skip


def write_tables(
    folder: Path,
    tubes: Mapping[str, Mapping[str, Any]],
    counts: Mapping[str, Mapping[str, int]],
    *,
    problems: Iterable[Problem],
) -> None:
    """Write the tables of a cohort.

    Parameters
    ----------
    tubes
        What ``run.json`` says of each.
    counts
        Of the gated tubes, events of each population by path; of all events under ``""``.
    """
    write_rows(folder, "statistics", (*COLUMNS, *CARRIED), _statistics(tubes, counts))
    write_rows(folder, "tubes", TUBE_COLUMNS, tube_rows(tubes))
    write_rows(folder, "problems", PROBLEM_COLUMNS, [problem.to_dict() for problem in problems])
    for name, columns in EMPTY.items():
        write_rows(folder, name, columns, ())


def write_rows(folder: Path, name: str, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write ``tables/<name>.csv`` as :func:`cytometry.folder.write_table` does; a missing number is empty."""
    with (
        written_aside(folder / "tables" / f"{name}.csv") as aside,
        aside.open("w", encoding="utf-8", newline="") as handle,
    ):
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([_cell(row.get(column)) for column in columns] for row in rows)


def write_about(
    folder: Path,
    tubes: Mapping[str, Mapping[str, Any]],
    *,
    name: str,
    headers: Sequence[Any],
    said: Mapping[str, Any],
) -> None:
    """Write ``run.json``, which makes the folder a finished run.

    Parameters
    ----------
    headers
        With channels and labels, from which the panel is read.
    said
        Of the strategy: where it lies, where it is from, its hash; and the compensation.
    """
    limits = LowCounts()
    panel = panel_rows(guess_panel(headers)[0]) if headers else []
    about = {
        "format": FORMAT,
        "study": name,
        "study_file": "",
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {"python": platform.python_version()} | {one: version(one) for one in PACKAGES},
        "arguments": {},
        "seed": None,
        "simulated": None,
        "low_count": limits.least,
        "flag_count": limits.flagged,
        "stand_in": "",
        "qc": {},
        "stains": {STAIN: {"panel": panel, "lost": [], "scales": {}, **said}},
        "tubes": dict(tubes),
        "comparisons": [],
    }
    write_text(folder / "run.json", json.dumps(about, indent=1) + "\n")


def _statistics(
    tubes: Mapping[str, Mapping[str, Any]], counts: Mapping[str, Mapping[str, int]]
) -> Iterator[dict[str, Any]]:
    """Give each tube's rows; a tube that failed has those of the others, without values, with its reason."""
    paths = dict.fromkeys(path for of in counts.values() for path in of if path)
    for tube, about in tubes.items():
        said = dict.fromkeys((*SHEET_COLUMNS, *CARRIED), "")
        said |= {"tube": tube, "stain": STAIN, "kind": about["kind"]}
        found = counts.get(tube)
        if found is None:
            rows = count_rows({}, tuple(paths), missing=dict.fromkeys(paths, about["message"]))
        else:
            rows = count_rows(found, tuple(path for path in found if path))
        for row in rows:
            yield said | row


def _cell(value: Any) -> Any:
    """Return a number in the shortest form that reads back the same, and nothing for none."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return repr(float(value)) if isinstance(value, float) else value
