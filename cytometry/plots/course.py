"""Course: a measure over doses or times, subject by subject, with the mean of each step and its interval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from cytometry.effects import paired_t
from cytometry.plots.contrast import measure_label
from cytometry.plots.style import OKABE_ITO, Size, print_ticks, single_axes, style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

COLOURS = tuple(OKABE_ITO[name] for name in ("blue", "vermilion", "bluish green", "reddish purple", "orange"))
MARKERS = ("o", "^", "s", "D", "v")


def course(
    table: pd.DataFrame,
    endpoint: dict[str, Any],
    *,
    along: str,
    steps: Sequence[str | float] | None = None,
    by: str = "",
    confidence: float = 0.95,
    ax: Axes | None = None,
    size: str = "nature1",
) -> Axes:
    """Draw each subject's values over ordered steps as a thin line, and each step's mean with its t interval.

    Parameters
    ----------
    table
        The tidy table.
    endpoint
        stain, population, marker, statistic and base of what is drawn: a row of the contrasts has them.
    along
        The column of doses or times.
    steps
        Their order; numbers are placed by their value, words one beside the other. As found, numbers ascending, if
        not given.
    by
        A column such as ``arm`` whose levels get a colour, a mark and a small offset each.

    Returns
    -------
    Axes
        Intervals are those of the mean at one step over its subjects, whose number stands under it; they do not test a
        trend. A step with one subject has no interval.

    Raises
    ------
    ValueError
        If nothing is there to draw.
    """
    rows = _rows(table, endpoint, along)
    if rows.empty:
        msg = f"no sample has {endpoint['statistic']} of {endpoint['population']} and a {along}"
        raise ValueError(msg)
    wanted = [str(step) for step in (steps if steps is not None else _steps(rows[along]))]
    places = _places(wanted)
    levels = list(dict.fromkeys(rows[by].astype(str))) if by else [""]
    keys = ["subject", along, *([by] if by else [])]
    at_steps = rows[rows[along].astype(str).isin(wanted)]
    rows = at_steps.groupby(keys, sort=False)["value"].mean().reset_index()
    factor = 100.0 if endpoint["unit"] == "fraction" else 1.0
    with style(size) as page:
        ax = single_axes(page, width=84.0, height=58.0, right=4.0) if ax is None else ax
        gap = 0.03 * (max(places) - min(places) or 1.0)
        for number, level in enumerate(levels):
            some = rows[rows[by].astype(str) == level] if by else rows
            shifted = [place + gap * (number - (len(levels) - 1) / 2) for place in places]
            wide = factor * some.assign(step=some[along].astype(str)).pivot(
                index="subject", columns="step", values="value"
            ).reindex(columns=wanted)
            _draw(ax, wide, shifted, number=number, label=level, confidence=confidence, page=page)
        _finish(ax, rows, endpoint, along=along, steps=wanted, places=places, page=page)
        if by:
            ax.legend(
                loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=3, fontsize=page.small, borderaxespad=0.2
            )
    return ax


def _rows(table: pd.DataFrame, endpoint: dict[str, Any], along: str) -> pd.DataFrame:
    rows = table[(table["kind"] == "sample") & table["value"].notna()]
    for column in ("stain", "population", "marker", "statistic", "base"):
        rows = rows[rows[column] == endpoint[column]]
    return rows[rows[along].astype(str) != ""]


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def _steps(values: pd.Series[Any]) -> list[str]:
    found = list(dict.fromkeys(values.astype(str)))
    numbers = [_number(one) for one in found]
    return found if np.isnan(numbers).any() else [found[i] for i in np.argsort(numbers, kind="stable")]


def _places(steps: Sequence[str]) -> list[float]:
    numbers = [_number(step) for step in steps]
    return [float(i) for i in range(len(steps))] if np.isnan(numbers).any() else numbers


def _draw(
    ax: Axes, wide: pd.DataFrame, places: Sequence[float], *, number: int, label: str, confidence: float,
    page: Size,
) -> None:  # fmt: skip
    k = page.scale
    colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
    for subject, values in wide.iterrows():
        ax.plot(places, values.to_numpy(), color=colour, linewidth=0.35 * k, alpha=0.45, zorder=1,
                marker=marker, markersize=1.4 * k, markeredgewidth=0, gid=f"subject:{subject}")  # fmt: skip
    means = wide.mean().to_numpy()
    for x, step in zip(places, wide.columns, strict=True):
        values = wide[step].dropna()
        if len(values) > 1:
            found = paired_t(values, confidence=confidence)
            ax.plot(
                [x, x], [found.low, found.high], color=colour, linewidth=1.0 * k, zorder=2, gid="interval"
            )
    ax.plot(places, means, color=colour, linewidth=1.1 * k, marker=marker, markersize=3.6 * k, zorder=3,
            label=label, markeredgecolor="white", markeredgewidth=0.4 * k)  # fmt: skip


def _finish(
    ax: Axes, rows: pd.DataFrame, endpoint: dict[str, Any], *, along: str, steps: Sequence[str],
    places: Sequence[float], page: Size,
) -> None:  # fmt: skip
    sizes = [rows.loc[rows[along].astype(str) == step, "subject"].nunique() for step in steps]
    ax.set_xticks(list(places), [f"{step}\nn = {n}" for step, n in zip(steps, sizes, strict=True)])
    ax.set_xlabel(along.replace("_", " "), fontsize=page.medium)
    ax.set_ylabel(measure_label(endpoint), fontsize=page.medium)
    if endpoint["unit"] == "fraction":
        ax.set_ylim(bottom=min(0.0, ax.get_ylim()[0]))
    for edge in ("top", "right"):
        ax.spines[edge].set_visible(False)
    print_ticks(ax, page)
