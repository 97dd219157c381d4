"""Difference: where, on two markers, one arm has more of its events than the other. An illustration, no test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cytometry.plots.axes import dress, elided
from cytometry.plots.biaxial import draw_gates
from cytometry.plots.grid import Axis
from cytometry.plots.marks import DENSITY_BINS, Frame, density_grid
from cytometry.plots.outlines import DrawnGate
from cytometry.plots.style import (
    CONTROL_COLOUR,
    LIGHT_GREY,
    TREATED_COLOUR,
    Size,
    head,
    print_ticks,
    single_axes,
    style,
)
from gating.scales import Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ERRORS = 2.0  # standard errors between subjects, below which a difference is not drawn
SMOOTHING = 3.0  # bins: wider than for one tube, since subjects' clouds lie apart
LEVELS = (0.25, 0.5, 0.75)  # of the largest difference
OUTLINES = (0.01, 0.1, 0.5)  # of the highest mean density
LETTERS = 13  # of an arm's name beside the bar
WHITE = "#FFFFFF"


def density_difference(
    arms: Mapping[str, Mapping[str, Floats]],
    x: Axis,
    y: Axis,
    *,
    paired: bool = False,
    gates: Sequence[DrawnGate] = (),
    title: str = "",
    ax: Axes | None = None,
    size: str = "nature1",
) -> Axes:
    """Draw the mean density of one arm's subjects minus that of the other's.

    Each subject's events are turned into a density that sums to 1, so that a tube with many events weighs as much
    as one with few; these are averaged over the subjects of each arm. Blue, with dashed lines: more in the first
    arm; vermilion, with solid lines: more in the second. What lies within two standard errors between subjects is left
    white, point by point: that shows where to look, and tests nothing.

    Parameters
    ----------
    arms
        Two, control first: for each of its subjects the events on both display scales, shape ``(n, 2)``. Subjects
        without events are left out, and not counted in the n that is written.
    paired
        Whether a subject of one arm is the same one in the other: then those in both are taken, and the standard
        error is that of their differences.
    x, y
        What the axes show.
    gates
        To draw, such as those of one tube.

    Raises
    ------
    ValueError
        If there are not two arms, or one has no subject with events.
    """
    if len(arms) != 2:
        msg = f"a difference is between two arms, not {len(arms)}"
        raise ValueError(msg)
    frame: Frame = (x.limits, y.limits)
    densities = _densities(arms, frame, paired=paired)
    counts = [len(of) for of in densities]
    difference, seen = _seen(densities, paired=paired)
    shown = np.where(seen, difference, 0.0)
    with style(size) as page:
        drawn_on = single_axes(page, width=70.0, right=16.0, top=head(title)) if ax is None else ax
        dress(drawn_on, "x", scale=x.scale, limits=x.limits, label=x.label, page=page)
        dress(drawn_on, "y", scale=y.scale, limits=y.limits, label=y.label, page=page)
        most = float(np.abs(difference).max()) or 1.0
        names = [f"{elided(arm, LETTERS)}\nn = {n}" for arm, n in zip(arms, counts, strict=True)]
        _draw_difference(drawn_on, shown, frame, most=most, names=names, page=page)
        _draw_where_events_are(drawn_on, densities, frame, page=page)
        draw_gates(drawn_on, gates, axes=(x.name, y.name), events=np.empty((0, 2)), scale=page.scale)
        said = (
            "one subject: spread not known"
            if min(counts) < 2
            else "nowhere beyond 2 SE"
            if not shown.any()
            else ""
        )
        drawn_on.text(0.02, 0.02, said, transform=drawn_on.transAxes, fontsize=page.small)
        if title:
            drawn_on.set_title(title, fontsize=page.medium)
    return drawn_on


def _densities(
    arms: Mapping[str, Mapping[str, Floats]], frame: Frame, *, paired: bool
) -> list[NDArray[np.float64]]:
    """Return each arm's densities, shape ``(subjects, bins, bins)``; of pairs, in the same order in both."""
    known = {arm: {name: at for name, at in subjects.items() if len(at)} for arm, subjects in arms.items()}
    both = set.intersection(*(set(subjects) for subjects in known.values()))
    densities = []
    for arm, subjects in known.items():
        names = sorted(both) if paired else list(subjects)
        if not names:
            msg = f"no subject of {arm} has events to show" + " in both arms" * paired
            raise ValueError(msg)
        densities.append(np.array([_density(subjects[name], frame) for name in names]))
    return densities


