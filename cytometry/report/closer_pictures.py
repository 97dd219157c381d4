"""The figures of the closer looks: shifts over cuts, and the parts of a shift."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cytometry.report.blocks import Picture, records
from cytometry.report.closer_grids import told_parts
from cytometry.report.drawing import figure_of
from cytometry.report.figures import FORMATS, NARROW, Studio, embedded, file_stem
from cytometry.report.words import measure_of, minus, shift

if TYPE_CHECKING:
    import pandas as pd

CAPTIONS = {
    "sensitivity": (
        "The same endpoint at other cuts: above, the two means; below, their difference with its interval. The diamond "
        "is the cut that the run made; places are medians over tubes."
    ),
    "decomposition": "Parts of the shift with their intervals; composition and within subsets add up to the total.",
}


def look_at(studio: Studio, table: str, found: pd.DataFrame, row: dict[str, Any]) -> Picture | None:
    """Return the figure of a closer look; None where it has none, or nothing to draw."""
    from cytometry import plots

    if table not in CAPTIONS or not studio.draws or found["shift"].isna().all():
        return None
    found = told_parts(found) if table == "decomposition" else found
    names = (str(row["control"]), str(row["treated"]))
    axes = plots.cut_curve(found, names=names) if table == "sensitivity" else plots.part_plot(found)
    named = "cut" if table == "sensitivity" else "part"
    # The names begin as those of all figures of a comparison do: what an earlier run left is swept away by them.
    stem = file_stem(f"compare_{table}_{row['comparison']}_{row['treated']}_{row['stain']}_{measure_of(row)}")
    path = studio.run.folder / "figures" / stem
    plots.save(figure_of(axes), path, formats=FORMATS)
    said = "; ".join(
        f"{one[named]}: {shift({**row, **one, 'unit': 'fraction'})}"
        for one in records(found[found["shift"].notna()])
    )
    return Picture(
        path.name, embedded(path), minus(f"{measure_of(row)}. {said}."), CAPTIONS[table], NARROW, FORMATS
    )
