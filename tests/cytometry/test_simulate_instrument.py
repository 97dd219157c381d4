"""The simulated instrument: counts, compensation, spread, and how hard PD-1 is to gate by an FMO."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cytometry.simulate import StudyPlan
from cytometry.simulate.acquire import acquire
from cytometry.simulate.biology import specimen
from cytometry.simulate.draws import normals, poisson, stream
from cytometry.simulate.instrument import instrument
from cytometry.simulate.palette import palette
from cytometry.simulate.plan import PlannedTube
from cytometry.simulate.recipe import recipe
from cytometry.simulate.tables import panel, settings
from gating.columns import compensate

T_TUBE = PlannedTube("D01", "baseline", "B1", "T")


@pytest.mark.parametrize("mean", [2.0, 2.6, 5.0, 40.0, 3000.0])
def test_counts_of_photo_electrons_are_poisson(mean: float) -> None:
    from scipy.stats import poisson as exact

    counts = poisson(stream(1, "counts"), np.full(200_000, mean, dtype=np.float32))
    assert counts.mean() == pytest.approx(mean, rel=0.004 + 3 / np.sqrt(200_000 * mean))
    assert counts.var() == pytest.approx(mean, rel=0.03)
    if mean < 50:
        seen = np.bincount(counts.astype(int), minlength=100)[:100] / counts.size
        assert np.abs(seen - exact.pmf(np.arange(100), mean)).sum() / 2 < 0.01


def test_normal_values_have_the_moments_of_a_normal_distribution() -> None:
    z = normals(stream(2, "moments"), 10, 100_001)
    assert z.shape == (10, 100_001)
    assert [z.mean(), z.var(), (z**3).mean(), (z**4).mean()] == pytest.approx([0, 1, 0, 3], abs=0.02)
    assert np.abs(np.corrcoef(z) - np.eye(10)).max() < 0.015


def _compensated(light: np.ndarray, generator: str = "first") -> np.ndarray:
    """Return what compensation makes of lymphocytes of this dye light; shape (n, p)."""
    analyser, rng = instrument(generator), stream(4, "single stains", str(light.sum()))
    af = analyser.af[:, None] * np.exp(np.float32(0.3) * normals(rng, 1, light.shape[1]))
    recorded = analyser.detect(rng, light.astype(np.float32), af)
    return compensate(recorded.T, analyser.spillover)


def _spread(values: np.ndarray) -> np.ndarray:
    return np.percentile(values, 84.13, axis=0) - np.percentile(values, 50, axis=0)


@pytest.mark.parametrize("generator", ["first", "second"])
def test_compensated_single_stains_lie_at_autofluorescence_in_every_other_detector(generator: str) -> None:
    n, p = 20_000, len(instrument().channels)
    unstained = _compensated(np.zeros((p, n)), generator)
    scores = []
    for dye in range(p):
        light = np.zeros((p, n))
        light[dye] = 1e4
        stained = _compensated(light, generator)
        others = np.arange(p) != dye
        error = np.sqrt((stained.var(axis=0) + unstained.var(axis=0)) / n)
        scores.append(((stained.mean(axis=0) - unstained.mean(axis=0)) / error)[others])
        # Medians too, but for the skew of few photo-electrons: a tenth of the noise.
        moved = np.median(stained, axis=0) - np.median(unstained, axis=0)
        assert (np.abs(moved) < 0.12 * _spread(stained))[others].all()
        assert np.median(stained[:, dye]) == pytest.approx(1e4, rel=0.02)
    assert np.mean(np.abs(scores) < 3) > 0.98
    assert np.max(np.abs(scores)) < 4.5


def test_an_unstained_cell_spreads_by_27_to_63_units() -> None:
    spread = _spread(_compensated(np.zeros((16, 40_000))))
    assert spread.min() == pytest.approx(27, abs=3)
    assert spread.max() == pytest.approx(63, abs=4)


@pytest.mark.parametrize(("generator", "largest_pair"), [("first", 4.1), ("second", 4.06)])
def test_spillover_spreads_as_the_root_of_spill_over_photo_electrons(
    generator: str, largest_pair: float
) -> None:
    """Nguyen 2013: spread grows with the root of intensity; the noise of the own detector is propagated."""
    analyser, level = instrument(generator), 1e4
    spill, inverse = analyser.spillover.matrix, analyser.spillover.inverse
    expected = np.sqrt((spill / analyser.gain) @ inverse**2)
    np.fill_diagonal(expected, 0)
    unstained = _spread(_compensated(np.zeros((16, 20_000)), generator))
    largest = np.argsort(-expected, axis=None)[:5]
    for dye, detector in zip(*np.unravel_index(largest, expected.shape), strict=True):
        light = np.zeros((16, 20_000))
        light[dye] = level
        stained = _spread(_compensated(light, generator))[detector]
        coefficient = np.sqrt(stained**2 - unstained[detector] ** 2) / np.sqrt(level)
        assert coefficient == pytest.approx(expected[dye, detector], rel=0.15)
    dye, detector = np.unravel_index(largest[0], expected.shape)
    assert (analyser.fluorochromes[dye], analyser.channels[detector]) == ("BV711", "V780-A")
    assert expected.max() == pytest.approx(largest_pair, abs=0.05)


@pytest.mark.parametrize(
    ("level", "false_positive", "false_negative"),
    [("clean", 0.010, 0.009), ("realistic", 0.037, 0.018), ("smear", 0.20, 0.056)],
)
def test_pd1_is_as_hard_to_gate_as_its_level_says(
    level: str, false_positive: float, false_negative: float
) -> None:
    """At the FMO's 99.5th percentile, with staining as in the tables; figures of an independent simulation."""
    analyser, stained = instrument(), panel("T")
    detector = analyser.channels.index(stained.detector("PD-1"))
    plan = StudyPlan(pd1=level, seed=4)
    seen = {}
    for kind, lacks in (("fmo", "PD-1"), ("sample", "")):
        tube = replace(T_TUBE, kind=kind, lacks=lacks)
        kinds = recipe(specimen(plan, tube), stained.markers, stimulated=False)
        colours = palette(plan, tube, kinds, panel=stained, instrument=analyser)
        # Undo this donor's and batch's own staining of PD-1, which moves the negatives.
        own = colours.median[detector] - np.log(10) * _pd1_median(plan, kinds.pd1)
        colours.median[detector] -= np.where(kinds.attribute("leaf") == "CD8 T", own, 0)
        recorded, known = acquire(
            stream(4, kind),
            100_000,
            plan=plan,
            tube=tube,
            recipe=kinds,
            palette=colours,
            instrument=analyser,
            dead=0.06,
        )
        cd8 = known.is_live_single & (kinds.attribute("leaf")[known.kind] == "CD8 T")
        pd1 = compensate(recorded[cd8, 6:-1], analyser.spillover)[:, detector]
        seen[kind] = pd1, kinds.pd1[known.kind][cd8]
    cut = np.quantile(seen["fmo"][0], 0.995)
    pd1, positive = seen["sample"]
    assert (pd1[~positive] >= cut).mean() == pytest.approx(false_positive, rel=0.25, abs=0.004)
    assert (pd1[positive] < cut).mean() == pytest.approx(false_negative, rel=0.4, abs=0.008)


def _pd1_median(plan: StudyPlan, positive: np.ndarray) -> np.ndarray:
    level = settings("states")["pd1"]["levels"][plan.pd1]
    return np.where(positive, level["positive"][0], level["negative"][0])
