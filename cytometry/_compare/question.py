"""What a comparison asks: levels, design, blocks and covariates. Values that check themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cytometry.errors import CompareError
from cytometry.formula import Term, read_formula, read_term

BASELINES = ("subtracted", "covariate")
PAIRED, UNPAIRED, TREND = "paired", "unpaired", "trend"


@dataclass(frozen=True, slots=True)
class Change:
    """A change within each subject, which the arms are then compared in: arm x timepoint.

    Parameters
    ----------
    factor
        The column in which a subject's tubes differ, such as timepoint.
    before, after
        Its two levels.
    baseline
        ``"subtracted"``: the value after minus the value before, so that the contrast is the interaction.
        ``"covariate"``: the value after, with the value before as covariate (analysis of covariance), which is more
        exact where subjects were allotted to arms at random.

    Raises
    ------
    CompareError
        If the levels are the same, or there is no such baseline.
    """

    factor: str
    before: str
    after: str
    baseline: str = "subtracted"

    def __post_init__(self) -> None:
        if self.before == self.after:
            msg = f"a change needs two levels of {self.factor}, and before and after are both {self.before!r}"
            raise CompareError(msg)
        if self.baseline not in BASELINES:
            msg = f"the baseline of a change is {' or '.join(BASELINES)}, not {self.baseline!r}"
            raise CompareError(msg)


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of every endpoint.

    Parameters
    ----------
    factor, control, treated
        The column, its control level, and the levels compared with it.
    design
        ``paired``, ``unpaired`` or ``trend``.
    blocks
        Columns whose levels are taken out; ``None`` for batch where the design can spare it.
    covariates
        Columns taken out as they stand: numbers as a slope, words level by level.
    formula, tested
        For what the above cannot say: terms beside or in place of the factor, and the one that is asked for.
    scores
        Of the levels of a trend, control first.
    unit
        What n counts: the subject, or what was treated together.
    """

    factor: str
    control: str
    treated: tuple[str, ...]
    design: str
    confidence: float = 0.95
    change: Change | None = None
    blocks: tuple[str, ...] | None = None
    covariates: tuple[str, ...] = ()
    formula: tuple[Term, ...] = ()
    tested: Term = ()
    scores: tuple[float, ...] = ()
    unit: str = "subject"

    @property
    def levels(self) -> tuple[str, ...]:
        """Return control and treated, the order in which they are always said."""
        return self.control, *self.treated

    @property
    def paired(self) -> bool:
        """Return whether each subject is compared with itself alone."""
        return self.design == PAIRED

    @property
    def term_tested(self) -> bool:
        """Return whether something else than the factor's own levels is tested."""
        return self.tested not in {(), (self.factor,)}

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the columns of the table that enter beside the factor."""
        named = [name for term in self.formula for name in term if name != self.factor]
        change = [self.change.factor] if self.change else []
        blocks = ("batch",) if self.blocks is None else self.blocks
        return tuple(dict.fromkeys([*change, *blocks, *self.covariates, *named]))


def asked_formula(text: str, tested: str, factor: str) -> tuple[tuple[Term, ...], Term]:
    """Return the terms of a formula and the one that is tested, the factor itself if nothing else is said.

    Raises
    ------
    CompareError
        If the formula cannot be read, or does not hold the tested term.
    """
    terms = read_formula(text) if text else ()
    if not terms and tested:
        msg = f"tested is {tested!r}, and there is no formula for it to be a term of"
        raise CompareError(msg)
    asked = read_term(tested) if tested else (factor,)
    if terms and asked not in terms and asked != (factor,):
        has = ", ".join(":".join(term) for term in terms)
        msg = f"the formula {text!r} has no term {tested!r}; it has {has}"
        raise CompareError(msg)
    return terms, asked


def trend_scores(levels: Sequence[str]) -> tuple[float, ...]:
    """Return the numbers that levels begin with or end in ("10 mg", "day 7"), else 0, 1, 2 ... in the order given.

    Raises
    ------
    CompareError
        If there are fewer than three levels, or two have the same number.
    """
    import re

    if len(levels) < 3:
        msg = f"a trend needs three levels or more, and there are {len(levels)}: {', '.join(levels)}"
        raise CompareError(msg)
    found = [re.search(r"-?\d+(?:\.\d+)?", level) for level in levels]
    numbers = [float(match[0]) for match in found if match]
    if len(numbers) < len(levels):
        return tuple(float(place) for place in range(len(levels)))
    if len(set(numbers)) < len(numbers):
        msg = f"two levels of the trend have the same number: {', '.join(levels)}"
        raise CompareError(msg)
    return tuple(numbers)
