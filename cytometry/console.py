"""What the command line says: the summary of a run, a tube's tree, a gate's reasons."""

from __future__ import annotations

from cytometry.errors import Problem, RunError
from cytometry.results import PROBLEM_COLUMNS
from cytometry.store import Run
from cytometry.work import NEW
from gating.errors import StrategyError
from gating.records import FOLLOWS
from gating.strategy import find_path


def problems(run: Run) -> list[Problem]:
    """Return what the check of the study and the run itself warned of."""
    return [
        Problem("error" if severity == "error" else "warning", *said)
        for severity, *said in run.problems[list(PROBLEM_COLUMNS)].itertuples(index=False)
    ]


def summary(run: Run) -> list[str]:
    """Return what a user wants to read when a run has finished."""
    tubes, gates = run.tubes, run.gates
    lines = [_worked(run), f"{(tubes['status'] == 'gated').sum()} of {len(tubes)} tubes gated"]
    lines = [line for line in lines if line]
    failed = tubes[tubes["status"] == "failed"]
    lines += [f"failed: {row.tube}: {row.message}" for row in failed.itertuples()]
    abstained = gates[(gates["status"] == "abstained") & gates["tube"].isin(_measured(run))]
    own = abstained[~abstained["reason"].str.endswith(FOLLOWS)]
    for (stain, population), rows in own.groupby(["stain", "population"], sort=False):
        of = list(dict.fromkeys(rows["tube"]))  # a population has a row for each cut that was not found
        count = "1 tube" if len(of) == 1 else f"{len(of)} tubes"
        some = ", ".join(of[:3]) + (" ..." if len(of) > 3 else "")
        short = "/".join(str(population).split("/")[-2:])
        lines.append(f"no gate: {stain} {short} in {count} ({some}): {rows['reason'].iloc[0]}")
    below = abstained.drop(own.index)["population"].nunique()
    lines += [f"and so {below} populations that rest on these"] if below else []
    return lines


def _worked(run: Run) -> str:
    """Say what was taken from an earlier run; nothing for a first one."""
    tubes = run.tubes
    if run.stood:
        return f"nothing has changed: all results of {len(tubes)} tubes stand"
    reused = int((tubes["work"] == "reused").sum())
    anew = tubes[tubes["work"] == "gated"]
    known = anew[anew["why"] != NEW]
    if not reused and known.empty:
        return ""
    line = f"reused {reused} of {len(tubes)} tubes"
    if anew.empty:
        return line
    counts = {str(why): len(rows) for why, rows in anew.groupby("why", sort=False)}
    said = ", ".join(why if len(counts) == 1 else f"{count} {why}" for why, count in counts.items())
    return f"{line}; gated {len(anew)}: {said}"


def describe(run: Run, tube: str | None, population: str | None) -> list[str]:
    """Return a run's tubes, a tube's tree with counts, or why one gate lies where it does."""
    if tube is None:
        return [run.tubes.drop(columns=["file", "sha256"], errors="ignore").to_string(index=False)]
    found = run.gated(tube)
    if population is None:
        return str(found).splitlines()
    known = tuple(dict.fromkeys([*found.strategy.paths, *(record.population for record in found.gates)]))
    wanted = {p for p in known if p == population or p.endswith(f"/{population}")} or {
        _path(population, known)
    }
    records = [record for record in found.gates if record.population in wanted]
    if not records:
        return [f"{population}: no learnt boundary; it is {found.strategy.find(population)}"]
    named = len(wanted) > 1
    return [f"{r.population}: {r.sentence()}" if named else r.sentence() for r in records]


def _path(population: str, known: tuple[str, ...]) -> str:
    try:
        return find_path(population, known)
    except StrategyError as error:
        raise RunError(str(error)) from error


def _measured(run: Run) -> list[str]:
    kinds = run.tubes
    return list(kinds.loc[kinds["kind"].isin(["sample", "unstimulated"]), "tube"])
