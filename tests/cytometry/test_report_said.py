"""What the page says in words: keys, caveats and headlines, each only where it is true."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from small_run import Page, t_rows, write_run

from cytometry.panel import Channel
from cytometry.report import write_report
from cytometry.report.closer_grids import decomposition_grid
from cytometry.report.matrices import _proven
from cytometry.report.populations import silent_markers
from cytometry.report.rule_key import key_to
from cytometry.report.signals import reason_of
from cytometry.report.words import MINUS, NO_BREAK, headline, number, ratio, scales_disagree, shift, together
from cytometry.residuals import Residual
from cytometry.store import Run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return write_run(tmp_path_factory.mktemp("run"), t_rows())


def contrast(**other: Any) -> dict[str, Any]:
    row = {
        "unit": "fraction", "design": "paired", "confidence": 0.95, "mean_control": 0.0075, "mean_treated": 0.0040,
        "shift": -0.0035, "shift_low": -0.0077, "shift_high": 0.0007, "test": "paired t on logit",
        "ratio_kind": "odds ratio", "ratio": 0.626, "ratio_low": 0.488, "ratio_high": 0.804,
    }  # fmt: skip
    return row | other


def plain(text: str) -> str:
    return text.replace(NO_BREAK, " ").replace(MINUS, "-")


def test_a_headline_has_the_ratio_where_the_test_is_made_on_its_scale() -> None:
    said = plain(headline(contrast()))
    assert said == "-0.35 points (95 % CI -0.77 to 0.07); odds ratio 0.63 (0.49 to 0.80)"
    assert scales_disagree(contrast())
    assert not scales_disagree(contrast(shift_high=-0.0007))
    net = contrast(test="paired t on percentage points")
    assert headline(net) == shift(net)


def test_an_interval_has_one_number_of_decimals() -> None:
    # An end at -0.01 is told from zero, and its estimate and other end have two decimals as well.
    row = contrast(mean_control=0.12, mean_treated=0.12, shift=0.00004, shift_low=-0.0001, shift_high=0.001)
    assert plain(shift(row)) == "0.00 points (95 % CI -0.01 to 0.10)"
    assert ratio(contrast(ratio=1.02, ratio_low=0.9, ratio_high=1.157)) == "1.02 (0.90 to 1.16)"
    assert ratio(contrast(ratio=0.5, ratio_low=0.0034, ratio_high=3.2)) == "0.500 (0.003 to 3.200)"


def test_the_values_of_one_column_have_one_number_of_decimals() -> None:
    assert [plain(one) for one in together([0.0627, 0.319, float("nan")], "fraction")] == [
        "6.3 %",
        "31.9 %",
        "\N{EN DASH}",
    ]
    assert [plain(one) for one in together([0.000809, 0.037], "fraction")] == ["0.081 %", "3.700 %"]
    assert together([12, 3456], "events") == ["12", "3,456"]
    assert together([], "fraction") == []


def test_the_parts_of_a_shift_are_printed_as_they_are_drawn() -> None:
    parts = pd.DataFrame(
        {
            "part": ["total", "within naive", "within other"],
            "shift": [-0.0299, 0.0013, 0.0],
            "shift_low": [-0.0551, -0.0023, 0.0],
            "shift_high": [-0.0048, 0.0048, 0.0],
        }
    )
    grid = decomposition_grid(parts, contrast())
    said = [[plain(cell.text) for cell in row] for row in grid.rows]
    assert said == [["total", "-2.99 (-5.51 to -0.48)"], ["within naive", "0.13 (-0.23 to 0.48)"]]


def test_a_number_that_rounds_up_a_decade_has_as_many_figures_as_any() -> None:
    assert [number(value) for value in (0.9996, 9.996, 999.6)] == ["1.00", "10.0", "1,000"]


def test_the_key_explains_the_rules_and_options_that_occur_and_no_others() -> None:
    key = key_to(
        ["CD127 < tail 0.995 (side lower, lean 1.5) of CD8 T", "PD-1 >= mixture (apart 4.0), per batch"]
    )
    for said in ("tail:", "side:", "lean:", "mixture:", "apart:", "per batch:", "of:"):
        assert said in key
    for silent in ("valley:", "keep:", "per subject:", "between:"):
        assert silent not in key
    assert key_to(["PD-1+ & TIM-3+"]) == ""


def test_markers_that_the_run_makes_nothing_of_are_named(run: Run) -> None:
    assert silent_markers(run, "T") == ""
    info = {**run.info, "stains": {"T": dict(run.info["stains"]["T"])}}
    info["stains"]["T"]["panel"] = [
        *info["stains"]["T"]["panel"],
        asdict(Channel("R780-A", "LOX-1", "PE", "functional")),
    ]
    assert silent_markers(_with(run, info), "T") == (
        "Of the panel, LOX-1 is in no population and has no median intensity."
    )


def _with(run: Run, info: dict[str, Any]) -> Run:
    import json

    from cytometry.store import open_run

    path = run.folder / "run.json"
    before = path.read_text(encoding="utf-8")
    path.write_text(json.dumps(info), encoding="utf-8")
    try:
        return open_run(run.folder)
    finally:
        path.write_text(before, encoding="utf-8")


def test_a_channel_is_called_by_its_stain_and_not_by_its_detector(run: Run) -> None:
    row = {"tube": "D1_control", "reason": "the light of R660-A changes by -4.5 % over the run"}
    assert reason_of(run, row) == "the CD8 (APC) signal changes by -4.5 % over the run"
    row["reason"] = "the light of the R laser's channels changes by -4.2 %"
    assert reason_of(run, row) == "the signal of the R laser's channels changes by -4.2 %"


def test_a_residual_that_is_proven_is_something_to_look_at() -> None:
    wrong = [Residual("FMO", "single_stain", "B1-A", "R1-A", -0.02, 0.001)]
    notice = _proven("T", wrong, {"B1-A": "CD3", "R1-A": "PD-1"})
    assert notice.title == "T stain: the matrix leaves more than it should in 1 place"
    assert [plain(place) for place in notice.tubes] == ["CD3 in PD-1: -2.00 (0.10) %, over-compensated"]


def test_a_wide_table_says_that_it_scrolls_and_a_narrow_one_does_not(run: Run) -> None:
    page = Page(write_report(run, figures=False))
    wide, hints = page.html.count("<table"), page.html.count('class="hint"')
    assert 0 < hints < wide
    assert "scroll it sideways" in page.text


def test_the_page_speaks_of_signal_and_of_looking(run: Run) -> None:
    text = Page(Path(write_report(run, figures=False))).text
    for word in ("needs eyes", "light of", "Had the cut", " pp "):
        assert word not in text
