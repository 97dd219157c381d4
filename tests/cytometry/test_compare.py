from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from statsmodels.stats.multitest import multipletests

from cytometry.compare import CONTRAST_COLUMNS, compare, sentence
from cytometry.cytokines import subtract_background
from cytometry.errors import CompareError
from cytometry.table import Endpoint, TableError, as_table

PD1 = "live/T cells/CD8 T/PD-1+"
PRE_POST = {"control": "pre", "treated": "post"}


def row(subject: str, arm: str, n: int, **changes: Any) -> dict[str, Any]:
    n_base = changes.get("n_base", 1000)
    tube = f"{subject}_{arm}"
    return {
        "stain": "T", "tube": tube, "kind": "sample", "stimulus": "", "specimen": tube, "subject": subject,
        "arm": arm, "timepoint": "", "batch": "b1", "population": PD1, "marker": "",
        "statistic": "fraction_of_parent", "base": "live/T cells/CD8 T", "value": n / n_base,
        "unit": "fraction", "n": n, "n_base": n_base, "flag": "", "reason": "",
    } | changes  # fmt: skip


def median(subject: str, arm: str, value: float, **changes: Any) -> dict[str, Any]:
    cd8 = "live/T cells/CD8 T"
    return row(subject, arm, 1000, population=cd8, base=cd8, marker="PD-1", statistic="median_intensity",
               unit="intensity", value=value) | changes  # fmt: skip


def table(rows: Iterable[dict[str, Any]]) -> pd.DataFrame:
    return as_table(pd.DataFrame(list(rows)))


PRE = np.array([168, 90, 240, 150, 310, 201])
POST = np.array([127, 80, 170, 149, 240, 160])


def pairs(pre: Iterable[int] = PRE, post: Iterable[int] = POST, **changes: Any) -> list[dict[str, Any]]:
    return [
        row(f"d{number}", arm, int(n), **changes)
        for number, both in enumerate(zip(pre, post, strict=True), start=1)
        for arm, n in zip(("pre", "post"), both, strict=True)
    ]


def arms(pre: Iterable[int] = PRE, post: Iterable[int] = POST, **changes: Any) -> list[dict[str, Any]]:
    return [
        row(f"{arm}{number}", arm, int(n), **changes)
        for arm, values in (("pre", pre), ("post", post))
        for number, n in enumerate(values, start=1)
    ]


def only(contrasts: pd.DataFrame) -> dict[str, Any]:
    assert len(contrasts) == 1
    return {str(key): value for key, value in contrasts.iloc[0].to_dict().items()}


def logit(n: np.ndarray) -> np.ndarray:
    p = (n + 0.5) / 1001
    return np.log(p / (1 - p))


def test_pairs_agree_with_scipys_paired_tests() -> None:
    found = only(compare(table(pairs()), **PRE_POST))
    t = scipy.stats.ttest_rel(logit(POST), logit(PRE))
    odds = np.exp([(logit(POST) - logit(PRE)).mean(), *t.confidence_interval()])
    shift = scipy.stats.ttest_rel(POST / 1000, PRE / 1000).confidence_interval()
    assert (found["t"], found["df"], found["p"]) == pytest.approx((t.statistic, 5, t.pvalue))
    assert (found["ratio"], found["ratio_low"], found["ratio_high"]) == pytest.approx(tuple(odds))
    assert (found["shift_low"], found["shift_high"]) == pytest.approx((shift.low, shift.high))
    assert found["rank_p"] == scipy.stats.wilcoxon(logit(POST) - logit(PRE), method="exact").pvalue
    assert found["shift"] == pytest.approx(found["mean_treated"] - found["mean_control"])
    assert (found["design"], found["n_control"], found["n_treated"], found["n_pairs"]) == ("paired", 6, 6, 6)
    assert (found["test"], found["ratio_kind"]) == ("paired t on logit", "odds ratio")
    assert found["flag"] == found["reason"] == ""


