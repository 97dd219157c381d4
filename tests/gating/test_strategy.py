from __future__ import annotations

import json

import pytest

from gating.columns import Dimension
from gating.errors import StrategyError
from gating.gates import Boolean, Interval, Operand
from gating.scales import Logicle
from gating.strategy import GatingStrategy, Population

DIMENSIONS = {"CD3": Dimension("V450-A", Logicle()), "PD-1": Dimension("PE-A", Logicle())}
T = Population("T cells", Interval("CD3", 0.5))
STRATEGY = GatingStrategy(
    DIMENSIONS,
    (
        T,
        Population("CD4 T", Interval("CD3", 0.6), "T cells"),
        Population("PD-1+", Interval("PD-1", 0.4), "T cells/CD4 T"),
        Population("CD8 T", Interval("CD3", 0.55), "T cells"),
        Population("PD-1+", Interval("PD-1", 0.4), "T cells/CD8 T"),
        Population("PD-1-", Boolean("not", (Operand("T cells/CD8 T/PD-1+"),)), "T cells/CD8 T"),
    ),
)


def test_a_population_is_found_by_as_much_of_its_path_as_tells_it_apart() -> None:
    assert STRATEGY.find("CD8 T/PD-1+") == "T cells/CD8 T/PD-1+"
    assert STRATEGY.ancestors("CD8 T/PD-1+") == ("T cells/CD8 T", "T cells")
    assert STRATEGY.children("T cells") == ("T cells/CD4 T", "T cells/CD8 T")
    assert STRATEGY.children() == ("T cells",)


def test_a_name_that_fits_two_populations_is_refused_with_both() -> None:
    with pytest.raises(
        StrategyError, match=r"names 2 populations: T cells/CD4 T/PD-1\+, T cells/CD8 T/PD-1\+"
    ):
        STRATEGY.find("PD-1+")


def test_a_near_miss_is_suggested() -> None:
    with pytest.raises(StrategyError, match="did you mean CD8 T"):
        STRATEGY.find("CD8T")
    with pytest.raises(StrategyError, match=r"did you mean CD8 T/PD-1\+"):
        STRATEGY.find("CD8 T/PD1+")


def test_every_fault_of_a_tree_is_named_at_once() -> None:
    with pytest.raises(StrategyError) as caught:
        GatingStrategy(DIMENSIONS, (T, T, Population("B", Interval("CD19", 0.1), "Lymphocytes")))
    for part in ("'T cells' occurs twice", "parent 'Lymphocytes' of 'B'", "'CD19', which is no dimension"):
        assert part in str(caught.value)


def test_a_strategy_survives_being_written_down() -> None:
    again = GatingStrategy.from_dict(json.loads(json.dumps(STRATEGY.to_dict())))
    assert again.to_dict() == STRATEGY.to_dict()
    assert again.paths == STRATEGY.paths


def test_a_strategy_prints_its_cuts_on_the_linear_scale() -> None:
    first = str(STRATEGY).splitlines()[1]
    assert first.startswith("  T cells  [CD3 >= ")
    cut = float(first.split(">=")[1].rstrip("]").replace(",", ""))
    assert cut == pytest.approx(float(Logicle().inverse(0.5)), abs=0.5)
