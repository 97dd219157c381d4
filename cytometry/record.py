"""Record: one tube's result on disk, and whether what is found there can be believed.

::

    .cache/<tube>.codes          a code per event, as the plain bytes of the smallest unsigned integer
    gating/tubes/<tube>.json     all else, and the checksums of both: written last, it makes the result count

A crash between the two leaves codes without a record that fits them: no result. Nothing is forced to the disk; what
a power cut takes away is missed by its checksum.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from cytometry.digest import file_digest, read_signed, signed, verified
from cytometry.errors import RunError
from cytometry.folder import written_aside
from cytometry.markup import tree
from gating.membership import Membership
from gating.records import ABSTAINED, NONE, GateRecord
from gating.spillover import Spillover
from gating.strategy import ALL_EVENTS, GatingStrategy

LONGEST = 60
FORBIDDEN = re.compile(r"[^A-Za-z0-9._+-]+")
Table = Mapping[str, list[Any]]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class GatedTube:
    """What a run found in one tube; printed, it is the tree of populations with their counts."""

    tube: str
    strategy: GatingStrategy
    membership: Membership
    spillover: Spillover | None
    gates: tuple[GateRecord, ...]

    def __str__(self) -> str:
        held = self.membership
        lines = [f"{ALL_EVENTS}  {held.count(''):,}"]
        for path, count in held.counts().items():
            share = f"{100 * held.fraction(path):.3g} % of parent" if count else "none"
            lines.append(f"{'  ' * (path.count('/') + 1)}{path.rsplit('/', 1)[-1]}  {count:,}  ({share})")
        removed = held.n_removed
        lines += [f"removed by quality control: {removed:,} of {held.n_events:,} events"] if removed else []
        lines += [f"no gate: {r.population}: {r.reason}" for r in self.gates if r.status == ABSTAINED]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        held = self.membership
        counted = {path: (count, held.fraction(path)) for path, count in held.counts().items()}
        absent = {r.population: r.reason for r in self.gates if r.status == ABSTAINED}
        return tree(held.count(""), counted, caption=f"tube {self.tube}", absent=absent)

    def __repr__(self) -> str:
        held = self.membership
        return f"GatedTube({self.tube!r}: {held.n_events:,} events, {len(held.populations)} populations)"


@dataclass(frozen=True, slots=True, eq=False)
class Beside:
    """What is kept with a tube's gates: on what they rest, and what was measured.

    Parameters
    ----------
    hashes
        By name (``fcs``, ``spillover``, ``gates``, ``measures``, ``removed``, ``code``), the digest of what decided
        the result.
    measured
        Rows of the tidy table, column by column; ``None`` where none were asked for.
    """

    hashes: Mapping[str, str] = field(default_factory=dict)
    measured: Table | None = None


def stem(tube: str) -> str:
    """Return what a tube's files are called: its name as far as a file can be called so, and a hash of the whole."""
    plain = FORBIDDEN.sub("_", tube)[:LONGEST]
    return f"{plain}-{hashlib.sha256(tube.encode()).hexdigest()[:8]}"


def record_path(folder: Path, tube: str) -> Path:
    """Return where a tube's record is."""
    return folder / "gating" / "tubes" / f"{stem(tube)}.json"


def codes_path(folder: Path, tube: str) -> Path:
    """Return where a tube's codes are."""
    return folder / ".cache" / f"{stem(tube)}.codes"


