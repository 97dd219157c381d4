"""Forest: every endpoint of a comparison on one axis, with its interval and adjusted p as text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from cytometry.plots.axes import elided
from cytometry.plots.contrast import measure_label
from cytometry.plots.style import GREY, MM_PER_INCH, Size, axes_at, new_figure, print_ticks, style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.text import Text

Measure = Literal["auto", "shift", "ratio"]

ROW, TIGHTEST_ROW = 4.4, 2.5  # mm at scale 1
AROUND = (5.0, 12.0)  # above and below the rows
LETTER, LEAST_LETTERS = 1.28, 12
SHAPES = {"primary": "D", "secondary": "s", "exploratory": "o"}


@dataclass(frozen=True, slots=True)
class _Table:
    """The text beside the plot: room for names on its left, and columns on its right, in mm at scale 1.

    ``columns`` gives where each begins, from the plot's right edge.
    """

    names: float
    right: float
    columns: Mapping[str, float]


WIDE = _Table(58.5, 66.0, MappingProxyType({"numbers": 1.8, "n": 38.5, "p": 51.0}))
NARROW = _Table(36.0, 16.0, MappingProxyType({"p": 1.8}))
NARROW_PAGE = 120.0
WIDE_RATIO, MOST_TICKS = 6.0, 8  # of the largest to the smallest on an axis of ratios


def forest(
    contrasts: pd.DataFrame, *, measure: Measure = "auto", ax: Axes | None = None, size: str = "nature2"
) -> Axes:
    """Draw the difference of every endpoint with its interval; numbers and adjusted p stand beside it.

    Parameters
    ----------
    contrasts
        As :func:`cytometry.compare.compare` returns them, drawn from the top in their order, by family.
    measure
        ``shift`` in the measure's unit, percentage points for fractions; ``ratio``, odds ratio or fold, on a
        log axis. ``auto`` takes the shift where all endpoints share a unit.

    Raises
    ------
    ValueError
        If the shift is asked for and the endpoints have several units.

    Notes
    -----
    An endpoint that was not tested keeps its row, with the reason. On a narrow page (89 mm) only the adjusted p
    stands beside the plot. No contrasts give an empty frame that says so.
    """
    chosen = _measure(contrasts, measure)
    lines = _lines(contrasts)
    paths = sorted({*contrasts["population"], *contrasts["base"]})
    stains = contrasts["stain"].nunique() > 1
    with style(size) as page:
        table = NARROW if page.width / page.scale < NARROW_PAGE else WIDE
        drawn_on = _axes(page, len(lines), table) if ax is None else ax
        names = (
            ("ratio", "ratio_low", "ratio_high")
            if chosen == "ratio"
            else ("shift", "shift_low", "shift_high")
        )
        for y, line in enumerate(lines):
            heading = isinstance(line, str)
            name = line if heading else measure_label(line, paths) + f" [{line['stain']}]" * stains
            _write(drawn_on, y, {-1.2: name}, page=page, bold=heading)
            if not heading:
                _fit(drawn_on, drawn_on.texts[-1], room=(table.names - 2.0) * page.scale)
            if not heading:
                factor = 100.0 if chosen == "shift" and line["unit"] == "fraction" else 1.0
                ends = [line[end] * factor for end in names]
                _draw(drawn_on, y, ends, line=line, page=page)
                cells = {"numbers": _numbers(ends, line), "n": _n(line), "p": _p(line, table)}
                _write(drawn_on, y, {at: cells[c] for c, at in table.columns.items()}, page=page)
        _finish(drawn_on, lines, contrasts, chosen=chosen, page=page, table=table)
    return drawn_on


def _measure(contrasts: pd.DataFrame, asked: Measure) -> Literal["shift", "ratio"]:
    units = sorted(set(contrasts["unit"]))
    if asked == "shift" and len(units) > 1:
        msg = f"shifts in {' and '.join(units)} do not share an axis; take measure='ratio', or one unit at a time"
        raise ValueError(msg)
    if asked == "auto":
        return "shift" if len(units) <= 1 else "ratio"
    return asked


def _lines(contrasts: pd.DataFrame) -> list[Any]:
    """Return the rows from the top: a heading per family, then its contrasts."""
    lines: list[Any] = []
    for family in dict.fromkeys(contrasts["family"]):
        rows = contrasts[contrasts["family"] == family]
        heading = f"{family.capitalize()} ({rows.iloc[0]['adjustment']}, m = {rows.iloc[0]['m']})"
        lines += [heading, *(row for _, row in rows.iterrows())]
    return lines


def _axes(page: Size, n_lines: int, table: _Table) -> Axes:
    k = page.scale
    room = page.height / k - sum(AROUND)
    row = max(min(ROW, room / max(n_lines, 1)), TIGHTEST_ROW)
    height = max(n_lines, 2) * row
    figure = new_figure(page.width, (height + sum(AROUND)) * k)
    width = page.width - (table.names + table.right) * k
    return axes_at(figure, table.names * k, AROUND[0] * k, width=width, height=height * k)


def _write(ax: Axes, y: float, cells: Mapping[float, str], *, page: Size, bold: bool = False) -> None:
    """Write text beside the plot, so many mm from its right edge; what is left of 0 ends left of the plot."""
    width = ax.get_window_extent().width / ax.figure.dpi * MM_PER_INCH / page.scale
    for at, text in cells.items():
        x, align = (at / width, "right") if at < 0 else (1 + at / width, "left")
        ax.text(
            x, y, text, transform=ax.get_yaxis_transform(), ha=align, va="center", fontsize=page.small,
            fontweight="bold" if bold else "normal",
        )  # fmt: skip


def _draw(ax: Axes, y: int, ends: list[float], *, line: Any, page: Size) -> None:
    k = page.scale
    value, low, high = ends
    if np.isfinite(low) and np.isfinite(high):
        ax.plot([low, high], [y, y], color="black", linewidth=0.8 * k, zorder=2, gid=f"interval:{y}")
    if np.isfinite(value):
        primary = line["family"] == "primary"
        ax.scatter(
            [value], [y], s=13 * k**2, marker=SHAPES.get(line["family"], "o"), linewidths=0.7 * k,
            facecolors="black" if primary else "white", edgecolors="black", zorder=3,
        )  # fmt: skip


def _numbers(ends: list[float], line: Any) -> str:
    value, low, high = ends
    digits = 2 if max(abs(value), 0.0) < 10 else 1
    if max(abs(value), 0.0) >= 1000:
        digits = 0
    if line["reason"] and not np.isfinite(low):
        return elided(f"not tested: {line['reason']}", int((WIDE.columns["n"] - 3.0) / LETTER * 1.15))
    if not np.isfinite(value):
        return _in_points(line)
    return f"{value:,.{digits}f} [{low:,.{digits}f}, {high:,.{digits}f}]".replace("-", "\N{MINUS SIGN}")


def _in_points(line: Any) -> str:
    """Return the shift of an endpoint that has no ratio, such as a net fraction: a number where no dot can be."""
    ends = [float(line[end]) for end in ("shift", "shift_low", "shift_high")]
    if line["unit"] != "fraction" or not all(map(np.isfinite, ends)):
        return "no ratio"
    value, low, high = (f"{100 * end:.2f}".replace("-", "\N{MINUS SIGN}") for end in ends)
    return f"{value} points [{low}, {high}]"


def _fit(ax: Axes, text: Text, *, room: float) -> None:
    """Shorten a name in its middle until it is no wider than the room, in mm."""
    whole = text.get_text()
    for letters in range(len(whole), LEAST_LETTERS, -1):
        text.set_text(elided(whole, letters))
        if text.get_window_extent().width / ax.figure.dpi * MM_PER_INCH <= room:
            return


def _n(line: Any) -> str:
    return str(line["n_pairs"]) if line["design"] == "paired" else f"{line['n_control']}, {line['n_treated']}"


def _p(line: Any, table: _Table) -> str:
    p = line["p_adjusted"]
    if not np.isfinite(p):
        return "" if "numbers" in table.columns else "not tested"
    return "<0.001" if p < 0.001 else f"{p:.2g}"


def ratio_ticks(low: float, high: float) -> list[float]:
    """Return plain numbers between two ratios: 0.5, 1, 2, 5 over a wide range, 0.8, 1, 1.2 over a narrow one."""
    if high / low > WIDE_RATIO:
        decades = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
        every = (1.0, 2.0, 5.0) if high / low < WIDE_RATIO**3 else (1.0,)
        choice = [10.0**decade * first for decade in decades for first in every]
    else:
        step = next(s for s in (0.05, 0.1, 0.2, 0.5, 1.0, 2.0) if (high - low) / s <= MOST_TICKS)
        choice = (np.arange(np.floor(low / step), np.ceil(high / step) + 1) * step).round(2).tolist()
    return [value for value in choice if low <= value <= high]


def _finish(
    ax: Axes, lines: list[Any], contrasts: pd.DataFrame, *, chosen: str, page: Size, table: _Table
) -> None:
    ax.set_ylim(len(lines) - 0.4, -0.6)
    ax.set_yticks([])
    for side in ("top", "left", "right"):
        ax.spines[side].set_visible(False)
    if chosen == "ratio":
        ax.set_xscale("log")
        at = ratio_ticks(*ax.get_xlim())
        ax.set_xticks(at, [f"{value:g}" for value in at])
        ax.set_xticks([], minor=True)
    ax.axvline(1.0 if chosen == "ratio" else 0.0, color=GREY, linewidth=0.6 * page.scale, zorder=1)
    if not len(contrasts):
        ax.text(0.5, 0.5, "no contrasts", transform=ax.transAxes, ha="center", va="center", color="0.4")
        return
    first = contrasts.iloc[0]
    unit = " (percentage points)" if first["unit"] == "fraction" else f" ({first['unit']})"
    names = f"{first['treated']} minus {first['control']}{unit}"
    ratio = (
        f"{first['treated']} / {first['control']} ({' or '.join(sorted({*contrasts['ratio_kind']} - {''}))})"
    )
    ax.set_xlabel(ratio if chosen == "ratio" else names, fontsize=page.medium)
    print_ticks(ax, page)
    level = f"{100 * first['confidence']:g} % CI"
    n = "Pairs" if first["design"] == "paired" else "Subjects"
    heads = {"numbers": f"Estimate [{level}]", "n": n, "p": "Adjusted p"}
    _write(ax, -1.0, {at: heads[column] for column, at in table.columns.items()}, page=page, bold=True)
