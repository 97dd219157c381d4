"""Rows: the words of a template. What a row says, checked once; nothing of how it is learnt."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np

from gating.answers import Card
from gating.errors import TemplateError
from gating.expression import Expression
from gating.regions import REGIONS
from gating.scales import Floats
from gating.strategy import ALL_EVENTS, ROOT
from gating.thresholds import RULES

Options: TypeAlias = tuple[tuple[str, Any], ...]
KEEPS = ("above", "below")
SKIP, POOLED = "skip", "pooled"
OWN = "own"
SOURCES = MappingProxyType(
    {
        OWN: "the tube's own events",
        "fmo": "the control tube stained with everything but this marker",
        "unstained": "the control tube without any stain",
        "unstimulated": "the unstimulated control tube",
        "isotype": "the control tube with an isotype in this marker's place",
        "healthy_anchor": "the healthy donor that runs along in every batch",
    }
)
BLIND = ("arm", "timepoint")
SCATTER = ("FSC", "SSC", "Time")


def is_scatter(name: str) -> bool:
    """Return whether a dimension is scatter or time, which every tube has, stained or not."""
    return name.startswith(SCATTER)


def near(name: str, among: Iterable[str], *, cutoff: float = 0.6) -> str:
    """Return `` (did you mean ...?)``, or the choices where none is near."""
    choices = sorted(set(among))
    found = difflib.get_close_matches(name, choices, n=2, cutoff=cutoff)
    found += [c for c in choices if c.lower() == name.lower() and c not in found]
    if found:
        return f" (did you mean {' or '.join(found)}?)"
    return f" (there are {', '.join(choices)})" if choices else ""


def told(rule: str, options: Mapping[str, Any]) -> str:
    """Return a rule with what it was told: ``tail 0.999 (side lower, lean 1.5)``."""
    share = f" {options['quantile']:g}" if "quantile" in options else ""
    rest = ", ".join(f"{name} {value}" for name, value in options.items() if name != "quantile")
    return f"{rule}{share} ({rest})" if rest else f"{rule}{share}"


@dataclass(frozen=True, slots=True)
class CutRow:
    """One boundary on one marker, and the side of it that is kept.

    Parameters
    ----------
    keep
        ``above`` holds the boundary itself, ``below`` does not.
    rule, options
        How the boundary is found in the values it is shown; none with ``same_as``.
    learn_over
        Whose events are shown together: ``tube``, ``stain``, or a group that the tubes name (``batch``).
    source
        From which tube they come: its own, or a control tube of this kind.
    reference
        The population whose events they are, or ``all events``; the parent if empty.
    same_as
        The population whose boundary on this marker is used again.
    otherwise
        Where no boundary is found: ``skip`` the population, ``pooled`` learns it from all tubes together,
        or another cut to try.
    if_present
        Whether the cut is left out where the marker was not stained.
    """

    marker: str
    keep: str = "above"
    rule: str = ""
    options: Options = ()
    learn_over: str = "tube"
    source: str = OWN
    reference: str = ""
    same_as: str = ""
    otherwise: str | CutRow = SKIP
    if_present: bool = False

    def __post_init__(self) -> None:
        wrong = _choice("keep", self.keep, KEEPS) + _choice("source", self.source, SOURCES)
        wrong += [] if self.marker else ["a cut names its marker"]
        if self.same_as:
            wrong += ["a cut with same_as takes no rule of its own"] if self.rule or self.reference else []
        elif not self.rule:
            wrong.append(f"the cut on {self.marker} says neither rule nor same_as")
        else:
            wrong += _rule_problems(self.rule, self.options)
        wrong += _learning_problems(self.learn_over, self.otherwise)
        if wrong:
            raise TemplateError("; ".join(wrong))

    @property
    def recipe(self) -> CutRow:
        """Return what decides where the boundary falls; cuts that share it share the boundary."""
        otherwise = self.otherwise.recipe if isinstance(self.otherwise, CutRow) else self.otherwise
        return replace(self, keep="above", if_present=False, otherwise=otherwise)

    def shown(self, parent: str) -> str:
        """Return the path of the population whose events are shown to the rule."""
        return ROOT if self.reference == ALL_EVENTS else self.reference or parent

    @property
    def chain(self) -> tuple[CutRow, ...]:
        """Return this cut and those tried after it."""
        return (self, *self.otherwise.chain) if isinstance(self.otherwise, CutRow) else (self,)

    def __str__(self) -> str:
        side = f"{self.marker} {'>=' if self.keep == 'above' else '<'}"
        if self.same_as:
            return f"{side} as in {last_part(self.same_as)}"
        of = f" of {last_part(self.reference)}" if self.reference else ""
        source = "" if self.source == OWN else f" in {self.source}"
        over = "" if self.learn_over == "tube" else f", per {self.learn_over}"
        return f"{side} {told(self.rule, dict(self.options))}{of}{source}{over}"


@dataclass(frozen=True, slots=True)
class RegionRow:
    """A region in two dimensions, found in the parent's own events."""

    rule: str
    x: str
    y: str
    options: Options = ()
    learn_over: str = "tube"
    otherwise: str = SKIP

    def __post_init__(self) -> None:
        wrong = [f"a region names its {axis} dimension" for axis in ("x", "y") if not getattr(self, axis)]
        wrong += _choice("region rule", self.rule, REGIONS) or _option_problems(
            REGIONS[self.rule], self.options, np.zeros((0, 2))
        )
        wrong += _learning_problems(self.learn_over, self.otherwise)
        if wrong:
            raise TemplateError("; ".join(wrong))

    def __str__(self) -> str:
        return f"{told(self.rule, dict(self.options))} on {self.x} x {self.y}"


