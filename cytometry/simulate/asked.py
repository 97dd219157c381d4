"""Asked: the comparisons that a simulated study declares, and the endpoints of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cytometry.simulate.members import populations
from cytometry.simulate.plan import StudyPlan
from cytometry.simulate.tables import rows
from cytometry.simulate.tubes import BASELINE, ON_TREATMENT, UNTREATED

DAY = 24


@dataclass(frozen=True, slots=True)
class Asked:
    """A comparison of the study file.

    Parameters
    ----------
    arm
        Whose drug, or dose, the planted effects are.
    where
        Columns of the sheet and the value to keep.
    hours
        Since the dose, of the treated tubes, where that differs within an arm.
    against
        The arm whose change over time the arm's own is compared with.
    unit
        What is counted, where that is not the subject.
    """

    name: str
    factor: str
    control: str
    treated: str
    design: str
    arm: str
    where: Mapping[str, str] = field(default_factory=dict)
    hours: float | None = None
    dose_mg: float | None = None
    against: str = ""
    unit: str = ""


def asked(plan: StudyPlan) -> tuple[Asked, ...]:
    """Return the comparisons of a plan's design."""
    if plan.design == "two_arm_mouse":
        return tuple(
            Asked(
                f"{drug.capitalize()} against vehicle",
                "arm",
                "vehicle",
                drug,
                "unpaired",
                drug,
                unit="cage" if plan.has("cage_effect") else "",
            )
            for drug in plan.drugs
        )
    if plan.design == "dose_time_pS6":
        return _by_dose(plan)
    return (*(_over_time(plan, arm) for arm in plan.arms), *_changes(plan))


def _over_time(plan: StudyPlan, arm: str) -> Asked:
    return Asked(
        "Untreated, second visit against first" if arm == UNTREATED else f"On {arm} against baseline",
        "timepoint",
        BASELINE,
        ON_TREATMENT,
        "paired",
        arm,
        {"arm": arm} if len(plan.arms) > 1 else {},
    )


def _changes(plan: StudyPlan) -> tuple[Asked, ...]:
    """Ask of each arm whether it changed otherwise than who got nothing, or than the first drug's."""
    reference = UNTREATED if UNTREATED in plan.arms else plan.arms[0]
    return tuple(
        Asked(
            f"Change on {arm} against {reference}", "arm", reference, arm, "unpaired", arm, against=reference
        )
        for arm in plan.arms
        if arm != reference
    )


def _by_dose(plan: StudyPlan) -> tuple[Asked, ...]:
    """Ask of every dose a day after it, and of the highest at every time."""
    said = plan.design_table
    highest = max(said["doses"])
    return tuple(
        Asked(
            f"{dose:g} mg, {hours} h after against before",
            "timepoint",
            "0h",
            f"{hours}h",
            "paired",
            f"{dose:g} mg",
            {"arm": f"{dose:g} mg"},
            hours,
            dose,
        )
        for dose in said["doses"]
        for hours in said["hours"]
        if hours and (hours == DAY or dose == highest)
    )


def endpoints(plan: StudyPlan) -> list[Mapping[str, str]]:
    """Return the rows of ``endpoints.csv`` that the plan's tubes can show."""
    found = []
    for row in rows("endpoints"):
        if row["design"] == plan.design and row["stain"] in plan.stain_tables:
            shown = populations(plan.variant or row["stain"])
            if any(row["population"] == one["population"] for one in shown):
                found.append(row)
    return found
