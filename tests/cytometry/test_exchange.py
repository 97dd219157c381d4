"""Documents of other programs: the truth that comes with them decides, and FlowKit where there is none."""

from __future__ import annotations

import re
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cytometry.compensation import find_spillover
from cytometry.errors import StudyError
from cytometry.exchange import read_gatingml, read_workspace, write_gatingml
from cytometry.fcs import Tube, read_fcs
from gating.columns import ArrayEvents, Columns, Dimension, Ratio, Spillover
from gating.gates import Boolean, Ellipsoid, Interval, Operand, Polygon, Rectangle
from gating.membership import Membership, assign, assign_plainly
from gating.scales import Arcsinh, Biex, FlowJoLog, Hyperlog, Linear, Log, Logicle
from gating.strategy import GatingStrategy, Population

NOT_GATINGML = "gml_range_gate_attr_testing.xml"
HEAD = (
    '<gating:Gating-ML xmlns:gating="http://www.isac-net.org/std/Gating-ML/v2.0/gating"'
    ' xmlns:transforms="http://www.isac-net.org/std/Gating-ML/v2.0/transformations"'
    ' xmlns:data-type="http://www.isac-net.org/std/Gating-ML/v2.0/datatypes">'
)
SPILL = """
<transforms:spectrumMatrix transforms:id="Spill">
  <transforms:fluorochromes>
    <data-type:fcs-dimension data-type:name="FITC"/><data-type:fcs-dimension data-type:name="PE"/>
  </transforms:fluorochromes>
  <transforms:detectors>
    <data-type:fcs-dimension data-type:name="B530"/><data-type:fcs-dimension data-type:name="Y585"/>
  </transforms:detectors>
  <transforms:spectrum><transforms:coefficient transforms:value="1"/>
    <transforms:coefficient transforms:value="0.25"/></transforms:spectrum>
  <transforms:spectrum><transforms:coefficient transforms:value="0"/>
    <transforms:coefficient transforms:value="1"/></transforms:spectrum>
</transforms:spectrumMatrix>
"""


def rectangle(name: str, *dimensions: str, parent: str = "") -> str:
    above = f' gating:parent_id="{parent}"' if parent else ""
    return f'<gating:RectangleGate gating:id="{name}"{above}>{"".join(dimensions)}</gating:RectangleGate>'


def dimension(channel: str, compensation: str = "uncompensated", **said: float | str) -> str:
    more = " ".join(f'gating:{key.replace("_", "-")}="{value}"' for key, value in said.items())
    return (
        f'<gating:dimension gating:compensation-ref="{compensation}" {more}>'
        f'<data-type:fcs-dimension data-type:name="{channel}"/></gating:dimension>'
    )


def gatingml(folder: Path, *parts: str) -> Path:
    path = folder / "gates.xml"
    path.write_text(HEAD + "".join(parts) + "</gating:Gating-ML>")
    return path


def gated(strategy: GatingStrategy, events: ArrayEvents) -> Membership:
    columns = Columns(events, strategy.dimensions)
    found, plain = assign(strategy, columns), assign_plainly(strategy, columns)
    assert np.array_equal(found.frame(), plain.frame())
    return found


@pytest.fixture(scope="session")
def compliance(real_data: Path) -> Path:
    folder = real_data / "flowkit" / "gate_ref"
    if not folder.is_dir():
        pytest.skip("the compliance documents of Gating-ML are not in this folder of real data")
    return folder


@cache
def compliance_tube(real_data: Path) -> Tube:
    return read_fcs(real_data / "flowio" / "data1.fcs")


def flowkit_membership(document: Path, tube: Tube) -> dict[str, np.ndarray]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # FlowKit's own
        import flowkit

        theirs = flowkit.parse_gating_xml(str(document))
        results = theirs.gate_sample(flowkit.Sample(tube.path, sample_id="tube"))
        quadrants = {q for name, above in theirs.get_gate_ids() for q in _quadrants(theirs, name, above)}
        names = [
            name
            for name, above in theirs.get_gate_ids()
            if name in quadrants or not _quadrants(theirs, name, above)
        ]
        return {name: results.get_gate_membership(name) for name in names}


