from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis.extra.numpy import arrays

from cytometry.cytokines import subtract_background
from cytometry.subsets import SUBSET_COLUMNS, producers, tube_subsets
from cytometry.table import TableError, as_table, check_table
from gating.membership import Membership, encode

PARENT = "T cells/CD8 T"
CYTOKINES = tuple(f"{PARENT}/{name}" for name in ("IFN-g+", "TNF-a+", "IL-2+"))


def membership(events: np.ndarray) -> Membership:
    """Three functions, and whether the event is of the parent."""
    inside = events[:, 3]
    masks = {"T cells": inside, PARENT: inside}
    masks |= {path: inside & events[:, column] for column, path in enumerate(CYTOKINES)}
    return encode(masks, len(events))


def labels(tube: str) -> dict[str, str]:
    stimulated = tube.startswith("stim")
    return {
        "stain": "ICS", "tube": tube, "kind": "sample" if stimulated else "unstimulated",
        "stimulus": "PMA" if stimulated else "", "specimen": "s1", "subject": "d1", "arm": "pre",
        "timepoint": "", "batch": "b1",
    }  # fmt: skip


def subsets(**tubes: Membership | None) -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    for tube, found in tubes.items():
        rows += [
            labels(tube) | row for row in tube_subsets(found, CYTOKINES, PARENT, why="no tube" * (not found))
        ]
    return as_table(pd.DataFrame(rows, columns=list(SUBSET_COLUMNS)))


def events(*groups: tuple[int, str]) -> np.ndarray:
    """``(40, "110")``: 40 events with the first two functions."""
    return np.array([[*(c == "1" for c in code), True] for n, code in groups for _ in range(n)], dtype=bool)


STIMULATED = membership(events((40, "110"), (10, "111"), (30, "100"), (20, "010"), (5, "001"), (895, "000")))
RESTING = membership(events((2, "110"), (10, "010"), (10, "001"), (978, "000")))


@given(arrays(np.bool_, (80, 4)), arrays(np.bool_, (80, 4)))
def test_the_subsets_of_every_tube_sum_to_the_parent_and_their_nets_to_nothing(
    a: np.ndarray, b: np.ndarray
) -> None:
    a[:20, 3] = b[:20, 3] = True
    rows = subsets(stim=membership(a), rest=membership(b))
    for tube, found in (("stim", a), ("rest", b)):
        assert rows.loc[rows["tube"] == tube, "n"].sum() == found[:, 3].sum()
    assert len(rows) == 16
    assert subtract_background(rows)["value"].sum() == pytest.approx(0.0, abs=1e-12)


def test_a_subset_is_named_by_all_its_functions() -> None:
    rows = subsets(stim=STIMULATED).set_index("population")
    one = rows.loc[f"{PARENT}/IFN-g+ TNF-a+ IL-2-"]
    assert one[["n", "n_base", "value", "positive", "n_functions"]].tolist() == [
        40, 1000, 0.04, "IFN-g+ & TNF-a+", 2
    ]  # fmt: skip
    check_table(rows.reset_index())


def test_double_producers_are_summed_under_the_rule_that_their_name_states() -> None:
    rows = subsets(stim=STIMULATED, rest=RESTING)

    def found(**rule: Any) -> tuple[str, list[int]]:
        rows_of = producers(rows, **rule)
        check_table(rows_of)
        return rows_of["population"].iloc[0].rsplit("/", 1)[-1], rows_of["n"].tolist()

    double = ["IFN-g+", "TNF-a+"]
    assert found(positive=double) == ("IFN-g+ & TNF-a+", [50, 2])
    assert found(positive=double, others="none") == ("IFN-g+ & TNF-a+ only", [40, 2])
    assert found(at_least=3) == ("at least 3 functions", [10, 0])
    assert found(at_least=1) == ("at least 1 function", [105, 22])


def test_net_producers_are_the_nets_of_their_subsets_and_stay_negative() -> None:
    net = subtract_background(subsets(stim=STIMULATED, rest=RESTING))
    assert producers(net, ["IFN-g+", "TNF-a+"])["value"].tolist() == [pytest.approx(0.050 - 0.002)]
    il2 = net[net["population"].str.endswith("/IFN-g- TNF-a- IL-2+")]
    assert il2["value"].tolist() == [pytest.approx(-0.005)]


def test_a_tube_without_a_gate_or_with_too_few_events_keeps_its_rows_and_the_reason() -> None:
    lost = encode({"T cells": np.ones(9, dtype=bool), PARENT: np.ones(9, dtype=bool)}, 9)
    for rows, why in (
        (subsets(stim=lost), "IFN-g+, TNF-a+, IL-2+ has none in this tube"),
        (subsets(stim=membership(events((19, "100")))), "19 events in T cells/CD8 T, under 20"),
        (subsets(stim=None), "no tube"),
    ):
        assert len(rows) == 8
        assert rows["value"].isna().all()
        assert set(rows["reason"]) == {why}
        assert producers(rows, at_least=2)["reason"].tolist() == [why]
    assert set(subsets(stim=membership(events((30, "100"))))["flag"]) == {"low count"}


def test_a_rule_that_names_nothing_is_refused() -> None:
    rows = subsets(stim=STIMULATED)
    with pytest.raises(TableError, match="not both"):
        producers(rows)
    with pytest.raises(TableError, match="not both"):
        producers(rows, ["IFN-g+"], at_least=2)
    with pytest.raises(TableError, match="no function of these subsets is called 'IFNg'"):
        producers(rows, ["IFNg"])
    with pytest.raises(TableError, match="subset_table\\(\\) makes subsets"):
        producers(rows.drop(columns="positive"), at_least=1)
