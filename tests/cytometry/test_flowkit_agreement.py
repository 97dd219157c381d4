"""Our gating against FlowKit's gate_sample: every event, every kind of gate, nested, on real files."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cytometry.compensation import find_spillover
from cytometry.fcs import Tube, read_fcs
from gating.columns import Columns, Dimension, Spillover
from gating.gates import Boolean, Ellipsoid, Interval, Operand, Polygon, Rectangle
from gating.membership import assign
from gating.scales import Arcsinh, Linear, Logicle, Scale
from gating.strategy import GatingStrategy, Population

FILES = (
    "cytoexplorer_activation/Activation/Activation_31.fcs",
    "coereba_vd2_seb/2025_07_26_AB_02_INF052_00_SEB.fcs",
    "wnv_mock_virus_mouse/flow_spectre/Virus_01_A.fcs",
    "fcsparser/FlowCytometers/HTS_BD_LSR-II/HTS_BD_LSR_II_Mixed_Specimen_001_D6_D06.fcs",
    "flowkit/index_sorted/index_sorted_example.fcs",
)


@dataclass(frozen=True)
class Twin:
    """One population, as FlowKit's gate and as ours; ``quadrant`` where FlowKit makes four at once."""

    ours: Population
    theirs: Any
    above: tuple[str, ...]
    inside: str = ""


def _flowkit_transform(scale: Scale) -> Any:
    import flowkit

    match scale:
        case Logicle():
            return flowkit.transforms.LogicleTransform(scale.t, scale.w, scale.m, scale.a)
        case Arcsinh():
            return flowkit.transforms.AsinhTransform(scale.t, scale.m, scale.a)
        case Linear():
            return flowkit.transforms.LinearTransform(scale.t, scale.a)
    raise AssertionError


def _dimensions(tube: Tube, spillover: Spillover | None) -> dict[str, Dimension]:
    """Give the first six channels a scale each, of three kinds in turn; compensate those that can be."""
    scales: list[Scale] = [Logicle(w=0.8), Arcsinh(a=0.5), Linear(t=262144.0), Logicle(w=1.1)]
    chosen = list(spillover.detectors[:4]) if spillover else []
    chosen += [channel for channel in tube.channels if channel not in chosen and "ime" not in channel][
        : 6 - len(chosen)
    ]
    dyes = set(spillover.detectors) if spillover else set()
    return {c: Dimension(c, scales[i % 4], compensated=c in dyes) for i, c in enumerate(chosen)}


def _twins(columns: Columns) -> Iterator[Twin]:
    """Yield a nested strategy whose gates lie at the data's own quantiles."""
    import flowkit

    names = list(columns.dimensions)
    at = {n: np.quantile(columns.values(n), [0.05, 0.2, 0.4, 0.6, 0.8, 0.95]) for n in names}

    def dimension(name: str, low: float | None = None, high: float | None = None) -> Any:
        uncompensated = "Matrix" if columns.dimensions[name].compensated else "uncompensated"
        return flowkit.Dimension(name, uncompensated, f"scale {name}", low, high)

    a, b, c, d = names[:4]
    low, high = (at[a][0], at[b][0]), (at[a][5], at[b][5])
    yield Twin(
        Population("box", Rectangle((a, b), low, high)),
        flowkit.gates.RectangleGate("box", [dimension(a, low[0], high[0]), dimension(b, low[1], high[1])]),
        ("root",),
    )
    yield Twin(
        Population("low", Interval(c, -np.inf, at[c][4]), "box"),
        flowkit.gates.RectangleGate("low", [dimension(c, None, at[c][4])]),
        ("root", "box"),
    )
    corners = np.array(
        [[at[a][1], at[b][0]], [at[a][5], at[b][2]], [at[a][2], at[b][5]], [at[a][4], at[b][1]]]
    )
    yield Twin(
        Population("star", Polygon((a, b), corners), "box/low"),
        flowkit.gates.PolygonGate("star", [dimension(a), dimension(b)], corners.tolist()),
        ("root", "box", "low"),
    )
    points = columns.points([a, c, d])
    mean, covariance = np.median(points, axis=0), np.cov(points.T) + 1e-6 * np.eye(3)
    yield Twin(
        Population("cloud", Ellipsoid((a, c, d), mean, covariance, 1.7), "box"),
        flowkit.gates.EllipsoidGate(
            "cloud", [dimension(a), dimension(c), dimension(d)], mean, covariance, 1.7
        ),
        ("root", "box"),
    )
    yield from _quadrants(a, d, (at[a][2], at[d][3]), dimension)
    parts = (Operand("box/low/star"), Operand("box/cloud", complement=True))
    references = [
        {"ref": "star", "path": ("root", "box", "low"), "complement": False},
        {"ref": "cloud", "path": ("root", "box"), "complement": True},
    ]
    for operator in ("and", "or"):
        yield Twin(
            Population(operator, Boolean(operator, parts), "box/low"),
            flowkit.gates.BooleanGate(operator, operator, references),
            ("root", "box", "low"),
        )
    yield Twin(
        Population("outside", Boolean("not", (Operand("box/cloud"),)), "box"),
        flowkit.gates.BooleanGate(
            "outside", "not", references[1:] and [{**references[1], "complement": False}]
        ),
        ("root", "box"),
    )


