from __future__ import annotations

import re
from itertools import combinations, pairwise
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cytometry.panel import Channel, Panel
from cytometry.plots import SIZES, gating_caption, gating_hierarchy, save
from cytometry.plots.layout import arrange
from cytometry.plots.outlines import percent
from cytometry.plots.sheet import fit, route_points
from cytometry.plots.views import Link, plan
from gating.columns import ArrayEvents, Columns, Dimension
from gating.errors import StrategyError
from gating.gates import Boolean, Ellipsoid, Gate, Interval, Operand, Polygon, Rectangle
from gating.membership import Membership, assign
from gating.scales import Linear, Logicle
from gating.strategy import GatingStrategy, Population

LOGICLE = Logicle(w=0.8)
INF = float("inf")
MARKERS = (
    "Viability",
    "CD45",
    "CD3",
    "CD19",
    "CD14",
    "CD4",
    "CD8",
    "CD45RA",
    "CCR7",
    "CD25",
    "CD127",
    "FoxP3",
    "PD-1",
    "TIM-3",
)
SCATTER = ("FSC-A", "FSC-H", "SSC-A")


def cuts(**signs: str) -> Gate:
    """Return cuts at 1,000: ``cuts(CD3="+", CD19="-")``; ``_`` in a name stands for ``-``."""
    at = float(LOGICLE.forward(1000.0))
    names = tuple(name.replace("_", "-") for name in signs)
    lows = tuple(at if sign == "+" else -INF for sign in signs.values())
    highs = tuple(at if sign == "-" else INF for sign in signs.values())
    return Interval(names[0], lows[0], highs[0]) if len(names) == 1 else Rectangle(names, lows, highs)


def human_t() -> list[Population]:
    """Return the shape of a full human T-cell strategy: 29 populations."""
    cells = Polygon(("FSC-A", "SSC-A"), np.array([[4e4, 5e3], [2e5, 5e3], [2e5, 1e5], [4e4, 1e5]]))
    band = Polygon(("FSC-A", "FSC-H"), np.array([[3e4, 2e4], [2e5, 1.5e5], [2e5, 2e5], [3e4, 4e4]]))
    made = [Population("cells", cells), Population("singlets", band, "cells")]

    def add(parent: str, **gates: Gate) -> None:
        above = next((p.path for p in reversed(made) if p.path.endswith(parent)), parent)
        made.extend(
            Population(name.replace("__", "-").replace("_", " "), gate, above) for name, gate in gates.items()
        )

    add("singlets", live=cuts(Viability="-"))
    add("live", leucocytes=cuts(CD45="+"))
    add("leucocytes", T_cells=cuts(CD3="+", CD19="-", CD14="-"), B_cells=cuts(CD3="-", CD19="+"))
    add("T cells", CD4_T=cuts(CD4="+", CD8="-"), CD8_T=cuts(CD4="-", CD8="+"), DN_T=cuts(CD4="-", CD8="-"))
    for lineage in ("CD4 T", "CD8 T"):
        path = next(p.path for p in made if p.name == lineage)
        add(lineage, naive=cuts(CD45RA="+", CCR7="+"), CM=cuts(CD45RA="-", CCR7="+"), EM=cuts(CD45RA="-", CCR7="-"),
            TEMRA=cuts(CD45RA="+", CCR7="-"), PD__1pos=cuts(PD_1="+"), TIM__3pos=cuts(TIM_3="+"),
            both=Boolean("and", (Operand(f"{path}/PD-1pos"), Operand(f"{path}/TIM-3pos"))),
            neither=Boolean("not", (Operand(f"{path}/both"),)))  # fmt: skip
    add("CD4 T", Treg=cuts(CD25="+", CD127="-"), FoxP3pos=cuts(FoxP3="+"), Fr_I=cuts(CD45RA="+", FoxP3="+"))
    add("Treg", PD__1pos=cuts(PD_1="+"))
    return made


