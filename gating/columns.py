"""Columns: the events of one tube, compensated and scaled when a gate asks for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gating.errors import ColumnsError
from gating.scales import Floats, Linear, Scale, scale_from_dict, scale_to_dict

Rows = NDArray[np.intp]


class EventSource(Protocol):
    """Anything that holds events: an FCS file, an array."""

    @property
    def channels(self) -> tuple[str, ...]:
        """Return the channel names, in order."""
        ...

    @property
    def n_events(self) -> int:
        """Return the number of events."""
        ...

    def column(self, channel: str, rows: Rows | None = None) -> Floats:
        """Return one channel on the linear scale, for all events or for some rows."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class ArrayEvents:
    """Events held in an array of shape ``(n_events, n_channels)``, on the linear scale."""

    values: NDArray[np.floating]
    channels: tuple[str, ...]

    def __post_init__(self) -> None:
        values = np.asarray(self.values)
        channels = tuple(self.channels)
        if values.ndim != 2 or values.shape[1] != len(channels):
            msg = f"{len(channels)} channels need an (n, {len(channels)}) array, not {values.shape}"
            raise ColumnsError(msg)
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "channels", channels)

    @property
    def n_events(self) -> int:
        """Return the number of events."""
        return int(self.values.shape[0])

    def column(self, channel: str, rows: Rows | None = None) -> Floats:
        """Return one channel on the linear scale, for all events or for some rows."""
        column = self.values[:, self.channels.index(channel)]
        return np.asarray(column if rows is None else column[rows], dtype=np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class Spillover:
    """Spill of each fluorochrome (rows) into each detector (columns); the diagonal is 1."""

    detectors: tuple[str, ...]
    matrix: Floats
    inverse: Floats = field(init=False, repr=False)

    def __post_init__(self) -> None:
        detectors = tuple(self.detectors)
        n = len(detectors)
        matrix = np.array(self.matrix, dtype=np.float64)
        if matrix.shape != (n, n):
            msg = f"a spillover of {n} detectors needs a {n} x {n} matrix, not {matrix.shape}"
            raise ColumnsError(msg)
        if len(set(detectors)) != n:
            msg = f"a spillover names each detector once, not {', '.join(detectors)}"
            raise ColumnsError(msg)
        if not np.isfinite(matrix).all() or not np.allclose(np.diag(matrix), 1.0):
            msg = f"a spillover is finite with 1 on its diagonal, not {np.diag(matrix)}"
            raise ColumnsError(msg)
        try:
            inverse = np.linalg.inv(matrix)
        except np.linalg.LinAlgError as error:
            msg = f"the spillover of {', '.join(detectors)} cannot be inverted: two rows say the same"
            raise ColumnsError(msg) from error
        matrix.setflags(write=False)
        inverse.setflags(write=False)
        object.__setattr__(self, "detectors", detectors)
        object.__setattr__(self, "matrix", matrix)
        object.__setattr__(self, "inverse", inverse)


def compensate(raw: ArrayLike, spillover: Spillover) -> Floats:
    """Solve ``raw = true @ spillover``; shapes ``(n_events, p)`` and ``(p, p)``, linear scale."""
    return np.asarray(np.linalg.solve(spillover.matrix.T, np.asarray(raw, dtype=np.float64).T).T)


@dataclass(frozen=True, slots=True)
class Dimension:
    """What a gate reads: a channel, compensated or not, on a scale."""

    channel: str
    scale: Scale = field(default_factory=Linear)
    compensated: bool = True

    def to_dict(self) -> dict[str, Any]:
        """Return the dimension as plain values, for JSON."""
        return {"channel": self.channel, "compensated": self.compensated, "scale": scale_to_dict(self.scale)}

    @classmethod
    def from_dict(cls, description: Mapping[str, Any]) -> Dimension:
        """Build a dimension from the plain values of :meth:`to_dict`."""
        scale = scale_from_dict(description["scale"])
        return cls(description["channel"], scale, bool(description["compensated"]))


class Columns:
    """The events of one tube, by dimension; a column is made when asked for, for the events asked for.

    Parameters
    ----------
    events
        Where the linear values come from.
    dimensions
        By name (the marker, or ``FSC-A`` and the like): the channel and the scale that gates read.
    spillover
        Applied to the dimensions that ask for compensation and whose channel it names; ``None`` for data
        that need none.

    Raises
    ------
    ColumnsError
        If a dimension or the spillover names a channel that the events lack.
    """

    def __init__(
        self, events: EventSource, dimensions: Mapping[str, Dimension], spillover: Spillover | None = None
    ) -> None:
        self.events = events
        self.dimensions = dict(dimensions)
        self.spillover = spillover
        self._linear: dict[tuple[str, bool], Floats] = {}
        self._scaled: dict[str, Floats] = {}
        named = [d.channel for d in self.dimensions.values()] + list(spillover.detectors if spillover else ())
        absent = sorted(set(named) - set(events.channels))
        if absent:
            msg = f"no channel {', '.join(absent)} among {', '.join(events.channels)}"
            raise ColumnsError(msg)

    @property
    def n_events(self) -> int:
        """Return the number of events."""
        return self.events.n_events

    def with_dimensions(self, dimensions: Mapping[str, Dimension]) -> Columns:
        """Return the same events read through other dimensions; linear columns already made are shared."""
        if self.dimensions == dict(dimensions):
            return self
        other = Columns(self.events, dimensions, self.spillover)
        other._linear = self._linear
        return other

    def linear(self, name: str, rows: Rows | None = None) -> Floats:
        """Return a dimension on the linear scale, compensated where it asks for that."""
        dimension = self._dimension(name)
        key = (dimension.channel, dimension.compensated)
        if rows is None:
            if key not in self._linear:
                self._linear[key] = self._read(dimension, None)
            return self._linear[key]
        if key in self._linear:
            return self._linear[key][rows]
        return self._read(dimension, rows)

    def values(self, name: str, rows: Rows | None = None) -> Floats:
        """Return a dimension on its display scale."""
        scale = self._dimension(name).scale
        if rows is None:
            if name not in self._scaled:
                self._scaled[name] = scale.forward(self.linear(name))
            return self._scaled[name]
        if name in self._scaled:
            return self._scaled[name][rows]
        return scale.forward(self.linear(name, rows))

    def points(self, names: Sequence[str], rows: Rows | None = None) -> Floats:
        """Return several dimensions on their display scales, shape ``(n, len(names))``."""
        return np.column_stack([self.values(name, rows) for name in names])

    def _dimension(self, name: str) -> Dimension:
        try:
            return self.dimensions[name]
        except KeyError:
            msg = f"no dimension {name!r}; there are {', '.join(self.dimensions)}"
            raise ColumnsError(msg) from None

    def _read(self, dimension: Dimension, rows: Rows | None) -> Floats:
        spillover = self.spillover
        if not (dimension.compensated and spillover and dimension.channel in spillover.detectors):
            return self.events.column(dimension.channel, rows)
        weights = spillover.inverse[:, spillover.detectors.index(dimension.channel)]
        total: Floats | None = None
        # Summed detector by detector, so that an event's value does not depend on which others are read.
        for detector, weight in zip(spillover.detectors, weights, strict=True):
            if weight != 0:
                term = self._raw(detector, rows) * weight
                total = term if total is None else total + term
        if total is None:
            msg = f"the inverse spillover is empty for {dimension.channel}"
            raise ColumnsError(msg)
        return total

    def _raw(self, channel: str, rows: Rows | None) -> Floats:
        key = (channel, False)
        if key not in self._linear:
            self._linear[key] = self.events.column(channel)
        return self._linear[key] if rows is None else self._linear[key][rows]
