"""Learn: from a template and the tubes of a stain to a strategy for each tube.

Level by level: a population is found in every tube before the next one is looked for, so that a control tube
has been gated to the same parent by the time its events are asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from math import ceil

import numpy as np

from gating.bench import Bench, Held
from gating.bounds import between, combination
from gating.errors import TemplateError
from gating.gates import Gate, Polygon
from gating.recall import Memory, ask
from gating.records import (
    ABSTAINED,
    LEARNT,
    NONE_HERE,
    NOT_FOUND,
    POOLED,
    STAND_IN,
    GateRecord,
    Learnt,
    absent,
    abstained,
    combined,
    fixed,
    of_region,
)
from gating.regions import REGIONS, RegionFound
from gating.rows import OWN, SKIP, CutRow, PopulationRow, RegionRow, last_part
from gating.scales import Floats, Scale
from gating.sources import STAIN, TUBE, Reaches, Sources, Supply, TemplateTube
from gating.strategy import ALL_EVENTS, Population
from gating.template import GatingTemplate
from gating.thresholds import RULES, Abstention, Cut

__all__ = ["GateRecord", "Learnt", "TemplateTube", "learn"]


def learn(
    template: GatingTemplate,
    tubes: Mapping[str, TemplateTube],
    *,
    seed: int,
    max_events: int = 20_000,
    stand_in: str = "batch",
    memory: Memory | None = None,
) -> dict[str, Learnt]:
    """Learn every boundary of a template in every tube, control tubes among them.

    Parameters
    ----------
    template
        What to find; see :meth:`GatingTemplate.prune` for a panel that lacks some of it.
    tubes
        The tubes of one stain, by name. Neither their order nor, for what is learnt per tube, the presence of
        others changes a tube's result.
    seed
        Chooses the events that are shown to a rule where a population has more than ``max_events``.
        Populations themselves are gated on all events.
    max_events
        How many events a rule is shown, in all; tubes learnt from together share them equally.
    stand_in
        How far away a control tube may be when a specimen has none of its own: ``none``, ``subject``,
        ``batch`` or ``stain``.
    memory
        Answers of rules, by question: those it holds are taken, new ones are put into it; see
        :mod:`gating.recall`.

    Returns
    -------
    dict
        For each tube its strategy and a record of every boundary. A boundary that no rule finds removes its
        population, with all below, from that tube; the record says why.

    Raises
    ------
    TemplateError
        If no tube has a dimension that the template needs, or no tube names a group it learns over.
    """
    present = {name for tube in tubes.values() for name in tube.columns.dimensions}
    problems = template.check(present) if tubes else []
    if problems:
        msg = (
            f"the tubes do not fit the template {template.name}: {'; '.join(problems)}; prune it to the panel"
        )
        raise TemplateError(msg)
    rows = template.prune(present)[0].populations if tubes else ()
    sources = Sources(tubes, stand_in)
    sources.check({learning.learn_over for row in rows for learning in row.learning})
    held = Held()
    benches = {name: Bench(name, tube, seed=seed, held=held) for name, tube in tubes.items()}
    learner = _Learner(benches, sources, max_events, memory)
    for row in rows:
        for bench in benches.values():
            learner.find(row, bench)
    return {name: bench.learnt() for name, bench in benches.items()}


Found = tuple[Cut | Abstention, Scale]


@dataclass(frozen=True, slots=True, eq=False)
class _Learner:
    """Learns one row in one tube; what several tubes or rows share is learnt once."""

    benches: Mapping[str, Bench]
    sources: Sources
    max_events: int
    memory: Memory | None
    found: dict[tuple[CutRow, str, tuple[str, ...]], Found] = field(default_factory=dict)
    regions: dict[tuple[RegionRow, str, tuple[str, ...]], RegionFound | Abstention] = field(
        default_factory=dict
    )

    def find(self, row: PopulationRow, bench: Bench) -> None:
        """Place a row's population in a tube, or record why it is not there."""
        missing = [p for p in (row.parent, *(row.boolean.operands if row.boolean else ())) if p]
        missing = [p for p in missing if p not in bench.populations]
        if missing:
            bench.records.append(absent(row, f"{last_part(missing[0])} {NOT_FOUND}"))
            return
        if row.region:
            gate = self._region(row, row.region, bench)
        elif row.boolean:
            gate = combination(row.boolean)
            bench.records.append(combined(row))
        else:
            gate = self._rectangle(row, bench)
        if gate:
            bench.place(Population(row.name, gate, row.parent))

    def _rectangle(self, row: PopulationRow, bench: Bench) -> Gate | None:
        cuts = [cut for cut in row.cuts if not cut.if_present or bench.tube.carries(cut.marker)]
        if not cuts:
            bench.records.append(
                absent(row, f"{bench.name} is not stained with {' or '.join(row.dimensions)}")
            )
            return None
        records = []
        for cut in cuts:
            record = replace(self._boundary(cut, row.parent, bench), population=row.path, keep=cut.keep)
            bench.boundaries[row.path, cut.marker] = record
            records.append(record)
        bench.records += records
        return None if any(record.status == ABSTAINED for record in records) else between(records)

    def _boundary(self, cut: CutRow, parent: str, bench: Bench) -> GateRecord:
        """Return the boundary of a cut in a tube; its alternatives are tried in turn."""
        if cut.marker not in bench.tube.columns.dimensions:
            return abstained(cut, "no dimension of the tube has that name")
        if cut.same_as:
            return bench.boundaries.get((cut.same_as, cut.marker)) or abstained(
                cut, f"{last_part(cut.same_as)} {NONE_HERE}"
            )
        if cut.rule == "fixed":
            return fixed(cut, bench.scale(cut.marker))
        at = cut.shown(parent)
        supply = self.sources.of(cut, bench.name, self._reaching(cut, at))
        record = abstained(cut, supply) if isinstance(supply, str) else self._record(cut, at, supply, bench)
        if record.status != ABSTAINED:
            return record
        return self._instead(cut, parent, bench, record)

    def _instead(self, cut: CutRow, parent: str, bench: Bench, first: GateRecord) -> GateRecord:
        """Try what the cut says for when it finds no boundary."""
        if isinstance(cut.otherwise, CutRow):
            other = self._boundary(cut.otherwise, parent, bench)
            if other.status == ABSTAINED:
                return replace(first, reason=f"{first.reason}; then {cut.otherwise.rule}: {other.reason}")
            status = STAND_IN if cut.source != OWN and other.status == LEARNT else other.status
            return replace(other, status=status, reason=f"{first.reason}, hence not by {cut.rule}{_in(cut)}")
        at = cut.shown(parent)
        everyone = self.sources.everyone(cut, self._reaching(cut, at)) if cut.otherwise == POOLED else ()
        if not everyone:
            return first
        pooled = self._record(cut, at, Supply(everyone), bench)
        if pooled.status == ABSTAINED:
            return replace(first, reason=f"{first.reason}; pooled from all tubes: {pooled.reason}")
        return replace(pooled, status=POOLED, reason=first.reason)

    def _record(self, cut: CutRow, at: str, supply: Supply, bench: Bench) -> GateRecord:
        key = (_shared(cut), at, supply.tubes)
        if key not in self.found:
            self.found[key] = self._learn(cut, at, supply.tubes)
        found, scale = self.found[key]
        if isinstance(found, Abstention):
            return replace(abstained(cut, found.reason), n_events=found.n_events, saw=dict(found.saw))
        linear = float(scale.inverse(found.value))
        mine = bench.scale(cut.marker)
        return GateRecord(
            population="",
            marker=cut.marker,
            rule=cut.rule,
            source=cut.source,
            learnt_from=supply.tubes,
            n_events=found.n_events,
            value=found.value if mine == scale else float(mine.forward(linear)),
            linear=linear,
            confidence=found.confidence,
            status=STAND_IN if supply.stands_for else LEARNT,
            saw=dict(found.saw),
            of=at or ALL_EVENTS,
            options=dict(cut.options),
            stands_for=supply.stands_for,
        )

    def _learn(self, cut: CutRow, at: str, tubes: tuple[str, ...]) -> Found:
        scale = self.benches[tubes[0]].scale(cut.marker)
        values = self._shown(cut.source, at, (cut.marker,), tubes)[:, 0]
        try:
            return ask(RULES[cut.rule], values, options=dict(cut.options), memory=self.memory), scale
        except Exception as error:
            error.add_note(
                f"in the cut on {cut.marker} by {cut.rule!r}, from {at or ALL_EVENTS} of {', '.join(tubes)}"
            )
            raise

    def _region(self, row: PopulationRow, region: RegionRow, bench: Bench) -> Gate | None:
        axes = (region.x, region.y)
        supply = self.sources.own(axes, region.learn_over, bench.name, self._reaching(None, row.parent))
        found, tubes = self._found_region(region, row.parent, supply)
        status = LEARNT
        if isinstance(found, Abstention) and region.otherwise == POOLED:
            everyone = self.sources.own(axes, STAIN, bench.name, self._reaching(None, row.parent))
            found, tubes = self._found_region(region, row.parent, everyone)
            status = POOLED
        bench.records.append(of_region(row, region, found, tubes=tubes, status=status))
        return None if isinstance(found, Abstention) else Polygon(axes, found.vertices)

    def _found_region(
        self, region: RegionRow, at: str, supply: Supply | str
    ) -> tuple[RegionFound | Abstention, tuple[str, ...]]:
        if isinstance(supply, str):
            return Abstention(supply, 0, {}), ()
        key = (replace(region, learn_over=TUBE, otherwise=SKIP), at, supply.tubes)
        if key not in self.regions:
            points = self._shown(OWN, at, (region.x, region.y), supply.tubes)
            card, options = REGIONS[region.rule], dict(region.options)
            self.regions[key] = ask(card, points, options=options, memory=self.memory)
        return self.regions[key], supply.tubes

    def _shown(self, source: str, at: str, dimensions: tuple[str, ...], tubes: tuple[str, ...]) -> Floats:
        """Return the events shown to a rule, on the first tube's scales, an equal share from each tube."""
        share = ceil(self.max_events / len(tubes))
        scales = [self.benches[tubes[0]].scale(name) for name in dimensions]
        shown = []
        for tube in tubes:
            bench = self.benches[tube]
            points = bench.shown(bench.deepest(at) if source == "unstained" else at, dimensions, share)
            for axis, (name, scale) in enumerate(zip(dimensions, scales, strict=True)):
                if bench.scale(name) != scale:
                    points[:, axis] = scale.forward(bench.scale(name).inverse(points[:, axis]))
            shown.append(points)
        return np.concatenate(shown)

    def _reaching(self, cut: CutRow | None, at: str) -> Reaches:
        if cut and cut.source == "unstained":
            return lambda _: True
        return lambda name: self.benches[name].reaches(at)


@lru_cache(maxsize=4096)
def _shared(cut: CutRow) -> CutRow:
    """Return what of a cut decides the boundary, once it is known whose events are shown."""
    return replace(cut.recipe, learn_over=TUBE, otherwise=SKIP)


def _in(cut: CutRow) -> str:
    return "" if cut.source == OWN else f" in {cut.source}"
