from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from cytometry.counts import CountedBy, absolute_counts, acquired_volume
from cytometry.effects import paired_t
from cytometry.simulate import StudyPlan, count_study
from cytometry.simulate.biology import specimen
from cytometry.simulate.yields import bead_share
from cytometry.study import SheetRow
from cytometry.table import TableError, as_table, check_table

CD8 = "CD45+/CD8 T"


def counted(tube: str, **n: int | None) -> pd.DataFrame:
    rows = [
        {
            "stain": "T", "tube": tube, "kind": "sample", "stimulus": "", "specimen": "s1", "subject": "d1",
            "arm": "", "timepoint": "", "batch": "", "population": path, "marker": "", "statistic": "count",
            "base": "all events", "value": np.nan if k is None else k, "unit": "events", "n": k, "n_base": 50_000,
            "flag": "", "reason": "" if k is not None else "no CD8 gate",
        }
        for path, k in ((name.replace("_", "/"), k) for name, k in n.items())
    ]  # fmt: skip
    return as_table(pd.DataFrame(rows))


def tube(n: int | None = 4_000, *, name: str = "t1", beads: int = 5_000) -> pd.DataFrame:
    return counted(name, beads=beads, **{"CD45+": 20_000, "CD45+_CD8 T": n})


def row(name: str = "t1", **said: Any) -> SheetRow:
    given: dict[str, Any] = {"beads_added": 50_000.0, "volume_ul": 100.0, "specimen": "s1"} | said
    return SheetRow(f"{name}.fcs", name, **given)


def of_cd8(rows: pd.DataFrame) -> pd.Series:
    return rows[rows["population"] == CD8].iloc[0]


def test_a_tenth_of_the_beads_seen_means_a_tenth_of_the_cells_counted() -> None:
    rows = absolute_counts(tube(), [row()])
    assert rows["population"].tolist() == ["CD45+", CD8]  # the beads themselves have no concentration
    one = of_cd8(rows)
    assert one["value"] == pytest.approx(4_000 / 5_000 * 50_000 / 100)  # 400 per uL
    assert one[["statistic", "unit", "base", "n", "n_base", "flag"]].tolist() == [
        "cells_per_ul", "cells/uL", "counting beads", 4_000, 5_000, ""
    ]  # fmt: skip
    assert one["cv"] == pytest.approx(np.sqrt(1 / 4_000 + 1 / 5_000))
    check_table(rows)


def test_tissue_is_counted_per_mg_and_a_dilution_counts() -> None:
    one = of_cd8(absolute_counts(tube(), [row(tissue_mg=20.0)], CountedBy(dilution=3.0)))
    assert one["value"] == pytest.approx(4_000 / 5_000 * 50_000 / 20 * 3)
    assert one["unit"] == "cells/mg"


def test_the_volume_that_was_run_counts_too() -> None:
    by = CountedBy("volumetric", acquired_ul={"t1": 40.0}, dilution=2.0)
    assert of_cd8(absolute_counts(tube(), [row()], by))["value"] == pytest.approx(200.0)
    tissue = of_cd8(absolute_counts(tube(), [row(tissue_mg=10.0)], by))
    assert tissue["value"] == pytest.approx(4_000 / 40 * 100 / 10 * 2)
    assert acquired_volume({"vol": "40000"}) == 40.0  # FCS 3.1 says nL
    assert np.isnan(acquired_volume({}))
    assert np.isnan(acquired_volume({"vol": "n/a"}))


def test_a_dual_platform_count_is_the_fraction_of_what_the_analyser_counted() -> None:
    by = CountedBy("dual platform", analyser={"s1": 6_000.0})
    one = of_cd8(absolute_counts(tube(), [row()], by))
    assert one["value"] == pytest.approx(0.2 * 6_000)
    assert one[["base", "n_base"]].tolist() == ["CD45+", 20_000]
    other = CountedBy("dual platform", analyser={"s2": 6_000.0})
    assert "no analyser's count of specimen 's1'" in of_cd8(absolute_counts(tube(), [row()], other))["reason"]


def test_few_beads_and_tubes_of_one_specimen_that_disagree_are_flagged() -> None:
    few = of_cd8(absolute_counts(tube(beads=900), [row()]))
    assert few["flag"] == "900 counting beads, under 1,000"
    two = pd.concat([tube(), tube(name="t2", n=5_000)], ignore_index=True)
    rows = absolute_counts(two, [row(), row("t2")])
    assert rows.loc[rows["population"] == CD8, "flag"].tolist() == ["CV of 2 tubes 16%, over 10%"] * 2
    assert set(rows.loc[rows["population"] == "CD45+", "flag"]) == {""}


@pytest.mark.parametrize(
    ("table", "said", "why"),
    [
        (tube(), {"beads_added": None}, "how many beads were added to tube t1"),
        (tube(), {"volume_ul": None}, "no volume_ul"),
        (tube(beads=0), {}, "no counting bead was found in tube t1"),
        (tube(None), {}, "no CD8 gate"),
    ],
)
def test_what_is_missing_leaves_the_row_and_says_what(
    table: pd.DataFrame, said: dict[str, Any], why: str
) -> None:
    one = of_cd8(absolute_counts(table, [row(**said)]))
    assert np.isnan(one["value"])
    assert why in one["reason"]


def test_no_cells_are_none_per_ul() -> None:
    one = of_cd8(absolute_counts(tube(0), [row()]))
    assert one["value"] == 0
    assert np.isnan(one["cv"])


def test_a_way_of_counting_without_what_it_needs_is_refused() -> None:
    with pytest.raises(TableError, match="not by 'weight'"):
        CountedBy("weight")  # type: ignore[arg-type]
    with pytest.raises(TableError, match="needs acquired_ul"):
        CountedBy("volumetric")
    with pytest.raises(TableError, match="needs analyser"):
        CountedBy("dual platform")
    with pytest.raises(TableError, match="t1 is not on the sheet"):
        absolute_counts(tube(), [row("t9")])
    with pytest.raises(TableError, match="did you mean"):
        absolute_counts(tube(), [row()], populations=["CD8 Tc"])


def test_where_monocytes_grow_t_cells_fall_in_share_and_not_in_number() -> None:
    plan = StudyPlan(scenario="closure", subjects=24, stains=("T",), options=("counting_beads",), seed=4)
    study = count_study(plan)
    rng = np.random.default_rng(4)
    planned = [one for one in plan.tubes if one.kind == "sample"]
    sheet = [
        SheetRow(f"{one.name}.fcs", one.name, volume_ul=one.volume_ul, beads_added=one.beads_added)
        for one in planned
    ]
    beads = {
        one.name: int(rng.binomial(plan.events_of(one), bead_share(plan, one, specimen(plan, one))))
        for one in planned
    }
    number = absolute_counts(study.table, sheet, CountedBy(beads=beads), populations=["T cells"])
    t_cells = study.table[study.table["population"] == "T cells"]
    share = changes(t_cells[t_cells["statistic"] == "fraction_of_CD45+"])
    planted = next(one["shift"] for one in study.planted if one["population"] == "T cells")
    assert paired_t(share).low < planted < paired_t(share).high < 0
    cells = paired_t(changes(number, log=True))
    assert cells.low < 0 < cells.high
    assert cells.p > 0.2


def changes(rows: pd.DataFrame, *, log: bool = False) -> np.ndarray:
    wide = rows.pivot_table(index="subject", columns="timepoint", values="value")
    values = np.log(wide) if log else wide
    return (values["on_treatment"] - values["baseline"]).to_numpy()
