"""A formula's right-hand side: ``arm * sex + age``. Terms of named columns, and no more than that."""

from __future__ import annotations

import re
from itertools import combinations

from cytometry.errors import CompareError

Term = tuple[str, ...]

_TOKEN = re.compile(r"\s*(?:([A-Za-z_][\w.]*)|([+*:])|(\S))")


def read_formula(text: str) -> tuple[Term, ...]:
    """Return the terms of a formula, each a tuple of column names in the order written; the constant is implied.

    ``a + b`` are two terms, ``a:b`` is their product, ``a * b`` is ``a + b + a:b``.

    Raises
    ------
    CompareError
        If it says anything else, with the place.

    Examples
    --------
    >>> read_formula("arm * sex + age")
    (('arm',), ('sex',), ('arm', 'sex'), ('age',))
    """
    terms: list[Term] = []
    for summand in _summands(text):
        factors = [tuple(names) for names in summand]
        for size in range(1, len(factors) + 1):
            for some in combinations(factors, size):
                term = tuple(dict.fromkeys(name for part in some for name in part))
                terms.append(term)
    return tuple(dict.fromkeys(terms))


def read_term(text: str) -> Term:
    """Return one term: ``arm`` or ``arm:sex``.

    Raises
    ------
    CompareError
        If the text is no single term.
    """
    terms = read_formula(text)
    if len(terms) != 1:
        msg = f"{text!r} is not one term, such as arm or arm:sex"
        raise CompareError(msg)
    return terms[0]


def _summands(text: str) -> list[list[list[str]]]:
    """Return summands, their factors, and the names of each: ``a*b:c + d`` is [[[a], [b, c]], [[d]]]."""
    tokens = [
        (match[1], match[2], match[3], match.start(match.lastindex or 0)) for match in _TOKEN.finditer(text)
    ]
    found: list[list[list[str]]] = []
    wants_name, operator = True, "+"
    for name, sign, other, place in tokens:
        if other or bool(name) != wants_name:
            said = other or name or sign
            wanted = "a column's name" if wants_name else "+, * or :"
            msg = f"formula {text!r}: {wanted} was expected at {said!r} (character {place + 1}), as in arm * sex + age"
            raise CompareError(msg)
        if sign:
            operator = sign
        elif operator == "+":
            found.append([[name]])
        elif operator == "*":
            found[-1].append([name])
        else:
            found[-1][-1].append(name)
        wants_name = not wants_name
    if wants_name:
        msg = f"formula {text!r} ends where a column's name was expected; write it as arm * sex + age"
        raise CompareError(msg)
    return found
