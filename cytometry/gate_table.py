"""The table of gates: a row for each boundary of each tube, where it lies, and how it stands beside the others.

Which tubes stand out is told by where their cuts and fractions lie among those of like tubes, and by nothing of arm
or timepoint. Nothing is left out or moved for it: a reader is told where to look first.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from cytometry.study import SheetRow
from gating.cohort import FEWEST, allowed, distance
from gating.records import ABSTAINED, GateRecord, Learnt

FEWEST_EVENTS = 50  # in a parent whose fraction is compared
CUT, FRACTION = "cut", "fraction"
TOLD = (
    "population", "marker", "keep", "rule", "source", "of", "n_events", "value", "linear", "confidence", "status",
    "reason",
)  # fmt: skip
GATE_COLUMNS = (
    "stain", "tube", *TOLD, "linear_low", "linear_high", "shift", "cohort", "cohort_n", "cohort_linear",
    "cohort_distance", "fraction", "cohort_fraction", "fraction_distance", "outlying", "learnt_from",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Share:
    """A population's fraction of its parent in a tube, and the median and distance beside like tubes."""

    fraction: float = math.nan
    median: float = math.nan
    distance: float = math.nan
    outlying: bool = False


def gate_rows(
    tubes: Mapping[str, SheetRow], learnt: Mapping[str, Learnt], counts: Mapping[str, Mapping[str, int]]
) -> list[dict[str, Any]]:
    """Return a row, columns ``GATE_COLUMNS``, for each boundary of each gated tube of a stain.

    Parameters
    ----------
    tubes
        In the order of the sheet.
    counts
        Events of each population by path, ``""`` among them for all events, for the tubes that were gated.
    """
    gated = {name: row for name, row in tubes.items() if name in counts}
    shares = _shares(gated, counts)
    return [
        _row(row, record, shares.get((name, record.population), Share()))
        for name, row in gated.items()
        for record in learnt[name].gates
    ]


def _row(row: SheetRow, record: GateRecord, share: Share) -> dict[str, Any]:
    cohort = record.cohort
    share = Share() if record.status == ABSTAINED else share
    out = [CUT] * record.outlying + [FRACTION] * share.outlying
    return {
        "stain": row.stain,
        "tube": row.tube,
        **{name: getattr(record, name) for name in TOLD},
        "linear_low": record.interval[0],
        "linear_high": record.interval[1],
        "shift": record.shift,
        "cohort": cohort.label if cohort else "",
        "cohort_n": cohort.n if cohort else math.nan,
        "cohort_linear": cohort.linear if cohort else math.nan,
        "cohort_distance": cohort.distance if cohort else math.nan,
        "fraction": share.fraction,
        "cohort_fraction": share.median,
        "fraction_distance": share.distance,
        "outlying": " and ".join(out),
        "learnt_from": "; ".join(record.learnt_from),
    }


def _shares(
    tubes: Mapping[str, SheetRow], counts: Mapping[str, Mapping[str, int]]
) -> dict[tuple[str, str], Share]:
    """Return the fraction of each population of each tube beside the samples like it: same stimulus and tissue.

    The samples of its batch are the cohort where there are five or more of them, else those of the stain.
    """
    found: dict[tuple[str, str], Share] = {}
    for path in dict.fromkeys(path for held in counts.values() for path in held if path):
        parts = {name: _part(held, path) for name, held in counts.items() if path in held}
        for name, (n, of) in parts.items():
            if of:
                found[name, path] = _beside(name, parts, tubes) if of >= FEWEST_EVENTS else Share(n / of)
    return found


def _part(held: Mapping[str, int], path: str) -> tuple[int, int]:
    return held[path], held.get(path.rpartition("/")[0], 0)


def _beside(name: str, parts: Mapping[str, tuple[int, int]], tubes: Mapping[str, SheetRow]) -> Share:
    n, of = parts[name]
    like = [other for other in _like(name, tubes) if parts.get(other, (0, 0))[1] >= FEWEST_EVENTS]
    near = [other for other in like if tubes[other].batch == tubes[name].batch]
    cohort = near if len(near) >= FEWEST else like
    if len(cohort) < FEWEST:
        return Share(n / of)
    logits, errors = zip(*(_logit(*parts[other]) for other in cohort), strict=True)
    mine, error = _logit(n, of)
    far = distance(mine, logits, errors, error=error)
    median = float(np.median([parts[other][0] / parts[other][1] for other in cohort]))
    return Share(n / of, median, far, abs(far) > allowed(len(cohort)))


def _like(name: str, tubes: Mapping[str, SheetRow]) -> Iterable[str]:
    mine = tubes[name]
    if mine.kind not in {"sample", "unstimulated"}:
        return []
    said = (mine.kind, mine.stimulus, mine.tissue)
    return [other for other, row in tubes.items() if (row.kind, row.stimulus, row.tissue) == said]


def _logit(n: int, of: int) -> tuple[float, float]:
    """Return the logit of a fraction, half an event added to either side, and its binomial standard error."""
    yes, no = n + 0.5, of - n + 0.5
    return math.log(yes / no), math.sqrt(1 / yes + 1 / no)
