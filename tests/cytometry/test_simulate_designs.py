"""The designs of simulated studies: their tubes, what is planted in them, and what a run finds of it."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from cytometry.fcs import read_fcs
from cytometry.simulate import (
    SimulationError,
    StudyPlan,
    Truth,
    planted_endpoints,
    read_truth,
    simulate_study,
)
from cytometry.simulate.biology import specimen
from cytometry.simulate.composition import leaf_rows, part_rows
from cytometry.simulate.phospho import donor_ic50, left_in, mean_log_remaining, remaining
from cytometry.simulate.tables import rows, settings
from cytometry.simulate.tubes import PlannedTube

MOUSE = StudyPlan(design="two_arm_mouse", subjects=10, batches=2)
DOSES = StudyPlan(design="dose_time_pS6", subjects=2, batches=1)


def sheet(folder: Path) -> list[dict[str, str]]:
    with (folder / "samples.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


# --- Tables --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("origin", ["tumour", "spleen", "naive_spleen"])
def test_the_leukocytes_of_a_mouse_sum_to_a_hundred_percent(origin: str) -> None:
    assert sum(float(row[origin]) for row in leaf_rows("mouse") if row["cd45"] == "+") == pytest.approx(100)
    for leaf in ("CD4 T", "CD8 T"):
        parts = [float(row[origin]) for row in part_rows("mouse") if row["leaf"] == leaf]
        assert sum(parts) == pytest.approx(100)


def test_gr1_stands_never_beside_ly6g_or_ly6c() -> None:
    markers = {
        panel: {row["marker"] for row in rows("panels") if row["stain"] == panel}
        for panel in ("gr1", "ly6", "reduced")
    }
    assert "Gr-1" in markers["gr1"] & markers["reduced"]
    assert not {"Ly6G", "Ly6C"} & (markers["gr1"] | markers["reduced"])
    assert "Gr-1" not in markers["ly6"]
    stained = {row["marker"] for row in rows("panels") if row["stain"] == "reduced" and row["fluorochrome"]}
    assert stained == {"CD45", "CD3", "CD4", "CD8", "FoxP3", "CD11b", "Gr-1", "PD-1", "TIM-3", "Viability"}


# --- Tubes ---------------------------------------------------------------------------------------------------------


def test_ten_mice_of_each_arm_give_a_tumour_and_a_spleen_in_two_batches_and_two_cages() -> None:
    samples = [tube for tube in MOUSE.tubes if tube.kind == "sample"]
    assert Counter((tube.arm, tube.tissue) for tube in samples) == {
        (arm, tissue): 10 for arm in ("vehicle", "temsirolimus") for tissue in ("tumour", "spleen")
    }
    assert {(tube.arm, tube.batch) for tube in samples} == {
        (arm, batch) for arm in ("vehicle", "temsirolimus") for batch in ("B1", "B2")
    }
    assert len({(tube.arm, tube.cage) for tube in samples}) == 4
    fmo = [tube for tube in MOUSE.tubes if tube.kind == "fmo"]
    assert {(tube.batch, tube.tissue) for tube in fmo} == {
        (b, t) for b in ("B1", "B2") for t in ("tumour", "spleen")
    }
    assert {tube.specimen for tube in fmo} <= {tube.specimen for tube in samples if not tube.treated}


def test_four_doses_are_followed_at_five_times_stimulated_and_not() -> None:
    assert len({tube.arm for tube in DOSES.tubes}) == 4
    assert len({tube.timepoint for tube in DOSES.tubes}) == 5
    assert len(DOSES.tubes) == 2 * 4 * 5 * 2


def test_drugs_and_no_drug_are_arms_of_one_study_with_donors_of_their_own() -> None:
    plan = StudyPlan(drug="temsirolimus+everolimus+sunitinib", options=("untreated_arm",), subjects=4)
    samples = [tube for tube in plan.tubes if tube.kind == "sample"]
    donors = {arm: {tube.subject for tube in samples if tube.arm == arm} for arm in plan.arms}
    assert [len(found) for found in donors.values()] == [4, 4, 4, 4]
    assert len(set.union(*donors.values())) == 16
    assert not any(tube.treated for tube in samples if tube.arm == "untreated")
    alone = [tube for tube in StudyPlan(subjects=4).tubes if tube.kind == "sample"]
    assert {tube.name for tube in alone} == {tube.name for tube in samples if tube.arm == "temsirolimus"}


def test_with_an_untreated_arm_the_study_asks_for_the_difference_of_the_changes(tmp_path: Path) -> None:
    from cytometry.study import check_study, read_study

    options = ("untreated_arm",)
    study = simulate_study(tmp_path, subjects=2, batches=1, events=200, stains=("T",), options=options)
    assert not [problem for problem in check_study(study) if problem.severity == "error"]
    named = [one.name for one in read_study(study).comparisons]
    assert named[-1] == "Change on temsirolimus against untreated"
    row = next(row for row in planted_endpoints(StudyPlan(options=options)) if row["comparison"] == named[-1])
    assert (row["population"], row["control"]) == ("CD8 T/PD-1+", 0)
    assert row["shift"] == pytest.approx(-0.041)


def test_fmo_tubes_of_the_same_cells_stand_beside_those_of_the_anchor() -> None:
    plan = StudyPlan(subjects=2, batches=1, options=("fmo_of_same_cells",))
    pd1 = [tube for tube in plan.tubes if tube.lacks == "PD-1" and tube.stain == "T"]
    assert {tube.specimen for tube in pd1} == {"anchor_B1", "D01_baseline"}


def test_single_stains_are_one_of_each_fluorochrome_on_cells_and_on_beads() -> None:
    plan = StudyPlan(subjects=1, batches=1, stains=("T",), options=("single_stains",))
    kinds = Counter((tube.kind, tube.material) for tube in plan.tubes)
    assert kinds["single_stain", "cells"] == kinds["single_stain", "beads"] == 16
    assert kinds["unstained", "cells"] == kinds["unstained", "beads"] == 1


@pytest.mark.parametrize("design", ["paired_human", "two_arm_mouse", "dose_time_pS6"])
def test_no_two_tubes_share_a_name_or_their_random_numbers(design: str) -> None:
    options = ("single_stains", "fmo_of_same_cells", "untreated_arm", "counting_beads")
    plan = StudyPlan(design=design, subjects=3, options=options)
    assert max(Counter(tube.name for tube in plan.tubes).values()) == 1
    assert max(Counter(tube.keys for tube in plan.tubes).values()) == 1


def test_a_stain_or_a_kind_of_control_may_have_its_own_number_of_events(tmp_path: Path) -> None:
    events = {"": 200, "T": 300, "fmo": 400}
    simulate_study(tmp_path, subjects=1, batches=1, stains=("T", "myeloid"), events=events)
    found = {row["tube"]: read_fcs(tmp_path / row["file"]).n_events for row in sheet(tmp_path)}
    assert found["D01_baseline_T"] == 300
    assert found["D01_baseline_myeloid"] == 200
    assert found["B1_T_FMO_PD-1"] == 400
    with pytest.raises(SimulationError, match="choose one of T, cytokine, fmo"):
        StudyPlan(events_by=(("blood", 200),))


# --- What is planted -------------------------------------------------------------------------------------------------


def test_two_fifths_of_the_live_cells_of_a_tumour_are_leukocytes() -> None:
    tube = PlannedTube(
        "V01", "", "B1", "tumour", tissue="tumour", species="mouse", variant="gr1", arm="vehicle"
    )
    of = specimen(MOUSE, tube)
    share = 1 / (1 + of.others["tumour cell"])
    assert 0.2 < share < 0.65
    assert sum(of.leaves.values()) == pytest.approx(1)
    middle = [
        1 / (1 + specimen(StudyPlan(design="two_arm_mouse", seed=seed), tube).others["tumour cell"])
        for seed in range(200)
    ]
    assert np.mean(middle) == pytest.approx(0.4, abs=0.03)


def test_planted_shifts_of_mice_have_the_assumed_signs_and_none_in_the_null() -> None:
    planted = {(row["stain"], row["population"]): row for row in planted_endpoints(MOUSE)}
    assert planted["tumour", "CD8 T/PD-1+"]["control"] == pytest.approx(0.45)
    assert planted["tumour", "CD8 T/PD-1+"]["treated"] == pytest.approx(0.33)
    assert planted["tumour", "Gr-1+"]["shift"] < -0.05
    assert planted["tumour", "CD8 T"]["density_treated"] > 1.4 * planted["tumour", "CD8 T"]["density_control"]
    null = planted_endpoints(StudyPlan(design="two_arm_mouse", scenario="null"))
    assert all(abs(row["shift"]) < 1e-12 for row in null)


def test_ps6_falls_to_a_tenth_a_day_after_25_mg_and_is_back_at_a_quarter_after_a_week() -> None:
    left = {hours: remaining(DOSES, 25, hours) for hours in (24, 168)}
    assert left == pytest.approx({24: 0.10, 168: 0.25}, abs=0.002)
    by_dose = [remaining(DOSES, dose, 24) for dose in (0, 1, 5, 25)]
    assert by_dose[0] == 1
    assert by_dose == sorted(by_dose, reverse=True)
    assert min(by_dose) > 1 - settings("phospho")["pharmacology"]["largest_inhibition"]
    null = StudyPlan(design="dose_time_pS6", scenario="null")
    assert remaining(null, 25, 24) == 1


def test_the_mean_donors_ps6_is_the_planted_one() -> None:
    subjects = [f"X{number}" for number in range(2000)]
    logs = [np.log(remaining(DOSES, 5, 72, donor=donor_ic50(DOSES, subject))) for subject in subjects]
    assert np.mean(logs) == pytest.approx(
        mean_log_remaining(DOSES, 5, 72), abs=4 * np.std(logs) / np.sqrt(2000)
    )
    before = next(tube for tube in DOSES.tubes if tube.timepoint == "0h" and tube.arm == "25 mg")
    assert left_in(DOSES, before) == 1


def test_every_drug_has_its_own_planted_endpoints_and_who_gets_none_has_none() -> None:
    plan = StudyPlan(drug="temsirolimus+everolimus", options=("untreated_arm",))
    over_time = [row for row in planted_endpoints(plan) if not row["comparison"].startswith("Change")]
    planted = {(row["arm"], row["population"]): row["shift"] for row in over_time}
    assert planted["temsirolimus", "CD8 T/PD-1+"] == pytest.approx(-0.041, abs=1e-6)
    assert planted["everolimus", "CD8 T/PD-1+"] == pytest.approx(0, abs=1e-12)
    assert planted["everolimus", "Treg Fr II"] < -0.006
    without = [shift for (arm, _), shift in planted.items() if arm == "untreated"]
    assert len(without) >= 4
    assert not any(without)


# --- Acquired --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two mice of each arm, one batch, with counting beads."""
    folder = tmp_path_factory.mktemp("mice")
    options = ("counting_beads", "no_clog", "no_spike")
    simulate_study(
        folder,
        design="two_arm_mouse",
        subjects=2,
        batches=1,
        seed=4,
        options=options,
        events={"": 30_000, "fmo": 500},
    )
    return folder


