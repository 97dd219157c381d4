"""Amend: the tables of numbers as a plan's generator and options change them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

from cytometry.simulate.plan import StudyPlan
from cytometry.simulate.tables import settings

FIRST, SECOND = "first", "second"
SET = "all_of"


def amended(plan: StudyPlan, name: str) -> Mapping[str, Any]:
    """Return ``data/<name>.toml`` with what generator and options say instead; a later option has the last word."""
    return _amended(name, plan.generator, plan.options)


def of_generator(generator: str, name: str) -> Mapping[str, Any]:
    """Return ``data/<name>.toml`` as a generator has it, without options."""
    return _amended(name, generator, ())


def option_titles() -> dict[str, str]:
    """Return what each option of ``options.toml`` does, in a line."""
    return {name: said["title"] for name, said in settings("options").items()}


@cache
def _amended(name: str, generator: str, options: tuple[str, ...]) -> Mapping[str, Any]:
    layers = [settings(SECOND)] if generator == SECOND else []
    layers += [settings("options")[option] for option in _single(options)]
    found: dict[str, Any] = dict(settings(name))
    for layer in layers:
        found = _merged(found, layer.get(name, {}))
    return MappingProxyType(found)


def _single(options: tuple[str, ...]) -> list[str]:
    """Return the options with every set of options spelt out in its place."""
    spelt: list[str] = []
    for option in options:
        members = settings("options")[option].get(SET)
        spelt += _single(tuple(members)) if members else [option]
    return spelt


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(below)
    for key, value in above.items():
        old = found.get(key)
        found[key] = _merged(old, value) if isinstance(value, Mapping) and isinstance(old, Mapping) else value
    return found
