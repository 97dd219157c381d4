"""How the report prints: percent, points, intervals, p, counts, lists. Percent is made here, for print."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from math import floor, isfinite, log10
from typing import Any

from cytometry.table import COUNT, MEDIAN_INTENSITY, NET_FRACTION_OF_PARENT
from cytometry.wording import beyond_zero, shift_places
from gating.strategy import ALL_EVENTS

MINUS = "\N{MINUS SIGN}"
NO_BREAK = "\N{NO-BREAK SPACE}"
NOTHING = "\N{EN DASH}"  # in a table, where there is no number
NAMED_AT_MOST = 8
POINTS = " points"


def minus(text: str) -> str:
    """Return the text with a true minus sign before each negative number; hyphens in names stay."""
    return re.sub(r"(?<![\w\N{EN DASH}])-(?=[\d.∞])", MINUS, text)


def number(value: float, *, digits: int = 3) -> str:
    """Return a number to so many significant digits, thousands apart; a dash where there is none."""
    if not isfinite(value):
        return NOTHING
    if value == 0:
        return "0"
    places = digits - 1 - floor(log10(abs(value)))
    places = digits - 1 - floor(log10(abs(round(value, places))))  # 0.9996 is 1.00, as 1.0 is
    return minus(f"{round(value, places):,.{min(max(places, 0), 6)}f}")


def percent(fraction: float) -> str:
    """Return a fraction as a percentage of three significant digits: ``16.8 %``, ``0.312 %``."""
    return f"{number(100 * fraction)}{NO_BREAK}%" if isfinite(fraction) else NOTHING


def count(value: float) -> str:
    """Return a whole number with its thousands apart."""
    return f"{round(value):,}" if isfinite(value) else NOTHING


def p_value(p: float) -> str:
    """Return ``0.0031``, or ``< 0.0001`` below it."""
    if not isfinite(p):
        return NOTHING
    return f"<{NO_BREAK}0.0001" if p < 0.0001 else number(p, digits=2)


def amount(value: float, unit: str) -> str:
    """Return a value of the tidy table in its unit: a fraction as percent, the rest as it is."""
    if unit == "fraction":
        return percent(value)
    return count(value) if unit == "events" else number(value)


def together(values: Iterable[float], unit: str) -> list[str]:
    """Return values of one measure with one number of decimals, fractions as percent.

    Three figures of the largest, and as many more as the smallest needs for two, up to four decimals.
    """
    known = [float(value) * (100 if unit == "fraction" else 1) for value in values]
    sizes = [abs(value) for value in known if isfinite(value) and value]
    places = 0
    if sizes and unit != "events":
        places = min(max(2 - floor(log10(max(sizes))), 1 - floor(log10(min(sizes))), 0), 4)
    sign = f"{NO_BREAK}%" if unit == "fraction" else ""
    return [minus(f"{value:,.{places}f}") + sign if isfinite(value) else NOTHING for value in known]


def shift(row: Mapping[str, Any]) -> str:
    """Return a contrast's shift with its interval, in points where it is one of fractions."""
    values = [float(row[key]) for key in ("shift", "shift_low", "shift_high")]
    if not isfinite(values[0]):
        return NOTHING
    if not (isfinite(values[1]) and isfinite(values[2])):
        return f"{points(values[0], row)} (no interval)"
    places = shift_places(row, _places(row))
    estimate, low, high = (points(value, row, places=places) for value in values)
    interval = f"{confidence(row)}{NO_BREAK}CI {low.removesuffix(POINTS)} to {high.removesuffix(POINTS)}"
    return f"{estimate} ({interval})"


def bare(said: str, row: Mapping[str, Any]) -> str:
    """Return a printed shift as a table has room for it: its head says that it has an interval."""
    return said.replace(POINTS, NO_BREAK + POINTS.strip()).replace(f"{confidence(row)}{NO_BREAK}CI ", "")


def points(value: float, row: Mapping[str, Any], *, places: int | None = None) -> str:
    """Return a difference of a contrast's measure: in percentage points where that is a fraction.

    The decimals are those of :func:`cytometry.compare.sentence`, so that both print the same number: two
    figures of the larger mean, and for points at least one; ``places`` where an interval needs more.
    """
    if not isfinite(value):
        return NOTHING
    fraction = bool(row["unit"] == "fraction")
    places = _places(row) if places is None else places
    return (
        minus(f"{round((100.0 if fraction else 1.0) * value, places) + 0.0:,.{places}f}") + POINTS * fraction
    )


def _places(row: Mapping[str, Any]) -> int:
    fraction = bool(row["unit"] == "fraction")
    largest = (100.0 if fraction else 1.0) * max(
        abs(float(row["mean_control"])), abs(float(row["mean_treated"]))
    )
    return min(max(1 - floor(log10(largest)), int(fraction)), 4) if largest > 0 else 1


def on_another_scale(row: Mapping[str, Any]) -> bool:
    """Return whether the test was made on another scale than that of the shift: on logits, or on logarithms."""
    return str(row.get("test", "")).rpartition(" on ")[2].startswith(("logit", "log"))


