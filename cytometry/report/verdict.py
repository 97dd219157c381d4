"""The verdict: what a reader wants to know first. Tubes, gates that need eyes, each primary endpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cytometry.report.attention import n_gates_to_see
from cytometry.report.blocks import records
from cytometry.report.contrasts import contrasts_of
from cytometry.report.words import (
    NOTHING,
    counted,
    first_upper,
    listed,
    measure_of,
    minus,
    shift,
    subjects,
)

if TYPE_CHECKING:
    from cytometry.store import Run

MOST_ENDPOINTS = 4
NOTHING_COMPARED = "Nothing was compared: this run describes its tubes"


def verdict(run: Run) -> list[str]:
    """Return the verdict, part by part: tubes, gates, then each primary endpoint with its interval."""
    return [_tubes_and_gates(run), *_primary(run)]


def needs_eyes(run: Run) -> bool:
    """Return whether a tube failed or a gate of a measured tube has no boundary."""
    failed = (run.tubes["status"] == "failed").any() or (run.problems["severity"] == "error").any()
    return bool(failed) or n_gates_to_see(run) > 0


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
        gates = f"{counted(seen, 'gate')} {'needs' if seen == 1 else 'need'} eyes"
    elif run.gates.empty:
        gates = "no gate was learnt"
    else:
        gates = "every gate found its boundary"
    return f"{gated} of {counted(total, 'tube')} gated; {gates}"


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
    several = len({(row["comparison"], row["treated"]) for row in primary}) > 1
    said = [_endpoint(row, several=several) for row in primary[:MOST_ENDPOINTS]]
    if len(primary) > MOST_ENDPOINTS:
        said.append(f"{len(primary) - MOST_ENDPOINTS} more primary endpoints below")
    return said


def _endpoint(row: dict[str, Any], *, several: bool) -> str:
    measured = first_upper(measure_of(row))
    moved = shift(row)
    if moved == NOTHING:
        return f"{measured} could not be compared: {minus(str(row['reason']))}"
    if row["design"] == "paired":
        between = f" ({row['control']} to {row['treated']})" if several else ""
        return f"{measured} changed by {moved}, {subjects(row)}{between}"
    if row["design"] == "trend":
        return (
            f"{measured}, from {row['control']} to {row['treated']} along the trend: {moved}, {subjects(row)}"
        )
    if row["design"] == "interaction":
        return f"{measured}, change in {row['treated']} minus change in {row['control']}: {moved}, {subjects(row)}"
    return f"{measured}, {row['treated']} minus {row['control']}: {moved}, {subjects(row)}"
