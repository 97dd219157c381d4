"""The main job: open tubes, gate them stain by stain, measure, compare, and write the result folder.

A tube that cannot be read or gated is recorded as failed, with its reason; the others go on. What an earlier run has
done of the same is not done again.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cytometry._study.folder import folder_study
from cytometry.checked import checked_path
from cytometry.digest import Stamp, stamp
from cytometry.errors import CytometryError, RunError
from cytometry.fcs import read_fcs
from cytometry.folder import claim, sweep
from cytometry.gate import OpenTube, gate_stains, said
from cytometry.learnt import answers_file, learnt_file
from cytometry.lock import locked
from cytometry.progress import Progress, silent
from cytometry.provenance import inputs_of
from cytometry.record import codes_path, record_path
from cytometry.results import write_results
from cytometry.seal import seal, stands
from cytometry.store import Run, open_run
from cytometry.study import Study, read_study
from cytometry.work import hash_file
from cytometry.workers import Failure, Workers, open_workers


def run(
    study: Study | str | Path,
    out: str | Path,
    *,
    jobs: int = 1,
    scheduler: str | None = None,
    progress: Progress = silent,
    arguments: Mapping[str, Any] | None = None,
) -> Run:
    """Run a study and write its result folder, or what is missing there.

    A result of an earlier run is taken again where all that it rests on is the same to the byte: files, sheet,
    settings, code. The results are those of a fresh run. ``run.tubes`` says which tubes were ``reused``, and why the
    others were ``gated``.

    Parameters
    ----------
    study
        A study, or the path of its ``study.toml``.
    out
        The result folder; made if it is not there. One run at a time works on it.
    jobs
        Processes that learn stains and gate tubes side by side; the results are the same for any number.
    scheduler
        The address of a Dask scheduler, whose workers take the place of processes here.
    progress
        Called with stage, tube, number done and number in all.
    arguments
        Kept in ``run.json``, to say how the run was asked for.

    Raises
    ------
    StudyError
        If the study is invalid, with every problem.
    RunError
        If the result folder cannot be written, is in use by another run, or is that of the study or its files; or
        not one tube could be gated.
    """
    found = study if isinstance(study, Study) else read_study(study)
    folder, arguments = Path(out), dict(arguments or {})
    own = (found.folder, found.fcs_dir, *(found.path_of(row).parent for row in found.tubes))
    claim(folder, apart_from=own)  # found out now, not after an hour: whether the folder can be written
    with locked(folder), open_workers(jobs, scheduler=scheduler) as workers:
        tubes = _open_tubes(found, workers, progress)
        hashes = {tube.name: tube.sha256 for tube in tubes}
        inputs = inputs_of(found, hashes, folder=folder, arguments=arguments)
        if stands(folder, inputs):
            return Run(folder, seen=_stamps(tubes), stood=True)
        sweep(folder, keep=_kept(found, folder))
        gated = gate_stains(found, tubes, folder=folder, workers=workers, progress=progress)
        if not any(done.measured for stain in gated for done in stain.done.values()):
            reasons = [f"{tube.name}: {tube.failure.splitlines()[0]}" for tube in tubes if tube.failure]
            told = "\n  ".join(reasons or ["it has none: all its tubes are controls"])
            msg = f"not one sample tube of {found.name} could be gated:\n  {told}"
            raise RunError(msg)
        write_results(found, tubes, gated, folder=folder, arguments=arguments, progress=progress)
        if not any(tube.failure for tube in tubes):  # what failed is tried again
            seal(folder, inputs)
    return open_run(folder)


def gate_folder(
    fcs_dir: str | Path,
    template: str | Path,
    *,
    out: str | Path | None = None,
    seed: int = 1,
    jobs: int = 1,
    scheduler: str | None = None,
    progress: Progress = silent,
) -> Run:
    """Gate a folder of FCS files by a template, without a study file: counts and strategies, no comparison.

    Parameters
    ----------
    template
        The name of a built-in template, or the path of a TOML file.
    out
        The result folder; ``gated`` in the folder of files if not given.
    jobs, scheduler, progress
        As in :func:`run`.

    Raises
    ------
    StudyError
        If the folder holds no FCS file, or the template none of its markers.
    """
    study = folder_study(fcs_dir, template=str(template), seed=seed)
    return run(
        study,
        out or Path(fcs_dir) / "gated",
        jobs=jobs,
        scheduler=scheduler,
        progress=progress,
        arguments={"template": str(template)},
    )


def _open_tubes(study: Study, workers: Workers, progress: Progress) -> list[OpenTube]:
    """Read every header, and hash every file."""
    tubes = [OpenTube(row, study.path_of(row).absolute()) for row in study.tubes]
    of = {tube.name: tube for tube in tubes}
    done = 0

    def take(name: str, result: tuple[str, Stamp] | Failure) -> None:
        nonlocal done
        tube, done = of[name], done + 1
        if isinstance(result, Failure):
            tube.failure = said(result)
        elif result[1] != tube.seen:
            tube.failure = (
                f"{tube.file.name}: was written to while it was read; run again when it is complete"
            )
        else:
            tube.sha256 = result[0]
        progress("open", name, done, len(tubes))

    for tube in tubes:
        try:
            tube.fcs = read_fcs(tube.file)
            tube.seen = stamp(tube.file)
        except (CytometryError, OSError) as error:
            tube.failure = str(error)
            done += 1
            progress("open", tube.name, done, len(tubes))
    readable = [tube for tube in tubes if not tube.failure]
    workers.run(hash_file, ((tube.name, (tube.file,)) for tube in readable), done=take)
    return tubes


def _stamps(tubes: list[OpenTube]) -> dict[str, Stamp]:
    return {tube.name: tube.seen for tube in tubes if tube.seen}


def _kept(study: Study, folder: Path) -> frozenset[str]:
    """Return the names of the files of earlier runs that this one may take again."""
    tubes = [
        path(folder, row.tube).name for row in study.tubes for path in (record_path, codes_path, checked_path)
    ]
    return frozenset(
        [*tubes, *(file(stain) for stain in study.stains for file in (learnt_file, answers_file))]
    )