def _quadrants(theirs: Any, name: str, above: tuple[str, ...]) -> list[str]:
    return [
        q for q, path in theirs.get_gate_ids() if path == (*above, name) and _is_quadrant(theirs, q, path)
    ]


def _is_quadrant(theirs: Any, name: str, above: tuple[str, ...]) -> bool:
    import flowkit

    try:
        theirs.get_gate(name, above)
    except flowkit.exceptions.QuadrantReferenceError:
        return True
    return False


def test_every_compliance_document_gates_every_event_as_its_truth_says(
    compliance: Path, real_data: Path
) -> None:
    truths = {
        path.stem.removeprefix("Results_"): np.loadtxt(path).astype(bool)
        for path in (compliance / "truth").glob("Results_*.txt")
    }
    tube = compliance_tube(real_data)
    spillover = find_spillover(tube)
    judged: set[str] = set()
    documents = [p for p in sorted((compliance / "gml").glob("*.xml")) if p.name != NOT_GATINGML]
    for document in documents:
        strategy = read_gatingml(document)
        found = assign(strategy, Columns(tube, strategy.dimensions, spillover))
        for path in strategy.paths:
            name = path.rpartition("/")[2]
            if name in truths:
                wrong = np.count_nonzero(found.of(path) != truths[name])
                assert wrong == 0, f"{document.name}: {path} differs for {wrong} events"
                judged.add(name)
    assert judged == set(truths)


def test_the_compliance_gates_without_a_truth_are_flowkits(compliance: Path, real_data: Path) -> None:
    document = compliance / "gml" / "gml_all_gates.xml"
    tube = compliance_tube(real_data)
    strategy = read_gatingml(document)
    found = assign(strategy, Columns(tube, strategy.dimensions, find_spillover(tube)))
    expected = flowkit_membership(document, tube)
    assert {path.rpartition("/")[2] for path in strategy.paths} == set(expected)
    assert len(expected) == 49
    for name, theirs in expected.items():
        assert np.array_equal(found.of(name), theirs), name


def test_every_compliance_document_gates_every_event_as_flowkit_does(
    compliance: Path, real_data: Path
) -> None:
    # Among them a matrix that is no ellipsoid's: the formula decides.
    tube = compliance_tube(real_data)
    for document in sorted((compliance / "gml").glob("*.xml")):
        if document.name == NOT_GATINGML:
            continue
        strategy = read_gatingml(document)
        found = assign(strategy, Columns(tube, strategy.dimensions, find_spillover(tube)))
        for name, theirs in flowkit_membership(document, tube).items():
            assert np.array_equal(found.of(name), theirs), f"{document.name}: {name}"


def test_what_is_no_gatingml_is_refused_by_name(compliance: Path) -> None:
    with pytest.raises(StudyError, match=r"gml_range_gate_attr_testing.xml: cannot be read"):
        read_gatingml(compliance / "gml" / NOT_GATINGML)


def test_a_gate_on_a_compensated_and_an_uncompensated_channel_compensates_one(tmp_path: Path) -> None:
    # FlowKit compensates both.
    document = gatingml(
        tmp_path, SPILL, rectangle("both", dimension("FITC", "Spill", min=50), dimension("Y585", min=90))
    )
    strategy = read_gatingml(document)
    events = ArrayEvents(np.array([[100.0, 100.0], [100.0, 80.0], [40.0, 200.0]]), ("B530", "Y585"))
    assert gated(strategy, events).of("both").tolist() == [True, False, False]
    assert [str(d.spillover is not None) for d in strategy.dimensions.values()] == ["True", "False"]


