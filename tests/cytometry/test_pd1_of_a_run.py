"""PD-1 in a study whose events are laid out by hand: six donors, before and after, and one FMO tube."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import cytometry
from cytometry.decomposition import KITAGAWA, STANDARDISED, decompose
from cytometry.errors import CompareError
from cytometry.fcs import write_fcs
from cytometry.power import detectable_in
from cytometry.readouts import agreement, definition_table, definitions, marker_readouts, phenotype
from cytometry.sensitivity import sensitivity
from cytometry.store import Run
from cytometry.subsets import declared_functions, subset_table
from cytometry.table import FRACTION_OF_PARENT, TableError

CHANNELS, MARKERS = ("FSC-A", "R1-A", "R2-A", "R3-A"), ("", "CD8", "CD45RA", "PD-1")
EVENTS = 2_000
TEMPLATE = """\
[template]
name = "by hand"

[[population]]
name = "CD8 T"
cuts = [{ marker = "CD8", rule = "fixed", linear = 1000.0 }]

[[population]]
name = "naive"
parent = "CD8 T"
cuts = [{ marker = "CD45RA", rule = "fixed", linear = 1000.0 }]

[[population]]
name = "PD-1+"
parent = "CD8 T"
cuts = [{ marker = "PD-1", rule = "quantile", quantile = 0.995, source = "fmo" }]
"""
QUANTILE_CUT = 'rule = "quantile", quantile = 0.995, source = "fmo"'
FIXED_CUT = 'rule = "fixed", linear = 500.0'
STUDY = """\
[study]
name = "PD-1 by hand"
fcs_dir = "fcs"

[stain.T]
template = "template.toml"

[measure]
fractions_of = ["CD8 T"]

