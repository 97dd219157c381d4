"""Gates: frozen geometry on the display scale. What is inside, and nothing else.

The boundaries are Gating-ML's, as FlowKit draws them: an interval holds its low end and not its high one,
a polygon is even-odd and half-open in y, an ellipsoid is closed. NaN is inside nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gating.errors import GeometryError
from gating.scales import Floats

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Interval:
    """Events with ``low <= x < high`` in one dimension; an open end is infinite."""

    dimension: str
    low: float = -np.inf
    high: float = np.inf

    def __post_init__(self) -> None:
        if not self.low < self.high:
            msg = f"an interval on {self.dimension} needs low < high, not {self.low:g} and {self.high:g}"
            raise GeometryError(msg)

    @property
    def dimensions(self) -> tuple[str, ...]:
        """Return the dimensions that the gate reads."""
        return (self.dimension,)

    def contains(self, points: ArrayLike) -> Mask:
        """Return which of the points, shape ``(n, 1)`` or ``(n,)``, are inside."""
        x = np.asarray(points, dtype=np.float64).reshape(-1)
        return np.asarray((x >= self.low) & (x < self.high))


@dataclass(frozen=True, slots=True)
class Rectangle:
    """Events inside an interval in each of several dimensions."""

    dimensions: tuple[str, ...]
    lows: tuple[float, ...]
    highs: tuple[float, ...]

    def __post_init__(self) -> None:
        if not len(self.dimensions) == len(self.lows) == len(self.highs) > 0:
            msg = f"a rectangle on {', '.join(self.dimensions)} needs one low and one high for each dimension"
            raise GeometryError(msg)
        for interval in zip(self.dimensions, self.lows, self.highs, strict=True):
            Interval(*interval)

    def contains(self, points: ArrayLike) -> Mask:
        """Return which of the points, shape ``(n, d)``, are inside."""
        x = _points(points, len(self.dimensions))
        return np.asarray(((x >= np.array(self.lows)) & (x < np.array(self.highs))).all(axis=1))


@dataclass(frozen=True, slots=True, eq=False)
class Polygon:
    """Events inside a polygon in two dimensions; crossing sides leave holes (even-odd)."""

    dimensions: tuple[str, str]
    vertices: Floats

    def __post_init__(self) -> None:
        vertices = np.array(self.vertices, dtype=np.float64)
        if len(self.dimensions) != 2 or vertices.ndim != 2 or vertices.shape[1] != 2 or len(vertices) < 3:
            msg = f"a polygon needs two dimensions and three vertices or more, not {vertices.shape}"
            raise GeometryError(msg)
        if not np.isfinite(vertices).all():
            msg = f"the polygon on {' x '.join(self.dimensions)} has a vertex that is not finite"
            raise GeometryError(msg)
        vertices.setflags(write=False)
        object.__setattr__(self, "vertices", vertices)

    def contains(self, points: ArrayLike) -> Mask:
        """Return which of the points, shape ``(n, 2)``, are inside."""
        x, y = _points(points, 2).T
        inside = np.zeros(len(x), dtype=np.bool_)
        with np.errstate(invalid="ignore"):
            for (x1, y1), (x2, y2) in zip(self.vertices, np.roll(self.vertices, -1, axis=0), strict=True):
                side = (x2 - x1) * (y - y1) - (x - x1) * (y2 - y1)
                upward = (y1 <= y) & (y < y2) & (side > 0)
                downward = (y2 <= y) & (y < y1) & (side < 0)
                inside ^= upward | downward
        return inside


@dataclass(frozen=True, slots=True, eq=False)
class Ellipsoid:
    """Events within a squared Mahalanobis distance of a mean, in two dimensions or more."""

    dimensions: tuple[str, ...]
    mean: Floats
    covariance: Floats
    distance_squared: float = 1.0

    def __post_init__(self) -> None:
        n = len(self.dimensions)
        mean = np.array(self.mean, dtype=np.float64)
        covariance = np.array(self.covariance, dtype=np.float64)
        if n < 2 or mean.shape != (n,) or covariance.shape != (n, n):
            msg = f"an ellipsoid in {n} dimensions needs {n} means and an {n} x {n} covariance, n at least 2"
            raise GeometryError(msg)
        # In more than two dimensions, where none is drawn, a document's matrix need not be an ellipsoid's: that of
        # Gating-ML's own example is not even symmetric. Its formula decides all the same.
        if n == 2 and not (np.allclose(covariance, covariance.T) and np.linalg.eigvalsh(covariance)[0] > 0):
            msg = f"the covariance of the ellipsoid on {' x '.join(self.dimensions)} is not positive definite"
            raise GeometryError(msg)
        if np.linalg.matrix_rank(covariance) < n:
            msg = f"the covariance of the ellipsoid on {' x '.join(self.dimensions)} cannot be inverted"
            raise GeometryError(msg)
        if not self.distance_squared > 0:
            msg = f"an ellipsoid needs a squared distance above 0, not {self.distance_squared:g}"
            raise GeometryError(msg)
        mean.setflags(write=False)
        covariance.setflags(write=False)
        object.__setattr__(self, "mean", mean)
        object.__setattr__(self, "covariance", covariance)

    def contains(self, points: ArrayLike) -> Mask:
        """Return which of the points, shape ``(n, d)``, are inside."""
        away = _points(points, len(self.dimensions)) - self.mean
        with np.errstate(invalid="ignore", over="ignore"):
            distance = ((away @ np.linalg.inv(self.covariance)) * away).sum(axis=1)
        return np.asarray(distance <= self.distance_squared)


@dataclass(frozen=True, slots=True)
class Operand:
    """A population, or with ``complement`` everything outside it."""

    population: str
    complement: bool = False


@dataclass(frozen=True, slots=True)
class Boolean:
    """Events by their membership of other populations of the same strategy."""

    operator: Literal["and", "or", "not"]
    operands: tuple[Operand, ...]

    def __post_init__(self) -> None:
        if self.operator not in {"and", "or", "not"}:
            msg = f"a boolean gate is and, or, not; it is never {self.operator!r}"
            raise GeometryError(msg)
        if not self.operands or (self.operator == "not" and len(self.operands) != 1):
            msg = f"a boolean {self.operator!r} gate does not take {len(self.operands)} operands"
            raise GeometryError(msg)

    @property
    def dimensions(self) -> tuple[str, ...]:
        """Return the dimensions that the gate reads: none."""
        return ()

    def combine(self, memberships: dict[str, Mask]) -> Mask:
        """Return which events are inside, from the memberships of the operands."""
        masks = [memberships[o.population] ^ o.complement for o in self.operands]
        if self.operator == "not":
            return ~masks[0]
        return np.asarray((np.logical_and if self.operator == "and" else np.logical_or).reduce(masks))


Shape: TypeAlias = Interval | Rectangle | Polygon | Ellipsoid
Gate: TypeAlias = Shape | Boolean


def _points(points: ArrayLike, n: int) -> Floats:
    values = np.asarray(points, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] != n:
        msg = f"a gate in {n} dimensions takes points of shape (n, {n}), not {values.shape}"
        raise GeometryError(msg)
    return values


def gate_to_dict(gate: Gate) -> dict[str, Any]:
    """Return the gate as plain values, for JSON; an open end is ``None``."""
    match gate:
        case Interval():
            return {
                "kind": "interval",
                "dimension": gate.dimension,
                "low": _end(gate.low),
                "high": _end(gate.high),
            }
        case Rectangle():
            ends = {"lows": [_end(v) for v in gate.lows], "highs": [_end(v) for v in gate.highs]}
            return {"kind": "rectangle", "dimensions": list(gate.dimensions), **ends}
        case Polygon():
            return {
                "kind": "polygon",
                "dimensions": list(gate.dimensions),
                "vertices": gate.vertices.tolist(),
            }
        case Ellipsoid():
            return {
                "kind": "ellipsoid",
                "dimensions": list(gate.dimensions),
                "mean": gate.mean.tolist(),
                "covariance": gate.covariance.tolist(),
                "distance_squared": gate.distance_squared,
            }
        case Boolean():
            operands = [{"population": o.population, "complement": o.complement} for o in gate.operands]
            return {"kind": "boolean", "operator": gate.operator, "operands": operands}


def gate_from_dict(description: dict[str, Any]) -> Gate:
    """Build a gate from the plain values of :func:`gate_to_dict`."""
    d = description
    match d.get("kind"):
        case "interval":
            return Interval(d["dimension"], _open(d["low"], -np.inf), _open(d["high"], np.inf))
        case "rectangle":
            lows = tuple(_open(v, -np.inf) for v in d["lows"])
            return Rectangle(tuple(d["dimensions"]), lows, tuple(_open(v, np.inf) for v in d["highs"]))
        case "polygon":
            first, second = d["dimensions"]
            return Polygon((first, second), np.array(d["vertices"]))
        case "ellipsoid":
            mean, covariance = np.array(d["mean"]), np.array(d["covariance"])
            return Ellipsoid(tuple(d["dimensions"]), mean, covariance, float(d["distance_squared"]))
        case "boolean":
            return Boolean(
                d["operator"], tuple(Operand(o["population"], o["complement"]) for o in d["operands"])
            )
        case other:
            msg = f"no gate is of kind {other!r}; there are interval, rectangle, polygon, ellipsoid, boolean"
            raise GeometryError(msg)


def _end(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _open(value: float | None, infinite: float) -> float:
    return infinite if value is None else float(value)
