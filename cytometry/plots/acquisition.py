"""Acquisition: a tube's rate and its channels' medians over the time of its run, with what was taken out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from cytometry.plots.axes import elided
from cytometry.plots.biaxial import NO_LABELS
from cytometry.plots.page import foot_height, wrap_notes, write_at, write_notes
from cytometry.plots.style import (
    CONTROL_COLOUR,
    MARKED,
    Size,
    axes_at,
    extent,
    new_figure,
    print_ticks,
    style,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

KNOWN = ("start", "stop", "n_events", "rate", "removed")
# mm at scale 1
LEFT, RIGHT, BELOW, TITLE, GAP = 24.0, 16.0, 7.0, 4.5, 1.0
RATE, CHANNEL = (14.0, 20.0), (2.4, 9.0)  # heights: the least, and where there is room
LETTERS = 22
NARROW = 0.1  # of the run: the reason of a shorter interval is written upright
SPREAD = 5.0  # robust standard deviations that a channel's plot shows at least


def acquisition_plot(
    course: pd.DataFrame,
    intervals: pd.DataFrame | None = None,
    *,
    labels: Mapping[str, str] = NO_LABELS,
    channels: Sequence[str] | None = None,
    title: str = "",
    figure: Figure | SubFigure | None = None,
    size: str = "nature2",
) -> Figure | SubFigure:
    """Draw the events per second of a tube, and below it the median of each channel, over time.

    Parameters
    ----------
    course
        A row per slice of time, as :func:`cytometry.qc.course_table` gives it: ``start``, ``stop``, ``rate``,
        ``removed``, and a column of medians per channel.
    intervals
        Those that were found, one row each with ``start``, ``stop``, ``reason`` and ``removed``: hatched and vermilion
        where their events were taken out, else outlined. Their reasons stand above the rate.
    labels
        Of the channels; their names by default.
    channels
        Which to draw; all by default.
    title, figure, size
        As for :func:`gating_hierarchy`.

    Returns
    -------
    Figure
        Each channel stands on its own scale, about its median: the band is two robust standard deviations of its
        slices to either side, and on the right is the channel's overall median.

    Notes
    -----
    A tube without a clock has an empty course: the figure then says so.
    """
    names = [c for c in course.columns if c not in KNOWN] if channels is None else list(channels)
    names = [] if course.empty else names
    with style(size) as page:
        notes = wrap_notes(_notes(intervals), page)
        rate, each = _heights(len(names), page, foot=foot_height(notes, page))
        height = TITLE + rate + len(names) * (each + GAP) + BELOW
        k = page.scale
        drawn = new_figure(page.width, height * k + foot_height(notes, page)) if figure is None else figure
        width = extent(drawn)[0] - (LEFT + RIGHT) * k
        write_at(drawn, title, (k, 0.8 * k), size=page.medium, align="left")
        top = axes_at(drawn, LEFT * k, TITLE * k, width=width, height=rate * k)
        if course.empty:
            top.text(0.5, 0.5, "no clock: the run over time is not known", ha="center", fontsize=page.small)
            top.set_axis_off()
            return drawn
        _draw_rate(top, course, page)
        frames = [top]
        for i, name in enumerate(names):
            down = TITLE + rate + GAP + i * (each + GAP)
            ax = axes_at(drawn, LEFT * k, down * k, width=width, height=each * k)
            _draw_channel(ax, course, name, label=labels.get(name, name), page=page)
            frames.append(ax)
        _dress_time(frames, course, page)
        if intervals is not None:
            _draw_intervals(frames, intervals, page)
        write_notes(drawn, notes, top=extent(drawn)[1] - foot_height(notes, page), page=page)
    return drawn


def _notes(intervals: pd.DataFrame | None) -> list[str]:
    said = "Rate: events per second. Below: the median of each channel by slice of time, as recorded; band: two robust "
    said += "standard deviations of the slices; right: the median of the run."
    if intervals is None or intervals.empty:
        return [said]
    return [said, "Hatched: events taken out; outlined: found, and left in."]


def _heights(n: int, page: Size, *, foot: float) -> tuple[float, float]:
    """Return the heights of the rate's plot and of each channel's, in mm at scale 1."""
    room = (page.height - foot) / page.scale - TITLE - BELOW
    each = float(np.clip((room - RATE[1]) / max(n, 1) - GAP, *CHANNEL))
    return float(np.clip(room - n * (each + GAP), *RATE)), each


def _draw_rate(ax: Axes, course: pd.DataFrame, page: Size) -> None:
    edges = np.append(course["start"].to_numpy(), course["stop"].to_numpy()[-1])
    ax.stairs(course["rate"].to_numpy(), edges, color="black", linewidth=0.6 * page.scale)
    ax.set_ylim(0, max(float(course["rate"].max()) * 1.25, 1.0))
    ax.set_ylabel("events / s", fontsize=page.medium)
    print_ticks(ax, page)


def _draw_channel(ax: Axes, course: pd.DataFrame, name: str, *, label: str, page: Size) -> None:
    values = course[name].to_numpy(dtype=np.float64)
    seen = np.isfinite(values)
    ax.set_yticks([])
    ax.text(
        -0.01,
        0.5,
        elided(label, LETTERS),
        transform=ax.transAxes,
        ha="right",
        va="center",
        fontsize=page.small,
    )
    if not seen.any():
        ax.text(0.5, 0.5, "no events", transform=ax.transAxes, ha="center", va="center", fontsize=page.small)
        return
    middle = float(np.median(values[seen]))
    spread = 1.4826 * float(np.median(np.abs(values[seen] - middle)))
    far = max(SPREAD * spread, 1.05 * float(np.abs(values[seen] - middle).max()), 1e-12)
    ax.axhspan(middle - 2 * spread, middle + 2 * spread, color="#E4E4E4", linewidth=0, zorder=0)
    ax.plot(_middles(course), values, color=CONTROL_COLOUR, linewidth=0.6 * page.scale, zorder=2)
    ax.set_ylim(middle - far, middle + far)
    ax.text(1.01, 0.5, f"{middle:,.0f}", transform=ax.transAxes, ha="left", va="center", fontsize=page.small)


def _middles(course: pd.DataFrame) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.asarray((course["start"] + course["stop"]).to_numpy(dtype=np.float64) / 2)


def _dress_time(frames: Sequence[Axes], course: pd.DataFrame, page: Size) -> None:
    ends = (float(course["start"].iloc[0]), float(course["stop"].iloc[-1]))
    for ax in frames:
        ax.set_xlim(*ends)
        print_ticks(ax, page)
        if ax is not frames[-1]:
            ax.tick_params(labelbottom=False)
    frames[-1].set_xlabel("time (s)", fontsize=page.medium)


def _draw_intervals(frames: Sequence[Axes], intervals: pd.DataFrame, page: Size) -> None:
    low, high = frames[0].get_xlim()
    columns = [intervals[name].tolist() for name in ("start", "stop", "removed", "reason")]
    for start, stop, removed, reason in zip(*columns, strict=True):
        for ax in frames:
            ax.axvspan(
                start, stop, facecolor="none", edgecolor=MARKED, hatch="/////" if removed else None,
                linewidth=0.4 * page.scale, zorder=1,
            )  # fmt: skip
        narrow = stop - start < NARROW * (high - low)
        frames[0].text(
            (start + stop) / 2, 0.97, reason, transform=frames[0].get_xaxis_transform(), ha="center",
            va="top", rotation=90 if narrow else 0, fontsize=page.small,
            bbox={"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.75},
        )  # fmt: skip
