"""The main job: open tubes, gate them stain by stain, measure, compare, and write the result folder.

A tube that cannot be read or gated is recorded as failed, with its reason; the others go on.
"""

from __future__ import annotations

import copyreg
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from cytometry._study.folder import folder_study
from cytometry.compare import compare
from cytometry.cytokines import subtract_background
from cytometry.errors import CompareError, CytometryError, Problem, RunError
from cytometry.events import build_specimens
from cytometry.fcs import read_fcs
from cytometry.folder import claim, tubes_since, write_anndata, write_table, write_text
from cytometry.gate import MEASURED, GatedStain, OpenTube, Progress, gate_stain
from cytometry.measure import measure
from cytometry.provenance import about_run, about_stain, about_tube, copies, tube_table
from cytometry.store import Run, open_run
from cytometry.study import Study, read_study

if TYPE_CHECKING:
    import pandas as pd

EVENTS_PER_TUBE = 1_000
SECONDS_BETWEEN_LOOKS = 0.25


def _unchangeable(mapping: dict[Any, Any]) -> MappingProxyType[Any, Any]:
    return MappingProxyType(mapping)


# A study travels to another process as it is: its mappings cannot change, and pickle has to be told how.
copyreg.pickle(MappingProxyType, lambda mapping: (_unchangeable, (dict(mapping),)))
LEUKOCYTES = "CD45+"
PROBLEM_COLUMNS = ("severity", "code", "where", "message", "hint")


def silent(stage: str, tube: str, done: int, total: int) -> None:
    """Take progress and say nothing."""


def run(
    study: Study | str | Path,
    out: str | Path,
    *,
    jobs: int = 1,
    progress: Progress = silent,
    arguments: Mapping[str, Any] | None = None,
) -> Run:
    """Run a study and write its result folder.

    Parameters
    ----------
    study
        A study, or the path of its ``study.toml``.
    out
        The result folder; made if it is not there. What an earlier run wrote into it is removed first.
    jobs
        Processes that gate stains side by side; the results are the same for any number. With more than one, a
        script keeps its own work behind ``if __name__ == "__main__"``.
    progress
        Called with stage, tube, number done and number in all.
    arguments
        Kept in ``run.json``, to say how the run was asked for.

    Raises
    ------
    StudyError
        If the study is invalid, with every problem.
    RunError
        If the result folder cannot be written or is that of the study or its files, or not one tube could be
        gated.
    """
    found = study if isinstance(study, Study) else read_study(study)
    folder = Path(out)
    # Found out now, not after an hour: whether the folder can be written. What an earlier run left there goes.
    own = (found.folder, found.fcs_dir, *(found.path_of(row).parent for row in found.tubes))
    claim(folder, apart_from=own)
    tubes = _open_tubes(found, progress)
    gated = _gate(found, tubes, folder=folder, jobs=jobs, progress=progress)
    if not any(stain.measured for stain in gated):
        said = [f"{tube.name}: {tube.failure.splitlines()[0]}" for tube in tubes if tube.failure]
        reasons = "\n  ".join(said or ["it has none: all its tubes are controls"])
        msg = f"not one sample tube of {found.name} could be gated:\n  {reasons}"
        raise RunError(msg)
    _write(found, tubes, gated, folder=folder, arguments=dict(arguments or {}), progress=progress)
    return open_run(folder)


def gate_folder(
    fcs_dir: str | Path,
    template: str | Path,
    *,
    out: str | Path | None = None,
    seed: int = 1,
    progress: Progress = silent,
) -> Run:
    """Gate a folder of FCS files by a template, without a study file: counts and strategies, no comparison.

    Parameters
    ----------
    template
        The name of a built-in template, or the path of a TOML file.
    out
        The result folder; ``gated`` in the folder of files if not given.

    Raises
    ------
    StudyError
        If the folder holds no FCS file, or the template none of its markers.
    """
    study = folder_study(fcs_dir, template=str(template), seed=seed)
    return run(
        study, out or Path(fcs_dir) / "gated", progress=progress, arguments={"template": str(template)}
    )