def test_one_channel_read_in_two_ways_by_one_gate_is_two_dimensions(tmp_path: Path) -> None:
    # FlowKit reads both of them in the second way.
    strategy = read_gatingml(
        gatingml(
            tmp_path,
            SPILL,
            rectangle("odd", dimension("PE", "Spill", min=70, max=80), dimension("Y585", min=90)),
        )
    )
    assert list(strategy.dimensions) == ["Y585 compensated by Spill, linear", "Y585 uncompensated, linear"]
    events = ArrayEvents(np.array([[100.0, 100.0], [0.0, 100.0], [100.0, 80.0]]), ("B530", "Y585"))
    assert gated(strategy, events).of("odd").tolist() == [True, False, False]


@pytest.mark.parametrize("scale", ["logicle", "hyperlog"])
def test_an_event_that_is_no_number_lies_in_no_negative_gate(tmp_path: Path, scale: str) -> None:
    # FlowKit puts NaN, and with logicle infinity, at -1.
    transform = (
        f'<transforms:transformation transforms:id="s"><transforms:{scale} transforms:T="262144"'
        ' transforms:W="0.5" transforms:M="4.5" transforms:A="0"/></transforms:transformation>'
    )
    negative = rectangle("negative", dimension("B530", max=0.3, transformation_ref="s"))
    strategy = read_gatingml(gatingml(tmp_path, transform, negative))
    found = gated(strategy, ArrayEvents(np.array([[0.0], [np.nan], [np.inf], [1e4]]), ("B530",)))
    assert found.of("negative").tolist() == [True, False, False, False]
    assert found.not_finite == 2


@pytest.mark.parametrize(
    ("compensation", "inside"), [("uncompensated", [True, False, False]), ("Spill", [True, True, False])]
)
def test_a_ratio_is_one_of_compensated_values_where_the_document_asks_for_them(
    compensation: str, inside: list[bool], tmp_path: Path
) -> None:
    # FlowKit divides raw values, and fails on a ratio with one open end: it has no end there, not even None.
    ratio = (
        '<transforms:transformation transforms:id="r"><transforms:fratio transforms:A="2" transforms:B="0"'
        ' transforms:C="-1"><data-type:fcs-dimension data-type:name="B530"/>'
        '<data-type:fcs-dimension data-type:name="Y585"/></transforms:fratio></transforms:transformation>'
    )
    gate = rectangle(
        "high",
        f'<gating:dimension gating:compensation-ref="{compensation}" gating:min="4">'
        '<data-type:new-dimension data-type:transformation-ref="r"/></gating:dimension>',
    )
    found = gated(
        read_gatingml(gatingml(tmp_path, SPILL, ratio, gate)),
        ArrayEvents(np.array([[20.0, 9.0], [19.0, 9.0], [0.0, -1.0]]), ("B530", "Y585")),
    )
    assert found.of("high").tolist() == inside  # the last divides by zero


def test_a_complement_may_be_written_as_one(tmp_path: Path) -> None:
    # FlowKit takes "1", which XML allows for true, as false.
    reference = '<gating:gateReference gating:ref="{}" gating:use-as-complement="{}"/>'
    both = reference.format("low", "1") + reference.format("high", "0")
    gates = rectangle("low", dimension("B530", max=5)), rectangle("high", dimension("B530", min=3))
    boolean_gate = (
        f'<gating:BooleanGate gating:id="rest"><gating:and>{both}</gating:and></gating:BooleanGate>'
    )
    found = gated(
        read_gatingml(gatingml(tmp_path, *gates, boolean_gate)),
        ArrayEvents(np.array([[1.0], [4.0], [6.0]]), ("B530",)),
    )
    assert found.of("rest").tolist() == [False, False, True]


def test_what_flowkit_passes_over_is_refused(tmp_path: Path) -> None:
    bounded = (
        '<transforms:transformation transforms:id="s" transforms:boundMin="0"><transforms:flin transforms:T="9"'
        ' transforms:A="0"/></transforms:transformation>'
    )
    inverted = SPILL.replace(
        'transforms:id="Spill"', 'transforms:id="Spill" transforms:matrix-inverted-already="1"'
    )
    with pytest.raises(StudyError) as caught:
        read_gatingml(gatingml(tmp_path, bounded, inverted, rectangle("low", dimension("B530", max=5))))
    assert [str(problem) for problem in caught.value.problems] == [
        "error[CYT501] gates.xml, transform s: boundMin: bounds are not supported",
        "error[CYT501] gates.xml, matrix Spill: is inverted already, which is not supported",
    ]


