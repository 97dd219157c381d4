"""Explaining: why a gate lies where it does in a tube, how sure it is, and what would change if it lay elsewhere.

Everything is told from what the run stored and from the events of the tube's own parent population; no rule is asked
again. A line for each boundary: place, rule and source, events, confidence; what it holds, of what; what it would hold
at both ends of its interval and at its cohort's median; and what the template does where no boundary is found.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cytometry.record import GatedTube
from gating.columns import Columns
from gating.gates import Boolean, Interval, Rectangle
from gating.gathered import gather
from gating.records import ABSTAINED, FIXED, OF_COHORT, GateRecord
from gating.records import POOLED as BY_POOL
from gating.rows import COHORT, OWN, POOLED, CutRow, LearntRow, PopulationRow, last_part
from gating.sources import KINDS
from gating.strategy import ALL_EVENTS, Population
from gating.template import GatingTemplate

AT_A_TIME = 131_072
ENDS = {
    POOLED: "it is learnt from all tubes pooled",
    COHORT: "the median of its cohort is taken",
}
LOW_END, HIGH_END, MEDIAN = "low end of the interval", "high end of the interval", "median of the cohort"


@dataclass(frozen=True, slots=True)
class Move:
    """What a population would hold if one of its cuts lay elsewhere: ``linear``, and the fraction of its parent."""

    marker: str
    what: str
    linear: float
    fraction: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a gate lies where it does; printed, a line for each of its boundaries.

    Parameters
    ----------
    n, n_parent
        Events of the population and of its parent; 0 where it was not found.
    moves
        What it would hold elsewhere.
    """

    tube: str
    population: str
    lines: tuple[str, ...]
    n: int = 0
    n_parent: int = 0
    moves: tuple[Move, ...] = ()

    def __str__(self) -> str:
        return "\n".join(self.lines)


@dataclass(frozen=True, slots=True, eq=False)
class _Gate:
    """A population of a tube, with what its parent's events are counted by."""

    found: GatedTube
    columns: Columns
    population: Population
    records: tuple[GateRecord, ...]

    @property
    def parent(self) -> str:
        return last_part(self.population.parent) if self.population.parent else ALL_EVENTS

    @property
    def counts(self) -> tuple[int, int]:
        held = self.found.membership
        return held.count(self.population.path), held.count(self.population.parent)


def explain_gate(
    found: GatedTube,
    columns: Columns,
    path: str,
    *,
    template: GatingTemplate | None,
    beside: Sequence[Mapping[str, Any]],
) -> Explanation:
    """Return why a population's gate lies where it does in one tube.

    Parameters
    ----------
    columns
        The tube's events; read only where a cut has an interval or a cohort.
    path
        Of the population, found in the tube or not.
    template
        What it was learnt by; ``None`` for a given strategy.
    beside
        The tube's rows of the table of gates, in the order of its records.
    """
    known = list(zip(found.gates, beside, strict=True)) if len(beside) == len(found.gates) else [
        (record, {}) for record in found.gates
    ]  # fmt: skip
    mine = [(record, row) for record, row in known if record.population == path]
    written = next((row for row in template.populations if row.path == path), None) if template else None
    population = next((p for p in found.strategy.populations if p.path == path), None)
    if population is None:
        lost = [record for record, _ in mine]
        return Explanation(found.tube, path, tuple(_lost(lost, path, written, template)))
    gate = _Gate(found, columns, population, tuple(record for record, _ in mine))
    holds = _holds(gate)
    if not mine:
        given = f"{last_part(path)}: {population.gate}, given and not learnt; {holds}"
        return Explanation(found.tube, path, (given,), *gate.counts)
    lines, moves = [], []
    for record, row in mine:
        moved = _moves(gate, record, row)
        parts = [record.sentence(), holds, *_told(moved, record, gate.parent), *_cohort(record, row, moved)]
        parts += [*_parts(gate), *_without(record, written)]
        lines.append("; ".join(part for part in parts if part))
        moves += moved
    return Explanation(found.tube, path, tuple(lines), *gate.counts, tuple(moves))


def _lost(
    records: Sequence[GateRecord], path: str, written: PopulationRow | None, template: GatingTemplate | None
) -> Iterator[str]:
    """Say why a population is not there, and what is not there because of it."""
    below = [p for p in (template.paths if template else ()) if p.startswith(f"{path}/")]
    also = f"; with it, {len(below)} populations below it are missing" if below else ""
    for record in records:
        tried = [f"tried: {', then '.join(one.way for one in _chain(written, record))}"] if written else []
        # A cut that was found is told too: the population is missing for want of the other.
        more = tried if record.status == ABSTAINED and record.marker else []
        yield "; ".join([record.sentence(), *more]) + (also if record is records[-1] else "")


def _holds(gate: _Gate) -> str:
    n, of = gate.counts
    share = f"{_percent(n / of)} of {gate.parent} " if of else ""
    return f"{last_part(gate.population.path)} holds {share}({n:,} of {of:,} events)"


def _told(moves: Sequence[Move], record: GateRecord, parent: str) -> Iterator[str]:
    """Say what the population would hold at both ends of the cut's interval."""
    ends = [move for move in moves if move.what != MEDIAN]
    if len(ends) == 2:
        places = " to ".join(_number(move.linear) for move in ends)
        low, high = (_percent(move.fraction) for move in ends)
        moved = f"leaves it at {low}" if low == high else f"moves it from {low.removesuffix(' %')} to {high}"
        yield f"moving the cut over its 95 % interval, {places}, {moved} of {parent}"
    elif math.isfinite(record.share[0]):
        low, high = (_percent(share) for share in record.share)
        yield f"repeated, it holds {low.removesuffix(' %')} to {high} of the events shown"


