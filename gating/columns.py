"""Columns: the events of one tube, compensated and scaled when a gate asks for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from gating.dimensions import Dimension, Ratio
from gating.errors import ColumnsError
from gating.scales import Floats
from gating.spillover import Spillover, compensate

__all__ = [
    "ArrayEvents",
    "Columns",
    "Dimension",
    "EventSource",
    "Ratio",
    "RawEvents",
    "Spillover",
    "compensate",
]
Rows: TypeAlias = NDArray[np.intp]
Reading: TypeAlias = tuple[str, Spillover | None]
Read: TypeAlias = Callable[[Reading, Rows | None], Floats]


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
class RawEvents:
    """Events as they are stored, one row each: linear values are ``values * steps / gains``, channel by channel.

    Parameters
    ----------
    values
        Shape ``(n_events, n_channels)``, numbers of one type in any byte order; may be memory-mapped.
    steps, gains
        Shape ``(n_channels,)``; 1 where the stored number is the linear value.
    """

    values: NDArray[Any]
    steps: Floats
    gains: Floats


@runtime_checkable
class RawSource(Protocol):
    """An event source that may hand out its events as they are stored, which is the fastest way to read them."""

    def raw(self) -> RawEvents | None:
        """Return the events as they are stored, or ``None`` where their way to the linear scale is longer."""
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

    def raw(self) -> RawEvents:
        """Return the events as they are stored: the array itself."""
        ones = np.ones(len(self.channels))
        return RawEvents(self.values, ones, ones)


@dataclass(frozen=True, slots=True, eq=False)
class EventsAt:
    """Some rows of an event source, as an event source of their own."""

    events: EventSource
    rows: Rows

    @property
    def channels(self) -> tuple[str, ...]:
        """Return the channel names, in order."""
        return self.events.channels

    @property
    def n_events(self) -> int:
        """Return the number of events."""
        return len(self.rows)

    def column(self, channel: str, rows: Rows | None = None) -> Floats:
        """Return one channel on the linear scale, for these events or for some of them."""
        return self.events.column(channel, self.rows if rows is None else self.rows[rows])

    def raw(self) -> RawEvents | None:
        """Return these events as they are stored."""
        raw = self.events.raw() if isinstance(self.events, RawSource) else None
        return raw and RawEvents(raw.values[self.rows], raw.steps, raw.gains)


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
        self._linear: dict[Reading, Floats] = {}
        self._scaled: dict[str, Floats] = {}
        named = {channel for dimension in self.dimensions.values() for channel in dimension.channels}
        matrices = {spillover, *(dimension.spillover for dimension in self.dimensions.values())} - {None}
        named.update(detector for matrix in matrices if matrix for detector in matrix.detectors)
        absent = sorted(named - set(events.channels))
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

    def at(self, rows: Rows) -> Columns:
        """Return some of the events, as columns of their own."""
        return Columns(EventsAt(self.events, rows), self.dimensions, self.spillover)

    def matrix(self, channel: str, dimension: Dimension) -> Spillover | None:
        """Return the spillover by which a dimension reads a channel compensated, or ``None``."""
        matrix = dimension.spillover or self.spillover
        return matrix if dimension.compensated and matrix and channel in matrix.detectors else None

    def linear(self, name: str, rows: Rows | None = None) -> Floats:
        """Return a dimension on the linear scale, compensated where it asks for that."""
        return self._linear_values(self.dimension(name), rows, self._read)

    def values(self, name: str, rows: Rows | None = None) -> Floats:
        """Return a dimension on its display scale; NaN where the linear value is not finite."""
        if rows is None:
            if name not in self._scaled:
                self._scaled[name] = _display(self.dimension(name), self.linear(name))
            return self._scaled[name]
        if name in self._scaled:
            return self._scaled[name][rows]
        return _display(self.dimension(name), self.linear(name, rows))

    def points(self, names: Sequence[str], rows: Rows | None = None) -> Floats:
        """Return several dimensions on their display scales, shape ``(n, len(names))``."""
        return np.column_stack([self.values(name, rows) for name in names])

    def exact(self, names: Sequence[str], rows: Rows) -> Floats:
        """Return what :meth:`points` does, in the arithmetic that decides who is inside a gate.

        Compensation solves the matrix, as FlowKit does, instead of multiplying by the inverse: the two differ in
        the last bits, which matters to an event that lies on a boundary.
        """
        found = [self.dimension(name) for name in names]
        return np.column_stack([_display(d, self._linear_values(d, rows, self._solved)) for d in found])

    def dimension(self, name: str) -> Dimension:
        """Return the dimension of that name.

        Raises
        ------
        ColumnsError
            If there is none, naming those there are.
        """
        try:
            return self.dimensions[name]
        except KeyError:
            msg = f"no dimension {name!r}; there are {', '.join(self.dimensions)}"
            raise ColumnsError(msg) from None

    def _linear_values(self, dimension: Dimension, rows: Rows | None, read: Read) -> Floats:
        values = [read((channel, self.matrix(channel, dimension)), rows) for channel in dimension.channels]
        if dimension.ratio is None:
            return values[0]
        ratio, (x, y) = dimension.ratio, values
        with np.errstate(divide="ignore", invalid="ignore"):
            return ratio.factor * ((x - ratio.shift) / (y - ratio.other_shift))

    def _read(self, reading: Reading, rows: Rows | None) -> Floats:
        if rows is None and reading not in self._linear:
            self._linear[reading] = self._weighed(reading, None)
        if reading in self._linear:
            return self._linear[reading] if rows is None else self._linear[reading][rows]
        return self._weighed(reading, rows)

    def _weighed(self, reading: Reading, rows: Rows | None) -> Floats:
        channel, spillover = reading
        if spillover is None:
            return self.events.column(channel, rows)
        weights = spillover.inverse[:, spillover.detectors.index(channel)]
        total: Floats | None = None
        # Summed detector by detector, so that an event's value does not depend on which others are read.
        for detector, weight in zip(spillover.detectors, weights, strict=True):
            if weight != 0:
                term = self._raw(detector, rows) * weight
                with np.errstate(invalid="ignore", over="ignore"):
                    total = term if total is None else total + term
        if total is None:
            msg = f"the inverse spillover is empty for {channel}"
            raise ColumnsError(msg)
        return total

    def _solved(self, reading: Reading, rows: Rows | None) -> Floats:
        channel, spillover = reading
        if spillover is None:
            return self.events.column(channel, rows)
        raw = np.column_stack([self._raw(detector, rows) for detector in spillover.detectors])
        # An event with a value that is not finite must not reach the others that are solved with it.
        finite = np.asarray(np.isfinite(raw).all(axis=1))
        solved = compensate(np.where(finite[:, np.newaxis], raw, 0.0), spillover)
        return np.where(finite, solved[:, spillover.detectors.index(channel)], np.nan)

    def _raw(self, channel: str, rows: Rows | None) -> Floats:
        key = (channel, None)
        if rows is not None and key not in self._linear:
            return self.events.column(channel, rows)
        return self._read(key, rows)


def _display(dimension: Dimension, linear: Floats) -> Floats:
    """Return values on the display scale; what is not finite is inside no gate, whatever a scale makes of it."""
    finite = np.isfinite(linear)
    if finite.all():
        return dimension.scale.forward(linear)
    return np.where(finite, dimension.scale.forward(np.where(finite, linear, 0.0)), np.nan)
