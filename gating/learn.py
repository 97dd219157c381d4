"""Learn: from a template and the tubes of a stain to a strategy for each tube.

Level by level: a population is found in every tube before the next one is looked for, so that a control tube
has been gated to the same parent by the time its events are asked for, and a tube that shows no boundary can be
given that of its cohort.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from gating.bench import Bench, Held
from gating.bounds import between
from gating.cohort import Peers, median_boundary
from gating.errors import TemplateError
from gating.finding import Finder, Looked
from gating.recall import Memory
from gating.records import ABSTAINED, GateRecord, Learnt
from gating.rows import COHORT, CutRow, PopulationRow
from gating.sources import Sources, TemplateTube
from gating.strategy import Population
from gating.template import GatingTemplate

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
        The tubes of one stain, by name. Their order never changes a tube's result; the presence of others only
        where it is learnt from several, or takes the median of its cohort.
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
    finder = Finder(benches, sources, rows, max_events=max_events, memory=memory)
    peers = Peers({name: (tube.kind, tube.groups) for name, tube in tubes.items()})
    for row in rows:
        looked = {name: finder.look(row, bench) for name, bench in benches.items()}
        looked = {name: _settled(name, looked, peers, benches) for name in looked}
        for name, bench in benches.items():
            _place(row, looked[name], bench)
    return {name: bench.learnt() for name, bench in benches.items()}


def _settled(name: str, looked: Mapping[str, Looked], peers: Peers, benches: Mapping[str, Bench]) -> Looked:
    """Return what was found in a tube, with its cohort's boundary where a cut found none and asks for that."""

    def settled(cut: CutRow, record: GateRecord) -> GateRecord:
        if record.status != ABSTAINED or cut.at_last != COHORT or cut.same_as:
            return record
        same = {other: held for other, found in looked.items() for one, held in found.cuts if one is cut}
        return median_boundary(name, record, same, peers=peers, scale=benches[name].scale(cut.marker))

    return replace(looked[name], cuts=tuple((cut, settled(cut, record)) for cut, record in looked[name].cuts))


def _place(row: PopulationRow, looked: Looked, bench: Bench) -> None:
    """Put a population where it was found, and the records of its boundaries in any case."""
    records = [record for _, record in looked.cuts]
    bench.records += [*looked.records, *records]
    for record in records:
        bench.keep(record)
    gate = looked.gate
    if records and not any(record.status == ABSTAINED for record in records):
        gate = between(records)
    if gate:
        bench.place(Population(row.name, gate, row.parent))
