"""Words: what a row of a template may say, and how what it says wrongly is told."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np

from gating.answers import Card
from gating.errors import TemplateError
from gating.scales import Floats
from gating.thresholds import RULES

Options: TypeAlias = tuple[tuple[str, Any], ...]
KEEPS = ("above", "below")
SKIP, POOLED, COHORT = "skip", "pooled", "cohort"
OWN = "own"
NEGATIVE_PEAK = "negative peak"
JOINING = MappingProxyType(
    {
        "fmo": "FMO controls that are stained with all that the boundary is found by",
        "isotype": "isotype controls, likewise",
        "unstimulated": "unstimulated tubes: for markers that the stimulus leaves alone",
        "healthy_anchor": "the healthy donor of each batch",
    }
)
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


def rule_problems(rule: str, options: Options) -> list[str]:
    """Say what is wrong with a cut's rule and what it is told."""
    unknown = choice("rule", rule, RULES)
    if unknown:
        return unknown
    if rule == "fixed":
        named = [name for name, _ in options]
        return (
            [] if named in (["linear"], ["value"]) else ["a fixed cut says linear = or value =, one of them"]
        )
    return option_problems(RULES[rule], options, np.zeros(0))


def option_problems(card: Card, options: Options, nothing: Floats) -> list[str]:
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


def learning_problems(learn_over: str, source: str, join: tuple[str, ...]) -> list[str]:
    """Say what is wrong with whose events are shown."""
    wrong = choice("source", source, SOURCES)
    for kind in join:
        wrong += choice("join", kind, JOINING)
    if join and source != OWN:
        wrong.append(f"join adds tubes to the samples, and source = {source!r} learns from none")
    if learn_over in BLIND or not learn_over:
        wrong.append(
            f"learn_over is never {learn_over!r}: a gate that knows the treatment can make its effect"
        )
    return wrong


def choice(what: str, value: str, among: Iterable[str]) -> list[str]:
    """Say that a word is none of those there are, or nothing."""
    return [] if value in among else [f"no {what} is called {value!r}{near(value, among)}"]


def last_part(path: str) -> str:
    """Return a path's own name."""
    return path.rsplit("/", 1)[-1]