def _quadrants(x: str, y: str, at: tuple[float, float], dimension: Any) -> Iterator[Twin]:
    import flowkit

    def divider(name: str, value: float) -> Any:
        like = dimension(name)
        return flowkit.QuadrantDivider(
            f"divide {name}",
            name,
            like.compensation_ref,
            transformation_ref=like.transformation_ref,
            values=[value],
        )

    ends = {"-": (None, 1), "+": (1, None)}
    quadrants, twins = [], []
    for sx in ends:
        for sy in ends:
            name = f"Q{sx}{sy}"
            span = [(None, v) if s == "-" else (v, None) for s, v in ((sx, at[0]), (sy, at[1]))]
            quadrants.append(flowkit.gates.Quadrant(name, [f"divide {x}", f"divide {y}"], span))
            lows = tuple(-np.inf if s == "-" else v for s, v in ((sx, at[0]), (sy, at[1])))
            highs = tuple(v if s == "-" else np.inf for s, v in ((sx, at[0]), (sy, at[1])))
            twins.append(Population(name, Rectangle((x, y), lows, highs), "box"))
    gate = flowkit.gates.QuadrantGate("quadrants", [divider(x, at[0]), divider(y, at[1])], quadrants)
    for ours in twins:
        yield Twin(ours, gate, ("root", "box"), inside="quadrants")


@pytest.mark.parametrize("name", FILES)
def test_no_event_is_gated_differently_from_flowkit(name: str, real_data: Path) -> None:
    path = real_data / name
    if not path.is_file():
        pytest.skip(f"{name} is not in this folder of real data")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # FlowKit's own
        import flowkit

        tube = read_fcs(path)
        spillover = find_spillover(tube)
        columns = Columns(tube, _dimensions(tube, spillover), spillover)
        twins = list(_twins(columns))
        strategy = GatingStrategy(columns.dimensions, tuple(twin.ours for twin in twins))
        ours = assign(strategy, columns)

        sample = flowkit.Sample(path, sample_id="tube", ignore_offset_error=True)
        theirs = flowkit.GatingStrategy()
        if spillover:
            theirs.add_comp_matrix("Matrix", flowkit.Matrix(spillover.matrix, list(spillover.detectors)))
        for dimension_name, dimension in columns.dimensions.items():
            theirs.add_transform(f"scale {dimension_name}", _flowkit_transform(dimension.scale))
        for gate, above in {id(t.theirs): (t.theirs, t.above) for t in twins}.values():
            theirs.add_gate(gate, above)
        results = theirs.gate_sample(sample)

    for twin in twins:
        path_of = (*twin.above, twin.inside) if twin.inside else twin.above
        expected = results.get_gate_membership(twin.ours.name, path_of)
        found = ours.of(twin.ours.path)
        assert np.array_equal(found, expected), (
            f"{twin.ours.path}: {np.count_nonzero(found != expected)} events"
        )
    assert 0 < ours.count("cloud") < tube.n_events
