"""Write: a strategy as FlowKit's, under identifiers that XML allows, and the names beside them.

FlowKit's own export cannot be read back where a gate is called ``CD3+``, or where two branches have gates of one
name. So gates are numbered, and each carries its population's name as custom information, which Gating-ML allows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from io import BytesIO
from typing import Any

import numpy as np

from cytometry._exchange.build import LARGEST, problem
from cytometry._exchange.read import OWN
from cytometry._exchange.workspace import GATING, TYPES
from cytometry.errors import Problem, StudyError
from gating.columns import Dimension, Spillover
from gating.gates import Boolean, Ellipsoid, Interval, Polygon, Rectangle, Shape, gate_to_dict
from gating.scales import Arcsinh, Hyperlog, Linear, Log, Logicle, Scale
from gating.strategy import GatingStrategy, Population

TRANSFORMS: Mapping[type, Callable[[Any, Any], Any]] = {
    Linear: lambda made, s: made.LinearTransform(s.t, s.a),
    Log: lambda made, s: made.LogTransform(s.t, s.m),
    Arcsinh: lambda made, s: made.AsinhTransform(s.t, s.m, s.a),
    Logicle: lambda made, s: made.LogicleTransform(s.t, s.w, s.m, s.a),
    Hyperlog: lambda made, s: made.HyperlogTransform(s.t, s.w, s.m, s.a),
}


def with_matrix(strategy: GatingStrategy, spillover: Spillover | None) -> GatingStrategy:
    """Return the strategy with the tube's spillover in its dimensions, so that it stands by itself."""

    def fixed(read: Dimension) -> Dimension:
        matrix = read.spillover or spillover
        if matrix is None or not read.compensated:
            return replace(read, spillover=None)
        is_named = set(read.channels) & set(matrix.detectors)
        return replace(read, compensated=bool(is_named), spillover=matrix if is_named else None)

    dimensions = {name: fixed(read) for name, read in strategy.dimensions.items()}
    return GatingStrategy(dimensions, strategy.populations)


def document(strategy: GatingStrategy, where: str) -> bytes:
    """Return the Gating-ML document of a strategy whose dimensions name their matrices.

    Raises
    ------
    StudyError
        With every population that Gating-ML cannot say.
    """
    import flowkit
    from lxml import etree

    writer = _Writer(strategy, where, flowkit)
    for number, population in enumerate(strategy.populations):
        writer.add(number, population)
    if writer.problems:
        raise StudyError(writer.problems)
    written = BytesIO()
    flowkit.export_gatingml(writer.theirs, written)
    root = etree.fromstring(written.getvalue())
    for gate in root.iterchildren():
        path = writer.paths.get(gate.get(f"{GATING}id"))
        if path is not None:
            said = etree.Element(f"{TYPES}custom_info")
            etree.SubElement(said, "population").text = path.rpartition("/")[2]
            gate.insert(0, said)
    text: bytes = etree.tostring(root, xml_declaration=True, encoding="utf-8", pretty_print=True)
    return text


def differences(one: GatingStrategy, other: GatingStrategy) -> list[str]:
    """Return the paths of the populations that two strategies do not draw alike."""
    drawn, again = _drawn(one), _drawn(other)
    return [path for path in dict.fromkeys([*drawn, *again]) if drawn.get(path) != again.get(path)]


def _drawn(strategy: GatingStrategy) -> dict[str, Any]:
    found = {}
    for population in strategy.populations:
        said = gate_to_dict(population.gate)
        read = [strategy.dimensions[name].to_dict() for name in population.gate.dimensions]
        said.pop("dimension", None)
        found[population.path] = {**said, "dimensions": read}
    return found