[[comparison]]
name = "after against before"
factor = "timepoint"
control = "before"
treated = "after"
design = "{design}"
primary = [{{ population = "CD8 T/PD-1+" }}]
"""


def events(rng: np.random.Generator, *, naive: float, pd1: float) -> np.ndarray:
    """All are CD8 T; PD-1 is on ``pd1`` of memory cells, and on no naive cell."""
    is_naive = np.arange(EVENTS) < naive * EVENTS
    memory = int((~is_naive).sum())
    positive = np.zeros(EVENTS, bool)
    positive[np.flatnonzero(~is_naive)[: round(pd1 * memory)]] = True
    scatter, cd8 = np.full(EVENTS, 60_000.0), np.full(EVENTS, 20_000.0)
    cd45ra = np.where(is_naive, 10_000.0, 100.0)
    dim, bright = rng.normal(0.0, 60.0, EVENTS), 10 ** rng.normal(3.3, 0.25, EVENTS)
    return np.column_stack([scatter, cd8, cd45ra, np.where(positive, bright, dim)])


def made(folder: Path, *, design: str, template: str = TEMPLATE) -> Run:
    """Memory grows from 50 to 60 %, and PD-1 of memory falls from 40 to 20 %, a little differently in each."""
    rng = np.random.default_rng(7)
    rows = ["file,subject,timepoint,arm,kind,lacks"]
    for number in range(6):
        for time, memory, pd1 in (("before", 0.50, 0.40), ("after", 0.60, 0.20)):
            subject = f"D{number}" if design == "paired" else f"D{number}{time}"
            file = f"{number}_{time}.fcs"
            found = events(rng, naive=1 - memory + 0.01 * rng.normal(), pd1=pd1 + 0.005 * rng.normal())
            _write(folder / "fcs" / file, found)
            rows.append(f"{file},{subject},{time},drug,sample,")
    _write(folder / "fcs" / "fmo.fcs", events(rng, naive=0.5, pd1=0.0))
    rows.append("fmo.fcs,,,,fmo,PD-1")
    panel = [f"{channel},{marker}," for channel, marker in zip(CHANNELS[1:], MARKERS[1:], strict=True)]
    for name, text in {
        "samples.csv": "\n".join(rows),
        "panel.csv": "\n".join(["detector,marker,fluorochrome", *panel]),
        "template.toml": template,
        "study.toml": STUDY.format(design=design),
    }.items():
        (folder / name).write_text(text + "\n", encoding="utf-8")
    return cytometry.run(folder / "study.toml", folder / "out")


def _write(path: Path, values: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_fcs(path, values, CHANNELS, labels=MARKERS)


@pytest.fixture(scope="module")
def paired(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return made(tmp_path_factory.mktemp("paired"), design="paired")


@pytest.fixture(scope="module")
def unpaired(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return made(tmp_path_factory.mktemp("unpaired"), design="unpaired")


def parts(run: Run, **options: object) -> pd.DataFrame:
    return decompose(run, "CD8 T/PD-1+", by=["naive"], **options).parts.set_index("part")  # type: ignore[arg-type]


def contrast(run: Run) -> pd.Series:
    rows = run.contrasts
    return rows[(rows["population"] == "CD8 T/PD-1+") & (rows["statistic"] == FRACTION_OF_PARENT)].iloc[0]


def test_each_subjects_change_is_parted_and_the_total_is_what_was_compared(paired: Run) -> None:
    found = parts(paired)
    assert set(found["method"]) == {KITAGAWA}
    total, composition, within = (found.loc[name] for name in ("total", "composition", "within subsets"))
    assert total[["shift", "shift_low", "shift_high"]].tolist() == pytest.approx(
        contrast(paired)[["shift", "shift_low", "shift_high"]].tolist(), abs=1e-12
    )
    assert composition["shift"] + within["shift"] == pytest.approx(total["shift"], abs=1e-12)
    # Planted: memory +10 points at 30 % PD-1+, and -20 points of PD-1 in 55 % memory. The cut loses few of them.
    assert composition["shift"] == pytest.approx(0.03, abs=0.01)
    assert within["shift"] == pytest.approx(-0.11, abs=0.01)
    assert within["shift_high"] < 0
    assert composition["shift_low"] > 0
    assert total["n_pairs"] == 6


def test_of_two_arms_the_subjects_are_standardised_to_one_composition(unpaired: Run) -> None:
    found = parts(unpaired)
    assert set(found["method"]) == {STANDARDISED}
    shift = found["shift"]
    assert shift["total"] == pytest.approx(contrast(unpaired)["shift"], abs=1e-12)
    assert shift["composition"] + shift["within subsets"] == pytest.approx(shift["total"], abs=1e-12)
    assert found.loc["within subsets", "shift_high"] < 0 < found.loc["composition", "shift_low"]
    assert found.loc["total", ["n_control", "n_treated", "n_pairs"]].tolist() == [6, 6, 0]


def test_the_own_cut_and_the_fmo_quantile_it_was_learnt_by_are_the_runs_own_contrast(paired: Run) -> None:
    found = sensitivity(paired, "CD8 T/PD-1+", marker="PD-1").set_index("cut")
    for name in ("own", "FMO 99.5 %"):
        for column in ("mean_control", "shift", "shift_low", "shift_high", "ratio"):
            assert found.loc[name, column] == pytest.approx(contrast(paired)[column], abs=1e-12)
    assert found["cut_linear"]["FMO 99 %"] < found["cut_linear"]["own"]
    assert (
        found["cut_linear"]["own, low end"]
        <= found["cut_linear"]["own"]
        <= found["cut_linear"]["own, high end"]
    )


def test_a_lower_cut_counts_more_and_one_in_the_gap_between_the_peaks_the_same(paired: Run) -> None:
    found = sensitivity(paired, "CD8 T/PD-1+", marker="PD-1", factors=[0.2, 1.5], quantiles=[0.99])
    means = found.set_index("cut")["mean_control"]
    assert means["own x 0.2"] > 1.3 * means["own"] > 1.3 * 0.9 * means["own x 1.5"]
    planted = 0.5 * 0.4
    assert means["own x 1.5"] == pytest.approx(planted, abs=0.02)


def test_a_quantile_beyond_the_fmo_has_a_row_with_the_reason(paired: Run) -> None:
    found = sensitivity(paired, "CD8 T/PD-1+", marker="PD-1", factors=[1], quantiles=[0.9999]).set_index(
        "cut"
    )
    row = found.loc["FMO 99.99 %"]
    assert np.isnan(row["shift"])
    assert (
        row["reason"] == "FMO: too few events: 2000, and the 0.9999 quantile needs 50,000 to leave 5 beyond"
    )


def test_without_an_fmo_tube_that_lacks_the_marker_there_are_no_quantiles_but_those_asked_for(
    paired: Run,
) -> None:
    found = sensitivity(paired, "CD8 T/naive", marker="CD45RA", factors=[0.5, 2.0]).set_index("cut")
    assert found.loc["own x 0.5", "shift"] == pytest.approx(found.loc["own x 2", "shift"])
    assert found.index.tolist() == ["own x 0.5", "own", "own x 2"]
    asked = sensitivity(paired, "CD8 T/naive", marker="CD45RA", factors=[1], quantiles=[0.99]).set_index(
        "cut"
    )
    assert asked.loc["FMO 99 %", "reason"] == "there is no FMO tube that lacks CD45RA"


def test_an_fmo_tube_answers_for_a_cut_that_it_did_not_set(paired: Run, tmp_path: Path) -> None:
    own = made(tmp_path, design="paired", template=TEMPLATE.replace(QUANTILE_CUT, FIXED_CUT))
    cuts = sensitivity(own, "CD8 T/PD-1+", marker="PD-1", factors=[1]).set_index("cut")
    assert cuts.loc["own", "cut_linear"] == pytest.approx(500.0)
    same = sensitivity(paired, "CD8 T/PD-1+", marker="PD-1", factors=[1]).set_index("cut")
    for name in ("FMO 99 %", "FMO 99.5 %"):
        for column in ("cut_linear", "mean_control", "shift"):
            assert cuts.loc[name, column] == pytest.approx(same.loc[name, column], rel=1e-9)
    assert "FMO 99.9 %" not in cuts.index  # 2,000 events leave too few beyond it


def test_what_cannot_be_asked_of_a_run_is_refused_with_what_can(paired: Run) -> None:
    with pytest.raises(CompareError, match="is not cut once on CD8"):
        sensitivity(paired, "CD8 T/PD-1+", marker="CD8")
    with pytest.raises(CompareError, match="did you mean"):
        sensitivity(paired, "CD8 T/PD1+", marker="PD-1")
    with pytest.raises(CompareError, match="no comparison 'after'"):
        decompose(paired, "CD8 T/PD-1+", by=["naive"], comparison="after")
    with pytest.raises(CompareError, match="factors lie above 0"):
        sensitivity(paired, "CD8 T/PD-1+", marker="PD-1", factors=[0.0])
    with pytest.raises(CompareError, match="no population is called"):
        decompose(paired, "CD8 T/PD-1+", by=["effector"])


def test_both_ends_of_a_cuts_interval_enclose_what_the_run_counted(paired: Run) -> None:
    found = sensitivity(paired, "CD8 T/PD-1+", marker="PD-1").set_index("cut")["mean_control"]
    assert found["own, low end"] >= found["own"] >= found["own, high end"]
    assert found["own, low end"] > found["own, high end"]


def test_percentage_and_brightness_stand_side_by_side_and_are_judged_together(paired: Run) -> None:
    found = marker_readouts(paired.contrasts, "CD8 T/PD-1+", marker="PD-1")
    assert found["readout"].tolist() == ["percent positive", "median of the positive", "median of the parent"]
    assert found["reads"].iloc[0] == "falls"
    assert agreement(found).startswith("some readouts show it")
    contradicting = found.assign(reads=["falls", "rises", "not decided"])
    assert agreement(contradicting).startswith("the readouts contradict each other")
    unmeasured = marker_readouts(paired.contrasts, "CD8 T/naive", marker="CD45RA")
    assert unmeasured["reads"].tolist()[1:] == ["not compared", "not compared"]


def test_every_definition_stands_beside_the_others_under_every_denominator(paired: Run) -> None:
    named = {"naive": "CD45RA+", "Treg": "CD25+ CD127lo"}
    found = definitions(paired.contrasts, named, bases=["CD8 T", "CD45+"])
    assert found["definition"].tolist() == ["CD45RA+", "CD45RA+", "CD25+ CD127lo", "CD25+ CD127lo"]
    assert found["reads"].tolist() == ["falls", "not compared", "not compared", "not compared"]
    assert found["reason"].iloc[2] == "no population Treg was gated in these stains"
    tubes = definition_table(paired.table, named, bases=["CD8 T", "CD45+"])
    assert len(tubes) == 12
    assert tubes["of CD8 T"].iloc[0] == pytest.approx(tubes["n"].iloc[0] / EVENTS)
    assert tubes["of CD45+"].isna().all()


def test_two_markers_together_are_co_expressing_and_never_exhausted() -> None:
    assert phenotype("T cells/CD8 T/PD-1+TIM-3+") == "PD-1+TIM-3+ of CD8 T (co-expressing PD-1 and TIM-3)"
    assert phenotype("CD8 T/PD-1+") == "PD-1+ of CD8 T"
    assert (
        phenotype("CD4 T/IFN-g+ TNF-a+ IL-2-")
        == "IFN-g+ TNF-a+ IL-2- of CD4 T (co-expressing IFN-g and TNF-a)"
    )


def test_the_subsets_of_a_run_are_those_of_its_tubes(paired: Run) -> None:
    rows = subset_table(paired, {"CD8 T": ["naive", "PD-1+"]})
    assert len(rows) == 12 * 4
    sums = rows.groupby("tube")["n"].sum()
    table = paired.table
    parents = table[(table["statistic"] == "count") & (table["population"] == "CD8 T")].set_index("tube")["n"]
    assert (sums == parents[sums.index]).all()
    assert declared_functions(paired) == {}
    with pytest.raises(TableError, match="name them: functions="):
        subset_table(paired)
    with pytest.raises(TableError, match="no population is called"):
        subset_table(paired, {"CD8 T": ["IFN-g+"]})


def test_what_a_finished_study_could_have_seen_follows_from_its_own_size_and_spread(
    paired: Run, unpaired: Run
) -> None:
    found = detectable_in(paired, "CD8 T/PD-1+")
    assert found.n == 6
    assert found.found is not None
    assert found.found.plan.control == pytest.approx(contrast(paired)["mean_control"])
    assert -0.08 < found.shift < 0  # the planted shift is larger, and was found
    arms = detectable_in(unpaired, "CD8 T/PD-1+", direction="up")
    assert arms.found is not None
    assert arms.found.plan.design == "unpaired"
    assert arms.shift > 0
