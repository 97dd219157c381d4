"""A cohort: many files gated by one given strategy. No study, no learning, no comparison.

Each tube is its own job, done in this process, in several, or on a Dask cluster; the results are the same.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from cytometry._cohort.given import Given, name_tubes, read_strategy
from cytometry._cohort.tables import STAIN, write_about, write_tables
from cytometry._cohort.tube import FileJob, GatedFile, gate_file
from cytometry.compensation import read_spillover
from cytometry.digest import digest
from cytometry.errors import Problem, RunError
from cytometry.folder import claim, sweep, write_text
from cytometry.gate import said
from cytometry.lock import locked
from cytometry.progress import Progress, silent
from cytometry.provenance import about_tube, copies
from cytometry.record import codes_path, record_path
from cytometry.store import Run, open_run
from cytometry.study import SheetRow
from cytometry.workers import Failure, open_workers
from gating.strategy import GatingStrategy

STRATEGY = "gating/cohort.json"


@dataclass(slots=True)
class _Found:
    """What has come back so far."""

    total: int
    progress: Progress
    gated: dict[str, GatedFile] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    def take(self, tube: str, found: GatedFile | Failure) -> None:
        """Take in what came of a tube."""
        if isinstance(found, Failure):
            self.failed[tube] = said(found)
        else:
            self.gated[tube] = found
        self.progress("gate", tube, len(self.gated) + len(self.failed), self.total)


def gate_cohort(
    files: str | Path | Sequence[str | Path],
    strategy: GatingStrategy | str | Path,
    *,
    out: str | Path,
    spillover: str | Path | None = None,
    jobs: int = 1,
    scheduler: str | None = None,
    progress: Progress = silent,
) -> Run:
    """Gate every event of many files by a given strategy, and write a result folder.

    Parameters
    ----------
    files
        A folder, of which all FCS files in it and below are taken, or the files themselves.
    strategy
        A strategy, or the path of one: ``.json`` as ``GatingStrategy.to_dict`` has it, Gating-ML ``.xml``, or a
        FlowJo ``.wsp``, where each sample has the gates that the workspace has for it.
    out
        The result folder; made if it is not there.
    spillover
        A table to compensate all tubes with; by default each file's own ``$SPILLOVER``. A matrix that the strategy
        brings along goes first.
    jobs
        Processes of this machine that gate tubes side by side.
    scheduler
        The address of a Dask scheduler, whose workers do it instead. They find the files and ``out`` under the same
        paths.
    progress
        Called with stage, tube, number done and number in all.

    Returns
    -------
    Run
        With tubes, table, and each tube's strategy, membership and events. A tube that could not be gated is among
        the tubes as failed, with its reason; the others went on.

    Raises
    ------
    RunError
        If there are no files or no strategy, the result folder cannot be written, the workers cannot be had, or not
        one tube could be gated.
    StudyError
        If ``spillover`` is no such table.
    """
    tubes, given = name_tubes(files), read_strategy(strategy)
    compensation = "fcs"
    if spillover is not None:
        read_spillover(spillover)  # found out now, not tube by tube
        compensation = f"file:{Path(spillover).resolve()}"
    folder = Path(out)
    claim(folder, apart_from={path.parent for path in tubes.values()})
    found = _Found(len(tubes), progress)
    job = partial(_job, given=given, compensation=compensation, folder=folder.resolve())
    with locked(folder), open_workers(jobs, scheduler=scheduler) as workers:
        sweep(folder, keep={path(folder, tube).name for tube in tubes for path in (record_path, codes_path)})
        workers.run(gate_file, _jobs(tubes, job, found), done=found.take)
        _write(tubes, given, found, folder=folder, compensation=compensation)
    return open_run(folder)


def summary(run: Run) -> list[str]:
    """Return what a user wants to read when a cohort has been gated, without a data frame: that would cost more."""
    tubes: Mapping[str, Mapping[str, Any]] = run.info["tubes"]
    with (run.folder / "tables" / "problems.csv").open(encoding="utf-8", newline="") as handle:
        _, *rows = csv.reader(handle)
    problems = [Problem("error" if kind == "error" else "warning", *rest) for kind, *rest in rows]
    alike: dict[tuple[str, str], list[Problem]] = {}
    for problem in problems:
        alike.setdefault((problem.code, problem.message), []).append(problem)
    lines = []
    for first, *others in alike.values():
        lines.append(str(replace(first, where=first.where + f" and {len(others)} more" * bool(others))))
    reused = sum(tube["work"] == "reused" for tube in tubes.values())
    lines += [f"reused {reused} of {len(tubes)} tubes"] if reused else []
    failed = {name: tube["message"] for name, tube in tubes.items() if tube["status"] == "failed"}
    lines.append(f"{len(tubes) - len(failed)} of {len(tubes)} tubes gated")
    return lines + [f"failed: {name}: {why}" for name, why in failed.items()]


def _jobs(
    tubes: Mapping[str, Path], job: Callable[[int, str, Path], FileJob], found: _Found
) -> Iterator[tuple[str, tuple[FileJob]]]:
    """Give a job for each tube that has a strategy; the others have failed."""
    for number, (tube, path) in enumerate(tubes.items()):
        try:
            made = job(number, tube, path)
        except RunError as error:
            found.take(tube, Failure.of(tube, error))
        else:
            yield tube, (made,)


def _job(number: int, tube: str, path: Path, *, given: Given, compensation: str, folder: Path) -> FileJob:
    return FileJob(_row(tube, path), number, path.resolve(), given.of(path), compensation, folder)


def _row(tube: str, path: Path) -> SheetRow:
    return SheetRow(path.name, tube, stain=STAIN, sheet="")


def _write(
    tubes: Mapping[str, Path], given: Given, found: _Found, *, folder: Path, compensation: str
) -> None:
    """Write the tables, and ``run.json`` last.

    Raises
    ------
    RunError
        If there is nothing to write: not one tube could be gated.
    """
    if not found.gated:
        reasons = "\n  ".join(f"{tube}: {reason.splitlines()[0]}" for tube, reason in found.failed.items())
        msg = f"not one tube could be gated:\n  {reasons}"
        raise RunError(msg)
    about = {}
    for number, (tube, path) in enumerate(tubes.items()):
        why = found.failed.get(tube, "")
        failed = about_tube(_row(tube, path), path, None, number=number, failure=why, folder=folder)
        about[tube] = found.gated[tube].about if tube in found.gated else failed
    gated = [found.gated[tube] for tube in tubes if tube in found.gated]
    problems = dict.fromkeys(problem for one in gated for problem in one.problems)
    counts = {tube: one.counts for tube, one in found.gated.items()}
    kept = {"compensation": compensation, "strategy_source": given.source}
    if given.everywhere is not None:
        plain = given.everywhere.to_dict()
        write_text(folder / STRATEGY, json.dumps(plain, indent=1) + "\n")
        kept |= {"strategy": STRATEGY, "strategy_sha256": digest(plain)}
    write_tables(folder, about, counts, problems=[*problems, *copies(about)])
    write_about(folder, about, name=folder.resolve().name, headers=gated, said=kept)
