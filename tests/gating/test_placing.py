"""Placing: gating among the parent's events alone finds what gating from the top finds, to the last event."""

from __future__ import annotations

import numpy as np
import pytest

from gating import placing
from gating.columns import ArrayEvents, Columns, Dimension, RawEvents, Spillover
from gating.gates import Boolean, Interval, Operand, Polygon, Rectangle
from gating.gathered import gather
from gating.membership import assign
from gating.placing import Budget, Placing
from gating.scales import Logicle
from gating.strategy import GatingStrategy, Population

N = 30_000
CUT = float(Logicle().forward(900.0))
PEOPLE = (
    Population("cells", Polygon(("FSC", "A"), np.array([[200, -1], [900, -1], [900, 2], [200, 2]]))),
    Population("A+", Interval("A", low=CUT), "cells"),
    Population("A+B-", Rectangle(("A", "B"), (CUT, -np.inf), (np.inf, CUT)), "cells/A+"),
    Population("rare", Interval("B", low=1.2 * CUT), "cells/A+"),
    Population("either", Boolean("or", (Operand("cells/A+/rare"), Operand("cells/A+/A+B-"))), "cells"),
    Population("last", Interval("FSC", high=500), "cells/either"),
)


def columns() -> Columns:
    rng = np.random.default_rng(7)
    light = np.column_stack([rng.uniform(0, 1000, N), *(10 ** rng.normal(2.5, 0.8, (2, N)))])
    light[rng.random(N) < 0.05, 1] = float(Logicle().inverse(CUT))  # ties lie on the boundary
    light[:40, 2] = np.nan
    spill = Spillover(("a", "b"), np.array([[1, 0.2], [0.1, 1]]))
    names = {
        "FSC": Dimension("f", compensated=False),
        "A": Dimension("a", Logicle()),
        "B": Dimension("b", Logicle()),
    }
    return Columns(ArrayEvents(light.astype(np.float32), ("f", "a", "b")), names, spill)


@pytest.mark.parametrize("order", [(5, 0, 3), (0, 1, 2, 3, 4, 5), (4, 5, 2)])
@pytest.mark.parametrize("at_a_time", [700, 131_072])
@pytest.mark.parametrize("budget", [0, 10 * N])
def test_every_route_to_a_population_finds_the_same_events(
    order: tuple[int, ...], at_a_time: int, budget: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(placing, "AT_A_TIME", at_a_time)
    events = columns()
    whole = assign(GatingStrategy(events.dimensions, PEOPLE), events)
    placed = Placing(events, Budget(budget))
    people = {population.path: population for population in PEOPLE}
    for number in order:
        path = PEOPLE[number].path
        np.testing.assert_array_equal(placed.rows(path, people), whole.rows(path))
    assert whole.count("rare") > 100, "the test says something of rare populations"


def test_tubes_that_do_not_fit_hold_nothing() -> None:
    budget = Budget(25)
    assert [budget.take(10) for _ in range(4)] == [True, True, False, False]


def test_gathered_events_are_to_the_last_bit_those_that_were_left_where_they_are() -> None:
    events = columns()
    rows = np.array([5, 77, 78, 20_000])
    here, there = gather(events, rows), events.at(rows)
    for name in events.dimensions:
        np.testing.assert_array_equal(here.values(name), there.values(name))
    twice = gather(events.at(np.arange(0, N, 3)), np.array([1, 9]))
    np.testing.assert_array_equal(twice.linear("A"), events.linear("A", np.array([3, 27])))


def test_time_steps_and_gains_are_applied_as_a_file_applies_them() -> None:
    class Stored:
        channels, n_events = ("t", "x"), 3

        def raw(self) -> RawEvents:
            return RawEvents(
                np.array([[1, 10], [2, 20], [3, 30]], dtype=">i4"), np.array([0.01, 1]), np.array([1, 4.0])
            )

        def column(self, channel: str, rows: np.ndarray | None = None) -> np.ndarray:
            raise AssertionError("the events are in memory")  # noqa: EM101

    found = gather(Columns(Stored(), {n: Dimension(n, compensated=False) for n in "tx"}), np.array([0, 2]))
    assert found.linear("t").tolist() == [0.01, 0.03]
    assert found.linear("x").tolist() == [2.5, 7.5]
