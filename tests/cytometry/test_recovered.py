"""The page of a simulated study: each planted population beside what the run gated."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cytometry.folder import read_table
from cytometry.pipeline import run as run_study
from cytometry.plots.planted import PlantedShift, planted_shifts
from cytometry.report import write_report
from cytometry.report.endpoint_pairs import pairs_of
from cytometry.report.recovered import recovered, recovered_grid, true_members, worst_recovered
from cytometry.simulate import Truth, read_truth, simulate_study
from cytometry.store import Run, open_run
from cytometry.study import read_study
from gating.agreement import f1

PATHS = ("cells", "cells/live", "cells/live/CD45+", "cells/live/CD45+/CD8 T", "cells/live/CD45+/CD8 T/PD-1+")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return the T stain of one simulated donor, gated."""
    folder = tmp_path_factory.mktemp("simulated")
    study = read_study(simulate_study(folder / "study", subjects=1, batches=1, events=4_000, seed=2))
    tubes = tuple(row for row in study.tubes if row.stain == "T")
    alone = replace(study, stains={"T": study.stains["T"]}, tubes=tubes, comparisons=())
    return run_study(alone, folder / "results")


@pytest.fixture
def truth(run: Run) -> Truth:
    return read_truth(Path(run.info["study_file"]).parent)


def by_hand(folder: Path) -> Truth:
    """Five events: a naive CD8 T cell, a PD-1+ one, the same dead, debris, and a B cell."""
    events = pd.DataFrame(
        {
            "leaf": ["CD8 T", "CD8 T", "CD8 T", "", "B"],
            "subset": ["naive", "EM", "EM", "", ""],
            "fraction": [""] * 5,
            "pd1_state": [False, True, True, False, False],
            "tim3_state": [False] * 5,
            "cytokines": np.zeros(5, dtype=np.uint8),
            "is_doublet": [False] * 5,
            "is_dead": [False, False, True, False, False],
            "is_debris": [False, False, False, True, False],
        }
    )
    events.to_parquet(folder / "A.parquet")
    return Truth(folder, {"tubes": {"A": {"populations": dict.fromkeys(("CD45+", "CD8 T", "CD8 T/PD-1+"))}}})


def test_which_of_five_events_are_truly_what(tmp_path: Path) -> None:
    found = true_members(by_hand(tmp_path), "A", PATHS)
    assert {path.rpartition("/")[2]: mask.astype(int).tolist() for path, mask in found.items()} == {
        "cells": [1, 1, 1, 0, 1],
        "live": [1, 1, 0, 0, 1],
        "CD45+": [1, 1, 0, 0, 1],
        "CD8 T": [1, 1, 0, 0, 0],
        "PD-1+": [0, 1, 0, 0, 0],
    }


def test_populations_that_the_simulator_does_not_know_have_no_truth(tmp_path: Path) -> None:
    assert list(true_members(by_hand(tmp_path), "A", ("Lin-", "gates of my own"))) == []


def test_each_population_is_the_one_that_the_truth_knows(run: Run, truth: Truth) -> None:
    tube = run.tubes.loc[run.tubes["kind"] == "sample", "tube"].iloc[0]
    found = true_members(truth, tube, run.template("T").paths)
    for path, mask in found.items():
        name = "/".join(path.split("/")[-2:])
        if name in ("CD8 T/PD-1+", "CD4 T/naive", "CD4 T/FoxP3+"):
            planted = name.removeprefix("CD4 T/") if "FoxP3" in name else name
            np.testing.assert_array_equal(mask, truth.is_in(tube, planted))


def test_found_populations_stand_beside_the_planted_ones(run: Run, truth: Truth) -> None:
    table = recovered(run, truth)
    assert set(table["tube"]) == set(run.tubes.loc[run.tubes["kind"] == "sample", "tube"])  # no control tubes
    row = table[table["population"].str.endswith("/CD8 T")].iloc[0]
    membership = run.gated(row["tube"]).membership
    true = truth.is_in(row["tube"], "CD8 T")
    assert row["f1"] == f1(true, membership.of(row["population"]))
    assert row["n_true"] == true.sum()
    assert row["base"].endswith("/T cells")
    assert row["fraction_true"] == pytest.approx(true.sum() / truth.is_in(row["tube"], "T cells").sum())
    grid = recovered_grid(table, "T")
    assert len(grid.rows) == table["population"].nunique()
    printed = next(cells for cells in grid.rows if cells[0].text == "CD8 T")
    tubes = table[table["population"] == row["population"]]
    assert printed[2].value == pytest.approx(100 * tubes["fraction_true"].mean())
    assert printed[5].value == pytest.approx(tubes["f1"].median())


def test_a_tube_that_lacks_a_population_asks_for_eyes(run: Run, truth: Truth) -> None:
    table = recovered(run, truth)
    lacking = table["population"].str.endswith("/CD8 T") & (table["tube"] == table["tube"].iloc[0])
    table.loc[lacking, ["f1", "fraction_found"]] = (0.0, np.nan)
    printed = next(cells for cells in recovered_grid(table, "T").rows if cells[0].text == "CD8 T")
    assert (printed[7].text, printed[7].look) == ("1 of 2", True)
    assert printed[5].value == pytest.approx(table[table["population"].str.endswith("/CD8 T")]["f1"].median())


