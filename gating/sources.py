"""Sources: from which tubes the values come that a boundary is learnt from, and who stands in for whom."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from gating.columns import Columns
from gating.errors import TemplateError
from gating.rows import OWN, CutRow, is_scatter, near

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
        What it belongs to: ``subject``, ``specimen``, ``batch``, ``stimulus`` and the like. Tubes without a
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

    def of(self, cut: CutRow, tube: str, reaches: Reaches) -> Supply | str:
        """Return who supplies the values for a cut in a tube, or why nobody does.

        ``reaches`` says of a tube whether it was gated down to the population whose events are shown.
        """
        if cut.source == OWN:
            return self.own([cut.marker], cut.learn_over, tube, reaches)
        return self._controls(cut, tube, reaches)

    def own(self, dimensions: Iterable[str], learn_over: str, tube: str, reaches: Reaches) -> Supply | str:
        """Return the stained tubes of a tube's group: the samples among them where there are any."""
        members = [tube] if learn_over == TUBE else self._members(tube, learn_over)
        what = " x ".join(dimensions)
        stained = [n for n in members if all(self.tubes[n].carries(d) for d in dimensions)]
        if not stained:
            whose = f"{tube} is not" if learn_over == TUBE else f"no tube of its {learn_over} is"
            return f"{whose} stained with {what}"
        found = [n for n in stained if reaches(n)]
        found = [n for n in found if self.tubes[n].kind == "sample"] or found
        return Supply(tuple(sorted(found))) if found else "its events could not be gated that far"

    def everyone(self, cut: CutRow, reaches: Reaches) -> tuple[str, ...]:
        """Return every tube that could supply the cut, for learning it from all of them pooled."""
        found = [n for n in (self._stained(cut) if cut.source == OWN else self._of_kind(cut)) if reaches(n)]
        return tuple(sorted([n for n in found if self.tubes[n].kind == "sample"] or found))

    def _controls(self, cut: CutRow, tube: str, reaches: Reaches) -> Supply | str:
        candidates = self._of_kind(cut)
        name = KINDS[cut.source] + (f" without {cut.marker}" if cut.source in LACK_A_MARKER else "")
        if not candidates:
            return f"there is no {name}"
        unable: list[str] = []
        for ring, is_own in self._rings(cut, tube):
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

    def _rings(self, cut: CutRow, tube: str) -> list[tuple[Reaches, bool]]:
        """Return who may supply a tube, nearest first, and whether they are its own."""
        allowed = STAND_INS[1 : STAND_INS.index(self.stand_in) + 1]
        rings = [(self._ring(tube, key), False) for key in allowed]
        if cut.learn_over != TUBE:
            return [(self._ring(tube, cut.learn_over), True), *rings]
        nearest = "batch" if cut.source == "healthy_anchor" else "specimen"
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

    def _of_kind(self, cut: CutRow) -> list[str]:
        return [
            name
            for name, tube in self.tubes.items()
            if tube.kind == cut.source
            and cut.marker in tube.columns.dimensions
            and (cut.source not in LACK_A_MARKER or not tube.carries(cut.marker))
        ]

    def _stained(self, cut: CutRow) -> list[str]:
        return [name for name, tube in self.tubes.items() if tube.carries(cut.marker)]

    def _subject(self, tube: str) -> str:
        return self.tubes[tube].groups.get("subject") or tube
