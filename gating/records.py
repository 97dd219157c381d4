"""Records: how each boundary of a tube came about, told so that a reader can check it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import TypeAlias

from gating.regions import RegionFound
from gating.rows import CutRow, PopulationRow, RegionRow, last_part, told
from gating.scales import Scale
from gating.strategy import ALL_EVENTS, GatingStrategy
from gating.thresholds import Abstention, Cut

LEARNT, POOLED, STAND_IN, FIXED, ABSTAINED = "learnt", "pooled", "stand-in", "fixed", "abstained"
OF_COHORT = "cohort"
NOT_FOUND, NONE_HERE = "was not found in this tube", "has none in this tube"
FOLLOWS = (NOT_FOUND, NONE_HERE)  # how the reason ends where it is another population's that has no boundary
STATUSES = (LEARNT, POOLED, OF_COHORT, STAND_IN, FIXED, ABSTAINED)
TUBES_NAMED = 3
NONE = float("nan")
Ends: TypeAlias = tuple[float, float]
UNKNOWN: Ends = (NONE, NONE)


@dataclass(frozen=True, slots=True)
class GateRecord:
    """One boundary of one tube: where it is, and how it was learnt, or why it was not.

    Parameters
    ----------
    marker
        What the boundary is on: a marker, two dimensions ``x x y`` of a region, or a boolean expression.
    keep
        ``above`` or ``below`` of a cut, else empty.
    options
        What the rule was told.
    learnt_from
        The tubes whose events were shown, and ``of`` the population.
    n_events
        How many events were shown.
    value, linear
        The boundary on the display scale and on the compensated linear scale; NaN for a region.
    status
        ``learnt``; ``stand-in`` where the control tube asked for is another subject's, or missing so that an
        alternative took its place; ``pooled`` from all tubes; ``cohort``, the median of the boundaries of other
        tubes; ``fixed`` by the template; ``abstained``, in which case the tube lacks the population.
    stands_for
        The subject that had no control tube of its own.
    interval, value_interval
        Where the boundary would lie in 95 of 100 repetitions, on the compensated linear and on the display scale;
        NaN where the rule does not say.
    share
        Of a region: the share of the events shown that lies inside, in 95 of 100 repetitions.
    shift
        How far a boundary learnt over several tubes was moved for this one, on the display scale.
    """

    population: str
    marker: str
    rule: str
    source: str
    learnt_from: tuple[str, ...]
    n_events: int
    value: float
    linear: float
    confidence: float
    status: str
    reason: str = ""
    saw: Mapping[str, float] = field(default_factory=dict)
    keep: str = ""
    of: str = ""
    options: Mapping[str, float | str] = field(default_factory=dict)
    stands_for: str = ""
    interval: Ends = UNKNOWN
    value_interval: Ends = UNKNOWN
    share: Ends = UNKNOWN
    shift: float = 0.0

    def sentence(self) -> str:
        """Return the record as a sentence for the methods or a figure's legend."""
        name = last_part(self.population)
        if self.status == ABSTAINED:
            return (
                f"{name}: no boundary on {self.marker}: {self.reason}"
                if self.marker
                else f"{name}: {self.reason}"
            )
        if self.rule == "boolean":
            return f"{name} is {self.marker}"
        side = {"above": " ≥ ", "below": " < "}.get(self.keep, "")
        where = f"{self.marker}{side}{f'{self.linear:,.0f} (linear{self._within()})' if side else ''}"
        if self.status == FIXED:
            return f"{self.marker}{side}{self.linear:,.0f} (linear), fixed by the template"
        if self.status == OF_COHORT:
            return f"{where}, not this tube's own: {self.reason} ({', '.join(self.learnt_from)})"
        how = told(self.rule, self.options)
        moved = (
            f", moved by {self.shift:+.3g} of the display scale with the tube's own peak"
            if self.shift
            else ""
        )
        said = f"{where}, learnt by {how} {self._from()}{moved}"
        said += f", {self.n_events:,} events, confidence {self.confidence:.2f}"
        return f"{said}; {self.reason}" if self.reason else said

    def _within(self) -> str:
        if not isfinite(self.interval[0]):
            return ""
        return f", 95 % interval {self.interval[0]:,.0f} to {self.interval[1]:,.0f}"

    def _from(self) -> str:
        tubes = ", ".join(self.learnt_from[:TUBES_NAMED])
        more = len(self.learnt_from) - TUBES_NAMED
        said = f"from {last_part(self.of)} of {tubes}{f' and {more} more' if more > 0 else ''}"
        if self.status == POOLED:
            said += ", pooled"
        return f"{said} (stand-in for {self.stands_for})" if self.stands_for else said