def _open_tubes(study: Study, progress: Progress) -> list[OpenTube]:
    opened = []
    for number, row in enumerate(study.tubes):
        tube = OpenTube(row, number, study.path_of(row))
        try:
            tube.fcs = read_fcs(tube.file)
        except CytometryError as error:
            tube.failure = str(error)
        opened.append(tube)
        progress("open", tube.name, number + 1, len(study.tubes))
    return opened


def _gate(
    study: Study, tubes: Sequence[OpenTube], *, folder: Path, jobs: int, progress: Progress
) -> list[GatedStain]:
    """Gate stain by stain, in this process or side by side in several."""
    of = {name: [tube for tube in tubes if tube.row.stain == name] for name in study.stains}
    if jobs <= 1 or len(of) == 1:
        found = [
            gate_stain(study, study.stains[name], of[name], folder=folder, progress=progress) for name in of
        ]
        return [stain for stain in found if stain is not None]
    from concurrent.futures import ProcessPoolExecutor, wait
    from multiprocessing import get_context

    gated, begun = [], time.time()
    with ProcessPoolExecutor(min(jobs, len(of)), mp_context=get_context("spawn")) as pool:
        # The stain with the most tubes first, so that no process is left alone with it at the end.
        asked = {
            n: pool.submit(_gate_alone, study, n, of[n], folder)
            for n in sorted(of, key=lambda n: -len(of[n]))
        }
        working = set(asked.values())
        while working:
            _, working = wait(working, timeout=SECONDS_BETWEEN_LOOKS)
            progress("gate", "", tubes_since(folder, begun), len(tubes))
        for name, future in asked.items():
            stain, failures = future.result()
            for tube in of[name]:
                tube.failure = failures.get(tube.name, "")
            gated += [stain] if stain is not None else []
    order = list(of)
    return sorted(gated, key=lambda stain: order.index(stain.stain.name))


def _gate_alone(
    study: Study, name: str, tubes: Sequence[OpenTube], folder: Path
) -> tuple[GatedStain | None, dict[str, str]]:
    """Gate one stain in a process of its own, and say which of its tubes failed."""
    stain = gate_stain(study, study.stains[name], tubes, folder=folder, progress=silent)
    return stain, {tube.name: tube.failure for tube in tubes if tube.failure}


def _write(
    study: Study,
    tubes: Sequence[OpenTube],
    gated: Sequence[GatedStain],
    *,
    folder: Path,
    arguments: dict[str, Any],
    progress: Progress,
) -> None:
    """Write the tables, then ``run.json``, which makes the folder a finished run, then the AnnData."""
    import pandas as pd

    table = _table(study, tubes, gated)
    contrasts, doubts = _contrasts(study, table)
    about = {
        t.name: about_tube(t.row, t.file, t.fcs, number=t.number, failure=t.failure, folder=folder)
        for t in tubes
    }
    told = {warning.code for warning in study.warnings}  # by the check, for all tubes together
    met = [problem for stain in gated for problem in stain.problems if problem.code not in told]
    problems = [*study.warnings, *met, *copies(about), *doubts]
    write_table(folder, "statistics", table)
    write_table(folder, "contrasts", contrasts)
    write_table(folder, "gates", pd.DataFrame([row for stain in gated for row in stain.gates]))
    write_table(folder, "qc", pd.concat([part for stain in gated for part in stain.qc], ignore_index=True))
    rows = [problem.to_dict() for problem in dict.fromkeys(problems)]
    write_table(folder, "problems", pd.DataFrame(rows, columns=list(PROBLEM_COLUMNS)))
    write_table(folder, "tubes", tube_table(about))
    stains = {
        stain.stain.name: about_stain(
            stain.stain.panel,
            stain.stain.template,
            compensation=stain.stain.compensation,
            lost=stain.stain.lost,
            scales=stain.scales,
            path=f"gating/{stain.stain.name}.toml",
        )
        for stain in gated
    }
    said = about_run(study, stains=stains, tubes=about, simulated=_simulated(study), arguments=arguments)
    write_text(folder / "run.json", json.dumps(said, indent=1) + "\n")
    _write_anndata(open_run(folder), study.seed, progress)


