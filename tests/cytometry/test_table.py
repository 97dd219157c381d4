from __future__ import annotations

import io
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cytometry.errors import CytometryError
from cytometry.table import (
    COLUMNS,
    Endpoint,
    TableError,
    as_table,
    check_table,
    fraction_of,
    unit_of,
)


def row(**changes: Any) -> dict[str, Any]:
    return {
        "stain": "T", "tube": "d1_pre", "kind": "sample", "stimulus": "", "specimen": "d1_pre",
        "subject": "d1", "arm": "pre", "timepoint": "day 0", "batch": "b1",
        "population": "live/CD8 T/PD-1+", "marker": "", "statistic": "fraction_of_parent",
        "base": "live/CD8 T", "value": 0.168, "unit": "fraction", "n": 168, "n_base": 1000,
        "flag": "", "reason": "",
    } | changes  # fmt: skip


def table(*rows: dict[str, Any]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(COLUMNS))


def test_a_tidy_table_passes_and_so_does_one_without_rows() -> None:
    check_table(table(row(), row(tube="d2", value=np.nan, n=None, reason="CD8 was not found")))
    check_table(as_table(table()))


def test_a_table_survives_a_csv_file() -> None:
    rows = as_table(table(row(), row(tube="7", value=np.nan, n=None, n_base=None, reason="no CD8")))
    rows["tissue"] = "blood"
    back = as_table(pd.read_csv(io.StringIO(rows.to_csv(index=False))))
    pd.testing.assert_frame_equal(back, rows)
    assert back["n"].dtype == "Int64"
    assert list(back.columns) == [*COLUMNS, "tissue"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"value": np.nan}, "NaN without a reason"),
        ({"reason": "too few"}, "also a reason"),
        ({"value": 16.8, "n": 16800}, "percent is for print"),
        ({"value": 0.2}, "not n / n_base"),
        ({"n_base": None}, "not n / n_base"),
        ({"value": np.inf}, "infinite"),
        ({"n": -168, "value": -0.168}, "whole number"),
        ({"n": 168.5}, "whole number"),
        ({"statistic": "frequency"}, "no statistic is called 'frequency'"),
        ({"unit": "percent"}, "fraction_of_parent is in fraction, not percent"),
        ({"marker": "PD-1"}, "a marker goes with median_intensity"),
        ({"population": ""}, "population is blank"),
        ({"arm": None}, "a blank is '', not NaN"),
        ({"value": "0.168"}, "value holds object, not numbers"),
        ({"statistic": "net_fraction_of_parent", "value": -1.5}, "a net fraction in"),
    ],
)
def test_a_row_that_is_not_tidy_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(TableError, match=message):
        check_table(table(row(tube="other"), row(**changes)))


def test_all_problems_are_listed_with_their_place() -> None:
    with pytest.raises(TableError) as raised:
        check_table(table(row(value=np.nan), row(tube="d9_post", value=0.9), row(tube="d9_post", arm="post")))
    text = str(raised.value)
    assert "a value is NaN without a reason (tube 'd1_pre', population 'live/CD8 T/PD-1+'" in text
    assert "a fraction is not n / n_base (tube 'd9_post'" in text
    assert "2 rows share their tube" in text
    assert "tube 'd9_post' has more than one arm" in text


def test_a_table_with_a_row_per_event_is_refused() -> None:
    events = table(
        *[row(marker="PD-1", statistic="median_intensity", unit="intensity", value=v) for v in (1, 2)]
    )
    with pytest.raises(TableError, match="events are never replicates"):
        check_table(events)


def test_something_else_than_a_table_is_refused() -> None:
    with pytest.raises(TableError, match=r"not ndarray; measure\(\) makes it, and events are not rows"):
        check_table(np.zeros((500, 3)))
    with pytest.raises(TableError, match="no column 'stain'\n"):
        check_table(pd.DataFrame({"CD3": [1.0]}))
    with pytest.raises(TableError, match="no column stain, tube"):
        as_table(pd.DataFrame({"CD3": [1.0]}))
    with pytest.raises(TableError, match="column value holds something that is no number"):
        as_table(table(row(value="many")))


def test_a_table_error_is_both_of_this_package_and_a_value_error() -> None:
    assert issubclass(TableError, CytometryError)
    assert issubclass(TableError, ValueError)


def test_each_statistic_has_its_unit() -> None:
    assert unit_of("count") == "events"
    assert unit_of(fraction_of("CD45+")) == unit_of("net_fraction_of_parent") == "fraction"
    assert unit_of("median_intensity") == "intensity"
    with pytest.raises(TableError, match="fraction_of_<an ancestor>"):
        unit_of("fraction_of_")


def test_an_endpoint_says_what_it_is() -> None:
    assert str(Endpoint("CD8 T/PD-1+")) == "fraction_of_parent of CD8 T/PD-1+"
    assert (
        str(Endpoint("CD8 T", "median_intensity", marker="PD-1", stain="T"))
        == "PD-1 median_intensity of CD8 T (T)"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"population": " "}, "names a population"),
        ({"population": "CD8 T", "statistic": "mfi"}, "no statistic is called 'mfi'"),
        ({"population": "CD8 T", "statistic": "median_intensity"}, "names no marker"),
        ({"population": "CD8 T", "marker": "PD-1"}, "has no marker, and 'PD-1' was named"),
    ],
)
def test_an_endpoint_that_means_nothing_is_refused(arguments: dict[str, str], message: str) -> None:
    with pytest.raises(TableError, match=message):
        Endpoint(**arguments)
