from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from dyed import DETECTORS, GAIN, TRUE, controls, dyed, only

from cytometry.fcs import Tube, read_fcs
from cytometry.plots.compensation import best_of, residual_grid, residual_map
from cytometry.residuals import Residual, Witness, residual_slopes, residual_table, wrong
from cytometry.simulate import StudyPlan
from cytometry.simulate.instrument import instrument, written_spillover
from cytometry.simulate.study import write_tube
from cytometry.simulate.tables import panel
from cytometry.single_stains import read_light
from cytometry.spreading import spreading_matrix
from gating.columns import Spillover


@pytest.fixture(scope="module")
def tubes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tube]:
    return controls(tmp_path_factory.mktemp("controls"))


def singles(tubes: dict[str, Tube]) -> list[Witness]:
    return [Witness(tube, name, "single_stain", name) for name, tube in tubes.items() if name]


def changed(source: str, detector: str, by: float) -> Spillover:
    matrix = TRUE.matrix.copy()
    matrix[DETECTORS.index(source), DETECTORS.index(detector)] += by
    return Spillover(DETECTORS, matrix)


def test_the_true_matrix_leaves_nothing_in_single_stains(tubes: dict[str, Tube]) -> None:
    found = residual_slopes(singles(tubes), TRUE, unstained=[tubes[""]])
    assert len(found) == 12
    assert not wrong(found)
    assert max(abs(one.slope) for one in found) < 0.003


@pytest.mark.parametrize(("by", "verdict"), [(0.02, "over-compensated"), (-0.02, "under-compensated")])
def test_a_coefficient_that_is_off_is_found_with_its_size(
    tubes: dict[str, Tube], by: float, verdict: str
) -> None:
    found = residual_slopes(singles(tubes)[:1], changed("FITC-A", "PE-A", by), unstained=[tubes[""]])
    (one,) = wrong(found)
    assert (one.source, one.detector, one.verdict) == ("FITC-A", "PE-A", verdict)
    assert one.slope == pytest.approx(-by, abs=0.003)
    assert residual_table(found).iloc[0]["verdict"] == verdict


def test_an_fmo_control_shows_the_error_of_every_dye_in_the_detector_that_it_leaves_free(
    tmp_path: Path,
) -> None:
    light = only("FITC-A", seed=1) + only("APC-A", seed=2) + only("APC-Cy7-A", seed=3)
    fmo = Witness(dyed(tmp_path / "fmo.fcs", light, seed=4), "FMO PE", "fmo", "PE-A")
    assert not wrong(residual_slopes([fmo], TRUE))
    (one,) = wrong(residual_slopes([fmo], changed("FITC-A", "PE-A", -0.02)))
    assert (one.source, one.detector, one.verdict) == ("FITC-A", "PE-A", "under-compensated")
    assert one.slope == pytest.approx(0.02, abs=0.003)


def test_cells_that_carry_both_dyes_prove_nothing_and_light_below_none_does(tmp_path: Path) -> None:
    both = only("FITC-A", share=0.5, seed=5)
    both[:, 1] = 0.3 * both[:, 0]  # every FITC cell carries PE, in step
    apart = only("APC-A", share=0.5, seed=6)
    tube = Witness(dyed(tmp_path / "stained.fcs", both + apart, seed=7), "D1", "stained")
    found = {(one.source, one.detector): one for one in residual_slopes([tube], TRUE)}
    assert found["FITC-A", "PE-A"].verdict == "cannot be told"
    assert not wrong(list(found.values()))
    over = residual_slopes([tube], changed("APC-A", "FITC-A", 0.1))
    assert ("APC-A", "FITC-A") in {(one.source, one.detector) for one in wrong(over)}


def test_cells_that_glow_by_themselves_prove_no_spill_into_a_detector_that_is_free(tmp_path: Path) -> None:
    light = only("FITC-A", seed=1, share=0.5) + only("APC-A", seed=2, share=0.5)
    light[light[:, 0] > 0, 1] += 300.0  # as granulocytes would, however much of the dye they carry
    fmo = Witness(dyed(tmp_path / "fmo.fcs", light, seed=4), "FMO PE", "fmo", "PE-A")
    found = {one.source: one for one in residual_slopes([fmo], TRUE)}
    assert found["FITC-A"].slope > 0.005
    assert found["FITC-A"].verdict == "cannot be told"
    assert not wrong(list(found.values()))


@pytest.mark.parametrize(
    ("slope", "error", "verdict"),
    [(0.2, 0.1, "cannot be told"), (0.002, 0.006, "cannot be told"), (0.008, 0.003, "cannot be told"),
     (0.002, 0.001, "fine"), (0.02, 0.001, "under-compensated"), (-0.02, 0.001, "over-compensated")],
)  # fmt: skip
def test_a_slope_is_fine_only_where_its_error_is_small_too(slope: float, error: float, verdict: str) -> None:
    assert Residual("FMO PE", "fmo", "FITC-A", "PE-A", slope, error).verdict == verdict


