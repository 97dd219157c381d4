from __future__ import annotations

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure

from cytometry.plots import Curve, DrawnGate, biaxial, histogram, overlay, overlay_caption
from cytometry.plots.histogram import smoothed
from cytometry.plots.labels import Wanted, place
from cytometry.plots.marks import local_density
from cytometry.plots.outlines import outline, percent
from gating.columns import ArrayEvents, Columns, Dimension
from gating.errors import ColumnsError, GeometryError
from gating.gates import Ellipsoid, Gate, Interval, Polygon, Rectangle
from gating.scales import Linear, Logicle

LOGICLE = Logicle(w=0.8)
CUT = float(LOGICLE.forward(1000.0))
FRAME = ((0.0, 1.0), (0.0, 2.0))
INF = float("inf")


@pytest.fixture(scope="module")
def tube() -> Columns:
    rng = np.random.default_rng(3)
    pd1 = np.where(rng.random(5000) < 0.2, 10 ** rng.normal(3.8, 0.2, 5000), rng.normal(50, 120, 5000))
    values = np.column_stack([pd1, rng.normal(100, 150, 5000), rng.normal(60e3, 8e3, 5000)])
    dimensions = {
        "PD-1": Dimension("a", LOGICLE),
        "TIM-3": Dimension("b", LOGICLE),
        "SSC-A": Dimension("c", Linear()),
    }
    return Columns(ArrayEvents(values, ("a", "b", "c")), dimensions)


def dots(ax: Axes) -> PathCollection:
    return next(c for c in ax.collections if isinstance(c, PathCollection))


def texts(ax: Axes) -> list[str]:
    return [text.get_text() for text in ax.texts]


def pd1_positive(tube: Columns) -> DrawnGate:
    return DrawnGate("PD-1+", Interval("PD-1", low=CUT), float(np.mean(tube.values("PD-1") >= CUT)))


def test_the_percentage_is_of_all_events_however_few_are_drawn(tube: Columns) -> None:
    gate = pd1_positive(tube)
    for drawn in (5000, 50):
        ax = biaxial(tube, "PD-1", "TIM-3", gates=[gate], max_events=drawn)
        assert len(dots(ax).get_offsets()) == drawn
        assert texts(ax) == [f"PD-1+\n{100 * gate.fraction:.1f} %"]


def test_a_seed_draws_the_same_events_and_another_seed_others(tube: Columns) -> None:
    def drawn(seed: int) -> np.ndarray:
        ax = biaxial(tube, "PD-1", "TIM-3", max_events=100, rng=np.random.default_rng(seed))
        return np.asarray(dots(ax).get_offsets())

    np.testing.assert_array_equal(drawn(1), drawn(1))
    assert not np.array_equal(drawn(1), drawn(2))


def test_few_events_are_dots_and_many_are_coloured_by_density(tube: Columns) -> None:
    assert dots(biaxial(tube, "PD-1", "TIM-3")).get_array() is not None
    few = np.arange(5000) < 300
    assert dots(biaxial(tube, "PD-1", "TIM-3", rows=few)).get_array() is None
    assert dots(biaxial(tube, "PD-1", "TIM-3", rows=few, kind="pseudocolour")).get_array() is not None


def test_rows_may_be_a_mask_or_numbers(tube: Columns) -> None:
    mask = tube.values("PD-1") >= CUT
    by_mask = biaxial(tube, "PD-1", "TIM-3", rows=mask, kind="dots")
    by_number = biaxial(tube, "PD-1", "TIM-3", rows=np.flatnonzero(mask), kind="dots")
    assert len(dots(by_mask).get_offsets()) == mask.sum()
    np.testing.assert_array_equal(dots(by_mask).get_offsets(), dots(by_number).get_offsets())


def test_no_event_is_lost_beyond_the_frame(tube: Columns) -> None:
    ax = biaxial(tube, "PD-1", "SSC-A", limits={"PD-1": (0.3, 0.5)})
    x = np.asarray(dots(ax).get_offsets())[:, 0]
    assert len(x) == 5000
    assert (x.min(), x.max()) == (0.3, 0.5)
    assert ax.get_xlim() == (0.3, 0.5)


def test_axes_are_labelled_with_marker_and_fluorochrome_and_linear_values(tube: Columns) -> None:
    ax = biaxial(tube, "PD-1", "SSC-A", labels={"PD-1": "PD-1 (BV421)"})
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("PD-1 (BV421)", "SSC-A")
    shown = dict(zip([t.get_text() for t in ax.get_xticklabels()], ax.get_xticks(), strict=True))
    assert shown["0"] == pytest.approx(float(LOGICLE.forward(0.0)))
    assert shown["10⁴"] == pytest.approx(float(LOGICLE.forward(1e4)))
    assert "40K" in [t.get_text() for t in ax.get_yticklabels()]


