"""Digests: whether something is still what it was. Content decides, never the time of a file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from cytometry.errors import RunError

CHECKSUM = "checksum"
DECIDING = ("numpy", "scipy", "numba", "pandas")  # beside our own code: on whose versions a number may depend
# Rooms in which no tube's result is decided: they compare, tell, draw, simulate, or do what they are told.
TELLING = frozenset(
    "_cohort __main__ _compare _workers asked cli cohort compare console contrast cytokines decomposition effects "
    "ending events exchange export lock pipeline plots polyfunctionality power progress provenance report responses "
    "results seal simulate store subsets wording workers".split()
)
Stamp = tuple[int, int]


def digest(value: Any) -> str:
    """Return the SHA-256 of plain values; equal values have equal digests, in any process and order of keys."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def canonical(value: Any) -> str:
    """Return plain values as JSON in one form only."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def stamp(path: Path) -> Stamp:
    """Return what changes when a file is written to: good within one run, and no key of a result."""
    found = path.stat()
    return found.st_size, found.st_mtime_ns


def signed(said: dict[str, Any]) -> str:
    """Return plain values as JSON text that carries a checksum of itself."""
    return json.dumps({**said, CHECKSUM: digest(said)}, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def verified(text: str) -> dict[str, Any]:
    """Return what :func:`signed` was given.

    Raises
    ------
    ValueError
        If it is no JSON, cut off, or not what was signed.
    """
    said = json.loads(text)
    if not isinstance(said, dict) or said.pop(CHECKSUM, None) != digest(said):
        msg = "it is not as it was written: its checksum does not fit"
        raise ValueError(msg)
    return said


def read_signed(path: Path) -> dict[str, Any] | None:
    """Return a signed file's values; ``None`` if it is not there or cannot be believed."""
    try:
        return verified(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


@cache
def deciding_code() -> str:
    """Return the digest of all code that decides what a tube's result is: ours, and the versions of the rest."""
    return _code(lambda room: room not in TELLING)


@cache
def whole_code() -> str:
    """Return the digest of the whole package, and the versions of what it rests on."""
    return _code(lambda _: True)


def _code(among: Callable[[str], bool]) -> str:
    said = {f"version of {name}": _version(name) for name in ("cytometry", *DECIDING)}
    house = Path(__file__).parents[1]
    for path in sorted(_sources(house / "gating", house / "cytometry")):
        room = path.relative_to(house).parts[1].removesuffix(".py")
        if among(room):
            said[path.relative_to(house).as_posix()] = file_digest(path)
    return digest(said)


def _sources(*folders: Path) -> Iterable[Path]:
    found = [path for folder in folders for path in folder.rglob("*.py")]
    if not found:
        msg = f"the package's own sources are not in {folders[0]}, so that no result can be told from another"
        raise RunError(msg)
    return found


def _version(name: str) -> str:
    try:
        return version(name)
    except ImportError:  # not installed: nothing depends on it
        return ""
