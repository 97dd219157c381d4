"""Phospho: how bright phosphorylated S6 is in stimulated cells, by the dose that a donor had and the time since.

The drug and its metabolite decay each at its own rate, add up, and inhibit along an E-max curve (Hill coefficient 1):
a median of ``m`` before the dose is one of ``m (1 - I C / (C + 1))`` after it, ``C`` in units of the donor's IC50.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import exp, log

from cytometry.panel import Panel
from cytometry.simulate.calibrate import normal_nodes
from cytometry.simulate.draws import stream
from cytometry.simulate.members import population_row
from cytometry.simulate.palette import LN10, Palette
from cytometry.simulate.plan import PlannedTube, StudyPlan
from cytometry.simulate.tables import rows, settings, split

MARKER = "pS6"


def exposure(dose_mg: float, hours: float) -> float:
    """Return the concentration of drug and metabolite together, in units of the middle donor's IC50."""
    said = settings("phospho")["pharmacology"]
    each = (dose_mg * said["per_mg"][name] * exp(-rate * hours) for name, rate in said["per_hour"].items())
    return float(sum(each))


def remaining(plan: StudyPlan, dose_mg: float, hours: float, *, donor: float = 0.0) -> float:
    """Return what is left of the median of pS6, 1 for all of it; ``donor`` is the logarithm of the donor's IC50."""
    said, scale = (
        settings("phospho")["pharmacology"],
        settings("effects")["scenarios"][plan.scenario]["scale"],
    )
    concentration = exposure(dose_mg, hours) / exp(donor)
    return float((1 - said["largest_inhibition"] * concentration / (concentration + 1)) ** scale)


def mean_log_remaining(plan: StudyPlan, dose_mg: float, hours: float) -> float:
    """Return the mean over all possible donors of the natural logarithm of what is left."""
    sd = settings("phospho")["pharmacology"]["donor_sd_ln"]
    nodes, weights = normal_nodes()
    return float(
        sum(
            w * log(remaining(plan, dose_mg, hours, donor=sd * z))
            for z, w in zip(nodes, weights, strict=True)
        )
    )


def donor_ic50(plan: StudyPlan, subject: str) -> float:
    """Return the logarithm of a donor's IC50, 0 for the middle one."""
    drawn = stream(plan.seed, "IC50", subject).standard_normal()
    return float(settings("phospho")["pharmacology"]["donor_sd_ln"] * drawn)


def left_in(plan: StudyPlan, tube: PlannedTube) -> float:
    """Return what is left of the median of pS6 in the cells of a tube; 1 before the dose, or without one."""
    if not (tube.treated and tube.dose_mg and tube.hours_since_dose):
        return 1.0
    return remaining(plan, tube.dose_mg, tube.hours_since_dose, donor=donor_ic50(plan, tube.subject))


def with_ps6(
    colours: Palette, plan: StudyPlan, tube: PlannedTube, *, panel: Panel, channels: Sequence[str]
) -> Palette:
    """Return the palette of a tube with pS6 as dose, time and stimulus make it, where the panel shows that.

    ``channels`` are the detectors, in the order of the palette's rows.
    """
    if MARKER not in panel.markers:
        return colours
    at = list(channels).index(panel.detector(MARKER))
    shift = log(left_in(plan, tube)) if tube.stimulus else LN10 * settings("phospho")["resting"]["shift"]
    median = colours.median.copy()
    median[at] += shift
    return replace(colours, median=median)


def stimulated_median(population: str) -> float:
    """Return the median pS6 light of the middle donor's stimulated cells of a population, before any dose.

    Of a population of several strata, that of the first.
    """
    leaf = split(population_row(population)["leaves"])[0]
    row = next(row for row in rows("strata") if row["leaf"] == leaf)
    groups = ("*", *split(row["groups"]), row["stratum"])
    said = {row["group"]: float(row["median"]) for row in rows("intensities") if row["marker"] == MARKER}
    return float(10 ** next(said[group] for group in reversed(groups) if group in said))
