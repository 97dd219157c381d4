"""Lesser doubts, folded on the page: borrowed boundaries, few events, control tubes, what a panel cannot show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cytometry.measure import FEW_POSITIVE, FEWEST_POSITIVE
from cytometry.report.attention import EXPECTED, sentence_of
from cytometry.report.blocks import Cell, Grid, cells, records
from cytometry.report.endpoint_notices import learnt_instead
from cytometry.report.resting import MEASURED, OUTLYING, borrowed_gates, measured_tubes, outlying_gates
from cytometry.report.words import NOTHING, counted, listed, minus, name_of
from cytometry.table import FRACTION_OF_PARENT, LOW_COUNT
from gating.records import FOLLOWS

if TYPE_CHECKING:
    import pandas as pd

    from cytometry.store import Run


@dataclass(frozen=True, slots=True)
class Doubt:
    """A folded table and the line that opens it."""

    title: str
    grid: Grid


def doubts(run: Run) -> list[Doubt]:
    """Return the lesser doubts, those that there are."""
    found = [outlying(run), borrowed(run), few_events(run), controls_without_gate(run), left_out(run)]
    return [doubt for doubt in found if doubt.grid]


def outlying(run: Run) -> Doubt:
    """Return the boundaries that lie, or the fractions that are, far from those of the tubes of the same cohort."""
    gates = outlying_gates(run)
    if gates.empty:
        return Doubt("", Grid("", (), ()))
    rows = []
    # A fraction is one of a population, however many cuts it has; cuts come first, being what a fraction follows.
    of_cut = gates[OUTLYING].str.contains("cut", regex=False)
    gates = gates.assign(_cut=gates["marker"].where(of_cut, "")).loc[
        of_cut.sort_values(ascending=False, kind="stable").index
    ]
    for (stain, path, _, what), of in gates.groupby(["stain", "population", "_cut", OUTLYING], sort=False):
        far = numbers(of["cohort_distance" if "cut" in str(what) else "fraction_distance"])
        tubes = Cell(listed(dict.fromkeys(of["tube"]), at_most=4), title=", ".join(dict.fromkeys(of["tube"])))
        most = float(far.abs().max())
        name = Cell(name_of(str(path)), title=str(path))
        distance = Cell(f"{most:.1f}" if np.isfinite(most) else NOTHING, most)
        rows.append(
            cells(
                [
                    name,
                    listed(dict.fromkeys(of["marker"])),
                    str(stain),
                    str(what),
                    Cell(str(of["tube"].nunique()), float(of["tube"].nunique())),
                    distance,
                    tubes,
                ]
            )
        )
    columns = ("population", "on", "stain", "what is far", "tubes", "SDs, at most", "which")
    caption = (
        "Cuts and fractions further from those of the same cohort than chance brings them; found blind to arm and "
        "timepoint. A drug may do that, and so may a bad stain: look at the pages of these gates."
    )
    title = f"Outlying gates ({len(rows)})"
    return Doubt(title, Grid(caption, columns, tuple(rows), frozenset({4, 5})))


def numbers(column: pd.Series[str]) -> pd.Series[float]:
    """Return a column as numbers, NaN where it holds none."""
    import pandas as pd

    return pd.to_numeric(column, errors="coerce").astype(float)


def borrowed(run: Run) -> Doubt:
    """Return the boundaries that were not learnt as the template asks first, and from what instead."""
    import pandas as pd

    gates = borrowed_gates(run)
    instead = pd.Series([learnt_instead(run, row) for row in records(gates)], index=gates.index, dtype=object)
    rows = []
    for (stain, marker, how), of in gates.groupby(["stain", "marker", instead], sort=False):
        names = listed(dict.fromkeys(name_of(path) for path in of["population"]))
        tubes = of["tube"].nunique()
        why = minus(str(of["reason"].iloc[0]).partition(", hence")[0])
        where = Cell(str(tubes), float(tubes), title=", ".join(dict.fromkeys(of["tube"])))
        rows.append(cells([str(marker), names, str(stain), where, str(how), why]))
    columns = ("boundary", "populations", "stain", "tubes", "learnt instead", "why, for example")
    caption = "Boundaries that were not learnt from the tubes that the template names first. The gate table names them."
    title = f"Borrowed boundaries ({len(rows)})"
    return Doubt(title, Grid(caption, columns, tuple(rows), frozenset({3})))


def few_events(run: Run) -> Doubt:
    """Return the populations with too few events for a value, or few enough to be flagged."""
    table = run.table[run.table["kind"].isin(MEASURED) & (run.table["statistic"] == FRACTION_OF_PARENT)]
    table = table[~table["tube"].isin(run.tubes.loc[run.tubes["status"] == "failed", "tube"])]
    without_gate = _without_gate(run)
    rows = []
    for (stain, path), of in table.groupby(["stain", "population"], sort=False):
        none = of[of["value"].isna()]
        has_gate = [(row["tube"], row["population"]) not in without_gate for row in records(none)]
        none = none[np.array(has_gate, dtype=np.bool_)]  # an empty list would choose columns
        low = of[of["flag"].str.contains(LOW_COUNT, regex=False)]
        rare = of[of["flag"].str.contains(FEW_POSITIVE, regex=False)]
        if len(none) or len(low) or len(rare):
            name = Cell(name_of(str(path)), title=str(path))
            base = name_of(str(of["base"].iloc[0]))
            rows.append(
                cells([name, base, str(stain), _tubes(none), _tubes(low), _tubes(rare), f"{len(of)}"])
            )
    columns = (
        "population", "base", "stain", "tubes without a value", "tubes with few events of the base",
        "tubes with few positive events", "of tubes",
    )  # fmt: skip
    limits = f"{run.info.get('low_count', '')} and {run.info.get('flag_count', '')}"
    caption = (
        f"Few events of the base: under {limits} events there is no value, or a flagged one. Few positive events: the "
        f"fraction rests on fewer than {FEWEST_POSITIVE}, and its own count makes it uncertain."
    )
    title = f"Populations with few events ({len(rows)})"
    return Doubt(title, Grid(caption, columns, tuple(rows), frozenset({3, 4, 5, 6})))


def controls_without_gate(run: Run) -> Doubt:
    """Return the control tubes in which a boundary was not found, unless they lack the marker."""
    gates = run.gates[(run.gates["status"] == "abstained") & ~run.gates["tube"].isin(measured_tubes(run))]
    gates = gates[~gates["reason"].str.endswith(FOLLOWS)]
    gates = gates[~gates["reason"].str.contains(EXPECTED, regex=False)]
    rows = [
        cells(
            [
                str(marker) or name_of(str(of["population"].iloc[0])),
                str(stain),
                listed(dict.fromkeys(of["tube"])),
                sentence_of(of["reason"].iloc[0]),
            ]
        )
        for (stain, marker), of in gates.groupby(["stain", "marker"], sort=False)
    ]
    columns = ("boundary", "stain", "control tubes", "why, for example")
    title = f"Boundaries not found in control tubes ({len(rows)})"
    return Doubt(title, Grid("What these controls cannot answer for.", columns, tuple(rows)))


def left_out(run: Run) -> Doubt:
    """Return the populations of the templates that a stain's panel cannot show."""
    rows = []
    for stain, about in run.info["stains"].items():
        for lost in about.get("lost") or ():
            path, _, why = str(lost).partition(": ")
            rows.append(cells([Cell(name_of(path), title=path), stain, about["template_name"], why]))
    title = f"{counted(len(rows), 'population')} left out of the templates"
    return Doubt(
        title, Grid("What the panels cannot show.", ("population", "stain", "template", "why"), tuple(rows))
    )


def _without_gate(run: Run) -> set[tuple[str, str]]:
    missing = run.gates[run.gates["status"] == "abstained"]
    return set(zip(missing["tube"], missing["population"], strict=True))


def _tubes(rows: pd.DataFrame) -> Cell:
    return Cell(str(len(rows)), float(len(rows)), title=", ".join(rows["tube"]))
