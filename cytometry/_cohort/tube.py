"""One file of a cohort, in whichever process: its spillover found, then gated as every tube is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cytometry.compensation import choose_spillover
from cytometry.errors import Problem, StudyError
from cytometry.fcs import Tube, read_fcs
from cytometry.provenance import about_tube
from cytometry.study import SheetRow
from cytometry.work import TubeJob, gate_tube
from gating.spillover import Spillover
from gating.strategy import GatingStrategy


@dataclass(frozen=True, slots=True, eq=False)
class FileJob:
    """What it takes to gate one file; small, since it travels.

    Parameters
    ----------
    compensation
        ``"fcs"``, or ``"file:"`` and the path of a table.
    folder
        The result folder.
    """

    row: SheetRow
    number: int
    file: Path
    strategy: GatingStrategy
    compensation: str
    folder: Path


@dataclass(frozen=True, slots=True, eq=False)
class GatedFile:
    """What the tables and ``run.json`` say of a gated file.

    Parameters
    ----------
    counts
        Events of each population by path, of all events under ``""``.
    channels, labels
        Of its header.
    """

    about: Mapping[str, Any]
    counts: Mapping[str, int]
    problems: tuple[Problem, ...]
    channels: tuple[str, ...]
    labels: tuple[str, ...]


def gate_file(job: FileJob) -> GatedFile:
    """Gate one file by its strategy, write its codes, and return its counts.

    Raises
    ------
    CytometryError, GatingError
        If the file cannot be read, lacks a channel that the strategy reads, or has a spillover that cannot be
        used; or if the result cannot be written.
    """
    tube = read_fcs(job.file)
    spillover, problems = _spillover(job, tube)
    done = gate_tube(TubeJob(job.row.tube, job.file, job.folder, job.strategy, spillover))
    about = about_tube(
        job.row,
        job.file,
        tube,
        number=job.number,
        failure="",
        folder=job.folder,
        sha256=done.sha256,
        reused=done.reused,
        why=done.why,
    )
    counts = {"": done.n_gated, **done.counts}
    return GatedFile(about, counts, problems, tube.channels, tube.labels)


def _spillover(job: FileJob, tube: Tube) -> tuple[Spillover | None, tuple[Problem, ...]]:
    """Return the spillover, if the strategy reads any channel through the tube's own, and doubts about it."""
    dimensions = job.strategy.dimensions.values()
    if not any(dimension.compensated and dimension.spillover is None for dimension in dimensions):
        return None, ()
    found, problems = choose_spillover(job.compensation, tube)
    wrong = [problem for problem in problems if problem.severity == "error"]
    if wrong:
        raise StudyError(wrong)
    return found, problems