@pytest.mark.parametrize("design", ["two_arm_mouse", "dose_time_pS6"])
def test_the_same_plan_gives_the_same_bytes(design: str, tmp_path: Path) -> None:
    for copy in ("one", "two"):
        simulate_study(
            tmp_path / copy, design=design, subjects=1, batches=1, events=200, options=("counting_beads",)
        )
    one, two = (
        sorted(path for path in (tmp_path / copy).rglob("*") if path.is_file()) for copy in ("one", "two")
    )
    assert [path.relative_to(tmp_path / "one") for path in one] == [
        path.relative_to(tmp_path / "two") for path in two
    ]
    assert all(a.read_bytes() == b.read_bytes() for a, b in zip(one, two, strict=True))


def test_beads_give_back_the_cells_per_milligram(mice: Path) -> None:
    """Within 4 standard errors of counting, and the mean over tubes within 5 %."""
    truth = read_truth(mice)
    ratios = []
    for stain in ("tumour", "spleen"):
        found = truth.shifts("CD45+", stain=stain, statistic="density")
        for role in ("control", "treated"):
            expected, counted = (found[f"{what}_{role}"].dropna() for what in ("expected", "realised"))
            ratios += list(counted / expected)
    assert np.mean(ratios) == pytest.approx(1, abs=0.05)
    beads = [about["beads"] for about in truth.info["tubes"].values() if about["kind"] == "sample"]
    assert min(beads) > 300
    described = {row["tube"]: row for row in sheet(mice)}
    assert all(float(described[f"V01_{tissue}"]["tissue_mg"]) > 0 for tissue in ("tumour", "spleen"))
    assert float(described["V01_tumour"]["beads_added"]) == 50_000


