"""Records: how each boundary of a tube came about, told so that a reader can check it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from gating.regions import RegionFound
from gating.rows import CutRow, PopulationRow, RegionRow, last_part, told
from gating.scales import Scale
from gating.strategy import ALL_EVENTS, GatingStrategy
from gating.thresholds import Abstention

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
class Cohort:
    """Where a boundary lies beside those of other tubes; blind to arm and timepoint.

    Parameters
    ----------
    label
        Which tubes: ``batch 1``, or ``stain``.
    n
        How many different boundaries they have; tubes that share one count once.
    value, linear
        The median boundary, on the display and the compensated linear scale.
    distance
        How far the tube's own boundary lies from it, in robust standard deviations of the boundaries, the width of
        its own interval included; negative below.
    outlying
        Whether that is further than chance would bring any of ``n`` normal ones in 99 of 100 cohorts.
    """

    label: str
    n: int
    value: float
    linear: float
    distance: float
    outlying: bool


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
    cohort
        Where it lies beside those of other tubes; ``None`` where too few have one of their own.
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
    cohort: Cohort | None = None

    @property
    def outlying(self) -> bool:
        """Return whether the boundary lies far from those of the other tubes."""
        return self.cohort is not None and self.cohort.outlying

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
        where = f"{self.marker}{side}{f'{self.linear:,.0f} (linear)' if side else ''}"
        if self.status == FIXED:
            return f"{where}, fixed by the template"
        how = told(self.rule, self.options)
        said = f"{where}, learnt by {how} {self._from()}"
        said += f", {self.n_events:,} events, confidence {self.confidence:.2f}"
        return f"{said}; {self.reason}" if self.reason else said

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


def fixed(cut: CutRow, scale: Scale) -> GateRecord:
    """Return the record of a cut whose place the template gives, on the linear or on the display scale."""
    told = {name: float(value) for name, value in cut.options}
    value = told["value"] if "value" in told else float(scale.forward(told["linear"]))
    linear = told["linear"] if "linear" in told else float(scale.inverse(value))
    return GateRecord(
        "", cut.marker, cut.rule, cut.source, (), 0, value, linear, 1.0, FIXED, options=dict(told)
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
        source="own",
        learnt_from=() if lost else tubes,
        n_events=found.n_events,
        value=NONE,
        linear=NONE,
        confidence=0.0 if isinstance(found, Abstention) else found.confidence,
        status=ABSTAINED if lost else status,
        reason=found.reason if isinstance(found, Abstention) else "",
        saw=dict(found.saw),
        of=row.parent or ALL_EVENTS,
        options=dict(region.options),
    )
