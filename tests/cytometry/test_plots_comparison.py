"""Figures of what was compared: volcano, heat map, functions, subsets, cuts, courses, embedding."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cytometry.plots.axes import MINUS
from cytometry.plots.course import course
from cytometry.plots.cuts import cut_curve
from cytometry.plots.functions import chosen_subsets, function_bars, function_pies
from cytometry.plots.heatmap import heat_map, population_matrix
from cytometry.plots.style import save
from cytometry.plots.subsets import part_plot, subset_plot
from cytometry.plots.volcano import spread, volcano

LEVELS = ("baseline", "on_treatment")


def contrasts(n: int = 30, *, moved: int = 3) -> pd.DataFrame:
    """Return contrasts of which the first ``moved`` have a small p."""
    rng = np.random.default_rng(1)
    p = np.r_[np.full(moved, 1e-5), rng.uniform(0.2, 1.0, n - moved)]
    return pd.DataFrame(
        {
            "comparison": "A",
            "family": ["primary", *["exploratory"] * (n - 1)],
            "stain": "T",
            "population": [f"T cells/P{i}" for i in range(n)],
            "marker": "",
            "statistic": "fraction_of_parent",
            "base": "T cells",
            "control": "baseline",
            "treated": "on_treatment",
            "ratio_kind": "odds ratio",
            "ratio": np.exp(rng.normal(0, 0.3, n)),
            "effect_size_kind": "Hedges g_z",
            "effect_size": np.r_[np.full(moved, -1.0), rng.normal(0, 0.3, n - moved)],
            "p": p,
            "p_adjusted": np.minimum(p * n, 1.0),
        }
    )


def table(n: int = 6, populations: int = 5) -> pd.DataFrame:
    """Return a tidy table of n subjects, twice each."""
    rng = np.random.default_rng(2)
    rows = []
    for i in range(n):
        for level in LEVELS:
            for k in range(populations):
                count = int(rng.integers(20, 200))
                rows.append(
                    {
                        **{
                            "stain": "T",
                            "tube": f"D{i}_{level}",
                            "kind": "sample",
                            "specimen": f"D{i}_{level}",
                        },
                        **{"subject": f"D{i}", "arm": "a", "timepoint": level, "batch": f"B{i % 2}"},
                        **{
                            "population": f"T cells/P{k}",
                            "marker": "",
                            "base": "T cells",
                            "unit": "fraction",
                        },
                        **{
                            "statistic": "fraction_of_parent",
                            "value": count / 1000,
                            "n": count,
                            "n_base": 1000,
                        },
                    }
                )
    return pd.DataFrame(rows)


def subsets() -> pd.DataFrame:
    """Return net subsets of two functions, one of them below its background."""
    values = {"IFN-g+ & TNF-a+": 0.05, "IFN-g+": 0.10, "TNF-a+": -0.01, "": 0.86}
    rows = [
        {
            **{"kind": "sample", "subject": f"D{i}", "timepoint": level, "base": "T cells/CD8 T"},
            **{"positive": name, "n_functions": name.count("+"), "value": value + 0.001 * i},
            "statistic": "net_fraction_of_parent",
        }
        for i in range(4)
        for level in LEVELS
        for name, value in values.items()
    ]
    return pd.DataFrame(rows)


def test_a_volcano_fills_what_its_family_allows_and_nothing_else() -> None:
    ax = volcano(contrasts())
    marks = {c.get_gid(): len(c.get_offsets()) for c in ax.collections if c.get_gid()}
    assert marks == {"primary:filled": 1, "exploratory:filled": 2, "exploratory:open": 27}


def test_a_volcano_without_any_finding_has_no_line_and_says_nothing_of_significance() -> None:
    ax = volcano(contrasts(moved=0))
    assert not [line for line in ax.lines if line.get_linestyle() == "--"]
    said = " ".join(t.get_text() for t in ax.figure.findobj(match=lambda a: hasattr(a, "get_text")))
    assert "significant" not in said


def test_a_volcano_names_the_declared_endpoint_whatever_its_p() -> None:
    rows = contrasts()
    rows.loc[0, ["p", "p_adjusted"]] = 0.99
    said = [t.get_text() for t in volcano(rows, named=3).texts]
    assert any("P0" in text for text in said)
    assert len(said) == 4


def test_a_volcano_of_two_comparisons_is_refused() -> None:
    rows = contrasts()
    rows.loc[0, "comparison"] = "B"
    with pytest.raises(ValueError, match="one comparison"):
        volcano(rows)


def test_an_untested_endpoint_is_counted_beside_the_volcano() -> None:
    rows = contrasts()
    rows.loc[4, "p"] = np.nan
    assert "29 of 30 endpoints" in volcano(rows).get_xlabel()


def test_names_beside_a_volcano_never_touch() -> None:
    places = spread(np.array([0.1, 0.11, 0.12, 0.99, 1.0]), 0.05)
    assert (np.diff(places) >= 0.05 - 1e-12).all()
    assert places[-1] <= 1.0


def test_a_heat_map_compares_specimens_on_log_odds() -> None:
    values, about = population_matrix(table())
    first = table().iloc[0]
    expected = np.log((first["n"] + 0.5) / (first["n_base"] - first["n"] + 0.5))
    assert values.loc["T cells/P0", "D0_baseline"] == pytest.approx(expected)
    assert about.loc["D3_baseline", "batch"] == "B1"


def test_a_heat_map_crosses_what_has_no_value() -> None:
    rows = table()
    rows.loc[rows.index[:2], "value"] = np.nan
    figure = heat_map(rows)
    crosses = [c for c in figure.axes[0].collections if c.get_gid() == "missing"]
    assert len(crosses[0].get_offsets()) == 2


def test_a_heat_map_of_two_specimens_is_refused() -> None:
    with pytest.raises(ValueError, match="three specimens"):
        heat_map(table(n=1))


def test_a_heat_map_says_how_many_populations_it_left_out() -> None:
    figure = heat_map(table(populations=90))
    said = " ".join(t.get_text() for t in figure.axes[0].texts)
    assert re.search(r"\d\d of 90 populations \(largest spread\)", said)


def test_combinations_of_functions_are_drawn_below_zero_where_their_net_is() -> None:
    figure = function_bars(subsets(), levels=LEVELS)
    heights = [patch.get_height() for patch in figure.axes[0].patches]
    assert len(heights) == 6  # three combinations, two levels; the one without any function is left out
    assert min(heights) < 0


def test_a_pie_says_that_negative_means_are_drawn_as_zero() -> None:
    figure = function_pies(subsets(), levels=LEVELS)
    assert "2 mean net fractions below 0 drawn as 0" in " ".join(t.get_text() for t in figure.texts)


def test_the_parent_of_subsets_must_be_named_where_there_are_two() -> None:
    rows = pd.concat([subsets(), subsets().assign(base="T cells/CD4 T")])
    with pytest.raises(ValueError, match="CD8 T, CD4 T"):
        chosen_subsets(rows, levels=LEVELS, factor="timepoint")
    assert set(chosen_subsets(rows, levels=LEVELS, factor="timepoint", base="CD4 T")["base"]) == {
        "T cells/CD4 T"
    }


def test_a_subset_with_few_events_is_hollow_and_in_no_mean() -> None:
    rows = pd.DataFrame(
        [(f"D{i}", level, "naive", 100 if i else 5, 0.1 * (i + 1)) for i in range(3) for level in LEVELS],
        columns=["subject", "level", "subset", "n", "fraction"],
    )
    ax = subset_plot(rows, levels=LEVELS, population="PD-1+")
    bars = [line.get_ydata()[0] for line in ax.lines if line.get_gid() is None]
    assert bars == pytest.approx([25.0, 25.0])


def test_parts_of_a_shift_are_written_with_their_interval() -> None:
    parts = pd.DataFrame(
        {
            "part": ["total", "composition", "within subsets"],
            "shift": [-0.03, 0.01, -0.04],
            "shift_low": [-0.05, 0.0, np.nan],
            "shift_high": [-0.01, 0.02, np.nan],
            "n_pairs": 12,
            "n_control": 12,
            "n_treated": 12,
            "confidence": 0.95,
        }
    )
    said = [t.get_text().replace(MINUS, "-") for t in part_plot(parts).texts]
    assert said == ["-3.00 [-5.00, -1.00]", "+1.00 [+0.00, +2.00]", "-4.00"]


def test_a_curve_of_cuts_counts_those_that_could_not_be_made() -> None:
    cuts = pd.DataFrame(
        {
            "kind": ["own", "own times a factor", "FMO quantile"],
            "cut_linear": [300.0, 600.0, np.nan],
            "shift": [-0.03, -0.02, np.nan],
            "shift_low": [-0.05, -0.04, np.nan],
            "shift_high": [-0.01, 0.0, np.nan],
            "mean_control": [0.16, 0.10, np.nan],
            "mean_treated": [0.13, 0.08, np.nan],
            "confidence": 0.95,
        }
    )
    drawn = cut_curve(cuts, names=("vehicle", "drug"))
    labels = {line.get_label() for line in drawn.child_axes[0].lines}
    assert {"mean, vehicle", "mean, drug"} <= labels
    assert (
        len([at for at in drawn.get_xticks() if 300 <= at <= 600]) >= 3
    )  # within a decade 1, 2 and 5 are too few
    assert "1 cuts could not be made" in cut_curve(cuts).get_xlabel()
    with pytest.raises(ValueError, match="no cut has a shift"):
        cut_curve(cuts.iloc[2:])


def test_a_course_places_doses_by_their_size_and_counts_subjects_at_each() -> None:
    rows = table(n=4, populations=1).assign(
        dose=lambda t: t["timepoint"].map({"baseline": "10", "on_treatment": "100"})
    )
    rows = rows[~((rows["subject"] == "D0") & (rows["dose"] == "100"))]
    endpoint = rows.iloc[0].to_dict()
    ax = course(rows, endpoint, along="dose")
    assert ax.get_xticks().tolist() == [10.0, 100.0]
    assert [t.get_text() for t in ax.get_xticklabels()] == ["10\nn = 4", "100\nn = 3"]


def test_every_figure_is_saved_at_the_width_of_its_journal(tmp_path: Path) -> None:
    figures = {
        "volcano": volcano(contrasts(), size="nature1").figure,
        "bars": function_bars(subsets(), levels=LEVELS),
    }
    figures["map"] = heat_map(table(), size="nature1")
    for name, figure in figures.items():
        (path,) = save(figure, tmp_path / name, formats=("svg",))
        width = float(re.search(r'width="([\d.]+)pt"', path.read_text())[1])  # type: ignore[index]
        assert width * 25.4 / 72 == pytest.approx(89.0, abs=0.5)
        assert "<text" in path.read_text()