def test_the_page_shows_every_population_and_its_numbers_are_in_a_table(run: Run) -> None:
    text = write_report(run, figures=False).read_text(encoding="utf-8")
    assert "Planted and found, population by population: T stain" in text
    assert set(read_table(run.folder, "planted")["population"]) <= set(run.template("T").paths)


def test_the_worst_populations_are_named_by_their_fraction_and_by_f1() -> None:
    columns = ["stain", "population", "n_true", "f1", "fraction_true", "fraction_found"]
    rows = [
        ("T", "cells", 900, 0.1, 0.9, 0.1),  # a technical gate
        ("T", "A/PD-1+", 100, 0.9, 0.2, 0.1),
        ("T", "B/PD-1+", 100, 0.8, 0.2, 0.21),
        ("T", "B", 99, 0.0, 0.2, 0.8),  # too few true cells
    ]
    said = worst_recovered(pd.DataFrame(rows, columns=columns)).replace("\N{MINUS SIGN}", "-")
    assert "are A PD-1+ [T] -50 % and B PD-1+ [T] +5 %;" in said
    assert "lowest median F1 are B PD-1+ [T] 0.80 and A PD-1+ [T] 0.90." in said


def test_the_truth_of_another_simulation_is_not_shown(run: Run) -> None:
    path = run.folder / "run.json"
    kept = path.read_text(encoding="utf-8")
    info = json.loads(kept)
    info["simulated"]["parameters"]["seed"] = 99
    try:
        path.write_text(json.dumps(info), encoding="utf-8")
        text = write_report(open_run(run.folder), figures=False).read_text(encoding="utf-8")
    finally:
        path.write_text(kept, encoding="utf-8")
    assert "population by population" not in text
    assert "is that of another simulation" in text


def test_a_dot_says_whether_its_interval_holds_what_was_planted() -> None:
    nothing = float("nan")
    shifts = [
        PlantedShift("PD-1+ of CD8 T", -4.1, -4.0, -4.5, -7.0, -2.0),
        PlantedShift("eMDSC of CD45+", -4.1, nothing, -1.0, -2.0, 0.0),
        PlantedShift("Treg of CD4 T", -4.1, nothing, -1.0, nothing, nothing),
    ]
    assert [one.holds for one in shifts] == [True, False, False]
    ax = planted_shifts(shifts)
    dots = {float(dot.get_offsets()[0][1]): dot.get_facecolors()[0][:3].tolist() for dot in ax.collections}
    assert dots[0.0] == [0, 0, 0]
    assert dots[1.0] == [1, 1, 1]
    assert 0 < dots[2.0][0] < 1  # no interval: neither
    assert 1.3 not in dots  # what the truth does not say is not drawn
    intervals = {line.get_gid(): list(line.get_xdata()) for line in ax.lines if line.get_gid()}
    assert intervals == {"interval:0": [-7.0, -2.0], "interval:1": [-2.0, 0.0]}
    assert not planted_shifts([]).get_legend()


def planted_row(**said: object) -> dict[str, object]:
    row = {"stain": "T", "population": "CD8 T/PD-1+", "statistic": "fraction_of_parent", "marker": ""}
    return row | {"comparison": "", "control": 0.168, "treated": 0.127, "shift": -0.041} | said


def contrast_row(**said: object) -> dict[str, object]:
    numbers = {"mean_control": 0.2, "mean_treated": 0.1, "shift": -0.1, "shift_low": -0.2, "shift_high": 0.0}
    ratios = {"ratio": 0.5, "ratio_low": 0.3, "ratio_high": 0.8}
    place = {"stain": "T", "population": "live/CD8 T/PD-1+", "statistic": "fraction_of_parent", "marker": ""}
    made = {"comparison": "24 h", "factor": "timepoint", "treated": "24h", "design": "paired"}
    return (
        place | made | numbers | ratios | dict.fromkeys(("n_control", "n_treated", "n_pairs", "m"), 3) | said
    )


class Contrasts:
    """A run of which only the contrasts are asked for."""

    def __init__(self, *rows: dict[str, object]) -> None:
        self.contrasts = pd.DataFrame(list(rows))


def test_an_endpoint_is_held_against_its_own_comparison() -> None:
    run = Contrasts(contrast_row(comparison="2 h", shift=-0.05), contrast_row(comparison="24 h"))
    (pair,) = pairs_of(run, [planted_row(comparison="24 h")], None)
    assert (pair.estimate, pair.planted, pair.holds) == (-0.1, -0.041, True)
    (first,) = pairs_of(run, [planted_row()], None)  # a study that names none
    assert first.estimate == -0.05
    assert pairs_of(run, [planted_row(comparison="72 h")], None) == []


def test_of_a_median_intensity_the_fold_is_compared() -> None:
    median = {"population": "live/CD8 T", "statistic": "median_intensity", "marker": "pS6"}
    run = Contrasts(contrast_row(**median))
    said = planted_row(
        population="CD8 T", statistic="median_intensity", marker="pS6", control=1600, treated=400
    )
    (pair,) = pairs_of(run, [said], None)
    assert pair.is_fold
    assert (pair.planted, pair.estimate, pair.holds) == (0.25, 0.5, False)
    assert np.isnan(pair.realised)
