"""Agreement: what F1, Jaccard and count error say of two gatings of the same events."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gating.agreement import agreement, f1, jaccard
from gating.errors import StrategyError

EVENTS = np.arange(100)
TRUTH = EVENTS >= 50


def mask(*inside: int, of: int = 10) -> np.ndarray:
    return np.isin(np.arange(of), inside)


def test_four_true_five_found_three_shared() -> None:
    live = np.ones(10, dtype=bool)
    live[9] = False
    reference = {"live": live, "live/T": mask(0, 1, 2, 3)}
    ours = {"live": mask(*range(8)), "live/T": mask(1, 2, 3, 4, 5)}
    cells, t_cells = agreement(reference, ours, parents={"live": "", "live/T": "live"})
    assert (t_cells.n_reference, t_cells.n_ours) == (4, 5)
    assert t_cells.f1 == pytest.approx(6 / 9)
    assert t_cells.jaccard == pytest.approx(3 / 6)
    assert t_cells.count_error == pytest.approx(0.25)
    assert t_cells.of_parent_reference == pytest.approx(400 / 9)  # each of its own parent
    assert t_cells.of_parent_ours == pytest.approx(500 / 8)
    assert t_cells.difference == pytest.approx(500 / 8 - 400 / 9)
    assert cells.of_parent_reference == pytest.approx(90)
    assert not t_cells.is_scored


def test_a_gating_put_in_the_place_of_the_truth_has_f1_1() -> None:
    (found,) = agreement({"T": TRUTH}, {"T": TRUTH.copy()}, parents={"T": ""})
    assert (found.f1, found.jaccard, found.difference, found.count_error) == (1, 1, 0, 0)


def test_shuffled_labels_fall_to_chance() -> None:
    # A random gate of a share q holds q of the true share p: F1 = 2pq / (p + q).
    rng = np.random.default_rng(1)
    truth = rng.random(200_000) < 0.2
    ours = rng.permutation(rng.random(200_000) < 0.3)
    assert f1(truth, ours) == pytest.approx(2 * 0.2 * 0.3 / 0.5, abs=0.005)
    assert f1(truth, rng.permutation(truth)) == pytest.approx(0.2, abs=0.005)


def test_an_abstention_scores_0_and_has_no_percent() -> None:
    reference = {"T": TRUTH, "T/PD-1+": TRUTH & (EVENTS >= 90)}
    t_cells, positive = agreement(reference, {"T": None}, parents={"T": "", "T/PD-1+": "T"})
    assert t_cells.abstained
    assert positive.abstained  # no entry is no gate either
    assert (t_cells.f1, t_cells.jaccard, t_cells.n_ours) == (0, 0, 0)
    assert np.isnan([t_cells.of_parent_ours, t_cells.difference, t_cells.count_error]).all()
    assert positive.of_parent_reference == pytest.approx(20)


def test_a_cut_ten_events_too_high_loses_what_it_must() -> None:
    # 40 of 50 true events kept, none other: recall 0.8, precision 1.
    assert f1(TRUTH, EVENTS >= 60) == pytest.approx(2 * 0.8 / 1.8)
    assert f1(TRUTH, EVENTS >= 40) == pytest.approx(2 * (50 / 60) / (50 / 60 + 1))


def test_a_cell_that_the_parent_lost_is_lost() -> None:
    reference = {"live": TRUTH, "live/T": TRUTH}
    ours = {"live": EVENTS >= 75, "live/T": EVENTS >= 75}
    _, t_cells = agreement(reference, ours, parents={"live": "", "live/T": "live"})
    assert t_cells.f1 == pytest.approx(2 * 0.5 / 1.5)
    assert t_cells.difference == 0  # and yet all of the parent are T cells in both


def test_two_empty_populations_say_nothing() -> None:
    nothing = np.zeros(5, dtype=bool)
    assert np.isnan(f1(nothing, nothing))
    assert np.isnan(jaccard(nothing, nothing))
    (found,) = agreement({"T": nothing}, {"T": nothing}, parents={"T": ""})
    assert np.isnan(found.count_error)


@settings(deadline=None)  # the first call imports scikit-learn
@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_f1_is_that_of_scikit_learn(pairs: list[tuple[bool, bool]]) -> None:
    from sklearn.metrics import f1_score, jaccard_score

    truth, ours = (np.array(column) for column in zip(*pairs, strict=True))
    if not (truth | ours).any():
        return
    assert f1(truth, ours) == pytest.approx(f1_score(truth, ours))
    assert jaccard(truth, ours) == pytest.approx(jaccard_score(truth, ours))
    assert f1(truth, ours) >= jaccard(truth, ours)


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(StrategyError, match="the reference has no 'B'; it has T"):
        agreement({"T": TRUTH}, {}, parents={"B": ""})
    with pytest.raises(StrategyError, match="have one length, not 50, 100"):
        agreement({"T": TRUTH}, {"T": TRUTH[:50]}, parents={"T": ""})