def test_arms_agree_with_scipys_unpaired_tests() -> None:
    found = only(compare(table(arms(PRE, POST[:4])), **PRE_POST, confidence=0.9))
    t = scipy.stats.ttest_ind(logit(POST[:4]), logit(PRE))
    odds = t.confidence_interval(0.9)
    shift = scipy.stats.ttest_ind(POST[:4] / 1000, PRE / 1000, equal_var=False).confidence_interval(0.9)
    assert (found["t"], found["df"], found["p"]) == pytest.approx((t.statistic, t.df, t.pvalue))
    assert (found["ratio_low"], found["ratio_high"]) == pytest.approx((np.exp(odds.low), np.exp(odds.high)))
    assert (found["shift_low"], found["shift_high"]) == pytest.approx((shift.low, shift.high))
    mann_whitney = scipy.stats.mannwhitneyu(logit(POST[:4]), logit(PRE), method="exact")
    assert found["rank_p"] == pytest.approx(mann_whitney.pvalue)
    assert (found["design"], found["n_control"], found["n_treated"], found["n_pairs"]) == (
        "unpaired",
        6,
        4,
        0,
    )


def test_medians_that_double_fourfold_and_stay_give_a_fold_of_two() -> None:
    rows = [
        median("d1", "pre", 100),
        median("d1", "post", 200),
        median("d2", "pre", 400),
        median("d2", "post", 800),
    ]
    rows += [
        median("d3", "pre", 50),
        median("d3", "post", 200),
        median("d4", "pre", 50),
        median("d4", "post", 50),
    ]
    found = only(compare(table(rows), **PRE_POST))
    assert found["ratio"] == pytest.approx(2.0)
    assert found["shift"] == pytest.approx((100 + 400 + 150 + 0) / 4)
    assert (found["ratio_kind"], found["test"]) == ("fold", "paired t on log")


def test_a_median_below_zero_is_tested_on_asinh_and_has_no_fold() -> None:
    pre, post = np.array([-20.0, 40, 100, 300]), np.array([10.0, 90, 180, 500])
    rows = [median(f"d{i}", "pre", v) for i, v in enumerate(pre)]
    rows += [median(f"d{i}", "post", v) for i, v in enumerate(post)]
    found = only(compare(table(rows), **PRE_POST))
    assert found["p"] == pytest.approx(
        scipy.stats.ttest_rel(np.arcsinh(post / 150), np.arcsinh(pre / 150)).pvalue
    )
    assert found["shift"] == pytest.approx((post - pre).mean())
    assert np.isnan(found["ratio"])
    assert found["ratio_kind"] == ""
    assert "a median is not positive" in found["flag"]


def test_net_fractions_are_tested_in_percentage_points() -> None:
    stimulated = pairs(stimulus="PMA", stain="cytokine")
    unstimulated = [
        r
        | {
            "tube": r["tube"] + "_un",
            "kind": "unstimulated",
            "stimulus": "",
            "n": 100 + 3 * i,
            "value": 0.1 + 0.003 * i,
        }
        for i, r in enumerate(pairs(stain="cytokine"))
    ]
    rows = table([*stimulated, *unstimulated])
    net = subtract_background(rows)
    contrasts = compare(pd.concat([rows, net], ignore_index=True), **PRE_POST)
    found = contrasts.set_index("statistic").loc["net_fraction_of_parent"]
    differences = (POST - PRE) / 1000 - 0.003
    assert found["shift"] == pytest.approx(differences.mean())
    assert found["p"] == pytest.approx(scipy.stats.ttest_1samp(differences, 0).pvalue)
    assert found["test"] == "paired t on percentage points"
    assert np.isnan(found["ratio"])
    assert found["n_pairs"] == 6
    assert len(contrasts) == 2


def test_unstimulated_tubes_and_fmo_tubes_do_not_enter() -> None:
    rows = pairs() + [
        r | {"tube": r["tube"] + kind, "kind": kind, "n": 5, "value": 0.005}
        for kind in ("fmo", "unstimulated", "healthy_anchor")
        for r in pairs()
    ]
    pd.testing.assert_frame_equal(compare(table(rows), **PRE_POST), compare(table(pairs()), **PRE_POST))


