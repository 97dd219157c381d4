from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from cytometry.association import associate
from cytometry.errors import CompareError
from cytometry.table import Endpoint, as_table

CD8 = "CD45+/CD8 T"
PD1, PS6 = Endpoint("PD-1+"), Endpoint("CD8 T", "median_intensity", "pS6")


def row(subject: str, time: str, **changes: Any) -> dict[str, Any]:
    tube = f"{subject}_{time}"
    return {
        "stain": "T", "tube": tube, "kind": "sample", "stimulus": "", "specimen": tube, "subject": subject,
        "arm": "drug", "timepoint": time, "batch": "b1", "population": f"{CD8}/PD-1+", "marker": "",
        "statistic": "fraction_of_parent",
        "base": CD8, "unit": "fraction", "n_base": 4000, "flag": "", "reason": "",
    } | changes  # fmt: skip


def study(inhibition: np.ndarray, shift: np.ndarray) -> pd.DataFrame:
    """Return donors whose pS6 falls by a factor and whose PD-1 moves by so much on the logit scale."""
    rows = []
    for at, (fall, moved) in enumerate(zip(inhibition, shift, strict=True)):
        for time, after in (("pre", 0.0), ("post", 1.0)):
            n = round(4000 / (1 + np.exp(1.6 - after * moved)))
            rows.append(row(f"d{at}", time, n=n, value=n / 4000))
            median = {
                "population": CD8,
                "base": CD8,
                "marker": "pS6",
                "statistic": "median_intensity",
                "unit": "intensity",
            }
            rows.append(row(f"d{at}", time, n=4000, value=1000 * fall**after, **median))
    return as_table(pd.DataFrame(rows))


FALLS = np.array([0.1, 0.2, 0.3, 0.5, 0.7, 0.9])


def test_where_pd1_falls_with_ps6_the_slope_is_found() -> None:
    found = associate(
        study(FALLS, 0.2 * np.log(FALLS)), outcome=PD1, exposure=PS6, control="pre", treated="post"
    )
    assert found["n"] == 6
    assert found["slope"] == pytest.approx(0.2, abs=0.01)
    assert found["slope_low"] < 0.2 < found["slope_high"]
    assert found["rho"] == pytest.approx(1.0)
    assert found["scales"] == "logit on log"


def test_the_slope_is_that_of_scipys_regression() -> None:
    rng = np.random.default_rng(3)
    table = study(FALLS, rng.normal(0, 0.3, 6))
    found = associate(table, outcome=PD1, exposure=PS6, control="pre", treated="post")
    n = table[table["statistic"] == "fraction_of_parent"].pivot_table(
        index="subject", columns="timepoint", values="n"
    )
    logit = np.log((n + 0.5) / (4000 - n + 0.5))
    peer = scipy.stats.linregress(np.log(FALLS), (logit["post"] - logit["pre"]).to_numpy(dtype=float))
    assert (found["slope"], found["p"]) == pytest.approx((peer.slope, peer.pvalue))


def test_three_subjects_are_too_few_and_a_constant_explains_nothing() -> None:
    few = associate(study(FALLS[:3], FALLS[:3]), outcome=PD1, exposure=PS6, control="pre", treated="post")
    assert few["reason"] == "3 subjects with both changes, and 4 are needed"
    same = associate(
        study(np.full(5, 0.5), FALLS[:5]), outcome=PD1, exposure=PS6, control="pre", treated="post"
    )
    assert same["reason"] == "the exposure changed alike in all subjects"
    assert np.isnan(same["p"])


def test_an_endpoint_does_not_explain_itself() -> None:
    with pytest.raises(CompareError, match="would explain itself"):
        associate(study(FALLS, FALLS), outcome=PD1, exposure=PD1, control="pre", treated="post")
