"""What needs eyes: tubes that failed, boundaries that were not found, acquisition, errors and warnings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from cytometry.report.blocks import Notice, records
from cytometry.report.contrasts import contrasts_of
from cytometry.report.words import counted, first_upper, listed, measure_of, minus, name_of, once
from gating.records import FOLLOWS, OF_COHORT, POOLED
from gating.records import STAND_IN as BY_STAND_IN
from gating.sources import KINDS

if TYPE_CHECKING:
    import pandas as pd

    from cytometry.store import Run

FAILED, NO_GATE, STAND_IN, ACQUISITION = "failed tube", "no gate", "stand-in", "acquisition"
BORROWED = (BY_STAND_IN, POOLED, OF_COHORT)
MEASURED = ("sample", "unstimulated")
MOST_REASONS = 2  # of one check, each with its own line
# What a gate says that only follows from another one: its parent, an operand, or the boundary it borrows.
EXPECTED = "is not stained with"  # an FMO control has no gate on what it lacks


def notices(run: Run) -> list[Notice]:
    """Return everything that a reader should look at before believing the numbers, the gravest first."""
    return [
        *failed_tubes(run),
        *lost_boundaries(run),
        *borrowed_endpoints(run),
        *acquisition(run),
        *warnings(run),
    ]


def failed_tubes(run: Run) -> list[Notice]:
    """Return the tubes that could not be read or gated, by the reason given."""
    failed = run.tubes[run.tubes["status"] == "failed"]
    return [
        Notice(FAILED, f"{counted(len(rows), 'tube')} not gated", sentence_of(reason), tuple(rows["tube"]))
        for reason, rows in failed.groupby("message", sort=False)
    ]


def lost_boundaries(run: Run) -> list[Notice]:
    """Return the boundaries that were not found in a tube whose values are reported, with what is lost."""
    found = []
    for (stain, marker), rows in boundaries_not_found(run):
        tubes = tuple(dict.fromkeys(rows["tube"]))
        lost = _lost_with(run, rows)
        names = dict.fromkeys(name_of(path) for path in lost)
        what = f"no boundary on {marker}" if marker else f"no gate for {listed(names)}"
        title = f"{first_upper(what)} in {counted(len(tubes), 'tube')}, {stain} stain"
        text = sentence_of(_example(rows["reason"]))
        hint = f"Without a value there: {listed(names)}." if marker else ""
        touched = _declared(run, str(stain), lost)
        if touched:
            hint += f" Among them a declared endpoint: {listed(touched)}."
        found.append(Notice(NO_GATE, title, text, tubes, hint.strip()))
    return found


def boundaries_not_found(run: Run) -> Iterator[tuple[tuple[str, str], pd.DataFrame]]:
    """Give each boundary (stain, marker) that abstained in measured tubes, without those that only follow."""
    gates = run.gates[(run.gates["status"] == "abstained") & run.gates["tube"].isin(measured_tubes(run))]
    gates = gates[~gates["reason"].str.endswith(FOLLOWS)]
    # A population that was not even looked for names no boundary: each stands for itself.
    itself = gates["population"].where(gates["marker"] == "", "")
    for (stain, marker, _), rows in gates.groupby(["stain", "marker", itself], sort=False):
        yield (str(stain), str(marker)), rows


def borrowed_endpoints(run: Run) -> list[Notice]:
    """Return the declared endpoints whose own boundary was learnt otherwise than the template asks first."""
    gates = run.gates[run.gates["status"].isin(BORROWED) & run.gates["tube"].isin(measured_tubes(run))]
    found = []
    for (stain, path, marker), rows in gates.groupby(["stain", "population", "marker"], sort=False):
        for endpoint in _declared(run, str(stain), [str(path)]):
            tubes = tuple(dict.fromkeys(rows["tube"]))
            title = f"Declared endpoint {endpoint}: {marker} boundary from a stand-in in {counted(len(tubes), 'tube')}"
            how = listed(dict.fromkeys(learnt_instead(row) for row in records(rows)))
            found.append(Notice(STAND_IN, title, sentence_of(f"learnt {how}"), tubes))
    return found


def learnt_instead(row: dict[str, Any]) -> str:
    """Return how a stand-in or pooled boundary was learnt, after ``learnt``."""
    source = KINDS.get(row["source"], row["source"])
    if row["status"] == "pooled":
        return "from all tubes of the stain together"
    if row["status"] == OF_COHORT:
        return "as the median of the boundaries of other tubes"
    if not row["reason"]:
        return f"from the {source} of another subject"
    return f"by {row['rule']}" + ("" if row["source"] in {"", "own"} else f" of the {source}")


def n_gates_to_see(run: Run) -> int:
    """Return how many boundaries were not found in some measured tube."""
    return sum(1 for _ in boundaries_not_found(run))


def acquisition(run: Run) -> list[Notice]:
    """Return the acquisition checks that fell short: by check, and by reason where few reasons are given."""
    flagged = run.qc[run.qc["flag"] != ""]
    found = []
    for check, rows in flagged.groupby("check", sort=False):
        reasons = rows.groupby("reason", sort=False)
        if len(reasons) > MOST_REASONS:
            title = f"{first_upper(str(check))} in {counted(rows['tube'].nunique(), 'tube')}"
            tubes = tuple(f"{row['tube']}: {minus(str(row['reason']))}" for row in records(rows))
            text = f"For example: {sentence_of(rows['reason'].iloc[0])}"
            found.append(Notice(ACQUISITION, title, text, tubes, always_folded=True))
            continue
        for reason, of in reasons:
            title = f"{minus(first_upper(str(reason)))} in {counted(len(of), 'tube')}"
            found.append(Notice(ACQUISITION, title, f"Check: {check}.", tuple(of["tube"])))
    return found


def warnings(run: Run) -> list[Notice]:
    """Return what the study's check and the run warned of, in their words; what is said of several at once."""
    found = []
    problems = run.problems.sort_values("severity", kind="stable")  # errors before warnings
    for (severity, message), rows in problems.groupby(["severity", "message"], sort=False):
        places = tuple(dict.fromkeys(rows["where"]))
        title = f"{places[0]}: {message}" if len(places) == 1 else first_upper(str(message))
        hint = sentence_of(rows["hint"].iloc[0])
        found.append(Notice(str(severity), title, tubes=places if len(places) > 1 else (), hint=hint))
    return found