def test_swapping_the_arms_turns_every_sign_and_keeps_every_p() -> None:
    there = only(compare(table(pairs()), control="pre", treated="post"))
    back = only(compare(table(pairs()), control="post", treated="pre"))
    assert back["shift"] == pytest.approx(-there["shift"])
    assert back["ratio"] == pytest.approx(1 / there["ratio"])
    assert back["ratio_low"] == pytest.approx(1 / there["ratio_high"])
    assert (back["p"], back["rank_p"]) == pytest.approx((there["p"], there["rank_p"]))


def test_the_order_of_the_rows_changes_nothing() -> None:
    rows = table([*pairs(), *pairs(POST, PRE, population="live/T cells/CD4 T", base="live/T cells")])
    shuffled = rows.sample(frac=1, random_state=3)
    pd.testing.assert_frame_equal(compare(rows, **PRE_POST), compare(shuffled, **PRE_POST))


def test_n_counts_subjects_and_not_their_tubes() -> None:
    second = [r | {"tube": r["tube"] + "_again"} for r in pairs()]
    once, twice = (only(compare(table(rows), **PRE_POST)) for rows in (pairs(), [*pairs(), *second]))
    assert twice["n_pairs"] == 6
    assert (twice["p"], twice["shift"], twice["rank_p"]) == pytest.approx(
        (once["p"], once["shift"], once["rank_p"])
    )
    assert twice["flag"] == "tubes of one subject averaged: d1, d2, d3, d4, d5, d6"


def test_technical_replicates_are_averaged_on_the_scale_of_the_test() -> None:
    again = row("d1", "pre", 400, tube="again", specimen="another biopsy")
    found = only(compare(table([*pairs(), again]), **PRE_POST))
    pre = logit(PRE)
    pre[0] = (logit(np.array([168])) + logit(np.array([400])))[0] / 2
    assert found["p"] == pytest.approx(scipy.stats.ttest_rel(logit(POST), pre).pvalue)
    assert found["flag"] == "tubes of one subject averaged, of different specimens: d1"


def test_events_cannot_be_made_replicates() -> None:
    events = [median(f"d{i}", arm, 100.0 + k) for i in range(3) for arm in ("pre", "post") for k in range(50)]
    with pytest.raises(TableError, match="300 rows share their tube"):
        compare(pd.DataFrame(events), **PRE_POST)
    with pytest.raises(CompareError, match="'tube' is not what two groups of subjects differ in"):
        compare(table(pairs()), factor="tube", control="d1_pre", treated="d2_pre")


def test_a_subject_without_its_pair_is_left_out_and_named() -> None:
    rows = [*pairs(), row("d7", "pre", 500), row("d8", "post", 2)]
    found, whole = (only(compare(table(r), **PRE_POST)) for r in (rows, pairs()))
    assert found["flag"] == "2 without a pair left out: d7, d8"
    assert (found["n_pairs"], found["p"], found["mean_control"]) == (6, whole["p"], whole["mean_control"])


def test_a_tube_without_a_value_costs_its_pair_and_says_why() -> None:
    rows = table(pairs())
    rows.loc[rows["tube"] == "d2_post", ["value", "reason"]] = [np.nan, "12 events in CD8 T, under 20"]
    rows.loc[rows["tube"] == "d3_pre", "flag"] = "low count"
    found = only(compare(rows, **PRE_POST))
    assert found["n_pairs"] == 5
    assert found["flag"].split("; ") == [
        "1 without a pair left out: d2",
        "no value in 1 of 12 tubes: d2_post (12 events in CD8 T, under 20)",
        "low count in 1 of 12 tubes",
        "5 pairs: the exact rank test cannot give a p below 0.062",
    ]


