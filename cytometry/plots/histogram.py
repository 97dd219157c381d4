"""Histogram: one dimension of a population, alone, or of several tubes one above the other with an FMO."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import TYPE_CHECKING

import numpy as np

from cytometry.plots.axes import Limits, dress, elided, label_of, shared_limits
from cytometry.plots.biaxial import NO_LABELS, draw_gates
from cytometry.plots.marks import HIGHLIGHT, Rows, row_numbers
from cytometry.plots.outlines import DrawnGate, percent
from cytometry.plots.style import (
    CONTROL_COLOUR,
    GREY,
    LIGHT_GREY,
    OKABE_ITO,
    TREATED_COLOUR,
    Size,
    head,
    single_axes,
    style,
)
from gating.columns import Columns
from gating.scales import Floats, Scale

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BINS = 256
OFFSET_HEIGHT = (5.0, 7.0)  # mm from one curve to the next at scale 1: the least, and where there is room
NAME_LETTERS = 22  # of a tube's name
FEW_EVENTS = 30  # under these a smooth curve would be invented: each event is drawn as a tick
CURVE_COLOURS = (
    CONTROL_COLOUR, TREATED_COLOUR, OKABE_ITO["bluish green"], OKABE_ITO["reddish purple"], OKABE_ITO["orange"],
)  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """One tube of an overlay.

    Parameters
    ----------
    label
        Such as ``baseline``.
    values
        All events of the population on the marker's display scale, shape ``(n,)``: the percentage is of these.
    cut
        Where positive begins, on the display scale; ``None`` if that is not known for this tube.
    fmo
        Whether the tube is the fluorescence-minus-one control, which is filled grey.
    group
        Such as the arm: curves of one group have one colour, and a legend says which.
    """

    label: str
    values: Floats
    cut: float | None = None
    fmo: bool = False
    group: str = ""

    @property
    def positive(self) -> float:
        """Return the fraction of events at or above the cut; NaN without a cut or without events."""
        if self.cut is None or not len(self.values):
            return float("nan")
        return float(np.mean(self.values >= self.cut))


def histogram(
    columns: Columns,
    name: str,
    *,
    rows: Rows | None = None,
    gates: Sequence[DrawnGate] = (),
    labels: Mapping[str, str] = NO_LABELS,
    limits: Mapping[str, Limits] | None = None,
    title: str = "",
    highlight: Rows | None = None,
    ax: Axes | None = None,
    size: str = "nature1",
) -> Axes:
    """Draw one dimension of a population as a smoothed histogram, normalised to its mode, with its gates.

    Every event counts. ``rows``, ``gates``, ``labels`` and ``limits`` are as for a biaxial plot; a gate is an
    interval. Events of ``highlight`` are drawn as a second curve, vermilion, normalised to its own mode. An
    empty population gives an empty frame that says so.
    """
    found = (limits or {}).get(name)
    if found is None:
        found = shared_limits([columns], [name], gates=[g.gate for g in gates])[name]
    shown = row_numbers(rows, columns.n_events)
    values = columns.values(name, shown)
    with style(size) as page:
        drawn_on = single_axes(page, top=head(title)) if ax is None else ax
        scale, label = columns.dimensions[name].scale, label_of(labels, name)
        drawn_on.set_ylim(0, 1.35)
        drawn_on.set_yticks([0, 0.5, 1], ["0", "50", "100"])
        drawn_on.set_ylabel("% of mode", fontsize=page.medium)
        dress(drawn_on, "x", scale=scale, limits=found, label=label, page=page)
        under = _draw_curve(drawn_on, values, found, base=0.0, colour=GREY, filled=True, scale=page.scale)
        if highlight is not None:
            bright = columns.values(name, np.intersect1d(shown, row_numbers(highlight, columns.n_events)))
            _draw_curve(drawn_on, bright, found, base=0.0, colour=HIGHLIGHT, filled=False, scale=page.scale)
        draw_gates(drawn_on, gates, axes=(name, ""), events=under, scale=page.scale)
        if title:
            drawn_on.set_title(title, fontsize=page.medium)
    return drawn_on


def overlay(
    curves: Sequence[Curve],
    *,
    scale: Scale,
    limits: Limits,
    label: str,
    title: str = "",
    offset: float = 0.75,
    ax: Axes | None = None,
    size: str = "nature1",
) -> Axes:
    """Draw several tubes one above the other, each normalised to its mode, with cut and percentage positive.

    Parameters
    ----------
    curves
        From the top down; name and number of events stand on the left, the percentage on the right. The FMO
        control is filled grey, the others are outlined in colours that also differ in darkness.
    scale, limits
        Of the marker; the limits are display values, the same for all figures that are to be compared.
    label
        Of the axis, such as ``PD-1 (BV421)``.
    offset
        From one curve to the next, in heights of a curve; under 1 they overlap.

    Notes
    -----
    A tube with fewer than 30 events shows each as a tick; one with none says so.
    """
    with style(size) as page:
        names = [elided(curve.label, NAME_LETTERS) for curve in curves]
        legend = any(curve.group for curve in curves)
        drawn_on = _overlay_axes(names, page, top=head(title) + 3.0 * legend) if ax is None else ax
        dress(drawn_on, "x", scale=scale, limits=limits, label=label, page=page)
        bases = [offset * (len(curves) - 1 - i) for i in range(len(curves))]
        for curve, base, colour in zip(curves, bases, _colours(curves), strict=True):
            _draw_curve(
                drawn_on, curve.values, limits, base=base, colour=colour, filled=curve.fmo, scale=page.scale
            )
            _draw_cut(drawn_on, curve, limits, base=base, height=offset, scale=page.scale)
        top = max(bases, default=0.0) + 1.3
        drawn_on.set_ylim(-0.05, top)
        counted = [f"{name}\nn = {len(curve.values):,}" for name, curve in zip(names, curves, strict=True)]
        drawn_on.set_yticks(bases, counted)
        for tick in drawn_on.get_yticklabels():
            tick.set(fontsize=page.small, verticalalignment="bottom", linespacing=1.15)
        drawn_on.tick_params(axis="y", length=0)
        drawn_on.text(0.985, top - 0.05, "% positive", transform=drawn_on.get_yaxis_transform(), ha="right",
                      va="top", fontsize=page.small)  # fmt: skip
        _draw_legend(drawn_on, curves, page)
        if title:
            pad = (2.5 + 8.5 * legend) * page.scale  # points: the legend lies between title and frame
            drawn_on.set_title(title, fontsize=page.medium, pad=pad)
    return drawn_on


def _overlay_axes(names: Sequence[str], page: Size, *, top: float) -> Axes:
    """Return axes as high as the curves need, beside names as wide as they are."""
    least, roomy = OFFSET_HEIGHT
    left = 5.0 + 1.05 * max([9, *map(len, names)])
    room = page.height / page.scale - top - 10.0
    tall = max(35.0, float(np.clip(room / max(len(names), 1), least, roomy)) * len(names))
    return single_axes(page, left=left, width=left + 45.0, height=17.0 + tall, top=top)


def _colours(curves: Sequence[Curve]) -> list[str]:
    """Return a colour per curve: of its group where there are groups, else the next one; grey for a control."""
    groups = list(dict.fromkeys(c.group for c in curves if c.group and not c.fmo))
    several = cycle(CURVE_COLOURS)
    by_group = dict(zip(groups, cycle(CURVE_COLOURS), strict=False))
    return [GREY if c.fmo else by_group[c.group] if c.group else next(several) for c in curves]


def _draw_legend(ax: Axes, curves: Sequence[Curve], page: Size) -> None:
    from matplotlib.lines import Line2D

    colours = {c.group: k for c, k in zip(curves, _colours(curves), strict=True) if c.group and not c.fmo}
    if colours:
        handles = [Line2D([], [], color=colour, label=group) for group, colour in colours.items()]
        ax.legend(handles=handles, loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2, fontsize=page.small,
                  handlelength=1.2, borderaxespad=0.2)  # fmt: skip


def smoothed(values: Floats, limits: Limits) -> tuple[Floats, Floats]:
    """Return places and the density there, its mode 1; events outside the limits count at the frame.

    The bandwidth is two thirds of Silverman's, which is made for one peak and would merge two.
    """
    from scipy.ndimage import gaussian_filter1d

    clipped = np.clip(values[np.isfinite(values)], *limits)
    counts, edges = np.histogram(clipped, bins=BINS, range=limits)
    spread = min(float(clipped.std()), float(np.subtract(*np.quantile(clipped, [0.75, 0.25]))) / 1.34)
    bandwidth = 0.6 * spread * len(clipped) ** -0.2 / (edges[1] - edges[0])
    smooth = gaussian_filter1d(counts.astype(np.float64), max(bandwidth, 1.0), mode="constant")
    return (edges[:-1] + edges[1:]) / 2, smooth / smooth.max()


def _draw_curve(
    ax: Axes, values: Floats, limits: Limits, *, base: float, colour: str, filled: bool, scale: float
) -> Floats:
    """Draw one curve, and return points under it, which a label should keep off."""
    ax.axhline(base, color=LIGHT_GREY, linewidth=0.4 * scale, zorder=1 - base / 1000)
    values = values[np.isfinite(values)]
    order = 2 - base / 1000  # a curve lies in front of those above it
    if not len(values):
        ax.text(0.5, base + 0.1, "no events", transform=ax.get_yaxis_transform(), ha="center", color="0.4",
                fontsize=5.0 * scale)  # fmt: skip
    elif len(values) < FEW_EVENTS:
        ax.vlines(np.clip(values, *limits), base, base + 0.25, color=colour, linewidth=0.6 * scale, zorder=3)
    else:
        x, height = smoothed(values, limits)
        ax.fill_between(x, base, base + height, color=LIGHT_GREY if filled else "white", linewidth=0,
                        alpha=1.0 if filled else 0.6, zorder=order)  # fmt: skip
        ax.plot(x, base + height, color=colour, linewidth=(0.6 if filled else 0.9) * scale, zorder=order)
        return np.vstack([np.column_stack([x, base + part * height]) for part in np.linspace(0, 1, 12)])
    return np.empty((0, 2))


def _draw_cut(ax: Axes, curve: Curve, limits: Limits, *, base: float, height: float, scale: float) -> None:
    if curve.cut is None or not len(curve.values):
        return
    ax.vlines(
        curve.cut, base, base + height, color="black", linewidth=0.6 * scale, linestyle=(0, (4, 2)), zorder=4
    )
    right = curve.cut < limits[0] + 0.75 * (limits[1] - limits[0])
    ax.text(
        0.985 if right else 0.015, base + 0.12, percent(curve.positive), transform=ax.get_yaxis_transform(),
        ha="right" if right else "left", va="bottom", fontsize=5.0 * scale, zorder=5,
    )  # fmt: skip
