"""Finding: one row of a template in one tube: which events are shown to which rule, and what it answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from math import ceil

import numpy as np

from gating.bench import Bench
from gating.bounds import combination, way_to
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
    absent,
    abstained,
    combined,
    fixed,
    of_cut,
    of_region,
)
from gating.regions import REGIONS, RegionFound
from gating.rows import OWN, SKIP, CutRow, LearntRow, PopulationRow, RegionRow, last_part
from gating.scales import Floats, Scale
from gating.shift import PEAK
from gating.sources import TUBE, Reaches, Sources, Supply
from gating.strategy import ALL_EVENTS, ROOT
from gating.thresholds import RULES, Abstention, Cut
from gating.words import NEGATIVE_PEAK


@dataclass(frozen=True, slots=True)
class Looked:
    """What a row found in a tube: each cut with its record, or a gate and its records; no gate if there is none."""

    cuts: tuple[tuple[CutRow, GateRecord], ...] = ()
    records: tuple[GateRecord, ...] = ()
    gate: Gate | None = None


@dataclass(frozen=True, slots=True)
class _Found:
    """What a rule answered, on which scale, and where the peaks of the tubes shown were put for it."""

    answer: Cut | Abstention
    scale: Scale
    peak: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Finder:
    """Looks for one row in one tube; what several tubes or rows share is learnt once."""

    benches: Mapping[str, Bench]
    sources: Sources
    rows: Sequence[PopulationRow]
    max_events: int
    memory: Memory | None
    found: dict[tuple[CutRow, str, tuple[str, ...]], _Found] = field(default_factory=dict)
    regions: dict[tuple[RegionRow, str, tuple[str, ...]], RegionFound | Abstention] = field(
        default_factory=dict
    )
    peaks: dict[tuple[str, str, str, str], Cut | Abstention] = field(default_factory=dict)

    def look(self, row: PopulationRow, bench: Bench) -> Looked:
        """Return a row's boundaries in a tube, or why they are not there."""
        missing = [p for p in (row.parent, *(row.boolean.operands if row.boolean else ())) if p]
        missing = [p for p in missing if p not in bench.populations]
        if missing:
            return Looked(records=(absent(row, f"{last_part(missing[0])} {NOT_FOUND}"),))
        if row.region:
            return self._region(row, row.region, bench)
        if row.boolean:
            return Looked(records=(combined(row),), gate=combination(row.boolean))
        cuts = [cut for cut in row.cuts if not cut.if_present or bench.tube.carries(cut.marker)]
        if not cuts:
            reason = f"{bench.name} is not stained with {' or '.join(row.dimensions)}"
            return Looked(records=(absent(row, reason),))
        records = (self._boundary(cut, row.parent, bench) for cut in cuts)
        return Looked(
            tuple(
                (cut, replace(record, population=row.path, keep=cut.keep))
                for cut, record in zip(cuts, records, strict=True)
            )
        )

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
        supply = self._supply(cut, cut.shown(parent), bench)
        record = (
            abstained(cut, supply)
            if isinstance(supply, str)
            else self._record(cut, cut.shown(parent), supply, bench)
        )
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
        at, plain = cut.shown(parent), replace(cut, shift_by="", otherwise=SKIP)
        everyone = self._everyone(plain, at) if cut.otherwise == POOLED else ()
        if not everyone:
            return first
        pooled = self._record(plain, at, Supply(everyone), bench)
        if pooled.status == ABSTAINED:
            return replace(first, reason=f"{first.reason}; pooled from all tubes: {pooled.reason}")
        return replace(pooled, status=POOLED, reason=first.reason)

    def _record(self, cut: CutRow, at: str, supply: Supply, bench: Bench) -> GateRecord:
        key = (_shared(cut), at, supply.tubes)
        if key not in self.found:
            self.found[key] = self._learn(cut, at, supply.tubes)
        found = self.found[key]
        answer, shift = found.answer, 0.0
        if cut.shift_by and isinstance(answer, Cut):
            mine = self._peak(cut, at, bench.name, found.scale)
            if isinstance(mine, Abstention):
                answer = Abstention(f"nothing to shift it by: {mine.reason}", mine.n_events, mine.saw)
            else:
                shift = mine.value - found.peak
                answer = _moved(answer, shift, mine)
        if isinstance(answer, Abstention):
            return replace(abstained(cut, answer.reason), n_events=answer.n_events, saw=dict(answer.saw))
        return of_cut(
            cut,
            answer,
            scales=(found.scale, bench.scale(cut.marker)),
            tubes=supply.tubes,
            at=at or ALL_EVENTS,
            stands_for=supply.stands_for,
            shift=shift,
        )

    def _learn(self, cut: CutRow, at: str, tubes: tuple[str, ...]) -> _Found:
        scale = self.benches[tubes[0]].scale(cut.marker)
        card, options = RULES[cut.rule], dict(cut.options)
        try:
            if not cut.shift_by:
                values = np.concatenate(self._shown(cut, at, tubes))[:, 0]
                return _Found(ask(card, values, options=options, memory=self.memory), scale)
            peaks = {tube: self._peak(cut, at, tube, scale) for tube in tubes}
            known = {tube: peak.value for tube, peak in peaks.items() if isinstance(peak, Cut)}
            if not known:
                first = next(iter(peaks.values()))
                why = first.reason if isinstance(first, Abstention) else ""
                return _Found(Abstention(f"nothing to align {', '.join(tubes)} by: {why}", 0, {}), scale)
            middle = float(np.median(list(known.values())))
            parts = zip(known.values(), self._shown(cut, at, tuple(known)), strict=True)
            aligned = np.concatenate([part[:, 0] + (middle - peak) for peak, part in parts])
            return _Found(ask(card, aligned, options=options, memory=self.memory), scale, middle)
        except Exception as error:
            error.add_note(
                f"in the cut on {cut.marker} by {cut.rule!r}, from {at or ALL_EVENTS} of {', '.join(tubes)}"
            )
            raise

    def _peak(self, cut: CutRow, at: str, tube: str, scale: Scale) -> Cut | Abstention:
        """Return where a tube has the peak that a cut is shifted by, on a scale that is common to the tubes."""
        own = cut.shift_by == NEGATIVE_PEAK
        which, path = ("negative", at) if own else ("main", cut.shift_by)
        path = ROOT if path == ALL_EVENTS else path
        bench = self.benches[tube]
        if not bench.reaches(path):
            return Abstention(f"{tube} has no {last_part(path)}", 0, {})
        key = (which, path, cut.marker, tube)
        if key not in self.peaks:
            values = bench.shown(path, (cut.marker,), self.max_events)[:, 0]
            self.peaks[key] = ask(PEAK, values, options={"which": which}, memory=self.memory)
        found, mine = self.peaks[key], bench.scale(cut.marker)
        if isinstance(found, Abstention) or mine == scale:
            return found
        ends = found.interval or (found.value, found.value)
        value, low, high = (float(scale.forward(mine.inverse(x))) for x in (found.value, *ends))
        return replace(found, value=value, interval=(low, high))

    def _region(self, row: PopulationRow, region: RegionRow, bench: Bench) -> Looked:
        """Return the first region of a chain that is found."""
        at = region.shown(row.parent)
        supply = self._supply(region, at, bench)
        found, tubes = self._found_region(region, at, supply)
        status = STAND_IN if isinstance(supply, Supply) and supply.stands_for else LEARNT
        if isinstance(found, Abstention) and isinstance(region.otherwise, RegionRow):
            other = self._region(row, region.otherwise, bench)
            then = f"{found.reason}, hence not by {region.rule}"
            lost = f"{found.reason}; then {region.otherwise.rule}: "
            records = tuple(
                replace(r, reason=then if other.gate else f"{lost}{r.reason}") for r in other.records
            )
            return replace(other, records=records)
        if isinstance(found, Abstention) and region.otherwise == POOLED:
            found, tubes = self._found_region(region, at, Supply(self._everyone(region, at)))
            status = POOLED
        record = of_region(row, region, found, tubes=tubes, status=status)
        gate = None if isinstance(found, Abstention) else Polygon(region.dimensions, found.vertices)
        return Looked(records=(record,), gate=gate)

    def _found_region(
        self, region: RegionRow, at: str, supply: Supply | str
    ) -> tuple[RegionFound | Abstention, tuple[str, ...]]:
        if isinstance(supply, str) or not supply.tubes:
            return Abstention(supply if isinstance(supply, str) else "no tube to learn it from", 0, {}), ()
        key = (replace(region, learn_over=TUBE, otherwise=SKIP), at, supply.tubes)
        if key not in self.regions:
            points = np.concatenate(self._shown(region, at, supply.tubes))
            card, options = REGIONS[region.rule], dict(region.options)
            self.regions[key] = ask(card, points, options=options, memory=self.memory)
        return self.regions[key], supply.tubes

    def _supply(self, row: LearntRow, at: str, bench: Bench) -> Supply | str:
        return self.sources.of(row, bench.name, self._reaching(row, at), on_the_way=self._way(row, at))

    def _everyone(self, row: LearntRow, at: str) -> tuple[str, ...]:
        return self.sources.everyone(row, self._reaching(row, at), on_the_way=self._way(row, at))

    def _way(self, row: LearntRow, at: str) -> Iterable[str]:
        return way_to(at, self.rows) if row.join else ()

    def _shown(self, row: LearntRow, at: str, tubes: tuple[str, ...]) -> list[Floats]:
        """Return the events shown to a rule, on the first tube's scales, an equal share from each tube."""
        share = ceil(self.max_events / len(tubes))
        scales = [self.benches[tubes[0]].scale(name) for name in row.dimensions]
        shown = []
        for tube in tubes:
            bench = self.benches[tube]
            points = bench.shown(
                bench.deepest(at) if row.source == "unstained" else at, row.dimensions, share
            )
            for axis, (name, scale) in enumerate(zip(row.dimensions, scales, strict=True)):
                if bench.scale(name) != scale:
                    points[:, axis] = scale.forward(bench.scale(name).inverse(points[:, axis]))
            shown.append(points)
        return shown

    def _reaching(self, row: LearntRow, at: str) -> Reaches:
        if row.source == "unstained":
            return lambda _: True
        return lambda name: self.benches[name].reaches(at)


def _moved(cut: Cut, shift: float, peak: Cut) -> Cut:
    """Return a cut moved by a shift; what is not known of the peak is not known of the cut either."""
    saw = {**cut.saw, "peak": peak.value, "shift": shift}
    if cut.interval is None or peak.interval is None:
        return replace(cut, value=cut.value + shift, saw=saw, interval=None)
    value = cut.value
    below, above = (abs(end - value) for end in cut.interval)
    more = (peak.interval[1] - peak.interval[0]) / 2
    interval = (value + shift - float(np.hypot(below, more)), value + shift + float(np.hypot(above, more)))
    return replace(cut, value=value + shift, saw=saw, interval=interval)


@lru_cache(maxsize=4096)
def _shared(cut: CutRow) -> CutRow:
    """Return what of a cut decides the boundary, once it is known whose events are shown."""
    return replace(cut.recipe, learn_over="stain", otherwise=SKIP)


def _in(cut: CutRow) -> str:
    return "" if cut.source == OWN else f" in {cut.source}"
