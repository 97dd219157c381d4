from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from gating.columns import ArrayEvents, Columns, Dimension
from gating.errors import StrategyError
from gating.gates import Boolean, Interval, Operand, Rectangle
from gating.membership import Membership, assign
from gating.strategy import GatingStrategy, Population

DIMENSIONS = {"CD3": Dimension("CD3"), "CD8": Dimension("CD8")}
STRATEGY = GatingStrategy(
    DIMENSIONS,
    (
        Population("T cells", Interval("CD3", 10.0)),
        Population("CD8 T", Interval("CD8", 10.0), "T cells"),
        Population("not CD8", Boolean("not", (Operand("T cells/CD8 T"),)), "T cells"),
        Population("double", Rectangle(("CD3", "CD8"), (50, 50), (np.inf, np.inf)), "T cells"),
    ),
)


def gate(values: np.ndarray) -> Membership:
    return assign(STRATEGY, Columns(ArrayEvents(values, ("CD3", "CD8")), DIMENSIONS))


def test_four_events_are_counted_as_one_would_on_paper() -> None:
    membership = gate(np.array([[0, 99], [20, 0], [20, 20], [60, 60], [np.nan, 60]]))
    assert membership.counts() == {
        "T cells": 3,
        "T cells/CD8 T": 2,
        "T cells/not CD8": 1,
        "T cells/double": 1,
    }
    assert membership.of("CD8 T").tolist() == [False, False, True, True, False]
    assert membership.fraction("CD8 T") == pytest.approx(2 / 3)
    assert membership.fraction("CD8 T", base="") == pytest.approx(2 / 5)
    assert membership.frame()["T cells/double"].tolist() == [False, False, False, True, False]
    assert membership.codes.dtype == np.uint8


@given(arrays(np.float64, (40, 2), elements=st.floats(-10, 100)))
def test_a_child_lies_within_its_parent_and_complements_add_up(values: np.ndarray) -> None:
    membership = gate(values)
    assert not (membership.of("CD8 T") & ~membership.of("T cells")).any()
    assert membership.count("CD8 T") + membership.count("not CD8") == membership.count("T cells")


@given(arrays(np.float64, (60, 2), elements=st.floats(-10, 100)))
def test_denominators_multiply(values: np.ndarray) -> None:
    membership = gate(values)
    of_all = membership.fraction("CD8 T", base="")
    if membership.count("T cells"):
        assert of_all == pytest.approx(membership.fraction("CD8 T") * membership.fraction("T cells"))


def test_a_fraction_of_an_empty_base_is_no_number() -> None:
    assert np.isnan(gate(np.zeros((3, 2))).fraction("CD8 T"))
    assert gate(np.empty((0, 2))).counts()["T cells"] == 0


def test_a_fraction_of_something_that_is_no_ancestor_is_refused() -> None:
    with pytest.raises(StrategyError, match="no fraction of it"):
        gate(np.zeros((3, 2))).fraction("CD8 T", base="double")


def test_removed_events_are_in_no_population_and_not_among_all_events() -> None:
    values = np.array([[0, 99], [20, 0], [20, 20], [60, 60], [np.nan, 60]])
    columns = Columns(ArrayEvents(values, ("CD3", "CD8")), DIMENSIONS)
    membership = assign(STRATEGY, columns, kept=np.array([True, True, False, True, False]))
    assert (membership.n_events, membership.n_removed, membership.count("")) == (5, 2, 3)
    assert membership.rows("").tolist() == [0, 1, 3]
    assert membership.kept().tolist() == [True, True, False, True, False]
    assert membership.of("CD8 T").tolist() == [False, False, False, True, False]
    assert membership.fraction("T cells", base="") == pytest.approx(2 / 3)
    assert membership.not_finite == 0
    assert not membership.frame().iloc[[2, 4]].any(axis=None)
    with pytest.raises(StrategyError, match="removed events are in no population"):
        Membership(
            membership.populations, membership.codes, membership.sets, 0, 0 if membership.sets[0].any() else 1
        )


@given(
    arrays(np.float64, (60, 2), elements=st.floats(-10, 100)),
    arrays(np.bool_, 60),
)
def test_the_kept_events_are_gated_as_if_there_were_no_others(values: np.ndarray, kept: np.ndarray) -> None:
    columns = Columns(ArrayEvents(values, ("CD3", "CD8")), DIMENSIONS)
    membership = assign(STRATEGY, columns, kept=kept)
    alone = assign(STRATEGY, columns.at(np.flatnonzero(kept)))
    assert membership.counts() == alone.counts()
    np.testing.assert_array_equal(membership.frame().to_numpy()[kept], alone.frame().to_numpy())
    assert not membership.frame().to_numpy()[~kept].any()
    assert membership.count("") == kept.sum()
