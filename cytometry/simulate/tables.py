"""Tables: the numbers of the simulator, read from the files beside the code, which say where they come from."""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from cytometry.errors import CytometryError
from cytometry.panel import Channel, Panel

_DATA = files("cytometry.simulate") / "data"


class SimulationError(CytometryError, ValueError):
    """A study that cannot be simulated, or a truth that cannot be read."""


@cache
def rows(name: str) -> tuple[Mapping[str, str], ...]:
    """Return the rows of ``data/<name>.csv``, each a mapping from column to text; lines with # are comments."""
    lines = (_DATA / f"{name}.csv").read_text(encoding="utf-8").splitlines()
    found = csv.DictReader(line for line in lines if not line.startswith("#"))
    return tuple(MappingProxyType(row) for row in found)


@cache
def settings(name: str) -> Mapping[str, Any]:
    """Return ``data/<name>.toml``."""
    return MappingProxyType(tomllib.loads((_DATA / f"{name}.toml").read_text(encoding="utf-8")))


@cache
def panel(stain: str) -> Panel:
    """Return what a stain's channels read, in the order of the files."""
    found = [row for row in rows("panels") if row["stain"] == stain]
    return Panel(
        tuple(Channel(row["channel"], row["marker"], row["fluorochrome"], row["role"]) for row in found)
    )


def split(text: str) -> tuple[str, ...]:
    """Return the parts of a cell joined by semicolons; none for a blank one."""
    return tuple(part for part in text.split(";") if part)


def choose(what: str, name: str, among: Mapping[str, Any]) -> Any:
    """Return ``among[name]``.

    Raises
    ------
    SimulationError
        If there is none of that name, naming those there are.
    """
    if name not in among:
        msg = f"there is no {what} {name!r}; choose one of {', '.join(among)}"
        raise SimulationError(msg)
    return among[name]