def test_a_strategy_read_from_a_document_survives_json(compliance: Path) -> None:
    strategy = read_gatingml(compliance / "gml" / "gml_all_gates.xml")
    again = GatingStrategy.from_dict(strategy.to_dict())
    assert again.to_dict() == strategy.to_dict()
    assert again.dimensions == strategy.dimensions


def test_everything_that_cannot_be_read_is_told_at_once(tmp_path: Path) -> None:
    document = gatingml(
        tmp_path,
        rectangle("empty", dimension("B530", min=5, max=5)),
        rectangle("scaled", dimension("B530", min=5, transformation_ref="nowhere")),
        rectangle("compensated", dimension("B530", "lost", min=5)),
    )
    with pytest.raises(StudyError) as caught:
        read_gatingml(document)
    said = "\n".join(str(problem) for problem in caught.value.problems)
    assert "gate scaled: the document has no transform 'nowhere'" in said
    assert "gate compensated: the document has no matrix 'lost'" in said
    assert "gate empty: an interval on B530 needs low < high" in said
    assert len(caught.value.problems) == 3


# FlowJo -------------------------------------------------------------------------------------------------------

ISAC = "http://www.isac-net.org/std/Gating-ML/v2.0"
RECT = (
    '<Gate><gating:RectangleGate eventsInside="{inside}"><gating:dimension gating:min="{low}" gating:max="{high}">'
    '<data-type:fcs-dimension data-type:name="{channel}"/></gating:dimension></gating:RectangleGate></Gate>'
)


def population(
    name: str, channel: str, *below: str, low: float = 10, high: float = 100, inside: int = 1
) -> str:
    gate = RECT.format(low=low, high=high, channel=channel, inside=inside)
    return (
        f'<Population name="{name}" owningGroup="" count="1">{gate}'
        f"<Subpopulations>{''.join(below)}</Subpopulations></Population>"
    )


def boolean(kind: str, name: str, *operands: str) -> str:
    named = "".join(f'<Dependent name="{operand}"/>' for operand in operands)
    return f'<{kind} name="{name}" owningGroup="" count="1"><Dependents>{named}</Dependents></{kind}>'


def sample(name: str, number: int, *populations: str, matrix: bool = False, scale: str = "linear") -> str:
    spill = "".join(
        f'<transforms:spillover data-type:parameter="{row}">'
        + "".join(
            f'<transforms:coefficient data-type:parameter="{c}" transforms:value="{v}"/>'
            for c, v in zip(("B/530", "Y585"), values, strict=True)
        )
        + "</transforms:spillover>"
        for row, values in (("B_530", (1, 0.25)), ("Y585", (0, 1)))
    )
    names = "".join(f'<data-type:parameter data-type:name="{c}"/>' for c in ("B_530", "Y585"))
    matrices = (
        '<transforms:spilloverMatrix prefix="Comp-" suffix="" name="Acquisition" spectral="0">'
        f"<data-type:parameters>{names}</data-type:parameters>{spill}</transforms:spilloverMatrix>"
    )
    transforms = "".join(
        f'<transforms:{scale} transforms:minRange="0" transforms:maxRange="262144">'
        f'<data-type:parameter data-type:name="{channel}"/></transforms:{scale}>'
        for channel in ("B_530", "Y585")
    )
    return (
        f'<Sample><DataSet uri="{name}" sampleID="{number}"/>{matrices if matrix else ""}'
        f"<Transformations>{transforms}</Transformations>"
        '<Keywords><Keyword name="$P1N" value="B/530"/><Keyword name="$P2N" value="Y585"/></Keywords>'
        f'<SampleNode name="{name}" sampleID="{number}" count="3">'
        f"<Subpopulations>{''.join(populations)}</Subpopulations></SampleNode></Sample>"
    )