def columns_of(n: int, names: tuple[str, ...] = (*SCATTER, *MARKERS)) -> Columns:
    rng = np.random.default_rng(11)
    values = {
        name: np.where(rng.random(n) < 0.55, 10 ** rng.normal(4, 0.25, n), rng.normal(80, 150, n))
        for name in names
    }
    values |= {"FSC-A": rng.normal(9e4, 1.5e4, n), "SSC-A": rng.normal(4e4, 9e3, n)}
    values["FSC-H"] = values["FSC-A"] * rng.normal(0.85, 0.03, n)
    values |= {name: 10 ** rng.normal(4, 0.2, n) for name in ("CD45", "CD3") if name in names}
    values |= {name: rng.normal(60, 100, n) for name in ("Viability", "CD19", "CD14") if name in names}
    dimensions = {name: Dimension(name, Linear() if "SC-" in name else LOGICLE) for name in values}
    return Columns(
        ArrayEvents(np.column_stack(list(values.values())).reshape(n, len(values)), tuple(values)), dimensions
    )


def strategy_of(populations: list[Population], columns: Columns) -> GatingStrategy:
    return GatingStrategy(columns.dimensions, tuple(populations))


class Drawn:
    """A figure, what it was drawn from, and its SVG."""

    def __init__(self, strategy: GatingStrategy, columns: Columns, folder: Path, **options: object) -> None:
        self.strategy, self.columns = strategy, columns
        self.membership: Membership = assign(strategy, columns)
        self.figure: Figure = gating_hierarchy(strategy, columns, self.membership, **options)  # type: ignore[arg-type]
        (self.path,) = save(self.figure, folder / "hierarchy", formats=["svg"])
        self.svg = ElementTree.fromstring(self.path.read_text())

    def ids(self, prefix: str) -> list[str]:
        found = [element.get("id", "") for element in self.svg.iter()]
        return [i.removeprefix(prefix) for i in found if i.startswith(prefix)]

    def texts(self) -> list[str]:
        return ["".join(element.itertext()) for element in self.svg.iter() if element.tag.endswith("}text")]

    def fonts(self) -> list[float]:
        styles = [element.get("style", "") for element in self.svg.iter() if element.tag.endswith("}text")]
        return [float(re.search(r"([\d.]+)px", style).group(1)) for style in styles]  # type: ignore[union-attr]

    def labels(self, ax: Axes) -> list[str]:
        return [text.get_text() for text in ax.texts]


@pytest.fixture(scope="module")
def human(tmp_path_factory: pytest.TempPathFactory) -> Drawn:
    columns = columns_of(6000)
    dyes = {"PD-1": "BV421", "CD4": "PerCP-Cy5.5"}
    panel = Panel(tuple(Channel(m, m, dyes.get(m, ""), "lineage") for m in MARKERS))
    strategy = strategy_of(human_t(), columns)
    return Drawn(strategy, columns, tmp_path_factory.mktemp("human"), panel=panel, max_events=800)


def test_every_gate_is_drawn_once_and_no_other(human: Drawn) -> None:
    drawn = human.ids("gate:")
    in_words = [p.path for p in human.strategy.populations if p.name == "neither"]
    assert sorted(drawn) == sorted(
        [*(set(human.strategy.paths) - set(in_words)), "cells/singlets/live/leucocytes/T cells#1"]
    )


def test_every_percentage_is_that_of_the_membership(human: Drawn) -> None:
    written = [text for ax in human.figure.axes for text in human.labels(ax)]
    for path in human.ids("gate:"):
        if "#" not in path:
            name, share = path.rpartition("/")[2], percent(human.membership.fraction(path))
            first = re.split(r"[\s\xa0]", name)[0]
            assert any(re.split(r"[\s\xa0]", text)[0] == first and share in text for text in written), path


def test_a_title_gives_the_population_and_all_its_events(human: Drawn) -> None:
    titles = {text.get_text().replace("\n", " ").replace(",", "") for text in human.figure.texts}
    for name in ("cells", "live", "CD4 T", "Treg"):
        n = human.membership.count(human.strategy.find(name))
        assert f"{name} n = {n}" in titles
    assert "all events n = 6000" in titles


def test_a_subsample_is_declared(human: Drawn) -> None:
    foot = " ".join(text.get_text() for text in human.figure.texts)
    assert "counted from all its events. Drawn: at most 800 events a plot" in foot
    drawn = [len(c.get_offsets()) for ax in human.figure.axes for c in ax.collections if c.get_rasterized()]
    assert max(drawn) == 800


def test_what_no_plot_can_show_is_said_in_words_with_its_percentage(human: Drawn) -> None:
    foot = " ".join(text.get_text() for text in human.figure.texts)
    share = percent(human.membership.fraction("CD8 T/neither"))
    assert f"Not drawn, % of CD8 T: neither {share} (not both)." in foot


