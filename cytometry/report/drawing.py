"""Drawing: a tube's hierarchy, a boundary over its control, one contrast, as the run recorded them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from cytometry.errors import CytometryError
from cytometry.report.choice import Overlaid
from cytometry.report.odd import absent_gates, own_gates

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

    from cytometry.panel import Panel
    from cytometry.plots.axes import Limits
    from cytometry.plots.histogram import Curve
    from cytometry.store import Run
    from gating.columns import Columns

DRAWN = 5_000  # events a plot of a hierarchy: enough to see every population, light enough for a page
LOOKED_AT = 4  # tubes of a stain, from which the limits of its axes are taken


def draw_hierarchy(
    run: Run,
    tube: str,
    *,
    leaves: Iterable[str] | None = None,
    kind: str = "auto",
    size: str = "nature2",
    max_events: int = DRAWN,
) -> Figure | SubFigure:
    """Draw the gating hierarchy of one tube, to some of its populations or to all."""
    from cytometry import plots

    found, columns = run.gated(tube), run.columns(tube)
    return plots.gating_hierarchy(
        found.strategy,
        columns,
        found.membership,
        panel=panel_of(run, tube),
        leaves=None if leaves is None else list(leaves),
        marked=own_gates(run, tube),
        absent=absent_gates(run, tube) if leaves is None else {},
        limits=limits_of(run, tube, columns),
        kind=kind,  # type: ignore[arg-type]
        size=size,
        max_events=max_events,
    )


def panel_of(run: Run, tube: str) -> Panel:
    """Return the panel of a tube's stain."""
    return run.panel(run.info["tubes"][tube]["stain"])


def limits_of(
    run: Run, tube: str, columns: Columns, *, names: Sequence[str] | None = None
) -> dict[str, Limits]:
    """Return display limits of dimensions, the same for all tubes of the stain: those of a few, evenly chosen.

    Of all dimensions where no ``names`` are given.

    A tube whose file is gone, or changed, is passed over; where none is left, those of the tube alone are taken.
    """
    from cytometry import plots

    stain = run.info["tubes"][tube]["stain"]
    of_stain = {n: t for n, t in run.info["tubes"].items() if t["stain"] == stain and t["status"] == "gated"}
    tubes = sorted(name for name, t in of_stain.items() if t["kind"] == "sample") or sorted(of_stain)
    step = max(1, len(tubes) // LOOKED_AT)
    seen = []
    for name in tubes[::step][:LOOKED_AT]:
        with suppress(CytometryError):
            seen.append(columns if name == tube else run.columns(name))
    known = [one for one in seen if set(columns.dimensions) <= set(one.dimensions)] or [columns]
    return plots.shared_limits(known, list(columns.dimensions if names is None else names))


def draw_overlay(run: Run, chosen: Overlaid, *, size: str = "nature1") -> tuple[Figure, list[Curve]]:
    """Draw a boundary's population in its tubes, over the control that it was learnt from."""
    from cytometry import plots

    curves = curves_of(run, chosen)
    tubes = [run.columns(tube) for tube in chosen.tubes]
    axes = plots.overlay(
        curves,
        scale=tubes[0].dimensions[chosen.marker].scale,
        limits=plots.shared_limits(tubes, [chosen.marker])[chosen.marker],
        label=run.panel(run.info["tubes"][chosen.fmo]["stain"]).label(chosen.marker),
        size=size,
    )
    return figure_of(axes), curves


def draw_contrast(run: Run, row: dict[str, Any], *, size: str = "nature1") -> Figure:
    """Draw the subjects of one contrast: joined by lines where they are pairs, else in two strips."""
    from cytometry import plots

    draw = plots.paired_plot if row["design"] == "paired" else plots.strip_plot
    return figure_of(draw(compared(run, row), row, size=size))


def figure_of(axes: Axes) -> Figure:
    """Return the figure that the axes stand on."""
    figure = axes.get_figure(root=True)
    if figure is None:
        msg = "these axes stand on no figure"
        raise ValueError(msg)
    return figure


def compared(run: Run, row: dict[str, Any]) -> pd.DataFrame:
    """Return the rows of the table that a contrast was made from: those its comparison keeps."""
    table = run.table
    for comparison in run.info.get("comparisons", ()):
        if comparison["name"] == row["comparison"]:
            for column, wanted in (comparison.get("where") or {}).items():
                table = table[table[column].isin([wanted] if isinstance(wanted, str) else list(wanted))]
    return table


def curves_of(run: Run, chosen: Overlaid) -> list[Curve]:
    """Return the tubes of an overlay, samples first, each with its own cut; the control with the first one's."""
    from cytometry import plots

    curves: list[Curve] = []
    scale = run.columns(next(iter(chosen.tubes))).dimensions[chosen.marker].scale
    for tube, label in [*chosen.tubes.items(), (chosen.fmo, f"FMO of {chosen.marker}")]:
        found = run.gated(tube)
        if chosen.parent and chosen.parent not in found.membership.populations:
            continue
        rows = found.membership.rows(chosen.parent)
        values = scale.forward(run.columns(tube).linear(chosen.marker, rows))
        cuts = [
            r.linear for r in found.gates if (r.population, r.marker) == (chosen.population, chosen.marker)
        ]
        known = [float(scale.forward(cut)) for cut in cuts if np.isfinite(cut)]
        fmo = tube == chosen.fmo
        cut = curves[0].cut if fmo and curves else known[0] if known else None
        curves.append(plots.Curve(label, values, cut=cut, fmo=fmo))
    return curves
