"""The scoreboard says of each bar whether it is held, and leaves out what nobody could score."""

from __future__ import annotations

from bars import bars, bars_text
from cohorts import DESIGNS, INSTEAD, SMALL, cohort
from scoring import JudgedSet, Score

from gating.agreement import Agreement
from gating.template import GatingTemplate, builtin_templates


def judged(name: str, population: str, *f1s: float, events: int = 1000) -> JudgedSet:
    return JudgedSet(
        name,
        tuple(
            Score(str(n), Agreement(population, events, events, f1, f1, 10.0, 10.0))
            for n, f1 in enumerate(f1s)
        ),
    )


def test_a_bar_is_held_by_the_median_tube() -> None:
    (one,) = bars([judged("simulated, first generator: human_t", "CD45+/T cells", 0.5, 0.98, 0.99)])
    assert (one.population, one.bar, one.reached, one.held, one.tubes) == ("T cells", 0.97, 0.98, True, 3)
    (other,) = bars([judged("simulated, second generator: human_t", "CD45+/T cells", 0.5, 0.96, 0.99)])
    assert not other.held


def test_a_population_too_small_to_score_has_no_bar() -> None:
    assert bars([judged("simulated, first generator: human_myeloid", "HLA-DR-/eMDSC", 0.1, events=20)]) == []


def test_m_mdsc_that_are_easy_have_the_higher_bar() -> None:
    path = "CD14+/CD14+CD16-/M-MDSC"
    (usual,) = bars([judged("simulated, first generator: human_myeloid", path, 0.8)])
    (easy,) = bars([judged("simulated, first generator, M-MDSC easy: human_myeloid", path, 0.8)])
    assert (usual.bar, usual.held) == (0.70, True)
    assert (easy.bar, easy.held) == (0.85, False)


def test_what_is_not_held_is_printed_first_and_the_held_are_counted() -> None:
    sets = [
        judged("simulated, first generator: human_t", "CD45+/T cells", 0.99),
        judged("EuroFlow, whole blood", "cells/eosinophils", 0.2),
    ]
    lines = bars_text(sets, []).splitlines()
    assert lines[1].endswith("NOT HELD")
    assert "eosinophils" in lines[1]
    assert lines[-1] == "1 of 2 bars are held"
    assert bars_text([], []) == ""


def test_every_design_has_a_size_and_its_template_is_built_in() -> None:
    assert set(DESIGNS) == set(SMALL)
    assert set(INSTEAD) <= set(DESIGNS)
    assert set(INSTEAD.values()) <= set(builtin_templates())
    for name in DESIGNS:
        plan = cohort(name, generator="second", seed=1)
        markers = {
            one
            for said in plan.stain_tables.values()
            for one in GatingTemplate.builtin(said["template"]).markers
        }
        assert markers
