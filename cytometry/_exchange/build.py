"""Build: a strategy out of FlowKit's, gate by gate; what cannot be said is collected, never dropped."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from cytometry._exchange.read import Dimensions
from cytometry.errors import Problem, StudyError
from gating.columns import Dimension
from gating.errors import GatingError
from gating.gates import Boolean, Ellipsoid, Gate, Interval, Operand, Polygon, Rectangle, Shape
from gating.strategy import GatingStrategy, Population

OUTLINE = "outline of {}"
LARGEST = float(np.finfo(np.float64).max)  # an end there is open: Gating-ML wants one end at least
Path: TypeAlias = tuple[str, ...]
Names: TypeAlias = Mapping[Dimension, str]


@dataclass(frozen=True, slots=True)
class Drawn:
    """A population to be: its path, those it needs before it, and its gate once dimensions have names."""

    path: Path
    needs: tuple[Path, ...]
    gate: Callable[[Names], Gate]


@dataclass(slots=True)
class Builder:
    """What is needed to turn FlowKit's gates into populations.

    Parameters
    ----------
    where
        The document, and the sample in it: what errors begin with.
    labels
        ``$PnN`` by what the document writes for it, where that is something else.
    names
        Of populations, by what stands for them in FlowKit's strategy, where that is something else.
    raw
        Dimensions, by place, of the gates at these paths that are not to be compensated.
    """

    theirs: Any
    where: str
    labels: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    raw: Mapping[Path, frozenset[int]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    _quadrants: set[Path] = field(default_factory=set)

    def strategy(self) -> GatingStrategy:
        """Return the strategy.

        Raises
        ------
        StudyError
            With every gate that cannot be read, and why.
        """
        dimensions = Dimensions(self.theirs, self.labels)
        gates = self._gates()
        self._quadrants = {path for path, gate in gates.items() if gate.gate_type == "QuadrantGate"}
        drawn = [one for path, gate in gates.items() for one in self._drawn(path, gate, dimensions)]
        names = dimensions.names()
        populations = []
        for one in self._ordered(drawn):
            try:
                populations.append(Population(one.path[-1], one.gate(names), "/".join(one.path[:-1])))
            except GatingError as error:
                self._refuse(one.path, str(error))
        if not self.problems:
            try:
                return GatingStrategy({names[found]: found for found in names}, tuple(populations))
            except GatingError as error:
                self.problems.append(problem(self.where, str(error)))
        raise StudyError(self.problems)

    def _refuse(self, path: Path, message: str) -> None:
        self.problems.append(problem(f"{self.where}, gate {'/'.join(path)}", message))

    def _gates(self) -> dict[Path, Any]:
        """Return FlowKit's gates by path; a quadrant comes with its gate."""
        import flowkit

        found: dict[Path, Any] = {}
        for name, above in self.theirs.get_gate_ids():
            with suppress(flowkit.exceptions.QuadrantReferenceError):
                found[(*above, name)] = self.theirs.get_gate(name, above)
        return found

    def _drawn(self, path: Path, gate: Any, dimensions: Dimensions) -> list[Drawn]:
        try:
            return list(self._of(gate, self._ours(path), dimensions))
        except (ValueError, KeyError) as error:
            self._refuse(self._ours(path), str(error))
            return []

    def _of(self, gate: Any, ours: Path, dimensions: Dimensions) -> Iterator[Drawn]:
        if gate.gate_type == "BooleanGate":
            operands = [(self._ours((*ref["path"], ref["ref"])), ref["complement"]) for ref in gate.gate_refs]
            made = Boolean(gate.type, tuple(Operand("/".join(p), bool(c)) for p, c in operands))
            yield Drawn(ours, (ours[:-1], *(p for p, _ in operands)), lambda _: made)
            return
        raw = self.raw.get(ours, frozenset())
        read = [dimensions.of(one, is_raw=place in raw) for place, one in enumerate(gate.dimensions)]
        if gate.gate_type == "QuadrantGate":
            by_divider = dict(zip((divider.id for divider in gate.dimensions), read, strict=True))
            for quadrant in gate.quadrants.values():
                used = [by_divider[ref] for ref in quadrant.divider_refs]
                ends = [quadrant.get_divider_range(ref) for ref in quadrant.divider_refs]
                yield Drawn((*ours[:-1], quadrant.id), (ours[:-1],), _box(used, ends))
            return
        shape = _shape(gate, read)
        if not getattr(gate, "use_complement", False):
            yield Drawn(ours, (ours[:-1],), shape)
            return
        outline = (*ours[:-1], OUTLINE.format(ours[-1]))
        yield Drawn(outline, (ours[:-1],), shape)
        outside = Boolean("not", (Operand("/".join(outline)),))
        yield Drawn(ours, (ours[:-1], outline), lambda _: outside)

    def _ours(self, path: Path) -> Path:
        """Return the path of a population, without FlowKit's root and the quadrant gates, which are none."""
        last = len(path) - 1
        kept = (path[n] for n in range(1, last + 1) if n == last or path[: n + 1] not in self._quadrants)
        return tuple(self.names.get(name, name) for name in kept)

    def _ordered(self, drawn: list[Drawn]) -> Iterator[Drawn]:
        """Yield populations in the document's order, those after it that need one which comes later."""
        placed: set[Path] = {()}
        waiting = drawn
        while waiting:
            early = []
            for one in waiting:
                if placed.issuperset(one.needs):
                    placed.add(one.path)
                    yield one
                else:
                    early.append(one)
            if len(early) == len(waiting):
                for one in waiting:
                    absent = ["/".join(path) for path in one.needs if path not in placed]
                    self._refuse(
                        one.path, f"needs {', '.join(absent)}, which is not there or needs it in turn"
                    )
                return
            waiting = early


def problem(where: str, message: str) -> Problem:
    """Return that something of a document cannot be read."""
    return Problem("error", "CYT501", where, message)


def _shape(gate: Any, read: list[Dimension]) -> Callable[[Names], Shape]:
    match gate.gate_type:
        case "RectangleGate":
            return _box(read, [(getattr(d, "min", None), getattr(d, "max", None)) for d in gate.dimensions])
        case "PolygonGate":
            vertices = np.array(gate.vertices, dtype=np.float64)
            return lambda names: Polygon((names[read[0]], names[read[1]]), vertices)
        case "EllipsoidGate":
            mean, covariance = np.array(gate.coordinates), np.array(gate.covariance_matrix)
            size = float(gate.distance_square)
            return lambda names: Ellipsoid(tuple(names[d] for d in read), mean, covariance, size)
        case other:
            msg = f"a {other} is not supported"
            raise ValueError(msg)


def _box(read: list[Dimension], ends: list[tuple[float | None, float | None]]) -> Callable[[Names], Shape]:
    lows = tuple(-np.inf if low is None or low <= -LARGEST else float(low) for low, _ in ends)
    highs = tuple(np.inf if high is None or high >= LARGEST else float(high) for _, high in ends)
    if len(read) == 1:
        return lambda names: Interval(names[read[0]], lows[0], highs[0])
    return lambda names: Rectangle(tuple(names[d] for d in read), lows, highs)
