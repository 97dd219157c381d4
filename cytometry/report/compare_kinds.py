"""The figures of what was compared, as they are asked for by name: see :mod:`cytometry.report.kinds`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cytometry.errors import RunError
from cytometry.report.blocks import records
from cytometry.report.contrasts import contrasts_of
from cytometry.report.drawing import draw_contrast, figure_of
from cytometry.report.kinds import Asked, Captioned
from cytometry.report.shift_captions import forest_caption
from cytometry.report.words import listed, measure_of
from gating.errors import StrategyError
from gating.strategy import find_path

ROWS = 55  # of a forest that fits a page of 170 mm, with the headings of its families

if TYPE_CHECKING:
    import pandas as pd

    from cytometry.store import Run


def compare(run: Run, asked: Asked) -> dict[str, Captioned]:
    """Draw the subjects of each endpoint that was asked for: those of a population, else the declared ones."""
    from cytometry import plots

    return {
        f"compare_{row['comparison']}_{row['stain']}_{measure_of(row)}": Captioned(
            draw_contrast(run, row, size=asked.size), plots.contrast_caption(row)
        )
        for row in records(_endpoints(run, asked))
    }


def forest(run: Run, asked: Asked) -> dict[str, Captioned]:
    """Draw the contrasts of each comparison, on as many pages as they need; of many only those that were tested."""
    from cytometry import plots

    found: dict[str, Captioned] = {}
    for name, every in contrasts_asked(run, asked).groupby("comparison", sort=False):
        tested = every[every["p"].notna()]
        rows = every if len(every) <= ROWS else tested
        pages = [rows.iloc[at : at + ROWS] for at in range(0, len(rows), ROWS)] or [rows]
        for number, some in enumerate(pages, start=1):
            stem = f"forest_all_{name}" + f"_{number}" * (len(pages) > 1)
            figure = figure_of(plots.forest(some, size=asked.size))
            page = f" Page {number} of {len(pages)}." * (len(pages) > 1)
            found[stem] = Captioned(figure, forest_caption(every) + page)
    return found


def contrasts_asked(run: Run, asked: Asked) -> pd.DataFrame:
    """Return the contrasts of the comparison that was named, or of all.

    Raises
    ------
    RunError
        If the run compares nothing, or has no comparison of that name.
    """
    contrasts = contrasts_of(run)
    if contrasts.empty:
        msg = f"{run.folder} compares nothing, so that there is nothing to draw"
        raise RunError(msg)
    if not asked.comparison:
        return contrasts
    rows = contrasts[contrasts["comparison"] == asked.comparison]
    if rows.empty:
        known = listed(dict.fromkeys(contrasts["comparison"]), at_most=None)
        msg = f"no comparison is called {asked.comparison!r}; the run has {known}"
        raise RunError(msg)
    return rows


def _endpoints(run: Run, asked: Asked) -> pd.DataFrame:
    contrasts = contrasts_asked(run, asked)
    if not asked.population:
        declared = contrasts[contrasts["family"] != "exploratory"]
        return declared if len(declared) else contrasts.head(1)
    try:
        path = find_path(asked.population, tuple(dict.fromkeys(contrasts["population"])))
    except StrategyError as error:
        raise RunError(str(error)) from error
    rows = contrasts[contrasts["population"] == path]
    rows = rows[rows["marker"] == asked.marker] if asked.marker else rows
    if rows.empty:
        msg = f"no contrast of {path} is about {asked.marker!r}"
        raise RunError(msg)
    return rows
