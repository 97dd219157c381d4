from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cytometry.measure import functional_intensities, measure, measure_tube
from cytometry.table import MEASURED_COLUMNS, TableError, check_table
from gating.columns import ArrayEvents, Columns, Dimension, Spillover
from gating.gates import Interval
from gating.membership import Membership, assign
from gating.scales import Arcsinh
from gating.strategy import GatingStrategy, Population

CHANNELS = ("V450-A", "B530-A", "R660-A")
DIMENSIONS = {
    "CD45": Dimension("V450-A", Arcsinh.with_cofactor(150)),
    "CD8": Dimension("B530-A", Arcsinh.with_cofactor(150)),
    "PD-1": Dimension("R660-A", Arcsinh.with_cofactor(150)),
}
CUT = float(Arcsinh.with_cofactor(150).forward(np.array([100.0]))[0])
STRATEGY = GatingStrategy(
    DIMENSIONS,
    (
        Population("CD45+", Interval("CD45", CUT)),
        Population("CD8 T", Interval("CD8", CUT), "CD45+"),
        Population("PD-1+", Interval("PD-1", CUT), "CD45+/CD8 T"),
        Population("B", Interval("CD8", high=CUT), "CD45+"),
    ),
)
# CD8 leaks a quarter into the PD-1 detector.
SPILL = Spillover(CHANNELS, np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.25], [0.0, 0.0, 1.0]]))


def tube(cd45: int, cd8: int, pd1: int, *, n: int) -> tuple[Membership, Columns]:
    """Hold ``n`` events, of which so many are positive, each a subset of the one before."""
    true = np.full((n, 3), 10.0)
    for column, positive in enumerate((cd45, cd8, pd1)):
        true[:positive, column] = 1000.0 + np.arange(positive)
    columns = Columns(ArrayEvents(true @ SPILL.matrix, CHANNELS), DIMENSIONS, SPILL)
    return assign(STRATEGY, columns), columns


def values(rows: pd.DataFrame) -> dict[tuple[str, str], float]:
    names = rows["population"].str.rsplit("/", n=1).str[-1]
    return dict(zip(zip(names, rows["statistic"], strict=True), rows["value"], strict=True))


def test_a_thousand_events_are_measured_as_one_would_on_paper() -> None:
    rows = measure_tube(*tube(800, 400, 100, n=1000), STRATEGY, intensities=[("CD8 T", "PD-1")])
    found = values(rows)
    assert list(rows.columns) == list(MEASURED_COLUMNS)
    assert found["CD45+", "count"] == 800
    assert found["CD45+", "fraction_of_parent"] == 0.8
    assert found["CD8 T", "fraction_of_CD45+"] == found["CD8 T", "fraction_of_parent"] == 0.5
    assert found["PD-1+", "fraction_of_parent"] == 0.25
    assert found["PD-1+", "fraction_of_CD45+"] == 0.125
    assert ("CD45+", "fraction_of_CD45+") not in found
    row = rows[(rows["statistic"] == "fraction_of_CD45+") & rows["population"].str.endswith("PD-1+")].iloc[0]
    assert (row["base"], row["n"], row["n_base"], row["unit"]) == ("CD45+", 100, 800, "fraction")
    assert rows.loc[rows["population"] == "CD45+", "base"].unique().tolist() == ["all events"]


def test_a_median_is_of_the_compensated_linear_scale() -> None:
    membership, columns = tube(800, 400, 150, n=1000)
    rows = measure_tube(
        membership, columns, STRATEGY, intensities=[("CD8 T", "PD-1"), ("CD8 T/PD-1+", "PD-1")]
    ).query("statistic == 'median_intensity'")
    # 150 of 400 are positive, so that the median is a negative's 10; of the positives it is 1000 + 74.5.
    np.testing.assert_allclose(rows["value"], [10.0, 1074.5])
    assert rows["base"].tolist() == rows["population"].tolist()
    raw = columns.events.column("R660-A")[membership.of("CD8 T")]
    assert np.median(raw) > 200


@given(st.lists(st.integers(0, 200), min_size=3, max_size=3))
@settings(max_examples=25, deadline=None)
def test_denominators_multiply(numbers: list[int]) -> None:
    pd1, cd8, cd45 = sorted(numbers)
    found = values(measure_tube(*tube(cd45, cd8, pd1, n=200), STRATEGY, low=0))
    product = found["PD-1+", "fraction_of_parent"] * found["CD8 T", "fraction_of_CD45+"]
    if cd8:
        assert found["PD-1+", "fraction_of_CD45+"] == pytest.approx(product, abs=1e-12)
        assert 0 <= product <= 1
    else:
        assert np.isnan(found["PD-1+", "fraction_of_parent"])