def test_the_axes_given_are_the_axes_drawn_on(tube: Columns) -> None:
    mine = Figure().add_subplot()
    assert biaxial(tube, "PD-1", "TIM-3", ax=mine) is mine
    assert mine.xaxis.label.get_fontsize() == 6.0


@pytest.mark.parametrize("rows", [np.zeros(5000, dtype=bool), np.array([], dtype=int)])
def test_an_empty_population_says_so_and_its_percentage_is_no_number(tube: Columns, rows: np.ndarray) -> None:
    ax = biaxial(
        tube, "PD-1", "TIM-3", rows=rows, gates=[DrawnGate("PD-1+", Interval("PD-1", low=CUT), float("nan"))]
    )
    assert texts(ax) == ["no events", "PD-1+\n\N{EN DASH} %"]


def test_a_single_event_is_drawn(tube: Columns) -> None:
    assert len(dots(biaxial(tube, "PD-1", "TIM-3", rows=np.array([7]))).get_offsets()) == 1


def test_a_gate_on_a_dimension_that_is_not_shown_is_refused(tube: Columns) -> None:
    with pytest.raises(GeometryError, match=r"a gate on TIM-3 cannot be drawn on PD-1 x SSC-A"):
        biaxial(tube, "PD-1", "SSC-A", gates=[DrawnGate("x", Interval("TIM-3", low=0.5), 0.5)])
    with pytest.raises(ColumnsError, match="LAG-3"):
        biaxial(tube, "PD-1", "LAG-3")


def test_density_is_highest_where_the_events_are() -> None:
    rng = np.random.default_rng(0)
    points = np.vstack([rng.normal(0.3, 0.02, (900, 2)), rng.uniform(0.6, 1.0, (100, 2))])
    density = local_density(points, ((0.0, 1.0), (0.0, 1.0)))
    assert density[:900].mean() > 20 * density[900:].mean()


def test_a_cut_is_a_line_from_bottom_to_top() -> None:
    found = outline(Interval("x", low=0.4), ("x", "y"), FRAME)
    assert [line.tolist() for line in found.lines] == [[[0.4, 0.0], [0.4, 2.0]]]
    assert found.box == (0.4, 1.0, 0.0, 2.0)


def test_a_quadrant_is_its_two_inner_sides_joined() -> None:
    corner = Rectangle(("x", "y"), (0.4, -INF), (INF, 1.5))
    (line,) = outline(corner, ("x", "y"), FRAME).lines
    assert sorted(map(tuple, line.tolist())) == [(0.4, 0.0), (0.4, 1.5), (1.0, 1.5)]
    assert line.tolist()[1] == [0.4, 1.5]


def test_a_closed_rectangle_is_one_closed_line() -> None:
    (line,) = outline(Rectangle(("x", "y"), (0.2, 0.5), (0.6, 1.0)), ("x", "y"), FRAME).lines
    assert line[0].tolist() == line[-1].tolist()
    assert len(line) == 5


def test_a_gate_drawn_on_swapped_axes_is_mirrored() -> None:
    triangle = Polygon(("x", "y"), np.array([[0.1, 0.2], [0.5, 0.2], [0.5, 1.8]]))
    upright, mirrored = (outline(triangle, axes, FRAME).lines[0] for axes in (("x", "y"), ("y", "x")))
    np.testing.assert_array_equal(upright, mirrored[:, ::-1])


@pytest.mark.parametrize(
    "gate",
    [
        Ellipsoid(("x", "y"), np.array([0.5, 1.0]), np.array([[0.02, 0.01], [0.01, 0.05]]), 1.7),
        Polygon(("x", "y"), np.array([[0.1, 0.2], [0.9, 0.4], [0.5, 1.8]])),
        Rectangle(("x", "y"), (0.2, 0.5), (0.6, 1.0)),
    ],
)
def test_the_line_drawn_is_where_membership_changes(gate: Gate) -> None:
    (line,) = outline(gate, ("x", "y"), FRAME).lines
    middle = (line[:-1] + line[1:]) / 2
    centre = line[:-1].mean(axis=0)
    assert gate.contains(centre + 0.98 * (middle - centre)).all()  # type: ignore[union-attr]
    assert not gate.contains(centre + 1.02 * (middle - centre)).any()  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("fraction", "text"),
    [(0.45231, "45.2 %"), (0.0452, "4.52 %"), (0.00123, "0.12 %"), (0.00001, "<0.01 %"), (0.0, "0 %"),
     (1.0, "100 %"), (0.9998, "100 %"), (float("nan"), "\N{EN DASH} %")],
)  # fmt: skip
def test_a_percentage_has_three_figures_at_most(fraction: float, text: str) -> None:
    assert percent(fraction) == text


