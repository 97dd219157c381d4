"""Template text: the TOML that a person writes, read into rows.

Everything wrong with a text is reported together, each with its line, since a template is mended by hand.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from gating.errors import TemplateError
from gating.expression import parse_expression
from gating.regions import REGIONS
from gating.rows import COHORT, SKIP, CutRow, PopulationRow, RegionRow, near
from gating.thresholds import RULES
from gating.tree import UNREADABLE, RowProblem

TEMPLATE_KEYS = ("name", "version", "title", "species", "tissue", "description", "lineage", "references")
DEFAULT_KEYS = ("learn_over", "otherwise")
POPULATION_KEYS = ("name", "parent", "cuts", "region", "boolean", "if_present")
CUT_KEYS = (
    "marker",
    "keep",
    "rule",
    "learn_over",
    "source",
    "reference",
    "same_as",
    "otherwise",
    "if_present",
    "shift_by",
    "join",
    "tissue",
)
REGION_KEYS = ("rule", "x", "y", "learn_over", "source", "reference", "otherwise", "join", "tissue")
WORDS = (
    "marker",
    "keep",
    "rule",
    "learn_over",
    "source",
    "reference",
    "same_as",
    "x",
    "y",
    "shift_by",
    "tissue",
)
ONE_LINE = "a table in braces stands on one line"
HEADER = re.compile(r"^\s*\[\[\s*population\s*\]\]")


@dataclass(frozen=True, slots=True)
class Draft:
    """What a text says: its head, its rows as written, one for each parent, and what is wrong so far."""

    head: Mapping[str, Any]
    rows: tuple[PopulationRow, ...]
    problems: tuple[RowProblem, ...]


def parse_template(text: str) -> Draft:
    """Read the text of a template; never raises, since what is wrong is in the draft."""
    try:
        said = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        return Draft(
            {}, (), (RowProblem(_line_of(str(error)), "", f"this is not TOML: {error}; {ONE_LINE}"),)
        )
    problems = _unknown(said, ("template", "defaults", "population"), "a template")
    head, wrong = _head(said.get("template", {}))
    defaults = said.get("defaults", {})
    problems += wrong + _unknown(defaults, DEFAULT_KEYS, "[defaults]")
    defaults = {key: value for key, value in defaults.items() if key in DEFAULT_KEYS}
    written = said.get("population", [])
    if not isinstance(written, list) or not written:
        problems.append("a template has one [[population]] or more")
        written = []
    found = [RowProblem(0, "", message) for message in problems]
    lines = [number for number, line in enumerate(text.splitlines(), 1) if HEADER.match(line)]
    rows: list[PopulationRow] = []
    for index, table in enumerate(written):
        line = lines[index] if index < len(lines) else 0
        made, wrong = _population(table, defaults, line)
        rows += made
        found += [RowProblem(line, str(table.get("name", "")), message) for message in wrong]
    return Draft(head, tuple(rows), tuple(found))


def _head(table: Any) -> tuple[dict[str, Any], list[str]]:
    if not isinstance(table, dict):
        return {}, ["[template] is a table"]
    wrong = _unknown(table, TEMPLATE_KEYS, "[template]")
    head: dict[str, Any] = {key: table[key] for key in TEMPLATE_KEYS if key in table}
    for key, value in list(head.items()):
        many = key in {"lineage", "references"}
        good = _texts(value) if many else isinstance(value, str)
        if not good:
            wrong.append(f"[template] {key} is {'a list of texts' if many else 'a text'}, not {value!r}")
            del head[key]
        elif many:
            head[key] = tuple(value)
    if not head.get("name"):
        wrong.append("[template] needs a name")
    return head, wrong


def _population(
    table: Mapping[str, Any], defaults: Mapping[str, Any], line: int
) -> tuple[list[PopulationRow], list[str]]:
    wrong = _unknown(table, POPULATION_KEYS, "a population")
    parents = table.get("parent", "")
    parents = [parents] if isinstance(parents, str) else parents
    if not (_texts(parents) and parents):
        return [], [*wrong, f"parent is a name, or a list of names, not {parents!r}"]
    ways: dict[str, Any] = {}
    for key, read in (("cuts", _cuts), ("region", _region), ("boolean", _boolean)):
        if key in table:
            ways[key] = _attempt(partial(read, table[key], defaults, wrong), wrong)
    ways = {key: value for key, value in ways.items() if value}
    head: dict[str, Any] = {
        "name": str(table.get("name", "")),
        "if_present": _flag(table, "if_present", wrong),
        "line": line,
    }
    # A row whose only way could not be read has been reported already; that it has none is no news.
    told = wrong if ways or not wrong else []
    made = [
        _attempt(partial(PopulationRow, parent=parent, **head, **ways), told)
        or _stand_in(head["name"], parent, line)
        for parent in dict.fromkeys(parents)
    ]
    return [row for row in made if row], list(dict.fromkeys(wrong))


def _stand_in(name: str, parent: str, line: int) -> PopulationRow | None:
    """Return a row that keeps a broken one's name, so that its children are not reported as orphans."""
    if not name.strip() or "/" in name:
        return None
    anything = CutRow(UNREADABLE, rule="fixed", options=(("value", 0.0),))
    return PopulationRow(name, parent, cuts=(anything,), line=line)


