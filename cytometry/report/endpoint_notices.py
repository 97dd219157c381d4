"""Endpoint notices: declared endpoints that rest on borrowed cuts, or on cuts that stand apart from the others."""

from __future__ import annotations

import re
from math import isnan
from typing import TYPE_CHECKING, Any

from cytometry.report.blocks import Notice, records
from cytometry.report.resting import (
    OUTLYING,
    borrowed_gates,
    declared_of,
    measured_gates,
    outlying_gates,
    resting_on,
)
from cytometry.report.words import counted, first_upper, listed, measure_of
from gating.records import OF_COHORT, POOLED
from gating.sources import KINDS

if TYPE_CHECKING:
    from cytometry.store import Run

BORROWED_CUT, STANDS_APART = "borrowed cut", "outlying cut"


def borrowed_endpoints(run: Run) -> list[Notice]:
    """Return the declared endpoints that rest on boundaries not learnt from the tubes that the template names first."""
    gates, found = borrowed_gates(run), []
    for row in declared_of(run):
        here = resting_on(run, gates, row)
        if here.empty:
            continue
        cuts = [
            f"{marker} in {of['tube'].nunique()} of {counted(_n_cut(run, row, str(marker)), 'tube')}"
            for marker, of in here.groupby("marker", sort=False)
        ]
        title = f"Declared endpoint {measure_of(row)} rests on borrowed cuts: {listed(cuts, at_most=None)}"
        how = listed(dict.fromkeys(learnt_instead(run, one) for one in records(here)), at_most=None)
        found.append(Notice(BORROWED_CUT, title, f"Learnt {how}.", tuple(dict.fromkeys(here["tube"]))))
    return found


def outlying_endpoints(run: Run) -> list[Notice]:
    """Return the declared endpoints that rest on a cut far from those of the same cohort."""
    gates, found = outlying_gates(run), []
    if gates.empty:
        return []
    gates = gates[gates[OUTLYING].str.contains("cut", regex=False)]
    for row in declared_of(run):
        for marker, of in resting_on(run, gates, row).groupby("marker", sort=False):
            tubes = tuple(dict.fromkeys(of["tube"]))
            title = f"Declared endpoint {measure_of(row)}: {marker} cut stands apart in {listed(tubes, at_most=3)}"
            text = (
                "Its values there may be those of another cut, and not of other cells: look at the pages of this gate "
                "before believing the shift."
            )
            places = tuple(f"{one['tube']}: {_where(one)}" for one in records(of.drop_duplicates("tube")))
            found.append(Notice(STANDS_APART, title, text, places))
    return found


def learnt_instead(run: Run, row: dict[str, Any]) -> str:
    """Return how a borrowed boundary was learnt, after ``learnt``."""
    source = KINDS.get(row["source"], row["source"])
    if row["status"] == POOLED:
        return "from all tubes of the stain together"
    if row["status"] == OF_COHORT:
        return "as the median of the boundaries of other tubes"
    about = run.info["tubes"]
    others = {_subject(about, tube) for tube in re.split("[;,] ", str(row["learnt_from"])) if tube} - {""}
    if len(others) > 1 and row["source"] not in {"", "own"}:
        labels = about[row["tube"]]["labels"]
        batch = {
            tube["labels"].get("subject", "")
            for tube in about.values()
            if tube["stain"] == row["stain"]
            and tube["kind"] == "sample"
            and tube["labels"].get("batch") == labels.get("batch")
        } - {""}
        whose = "all subjects of the batch" if others == batch else "several subjects"
        return f"from the {source}s of {whose} together, instead of the subject's own"
    if not row["reason"]:
        return f"from the {source} of another subject"
    return f"by {row['rule']}" + ("" if row["source"] in {"", "own"} else f" of the {source}")


def _subject(about: dict[str, Any], tube: str) -> str:
    return str(about[tube]["labels"].get("subject", "")) if tube in about else ""


def _n_cut(run: Run, row: dict[str, Any], marker: str) -> int:
    """Return in how many tubes the endpoint rests on a boundary on this marker."""
    gates = resting_on(run, measured_gates(run), row)
    return int(gates.loc[gates["marker"] == marker, "tube"].nunique())


def _where(row: dict[str, Any]) -> str:
    said = f"cut at {float(row['linear']):,.0f}"
    middle = float(row["cohort_linear"])
    return said if isnan(middle) else first_upper(f"{said}, the cohort's at {middle:,.0f}")
