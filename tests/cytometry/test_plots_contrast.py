from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure

from cytometry.compare import compare
from cytometry.plots import contrast_caption, forest, paired_plot, strip_plot
from cytometry.plots.contrast import subject_values, swarm
from cytometry.plots.forest import ratio_ticks
from cytometry.table import Endpoint, as_table

CD8 = "live/T cells/CD8 T"
PD1 = f"{CD8}/PD-1+"
BEFORE, AFTER = (180, 150, 210, 90, 170), (140, 120, 150, 80, 130)


def row(subject: str, arm: str, n: int, **changes: Any) -> dict[str, Any]:
    n_base = changes.get("n_base", 1000)
    return {
        "stain": "T", "tube": f"{subject}_{arm}", "kind": "sample", "stimulus": "", "specimen": f"{subject}_{arm}",
        "subject": subject, "arm": arm, "timepoint": "", "batch": "b1", "population": PD1, "marker": "",
        "statistic": "fraction_of_parent", "base": CD8, "value": n / n_base, "unit": "fraction", "n": n,
        "n_base": n_base, "flag": "", "reason": "",
    } | changes  # fmt: skip


def paired_rows(**changes: Any) -> list[dict[str, Any]]:
    pairs = zip(BEFORE, AFTER, strict=True)
    return [
        row(f"S{i}", arm, n, **changes)
        for i, pair in enumerate(pairs)
        for arm, n in zip(("pre", "post"), pair, strict=True)
    ]


def table(*rows: Mapping[str, Any]) -> pd.DataFrame:
    return as_table(pd.DataFrame(list(rows)))


def contrasts(values: pd.DataFrame, **options: Any) -> pd.DataFrame:
    return compare(values, control="pre", treated="post", **options)


@pytest.fixture(scope="module")
def paired() -> tuple[pd.DataFrame, pd.Series]:
    values = table(*paired_rows(), row("S9", "pre", 400))
    return values, contrasts(values, primary=[Endpoint("PD-1+")]).iloc[0]


@pytest.fixture(scope="module")
def unpaired() -> tuple[pd.DataFrame, pd.Series]:
    values = table(
        *[row(f"A{i}", "pre", n) for i, n in enumerate(BEFORE)],
        *[row(f"B{i}", "post", n) for i, n in enumerate(AFTER[:3])],
    )
    return values, contrasts(values).iloc[0]


def points(ax: Axes) -> np.ndarray:
    return np.vstack([np.asarray(c.get_offsets()) for c in ax.collections if isinstance(c, PathCollection)])


def side_of(ax: Axes) -> Axes:
    (side,) = ax.child_axes
    return side


def test_each_subject_is_one_line_between_its_two_values_in_percent(
    paired: tuple[pd.DataFrame, pd.Series],
) -> None:
    ax = paired_plot(*paired)
    lines = [line.get_ydata() for line in ax.lines if str(line.get_gid()).startswith("pair:")]
    expected = [(before / 10, after / 10) for before, after in zip(BEFORE, AFTER, strict=True)]
    np.testing.assert_allclose(sorted(map(tuple, lines)), sorted(expected))  # type: ignore[arg-type]


def test_a_subject_without_a_pair_is_shown_hollow_and_joined_to_nothing(
    paired: tuple[pd.DataFrame, pd.Series],
) -> None:
    ax = paired_plot(*paired)
    hollow = [c for c in ax.collections if np.allclose(c.get_facecolor(), 1.0) and len(c.get_offsets())]
    assert [np.asarray(c.get_offsets()).tolist() for c in hollow] == [[[0.0, 40.0]]]
    assert [t.get_text() for t in ax.get_xticklabels()] == ["pre\nn = 5", "post\nn = 5"]


def test_control_and_treated_differ_in_shape_as_well_as_colour(
    paired: tuple[pd.DataFrame, pd.Series],
) -> None:
    filled = [c for c in paired_plot(*paired).collections if len(c.get_offsets()) == 5]
    shapes = [len(c.get_paths()[0].vertices) for c in filled]
    assert len(set(shapes)) == 2
    assert not np.allclose(filled[0].get_facecolor(), filled[1].get_facecolor())