def _cohort(record: GateRecord, row: Mapping[str, Any], moves: Sequence[Move]) -> Iterator[str]:
    """Say where the cut and the fraction lie beside those of like tubes, and which stand out."""
    out = str(row.get("outlying") or "")
    if row.get("cohort"):
        far = float(row["cohort_distance"])
        at = _number(row["cohort_linear"])
        median = f"the {row['cohort_n']} cuts of its {row['cohort']} have their median at {at}"
        place = f"{abs(far):.1f} robust SD {'below' if far > 0 else 'above'} this one"
        there = [f", where it would hold {_percent(move.fraction)}" for move in moves if move.what == MEDIAN]
        yield f"{'LOOK: ' if 'cut' in out else ''}{median}, {place}{''.join(there)}"
    if "fraction" in out:
        median, far = _percent(row["cohort_fraction"]), abs(row["fraction_distance"])
        yield f"LOOK: like tubes hold {median} at the median, {far:.1f} robust SD away on the logit scale"


def _parts(gate: _Gate) -> Iterator[str]:
    """Say what each part of a combination holds of the same parent."""
    if isinstance(gate.population.gate, Boolean):
        held, (_, of) = gate.found.membership, gate.counts
        inside = held.of(gate.population.parent) if gate.population.parent else held.kept()
        for operand in gate.population.gate.operands if of else ():
            n = int(np.count_nonzero(inside & held.of(operand.population)))
            yield f"{last_part(operand.population)} alone holds {_percent(n / of)} ({n:,})"


def _without(record: GateRecord, written: PopulationRow | None) -> Iterator[str]:
    """Say what the template does where this boundary's control is missing, or shows none."""
    if written is None or record.status in {FIXED, BY_POOL, OF_COHORT}:  # none was found, as it says
        return
    chain = _chain(written, record)
    used = next((one for one in chain if (one.rule, one.source) == (record.rule, record.source)), None)
    if used is None:
        return
    control = f"without its {KINDS[record.source]}" if record.source != OWN else "had none been found"
    after = used.otherwise
    then = (
        ENDS.get(after, "it is left out of this tube") if isinstance(after, str) else f"{after.way} is tried"
    )
    yield f"{control}, {then}"


def _chain(written: PopulationRow | None, record: GateRecord) -> Sequence[LearntRow]:
    """Return what the template tries for a boundary, in turn; of a boundary used again, nothing."""
    if written is None:
        return ()
    if written.region:
        return written.region.chain
    cuts = [cut for cut in written.cuts if (cut.marker, cut.keep) == (record.marker, record.keep or cut.keep)]
    chains = [one for cut in cuts for one in cut.chain]
    return [one for one in chains if not (isinstance(one, CutRow) and one.same_as)]


def _moves(gate: _Gate, record: GateRecord, row: Mapping[str, Any]) -> list[Move]:
    """Return what the population would hold at the ends of a cut's interval, and at its cohort's median."""
    places = []
    if record.keep and record.status != FIXED and math.isfinite(record.interval[0]):
        ends = zip((LOW_END, HIGH_END), record.interval, record.value_interval, strict=True)
        places += [end for end in ends if record.interval[0] < record.interval[1]]
    if record.keep and row.get("cohort"):
        linear = float(row["cohort_linear"])
        shown = float(gate.columns.dimensions[record.marker].scale.forward(linear))
        places.append((MEDIAN, linear, shown))
    if not places or not gate.counts[1]:
        return []
    fraction = _counter(gate, record)
    return [Move(record.marker, what, linear, fraction(shown)) for what, linear, shown in places]


def _counter(gate: _Gate, record: GateRecord) -> Callable[[float], float]:
    """Return how the fraction of the parent follows from where one cut lies, its other sides as they are."""
    shape, marker = gate.population.gate, record.marker
    if isinstance(shape, Interval):
        shape = Rectangle(shape.dimensions, (shape.low,), (shape.high,))
    assert isinstance(shape, Rectangle)
    lows, highs, place = list(shape.lows), list(shape.highs), shape.dimensions.index(marker)
    above = record.keep == "above"
    # Of several cuts on one side the strictest decides; the others stay where they are.
    others = [
        r.value for r in gate.records if r is not record and (r.marker, r.keep) == (marker, record.keep)
    ]
    (lows if above else highs)[place] = (max if above else min)(others, default=-np.inf if above else np.inf)
    opened = Rectangle(shape.dimensions, tuple(lows), tuple(highs))
    rows = gate.found.membership.rows(gate.population.parent)
    held = []
    for first in range(0, len(rows), AT_A_TIME):
        points = gather(gate.columns, rows[first : first + AT_A_TIME]).points(opened.dimensions)
        held.append(points[opened.contains(points) & np.isfinite(points).all(axis=1), place])
    values = np.sort(np.concatenate(held))

    def fraction(at: float) -> float:
        below = int(np.searchsorted(values, at, side="left"))  # a cut holds its own value
        return (values.size - below if above else below) / len(rows)

    return fraction


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.3g} %"


def _number(linear: float) -> str:
    return f"{linear:,.0f}" if abs(linear) >= 10 else f"{linear:.3g}"
