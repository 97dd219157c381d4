from __future__ import annotations

from math import comb
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import fisher_exact

from cytometry.compare import compare
from cytometry.effects import holm
from cytometry.responses import DETECTION, CallRule, call_responses, fisher_greater, responders
from cytometry.table import TableError, as_table


def row(tube: str, n: int, *, of: int = 20_000, name: str = "IFN-g+", **changes: Any) -> dict[str, Any]:
    stimulated = tube.startswith("stim")
    return {
        "stain": "ICS", "tube": tube, "kind": "sample" if stimulated else "unstimulated",
        "stimulus": "SEB" if stimulated else "", "specimen": "s1", "subject": "d1", "arm": "pre", "timepoint": "",
        "batch": "b1", "population": f"CD8 T/{name}", "marker": "", "statistic": "fraction_of_parent",
        "base": "CD8 T", "value": n / of, "unit": "fraction", "n": n, "n_base": of, "flag": "", "reason": "",
    } | changes  # fmt: skip


def calls(*rows: dict[str, Any], **rule: Any) -> pd.DataFrame:
    return call_responses(as_table(pd.DataFrame(rows)), rule=CallRule(**rule))


def test_three_of_three_against_none_of_three_is_one_way_in_twenty() -> None:
    assert fisher_greater(3, 3, 0, 3) == pytest.approx(1 / comb(6, 3))
    assert fisher_greater(0, 50, 0, 50) == 1.0
    with pytest.raises(TableError, match="4 of 3"):
        fisher_greater(4, 3, 0, 3)


@pytest.mark.parametrize("table", [(40, 20_000, 20, 20_000), (9, 5_000, 6, 7_000), (0, 400, 3, 500)])
def test_fisher_agrees_with_scipy(table: tuple[int, int, int, int]) -> None:
    n, of, k, base = table
    p = fisher_exact([[n, of - n], [k, base - k]], alternative="greater").pvalue
    assert fisher_greater(n, of, k, base) == pytest.approx(p, rel=1e-9)


