"""Contrast: what was compared, subject by subject, with the difference and its interval beside it.

The plots draw what :func:`cytometry.compare.compare` was given and print what it found; they test nothing.

Ho J, et al. Moving beyond P values: data analysis with estimation graphics. Nat Methods 2019;16:565-566.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from cytometry.plots.style import CONTROL_COLOUR, GREY, TREATED_COLOUR, Size, print_ticks, single_axes, style
from cytometry.plots.views import short_name
from cytometry.table import COUNT, MEDIAN_INTENSITY, NET_FRACTION_OF_PARENT
from gating.scales import Floats

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

ENDPOINT = ("stain", "population", "marker", "statistic", "base")
MARKERS = ("o", "^")  # control, treated: told apart without colour
COLOURS = (CONTROL_COLOUR, TREATED_COLOUR)
SIDE = (1.1, 0.0, 0.4, 1.0)  # the axis of the difference, in fractions of the frame
TITLE_LETTERS = 38


def subject_values(table: pd.DataFrame, contrast: Mapping[str, Any]) -> tuple[pd.Series, pd.Series]:
    """Return the values of control and of treated, one per subject, indexed by subject.

    Tubes of one subject are averaged; a tube without a value is left out.

    Raises
    ------
    ValueError
        If the means of these values are not those of the contrast, which was then made from other rows.
    """
    rows = table[(table["kind"] == "sample") & table["value"].notna()]
    for column in ENDPOINT:
        rows = rows[rows[column] == contrast[column]]
    levels = rows[contrast["factor"]].astype(str)
    control, treated = (
        rows[levels == contrast[key]].groupby("subject")["value"].mean() for key in ("control", "treated")
    )
    paired = contrast["design"] == "paired"
    both = control.index.intersection(treated.index)
    for values, key in ((control, "mean_control"), (treated, "mean_treated")):
        mean = float((values.loc[both] if paired else values).mean())
        if np.isfinite(contrast[key]) and not np.isclose(mean, contrast[key], rtol=1e-6, atol=1e-12):
            msg = (
                f"the table's {key.replace('_', ' of ')} for {contrast['population']!r} is {mean:g} and the "
                f"contrast's {contrast[key]:g}: give the rows of the table that were compared"
            )
            raise ValueError(msg)
    return control, treated


def paired_plot(
    table: pd.DataFrame, contrast: Mapping[str, Any], *, ax: Axes | None = None, size: str = "nature1"
) -> Axes:
    """Draw each subject's two values joined by a line, and the differences with their mean and interval.

    Parameters
    ----------
    table
        The rows of the tidy table that were compared.
    contrast
        One row of the contrasts, of paired design.
    ax
        The difference gets an axis of its own on the right of it, 0 at the mean of control.

    Notes
    -----
    A subject with one value only is drawn hollow and without a line: it is in no mean. Where no subject has
    both values the plot shows what there is, and no difference.

    Raises
    ------
    ValueError
        If the contrast is unpaired, or was made from other rows than these.
    """
    if contrast["design"] != "paired":
        msg = f"a paired plot needs a paired contrast, not {contrast['design']!r}; strip_plot draws this one"
        raise ValueError(msg)
    control, treated = (values * _factor(contrast) for values in subject_values(table, contrast))
    both = control.index.intersection(treated.index)
    with style(size) as page:
        drawn_on = _axes(page, ax)
        k = page.scale
        for subject in both:
            pair = [control[subject], treated[subject]]
            drawn_on.plot([0, 1], pair, color=GREY, linewidth=0.5 * k, zorder=1, gid=f"pair:{subject}")
        for x, values in enumerate((control, treated)):
            alone = values.drop(index=both)
            _dots(drawn_on, np.full(len(both), float(x)), values.loc[both].to_numpy(), level=x, scale=k)
            _dots(drawn_on, np.full(len(alone), float(x)), alone.to_numpy(), level=x, scale=k, hollow=True)
        _mean_bars(drawn_on, contrast, scale=k)
        sizes = (len(both), len(both))
        _finish(drawn_on, contrast, np.concatenate([control, treated]), sizes=sizes, page=page)
        differences = (treated.loc[both] - control.loc[both]).to_numpy()
        _difference_axis(drawn_on, contrast, differences, page=page)
    return drawn_on


def strip_plot(
    table: pd.DataFrame, contrast: Mapping[str, Any], *, ax: Axes | None = None, size: str = "nature1"
) -> Axes:
    """Draw each subject's value in one of two strips, and the difference of the means with its interval.

    Parameters and errors are those of :func:`paired_plot`, for a contrast of unpaired design.
    """
    if contrast["design"] != "unpaired":
        msg = (
            f"a strip plot needs an unpaired contrast, not {contrast['design']!r}; paired_plot draws this one"
        )
        raise ValueError(msg)
    values = [v.to_numpy() * _factor(contrast) for v in subject_values(table, contrast)]
    with style(size) as page:
        drawn_on = _axes(page, ax)
        everything = np.concatenate(values)
        for x, level in enumerate(values):
            offsets = swarm(level, width=0.05 * float(np.ptp(everything)) if len(everything) else 0.0)
            _dots(drawn_on, x + offsets, level, level=x, scale=page.scale)
        _mean_bars(drawn_on, contrast, scale=page.scale)
        _finish(drawn_on, contrast, everything, sizes=(len(values[0]), len(values[1])), page=page)
        _difference_axis(drawn_on, contrast, np.empty(0), page=page)
    return drawn_on


def swarm(values: Floats, *, width: float) -> Floats:
    """Return sideways offsets that keep values closer than ``width`` apart; shape ``(n,)``."""
    offsets = np.zeros(len(values))
    order = np.argsort(values, kind="stable")
    for i, at in enumerate(order):
        near = [other for other in order[:i] if values[at] - values[other] < width]
        taken = {round(float(offsets[other]), 3) for other in near}
        tries = (round(sign * step * 0.09, 3) for step in range(len(values) + 1) for sign in (1, -1))
        offsets[at] = next(offset for offset in tries if offset not in taken)
    return np.clip(offsets, -0.4, 0.4)


def level_legend(ax: Axes, sizes: Mapping[str, int], *, page: Size) -> None:
    """Name control and treated above the frame, each with its number of subjects."""
    from matplotlib.lines import Line2D

    handles: list[Any] = [
        Line2D(
            [], [], linestyle="", marker=marker, color=colour, markersize=3 * page.scale, label=f"{level}, n = {n}"
        )
        for marker, colour, (level, n) in zip(MARKERS, COLOURS, sizes.items(), strict=True)
    ]  # fmt: skip
    ax.legend(
        handles=handles, loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2, handletextpad=0.1,
        fontsize=page.small, borderaxespad=0.2, columnspacing=0.8,
    )  # fmt: skip


def measure_label(contrast: Mapping[str, Any], paths: Iterable[str] = ()) -> str:
    """Return what was measured, for an axis: ``PD-1+ (% of CD8 T)``.

    ``paths`` are the populations that stand beside it; those that share a name get their parent's before it.
    """
    path, known = str(contrast["population"]), tuple(paths)
    base = short_name(str(contrast["base"]), known)
    below_base = path.rpartition("/")[0] == contrast["base"]
    name = path.rpartition("/")[2] if below_base else short_name(path, known)
    match contrast["statistic"]:
        case statistic if statistic == MEDIAN_INTENSITY:
            return f"Median {contrast['marker']} intensity of {name}"
        case statistic if statistic == COUNT:
            return f"{name} (events)"
        case statistic if statistic == NET_FRACTION_OF_PARENT:
            return f"{name} (net % of {base})"
        case _:
            return f"{name} (% of {base})"


def _factor(contrast: Mapping[str, Any]) -> float:
    return 100.0 if contrast["unit"] == "fraction" else 1.0


def _axes(page: Size, ax: Axes | None) -> Axes:
    return single_axes(page, width=74.0, right=31.0) if ax is None else ax


def _dots(ax: Axes, x: Floats, y: Floats, *, level: int, scale: float, hollow: bool = False) -> None:
    colour = COLOURS[level]
    ax.scatter(
        x, y, s=11 * scale**2, marker=MARKERS[level], zorder=2, linewidths=0.6 * scale, clip_on=False,
        facecolors="white" if hollow else colour, edgecolors=colour,
    )  # fmt: skip


def _mean_bars(ax: Axes, contrast: Mapping[str, Any], *, scale: float) -> None:
    for x, key in enumerate(("mean_control", "mean_treated")):
        mean = contrast[key] * _factor(contrast)
        if np.isfinite(mean):
            at = x + (-0.45, 0.45)[x]
            ax.plot([at - 0.09, at + 0.09], [mean, mean], color="black", linewidth=1.2 * scale, zorder=3)


def _finish(
    ax: Axes, contrast: Mapping[str, Any], values: Floats, *, sizes: tuple[int, int], page: Size
) -> None:
    import textwrap

    ends = contrast["mean_control"] + np.array([0.0, contrast["shift_low"], contrast["shift_high"]])
    seen = np.concatenate([values, ends[np.isfinite(ends)] * _factor(contrast)])
    low, high = (float(seen.min()), float(seen.max())) if len(seen) else (0.0, 1.0)
    pad = 0.08 * (high - low) or 0.5
    ax.set_xlim(-0.55, 1.55)
    ax.set_ylim(low - pad, high + pad)
    names = [textwrap.fill(str(contrast[key]), 13) for key in ("control", "treated")]
    ax.set_xticks([0, 1], [f"{name}\nn = {n}" for name, n in zip(names, sizes, strict=True)])
    ax.locator_params(axis="y", nbins=7)
    if len(seen) and values.min(initial=0.0) >= 0:
        # The axis reaches below 0 for the interval beside it; no share or count does.
        ax.set_yticks([tick for tick in ax.get_yticks() if max(low - pad, 0.0) <= tick <= high + pad])
    ax.set_ylabel(textwrap.fill(measure_label(contrast), TITLE_LETTERS), fontsize=page.medium)
    print_ticks(ax, page)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    if not len(values):
        ax.text(0.5, 0.5, "no values", transform=ax.transAxes, ha="center", va="center", color="0.4")


def _difference_axis(ax: Axes, contrast: Mapping[str, Any], differences: Floats, *, page: Size) -> None:
    """Draw the difference on an axis whose 0 lies at the mean of control, so that it reads across."""
    factor, scale = _factor(contrast), page.scale
    shift, low, high, zero = (
        contrast[key] * factor for key in ("shift", "shift_low", "shift_high", "mean_control")
    )
    if not np.isfinite(shift):
        return
    side = ax.inset_axes(SIDE)
    side.set_ylim(*(end - zero for end in ax.get_ylim()))
    side.set_xlim(-0.6, 0.6)
    for y in (0.0, shift):
        side.axhline(y, color=GREY, linewidth=0.4 * scale, linestyle=(0, (2, 2)), zorder=0)
    side.scatter(-0.25 + np.zeros(len(differences)), differences, s=4 * scale**2, color=GREY, linewidths=0,
                 zorder=1, clip_on=False)  # fmt: skip
    at = 0.2 if len(differences) else 0.0
    if np.isfinite(low):
        side.plot([at, at], [low, high], color="black", linewidth=1.0 * scale, zorder=2, gid="interval")
    side.scatter([at], [shift], s=16 * scale**2, marker="D", color="black", linewidths=0, zorder=3)
    side.locator_params(axis="y", nbins=7)
    side.yaxis.tick_right()
    side.yaxis.set_label_position("right")
    points = " (percentage points)" if contrast["unit"] == "fraction" else ""
    side.set_ylabel(f"Difference{points}", fontsize=page.medium, labelpad=0.4 * page.medium)
    level = f"{100 * contrast['confidence']:g} % CI"
    side.set_xticks([0.0], [f"mean and\n{level}"])
    print_ticks(side, page)
    side.tick_params(axis="x", length=0)
    for edge in ("top", "left", "bottom"):
        side.spines[edge].set_visible(False)
