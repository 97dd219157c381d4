"""The table of gates: a row for each boundary of each tube, where it lies, and how it stands beside the others.

Which tubes stand out is told by where their cuts and fractions lie among those of like tubes, and by nothing of arm
or timepoint. Nothing is left out or moved for it: a reader is told where to look first.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from cytometry.study import SheetRow
from gating.cohort import FEWEST, Cohort, Peers, beside, stands
from gating.records import ABSTAINED, GateRecord, Learnt

FEWEST_EVENTS = 50  # in a parent whose fraction is compared
COMPARED = frozenset({"sample", "unstimulated"})
CUT, FRACTION = "cut", "fraction"
Key: TypeAlias = tuple[str, str, str, int]
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
    peers = Peers({name: (row.kind, _groups(row)) for name, row in gated.items()})
    shares = _shares(gated, counts, peers)
    cohorts = _cohorts({name: learnt[name] for name in gated}, peers)
    return [
        _row(row, record, cohorts.get((name, key)), shares.get((name, record.population), Share()))
        for name, row in gated.items()
        for key, record in _numbered(learnt[name])
    ]


def _groups(row: SheetRow) -> dict[str, str]:
    return {
        name: getattr(row, name) for name in ("subject", "batch", "stimulus", "tissue") if getattr(row, name)
    }


def _numbered(learnt: Learnt) -> list[tuple[Key, GateRecord]]:
    """Return a tube's records, each with what it is called: population, marker, side, and which of those it is."""
    seen: Counter[tuple[str, str, str]] = Counter()
    found = []
    for record in learnt.gates:
        key = (record.population, record.marker, record.keep)
        seen[key] += 1
        found.append(((*key, seen[key]), record))
    return found


def _cohorts(learnt: Mapping[str, Learnt], peers: Peers) -> dict[tuple[str, Key], Cohort]:
    same: dict[Key, dict[str, GateRecord]] = {}
    for name, one in learnt.items():
        for key, record in _numbered(one):
            same.setdefault(key, {})[name] = record
    return {(name, key): c for key, held in same.items() for name, c in beside(held, peers).items()}


def _row(row: SheetRow, record: GateRecord, cohort: Cohort | None, share: Share) -> dict[str, Any]:
    share = Share() if record.status == ABSTAINED else share
    out = [CUT] * bool(cohort and cohort.outlying) + [FRACTION] * share.outlying
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
    tubes: Mapping[str, SheetRow], counts: Mapping[str, Mapping[str, int]], peers: Peers
) -> dict[tuple[str, str], Share]:
    """Return the fraction of each population of each tube, and for a sample where it lies beside the others."""
    found: dict[tuple[str, str], Share] = {}
    for path in dict.fromkeys(path for held in counts.values() for path in held if path):
        parts = {name: _part(held, path) for name, held in counts.items() if path in held}
        for name, (n, of) in parts.items():
            if of:
                compared = of >= FEWEST_EVENTS and tubes[name].kind in COMPARED
                found[name, path] = _beside(name, parts, peers) if compared else Share(n / of)
    return found


def _part(held: Mapping[str, int], path: str) -> tuple[int, int]:
    return held[path], held.get(path.rpartition("/")[0], 0)


def _beside(name: str, parts: Mapping[str, tuple[int, int]], peers: Peers) -> Share:
    n, of = parts[name]
    large = {other for other, part in parts.items() if part[1] >= FEWEST_EVENTS}

    def enough(some: list[str]) -> bool:
        return len({peers.subject(other) for other in large & set(some)}) >= FEWEST

    cohort = [other for other in peers.cohort(name, enough)[1] if other in large]
    if len(cohort) < FEWEST:
        return Share(n / of)
    logits, errors = zip(*(_logit(*parts[other]) for other in cohort), strict=True)
    mine, error = _logit(n, of)
    far, out = stands(mine, logits, errors, error=error, subjects=[peers.subject(o) for o in cohort])
    median = float(np.median([parts[other][0] / parts[other][1] for other in cohort]))
    return Share(n / of, median, far, out)


def _logit(n: int, of: int) -> tuple[float, float]:
    """Return the logit of a fraction, half an event added to either side, and its binomial standard error."""
    yes, no = n + 0.5, of - n + 0.5
    return math.log(yes / no), math.sqrt(1 / yes + 1 / no)