def workspace(folder: Path, *samples: str, group: tuple[int, ...] = (1,)) -> Path:
    spaces = " ".join(
        f'xmlns:{short}="{ISAC}/{long}"'
        for short, long in (
            ("gating", "gating"),
            ("transforms", "transformations"),
            ("data-type", "datatypes"),
        )
    )
    refs = "".join(f'<SampleRef sampleID="{number}"/>' for number in group)
    path = folder / "made.wsp"
    path.write_text(
        f'<Workspace version="20.0" flowJoVersion="10.8.1" {spaces}>'
        f'<Groups><GroupNode name="some"><Group><SampleRefs>{refs}</SampleRefs></Group></GroupNode></Groups>'
        f"<SampleList>{''.join(samples)}</SampleList></Workspace>"
    )
    return path


EVENTS = ArrayEvents(np.array([[50.0, 50.0], [50.0, 5.0], [200.0, 60.0]]), ("B/530", "Y585"))


def test_a_flowjo_gate_on_raw_values_is_not_compensated(tmp_path: Path) -> None:
    # FlowKit compensates every channel that the matrix names, whatever the gate was drawn on.
    gates = population("raw", "Y585", low=45), population("compensated", "Comp-Y585", low=45)
    strategy = read_workspace(workspace(tmp_path, sample("a.fcs", 1, *gates, matrix=True)))["a.fcs"]
    found = gated(strategy, EVENTS)
    assert found.of("raw").tolist() == [True, False, True]
    assert found.of("compensated").tolist() == [False, False, False]  # 50 - 50/4, 5 - 50/4, 60 - 200/4


def test_slashes_in_names_are_written_as_flowjo_writes_them_in_channels(tmp_path: Path) -> None:
    # FlowKit cannot find the parent "CD4/CD8".
    inner = population("both/none", "B_530")
    gates = (
        population("CD4/CD8", "Y585", inner, population(".", "B_530"), low=40),
        boolean("NotNode", "rest", "CD4/CD8/both/none"),
        boolean("AndNode", "all", "CD4/CD8/both/none", "CD4/CD8"),
    )
    strategy = read_workspace(workspace(tmp_path, sample("a.fcs", 1, *gates)))["a.fcs"]
    assert strategy.paths == ("CD4_CD8", "CD4_CD8/both_none", "CD4_CD8/.", "all", "rest")
    assert {d.channel for d in strategy.dimensions.values()} == {"B/530", "Y585"}
    found = gated(strategy, EVENTS)
    assert found.of("CD4_CD8/both_none").tolist() == [True, False, False]
    assert found.of("all").tolist() == [True, False, False]
    assert found.of("rest").tolist() == [False, True, True]


def test_a_gate_on_the_events_outside_is_two_populations(tmp_path: Path) -> None:
    gates = population("out", "B_530", population("child", "Y585"), inside=0)
    strategy = read_workspace(workspace(tmp_path, sample("a.fcs", 1, gates)))["a.fcs"]
    assert strategy.paths == ("outline of out", "out", "out/child")
    found = gated(strategy, EVENTS)
    assert found.of("out").tolist() == [False, False, True]
    assert found.of("out/child").tolist() == [False, False, True]


def test_each_sample_has_its_own_gates_and_can_be_asked_for(tmp_path: Path) -> None:
    path = workspace(
        tmp_path,
        sample("a.fcs", 1, population("P", "B_530")),
        sample("b.fcs", 2, population("P", "B_530", low=20)),
        sample("b.fcs", 3, population("P", "B_530", low=30)),
        group=(1, 3),
    )
    found = read_workspace(path, group="some")
    assert list(found) == ["a.fcs", "b.fcs"]
    lows = {name: strategy.population("P").gate.low * 262144 for name, strategy in found.items()}
    assert lows == pytest.approx({"a.fcs": 10, "b.fcs": 30})
    assert list(read_workspace(path, sample="a.fcs")) == ["a.fcs"]
    with pytest.raises(StudyError, match=r"made.wsp, b.fcs: two samples have this name"):
        read_workspace(path)  # FlowKit keeps the last one
    with pytest.raises(StudyError, match=r"has no group or sample 'sone'\n  did you mean some\?"):
        read_workspace(path, group="sone")
    with pytest.raises(StudyError, match=r"no group or sample 'c.fcs'"):
        read_workspace(path, group="some", sample="c.fcs")


