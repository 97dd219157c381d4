"""Forest: every endpoint of a comparison on one axis, with its interval and adjusted p as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from cytometry.plots.axes import elided
from cytometry.plots.contrast import measure_label
from cytometry.plots.style import GREY, Size, axes_at, new_figure, print_ticks, style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

Measure = Literal["auto", "shift", "ratio"]

ROW, TIGHTEST_ROW = 4.4, 2.5  # mm at scale 1
AROUND = (5.0, 12.0)  # above and below the rows
LABELS, NUMBERS = 0.32, 0.36  # of the width
NUMBERS_AT, N_AT, P_AT = 1.03, 1.66, 1.87  # of the plot
SHAPES = {"primary": "D", "secondary": "s", "exploratory": "o"}
LABEL_LETTERS = 46
REASON_LETTERS = 34


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
    An endpoint that was not tested keeps its row, with the reason. No contrasts give an empty frame that
    says so.
    """
    chosen = _measure(contrasts, measure)
    lines = _lines(contrasts)
    with style(size) as page:
        drawn_on = _axes(page, len(lines)) if ax is None else ax
        names = (
            ("ratio", "ratio_low", "ratio_high")
            if chosen == "ratio"
            else ("shift", "shift_low", "shift_high")
        )
        for y, line in enumerate(lines):
            if isinstance(line, str):
                drawn_on.text(
                    -0.02, y, line, transform=drawn_on.get_yaxis_transform(), ha="right", va="center",
                    fontsize=page.small, fontweight="bold",
                )  # fmt: skip
                continue
            factor = 100.0 if chosen == "shift" and line["unit"] == "fraction" else 1.0
            _draw(drawn_on, y, [line[name] * factor for name in names], line=line, page=page)
        _finish(drawn_on, lines, contrasts, chosen=chosen, page=page)
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
        heading = f"{family.capitalize()} endpoints ({rows.iloc[0]['adjustment']}, m = {rows.iloc[0]['m']})"
        lines += [heading, *(row for _, row in rows.iterrows())]
    return lines


def _axes(page: Size, n_lines: int) -> Axes:
    k = page.scale
    room = page.height / k - sum(AROUND)
    row = max(min(ROW, room / max(n_lines, 1)), TIGHTEST_ROW)
    height = max(n_lines, 2) * row
    figure = new_figure(page.width, (height + sum(AROUND)) * k)
    width = page.width * (1 - LABELS - NUMBERS)
    return axes_at(figure, page.width * LABELS, AROUND[0] * k, width=width, height=height * k)


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
    for x, align, text in (
        (-0.02, "right", elided(measure_label(line), LABEL_LETTERS)),
        (NUMBERS_AT, "left", _numbers(ends, line)),
        (N_AT, "left", str(line["n_pairs"] or f"{line['n_control']}, {line['n_treated']}")),
        (P_AT, "left", _p(line)),
    ):
        ax.text(x, y, text, transform=ax.get_yaxis_transform(), ha=align, va="center", fontsize=page.small)


def _numbers(ends: list[float], line: Any) -> str:
    value, low, high = ends
    digits = 2 if max(abs(value), 0.0) < 10 else 1
    if max(abs(value), 0.0) >= 1000:
        digits = 0
    if line["reason"] and not np.isfinite(low):
        return elided(f"not tested: {line['reason']}", REASON_LETTERS)
    if not np.isfinite(value):
        return "no ratio: tested in points"
    return f"{value:,.{digits}f} [{low:,.{digits}f}, {high:,.{digits}f}]".replace("-", "\N{MINUS SIGN}")


def _p(line: Any) -> str:
    p = line["p_adjusted"]
    if not np.isfinite(p):
        return ""
    return "<0.001" if p < 0.001 else f"{p:.2g}"


def _finish(ax: Axes, lines: list[Any], contrasts: pd.DataFrame, *, chosen: str, page: Size) -> None:
    ax.set_ylim(len(lines) - 0.4, -0.6)
    ax.set_yticks([])
    for side in ("top", "left", "right"):
        ax.spines[side].set_visible(False)
    if chosen == "ratio":
        ax.set_xscale("log")
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
    heads = {NUMBERS_AT: f"Estimate [{level}]", N_AT: n, P_AT: "Adjusted p"}
    for x, text in heads.items():
        ax.text(
            x, -1.0, text, transform=ax.get_yaxis_transform(), ha="left", va="center", fontsize=page.small,
            fontweight="bold", clip_on=False,
        )  # fmt: skip