def headline(row: Mapping[str, Any]) -> str:
    """Return the shift with its interval; with the ratio where the test, and so the p, is on the ratio's scale."""
    moved = shift(row)
    if moved == NOTHING or not on_another_scale(row) or ratio(row) == NOTHING:
        return moved
    kind = f"ratio of {row['ratio_kind']}s" if row["design"] == "interaction" else row["ratio_kind"]
    return f"{moved}; {kind} {ratio(row)}"


def scales_disagree(row: Mapping[str, Any]) -> bool:
    """Return whether no change lies in one of the intervals of shift and ratio, and not in the other."""
    ends = [float(row[key]) for key in ("shift_low", "shift_high", "ratio_low", "ratio_high")]
    return all(isfinite(end) for end in ends) and (ends[0] <= 0 <= ends[1]) != (ends[2] <= 1 <= ends[3])


def adjusted_p(row: Mapping[str, Any]) -> str:
    """Return ``Holm p = 0.0036``; nothing where the endpoint was not tested."""
    p = float(row["p_adjusted"])
    if not isfinite(p):
        return ""
    said = p_value(p)
    return f"{row['adjustment']} p {said if said.startswith('<') else f'= {said}'}"


def ratio(row: Mapping[str, Any]) -> str:
    """Return a contrast's odds ratio or fold with its interval; a dash where it has none."""
    values = [float(row[key]) for key in ("ratio", "ratio_low", "ratio_high")]
    if not all(isfinite(value) for value in values):
        return NOTHING
    places = beyond_zero(min(values), 0 if min(values) >= 100 else 2)
    estimate, low, high = (f"{value:,.{places}f}" for value in values)
    return f"{estimate} ({low} to {high})"


def confidence(row: Mapping[str, Any]) -> str:
    """Return the level of a contrast's interval."""
    level = float(row.get("confidence", 0.95) or 0.95)
    return f"{100 * level:g}{NO_BREAK}%"


def subjects(row: Mapping[str, Any]) -> str:
    """Return who was compared: ``n = 12 pairs``, ``n = 5 vehicle and 6 drug``, ``n = 4 and 4 cages``."""
    unit = str(row.get("counted") or "subject")
    of = f" of {unit}s" if unit != "subject" else ""
    if row["design"] == "paired":
        return f"n = {counted(int(row['n_pairs']), 'pair')}{of}"
    ends = int(row["n_control"]), int(row["n_treated"])
    if row["design"] == "trend" and ends[0] == ends[1]:
        return f"n = {counted(ends[0], unit)} over all levels"
    return f"n = {ends[0]} {row['control']} and {ends[1]} {row['treated']}" + f" ({unit}s)" * (
        unit != "subject"
    )


def once(reason: str) -> str:
    """Return a reason without what it says twice: of a tube, and in the same words of all tubes pooled."""
    own, pooled, again = reason.partition("; pooled from all tubes: ")
    return f"{own}, of this tube as of all tubes pooled" if pooled and again == own else reason


def name_of(path: str) -> str:
    """Return a population's own name, an MDSC as what it is: a phenotype."""
    return _phenotype(path.rsplit("/", 1)[-1])


def _phenotype(name: str) -> str:
    return f"{name} phenotype" if "MDSC" in name and "phenotype" not in name else name


def measure_of(row: Mapping[str, Any]) -> str:
    """Return what a contrast measures, with its denominator: ``PD-1+ of CD8 T``, ``CD8 T PD-1+ of CD45+``."""
    population, base = population_of(row), name_of(row["base"])
    if row["statistic"] == MEDIAN_INTENSITY:
        return f"median {row['marker']} intensity of {population}"
    if row["statistic"] == COUNT:
        return f"number of {population} events"
    net = " (stimulated minus unstimulated)" if row["statistic"] == NET_FRACTION_OF_PARENT else ""
    return f"{population} of {base}{net}"


def population_of(row: Mapping[str, Any]) -> str:
    """Return what to call a contrast's population: its name where the base tells which, else as ``named``."""
    parent = row["population"].rpartition("/")[0] or ALL_EVENTS
    if row["statistic"] != MEDIAN_INTENSITY and row["base"] == parent:
        return name_of(row["population"])
    return _phenotype(row.get("named") or name_of(row["population"]))


def counted(many: int, noun: str) -> str:
    """Return ``1 tube``, ``3 tubes``, ``no tube``."""
    if many == 0:
        return f"no {noun}"
    return f"{many:,} {noun if many == 1 else noun + 's'}"


def listed(names: Iterable[str], *, at_most: int | None = NAMED_AT_MOST) -> str:
    """Return names as a list in words, the rest counted where there are more than ``at_most``."""
    known = [str(name) for name in names]
    if at_most is not None and len(known) > at_most:
        return f"{', '.join(known[:at_most])} and {len(known) - at_most} more"
    return f"{', '.join(known[:-1])} and {known[-1]}" if len(known) > 1 else "".join(known)


def first_upper(text: str) -> str:
    """Return the text with a capital at its start; a name such as eMDSC or cDC1 keeps its own."""
    first = text.split(" ", 1)[0].rstrip(",;:.")
    return text[:1].upper() + text[1:] if first.isalpha() and first.islower() else text