def test_the_difference_reads_across_from_the_mean_of_control(paired: tuple[pd.DataFrame, pd.Series]) -> None:
    ax, contrast = paired_plot(*paired), paired[1]
    side = side_of(ax)
    for level, shift in ((contrast["mean_control"], 0.0), (contrast["mean_treated"], contrast["shift"])):
        across = ax.transData.transform((0.0, 100 * level))[1]
        assert side.transData.transform((0.0, 100 * shift))[1] == pytest.approx(across)
    (interval,) = [line for line in side.lines if line.get_gid() == "interval"]
    np.testing.assert_allclose(
        interval.get_ydata(), [100 * contrast["shift_low"], 100 * contrast["shift_high"]]
    )
    assert side.get_ylabel() == "Difference (percentage points)"
    assert ax.get_ylabel() == "PD-1+ (% of CD8 T)"


def test_every_paired_difference_stands_beside_their_mean(paired: tuple[pd.DataFrame, pd.Series]) -> None:
    drawn = sorted(points(side_of(paired_plot(*paired)))[:5, 1])
    np.testing.assert_allclose(
        drawn, sorted((after - before) / 10 for before, after in zip(BEFORE, AFTER, strict=True))
    )


def test_an_unpaired_plot_shows_each_subject_and_joins_none(unpaired: tuple[pd.DataFrame, pd.Series]) -> None:
    ax = strip_plot(*unpaired)
    np.testing.assert_allclose(sorted(points(ax)[:, 1]), sorted(n / 10 for n in (*BEFORE, *AFTER[:3])))
    assert [t.get_text() for t in ax.get_xticklabels()] == ["pre\nn = 5", "post\nn = 3"]
    assert not [line for line in ax.lines if str(line.get_gid()).startswith("pair:")]
    assert side_of(ax).get_ylabel() == "Difference (percentage points)"


def test_a_plot_of_the_wrong_design_is_refused(
    paired: tuple[pd.DataFrame, pd.Series], unpaired: tuple[pd.DataFrame, pd.Series]
) -> None:
    with pytest.raises(ValueError, match="strip_plot draws this one"):
        paired_plot(*unpaired)
    with pytest.raises(ValueError, match="paired_plot draws this one"):
        strip_plot(*paired)


def test_a_contrast_made_from_other_rows_is_refused(paired: tuple[pd.DataFrame, pd.Series]) -> None:
    values, contrast = paired
    with pytest.raises(ValueError, match="give the rows of the table that were compared"):
        paired_plot(values[values["subject"] != "S0"], contrast)


def test_tubes_of_one_subject_are_one_point() -> None:
    values = table(*paired_rows(), row("S0", "pre", 220, tube="S0_again"))
    control, _ = subject_values(values, contrasts(values).iloc[0])
    assert control["S0"] == pytest.approx(0.2)
    assert len(control) == 5


def test_a_median_intensity_keeps_its_own_unit() -> None:
    changes = {
        "population": CD8,
        "base": CD8,
        "marker": "PD-1",
        "statistic": "median_intensity",
        "unit": "intensity",
    }
    rows = [r | {"value": float(r["n"])} for r in paired_rows(**changes)]
    values = table(*rows)
    ax = paired_plot(values, contrasts(values).iloc[0])
    assert ax.get_ylabel() == "Median PD-1 intensity of CD8 T"
    assert side_of(ax).get_ylabel() == "Difference"
    assert points(ax)[:, 1].max() == max(BEFORE)


@pytest.mark.parametrize("levels", [("pre", "post"), ("pre",)])
def test_one_subject_is_drawn_and_no_interval_invented(levels: tuple[str, ...]) -> None:
    lost = {"value": np.nan, "reason": "12 events, fewer than 20"}
    rows = [row("S1", arm, 100, **({} if arm in levels else lost)) for arm in ("pre", "post")]
    values = table(*rows)
    ax = paired_plot(values, contrasts(values).iloc[0])
    assert len(points(ax)) == len(levels)
    assert not [line for child in ax.child_axes for line in child.lines if line.get_gid() == "interval"]


def test_equal_values_are_spread_sideways_and_others_stay() -> None:
    offsets = swarm(np.array([5.0, 5.0, 5.0, 9.0]), width=0.5)
    assert len(set(offsets[:3])) == 3
    assert offsets[3] == 0.0


@pytest.fixture(scope="module")
def many() -> pd.DataFrame:
    rng = np.random.default_rng(4)
    rows = paired_rows()
    for name in ("TIM-3+", "CM"):
        rows += [
            r | {"population": f"{CD8}/{name}", "n": int(n), "value": int(n) / 1000}
            for r, n in zip(paired_rows(), rng.integers(40, 90, 10), strict=True)
        ]
    rows += [r | {"population": f"{CD8}/LAG-3+", "n": 0, "value": 0.0} for r in paired_rows()]
    return contrasts(table(*rows), primary=[Endpoint("PD-1+")])