def test_a_boolean_whose_name_spells_its_rule_is_not_explained_twice() -> None:
    columns = columns_of(300)
    three = [
        Population(name, gate)
        for name, gate in (("CD3+", cuts(CD3="+")), ("CD4+", cuts(CD4="+")), ("CD8+", cuts(CD8="+")))
    ]
    rule = Boolean("and", (Operand("CD3+"), Operand("CD4+"), Operand("CD8+", complement=True)))
    strategy = strategy_of([*three, Population("CD3+CD4+CD8-", rule), Population("helpers", rule)], columns)
    membership = assign(strategy, columns)
    foot = gating_hierarchy(strategy, columns, membership).texts[-1].get_text().replace("\n", " ")
    share = percent(membership.fraction("helpers"))
    said = f"Not drawn, % of all events: CD3+CD4+CD8- {share}; helpers {share} (CD3+ and CD4+ and not CD8+)."
    assert said in foot


def test_the_page_is_the_journals_and_the_type_can_be_read(human: Drawn) -> None:
    width, height = (
        float(human.svg.get(side, "").removesuffix("pt")) * 25.4 / 72 for side in ("width", "height")
    )
    assert width == pytest.approx(183.0, abs=0.01)
    assert height <= 170.01
    assert min(human.fonts()) >= 5.0
    assert max(human.fonts()) <= 7.0


def test_text_is_text_dots_are_rasterised_and_the_file_is_small(human: Drawn) -> None:
    assert {"PD-1 (BV421)", "CD4 (PerCP-Cy5.5)", "FSC-A", "10³", "100K"} <= set(human.texts())
    images = [element for element in human.svg.iter() if element.tag.endswith("}image")]
    assert len(images) == len(human.figure.axes)
    assert human.path.stat().st_size < 1_000_000


def test_no_text_lies_on_another(human: Drawn) -> None:
    human.figure.draw_without_rendering()
    for ax in human.figure.axes:
        boxes = [text.get_window_extent() for text in ax.texts]
        assert not any(a.padded(-2).overlaps(b.padded(-2)) for a, b in combinations(boxes, 2)), human.labels(
            ax
        )
    outside = [text.get_window_extent() for text in human.figure.texts]
    outside += [ax.xaxis.label.get_window_extent() for ax in human.figure.axes]
    outside += [ax.yaxis.label.get_window_extent() for ax in human.figure.axes]
    assert not any(a.padded(-2).overlaps(b.padded(-2)) for a, b in combinations(outside, 2))
    frame = human.figure.bbox.padded(1)
    assert all(
        frame.x0 <= b.x0 and b.x1 <= frame.x1 and frame.y0 <= b.y0 and b.y1 <= frame.y1 for b in outside
    )


def test_every_plot_but_the_first_is_led_to_by_an_arrow(human: Drawn) -> None:
    assert sorted(map(int, human.ids("arrow:"))) == list(range(1, len(human.figure.axes)))


def test_populations_of_one_parent_and_two_axes_share_a_plot(human: Drawn) -> None:
    views = plan(human.strategy).views
    shown = {
        (view.parent.rpartition("/")[2], view.x, view.y): [s.path.rpartition("/")[2] for s in view.shown]
        for view in views
    }
    assert shown["T cells", "CD4", "CD8"] == ["CD4 T", "CD8 T", "DN T"]
    assert shown["CD8 T", "CD45RA", "CCR7"] == ["naive", "CM", "EM", "TEMRA"]
    assert shown["CD8 T", "PD-1", "TIM-3"] == ["both", "PD-1pos", "TIM-3pos"]
    assert shown["CD4 T", "CD45RA", "FoxP3"] == ["Fr I", "FoxP3pos"]
    assert shown["Treg", "PD-1", "SSC-A"] == ["PD-1pos"]
    assert len(shown) == len(views)
    assert [(v.x, v.y) for v in views if v.before] == [("CD14", "SSC-A")]


def test_two_cuts_joined_by_and_are_drawn_as_the_rectangle_that_they_are(human: Drawn) -> None:
    view = next(v for v in plan(human.strategy).views if v.parent.endswith("CD8 T") and v.x == "PD-1")
    corner = next(s for s in view.shown if s.path.endswith("both"))
    inside = corner.gate.contains(human.columns.points(corner.gate.dimensions))  # type: ignore[union-attr]
    in_parent = human.membership.of("CD8 T")
    np.testing.assert_array_equal(inside & in_parent, human.membership.of("CD8 T/both"))


