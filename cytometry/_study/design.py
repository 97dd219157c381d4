"""Comparisons against the sheet: levels, subjects and their pairs, and what is mixed up with the treatment."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from math import comb

from cytometry._study.headers import shown
from cytometry._study.model import SAMPLE, Comparison, SheetRow
from cytometry._study.text import TomlText, error, warning
from cytometry.errors import Problem
from cytometry.panel import did_you_mean
from cytometry.table import NET_FRACTION_OF_PARENT
from gating.rows import last_part
from gating.template import GatingTemplate

FEWEST_PAIRS = 6  # with fewer, no outcome of a Wilcoxon signed-rank test has p < 0.05
LEVEL_OF_INTEREST = 0.05
NO_REPLICATE = ("arm", "timepoint", "stimulus", "tissue")


def comparison_problems(
    text: TomlText, number: int, one: Comparison, tubes: Sequence[SheetRow]
) -> list[Problem]:
    """Return what the sheet cannot answer of a comparison, or answers with less than one may think."""
    samples = [row for row in tubes if row.kind == SAMPLE]
    missing = list(_missing_levels(text, number, one, samples))
    if missing:
        return missing
    entering = one.tubes(tuple(tubes))
    where = text.where("comparison", number)
    control, treated = (_subjects(entering, one.factor, level) for level in (one.control, one.treated))
    if not control or not treated:
        level = one.control if not control else one.treated
        filters = ", ".join(f"{column} = {' or '.join(values)}" for column, values in one.where.items())
        return [error("CYT403", where, f"no sample has {one.factor} {level!r} where {filters}")]
    problems = list(_replicates(where, one, entering))
    at_design = text.where("comparison", number, "design")
    undecided = _undecided(at_design, one, control, treated)
    problems += undecided
    if not undecided:
        paired = any(subject in treated for subject in control)
        problems += (
            _pairs(at_design, one, entering) if paired else _few(at_design, len(control), len(treated))
        )
    needed = {endpoint.statistic for endpoint in (*one.primary, *one.secondary)}
    if NET_FRACTION_OF_PARENT in needed and not any(row.kind == "unstimulated" for row in tubes):
        said = f"{NET_FRACTION_OF_PARENT} is asked for, and no tube is of kind unstimulated"
        problems.append(error("CYT301", where, said, "add the unstimulated tubes to the sheet"))
    return problems + list(_confounded(where, one, entering))


def _subjects(rows: Iterable[SheetRow], factor: str, level: str) -> list[str]:
    return list(dict.fromkeys(row.subject for row in rows if getattr(row, factor) == level))


def _missing_levels(
    text: TomlText, number: int, one: Comparison, samples: Sequence[SheetRow]
) -> Iterator[Problem]:
    levels = list(dict.fromkeys(str(getattr(row, one.factor)) for row in samples if getattr(row, one.factor)))
    for role in ("control", "treated"):
        if getattr(one, role) not in levels:
            said = f"{role} is {getattr(one, role)!r}, and no sample has that {one.factor}"
            hint = did_you_mean(getattr(one, role), levels) + (
                f" ({one.factor} is {shown(levels)})" if levels else ""
            )
            yield error("CYT403", text.where("comparison", number, role), said, hint)
    for column, wanted in one.where.items():
        seen = list(dict.fromkeys(str(getattr(row, column)) for row in samples))
        for value in (value for value in wanted if value not in seen):
            said = f"no sample has the {column} {value!r}"
            yield error("CYT403", text.where("comparison", number, "where"), said, did_you_mean(value, seen))


def _replicates(where: str, one: Comparison, entering: Sequence[SheetRow]) -> Iterator[Problem]:
    """Yield tubes that would be averaged as replicates, and are not."""
    for column in (name for name in NO_REPLICATE if name != one.factor):
        seen: dict[tuple[str, str, str], set[str]] = {}
        for row in entering:
            key = (row.stain, row.subject, getattr(row, one.factor))
            seen.setdefault(key, set()).add(getattr(row, column))
        mixed = [(key, values) for key, values in seen.items() if len(values) > 1]
        if mixed:
            (stain, subject, level), values = mixed[0]
            of = f" of stain {stain}" if stain else ""
            differ = f"differ in {column}: {shown(sorted(values))}"
            said = f"tubes of subject {subject}{of} at {one.factor} {level!r} {differ}"
            yield error("CYT408", where, said, f'choose one: where = {{ {column} = "{min(values)}" }}')


def _undecided(where: str, one: Comparison, control: Sequence[str], treated: Sequence[str]) -> list[Problem]:
    """Return why a comparison can be neither paired nor unpaired as it stands."""
    both = [subject for subject in control if subject in treated]
    everyone = {*control, *treated}
    if one.design == "paired" and not both:
        said = f"no subject has both {one.control!r} and {one.treated!r}, so that nothing is paired"
        return [error("CYT401", where, said, 'say design = "unpaired", or mend the subjects')]
    if both and (one.design == "unpaired" or (one.design == "auto" and 2 * len(both) < len(everyone))):
        said = f"{len(both)} of {len(everyone)} subjects have both {one.control!r} and {one.treated!r}: {shown(both)}"
        hint = 'say design = "paired" to compare them alone, or leave them out: where = { subject = [...] }'
        return [error("CYT407", where, said, hint)]
    return []


def _pairs(where: str, one: Comparison, entering: Sequence[SheetRow]) -> list[Problem]:
    """Return the subjects that have no partner, and whether too few pairs are left, stain by stain."""
    found: dict[tuple[Problem, ...], list[str]] = {}
    stains = list(dict.fromkeys(row.stain for row in entering))
    for stain in stains:
        rows = [row for row in entering if row.stain == stain]
        levels = (_subjects(rows, one.factor, level) for level in (one.control, one.treated))
        found.setdefault(tuple(_pairs_of(where, one, *levels)), []).append(stain)
    if len(found) == 1:
        return list(next(iter(found)))
    return [
        replace(problem, message=f"stain {shown(own)}: {problem.message}")
        for problems, own in found.items()
        for problem in problems
    ]


def _pairs_of(
    where: str, one: Comparison, control: Sequence[str], treated: Sequence[str]
) -> Iterator[Problem]:
    both = [subject for subject in control if subject in treated]
    single = [subject for subject in dict.fromkeys([*control, *treated]) if subject not in both]
    if single:
        has = [f"{subject} has no {one.treated if subject in control else one.control}" for subject in single]
        said = f"{shown(has)}: {len(both)} complete pairs of {len(both) + len(single)} subjects are compared"
        yield warning("CYT401", where, said, "the others are gated and measured, and left out here")
    if len(both) < 2:
        said = f"only {len(both)} {'pair' if len(both) == 1 else 'pairs'}: no interval is possible"
        yield warning("CYT402", where, said, "two pairs are the fewest, and far too few to conclude from")
    elif len(both) < FEWEST_PAIRS:
        said = f"only {len(both)} pairs: the smallest two-sided Wilcoxon p is {2 / 2 ** len(both):.3g}"
        yield warning("CYT402", where, said, "estimates and intervals are reported; look at these")


def _few(where: str, control: int, treated: int) -> list[Problem]:
    smallest = min(1.0, 2 / comb(control + treated, control))
    if smallest <= LEVEL_OF_INTEREST:
        return []
    if min(control, treated) < 2:
        said = f"only {control} and {treated} subjects: no interval is possible"
        return [warning("CYT402", where, said, "each arm needs two subjects at the least, better six")]
    said = f"only {control} and {treated} subjects: the smallest two-sided rank-sum p is {smallest:.3g}"
    return [warning("CYT402", where, said, "estimates and intervals are reported; look at these")]


def _confounded(where: str, one: Comparison, entering: Sequence[SheetRow]) -> Iterator[Problem]:
    """Yield what differs together with the factor: batch, and whether the cells were frozen."""
    for column, code in (("batch", "CYT404"), ("fresh_or_frozen", "CYT405")):
        if column == one.factor:
            continue
        levels: dict[str, set[str]] = {}
        for row in entering:
            if getattr(row, column):
                levels.setdefault(getattr(row, column), set()).add(getattr(row, one.factor))
        told_apart = len(levels) > 1 and all(len(found) == 1 for found in levels.values())
        if told_apart and len(set.union(*levels.values())) > 1:
            name = column.replace("_", " ")
            said = f"{one.factor} and {name} cannot be told apart: {_listing(levels)}"
            hint = f"any difference may be that of the {'batches' if column == 'batch' else 'freezing'}"
            yield warning(code, where, said, hint)


def _listing(levels: Mapping[str, set[str]]) -> str:
    return shown([f"{value} is all {min(found)}" for value, found in levels.items()])


def _tubes(rows: Sequence[SheetRow]) -> str:
    return shown([row.tube for row in rows])


def specimen_problems(stain: str, template: GatingTemplate, rows: Sequence[SheetRow]) -> Iterator[Problem]:
    """Yield what the sheet says of specimens that a stain's template does not suit."""
    samples = [row for row in rows if row.kind == SAMPLE]
    where = f"stain {stain}"
    frozen = [row for row in samples if row.fresh_or_frozen == "frozen"]
    if frozen and any(row.fresh_or_frozen == "fresh" for row in samples):
        said = f"{len(frozen)} of {len(samples)} samples are frozen, others fresh: {_tubes(frozen)}"
        yield warning(
            "CYT405", where, said, "granulocytic and CD33+ cells are lost by freezing; compare like with like"
        )
    granulocytic = [path for path in template.paths if "PMN-MDSC" in last_part(path)]
    if frozen and granulocytic:
        said = f"{shown([last_part(path) for path in granulocytic])} of frozen cells: {_tubes(frozen)}"
        yield warning("CYT406", where, said, "PMN-MDSC hardly survive freezing and thawing; use fresh cells")
    other = list(
        dict.fromkeys(
            row.species for row in samples if row.species and row.species != template.species.lower()
        )
    )
    if template.species and other:
        said = f"template {template.name} is for {template.species}, the samples are {shown(other)}"
        yield warning("CYT109", where, said)
