"""Watched: a tube's file while it is learnt from, which says which one it is when it cannot be read any more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from cytometry.beads import find_beads
from cytometry.digest import Stamp, stamp
from cytometry.errors import CytometryError
from cytometry.fcs import Tube, read_fcs
from cytometry.panel import Panel
from cytometry.qc import Stretches, kept_events
from cytometry.reading import bytes_of, in_memory
from gating.columns import ArrayEvents, EventsAt, RawEvents
from gating.gathered import Gathered
from gating.scales import Floats

Answer = TypeVar("Answer")
Rows = NDArray[np.intp]


class LostTube(CytometryError):
    """A tube that cannot be read any more."""

    def __init__(self, tube: str, reason: str) -> None:
        self.tube, self.reason = tube, reason
        super().__init__(reason)


class Watched:
    """All events of a tube.

    Parameters
    ----------
    seen
        The stamp of the file when it was hashed.
    mapped
        Whether its file stays mapped from one reading to the next, which is faster; each takes a handle.

    Raises
    ------
    LostTube
        Whenever the file cannot be read.
    """

    def __init__(self, tube: str, file: Path, *, seen: Stamp, mapped: bool) -> None:
        self.tube, self._file, self._seen, self._stays = tube, file, seen, mapped
        self._tube: Tube = self._asked(lambda: read_fcs(file))
        self.channels, self.n_events = self._tube.channels, self._tube.n_events
        self.ranges, self.keywords = self._tube.ranges, self._tube.keywords
        self._held: ArrayEvents | None = None
        self._raw: RawEvents | None = None

    def hold(self, room: int) -> int:
        """Read the tube into memory if it fits into ``room`` bytes; return how many it takes."""
        if bytes_of(self._tube) > room:
            return 0
        self._held = self._asked(lambda: in_memory(self._tube))
        return bytes_of(self._tube)

    def rows(self, panel: Panel, removed: Stretches, shining: Sequence[str]) -> Rows | None:
        """Return the events that rules are shown: all, ``None``, or those that are neither removed nor beads.

        Counting beads are a cloud of their own, denser than any of cells. ``shining`` names the detectors in which they
        shine, where some were added.
        """
        shown = np.ones(self.n_events, dtype=np.bool_)
        if removed:
            shown &= self._asked(lambda: kept_events(self._tube, panel, removed))
        if shining:
            shown &= ~self._asked(lambda: find_beads(self._tube, shining))
        return None if shown.all() else np.flatnonzero(shown)

    def column(self, channel: str, rows: Rows | None = None) -> Floats:
        """Return one channel on the linear scale, for all events or for some rows."""
        if self._held:
            return self._held.column(channel, rows)
        raw = self.raw() if self._stays else None
        if raw is not None:
            return Gathered(raw, self.channels).column(channel, rows)
        return self._asked(lambda: self._tube.column(channel, rows))

    def raw(self) -> RawEvents | None:
        """Return the events as they are stored."""
        if self._held:
            return self._held.raw()
        if self._raw is not None:
            return self._raw
        found = self._asked(self._tube.raw)
        self._raw = found if self._stays else None
        return found

    def check(self) -> None:
        """See that the file is still the one that was hashed."""
        if self._asked(lambda: stamp(self._file)) != self._seen:
            reason = f"{self._file.name}: was written to while it was read; run again when it is complete"
            raise LostTube(self.tube, reason)

    def _asked(self, read: Callable[[], Answer]) -> Answer:
        try:
            return read()
        except OSError as error:
            reason = f"{self._file.name}: cannot be read any more: {error.strerror or error}"
            raise LostTube(self.tube, reason) from error
        except CytometryError as error:
            raise LostTube(self.tube, str(error)) from error


class Kept:
    """Some events of a watched tube, with what its file says of them."""

    def __init__(self, tube: Watched, rows: Rows | None) -> None:
        self._events = tube if rows is None else EventsAt(tube, rows)
        self.channels, self.n_events = tube.channels, self._events.n_events
        self.ranges, self.keywords = tube.ranges, tube.keywords

    def column(self, channel: str, rows: Rows | None = None) -> Floats:
        """Return one channel on the linear scale, for all of them or for some rows."""
        return self._events.column(channel, rows)
