"""Checked: one tube's quality control, or that of an earlier run of the same file, panel, limits and code.

It is done before anything is learnt, once, for every tube alike: what it takes out is seen by no rule and no gate.
A job says nothing of arm, timepoint or subject.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cytometry._qc.light import Slope
from cytometry.digest import Stamp, deciding_code, digest, read_signed, signed, stamp
from cytometry.errors import RunError
from cytometry.fcs import read_fcs
from cytometry.folder import write_text
from cytometry.panel import Panel
from cytometry.progress import Progress
from cytometry.qc import Acquisition, Interval, Limits, check_acquisition
from cytometry.reading import bytes_of, in_memory
from cytometry.record import stem
from cytometry.workers import Failure, Workers

SMALL = 64 * 2**20  # bytes of a tube that is read once where its events are not stored as they are read


@dataclass(frozen=True, slots=True, eq=False)
class CheckJob:
    """One tube to check: its file with hash and stamp, its panel, and what it is held to."""

    tube: str
    file: Path
    folder: Path
    panel: Panel
    limits: Limits
    sha256: str
    seen: Stamp


def checked_path(folder: Path, tube: str) -> Path:
    """Return where a tube's quality control is kept."""
    return folder / ".cache" / f"{stem(tube)}.qc.json"


def check_tube(job: CheckJob) -> Acquisition:
    """Return how a tube was acquired, and what is to be taken out of it.

    Raises
    ------
    FCSError
        If the file cannot be read.
    RunError
        If it was written to in the meantime.
    """
    path = checked_path(job.folder, job.tube)
    channels = [asdict(channel) for channel in job.panel.channels]
    key = digest([deciding_code(), job.sha256, channels, asdict(job.limits)])
    before = read_signed(path)
    if before and before.get("digest") == key:
        return _acquisition(before)
    tube = read_fcs(job.file)
    events = in_memory(tube) if tube.raw() is None and bytes_of(tube) <= SMALL else tube
    found = check_acquisition(events, job.panel, ranges=tube.ranges, limits=job.limits)
    if _stamp(job.file) != job.seen:
        msg = f"{job.file.name} was written to while it was checked; run again when it is complete"
        raise RunError(msg)
    said = {"digest": key, **_plain(asdict(found))}
    try:
        write_text(path, signed(json.loads(json.dumps(said))))
    except RunError:
        return found  # it will be checked again; where nothing can be written, gating will say so
    return found


def check_tubes(
    jobs: Sequence[CheckJob], workers: Workers, progress: Progress
) -> dict[str, Acquisition | Failure]:
    """Check many tubes, by whichever workers there are; what was found of each, or why it could not be checked."""
    found: dict[str, Acquisition | Failure] = {}

    def take(name: str, result: Acquisition | Failure) -> None:
        found[name] = result
        progress("check", name, len(found), len(jobs))

    workers.run(check_tube, [(job.tube, (job,)) for job in jobs], done=take)
    return found


def _acquisition(said: Mapping[str, Any]) -> Acquisition:
    return Acquisition(
        checks=tuple(map(_numbers, said["checks"])),
        intervals=tuple(Interval(**one) for one in said["intervals"]),
        channels=tuple(map(_numbers, said["channels"])),
        n_removed=said["n_removed"],
        failure=said["failure"],
        lasers={name: Slope(**_numbers(slope)) for name, slope in said["lasers"].items()},
    )


def _numbers(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: np.nan if value is None else value for name, value in row.items()}


def _plain(value: Any) -> Any:
    """Return plain values with ``None`` for a number that is none: JSON knows no NaN."""
    match value:
        case dict():
            return {key: _plain(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_plain(inner) for inner in value]
        case float():
            return value if np.isfinite(value) else None
    return value


def _stamp(file: Path) -> Stamp:
    try:
        return stamp(file)
    except OSError as error:
        msg = f"{file} cannot be read: {error.strerror or error}"
        raise RunError(msg) from error