def test_all_that_flowkit_would_stop_at_or_lose_is_told_at_once(tmp_path: Path) -> None:
    twice = population("P", "B_530"), population("P", "B_530", low=20)
    curly = population("Q", "B_530").replace("RectangleGate", "CurlyQuad")
    nothing = boolean("OrNode", "none")
    strange = sample("b.fcs", 2, population("P", "B_530"), scale="miltenyi")
    with pytest.raises(StudyError) as caught:
        read_workspace(workspace(tmp_path, sample("a.fcs", 1, *twice, curly, nothing), strange))
    said = [re.sub(r".*?: ", "", str(problem), count=1) for problem in caught.value.problems]
    assert said == [
        "CurlyQuad is not supported: rectangle, polygon, ellipse, and, or, not",
        "combines no population",
        "two populations have this name",
        "the scale of B_530 is a miltenyi, which is not supported",
        "the scale of Y585 is a miltenyi, which is not supported",
    ]
    assert "a.fcs, gate P" in str(caught.value)


def test_populations_come_in_the_documents_order_unless_a_boolean_needs_a_later_one(tmp_path: Path) -> None:
    gates = (
        population("A", "B_530", boolean("AndNode", "both", "A", "B"), population("A1", "Y585")),
        population("B", "Y585", population("B1", "B_530")),
    )
    strategy = read_workspace(workspace(tmp_path, sample("a.fcs", 1, *gates)))["a.fcs"]
    assert strategy.paths == ("A", "A/A1", "B", "B/B1", "A/both")


def test_a_boolean_of_what_is_not_there_is_refused(tmp_path: Path) -> None:
    lost = (
        boolean("AndNode", "lost", "gone"),
        boolean("NotNode", "two", "P", "lost"),
        population("P", "B_530"),
    )
    with pytest.raises(StudyError) as caught:
        read_workspace(workspace(tmp_path, sample("a.fcs", 1, *lost)))
    assert "gate lost: needs gone, which is not there or needs it in turn" in str(caught.value)
    assert "a boolean 'not' gate does not take 2 operands" in str(caught.value)  # FlowKit takes the first


def test_a_round_ellipse_is_refused(tmp_path: Path) -> None:
    # Its foci are one point, and FlowKit turns it by the line through them.
    def vertices(*points: tuple[int, int]) -> str:
        return "".join(
            "<gating:vertex>"
            + "".join(f'<gating:coordinate data-type:value="{v}"/>' for v in point)
            + "</gating:vertex>"
            for point in points
        )

    read = "".join(
        f'<gating:dimension><data-type:fcs-dimension data-type:name="{c}"/></gating:dimension>'
        for c in ("B_530", "Y585")
    )
    edges = vertices((60, 50), (40, 50), (50, 60), (50, 40))
    circle = (
        f'<Population name="circle" owningGroup=""><Gate><gating:EllipsoidGate>{read}'
        f"<gating:foci>{vertices((50, 50), (50, 50))}</gating:foci><gating:edge>{edges}</gating:edge>"
        "</gating:EllipsoidGate></Gate></Population>"
    )
    with pytest.raises(StudyError, match=r"made.wsp, a.fcs, gate circle: an ellipse with one focus"):
        read_workspace(workspace(tmp_path, sample("a.fcs", 1, circle)))


def test_what_is_no_workspace_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "no.wsp"
    path.write_text("<Other/>")
    with pytest.raises(StudyError, match=r"no.wsp: cannot be read: is no FlowJo workspace"):
        read_workspace(path)


