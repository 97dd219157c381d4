"""Explaining: a gate says where it lies, how it was learnt, how sure it is, and what would change."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from cytometry.console import describe, summary
from cytometry.errors import RunError
from cytometry.explaining import HIGH_END, LOW_END, MEDIAN
from cytometry.folder import read_table, write_table
from cytometry.pipeline import run as run_study
from cytometry.simulate import simulate_study
from cytometry.store import Run, open_run
from cytometry.study import read_study

TUBE = "D01_baseline_T"
POSITIVE = """
[[population]]
name = "{marker}+"
parent = ["CD4 T", "CD8 T"]
cuts = [
  {{ marker = "{marker}", rule = "quantile", quantile = 0.98, source = "fmo", otherwise = {{ rule = "tail" }} }},
]
"""
TEMPLATE = f"""
[template]
name = "small"

[[population]]
name = "cells"
region = {{ rule = "main cloud", x = "FSC-A", y = "SSC-A" }}

[[population]]
name = "T cells"
parent = "cells"
cuts = [{{ marker = "CD3", rule = "valley" }}]

[[population]]
name = "CD4 T"
parent = "T cells"
cuts = [
  {{ marker = "CD4", rule = "valley" }},
  {{ marker = "CD8", keep = "below", rule = "valley" }},
]

[[population]]
name = "CD8 T"
parent = "T cells"
cuts = [
  {{ marker = "CD4", keep = "below", rule = "valley" }},
  {{ marker = "CD8", rule = "valley" }},
]
{POSITIVE.format(marker="PD-1")}
{POSITIVE.format(marker="TIM-3")}
[[population]]
name = "PD-1+TIM-3+"
parent = "CD8 T"
boolean = "PD-1+ & TIM-3+"
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("explained")
    simulate_study(folder / "study", subjects=3, batches=1, events=6_000, seed=4, stains=("T",))
    _use(folder / "study", TEMPLATE)
    return run_study(read_study(folder / "study"), folder / "out")


def _use(study: Path, template: str) -> None:
    """Gate a study by a template of its own, and compare nothing."""
    (study / "small.toml").write_text(template, encoding="utf-8")
    written = (study / "study.toml").read_text(encoding="utf-8").split("[measure]")[0]
    (study / "study.toml").write_text(
        written.replace('template = "human_t"', 'template = "small.toml"'), encoding="utf-8"
    )


def test_a_cut_tells_its_place_source_events_and_what_its_uncertainty_moves(finished: Run) -> None:
    found = finished.explain(TUBE, "CD4 T/TIM-3+")
    line = str(found)
    record = next(r for r in finished.gated(TUBE).gates if r.population == found.population)
    assert f"TIM-3 ≥ {record.linear:,.0f} (linear, 95 % interval" in line
    assert "from CD4 T of B1_T_FMO_TIM-3" in line
    assert f"({found.n:,} of {found.n_parent:,} events)" in line
    assert "moving the cut over its 95 % interval" in line
    assert "% of CD4 T" in line
    assert "without its FMO control" in line


def test_what_a_cut_would_hold_elsewhere_is_counted_on_the_parents_events(finished: Run) -> None:
    found = finished.explain(TUBE, "CD8 T/PD-1+")
    columns, held = finished.columns(TUBE), finished.gated(TUBE).membership
    values = columns.linear("PD-1", held.rows(found.population.rpartition("/")[0]))
    moves = {move.what: move for move in found.moves}
    assert set(moves) == {LOW_END, HIGH_END}
    for move in moves.values():
        assert move.fraction == pytest.approx(np.mean(values >= move.linear), abs=2 / len(values))
    assert moves[LOW_END].fraction >= found.n / found.n_parent >= moves[HIGH_END].fraction


def test_beside_its_cohort_a_cut_says_where_the_median_lies(finished: Run) -> None:
    found = finished.explain(TUBE, "CD4 T")
    assert len(found.lines) == 2, "a line for each of the two cuts"
    assert all("6 cuts of its stain have their median at" in line for line in found.lines)
    assert {move.what for move in found.moves} == {LOW_END, HIGH_END, MEDIAN}


def test_a_combination_says_what_each_of_its_parts_holds(finished: Run) -> None:
    line = str(finished.explain(TUBE, "CD8 T/PD-1+TIM-3+"))
    assert line.startswith("PD-1+TIM-3+ is PD-1+ & TIM-3+; PD-1+TIM-3+ holds")
    assert "PD-1+ alone holds" in line
    assert "TIM-3+ alone holds" in line


def test_a_region_says_what_it_holds(finished: Run) -> None:
    line = str(finished.explain(TUBE, "cells"))
    assert "learnt by main cloud" in line
    assert "of all events" in line


def test_an_unknown_population_is_refused_with_the_near_ones(finished: Run) -> None:
    with pytest.raises(RunError, match=r"did you mean .*CD8 T"):
        finished.explain(TUBE, "CD8T")