@dataclass(frozen=True, slots=True)
class PopulationRow:
    """A population: its name, the parent it is drawn on, and one way to find it.

    ``parent`` is a name, part of a path or a path; ``""`` is all events. With ``if_present`` the row is left
    out of a panel that lacks its markers, and what is below it moves up to its parent.
    """

    name: str
    parent: str = ""
    cuts: tuple[CutRow, ...] = ()
    region: RegionRow | None = None
    boolean: Expression | None = None
    if_present: bool = False
    line: int = field(default=0, compare=False)

    def __post_init__(self) -> None:
        wrong = []
        if not self.name.strip() or "/" in self.name:
            wrong.append(f"a population's name is not empty and has no '/', unlike {self.name!r}")
        if self.name == ALL_EVENTS:
            wrong.append(f"{ALL_EVENTS!r} is what everything is in, and no name for a population")
        ways = [w for w in ("cuts", "region", "boolean") if getattr(self, w)]
        if len(ways) != 1:
            has = f"not {' and '.join(ways)}" if ways else "and this one has none"
            wrong.append(f"a population has exactly one of cuts, region and boolean, {has}")
        if wrong:
            raise TemplateError("; ".join(wrong))

    @property
    def path(self) -> str:
        """Return the parent's path and the name, once the parent is a path."""
        return f"{self.parent}/{self.name}" if self.parent else self.name

    @property
    def dimensions(self) -> tuple[str, ...]:
        """Return the dimensions that the row reads, each once."""
        region = (self.region.x, self.region.y) if self.region else ()
        return tuple(dict.fromkeys([cut.marker for cut in self.cuts] + list(region)))

    @property
    def required(self) -> tuple[str, ...]:
        """Return the dimensions without which the row means nothing; none for a row that may be left out."""
        needed = [cut.marker for cut in self.cuts if not cut.if_present]
        return tuple(dict.fromkeys(needed)) if self.cuts else self.dimensions

    @property
    def learning(self) -> tuple[CutRow | RegionRow, ...]:
        """Return everything in the row that is learnt, alternatives included."""
        cuts = tuple(tried for cut in self.cuts for tried in cut.chain if not tried.same_as)
        return (*cuts, self.region) if self.region else cuts

    @property
    def depends_on(self) -> tuple[str, ...]:
        """Return the populations that must be found first."""
        chains = [cut for row in self.cuts for cut in row.chain]
        named = [self.parent, *(c.shown("") for c in chains), *(c.same_as for c in chains)]
        named += self.boolean.operands if self.boolean else ()
        return tuple(dict.fromkeys(name for name in named if name))

    def __str__(self) -> str:
        if self.boolean:
            return str(self.boolean.renamed(last_part))
        return ", ".join(str(cut) for cut in self.cuts) or str(self.region)


def _rule_problems(rule: str, options: Options) -> list[str]:
    unknown = _choice("rule", rule, RULES)
    if unknown:
        return unknown
    if rule == "fixed":
        named = [name for name, _ in options]
        return (
            [] if named in (["linear"], ["value"]) else ["a fixed cut says linear = or value =, one of them"]
        )
    return _option_problems(RULES[rule], options, np.zeros(0))


def _option_problems(card: Card, options: Options, nothing: Floats) -> list[str]:
    """Say which options a rule does not take, and what it says of their values when shown no event."""
    known = {**dict.fromkeys(card.required), **card.options}
    wrong = [
        f"{card.name!r} takes no {name!r}{near(name, known)}" for name, _ in options if name not in known
    ]
    for name, value in options:
        words = isinstance(known.get(name), str)
        if name in known and isinstance(value, str) != words:
            wrong.append(f"{name} of {card.name!r} is a {'word' if words else 'number'}, not {value!r}")
    if not wrong:
        try:
            card.learn(nothing, **dict(options))
        except TemplateError as error:
            wrong.append(str(error).replace("; ", ", "))
    return wrong


def _learning_problems(learn_over: str, otherwise: str | CutRow) -> list[str]:
    wrong = []
    if learn_over in BLIND or not learn_over:
        wrong.append(
            f"learn_over is never {learn_over!r}: a gate that knows the treatment can make its effect"
        )
    if isinstance(otherwise, str):
        wrong += _choice("otherwise", otherwise, (SKIP, POOLED))
    return wrong


def _choice(what: str, value: str, among: Iterable[str]) -> list[str]:
    return [] if value in among else [f"no {what} is called {value!r}{near(value, among)}"]


def last_part(path: str) -> str:
    """Return a path's own name."""
    return path.rsplit("/", 1)[-1]