@pytest.mark.parametrize(
    ("rows", "flag"),
    [
        (arms(PRE[:3], POST[:3]), "3 against 3 subjects: the exact rank test cannot give a p below 0.1"),
        (pairs(PRE[:5], POST[:5]), "5 pairs: the exact rank test cannot give a p below 0.062"),
        (pairs([0, 5, 6, 0, 4, 3], PRE), "no event in 2 of 12 tubes, where half an event is added"),
        (
            [r | {"batch": r["arm"]} for r in pairs()],
            "no batch holds both levels: arm and batch cannot be told apart",
        ),
    ],
)
def test_what_a_design_cannot_show_is_a_flag(rows: list[dict[str, Any]], flag: str) -> None:
    assert only(compare(table(rows), **PRE_POST))["flag"] == flag


def test_a_comparison_over_time_says_that_time_is_in_it() -> None:
    over_time = [r | {"timepoint": r["arm"], "arm": "temsirolimus"} for r in pairs()]
    found = only(compare(table(over_time), factor="timepoint", **PRE_POST))
    assert found["flag"].startswith(
        "time and treatment change together: no second arm is compared, so that regress"
    )
    two = over_time[:6] + [r | {"arm": "vehicle"} for r in over_time[6:]]
    found = only(compare(table(two), factor="timepoint", **PRE_POST))
    assert found["flag"] == "arms taken together: temsirolimus, vehicle"


def test_a_mean_and_a_mean_logit_that_disagree_are_flagged() -> None:
    found = only(compare(table(pairs([500, 10, 12, 11], [400, 20, 25, 22])), **PRE_POST))
    assert found["shift"] < 0 < np.log(found["ratio"])
    assert "move in opposite directions" in found["flag"]


NONE_AT_POST = table(pairs())
NONE_AT_POST.loc[NONE_AT_POST["arm"] == "post", ["value", "reason"]] = [np.nan, "no valley in PD-1"]
UNTESTABLE = {
    "no value at 'post': no valley in PD-1": NONE_AT_POST,
    "every value is zero": table(pairs([0] * 4, [0] * 4)),
    "every value is one: all events of the base are in the population": table(pairs([1000] * 4, [1000] * 4)),
    "no spread to test against: all pairs differ by the same amount": table(pairs([10] * 4, [20] * 4)),
    "no spread to test against: all subjects of a level are the same": table(arms([10] * 4, [20] * 4)),
    "1 subject with a value at both levels, and two are needed": table(pairs(PRE[:1], POST[:1])),
    "1 and 2 subjects, and two are needed at each level": table(arms(PRE[:1], POST[:2])),
}


@pytest.mark.parametrize("reason", UNTESTABLE)
def test_an_endpoint_that_cannot_be_tested_stays_with_its_reason(reason: str) -> None:
    found = only(compare(UNTESTABLE[reason], **PRE_POST))
    assert found["reason"] == reason
    assert np.isnan([found["t"], found["p"], found["p_adjusted"]]).all()
    assert found["test"] == ""
    assert found["m"] == 0


def test_zeros_of_different_depth_are_no_effect() -> None:
    rows = [*arms([0] * 4, [], n_base=1000), *arms([], [0] * 4, n_base=100)]
    spread = [r | {"n_base": r["n_base"] + 7 * i} for i, r in enumerate(rows)]
    assert only(compare(table(spread), **PRE_POST))["reason"] == "every value is zero"


def test_an_unpaired_subject_does_not_make_zeros_testable() -> None:
    rows = [r | {"n_base": 1000 + 7 * i} for i, r in enumerate(pairs([0] * 4, [0] * 4))]
    found = only(compare(table([*rows, row("d9", "pre", 5)]), **PRE_POST))
    assert found["reason"] == "every value is zero"
    assert found["flag"].startswith("1 without a pair left out: d9")


def test_no_overlap_of_pairs_is_a_reason_where_pairs_were_asked_for() -> None:
    found = only(compare(table(arms()), **PRE_POST, design="paired"))
    assert found["reason"] == "no subject with a value at both levels, and two are needed"
    assert found["flag"].startswith("12 without a pair left out: post1")


