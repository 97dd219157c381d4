"""One gate, over its control, in every tube, and its events in its ancestors."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from drawn import CUT, PD1, Svg, small_strategy, small_tube
from matplotlib.figure import Figure

from cytometry.plots import Axis, Tile, backgating, gate_grid, gate_plot, gate_tile, gating_hierarchy, save
from cytometry.plots.content import content_of
from cytometry.plots.one_gate import view_of
from gating.errors import GeometryError, StrategyError
from gating.gates import Interval
from gating.membership import assign
from gating.scales import Linear


def texts(ax: object) -> list[str]:
    return [text.get_text() for text in ax.texts]  # type: ignore[attr-defined]


def test_a_gate_is_drawn_where_the_hierarchy_draws_it_with_the_fraction_of_all_events() -> None:
    tube = small_tube()
    strategy = small_strategy(tube)
    members = assign(strategy, tube)
    ax = gate_plot(strategy, tube, members, "PD-1+", max_events=100)
    assert ax.get_xlabel() == "PD-1"
    assert ax.get_title() == f"CD8 T, n = {members.count('cells/T/CD8 T'):,}"
    assert f"PD-1+\n{100 * members.fraction(PD1):.1f} %" in texts(ax)


def test_the_percentage_of_a_control_is_that_of_its_own_parent_in_the_sample_s_gate() -> None:
    tube, fmo = small_tube(), small_tube(3000, seed=9, positive=0.02)
    strategy = small_strategy(tube)
    beside = assign(small_strategy(fmo), fmo)
    ax = gate_plot(strategy, tube, assign(strategy, tube), PD1, control=(fmo, beside))
    parent = beside.rows("cells/T/CD8 T")
    inside = np.mean(fmo.values("PD-1", parent) >= CUT)
    (said,) = texts(ax)
    assert f"FMO {100 * inside:.2f} %" in said
    assert said.endswith("points")


def test_a_boolean_population_has_no_plot_and_an_unknown_one_is_named() -> None:
    tube = small_tube(200)
    strategy = small_strategy(tube)
    members = assign(strategy, tube)
    with pytest.raises(GeometryError, match="no PD-1 is a boolean of other populations"):
        gate_plot(strategy, tube, members, "no PD-1")
    with pytest.raises(StrategyError, match="PD-2"):
        gate_plot(strategy, tube, members, "PD-2+")


def test_back_gating_shows_every_ancestor_and_all_events_of_a_rare_population() -> None:
    tube = small_tube(positive=0.01)
    strategy = small_strategy(tube)
    members = assign(strategy, tube)
    figure = backgating(strategy, tube, members, "PD-1+", max_events=200)
    assert len(figure.axes) == 4  # cells, T, CD8 T, PD-1+
    for ax in figure.axes:
        bright = ax.collections[-1].get_offsets()
        assert len(bright) == members.count(PD1)
    assert any(f"all {members.count(PD1)}" in text.get_text() for text in figure.texts)


def test_a_hierarchy_stands_in_a_part_of_a_figure_and_only_there() -> None:
    tube = small_tube(500)
    strategy = small_strategy(tube)
    whole = Figure(figsize=(7.2, 6.0))
    left, right = whole.subfigures(1, 2)
    drawn = gating_hierarchy(strategy, tube, assign(strategy, tube), figure=right)
    assert drawn is right
    assert not left.axes
    assert all(ax.get_window_extent().x0 > 0.5 * whole.bbox.width for ax in right.axes)


def test_a_part_of_a_figure_that_is_too_low_is_refused_with_what_is_needed() -> None:
    tube = small_tube(500)
    strategy = small_strategy(tube)
    low = Figure(figsize=(7.2, 0.5))
    with pytest.raises(ValueError, match="mm of height, and the figure given has 13 mm"):
        gating_hierarchy(strategy, tube, assign(strategy, tube), figure=low)


def test_what_a_tube_lacks_and_what_is_its_own_is_said_below_its_hierarchy() -> None:
    tube = small_tube(500)
    strategy = small_strategy(tube)
    absent = {"cells/T/CD4 T": "no valley", "cells/B": ""}
    figure = gating_hierarchy(strategy, tube, assign(strategy, tube), marked=[PD1], absent=absent)
    foot = " ".join(text.get_text() for text in figure.texts)
    assert "Without a gate in this tube: CD4 T (no valley); B." in foot
    assert "*, dashed" in foot


def test_no_arrow_hides_a_number() -> None:
    tube = small_tube()
    strategy = small_strategy(tube)
    figure = gating_hierarchy(strategy, tube, assign(strategy, tube), size="nature1")
    for ax in figure.axes:
        label = min((text.get_zorder() for text in ax.texts), default=np.inf)
        assert all(line.get_zorder() < label for line in ax.lines)


@pytest.mark.parametrize("size", ["nature1", "nature2", "slide"])
def test_long_names_and_many_gates_leave_no_plot_too_small_to_read(size: str) -> None:
    from cytometry.plots.sheet import SMALLEST_PLOT, fit
    from cytometry.plots.style import SIZES
    from cytometry.plots.views import Link

    chain = [Link(i, str(i), i + 1) for i in range(27)]
    sheet = fit([3] * 28, chain, SIZES[size], foot=10.0)
    least = SMALLEST_PLOT * SIZES[size].scale
    assert min(sheet.plot_width, sheet.plot_height) >= least - 1e-9
    assert all(sheet.frame(i)[0] + sheet.plot_width <= sheet.width for i in range(28))


def test_a_name_too_long_for_its_lines_loses_its_middle_and_keeps_its_ends() -> None:
    from cytometry.plots.labels import folded

    assert folded("CD8 T", 12, lines=1) == ["CD8 T"]
    lines = folded("CD3-CD19-CD14-CD56-HLA-DR+ myeloid", 12, lines=2)
    assert len(lines) == 2
    assert max(map(len, lines)) <= 12
    assert lines[0].startswith("CD3-")
    assert lines[1].endswith("oid")
    assert "\N{HORIZONTAL ELLIPSIS}" in "".join(lines)


def test_a_number_stands_in_its_own_gate_even_where_it_covers_all_the_events_there() -> None:
    from cytometry.plots.labels import Wanted, place

    own, other = (0.5, 1.0, 0.0, 0.4), (0.0, 0.5, 0.0, 0.4)
    crowd = np.random.default_rng(1).uniform((0.5, 0.0), (1.0, 0.4), (2000, 2))
    wide = Wanted("neighbour", other, ())
    (x, y), _ = place([(0.45, 0.2), (0.6, 0.2)], [Wanted("own", own, ()), wide], crowd)
    assert own[0] <= x <= own[1]
    assert own[2] <= y <= own[3]


# ---------------------------------------------------------------- the grid


def tiles(n: int) -> list[Tile]:
    made = []
    for i in range(n):
        tube = small_tube(300, seed=i, positive=0.1 + 0.01 * i)
        strategy = small_strategy(tube)
        content = content_of(strategy, tube, assign(strategy, tube), leaves=[PD1])
        made.append(
            gate_tile(f"tube {i}", content, view_of(content, PD1), note="cut +3.1 SD" if i == 0 else "")
        )
    return made


def grid(n: int, size: str = "nature2") -> tuple[Figure, ...]:
    x = Axis("PD-1", small_tube(1).dimensions["PD-1"].scale, (-0.1, 1.0), "PD-1 (BV421)")
    y = Axis("SSC-A", Linear(), (0.0, 8e4), "SSC-A")
    return gate_grid(tiles(n), x, y, title="PD-1+ of CD8 T", notes=["% of CD8 T"], size=size)


def test_forty_tubes_take_two_pages_in_the_order_given_each_within_the_journal_s() -> None:
    pages = grid(40)
    assert len(pages) == 2
    said = [text.get_text().split("\n")[0] for page in pages for text in page.texts]
    assert [s for s in said if s.startswith("tube ")] == [f"tube {i}" for i in range(40)]
    for page in pages:
        width, height = (side * 25.4 for side in page.get_size_inches())
        assert width == pytest.approx(183.0)
        assert height <= 170.0


def test_a_grid_has_one_range_for_all_tubes_and_every_tube_s_percentage_of_all_its_events() -> None:
    (page,) = grid(5)
    assert {ax.get_xlim() for ax in page.axes} == {(-0.1, 1.0)}
    for ax, tile in zip(page.axes, tiles(5), strict=True):
        assert texts(ax) == [tile.gates[0].text.split("\n")[-1]]
    assert any("cut +3.1 SD" in text.get_text() for text in page.texts)


def test_a_tube_without_the_gate_is_shown_without_one() -> None:
    x = Axis("PD-1", small_tube(1).dimensions["PD-1"].scale, (-0.1, 1.0), "PD-1")
    y = Axis("SSC-A", Linear(), (0.0, 8e4), "SSC-A")
    (page,) = gate_grid([Tile("lost", np.empty((0, 2)), 0, (), "no gate")], x, y)
    assert texts(page.axes[0]) == ["no events"]
    with pytest.raises(ValueError, match="at least one tube"):
        gate_grid([], x, y)


def test_plots_of_a_grid_do_not_touch() -> None:
    (page,) = grid(10, "nature1")
    boxes = [ax.get_window_extent() for ax in page.axes]
    lefts = sorted({round(box.x0) for box in boxes})
    assert all(second - first > boxes[0].width for first, second in pairwise(lefts))


def test_a_gate_in_a_grid_keeps_its_mark_without_its_name() -> None:
    from cytometry.plots import DrawnGate

    assert DrawnGate("", Interval("PD-1", low=CUT), 0.5, marked=True).text == "50.0 %\N{NO-BREAK SPACE}*"


def test_text_stays_text_in_a_grid(tmp_path: object) -> None:
    (path,) = save(grid(2)[0], f"{tmp_path}/grid", formats=["svg"])
    said = Svg(path)
    assert "PD-1 (BV421)" in said.texts
    assert min(said.fonts) >= 5.0
