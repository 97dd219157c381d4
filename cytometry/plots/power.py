"""Power curves: the share of simulated studies that find a shift, against the number of subjects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cytometry.plots.style import CONTROL_COLOUR, GREY, TREATED_COLOUR, Size, print_ticks, single_axes, style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

COLUMNS = ("n", "design", "test", "control", "treated", "power", "error")
COLOURS = {"paired": TREATED_COLOUR, "unpaired": CONTROL_COLOUR}
UNITS = {"paired": "pairs", "unpaired": "subjects per arm"}
DASHES = {"t": "-", "rank": (0, (4, 2)), "rank of fractions": (0, (1, 1.5))}
BAND = 2.0  # Monte-Carlo errors


def power_curve(
    table: pd.DataFrame, *, target: float = 0.8, ax: Axes | None = None, size: str = "nature1"
) -> Axes:
    """Draw the power of each plan against its number of subjects, with a band of two Monte-Carlo errors.

    Parameters
    ----------
    table
        As :func:`cytometry.power.power_table` gives. One curve per design, test and shift.
    target
        The power that is marked by a line; 0 for none.

    Raises
    ------
    ValueError
        If the table lacks a column, or has no row.
    """
    absent = [column for column in COLUMNS if column not in table.columns]
    if absent or table.empty:
        wrong = f"has no column {', '.join(absent)}" if absent else "has no row"
        msg = f"the table of power {wrong}; power_table() makes one"
        raise ValueError(msg)
    with style(size) as page:
        k = page.scale
        ax = single_axes(page, width=70.0) if ax is None else ax
        if target:
            ax.axhline(target, color=GREY, linewidth=0.6 * k, zorder=1)
        several = len(table[["control", "treated"]].drop_duplicates()) > 1
        for _, rows in table.groupby(["design", "test", "control", "treated"], sort=False):
            _curve(ax, rows.sort_values("n"), page, several=several)
        units = [UNITS[str(one)] for one in dict.fromkeys(table["design"])]
        ax.set_xlabel(" or ".join(units), fontsize=page.medium)
        ax.set_ylabel("power", fontsize=page.medium)
        ax.set_xlim(0, float(table["n"].max()) * 1.04)
        ax.set_ylim(0, 1.02)
        if not several:
            ax.set_title(_shift(table.iloc[0]), fontsize=page.medium, loc="left")
        print_ticks(ax, page)
        ax.legend(loc="lower right", fontsize=page.small, handlelength=2.6, borderaxespad=0.3)
    return ax


def _curve(ax: Axes, rows: pd.DataFrame, page: Size, *, several: bool) -> None:
    n, power, error = (rows[column].to_numpy(dtype=np.float64) for column in ("n", "power", "error"))
    first = rows.iloc[0]
    low, high = np.clip(power - BAND * error, 0, 1), np.clip(power + BAND * error, 0, 1)
    colour = COLOURS[first["design"]]
    ax.fill_between(n, low, high, color=colour, alpha=0.18, linewidth=0, zorder=2)
    ax.plot(
        n, power, color=colour, linestyle=DASHES[first["test"]], linewidth=page.scale, marker="o",
        markersize=2.2 * page.scale, zorder=3, gid=f"power:{first['design']}:{first['test']}",
        label=f"{first['design']}, {first['test']}" + f", {_shift(first)}" * several,
    )  # fmt: skip


def _shift(row: pd.Series[Any]) -> str:
    return f"{100 * row['control']:.1f} to {100 * row['treated']:.1f} %"