def _cuts(written: Any, defaults: Mapping[str, Any], wrong: list[str]) -> tuple[CutRow, ...]:
    if not isinstance(written, list) or not all(isinstance(cut, dict) for cut in written):
        msg = f'cuts is a list of tables like {{ marker = "CD4", rule = "valley" }}, not {written!r}'
        raise TemplateError(msg)
    made = [_attempt(partial(_cut, cut, defaults, wrong), wrong) for cut in written]
    return tuple(cut for cut in made if cut)


def _cut(table: Mapping[str, Any], defaults: Mapping[str, Any], wrong: list[str]) -> CutRow:
    rule = table.get("rule", "")
    own = ("linear", "value") if rule == "fixed" else RULES[rule].options if rule in RULES else ()
    if rule in RULES or not rule:
        wrong += _unknown(table, [*CUT_KEYS, *own], f"a cut by {rule!r}" if rule else "a cut")
    words = _words(table, CUT_KEYS, wrong)
    otherwise = table.get("otherwise", defaults.get("otherwise", "skip"))
    if isinstance(otherwise, dict):
        shared = {key: table[key] for key in ("marker", "keep") if key in table}
        otherwise = _cut({**otherwise, **shared}, defaults, wrong)
    words.setdefault("learn_over", str(defaults.get("learn_over", "tube")))
    return CutRow(
        **words,
        options=_options(table, own, wrong),
        otherwise=otherwise if isinstance(otherwise, CutRow) else str(otherwise),
        if_present=_flag(table, "if_present", wrong),
        join=_join(table, wrong),
    )


def _region(written: Any, defaults: Mapping[str, Any], wrong: list[str]) -> RegionRow:
    if not isinstance(written, dict):
        msg = f'region is a table like {{ rule = "main cloud", x = "FSC-A", y = "SSC-A" }}, not {written!r}'
        raise TemplateError(msg)
    rule = written.get("rule", "")
    own = REGIONS[rule].options if rule in REGIONS else ()
    if rule in REGIONS:
        wrong += _unknown(written, [*REGION_KEYS, *own], f"a region by {rule!r}")
    words = {"rule": "", "x": "", "y": "", **_words(written, REGION_KEYS, wrong)}
    words.setdefault("learn_over", str(defaults.get("learn_over", "tube")))
    otherwise = written.get("otherwise", _of_regions(defaults.get("otherwise", "skip")))
    if isinstance(otherwise, dict):
        shared = {key: written[key] for key in ("x", "y") if key in written}
        otherwise = _region({**shared, **otherwise}, defaults, wrong)
    return RegionRow(
        **words,
        options=_options(written, own, wrong),
        otherwise=otherwise if isinstance(otherwise, RegionRow) else str(otherwise),
        join=_join(written, wrong),
    )


def _of_regions(otherwise: Any) -> Any:
    """Return a default of all cuts as far as regions know it: they have no median, so that no cohort stands in."""
    return SKIP if otherwise == COHORT else otherwise


def _join(table: Mapping[str, Any], wrong: list[str]) -> tuple[str, ...]:
    written = table.get("join", [])
    kinds = [written] if isinstance(written, str) else written
    if not _texts(kinds):
        wrong.append(f"join is a kind of control tube, or a list of kinds, not {written!r}")
        return ()
    return tuple(kinds)


def _boolean(written: Any, _defaults: Mapping[str, Any], _wrong: list[str]) -> Any:
    if not isinstance(written, str):
        msg = f'boolean is a text like "A & !B", not {written!r}'
        raise TemplateError(msg)
    return parse_expression(written)


def _options(table: Mapping[str, Any], own: Iterable[str], wrong: list[str]) -> tuple[tuple[str, Any], ...]:
    options = tuple((key, table[key]) for key in own if key in table)
    wrong += [
        f"{key} is a number or a word, not {value!r}"
        for key, value in options
        if not isinstance(value, (int, float, str))
    ]
    return options


def _words(table: Mapping[str, Any], keys: Sequence[str], wrong: list[str]) -> dict[str, Any]:
    words = {key: table[key] for key in keys if key in WORDS and key in table}
    wrong += [f"{key} is a text, not {value!r}" for key, value in words.items() if not isinstance(value, str)]
    return {key: value for key, value in words.items() if isinstance(value, str)}


def _flag(table: Mapping[str, Any], key: str, wrong: list[str]) -> bool:
    value = table.get(key, False)
    if not isinstance(value, bool):
        wrong.append(f"{key} is true or false, not {value!r}")
    return value is True


def _attempt(make: Callable[[], Any], wrong: list[str]) -> Any:
    try:
        return make()
    except TemplateError as error:
        wrong += [part for part in str(error).split("; ") if part]
        return None


def _unknown(table: Mapping[str, Any], keys: Iterable[str], where: str) -> list[str]:
    return [f"{where} has no {key!r}{near(key, keys)}" for key in table if key not in set(keys)]


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _line_of(error: str) -> int:
    found = re.search(r"line (\d+)", error)
    return int(found.group(1)) if found else 0
