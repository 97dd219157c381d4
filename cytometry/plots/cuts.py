"""Cuts: what a shift becomes when the cut that it rests on lies elsewhere, drawn over where it lies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cytometry.plots.axes import MINUS
from cytometry.plots.style import (
    CONTROL_COLOUR,
    GREY,
    TREATED_COLOUR,
    Size,
    axes_at,
    new_figure,
    print_ticks,
    style,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

OWN = "own"
NARROW = 8.0  # of the largest to the smallest cut: less than a decade, which needs more ticks than 1, 2 and 5
MEANS = (0.0, 1.12, 1.0, 0.6)  # the axes of the means, in fractions of the frame
BELOW = (0.0, -0.24)  # the legend, under the axis' label
KINDS = {
    "own times a factor": ("o", "own cut times a factor"),
    "FMO quantile": ("s", "another quantile of the FMO"),
    "end of the own cut's interval": ("^", "95 % interval of the own cut"),
}


def cut_curve(
    cuts: pd.DataFrame, *, names: tuple[str, str] = ("control", "treated"), title: str = "", ax: Axes | None = None,
    size: str = "nature1",
) -> Axes:  # fmt: skip
    """Draw the shift with its interval at every cut, and above it the two means that it is the difference of.

    Parameters
    ----------
    cuts
        As :func:`cytometry.sensitivity.sensitivity` returns them.
    names
        What the two levels are called in the legend.

    Returns
    -------
    Axes
        The cut (median over tubes, compensated linear scale) on a log axis where all are positive; the shift in
        percentage points. The diamond is the cut that the run made. No p: choosing a cut by it would make it worthless.
        Cuts that could not be made are not drawn; the note below counts them.

    Raises
    ------
    ValueError
        If no cut has a shift.
    """
    rows = cuts[cuts["shift"].notna() & cuts["cut_linear"].notna()].sort_values("cut_linear", kind="stable")
    if rows.empty:
        msg = "no cut has a shift to draw; the column reason says why"
        raise ValueError(msg)
    with style(size) as page:
        k = page.scale
        if ax is None:
            figure = new_figure(page.width, 92.0 * k)
            ax = axes_at(figure, 13.0 * k, 34.0 * k, width=page.width - 17.0 * k, height=40.0 * k)
        means = ax.inset_axes(MEANS, sharex=ax)
        ax.axhline(0.0, color=GREY, linewidth=0.6 * k, zorder=0)
        curve = rows[rows["kind"] != "end of the own cut's interval"]
        ax.plot(curve["cut_linear"], 100 * curve["shift"], color="black", linewidth=0.6 * k, zorder=2)
        for column, name in zip(("mean_control", "mean_treated"), names, strict=True):
            _mean(means, curve, column, name=name, page=page)
        for one in (ax, means):
            _own_interval(one, rows)
        for kind in dict.fromkeys(rows["kind"]):
            _shifts(ax, rows[rows["kind"] == kind], kind, page=page)
        _finish(ax, means, rows, lost=len(cuts) - len(rows), title=title, page=page)
    return ax


def _mean(ax: Axes, curve: pd.DataFrame, column: str, *, name: str, page: Size) -> None:
    values = 100 * curve[column].to_numpy(dtype=np.float64)
    control = column == "mean_control"
    ax.plot(
        curve["cut_linear"], values, color=CONTROL_COLOUR if control else TREATED_COLOUR, zorder=1,
        linewidth=0.9 * page.scale, linestyle="-" if control else (0, (3, 1.5)), label=f"mean, {name}",
    )  # fmt: skip


def _own_interval(ax: Axes, rows: pd.DataFrame) -> None:
    ends = rows.loc[rows["kind"] == "end of the own cut's interval", "cut_linear"]
    if len(ends) == 2:
        ax.axvspan(float(ends.min()), float(ends.max()), color=GREY, alpha=0.15, linewidth=0, zorder=0)


def _shifts(ax: Axes, rows: pd.DataFrame, kind: str, *, page: Size) -> None:
    k = page.scale
    own = kind == OWN
    marker, said = ("D", "the cut of the run") if own else KINDS[kind]
    x, y = rows["cut_linear"].to_numpy(), 100 * rows["shift"].to_numpy()
    low, high = (100 * rows[end].to_numpy() for end in ("shift_low", "shift_high"))
    known = np.isfinite(low) & np.isfinite(high)
    ax.vlines(x[known], low[known], high[known], color="black", linewidth=(1.0 if own else 0.6) * k, zorder=3)
    ax.scatter(
        x, y, s=(20 if own else 9) * k**2, marker=marker, facecolors="black" if own else "white",
        edgecolors="black", linewidths=0.6 * k, zorder=5 if own else 4, label=said, gid=f"cuts:{kind}",
    )  # fmt: skip


def _finish(ax: Axes, means: Axes, rows: pd.DataFrame, *, lost: int, title: str, page: Size) -> None:
    if (rows["cut_linear"] > 0).all():
        ax.set_xscale("log")
        from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

        narrow = float(rows["cut_linear"].max() / rows["cut_linear"].min()) < NARROW
        ax.xaxis.set_major_locator(
            LogLocator(subs=(1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0) if narrow else (1.0, 2.0, 5.0))
        )
        ax.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        ax.xaxis.set_minor_formatter(NullFormatter())
    note = f"; {lost} cuts could not be made" if lost else ""
    ax.set_xlabel(f"cut, median over tubes (linear scale){note}", fontsize=page.medium)
    level = f"{100 * rows['confidence'].iloc[0]:g} % CI"
    ax.set_ylabel(f"shift, points ({level})", fontsize=page.medium)
    means.set_ylabel("% of parent", fontsize=page.medium)
    means.set_ylim(bottom=0.0)
    means.tick_params(labelbottom=False)
    if title:
        means.set_title(title, fontsize=page.medium, loc="left")
    for one in (ax, means):
        one.yaxis.set_major_formatter(lambda value, _: f"{value:g}".replace("-", MINUS))
        for edge in ("top", "right"):
            one.spines[edge].set_visible(False)
        print_ticks(one, page)
    means.legend(loc="best", fontsize=page.small, handletextpad=0.4, borderaxespad=0.3)
    ax.legend(
        loc="upper left", bbox_to_anchor=BELOW, ncols=2, fontsize=page.small, handletextpad=0.3,
        borderaxespad=0.0, columnspacing=1.0,
    )  # fmt: skip
    means.tick_params(which="both", labelbottom=False)