def test_a_gate_in_three_dimensions_names_its_base_in_the_last_step(human: Drawn) -> None:
    ax = next(a for a in human.figure.axes if a.get_xlabel() == "CD14")
    share = percent(human.membership.fraction("T cells"))
    assert [t.replace("\n", " ") for t in human.labels(ax)] == [f"T cells {share} of leucocytes"]


def test_arrows_run_between_the_plots_and_cross_none(human: Drawn) -> None:
    planned = plan(human.strategy)
    sheet = fit([1] * len(planned.views), planned.links, SIZES["nature2"], foot=6.0)
    assert len(set(sheet.grid.cells)) == len(planned.views)
    for route in sheet.grid.routes:
        left, top = sheet.frame(route.source)
        start = (left + sheet.plot_width, top + sheet.plot_height / 2)
        for target in route.targets:
            points = route_points(sheet, route, start, target=target)
            for (x1, y1), (x2, y2) in pairwise(points):
                for view in range(len(planned.views)):
                    fx, fy = sheet.frame(view)
                    apart_x = max(x1, x2) < fx or min(x1, x2) > fx + sheet.plot_width
                    apart_y = max(y1, y2) < fy or min(y1, y2) > fy + sheet.plot_height
                    assert apart_x or apart_y or view == route.source


def test_two_gates_never_share_a_lane_where_their_arrows_would_lie_on_each_other() -> None:
    links = [Link(0, "a", 1), Link(0, "a", 2), Link(0, "b", 3), Link(0, "b", 4)]
    grid = arrange(5, links, n_columns=2)
    assert grid.cells == ((0, 0), (1, 0), (1, 1), (2, 0), (2, 1))
    assert len({route.lane for route in grid.routes}) == 2
    assert grid.gutters == (0, 2, 0)


def test_a_chain_stands_in_one_row_with_short_arrows() -> None:
    grid = arrange(3, [Link(0, "a", 1), Link(1, "b", 2)], n_columns=4)
    assert grid.cells == ((0, 0), (0, 1), (0, 2))
    assert [link.target for link in grid.direct] == [1, 2]
    assert grid.routes == ()


def test_leaves_lead_to_nothing_else(tmp_path: Path) -> None:
    columns = columns_of(500)
    drawn = Drawn(strategy_of(human_t(), columns), columns, tmp_path, leaves=["Treg/PD-1pos"])
    names = {path.rpartition("/")[2] for path in drawn.ids("gate:") if "#" not in path}
    assert names == {"cells", "singlets", "live", "leucocytes", "T cells", "CD4 T", "Treg", "PD-1pos"}
    with pytest.raises(StrategyError, match="did you mean"):
        gating_hierarchy(drawn.strategy, columns, drawn.membership, leaves=["Tregs"])


def test_the_bool_frame_of_a_run_gives_the_same_figure() -> None:
    columns = columns_of(300)
    strategy = strategy_of(human_t()[:4], columns)
    membership = assign(strategy, columns)

    def written(figure: Figure) -> list[str]:
        return [text.get_text() for ax in figure.axes for text in ax.texts]

    by_code = gating_hierarchy(strategy, columns, membership)
    by_frame = gating_hierarchy(strategy, columns, membership.frame())
    assert written(by_code) == written(by_frame)


@pytest.mark.parametrize(("n", "said"), [(0, "\N{EN DASH} %"), (1, "all events, n = 1")])
def test_hardly_any_events_still_show_every_gate(n: int, said: str, tmp_path: Path) -> None:
    columns = columns_of(n)
    drawn = Drawn(strategy_of(human_t()[:9], columns), columns, tmp_path)
    assert len(drawn.ids("gate:")) == 10
    assert said in drawn.texts()


def test_a_strategy_in_which_every_gate_abstained_shows_all_events_and_says_so(tmp_path: Path) -> None:
    columns = columns_of(400)
    drawn = Drawn(strategy_of([], columns), columns, tmp_path)
    assert len(drawn.figure.axes) == 1
    assert "all events, n = 400" in drawn.texts()
    assert any("No population was gated" in text for text in drawn.texts())


def test_one_dimension_alone_is_shown_as_histograms(tmp_path: Path) -> None:
    columns = columns_of(400).with_dimensions({"CD3": Dimension("CD3", LOGICLE)})
    drawn = Drawn(strategy_of([Population("T", cuts(CD3="+"))], columns), columns, tmp_path)
    assert drawn.figure.axes[0].get_ylabel() == "% of mode"
    assert drawn.ids("gate:") == ["T"]


