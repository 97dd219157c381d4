"""Tree: from rows as a person writes them to populations in an order in which they can be found.

A name is looked up as in speech: first right below the row's own parent, then further up. So ``naive`` in a
row below ``CD8 T`` means the naive CD8 T cells where there are also naive CD4 T cells.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from gating.expression import Expression
from gating.gates import Operand
from gating.rows import CutRow, PopulationRow, RegionRow, last_part, near
from gating.strategy import ALL_EVENTS
from gating.words import NEGATIVE_PEAK

UNREADABLE = "?"  # the marker of a row that is there in name only, its own words having been reported


@dataclass(frozen=True, slots=True)
class RowProblem:
    """What is wrong with a row: the line of the text where it begins, its population, and what to mend."""

    line: int
    population: str
    message: str

    def __str__(self) -> str:
        where = f"line {self.line}, " if self.line else ""
        return f"{where}{self.population!r}: {self.message}" if self.population else f"{where}{self.message}"


class NameProblem(Exception):
    """A name that means no population, or several."""


def resolve(rows: Sequence[PopulationRow]) -> tuple[tuple[PopulationRow, ...], list[RowProblem]]:
    """Return the rows with paths for names, each after what it depends on, and everything wrong with them."""
    placed, problems = _place(rows)
    problems += _repeated(placed)
    paths = tuple(dict.fromkeys(row.path for row in placed))
    named: list[PopulationRow] = []
    for row in placed:
        found, wrong = _name(row, paths)
        problems += [_problem(row, message) for message in wrong]
        named += _flat(found)
    problems += _same_as_problems(named)
    ordered, wrong_order = _order(named)
    return ordered, sorted(problems + wrong_order, key=lambda problem: problem.line)


def look_up(name: str, parent: str, paths: Iterable[str]) -> str:
    """Return the path that ``name`` means in a row below ``parent``: the nearest scope that has one.

    Raises
    ------
    NameProblem
        If no path ends in the name, with near matches, or the nearest scope has several.
    """
    paths = list(paths)
    scope = parent
    while True:
        below = f"{scope}/" if scope else ""
        if below + name in paths:
            return below + name
        found = [p for p in paths if p.startswith(below) and f"/{p}".endswith(f"/{name}")]
        if len(found) == 1:
            return found[0]
        if found:
            msg = f"{name!r} means {len(found)} populations: {', '.join(found)}; write more of the path"
            raise NameProblem(msg)
        if not scope:
            msg = f"no population is called {name!r}{near(name, map(last_part, paths))}"
            raise NameProblem(msg)
        scope = scope.rpartition("/")[0]


def downwards(paths: Iterable[str]) -> list[str]:
    """Return paths in the order of a printed tree: each parent, then all below it."""
    paths = list(paths)
    rank = {path: index for index, path in enumerate(paths)}

    def key(path: str) -> list[int]:
        parts = path.split("/")
        return [rank["/".join(parts[: depth + 1])] for depth in range(len(parts))]

    return sorted(paths, key=key)


def _place(rows: Sequence[PopulationRow]) -> tuple[list[PopulationRow], list[RowProblem]]:
    """Give each row its parent's path; a row whose parent is wrong keeps what is written, and is reported."""
    paths: dict[int, str] = {}
    problems: list[RowProblem] = []
    waiting = dict(enumerate(rows))
    while waiting:
        before = len(waiting)
        for index, row in list(waiting.items()):
            same = [i for i, other in enumerate(rows) if other.name == row.parent.rsplit("/", 1)[-1]]
            if row.parent and not all(i in paths for i in same):
                continue
            try:
                above = (
                    look_up(row.parent, "", [paths[i] for i in same] or _names(rows)) if row.parent else ""
                )
            except NameProblem as problem:
                problems.append(_problem(row, f"its parent: {problem}"))
                above = row.parent
            paths[index] = f"{above}/{row.name}" if above else row.name
            del waiting[index]
        if len(waiting) == before:
            circle = ", ".join(row.name for row in waiting.values())
            problems += [_problem(r, f"is its own ancestor, by way of {circle}") for r in waiting.values()]
            paths |= {i: row.name for i, row in waiting.items()}
            break
    return [replace(row, parent=paths[i].rpartition("/")[0]) for i, row in enumerate(rows)], problems


def _names(rows: Sequence[PopulationRow]) -> list[str]:
    return [row.name for row in rows]


