"""Simulated studies: what is planted is in the files, and the files are what a cytometer would have written."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cytometry.compensation import find_spillover
from cytometry.fcs import read_fcs
from cytometry.simulate import SimulationError, StudyPlan, planted_endpoints, read_truth, simulate_study
from cytometry.simulate.acquire import acquire
from cytometry.simulate.biology import specimen
from cytometry.simulate.calibrate import expit, log_odds_for, logit, mean_fraction
from cytometry.simulate.cytokine_states import bits, from_table, given_pd1, stimulated
from cytometry.simulate.draws import normals, poisson, stream
from cytometry.simulate.effects import effects
from cytometry.simulate.instrument import instrument
from cytometry.simulate.palette import palette
from cytometry.simulate.plan import PlannedTube
from cytometry.simulate.recipe import recipe
from cytometry.simulate.study import write_tube
from cytometry.simulate.tables import panel, rows, settings
from cytometry.simulate.truth import Truth
from gating.columns import compensate

T_TUBE = PlannedTube("D01", "baseline", "B1", "T")
# Warnings that this small study earns: an FMO of another subject of the batch is used; two pairs are few.
STANDS_IN, FEW = "CYT320", "CYT402"
SMALL = {"subjects": 2, "events": 2000, "batches": 1, "seed": 5}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulate_study(tmp_path_factory.mktemp("simulated") / "study", **SMALL)


@pytest.fixture(scope="module")
def truth(study: Path) -> Truth:
    return read_truth(study.parent)


# --- The tables ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("health", ["healthy", "rcc"])
def test_the_leaves_of_blood_sum_to_a_hundred_percent(health: str) -> None:
    assert sum(float(row[health]) for row in rows("leaves")) == pytest.approx(100)


@pytest.mark.parametrize("leaf", ["CD4 T", "CD8 T", "NK"])
@pytest.mark.parametrize("health", ["healthy", "rcc"])
def test_the_parts_of_a_leaf_sum_to_a_hundred_percent(leaf: str, health: str) -> None:
    assert sum(float(row[health]) for row in rows("parts") if row["leaf"] == leaf) == pytest.approx(100)


def test_every_stratum_belongs_to_a_leaf_and_the_shares_of_a_part_sum_to_one() -> None:
    strata = pd.DataFrame([dict(row) for row in rows("strata")]).iloc[:-1]
    assert set(strata["leaf"]) == {row["leaf"] for row in rows("leaves")}
    shares = strata.assign(share=strata["share"].astype(float)).groupby(["leaf", "part"])["share"].sum()
    np.testing.assert_allclose(shares, 1)


def test_cd4_memory_is_that_of_the_table_once_miyaras_fractions_are_in_it() -> None:
    part = {row["part"]: float(row["rcc"]) for row in rows("parts") if row["leaf"] == "CD4 T"}
    memory = dict.fromkeys(("naive", "CM", "EM", "TEMRA"), 0.0)
    for row in rows("strata"):
        if row["leaf"] == "CD4 T":
            memory[row["subset"]] += part[row["part"]] * float(row["share"])
    assert memory == pytest.approx({"naive": 35, "CM": 33, "EM": 27, "TEMRA": 5})


def test_pd1_of_the_cd8_subsets_sums_to_16_8_percent() -> None:
    share = {row["part"]: float(row["rcc"]) for row in rows("parts") if row["leaf"] == "CD8 T"}
    total = sum(share[row["part"]] * float(row["pd1"]) for row in rows("strata") if row["leaf"] == "CD8 T")
    assert total == pytest.approx(16.8, abs=0.05)


def test_the_eight_cytokine_combinations_hold_the_single_functions() -> None:
    cd8 = from_table(settings("states")["cytokines"]["stimulated"]["CD8 T"])
    cd4 = from_table(settings("states")["cytokines"]["stimulated"]["CD4 T"])
    patterns = ("+..", ".+.", "..+", "++.", "...")
    assert [cd8[bits(p)].sum() for p in patterns] == pytest.approx([0.35, 0.26, 0.11, 0.19, 1])
    assert [cd4[bits(p)].sum() for p in patterns] == pytest.approx([0.14, 0.30, 0.35, 0.10, 1])


def test_every_marker_of_a_panel_is_known_to_the_synonym_table() -> None:
    from cytometry.panel import canonical_marker

    for stain in ("T", "myeloid", "cytokine"):
        for channel in panel(stain).channels:
            if channel.role not in ("scatter", "time"):
                assert canonical_marker(channel.marker) == channel.marker


# --- What is planted -----------------------------------------------------------------------------------------


def test_pd1_falls_from_16_8_to_12_7_percent_by_an_odds_ratio_of_0_70() -> None:
    pd1 = planted_endpoints(StudyPlan())[0]
    assert (pd1["population"], pd1["stain"], pd1["family"]) == ("CD8 T/PD-1+", "T", "primary")
    assert [pd1["control"], pd1["treated"], pd1["shift"]] == pytest.approx([0.168, 0.127, -0.041])
    assert pd1["log_odds"] == pytest.approx(-0.356, abs=0.001)
    sd = float(np.hypot(0.55, 0.18))
    assert log_odds_for(0.168, sd) == pytest.approx(-1.706, abs=0.001)
    assert expit(log_odds_for(0.168, sd)) == pytest.approx(0.154, abs=0.0005)  # the middle donor


def test_the_mean_of_a_logit_normal_fraction_agrees_with_a_plain_average() -> None:
    drawn = stream(1, "test").standard_normal(400_000)
    assert mean_fraction(-1.7, 0.58) == pytest.approx(expit(-1.7 + 0.58 * drawn).mean(), abs=5e-4)


def test_planted_shifts_have_the_signs_of_their_scenario() -> None:
    shift = {row["population"]: row["shift"] for row in planted_endpoints(StudyPlan())}
    assert shift["CD8 T/PD-1+"] < 0
    assert shift["eMDSC"] == pytest.approx(-0.0019, abs=1e-4)
    assert shift["CD8 T/IFN-g+TNF-a+"] == pytest.approx(0.05, abs=1e-6)
    assert shift["Treg Fr II"] == pytest.approx(0, abs=1e-12)
    reverse = {row["population"]: row["shift"] for row in planted_endpoints(StudyPlan(scenario="reverse"))}
    assert reverse["Treg Fr II"] > 0
    assert reverse["M-MDSC"] > 0
    null = planted_endpoints(StudyPlan(scenario="null"))
    assert all(abs(row["shift"]) < 1e-12 and row["heterogeneity_sd"] == 0 for row in null)
    small = planted_endpoints(StudyPlan(scenario="small"))[0]
    assert small["log_odds"] == pytest.approx(-0.356 / 2, abs=0.001)


def test_the_mean_donor_has_the_planted_fractions() -> None:
    n = 400
    plan = StudyPlan(seed=1)
    donors = [specimen(plan, replace(T_TUBE, subject=f"S{number}")) for number in range(n)]
    pd1 = np.array([donor.pd1["CD8 T"] for donor in donors])
    assert pd1.mean() == pytest.approx(0.168, abs=3.5 * pd1.std() / np.sqrt(n))
    for row in rows("leaves"):
        share = np.array([100 * donor.leaves[row["leaf"]] for donor in donors])
        assert share.mean() == pytest.approx(float(row["rcc"]), abs=4 * share.std() / np.sqrt(n))


def test_the_mean_subject_has_the_planted_shift() -> None:
    n = 400
    plan = StudyPlan(seed=12)
    shifts = []
    for number in range(n):
        before = specimen(plan, replace(T_TUBE, subject=f"S{number}"))
        after = specimen(plan, replace(T_TUBE, subject=f"S{number}", timepoint="on_treatment", treated=True))
        shifts.append(after.pd1["CD8 T"] - before.pd1["CD8 T"])
    assert np.mean(shifts) == pytest.approx(-0.041, abs=3 * np.std(shifts) / np.sqrt(n))


def test_a_fold_on_one_leaf_multiplies_its_odds_and_lowers_all_others() -> None:
    plan = StudyPlan()
    before, after = (specimen(plan, replace(T_TUBE, treated=treated)) for treated in (False, True))
    fold = np.exp(effects(plan)["eMDSC"].of(plan, "D01"))
    assert after.per_ul["eMDSC"] == pytest.approx(before.per_ul["eMDSC"] * fold)
    assert after.per_ul["B"] == before.per_ul["B"]
    odds = [one.leaves["eMDSC"] / (1 - one.leaves["eMDSC"]) for one in (before, after)]
    assert odds[1] / odds[0] == pytest.approx(fold)
    ratio = {leaf: after.leaves[leaf] / before.leaves[leaf] for leaf in before.leaves if leaf != "eMDSC"}
    assert len({round(value, 12) for value in ratio.values()}) == 1


def test_monocytes_half_as_many_again_make_t_cells_fall_from_59_0_to_54_1_percent() -> None:
    leaves = {row["leaf"]: float(row["rcc"]) for row in rows("leaves")}
    t_cells = sum(leaves[leaf] for leaf in ("CD4 T", "CD8 T", "DN/gd", "DP", "NKT-like"))
    monocytes = sum(share for leaf, share in leaves.items() if leaf.endswith("monocyte"))
    assert t_cells == pytest.approx(59.0)
    assert 100 * t_cells / (100 + 0.5 * monocytes) == pytest.approx(54.1, abs=0.05)
    plan = StudyPlan(scenario="closure")
    before, after = (specimen(plan, replace(T_TUBE, treated=treated)) for treated in (False, True))
    grown = sum(after.per_ul[leaf] - before.per_ul[leaf] for leaf in leaves if leaf.endswith("monocyte"))
    assert after.leaves["CD4 T"] == pytest.approx(
        before.per_ul["CD4 T"] / (sum(before.per_ul.values()) + grown)
    )


def test_treatment_makes_double_producers_of_silent_cells() -> None:
    plan = StudyPlan(seed=3)
    before, after = (
        stimulated(plan, "CD8 T", "D01", timepoint="baseline", treated=treated) for treated in (False, True)
    )
    assert before.sum() == pytest.approx(1)
    assert after.sum() == pytest.approx(1)
    doubles, others = bits("++."), ~bits("++.") & ~bits("---")
    np.testing.assert_allclose(after[others], before[others])
    gained = after[doubles].sum() - before[doubles].sum()
    assert before[0] - after[0] == pytest.approx(gained)
    shift = float(logit(after[doubles].sum()) - logit(before[doubles].sum()))
    assert shift == pytest.approx(effects(plan)["CD8 T/IFN-g+TNF-a+"].of(plan, "D01"))


@pytest.mark.parametrize("pd1", [0.05, 0.168, 0.6])
@pytest.mark.parametrize("silence", [-2.0, 0.0, 0.4, 3.0])
def test_cytokines_of_pd1_positive_and_negative_cells_make_up_those_of_all(
    pd1: float, silence: float
) -> None:
    shares = from_table(settings("states")["cytokines"]["stimulated"]["CD8 T"])
    negative, positive = given_pd1(shares, pd1, silence)
    np.testing.assert_allclose((1 - pd1) * negative + pd1 * positive, shares, atol=1e-12)
    assert min(negative.min(), positive.min()) >= 0


def test_ten_percent_of_stimulated_cd8_are_pd1_positive_and_silent() -> None:
    from cytometry.simulate.cytokine_states import silence

    shares = from_table(settings("states")["cytokines"]["stimulated"]["CD8 T"])
    _, positive = given_pd1(shares, 0.168, silence(StudyPlan(), "CD8 T", treated=False))
    assert 0.168 * positive[0] == pytest.approx(0.10)


# --- The instrument ------------------------------------------------------------------------------------------


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


def _compensated(light: np.ndarray) -> np.ndarray:
    """Return what compensation makes of lymphocytes of this dye light; shape (n, p)."""
    analyser, rng = instrument(), stream(4, "single stains", str(light.sum()))
    af = analyser.af[:, None] * np.exp(np.float32(0.3) * normals(rng, 1, light.shape[1]))
    recorded = analyser.detect(rng, light.astype(np.float32), af)
    return compensate(recorded.T, analyser.spillover)


def _spread(values: np.ndarray) -> np.ndarray:
    return np.percentile(values, 84.13, axis=0) - np.percentile(values, 50, axis=0)


def test_compensated_single_stains_lie_at_autofluorescence_in_every_other_detector() -> None:
    n, p = 20_000, len(instrument().channels)
    unstained = _compensated(np.zeros((p, n)))
    scores = []
    for dye in range(p):
        light = np.zeros((p, n))
        light[dye] = 1e4
        stained = _compensated(light)
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


def test_spillover_spreads_as_the_root_of_spill_over_photo_electrons() -> None:
    """Nguyen 2013: spread grows with the root of intensity; the noise of the own detector is propagated."""
    analyser, level = instrument(), 1e4
    spill, inverse = analyser.spillover.matrix, analyser.spillover.inverse
    expected = np.sqrt((spill / analyser.gain) @ inverse**2)
    np.fill_diagonal(expected, 0)
    unstained = _spread(_compensated(np.zeros((16, 20_000))))
    largest = np.argsort(-expected, axis=None)[:5]
    for dye, detector in zip(*np.unravel_index(largest, expected.shape), strict=True):
        light = np.zeros((16, 20_000))
        light[dye] = level
        stained = _spread(_compensated(light))[detector]
        coefficient = np.sqrt(stained**2 - unstained[detector] ** 2) / np.sqrt(level)
        assert coefficient == pytest.approx(expected[dye, detector], rel=0.15)
    dye, detector = np.unravel_index(largest[0], expected.shape)
    assert (analyser.fluorochromes[dye], analyser.channels[detector]) == ("BV711", "V780-A")
    assert expected.max() == pytest.approx(4.1, abs=0.05)


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
            stream(4, kind), 100_000, recipe=kinds, palette=colours, instrument=analyser, dead=0.06
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


# --- The files -----------------------------------------------------------------------------------------------


def test_a_study_has_its_tubes_once_and_their_controls_once_per_batch(study: Path) -> None:
    sheet = pd.read_csv(study.parent / "samples.csv", keep_default_na=False)
    assert sheet["file"].is_unique
    assert all((study.parent / file).is_file() for file in sheet["file"])
    per_specimen = sheet[sheet["kind"].isin(["sample", "unstimulated"])].groupby("specimen").size()
    assert (per_specimen == 4).all()
    assert len(per_specimen) == 4
    fmo = sheet[(sheet["kind"] == "fmo") & (sheet["stain"] != "cytokine")]
    assert list(sheet.loc[(sheet["kind"] == "fmo") & (sheet["stain"] == "cytokine"), "lacks"]) == ["PD-1"]
    assert dict(zip(fmo["lacks"], fmo["stain"], strict=True)) == {
        "PD-1": "T",
        "TIM-3": "T",
        "FoxP3": "T",
        "CD25": "T",
        "HLA-DR": "myeloid",
        "CD33": "myeloid",
    }
    assert list(sheet.loc[sheet["kind"] == "healthy_anchor", "stain"]) == ["myeloid"]
    assert set(sheet.loc[sheet["stimulus"] != "", "kind"]) == {"sample", "fmo"}


def test_check_says_nothing_but_that_the_controls_of_a_batch_stand_in(study: Path) -> None:
    from cytometry.study import check_study, read_study

    assert {problem.code for problem in check_study(study)} <= {STANDS_IN, FEW}
    found = read_study(study)
    assert found.truth == study.parent / "truth" / "study.json"
    assert [str(endpoint) for endpoint in found.comparisons[0].primary] == [
        "fraction_of_parent of CD8 T/PD-1+ (T)"
    ]


def test_a_file_says_what_a_cytometer_says_and_nothing_of_the_truth(study: Path, truth: Truth) -> None:
    tube = read_fcs(study.parent / "fcs" / "D01_baseline_T.fcs")
    assert tube.version.endswith("3.1")
    assert tube.repairs == ()
    assert tube.n_events == 2000
    assert len(tube.channels) == 23
    assert tube.labels[tube.channels.index("V450-A")] == "PD-1"
    assert set(tube.ranges[:-1]) == {262144.0}
    assert tube.keywords["cyt"] == "Simulated"
    assert tube.keywords["date"] == "08-JAN-2024"
    assert tube.keywords["timestep"] == "0.01"
    seconds = tube.column("Time")
    assert (np.diff(seconds) >= 0).all()
    assert seconds[-1] == pytest.approx(2000 / 5000, rel=0.1)
    begin, end = (pd.Timedelta(tube.keywords[key]).total_seconds() for key in ("btim", "etim"))
    assert end - begin == pytest.approx(seconds[-1], abs=0.011)
    planted = {*truth.events("D01_baseline_T")["stratum"].astype(str), "seed", "leaf"} - {""}
    assert not planted & {word for value in tube.keywords.values() for word in value.split(",")}


def test_values_are_recorded_up_to_the_range_and_below_zero(study: Path) -> None:
    events = read_fcs(study.parent / "fcs" / "D01_baseline_T.fcs").events()[:, 6:-1]
    assert events.max() <= 262143
    assert (events == 0).mean() < 1e-4  # noise about an empty detector is not cut off
    assert (compensate(events, instrument().spillover) < 0).any(axis=0).all()


def test_flowkit_reads_and_compensates_to_autofluorescence(study: Path, truth: Truth) -> None:
    import flowkit

    path = study.parent / "fcs" / "D01_baseline_T.fcs"
    sample = flowkit.Sample(str(path))
    sample.apply_compensation(sample.metadata["spillover"])
    theirs = pd.DataFrame(sample.get_events(source="comp"), columns=sample.pnn_labels)
    tube = read_fcs(path)
    spillover = find_spillover(tube)
    assert spillover is not None
    ours = compensate(tube.events(spillover.detectors), spillover)
    np.testing.assert_allclose(theirs[list(spillover.detectors)], ours, rtol=1e-6, atol=1e-3)
    cd8 = truth.is_in("D01_baseline_T", "CD8 T") & ~truth.events("D01_baseline_T")["is_margin"].to_numpy()
    fixed = settings("instrument")["af_of_stain"]["T"]
    for marker in ("CD3", "CD14", "CD19", "CD4"):
        detector = panel("T").detector(marker)
        middle = theirs.loc[cd8, detector].median()
        if marker == "CD3":
            assert middle > 4000
        else:
            at = spillover.detectors.index(detector)
            glow = fixed * (instrument().af @ spillover.inverse)[at]
            noise = 3 * 60 / np.sqrt(cd8.sum())
            assert middle == pytest.approx(glow + 10, abs=20 + noise)  # 10 units are the negative's own stain


def test_an_fmo_lacks_one_dye_and_no_other(study: Path, truth: Truth) -> None:
    analyser, bright, monocytes = instrument(), {}, {}
    for lacking in ("PD-1", "TIM-3"):  # both hold the cells of the anchor; TIM-3 is bright on its monocytes
        name = f"B1_T_FMO_{lacking}"
        values = compensate(
            read_fcs(study.parent / "fcs" / f"{name}.fcs").events(analyser.channels), analyser.spillover
        )
        leaf = truth.events(name)["leaf"].to_numpy()
        bright[lacking] = (values[truth.is_in(name, "CD8 T")] > 1000).mean(axis=0)
        monocytes[lacking] = np.median(values[leaf == "classical monocyte"], axis=0)
    pd1, tim3 = (analyser.channels.index(panel("T").detector(marker)) for marker in ("PD-1", "TIM-3"))
    assert bright["PD-1"][pd1] < 0.01 < bright["TIM-3"][pd1]
    assert monocytes["TIM-3"][tim3] < 200 < monocytes["PD-1"][tim3]
    others = ~np.isin(np.arange(16), [pd1, tim3])
    np.testing.assert_allclose(bright["PD-1"][others], bright["TIM-3"][others], atol=0.15)


def test_stimulation_takes_cd4_from_the_surface_and_brings_cytokines(study: Path, truth: Truth) -> None:
    medians = {}
    for state in ("unstimulated", "stimulated"):
        name = f"D01_baseline_cytokine_{state}"
        tube = read_fcs(study.parent / "fcs" / f"{name}.fcs")
        values = compensate(tube.events(instrument().channels), instrument().spillover)
        cd4 = instrument().channels.index(panel("cytokine").detector("CD4"))
        medians[state] = np.median(values[truth.is_in(name, "CD4 T"), cd4])
    assert 3 < medians["unstimulated"] / medians["stimulated"] < 10
    made = truth.shifts("CD8 T/IFN-g+TNF-a+", stain="cytokine", statistic="net_fraction_of_parent")
    assert (made[["realised_control", "realised_treated"]] > 0.02).all(axis=None)


# --- The truth -----------------------------------------------------------------------------------------------


def test_realised_fractions_lie_within_binomial_limits_of_expected_ones(truth: Truth) -> None:
    found = truth.fractions
    found = found[(found["n_base"] > 0) & found["expected"].between(1e-9, 1 - 1e-9)]
    sd = np.sqrt(found["expected"] * (1 - found["expected"]) / found["n_base"])
    score = (found["realised"] - found["expected"]) / sd
    usual = found["expected"] * found["n_base"] >= 10
    assert usual.sum() > 200
    assert score[usual].abs().max() < 4.5
    assert 0.8 < score[usual].std() < 1.2
    exact = found.loc[~usual, "realised"] * found.loc[~usual, "n_base"]
    assert (exact <= 30).all()


def test_the_sidecar_counts_what_the_record_says(truth: Truth) -> None:
    name = "D02_on_treatment_T"
    events, about = truth.events(name), truth.info["tubes"][name]
    assert list(events["event"]) == list(range(about["n_events"]))
    for population, said in about["populations"].items():
        assert truth.is_in(name, population).sum() == said["n"]
    assert about["populations"]["FoxP3+"]["n"] == sum(
        about["populations"][f"Treg Fr {number}"]["n"] for number in ("I", "II", "III")
    )
    share = truth.fractions.query("tube == @name and population == 'Treg Fr II'")["realised"].item()
    of_cd4, of_all = about["populations"]["CD4 T"]["n"], about["populations"]["CD45+"]["n"]
    assert share * of_cd4 / of_all == pytest.approx(
        about["populations"]["Treg Fr II"]["n"] / of_all, rel=1e-12
    )


def test_artefacts_are_as_common_as_planned(truth: Truth) -> None:
    resting = [about for about in truth.info["tubes"].values() if not about["stimulus"]]
    n = sum(about["n_events"] for about in resting)
    said = settings("artefacts")
    cells = 1 - said["debris"] - said["platelet"]
    expected = {
        "debris": said["debris"] + said["platelet"],
        "doublets": cells * said["doublet"],
        "dead": cells * (1 - (1 - said["dead"]) * (1 - said["doublet"] * said["dead"])),
    }
    for what, fraction in expected.items():
        seen = sum(about[what] for about in resting) / n
        assert seen == pytest.approx(fraction, abs=4 * np.sqrt(fraction * (1 - fraction) / n))


def test_doublets_are_longer_than_they_are_high(study: Path, truth: Truth) -> None:
    tube, events = read_fcs(study.parent / "fcs" / "D01_baseline_T.fcs"), truth.events("D01_baseline_T")
    cells = ~(events["is_debris"] | events["is_margin"]).to_numpy()
    ratio = tube.column("FSC-H") / np.maximum(tube.column("FSC-A"), 1)
    pair = events["is_doublet"].to_numpy()
    assert np.median(ratio[cells & ~pair]) == pytest.approx(0.93, abs=0.005)
    assert ratio[cells & pair].max() < 0.75 < ratio[cells & ~pair].min()
    assert (events.loc[pair, "partner_leaf"] != "").all()


def test_a_true_shift_is_treated_minus_control_of_each_subject(truth: Truth) -> None:
    shifts = truth.shifts("CD8 T/PD-1+", stain="T")
    assert list(shifts.index) == ["D01", "D02"]
    tubes = truth.info["tubes"]
    for subject, row in shifts.iterrows():
        counted = [tubes[f"{subject}_{time}_T"]["populations"] for time in ("on_treatment", "baseline")]
        after, before = (here["CD8 T/PD-1+"]["n"] / here["CD8 T"]["n"] for here in counted)
        assert row["realised_shift"] == pytest.approx(after - before)
    of_all = truth.shifts("eMDSC", stain="myeloid", statistic="fraction_of_CD45+")
    assert (of_all["expected_control"] < 0.05).all()


def test_a_gate_without_noise_sees_what_lies_above_it(truth: Truth) -> None:
    name = "D01_baseline_T"
    everything, nothing = truth.seen(name, -np.inf), truth.seen(name, np.inf)
    assert (everything.fraction, nothing.fraction) == (1, 0)
    half = truth.seen(name, 300.0)
    planted = truth.fractions.query("tube == @name and population == 'CD8 T/PD-1+'")["realised"].item()
    assert half.fraction == pytest.approx(planted * half.of_positive + (1 - planted) * half.of_negative)
    assert half.of_positive > 0.85
    assert half.of_negative < 0.15


def test_boundaries_at_zero_signal_see_nothing_of_a_shift(truth: Truth) -> None:
    tubes = [f"{subject}_{time}_T" for subject in ("D01", "D02") for time in ("baseline", "on_treatment")]
    blind = truth.seen_shifts(dict.fromkeys(tubes, -np.inf))
    assert (blind[["shift", "sees"]] == 0).all(axis=None)
    sharp = truth.seen_shifts(dict.fromkeys(tubes, 300.0))
    true = truth.shifts("CD8 T/PD-1+", stain="T")["realised_shift"]
    assert (sharp["sees"] > 0.7).all()
    assert (sharp["shift"] - true * sharp["sees"]).abs().max() < 0.02


# --- The same again ------------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_bytes(study: Path, tmp_path: Path) -> None:
    again = simulate_study(tmp_path / "again", **SMALL).parent
    files = sorted(path.relative_to(again) for path in again.rglob("*") if path.is_file())
    assert files == sorted(
        path.relative_to(study.parent) for path in study.parent.rglob("*") if path.is_file()
    )
    for file in files:
        assert (again / file).read_bytes() == (study.parent / file).read_bytes(), file


def test_tubes_do_not_depend_on_the_order_in_which_they_are_made(study: Path, tmp_path: Path) -> None:
    plan = StudyPlan(**SMALL)
    for part in ("fcs", "truth"):
        (tmp_path / part).mkdir()
    for place, tube in reversed(list(enumerate(plan.tubes))[::5]):
        write_tube(tmp_path, plan, tube, place=place)
        for file in (f"fcs/{tube.name}.fcs", f"truth/{tube.name}.parquet"):
            assert (tmp_path / file).read_bytes() == (study.parent / file).read_bytes()


def test_a_donor_is_the_same_in_a_larger_study_and_at_baseline_of_any_scenario() -> None:
    small, large = StudyPlan(subjects=2), StudyPlan(subjects=30, scenario="null")
    assert specimen(small, T_TUBE).leaves == specimen(large, T_TUBE).leaves
    assert specimen(small, T_TUBE).pd1 == specimen(large, T_TUBE).pd1
    assert specimen(small, T_TUBE).pd1 != specimen(replace(small, seed=2), T_TUBE).pd1


def test_frozen_cells_have_lost_their_neutrophil_like_ones() -> None:
    fresh, frozen = (specimen(StudyPlan(cryo=cryo), T_TUBE) for cryo in (False, True))
    assert frozen.per_ul["PMN-MDSC"] == pytest.approx(0.1 * fresh.per_ul["PMN-MDSC"])
    assert frozen.per_ul["eMDSC"] == pytest.approx(0.7 * fresh.per_ul["eMDSC"])
    assert frozen.per_ul["classical monocyte"] == fresh.per_ul["classical monocyte"]


# --- What cannot be ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"scenario": "seeds"}, "no scenario 'seeds'; choose one of seed, null"),
        ({"drug": "aspirin"}, "'aspirin'; choose one of temsirolimus, everolimus, sunitinib"),
        ({"design": "two_arm_mouse"}, "no design 'two_arm_mouse'; choose one of paired_human"),
        ({"pd1": "hazy"}, "choose one of clean, realistic, smear"),
        ({"subjects": 0}, "subjects is a whole number from 1"),
        ({"seed": -1}, "seed is a whole number from 0"),
    ],
)
def test_a_study_that_cannot_be_says_what_can(wrong: dict[str, object], said: str, tmp_path: Path) -> None:
    with pytest.raises(SimulationError, match=said):
        simulate_study(tmp_path, **wrong)
    assert list(tmp_path.iterdir()) == []


def test_a_study_is_never_written_over_another(study: Path) -> None:
    with pytest.raises(SimulationError, match="already holds a study"):
        simulate_study(study.parent, **SMALL)


def test_a_folder_without_truth_says_so(tmp_path: Path, truth: Truth) -> None:
    with pytest.raises(SimulationError, match="no simulated study"):
        read_truth(tmp_path)
    with pytest.raises(SimulationError, match="no tube 'D99'"):
        truth.events("D99")
    with pytest.raises(SimulationError, match="no population 'CD9 T' is planted"):
        truth.is_in("D01_baseline_T", "CD9 T")


def test_the_summary_says_that_the_data_are_simulated(study: Path) -> None:
    summary = json.loads((study.parent / "truth" / "study.json").read_text())["summary"]
    assert summary["simulated"] is True
    assert summary["seed"] == 5
    assert "do not reproduce any study" in summary["statement"]
    assert summary["parameters"] == {**summary["parameters"], **SMALL}


@pytest.mark.slow
def test_the_planted_shift_is_recovered_in_sign_by_nineteen_of_twenty_studies() -> None:
    """Counts only: 20 subjects, 3,000 CD8 T cells each visit; paired t on the log odds of true PD-1+ cells."""
    from scipy.stats import ttest_1samp

    down, covered, studies = 0, 0, 300
    for seed in range(studies):
        plan, rng = StudyPlan(seed=seed), stream(seed, "counts")
        shifts = []
        for number in range(20):
            tube = replace(T_TUBE, subject=f"D{number + 1:02}")
            after = replace(tube, timepoint="on_treatment", treated=True)
            counts = [rng.binomial(3000, specimen(plan, one).pd1["CD8 T"]) for one in (tube, after)]
            before, now = (logit((count + 0.5) / 3001) for count in counts)
            shifts.append(float(now - before))
        down += np.mean(shifts) < 0
        low, high = ttest_1samp(shifts, 0).confidence_interval()
        covered += low <= effects(plan)["CD8 T/PD-1+"].log_odds <= high
    assert down / studies >= 0.95
    assert 0.92 <= covered / studies <= 0.98
