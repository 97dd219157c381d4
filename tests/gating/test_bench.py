"""A tube on the bench: its populations' events are found again from its gates, and little is held."""

from __future__ import annotations

import numpy as np

from gating.bench import Bench, Held
from gating.columns import ArrayEvents, Columns, Dimension
from gating.gates import Boolean, Interval, Operand
from gating.sources import TemplateTube
from gating.strategy import Population


def bench(held: Held, n: int = 2_000) -> tuple[Bench, np.ndarray]:
    values = np.random.default_rng(1).normal(size=(n, 2))
    columns = Columns(ArrayEvents(values, ("A", "B")), {name: Dimension(name) for name in "AB"})
    made = Bench("tube", TemplateTube(columns), seed=1, held=held)
    made.place(Population("high", Interval("A", low=0.5)))
    made.place(Population("low", Interval("B", high=0.0)))
    either = Boolean("or", (Operand("high"), Operand("low")))
    made.place(Population("either", either))
    made.place(Population("far", Interval("B", high=-0.5), "either"))
    return made, values


def test_a_population_shows_the_events_that_its_gates_hold() -> None:
    made, values = bench(Held())
    a, b = values.T
    np.testing.assert_array_equal(made.shown("high", ("B",), 9_999)[:, 0], b[a >= 0.5])
    inside = ((a >= 0.5) | (b < 0)) & (b < -0.5)
    np.testing.assert_array_equal(made.shown("either/far", ("A", "B"), 9_999), values[inside])


def test_a_sample_does_not_depend_on_what_is_held() -> None:
    plenty, _ = bench(Held())
    nothing, _ = bench(Held(most=0))
    for path in ("", "high", "either/far", "high", ""):
        np.testing.assert_array_equal(
            plenty.shown(path, ("A", "B"), 100), nothing.shown(path, ("A", "B"), 100)
        )
        assert len(plenty.shown(path, ("A",), 100)) == 100


def test_what_is_held_stays_within_its_bound() -> None:
    view = Columns(ArrayEvents(np.zeros((1_000, 1)), ("A",)), {"A": Dimension("A")})
    held = Held(most=100_000)
    for number in range(50):
        held.put((f"tube {number}", "", 1_000), view)
    kept = [number for number in range(50) if held.take((f"tube {number}", "", 1_000))]
    assert kept == [48, 49], "48,000 bytes each, the newest stay"