def test_labels_lie_in_their_own_gates_and_not_on_each_other() -> None:
    quadrants = [(0.0, 0.5, 0.5, 1.0), (0.5, 1.0, 0.5, 1.0), (0.0, 0.5, 0.0, 0.5), (0.5, 1.0, 0.0, 0.5)]
    wanted = [Wanted(name, box, ()) for name, box in zip("abcd", quadrants, strict=True)]
    events = np.random.default_rng(1).uniform(0, 1, (500, 2))
    for (x, y), (left, right, bottom, top) in zip(
        place([(0.3, 0.15)] * 4, wanted, events), quadrants, strict=True
    ):
        assert left < x - 0.15 < x + 0.15 < right
        assert bottom < y - 0.075 < y + 0.075 < top


def test_a_label_keeps_off_the_events_that_it_counts() -> None:
    events = np.random.default_rng(1).normal((0.5, 0.25), 0.05, (500, 2))
    ((x, y),) = place([(0.3, 0.15)], [Wanted("cells", (0.0, 1.0, 0.0, 1.0), ())], events)
    assert not ((abs(events[:, 0] - x) < 0.15) & (abs(events[:, 1] - y) < 0.075)).any()


def test_a_histogram_is_normalised_to_its_mode_and_keeps_two_peaks() -> None:
    rng = np.random.default_rng(0)
    _, height = smoothed(
        np.concatenate([rng.normal(0.2, 0.04, 4000), rng.normal(0.7, 0.04, 1000)]), (0.0, 1.0)
    )
    assert height.max() == 1.0
    assert height[110:130].max() < 0.05  # the valley between them
    assert height[160:200].max() == pytest.approx(0.25, abs=0.05)


def test_a_histogram_carries_its_gate_and_percentage(tube: Columns) -> None:
    gate = pd1_positive(tube)
    ax = histogram(tube, "PD-1", gates=[gate])
    assert texts(ax) == [gate.text]
    assert sum(patch.get_gid() == "gate:PD-1+" for patch in ax.patches) == 1
    assert texts(histogram(tube, "PD-1", rows=np.array([], dtype=int))) == ["no events"]


@pytest.fixture(scope="module")
def curves(tube: Columns) -> list[Curve]:
    values = tube.values("PD-1")
    fmo = values[values < CUT]
    return [
        Curve("baseline", values, CUT),
        Curve("on treatment", values[1000:], CUT),
        Curve("FMO", fmo, CUT, fmo=True),
    ]


def draw_overlay(curves: list[Curve]) -> Axes:
    return overlay(curves, scale=LOGICLE, limits=(-0.1, 1.0), label="PD-1 (BV421)")


def test_an_overlay_prints_the_percentage_at_or_above_the_cut_of_all_events(
    tube: Columns, curves: list[Curve]
) -> None:
    written = texts(draw_overlay(curves))
    expected = 100 * np.count_nonzero(tube.values("PD-1") >= CUT) / 5000
    assert f"{expected:.1f} %" in written
    assert "0 %" in written  # the FMO, cut at its top
    names = [label.get_text() for label in draw_overlay(curves).get_yticklabels()]
    assert names[0] == "baseline\nn = 5,000"


def test_only_the_fmo_is_filled_grey(curves: list[Curve]) -> None:
    from matplotlib.collections import FillBetweenPolyCollection
    from matplotlib.colors import to_hex

    filled = [c for c in draw_overlay(curves).collections if isinstance(c, FillBetweenPolyCollection)]
    assert [to_hex(c.get_facecolor()[0]) for c in filled] == ["#ffffff", "#ffffff", "#d0d0d0"]  # type: ignore[index]


def test_under_thirty_events_no_curve_is_invented() -> None:
    few = Curve("few", np.array([0.2, 0.5, 0.8]), 0.4)
    ax = draw_overlay([few, Curve("none", np.empty(0), 0.4)])
    assert len(ax.lines) == 2  # the two base lines alone
    assert {"66.7 %", "no events"} <= set(texts(ax))


def test_the_caption_of_an_overlay_gives_percentage_and_events_of_each_tube(curves: list[Curve]) -> None:
    said = overlay_caption(curves, marker="PD-1", population="CD8 T")
    assert f"baseline: {percent(curves[0].positive)} at or above its cut, n = 5,000 events" in said
    assert "fluorescence-minus-one" in said
