"""Studies without events: the same donors, correct spread, and what they say of the paired comparison."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

from cytometry.compare import compare
from cytometry.simulate import (
    CountedStudy,
    SimulationError,
    StudyPlan,
    count_study,
    planted_endpoints,
    read_truth,
    simulate_counts,
    simulate_study,
)
from cytometry.simulate.calibrate import logit
from cytometry.simulate.effects import effects
from cytometry.table import Endpoint, check_table

PD1 = "CD8 T/PD-1+"
PAIRED = {"control": "baseline", "treated": "on_treatment", "factor": "timepoint", "design": "paired"}


def of_population(
    study: CountedStudy, population: str, statistic: str = "fraction_of_parent"
) -> pd.DataFrame:
    table = study.table
    return table[(table["population"] == population) & (table["statistic"] == statistic)]


def primary(study: CountedStudy, population: str = PD1, **said: str) -> pd.Series:
    """Return the contrast of one endpoint, which is all that is tested."""
    table = of_population(study, population)
    found = compare(table, **(PAIRED | said), primary=[Endpoint(population)])
    return found[found["family"] == "primary"].iloc[0]


def rate(hits: Sequence[bool]) -> tuple[float, float]:
    """Return a share and its Monte-Carlo error."""
    share = float(np.mean(hits))
    return share, float(np.sqrt(share * (1 - share) / len(hits)))


# --- One study -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("design", ["paired_human", "two_arm_mouse"])
@pytest.mark.parametrize("options", [(), ("counting_beads",)])
def test_the_counted_table_is_the_tidy_table(design: str, options: tuple[str, ...]) -> None:
    study = count_study(StudyPlan(design=design, subjects=3, events=2000, options=options))
    check_table(study.table)
    assert set(study.table["kind"]) <= {"sample", "unstimulated"}


def test_a_fraction_of_few_cells_is_not_a_number_and_says_why() -> None:
    study = count_study(StudyPlan(subjects=2, events=100))
    few = study.table[study.table["value"].isna()]
    assert len(few)
    assert few["reason"].str.contains("events in .*, under 20").all()


def test_the_same_plan_gives_the_same_counts_and_another_seed_others() -> None:
    first, again, other = (count_study(StudyPlan(subjects=2, seed=seed)).table for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(first, again)
    assert not first["n"].equals(other["n"])


def test_donors_are_those_of_the_study_with_events(tmp_path: object) -> None:
    """Expected fractions are the same numbers; the counts are another draw of the same cells."""
    plan = StudyPlan(subjects=2, events=3000, batches=1, seed=5)
    simulate_study(str(tmp_path), subjects=2, events=3000, batches=1, seed=5)
    acquired = read_truth(str(tmp_path)).fractions.set_index(["tube", "population"])
    counted = count_study(plan).truth.set_index(["tube", "population"])
    both = counted.join(acquired, rsuffix="_of_events", how="inner")
    assert len(both) == len(counted)
    np.testing.assert_allclose(both["expected"], both["expected_of_events"], rtol=1e-12)
    many = both[both["n_base"] > 200]
    spread = np.sqrt(
        many["expected"] * (1 - many["expected"]) * (1 / many["n_base"] + 1 / many["n_base_of_events"])
    )
    z = (many["realised"] - many["realised_of_events"]) / spread
    assert abs(z.mean()) < 0.25
    assert 0.8 < z.std() < 1.25
    assert both["n_base"].corr(both["n_base_of_events"]) > 0.99


def test_a_design_whose_answer_is_an_intensity_has_no_counts() -> None:
    with pytest.raises(SimulationError, match="counts have none; simulate its events"):
        count_study(StudyPlan(design="dose_time_pS6"))


def test_fractions_of_donors_spread_by_donor_visit_and_counting_and_by_nothing_else() -> None:
    """SD of log odds: donors 0.55, visits 0.18, and the binomial's of some 3,000 CD8 T cells."""
    plan = StudyPlan(subjects=1500, batches=1, events=20_000, stains=("T",), scenario="null", seed=8)
    rows = of_population(count_study(plan), PD1)
    odds = pd.Series(
        logit(((rows["n"] + 0.5) / (rows["n_base"] + 1)).to_numpy(dtype=float)), index=rows.index
    )
    counting = (1 / (rows["n_base"] * rows["value"] * (1 - rows["value"]))).astype(float)
    between = odds[rows["timepoint"] == "baseline"]
    assert between.var() == pytest.approx(0.55**2 + 0.18**2 + counting.mean(), rel=0.12)
    pairs = odds.groupby(rows["subject"]).agg(lambda two: two.iloc[1] - two.iloc[0])
    assert pairs.var() == pytest.approx(2 * (0.18**2 + counting.mean()), rel=0.12)
    assert rows["value"].mean() == pytest.approx(0.168, abs=0.007)