@pytest.mark.parametrize(
    ("document", "events", "counts"),
    [
        (
            "simple_line_example/single_ellipse_51_events.wsp",
            "data_set_simple_line_100.fcs",
            {"ellipse1": 51},
        ),
        (
            "simple_diamond_example/test_data_diamond_biex_rect.wsp",
            "test_data_diamond_01.fcs",
            {"upper_right": 50605},
        ),
        (
            "simple_diamond_example/test_data_diamond_asinh_rect.wsp",
            "test_data_diamond_01.fcs",
            {"upper_right": 50559},
        ),
        (
            "simple_diamond_example/simple_diamond_example_quad_gate.wsp",
            "test_data_diamond_01.fcs",
            {
                "Q1: channel_A- , channel_B+": 49671,
                "Q2: channel_A+ , channel_B+": 50596,
                "Q3: channel_A+ , channel_B-": 50330,
                "Q4: channel_A- , channel_B-": 49403,
            },
        ),
    ],
)
def test_flowjo_counts_what_we_count(
    document: str, events: str, counts: dict[str, int], real_data: Path
) -> None:
    path = real_data / "flowkit" / document
    if not path.is_file():
        pytest.skip(f"{document} is not in this folder of real data")
    strategy = read_workspace(path)[events]
    tube = read_fcs(path.parent / events)
    assert assign(strategy, Columns(tube, strategy.dimensions)).counts() == counts


def events_about(strategy: GatingStrategy, rng: np.random.Generator, n_events: int = 30_000) -> ArrayEvents:
    """Return events that lie about the corners of the gates, on the raw scale, so that many are inside."""
    values: dict[str, np.ndarray] = {}
    spillover = next(d.spillover for d in strategy.dimensions.values() if d.spillover)
    for name, read in strategy.dimensions.items():
        corners = [c for p in strategy.populations for c in corners_of(p.gate, name) if np.isfinite(c)]
        two = rng.choice(corners, (2, n_events))
        values[read.channel] = read.scale.inverse(
            two[0] + rng.uniform(-0.5, 1.5, n_events) * (two[1] - two[0])
        )
    for detector in spillover.detectors:
        values.setdefault(detector, rng.normal(0, 100, n_events))
    dyes = np.column_stack([values[detector] for detector in spillover.detectors]) @ spillover.matrix
    values.update(zip(spillover.detectors, dyes.T, strict=True))
    return ArrayEvents(np.column_stack(list(values.values())), tuple(values))


def corners_of(gate: Any, name: str) -> list[float]:
    if name not in gate.dimensions:
        return []
    place = gate.dimensions.index(name)
    match gate:
        case Interval():
            return [gate.low, gate.high]
        case Rectangle():
            return [gate.lows[place], gate.highs[place]]
        case _:
            return [float(v) for v in gate.vertices[:, place]]


@pytest.mark.parametrize(
    "name", ["8_color_ICS", "8_color_ICS_boolean_gate_testing", "8_color_ICS_with_ellipse"]
)
def test_a_workspace_of_a_real_study_gates_made_up_events_as_flowkit_does(name: str, real_data: Path) -> None:
    path = real_data / "flowkit" / "8_color_data_set" / f"{name}.wsp"
    if not path.is_file():
        pytest.skip(f"{path.name} is not in this folder of real data")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import flowkit

        theirs = flowkit.Workspace(str(path), load_missing_file_data=True)
        for sample_name, strategy in read_workspace(path).items():
            fk_strategy = theirs.get_gating_strategy(sample_name)
            events = events_about(strategy, np.random.default_rng(1))
            made = flowkit.Sample(events.values, sample_id=sample_name, channel_labels=list(events.channels))
            results = fk_strategy.gate_sample(made)
            as_stored = ArrayEvents(made.get_events(source="raw"), events.channels)
            found = gated(strategy, as_stored)
            for gate, above in fk_strategy.get_gate_ids():
                expected = results.get_gate_membership(gate, above)
                assert np.array_equal(found.of("/".join((*above[1:], gate))), expected), gate
            assert sum(count > 0 for count in found.counts().values()) > len(strategy.paths) / 2


