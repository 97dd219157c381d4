from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis.extra.numpy import arrays

from cytometry.cytokines import boolean_subsets, subtract_background
from cytometry.table import TableError, as_table, check_table
from gating.membership import Membership, encode

IFN = "T/CD8 T/IFN-g+"


def row(tube: str, n: int | None, **changes: Any) -> dict[str, Any]:
    stimulated = "stim" in tube and "unstim" not in tube
    n_base = changes.pop("n_base", 1000)
    return {
        "stain": "cytokine", "tube": tube, "kind": "sample" if stimulated else "unstimulated",
        "stimulus": "PMA" if stimulated else "", "specimen": "", "subject": "d1", "arm": "pre",
        "timepoint": "", "batch": "b1", "population": IFN, "marker": "", "statistic": "fraction_of_parent",
        "base": "T/CD8 T", "value": np.nan if n is None else n / n_base, "unit": "fraction", "n": n,
        "n_base": n_base, "flag": "", "reason": "" if n is not None else f"{tube} had too few events",
    } | changes  # fmt: skip


def table(*rows: dict[str, Any]) -> pd.DataFrame:
    return as_table(pd.DataFrame(rows))


def test_what_the_stimulus_added_is_stimulated_minus_unstimulated() -> None:
    net = subtract_background(table(row("stim", 190), row("unstim", 10)))
    assert len(net) == 1
    assert net["value"].iloc[0] == pytest.approx(0.18)
    assert net[["tube", "statistic", "unit", "n", "n_base", "base"]].iloc[0].tolist() == [
        "stim", "net_fraction_of_parent", "fraction", 190, 1000, "T/CD8 T"
    ]  # fmt: skip


def test_a_background_above_the_stimulated_tube_stays_negative() -> None:
    net = subtract_background(table(row("stim", 1), row("unstim", 4)))
    assert net["value"].iloc[0] == pytest.approx(-0.003)
    check_table(net)


def test_net_rows_stand_in_the_same_table_as_the_others() -> None:
    rows = table(row("stim", 190), row("unstim", 10))
    check_table(pd.concat([rows, subtract_background(rows)], ignore_index=True))


def test_cells_positive_for_nothing_have_no_net_fraction_but_in_a_table_of_all_subsets() -> None:
    nothing = {"population": "T/CD8 T/IFN-g-IL-2-"}
    rows = table(
        *(row(tube, n, **one) for one in ({}, nothing) for tube, n in (("stim", 190), ("unstim", 10)))
    )
    assert set(subtract_background(rows)["population"]) == {IFN}
    assert not len(subtract_background(rows, populations=["IFN-g-IL-2-"]))
    assert len(subtract_background(rows.assign(positive="", n_functions=[1, 1, 0, 0]))) == 2


@pytest.mark.parametrize("column", ["subject", "arm", "timepoint", "stain"])
def test_a_tube_of_another_subject_time_arm_or_stain_is_no_background(column: str) -> None:
    net = subtract_background(table(row("stim", 190), row("unstim", 10, **{column: "other"})))
    assert np.isnan(net["value"].iloc[0])
    assert "no unstimulated tube of 'd1'" in net["reason"].iloc[0]
    assert net["n"].iloc[0] == 190


def test_a_tube_of_another_tissue_is_no_background() -> None:
    net = subtract_background(table(row("stim", 190, tissue="tumour"), row("unstim", 10, tissue="spleen")))
    assert "no unstimulated tube" in net["reason"].iloc[0]


def test_a_background_of_another_batch_is_not_taken_and_said() -> None:
    net = subtract_background(table(row("stim", 190), row("unstim", 10, batch="b2")))
    assert np.isnan(net["value"].iloc[0])
    assert net["reason"].iloc[0] == "the unstimulated tube of 'd1' at pre is of batch 'b2', not 'b1'"


def test_the_tube_of_the_same_specimen_is_preferred() -> None:
    rows = table(
        row("stim", 190, specimen="s1"),
        row("unstim 1", 10, specimen="s1"),
        row("unstim 2", 50, specimen="s2"),
    )
    net = subtract_background(rows)
    assert net["value"].iloc[0] == pytest.approx(0.18)
    assert net["flag"].iloc[0] == ""


def test_several_backgrounds_are_averaged_and_flags_are_passed_on() -> None:
    rows = table(
        row("stim", 190, flag="low count"), row("unstim 1", 10), row("unstim 2", 30, flag="low count")
    )
    net = subtract_background(rows)
    assert net["value"].iloc[0] == pytest.approx(0.17)
    assert net["flag"].iloc[0] == "low count; background: low count; mean of 2 unstimulated tubes"


