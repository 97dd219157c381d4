"""How events are drawn: contours hold what they say, a control and a population stand out."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from drawn import CUT, small_tube
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex
from matplotlib.contour import QuadContourSet

from cytometry.plots import Control, DrawnGate, biaxial, histogram
from cytometry.plots.marks import HIGHLIGHT, contours, dot_size
from cytometry.plots.outlines import points
from gating.columns import Columns
from gating.gates import Interval

FRAME = ((0.0, 1.0), (0.0, 1.0))


@pytest.fixture(scope="module")
def tube() -> Columns:
    return small_tube()


def of(ax: Axes, kind: type) -> list:
    return [artist for artist in ax.get_children() if isinstance(artist, kind)]


def test_a_twentieth_of_the_events_lies_outside_the_lowest_contour_and_a_tenth_between_two() -> None:
    cloud = np.random.default_rng(1).normal(0.5, 0.1, (5000, 2))
    grid, _, levels, outside = contours(cloud, FRAME)
    assert np.mean(outside) == pytest.approx(0.05, abs=0.005)
    at = grid[tuple(np.clip((cloud * len(grid)).astype(int), 0, len(grid) - 1).T)]
    between = [np.mean((at >= low) & (at < high)) for low, high in pairwise(levels[1:])]
    assert between == pytest.approx([0.1] * len(between), abs=0.01)


def test_contours_leave_the_outliers_as_dots_and_no_other(tube: Columns) -> None:
    ax = biaxial(tube, "CD3", "CD8", kind="contour")
    (dots,) = of(ax, PathCollection)
    assert len(of(ax, QuadContourSet)) == 1
    assert len(dots.get_offsets()) == pytest.approx(0.05 * 4000, abs=20)


def test_under_a_hundred_events_no_contour_is_invented(tube: Columns) -> None:
    ax = biaxial(tube, "CD3", "CD8", rows=np.arange(60), kind="contour")
    assert not of(ax, QuadContourSet)
    assert len(of(ax, PathCollection)[0].get_offsets()) == 60


def test_an_unknown_way_of_drawing_is_answered_with_those_there_are(tube: Columns) -> None:
    with pytest.raises(ValueError, match="auto, pseudocolour, contour, dots, not as 'zebra'"):
        biaxial(tube, "CD3", "CD8", kind="zebra")  # type: ignore[arg-type]


def test_a_population_picked_out_is_drawn_whole_however_few_of_the_others_are(tube: Columns) -> None:
    rare = np.flatnonzero(tube.values("PD-1") > CUT)[:30]
    ax = biaxial(tube, "CD3", "CD8", highlight=rare, max_events=100)
    others, bright = of(ax, PathCollection)
    assert len(bright.get_offsets()) == 30
    assert to_hex(bright.get_facecolor()[0]) == HIGHLIGHT.lower()
    assert 70 <= len(others.get_offsets()) <= 100
    assert bright.get_sizes()[0] > others.get_sizes()[0]  # not by colour alone


def test_events_picked_out_that_the_plot_does_not_show_are_not_drawn(tube: Columns) -> None:
    ax = biaxial(tube, "CD3", "CD8", rows=np.arange(100), highlight=np.arange(90, 200))
    assert len(of(ax, PathCollection)[1].get_offsets()) == 10


def test_the_fewer_events_the_larger_their_dots() -> None:
    sizes = [dot_size(n) for n in (10, 500, 50_000)]
    assert sizes == sorted(sizes, reverse=True)


def test_a_control_lies_over_the_sample_as_contours_on_its_scales(tube: Columns) -> None:
    ax = biaxial(tube, "CD3", "PD-1", control=Control(small_tube(2000, seed=8, positive=0.0)))
    (control,) = of(ax, QuadContourSet)
    reached = max(path.vertices[:, 1].max() for path in control.get_paths() if len(path.vertices))
    assert reached < CUT  # the control has no PD-1


def test_a_control_of_few_events_is_crosses(tube: Columns) -> None:
    ax = biaxial(tube, "CD3", "PD-1", control=Control(tube, np.arange(20)))
    (crosses,) = [line for line in ax.lines if line.get_marker() == "x"]
    assert len(crosses.get_xdata()) == 20  # type: ignore[arg-type]


def test_a_gate_over_its_control_says_both_percentages_and_their_difference() -> None:
    gate = DrawnGate("PD-1+", Interval("PD-1", low=CUT), 0.123, control=0.004)
    assert gate.text == "PD-1+\n12.3 %\nFMO 0.40 %\n+11.9 points"
    assert points(-0.0123) == "\N{MINUS SIGN}1.23 points"
    assert points(float("nan")) == "\N{EN DASH} points"


def test_a_tube_s_own_gate_is_dashed_and_starred_besides_its_colour(tube: Columns) -> None:
    gates = [DrawnGate("PD-1+", Interval("PD-1", low=CUT), 0.2, marked=marked) for marked in (False, True)]
    usual, own = (biaxial(tube, "CD3", "PD-1", gates=[gate]) for gate in gates)
    lines = [next(p for p in ax.patches if p.get_gid() == "gate:PD-1+") for ax in (usual, own)]
    assert [line.get_linestyle() for line in lines] == ["solid", "--"] or lines[1].get_linestyle() != "solid"
    assert "*" in own.texts[0].get_text()
    assert "*" not in usual.texts[0].get_text()


def test_a_histogram_draws_the_population_picked_out_as_a_second_curve(tube: Columns) -> None:
    plain = histogram(tube, "PD-1")
    both = histogram(tube, "PD-1", highlight=tube.values("PD-1") > CUT)
    assert len(both.lines) == len(plain.lines) + 2  # its base and its curve
