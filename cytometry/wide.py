"""Wide tables: a row per tube and a column per readout, as people paste them; percent of the named base."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cytometry.table import COUNT, MEDIAN_INTENSITY, NET_FRACTION_OF_PARENT

if TYPE_CHECKING:
    import pandas as pd

    from cytometry.store import Run

LABELS = ("tube", "kind", "specimen", "subject", "arm", "timepoint", "stimulus", "batch")
FRACTION = "fraction"


def wide_sheets(run: Run) -> list[tuple[str, str, pd.DataFrame]]:
    """Return name, description and wide table of each stain's fractions, medians and counts, and of what else there is.

    A tube that has no value has an empty cell; ``tables/statistics.csv`` says why.
    """
    found = []
    for stain in run.stains:
        table = run.table[run.table["stain"] == stain]
        net, count = table["statistic"] == NET_FRACTION_OF_PARENT, table["statistic"] == COUNT
        median = table["statistic"] == MEDIAN_INTENSITY
        parts = (
            ("Percent", (table["unit"] == FRACTION) & ~net, "Percent of the named base, a row per tube."),
            (
                "Net percent",
                net,
                "Percent of the base, stimulated minus unstimulated tube of the same specimen.",
            ),
            ("Medians", median, "Median intensity on the compensated linear scale, a row per tube."),
            ("Counts", count, "Events counted in each population, a row per tube."),
            (
                "Other",
                ~(net | count | median | (table["unit"] == FRACTION)),
                "Other measures, a row per tube; the unit is in the head.",
            ),
        )
        found += [(f"{name} {stain}", about, wide(table[keep])) for name, keep, about in parts if keep.any()]
    return found


def wide(rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows of the tidy table as a row per tube and a column per readout, fractions in percent."""
    import pandas as pd

    labels = [name for name in LABELS if name in rows.columns]
    names = short_names(rows["population"])
    factor = rows["unit"].eq(FRACTION).map({True: 100.0, False: 1.0})
    long = pd.DataFrame(
        {
            "tube": rows["tube"],
            "head": [
                _head(names[path], base, marker, statistic=statistic, unit=unit)
                for path, base, marker, statistic, unit in zip(
                    rows["population"],
                    rows["base"],
                    rows["marker"],
                    rows["statistic"],
                    rows["unit"],
                    strict=True,
                )
            ],
            "value": rows["value"] * factor,
        }
    )
    cells = long.pivot_table(
        index="tube", columns="head", values="value", aggfunc="first", sort=False, dropna=False
    )
    about = rows[labels].drop_duplicates("tube").set_index("tube", drop=False)
    done = pd.concat([about, cells.reindex(about.index)], axis=1).reset_index(drop=True)
    done.columns.name = None
    return done


def short_names(paths: pd.Series[str]) -> dict[str, str]:
    """Return for each path the shortest end of it that no other path has: ``CD8 T/PD-1+`` beside ``CD4 T/PD-1+``."""
    known = [str(path) for path in dict.fromkeys(paths)]
    found = {}
    for path in known:
        parts = path.split("/")
        for size in range(1, len(parts) + 1):
            end = "/".join(parts[-size:])
            if sum(f"/{other}".endswith(f"/{end}") for other in known) == 1:
                break
        found[path] = end
    return found


def _head(name: str, base: str, marker: str, *, statistic: str, unit: str) -> str:
    if unit == FRACTION:
        return f"{name} (% of {base.rsplit('/', 1)[-1]})"
    if statistic == MEDIAN_INTENSITY:
        return f"{marker} of {name} (median, linear scale)"
    return f"{name} ({unit})"