@dataclass(slots=True)
class _Writer:
    strategy: GatingStrategy
    where: str
    flowkit: Any
    theirs: Any = field(init=False)
    paths: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    _above: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _named: dict[Any, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.theirs = self.flowkit.GatingStrategy()
        self._above[""] = ("root",)

    def add(self, number: int, population: Population) -> None:
        """Add one population under a number, below its parent's."""
        identifier = f"P{number}"
        above = self._above[population.parent]
        self.paths[identifier] = population.path
        self._above[population.path] = (*above, identifier)
        try:
            self.theirs.add_gate(self._gate(identifier, population), above)
        except ValueError as error:
            self.problems.append(problem(f"{self.where}, gate {population.path}", str(error)))

    def _gate(self, identifier: str, population: Population) -> Any:
        gates, gate = self.flowkit.gates, population.gate
        if isinstance(gate, Boolean):
            paths = [(self._above[o.population], o.complement) for o in gate.operands]
            refs = [{"ref": p[-1], "path": p[:-1], "complement": c} for p, c in paths]
            return gates.BooleanGate(identifier, gate.operator, refs)
        read = [
            self._dimension(self.strategy.dimensions[name], low, high)
            for name, (low, high) in zip(gate.dimensions, _ends(gate), strict=True)
        ]
        match gate:
            case Polygon():
                return gates.PolygonGate(identifier, read, gate.vertices.tolist())
            case Ellipsoid():
                mean, covariance = gate.mean.tolist(), gate.covariance.tolist()
                return gates.EllipsoidGate(identifier, read, mean, covariance, gate.distance_squared)
            case _:
                return gates.RectangleGate(identifier, read)

    def _dimension(self, read: Dimension, low: float | None, high: float | None) -> Any:
        from flowkit import Dimension as TheirDimension
        from flowkit import RatioDimension

        matrix = "uncompensated" if not read.compensated else OWN
        if read.spillover is not None:
            matrix = self._reference(read.spillover, self._matrix)
        scale = None if read.scale == Linear() else self._reference(read.scale, self._scale)
        if read.ratio is None:
            return TheirDimension(read.channel, matrix, scale, range_min=low, range_max=high)
        ratio = self._reference((read.channel, read.ratio), self._ratio)
        made = RatioDimension(ratio, matrix, scale)
        made.min, made.max = low, high
        return made

    def _reference(self, thing: Any, add: Callable[[str, Any], None]) -> str:
        if thing not in self._named:
            identifier = f"R{len(self._named)}"
            add(identifier, thing)
            self._named[thing] = identifier
        return self._named[thing]

    def _matrix(self, identifier: str, matrix: Spillover) -> None:
        detectors = list(matrix.detectors)
        self.theirs.add_comp_matrix(
            identifier, self.flowkit.Matrix(np.array(matrix.matrix), detectors, detectors)
        )

    def _scale(self, identifier: str, scale: Scale) -> None:
        if type(scale) not in TRANSFORMS:
            msg = f"Gating-ML has no scale like {scale.name}"
            raise ValueError(msg)
        self.theirs.add_transform(identifier, TRANSFORMS[type(scale)](self.flowkit.transforms, scale))

    def _ratio(self, identifier: str, divided: tuple[str, Any]) -> None:
        channel, ratio = divided
        numbers = (ratio.factor, ratio.shift, ratio.other_shift)
        made = self.flowkit.transforms.RatioTransform([channel, ratio.other], *numbers)
        self.theirs.add_transform(identifier, made)


def _ends(gate: Shape) -> list[tuple[float | None, float | None]]:
    """Return the ends to be written; one that is open at both has to have one in Gating-ML."""
    match gate:
        case Interval():
            ends = [(gate.low, gate.high)]
        case Rectangle():
            ends = list(zip(gate.lows, gate.highs, strict=True))
        case _:
            return [(None, None)] * len(gate.dimensions)
    written: list[tuple[float | None, float | None]] = []
    for low, high in ends:
        first, last = (None if np.isinf(end) else float(end) for end in (low, high))
        written.append((-LARGEST, None) if first is None and last is None else (first, last))
    return written
