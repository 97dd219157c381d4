"""Expression: a population written as a combination of others, ``PD-1+ & TIM-3+ | !CD57+``.

``!`` binds before ``&``, ``&`` before ``|``; parentheses change that. What is read is kept as an *or* of
*ands*, so that every part of it is a gate that other software knows too.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

from gating.errors import TemplateError
from gating.gates import Operand

Term = tuple[Operand, ...]
SIGNS = re.compile(r"([&|!()])")


@dataclass(frozen=True, slots=True)
class Expression:
    """An *or* of terms, each an *and* of populations or, with ``!``, of everything outside them."""

    terms: tuple[Term, ...]

    def __post_init__(self) -> None:
        if not self.terms or not all(self.terms):
            msg = "an expression combines one population or more"
            raise TemplateError(msg)

    @property
    def operands(self) -> tuple[str, ...]:
        """Return the populations named, each once, in the order of the text."""
        return tuple(dict.fromkeys(operand.population for term in self.terms for operand in term))

    @property
    def is_flat(self) -> bool:
        """Return whether one *and* or one *or* says it all."""
        return len(self.terms) == 1 or all(len(term) == 1 for term in self.terms)

    def renamed(self, rename: Callable[[str], str]) -> Expression:
        """Return the same expression with each population under its new name."""
        terms = (tuple(Operand(rename(o.population), o.complement) for o in term) for term in self.terms)
        return Expression(tuple(terms))

    def __str__(self) -> str:
        said = [[f"!{o.population}" if o.complement else o.population for o in term] for term in self.terms]
        return " | ".join(" & ".join(term) for term in said)


def parse_expression(text: str) -> Expression:
    """Read ``A & !B | C``.

    Raises
    ------
    TemplateError
        If a sign has no population beside it or a parenthesis no partner.
    """
    tokens = [token.strip() for token in SIGNS.split(text) if token.strip()]
    reader = _Reader(text, tokens)
    terms = reader.either()
    if reader.left:
        reader.fail(f"{reader.left[0]!r} is not expected there")
    return Expression(tuple(dict.fromkeys(tuple(dict.fromkeys(term)) for term in terms)))


class _Reader:
    """Reads tokens from the left; each level of binding is one method."""

    def __init__(self, text: str, tokens: list[str]) -> None:
        self.text = text
        self.left = list(tokens)

    def either(self) -> list[Term]:
        terms = self.both()
        while self.left and self.left[0] == "|":
            self.left.pop(0)
            terms = terms + self.both()
        return terms

    def both(self) -> list[Term]:
        terms = self.one()
        while self.left and self.left[0] == "&":
            self.left.pop(0)
            terms = [first + second for first, second in product(terms, self.one())]
        return terms

    def one(self) -> list[Term]:
        token = self.left.pop(0) if self.left else ""
        if token == "!":
            return _outside(self.one())
        if token == "(":
            terms = self.either()
            if not self.left or self.left.pop(0) != ")":
                self.fail("a parenthesis is not closed")
            return terms
        if not token or token in "&|)":
            self.fail(
                f"a population is missing before {token!r}" if token else "a population is missing at its end"
            )
        return [(Operand(token),)]

    def fail(self, why: str) -> None:
        msg = f"{self.text!r} cannot be read: {why} (write it like 'A & !B | C')"
        raise TemplateError(msg)


def _outside(terms: list[Term]) -> list[Term]:
    """Negate by De Morgan: outside an *or* of *ands* is one complement out of each term."""
    turned = [[Operand(o.population, not o.complement) for o in term] for term in terms]
    return [tuple(choice) for choice in product(*turned)]