def _table(study: Study, tubes: Sequence[OpenTube], gated: Sequence[GatedStain]) -> pd.DataFrame:
    """Return the tidy table, with the net fractions of what is gated from an unstimulated tube."""
    import pandas as pd

    failed = {tube.name: tube.failure for tube in tubes if tube.failure and tube.row.kind in MEASURED}
    measured = {name: rows for stain in gated for name, rows in stain.measured.items()}
    table = measure(measured, study.tubes, failed=failed)
    stimulated = [path for stain in gated for path in _stimulated(stain)]
    if not stimulated:
        return table
    net = subtract_background(table, populations=list(dict.fromkeys(stimulated)))
    return pd.concat([table, net], ignore_index=True) if len(net) else table


def _stimulated(stain: GatedStain) -> list[str]:
    """Return the populations whose cut comes from an unstimulated tube, and the combinations of them."""
    found = list(dict.fromkeys(row["population"] for row in stain.gates if row["source"] == "unstimulated"))
    for row in stain.stain.template.populations:
        if row.boolean and found and set(row.boolean.operands) <= set(found):
            found.append(row.path)
    return found


def _contrasts(study: Study, table: pd.DataFrame) -> tuple[pd.DataFrame, list[Problem]]:
    """Return every declared comparison; one that the data cannot answer becomes a problem, not an end."""
    import pandas as pd

    from cytometry.compare import CONTRAST_COLUMNS

    done, doubts = [], []
    for asked in study.comparisons:
        try:
            done.append(
                compare(
                    table,
                    control=asked.control,
                    treated=asked.treated,
                    factor=asked.factor,
                    design=asked.design,
                    where=asked.where,
                    primary=asked.primary,
                    secondary=asked.secondary,
                    name=asked.name,
                )
            )
        except CompareError as error:
            doubts.append(Problem("error", "CYT410", f"comparison {asked.name}", str(error)))
    if not done:
        return pd.DataFrame(columns=list(CONTRAST_COLUMNS)), doubts
    return pd.concat(done, ignore_index=True), doubts


def _simulated(study: Study) -> dict[str, Any] | None:
    """Return what was planted, for a simulated study."""
    if study.truth is None:
        return None
    planted: dict[str, Any] = json.loads(study.truth.read_text(encoding="utf-8"))["summary"]
    return planted


def _write_anndata(run: Run, seed: int, progress: Progress) -> None:
    """Write a declared sample of each stain's events, and the specimens, as AnnData.

    The sample is of the CD45+ events; of all events where no tube of the stain has CD45+ ones. A stain of which
    only control tubes could be gated has none.
    """
    tubes = run.tubes[(run.tubes["status"] == "gated") & run.tubes["kind"].isin(MEASURED)]
    for done, stain in enumerate(run.stains, start=1):
        found = [run.gated(tube).strategy.paths for tube in tubes.loc[tubes["stain"] == stain, "tube"]]
        leukocytes = [path for paths in found for path in paths if path.rsplit("/", 1)[-1] == LEUKOCYTES]
        if found:
            population = leukocytes[0] if leukocytes else ""
            sample = run.events(population, stain=stain, per_tube=EVENTS_PER_TUBE, seed=seed)
            write_anndata(run.folder / "data" / f"events_{stain}.h5ad", sample)
        progress("anndata", stain, done, len(run.stains))
    write_anndata(run.folder / "data" / "specimens.h5ad", build_specimens(run.table))