def test_what_is_realised_agrees_with_what_is_expected(mice: Path) -> None:
    """Binomial z scores of every population of every tube: mean 0, SD 1."""
    found = read_truth(mice).fractions.query("kind == 'sample' and n_base > 200 and expected < 1")
    z = (found["realised"] - found["expected"]) / np.sqrt(
        found["expected"] * (1 - found["expected"]) / found["n_base"]
    )
    assert abs(z.mean()) < 0.4
    assert 0.75 < z.std() < 1.3
    assert z.abs().max() < 4.5


def test_tumours_hold_debris_and_dead_cells_as_their_table_says(mice: Path) -> None:
    tubes = [about for about in read_truth(mice).info["tubes"].values() if about["kind"] == "sample"]
    tumour, spleen = (
        np.mean([about["debris"] / about["n_events"] for about in tubes if about["tissue"] == tissue])
        for tissue in ("tumour", "spleen")
    )
    assert tumour > 3 * spleen
    assert tumour == pytest.approx(0.42, abs=0.03)  # 42 % of what is no bead; beads are a few per cent


def test_macrophages_glow_too_much_for_the_boundary_of_lymphocytes(mice: Path) -> None:
    """Of unstained light alone, most macrophages lie above the 99.5 % bound of the T cells in the PD-1 channel."""
    events = read_truth(mice).events("V01_tumour")
    live = ~(events["is_dead"] | events["is_debris"] | events["is_doublet"] | events["is_bead"])
    glow = {leaf: events.loc[live & (events["leaf"] == leaf), "AF PD-1"] for leaf in ("CD4 T", "TAM")}
    assert (glow["TAM"] > glow["CD4 T"].quantile(0.995)).mean() > 0.95