def test_an_endpoint_of_one_arm_only_stays() -> None:
    rows = [*pairs(), *[r | {"population": "live/B", "base": "live"} for r in pairs() if r["arm"] == "pre"]]
    contrasts = compare(table(rows), **PRE_POST).set_index("population")
    assert contrasts.loc["live/B", "reason"] == "no tube at 'post'"
    assert contrasts.loc[PD1, "m"] == 1


RNG = np.random.default_rng(5)
MANY = table(
    r
    for number in range(8)
    for r in pairs(
        RNG.integers(100, 200, 6), RNG.integers(60, 180, 6), population=f"live/p{number}", base="live"
    )
)


def test_each_family_is_adjusted_by_itself_and_in_order() -> None:
    named = {
        "primary": [Endpoint("p3")],
        "secondary": [Endpoint("p5"), Endpoint("live/p1"), Endpoint("p0")],
    }
    contrasts = compare(MANY, **PRE_POST, **named, name="tem")
    assert list(contrasts.columns) == list(CONTRAST_COLUMNS)
    assert contrasts["population"].tolist()[:4] == ["live/p3", "live/p5", "live/p1", "live/p0"]
    assert contrasts["family"].tolist() == ["primary"] + ["secondary"] * 3 + ["exploratory"] * 4
    assert contrasts["m"].tolist() == [1, 3, 3, 3, 4, 4, 4, 4]
    assert set(contrasts["comparison"]) == {"tem"}
    for family, method, said in (("secondary", "holm", "Holm"), ("exploratory", "fdr_bh", "BH")):
        part = contrasts[contrasts["family"] == family]
        np.testing.assert_allclose(part["p_adjusted"], multipletests(part["p"], method=method)[1])
        assert set(part["adjustment"]) == {said}
    assert contrasts["p"][4:].is_monotonic_increasing
    assert contrasts["p_adjusted"][0] == contrasts["p"][0]


def test_a_declared_endpoint_that_cannot_be_tested_still_counts() -> None:
    rows = [*pairs(), *pairs([0] * 6, [0] * 6, population="live/eMDSC", base="live")]
    contrasts = compare(table(rows), **PRE_POST, primary=[Endpoint("PD-1+"), Endpoint("eMDSC")])
    assert contrasts["m"].tolist() == [2, 2]
    assert contrasts["p_adjusted"][0] == pytest.approx(2 * contrasts["p"][0])
    assert np.isnan(contrasts["p_adjusted"][1])


def test_the_same_fraction_under_two_names_is_tested_once() -> None:
    rows = pairs() + pairs(statistic="fraction_of_CD8 T")
    assert compare(table(rows), **PRE_POST)["statistic"].tolist() == ["fraction_of_parent"]
    named = compare(table(rows), **PRE_POST, primary=[Endpoint("PD-1+", "fraction_of_CD8 T")])
    assert named["statistic"].tolist() == ["fraction_of_CD8 T"]


def test_event_counts_are_compared_only_where_they_are_named() -> None:
    counted = [
        r | {"statistic": "count", "unit": "events", "base": "all events", "value": float(r["n"])}
        for r in pairs()
    ]
    assert compare(table([*pairs(), *counted]), **PRE_POST)["statistic"].tolist() == ["fraction_of_parent"]
    named = compare(table([*pairs(), *counted]), **PRE_POST, primary=[Endpoint("PD-1+", "count")])
    ratio = np.exp((np.log(POST + 0.5) - np.log(PRE + 0.5)).mean())
    assert named["ratio"][0] == pytest.approx(ratio)
    assert named["ratio_kind"][0] == "fold"
    with pytest.raises(CompareError, match="holds only event counts"):
        compare(table(counted), **PRE_POST)


def test_where_keeps_the_rows_that_are_asked_for() -> None:
    tumour = [r | {"tissue": "tumour"} for r in pairs()]
    spleen = [r | {"tissue": "spleen", "tube": "s" + r["tube"]} for r in pairs(POST, PRE)]
    rows = table([*tumour, *spleen])
    found = only(compare(rows, **PRE_POST, where={"tissue": "tumour"}))
    assert found["p"] == only(compare(table(pairs()), **PRE_POST))["p"]
    assert found["flag"] == ""
    fewer = only(compare(rows, **PRE_POST, where={"tissue": ["spleen"], "subject": ["d1", "d2", "d3"]}))
    assert fewer["n_pairs"] == 3


