"""Work: one tube, from its file and its gates to a stored result. What every worker does, and for every runner.

A tube whose stored result rests on the same file, gates, spillover, measures and code is not gated again.
"""

from __future__ import annotations

import copyreg
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from cytometry.beads import BEADS, find_beads
from cytometry.digest import Stamp, deciding_code, digest, file_digest, stamp
from cytometry.errors import RunError
from cytometry.fcs import Tube, read_fcs
from cytometry.measure import count_rows, measure_tube
from cytometry.panel import Panel
from cytometry.qc import Stretches, kept_events
from cytometry.reading import bytes_of, in_memory
from cytometry.record import (
    Beside,
    GatedTube,
    Table,
    codes_fit,
    codes_path,
    gate_to_dict,
    read_record,
    record_path,
    save_tube,
)
from gating.columns import Columns
from gating.membership import Membership, assign
from gating.records import ABSTAINED, GateRecord
from gating.spillover import Spillover
from gating.strategy import GatingStrategy

if TYPE_CHECKING:
    import pandas as pd

SMALL = 16 * 2**20  # bytes of a tube that is read once
NEW, LOST = "new", "its stored result is gone or was altered"
# In this order: what comes first changes what comes after.
WHY: Mapping[str, str] = MappingProxyType(
    {
        "fcs": "file changed",
        "code": "another version of the code",
        "spillover": "spillover changed",
        "removed": "what quality control removes changed",
        "gates": "gates changed",
        "measures": "what is measured changed",
    }
)


def _unchangeable(mapping: dict[Any, Any]) -> MappingProxyType[Any, Any]:
    return MappingProxyType(mapping)


# A strategy travels to another process as it is: its mappings cannot change, and pickle has to be told how.
copyreg.pickle(MappingProxyType, lambda mapping: (_unchangeable, (dict(mapping),)))


@dataclass(frozen=True, slots=True)
class Measures:
    """What is measured in a tube beside its counts; see :func:`cytometry.measure.measure_tube`.

    ``beads`` names the detectors in which counting beads shine, where some were added and the strategy has no gate for
    them; they are then counted without one.
    """

    fractions_of: tuple[str, ...] = ()
    intensities: tuple[tuple[str, str], ...] = ()
    low: int = 20
    flagged: int = 50
    beads: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class TubeJob:
    """One tube to gate, and where its result goes.

    Parameters
    ----------
    folder
        The result folder.
    gates
        How the boundaries of the strategy were learnt, and which were not found; empty for a given strategy.
    sha256, seen
        Of the file, where it was hashed before, and its stamp at that moment; otherwise it is hashed here, beside
        the gating.
    measures
        ``None`` for counts alone.
    panel
        Says which channel is the clock; needed where something is removed.
    removed
        Stretches of time whose events are taken out before gating, in seconds since the first event.
    """

    tube: str
    file: Path
    folder: Path
    strategy: GatingStrategy
    spillover: Spillover | None
    gates: tuple[GateRecord, ...] = ()
    data_set: int = 0
    sha256: str = ""
    seen: Stamp | None = None
    measures: Measures | None = None
    panel: Panel | None = None
    removed: Stretches = ()


@dataclass(frozen=True, slots=True, eq=False)
class TubeDone:
    """What became of a tube: the columns of its tables, and whether its stored result stood.

    Parameters
    ----------
    reused
        Whether the result of an earlier run was taken.
    why
        Why it was gated, in plain words; ``""`` for a reused one.
    n_gated
        Events of the file less those that were removed.
    counts
        Events of each population, by path.
    """

    tube: str
    reused: bool
    why: str
    sha256: str
    n_gated: int
    counts: Mapping[str, int]
    measured: Table | None


def hash_file(file: Path) -> tuple[str, Stamp]:
    """Return a file's SHA-256, and its stamp before it was read.

    Raises
    ------
    RunError
        If it cannot be read.
    """
    seen = _stamp(file)
    return _hashed(file), seen


def gate_tube(job: TubeJob) -> TubeDone:
    """Gate a tube, measure it, and write its result; or say that the stored one stands.

    Raises
    ------
    FCSError
        If the file cannot be read.
    RunError
        If it was written to in the meantime, or the result cannot be written.
    """
    before = read_record(job.folder, job.tube)
    seen = job.seen or _stamp(job.file)
    hashes = {"fcs": job.sha256, **_hashes(job)}
    if before and not job.sha256:
        hashes["fcs"] = _hashed(job.file)
    why = _difference(job, before, hashes)
    if before and not why:
        return _done(job.tube, before, why="")
    with ThreadPoolExecutor(1) as beside:  # hashing lets go of the interpreter, so that both go on at once
        asked = None if hashes["fcs"] else beside.submit(_hashed, job.file)
        found, measured = _gated(job)
        hashes["fcs"] = asked.result() if asked else hashes["fcs"]
    if _stamp(job.file) != seen:
        msg = f"{job.file.name} was written to while it was gated; run again when it is complete"
        raise RunError(msg)
    return _done(job.tube, save_tube(job.folder, found, Beside(hashes, _plain(measured))), why=why)


