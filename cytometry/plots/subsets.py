"""Subsets: a fraction within each subset of its parent, such as PD-1+ of naive and of memory cells, and its parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from cytometry.plots.axes import MINUS, elided
from cytometry.plots.contrast import COLOURS, MARKERS, level_legend
from cytometry.plots.style import (
    GREY,
    Size,
    axes_at,
    new_figure,
    print_ticks,
    single_axes,
    style,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

FEW = 20
ROW = 5.0  # mm at scale 1
TOTALS = ("total", "composition", "within subsets")


def subset_plot(
    fractions: pd.DataFrame,
    *,
    levels: tuple[str, str],
    population: str,
    ax: Axes | None = None,
    size: str = "nature1",
) -> Axes:
    """Draw the fraction positive within each subset, subject by subject, at two levels.

    Parameters
    ----------
    fractions
        As :func:`cytometry.decomposition.subset_fractions` gives: a row per subject, level and subset.
    levels
        Control and treated.
    population
        What is positive, for the axis: ``PD-1+``.

    Returns
    -------
    Axes
        Lines join the two values of a subject. Hollow: fewer than 20 events in the subset. A bar is the mean of the
        subjects with 20 events or more.

    Raises
    ------
    ValueError
        If there is no row at either level.
    """
    rows = fractions[fractions["level"].astype(str).isin(levels) & fractions["fraction"].notna()]
    if rows.empty:
        msg = f"no subject has a fraction at {levels[0]} or {levels[1]}"
        raise ValueError(msg)
    names = list(dict.fromkeys(rows["subset"]))
    with style(size) as page:
        ax = single_axes(page, width=84.0, height=58.0, right=4.0) if ax is None else ax
        k = page.scale
        for x, name in enumerate(names):
            some = rows[rows["subset"] == name]
            wide = some.pivot_table(index="subject", columns="level", values="fraction").reindex(
                columns=list(levels)
            )
            for subject, pair in (100 * wide.dropna()).iterrows():
                ax.plot(
                    [x - 0.17, x + 0.17], pair.to_numpy(), color=GREY, linewidth=0.4 * k, zorder=1,
                    gid=f"pair:{subject}",
                )  # fmt: skip
            for place, level in enumerate(levels):
                _strip(ax, some[some["level"] == level], x + (-0.17, 0.17)[place], level=place, page=page)
        _finish(ax, rows, names, levels, population=population, page=page)
    return ax


def _strip(ax: Axes, rows: pd.DataFrame, x: float, *, level: int, page: Size) -> None:
    k = page.scale
    enough = (rows["n"] >= FEW).to_numpy()
    values = 100 * rows["fraction"].to_numpy(dtype=np.float64)
    ax.scatter(
        np.full(len(values), x), values, s=7 * k**2, marker=MARKERS[level], linewidths=0.5 * k, zorder=2,
        facecolors=[COLOURS[level] if known else "white" for known in enough], edgecolors=COLOURS[level],
    )  # fmt: skip
    if enough.any():
        at = x + (-0.14, 0.14)[level]
        mean = float(values[enough].mean())
        ax.plot([at - 0.07, at + 0.07], [mean, mean], color="black", linewidth=1.2 * k, zorder=3)


def _finish(
    ax: Axes,
    rows: pd.DataFrame,
    names: Sequence[str],
    levels: tuple[str, str],
    *,
    population: str,
    page: Size,
) -> None:
    ax.set_xlim(-0.6, len(names) - 0.4)
    ax.set_xticks(range(len(names)), [elided(name, 12) for name in names])
    ax.set_ylim(bottom=min(0.0, ax.get_ylim()[0]))
    ax.set_ylabel(f"{population} (% of the subset)", fontsize=page.medium)
    sizes = {level: rows.loc[rows["level"] == level, "subject"].nunique() for level in levels}
    level_legend(ax, sizes, page=page)
    for edge in ("top", "right"):
        ax.spines[edge].set_visible(False)
    print_ticks(ax, page)


def part_plot(parts: pd.DataFrame, *, title: str = "", ax: Axes | None = None, size: str = "nature1") -> Axes:
    """Draw the parts of a shift with their intervals: by composition, and within each subset.

    Parameters
    ----------
    parts
        :attr:`cytometry.decomposition.Decomposition.parts`.

    Returns
    -------
    Axes
        Diamonds: the total and its two parts, which add up to it; dots: the subsets' shares of the second part. A part
        that is zero in every subject has no interval.

    Raises
    ------
    ValueError
        If there are no parts.
    """
    if parts.empty:
        msg = "there are no parts to draw"
        raise ValueError(msg)
    with style(size) as page:
        k = page.scale
        if ax is None:
            figure = new_figure(page.width, (len(parts) * ROW + 20.0) * k)
            ax = axes_at(figure, 28.0 * k, 7.0 * k, width=page.width - 52.0 * k, height=len(parts) * ROW * k)
        for y, row in enumerate(parts.to_dict("records")):
            _part(ax, y, row, page=page)
        first = parts.iloc[0]
        ax.axvline(0.0, color=GREY, linewidth=0.6 * k, zorder=0)
        ax.set_ylim(len(parts) - 0.4, -0.6)
        ax.set_yticks(range(len(parts)), [("  " * (p not in TOTALS)) + p for p in parts["part"]])
        ax.tick_params(axis="y", length=0)
        ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}".replace("-", MINUS))
        n = (
            f"{first['n_pairs']} pairs"
            if first["n_pairs"]
            else f"n = {first['n_control']} and {first['n_treated']}"
        )
        level = f"{100 * first['confidence']:g} % CI"
        ax.set_xlabel(f"shift, percentage points ({level}, {n})", fontsize=page.medium)
        if title:
            ax.set_title(title, fontsize=page.medium, loc="left")
        for edge in ("top", "right", "left"):
            ax.spines[edge].set_visible(False)
        print_ticks(ax, page)
        ax.tick_params(axis="y", length=0)
    return ax


def _part(ax: Axes, y: int, row: Mapping[Any, Any], *, page: Size) -> None:
    k = page.scale
    value, low, high = (100 * float(row[name]) for name in ("shift", "shift_low", "shift_high"))
    total = row["part"] in TOTALS
    if np.isfinite(low) and np.isfinite(high):
        ax.plot([low, high], [y, y], color="black", linewidth=0.9 * k, zorder=1, gid=f"interval:{y}")
        said = f"{value:+.2f} [{low:+.2f}, {high:+.2f}]".replace("-", MINUS)
    else:
        said = f"{value:+.2f}".replace("-", MINUS)
    ax.scatter(
        [value], [y], s=(16 if total else 9) * k**2, marker="D" if total else "o", zorder=2,
        facecolors="black" if total else "white", edgecolors="black", linewidths=0.6 * k,
    )  # fmt: skip
    ax.text(1.02, y, said, transform=ax.get_yaxis_transform(), ha="left", va="center", fontsize=page.small)
