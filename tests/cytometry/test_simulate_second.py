"""The second generator: another instrument and other families of brightness, and the same truth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cytometry.simulate import StudyPlan, planted_endpoints
from cytometry.simulate.acquire import Known, acquire
from cytometry.simulate.amend import amended
from cytometry.simulate.biology import specimen
from cytometry.simulate.draws import normals, stream
from cytometry.simulate.instrument import instrument
from cytometry.simulate.palette import palette
from cytometry.simulate.plan import PlannedTube
from cytometry.simulate.recipe import Recipe, recipe
from cytometry.simulate.shapes import LEAST_ROOT, _log_gamma, _skew_t
from cytometry.simulate.tables import panel, settings

T_TUBE = PlannedTube("D01", "baseline", "B1", "T")
FIRST, SECOND = StudyPlan(), StudyPlan(generator="second")


def _skewness(values: np.ndarray) -> float:
    z = (values - values.mean()) / values.std()
    return float((z**3).mean())


# --- Families ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sd", [0.12, 0.30, 0.69])
def test_bright_cells_follow_a_gamma_distribution(sd: float) -> None:
    """Quantiles against numpy's own gamma variates of the shape whose logarithm has this SD."""
    drawn = _log_gamma(normals(stream(1, "gamma"), 1, 200_000), np.full((1, 200_000), sd, dtype=np.float32))[
        0
    ]
    shape = (1 + np.sqrt(1 + 2 * sd**2)) / (2 * sd**2)
    exact = np.log(np.random.default_rng(2).gamma(shape, size=400_000))
    exact -= np.median(exact)
    assert drawn.std() == pytest.approx(sd, rel=0.04)
    middle = [0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98]
    np.testing.assert_allclose(np.quantile(drawn, middle), np.quantile(exact, middle), atol=0.08 * sd)
    assert _skewness(drawn) < -0.8 * sd
    assert drawn.min() > 3 * np.log(LEAST_ROOT) - 1e-3


def test_dim_cells_follow_a_right_skewed_t_whose_tails_come_together() -> None:
    said = settings("second")["artefacts"]["skew_t"]
    rng = stream(1, "skew t")
    drawn = _skew_t(rng, normals(rng, 2, 400_000), said)
    assert drawn.mean() == pytest.approx(0, abs=0.01)
    assert drawn.std() == pytest.approx(1, abs=0.02)
    lean, freedom = said["lean"], said["freedom"]
    other = np.random.default_rng(3)  # by the definition of Azzalini and Capitanio, and by other variates
    half = lean * np.abs(other.standard_normal(400_000)) + np.sqrt(1 - lean**2) * other.standard_normal(
        400_000
    )
    exact = half / np.sqrt(other.chisquare(freedom, 400_000) / freedom)
    exact = (exact - exact.mean()) / exact.std()
    inner = [0.01, 0.1, 0.5, 0.9, 0.99]
    np.testing.assert_allclose(np.quantile(drawn[0], inner), np.quantile(exact, inner), atol=0.04)
    far = drawn > np.quantile(drawn, 0.999, axis=1, keepdims=True)
    assert (far[0] & far[1]).sum() > 10 * 1e-6 * drawn.shape[1]  # ten times what chance would give


def _acquired(plan: StudyPlan, n: int = 30_000) -> tuple[Known, Recipe]:
    analyser, stained = instrument(plan.generator), panel("T")
    kinds = recipe(specimen(plan, T_TUBE), stained.markers, stimulated=False)
    colours = palette(plan, T_TUBE, kinds, panel=stained, instrument=analyser)
    _, known = acquire(
        stream(1, "second"),
        n,
        plan=plan,
        tube=T_TUBE,
        recipe=kinds,
        palette=colours,
        instrument=analyser,
        watched=tuple(range(len(analyser.channels))),
    )
    return known, kinds


def test_brightness_is_lognormal_in_the_first_generator_and_skewed_in_the_second() -> None:
    skewness = {}
    for plan in (FIRST, SECOND):
        known, kinds = _acquired(plan)
        b = known.is_live_single & (kinds.attribute("leaf")[known.kind] == "B")
        row = {m: instrument().channels.index(panel("T").detector(m)) for m in ("CD45", "CD4")}
        skewness[plan.generator] = [_skewness(np.log(known.light[row[m]][b])) for m in ("CD45", "CD4")]
    assert skewness["first"] == pytest.approx([0, 0], abs=0.15)
    bright, dim = skewness["second"]
    assert bright < -0.15
    assert dim > 0.5


# --- The instrument ----------------------------------------------------------------------------------------------


def test_the_second_instrument_has_the_same_detectors_and_other_light() -> None:
    first, second = instrument("first"), instrument("second")
    assert second.channels == first.channels  # the files look alike, and the panels are the same
    assert second.fluorochromes == first.fluorochromes
    assert second.lasers == first.lasers
    assert (second.timestep, second.top) == (first.timestep, first.top)
    off = ~np.eye(len(first.channels), dtype=bool)
    spill, other = second.spillover.matrix[off], first.spillover.matrix[off]
    assert (np.diag(second.spillover.matrix) == 1).all()
    assert np.linalg.cond(second.spillover.matrix) < 5
    both = (spill > 0) & (other > 0)
    assert 0.3 < np.log(spill[both] / other[both]).std() < 0.7
    assert ((spill > 0) != (other > 0)).sum() > 20
    assert (second.gain != first.gain).all()
    assert np.log(second.af / first.af).std() > 0.2  # another colour, not only more of it


# --- The truth ---------------------------------------------------------------------------------------------------


def test_both_generators_plant_the_same_effects_and_subjects() -> None:
    for one, other in zip(planted_endpoints(FIRST), planted_endpoints(SECOND), strict=True):
        assert one["log_odds"] == other["log_odds"]
        assert one["population"] == other["population"]
    pd1 = [specimen(plan, replace(T_TUBE, treated=treated)).pd1["CD8 T"]
           for treated in (False, True) for plan in (FIRST, SECOND)]  # fmt: skip
    assert pd1[0] == pd1[1]
    assert pd1[2] == pd1[3]
    assert pd1[2] < pd1[0]


def test_the_second_generator_has_other_proportions() -> None:
    donors = [
        [specimen(plan, replace(T_TUBE, subject=f"S{number}")).leaves for number in range(60)]
        for plan in (FIRST, SECOND)
    ]
    for leaf, times in amended(SECOND, "origins")["rcc"]["times"].items():
        first, second = (np.median([one[leaf] for one in of]) for of in donors)
        assert second / first == pytest.approx(times, rel=0.08)  # closed to one, so not to the last per cent


def test_the_second_generator_has_more_of_what_is_no_live_cell() -> None:
    for what in ("debris", "doublet", "dead", "platelet"):
        first, second = (amended(plan, "tissues")["PBMC"][what] for plan in (FIRST, SECOND))
        assert second > first
    known, _ = _acquired(SECOND)
    said = amended(SECOND, "tissues")["PBMC"]
    share = said["debris"] + said["platelet"]
    assert known.is_debris.mean() == pytest.approx(share, abs=0.01)


def test_options_hold_in_both_generators() -> None:
    for option in ("no_dead", "clog", "no_debris"):
        plans = [replace(plan, options=(option,)) for plan in (FIRST, SECOND)]
        first, second = ([amended(p, name) for name in ("artefacts", "tissues")] for p in plans)
        assert first[0]["clog"] == second[0]["clog"]
        assert (first[1]["PBMC"]["dead"] == 0) == (second[1]["PBMC"]["dead"] == 0) == (option == "no_dead")
