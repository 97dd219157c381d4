"""Rows: what a row of a template says, checked once; nothing of how it is learnt."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np

from gating.errors import TemplateError
from gating.expression import Expression
from gating.regions import REGIONS
from gating.strategy import ALL_EVENTS, ROOT
from gating.words import (
    COHORT,
    KEEPS,
    NEGATIVE_PEAK,
    OWN,
    POOLED,
    SKIP,
    Options,
    choice,
    is_scatter,
    last_part,
    learning_problems,
    near,
    option_problems,
    rule_problems,
    told,
)

__all__ = [
    "COHORT",
    "OWN",
    "POOLED",
    "SKIP",
    "CutRow",
    "LearntRow",
    "PopulationRow",
    "RegionRow",
    "is_scatter",
    "last_part",
    "near",
    "told",
]


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
        Where no boundary is found: ``skip`` the population; ``pooled`` learns it from all tubes, unshifted; ``cohort``
        takes the median of what like tubes of its batch found, else of the stain; or another cut to try.
    if_present
        Whether the cut is left out where the marker was not stained.
    shift_by
        Moves what was learnt over several tubes to each of them, by where it has this peak: ``negative peak``, the
        lowest of the events shown, or the name of a population, whose main peak is meant.
    join
        Kinds of control tubes whose events are shown beside the samples', where they are stained with every marker
        that leads to the population and with this one.
    tissue
        Only tubes of this tissue are learnt from.
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
    shift_by: str = ""
    join: tuple[str, ...] = ()
    tissue: str = ""

    def __post_init__(self) -> None:
        wrong = choice("keep", self.keep, KEEPS)
        wrong += [] if self.marker else ["a cut names its marker"]
        if self.shift_by and self.learn_over == "tube" and self.source == OWN and not self.tissue:
            wrong.append(
                "shift_by moves what several tubes share: say over which, with learn_over = or source ="
            )
        if self.same_as:
            wrong += ["a cut with same_as takes no rule of its own"] if self.rule or self.reference else []
        elif not self.rule:
            wrong.append(f"the cut on {self.marker} says neither rule nor same_as")
        else:
            wrong += rule_problems(self.rule, self.options)
        wrong += learning_problems(self.learn_over, self.source, self.join)
        wrong += (
            choice("otherwise", self.otherwise, (SKIP, POOLED, COHORT))
            if isinstance(self.otherwise, str)
            else []
        )
        if wrong:
            raise TemplateError("; ".join(wrong))

    @property
    def dimensions(self) -> tuple[str, ...]:
        """Return what the boundary is on."""
        return (self.marker,)

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

    @property
    def at_last(self) -> str:
        """Return what is done when nothing in the chain finds a boundary."""
        last = self.chain[-1].otherwise
        return last if isinstance(last, str) else SKIP

    @property
    def way(self) -> str:
        """Return how the boundary is learnt, in words."""
        shift = f", shifted by {last_part(self.shift_by)}" if self.shift_by else ""
        return f"{told(self.rule, dict(self.options))}{_whence(self)}{shift}"

    @property
    def named(self) -> tuple[str, ...]:
        """Return the other populations that the cut needs."""
        shifted = "" if self.shift_by == NEGATIVE_PEAK else self.shift_by
        return tuple(name for name in (self.shown(""), self.same_as, shifted) if name)

    def __str__(self) -> str:
        side = f"{self.marker} {'>=' if self.keep == 'above' else '<'}"
        if self.same_as:
            return f"{side} as in {last_part(self.same_as)}"
        return f"{side} {self.way}"


@dataclass(frozen=True, slots=True)
class RegionRow:
    """A region in two dimensions; ``otherwise`` is ``skip``, ``pooled`` or another region to try.

    The rest as in :class:`CutRow`. A region has no median, so that no cohort can stand in.
    """

    rule: str
    x: str
    y: str
    options: Options = ()
    learn_over: str = "tube"
    source: str = OWN
    reference: str = ""
    otherwise: str | RegionRow = SKIP
    join: tuple[str, ...] = ()
    tissue: str = ""

    def __post_init__(self) -> None:
        wrong = [f"a region names its {axis} dimension" for axis in ("x", "y") if not getattr(self, axis)]
        wrong += choice("region rule", self.rule, REGIONS) or option_problems(
            REGIONS[self.rule], self.options, np.zeros((0, 2))
        )
        wrong += learning_problems(self.learn_over, self.source, self.join)
        wrong += (
            choice("otherwise", self.otherwise, (SKIP, POOLED)) if isinstance(self.otherwise, str) else []
        )
        if wrong:
            raise TemplateError("; ".join(wrong))

    @property
    def dimensions(self) -> tuple[str, str]:
        """Return what the region is drawn on."""
        return (self.x, self.y)

    def shown(self, parent: str) -> str:
        """Return the path of the population whose events are shown to the rule."""
        return ROOT if self.reference == ALL_EVENTS else self.reference or parent

    @property
    def chain(self) -> tuple[RegionRow, ...]:
        """Return this region and those tried after it."""
        return (self, *self.otherwise.chain) if isinstance(self.otherwise, RegionRow) else (self,)

    @property
    def way(self) -> str:
        """Return how the region is learnt, in words."""
        return f"{told(self.rule, dict(self.options))} on {self.x} x {self.y}{_whence(self)}"

    @property
    def named(self) -> tuple[str, ...]:
        """Return the other populations that the region needs."""
        return tuple(name for name in (self.shown(""),) if name)

    def __str__(self) -> str:
        return self.way


LearntRow: TypeAlias = CutRow | RegionRow


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
        regions = [name for region in self.regions for name in region.dimensions]
        return tuple(dict.fromkeys([cut.marker for cut in self.cuts] + regions))

    @property
    def regions(self) -> tuple[RegionRow, ...]:
        """Return the region and those tried after it; nothing for a row of cuts."""
        return self.region.chain if self.region else ()

    @property
    def required(self) -> tuple[str, ...]:
        """Return the dimensions without which the row means nothing; none for a row that may be left out."""
        needed = [cut.marker for cut in self.cuts if not cut.if_present]
        needed += self.region.dimensions if self.region else ()
        return tuple(dict.fromkeys(needed))

    @property
    def learning(self) -> tuple[LearntRow, ...]:
        """Return everything in the row that is learnt, alternatives included."""
        cuts = tuple(tried for cut in self.cuts for tried in cut.chain if not tried.same_as)
        return (*cuts, *self.regions)

    @property
    def depends_on(self) -> tuple[str, ...]:
        """Return the populations that must be found first."""
        chains: list[LearntRow] = [cut for row in self.cuts for cut in row.chain]
        named = [self.parent, *(name for tried in (*chains, *self.regions) for name in tried.named)]
        named += self.boolean.operands if self.boolean else ()
        return tuple(dict.fromkeys(name for name in named if name))

    def __str__(self) -> str:
        if self.boolean:
            return str(self.boolean.renamed(last_part))
        return ", ".join(str(cut) for cut in self.cuts) or str(self.region)


def _whence(row: LearntRow) -> str:
    of = f" of {last_part(row.reference)}" if row.reference else ""
    tissue = f" of {row.tissue}" if row.tissue else ""
    source = "" if row.source == OWN else f" in {row.source}"
    over = "" if row.learn_over == "tube" else f", per {row.learn_over}"
    return f"{of}{source}{tissue}{over}"
