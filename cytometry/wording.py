"""A contrast as a sentence: estimate and interval first, p after them. Percent is made here, for print."""

from __future__ import annotations

from collections.abc import Mapping
from math import floor, isfinite, log10
from typing import Any

from cytometry.table import COUNT, MEDIAN_INTENSITY, NET_FRACTION_OF_PARENT


def sentence(row: Mapping[str, Any]) -> str:
    """Return one row of the contrasts as a sentence.

    ``row`` is a Series or a mapping with the columns of :func:`cytometry.compare.compare`. An endpoint that
    could not be tested says why. No word judges the p.
    """
    subject = f"{_measure(row)} (base: {row['base']})"
    if not isfinite(row["mean_control"]) or not isfinite(row["mean_treated"]):
        return (
            f"{subject} could not be compared between {row['control']} and {row['treated']}: {row['reason']}."
        )
    digits = _digits(row)
    control, treated = (_level(row[key], row, digits=digits) for key in ("mean_control", "mean_treated"))
    return f"{subject} {_moved(row, control, treated)} ({'; '.join(_facts(row, digits=digits))})."


def _moved(row: Mapping[str, Any], control: str, treated: str) -> str:
    """Say the two means as what they are: those of the same subjects, of two arms, or two mean changes."""
    if row["design"] == "interaction":
        points = " points" if row["unit"] == "fraction" else ""
        changes = (said.removesuffix(" %") + points for said in (control, treated))
        return "changed by {} in {} and by {} in {}".format(
            next(changes), row["control"], next(changes), row["treated"]
        )
    if row["design"] == "trend":
        return f"went from {control} ({row['control']}) to {treated} ({row['treated']})"
    if row["design"] == "paired":
        return f"changed from {control} ({row['control']}) to {treated} ({row['treated']})"
    return f"was {control} in {row['control']} and {treated} in {row['treated']}"


def _measure(row: Mapping[str, Any]) -> str:
    name = row["population"].rsplit("/", 1)[-1]
    base = row["base"].rsplit("/", 1)[-1]
    if row["statistic"] == MEDIAN_INTENSITY:
        return f"Median {row['marker']} intensity of {name}"
    if row["statistic"] == COUNT:
        return f"Number of {name} events"
    stimulated = ", stimulated minus unstimulated," if row["statistic"] == NET_FRACTION_OF_PARENT else ""
    return f"{name} of {base}{stimulated}"


def _facts(row: Mapping[str, Any], *, digits: int) -> list[str]:
    paired = row["design"] == "paired"
    level = f"{100 * row['confidence']:g} % CI"
    points = " points" if row["unit"] == "fraction" else ""
    places = shift_places(row, digits)
    shift, low, high = (_amount(row[key], row, digits=places) for key in ("shift", "shift_low", "shift_high"))
    interval = f", {level} {low} to {high}" if isfinite(row["shift_low"]) else ""
    facts = [f"{_difference(row)} {shift}{points}{interval}"]
    if row["ratio_kind"] and isfinite(row["ratio_low"]):
        between = f"{_ratio(row['ratio_low'])} to {_ratio(row['ratio_high'])}"
        kind = f"ratio of {row['ratio_kind']}s" if row["design"] == "interaction" else row["ratio_kind"]
        facts.append(f"{kind} {_ratio(row['ratio'])}, {level} {between}")
    pairs = "1 pair" if row["n_pairs"] == 1 else f"{row['n_pairs']} pairs"
    counted = row.get("counted") or "subject"
    size = pairs if paired else f"{row['n_control']} and {row['n_treated']} {counted}s"
    facts.append(f"n = {size}")
    if row.get("adjusted_for"):
        facts.append(f"taken out: {row['adjusted_for']}")
    if row["reason"]:
        return [*facts, f"not tested: {row['reason']}"]
    adjusted = f"{row['adjustment']} {_p(row['p_adjusted'])} over m = {row['m']}"
    return [*facts, f"{row['test']} {_p(row['p'])}, {adjusted}"]


def _difference(row: Mapping[str, Any]) -> str:
    if row["design"] == "trend":
        return "difference along the trend"
    if row["design"] == "interaction":
        return "mean difference of changes"
    return f"mean {'paired ' * (row['design'] == 'paired')}difference"


def _digits(row: Mapping[str, Any]) -> int:
    """Return the decimals that show two figures of the larger mean: 16.8 %, 0.50 %, 0.052 %."""
    factor = 100 if row["unit"] == "fraction" else 1
    largest = factor * max(abs(row["mean_control"]), abs(row["mean_treated"]))
    fewest = 1 if row["unit"] == "fraction" else 0
    return min(max(1 - floor(log10(largest)), fewest), 4) if largest > 0 else 1


def _level(value: float, row: Mapping[str, Any], *, digits: int) -> str:
    return _amount(value, row, digits=digits) + (" %" if row["unit"] == "fraction" else "")


def beyond_zero(value: float, digits: int) -> int:
    """Return the decimals that tell a value from zero: up to two more where it would be printed as 0 and is not.

    The end of an interval at -0.03 is not one at 0.0: one holds no change, the other does not.
    """
    for more in range(3):
        if round(value, digits + more):
            return digits + more
    return digits


def _amount(value: float, row: Mapping[str, Any], *, digits: int) -> str:
    printed = (100 if row["unit"] == "fraction" else 1) * value
    return f"{round(printed, digits) + 0.0:,.{digits}f}"


def shift_places(row: Mapping[str, Any], digits: int) -> int:
    """Return the decimals of a shift and of its interval: those of the means, more where an end needs them."""
    factor = 100 if row["unit"] == "fraction" else 1
    ends = [factor * row[key] for key in ("shift_low", "shift_high") if isfinite(row[key])]
    return max([digits, *(beyond_zero(end, digits) for end in ends)])


def _ratio(value: float) -> str:
    return f"{value:.2f}" if 0.1 <= value < 1000 else f"{value:.2g}"


def _p(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}"
