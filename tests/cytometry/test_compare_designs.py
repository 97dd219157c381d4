"""Every design of a comparison, beside a model of all tubes in statsmodels or on paper."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import statsmodels.api as sm

from cytometry.compare import Change, compare
from cytometry.errors import CompareError
from cytometry.table import Endpoint, as_table
from cytometry.wording import sentence

PD1 = "CD45+/T cells/CD8 T/PD-1+"
CD8 = "CD45+/T cells/CD8 T"
RNG = np.random.default_rng(23)


def row(subject: str, n: int, **changes: Any) -> dict[str, Any]:
    said = {"arm": "vehicle", "timepoint": "", "batch": "b1", **changes}
    n_base = said.get("n_base", 2000)
    tube = f"{subject}_{said['arm']}_{said['timepoint']}_{said.get('again', '')}"
    return {
        "stain": "T", "tube": tube, "kind": "sample", "stimulus": "", "specimen": tube, "subject": subject,
        "population": PD1, "marker": "", "statistic": "fraction_of_parent", "base": CD8, "value": n / n_base,
        "unit": "fraction", "n": n, "n_base": n_base, "flag": "", "reason": "",
    } | {key: value for key, value in said.items() if key != "again"}  # fmt: skip


def table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    return as_table(pd.DataFrame(rows))


def only(contrasts: pd.DataFrame) -> dict[str, Any]:
    assert len(contrasts) == 1
    return {str(key): value for key, value in contrasts.iloc[0].to_dict().items()}


def logit(n: Any, n_base: float = 2000) -> Any:
    n = np.asarray(n, dtype=float)
    return np.log((n + 0.5) / (n_base - n + 0.5))


def dummies(labels: list[str]) -> np.ndarray:
    return np.stack([[float(label == one) for label in labels] for one in sorted(set(labels))[1:]], axis=1)


ARMS = ["vehicle"] * 6 + ["temsirolimus"] * 6
BEFORE, AFTER = RNG.integers(200, 500, 12), RNG.integers(100, 450, 12)
TWO_BY_TWO = [
    row(f"d{at}", int(n), arm=arm, timepoint=time)
    for at, arm in enumerate(ARMS)
    for time, n in (("pre", BEFORE[at]), ("post", AFTER[at]))
]
CHANGE = Change("timepoint", "pre", "post")
DRUG = {"control": "vehicle", "treated": "temsirolimus"}


def test_arm_by_timepoint_is_the_interaction_of_a_model_with_subjects() -> None:
    found = only(compare(table(TWO_BY_TWO), **DRUG, change=CHANGE, blocks=()))
    subjects = [f"{at:02d}" for at in range(12) for _ in range(2)]
    post = np.tile([0.0, 1.0], 12)
    drug = np.repeat([0.0] * 6 + [1.0] * 6, 2)
    y = np.stack([logit(BEFORE), logit(AFTER)], axis=1).ravel()
    peer = sm.OLS(y, np.column_stack([post * drug, post, np.ones(24), dummies(subjects)])).fit()
    assert (found["t"], found["df"], found["p"]) == pytest.approx((peer.tvalues[0], 10, peer.pvalues[0]))
    assert found["ratio"] == pytest.approx(np.exp(peer.params[0]))
    change = (AFTER - BEFORE) / 2000
    assert found["shift"] == pytest.approx(change[6:].mean() - change[:6].mean())
    assert (found["mean_control"], found["mean_treated"]) == pytest.approx(
        (change[:6].mean(), change[6:].mean())
    )
    assert (found["design"], found["test"]) == ("interaction", "t of the change on logit")


def test_two_arms_that_change_alike_do_not_interact() -> None:
    same = [r | {"n": 300, "value": 0.15} if r["timepoint"] == "pre" else r for r in TWO_BY_TWO]
    twin = {f"d{at + 6}": int(AFTER[at]) for at in range(6)}
    rows = [
        r | {"n": twin[r["subject"]], "value": twin[r["subject"]] / 2000}
        if r["subject"] in twin and r["timepoint"] == "post"
        else r
        for r in same
    ]
    found = only(compare(table(rows), **DRUG, change=CHANGE))
    assert found["shift"] == pytest.approx(0.0, abs=1e-12)
    assert found["p"] == pytest.approx(1.0)


def test_baseline_as_covariate_is_the_analysis_of_covariance() -> None:
    change = Change("timepoint", "pre", "post", baseline="covariate")
    found = only(compare(table(TWO_BY_TWO), **DRUG, change=change))
    drug = np.array([0.0] * 6 + [1.0] * 6)
    peer = sm.OLS(logit(AFTER), np.column_stack([drug, np.ones(12), logit(BEFORE)])).fit()
    assert (found["t"], found["df"], found["p"]) == pytest.approx((peer.tvalues[0], 9, peer.pvalues[0]))
    assert found["adjusted_for"] == "pre value"


def test_several_arms_share_one_variance_and_one_endpoint_has_dunnetts_p() -> None:
    arms = ["vehicle"] * 5 + ["temsirolimus"] * 5 + ["everolimus"] * 5
    n = RNG.integers(100, 500, 15)
    rows = table([row(f"m{at}", int(k), arm=arm) for at, (k, arm) in enumerate(zip(n, arms, strict=True))])
    found = compare(
        rows, control="vehicle", treated=["temsirolimus", "everolimus"], primary=[Endpoint("PD-1+")]
    ).set_index("treated")
    columns = np.stack(
        [[float(arm == one) for arm in arms] for one in ("temsirolimus", "everolimus")], axis=1
    )
    peer = sm.OLS(logit(n), np.column_stack([columns, np.ones(15)])).fit()
    assert found["t"].tolist() == pytest.approx(peer.tvalues[:2].tolist())
    assert set(found["df"]) == {12.0}
    dunnett = scipy.stats.dunnett(logit(n[5:10]), logit(n[10:]), control=logit(n[:5]), random_state=1).pvalue
    assert found["p_adjusted"].tolist() == pytest.approx(dunnett.tolist(), abs=1e-3)
    assert set(found["adjustment"]) == {"Dunnett"}
    assert (found["m"] == 2).all()


def test_several_arms_of_several_endpoints_are_adjusted_after_holm() -> None:
    arms = ["vehicle"] * 4 + ["temsirolimus"] * 4 + ["sunitinib"] * 4
    rows = [
        row(f"m{at}", int(RNG.integers(100, 500)), arm=arm, population=f"CD45+/{name}", base="CD45+")
        for name in ("T", "B")
        for at, arm in enumerate(arms)
    ]
    found = compare(
        table(rows),
        control="vehicle",
        treated=["temsirolimus", "sunitinib"],
        primary=[Endpoint("T"), Endpoint("B")],
    )
    assert set(found["adjustment"]) == {"Holm"}
    assert (found["m"] == 4).all()
    assert found["p_adjusted"].min() == pytest.approx(min(1, 4 * found["p"].min()))


def test_paired_subjects_with_several_times_are_compared_time_by_time() -> None:
    n = RNG.integers(100, 500, (6, 3))
    rows = table([
        row(f"d{at}", int(k), arm="drug", timepoint=time)
        for at in range(6) for k, time in zip(n[at], ("day 0", "day 7", "day 28"), strict=True)
    ])  # fmt: skip
    found = compare(rows, factor="timepoint", control="day 0", treated=["day 7", "day 28"]).set_index(
        "treated"
    )
    for place, time in ((1, "day 7"), (2, "day 28")):
        peer = scipy.stats.ttest_rel(logit(n[:, place]), logit(n[:, 0]))
        assert found.loc[time, "p"] == pytest.approx(peer.pvalue)
    assert set(found["m"]) == {2}


def test_a_trend_over_doses_is_a_regression_on_the_dose() -> None:
    doses = ["0 mg"] * 4 + ["1 mg"] * 4 + ["5 mg"] * 4
    n = RNG.integers(100, 500, 12)
    rows = table([row(f"m{at}", int(k), arm=dose) for at, (k, dose) in enumerate(zip(n, doses, strict=True))])
    found = only(compare(rows, control="0 mg", treated=["1 mg", "5 mg"], design="trend"))
    peer = scipy.stats.linregress(np.repeat([0.0, 1.0, 5.0], 4), logit(n))
    assert found["p"] == pytest.approx(peer.pvalue)
    assert found["ratio"] == pytest.approx(np.exp(5 * peer.slope))
    assert (found["treated"], found["design"], found["test"]) == ("5 mg", "trend", "t of the trend on logit")
    assert found["shift"] == pytest.approx(
        5 * scipy.stats.linregress(np.repeat([0.0, 1.0, 5.0], 4), n / 2000).slope
    )


def test_a_trend_within_subjects_is_the_mean_of_their_slopes() -> None:
    n = RNG.integers(100, 500, (6, 3))
    days = np.array([0.0, 7.0, 28.0])
    rows = [
        row(f"d{at}", int(k), arm="drug", timepoint=f"day {day:g}")
        for at in range(6) for k, day in zip(n[at], days, strict=True)
    ]  # fmt: skip
    found = only(
        compare(table(rows), factor="timepoint", control="day 0", treated=["day 7", "day 28"], design="trend")
    )
    slopes = [scipy.stats.linregress(days, logit(one)).slope * 28 for one in n]
    assert found["p"] == pytest.approx(scipy.stats.ttest_1samp(slopes, 0).pvalue)
    assert found["df"] == 5


def test_a_batch_that_changes_within_pairs_is_taken_out_as_in_a_model_of_all_tubes() -> None:
    n = RNG.integers(100, 500, (9, 2))
    second = ["b2" if at % 3 else "b1" for at in range(9)]
    rows = [
        row(f"d{at}", int(k), timepoint=time, batch="b1" if time == "pre" else second[at])
        for at in range(9) for k, time in zip(n[at], ("pre", "post"), strict=True)
    ]  # fmt: skip
    over_time = {"factor": "timepoint", "control": "pre", "treated": "post"}
    found = only(compare(table(rows), **over_time, blocks=["batch"]))
    subjects = [f"{at}" for at in range(9) for _ in range(2)]
    post = np.tile([0.0, 1.0], 9)
    batch = np.array([[0.0, float(one == "b2")] for one in second]).ravel()
    peer = sm.OLS(logit(n).ravel(), np.column_stack([post, batch, np.ones(18), dummies(subjects)])).fit()
    assert (found["t"], found["df"], found["p"]) == pytest.approx((peer.tvalues[0], 7, peer.pvalues[0]))
    assert found["adjusted_for"] == "batch"
    unasked = only(compare(table(rows), **over_time))
    assert (unasked["adjusted_for"], unasked["p"]) == ("batch", pytest.approx(found["p"]))
    assert only(compare(table(rows), **over_time, blocks=()))["adjusted_for"] == ""


def test_batches_that_are_called_by_numbers_are_levels_all_the_same() -> None:
    n = RNG.integers(100, 500, 12)
    by_name = only(compare(table(arms_of(n, batch=["b1", "b2", "b3"] * 4)), **DRUG))
    by_number = only(compare(table(arms_of(n, batch=["1", "2", "3"] * 4)), **DRUG))
    assert by_number["df"] == by_name["df"] == 8
    assert by_number["p"] == pytest.approx(by_name["p"])


def test_a_subject_with_one_level_has_no_trend_of_its_own() -> None:
    days = ("day 0", "day 7", "day 28")
    rows = [row(f"d{at}", 200 + 10 * at + place, arm="drug", timepoint=day)
            for at in range(5) for place, day in enumerate(days)]  # fmt: skip
    rows = table([*rows, row("d9", 300, arm="drug", timepoint="day 7")])
    found = only(compare(rows, factor="timepoint", control="day 0", treated=days[1:], design="trend"))
    assert "1 with one level alone left out: d9" in found["flag"]
    assert found["n_treated"] == 5


def arms_of(n: np.ndarray, **columns: list[Any]) -> list[dict[str, Any]]:
    half = len(n) // 2
    return [
        row(
            f"m{at}",
            int(k),
            arm="vehicle" if at < half else "temsirolimus",
            **{c: v[at] for c, v in columns.items()},
        )
        for at, k in enumerate(n)
    ]


def test_batch_and_covariate_of_two_arms_are_those_of_an_ordinary_model() -> None:
    n = RNG.integers(100, 500, 12)
    age = RNG.normal(50, 9, 12).round(1)
    batch = ["b1", "b2"] * 6
    rows = table(arms_of(n, batch=batch, age=list(age)))
    found = only(compare(rows, **DRUG, covariates=["age"]))
    drug = np.repeat([0.0, 1.0], 6)
    peer = sm.OLS(logit(n), np.column_stack([drug, np.ones(12), dummies(batch), age])).fit()
    assert (found["t"], found["df"], found["p"]) == pytest.approx((peer.tvalues[0], 8, peer.pvalues[0]))
    assert found["adjusted_for"] == "age, batch"


def test_an_arm_that_is_a_batch_cannot_be_freed_of_it() -> None:
    rows = table(arms_of(RNG.integers(100, 500, 8), batch=["b1"] * 4 + ["b2"] * 4))
    asked = only(compare(rows, **DRUG, blocks=["batch"]))
    assert asked["reason"] == "arm and batch cannot be told apart: b1 is all vehicle, b2 is all temsirolimus"
    assert np.isnan(asked["p"])
    unasked = only(compare(rows, **DRUG))
    assert "no batch holds both levels" in unasked["flag"]
    assert np.isfinite(unasked["p"])


def test_a_subject_without_its_covariate_is_left_out_and_named() -> None:
    rows = table(
        arms_of(RNG.integers(100, 500, 10), age=["40", "", "55", "61", "50", "47", "39", "70", "66", "58"])
    )
    found = only(compare(rows, **DRUG, covariates=["age"]))
    assert "1 without age left out: m1" in found["flag"]
    assert (found["n_control"], found["n_treated"]) == (4, 5)


def test_a_formula_is_the_model_that_it_says() -> None:
    n = RNG.integers(100, 500, 16)
    sex = ["f", "m"] * 8
    rows = table(arms_of(n, sex=sex))
    drug = np.repeat([0.0, 1.0], 8)
    male = np.tile([0.0, 1.0], 8) - 0.5  # centred: the arm is said at the mean of the sexes
    peer = sm.OLS(logit(n), np.column_stack([drug, np.ones(16), male, drug * male])).fit()
    main = only(compare(rows, **DRUG, formula="arm * sex", blocks=()))
    assert (main["t"], main["df"]) == pytest.approx((peer.tvalues[0], 12))
    product = only(compare(rows, **DRUG, formula="arm * sex", tested="arm:sex", blocks=()))
    assert (product["t"], product["p"]) == pytest.approx((peer.tvalues[3], peer.pvalues[3]))
    assert product["term"] == "arm:sex"


def test_mice_of_one_cage_are_averaged_where_the_cage_was_treated() -> None:
    n = RNG.integers(100, 500, 12)
    cages = ["a", "a", "b", "b", "c", "c", "d", "d", "e", "e", "f", "f"]
    found = only(compare(table(arms_of(n, cage=cages)), **DRUG, unit="cage"))
    means = logit(n).reshape(6, 2).mean(1)
    assert (found["n_control"], found["n_treated"], found["counted"]) == (3, 3, "cage")
    assert found["p"] == pytest.approx(scipy.stats.ttest_ind(means[3:], means[:3]).pvalue)
    assert "tubes of one cage averaged" in found["flag"]


def family(*, subjects: int = 6, names: int = 12) -> list[dict[str, Any]]:
    rng = np.random.default_rng(31)
    return [
        row(f"d{at}", int(rng.integers(40, 400)), arm=arm, population=f"CD45+/p{one}", base="CD45+")
        for one in range(names) for at in range(subjects) for arm in ("vehicle", "temsirolimus")
    ]  # fmt: skip


def test_exploratory_variances_are_moderated_and_declared_ones_are_not() -> None:
    found = compare(table(family()), **DRUG, primary=[Endpoint("p3")])
    assert found["test"][0] == "paired t on logit"
    assert found["p"][0] == found["p_own"][0]
    others = found[1:]
    assert set(others["test"]) == {"moderated paired t on logit"}
    assert (others["df"] > 5).all()
    assert not np.allclose(others["p"], others["p_own"])
    # The estimate is the same; only what it is divided by is drawn towards the others.
    assert (np.log(others["ratio"]) / others["t"]).std() < others["residual_sd"].std()


def test_a_small_family_is_tested_on_its_own_variances() -> None:
    found = compare(table(family(names=5)), **DRUG)
    np.testing.assert_allclose(found["p"], found["p_own"])
    assert set(found["test"]) == {"paired t on logit"}


def test_technical_gates_and_further_denominators_stay_outside_with_their_estimates() -> None:
    rows = family(names=2) + [
        r | {"population": "cells/singlets", "base": "cells"} for r in family(names=1)
    ] + [r | {"population": PD1, "base": CD8} for r in family(names=1)]  # fmt: skip
    of_all = {"statistic": "fraction_of_CD45+", "population": PD1, "base": "CD45+", "n_base": 4000}
    rows += [r | of_all | {"value": r["n"] / 4000} for r in family(names=1)]
    found = compare(table(rows), **DRUG).set_index(["population", "statistic"])
    gate = found.loc[("cells/singlets", "fraction_of_parent")]
    assert gate["reason"] == gate["outside"] == "a technical gate: it says how a tube was recorded"
    assert np.isnan(gate["p"])
    assert np.isfinite([gate["shift"], gate["shift_low"], gate["p_own"]]).all()
    again = found.loc[(PD1, "fraction_of_CD45+")]
    assert again["outside"] == "its fraction of the parent is in the family: one population, once"
    assert set(found["m"]) == {3}


def endpoints(*names: tuple[str, str], stain: str = "T", **changes: Any) -> list[dict[str, Any]]:
    """Return rows of endpoints, each a path below CD45+ and a statistic."""
    rows = []
    for path, statistic in names:
        whole = f"live/CD45+/{path}"
        said = {"stain": stain, "population": whole, "base": whole.rpartition("/")[0], "statistic": statistic}
        rows += [r | said | changes | {"tube": f"{r['tube']} {stain}"} for r in family(names=1)]
    return rows


def outside_of(rows: list[dict[str, Any]], **asked: Any) -> dict[tuple[str, str, str], str]:
    found = compare(table(rows), **DRUG, **asked)
    explored = found[found["family"] == "exploratory"]
    assert set(explored["m"]) == {explored["p"].notna().sum()}
    return {
        (stain, path.removeprefix("live/CD45+/"), statistic): why
        for stain, path, statistic, why in zip(
            found["stain"], found["population"], found["statistic"], found["outside"], strict=True
        )
    }


FRACTION, NET = "fraction_of_parent", "net_fraction_of_parent"


def test_of_cells_that_a_stimulus_adds_the_net_fraction_alone_is_tested() -> None:
    rows = endpoints(("CD8 T/IFN-g+", FRACTION), ("CD8 T/IFN-g+", NET), ("CD8 T/PD-1+", FRACTION))
    said = outside_of(rows)
    assert said["T", "CD8 T/IFN-g+", NET] == said["T", "CD8 T/PD-1+", FRACTION] == ""
    net = "its net fraction is in the family: one population, once"
    assert said["T", "CD8 T/IFN-g+", FRACTION] == net
    # Without a single unstimulated tube there is no net fraction, and the other stands for itself.
    lost = endpoints(("CD8 T/IFN-g+", NET), value=np.nan, reason="no unstimulated tube")
    said = outside_of(endpoints(("CD8 T/IFN-g+", FRACTION)) + lost)
    assert said["T", "CD8 T/IFN-g+", FRACTION] == ""
    assert said["T", "CD8 T/IFN-g+", NET]


def test_steps_of_the_gating_and_complements_are_not_tested_and_corners_of_a_quadrant_are() -> None:
    corners = ("CD45RA+CCR7+", "CD45RA-CCR7+", "CD45RA+CCR7-", "CD45RA-CCR7-")
    names = [
        "CD3-",
        "CD3-/CD19-",
        "CD3-/CD19-/NK cells",
        "HLA-DR+",
        "HLA-DR-",
        *(f"CD8 T/{c}" for c in corners),
    ]
    said = outside_of(endpoints(*((name, FRACTION) for name in names)))
    tested = {name for _, name, _ in said if not said["T", name, FRACTION]}
    assert tested == {"CD3-/CD19-/NK cells", "HLA-DR+", *(f"CD8 T/{c}" for c in corners)}
    assert said["T", "HLA-DR-", FRACTION].startswith("its complement in the same parent")
    assert said["T", "CD3-", FRACTION].startswith("a step of the gating")
    # Declared, it is tested, and its complement is not.
    declared = [Endpoint("HLA-DR-", FRACTION)]
    said = outside_of(
        endpoints(("HLA-DR+", FRACTION), ("HLA-DR-", FRACTION), ("B cells", FRACTION)), primary=declared
    )
    assert said["T", "HLA-DR-", FRACTION] == said["T", "B cells", FRACTION] == ""
    assert said["T", "HLA-DR+", FRACTION].startswith("its complement in the same parent")


def test_one_population_of_several_stains_is_tested_where_it_is_declared_or_not_stimulated() -> None:
    pd1, b = ("CD8 T/PD-1+", FRACTION), ("B cells", FRACTION)
    rows = endpoints(pd1, b, stain="cytokine", stimulus="PMA") + endpoints(pd1, b, stain="T")
    said = outside_of(rows)
    assert said["T", *pd1] == said["T", *b] == ""
    assert said["cytokine", *pd1] == said["cytokine", *b] == "tested in stain T: one population, once"
    said = outside_of(rows, primary=[Endpoint("CD8 T/PD-1+", FRACTION, stain="cytokine")])
    assert said["cytokine", *pd1] == said["T", *b] == ""
    assert said["T", *pd1] == "tested in stain cytokine: one population, once"


def test_the_same_name_in_another_tissue_is_another_population() -> None:
    b = ("B cells", FRACTION)
    rows = endpoints(b, stain="blood", tissue="blood") + endpoints(b, stain="tumour", tissue="tumour")
    assert set(outside_of(rows).values()) == {""}


def test_the_log_ratio_among_siblings_does_not_take_closure_for_a_fall() -> None:
    rng = np.random.default_rng(37)
    rows = []
    for at in range(8):
        share = np.array([0.5, 0.2, 0.2, 0.1]) * np.exp(rng.normal(0, 0.02, 4))
        for arm, fold in (("vehicle", 1.0), ("temsirolimus", 3.0)):
            moved = share * np.array([fold, 1, 1, 1]) * np.exp(rng.normal(0, 0.02, 4))
            counts = np.round(10_000 * moved / moved.sum()).astype(int)
            for name, n in zip(("mono", "T", "B"), counts, strict=False):
                rows.append(
                    row(f"d{at}", int(n), arm=arm, population=f"CD45+/{name}", base="CD45+", n_base=10_000)
                )
    found = compare(table(rows), **DRUG).set_index("population")
    assert found.loc["CD45+/T", "ratio"] < 0.6  # by closure alone
    assert found.loc["CD45+/T", "clr_ratio"] == pytest.approx(3 ** (-1 / 4), rel=0.05)
    assert found.loc["CD45+/mono", "clr_ratio"] == pytest.approx(3 ** (3 / 4), rel=0.05)


def test_what_stands_beside_the_test_is_what_scipy_and_hands_find() -> None:
    n = RNG.integers(100, 500, 12)
    found = only(compare(table(arms_of(n)), **DRUG))
    above = np.sign(n[6:, None] - n[None, :6]).mean()
    assert found["dominance"] == pytest.approx(above)
    assert found["rank_p_least"] == pytest.approx(2 / 924)  # 12 over 6
    pooled = np.sqrt((logit(n[:6]).var(ddof=1) + logit(n[6:]).var(ddof=1)) / 2)
    d = (logit(n[6:]).mean() - logit(n[:6]).mean()) / pooled
    assert found["effect_size"] == pytest.approx(d * (1 - 3 / (4 * 10 - 1)), rel=2e-3)
    assert found["effect_size_low"] < found["effect_size"] < found["effect_size_high"]
    assert np.sign(np.log(found["count_ratio"])) == np.sign(found["dominance"])


@pytest.mark.parametrize("unit", ["event", "cells", "tube", "specimen"])
def test_cells_and_tubes_are_refused_as_the_unit_with_the_reason(unit: str) -> None:
    with pytest.raises(CompareError, match="alike because they are of one subject"):
        compare(table(TWO_BY_TWO), **DRUG, unit=unit)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"change": Change("timepoint", "pre", "pots")},
            "no tube has the timepoint 'pots'; did you mean post",
        ),
        ({"change": CHANGE, "blocks": ["sex"]}, "no column 'sex'"),
        ({"change": CHANGE, "covariates": ["subject"]}, "a subject has one number"),
        (
            {"change": CHANGE, "formula": "arm + * sex"},
            "a column's name was expected at '\\*' \\(character 7\\)",
        ),
        ({"change": CHANGE, "formula": "arm +"}, "ends where a column's name was expected"),
        ({"change": CHANGE, "formula": "arm", "tested": "arm:batch"}, "has no term 'arm:batch'; it has arm"),
        ({"change": CHANGE, "tested": "arm:batch"}, "there is no formula"),
        ({"design": "trend"}, "a trend needs three levels or more, and there are 2"),
        ({"change": CHANGE, "treated": []}, "nothing is compared with 'vehicle'"),
        (
            {"change": CHANGE, "treated": ["temsirolimus", "temsirolimus"]},
            "treated names twice 'temsirolimus'",
        ),
        ({"change": CHANGE, "unit": "cage"}, "no column 'cage'"),
    ],
)
def test_a_question_that_means_nothing_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(CompareError, match=message):
        compare(table(TWO_BY_TWO), **(DRUG | options))


def test_a_change_that_is_no_change_is_refused() -> None:
    with pytest.raises(CompareError, match="before and after are both 'pre'"):
        Change("timepoint", "pre", "pre")
    with pytest.raises(CompareError, match="subtracted or covariate, not 'ignored'"):
        Change("timepoint", "pre", "post", baseline="ignored")


def test_a_subject_in_two_arms_has_a_change_that_belongs_to_none() -> None:
    crossed = [
        r | {"subject": "d0", "tube": r["tube"] + "x"} if r["subject"] == "d6" else r for r in TWO_BY_TWO
    ]
    with pytest.raises(CompareError, match=r"more than one arm"):
        compare(table(crossed), **DRUG, change=CHANGE)


def test_groups_that_are_named_by_an_outcome_are_said_to_be() -> None:
    renamed = [
        r | {"arm": {"vehicle": "non-responder", "temsirolimus": "responder"}[r["arm"]]} for r in TWO_BY_TWO
    ]
    found = only(compare(table(renamed), control="non-responder", treated="responder", change=CHANGE))
    assert "immortal time" in found["flag"]


def test_an_interaction_is_said_as_a_difference_of_changes() -> None:
    text = sentence(compare(table(TWO_BY_TWO), **DRUG, change=CHANGE).iloc[0])
    assert "changed by" in text
    assert "in vehicle and by" in text
    assert "n = 6 and 6 subjects" in text


@pytest.mark.parametrize("n", [1, 2])
def test_one_and_two_pairs_are_shown_and_tested_for_what_they_are(n: int) -> None:
    rows = family(subjects=n, names=1)
    found = only(compare(table(rows), **DRUG, design="paired"))
    assert np.isfinite(found["shift"])
    assert np.isnan(found["p"]) == (n == 1)


def test_a_marker_absent_from_half_the_tubes_leaves_the_subjects_that_have_it() -> None:
    rows = table(TWO_BY_TWO)
    lost = rows["subject"].isin([f"d{at}" for at in range(0, 12, 2)])
    rows.loc[lost, ["value", "reason"]] = [np.nan, "no PD-1 in the panel"]
    found = only(compare(rows, **DRUG, change=CHANGE))
    assert (found["n_control"], found["n_treated"]) == (3, 3)
    assert "no value in 12 of 24 tubes" in found["flag"]
    assert "3 against 3 subjects: the exact rank test cannot give a p below 0.1" in found["flag"]
