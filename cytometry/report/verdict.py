"""The verdict: what a reader wants to know first. Each primary endpoint, then what was gated, borrowed and flagged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cytometry.report.attention import n_gates_to_see
from cytometry.report.blocks import records
from cytometry.report.contrasts import contrasts_of
from cytometry.report.resting import (
    OUTLYING,
    borrowed_gates,
    declared_of,
    measured_gates,
    outlying_gates,
    resting_on,
)
from cytometry.report.words import (
    NOTHING,
    adjusted_p,
    amount,
    counted,
    headline,
    listed,
    measure_of,
    minus,
    scales_disagree,
    shift,
    subjects,
)

if TYPE_CHECKING:
    from cytometry.store import Run

MOST_ENDPOINTS = 4
NOTHING_COMPARED = "Nothing was compared: this run describes its tubes"


def verdict(run: Run) -> list[str]:
    """Return the verdict, part by part: each primary endpoint with its interval, then how far the gates bear it."""
    process = [part for part in (_tubes_and_gates(run), _doubted(run)) if part]
    results = _primary(run)
    return [*process, *results] if results == [NOTHING_COMPARED] else [*results, *process]


def needs_look(run: Run) -> bool:
    """Return whether a tube failed, a gate has no boundary, or a declared endpoint rests on a doubtful cut."""
    failed = (run.tubes["status"] == "failed").any() or (run.problems["severity"] == "error").any()
    return bool(failed) or n_gates_to_see(run) > 0 or bool(_doubted(run))


def about(run: Run) -> str:
    """Return one line that says what was run: stains, tubes, subjects, when, by which version."""
    tubes = run.info["tubes"].values()
    known = {tube["labels"].get("subject", "") for tube in tubes if tube["kind"] == "sample"} - {""}
    version = run.info.get("versions", {}).get("cytometry", "")
    parts = [
        f"{counted(len(run.stains), 'stain')} ({listed(run.stains)})",
        counted(len(tubes), "tube"),
        counted(len(known), "subject") if known else "",
        str(run.info.get("created", ""))[:16].replace("T", " "),
        f"cytometry {version}".strip(),
    ]
    return " · ".join(part for part in parts if part)


def _tubes_and_gates(run: Run) -> str:
    total = len(run.tubes)
    gated = int((run.tubes["status"] == "gated").sum())
    seen = n_gates_to_see(run)
    if seen:
        gates = f"{counted(seen, 'gate')} {'needs' if seen == 1 else 'need'} a look"
    elif run.gates.empty:
        gates = "no gate was learnt"
    else:
        gates = "every gate found its boundary" if borrowed_gates(run).empty else "every gate has a boundary"
    short = run.qc.loc[run.qc["flag"] != "", "tube"].nunique()
    checks = f"; {counted(short, 'tube')} fell short of an acquisition check" if short else ""
    return f"{gated} of {counted(total, 'tube')} gated; {gates}{_borrowed(run)}{checks}"


def _borrowed(run: Run) -> str:
    """Say how many boundaries of measured tubes are borrowed, of how many; nothing where none is."""
    many = len(borrowed_gates(run))
    gates = measured_gates(run)
    return f", {many:,} of {int((gates['rule'] != 'boolean').sum()):,} borrowed" if many else ""


def _doubted(run: Run) -> str:
    """Say how many declared endpoints rest on borrowed cuts, and how many on cuts that stand apart."""
    declared, borrowed, apart = declared_of(run), borrowed_gates(run), outlying_gates(run)
    apart = apart[apart[OUTLYING].str.contains("cut", regex=False)] if len(apart) else apart
    said = [
        f"{many} on {what}"
        for gates, what in ((borrowed, "borrowed cuts"), (apart, "cuts that stand apart"))
        if (many := sum(len(resting_on(run, gates, row)) > 0 for row in declared))
    ]
    return f"Of {counted(len(declared), 'declared endpoint')} rest {listed(said)}: see below" if said else ""


def _primary(run: Run) -> list[str]:
    contrasts = contrasts_of(run)
    if contrasts.empty:
        undone = (run.problems["severity"] == "error").any()
        return ["The comparison could not be made: see below" if undone else NOTHING_COMPARED]
    primary = records(contrasts[contrasts["family"] == "primary"])
    if not primary:
        asked = " and ".join(
            dict.fromkeys(f"{row['treated']} with {row['control']}" for row in records(contrasts))
        )
        many = counted(len(contrasts), "endpoint")
        if contrasts["p"].isna().all():
            return [f"{many}, {asked}: not one could be tested; the table says why"]
        return [f"{many} compared, {asked}; none was declared primary, so all are exploratory"]
    several = len({row["comparison"] for row in primary}) > 1
    said = [_endpoint(row, several=several) for row in primary[:MOST_ENDPOINTS]]
    if len(primary) > MOST_ENDPOINTS:
        said.append(f"{len(primary) - MOST_ENDPOINTS} more primary endpoints below")
    return said


def _endpoint(row: dict[str, Any], *, several: bool) -> str:
    where = f" ({row['comparison']})" if several and row["comparison"] else ""
    measured = f"Primary{where}: {measure_of(row)}"
    if shift(row) == NOTHING:
        return f"{measured} could not be compared: {minus(str(row['reason']))}"
    moved = headline(row) if scales_disagree(row) else shift(row)
    ends = [amount(row[end], row["unit"]) for end in ("mean_control", "mean_treated")]
    found = ", ".join(part for part in (moved, subjects(row), adjusted_p(row)) if part)
    if row["design"] == "paired":
        return f"{measured} changed from {ends[0]} ({row['control']}) to {ends[1]} ({row['treated']}), by {found}"
    if row["design"] == "trend":
        return f"{measured}, from {row['control']} to {row['treated']} along the trend: {found}"
    if row["design"] == "interaction":
        return f"{measured}, change in {row['treated']} minus change in {row['control']}: {found}"
    return f"{measured} was {ends[0]} in {row['control']} and {ends[1]} in {row['treated']}: {found}"
