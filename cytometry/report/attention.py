"""What needs a look: tubes that failed, boundaries that were not found, acquisition, errors and warnings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from cytometry.report.blocks import Notice, records
from cytometry.report.contrasts import contrasts_of
from cytometry.report.endpoint_notices import borrowed_endpoints, outlying_endpoints
from cytometry.report.resting import measured_tubes
from cytometry.report.signals import reason_of
from cytometry.report.words import counted, first_upper, listed, measure_of, minus, name_of, once
from gating.records import FOLLOWS

if TYPE_CHECKING:
    import pandas as pd

    from cytometry.store import Run

FAILED, NO_GATE, ACQUISITION = "failed tube", "no gate", "acquisition"
DRIFTS = ("drift", "trend")  # of a size that no cut feels, mostly: read last
MOST_REASONS = 2  # of one check, each with its own line
# What a gate says that only follows from another one: its parent, an operand, or the boundary it borrows.
EXPECTED = "is not stained with"  # an FMO control has no gate on what it lacks


def notices(run: Run, more: Sequence[Notice] = ()) -> list[Notice]:
    """Return everything that a reader should look at before believing the numbers, the gravest first.

    ``more`` are those that other sections of the page found.
    """
    return [
        *failed_tubes(run),
        *lost_boundaries(run),
        *outlying_endpoints(run),
        *borrowed_endpoints(run),
        *more,
        *acquisition(run, but=DRIFTS),
        *warnings(run),
        *acquisition(run, only=DRIFTS),
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


def n_gates_to_see(run: Run) -> int:
    """Return how many boundaries were not found in some measured tube."""
    return sum(1 for _ in boundaries_not_found(run))


def acquisition(run: Run, *, only: Sequence[str] = (), but: Sequence[str] = ()) -> list[Notice]:
    """Return the acquisition checks that fell short: by check, and by reason where few reasons are given."""
    flagged = run.qc[(run.qc["flag"] != "") & ~run.qc["check"].isin(list(but))]
    flagged = flagged[flagged["check"].isin(list(only))] if only else flagged
    flagged = flagged.assign(reason=[reason_of(run, row) for row in records(flagged)])
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
