"""Which tube stands for a stain in a figure, and which population shows where positive begins. Never the prettiest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cytometry.errors import RunError
from cytometry.report.contrasts import contrasts_of
from cytometry.report.words import counted, listed, name_of
from cytometry.table import COUNT
from gating.sources import KINDS

if TYPE_CHECKING:
    from cytometry.record import GatedTube
    from cytometry.store import Run
    from gating.records import GateRecord

LEUKOCYTES = "CD45+"
CONTROLS = {
    "fmo": "FMO", "unstimulated": "unstimulated", "isotype": "isotype", "unstained": "unstained",
    "healthy_anchor": "healthy anchor",
}  # fmt: skip
SOURCES = {**KINDS, "own": "its own events"}
FIRST_MARKER = "PD-1"


@dataclass(frozen=True, slots=True)
class Chosen:
    """A tube, and in words why it was chosen; ``tube`` is ``""`` where there is none."""

    tube: str
    why: str


@dataclass(frozen=True, slots=True)
class Beside:
    """A control tube, and what it is called beside a percentage."""

    tube: str
    name: str


@dataclass(frozen=True, slots=True)
class Overlaid:
    """A boundary to show with its control: whose events, on which marker, in which tubes, label by tube."""

    population: str
    parent: str
    marker: str
    tubes: dict[str, str]
    fmo: str
    why: str


def representative(run: Run, stain: str) -> Chosen:
    """Return the tube with the median number of CD45+ events among the samples with the most populations.

    Where no population is called CD45+, all events are counted; where no sample was gated, any gated tube is
    taken. Of an even number, the lower of the two in the middle.
    """
    gated = [name for name, tube in run.info["tubes"].items() if _gated(tube, stain)]
    samples = [name for name in gated if run.info["tubes"][name]["kind"] == "sample"] or gated
    if not samples:
        return Chosen("", f"No tube of the {stain} stain was gated.")
    counts = run.table[(run.table["statistic"] == COUNT) & run.table["tube"].isin(samples)]
    populations = counts[counts["value"].notna()].groupby("tube").size().reindex(samples, fill_value=0)
    whole = [name for name in samples if populations[name] == populations.max()]
    leukocytes = counts[counts["population"].map(_own_name) == LEUKOCYTES]
    of = "CD45+ events" if leukocytes["value"].notna().any() else "events"
    events = (
        leukocytes.set_index("tube")["value"].reindex(whole, fill_value=0.0)
        if of == "CD45+ events"
        else {name: float(run.info["tubes"][name]["n_events"]) for name in whole}
    )
    ordered = sorted(whole, key=lambda name: (events[name], name))
    tube = ordered[(len(ordered) - 1) // 2]
    fewer = len(samples) - len(whole)
    among = f"the {counted(len(whole), 'sample tube')}" + " with every gate" * bool(fewer)
    low, high = (f"{events[ordered[end]]:,.0f}" for end in (0, -1))
    why = f"This tube: of {among}, the one with the median number of {of} ({events[tube]:,.0f}; {low} to {high})."
    alone = "the only sample tube" if len(samples) == 1 else "the only one with every gate"
    return Chosen(tube, why if len(whole) > 1 else f"This tube: {alone}.")


def overlaid(run: Run, stain: str, tube: str) -> Overlaid | None:
    """Return the boundary that was learnt from an FMO control, for the subject of ``tube``; None without one.

    A primary endpoint's comes first, then PD-1's, then the first in the template.
    """
    records = [record for record in _fmo_records(run, tube) if _there(run, record.learnt_from)]
    if not records:
        return None
    contrasts = contrasts_of(run)
    asked = set(contrasts.loc[contrasts["family"] == "primary", "population"]) if len(contrasts) else set()
    record = min(records, key=lambda r: (r.population not in asked, r.marker != FIRST_MARKER))
    tubes = _of_subject(run, stain, tube)
    fmo = _nearest(run, record.learnt_from, tube)
    named = f"FMO of {record.marker} in tube {fmo}"
    stood_in = f", standing in for subject {record.stands_for}" if record.stands_for else ""
    why = f"Subject {run.info['tubes'][tube]['labels'].get('subject') or tube}; {named}{stood_in}."
    return Overlaid(record.population, record.population.rpartition("/")[0], record.marker, tubes, fmo, why)


def nearest_control(run: Run, found: GatedTube, path: str) -> Beside:
    """Return the control tube that a population's boundary in a tube was learnt from, and what to call it.

    Raises
    ------
    RunError
        If the boundary was not learnt from a control tube, or that could not be gated.
    """
    records = [r for r in found.gates if r.population == path and r.source in CONTROLS and r.learnt_from]
    there = [r for r in records if r.status != "abstained" and _there(run, r.learnt_from)]
    if not there:
        sources = ", ".join(
            dict.fromkeys(SOURCES.get(r.source, r.source) for r in found.gates if r.population == path)
        )
        others = dict.fromkeys(
            "/".join(r.population.split("/")[-2:]) for r in found.gates if r.source in CONTROLS
        )
        msg = (
            f"the boundary of {path} in tube {found.tube} was not learnt from a control: {sources or 'no rule'}; "
            f"from controls in this tube: {listed(others) or 'none'}"
        )
        raise RunError(msg)
    tube = _nearest(run, there[0].learnt_from, found.tube)
    return Beside(tube, CONTROLS[there[0].source])


def _gated(tube: dict[str, object], stain: str) -> bool:
    return tube["stain"] == stain and tube["status"] == "gated"


def _own_name(path: str) -> str:
    return path.rsplit("/", 1)[-1]


def _fmo_records(run: Run, tube: str) -> list[GateRecord]:
    return [
        record
        for record in run.gated(tube).gates
        if record.source == "fmo" and record.status != "abstained" and record.learnt_from
    ]


def _there(run: Run, tubes: tuple[str, ...]) -> bool:
    try:
        return any(run.gated(tube) for tube in tubes)
    except RunError:
        return False


def _of_subject(run: Run, stain: str, tube: str) -> dict[str, str]:
    """Return the subject's tubes at the compared levels, control first, labelled by level; else the tube alone."""
    about = run.info["tubes"]
    contrasts = contrasts_of(run)
    if contrasts.empty:
        return {tube: tube}
    factor = str(contrasts.iloc[0]["factor"])
    found = {}
    for level in (str(contrasts.iloc[0]["control"]), str(contrasts.iloc[0]["treated"])):
        for name, other in about.items():
            same = all(
                other["labels"].get(k) == about[tube]["labels"].get(k) for k in ("subject", "stimulus")
            )
            if (
                same
                and _gated(other, stain)
                and other["kind"] == "sample"
                and other["labels"].get(factor) == level
            ):
                found[name] = level
                break
    return found if tube in found else {tube: tube, **found}


def _nearest(run: Run, tubes: tuple[str, ...], tube: str) -> str:
    """Return the control tube of the same subject where there is one, else the first."""
    subject = run.info["tubes"][tube]["labels"].get("subject")
    return next((t for t in tubes if run.info["tubes"][t]["labels"].get("subject") == subject), tubes[0])


def named(path: str) -> str:
    """Return the population's name with its parent's, as an axis or a caption has room for."""
    parent = path.rpartition("/")[0]
    return f"{name_of(path)} of {name_of(parent)}" if parent else name_of(path)