def test_net_fractions_subtract_the_resting_tube_of_the_same_donor() -> None:
    study = count_study(StudyPlan(subjects=2, stains=("cytokine",)))
    double = "CD8 T/IFN-g+TNF-a+"
    plain = of_population(study, double).set_index(["specimen", "kind"])["value"]
    net = of_population(study, double, "net_fraction_of_parent").set_index("specimen")["value"]
    for specimen, value in net.items():
        assert value == pytest.approx(plain[specimen, "sample"] - plain[specimen, "unstimulated"])


# --- Many studies --------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("design", "said"),
    [
        ("paired_human", {"stain": "T"}),
        (
            "two_arm_mouse",
            {"stain": "tumour", "factor": "arm", "control": "vehicle", "treated": "temsirolimus"},
        ),
    ],
)
def test_without_an_effect_the_primary_test_is_positive_in_one_study_of_twenty(
    design: str, said: dict[str, str]
) -> None:
    """600 studies: the Monte-Carlo error of 0.05 is 0.009; 0.03 to 0.07 is required."""
    said = dict(said)
    plan = StudyPlan(design=design, scenario="null", subjects=10, stains=(said.pop("stain"),), batches=2)
    said |= {"design": "unpaired"} if "factor" in said else {}
    found, error = rate([primary(one, **said)["p"] < 0.05 for one in simulate_counts(plan, seeds=range(600))])
    assert 0.03 <= found <= 0.07, f"{found:.3f}, Monte-Carlo error {error:.3f}"


@pytest.mark.slow
def test_mice_that_share_cages_are_fewer_than_they_look() -> None:
    """Arms are given to two cages each: a test by animals is positive in more than its 5 % of studies."""
    plan = StudyPlan(
        design="two_arm_mouse",
        scenario="null",
        subjects=10,
        batches=2,
        stains=("tumour",),
        options=("cage_effect",),
        events=100_000,
    )
    said = {"factor": "arm", "control": "vehicle", "treated": "temsirolimus", "design": "unpaired"}
    found, error = rate([primary(one, **said)["p"] < 0.05 for one in simulate_counts(plan, seeds=range(600))])
    assert found - 2 * error > 0.05


@pytest.mark.slow
def test_twenty_pairs_find_the_sign_of_pd1_and_the_interval_covers_what_was_planted() -> None:
    """400 studies: the sign in at least 95 %; coverage of the odds ratio 93 to 97 %, give or take the error."""
    plan = StudyPlan(subjects=20, stains=("T",))
    truth = np.exp(effects(plan)[PD1].log_odds)
    found = [primary(one) for one in simulate_counts(plan, seeds=range(400))]
    sign, _ = rate([one["shift"] < 0 for one in found])
    covered, error = rate([one["ratio_low"] <= truth <= one["ratio_high"] for one in found])
    assert sign >= 0.95
    assert 0.93 - 2 * error <= covered <= 0.97 + 2 * error, f"{covered:.3f}, Monte-Carlo error {error:.3f}"


@pytest.mark.slow
def test_the_mean_shift_of_many_studies_is_the_planted_one() -> None:
    plan = StudyPlan(subjects=12, stains=("T",))
    shifts = np.array([primary(one)["shift"] for one in simulate_counts(plan, seeds=range(300))])
    planted = planted_endpoints(plan)[0]["shift"]
    assert shifts.mean() == pytest.approx(planted, abs=3 * shifts.std() / np.sqrt(shifts.size))


def test_monocytes_alone_make_t_cells_fall_in_share_and_not_in_number() -> None:
    """Closure: monocytes half as many again; T cells fall from 59.0 to 54.1 %, and stay as many per uL."""
    plan = StudyPlan(scenario="closure", subjects=60, stains=("T",))
    row = next(one for one in planted_endpoints(plan) if one["population"] == "T cells")
    assert [row["control"], row["treated"]] == pytest.approx([0.590, 0.541], abs=5e-4)
    assert row["log_odds"] == 0
    assert row["density_treated"] == pytest.approx(row["density_control"])
    rows = of_population(next(simulate_counts(plan, seeds=[3])), "T cells")
    mean = rows.groupby("timepoint")["value"].mean()
    assert mean["on_treatment"] - mean["baseline"] == pytest.approx(row["shift"], abs=0.02)