def test_a_forest_has_a_row_for_every_endpoint_with_its_interval(many: pd.DataFrame) -> None:
    ax = forest(many)
    drawn = {
        line.get_gid(): line.get_xdata() for line in ax.lines if str(line.get_gid()).startswith("interval:")
    }
    tested = many[np.isfinite(many["shift_low"])]
    assert len(drawn) == len(tested) == 3
    np.testing.assert_allclose(
        drawn["interval:1"], [100 * many.loc[0, "shift_low"], 100 * many.loc[0, "shift_high"]]
    )  # type: ignore[arg-type]
    written = [text.get_text() for text in ax.texts]
    assert written[0] == "Primary (Holm, m = 1)"
    assert "PD-1+ (% of CD8 T)" in written
    assert f"{many.loc[0, 'p_adjusted']:.2g}" in written
    assert ax.get_xlabel() == "post minus pre (percentage points)"


def test_an_endpoint_that_was_not_tested_keeps_its_row_and_reason(many: pd.DataFrame) -> None:
    written = [text.get_text() for text in forest(many).texts]
    assert "LAG-3+ (% of CD8 T)" in written
    assert "not tested: every value is zero" in written


def test_endpoints_of_several_units_share_only_a_ratio(many: pd.DataFrame) -> None:
    mixed = many.assign(unit=["fraction", "intensity", "fraction", "fraction"])
    assert forest(mixed).get_xscale() == "log"
    with pytest.raises(ValueError, match="fraction and intensity do not share an axis"):
        forest(mixed, measure="shift")


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0.68, 1.34, [0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3]), (0.4, 11.0, [0.5, 1.0, 2.0, 5.0, 10.0]),
     (0.97, 1.04, [1.0]), (1e-4, 1e4, [10.0**k for k in range(-4, 5)])],
)  # fmt: skip
def test_ratios_are_labelled_with_plain_numbers(low: float, high: float, expected: list[float]) -> None:
    assert ratio_ticks(low, high) == pytest.approx(expected)


def test_a_narrow_forest_keeps_every_row_and_the_adjusted_p(many: pd.DataFrame) -> None:
    ax = forest(many, size="nature1")
    frame = ax.get_figure().bbox.padded(1)  # type: ignore[union-attr]
    boxes = [text.get_window_extent() for text in ax.texts]
    assert all(frame.x0 <= box.x0 and box.x1 <= frame.x1 for box in boxes)
    written = [text.get_text() for text in ax.texts]
    assert {"PD-1+ (% of CD8 T)", "not tested", f"{many.loc[0, 'p_adjusted']:.2g}"} <= set(written)


def test_namesakes_are_told_apart_by_their_parents(many: pd.DataFrame) -> None:
    other = many.iloc[:1].assign(
        population=PD1.replace("CD8", "CD4"), base="live/T cells", statistic="fraction_of_T cells"
    )
    written = [text.get_text() for text in forest(pd.concat([many, other], ignore_index=True)).texts]
    assert {"PD-1+ (% of CD8 T)", "CD4 T / PD-1+ (% of T cells)"} <= set(written)


def test_no_contrasts_give_an_empty_frame_that_says_so(many: pd.DataFrame) -> None:
    assert [text.get_text() for text in forest(many.iloc[:0]).texts] == ["no contrasts"]


def test_a_forest_of_forty_fits_the_page_and_no_row_runs_into_the_next(many: pd.DataFrame) -> None:
    figure = forest(pd.concat([many] * 10, ignore_index=True)).get_figure()
    assert isinstance(figure, Figure)
    assert figure.get_size_inches()[1] * 25.4 <= 170.01
    labels = [text for text in figure.axes[0].texts if text.get_ha() == "right"]
    bottoms = sorted(text.get_window_extent().y0 for text in labels)
    tallest = max(text.get_window_extent().height for text in labels)
    assert np.diff(bottoms).min() > 0.8 * tallest


def test_a_plot_on_given_axes_stays_there(paired: tuple[pd.DataFrame, pd.Series], many: pd.DataFrame) -> None:
    first, second = Figure().subplots(1, 2)
    assert paired_plot(*paired, ax=first) is first
    assert forest(many, ax=second) is second


def test_the_caption_leads_with_the_estimate_and_says_what_the_marks_are(
    paired: tuple[pd.DataFrame, pd.Series],
) -> None:
    said = contrast_caption(paired[1])
    assert said.index("mean paired difference") < said.index("p =")
    assert "n = 5 pairs" in said
    assert "diamond: mean difference with its 95 % confidence interval" in said
    assert "1 without a pair left out: S9" in said
    assert "significant" not in said
