"""The figures of the page: each drawn once, saved for print, and embedded with its numbers in words."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cytometry.errors import CytometryError
from cytometry.report.blocks import Picture, records
from cytometry.report.choice import overlaid, representative
from cytometry.report.drawing import draw_contrast, draw_hierarchy, draw_overlay, figure_of
from cytometry.report.words import (
    NOTHING,
    amount,
    counted,
    first_upper,
    measure_of,
    minus,
    name_of,
    percent,
    shift,
    subjects,
)
from cytometry.table import FRACTION_OF_PARENT

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure, SubFigure

    from cytometry.store import Run

FORMATS = ("pdf", "svg", "png")
LARGEST_SVG = 1_500_000  # bytes; beyond, the PNG goes into the page
MOST_ROWS = 30  # of a forest
LEFT_OUT = "The figures were left out."
WIDE, NARROW = 60.0, 27.0  # rem on the page


@dataclass(frozen=True, slots=True)
class Studio:
    """Draws the figures of one run into its ``figures/`` folder; none where ``draws`` is not set."""

    run: Run
    draws: bool = True

    def hierarchy(self, stain: str) -> tuple[Picture | None, str]:
        """Return the gating hierarchy of the stain's representative tube, or why there is none."""
        chosen = representative(self.run, stain)
        if not chosen.tube:
            return None, chosen.why
        if not self.draws:
            return None, LEFT_OUT
        try:
            figure = draw_hierarchy(self.run, chosen.tube)
        except CytometryError as error:
            return None, f"No figure: {error}"
        many = counted(len(self.run.strategy(chosen.tube).populations), "population")
        caption = (
            f"Gating strategy of tube {chosen.tube}: {many}. Each plot shows the events of the population in its "
            f"title; arrows lead from a gate to its events. The scales of the axes are in the table of channels. "
            f"{chosen.why}"
        )
        return self._picture(figure, f"gating_{stain}", self._tree(chosen.tube), caption, width=WIDE), ""

    def overlay(self, stain: str) -> Picture | None:
        """Return the population whose boundary came from an FMO control, over that control; None without one."""
        from cytometry import plots

        tube = representative(self.run, stain).tube
        chosen = overlaid(self.run, stain, tube) if tube and self.draws else None
        if chosen is None:
            return None
        try:
            figure, curves = draw_overlay(self.run, chosen)
        except CytometryError:
            return None
        caption = plots.overlay_caption(curves, marker=chosen.marker, population=name_of(chosen.parent))
        said = "; ".join(f"{curve.label} {percent(curve.positive)}" for curve in curves)
        alt = f"{chosen.marker} of {name_of(chosen.parent)}, fraction at or above the cut: {said}."
        stem = f"overlay_{chosen.marker}_{stain}"
        return self._picture(figure, stem, alt, f"{caption} {chosen.why}", width=NARROW)

    def contrast(self, row: dict[str, Any]) -> Picture | None:
        """Return the subjects of one contrast, paired or in strips; None where nothing can be drawn."""
        drawn = np.isfinite(row["mean_control"]) or np.isfinite(row["mean_treated"])
        if not (drawn and self.draws):
            return None
        unit, moved = row["unit"], shift(row)
        means = " to ".join(amount(row[key], unit) for key in ("mean_control", "mean_treated"))
        alt = f"{first_upper(measure_of(row))}, {row['control']} to {row['treated']}: {means}"
        alt += f"; shift {moved}; {subjects(row)}." if moved != NOTHING else f"; {subjects(row)}."
        stem = f"compare_{row['comparison']}_{row['stain']}_{measure_of(row)}"
        caption = (
            "Lines join the two values of a subject; black bars are means, the diamond is the mean difference with its "
            "interval."
            if row["design"] == "paired"
            else "Each mark is a subject; black bars are means, the diamond is their difference with its interval."
        )
        return self._picture(draw_contrast(self.run, row), stem, alt, caption, width=NARROW)

    def forest(self, contrasts: pd.DataFrame, name: str) -> Picture | None:
        """Return a forest of exploratory contrasts, those of smallest p where there are too many to read."""
        from cytometry import plots

        tested = contrasts[contrasts["p"].notna()]
        if tested.empty or not self.draws:
            return None
        shown = tested.head(MOST_ROWS)
        figure = figure_of(plots.forest(shown))
        m = int(contrasts["m"].iloc[0])
        cut = (
            f" The {len(shown)} with the smallest p are drawn; all are in the table below."
            if len(shown) < m
            else ""
        )
        kinds = sorted({*shown["ratio_kind"]} - {""})
        what = "shift" if shown["unit"].nunique() == 1 else " or ".join(kinds)
        caption = (
            f"Exploratory contrasts, {what} with {100 * float(shown['confidence'].iloc[0]):g} % intervals; p "
            f"adjusted after Benjamini and Hochberg over m = {m}.{cut}"
        )
        first = "; ".join(f"{measure_of(row)} {shift(row)}" for row in records(shown.head(5)))
        alt = f"Forest of {counted(len(shown), 'contrast')}. Those of smallest p: {first}."
        return self._picture(figure, f"forest_{name}" if name else "forest", alt, caption, width=WIDE)

    def _tree(self, tube: str) -> str:
        """Return a tube's populations in words, each with its share of its parent."""
        table = self.run.table
        rows = table[(table["tube"] == tube) & (table["statistic"] == FRACTION_OF_PARENT)]
        said = "; ".join(
            f"{name_of(row['population'])} {percent(row['value'])} of {name_of(row['base'])}"
            for row in records(rows[rows["value"].notna()])
        )
        return f"Gating hierarchy of tube {tube}. {said}."

    def _picture(
        self, figure: Figure | SubFigure, stem: str, alt: str, caption: str, *, width: float
    ) -> Picture:
        from cytometry import plots

        path = self.run.folder / "figures" / file_stem(stem)
        plots.save(figure, path, formats=FORMATS)
        return Picture(path.name, embedded(path), minus(alt), minus(caption), width, FORMATS)


def embedded(stem: Path) -> str:
    """Return the saved figure as a data address: its SVG, or its PNG where the SVG is heavy."""
    path, kind = stem.with_name(f"{stem.name}.svg"), "svg+xml"
    if path.stat().st_size > LARGEST_SVG:
        path, kind = stem.with_name(f"{stem.name}.png"), "png"
    return f"data:image/{kind};base64,{base64.b64encode(path.read_bytes()).decode('ascii')}"


def file_stem(text: str) -> str:
    """Return the text as a file name that every system takes: PD-1+ of CD8 T is ``PD-1+_of_CD8_T``."""
    kept = "".join(letter if letter.isalnum() or letter in "+-_." else "_" for letter in text)
    return "_".join(part for part in kept.split("_") if part).strip(".") or "figure"
