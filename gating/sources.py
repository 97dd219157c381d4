"""Sources: from which tubes the values come that a boundary is learnt from, and who stands in for whom."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from gating.columns import Columns
from gating.errors import TemplateError
from gating.rows import OWN, LearntRow, is_scatter, near

KINDS = MappingProxyType(
    {
        "sample": "a sample",
        "fmo": "FMO control",
        "unstained": "unstained control",
        "single_stain": "single stain",
        "isotype": "isotype control",
        "unstimulated": "unstimulated control",
        "healthy_anchor": "healthy anchor",
    }
)
LACK_A_MARKER = ("fmo", "isotype", "unstained")
LACK_EVERY_MARKER = ("unstained", "single_stain")
STAND_INS = ("none", "subject", "batch", "stain")
TUBE, STAIN = "tube", "stain"
GROUPS = ("subject", "specimen", "batch", "stimulus", "tissue")
"""All that rules are told of a tube; never its arm or timepoint."""
KNOWN_GROUPS = (TUBE, "specimen", "subject", "batch", STAIN)


@dataclass(frozen=True, slots=True, eq=False)
class TemplateTube:
    """One tube as a template sees it.

    Parameters
    ----------
    kind
        ``sample``, or the kind of control.
    lacks
        The markers it was not stained with.
    groups
        What it belongs to: ``subject``, ``specimen``, ``batch``, ``stimulus``, ``tissue`` and the like. Tubes without a
        batch share one; a tube without a subject is a subject of its own.
    """

    columns: Columns
    kind: str = "sample"
    lacks: tuple[str, ...] = ()
    groups: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            msg = f"no kind of tube is called {self.kind!r}{near(self.kind, KINDS)}"
            raise TemplateError(msg)
        object.__setattr__(self, "lacks", tuple(self.lacks))

    def carries(self, marker: str) -> bool:
        """Return whether the tube was stained with the marker; every tube has scatter."""
        if marker not in self.columns.dimensions:
            return False
        return is_scatter(marker) or not (self.kind in LACK_EVERY_MARKER or marker in self.lacks)


@dataclass(frozen=True, slots=True)
class Supply:
    """The tubes that values come from, and for which subject they stand in, if they do."""

    tubes: tuple[str, ...]
    stands_for: str = ""


Reaches = Callable[[str], bool]


@dataclass(frozen=True, slots=True, eq=False)
class Sources:
    """Who supplies values to whom among the tubes of a stain."""

    tubes: Mapping[str, TemplateTube]
    stand_in: str = "batch"

    def __post_init__(self) -> None:
        if self.stand_in not in STAND_INS:
            msg = f"stand_in is one of {', '.join(STAND_INS)}, not {self.stand_in!r}"
            raise TemplateError(msg)

    def check(self, learn_over: Iterable[str]) -> None:
        """Refuse a group that no tube names, since it would quietly pool everything."""
        known = {*KNOWN_GROUPS, *(key for tube in self.tubes.values() for key in tube.groups)}
        for key in learn_over:
            if key not in known:
                msg = f"learn_over = {key!r}: no tube says its {key}{near(key, known)}"
                raise TemplateError(msg)

    def of(
        self, row: LearntRow, tube: str, reaches: Reaches, *, on_the_way: Iterable[str] = ()
    ) -> Supply | str:
        """Return who supplies the values for a boundary in a tube, or why nobody does.

        Its own tube or group, the samples among them where there are any, with the controls that may join them; or
        control tubes, the nearest there are. ``reaches`` says of a tube whether it was gated down to the population
        whose events are shown, and ``on_the_way`` by which markers that was found.
        """
        if row.source == OWN and not row.tissue:
            return self._own(row, tube, reaches, on_the_way)
        return self._others(row, tube, reaches)

    def everyone(
        self, row: LearntRow, reaches: Reaches, *, on_the_way: Iterable[str] = ()
    ) -> tuple[str, ...]:
        """Return every tube that could supply a boundary, for learning it from all of them pooled."""
        found = [name for name in self._able(row) if reaches(name)]
        return tuple(sorted(self._with_joining(row, found, on_the_way)))

    def _own(self, row: LearntRow, tube: str, reaches: Reaches, on_the_way: Iterable[str]) -> Supply | str:
        members = [tube] if row.learn_over == TUBE else self._members(tube, row.learn_over)
        what = " x ".join(row.dimensions)
        stained = [n for n in members if self._stained(n, row)]
        if not stained:
            whose = f"{tube} is not" if row.learn_over == TUBE else f"no tube of its {row.learn_over} is"
            return f"{whose} stained with {what}"
        found = self._with_joining(row, [n for n in stained if reaches(n)], on_the_way)
        return Supply(tuple(sorted(found))) if found else "its events could not be gated that far"

    def _with_joining(self, row: LearntRow, names: list[str], on_the_way: Iterable[str]) -> list[str]:
        """Return the samples with the controls that may join them; whoever there is where there is no sample.

        A control that lacks a marker on the way to the population has other events in it, and does not join.
        """
        if not any(self.tubes[n].kind == "sample" for n in names):
            return names
        markers = [*row.dimensions, *on_the_way]
        return [
            n
            for n in names
            if (kind := self.tubes[n].kind) == "sample"
            or (kind in row.join and all(self.tubes[n].carries(marker) for marker in markers))
        ]

    def _others(self, row: LearntRow, tube: str, reaches: Reaches) -> Supply | str:
        candidates = self._able(row)
        name = self._called(row)
        if not candidates:
            return f"there is no {name}"
        unable: list[str] = []
        for ring, is_own in self._rings(row, tube):
            near_enough = sorted(n for n in candidates if ring(n))
            found = tuple(n for n in near_enough if reaches(n))
            if found:
                return Supply(found, "" if is_own else self._subject(tube))
            unable += [n for n in near_enough if n not in unable]
        if unable:
            return f"no {name} could be gated that far ({', '.join(unable)})"
        return (
            f"there is no {name} for it, and a stand-in from further than its {self.stand_in} is not allowed"
        )

    def _called(self, row: LearntRow) -> str:
        kind = "sample" if row.source == OWN else KINDS[row.source]
        without = f" without {' or '.join(row.dimensions)}" if row.source in LACK_A_MARKER else ""
        return f"{kind}{without}{f' of {row.tissue}' if row.tissue else ''}"

    def _rings(self, row: LearntRow, tube: str) -> list[tuple[Reaches, bool]]:
        """Return who may supply a tube, nearest first, and whether they are its own."""
        allowed = STAND_INS[1 : STAND_INS.index(self.stand_in) + 1]
        rings = [(self._ring(tube, key), False) for key in allowed]
        if row.learn_over != TUBE:
            return [(self._ring(tube, row.learn_over), True), *rings]
        # Another tissue of a subject is another specimen of it, and its own all the same.
        nearest = "batch" if row.source == "healthy_anchor" else "subject" if row.tissue else "specimen"
        return [(lambda n: n == tube, True), (self._ring(tube, nearest), True), *rings]

    def _ring(self, tube: str, key: str) -> Reaches:
        return lambda name: self._near(name, tube, key)

    def _near(self, one: str, other: str, key: str) -> bool:
        """Return whether two tubes share a group; specimens that are not named are the subject's."""
        if key == STAIN or one == other:
            return True
        mine, yours = self.tubes[one].groups, self.tubes[other].groups
        if key == "specimen" and not (mine.get(key) and yours.get(key)):
            key = "subject"
        if key in {"specimen", "subject"}:
            return bool(mine.get(key)) and mine.get(key) == yours.get(key)
        return mine.get(key, "") == yours.get(key, "")

    def _members(self, tube: str, key: str) -> list[str]:
        return [name for name in self.tubes if self._near(name, tube, key)]

    def _able(self, row: LearntRow) -> list[str]:
        """Return the tubes of the row's kind and tissue that show what it is about: its markers, or their absence."""
        if row.source == OWN:
            able = [n for n in self.tubes if self._stained(n, row)]
            if row.tissue:
                able = [n for n in able if self.tubes[n].kind == "sample" or self.tubes[n].kind in row.join]
        else:
            able = [
                name
                for name, tube in self.tubes.items()
                if tube.kind == row.source
                and all(d in tube.columns.dimensions for d in row.dimensions)
                and (row.source not in LACK_A_MARKER or not self._stained(name, row))
            ]
        return [n for n in able if not row.tissue or self.tubes[n].groups.get("tissue", "") == row.tissue]

    def _stained(self, name: str, row: LearntRow) -> bool:
        return all(self.tubes[name].carries(dimension) for dimension in row.dimensions)

    def _subject(self, tube: str) -> str:
        return self.tubes[tube].groups.get("subject") or tube
