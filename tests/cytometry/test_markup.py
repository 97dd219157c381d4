"""What a notebook shows of a run, of a tube and of contrasts: their numbers, and no markup that a name brings along."""

from __future__ import annotations

import pandas as pd
import pytest
from small_run import PATH, t_rows, write_run

from cytometry.markup import facts, table, tree
from cytometry.shown import show_contrasts
from cytometry.store import Run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return write_run(tmp_path_factory.mktemp("run"), t_rows())


def test_a_name_cannot_bring_markup_along() -> None:
    said = (
        table(("a<b",), [("<script>", "x&y")])
        + facts([("<i>", "<b>")])
        + tree(1, {"<u>": (1, 1.0)}, caption="<c>")
    )
    assert not any(tag in said for tag in ("<script>", "<i>", "<b>", "<u>", "<c>"))
    assert "x&amp;y" in said


def test_a_tree_s_bars_are_as_long_as_its_fractions_and_nothing_has_none() -> None:
    said = tree(
        200, {"T": (100, 0.5), "T/CD8": (25, 0.25), "B": (0, float("nan"))}, absent={"NK": "no valley"}
    )
    assert said.index("width:3.00em") < said.index("width:1.50em")
    assert "\N{EN DASH}</td>" in said
    assert "no gate</td><td>no valley" in said


def test_a_tube_shows_its_populations_with_counts_and_percentages(run: Run) -> None:
    tube = next(name for name, about in run.info["tubes"].items() if about["kind"] == "sample")
    found = run.gated(tube)
    said = found._repr_html_()
    assert f"<td>{found.membership.count(PATH['PD-1']):,}</td>" in said
    assert f"{100 * found.membership.fraction(PATH['PD-1']):.3g} %" in said


def test_a_run_shows_what_was_gated_and_where_its_report_is(run: Run) -> None:
    said = run._repr_html_()
    assert f"{(run.tubes['status'] == 'gated').sum()} of {len(run.tubes)} gated" in said
    assert "report.html" in said


def test_contrasts_are_shown_as_sentences_the_declared_ones_first(run: Run) -> None:
    shown = show_contrasts(run.contrasts)
    assert shown.rows[0][0] == "primary"
    assert "changed from 17.5 % (control) to 12.8 % (temsirolimus)" in str(shown).split("\n")[0]
    assert "17.5 %" in shown._repr_html_()
    few = show_contrasts(run.contrasts, at_most=1)
    assert few.rows[1][1] == f"and {len(run.contrasts) - 1} more, in the table of contrasts"


def test_no_contrast_is_said_in_words(run: Run) -> None:
    none = show_contrasts(pd.DataFrame(columns=run.contrasts.columns))
    assert none._repr_html_() == "<p>nothing was compared</p>"
