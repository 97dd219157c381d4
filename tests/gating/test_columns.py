from __future__ import annotations

import numpy as np
import pytest

from gating.columns import ArrayEvents, Columns, Dimension, Spillover, compensate
from gating.errors import ColumnsError
from gating.scales import Logicle

SPILL = np.array([[1.0, 0.25], [0.0, 1.0]])  # dye 1 leaks 25 % into detector 2


def test_compensation_undoes_a_quarter_spill() -> None:
    true = np.array([[800.0, 0.0], [0.0, 400.0]])
    np.testing.assert_allclose(compensate(true @ SPILL, Spillover(("D1", "D2"), SPILL)), true)


def test_a_column_is_compensated_only_where_its_dimension_asks_for_it() -> None:
    # FlowKit compensates both channels of a gate when either asks for it.
    events = ArrayEvents(np.array([[800.0, 200.0]]), ("D1", "D2"))
    dimensions = {"CD4": Dimension("D2"), "CD4 raw": Dimension("D2", compensated=False)}
    columns = Columns(events, dimensions, Spillover(("D1", "D2"), SPILL))
    assert columns.linear("CD4").tolist() == [0.0]
    assert columns.linear("CD4 raw").tolist() == [200.0]


def test_columns_agree_with_solving_the_whole_matrix() -> None:
    rng = np.random.default_rng(3)
    n = 6
    spillover = Spillover(tuple("ABCDEF"), np.eye(n) + rng.uniform(0, 0.3, (n, n)) * (1 - np.eye(n)))
    raw = rng.uniform(-100, 1e5, (500, n))
    columns = Columns(ArrayEvents(raw, tuple("ABCDEF")), {c: Dimension(c) for c in "ABCDEF"}, spillover)
    np.testing.assert_allclose(columns.points("ABCDEF"), compensate(raw, spillover), rtol=1e-9, atol=1e-6)


def test_an_event_has_one_value_whatever_other_events_are_read() -> None:
    rng = np.random.default_rng(4)
    raw = rng.uniform(-100, 1e5, (1000, 2))
    rows = np.flatnonzero(rng.random(1000) < 0.1)
    dimensions = {"PD-1": Dimension("D2", Logicle())}
    spillover = Spillover(("D1", "D2"), SPILL)
    some = Columns(ArrayEvents(raw, ("D1", "D2")), dimensions, spillover).values("PD-1", rows)
    every = Columns(ArrayEvents(raw, ("D1", "D2")), dimensions, spillover).values("PD-1")
    assert np.array_equal(some, every[rows])


@pytest.mark.parametrize(
    ("detectors", "matrix", "message"),
    [
        (("A", "B"), np.eye(3), "needs a 2 x 2 matrix, not"),
        (("A", "A"), np.eye(2), "names each detector once"),
        (("A", "B"), np.diag([100.0, 100.0]), "1 on its diagonal"),
        (("A", "B"), np.ones((2, 2)), "cannot be inverted"),
    ],
)
def test_a_spillover_that_is_none_is_refused(
    detectors: tuple[str, ...], matrix: np.ndarray, message: str
) -> None:
    with pytest.raises(ColumnsError, match=message):
        Spillover(detectors, matrix)


def test_a_dimension_on_an_absent_channel_is_named() -> None:
    events = ArrayEvents(np.zeros((1, 2)), ("FSC-A", "PE-A"))
    with pytest.raises(ColumnsError, match="no channel APC-A among FSC-A, PE-A"):
        Columns(events, {"CD4": Dimension("APC-A")})