def _repeated(rows: Sequence[PopulationRow]) -> list[RowProblem]:
    first: dict[str, PopulationRow] = {}
    problems = []
    for row in rows:
        if row.path in first:
            problems.append(_problem(row, f"{row.path!r} is already there in line {first[row.path].line}"))
        first.setdefault(row.path, row)
    return problems


def _name(row: PopulationRow, paths: Sequence[str]) -> tuple[PopulationRow, list[str]]:
    """Write paths for the names of references, same_as and operands."""
    others = [path for path in paths if path != row.path]
    wrong: list[str] = []

    def find(name: str, what: str) -> str:
        try:
            return look_up(name, row.parent, others) if name not in {"", ALL_EVENTS} else name
        except NameProblem as problem:
            wrong.append(f"{what}: {problem}")
            return ""

    cuts = tuple(_name_cut(cut, find) for cut in row.cuts)
    region = row.region and _name_region(row.region, find)
    boolean = row.boolean
    if boolean:
        boolean = boolean.renamed(lambda name: find(name, "boolean") or name)
    return replace(row, cuts=cuts, region=region, boolean=boolean), wrong


def _name_cut(cut: CutRow, find: Callable[[str, str], str]) -> CutRow:
    otherwise = _name_cut(cut.otherwise, find) if isinstance(cut.otherwise, CutRow) else cut.otherwise
    reference = find(cut.reference, f"the reference of {cut.marker}")
    # An unknown name is reported; the cut keeps it, since without one it would say something else.
    same_as = cut.same_as and (find(cut.same_as, f"same_as of {cut.marker}") or cut.same_as)
    shift_by = cut.shift_by
    if shift_by and shift_by != NEGATIVE_PEAK:
        shift_by = find(shift_by, f"shift_by of {cut.marker}") or shift_by
    return replace(cut, otherwise=otherwise, reference=reference, same_as=same_as, shift_by=shift_by)


def _name_region(region: RegionRow, find: Callable[[str, str], str]) -> RegionRow:
    otherwise = region.otherwise
    if isinstance(otherwise, RegionRow):
        otherwise = _name_region(otherwise, find)
    reference = find(region.reference, f"the reference of {region.x} x {region.y}")
    return replace(region, otherwise=otherwise, reference=reference)


def _flat(row: PopulationRow) -> list[PopulationRow]:
    """Give each *and* of a mixed expression a population of its own, since a gate is one *and* or one *or*."""
    if row.boolean is None or row.boolean.is_flat:
        return [row]
    parts: list[PopulationRow] = []
    joined: list[tuple[Operand, ...]] = []
    for term in row.boolean.terms:
        if len(term) == 1:
            joined.append(term)
            continue
        # In words, since a name with & or | in it could not be an operand.
        short = " and ".join(f"{'not ' if o.complement else ''}{last_part(o.population)}" for o in term)
        part = replace(row, name=short, boolean=Expression((term,)))
        parts.append(part)
        joined.append((Operand(part.path),))
    return [*parts, replace(row, boolean=Expression(tuple(joined)))]


def _same_as_problems(rows: Sequence[PopulationRow]) -> list[RowProblem]:
    cuts = {row.path: row.cuts for row in rows}
    problems = []
    for row in rows:
        for cut in (c for first in row.cuts for c in first.chain if c.same_as in cuts):
            known = {other.marker for other in cuts[cut.same_as]}
            sides = {other.keep for other in cuts[cut.same_as] if other.marker == cut.marker}
            if len(sides) != 1 and UNREADABLE not in known:
                has = "no cut" if not sides else "cuts on both sides"
                problems.append(_problem(row, f"same_as: {cut.same_as!r} has {has} on {cut.marker}"))
    return problems


def _order(rows: Sequence[PopulationRow]) -> tuple[tuple[PopulationRow, ...], list[RowProblem]]:
    """Put each row after what it depends on, otherwise in the order of the text."""
    known = {row.path for row in rows}
    done: dict[str, PopulationRow] = {}
    waiting = list(rows)
    while waiting:
        ready = next((r for r in waiting if all(d in done for d in r.depends_on if d in known)), None)
        if ready is None:
            circle = ", ".join(row.name for row in waiting)
            return tuple(rows), [_problem(r, f"waits for itself, by way of {circle}") for r in waiting]
        waiting.remove(ready)
        done.setdefault(ready.path, ready)
    return tuple(done.values()), []


def _problem(row: PopulationRow, message: str) -> RowProblem:
    return RowProblem(row.line, row.name, message)
