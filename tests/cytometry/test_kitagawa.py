from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cytometry.errors import CompareError
from cytometry.kitagawa import count_subsets, kitagawa
from gating.membership import encode


def test_a_change_of_memory_and_of_pd1_is_parted_as_on_paper() -> None:
    # Naive 60 %, of which 10 % positive; memory 40 %, of which 50 %: 26 %. Then 50 : 50 with 10 % and 40 %: 25 %.
    composition, within = kitagawa([60, 40], [6, 20], [50, 50], [5, 20])
    # By composition: -0.1 x (0.10 - 0.255) + 0.1 x (0.45 - 0.255); within memory: -0.1 x 0.45.
    np.testing.assert_allclose(composition, [0.0155, 0.0195])
    np.testing.assert_allclose(within, [0.0, -0.045])
    assert composition.sum() + within.sum() == pytest.approx(-0.01)


counts = st.lists(st.tuples(st.integers(0, 400), st.floats(0, 1)), min_size=3, max_size=3)


@given(counts, counts)
def test_the_parts_add_up_exactly_and_are_the_mean_of_both_orders_of_change(
    before: list[tuple[int, float]], after: list[tuple[int, float]]
) -> None:
    (n0, x0), (n1, x1) = (
        (np.array([n for n, _ in some], float), np.array([int(n * share) for n, share in some], float))
        for some in (before, after)
    )
    assume(n0.sum() > 0 and n1.sum() > 0)
    composition, within = kitagawa(n0, x0, n1, x1)
    change = x1.sum() / n1.sum() - x0.sum() / n0.sum()
    assert composition.sum() + within.sum() == pytest.approx(change, abs=1e-12)
    if (n0 > 0).all() and (n1 > 0).all():
        w0, w1, r0, r1 = n0 / n0.sum(), n1 / n1.sum(), x0 / n0, x1 / n1
        first = ((w1 - w0) * r0).sum()  # composition changes first
        last = ((w1 - w0) * r1).sum()  # or after the fractions did
        assert composition.sum() == pytest.approx((first + last) / 2, abs=1e-12)


def test_growing_memory_alone_is_composition_alone() -> None:
    composition, within = kitagawa([500, 500], [50, 250], [200, 800], [20, 400])
    np.testing.assert_allclose(within, 0.0, atol=1e-15)
    assert composition.sum() == pytest.approx(0.42 - 0.30)


def test_a_subset_that_appears_changes_the_composition_only() -> None:
    composition, within = kitagawa([100, 0], [10, 0], [50, 50], [5, 25])
    np.testing.assert_allclose(within, 0.0, atol=1e-15)
    assert composition.sum() == pytest.approx(0.30 - 0.10)


def test_counts_that_make_no_fractions_are_refused() -> None:
    with pytest.raises(CompareError, match="how many of them are positive"):
        kitagawa([5, 5], [6, 0], [5, 5], [1, 1])
    with pytest.raises(CompareError, match="empty parent"):
        kitagawa([0, 0], [0, 0], [5, 5], [1, 1])


def test_subsets_and_what_they_leave_are_counted_and_may_not_overlap() -> None:
    parent = np.array([1, 1, 1, 1, 1, 0], bool)
    naive, memory = np.array([1, 1, 0, 0, 0, 0], bool), np.array([0, 0, 1, 1, 0, 0], bool)
    masks = {"T": parent, "T/naive": naive, "T/memory": memory, "T/PD-1+": np.array([1, 0, 1, 1, 1, 0], bool)}
    n, x = count_subsets(encode(masks, 6), "T/PD-1+", ["T/naive", "T/memory"])
    assert (n.tolist(), x.tolist()) == ([2, 2, 1], [1, 2, 1])
    with pytest.raises(CompareError, match="overlap"):
        count_subsets(encode(masks | {"T/memory": memory | naive}, 6), "T/PD-1+", ["T/naive", "T/memory"])
