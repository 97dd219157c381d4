"""Recall: a rule that has answered a question once is not asked again.

What a rule answers depends on its name, its options and the values shown, and on nothing else; the digest of these is
the question. Whoever keeps a memory keeps it for one version of the code.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from gating.answers import Abstention, Card, Cut, RegionFound
from gating.scales import Floats

Answer: TypeAlias = Cut | RegionFound | Abstention
Memory: TypeAlias = MutableMapping[str, Answer]


def question(rule: str, options: Mapping[str, Any], values: Floats) -> str:
    """Return the digest of a rule, its options and the values that it is shown, of any shape."""
    values = np.ascontiguousarray(values, dtype="<f8")
    asked = hashlib.sha256(json.dumps([rule, sorted(options.items()), values.shape]).encode())
    asked.update(values.data)
    return asked.hexdigest()


def ask(card: Card, values: Floats, *, options: Mapping[str, Any], memory: Memory | None) -> Any:
    """Return a rule's answer: remembered, or found and then remembered."""
    if memory is None:
        return card.learn(values, **options)
    key = question(card.name, options, values)
    known = memory.get(key)
    if known is None:
        known = memory[key] = card.learn(values, **options)
    return known


def answer_to_dict(answer: Answer) -> dict[str, Any]:
    """Return an answer as plain values that say it to the last bit."""
    said: dict[str, Any] = {"n_events": answer.n_events, "saw": dict(answer.saw)}
    match answer:
        case Cut():
            cut = {"kind": "cut", "value": answer.value, "interval": answer.interval}
            return {**said, **cut, "confidence": answer.confidence}
        case RegionFound():
            region = {"kind": "region", "vertices": answer.vertices.tolist(), "share": answer.share}
            return {**said, **region, "confidence": answer.confidence}
        case Abstention():
            return {**said, "kind": "abstention", "reason": answer.reason}


def answer_from_dict(said: Mapping[str, Any]) -> Answer:
    """Return the answer that :func:`answer_to_dict` was given.

    Raises
    ------
    KeyError
        If it is none.
    """
    n_events, saw = int(said["n_events"]), said["saw"]
    if said["kind"] == "cut":
        return Cut(float(said["value"]), float(said["confidence"]), n_events, saw, _two(said["interval"]))
    if said["kind"] == "region":
        vertices, share = np.array(said["vertices"]), _two(said["share"])
        return RegionFound(vertices, float(said["confidence"]), n_events, saw, share)
    return Abstention(said["reason"], n_events, saw)


def _two(ends: Sequence[float] | None) -> tuple[float, float] | None:
    return None if ends is None else (float(ends[0]), float(ends[1]))
