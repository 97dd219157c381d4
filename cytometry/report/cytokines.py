"""Cytokines: net fractions, combinations of functions, who responded, and how many functions cells have at once."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cytometry.errors import CytometryError
from cytometry.report.blocks import Cell, Grid, cells, records
from cytometry.report.contrasts import contrasts_of
from cytometry.report.levels import Levels
from cytometry.report.populations import means, remarks
from cytometry.report.tables import table_of
from cytometry.report.words import NOTHING, bare, confidence, name_of, shift
from cytometry.table import NET_FRACTION_OF_PARENT

if TYPE_CHECKING:
    import pandas as pd

    from cytometry.store import Run

MEASURES = {
    "mean_functions": "functions a responding cell has, mean",
    "polyfunctional_share": "responding cells with two functions or more, %",
    "polyfunctionality_index": "polyfunctionality index (Larsen 2012)",
}
TABLE = "polyfunctionality"


@dataclass(frozen=True, slots=True, eq=False)
class Cytokines:
    """What the page says of cytokines; false where no tube was stimulated."""

    net: Grid
    subsets: Grid
    responses: Grid
    polyfunctionality: Grid
    tables: Mapping[str, pd.DataFrame]

    def __bool__(self) -> bool:
        return bool(self.net or self.subsets or self.responses)


def cytokines(run: Run, levels: Levels) -> Cytokines:
    """Return the net fractions, Boolean combinations, responses and polyfunctionality of a run."""
    subsets = table_of(run, "subsets")
    responses = table_of(run, "responses")
    poly, table = _polyfunctionality(run, subsets, levels)
    tables = {TABLE: table} if table is not None else {}
    known = {_bare(path) for path in run.table["population"].unique()}
    return Cytokines(
        net_grid(run, levels), _subsets(subsets, levels, known), _responses(responses, levels), poly, tables
    )


def net_grid(run: Run, levels: Levels) -> Grid:
    """Return the net fractions, stimulated minus unstimulated; no rows where no tube was stimulated."""
    net = levels.kept(run.table[run.table["statistic"] == NET_FRACTION_OF_PARENT])
    none = without_function(run)
    places = zip(net["stain"], net["population"], strict=True)
    net = net[np.array([place not in none for place in places], dtype=np.bool_)]
    sizes = levels.sizes(net)
    rows = []
    for (_, stimulus, path, base), of in net.groupby(["stain", "stimulus", "population", "base"], sort=False):
        name = _named(f"{name_of(str(path))} of {name_of(str(base))}", str(stimulus), net)
        rows.append(cells([Cell(name, title=str(path)), *means(of, levels, sizes), remarks(of)]))
    columns = ("net fraction, in %", *levels.heads(sizes), "remarks")
    caption = (
        "Cytokine-positive fractions of the stimulated tube minus those of the unstimulated tube of the same "
        f"specimen, in % of the base: {levels.said}. Negative values are kept. Cells without any function are no "
        "response, and have no net fraction here."
    )
    return Grid(caption, columns, tuple(rows), frozenset(range(1, len(columns) - 1)))


def without_function(run: Run) -> set[tuple[str, str]]:
    """Return stain and path of the combinations of no function at all, such as ``IFN-g-TNF-a-IL-2-``."""
    return {
        (stain, row.path)
        for stain, about in run.info["stains"].items()
        if "template" in about
        for row in run.template(stain).populations
        if row.boolean and all(one.complement for term in row.boolean.terms for one in term)
    }


def _named(name: str, stimulus: str, rows: pd.DataFrame) -> str:
    """Return a name with its stimulus, where there are several."""
    return f"{name}, {stimulus}" if stimulus and rows["stimulus"].nunique() > 1 else name


def _subsets(subsets: pd.DataFrame | None, levels: Levels, known: Container[str]) -> Grid:
    """Return the combinations of functions that the table of net fractions lacks, those with most functions first."""
    if subsets is None:
        return Grid("", (), ())
    net = levels.kept(subsets[subsets["statistic"] == NET_FRACTION_OF_PARENT])
    net = net.assign(n_functions=net["n_functions"].astype(int))
    net = net[
        (net["n_functions"] > 0) & ~net["population"].map(lambda path: _bare(path) in known)
    ].sort_values(["base", "n_functions"], ascending=[True, False], kind="stable")
    sizes = levels.sizes(net)
    rows = []
    for (base, stimulus, path, many), of in net.groupby(
        ["base", "stimulus", "population", "n_functions"], sort=False
    ):
        name = Cell(_named(name_of(str(path)), str(stimulus), net), title=str(path))
        functions = Cell(str(many), float(str(many)))
        rows.append(cells([name, name_of(str(base)), functions, *means(of, levels, sizes), remarks(of)]))
    columns = ("combination", "of", "functions", *levels.heads(sizes), "remarks")
    caption = (
        f"Combinations of functions that no gate of the template is, net, in % of the parent: {levels.said}."
    )
    return Grid(caption, columns, tuple(rows), frozenset(range(2, len(columns) - 1)))


def _bare(path: str) -> str:
    """Return a path whose last name has no spaces: a combination is called with them, its gate without."""
    above, _, name = path.rpartition("/")
    return f"{above}/{name.replace(' ', '')}"


def _responses(responses: pd.DataFrame | None, levels: Levels) -> Grid:
    """Return in how many specimens of each level a response was detected, subset by subset."""
    if responses is None:
        return Grid("", (), ())
    here = levels.kept(responses)
    rows = []
    for (path, base, stimulus), of in here.groupby(["population", "base", "stimulus"], sort=False):
        name = Cell(_named(name_of(str(path)), str(stimulus), here), title=str(path))
        at = [_detected(levels.at(of, level)) for level in levels.names]
        rows.append(cells([name, name_of(str(base)), *at]))
    columns = ("combination", "of", *levels.names)
    caption = (
        "Responses: specimens with more positive cells stimulated than unstimulated (exact test and rules), of those "
        "that could be tested. Detection within one subject, with cells as n; it compares no subjects."
    )
    return Grid(caption, columns, tuple(rows), frozenset(range(2, len(columns))))


def _detected(rows: pd.DataFrame) -> Cell:
    tested = rows[rows["p"].notna()]
    many = int((tested["detected"].astype(str) == "True").sum())
    return Cell(f"{many} of {len(tested)}", many / len(tested)) if len(tested) else Cell(NOTHING)


def _polyfunctionality(
    run: Run, subsets: pd.DataFrame | None, levels: Levels
) -> tuple[Grid, pd.DataFrame | None]:
    """Return how many functions responding cells have, with the shift of each first contrast; no p."""
    from cytometry.polyfunctionality import polyfunctionality

    none = Grid("", (), ())
    if subsets is None:
        return none, None
    net = subsets[subsets["statistic"] == NET_FRACTION_OF_PARENT]
    net = net.assign(n_functions=net["n_functions"].astype(int))
    try:
        table = polyfunctionality(net)
    except CytometryError:
        return none, None
    here = levels.kept(table)
    sizes = levels.sizes(here)
    shifts = _shifts(run, table)
    interval = f"shift ({confidence(records(contrasts_of(run).head(1))[0])} CI)" if shifts else ""
    rows = []
    for (path, stimulus, statistic), of in here.groupby(["population", "stimulus", "statistic"], sort=False):
        as_percent = of.assign(unit="fraction") if statistic == "polyfunctional_share" else of
        moved = [shifts.get((str(path), str(statistic)), Cell(NOTHING))] if shifts else []
        name = Cell(_named(name_of(str(path)), str(stimulus), here), title=str(path))
        rows.append(
            cells([name, MEASURES[str(statistic)], *means(as_percent, levels, sizes), *moved, remarks(of)])
        )
    columns = ("cells", "measure", *levels.heads(sizes), *([interval] if shifts else []), "remarks")
    caption = f"Functions that responding cells have at once, net of the unstimulated tube: {levels.said}."
    if shifts:
        caption += " Exploratory, and outside the families: intervals, and no p."
    return Grid(caption, columns, tuple(rows), frozenset(range(2, len(columns) - 1))), table


def _shifts(run: Run, table: pd.DataFrame) -> dict[tuple[str, str], Cell]:
    """Return the shift of each measure under the comparison that the run makes first; nothing where there is none."""
    from cytometry.asked import asked_of
    from cytometry.compare import compare

    contrasts = contrasts_of(run)
    if contrasts.empty:
        return {}
    first = contrasts.iloc[0]
    try:
        question = asked_of(run, str(first["comparison"]), treated=str(first["treated"]))
        found = compare(table, **question)
    except CytometryError:  # a trend, or too few; the means stand without
        return {}
    said = {}
    for row in records(found):
        unit = {**row, "unit": "fraction"} if row["statistic"] == "polyfunctional_share" else row
        said[str(row["population"]), str(row["statistic"])] = Cell(bare(shift(unit), unit), row["shift"])
    return said
