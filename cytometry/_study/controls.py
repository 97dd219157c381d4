"""Control tubes: whether each boundary that is learnt from one has one, and what happens where it has none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cytometry._study.model import SAMPLE, SheetRow
from cytometry._study.panels import PanelText
from cytometry._study.text import error, shown, warning
from cytometry.errors import Problem
from cytometry.markers import canonical_marker
from cytometry.panel import did_you_mean
from gating.columns import ArrayEvents, Columns, Dimension
from gating.errors import TemplateError
from gating.rows import COHORT, OWN, POOLED, CutRow, last_part
from gating.sources import GROUPS, KINDS, LACK_A_MARKER, Sources, TemplateTube
from gating.template import GatingTemplate


@dataclass(frozen=True, slots=True)
class _Lack:
    """A control that a boundary asks for and some tubes do not have."""

    source: str
    marker: str
    why: str
    instead: str


def named_markers(
    rows: Sequence[SheetRow], text: PanelText, stain: str
) -> tuple[dict[str, tuple[str, ...]], list[Problem]]:
    """Return what each tube lacks, in the panel's names, and the markers that the panel does not have."""
    lacks: dict[str, tuple[str, ...]] = {}
    problems = []
    for row in rows:
        known = []
        for marker in row.lacks:
            usual = marker if marker in text.panel.dimensions else canonical_marker(marker) or marker
            known.append(usual)
            if usual not in text.panel.markers:
                said = f"tube {row.tube} lacks {marker!r}, which is no marker of stain {stain}"
                problems.append(error("CYT101", row.where, said, did_you_mean(marker, text.panel.markers)))
        lacks[row.tube] = tuple(known)
    return lacks, problems


def control_problems(
    rows: Sequence[SheetRow], template: GatingTemplate, *, stain: str, stand_in: str
) -> list[Problem]:
    """Return which boundaries lack their control tube, in which tubes, and what is done instead.

    Parameters
    ----------
    rows
        The tubes of the stain.
    """
    names = template.dimensions
    nothing = ArrayEvents(np.empty((0, len(names))), names)
    columns = Columns(nothing, {name: Dimension(name) for name in names})
    sources = Sources(
        {row.tube: TemplateTube(columns, row.kind, row.lacks, _groups(row)) for row in rows}, stand_in
    )
    try:
        sources.check({learning.learn_over for row in template.populations for learning in row.learning})
    except TemplateError as failure:
        return [error("CYT103", f"stain {stain}", str(failure))]
    samples = [row for row in rows if row.kind == SAMPLE]
    lacks: dict[_Lack, list[SheetRow]] = {}
    populations: dict[_Lack, list[str]] = {}
    for population, cut in (
        (row, cut) for row in template.populations for cut in row.cuts if cut.source != OWN
    ):
        for row in samples:
            lack = _lack(cut, sources, row.tube)
            if lack:
                lacks.setdefault(lack, []).append(row)
                populations.setdefault(lack, []).append(last_part(population.path))
    absent = [
        warning(
            "CYT301",
            f"stain {stain}",
            _absence(lack, _whose(found, samples), populations[lack]),
            _remedy(lack),
        )
        for lack, found in lacks.items()
        if lack.why
    ]
    return absent + _stand_ins({lack: found for lack, found in lacks.items() if not lack.why}, stain)


def _groups(row: SheetRow) -> Mapping[str, str]:
    return {name: str(getattr(row, name)) for name in GROUPS if getattr(row, name)}


def _lack(cut: CutRow, sources: Sources, tube: str) -> _Lack | None:
    """Return what is wanting where a cut's control is of another batch, or there is none."""
    supply = sources.of(cut, tube, lambda _: True)
    if isinstance(supply, str):
        return _Lack(cut.source, cut.marker, supply, _instead(cut, sources, tube))
    # One control tube per batch is how it is usually done; one of another day or machine is worth a word.
    batch = sources.tubes[tube].groups.get("batch")
    far = any(sources.tubes[other].groups.get("batch") != batch for other in supply.tubes)
    return _Lack(cut.source, cut.marker, "", "") if supply.stands_for and far else None


def _instead(cut: CutRow, sources: Sources, tube: str) -> str:
    other = cut.otherwise
    if isinstance(other, CutRow):
        if other.source != OWN:
            lack = _lack(other, sources, tube)
            if lack is None:
                return f"the {KINDS[other.source]} is used"
            return lack.instead
        of = f" of {last_part(other.reference)}" if other.reference else ""
        return f"the boundary is learnt by {other.rule}{of} in the tube itself"
    if other == POOLED and sources.everyone(cut, lambda _: True):
        return "the boundary is learnt from all tubes pooled"
    if other == COHORT:
        return "the median boundary of the tubes like it is taken"
    return "the population is left out of these tubes"


def _absence(lack: _Lack, whose: str, populations: Sequence[str]) -> str:
    name = f"{KINDS[lack.source]}{' without' if lack.source in LACK_A_MARKER else ' for'} {lack.marker}"
    return f"no {name} {whose}; for {shown(list(dict.fromkeys(populations)))}, {lack.instead}"


def _remedy(lack: _Lack) -> str:
    lacks = f" and lacks {lack.marker}" if lack.source in LACK_A_MARKER else ""
    return f"add its tube with kind {lack.source}{lacks}"


def _stand_ins(lacks: Mapping[_Lack, Sequence[SheetRow]], stain: str) -> list[Problem]:
    """Say once for each kind of control that tubes of other batches stand in."""
    problems = []
    for source in dict.fromkeys(lack.source for lack in lacks):
        own = {lack.marker: found for lack, found in lacks.items() if lack.source == source}
        subjects = list(dict.fromkeys(row.subject or row.tube for found in own.values() for row in found))
        said = f"no {KINDS[source]} of their batch for {', '.join(own)} in {len(subjects)} subjects: {shown(subjects)}"
        hint = "that of another batch stands in, as stand_in allows; the record of each gate says which"
        problems.append(warning("CYT320", f"stain {stain}", said, hint))
    return problems


def _whose(found: Sequence[SheetRow], samples: Sequence[SheetRow]) -> str:
    """Name the batches, or the subjects, whose tubes lack a control."""
    tubes = {row.tube for row in found}
    if len(tubes) == len(samples):
        return "for any sample"
    batches = list(dict.fromkeys(row.batch for row in found if row.batch))
    whole = [batch for batch in batches if all(row.tube in tubes for row in samples if row.batch == batch)]
    if whole and all(row.batch in whole for row in found):
        return f"in batch {shown(whole)}"
    return f"for subject {shown(list(dict.fromkeys(row.subject or row.tube for row in found)))}"
