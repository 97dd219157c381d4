"""What needs eyes: failed tubes, gates that abstained or were borrowed, few events, acquisition, warnings."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from cytometry.report.blocks import Notice, records
from cytometry.report.words import counted, first_upper, listed, minus, name_of
from cytometry.table import FRACTION_OF_PARENT, LOW_COUNT

if TYPE_CHECKING:
    import pandas as pd

    from cytometry.store import Run

FAILED, NO_GATE, BORROWED, FEW, ACQUISITION, LEFT_OUT = (
    "failed tube", "no gate", "stand-in", "few events", "acquisition", "left out",
)  # fmt: skip
MEASURED = ("sample", "unstimulated")
FOLLOWS = "was not found in this tube"  # what a gate says whose parent or operand abstained
EXPECTED = "is not stained with"  # an FMO control has no gate on what it lacks


def notices(run: Run) -> list[Notice]:
    """Return everything that a reader should look at before believing the numbers, the gravest first."""
    return [
        *failed_tubes(run),
        *abstained_gates(run),
        *borrowed_gates(run),
        *few_events(run),
        *acquisition(run),
        *left_out(run),
        *warnings(run),
    ]


def failed_tubes(run: Run) -> list[Notice]:
    """Return the tubes that could not be read or gated, by the reason given."""
    failed = run.tubes[run.tubes["status"] == "failed"]
    return [
        Notice(FAILED, f"{counted(len(rows), 'tube')} not gated", _sentence(reason), tuple(rows["tube"]))
        for reason, rows in failed.groupby("message", sort=False)
    ]


def abstained_gates(run: Run) -> list[Notice]:
    """Return the gates for which no boundary was found, by stain, population and reason.

    Tubes whose values are reported come first; a control tube without a gate is worth knowing, no more.
    """
    gates = _first_causes(run)
    measured = gates["tube"].isin(_measured(run))
    controls = gates[~measured & ~gates["reason"].str.contains(EXPECTED, regex=False)]
    return [*_abstained(run, gates[measured], ""), *_abstained(run, controls, " (control tubes)")]


def n_gates_to_see(run: Run) -> int:
    """Return for how many gates (stain, population, marker) some measured tube has no boundary."""
    gates = _first_causes(run)
    return len(gates[gates["tube"].isin(_measured(run))].drop_duplicates(["stain", "population", "marker"]))


def borrowed_gates(run: Run) -> list[Notice]:
    """Return the gates that were learnt from another subject's control tube, or pooled for want of events."""
    gates = run.gates[
        run.gates["status"].isin(["stand-in", "pooled"]) & run.gates["tube"].isin(_measured(run))
    ]
    found = []
    for (stain, population, marker, status), rows in gates.groupby(
        ["stain", "population", "marker", "status"], sort=False
    ):
        reasons = [reason for reason in dict.fromkeys(rows["reason"]) if reason]
        how = "learnt from a stand-in" if status == "stand-in" else "learnt from all tubes together"
        title = f"{_where(population, stain)}: {marker or 'gate'} {how} in {counted(len(rows), 'tube')}"
        found.append(Notice(BORROWED, title, _sentence(listed(reasons, at_most=3)), _tubes(rows)))
    return found


def few_events(run: Run) -> list[Notice]:
    """Return the populations with too few events for a value, or few enough to be flagged."""
    failed = set(run.tubes.loc[run.tubes["status"] == "failed", "tube"])
    missing = run.gates[run.gates["status"] == "abstained"]
    ungated = set(zip(missing["tube"], missing["population"], strict=True))
    table = run.table[run.table["kind"].isin(MEASURED) & (run.table["statistic"] == FRACTION_OF_PARENT)]
    table = table[~table["tube"].isin(failed)]
    found = []
    for (stain, population), rows in table.groupby(["stain", "population"], sort=False):
        none = rows[rows["value"].isna()]
        none = none[[not _is_ungated(row["tube"], row["population"], ungated) for row in records(none)]]
        low = rows[rows["flag"].str.contains(LOW_COUNT, regex=False)]
        if none.empty and low.empty:
            continue
        parts = []
        if len(none):
            reasons = listed(dict.fromkeys(none["reason"]), at_most=2)
            parts.append(f"no value in {len(none)} of {counted(len(rows), 'tube')} ({reasons})")
        if len(low):
            base = name_of(str(low["base"].iloc[0]))
            parts.append(f"few events of {base} in {len(low)} of {counted(len(rows), 'tube')}")
        tubes = tuple(dict.fromkeys([*none["tube"], *low["tube"]]))
        found.append(Notice(FEW, _where(population, stain), _sentence("; ".join(parts)), tubes))
    return found