# The way out --------------------------------------------------------------------------------------------------


def every_kind() -> GatingStrategy:
    """Return a strategy with names that XML does not allow, one name in two branches, and every kind of gate."""
    dimensions = {
        "CD3": Dimension("B530", Logicle(w=0.7)),
        "CD4": Dimension("Y585", Arcsinh(a=0.5)),
        "raw": Dimension("Y585", Hyperlog(), compensated=False),
        "size": Dimension("FSC", Linear(), compensated=True),
        "odds": Dimension("B530", Log(t=100, m=2), compensated=False, ratio=Ratio("Y585", 2.0, -1.0, -3.0)),
    }
    square = np.array([[0.1, 0.1], [0.9, 0.1], [0.9, 1 / 3]])
    round_one = Ellipsoid(
        ("CD3", "CD4", "size"), np.array([0.4, 0.5, 2e4]), np.diag([0.1, 0.1, 1e9]) + 1e-3, 1.5
    )
    return GatingStrategy(
        dimensions,
        (
            Population("Live cells", Interval("size", low=1e4)),
            Population("CD3+", Interval("CD3", 0.1 + 0.2, 0.9), "Live cells"),
            Population("7AADneg", Polygon(("CD3", "raw"), square), "Live cells/CD3+"),
            Population("round", round_one),
            Population("CD3+", Rectangle(("CD3", "odds"), (-np.inf, 0.1), (0.5, np.inf)), "round"),
            Population("finite", Interval("CD4"), "round"),
            Population("not", Boolean("not", (Operand("Live cells/CD3+"),)), "round"),
            Population(
                "both", Boolean("and", (Operand("round"), Operand("Live cells/CD3+", complement=True)))
            ),
        ),
    )


@pytest.mark.parametrize("spillover", [None, Spillover(("B530", "Y585"), np.array([[1, 0.3], [0.01, 1]]))])
def test_what_is_written_is_read_back_event_for_event(tmp_path: Path, spillover: Spillover | None) -> None:
    strategy, path = every_kind(), tmp_path / "gates.xml"
    assert write_gatingml(strategy, path, spillover=spillover) == path
    assert [p.name for p in tmp_path.iterdir()] == ["gates.xml"]
    again = read_gatingml(path)
    assert set(again.paths) == set(strategy.paths)
    rng = np.random.default_rng(3)
    values = np.column_stack([10 ** rng.uniform(0, 5, (5_000, 2)), rng.normal(2e4, 1e4, 5_000)])
    events = ArrayEvents(values, ("B530", "Y585", "FSC"))
    ours = assign(strategy, Columns(events, strategy.dimensions, spillover))
    theirs = assign(again, Columns(events, again.dimensions))
    for population in strategy.paths:
        assert np.array_equal(ours.of(population), theirs.of(population)), population
    assert all(ours.count(path) > 0 for path in strategy.paths)


def test_a_scale_that_gatingml_does_not_have_is_not_written(tmp_path: Path) -> None:
    dimensions = {"X": Dimension("X", Biex()), "Y": Dimension("Y", FlowJoLog())}
    populations = (Population("a", Interval("X", low=1.0)), Population("b", Interval("Y", low=1.0), "a"))
    with pytest.raises(StudyError) as caught:
        write_gatingml(GatingStrategy(dimensions, populations), tmp_path / "gates.xml")
    said = str(caught.value)
    assert "gates.xml, gate a: Gating-ML has no scale like biex" in said
    assert "gates.xml, gate a/b: Gating-ML has no scale like flowjo_log" in said
    assert list(tmp_path.iterdir()) == []


def test_the_compliance_gates_survive_being_written(compliance: Path, tmp_path: Path) -> None:
    strategy = read_gatingml(compliance / "gml" / "gml_all_gates.xml")
    again = read_gatingml(write_gatingml(strategy, tmp_path / "gates.xml"))
    assert set(again.paths) == set(strategy.paths)