def test_the_command_line_tells_every_population_of_a_name(finished: Run) -> None:
    lines = describe(finished, TUBE, "PD-1+")
    assert len(lines) == 2
    assert all(": PD-1 ≥" in line for line in lines)


def test_a_population_that_was_not_found_says_what_was_tried_and_what_is_lost_with_it(tmp_path: Path) -> None:
    simulate_study(tmp_path / "study", subjects=1, batches=1, events=3_000, seed=4, stains=("T",))
    template = (
        '[template]\nname = "small"\n'
        '[[population]]\nname = "T"\ncuts = [{ marker = "CD3", rule = "valley" }]\n'
        '[[population]]\nname = "odd"\nparent = "T"\n'
        'cuts = [{ marker = "CD8", rule = "valley", low = 7, high = 8, otherwise = { rule = "valley", low = 7.5, '
        "high = 8 } }]\n"
        '[[population]]\nname = "below"\nparent = "odd"\ncuts = [{ marker = "CD4", rule = "valley" }]\n'
    )
    _use(tmp_path / "study", template)
    done = run_study(read_study(tmp_path / "study"), tmp_path / "out")
    (line,) = done.explain(TUBE, "odd").lines
    assert line.startswith("odd: no boundary on CD8: no valley")
    assert "tried: valley (low 7, high 8), then valley (low 7.5, high 8)" in line
    assert line.endswith("with it, 1 populations below it are missing")
    assert done.explain(TUBE, "below").lines == ("below: odd was not found in this tube",)


def test_what_stands_out_is_told_and_by_how_much(finished: Run, tmp_path: Path) -> None:
    assert not [line for line in summary(finished) if line.startswith("look:")]
    cut = {"outlying": "cut", "cohort": "batch B1", "cohort_linear": 610.0, "cohort_distance": 9.2}
    (look,) = _looks(finished, tmp_path, {("CD4 T", "CD4"): cut})
    assert look.startswith(f"look: T T cells/CD4 T in {TUBE}: cut on CD4 at ")
    assert look.endswith("9 robust SD from 610, the median of its batch B1")


def test_a_fraction_is_one_fact_whatever_the_cuts_of_its_population(finished: Run, tmp_path: Path) -> None:
    share = {"outlying": "fraction", "fraction": 0.6, "cohort_fraction": 0.3, "fraction_distance": 12.0}
    rest = share | {"fraction": 0.397, "cohort_fraction": 0.7, "fraction_distance": -11.0}
    marked = {
        ("CD4 T", "CD4"): share,
        ("CD4 T", "CD8"): share,
        ("CD8 T", "CD4"): rest,
        ("CD8 T", "CD8"): rest,
    }
    (look,) = _looks(finished, tmp_path, marked)
    assert look == f"look: T T cells/CD4 T in {TUBE}: 60 % of T cells, 30 % in like tubes"


def test_cuts_are_told_before_fractions_and_unsure_ones_before_those(finished: Run, tmp_path: Path) -> None:
    share = {"outlying": "fraction", "fraction": 0.6, "cohort_fraction": 0.3, "fraction_distance": 40.0}
    cut = {"outlying": "cut", "cohort": "stain", "cohort_linear": 610.0, "cohort_distance": 20.0}
    unsure = cut | {"cohort_distance": -10.0, "confidence": 0.1}
    marked = {("CD4 T", "CD4"): share, ("CD8 T", "CD8"): cut, ("T cells", "CD3"): unsure}
    first, second, third = _looks(finished, tmp_path, marked)
    assert "cut on CD3" in first
    assert "cut on CD8" in second
    assert "in like tubes" in third


def _looks(finished: Run, folder: Path, marked: dict[tuple[str, str], dict[str, object]]) -> list[str]:
    """Return what is told of a run in whose table of gates some boundaries of one tube are marked."""
    for name in ("run.json", "gating"):
        (folder / name).symlink_to(finished.folder.resolve() / name)
    for name in ("tubes", "qc", "problems"):
        write_table(folder, name, read_table(finished.folder, name))
    gates = read_table(finished.folder, "gates")
    for (population, marker), told in marked.items():
        mine = gates["population"].str.endswith(f"/{population}") & (gates["marker"] == marker)
        gates.loc[mine & (gates["tube"] == TUBE), list(told)] = list(told.values())
    write_table(folder, "gates", gates)
    return [line for line in summary(open_run(folder)) if line.startswith("look:")]


def test_intervals_reach_the_table_of_gates(finished: Run) -> None:
    gates = finished.gates
    cuts = gates[(gates["rule"] == "quantile") & (gates["status"] != "abstained")]
    assert len(cuts) > 5
    assert (cuts["linear_low"] <= cuts["linear"]).all()
    assert (cuts["linear"] <= cuts["linear_high"]).all()
    assert not any(math.isnan(value) for value in cuts["linear_low"])