def test_a_missing_value_on_either_side_keeps_its_row_and_its_reason() -> None:
    stimulated = subtract_background(table(row("stim", None), row("unstim", 10)))
    assert stimulated["reason"].tolist() == ["stim had too few events"]
    background = subtract_background(table(row("stim", 190), row("unstim", None)))
    assert background["reason"].tolist() == ["unstimulated tube unstim: unstim had too few events"]
    other = subtract_background(table(row("stim", 190), row("unstim", 10, population="T/CD8 T/TNF+")))
    assert other["reason"].tolist() == ["the unstimulated tube has no row for this population"]


def test_only_stimulated_samples_and_the_named_populations_get_a_row() -> None:
    rows = table(
        row("stim", 190),
        row("unstim", 10),
        row("stim", 400, population="T/CD8 T"),
        row("unstim", 4, population="T/CD8 T"),
    )
    assert len(subtract_background(rows)) == 2
    assert subtract_background(rows, populations=["IFN-g+"])["population"].tolist() == [IFN]
    with pytest.raises(TableError, match="no population is called 'IFNg"):
        subtract_background(rows, populations=["IFNg+"])
    plain = subtract_background(rows[rows["kind"] == "unstimulated"])
    assert plain.empty
    check_table(plain)


CYTOKINES = ("IFN-g+", "TNF+", "IL-2+")


def tube(positive: np.ndarray, inside: np.ndarray) -> Membership:
    masks = {"CD8 T": inside} | {
        f"CD8 T/{name}": inside & positive[:, column] for column, name in enumerate(CYTOKINES)
    }
    return encode(masks, len(inside))


def test_five_cells_fall_into_their_subsets() -> None:
    positive = np.array([[1, 1, 0], [1, 1, 0], [0, 0, 0], [1, 0, 1], [1, 1, 1]], dtype=bool)
    subsets = boolean_subsets(tube(positive, np.array([1, 1, 1, 1, 0], dtype=bool)), CYTOKINES, "CD8 T")
    count = dict(zip(subsets["subset"], subsets["count"], strict=True))
    assert next(iter(count)) == "IFN-g+ TNF+ IL-2+"
    assert list(count)[-1] == "IFN-g- TNF- IL-2-"
    assert count == dict.fromkeys(count, 0) | {
        "IFN-g+ TNF+ IL-2-": 2, "IFN-g- TNF- IL-2-": 1, "IFN-g+ TNF- IL-2+": 1
    }  # fmt: skip
    assert subsets["n_functions"].tolist() == [3, 2, 2, 2, 1, 1, 1, 0]
    assert subsets["fraction"].tolist()[1] == 0.5


@given(arrays(np.bool_, (50, 4)))
def test_the_subsets_divide_their_parent_and_give_back_each_function(events: np.ndarray) -> None:
    membership = tube(events[:, :3], events[:, 3])
    subsets = boolean_subsets(membership, CYTOKINES, "CD8 T")
    assert len(subsets) == 8
    assert subsets["count"].sum() == membership.count("CD8 T")
    for name in CYTOKINES:
        assert subsets.loc[subsets[f"CD8 T/{name}"], "count"].sum() == membership.count(name)
    for signs in itertools.product([True, False], repeat=3):
        mask = membership.of("CD8 T")
        for name, sign in zip(CYTOKINES, signs, strict=True):
            mask = mask & (membership.of(name) == sign)
        row = subsets[(subsets[[f"CD8 T/{name}" for name in CYTOKINES]] == signs).all(axis=1)]
        assert row["count"].tolist() == [mask.sum()]


def test_an_empty_parent_has_counts_of_zero_and_no_fractions() -> None:
    subsets = boolean_subsets(tube(np.zeros((4, 3), dtype=bool), np.zeros(4, dtype=bool)), CYTOKINES, "CD8 T")
    assert subsets["count"].sum() == 0
    assert subsets["fraction"].isna().all()


@pytest.mark.parametrize(
    ("populations", "parent", "message"),
    [
        ([], "CD8 T", "subsets of 0 functions"),
        (["IFN-g+"] * 11, "CD8 T", "subsets of 11 functions"),
        (["IFN-g+", "CD8 T/IFN-g+"], "CD8 T", "named twice"),
        (["IFN-g+", "CD8 T"], "TNF+", "not below CD8 T/TNF"),
        (["IFNg+"], "CD8 T", "did you mean IFN-g"),
    ],
)
def test_subsets_that_divide_nothing_are_refused(populations: list[str], parent: str, message: str) -> None:
    empty = tube(np.zeros((4, 3), dtype=bool), np.zeros(4, dtype=bool))
    with pytest.raises(TableError, match=message):
        boolean_subsets(empty, populations, parent)