TWO_TIMES = table([*pairs(), *[r | {"timepoint": "day 7", "tube": r["tube"] + "_7"} for r in pairs()]])
TWO_STAINS = table([*pairs(), *[r | {"stain": "cytokine", "tube": r["tube"] + "_c"} for r in pairs()]])
SOME_BOTH = table([*pairs(PRE[:2], POST[:2]), *arms()])
NO_SUBJECT = table(pairs()).assign(subject=lambda rows: rows["subject"].replace("d2", ""))


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        (table(pairs()), {"treated": "pots"}, "no tube has the arm 'pots'; did you mean post"),
        (table(pairs()), {"treated": "pre"}, "control and treated are both 'pre'"),
        (table(pairs()), {"factor": "armm"}, "the table has no column 'armm'; did you mean arm"),
        (table(pairs()), {"confidence": 95}, "confidence lies between 0 and 1, unlike 95"),
        (table(pairs()), {"design": "matched"}, "design is auto, paired, unpaired or trend, not 'matched'"),
        (table(pairs()), {"design": "unpaired"}, "6 of 6 subjects occur at both 'pre' and 'post'"),
        (SOME_BOTH, {}, "2 of 14 subjects occur at both 'pre' and 'post' \\(d1, d2\\)"),
        (table(pairs()), {"where": {"tisue": "x"}}, "no column 'tisue'"),
        (table(pairs()), {"where": {"batch": "b2"}}, "no tube has the batch 'b2'; there are b1"),
        (
            table(arms()),
            {"where": {"subject": ["pre1", "pre2"]}},
            "no tube of kind 'sample' has the arm 'post' where",
        ),
        (NO_SUBJECT, {}, "tube 'd2_pre' has no subject"),
        (TWO_TIMES, {}, "subject 'd1' has tubes of more than one timepoint at arm 'post' \\('', 'day 7'\\)"),
        (
            table(pairs()),
            {"primary": [Endpoint("CD8/PD-1")]},
            "no population is called 'CD8/PD-1'; did you mean",
        ),
        (
            table(pairs()),
            {"primary": [Endpoint("PD-1+", "fraction_of_CD54")]},
            "no statistic 'fraction_of_CD54'",
        ),
        (table(pairs()), {"primary": [Endpoint("PD-1+", stain="M")]}, "there is no stain 'M'; there are T"),
        (table(pairs()), {"primary": [Endpoint("PD-1+"), Endpoint(PD1)]}, "named twice"),
        (table(pairs()), {"primary": [Endpoint("PD-1+")], "secondary": [Endpoint(PD1)]}, "named twice"),
        (TWO_STAINS, {"primary": [Endpoint("PD-1+")]}, "measured in 2 ways: stain 'T' .* name the stain"),
        (MANY, {"primary": [Endpoint("p9"), Endpoint("q1")]}, "(?s)endpoint .* p9: .*\n.*endpoint .* q1: "),
    ],
)
def test_a_question_that_the_table_cannot_answer_is_refused(
    rows: pd.DataFrame, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(CompareError, match=message):
        compare(rows, **(PRE_POST | options))


def test_a_stain_tells_two_endpoints_of_one_name_apart() -> None:
    contrasts = compare(TWO_STAINS, **PRE_POST, primary=[Endpoint("PD-1+", stain="cytokine")])
    assert contrasts[["family", "stain"]].to_numpy().tolist() == [
        ["primary", "cytokine"],
        ["exploratory", "T"],
    ]


def test_mostly_paired_subjects_are_compared_as_pairs_without_asking() -> None:
    assert only(compare(table([*pairs(), row("d7", "pre", 5)]), **PRE_POST))["design"] == "paired"
    assert only(compare(table(arms()), **PRE_POST))["design"] == "unpaired"


def null_study(rng: np.random.Generator, *, populations: int, subjects: int, paired: bool) -> pd.DataFrame:
    """Write a study in which treatment does nothing: subjects and visits vary on the logit scale."""
    rows = []
    for population in range(populations):
        middle = rng.uniform(-4, 0)
        for subject in range(subjects):
            own = rng.normal(0, 0.55)
            for arm in ("pre", "post"):
                base = int(rng.integers(500, 5000))
                eta = middle + (own if paired else rng.normal(0, 0.55)) + rng.normal(0, 0.18)
                n = int(rng.binomial(base, 1 / (1 + np.exp(-eta))))
                name = f"d{subject}" if paired else f"{arm}{subject}"
                rows.append(row(name, arm, n, n_base=base, population=f"live/p{population}", base="live"))
    return table(rows)


def false_positives(seed: int, *, studies: int, populations: int, subjects: int, paired: bool) -> float:
    rng = np.random.default_rng(seed)
    found = [
        compare(null_study(rng, populations=populations, subjects=subjects, paired=paired), **PRE_POST)["p"]
        for _ in range(studies)
    ]
    return float((pd.concat(found) < 0.05).mean())


@pytest.mark.parametrize("paired", [True, False])
def test_without_an_effect_one_test_in_twenty_is_below_a_twentieth(paired: bool) -> None:  # noqa: FBT001
    rate = false_positives(7, studies=4, populations=150, subjects=6, paired=paired)
    assert abs(rate - 0.05) < 3 * np.sqrt(0.05 * 0.95 / 600)


@pytest.mark.slow
@pytest.mark.parametrize("subjects", [3, 5, 8, 12])
@pytest.mark.parametrize("paired", [True, False])
def test_the_error_rate_holds_over_many_null_studies(paired: bool, subjects: int) -> None:  # noqa: FBT001
    rate = false_positives(11, studies=25, populations=200, subjects=subjects, paired=paired)
    # Welch's t errs on the safe side where arms are as small as three.
    assert 0.025 <= rate <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 5000)


