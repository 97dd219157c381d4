from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest

from cytometry.polyfunctionality import (
    mean_functions,
    polyfunctional_share,
    polyfunctionality,
    polyfunctionality_index,
)
from cytometry.table import TableError, as_table, check_table

# Of the parent: 90 % make nothing, 6 % one of three cytokines, 3 % two, 1 % all three.
FRACTIONS = [0.90, 0.06, 0.03, 0.01]


def test_the_three_measures_of_an_example_on_paper() -> None:
    assert mean_functions(FRACTIONS) == pytest.approx((6 + 2 * 3 + 3 * 1) / 10)
    assert polyfunctional_share(FRACTIONS) == pytest.approx(0.4)
    assert polyfunctionality_index(FRACTIONS) == pytest.approx(0.06 / 3 + 0.03 * 2 / 3 + 0.01)
    assert polyfunctionality_index(FRACTIONS, q=2) == pytest.approx(0.06 / 9 + 0.03 * 4 / 9 + 0.01)


def test_the_index_is_one_where_every_cell_does_everything_and_zero_where_none_does_anything() -> None:
    assert polyfunctionality_index([0, 0, 0, 1]) == 1.0
    assert polyfunctionality_index([1, 0, 0, 0]) == 0.0
    assert np.isnan(mean_functions([1, 0, 0, 0]))
    assert np.isnan(polyfunctional_share([1.1, -0.1, 0, 0]))
    with pytest.raises(TableError, match="above 0"):
        polyfunctionality_index(FRACTIONS, q=0)
    with pytest.raises(TableError, match="shape"):
        mean_functions([1.0])


def subsets(
    values: list[float], *, statistic: str = "net_fraction_of_parent", reason: str = ""
) -> pd.DataFrame:
    """Of two functions: both, first, second, none."""
    rows = []
    for (a, b), value in zip(itertools.product([1, 0], repeat=2), values, strict=True):
        name = f"IFN-g{'-+'[a]} IL-2{'-+'[b]}"
        rows.append(
            {
                "stain": "ICS", "tube": "t1", "kind": "sample", "stimulus": "SEB", "specimen": "s1", "subject": "d1",
                "arm": "pre", "timepoint": "", "batch": "b1", "population": f"CD8 T/{name}", "marker": "",
                "statistic": statistic, "base": "CD8 T", "value": np.nan if reason else value, "unit": "fraction",
                "n": round(1000 * max(value, 0)), "n_base": 1000, "flag": "", "reason": reason,
                "positive": " & ".join(n for n, on in (("IFN-g+", a), ("IL-2+", b)) if on), "n_functions": a + b,
            }
        )  # fmt: skip
    return as_table(pd.DataFrame(rows))


def values(rows: pd.DataFrame) -> dict[str, float]:
    return dict(zip(rows["statistic"], rows["value"], strict=True))


def test_the_rows_of_a_tube_are_the_measures_of_its_nets_negative_ones_as_they_are() -> None:
    rows = polyfunctionality(subsets([0.02, 0.05, -0.01, -0.06]))
    check_table(rows)
    assert rows["population"].tolist() == ["CD8 T"] * 3
    assert values(rows) == pytest.approx(
        {
            "mean_functions": (0.05 - 0.01 + 2 * 0.02) / 0.06,
            "polyfunctional_share": 0.02 / 0.06,
            "polyfunctionality_index": (0.05 - 0.01) / 2 + 0.02,
        }
    )


def test_without_responders_there_is_no_mean_and_the_index_stays() -> None:
    rows = polyfunctionality(subsets([0.001, -0.001, -0.001, 0.001]))
    assert np.isnan(values(rows)["mean_functions"])
    assert values(rows)["polyfunctionality_index"] == pytest.approx(0.0)
    assert rows["reason"].iloc[0] == "-0.1 % responders, under 0.05 %"
    missing = polyfunctionality(subsets([0.0] * 4, reason="no unstimulated tube"))
    assert set(missing["reason"]) == {"no unstimulated tube"}


def test_part_of_the_subsets_or_two_kinds_of_them_are_refused() -> None:
    whole = subsets([0.02, 0.05, 0.01, -0.08])
    with pytest.raises(TableError, match="has 3 subsets of 2 functions, and all 4 are needed"):
        polyfunctionality(whole.iloc[:3])
    both = pd.concat([whole, subsets([0.02, 0.05, 0.01, 0.92], statistic="fraction_of_parent")])
    with pytest.raises(TableError, match="both net and not"):
        polyfunctionality(both)
