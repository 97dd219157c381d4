"""Volcano: every endpoint of a comparison by how far it moved and how little chance explains that."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from cytometry.plots.axes import elided
from cytometry.plots.contrast import measure_label
from cytometry.plots.forest import SHAPES, ratio_ticks
from cytometry.plots.style import (
    CONTROL_COLOUR,
    GREY,
    LIGHT_GREY,
    MM_PER_INCH,
    TREATED_COLOUR,
    Size,
    axes_at,
    new_figure,
    print_ticks,
    single_axes,
    style,
)
from gating.scales import Floats

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

Along = Literal["ratio", "effect_size"]

LEVEL = 0.05
NAMED = 10
LETTERS = 38
NAMES = 50.0  # mm on either side of the plot, at scale 1
TICKS = 9.0  # left of the frame
LINE_MM = 2.6  # between two names
COLOURS: Mapping[bool, str] = MappingProxyType({False: CONTROL_COLOUR, True: TREATED_COLOUR})


def volcano(
    contrasts: pd.DataFrame,
    *,
    along: Along = "effect_size",
    named: int = NAMED,
    ax: Axes | None = None,
    size: str = "nature2",
) -> Axes:
    """Draw each tested endpoint of one comparison at its effect and its p.

    Parameters
    ----------
    contrasts
        As :func:`cytometry.compare.compare` returns them, of one comparison.
    along
        ``ratio``: odds ratio or fold, on a log axis; ``effect_size``: in standard deviations between subjects.
    named
        The endpoints with the smallest p get their name beside the plot, and every declared one. On a narrow page, or
        axes of yours, numbers stand at the marks, and the names below.

    Returns
    -------
    Axes
        Filled marks, blue where lower and vermilion where higher than control, have an adjusted p below 0.05 in their
        own family; all others are open and grey. The dashed line lies at the largest p among the filled exploratory
        ones. Endpoints without p are not drawn: the figure's note counts them.

    Raises
    ------
    ValueError
        If the contrasts are of several comparisons, whose p are not adjusted together.
    """
    if contrasts["comparison"].nunique() > 1:
        names = ", ".join(map(repr, contrasts["comparison"].unique()))
        msg = f"a volcano shows one comparison, not {names}: choose the rows of one"
        raise ValueError(msg)
    drawn = contrasts[contrasts["p"].notna() & np.isfinite(_places(contrasts, along))]
    with style(size) as page:
        drawn_on = _axes(page) if ax is None else ax
        x, y = _places(drawn, along), -np.log10(np.maximum(drawn["p"].to_numpy(dtype=np.float64), 1e-300))
        _limits(drawn_on, x, y)
        _marks(drawn_on, drawn, x, y, page=page)
        _line(drawn_on, drawn, y, page=page)
        write = _names if ax is None and _has_sides(page) else _numbers
        write(drawn_on, drawn, x, y, named=named, page=page)
        _finish(drawn_on, contrasts, len(drawn), along=along, page=page)
    return drawn_on


def _places(contrasts: pd.DataFrame, along: Along) -> Floats:
    import pandas as pd

    # A table read again holds "" where an endpoint has no effect size.
    values = pd.to_numeric(contrasts[along], errors="coerce").to_numpy(dtype=np.float64)
    if along == "effect_size":
        return values
    return np.log10(np.where(values > 0, values, np.nan))


def _has_sides(page: Size) -> bool:
    return page.width / page.scale > 2 * NAMES + 60


def _axes(page: Size) -> Axes:
    width = page.width / page.scale
    if _has_sides(page):
        return single_axes(page, width=width, height=74.0, left=NAMES + TICKS, right=NAMES)
    k = page.scale
    figure = new_figure(page.width, 92.0 * k)  # the list of names takes the lower third
    return axes_at(figure, TICKS * k, 7.0 * k, width=page.width - (TICKS + 4.0) * k, height=50.0 * k)


def _limits(ax: Axes, x: Floats, y: Floats) -> None:
    reach = float(np.abs(x).max(initial=0.0)) * 1.08 or 1.0
    ax.set_xlim(-reach, reach)
    ax.set_ylim(0.0, max(float(y.max(initial=0.0)) * 1.06, -np.log10(LEVEL) * 1.3))


def _marks(ax: Axes, drawn: pd.DataFrame, x: Floats, y: Floats, *, page: Size) -> None:
    k = page.scale
    found = (drawn["p_adjusted"] < LEVEL).to_numpy()
    for family, shape in SHAPES.items():
        for filled in (False, True):
            at = (drawn["family"] == family).to_numpy() & (found == filled)
            if not at.any():
                continue
            colours = [COLOURS[bool(up)] if filled else GREY for up in x[at] > 0]
            ax.scatter(
                x[at], y[at], s=(16 if family != "exploratory" else 8) * k**2, marker=shape, linewidths=0.6 * k,
                facecolors=colours if filled else "white", edgecolors=colours, zorder=3 if filled else 2,
                gid=f"{family}:{'filled' if filled else 'open'}",
            )  # fmt: skip


def _line(ax: Axes, drawn: pd.DataFrame, y: Floats, *, page: Size) -> None:
    """Mark where the adjusted p of exploratory endpoints passes 0.05, if any does."""
    ax.axvline(0.0, color=LIGHT_GREY, linewidth=0.6 * page.scale, zorder=0)
    passed = ((drawn["p_adjusted"] < LEVEL) & (drawn["family"] == "exploratory")).to_numpy()
    if passed.any():
        lowest = float(y[passed].min())
        ax.axhline(lowest, color=GREY, linewidth=0.6 * page.scale, linestyle=(0, (3, 2)), zorder=0)


def _chosen(drawn: pd.DataFrame, named: int) -> list[int]:
    """Return the places of the endpoints that are named: the smallest p first, then the declared ones."""
    rank = np.argsort(drawn["p"].to_numpy(), kind="stable")
    declared = np.flatnonzero((drawn["family"] != "exploratory").to_numpy())
    return list(dict.fromkeys([*rank[:named].tolist(), *declared.tolist()]))


def _called(drawn: pd.DataFrame, i: int, letters: int) -> str:
    paths = sorted({*drawn["population"], *drawn["base"]})
    row: Any = drawn.iloc[i].to_dict()
    return elided(measure_label(row, paths) + f" [{row['stain']}]" * (drawn["stain"].nunique() > 1), letters)


def _names(ax: Axes, drawn: pd.DataFrame, x: Floats, y: Floats, *, named: int, page: Size) -> None:
    """Write names in a column on either side, each joined to its mark, none over another."""
    height, width = (length / ax.figure.dpi * MM_PER_INCH / page.scale for length in _extent(ax))
    top = ax.get_ylim()[1]
    for side in (-1, 1):
        mine = sorted((i for i in _chosen(drawn, named) if (x[i] > 0) == (side > 0)), key=lambda i: y[i])
        places = spread(np.array([y[i] / top for i in mine]), LINE_MM / height)
        for i, at in zip(mine, places, strict=True):
            edge, to = (-TICKS / width, "right") if side < 0 else (1.0, "left")
            ax.annotate(
                _called(drawn, i, LETTERS), (x[i], y[i]), xytext=(edge, at), textcoords="axes fraction",
                ha=to, va="center", fontsize=page.small, annotation_clip=False, zorder=1,
                arrowprops={"arrowstyle": "-", "color": LIGHT_GREY, "linewidth": 0.4 * page.scale, "shrinkA": 1.0,
                            "shrinkB": 2.0, "relpos": (0.0 if side > 0 else 1.0, 0.5)},
                fontweight="normal" if drawn["family"].iloc[i] == "exploratory" else "bold",
            )  # fmt: skip


def _numbers(ax: Axes, drawn: pd.DataFrame, x: Floats, y: Floats, *, named: int, page: Size) -> None:
    """Write a number at each mark, and what it stands for in two columns below the axis."""
    chosen = _chosen(drawn, named)
    for number, i in enumerate(chosen, start=1):
        ax.annotate(
            str(number), (x[i], y[i]), xytext=(2.2 * page.scale, 0.0), textcoords="offset points", ha="left",
            va="center", fontsize=page.small, zorder=4,
        )  # fmt: skip
    lines = [f"{number} {_called(drawn, i, 34)}" for number, i in enumerate(chosen, start=1)]
    half = -(-len(lines) // 2)
    for column, some in enumerate((lines[:half], lines[half:])):
        ax.annotate(
            "\n".join(some), (0.52 * column - 0.06, 0.0), xycoords="axes fraction", ha="left", va="top",
            xytext=(0.0, -9.0 * 72 / MM_PER_INCH * page.scale), textcoords="offset points",
            fontsize=page.small, annotation_clip=False,
        )  # fmt: skip


def _extent(ax: Axes) -> tuple[float, float]:
    box = ax.get_window_extent()
    return float(box.height), float(box.width)


def spread(at: Floats, gap: float) -> Floats:
    """Return places near ``at``, ascending, shape ``(n,)``, at least ``gap`` apart and inside [0, 1] where they fit."""
    found = np.array(at, dtype=np.float64)
    for i in range(1, len(found)):
        found[i] = max(found[i], found[i - 1] + gap)
    if len(found) and found[-1] > 1.0:
        found[-1] = 1.0
        for i in range(len(found) - 2, -1, -1):
            found[i] = min(found[i], found[i + 1] - gap)
    return found


def _finish(ax: Axes, contrasts: pd.DataFrame, n: int, *, along: Along, page: Size) -> None:
    if along == "ratio":
        kinds = sorted({*contrasts["ratio_kind"]} - {""})
        low, high = (10.0**end for end in ax.get_xlim())
        places = ratio_ticks(low, high)
        ax.set_xticks([float(np.log10(place)) for place in places], [f"{place:g}" for place in places])
        what = " or ".join(kinds) or "ratio"
    else:
        what = " or ".join(sorted({*contrasts["effect_size_kind"]} - {""})) or "effect size"
    if len(contrasts):
        first = contrasts.iloc[0]
        ax.set_title(f"{first['treated']} against {first['control']}", fontsize=page.medium, loc="left")
    left_out = len(contrasts) - n
    note = f"{n} of {len(contrasts)} endpoints, the rest without p" if left_out else f"{n} endpoints"
    ax.set_xlabel(f"{what} ({note})", fontsize=page.medium)
    ax.set_ylabel("\N{MINUS SIGN}log$_{10}$ p", fontsize=page.medium, parse_math=True)
    for edge in ("top", "right"):
        ax.spines[edge].set_visible(False)
    print_ticks(ax, page)
    if not n:
        ax.text(0.5, 0.5, "nothing was tested", transform=ax.transAxes, ha="center", va="center", color="0.4")