def test_events_as_replicates_would_find_what_is_not_there() -> None:
    """The reason for all this: pooled events call most null studies different, subjects one in twenty."""
    rng = np.random.default_rng(13)
    rows = null_study(rng, populations=100, subjects=5, paired=False)
    pooled = rows.groupby(["population", "arm"])[["n", "n_base"]].sum().reset_index()
    wrong = 0
    for _, both in pooled.groupby("population"):
        n, base = both["n"].to_numpy(dtype=int), both["n_base"].to_numpy(dtype=int)
        wrong += scipy.stats.chi2_contingency(np.column_stack([n, base - n])).pvalue < 0.05
    assert wrong > 70
    assert (compare(rows, **PRE_POST)["p"] < 0.05).sum() <= 12


def test_the_interval_holds_the_truth_in_nineteen_of_twenty_studies() -> None:
    rng = np.random.default_rng(17)
    rows = []
    for population in range(300):
        for subject in range(8):
            own = rng.normal(-1.706, 0.55)
            for arm, effect in (("pre", 0.0), ("post", -0.356)):
                eta = own + effect + rng.normal(0, 0.18)
                n = int(rng.binomial(4000, 1 / (1 + np.exp(-eta))))
                rows.append(
                    row(f"d{subject}", arm, n, n_base=4000, population=f"live/p{population}", base="live")
                )
    contrasts = compare(table(rows), **PRE_POST)
    inside = (contrasts["ratio_low"] < np.exp(-0.356)) & (np.exp(-0.356) < contrasts["ratio_high"])
    assert abs(inside.mean() - 0.95) < 3 * np.sqrt(0.05 * 0.95 / 300)
    assert abs(contrasts["ratio"].median() - 0.70) < 0.01


def test_the_comparison_offers_its_sentence() -> None:
    assert sentence(compare(table(pairs()), **PRE_POST).iloc[0]).startswith("PD-1+ of CD8 T")
