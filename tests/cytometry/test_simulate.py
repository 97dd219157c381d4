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
from cytometry.simulate import SimulationError, StudyPlan, read_truth, simulate_study
from cytometry.simulate.biology import specimen
from cytometry.simulate.instrument import instrument
from cytometry.simulate.plan import PlannedTube
from cytometry.simulate.study import write_tube
from cytometry.simulate.tables import panel, settings
from cytometry.simulate.truth import Truth
from gating.columns import compensate

T_TUBE = PlannedTube("D01", "baseline", "B1", "T")
# Warnings that this small study earns: an FMO of another subject of the batch is used; two pairs are few; nobody went
# untreated.
STANDS_IN, FEW, TIME_ALONE, PHENOTYPE = "CYT320", "CYT402", "CYT409", "CYT602"
SMALL = {"subjects": 2, "events": 2000, "batches": 1, "seed": 5}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulate_study(tmp_path_factory.mktemp("simulated") / "study", **SMALL)


@pytest.fixture(scope="module")
def truth(study: Path) -> Truth:
    return read_truth(study.parent)


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

    assert {problem.code for problem in check_study(study)} <= {STANDS_IN, FEW, TIME_ALONE, PHENOTYPE}
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
    fixed = settings("instrument")["af_fixed"]
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
    said = settings("tissues")["PBMC"]
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
    assert frozen.amounts["PMN-MDSC"] == pytest.approx(0.1 * fresh.amounts["PMN-MDSC"])
    assert frozen.amounts["eMDSC"] == pytest.approx(0.7 * fresh.amounts["eMDSC"])
    assert frozen.amounts["classical monocyte"] == fresh.amounts["classical monocyte"]


# --- What cannot be ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"scenario": "seeds"}, "no scenario 'seeds'; choose one of seed, null"),
        ({"drug": "aspirin"}, "'aspirin'; choose one of temsirolimus, everolimus, sunitinib"),
        ({"design": "one_mouse"}, "no design 'one_mouse'; choose one of paired_human, two_arm_mouse"),
        (
            {"design": "two_arm_mouse", "scenario": "reverse"},
            "no scenario 'reverse'; choose one of seed, null",
        ),
        ({"stains": ("B",)}, "choose one of T, myeloid, cytokine"),
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