def acquisition(run: Run) -> list[Notice]:
    """Return the acquisition checks that fell short, by check and reason."""
    flagged = run.qc[run.qc["flag"] != ""]
    return [
        Notice(
            ACQUISITION,
            f"{first_upper(str(reason))} in {counted(len(rows), 'tube')}",
            f"Check: {check}.",
            tuple(rows["tube"]),
        )
        for (check, reason), rows in flagged.groupby(["check", "reason"], sort=False)
    ]


def warnings(run: Run) -> list[Notice]:
    """Return what the study's check and the run warned of, in their words; what is said of several at once."""
    found = []
    problems = run.problems.sort_values("severity", kind="stable")  # errors before warnings
    for (severity, message), rows in problems.groupby(["severity", "message"], sort=False):
        places = tuple(dict.fromkeys(rows["where"]))
        title = f"{places[0]}: {message}" if len(places) == 1 else first_upper(str(message))
        hint = _sentence(rows["hint"].iloc[0])
        found.append(Notice(str(severity), title, tubes=places if len(places) > 1 else (), hint=hint))
    return found


def left_out(run: Run) -> list[Notice]:
    """Return the populations of a template that the stain's panel cannot show."""
    found = []
    for stain, about in run.info["stains"].items():
        lost = tuple(str(one) for one in about.get("lost") or ())
        if lost:
            title = f"{counted(len(lost), 'population')} of template {about['template_name']} left out, {stain} stain"
            found.append(Notice(LEFT_OUT, title, tubes=lost))
    return found


def _first_causes(run: Run) -> pd.DataFrame:
    """Return the gates that abstained, without those that only follow from another one."""
    gates = run.gates[run.gates["status"] == "abstained"]
    return gates[~gates["reason"].str.endswith(FOLLOWS)]


def _abstained(run: Run, gates: pd.DataFrame, whose: str) -> Iterable[Notice]:
    for (stain, population, marker), rows in gates.groupby(["stain", "population", "marker"], sort=False):
        what = f"no boundary on {marker}" if marker else "no gate"
        title = f"{_where(population, stain)}: {what} in {counted(rows['tube'].nunique(), 'tube')}{whose}"
        below = run.gates[run.gates["tube"].isin(rows["tube"]) & run.gates["reason"].str.endswith(FOLLOWS)]
        below = below[below["population"].str.startswith(f"{population}/")]
        lost = dict.fromkeys(name_of(path) for path in below["population"])
        hint = f"Lost with it in these tubes: {listed(lost)}." if lost else ""
        for _, of in rows.groupby(_without_numbers(rows["reason"]), sort=False):
            said = of["reason"].iloc[0] + (", for example" if of["reason"].nunique() > 1 else "")
            yield Notice(NO_GATE, title, _sentence(said), _tubes(of), hint)


def _without_numbers(reasons: pd.Series[str]) -> pd.Series[str]:
    """Return the reasons with their numbers taken out, so that tubes with the same reason stand together."""
    return reasons.str.replace(r"[\d.,]+", "#", regex=True)


def _is_ungated(tube: str, population: str, ungated: set[tuple[str, str]]) -> bool:
    """Return whether the population, or one above it, has no gate in the tube."""
    parts = population.split("/")
    return any((tube, "/".join(parts[:depth])) in ungated for depth in range(1, len(parts) + 1))


def _measured(run: Run) -> set[str]:
    return set(run.tubes.loc[run.tubes["kind"].isin(MEASURED), "tube"])


def _tubes(rows: pd.DataFrame) -> tuple[str, ...]:
    return tuple(dict.fromkeys(rows["tube"]))


def _where(population: object, stain: object) -> str:
    parts = [name_of(part) for part in str(population).split("/")[-2:]]
    return f"{parts[-1]}{f' of {parts[0]}' * (len(parts) > 1)}, {stain} stain"


def _sentence(text: object) -> str:
    said = minus(first_upper(str(text).strip()))
    return f"{said}." if said and said[-1] not in ".!?" else said
