"""Markers: what antibodies, dyes and fluorochromes are called, and how such names stand in a label.

The names are data (``markers.toml``); here is only how a written name is looked up among them.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

VIABILITY = "Viability"
GREEK = str.maketrans("αβγδεκλ™®", "abgdekl  ")
CATCH_ALL = ("Lin", "Dump")
LONGEST_NAME = 5  # words, as in "Live Dead Fixable Near IR"
NEAR = 0.6
_WORD = re.compile(r"[A-Za-z0-9]+")
_LINEAR = re.compile(
    r"\b(FL\d+|FS|SS|INT|PEAK|TOF)[ _-]+LIN\b", re.IGNORECASE
)  # a scale, no lineage cocktail
_DETECTOR = re.compile(r"(?:FL|UV|V|B|BL|G|YG|Y|YL|VL|R|RL|IR)\d{1,3}")


def key(text: str) -> str:
    """Return a name without case, spaces and punctuation: names with one key are one name."""
    return "".join(_WORD.findall(text.translate(GREEK).lower()))


@dataclass(frozen=True, slots=True)
class Names:
    """The table of ``markers.toml``, by key."""

    markers: Mapping[str, str]
    roles: Mapping[str, str]
    dyes: Mapping[str, str]
    fluorochromes: Mapping[str, str]
    families: tuple[tuple[re.Pattern[str], str], ...]
    metals: re.Pattern[str]
    ambiguous: Mapping[str, str]
    words: Mapping[str, frozenset[str]]


@lru_cache(maxsize=1)
def names() -> Names:
    """Return the table, read once."""
    table = tomllib.loads(files("cytometry").joinpath("markers.toml").read_text(encoding="utf-8"))
    marked = {role: table[role] for role in ("lineage", "functional", "viability")}
    metals = "|".join(sorted(table["words"]["metals"], key=len, reverse=True))
    families = [
        (re.compile(rf"{key(prefix)}(\d{{3}})"), name)
        for name, prefixes in table["fluorochrome_families"].items()
        for prefix in sorted(prefixes, key=len, reverse=True)
    ]
    return Names(
        markers=_by_key(*marked.values()),
        roles=MappingProxyType({name: role for role, known in marked.items() for name in known}),
        dyes=_by_key(table["viability_dyes"]),
        fluorochromes=_by_key(table["fluorochromes"]),
        families=tuple(families),
        metals=re.compile(rf"({metals})(\d{{2,3}})(?:Di|Dd)?|(\d{{2,3}})({metals})"),
        ambiguous=MappingProxyType({key(name): said for name, said in table["ambiguous"].items()}),
        words=MappingProxyType(
            {k: frozenset(map(key, v)) for k, v in table["words"].items() if k != "metals"}
        ),
    )


def _by_key(*tables: Mapping[str, Any]) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for table in tables:
        for name, synonyms in table.items():
            for written in (name, *synonyms):
                if found.setdefault(key(written), name) != name:
                    msg = f"markers.toml: {written!r} is {found[key(written)]} and also {name}"
                    raise ValueError(msg)
    return MappingProxyType(found)


@dataclass(frozen=True, slots=True)
class Reading:
    """What a label says: markers of the table, a viability dye, a fluorochrome, and what is left over."""

    markers: tuple[str, ...] = ()
    dye: str = ""
    fluorochrome: str = ""
    rest: str = ""
    written: str = ""

    @property
    def marker(self) -> str:
        """Return the one marker that is named; as written where several are; ``""`` if none is."""
        if len(self.markers) <= 1:
            return self.markers[0] if self.markers else ""
        return next((name for name in CATCH_ALL if name in self.markers), self.written)


@lru_cache(maxsize=4096)
def read_label(text: str) -> Reading:
    """Read ``CD3 PE-Cy7``, ``PE-Cy7-A :: CD3``, ``CD279 (PD-1)``, ``CD45_In115`` and the like.

    The longest name wins, from left to right. ``rest`` is the first stretch of words that no table knows, in
    the words of the label; how a channel was recorded (``-A``, ``INT``, ``FL1``) is no part of it.
    """
    text = _LINEAR.sub(r"\1", text.translate(GREEK))
    spans = [match.span() for match in _WORD.finditer(text)]
    if key(text) in names().words["nothing"] or not spans:
        return Reading()
    found: dict[str, list[str]] = {"marker": [], "dye": [], "fluorochrome": []}
    rest: list[tuple[int, int]] = []
    marked: list[tuple[int, int]] = []
    at, broken = 0, True
    while at < len(spans):
        kind, name, length = _longest(text, spans[at:])
        begin, end = spans[at][0], spans[at + length - 1][1]
        at += length
        if kind == "rest":
            rest = [*rest, (begin, end)] if broken else [*rest[:-1], (rest[-1][0], end)]
        elif kind != "nothing":
            found[kind].append(name)
            marked += [(begin, end)] if kind == "marker" else []
        broken = kind != "rest"
    return Reading(
        markers=tuple(dict.fromkeys(found["marker"])),
        dye=next(iter(found["dye"]), ""),
        fluorochrome=next(iter(found["fluorochrome"]), ""),
        rest=text[slice(*rest[0])] if rest else "",
        written=text[marked[0][0] : marked[-1][1]] if marked else "",
    )


def _longest(text: str, spans: list[tuple[int, int]]) -> tuple[str, str, int]:
    """Return kind, name and number of words of the longest name that the label goes on with."""
    for length in range(min(LONGEST_NAME, len(spans)), 0, -1):
        written = text[spans[0][0] : spans[length - 1][1]]
        kind, name = _known(written)
        if kind:
            return kind, name, length
    word = text[slice(*spans[0])]
    passed_over = key(word) in names().words["recorded"] | names().words["beside"] or _DETECTOR.fullmatch(
        word
    )
    return ("nothing" if passed_over else "rest"), word, 1


def _known(written: str) -> tuple[str, str]:
    table, looked_up = names(), key(written)
    for kind, known in (
        ("marker", table.markers),
        ("dye", table.dyes),
        ("fluorochrome", table.fluorochromes),
    ):
        if looked_up in known:
            return kind, known[looked_up]
    for pattern, name in table.families:
        if match := pattern.fullmatch(looked_up):
            return "fluorochrome", f"{name}{match[1]}"
    if match := table.metals.fullmatch(written):
        return "fluorochrome", f"{match[2] or match[3]}{match[1] or match[4]}"
    return "", ""


def canonical_marker(text: str) -> str | None:
    """Return the name that templates and figures use for a marker: ``CD279`` is ``PD-1``.

    Case, punctuation and a fluorochrome beside it do not matter. A viability dye alone is ``Viability``.
    ``None`` for a name that the table does not know, which is legal and stays as it is written.
    """
    reading = read_label(text)
    if reading.rest or len(reading.markers) > 1:
        return reading.marker if reading.marker in CATCH_ALL else None
    return reading.marker or (VIABILITY if reading.dye else None)


def canonical_fluorochrome(text: str) -> str:
    """Return a fluorochrome or dye as its table writes it, or as it is written where no table knows it."""
    reading = read_label(text)
    known = reading.fluorochrome or reading.dye
    return known if known and not (reading.rest or reading.markers) else text.strip()


def usual_role(marker: str) -> str:
    """Return what a marker is usually stained for: lineage, functional or viability; functional if unknown."""
    return names().roles.get(marker, "functional")


def ambiguity(text: str) -> str:
    """Return what two readers may understand differently in a name, or ``""``."""
    said = names().ambiguous.get(key(text), "")
    if not said and canonical_marker(text) == "Gr-1":
        said = names().ambiguous[key("Gr-1")]
    return f"{text!r} {said}" if said else ""


def suggest(text: str, among: Iterable[str]) -> tuple[str, ...]:
    """Return up to three names that may be meant: the same marker, or else names that are spelt alike.

    A marker of the table is never taken for another of the table: CD16 is no slip of the pen for CD11c.
    """
    choices = list(dict.fromkeys(among))
    meant = canonical_marker(text)
    same = [
        name
        for name in choices
        if (canonical_marker(name) or name) == (meant or text) or key(name) == key(text)
    ]
    if same:
        return tuple(same[:3])
    by_key = {key(name): name for name in reversed(choices) if not (meant and canonical_marker(name))}
    return tuple(by_key[near] for near in get_close_matches(key(text), by_key, n=3, cutoff=NEAR))
