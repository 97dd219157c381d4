"""Designs in words: what was asked of whom, for each kind of comparison."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cytometry.report.words import first_upper, listed

if TYPE_CHECKING:
    import pandas as pd

    from cytometry.store import Run

DRAWN = ("paired", "unpaired")  # designs whose two columns of values are the contrast


def asked(run: Run, name: str) -> dict[str, Any]:
    """Return a comparison as the study file declares it; nothing where the run does not say."""
    return next((one for one in run.info.get("comparisons", ()) if one["name"] == name), {})


def treated_of(rows: pd.DataFrame) -> list[str]:
    """Return the treated levels of a comparison's contrasts, in the order declared."""
    return [str(level) for level in dict.fromkeys(rows["treated"])]


def question(rows: pd.DataFrame, declared: Mapping[str, Any]) -> str:
    """Return what a comparison asks, as a sentence or two."""
    first = rows.iloc[0]
    control, factor, design = str(first["control"]), str(first["factor"]), str(first["design"])
    levels = treated_of(rows)
    treated = listed(levels, at_most=None)
    change = declared.get("change") or {}
    if change:
        ends = f"from {change['before']} to {change['after']}"
        held = (
            f"each subject's own change {ends}"
            if design == "interaction"
            else f"the value at {change['after']}, given that at {change['before']}"
        )
        text = f"{first_upper(held)}, {treated} minus {control} ({factor})"
        text += ": an arm x time interaction." if design == "interaction" else ": a covariate analysis."
    elif design == "trend":
        order = _levels(declared, control, levels)
        text = f"One trend over {listed(order, at_most=None)} ({factor}), in this order; shifts are last minus first."
    elif design == "paired":
        each = ", each" if len(levels) > 1 else ""
        text = f"{first_upper(treated)}{each} minus {control} ({factor}), in pairs: each {unit_of(first)} with itself."
    else:
        each = ", each" if len(levels) > 1 else ""
        text = f"{first_upper(treated)}{each} minus {control} ({factor}), between {unit_of(first)}s of one level each."
    return " ".join(part for part in (text, _more(rows, declared)) if part)


def _levels(declared: Mapping[str, Any], control: str, levels: list[str]) -> list[str]:
    treated = declared.get("treated", levels)
    return [control, *([treated] if isinstance(treated, str) else map(str, treated))]


def _more(rows: pd.DataFrame, declared: Mapping[str, Any]) -> str:
    """Return what else a reader must know of a design: what was kept, taken out, and counted."""
    parts = [
        f"Only tubes of {column} {listed([str(one) for one in ([kept] if isinstance(kept, str) else kept)])}."
        for column, kept in (declared.get("where") or {}).items()
    ]
    out = list(dict.fromkeys(one for said in rows["adjusted_for"] for one in str(said).split(", ") if one))
    if declared.get("formula"):
        parts.append(
            f"Model: {declared['formula']}; tested: {declared.get('tested') or rows.iloc[0]['term']}."
        )
    elif out:
        parts.append(f"Taken out where the design can spare it: {listed(out)}.")
    unit = unit_of(rows.iloc[0])
    if unit != "subject":
        parts.append(f"Subjects of one {unit} were treated together and are averaged: n counts {unit}s.")
    return " ".join(parts)


def unit_of(row: Mapping[str, Any] | pd.Series[Any]) -> str:
    """Return what n counts: ``subject``, or ``cage``."""
    return str(row.get("counted") or "subject")


def two_at_a_time(rows: pd.DataFrame) -> list[pd.DataFrame]:
    """Return the contrasts of a comparison, one table per treated level."""
    return [rows[rows["treated"].astype(str) == level] for level in treated_of(rows)]


def drawn(row: Mapping[str, Any]) -> bool:
    """Return whether the values at two levels are what a contrast compares, so that they can stand side by side."""
    return bool(row["design"] in DRAWN)
