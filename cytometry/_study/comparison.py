"""A comparison as ``study.toml`` declares it: levels, design, what is taken out, endpoints."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from cytometry.errors import CytometryError
from cytometry.table import Endpoint

if TYPE_CHECKING:
    from cytometry._study.model import SheetRow

DESIGNS = ("auto", "paired", "unpaired", "trend")
BASELINES = ("subtracted", "covariate")
# What groups of tubes can differ in; the columns of the tidy table that describe a tube.
FACTORS = ("arm", "timepoint", "stimulus", "batch", "tissue")
FILTERS = (*FACTORS, "subject", "specimen", "stain")
BLOCKS = ("batch", "cage", "fresh_or_frozen", "tissue", "arm", "timepoint")
COVARIATES = ("hours_since_dose", "tissue_mg", "volume_ul", *BLOCKS)
UNITS = ("subject", "cage")
# Names of groups that can only be told once the study is under way.
_OUTCOME = re.compile(
    r"respon[ds]|progress|relaps|remission|surviv|alive|\bdead\b|\bdied\b|recurr|stable disease|^(?:cr|pr|pd|sd)$",
    re.IGNORECASE,
)


def outcome_groups(levels: Sequence[str]) -> list[str]:
    """Return the levels that name an outcome, such as responder: groups that were not yet known at baseline."""
    return [level for level in levels if _OUTCOME.search(level)]


@dataclass(frozen=True, slots=True)
class Comparison:
    """A question that the study asks: treated against control, in the levels of one column of the sheet.

    Parameters
    ----------
    treated
        A level, or several: each against control, or the further levels of a trend in their order.
    design
        ``auto``, ``paired``, ``unpaired`` or ``trend``.
    change
        For arm x timepoint: ``factor``, ``before``, ``after`` and perhaps ``baseline``; empty for none.
    blocks
        Columns taken out level by level; ``None`` for batch where the design can spare it.
    covariates, formula, tested, unit
        As :func:`cytometry.compare.compare` takes them.

    Raises
    ------
    CytometryError
        If there is no such design, a level is compared with itself, or a trend has too few levels.
    """

    name: str
    control: str
    treated: str | tuple[str, ...]
    factor: str = "arm"
    design: Literal["auto", "paired", "unpaired", "trend"] = "auto"
    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    primary: tuple[Endpoint, ...] = ()
    secondary: tuple[Endpoint, ...] = ()
    change: Mapping[str, str] = field(default_factory=dict)
    blocks: tuple[str, ...] | None = None
    covariates: tuple[str, ...] = ()
    formula: str = ""
    tested: str = ""
    unit: str = "subject"

    def __post_init__(self) -> None:
        if self.design not in DESIGNS:
            msg = f"a comparison is {', '.join(DESIGNS)}, not {self.design!r}"
            raise CytometryError(msg)
        if self.control in self.treated_levels:
            msg = f"comparison {self.name!r} compares {self.control!r} with itself"
            raise CytometryError(msg)
        if len(set(self.levels)) < len(self.levels):
            msg = f"comparison {self.name!r} names a treated level twice: {', '.join(self.treated_levels)}"
            raise CytometryError(msg)
        if self.design == "trend" and len(self.levels) < 3:
            msg = f"comparison {self.name!r}: a trend needs control and two treated levels at the least"
            raise CytometryError(msg)
        if self.design == "trend" and self.change:
            msg = f"comparison {self.name!r} is a trend and a change at once; declare two comparisons"
            raise CytometryError(msg)
        object.__setattr__(self, "where", MappingProxyType(dict(self.where)))
        object.__setattr__(self, "change", MappingProxyType(dict(self.change)))

    @property
    def treated_levels(self) -> tuple[str, ...]:
        """Return the treated levels, one or several."""
        return (self.treated,) if isinstance(self.treated, str) else tuple(self.treated)

    @property
    def levels(self) -> tuple[str, ...]:
        """Return control and the treated levels."""
        return self.control, *self.treated_levels

    @property
    def within(self) -> str:
        """Return the column in which a subject's tubes may differ: that of the change, or the factor."""
        return str(self.change["factor"]) if self.change else self.factor

    @property
    def options(self) -> dict[str, Any]:
        """Return the arguments of :func:`cytometry.compare.compare`, its table apart."""
        return {
            "control": self.control,
            "treated": self.treated,
            "factor": self.factor,
            "design": self.design,
            "change": self.change or None,
            "blocks": self.blocks,
            "covariates": self.covariates,
            "formula": self.formula,
            "tested": self.tested,
            "unit": self.unit,
            "where": self.where,
            "primary": self.primary,
            "secondary": self.secondary,
            "name": self.name,
        }

    def tubes(self, tubes: tuple[SheetRow, ...]) -> tuple[SheetRow, ...]:
        """Return the sample tubes at the levels, where the comparison looks."""
        ends = (self.change["before"], self.change["after"]) if self.change else ()
        return tuple(
            row
            for row in tubes
            if row.kind == "sample"
            and getattr(row, self.factor) in self.levels
            and (not ends or getattr(row, self.within) in ends)
            and all(str(getattr(row, column)) in wanted for column, wanted in self.where.items())
        )