@dataclass(frozen=True, slots=True, eq=False)
class Learnt:
    """One tube's strategy, and a record of every boundary, found or not."""

    strategy: GatingStrategy
    gates: tuple[GateRecord, ...]


def absent(row: PopulationRow, reason: str) -> GateRecord:
    """Return the record of a population that could not even be looked for."""
    rule = row.region.rule if row.region else "boolean" if row.boolean else ""
    return GateRecord(row.path, "", rule, "own", (), 0, NONE, NONE, 0.0, ABSTAINED, reason)


def abstained(cut: CutRow, reason: str) -> GateRecord:
    """Return the record of a cut that found no boundary."""
    options = dict(cut.options)
    return GateRecord(
        "", cut.marker, cut.rule, cut.source, (), 0, NONE, NONE, 0.0, ABSTAINED, reason, options=options
    )


def of_cut(
    cut: CutRow,
    found: Cut,
    *,
    scales: tuple[Scale, Scale],
    tubes: tuple[str, ...],
    at: str,
    stands_for: str,
    shift: float,
) -> GateRecord:
    """Return the record of a cut that was found on the first of two scales, for a tube that shows the second."""
    theirs, mine = scales
    linear = [float(theirs.inverse(end)) for end in (found.value, *(found.interval or UNKNOWN))]
    shown = [found.value, *(found.interval or UNKNOWN)]
    if mine != theirs:
        shown = [float(mine.forward(end)) for end in linear]
    return GateRecord(
        population="",
        marker=cut.marker,
        rule=cut.rule,
        source=cut.source,
        learnt_from=tubes,
        n_events=found.n_events,
        value=shown[0],
        linear=linear[0],
        confidence=found.confidence,
        status=STAND_IN if stands_for else LEARNT,
        saw=dict(found.saw),
        of=at,
        options=dict(cut.options),
        stands_for=stands_for,
        interval=(linear[1], linear[2]) if found.interval else UNKNOWN,
        value_interval=(shown[1], shown[2]) if found.interval else UNKNOWN,
        shift=shift,
    )


def fixed(cut: CutRow, scale: Scale) -> GateRecord:
    """Return the record of a cut whose place the template gives, on the linear or on the display scale."""
    told = {name: float(value) for name, value in cut.options}
    value = told["value"] if "value" in told else float(scale.forward(told["linear"]))
    linear = told["linear"] if "linear" in told else float(scale.inverse(value))
    return GateRecord(
        "",
        cut.marker,
        cut.rule,
        cut.source,
        (),
        0,
        value,
        linear,
        1.0,
        FIXED,
        options=dict(told),
        interval=(linear, linear),
        value_interval=(value, value),
    )


def combined(row: PopulationRow) -> GateRecord:
    """Return the record of a boolean population, which has no boundary of its own."""
    return GateRecord(row.path, str(row), "boolean", "own", (), 0, NONE, NONE, 1.0, FIXED)


def of_region(
    row: PopulationRow,
    region: RegionRow,
    found: RegionFound | Abstention,
    *,
    tubes: tuple[str, ...],
    status: str,
) -> GateRecord:
    """Return the record of a region, found or not."""
    lost = isinstance(found, Abstention)
    return GateRecord(
        population=row.path,
        marker=f"{region.x} x {region.y}",
        rule=region.rule,
        source=region.source,
        learnt_from=() if lost else tubes,
        n_events=found.n_events,
        value=NONE,
        linear=NONE,
        confidence=0.0 if isinstance(found, Abstention) else found.confidence,
        status=ABSTAINED if lost else status,
        reason=found.reason if isinstance(found, Abstention) else "",
        saw=dict(found.saw),
        of=region.shown(row.parent) or ALL_EVENTS,
        options=dict(region.options),
        share=UNKNOWN if isinstance(found, Abstention) else found.share or UNKNOWN,
    )