def measured_tubes(run: Run) -> set[str]:
    """Return the tubes whose values are reported: no control tubes but the unstimulated ones."""
    return set(run.tubes.loc[run.tubes["kind"].isin(MEASURED), "tube"])


def sentence_of(text: object) -> str:
    """Return text with a capital, a full stop and true minus signs; nothing for nothing."""
    said = minus(first_upper(once(str(text).strip())))
    return f"{said}." if said and said[-1] not in ".!?" else said


def _lost_with(run: Run, rows: pd.DataFrame) -> list[str]:
    """Return the populations that lack a gate in these tubes for want of these boundaries, as paths."""
    gates = run.gates[run.gates["tube"].isin(rows["tube"]) & (run.gates["stain"] == rows["stain"].iloc[0])]
    following = gates[(gates["status"] == "abstained") & gates["reason"].str.endswith(FOLLOWS)]
    lost = dict.fromkeys(rows["population"])
    waiting = [(row["population"], row["reason"]) for row in records(following)]
    while True:
        names = {path.rsplit("/", 1)[-1] for path in lost}
        more = [
            path
            for path, reason in waiting
            if path not in lost and any(reason == f"{name} {said}" for name in names for said in FOLLOWS)
        ]
        if not more:
            return list(lost)
        lost |= dict.fromkeys(more)


def _declared(run: Run, stain: str, paths: list[str]) -> list[str]:
    contrasts = contrasts_of(run)
    declared = contrasts[(contrasts["family"] != "exploratory") & (contrasts["stain"] == stain)]
    return [measure_of(row) for row in records(declared[declared["population"].isin(paths)])]


def _example(reasons: pd.Series[str]) -> str:
    """Return the reason given most often, numbers aside, and say where others differ."""
    kinds = reasons.str.replace(r"[\d.,]+", "#", regex=True)
    first = str(reasons[kinds == kinds.value_counts(sort=True).index[0]].iloc[0])
    return f"{first}, for example" if reasons.nunique() > 1 else first