def test_the_same_percentages_are_a_response_or_not_by_how_many_events_there_are() -> None:
    few, some, many = (fisher_greater(of // 500, of, of // 1000, of) for of in (5_000, 20_000, 50_000))
    assert few == pytest.approx(0.15, abs=0.005)  # 0.2 % against 0.1 %
    assert some == pytest.approx(0.007, abs=0.0005)
    assert many == pytest.approx(3e-5, abs=0.5e-5)


def test_a_response_passes_every_rule_and_its_event_counts_are_stated() -> None:
    one = calls(row("stim", 60), row("rest", 10)).iloc[0]
    assert one["detected"]
    assert one[["n_stimulated", "n_base_stimulated", "n_unstimulated", "n_base_unstimulated"]].tolist() == [
        60, 20_000, 10, 20_000
    ]  # fmt: skip
    assert one["net"] == pytest.approx(0.0025)
    assert one["fold"] == pytest.approx(6.0)
    assert one["kind_of_evidence"] == DETECTION


@pytest.mark.parametrize(
    ("stimulated", "resting", "missed"),
    [
        ((12, 5_000), (6, 5_000), "adjusted p 0.12, over 0.05"),
        ((900, 20_000), (600, 20_000), "1.5 times the background, under 2"),
        ((180, 400_000), (20, 400_000), "net 0.04 %, under 0.05 %"),
        ((9, 2_000), (0, 2_000), "9 events, under 10"),
    ],
)
def test_each_rule_can_stop_a_call_and_says_so(
    stimulated: tuple[int, int], resting: tuple[int, int], missed: str
) -> None:
    one = calls(row("stim", stimulated[0], of=stimulated[1]), row("rest", resting[0], of=resting[1])).iloc[0]
    assert not one["detected"]
    assert one["missed"] == missed


def test_p_is_adjusted_over_the_subsets_of_one_tube_and_parent() -> None:
    names = ("a", "b", "c", "d")
    rows = [row("stim", n, name=name) for n, name in zip((60, 32, 22, 20), names, strict=True)]
    found = calls(*rows, *(row("rest", 20, name=name) for name in names))
    assert set(found["m"]) == {4}
    p = found["p"].to_numpy()
    assert found["p_adjusted"].tolist() == pytest.approx(
        np.minimum.accumulate((np.sort(p) * 4 / np.arange(1, 5))[::-1])[::-1].tolist()
    )


def test_the_subset_without_any_function_is_no_response() -> None:
    rows = [
        row("stim", 60),
        row("rest", 10),
        row("stim", 19_940, name="none"),
        row("rest", 19_990, name="none"),
    ]
    table = as_table(
        pd.DataFrame([r | {"n_functions": 0 if r["population"].endswith("none") else 1} for r in rows])
    )
    assert call_responses(table)["population"].tolist() == ["CD8 T/IFN-g+"]


def test_several_unstimulated_tubes_are_pooled_and_none_leaves_no_call() -> None:
    pooled = calls(row("stim", 60), row("rest 1", 10), row("rest 2", 14)).iloc[0]
    assert pooled[["n_unstimulated", "n_base_unstimulated"]].tolist() == [24, 40_000]
    alone = calls(row("stim", 60)).iloc[0]
    assert not alone["detected"]
    assert np.isnan(alone["p"])
    assert "no unstimulated tube of 'd1'" in alone["reason"]
    told = responders(calls(row("stim", 60))).iloc[0]
    assert not told["responds"]
    assert told["n_tested"] == 0
    assert "no unstimulated tube" in told["reason"]


def test_a_subject_responds_where_any_subset_does() -> None:
    told = responders(
        calls(row("stim", 60), row("rest", 10), row("stim", 3, name="IL-2+"), row("rest", 2, name="IL-2+"))
    )
    assert told[["responds", "detected", "n_tested"]].iloc[0].tolist() == [True, "IFN-g+", 2]
    with pytest.raises(TableError, match="these are no calls"):
        responders(told)


def test_a_comparison_refuses_calls() -> None:
    with pytest.raises(TableError, match="has no column 'marker'"):
        compare(calls(row("stim", 60), row("rest", 10)), control="pre", treated="post")


@pytest.mark.parametrize("wrong", [{"false_discovery": 0.0}, {"fold": 0.5}, {"net": 5.0}, {"events": -1}])
def test_a_rule_out_of_range_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(TableError, match=r"0.05 % is 0\.0005"):
        CallRule(**wrong)


def test_without_an_effect_few_calls_are_made() -> None:
    rng = np.random.default_rng(3)
    k = 400
    rows = []
    for subject in range(k):
        names = {"subject": f"d{subject}", "specimen": f"s{subject}"}
        rows.append(row(f"stim {subject}", int(rng.binomial(20_000, 0.001)), **names))
        rows.append(row(f"rest {subject}", int(rng.binomial(20_000, 0.001)), **names))
    assert calls(*rows)["detected"].mean() <= 0.05


def trial(real_data: Path) -> pd.DataFrame:
    return pd.read_csv(real_data / "g001_ics_freqs" / "cvd725_ics_2022DEC27.csv", encoding="latin1")


def test_the_exact_p_and_calls_that_a_trial_published_come_out_again(real_data: Path) -> None:
    table = trial(real_data)
    counts = table[["count", "parent_count", "count_bg", "parent_count_bg"]].to_numpy()
    p = pd.Series([fisher_greater(*(int(n) for n in one)) for one in counts])
    np.testing.assert_allclose(p, table["response_p"], atol=1e-6)
    adjusted = p.groupby([table[name] for name in ("pubid", "parent", "population", "visitno")]).transform(
        holm
    )
    # The trial calls a response at 1e-5, adjusted over the antigens of one subject.
    assert ((p <= 1e-5) == (table["response_fisher"] == 1)).all()
    assert ((adjusted <= 1e-5) == (table["response_fisher_adj"] == 1)).all()


def test_this_rule_agrees_with_the_published_calls_in_nearly_all_of_a_trial(real_data: Path) -> None:
    table = trial(real_data)
    table = table[table["parent"] == "CD3+/CD4+"].reset_index(drop=True)
    rows = []
    for one in table.to_dict("records"):
        place = f"{one['pubid']} {one['antigen']}"
        said = {"subject": one["pubid"], "specimen": place, "name": one["pop_table"], "arm": one["antigen"]}
        rows.append(row(f"stim {place}", one["count"], of=one["parent_count"], **said))
        rows.append(row(f"rest {place}", one["count_bg"], of=one["parent_count_bg"], **said))
    found = calls(*rows).set_index(["tube", "population"])["detected"]
    places = [(r["tube"], r["population"]) for r in rows if r["kind"] == "sample"]
    ours = found.loc[places].to_numpy()
    assert (ours == (table["response_fisher"] == 1).to_numpy()).mean() > 0.97
