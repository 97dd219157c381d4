"""Gating-ML: what FlowKit passes over in a document, looked for before it reads."""

from __future__ import annotations

from io import BytesIO
from typing import Any

from cytometry._exchange.build import problem
from cytometry._exchange.workspace import GATING, TRANSFORMS, TYPES
from cytometry.errors import Problem

NAMED = f"{TYPES}custom_info/population"
TRUE = ("true", "1")


def prepared(root: Any) -> BytesIO:
    """Return the document with its booleans as FlowKit knows them: it takes a "1" for false."""
    from lxml import etree

    said = f"{GATING}use-as-complement"
    for reference in root.iter(f"{GATING}gateReference"):
        if reference.get(said, "").strip() in TRUE:
            reference.set(said, "true")
    return BytesIO(etree.tostring(root))


def passed_over(root: Any, where: str) -> list[Problem]:
    """Return what a document asks for and FlowKit would not do: bounded transforms, matrices already inverted."""
    found = []
    for transform in root.iter(f"{TRANSFORMS}transformation"):
        name = transform.get(f"{TRANSFORMS}id")
        bounds = [
            end
            for one in (transform, *transform.iterchildren())
            for end in ("boundMin", "boundMax")
            if one.get(f"{TRANSFORMS}{end}") is not None or one.get(end) is not None
        ]
        if bounds:
            found.append(
                problem(f"{where}, transform {name}", f"{' and '.join(bounds)}: bounds are not supported")
            )
    for matrix in root.iter(f"{TRANSFORMS}spectrumMatrix"):
        if matrix.get(f"{TRANSFORMS}matrix-inverted-already", "false").strip() in TRUE:
            at = f"{where}, matrix {matrix.get(f'{TRANSFORMS}id')}"
            found.append(problem(at, "is inverted already, which is not supported"))
    return found


def names_of(root: Any) -> dict[str, str]:
    """Return the populations' names that a document carries, by the gates' identifiers."""
    named = {gate.get(f"{GATING}id"): gate.findtext(NAMED) for gate in root.iterchildren()}
    return {identifier: name for identifier, name in named.items() if identifier and name}
