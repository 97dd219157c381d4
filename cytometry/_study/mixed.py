"""What is mixed up with a treatment: batch, freezing, cage, time, outcome; and what can be taken out of it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from cytometry._study.comparison import COVARIATES, FACTORS, Comparison, outcome_groups
from cytometry._study.model import SheetRow
from cytometry._study.text import TomlText, error, shown, warning
from cytometry.errors import CytometryError, Problem
from cytometry.formula import read_formula, read_term
from cytometry.panel import did_you_mean

MOSTLY = 0.7  # of the spread of a factor: what batches may explain of it before that is said
_REPLICATE = re.compile(r"[ _.-]*(?:rep|repl|replicate|tech|dup|well|tube)[ _.-]*\d+$", re.IGNORECASE)


def mixed_up(where: str, one: Comparison, entering: Sequence[SheetRow]) -> Iterator[Problem]:
    """Yield what differs together with the factor, so that a difference may be its own."""
    for column, code in (("batch", "CYT404"), ("fresh_or_frozen", "CYT405")):
        if column != one.factor:
            yield from _confounded(where, one, entering, column=column, code=code)
    yield from _together(where, one, entering)
    yield from _over_time(where, one, entering)
    yield from _outcomes(where, one)
    yield from _replicates(where, entering)


def _confounded(
    where: str, one: Comparison, entering: Sequence[SheetRow], *, column: str, code: str
) -> Iterator[Problem]:
    levels: dict[str, list[str]] = {}
    for row in entering:
        if getattr(row, column):
            levels.setdefault(getattr(row, column), []).append(getattr(row, one.factor))
    everything = {level for found in levels.values() for level in found}
    if len(levels) < 2 or len(everything) < 2:
        return
    name = column.replace("_", " ")
    hint = f"any difference may be that of the {'batches' if column == 'batch' else 'freezing'}"
    pure = {value: set(found) for value, found in levels.items() if len(set(found)) == 1}
    if len(pure) == len(levels):
        yield warning(code, where, f"{one.factor} and {name} cannot be told apart: {_listing(pure)}", hint)
    elif pure and (share := _explained(list(levels.values()), one.control)) > MOSTLY:
        both = shown([value for value in levels if value not in pure])
        said = f"{one.factor} and {name} can hardly be told apart: {_listing(pure)}, only {both} holds both"
        yield warning(code, where, said, f"{100 * share:.0f} % of what is compared goes with the {name}")


def _explained(groups: Sequence[Sequence[str]], control: str) -> float:
    """Return how much of the spread of a factor lies between groups of tubes."""
    ones = [[float(level != control) for level in group] for group in groups]
    total = [value for group in ones for value in group]
    mean = sum(total) / len(total)
    whole = sum((value - mean) ** 2 for value in total)
    between = sum(len(group) * (sum(group) / len(group) - mean) ** 2 for group in ones)
    return between / whole if whole > 0 else 0.0


def _listing(levels: Mapping[str, set[str]]) -> str:
    return shown([f"{value} is all {min(found)}" for value, found in levels.items()])


def _together(where: str, one: Comparison, entering: Sequence[SheetRow]) -> Iterator[Problem]:
    """Yield that animals of one cage are all in one arm, where the cage is not what is counted."""
    cages: dict[str, dict[str, set[str]]] = {}
    for row in entering:
        if row.cage:
            found = cages.setdefault(row.cage, {"arms": set(), "subjects": set()})
            found["arms"].add(getattr(row, one.factor))
            found["subjects"].add(row.subject)
    shared = [found for found in cages.values() if len(found["subjects"]) > 1]
    if one.unit == "cage" or not shared or any(len(found["arms"]) > 1 for found in shared):
        return
    said = f"animals of one cage share their {one.factor}: {len(cages)} cages hold what is counted as more subjects"
    hint = 'where the treatment was given by cage, say unit = "cage"; cage mates are more alike than others'
    yield warning("CYT411", where, said, hint)


def _over_time(where: str, one: Comparison, entering: Sequence[SheetRow]) -> Iterator[Problem]:
    arms = {row.arm for row in entering}
    if one.factor == "timepoint" and not one.change and len(arms) < 2:
        said = "time and treatment change together: no untreated arm shows what time alone does"
        hint = (
            "a value that was high by chance falls by itself (regression to the mean); say so with the result"
        )
        yield warning("CYT409", where, said, hint)


def _outcomes(where: str, one: Comparison) -> Iterator[Problem]:
    found = outcome_groups(one.levels) if one.factor == "arm" else []
    if found:
        said = f"{shown(found)} is known only after treatment began"
        hint = "who is called so has lived long enough for it (immortal time): this describes, and does not predict"
        yield warning("CYT412", where, said, hint)


def _replicates(where: str, entering: Sequence[SheetRow]) -> Iterator[Problem]:
    """Yield subjects whose names say that they are one subject several times."""
    found: dict[str, set[str]] = {}
    for row in entering:
        stem = _REPLICATE.sub("", row.subject)
        if stem and stem != row.subject:
            found.setdefault(stem, set()).add(row.subject)
    same = [name for names in found.values() if len(names) > 1 for name in sorted(names)]
    if same:
        said = f"{shown(same)} look like replicates, and are counted as so many subjects"
        yield warning(
            "CYT414", where, said, "give them one subject: its tubes are averaged, and n counts it once"
        )


def model_problems(
    text: TomlText, number: int, one: Comparison, entering: Sequence[SheetRow]
) -> Iterator[Problem]:
    """Yield blocks, covariates, formulas and units that the sheet cannot fill."""
    for key, columns in (("blocks", one.blocks or ()), ("covariates", one.covariates)):
        for column in columns:
            yield from _column(text.where("comparison", number, key), one, column, entering)
    if one.unit != "subject" and (blank := [row.tube for row in entering if not getattr(row, one.unit)]):
        said = f"the unit is the {one.unit}, and {len(blank)} tubes have none: {shown(blank)}"
        yield error(
            "CYT413", text.where("comparison", number, "unit"), said, f"fill in the column {one.unit}"
        )
    if not one.formula and not one.tested:
        return
    at = text.where("comparison", number, "formula")
    try:
        terms = read_formula(one.formula) if one.formula else ()
        asked = read_term(one.tested) if one.tested else ()
    except CytometryError as failure:
        yield error("CYT413", at, str(failure))
        return
    known = tuple(dict.fromkeys((*FACTORS, *COVARIATES)))
    for name in dict.fromkeys(name for term in terms for name in term):
        if name not in known:
            yield error(
                "CYT413", at, f"the formula names {name!r}, no column of the sheet", did_you_mean(name, known)
            )
        elif name != one.factor:
            yield from _column(at, one, name, entering)
    if asked and asked not in terms:
        has = ", ".join(":".join(term) for term in terms) or "none"
        yield error("CYT413", at, f"tested is {one.tested!r}, no term of the formula", f"its terms are {has}")


def _column(where: str, one: Comparison, column: str, entering: Sequence[SheetRow]) -> Iterator[Problem]:
    cells = [getattr(row, column, None) for row in entering]
    if column == one.factor:
        yield error("CYT413", where, f"{column} is what is compared, and cannot be taken out of it")
    elif all(cell in (None, "") for cell in cells):
        yield error(
            "CYT413",
            where,
            f"{column} is blank in all tubes that are compared",
            f"fill in the column {column}",
        )
    elif one.blocks and column in one.blocks and any(cell in (None, "") for cell in cells):
        blank = [row.tube for row, cell in zip(entering, cells, strict=True) if cell in (None, "")]
        yield error("CYT413", where, f"{column} is a block, and blank in {len(blank)} tubes: {shown(blank)}")
    elif len(set(cells)) == 1:
        yield warning("CYT413", where, f"{column} is {cells[0]} in all tubes: there is nothing to take out")
