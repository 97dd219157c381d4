"""Gathered: some events of a tube, read once into memory: a file is slow to ask for a few events again and again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gating.columns import Columns, EventsAt, RawEvents, RawSource, Rows
from gating.scales import Floats


@dataclass(frozen=True, slots=True, eq=False)
class Gathered:
    """Events in memory as they are stored; see :class:`gating.columns.RawEvents`."""

    events: RawEvents
    channels: tuple[str, ...]

    @property
    def n_events(self) -> int:
        """Return the number of events."""
        return len(self.events.values)

    def column(self, channel: str, rows: Rows | None = None) -> Floats:
        """Return one channel on the linear scale, for all events or for some rows."""
        index = self.channels.index(channel)
        stored = self.events.values[:, index]
        values = np.ascontiguousarray(stored if rows is None else stored[rows], dtype=np.float64)
        with np.errstate(over="ignore", invalid="ignore"):
            return np.asarray(values * self.events.steps[index] / self.events.gains[index])

    def raw(self) -> RawEvents:
        """Return the events as they are stored."""
        return self.events


def gather(columns: Columns, rows: Rows) -> Columns:
    """Return some events as columns of their own, to the last bit as they are read one by one.

    Where their way to the linear scale is longer than a factor they stay where they are, and are read when asked for.
    """
    source, wanted = columns.events, rows
    while isinstance(source, EventsAt):
        wanted = source.rows[wanted]
        source = source.events
    raw = source.raw() if isinstance(source, RawSource) else None
    if raw is None:
        return columns.at(rows)
    held = RawEvents(np.asarray(raw.values[wanted]), raw.steps, raw.gains)
    return Columns(Gathered(held, source.channels), columns.dimensions, columns.spillover)
