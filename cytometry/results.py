"""Results: the tables of a run, ``run.json``, and the AnnData, from what its stains hold."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cytometry.beads import BEADS
from cytometry.compare import CONTRAST_COLUMNS, compare
from cytometry.counts import absolute_counts
from cytometry.cytokines import subtract_background
from cytometry.errors import CompareError, Problem
from cytometry.events import build_specimens
from cytometry.folder import write_anndata, write_table, write_text
from cytometry.gate import MEASURED, GatedStain, OpenTube
from cytometry.measure import LEUKOCYTES, measure
from cytometry.progress import Progress
from cytometry.provenance import about_run, about_stain, about_tube, copies, tube_table
from cytometry.qc import (
    CHANNEL_COLUMNS,
    COLUMNS,
    INTERVAL_COLUMNS,
    channels_table,
    checks_table,
    intervals_table,
)
from cytometry.responses import call_responses
from cytometry.store import Run
from cytometry.study import Study
from cytometry.subsets import declared_functions, subset_table

if TYPE_CHECKING:
    import pandas as pd

EVENTS_PER_TUBE = 1_000
PROBLEM_COLUMNS = ("severity", "code", "where", "message", "hint")


def write_results(
    study: Study,
    tubes: Sequence[OpenTube],
    gated: Sequence[GatedStain],
    *,
    folder: Path,
    arguments: dict[str, Any],
    progress: Progress,
) -> None:
    """Write the AnnData and the tables, and last ``run.json``, which makes the folder a finished run."""
    import pandas as pd

    table = _table(study, tubes, gated)
    contrasts, doubts = _contrasts(study, table)
    about = {
        t.name: about_tube(
            t.row,
            t.file,
            t.fcs,
            number=number,
            failure=t.failure,
            folder=folder,
            sha256=t.sha256,
            reused=t.reused,
            why=t.why,
            n_removed=t.acquisition.n_removed if t.acquisition else 0,
        )
        for number, t in enumerate(tubes)
    }
    told = {warning.code for warning in study.warnings}  # by the check, for all tubes together
    met = [problem for stain in gated for problem in stain.problems if problem.code not in told]
    problems = [*study.warnings, *met, *copies(about), *doubts]
    write_table(folder, "statistics", table)
    write_table(folder, "contrasts", contrasts)
    write_table(folder, "gates", pd.DataFrame([row for stain in gated for row in stain.gates]))
    if learnt := [row for stain in gated for row in stain.spillovers]:
        write_table(folder, "spillovers", pd.DataFrame(learnt))
    _write_qc(folder, tubes)
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
            learning=_learning(stain),
        )
        for stain in gated
    }
    said = about_run(study, stains=stains, tubes=about, simulated=_simulated(study), arguments=arguments)
    seen = {tube.name: tube.seen for tube in tubes if tube.seen}
    held = Run(folder, info=said, seen=seen)
    _write_subsets(held, fewest=study.low_count)
    _write_anndata(held, study.seed, progress)
    write_text(folder / "run.json", json.dumps(said, indent=1) + "\n")


def _write_qc(folder: Path, tubes: Sequence[OpenTube]) -> None:
    """Write what was checked of every acquisition, and what was found; of tubes too that failed for it."""
    import pandas as pd

    found = [(tube.name, tube.acquisition) for tube in tubes if tube.acquisition]
    for name, table, columns in (
        ("qc", checks_table, COLUMNS),
        ("qc_intervals", intervals_table, INTERVAL_COLUMNS),
        ("qc_channels", channels_table, CHANNEL_COLUMNS),
    ):
        parts = [part for part in (table(*one) for one in found) if len(part)]
        rows = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(columns))
        write_table(folder, name, rows)


def _write_subsets(run: Run, *, fewest: int) -> None:
    """Write every Boolean subset of the functions that the templates declare, and what responds in whom."""
    import pandas as pd

    if not declared_functions(run):
        return
    subsets = subset_table(run, fewest=fewest)
    write_table(run.folder, "subsets", pd.concat([subsets, subtract_background(subsets)], ignore_index=True))
    write_table(run.folder, "responses", call_responses(subsets))


def _learning(stain: GatedStain) -> str:
    """Say what of a stain's gates was learnt, and what was known."""
    learnt = stain.learnt
    if learnt.reused:
        return "reused: the same tubes, template and settings"
    return f"learnt: {learnt.asked} answers of rules found, {learnt.recalled} known from an earlier run"


def _table(study: Study, tubes: Sequence[OpenTube], gated: Sequence[GatedStain]) -> pd.DataFrame:
    """Return the tidy table, with the net fractions of what is gated from an unstimulated tube."""
    import pandas as pd

    failed = {tube.name: tube.failure for tube in tubes if tube.failure and tube.row.kind in MEASURED}
    measured = {name: rows for stain in gated for name, rows in stain.measured.items()}
    table = measure(measured, study.tubes, failed=failed)
    more = []
    if (table["population"].str.rsplit("/", n=1).str[-1] == BEADS).any():
        more.append(absolute_counts(table, study.tubes).drop(columns="cv"))
    stimulated = [path for stain in gated for path in _stimulated(stain)]
    if stimulated:
        more.append(subtract_background(table, populations=list(dict.fromkeys(stimulated))))
    more = [rows for rows in more if len(rows)]
    return pd.concat([table, *more], ignore_index=True) if more else table


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

    done, doubts = [], []
    for asked in study.comparisons:
        try:
            done.append(compare(table, **asked.options))
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
