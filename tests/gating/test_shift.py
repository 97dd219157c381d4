"""Where a peak lies: the same part of it in every tube."""

from __future__ import annotations

import numpy as np
import pytest

from gating.answers import Abstention, Cut
from gating.shift import peak


def two_peaks(seed: int, *, low: int = 1500, high: int = 700) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.normal(0, 0.05, low), rng.normal(0.5, 0.1, high)])


def place(values: np.ndarray, which: str = "negative") -> float:
    found = peak(values, which=which)
    assert isinstance(found, Cut), found
    return found.value


def test_the_negative_peak_is_the_lowest_and_the_main_one_holds_most_events() -> None:
    values = two_peaks(1, low=700, high=1500)
    assert place(values) == pytest.approx(0, abs=0.01)
    assert place(values, "main") == pytest.approx(0.5, abs=0.02)


def test_a_tube_that_lies_higher_has_its_peak_higher_by_as_much() -> None:
    assert place(two_peaks(2) + 0.23) - place(two_peaks(2)) == pytest.approx(0.23, abs=1e-3)


def test_the_interval_is_as_wide_as_other_samples_of_the_same_cells_wander() -> None:
    found = [peak(two_peaks(seed)) for seed in range(60)]
    cuts = [cut for cut in found if isinstance(cut, Cut) and cut.interval]
    held = np.mean([low <= 0 <= high for low, high in (cut.interval for cut in cuts if cut.interval)])
    assert held > 0.85


def test_the_share_of_positives_does_not_move_the_negative_peak() -> None:
    assert place(two_peaks(3, high=100)) == pytest.approx(place(two_peaks(3, high=1400)), abs=0.01)


@pytest.mark.parametrize("values", [np.zeros(500), np.arange(40.0), np.array([np.nan] * 90)])
def test_no_shape_gives_no_peak(values: np.ndarray) -> None:
    assert isinstance(peak(values), Abstention)


def test_of_two_peaks_of_one_size_neither_is_the_main_one() -> None:
    rng = np.random.default_rng(4)
    parts = [rng.normal(middle, 0.05, 700) for middle in (0.0, 0.5, 1.0)]
    found = peak(np.concatenate(parts), which="main")
    assert isinstance(found, Abstention)
    assert "no main peak: of 3" in found.reason
