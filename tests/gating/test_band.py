"""The singlet band's line, on events whose line is known."""

from __future__ import annotations

import numpy as np
import pytest

from gating.band import fit_line
from gating.gates import Polygon
from gating.regions import Abstention, RegionFound, singlet_band


def band(answer: RegionFound | Abstention) -> RegionFound:
    assert isinstance(answer, RegionFound), answer
    return answer


def test_the_line_and_its_spread_are_those_of_the_single_cells() -> None:
    rng = np.random.default_rng(2)
    area = rng.uniform(20e3, 200e3, 20_000)
    height = (3000 + 0.8 * area) * rng.normal(1, 0.03, 20_000)
    line = fit_line(np.column_stack([area, height]))
    assert line is not None
    assert line.slope == pytest.approx(0.8, abs=0.005)
    assert line.intercept == pytest.approx(3000, abs=300)
    assert line.spread == pytest.approx(0.03, rel=0.05)


def test_a_third_of_doublets_neither_tilts_the_line_nor_widens_it() -> None:
    rng = np.random.default_rng(3)
    area = rng.uniform(40e3, 120e3, 20_000)
    height = (
        0.9
        * area
        * rng.normal(1, 0.025, 20_000)
        * np.where(rng.random(20_000) < 0.33, rng.uniform(0.5, 0.7), 1)
    )
    region = band(singlet_band(np.column_stack([area, height])))
    assert region.saw["slope"] + region.saw["intercept"] / 80e3 == pytest.approx(0.9, rel=0.01)
    assert region.saw["spread"] == pytest.approx(0.025, rel=0.1)


def test_events_that_all_have_one_ratio_lie_in_a_band_around_it() -> None:
    area = np.linspace(10e3, 200e3, 500)
    region = band(singlet_band(np.column_stack([area, 0.9 * area])))
    assert region.saw["slope"] == pytest.approx(0.9)
    assert Polygon(("A", "H"), region.vertices).contains(np.column_stack([area, 0.9 * area])).all()
    assert not Polygon(("A", "H"), region.vertices).contains(np.column_stack([area, 0.8 * area])).any()


def test_a_round_cloud_is_no_band() -> None:
    rng = np.random.default_rng(6)
    answer = singlet_band(np.exp(rng.normal(11, 0.5, (5000, 2))))
    assert isinstance(answer, Abstention)
    assert answer.reason.startswith("no band: ")
