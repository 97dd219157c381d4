"""Plan: a strategy as a flat list of steps on columns and slots, for one tube's channels and spillover.

A plan is data. It is made once per tube and run on every tile of its events; see the kernels for what a step
does. Populations below the *trunk*, the deepest one that holds all compensated gates, are gated in a frame of the
trunk's events alone, so that only those are compensated.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gating import kernels as k
from gating.columns import Columns
from gating.dimensions import Dimension
from gating.ends import NEAR, linear_ends
from gating.gates import Boolean, Ellipsoid, Gate, Interval, Polygon, Rectangle
from gating.polynomials import polynomials
from gating.scales import Floats, Linear, Scale
from gating.spillover import Spillover
from gating.strategy import GatingStrategy, Population

WORD = 64
OPERATORS = {"and": k.AND, "or": k.OR, "not": k.NOT}


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """Steps, the numbers that they need, how many columns, slots and words of flags they use.

    ``read`` lists the columns that are asked for by themselves.
    """

    steps: NDArray[np.int64]
    numbers: Floats
    integers: NDArray[np.int64]
    n_columns: int
    n_slots: int
    n_words: int
    read: NDArray[np.int64]


def plan_of(strategy: GatingStrategy, columns: Columns, stored: Mapping[str, Stored]) -> Plan:
    """Return the plan of a strategy for columns whose tiles hold channels as they are ``stored``."""
    builder = _Builder(columns, stored)
    builder.build(strategy)
    return builder.finished((), n_words=max(-(-len(strategy.populations) // WORD), 1))


@dataclass(frozen=True, slots=True)
class Stored:
    """Where a channel lies in a row of a tile; its linear value is ``value * step / gain``."""

    place: int
    step: float = 1.0
    gain: float = 1.0


def plan_to_read(
    columns: Columns, names: Sequence[str], stored: Mapping[str, Stored], *, display: bool
) -> Plan:
    """Return the plan that gates nothing and leaves dimensions side by side, on the display or the linear scale."""
    builder = _Builder(columns, stored)
    builder.load(0, names)
    if display:
        first = builder.scaled(0, names, 0)
        read = [first + place for place in range(len(names))]
    else:
        read = [builder.linear(0, columns.dimension(name)) for name in names]
    return builder.finished(read, n_words=1)


def dimensions_of(populations: Iterable[Population]) -> tuple[str, ...]:
    """Return the dimensions that the gates of some populations read."""
    return tuple(dict.fromkeys(name for p in populations for name in p.gate.dimensions))


def channels_of(columns: Columns, names: Sequence[str]) -> tuple[str, ...]:
    """Return the channels that some dimensions need, in the order of the events."""
    named: set[str] = set()
    for name in names:
        dimension = columns.dimension(name)
        for channel in dimension.channels:
            matrix = columns.matrix(channel, dimension)
            named.update(matrix.detectors if matrix else (channel,))
    return tuple(channel for channel in columns.events.channels if channel in named)


def trunk_of(strategy: GatingStrategy, columns: Columns) -> str:
    """Return the deepest population that holds every gate that reads a compensated channel; ``""`` if none does."""
    parents = [p.parent.split("/") for p in strategy.populations if _is_compensated(p, columns)]
    if not parents:
        return ""
    shared = []
    for parts in zip(*parents, strict=False):
        if len(set(parts)) != 1:
            break
        shared.append(parts[0])
    return "/".join(shared)


def _is_compensated(population: Population, columns: Columns) -> bool:
    read = [columns.dimension(name) for name in population.gate.dimensions]
    return any(columns.matrix(channel, d) is not None for d in read for channel in d.channels)


@dataclass(slots=True, eq=False)
class _Builder:
    """Writes steps down; slot and frame 0 are the whole tile, slot and frame 1 the trunk."""

    columns: Columns
    stored: Mapping[str, Stored]
    steps: list[tuple[int, ...]] = field(default_factory=list)
    numbers: list[Floats] = field(default_factory=list)
    n_numbers: int = 0
    integers: list[int] = field(default_factory=list)
    n_columns: int = 0
    n_slots: int = 2
    trunk: str = ""
    slots: dict[str, int] = field(default_factory=dict)
    known: dict[object, int] = field(default_factory=dict)

    def build(self, strategy: GatingStrategy) -> None:
        self.trunk = trunk_of(strategy, self.columns)
        inside = [p for p in strategy.populations if self.frame(p.path)]
        self.load(0, dimensions_of(p for p in strategy.populations if p not in inside))
        for number, population in enumerate(strategy.populations):
            frame = self.frame(population.path)
            source = 1 if frame and population.parent == self.trunk else self.slots.get(population.parent, 0)
            slot = self.slots[population.path] = self.new_slot()
            operands = {p.path: n for n, p in enumerate(strategy.populations[:number])}
            self.gate(population.gate, frame=frame, slot=slot, source=source, operands=operands)
            self.steps.append((k.MARK, frame, 0, slot, number // WORD, number % WORD, 0))
            if population.path == self.trunk:
                self.steps.append((k.FRAME, 0, 0, slot, 0, 0, 0))
                self.load(1, dimensions_of(inside))

    def finished(self, read: Sequence[int], *, n_words: int) -> Plan:
        return Plan(
            steps=np.array(self.steps, dtype=np.int64).reshape(-1, 7),
            numbers=np.concatenate([np.zeros(0), *self.numbers]),
            integers=np.array(self.integers, dtype=np.int64),
            n_columns=max(self.n_columns, 1),
            n_slots=self.n_slots,
            n_words=n_words,
            read=np.array(read, dtype=np.int64),
        )

    def frame(self, path: str) -> int:
        return int(bool(self.trunk) and path.startswith(f"{self.trunk}/"))

    def new_slot(self) -> int:
        self.n_slots += 1
        return self.n_slots - 1

    def new_columns(self, count: int = 1) -> int:
        self.n_columns += count
        return self.n_columns - count

    def say(self, *numbers: ArrayLike) -> int:
        """Write numbers down, and return where they begin."""
        parts = [np.asarray(part, dtype=np.float64).reshape(-1) for part in numbers]
        self.numbers += parts
        self.n_numbers += sum(map(len, parts))
        return self.n_numbers - sum(map(len, parts))

    def load(self, frame: int, names: Sequence[str]) -> None:
        """Load what a frame's gates read: the detectors of each spillover side by side, then single channels."""
        blocks: dict[Spillover, tuple[str, ...]] = {}
        single: dict[str, None] = {}
        for name in names:
            dimension = self.columns.dimension(name)
            for channel in dimension.channels:
                matrix = self.columns.matrix(channel, dimension)
                if matrix:
                    blocks[matrix] = matrix.detectors
                else:
                    single[channel] = None
        wanted = [channel for detectors in blocks.values() for channel in detectors] + list(single)
        if not wanted:
            return
        first = self.new_columns(len(wanted))
        at = len(self.integers)
        self.integers.extend(self.stored[channel].place for channel in wanted)
        factors = self.say([f for c in wanted for f in (self.stored[c].step, self.stored[c].gain)])
        self.steps.append((k.LOAD, frame, first, 0, at, len(wanted), factors))
        for matrix in blocks:
            self.known[frame, matrix] = first
            first += len(matrix.detectors)
        for place, channel in enumerate(single):
            self.known[frame, channel, None] = first + place

    def linear(self, frame: int, dimension: Dimension) -> int:
        """Return the column with a dimension on the linear scale."""
        read = [self.channel(frame, c, self.columns.matrix(c, dimension)) for c in dimension.channels]
        if dimension.ratio is None:
            return read[0]
        key = (frame, dimension.ratio, *read)
        if key not in self.known:
            self.known[key] = self.new_columns()
            ratio = dimension.ratio
            at = self.say(ratio.factor, ratio.shift, ratio.other_shift)
            self.steps.append((k.DIVIDE, frame, self.known[key], 0, *read, at))
        return self.known[key]

    def channel(self, frame: int, channel: str, matrix: Spillover | None) -> int:
        key = (frame, channel, matrix)
        if matrix is not None and key not in self.known:
            self.known[key] = self.new_columns()
            at = self.say(matrix.inverse[:, matrix.detectors.index(channel)])
            n = len(matrix.detectors)
            self.steps.append((k.WEIGH, frame, self.known[key], 0, self.known[frame, matrix], at, n))
        return self.known[key]

    def gate(self, gate: Gate, *, frame: int, slot: int, source: int, operands: Mapping[str, int]) -> None:
        match gate:
            case Interval():
                self.interval(gate, frame=frame, slot=slot, source=source)
            case Rectangle():
                for one in zip(gate.dimensions, gate.lows, gate.highs, strict=True):
                    self.interval(Interval(*one), frame=frame, slot=slot, source=source)
                    source = slot
            case Polygon():
                first = self.scaled(frame, gate.dimensions, source)
                near = [NEAR * max(1.0, float(np.abs(axis).max())) for axis in gate.vertices.T]
                at = self.say(near, gate.vertices)
                self.steps.append((k.POLYGON, frame, slot, source, first, at, len(gate.vertices)))
            case Ellipsoid():
                first = self.scaled(frame, gate.dimensions, source)
                weights = np.linalg.inv(gate.covariance)
                reach = np.sqrt(gate.distance_squared * np.linalg.norm(weights, 2))
                away = NEAR * (1 + gate.distance_squared + 2 * len(gate.mean) * float(reach))
                at = self.say(gate.distance_squared, away, gate.mean, weights)
                self.steps.append((k.ELLIPSOID, frame, slot, source, first, at, len(gate.mean)))
            case Boolean():
                at = len(self.integers)
                for operand in gate.operands:
                    number = operands[operand.population]
                    self.integers += [number // WORD, number % WORD, int(operand.complement)]
                operator = OPERATORS[gate.operator]
                self.steps.append((k.BOOLEAN, frame, slot, source, at, len(gate.operands), operator))

    def interval(self, gate: Interval, *, frame: int, slot: int, source: int) -> None:
        """Compare on the linear scale with the ends carried back to it."""
        dimension, low, high = self.columns.dimension(gate.dimension), gate.low, gate.high
        column = self.linear(frame, dimension)
        # Without arithmetic on the way there is no doubt.
        is_exact = not dimension.ratio and not self.columns.matrix(dimension.channel, dimension)
        ends = linear_ends(dimension.scale, low, high, is_exact=is_exact)
        self.steps.append((k.INTERVAL, frame, slot, source, column, self.say(ends), 0))

    def scaled(self, frame: int, names: Sequence[str], source: int) -> int:
        """Return the first of the columns with dimensions on their display scales, at the places of a slot."""
        key = (frame, source, tuple(names))
        if key not in self.known:
            read = [self.linear(frame, self.columns.dimension(name)) for name in names]
            first = self.known[key] = self.new_columns(len(names))
            for place, (name, column) in enumerate(zip(names, read, strict=True)):
                kind, at = self.scale(self.columns.dimension(name).scale)
                self.steps.append((k.SCALE, frame, first + place, source, column, kind, at))
        return self.known[key]

    def scale(self, scale: Scale) -> tuple[int, int]:
        """Return the kind of a scale and where its numbers begin."""
        if scale in self.known:
            at = self.known[scale]
        elif isinstance(scale, Linear):
            at = self.known[scale] = self.say(scale.t, scale.a)
        elif hasattr(scale, "nodes"):
            at = self.known[scale] = self.say(len(scale.nodes[0]), *scale.nodes)
        else:
            table = polynomials(scale)
            at = self.known[scale] = self.say(table.base, len(table.terms), table.shrink, table.terms)
        kind = k.LINEAR if isinstance(scale, Linear) else k.NODES if hasattr(scale, "nodes") else k.TABLE
        return kind, at
