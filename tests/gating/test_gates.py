from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
from flowutils import gating as flowutils_gating

from gating.errors import GeometryError
from gating.gates import (
    Boolean,
    Ellipsoid,
    Gate,
    Interval,
    Operand,
    Polygon,
    Rectangle,
    gate_from_dict,
    gate_to_dict,
)


def test_an_interval_holds_its_low_end_and_not_its_high_one() -> None:
    assert Interval("CD3", 1.0, 2.0).contains([0.9, 1.0, 1.9, 2.0, np.nan]).tolist() == [
        False,
        True,
        True,
        False,
        False,
    ]


def test_polygons_agree_with_flowutils_on_a_lattice_of_ties() -> None:
    rng = np.random.default_rng(0)
    lattice = np.array(list(itertools.product(np.arange(-1, 9, 0.5), repeat=2)))
    for _ in range(200):
        vertices = rng.integers(0, 8, (rng.integers(3, 8), 2)).astype(float)
        ours = Polygon(("x", "y"), vertices).contains(lattice)
        assert np.array_equal(ours, flowutils_gating.points_in_polygon(vertices, lattice))


def test_a_polygon_that_crosses_itself_has_a_hole() -> None:
    star = np.array([[0.0, 3.0], [2.0, -3.0], [-3.0, 1.0], [3.0, 1.0], [-2.0, -3.0]])
    assert Polygon(("x", "y"), star).contains([[0.0, 0.0], [0.0, 2.0], [9.0, 9.0]]).tolist() == [
        False,
        True,
        False,
    ]


def test_an_ellipsoid_is_closed_and_agrees_with_flowutils() -> None:
    ellipse = Ellipsoid(("x", "y"), np.zeros(2), np.diag([4.0, 1.0]), 1.0)
    assert ellipse.contains([[2.0, 0.0], [0.0, 1.0], [2.1, 0.0]]).tolist() == [True, True, False]
    rng = np.random.default_rng(1)
    points = rng.normal(size=(2000, 3))
    covariance = np.cov(points.T) + 0.3
    ours = Ellipsoid(("x", "y", "z"), np.full(3, 0.1), covariance, 2.0).contains(points)
    assert np.array_equal(
        ours, flowutils_gating.points_in_ellipsoid(covariance, np.full(3, 0.1), 2.0, points)
    )


def test_no_number_is_inside_nothing() -> None:
    nothing = np.full((1, 2), np.nan)
    square = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    gates: list[Gate] = [
        Rectangle(("x", "y"), (-np.inf, -np.inf), (np.inf, np.inf)),
        Polygon(("x", "y"), square),
        Ellipsoid(("x", "y"), np.zeros(2), np.eye(2), 1e9),
    ]
    assert not any(gate.contains(nothing).any() for gate in gates if not isinstance(gate, Boolean))


def test_boolean_gates_combine_memberships() -> None:
    masks = {"IFN-g+": np.array([True, True, False]), "TNF-a+": np.array([True, False, False])}
    both = Boolean("and", (Operand("IFN-g+"), Operand("TNF-a+")))
    only = Boolean("and", (Operand("IFN-g+"), Operand("TNF-a+", complement=True)))
    neither = Boolean("not", (Operand("IFN-g+"),))
    assert both.combine(masks).tolist() == [True, False, False]
    assert only.combine(masks).tolist() == [False, True, False]
    assert neither.combine(masks).tolist() == [False, False, True]


@pytest.mark.parametrize(
    "gate",
    [
        Interval("CD3", 0.4),
        Rectangle(("CD4", "CD8"), (0.5, -np.inf), (np.inf, 0.4)),
        Boolean("or", (Operand("a"), Operand("b", complement=True))),
    ],
)
def test_a_gate_survives_being_written_down(gate: Gate) -> None:
    assert gate_from_dict(json.loads(json.dumps(gate_to_dict(gate)))) == gate


def test_geometry_that_bounds_nothing_is_refused() -> None:
    with pytest.raises(GeometryError, match="needs low < high, not 2 and 1"):
        Interval("CD3", 2, 1)
    with pytest.raises(GeometryError, match="three vertices or more"):
        Polygon(("x", "y"), np.zeros((2, 2)))
    with pytest.raises(GeometryError, match="not positive definite"):
        Ellipsoid(("x", "y"), np.zeros(2), np.array([[1.0, 2.0], [2.0, 1.0]]))
    with pytest.raises(GeometryError, match="does not take 2 operands"):
        Boolean("not", (Operand("a"), Operand("b")))
