from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from cytometry.closure import CONCLUSIONS, share_and_number
from cytometry.errors import CompareError


def row(statistic: str, shift: tuple[float, float], **changes: Any) -> dict[str, Any]:
    return {
        "comparison": "on against before", "treated": "on", "stain": "T", "population": "CD45+/T cells", "marker": "",
        "statistic": statistic, "base": "CD45+", "unit": "fraction", "shift": sum(shift) / 2, "shift_low": shift[0],
        "shift_high": shift[1], "ratio": 0.96, "ratio_low": 0.88, "ratio_high": 1.04,
    } | changes  # fmt: skip


def number(shift: tuple[float, float], **changes: Any) -> dict[str, Any]:
    return row("cells_per_ul", shift, base="counting beads", unit="cells/uL", **changes)


def test_a_share_that_falls_while_the_number_does_not_may_be_closure() -> None:
    found = share_and_number(pd.DataFrame([row("fraction_of_CD45+", (-0.08, -0.04)), number((-145.0, 57.0))]))
    one = found.iloc[0]
    assert one[["share_reads", "number_reads", "number_ratio", "number_unit"]].tolist() == [
        "falls", "not decided", 0.96, "cells/uL"
    ]  # fmt: skip
    assert "closure" in one["conclusion"]


@pytest.mark.parametrize(
    ("share", "cells", "said"),
    [
        ((-0.08, -0.04), (-90.0, -10.0), "fewer of these cells, and they are a smaller share"),
        ((-0.08, -0.04), (10.0, 90.0), "the share falls because others rise more"),
        ((0.01, 0.04), (-90.0, -10.0), "the share rises because others fall more"),
        ((-0.01, 0.04), (-90.0, 10.0), "nothing is shown of either"),
    ],
)
def test_share_and_number_are_read_together(
    share: tuple[float, float], cells: tuple[float, float], said: str
) -> None:
    found = share_and_number(pd.DataFrame([row("fraction_of_parent", share), number(cells)]))
    assert said in found["conclusion"].iloc[0]
    assert len(set(CONCLUSIONS)) == 8


def test_every_denominator_has_a_row_and_the_same_one_only_once() -> None:
    shift = (-0.08, -0.04)
    rows = [
        row("fraction_of_parent", shift),
        row("fraction_of_CD45+", shift),
        row("fraction_of_live", shift, base="live"),
        row("fraction_of_parent", shift, population="CD45+/B cells"),
        number((-145.0, 57.0)),
    ]
    found = share_and_number(pd.DataFrame(rows))
    assert found["base"].tolist() == ["CD45+", "live"]
    assert share_and_number(pd.DataFrame(rows[:4])).empty


def test_two_comparisons_at_once_are_refused() -> None:
    rows = pd.DataFrame([row("fraction_of_parent", (0, 1)), number((0, 1), treated="later")])
    with pytest.raises(CompareError, match="choose the rows of one"):
        share_and_number(rows)
    with pytest.raises(CompareError, match="these are no contrasts"):
        share_and_number(rows.drop(columns="shift_low"))
