"""Designs: the tubes that a plan makes: whose cells, when, under which drug, and the controls of each batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import date, timedelta
from math import exp
from types import MappingProxyType
from typing import TYPE_CHECKING

from cytometry.simulate.draws import stream
from cytometry.simulate.tables import panel, settings
from cytometry.simulate.tubes import (
    ANCHOR,
    BASELINE,
    CONTROL,
    FIRST_DAY,
    HEALTHY,
    ON_TREATMENT,
    SINGLE_STAIN,
    TREATED,
    UNSTAINED,
    UNTREATED,
    PlannedTube,
)

if TYPE_CHECKING:
    from cytometry.simulate.plan import StudyPlan

FIRST_DONOR = "D"
VEHICLE = "vehicle"
SAMPLE = "sample"
HOURS_A_DAY = 24


def paired_human(plan: StudyPlan) -> tuple[PlannedTube, ...]:
    """Return donors of each drug before and on treatment, with controls once per batch."""
    said, days = plan.design_table, dict[str, date]()
    found = []
    for number in range(plan.subjects):
        batch = f"B{number % plan.batches + 1}"
        start = FIRST_DAY + timedelta(weeks=number)
        days.setdefault(batch, start)
        for place, arm in enumerate(plan.arms):
            for timepoint in (BASELINE, ON_TREATMENT):
                on_treatment = timepoint == ON_TREATMENT
                treated = on_treatment and arm != UNTREATED
                # Frozen cells of a batch are thawed and stained together; fresh ones on the day of the draw.
                fresh_day = start + timedelta(days=said["days_on_treatment"]) if on_treatment else start
                visit = PlannedTube(
                    subject=f"{FIRST_DONOR if not place else arm[0].upper()}{number + 1:02}",
                    timepoint=timepoint,
                    batch=batch,
                    stain="",
                    treated=treated,
                    role=TREATED if on_treatment else CONTROL,
                    arm=arm,
                    hours_since_dose=said["hours_since_dose"] if treated else None,
                    day=days[batch] if plan.cryo else fresh_day,
                )
                found += _tubes_of(plan, visit)
    return (*found, *_controls(plan, found, days))


def two_arm_mouse(plan: StudyPlan) -> tuple[PlannedTube, ...]:
    """Return animals on vehicle and on the drug, tumour and spleen of each, with controls once per batch."""
    said, found = plan.design_table, []
    days = {f"B{number + 1}": FIRST_DAY + timedelta(weeks=number) for number in range(plan.batches)}
    for number in range(plan.subjects):
        batch = f"B{number % plan.batches + 1}"
        cage = number * said["cages"] // plan.subjects + 1
        for arm in (VEHICLE, *plan.drugs):
            letter, treated = arm[0].upper(), arm != VEHICLE
            animal = PlannedTube(
                subject=f"{letter}{number + 1:02}",
                timepoint="",
                batch=batch,
                stain="",
                treated=treated,
                role=TREATED if treated else CONTROL,
                species=said["species"],
                arm=arm,
                cage=f"{letter}-{cage}",
                hours_since_dose=said["hours_since_dose"],
                day=days[batch] + timedelta(days=said["days_on_treatment"]),
            )
            found += _tubes_of(plan, animal)
    return (*found, *_controls(plan, found, days))


def dose_time(plan: StudyPlan) -> tuple[PlannedTube, ...]:
    """Return donors of one dose each, before it and at the times after it."""
    said, found = plan.design_table, []
    days = {f"B{number + 1}": FIRST_DAY + timedelta(weeks=number) for number in range(plan.batches)}
    for number in range(plan.subjects):
        batch = f"B{number % plan.batches + 1}"
        for place, dose in enumerate(said["doses"]):
            for hours in said["hours"]:
                found += _tubes_of(
                    plan,
                    PlannedTube(
                        subject=f"{chr(ord('A') + place)}{number + 1:02}",
                        timepoint=f"{hours}h",
                        batch=batch,
                        stain="",
                        treated=bool(dose and hours),
                        role=TREATED if hours else CONTROL,
                        arm=f"{dose:g} mg",
                        hours_since_dose=hours or None,
                        dose_mg=dose,
                        day=days[batch] + timedelta(days=hours // HOURS_A_DAY),
                    ),
                )
    return (*found, *_controls(plan, found, days))


def _tubes_of(plan: StudyPlan, visit: PlannedTube) -> list[PlannedTube]:
    """Return the tubes of one visit: each stain that is asked for, stimulated and not where it says so."""
    found = []
    for stain, said in plan.stain_tables.items():
        tissue = said.get("tissue", visit.tissue)
        stained = replace(visit, stain=stain, tissue=tissue, variant=plan.variant)
        for one in said.get("tubes", ({},)):
            tube = replace(stained, kind=one.get("kind", SAMPLE), stimulus=one.get("stimulus", ""))
            found.append(_measured(plan, tube))
    return found


def _measured(plan: StudyPlan, tube: PlannedTube) -> PlannedTube:
    """Return the tube with its volume, counting beads and weight, where the plan counts cells."""
    if not plan.has("counting_beads"):
        return tube
    said = settings("options")["counting_beads"]
    beads = said["beads_per_ul"] * said["added_ul"]
    if tube.tissue not in said["tissue_mg"]:
        return replace(tube, volume_ul=said["volume_ul"], beads_added=beads)
    drawn = stream(plan.seed, "weight", *tube.keys).standard_normal()
    weight = round(said["tissue_mg"][tube.tissue] * exp(said["tissue_mg_sd_ln"] * float(drawn)), 2)
    return replace(tube, volume_ul=said["volume_ul"], beads_added=beads, tissue_mg=weight)


def _controls(plan: StudyPlan, tubes: list[PlannedTube], days: Mapping[str, date]) -> Iterator[PlannedTube]:
    """Yield the control tubes of each batch.

    Cells of one healthy donor, who runs along every time; or, of mice and where the plan says so, cells of the
    batch's first specimen, which is not treated.
    """
    for batch, day in days.items():
        there = [tube for tube in tubes if tube.batch == batch]
        if not there:
            continue
        for stain, said in plan.stain_tables.items():
            specimen = next(tube for tube in there if tube.stain == stain)
            anchor = _anchor(specimen, day=day)
            own = replace(
                specimen, beads_added=0.0, volume_ul=0.0, tissue_mg=0.0, stimulus="", kind="fmo", role=""
            )
            whose = [] if plan.species == "mouse" else [anchor]
            whose += [own] if plan.species == "mouse" or plan.has("fmo_of_same_cells") else []
            for cells in whose:
                for marker in plan.fmo(stain):
                    yield replace(cells, kind="fmo", lacks=marker, stimulus=said.get("fmo_stimulus", ""))
        for stain, said in plan.stain_tables.items():
            if said.get("anchor"):
                specimen = next(tube for tube in there if tube.stain == stain)
                yield replace(_anchor(specimen, day=day), kind="healthy_anchor")
        if plan.has("single_stains"):
            for stain in plan.stain_tables:
                yield from _compensation(next(tube for tube in there if tube.stain == stain), day=day)


def _anchor(specimen: PlannedTube, *, day: date) -> PlannedTube:
    return PlannedTube(
        ANCHOR,
        "",
        specimen.batch,
        specimen.stain,
        healthy=True,
        day=day,
        tissue="spleen" if specimen.species == "mouse" else specimen.tissue,
        species=specimen.species,
        variant=specimen.variant,
        arm=HEALTHY,
    )


def _compensation(specimen: PlannedTube, *, day: date) -> Iterator[PlannedTube]:
    """Yield an unstained tube and a single stain of every fluorochrome, on the anchor's cells and on beads."""
    cells = _anchor(specimen, day=day)
    yield replace(cells, kind=UNSTAINED)
    yield replace(cells, kind=UNSTAINED, material="beads")
    for channel in panel(specimen.panel).channels:
        if channel.role not in ("scatter", "time", "unused"):
            for material in ("cells", "beads"):
                yield replace(cells, kind=SINGLE_STAIN, stained=channel.detector, material=material)


DESIGNS: Mapping[str, Callable[[StudyPlan], tuple[PlannedTube, ...]]] = MappingProxyType(
    {"paired_human": paired_human, "two_arm_mouse": two_arm_mouse, "dose_time_pS6": dose_time}
)
