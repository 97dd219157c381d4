"""Functions: every combination of cytokines that a cell can make, as bars over a grid of which, and as pies.

Roederer M, Nozzi JL, Nason MC. SPICE: exploration and analysis of post-cytometric complex multivariate datasets.
Cytometry A 2011;79:167-174. Lex A, et al. UpSet: visualization of intersecting sets. IEEE TVCG 2014;20:1983-1992.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from cytometry.plots.contrast import COLOURS, MARKERS, level_legend, swarm
from cytometry.plots.style import (
    GREY,
    LIGHT_GREY,
    Size,
    axes_at,
    new_figure,
    print_ticks,
    style,
)
from cytometry.table import NET_FRACTION_OF_PARENT
from gating.scales import Floats

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

JOINED = " & "
SHADES = ("#F0F0F0", "#CFE3EF", "#7FB6D6", "#0072B2", "#00395A")  # by number of functions, none first


def function_bars(
    subsets: pd.DataFrame,
    *,
    levels: tuple[str, str],
    factor: str = "timepoint",
    base: str = "",
    size: str = "nature1",
) -> Figure:
    """Draw each combination of functions as the mean over subjects at two levels, with the subjects as dots.

    Parameters
    ----------
    subsets
        Of :func:`cytometry.subsets.subset_table`, best after ``subtract_background``: net fractions may be negative,
        and are drawn so.
    levels
        Control and treated, of the column ``factor``.
    base
        The parent, where several have subsets.

    Returns
    -------
    Figure
        Bars above, filled circles below for the functions that a combination has; the one with none is left out, since
        it is what remains of the parent. Tubes of one subject and level are averaged first.

    Raises
    ------
    ValueError
        If there is nothing of that parent at either level, or subsets are both net and not.
    """
    rows = chosen_subsets(subsets, levels=levels, factor=factor, base=base)
    rows = rows[rows["n_functions"] > 0]
    order = (
        rows[["positive", "n_functions"]]
        .drop_duplicates()
        .sort_values("n_functions", ascending=False, kind="stable")
    )
    combinations = [str(one) for one in order["positive"]]
    functions = list(
        dict.fromkeys(
            name for one in sorted(combinations, key=lambda c: c.count(JOINED)) for name in one.split(JOINED)
        )
    )
    with style(size) as page:
        k = page.scale
        low = 4.0 * len(functions)
        width = page.width / k - 30.0
        figure = new_figure(page.width, (52.0 + low) * k)
        bars = axes_at(figure, 26.0 * k, 8.0 * k, width=width * k, height=38.0 * k)
        grid = axes_at(figure, 26.0 * k, 47.0 * k, width=width * k, height=low * k)
        for place, level in enumerate(levels):
            _bars(bars, rows[rows[factor].astype(str) == level], combinations, level=place, page=page)
        _grid(grid, combinations, functions, page=page)
        _finish(bars, rows, levels, page=page)
        grid.set_xlim(bars.get_xlim())
        return figure


def function_pies(
    subsets: pd.DataFrame,
    *,
    levels: tuple[str, str],
    factor: str = "timepoint",
    base: str = "",
    size: str = "nature1",
) -> Figure:
    """Draw the make-up of the responders at two levels by number of functions: one pie each, of the mean over subjects.

    Parameters, errors: as in :func:`function_bars`. A pie has no negative slice: means of net fractions below zero are
    drawn as zero, and the figure says so. Cells without any function are left out.
    """
    rows = chosen_subsets(subsets, levels=levels, factor=factor, base=base)
    most = int(rows["n_functions"].max())
    with style(size) as page:
        k = page.scale
        figure = new_figure(page.width, 52.0 * k)
        floored = 0
        for place, level in enumerate(levels):
            some = rows[rows[factor].astype(str) == level]
            means = some.groupby("positive")["value"].mean()
            number = some.groupby("positive")["n_functions"].first()
            floored += int((means[number > 0] < 0).sum())
            slices = [float(means[number == n].clip(lower=0).sum()) for n in range(1, most + 1)]
            ax = axes_at(
                figure, (6.0 + 40.0 * place) * k, 9.0 * k, width=32.0 * k, height=32.0 * k
            )  # square: a pie is round
            _pie(ax, slices, page=page)
            n = some["subject"].nunique()
            ax.set_title(f"{level}, n = {n}", fontsize=page.medium)
        note = f"; {floored} mean net fractions below 0 drawn as 0" if floored else ""
        figure.text(
            0.03, 0.03, f"Responders of {_short(rows)} by number of functions{note}", fontsize=page.small,
            va="bottom",
        )  # fmt: skip
        return figure


def chosen_subsets(
    subsets: pd.DataFrame, *, levels: Sequence[str], factor: str, base: str = ""
) -> pd.DataFrame:
    """Return the subsets of one parent at some levels, a row per subject, level and combination.

    Raises
    ------
    ValueError
        If nothing is left, several parents are, or net fractions stand beside plain ones.
    """
    rows = subsets[(subsets["kind"] == "sample") & subsets[factor].astype(str).isin(list(levels))]
    if (rows["statistic"] == NET_FRACTION_OF_PARENT).any():
        rows = rows[rows["statistic"] == NET_FRACTION_OF_PARENT]
    parents = [
        one for one in dict.fromkeys(rows["base"]) if not base or one == base or one.endswith(f"/{base}")
    ]
    if len(parents) != 1:
        known = ", ".join(dict.fromkeys(str(one).rpartition("/")[2] for one in subsets["base"])) or "none"
        msg = f"combinations are of one parent; those that have any at {' and '.join(levels)} are {known}"
        raise ValueError(msg)
    rows = rows[(rows["base"] == parents[0]) & rows["value"].notna()]
    if rows.empty:
        msg = f"no subset of {parents[0]} has a value at {' or '.join(levels)}"
        raise ValueError(msg)
    keys = ["subject", factor, "base", "positive", "n_functions", "statistic"]
    averaged: pd.DataFrame = rows.groupby(keys, sort=False)["value"].mean().reset_index()
    return averaged


def _bars(ax: Axes, rows: pd.DataFrame, combinations: Sequence[str], *, level: int, page: Size) -> None:
    k = page.scale
    offset = (-0.2, 0.2)[level]
    colour = COLOURS[level]
    for x, name in enumerate(combinations):
        values: Floats = 100 * rows.loc[rows["positive"] == name, "value"].to_numpy(dtype=np.float64)
        if not len(values):
            continue
        ax.bar(x + offset, values.mean(), width=0.36, color=colour, alpha=0.35, linewidth=0, zorder=1)
        spread = 0.1 * swarm(values, width=0.02 * float(np.ptp(values) or 1.0)) / 0.4
        ax.scatter(
            x + offset + spread, values, s=3.5 * k**2, marker=MARKERS[level], color=colour, linewidths=0,
            zorder=2, gid=f"subjects:{level}:{name}",
        )  # fmt: skip
        mean = float(values.mean())
        ax.plot(
            [x + offset - 0.18, x + offset + 0.18], [mean, mean], color="black", linewidth=0.9 * k, zorder=3
        )


def _grid(ax: Axes, combinations: Sequence[str], functions: Sequence[str], *, page: Size) -> None:
    k = page.scale
    for x, name in enumerate(combinations):
        held = [y for y, function in enumerate(functions) if function in name.split(JOINED)]
        ax.plot([x, x], [min(held), max(held)], color="black", linewidth=0.8 * k, zorder=1)
        for y in range(len(functions)):
            ax.scatter(
                [x], [y], s=12 * k**2, color="black" if y in held else LIGHT_GREY, linewidths=0, zorder=2
            )
    ax.set_ylim(len(functions) - 0.4, -0.6)
    ax.set_yticks(range(len(functions)), functions)
    ax.set_xticks([])
    for edge in ax.spines.values():
        edge.set_visible(False)
    print_ticks(ax, page)
    ax.tick_params(axis="y", length=0)


def _finish(ax: Axes, rows: pd.DataFrame, levels: tuple[str, str], *, page: Size) -> None:
    net = "net " if (rows["statistic"] == NET_FRACTION_OF_PARENT).all() else ""
    ax.axhline(0.0, color=GREY, linewidth=0.5 * page.scale, zorder=0)
    ax.set_xlim(-0.6, rows["positive"].nunique() - 0.4)
    ax.set_xticks([])
    ax.set_ylabel(f"{net}% of {_short(rows)}", fontsize=page.medium)
    for edge in ("top", "right", "bottom"):
        ax.spines[edge].set_visible(False)
    of_level = rows[rows.columns[1]].astype(str)
    level_legend(ax, {level: rows.loc[of_level == level, "subject"].nunique() for level in levels}, page=page)
    print_ticks(ax, page)


def _pie(ax: Axes, slices: Sequence[float], *, page: Size) -> None:
    total = sum(slices)
    if total <= 0:
        ax.set_axis_off()
        ax.text(0.5, 0.5, "no responders", transform=ax.transAxes, ha="center", va="center", color="0.4")
        return
    shades = SHADES[1:] if len(slices) < len(SHADES) else SHADES[1:] * len(slices)
    ax.pie(
        slices, colors=shades[: len(slices)], startangle=90, counterclock=False,
        labels=[f"{n} function{'s' * (n > 1)}\n{100 * s / total:.0f} %" for n, s in enumerate(slices, 1)],
        labeldistance=1.12, textprops={"fontsize": page.small}, radius=0.8,
        wedgeprops={"linewidth": 0.5 * page.scale, "edgecolor": "white"},
    )  # fmt: skip


def _short(rows: pd.DataFrame) -> str:
    return str(rows["base"].iloc[0]).rpartition("/")[2]
