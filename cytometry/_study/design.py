"""Comparisons against the sheet: levels, subjects and their pairs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from math import comb

from cytometry._study.comparison import Comparison
from cytometry._study.mixed import mixed_up, model_problems
from cytometry._study.model import SAMPLE, SheetRow
from cytometry._study.settings import TODO
from cytometry._study.text import TomlText, error, shown, warning
from cytometry.errors import Problem
from cytometry.panel import did_you_mean
from cytometry.table import NET_FRACTION_OF_PARENT

FEWEST_PAIRS = 6  # with fewer, no outcome of a Wilcoxon signed-rank test has p < 0.05
LEVEL_OF_INTEREST = 0.05
NO_REPLICATE = ("arm", "timepoint", "stimulus", "tissue")


def comparison_problems(
    text: TomlText, number: int, one: Comparison, tubes: Sequence[SheetRow]
) -> list[Problem]:
    """Return what the sheet cannot answer of a comparison, or answers with less than one may think."""
    samples = [row for row in tubes if row.kind == SAMPLE]
    missing = list(_missing_levels(text, number, one, samples))
    if missing or TODO in one.change.values():
        return missing
    entering = one.tubes(tuple(tubes))
    where = text.where("comparison", number)
    by_level = {level: _subjects(entering, one.factor, level) for level in one.levels}
    empty = [level for level, subjects in by_level.items() if not subjects]
    if empty:
        filters = ", ".join(f"{column} = {' or '.join(values)}" for column, values in one.where.items())
        return [error("CYT403", where, f"no sample has {one.factor} {empty[0]!r} where {filters}")]
    problems = [*_replicates(where, one, entering), *model_problems(text, number, one, entering)]
    if one.change:
        problems += _changes(text.where("comparison", number, "change"), one, entering)
    elif one.design != "trend":
        for level in one.treated_levels:
            at = text.where("comparison", number, "design")
            problems += _of_level(at, replace(one, treated=level), entering)
    needed = {endpoint.statistic for endpoint in (*one.primary, *one.secondary)}
    if NET_FRACTION_OF_PARENT in needed and not any(row.kind == "unstimulated" for row in tubes):
        said = f"{NET_FRACTION_OF_PARENT} is asked for, and no tube is of kind unstimulated"
        problems.append(error("CYT301", where, said, "add the unstimulated tubes to the sheet"))
    return list(dict.fromkeys([*problems, *mixed_up(where, one, entering)]))


def _of_level(where: str, one: Comparison, entering: Sequence[SheetRow]) -> list[Problem]:
    """Return what the pairs, or the arms, of one treated level cannot show."""
    rows = [row for row in entering if getattr(row, one.factor) in one.levels]
    control, treated = (_subjects(rows, one.factor, level) for level in one.levels)
    undecided = _undecided(where, one, control, treated)
    if undecided:
        return undecided
    if any(subject in treated for subject in control):
        return _pairs(where, one, rows)
    return _few(where, *(_units(rows, one, level) for level in one.levels))


def _changes(where: str, one: Comparison, entering: Sequence[SheetRow]) -> list[Problem]:
    """Return subjects whose change belongs to no arm, or of whom one time is missing."""
    arms: dict[str, set[str]] = {}
    for row in entering:
        arms.setdefault(row.subject, set()).add(getattr(row, one.factor))
    several = [subject for subject, found in arms.items() if len(found) > 1]
    if several:
        said = f"{shown(several)} have more than one {one.factor}, so that their change belongs to none"
        return [error("CYT407", where, said, 'compare them with themselves: design = "paired"')]
    times = (one.change["before"], one.change["after"])
    whole = {
        level: [
            subject
            for subject in _subjects(entering, one.factor, level)
            if {getattr(row, one.within) for row in entering if row.subject == subject} >= set(times)
        ]
        for level in one.levels
    }
    half = [subject for subject in arms if not any(subject in found for found in whole.values())]
    problems = []
    if half:
        said = f"{shown(half)}: not both {times[0]!r} and {times[1]!r}; {len(arms) - len(half)} subjects are compared"
        problems.append(
            warning("CYT401", where, said, "the others are gated and measured, and left out here")
        )
    control = len(whole[one.control])
    return problems + [few for level in one.treated_levels for few in _few(where, control, len(whole[level]))]


def _units(rows: Sequence[SheetRow], one: Comparison, level: str) -> int:
    """Return how many units have a level: what n counts."""
    return len({getattr(row, one.unit) for row in rows if getattr(row, one.factor) == level})


def _subjects(rows: Iterable[SheetRow], factor: str, level: str) -> list[str]:
    return list(dict.fromkeys(row.subject for row in rows if getattr(row, factor) == level))


def _missing_levels(
    text: TomlText, number: int, one: Comparison, samples: Sequence[SheetRow]
) -> Iterator[Problem]:
    asked = [
        ("control", one.factor, one.control),
        *(("treated", one.factor, one_of) for one_of in one.treated_levels),
    ]
    asked += [("change", one.within, one.change[end]) for end in ("before", "after") if one.change]
    for role, factor, level in asked:
        levels = list(dict.fromkeys(str(getattr(row, factor)) for row in samples if getattr(row, factor)))
        if level not in levels and level != TODO:
            said = f"{role} is {level!r}, and no sample has that {factor}"
            hint = did_you_mean(level, levels) + (f" ({factor} is {shown(levels)})" if levels else "")
            yield error("CYT403", text.where("comparison", number, role), said, hint)
    for column, wanted in one.where.items():
        seen = list(dict.fromkeys(str(getattr(row, column)) for row in samples))
        for value in (value for value in wanted if value not in seen):
            said = f"no sample has the {column} {value!r}"
            yield error("CYT403", text.where("comparison", number, "where"), said, did_you_mean(value, seen))


def _replicates(where: str, one: Comparison, entering: Sequence[SheetRow]) -> Iterator[Problem]:
    """Yield tubes that would be averaged as replicates, and are not."""
    for column in (name for name in NO_REPLICATE if name not in (one.factor, one.within)):
        seen: dict[tuple[str, str, str], set[str]] = {}
        for row in entering:
            key = (row.stain, row.subject, getattr(row, one.within))
            seen.setdefault(key, set()).add(getattr(row, column))
        mixed = [(key, values) for key, values in seen.items() if len(values) > 1]
        if mixed:
            (stain, subject, level), values = mixed[0]
            of = f" of stain {stain}" if stain else ""
            differ = f"differ in {column}: {shown(sorted(values))}"
            said = f"tubes of subject {subject}{of} at {one.within} {level!r} {differ}"
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
        levels = (_subjects(rows, one.factor, level) for level in one.levels)
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