def save_tube(folder: Path, found: GatedTube, beside: Beside | None = None) -> dict[str, Any]:
    """Write a tube's codes, then its record, and return the record's values.

    Raises
    ------
    RunError
        If the folder cannot be written.
    """
    beside = beside or Beside()
    held = found.membership
    codes = np.ascontiguousarray(held.codes, dtype=held.codes.dtype.newbyteorder("<"))
    octets = codes.view(np.uint8).data
    with written_aside(codes_path(folder, found.tube)) as aside:
        aside.write_bytes(octets)
    said = {
        "tube": found.tube,
        "hashes": {**beside.hashes, "codes": hashlib.sha256(octets).hexdigest()},
        "n_events": held.n_events,
        "n_gated": held.count(""),
        "not_finite": held.not_finite,
        "removed": held.removed,
        "counts": held.counts(),
        "type": codes.dtype.str,
        "sets": ["".join("01"[inside] for inside in row) for row in held.sets.tolist()],
        "strategy": found.strategy.to_dict(),
        "spillover": found.spillover.to_dict() if found.spillover else None,
        "gates": [gate_to_dict(record) for record in found.gates],
        "measured": beside.measured,
    }
    with written_aside(record_path(folder, found.tube)) as aside:
        aside.write_text(signed(said), encoding="utf-8")
    return said


def read_record(folder: Path, tube: str) -> dict[str, Any] | None:
    """Return the values of a tube's record; ``None`` if it is not there, cannot be believed or is another tube's."""
    said = read_signed(record_path(folder, tube))
    return said if said and said.get("tube") == tube else None


def codes_fit(folder: Path, tube: str, said: Mapping[str, Any]) -> bool:
    """Return whether a tube's codes are those that its record speaks of."""
    try:
        return file_digest(codes_path(folder, tube)) == str(said["hashes"]["codes"])
    except OSError:
        return False


def load_tube(folder: Path, tube: str) -> GatedTube:
    """Read what :func:`save_tube` wrote.

    Raises
    ------
    RunError
        If a file is missing, is not as it was written, or belongs to another tube.
    """
    try:
        said = verified(record_path(folder, tube).read_text(encoding="utf-8"))
        path = codes_path(folder, tube)
        if file_digest(path) != said["hashes"]["codes"]:
            msg = f"{path.name} is not as it was written: its checksum does not fit"
            raise ValueError(msg)
    except (OSError, KeyError, ValueError) as error:
        msg = f"the result of tube {tube} cannot be read ({error}); run the study again"
        raise RunError(msg) from error
    if said["tube"] != tube:
        msg = f"the result folder holds tube {said['tube']} where {tube} should be; run the study again"
        raise RunError(msg)
    strategy = GatingStrategy.from_dict(said["strategy"])
    kind = np.dtype(said["type"])
    # Mapped, not read: the codes of a whole study may be more than the memory holds.
    mapped = np.memmap(path, dtype=kind, mode="r") if said["n_events"] else np.zeros(0, dtype=kind)
    codes = mapped.astype(kind.newbyteorder("="), copy=False)
    sets = np.array([[letter == "1" for letter in row] for row in said["sets"]], dtype=np.bool_)
    membership = Membership(
        strategy.paths,
        codes,
        sets.reshape(len(said["sets"]), len(strategy.paths)),
        int(said["not_finite"]),
        said["removed"],
    )
    spillover = Spillover.from_dict(said["spillover"]) if said["spillover"] else None
    return GatedTube(tube, strategy, membership, spillover, tuple(map(gate_from_dict, said["gates"])))


def gate_to_dict(record: GateRecord) -> dict[str, Any]:
    """Return a gate's record as plain values, with ``None`` for a number that is none: JSON knows no NaN."""
    plain: dict[str, Any] = json.loads(json.dumps(_finite(asdict(record))))
    return plain


def gate_from_dict(gate: Mapping[str, Any]) -> GateRecord:
    """Return a gate's record as it was, from what JSON keeps of it."""
    known: dict[str, Any] = {key: _number(gate[key]) for key in ("value", "linear")}
    known |= {key: tuple(map(_number, gate[key])) for key in ("interval", "value_interval", "share")}
    saw = {key: _number(seen) for key, seen in gate["saw"].items()}
    return GateRecord(**{**gate, **known, "saw": saw, "learnt_from": tuple(gate["learnt_from"])})


def _number(said: float | None) -> float:
    return NONE if said is None else said


def _finite(value: Any) -> Any:
    match value:
        case dict():
            return {key: _finite(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_finite(inner) for inner in value]
        case float():
            return value if np.isfinite(value) else None
    return value