@given(st.lists(st.floats(-500, 5000), min_size=1, max_size=60))
@settings(max_examples=25, deadline=None)
def test_siblings_that_divide_their_parent_sum_to_it(cd8: list[float]) -> None:
    events = np.column_stack([np.full(len(cd8), 1000.0), cd8, np.zeros(len(cd8))])
    columns = Columns(ArrayEvents(events, CHANNELS), DIMENSIONS)
    found = values(measure_tube(assign(STRATEGY, columns), columns, STRATEGY, low=0))
    assert found["CD8 T", "fraction_of_parent"] + found["B", "fraction_of_parent"] == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("n_base", "flag", "reason"),
    [
        (19, "", "19 events in CD45+/CD8 T, under 20"),
        (20, "low count", ""),
        (49, "low count", ""),
        (50, "", ""),
    ],
)
def test_few_events_give_nan_with_a_reason_and_somewhat_more_a_flag(
    n_base: int, flag: str, reason: str
) -> None:
    rows = measure_tube(*tube(100, n_base, 5, n=100), STRATEGY, intensities=[("CD8 T", "PD-1")])
    fraction = rows[(rows["population"].str.endswith("PD-1+")) & (rows["base"] == "CD45+/CD8 T")].iloc[0]
    median = rows[rows["statistic"] == "median_intensity"].iloc[0]
    for row in (fraction, median):
        assert np.isnan(row["value"]) == bool(reason)
        assert row["reason"] == reason
    assert median["flag"] == flag
    few = "" if reason else "few positive events"
    assert fraction["flag"] == "; ".join(part for part in (flag, few) if part)
    assert fraction["n"] == 5
    assert fraction["n_base"] == n_base


@pytest.mark.parametrize(
    ("positive", "flag"), [(0, "few positive events"), (19, "few positive events"), (20, "")]
)
def test_a_fraction_that_rests_on_few_positive_events_is_flagged_however_large_its_base(
    positive: int, flag: str
) -> None:
    rows = measure_tube(*tube(900, 800, positive, n=1_000), STRATEGY)
    fractions = rows[rows["population"].str.endswith("PD-1+") & (rows["statistic"] != "count")]
    assert set(fractions["flag"]) == {flag}
    assert fractions["value"].notna().all()


def test_an_empty_tube_has_all_its_rows_and_no_statistic() -> None:
    rows = measure_tube(*tube(0, 0, 0, n=0), STRATEGY, low=0, intensities=[("CD8 T", "PD-1")])
    counts = rows[rows["statistic"] == "count"]
    assert counts["value"].tolist() == [0.0, 0.0, 0.0, 0.0]
    others = rows[rows["statistic"] != "count"]
    assert others["value"].isna().all()
    assert set(others["reason"]) == {
        "0 events in all events, under 1", "0 events in CD45+, under 1", "0 events in CD45+/CD8 T, under 1",
    }  # fmt: skip


def test_a_population_whose_gate_abstained_keeps_its_rows() -> None:
    without = GatingStrategy(DIMENSIONS, tuple(p for p in STRATEGY.populations if p.name != "PD-1+"))
    _, columns = tube(800, 400, 100, n=1000)
    why = {"CD45+/CD8 T/PD-1+": "no valley in PD-1"}
    asked = [("CD8 T", "PD-1"), ("PD-1+", "PD-1")]
    rows = measure_tube(assign(without, columns), columns, without, missing=why, intensities=asked)
    whole = measure_tube(assign(STRATEGY, columns), columns, STRATEGY, intensities=asked)
    keys = ["population", "marker", "statistic", "base", "unit"]
    assert set(rows[keys].itertuples(index=False)) == set(whole[keys].itertuples(index=False))
    lost = rows[rows["population"] == "CD45+/CD8 T/PD-1+"]
    assert lost["value"].isna().all()
    assert set(lost["reason"]) == {"no valley in PD-1"}
    assert lost["n"].isna().all()
    assert lost.loc[lost["statistic"] == "fraction_of_parent", "n_base"].tolist() == [400]


