"""What the command line says: the summary of a run, a tube's tree, a gate's reasons."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from cytometry.errors import Problem
from cytometry.results import PROBLEM_COLUMNS
from cytometry.store import Run
from cytometry.work import NEW
from gating.records import FOLLOWS

MOST_LOOKS = 5


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
    return lines + _outlying(run)


def _outlying(run: Run) -> list[str]:
    """Say which boundaries and fractions lie far from those of like tubes, the farthest first."""
    gates = run.gates[run.gates["outlying"].ne("") & run.gates["tube"].isin(_measured(run))]
    far = gates[["cohort_distance", "fraction_distance"]].abs().max(axis=1)
    rows = gates.loc[far.sort_values(ascending=False, kind="stable").index].to_dict("records")
    told = list(
        dict.fromkeys(_stands_out(row) for row in rows)
    )  # a population has a row for each of its cuts
    lines = [f"look: {line}" for line in told[:MOST_LOOKS]]
    more = len(told) - len(lines)
    return lines + (
        [f"look: {more} more; tables/gates.csv has them, in the column outlying"] if more > 0 else []
    )


def _stands_out(row: dict[Hashable, Any]) -> str:
    short = "/".join(str(row["population"]).split("/")[-2:])
    said = []
    if "cut" in row["outlying"]:
        away = f"{abs(row['cohort_distance']):.0f} robust SD from {row['cohort_linear']:,.0f}"
        said.append(
            f"cut on {row['marker']} at {row['linear']:,.0f}, {away}, the median of its {row['cohort']}"
        )
    if "fraction" in row["outlying"]:
        parent = str(row["population"]).rpartition("/")[0].rpartition("/")[2] or "all events"
        said.append(
            f"{100 * row['fraction']:.3g} % of {parent}, {100 * row['cohort_fraction']:.3g} % in like tubes"
        )
    return f"{row['stain']} {short} in {row['tube']}: {'; '.join(said)}"


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
    if population is None:
        return str(run.gated(tube)).splitlines()
    gated, wanted = run.gated(tube), f"/{population}"
    known = dict.fromkeys([*gated.strategy.paths, *(record.population for record in gated.gates)])
    # A name may mean several populations, such as PD-1+ of the CD4 and of the CD8 T cells: all are told.
    found = [path for path in known if f"/{path}".endswith(wanted)] or [population]
    named = len(found) > 1
    told = [(path, line) for path in found for line in run.explain(tube, path).lines]
    return [f"{path}: {line}" if named else line for path, line in told]


def _measured(run: Run) -> list[str]:
    kinds = run.tubes
    return list(kinds.loc[kinds["kind"].isin(["sample", "unstimulated"]), "tube"])
