"""What the command line says: the summary of a run, a tube's tree, a gate's reasons."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from cytometry.errors import Problem
from cytometry.gate_table import CUT, FRACTION
from cytometry.results import PROBLEM_COLUMNS
from cytometry.store import Run
from cytometry.work import NEW
from gating.records import FOLLOWS

MOST_LOOKS = 5
UNSURE = 0.5  # confidence in a boundary
SAME = 0.01  # of a parent: two fractions that make up the whole to within it are one fact


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
    """Say which boundaries and fractions lie far from those of like tubes, a line for each population of a tube.

    Cuts come before fractions, since a fraction may be the subject's own, unsure cuts before others, then the farthest.
    """
    gates = run.gates[run.gates["outlying"].ne("") & run.gates["tube"].isin(_measured(run))]
    found: dict[tuple[str, str, str], list[dict[Hashable, Any]]] = {}
    for row in gates.to_dict("records"):
        found.setdefault((row["stain"], row["population"], row["tube"]), []).append(row)
    told = [_stands_out(rows) for rows in _once(sorted(found.values(), key=_urgent))]
    lines = [f"look: {line}" for line in told[:MOST_LOOKS]]
    more = len(told) - len(lines)
    return lines + (
        [f"look: {more} more; tables/gates.csv has them, in the column outlying"] if more > 0 else []
    )


def _urgent(rows: list[dict[Hashable, Any]]) -> tuple[bool, bool, float]:
    """Return by what a population of a tube is put in order, the first to look at lowest."""
    cuts = [row for row in rows if CUT in row["outlying"]]
    far = [abs(row["cohort_distance"]) for row in cuts] or [abs(row["fraction_distance"]) for row in rows]
    return not cuts, not any(row["confidence"] < UNSURE for row in cuts), -max(far)


def _once(found: list[list[dict[Hashable, Any]]]) -> list[list[dict[Hashable, Any]]]:
    """Leave out what repeats: a boundary told before, and what a fraction told before leaves of the parent."""
    cuts: set[tuple[Hashable, ...]] = set()
    shares: dict[tuple[Hashable, ...], list[float]] = {}
    kept = []
    for rows in found:
        row = rows[0]
        mine = {(r["stain"], r["tube"], r["marker"], r["linear"]) for r in rows if CUT in r["outlying"]}
        others = shares.setdefault((row["stain"], row["tube"], _parent(row)), [])
        is_share = any(FRACTION in r["outlying"] for r in rows)
        new_share = is_share and not any(abs(row["fraction"] + other - 1) < SAME for other in others)
        kept += [rows] if mine - cuts or new_share else []
        cuts |= mine
        others += [row["fraction"]] if is_share else []
    return kept


def _stands_out(rows: list[dict[Hashable, Any]]) -> str:
    row = rows[0]
    short = "/".join(str(row["population"]).split("/")[-2:])
    said = []
    for cut in (one for one in rows if CUT in one["outlying"]):
        away = f"{abs(cut['cohort_distance']):.0f} robust SD from {cut['cohort_linear']:,.0f}"
        said.append(
            f"cut on {cut['marker']} at {cut['linear']:,.0f}, {away}, the median of its {cut['cohort']}"
        )
    if any(FRACTION in one["outlying"] for one in rows):
        parent = _parent(row).rpartition("/")[2] or "all events"
        said.append(
            f"{100 * row['fraction']:.3g} % of {parent}, {100 * row['cohort_fraction']:.3g} % in like tubes"
        )
    return f"{row['stain']} {short} in {row['tube']}: {'; '.join(said)}"


def _parent(row: dict[Hashable, Any]) -> str:
    return str(row["population"]).rpartition("/")[0]


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
