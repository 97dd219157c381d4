from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cytometry.wording import sentence

PD1 = {
    "comparison": "", "family": "primary", "stain": "T", "population": "live/T cells/CD8 T/PD-1+", "marker": "",
    "statistic": "fraction_of_parent", "base": "live/T cells/CD8 T", "unit": "fraction", "factor": "arm",
    "control": "pre", "treated": "on drug", "design": "paired", "n_control": 12, "n_treated": 12, "n_pairs": 12,
    "mean_control": 0.168, "mean_treated": 0.127, "shift": -0.041, "shift_low": -0.0601, "shift_high": -0.0219,
    "ratio_kind": "odds ratio", "ratio": 0.703, "ratio_low": 0.58, "ratio_high": 0.852, "confidence": 0.95,
    "test": "paired t on logit", "t": -3.9, "df": 11.0, "p": 0.0024, "adjustment": "Holm", "m": 2,
    "p_adjusted": 0.0048, "rank_test": "Wilcoxon signed-rank, exact", "rank_p": 0.003, "flag": "", "reason": "",
}  # fmt: skip


def said(**changes: Any) -> str:
    return sentence(PD1 | changes)


def test_the_pd1_shift_is_said_with_its_estimate_before_its_p() -> None:
    assert said() == (
        "PD-1+ of CD8 T (base: live/T cells/CD8 T) changed from 16.8 % (pre) to 12.7 % (on drug) "
        "(mean paired difference -4.1 points, 95 % CI -6.0 to -2.2; odds ratio 0.70, 95 % CI 0.58 to 0.85; "
        "n = 12 pairs; paired t on logit p = 0.0024, Holm p = 0.0048 over m = 2)."
    )


def test_two_arms_are_said_side_by_side() -> None:
    text = said(design="unpaired", n_pairs=0, n_treated=9, test="Welch t on logit", confidence=0.9)
    assert "was 16.8 % in pre and 12.7 % in on drug (mean difference -4.1 points, 90 % CI" in text
    assert "n = 12 and 9 subjects; Welch t on logit p" in text


def test_a_rare_population_keeps_two_figures() -> None:
    text = said(mean_control=0.0050, mean_treated=0.0030, shift=-0.002, shift_low=-0.0031, shift_high=-0.0009)
    assert "from 0.50 % (pre) to 0.30 % (on drug) (mean paired difference -0.20 points" in text
    assert "0.0000 %" not in said(mean_control=0.00021, mean_treated=0.0)
    assert "from 0.0 % (pre) to 0.0 %" in said(mean_control=0.0, mean_treated=0.0)


def test_an_intensity_and_a_count_are_not_percent() -> None:
    measured = {"unit": "intensity", "mean_control": 1203.0, "mean_treated": 850.0, "shift": -353.0,
                "shift_low": -500.0, "shift_high": -206.0, "ratio_kind": "fold"}  # fmt: skip
    text = said(statistic="median_intensity", marker="PD-1", population="T/CD8 T", base="T/CD8 T", **measured)
    assert text.startswith(
        "Median PD-1 intensity of CD8 T (base: T/CD8 T) changed from 1,203 (pre) to 850 (on drug)"
    )
    assert "difference -353, 95 % CI -500 to -206; fold 0.70" in text
    assert said(statistic="count", **(measured | {"unit": "events"})).startswith("Number of PD-1+ events")


def test_a_net_fraction_says_what_was_subtracted() -> None:
    text = said(statistic="net_fraction_of_parent", population="T/CD8 T/IFN-g+ TNF+", base="T/CD8 T", ratio_kind="",
                ratio=np.nan, ratio_low=np.nan, ratio_high=np.nan)  # fmt: skip
    assert text.startswith("IFN-g+ TNF+ of CD8 T, stimulated minus unstimulated, (base: T/CD8 T) changed")
    assert "odds ratio" not in text


def test_what_could_not_be_tested_says_why() -> None:
    nothing = dict.fromkeys(
        ("t", "p", "p_adjusted", "shift_low", "shift_high", "ratio_low", "ratio_high"), np.nan
    )
    text = said(
        **nothing, test="", n_pairs=1, reason="1 subject with a value at both levels, and two are needed"
    )
    assert text.endswith(
        "n = 1 pair; not tested: 1 subject with a value at both levels, and two are needed)."
    )
    assert "CI" not in text
    text = said(**nothing, mean_treated=np.nan, reason="no tube at 'on drug'")
    assert text.endswith("could not be compared between pre and on drug: no tube at 'on drug'.")


@pytest.mark.parametrize("p", [1e-9, 0.00099, 0.001, 0.049, 0.05, 0.8, 1.0])
def test_no_sentence_calls_a_p_significant(p: float) -> None:
    text = said(p=p, p_adjusted=p)
    assert "significant" not in text.lower()
    assert ("p < 0.001" in text) == (p < 0.001)


def test_a_difference_of_changes_is_said_in_points_and_as_a_ratio_of_ratios() -> None:
    text = said(
        design="interaction", n_pairs=0, control="vehicle", treated="temsirolimus",
        mean_control=-0.004, mean_treated=-0.041, shift=-0.037, test="t of the change on logit",
    )  # fmt: skip
    assert "changed by -0.4 points in vehicle and by -4.1 points in temsirolimus" in text
    assert "mean difference of changes -3.7 points" in text
    assert "ratio of odds ratios 0.70" in text


def test_a_trend_is_said_from_its_first_level_to_its_last() -> None:
    text = said(design="trend", n_pairs=0, control="0 mg", treated="5 mg", test="t of the trend on logit")
    assert "went from 16.8 % (0 mg) to 12.7 % (5 mg) (difference along the trend -4.1 points" in text


def test_cages_are_counted_as_cages() -> None:
    assert "n = 12 and 9 cages" in said(design="unpaired", n_pairs=0, n_treated=9, counted="cage")


def test_what_was_taken_out_is_said() -> None:
    assert "n = 12 pairs; taken out: batch; paired t" in said(adjusted_for="batch")