def _seen(densities: Sequence[Floats], *, paired: bool) -> tuple[Floats, NDArray[np.bool_]]:
    """Return the difference of two arms' mean densities, as a share of the highest, and where it is out of the noise.

    Where an arm has one subject its spread is not known, and all is shown.
    """
    first, second = densities
    means = [arm.mean(axis=0) for arm in densities]
    difference = (means[1] - means[0]) / max(means[0].max(), means[1].max())
    if min(len(first), len(second)) < 2:
        return difference, np.ones(difference.shape, dtype=np.bool_)
    spread = [second - first] if paired else densities
    error = np.sqrt(sum(of.var(axis=0, ddof=1) / len(of) for of in spread))
    return difference, np.abs(means[1] - means[0]) > ERRORS * error


def _density(points: Floats, frame: Frame) -> Floats:
    (left, right), (bottom, top) = frame
    inside = np.clip(points, (left, bottom), (right, top))
    grid, _ = density_grid(inside, frame, bins=DENSITY_BINS, smoothing=SMOOTHING)
    return np.asarray(grid / grid.sum())


def _draw_where_events_are(ax: Axes, densities: Sequence[Floats], frame: Frame, *, page: Size) -> None:
    """Draw the outlines of both arms' mean density in grey, so that white is not taken for empty."""
    mean = np.mean([arm.mean(axis=0) for arm in densities], axis=0)
    middles = [np.linspace(*limits, 2 * DENSITY_BINS + 1)[1::2] for limits in frame]
    levels = [float(mean.max()) * share for share in OUTLINES]
    ax.contour(*middles, mean.T, levels=levels, colors=LIGHT_GREY, linewidths=0.4 * page.scale, zorder=1.5)


def _draw_difference(
    ax: Axes, difference: Floats, frame: Frame, *, most: float, names: list[str], page: Size
) -> None:
    from matplotlib.colors import LinearSegmentedColormap

    k = page.scale
    colours = LinearSegmentedColormap.from_list("arms", [CONTROL_COLOUR, WHITE, TREATED_COLOUR])
    image = ax.imshow(
        difference.T, extent=(*frame[0], *frame[1]), origin="lower", aspect="auto", cmap=colours,
        vmin=-most, vmax=most, interpolation="bilinear", zorder=1,
    )  # fmt: skip
    middles = [np.linspace(*limits, 2 * DENSITY_BINS + 1)[1::2] for limits in frame]
    if np.abs(difference).max() > LEVELS[0] * most:
        for sign, colour, dashes in ((-1, CONTROL_COLOUR, "dashed"), (1, TREATED_COLOUR, "solid")):
            levels = sorted(sign * most * level for level in LEVELS)
            ax.contour(*middles, difference.T, levels=levels, colors=colour, linestyles=dashes,
                       linewidths=0.5 * k, zorder=2)  # fmt: skip
    bar_axes = ax.inset_axes((1.05, 0.2, 0.05, 0.6))
    bar = ax.figure.colorbar(image, cax=bar_axes)
    end = f"{100 * most:.{0 if most >= 0.095 else 1}f} %"
    bar.set_ticks([-most, 0.0, most], labels=[f"\N{MINUS SIGN}{end}", "0", f"+{end}"])
    bar.outline.set_linewidth(0.5 * k)
    print_ticks(bar_axes, page)
    for name, at, side in ((names[1], 1.03, "bottom"), (names[0], -0.03, "top")):
        bar_axes.text(0.0, at, f"more in\n{name}", transform=bar_axes.transAxes, ha="left", va=side,
                      fontsize=page.small)  # fmt: skip