def test_events_without_a_finite_value_are_left_out_of_a_median_and_counted() -> None:
    _, columns = tube(100, 100, 100, n=100)
    events = np.array(columns.events.values)  # type: ignore[attr-defined]
    events[:30, 2] = np.nan
    columns = Columns(ArrayEvents(events, CHANNELS), DIMENSIONS)
    rows = measure_tube(assign(STRATEGY, columns), columns, STRATEGY, intensities=[("CD8 T", "PD-1")])
    median = rows[rows["statistic"] == "median_intensity"].iloc[0]
    assert median["value"] == np.median(events[30:100, 2])
    assert median["flag"] == "30 events without a finite value left out"


def test_a_marker_that_no_channel_reads_keeps_its_row() -> None:
    rows = measure_tube(*tube(80, 60, 40, n=100), STRATEGY, intensities=[("CD8 T", "TIM-3")])
    median = rows[rows["statistic"] == "median_intensity"].iloc[0]
    assert np.isnan(median["value"])
    assert median["reason"] == "no channel of this tube is TIM-3"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fractions_of": ["CD54+"]}, r"no population is called 'CD54\+'; did you mean CD45\+"),
        ({"intensities": [("CD8", "PD-1")]}, "did you mean CD8 T"),
        ({"missing": {"CD45+": "flat"}}, "cannot be gated and missing at once"),
        ({"low": 60}, "0 <= least <= flagged, not 60 and 50"),
    ],
)
def test_a_statistic_that_cannot_be_meant_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(TableError, match=message):
        measure_tube(*tube(80, 60, 40, n=100), STRATEGY, **options)


def test_cd45_is_the_usual_base_only_where_it_is_gated() -> None:
    bare = GatingStrategy(DIMENSIONS, (Population("CD8 T", Interval("CD8", CUT)),))
    _, columns = tube(80, 60, 40, n=100)
    rows = measure_tube(assign(bare, columns), columns, bare)
    assert set(rows["statistic"]) == {"count", "fraction_of_parent"}


def test_a_functional_marker_is_measured_where_it_is_gated_and_above_in_every_tube() -> None:
    without = GatingStrategy(DIMENSIONS, STRATEGY.populations[:2])
    pairs = functional_intensities([without, STRATEGY], ["PD-1"])
    assert pairs == (("CD45+/CD8 T", "PD-1"), ("CD45+/CD8 T/PD-1+", "PD-1"))
    assert functional_intensities([STRATEGY], ["CD45"]) == (("CD45+", "CD45"),)
    assert functional_intensities([STRATEGY], ["TIM-3"]) == ()


@dataclass(frozen=True)
class SheetRow:
    tube: str
    subject: str
    arm: str
    kind: str = "sample"
    stain: str = "T"
    stimulus: str = ""
    specimen: str = ""
    timepoint: str = ""
    batch: str = ""
    tissue: str = "blood"


def test_the_sheet_is_put_beside_each_tubes_rows() -> None:
    sheet = [SheetRow("t2", "d1", "post"), SheetRow("t1", "d1", "pre"), SheetRow("t3", "d1", "", kind="fmo")]
    one = measure_tube(*tube(80, 60, 40, n=100), STRATEGY)
    table = measure({"t1": one, "t2": one}, sheet)
    check_table(table)
    assert table["tube"].tolist() == ["t2"] * len(one) + ["t1"] * len(one)
    assert set(table.loc[table["tube"] == "t1", "arm"]) == {"pre"}
    assert set(table["tissue"]) == {"blood"}
    pd.testing.assert_frame_equal(
        table.loc[table["tube"] == "t1", list(MEASURED_COLUMNS)].reset_index(drop=True), one
    )


def test_a_tube_that_failed_keeps_the_rows_that_its_like_have() -> None:
    sheet = [SheetRow("t1", "d1", "pre"), SheetRow("t2", "d1", "post"), SheetRow("t3", "d2", "", kind="fmo")]
    one = measure_tube(*tube(80, 60, 40, n=100), STRATEGY)
    table = measure({"t1": one}, sheet, failed={"t2": "the file is truncated", "t3": "empty"})
    lost = table[table["tube"] == "t2"]
    assert len(lost) == len(one)
    assert lost["value"].isna().all()
    assert lost["n"].isna().all()
    assert set(lost["reason"]) == {"the file is truncated"}
    assert "t3" not in set(table["tube"])


def test_no_tubes_give_an_empty_table_and_a_stray_one_is_named() -> None:
    check_table(measure({}, [SheetRow("t1", "d1", "pre")]))
    one = measure_tube(*tube(80, 60, 40, n=100), STRATEGY)
    with pytest.raises(TableError, match="tube t9 is not on the sheet, which has t1"):
        measure({"t9": one}, [SheetRow("t1", "d1", "pre")])