@pytest.mark.slow
@pytest.mark.parametrize("generator", ["first", "second"])
@pytest.mark.parametrize("stain", ["T", "myeloid"])
def test_no_fmo_control_of_the_simulator_proves_its_own_matrix_wrong(
    tmp_path: Path, generator: str, stain: str
) -> None:
    seen = []
    for seed in (1, 2):
        plan = StudyPlan(
            stains=(stain,), subjects=1, batches=1, events=20_000, seed=seed, generator=generator
        )
        for part in ("fcs", "truth"):
            (tmp_path / str(seed) / part).mkdir(parents=True)
        for place, tube in enumerate(plan.tubes):
            if tube.kind == "fmo":
                write_tube(tmp_path / str(seed), plan, tube, place=place)
                made = read_fcs(tmp_path / str(seed) / "fcs" / f"{tube.name}.fcs")
                seen.append(Witness(made, tube.name, "fmo", panel(tube.panel).detector(tube.lacks)))
    assert len(seen) >= 4
    found = residual_slopes(seen, instrument(generator).spillover)
    assert not wrong(found)
    assert any(one.verdict == "fine" for one in found)


@pytest.mark.slow
def test_single_stains_prove_the_simulators_slightly_wrong_matrix_and_not_its_own(tmp_path: Path) -> None:
    plan = StudyPlan(
        options=("single_stains",), stains=("T",), subjects=1, batches=1, events=10_000, seed=1,
        spillover="slightly_wrong",
    )  # fmt: skip
    for part in ("fcs", "truth"):
        (tmp_path / part).mkdir()
    made: dict[str, Tube] = {}
    for place, tube in enumerate(plan.tubes):
        if tube.kind in ("single_stain", "unstained") and tube.material == "cells":
            write_tube(tmp_path, plan, tube, place=place)
            made[tube.stained] = read_fcs(tmp_path / "fcs" / f"{tube.name}.fcs")
    off = written_spillover(plan)
    assert off is not None
    seen = [Witness(tube, name, "single_stain", name) for name, tube in made.items() if name]
    assert len(wrong(residual_slopes(seen, off, unstained=[made[""]]))) >= 10
    assert not wrong(residual_slopes(seen, instrument().spillover, unstained=[made[""]]))


def test_too_few_events_cannot_be_told(tmp_path: Path) -> None:
    tube = Witness(dyed(tmp_path / "few.fcs", np.zeros((15, 4)), seed=8), "few", "stained")
    assert {one.verdict for one in residual_slopes([tube], TRUE)} == {"cannot be told"}


def test_spreading_is_that_of_counted_photons(tubes: dict[str, Tube]) -> None:
    # Light F of a dye is F x S / Q photons' variance in each detector, carried on by the inverse (Nguyen 2013).
    found = spreading_matrix(
        {name: tube for name, tube in tubes.items() if name}, TRUE, unstained=[tubes[""]]
    )
    expected = np.sqrt((TRUE.matrix / GAIN) @ TRUE.inverse**2)
    np.fill_diagonal(expected, 0)
    largest = np.argsort(-expected, axis=None)[:4]
    np.testing.assert_allclose(found.matrix.flat[largest] / expected.flat[largest], 1, atol=0.15)
    assert (np.diag(found.table) == 0).all()


def test_spreading_needs_negatives_and_says_which_dye_has_no_control(tubes: dict[str, Tube]) -> None:
    with pytest.raises(ValueError, match="needs an unstained tube"):
        spreading_matrix({"PE-A": tubes["PE-A"]}, TRUE, unstained=[])
    found = spreading_matrix({"PE-A": tubes["PE-A"]}, TRUE, unstained=[tubes[""]])
    assert found.reasons["FITC-A"] == "no single stain"
    assert np.isnan(found.matrix[0]).all()


def test_the_map_writes_a_number_where_an_error_is_proved(tubes: dict[str, Tube]) -> None:
    found = residual_slopes(singles(tubes)[:1], changed("FITC-A", "PE-A", 0.02), unstained=[tubes[""]])
    (ax,) = residual_map(found, DETECTORS).axes
    text, key = ax.texts
    assert "A number stands where an error is proved" in key.get_text()
    assert text.get_text() == f"\u2212{-100 * best_of(found)['FITC-A', 'PE-A'].slope:.1f}"
    assert text.get_position() == (1, 0)


def test_the_grid_draws_each_dye_against_each_detector(tubes: dict[str, Tube]) -> None:
    found = residual_slopes(singles(tubes)[:2], TRUE, unstained=[tubes[""]])
    lights = {name: read_light(tubes[name], DETECTORS).values @ TRUE.inverse for name in DETECTORS[:2]}
    drawn = residual_grid(lights, found, DETECTORS).axes
    assert len(drawn) == 8
    assert sum(len(ax.lines) == 3 for ax in drawn) == 6  # dots, zero, and the slope; not on the diagonal
