"""The compiled engine against the plain reference: every event, every gate, every way events are stored."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest

from gating import engine
from gating.columns import ArrayEvents, Columns, Dimension, Ratio, Spillover
from gating.gates import Boolean, Ellipsoid, Gate, Interval, Operand, Polygon, Rectangle
from gating.membership import Membership, assign, assign_plainly
from gating.scales import Arcsinh, Biex, FlowJoLog, Hyperlog, Linear, Log, Logicle, Scale
from gating.strategy import GatingStrategy, Population

CHANNELS = ("FSC-A", "SSC-A", "D1", "D2", "D3", "D4", "D5", "D6")
DYES = CHANNELS[2:]
SCALES: tuple[Scale, ...] = (
    Linear(),
    Linear(t=262144.0, a=100.0),
    Log(t=262144.0, m=5.0),
    Arcsinh(t=262144.0, m=4.0, a=0.5),
    Arcsinh.with_cofactor(150.0),
    Logicle(),
    Logicle(t=262144.0, w=1.2, m=4.5, a=0.3),
    Hyperlog(t=262144.0, w=1.0, m=4.5, a=0.0),
    Biex(),
    FlowJoLog(10.0, 4.0),
    Logicle(w=0.0),
)


def spillover(rng: np.random.Generator) -> Spillover:
    n = len(DYES)
    return Spillover(DYES, np.eye(n) + rng.uniform(0, 0.2, (n, n)) * (1 - np.eye(n)))


def recorded(rng: np.random.Generator, n: int) -> np.ndarray:
    """Return events over six decades, below zero, and now and then not a number, infinite or absurdly far out."""
    events = rng.normal(0, 60, (n, len(CHANNELS)))
    events += 10 ** rng.uniform(0, 5.4, events.shape) * (rng.random(events.shape) < 0.8)
    for value in (np.nan, np.inf, -np.inf, 3e38, -3e38, 0.0):
        events[rng.integers(0, n, 9), rng.integers(0, len(CHANNELS), 9)] = value
    return events.astype(np.float32)


def dimensions(rng: np.random.Generator) -> dict[str, Dimension]:
    found = {name: Dimension(name, Linear(), compensated=False) for name in CHANNELS[:2]}
    for dye in DYES:
        one, other = rng.choice(len(SCALES), 2)
        found[f"{dye} compensated"] = Dimension(dye, SCALES[one])
        found[f"{dye} as it is"] = Dimension(dye, SCALES[other], compensated=False)
    found["own matrix"] = Dimension("D2", Logicle(), spillover=spillover(rng))
    found["ratio"] = Dimension("D1", Linear(), compensated=False, ratio=Ratio("D2", 2.0, 1.0, -3.0))
    found["compensated ratio"] = Dimension("D3", Arcsinh(), ratio=Ratio("D4"))
    return found


def random_gate(rng: np.random.Generator, columns: Columns, before: list[str]) -> Gate:
    """Return a gate of any kind, its ends at values that events have: ties are not rare but the rule."""
    names = list(columns.dimensions)

    def some(count: int) -> list[str]:
        return [str(name) for name in rng.choice(names, count, replace=False)]

    def value(name: str) -> float:
        finite = columns.exact([name], rng.integers(0, columns.n_events, 50)).ravel()
        finite = finite[np.isfinite(finite)]
        return float(rng.choice(finite)) if len(finite) else 0.5

    kind = rng.integers(0, 5 if before else 4)
    if kind == 0:
        name = some(1)[0]
        low, high = sorted((value(name), value(name)))
        ends = [(low, np.inf), (-np.inf, high), (low, np.nextafter(high, np.inf))]
        return Interval(name, *ends[rng.integers(3)])
    if kind == 1:
        read = some(int(rng.integers(2, 4)))
        lows = tuple(value(name) for name in read)
        return Rectangle(tuple(read), lows, tuple(np.nextafter(low, np.inf) + abs(low) for low in lows))
    if kind == 2:
        x, y = some(2)
        corners = [(value(x), value(y)) for _ in range(int(rng.integers(3, 9)))]
        return Polygon((x, y), np.array(corners))
    if kind == 3:
        read = some(int(rng.integers(2, 4)))
        mean = np.array([value(name) for name in read])
        return Ellipsoid(tuple(read), mean, np.diag(0.1 + mean**2), float(rng.uniform(0.1, 2)))
    chosen = rng.choice(before, min(len(before), int(rng.integers(1, 4))), replace=False)
    operands = tuple(Operand(str(path), bool(rng.integers(2))) for path in chosen)
    return (
        Boolean("not", operands[:1])
        if rng.random() < 0.3
        else Boolean(["and", "or"][rng.integers(2)], operands)
    )


def random_strategy(rng: np.random.Generator, columns: Columns, count: int) -> GatingStrategy:
    populations: list[Population] = []
    paths: list[str] = []
    for number in range(count):
        parent = str(rng.choice(paths)) if paths and rng.random() < 0.7 else ""
        populations.append(Population(f"P{number}", random_gate(rng, columns, paths), parent))
        paths.append(populations[-1].path)
    return GatingStrategy(columns.dimensions, tuple(populations))


def assert_same(ours: Membership, plain: Membership) -> None:
    assert ours.populations == plain.populations
    assert np.array_equal(ours.sets, plain.sets)
    assert np.array_equal(ours.codes, plain.codes)
    assert ours.codes.dtype == plain.codes.dtype
    assert ours.not_finite == plain.not_finite


@pytest.mark.parametrize("seed", range(25))
def test_engine_and_reference_place_every_event_alike(seed: int) -> None:
    rng = np.random.default_rng(seed)
    events = ArrayEvents(recorded(rng, 9_000), CHANNELS)
    columns = Columns(events, dimensions(rng), spillover(rng))
    strategy = random_strategy(rng, columns, 18)
    assert_same(assign(strategy, columns), assign_plainly(strategy, columns))


@pytest.mark.parametrize(
    "stored",
    [
        lambda e: e.astype(">f4"),
        lambda e: e.astype("<f4"),
        lambda e: e.astype(np.float64),
        lambda e: e.astype(">f8"),
        lambda e: np.asfortranarray(e.astype(np.float64)),
        lambda e: e.astype(np.float32)[:, ::-1][:, ::-1],
        lambda e: np.nan_to_num(e, nan=7, posinf=9, neginf=0).clip(0, 60_000).astype(">u2"),
        lambda e: np.nan_to_num(e, nan=7, posinf=9, neginf=0).clip(-9e4, 9e4).astype(np.int32),
    ],
    ids=["big-endian", "native", "doubles", "big doubles", "by column", "not contiguous", "uint16", "int32"],
)
def test_how_events_are_stored_decides_nothing(stored: Callable[[np.ndarray], np.ndarray]) -> None:
    rng = np.random.default_rng(1)
    columns = Columns(ArrayEvents(stored(recorded(rng, 5_000)), CHANNELS), dimensions(rng), spillover(rng))
    strategy = random_strategy(rng, columns, 15)
    assert_same(assign(strategy, columns), assign_plainly(strategy, columns))


def test_events_on_a_lattice_of_ties_are_placed_by_the_reference_arithmetic() -> None:
    rng = np.random.default_rng(2)
    events = ArrayEvents(rng.integers(0, 12, (20_000, len(CHANNELS))).astype(np.float32) * 100, CHANNELS)
    for matrix in (None, spillover(rng)):
        columns = Columns(events, dimensions(rng), matrix)
        strategy = random_strategy(rng, columns, 20)
        assert_same(assign(strategy, columns), assign_plainly(strategy, columns))


def test_three_hundred_populations_and_more_sets_than_a_byte_counts() -> None:
    rng = np.random.default_rng(3)
    columns = Columns(ArrayEvents(recorded(rng, 30_000), CHANNELS), dimensions(rng), spillover(rng))
    strategy = random_strategy(rng, columns, 300)
    ours = assign(strategy, columns)
    assert ours.codes.dtype == np.uint16
    assert len(ours.sets) > 4 * engine.TILE / 8
    assert_same(ours, assign_plainly(strategy, columns))


def test_more_sets_than_a_tile_has_events() -> None:
    rng = np.random.default_rng(4)
    events = ArrayEvents(rng.normal(0, 1, (60_000, 17)).astype(np.float32), tuple(f"C{n}" for n in range(17)))
    columns = Columns(events, {name: Dimension(name, compensated=False) for name in events.channels})
    populations = tuple(Population(name, Interval(name, low=0.0)) for name in events.channels)
    ours = assign(GatingStrategy(columns.dimensions, populations), columns)
    assert len(ours.sets) > 4 * engine.TILE
    assert ours.codes.dtype == np.uint16
    for place, name in enumerate(events.channels):
        assert np.array_equal(ours.of(name), events.values[:, place] >= 0)


def test_what_is_not_finite_is_outside_every_gate_and_counted() -> None:
    values = np.array([[1.0], [np.nan], [np.inf], [-np.inf]], dtype=np.float32)
    columns = Columns(ArrayEvents(values, ("X",)), {"X": Dimension("X", compensated=False)})
    strategy = GatingStrategy(columns.dimensions, (Population("below", Interval("X", high=5.0)),))
    for found in (assign(strategy, columns), assign_plainly(strategy, columns)):
        assert found.of("below").tolist() == [True, False, False, False]
        assert found.not_finite == 3


@pytest.mark.parametrize("n_events", [0, 1, engine.TILE, engine.TILE + 1])
def test_a_tube_of_any_number_of_events_is_gated(n_events: int) -> None:
    rng = np.random.default_rng(5)
    events = ArrayEvents(rng.uniform(1, 1e4, (n_events, len(CHANNELS))), CHANNELS)
    columns = Columns(events, {name: Dimension(name, Logicle()) for name in DYES}, spillover(rng))
    strategy = GatingStrategy(
        columns.dimensions,
        (Population("a", Interval("D1", low=0.3)), Population("b", Interval("D2", high=0.6), "a")),
    )
    found = assign(strategy, columns)
    assert found.n_events == n_events
    assert_same(found, assign_plainly(strategy, columns))


def test_a_strategy_without_populations_holds_no_event() -> None:
    columns = Columns(ArrayEvents(np.ones((3, 1)), ("X",)), {"X": Dimension("X")})
    assert assign(GatingStrategy({}, ()), columns).counts() == {}


def test_columns_read_at_once_are_those_read_one_by_one() -> None:
    rng = np.random.default_rng(6)
    columns = Columns(ArrayEvents(recorded(rng, 9_000), CHANNELS), dimensions(rng), spillover(rng))
    names = list(columns.dimensions)
    rows = np.sort(rng.choice(columns.n_events, 500, replace=False))
    with np.errstate(over="ignore"):
        slowly = columns.points(names).astype(np.float32)
    at_once = engine.read(columns, names)
    assert np.array_equal(np.isfinite(at_once), np.isfinite(slowly))
    held = np.isfinite(slowly)
    np.testing.assert_allclose(at_once[held], slowly[held], rtol=3e-6, atol=3e-7)
    assert np.array_equal(engine.read(columns, names, rows=rows), at_once[rows], equal_nan=True)


def test_gating_imports_numpy_alone_until_it_gates() -> None:
    code = (
        "import sys, gating, gating.columns, gating.membership, gating.strategy, gating.scales;"
        "heavy = {'numba', 'scipy', 'pandas', 'flowkit', 'matplotlib', 'anndata'} & set(sys.modules);"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
