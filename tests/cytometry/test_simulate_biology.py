"""What the tables of the simulator say, and what a scenario plants in subjects; no event is drawn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from cytometry.simulate import StudyPlan, planted_endpoints
from cytometry.simulate.biology import specimen
from cytometry.simulate.calibrate import expit, log_odds_for, logit, mean_fraction
from cytometry.simulate.composition import leaf_rows
from cytometry.simulate.cytokine_states import bits, from_table, given_pd1, stimulated
from cytometry.simulate.draws import stream
from cytometry.simulate.effects import effects
from cytometry.simulate.plan import PlannedTube
from cytometry.simulate.tables import panel, rows, settings

T_TUBE = PlannedTube("D01", "baseline", "B1", "T")


# --- The tables ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("health", ["healthy", "rcc"])
def test_the_leaves_of_blood_sum_to_a_hundred_percent(health: str) -> None:
    assert sum(float(row[health]) for row in rows("leaves")) == pytest.approx(100)


@pytest.mark.parametrize("leaf", ["CD4 T", "CD8 T", "NK"])
@pytest.mark.parametrize("health", ["healthy", "rcc"])
def test_the_parts_of_a_leaf_sum_to_a_hundred_percent(leaf: str, health: str) -> None:
    assert sum(float(row[health]) for row in rows("parts") if row["leaf"] == leaf) == pytest.approx(100)


@pytest.mark.parametrize("species", ["human", "mouse"])
def test_every_stratum_belongs_to_a_leaf_and_the_shares_of_a_part_sum_to_one(species: str) -> None:
    every = pd.DataFrame([dict(row) for row in rows("strata")])
    strata = every[every["species"] == species]
    assert set(strata["leaf"]) == {row["leaf"] for row in leaf_rows(species)}
    shares = strata.assign(share=strata["share"].astype(float)).groupby(["leaf", "part"])["share"].sum()
    np.testing.assert_allclose(shares, 1)


def test_cd4_memory_is_that_of_the_table_once_miyaras_fractions_are_in_it() -> None:
    part = {row["part"]: float(row["rcc"]) for row in rows("parts") if row["leaf"] == "CD4 T"}
    memory = dict.fromkeys(("naive", "CM", "EM", "TEMRA"), 0.0)
    for row in rows("strata"):
        if row["leaf"] == "CD4 T" and row["species"] == "human":
            memory[row["subset"]] += part[row["part"]] * float(row["share"])
    assert memory == pytest.approx({"naive": 35, "CM": 33, "EM": 27, "TEMRA": 5})


def test_pd1_of_the_cd8_subsets_sums_to_16_8_percent() -> None:
    share = {row["part"]: float(row["rcc"]) for row in rows("parts") if row["leaf"] == "CD8 T"}
    human = [row for row in rows("strata") if row["species"] == "human"]
    total = sum(share[row["part"]] * float(row["pd1"]) for row in human if row["leaf"] == "CD8 T")
    assert total == pytest.approx(16.8, abs=0.05)


def test_the_eight_cytokine_combinations_hold_the_single_functions() -> None:
    cd8 = from_table(settings("states")["cytokines"]["stimulated"]["CD8 T"])
    cd4 = from_table(settings("states")["cytokines"]["stimulated"]["CD4 T"])
    patterns = ("+..", ".+.", "..+", "++.", "...")
    assert [cd8[bits(p)].sum() for p in patterns] == pytest.approx([0.35, 0.26, 0.11, 0.19, 1])
    assert [cd4[bits(p)].sum() for p in patterns] == pytest.approx([0.14, 0.30, 0.35, 0.10, 1])


def test_every_marker_of_a_panel_is_known_to_the_synonym_table() -> None:
    from cytometry.panel import canonical_marker

    for stain in ("T", "myeloid", "cytokine", "gr1", "ly6", "reduced", "phospho"):
        for channel in panel(stain).channels:
            if channel.role not in ("scatter", "time", "unused"):
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
    assert after.amounts["eMDSC"] == pytest.approx(before.amounts["eMDSC"] * fold)
    assert after.amounts["B"] == before.amounts["B"]
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
    grown = sum(after.amounts[leaf] - before.amounts[leaf] for leaf in leaves if leaf.endswith("monocyte"))
    assert after.leaves["CD4 T"] == pytest.approx(
        before.amounts["CD4 T"] / (sum(before.amounts.values()) + grown)
    )


def test_treatment_makes_double_producers_of_silent_cells() -> None:
    plan = StudyPlan(seed=3)
    before, after = (stimulated(plan, "CD8 T", replace(T_TUBE, treated=treated)) for treated in (False, True))
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
    _, positive = given_pd1(shares, 0.168, silence(StudyPlan(), "CD8 T", arm="temsirolimus", treated=False))
    assert 0.168 * positive[0] == pytest.approx(0.10)


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