def test_each_event_says_where_it_hangs(mice: Path) -> None:
    events = read_truth(mice).events("V01_tumour")
    assert {"CD45+/CD8 T/EM", "CD45+/CD4 T/Treg", "tumour cell", ""} <= set(events["path"].astype(str))


def test_unpaired_shifts_are_from_the_mean_of_the_controls(mice: Path) -> None:
    found = read_truth(mice).shifts("PMN-MDSC", stain="tumour", statistic="fraction_of_CD45+")
    assert found["realised_shift"].notna().tolist() == [subject.startswith("T") for subject in found.index]
    difference = found["realised_treated"].mean() - found["realised_control"].mean()
    assert found["realised_shift"].mean() == pytest.approx(difference)


def test_ps6_of_stimulated_cells_falls_with_the_dose_and_returns(tmp_path: Path) -> None:
    simulate_study(tmp_path, design="dose_time_pS6", subjects=1, batches=1, events=3000, seed=2)
    truth = read_truth(tmp_path)

    def left(arm: str, hours: int) -> float:
        said = truth.shifts(
            "CD8 T",
            stain="phospho",
            statistic="median_intensity",
            marker="pS6",
            arm=arm,
            timepoint=f"{hours}h",
        )
        return float((said["realised_treated"] / said["realised_control"]).iloc[0])

    assert left("0 mg", 24) == pytest.approx(1, abs=0.25)
    assert left("25 mg", 24) < left("25 mg", 168) < 0.5
    assert left("25 mg", 24) < left("5 mg", 24) < left("1 mg", 24) < 0.8
    with pytest.raises(SimulationError, match="needs a marker"):
        truth.shifts("CD8 T", stain="phospho", statistic="median_intensity")


# --- A run ----------------------------------------------------------------------------------------------------------


def direction(truth: Truth, contrasts: object, *, stain: str, population: str) -> None:
    """The planted sign is found, or the contrast says why there is none."""
    planted = truth.planted.query("stain == @stain and population == @population").iloc[0]
    found = contrasts[(contrasts["stain"] == stain) & contrasts["population"].str.endswith(f"/{population}")]  # type: ignore[index]
    row = found[found["statistic"] == planted["statistic"]].iloc[0]
    assert row["reason"] or np.sign(row["shift"]) == np.sign(planted["shift"])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("panel", ["gr1", "ly6", "reduced"])
def test_a_run_finds_the_planted_direction_in_mice(panel: str, tmp_path: Path) -> None:
    import cytometry

    study = simulate_study(
        tmp_path,
        design="two_arm_mouse",
        subjects=6,
        batches=1,
        panel=panel,
        stains=("tumour",),
        events=60_000,
        seed=7,
    )
    run = cytometry.run(study, tmp_path / "results")
    truth = read_truth(tmp_path)
    for population in ("CD8 T/PD-1+", "PMN-MDSC", "CD8 T"):
        direction(truth, run.contrasts, stain="tumour", population=population)
    assert (run.contrasts.query("family == 'primary'")["reason"] == "").all()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_run_finds_that_ps6_falls(tmp_path: Path) -> None:
    import cytometry

    study = simulate_study(tmp_path, design="dose_time_pS6", subjects=1, batches=1, events=4000, seed=3)
    contrasts = cytometry.run(study, tmp_path / "results").contrasts
    primary = contrasts[contrasts["family"] == "primary"].set_index("comparison")["ratio"]
    assert primary["25 mg, 24 h after against before"] < 0.35
    assert primary["0 mg, 24 h after against before"] == pytest.approx(1, abs=0.35)