def _gated(job: TubeJob) -> tuple[GatedTube, pd.DataFrame | None]:
    """Return a tube's membership, and its statistics where they were asked for."""
    source = read_fcs(job.file, data_set=job.data_set)
    kept = kept_events(source, job.panel, job.removed) if job.panel and job.removed else None
    # Gating reads each event once, and fastest as it is stored; measures read channels again and again.
    membership = assign(job.strategy, Columns(source, job.strategy.dimensions, job.spillover), kept=kept)
    events = in_memory(source) if job.measures and bytes_of(source) <= SMALL else source
    columns = Columns(events, job.strategy.dimensions, job.spillover)
    found = GatedTube(job.tube, job.strategy, membership, job.spillover, job.gates)
    measured = _measured(job, job.measures, columns, membership) if job.measures else None
    if measured is not None and job.measures and job.measures.beads:
        measured = _with_beads(measured, source, membership, shining=job.measures.beads)
    return found, measured


def _measured(job: TubeJob, asked: Measures, columns: Columns, membership: Membership) -> pd.DataFrame:
    gated = job.strategy.paths
    # A population may have several cuts, of which some were found: the one that was not is the reason.
    missing = {
        r.population: r.reason for r in job.gates if r.status == ABSTAINED and r.population not in gated
    }
    known = {*gated, *missing}
    names = {path.rsplit("/", 1)[-1] for path in known}
    return measure_tube(
        membership,
        columns,
        job.strategy,
        fractions_of=[name for name in asked.fractions_of if name in names],
        intensities=[(path, marker) for path, marker in asked.intensities if path in known],
        missing=missing,
        low=asked.low,
        flagged=asked.flagged,
    )


def _with_beads(
    measured: pd.DataFrame, source: Tube, membership: Membership, *, shining: tuple[str, ...]
) -> pd.DataFrame:
    """Add how many counting beads there are, unless the strategy has a gate for them."""
    import pandas as pd

    if measured["population"].str.rsplit("/", n=1).str[-1].eq(BEADS).any():
        return measured
    found = int(np.count_nonzero(find_beads(source, shining) & membership.kept()))
    rows = count_rows({"": membership.count(""), BEADS: found}, (BEADS,))
    return pd.concat([measured, pd.DataFrame(rows, columns=measured.columns)], ignore_index=True)


def _hashes(job: TubeJob) -> dict[str, str]:
    """Return the digest of everything but the file that decides a tube's result."""
    gates = [gate_to_dict(record) for record in job.gates]
    return {
        "gates": digest([job.strategy.to_dict(), gates, job.data_set]),
        "spillover": digest(job.spillover.to_dict() if job.spillover else None),
        "removed": digest([list(map(list, job.removed)), _clock(job)]),
        "measures": digest(job.measures and asdict(job.measures)),
        "code": deciding_code(),
    }


def _clock(job: TubeJob) -> list[str]:
    """Return the channel that says when a removed event came."""
    return [c.detector for c in job.panel.channels if c.role == "time"] if job.panel and job.removed else []


def _difference(job: TubeJob, before: Mapping[str, Any] | None, hashes: Mapping[str, str]) -> str:
    """Return why the stored result does not stand; ``""`` if it does."""
    if before is None:
        return LOST if _was_there(job) else NEW
    changed = [why for name, why in WHY.items() if before["hashes"].get(name) != hashes[name]]
    if changed:
        return changed[0]
    return "" if codes_fit(job.folder, job.tube, before) else LOST


def _was_there(job: TubeJob) -> bool:
    return record_path(job.folder, job.tube).exists() or codes_path(job.folder, job.tube).exists()


def _done(tube: str, said: Mapping[str, Any], *, why: str) -> TubeDone:
    return TubeDone(
        tube=tube,
        reused=not why,
        why=why,
        sha256=said["hashes"]["fcs"],
        n_gated=said["n_gated"],
        counts=said["counts"],
        measured=said["measured"],
    )


def _plain(table: pd.DataFrame | None) -> Table | None:
    """Return a table's columns as lists, ``None`` where a number is missing."""
    if table is None:
        return None
    return {
        str(name): [None if lost else cell for cell, lost in zip(column.tolist(), column.isna(), strict=True)]
        for name, column in table.items()
    }


def _hashed(file: Path) -> str:
    try:
        return file_digest(file)
    except OSError as error:
        msg = f"{file} cannot be read any more: {error.strerror or error}"
        raise RunError(msg) from error


def _stamp(file: Path) -> Stamp:
    try:
        return stamp(file)
    except OSError as error:
        msg = f"{file} cannot be read: {error.strerror or error}"
        raise RunError(msg) from error