@pytest.mark.slow
def test_forty_five_populations_stay_readable_on_one_page(tmp_path: Path) -> None:
    made = human_t()
    for parent in [p.path for p in made if p.name in {"naive", "CM", "EM", "TEMRA"}]:
        made += [
            Population("PD-1pos", cuts(PD_1="+"), parent),
            Population("TIM-3pos", cuts(TIM_3="+"), parent),
        ]
    columns = columns_of(1500)
    assert len(made) == 45
    drawn = Drawn(strategy_of(made, columns), columns, tmp_path, max_events=300)
    assert len([i for i in drawn.ids("gate:") if "#" not in i]) == 43
    assert min(drawn.fonts()) >= 5.0
    assert drawn.figure.get_size_inches()[1] * 25.4 <= 170.01
    assert drawn.path.stat().st_size < 1_000_000


def test_names_of_twenty_five_letters_do_not_run_into_each_other(tmp_path: Path) -> None:
    long = {name: f"{name} of a long-named marker"[:25] for name in ("CD3", "CD19")}
    base = columns_of(800)
    columns = base.with_dimensions({long.get(name, name): d for name, d in base.dimensions.items()})
    gates = [
        Rectangle(tuple(long.values()), *ends)
        for ends in (((0.5, -INF), (INF, 0.5)), ((-INF, 0.5), (0.5, INF)))
    ]
    made = [Population(f"population number {i} of two"[:25], gate) for i, gate in enumerate(gates)]
    drawn = Drawn(strategy_of(made, columns), columns, tmp_path)
    (ax,) = drawn.figure.axes
    boxes = [text.get_window_extent() for text in ax.texts]
    assert not boxes[0].padded(-2).overlaps(boxes[1].padded(-2))
    assert all(
        ax.get_window_extent().padded(2).x0 <= b.x0 <= b.x1 <= ax.get_window_extent().padded(2).x1
        for b in boxes
    )
    assert ax.get_xlabel() == long["CD3"]


def test_an_ellipse_is_drawn_and_one_in_three_dimensions_is_named(tmp_path: Path) -> None:
    columns = columns_of(300)
    flat = Ellipsoid(("CD4", "CD8"), np.array([0.5, 0.5]), np.eye(2) * 0.01)
    deep = Ellipsoid(("CD4", "CD8", "CD3"), np.array([0.5, 0.5, 0.5]), np.eye(3) * 0.01)
    drawn = Drawn(
        strategy_of([Population("flat", flat), Population("deep", deep)], columns), columns, tmp_path
    )
    assert drawn.ids("gate:") == ["flat"]
    assert any("(a gate on CD4, CD8, CD3)" in text for text in drawn.texts())


def test_the_caption_says_what_is_drawn_and_on_which_scales(human: Drawn) -> None:
    said = gating_caption(human.strategy, tube="D07_pre", max_events=800)
    assert "Gating strategy of tube D07_pre. All 29 populations" in said
    assert "at most 800 events a plot are drawn" in said
    assert LOGICLE.name in said


def test_the_hand_gates_of_a_real_tube_can_be_shown(real_data: Path, tmp_path: Path) -> None:
    from cytometry.fcs import read_fcs

    source = read_fcs(next(real_data.glob("cytoexplorer_activation/**/Activation_32.fcs")))
    names = {"FSC-A": "FSC-A", "SSC-A": "SSC-A", "CD4": "Alexa Fluor 700-A", "CD8": "Alexa Fluor 488-A"}
    dimensions = {
        k: Dimension(v, Linear() if "SC-" in k else LOGICLE, compensated=False) for k, v in names.items()
    }
    columns = Columns(source, dimensions)
    cells = Polygon(("FSC-A", "SSC-A"), np.array([[4e4, 0], [4e4, 6e4], [1.5e5, 1.2e5], [2.4e5, 6e4]]))
    made = [Population("cells", cells), Population("CD4 T", cuts(CD4="+", CD8="-"), "cells")]
    drawn = Drawn(strategy_of(made, columns), columns, tmp_path, max_events=2000)
    assert f"all events, n = {source.n_events:,}" in drawn.texts()
    assert percent(drawn.membership.fraction("CD4 T")) in drawn.texts()
    assert drawn.path.stat().st_size < 300_000
