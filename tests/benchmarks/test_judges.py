"""The judges must be right before what they judge is looked at."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from accuracy import main
from activation import THEIRS, study_of, wells_of
from labelled import HIPC_LABELS, LAYOUTS, judge_layout, tables_of
from outside import by_overlap, metaclusters
from pd1 import _shift
from printing import numbers, plain, rows, table
from scoring import JudgedSet, JudgedTube, score_tube

from gating.columns import ArrayEvents, Columns, Dimension
from gating.learn import learn
from gating.membership import assign
from gating.sources import TemplateTube
from gating.template import GatingTemplate

N = 4_000
TEMPLATE = """\
[template]
name = "two cuts"

[[population]]
name = "T cells"
cuts = [{{ marker = "CD3", rule = "fixed", value = {cd3} }}]

[[population]]
name = "CD8 T"
parent = "T cells"
cuts = [{{ marker = "CD8", rule = "{rule}"{option} }}]

[[population]]
name = "CD4 T"
parent = "T cells"
boolean = "!CD8 T"
"""


def cells() -> tuple[Columns, dict[str, np.ndarray]]:
    """Half the events are T cells, CD3 from 5 to 10, and half of those CD8 T cells, CD8 from 5 to 10."""
    rng = np.random.default_rng(1)
    t_cell = np.arange(N) % 2 == 0
    cd8 = t_cell & (np.arange(N) % 4 == 0)
    values = np.column_stack([rng.uniform(0, 5, N) + 5 * t_cell, rng.uniform(0, 5, N) + 5 * cd8])
    columns = Columns(ArrayEvents(values, ("R1", "R2")), {"CD3": Dimension("R1"), "CD8": Dimension("R2")})
    truth = {"T cells": t_cell, "T cells/CD8 T": cd8, "T cells/CD4 T": t_cell & ~cd8}
    return columns, truth


def judged(
    *, cd3: float = 5.0, cd8: float | None = 5.0, truth: dict[str, np.ndarray] | None = None
) -> JudgedSet:
    """Gate the cells with these cuts, none for ``None``, and score them."""
    columns, true = cells()
    fixed = {"rule": "fixed", "option": f", value = {cd8}"}
    rule = fixed if cd8 is not None else {"rule": "quantile", "option": ", quantile = 0.9999"}  # of too few
    template = GatingTemplate.from_text(TEMPLATE.format(cd3=cd3, **rule))
    strategy = learn(template, {"A": TemplateTube(columns)}, seed=1)["A"].strategy
    tube = JudgedTube("A", columns, strategy, assign(strategy, columns), truth or true)
    return JudgedSet("cells", tuple(score_tube(tube, template)), ("T cells",))


def by_name(found: JudgedSet, name: str) -> dict[str, float]:
    return next(row for row in rows(found) if row["population"].endswith(name))


def test_the_truth_swapped_in_for_the_gates_scores_1() -> None:
    found = judged()
    for row in rows(found):
        assert (row["f1"], row["alone"], row["best"], row["gap"]) == (1, 1, 1, 0)
        assert row["difference"] == row["count_error"] == row["abstained"] == 0


def test_a_shifted_cut_loses_what_it_must_and_the_best_says_that_it_need_not() -> None:
    # CD8 is uniform on 5 to 10 in CD8 T cells: a cut at 6 keeps four fifths of them, and nothing else.
    row = by_name(judged(cd8=6.0), "CD8 T")
    assert row["f1"] == pytest.approx(2 * 0.8 / 1.8, abs=0.02)
    assert row["best"] == 1
    assert row["gap"] == pytest.approx(1 - row["f1"])
    assert row["count_error"] == pytest.approx(-0.2, abs=0.03)
    assert row["difference"] == pytest.approx(-10, abs=1.5)


def test_what_a_gate_above_loses_counts_against_f1_and_not_against_the_gate() -> None:
    row = by_name(judged(cd3=6.0), "CD8 T")
    assert row["f1"] == pytest.approx(2 * 0.8 / 1.8, abs=0.02)
    assert row["alone"] == row["best"] == 1
    assert row["difference"] == pytest.approx(0, abs=2)  # of its parent it is still one half


def test_an_abstention_scores_0_and_so_does_what_rests_on_it() -> None:
    found = judged(cd8=None)
    for name in ("CD8 T", "CD4 T"):
        row = by_name(found, name)
        assert (row["f1"], row["alone"], row["abstained"]) == (0, 0, 1)
        assert row["best"] == 1
        assert np.isnan(row["difference"])
    assert found.overall()["f1"] == 0  # T cells, the root, stand apart


def test_shuffled_labels_fall_to_chance() -> None:
    # Chance for a gate of a share q against a share p of the events is 2pq / (p + q); no threshold does better
    # than to keep everything, 2p / (1 + p), but for luck.
    rng = np.random.default_rng(2)
    shuffled = rng.permutation(np.arange(N) % 4 == 0)
    found = judged(truth={"T cells/CD8 T": shuffled})
    row = by_name(found, "CD8 T")
    assert row["f1"] == pytest.approx(0.25, abs=0.03)
    assert row["best"] == pytest.approx(2 * 0.25 / 1.25, abs=0.02)


def test_the_complement_of_a_single_cut_is_a_cut_and_that_of_two_is_no_box() -> None:
    columns, truth = cells()
    text = TEMPLATE.format(cd3=5.0, rule="fixed", option=", value = 5.0") + (
        '\n[[population]]\nname = "dull"\nboolean = "!bright"\n'
        '\n[[population]]\nname = "bright"\n'
        'cuts = [{ marker = "CD3", rule = "fixed", value = 5.0 }, { marker = "CD8", rule = "fixed", value = 5.0 }]\n'
    )
    template = GatingTemplate.from_text(text)
    strategy = learn(template, {"A": TemplateTube(columns)}, seed=1)["A"].strategy
    true = {**truth, "dull": ~truth["T cells/CD8 T"]}
    found = score_tube(JudgedTube("A", columns, strategy, assign(strategy, columns), true), template)
    scores = {one.agreement.population: one for one in found}
    assert (scores["T cells/CD4 T"].best, scores["T cells/CD4 T"].cuts) == (1, 1)
    assert np.isnan(scores["dull"].best)
    assert scores["dull"].agreement.f1 == 1


def test_a_truth_that_is_not_within_its_parent_is_refused() -> None:
    _, truth = cells()
    with pytest.raises(ValueError, match="true T cells/CD8 T are not all true T cells"):
        judged(truth={**truth, "T cells/CD8 T": ~truth["T cells"]})


def test_f1_is_printed_only_where_the_reference_has_100_events() -> None:
    few = np.zeros(N, dtype=bool)
    few[:99] = True
    row = by_name(judged(truth={"T cells/CD8 T": few}), "CD8 T")
    assert np.isnan(row["f1"])
    assert np.isfinite(row["difference"])
    assert " - " in table(judged(truth={"T cells/CD8 T": few}))


def test_the_table_names_every_population_and_json_knows_no_nan() -> None:
    found = judged(cd8=None)
    text = table(found)
    assert all(name in text for name in ("T cells", "CD8 T", "CD4 T", "root", "1 of 1"))
    assert "NaN" not in str(plain(numbers(found)))
    assert plain({"x": float("nan"), "y": (np.float64(1.5),)}) == {"x": None, "y": [1.5]}


def hipc_table(rng: np.random.Generator, n: int = 3_000) -> pd.DataFrame:
    """CD4 and CD8 T cells of five kinds each, every marker either near 1,000 or near 3,000."""
    kinds = {"TEMRA": (1, 0, 0), "naive": (1, 1, 0), "CM": (0, 1, 0), "EM": (0, 0, 0), "activated": (0, 0, 1)}
    names = list(HIPC_LABELS)
    drawn = rng.choice(len(names), n, p=np.tile([0.1, 0.4, 0.2, 0.2, 0.1], 2) / 2)
    bright = np.array(
        [
            (name.startswith("CD4"), name.startswith("CD8"), *kinds[name.rpartition("/")[2]])
            for name in (names[i] for i in drawn)
        ]
    )[:, [0, 1, 2, 3, 4, 4]]
    values = rng.normal(1_000, 150, (n, 6)) + 2_000 * bright
    columns = ["CD4", "CD8", "CD45RA", "CCR7", "HLADR", "CD38"]
    labels = [float(HIPC_LABELS[names[i]]) for i in drawn]
    return pd.DataFrame(values, columns=columns).assign(label=labels)


def test_a_folder_of_the_same_layout_with_other_files_is_read(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    folder = tmp_path / "cytometree_hipc"
    folder.mkdir()
    hipc_table(rng).to_csv(folder / "donor 1.csv", index=False)
    hipc_table(rng).to_csv(folder / "donor 2.csv.gz", index=False)
    hipc_table(rng, 50).to_csv(folder / "fragment.csv", index=False)
    pd.DataFrame({"CD4": np.zeros(2_000)}).to_csv(folder / "unlabelled.csv", index=False)
    assert list(tables_of(tmp_path, LAYOUTS["hipc"])) == ["donor 1", "donor 2"]
    found = judge_layout(tmp_path, "hipc", with_flowsom=False)
    assert found is not None
    assert found.overall()["f1"] > 0.98
    assert judge_layout(tmp_path, "euroflow") is None


def test_every_labelled_set_that_is_here_is_found(real_data: Path) -> None:
    for key, layout in LAYOUTS.items():
        if any(real_data.glob(layout.files)):
            tables = tables_of(real_data, layout)
            assert tables, key
            markers = {layout.marker(str(column)) for column in next(iter(tables.values())).columns}
            template = GatingTemplate.from_toml(
                Path(__file__).parent / "templates" / f"{layout.template}.toml"
            )
            assert not template.check(markers - {""})


def test_wells_are_those_that_have_events_and_hand_gates(tmp_path: Path) -> None:
    folder = tmp_path / "cytoexplorer_activation"
    for name in ("Activation/W_10.fcs", "Activation/W_9.fcs", "Activation/W_3.fcs"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    for name in ("W_9", "W_10"):
        path = folder / "Activation-GatingSet_derived" / f"{name}.fcs.membership.npz"
        path.parent.mkdir(exist_ok=True)
        path.touch()
    assert wells_of(tmp_path) == ["W_9", "W_10"]
    sheet = "name,OVA_Conc,Treatment\nW_9.fcs,0,Stim-A\nW_10.fcs,0.5,Stim-D\n"
    (folder / "Activation-Experiment-Details.csv").write_text(sheet)
    study = study_of(tmp_path, ["W_9", "W_10"], tmp_path / "study")
    said = (study.parent / "samples.csv").read_text()
    assert '"Stim-A, OVA 0",unstimulated' in said
    assert '"Stim-D, OVA 0.5",sample' in said
    assert set(THEIRS) >= {"cells", "T cells", "CD8 T/CD69+"}


def test_a_cluster_belongs_to_the_population_of_most_of_its_events() -> None:
    clusters = np.array([0, 0, 0, 1, 1, 1, 2, 2, 3, 3])
    truth = {
        "T": np.array([1, 1, 0, 1, 1, 1, 0, 0, 1, 1], dtype=bool),
        "T/CD8": np.array([1, 1, 0, 0, 0, 0, 0, 0, 0, 0], dtype=bool),
        "T/CD4": np.array([0, 0, 0, 1, 1, 1, 0, 0, 0, 0], dtype=bool),
    }
    found = by_overlap(clusters, truth)
    assert found["T/CD4"] == 1
    assert found["T/CD8"] == pytest.approx(2 * 2 / (3 + 2))  # its cluster has a third event
    # The clusters of CD8, of CD4, and of the T cells that are neither.
    assert found["T"] == pytest.approx(2 * 7 / (8 + 7))


@pytest.mark.slow
def test_flowsom_finds_what_is_plainly_there() -> None:
    pytest.importorskip("flowsom")
    kind = np.random.default_rng(5).integers(0, 3, N)  # neither, CD4 T, CD8 T
    values = np.random.default_rng(6).normal(0, 0.3, (N, 2)) + 3 * np.column_stack([kind > 0, kind > 1])
    columns = Columns(ArrayEvents(values, ("R1", "R2")), {"CD3": Dimension("R1"), "CD8": Dimension("R2")})
    before = columns.points(["CD3", "CD8"]).copy()
    kinds = {"T": kind > 0, "T/CD8": kind == 2, "T/CD4": kind == 1}
    found = by_overlap(metaclusters(columns, seed=1), kinds)
    assert min(found.values()) > 0.99
    np.testing.assert_array_equal(columns.points(["CD3", "CD8"]), before)  # it was given a copy


def test_a_difference_between_arms_is_the_mean_of_those_who_have_both() -> None:
    about = {
        f"{subject}{time}": {"subject": subject, "timepoint": time}
        for subject in "ABC"
        for time in ("baseline", "on_treatment")
    }
    fractions = {"Abaseline": 0.2, "Aon_treatment": 0.1, "Bbaseline": 0.3, "Bon_treatment": 0.26}
    values = {tube: fractions.get(tube, float("nan")) for tube in about}
    assert _shift(values, about) == pytest.approx(-7)


def test_a_set_that_is_not_there_is_named_and_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["--only", "hipc", "--data", str(tmp_path), "--jobs", "1"]) == 2
    assert f"not in {tmp_path}, and left out: hipc" in capsys.readouterr().err
    rng = np.random.default_rng(7)
    (tmp_path / "cytometree_hipc").mkdir()
    hipc_table(rng).to_csv(tmp_path / "cytometree_hipc" / "donor.csv", index=False)
    written = tmp_path / "scores.json"
    monkeypatch.setattr("labelled.flowsom", lambda *_, **__: {})  # takes a second, and is tested by itself
    assert (
        main(["--only", "hipc", "wnv", "--data", str(tmp_path), "--jobs", "1", "--json", str(written)]) == 0
    )
    assert "CD4 T/resting/naive" in capsys.readouterr().out
    (found,) = json.loads(written.read_text())["sets"]
    assert found["name"] == "HIPC, T cells"
    assert found["median"]["f1"] > 0.98
