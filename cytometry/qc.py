"""Acquisition quality control: how a tube was recorded, and which stretches of time are taken out of it.

>>> found = check_acquisition(tube, panel, ranges=tube.ranges)
>>> found.checks, found.intervals, found.channels      # what was checked, held to which limit, and what was found
>>> kept = kept_events(tube, panel, found.removed)     # a bool for each event of the file

It sees a tube's events and its panel, and nothing else: no arm, timepoint or subject. Nothing is removed without an
interval that says when, why, and how many events it took.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cytometry._qc.checks import Looked, check_rows
from cytometry._qc.clock import read_clock
from cytometry._qc.course import Course, read_course, within
from cytometry._qc.events import ends
from cytometry._qc.intervals import Interval, find_intervals
from cytometry._qc.light import Slope
from cytometry._qc.limits import FAIL, REASONS, USUAL, Limits
from cytometry.errors import CytometryError
from cytometry.panel import Panel
from gating.columns import EventSource

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "CHANNEL_COLUMNS",
    "COLUMNS",
    "INTERVAL_COLUMNS",
    "REASONS",
    "Acquisition",
    "Interval",
    "Limits",
    "acquisition_checks",
    "channels_table",
    "check_acquisition",
    "checks_table",
    "clock_of",
    "course_table",
    "intervals_table",
    "kept_events",
]

COLUMNS = ("tube", "check", "value", "unit", "limit", "flag", "reason")
INTERVAL_COLUMNS = (
    "tube", "reason", "channel", "start", "stop", "n_events", "share", "removed", "detail",
)  # fmt: skip
CHANNEL_COLUMNS = (
    "tube", "channel", "marker", "slope", "slope_low", "slope_high", "margin_high", "margin_low", "not_finite",
)  # fmt: skip
STAINED, SCATTER = ("viability", "lineage", "functional"), ("scatter",)
WIDTH = "-W"  # so narrow that its ranks jump where nothing happens
END = 0.99  # of the range; the last channel of a log amplifier lies one per cent below its top
DRAWN = 200  # slices of a course that is to be drawn, at the most
Stretches = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Acquisition:
    """What was found of a tube's acquisition: rows of tables, without the tube's name.

    Parameters
    ----------
    n_removed
        Events in the intervals that are removed; one that lies in two counts once.
    failure
        Why the tube cannot be used, where the limits say that it fails.
    lasers
        How the light of each laser changed over the run, where detectors are called after lasers.
    """

    checks: tuple[dict[str, Any], ...]
    intervals: tuple[Interval, ...]
    channels: tuple[dict[str, Any], ...]
    n_removed: int = 0
    failure: str = ""
    lasers: Mapping[str, Slope] = field(default_factory=dict)

    @property
    def removed(self) -> Stretches:
        """Return start and stop of the stretches that are taken out, in seconds since the first event."""
        return tuple((one.start, one.stop) for one in self.intervals if one.removed)


def check_acquisition(
    tube: EventSource, panel: Panel, *, ranges: Sequence[float], limits: Limits = USUAL
) -> Acquisition:
    """Return how a tube was acquired, and what is to be taken out of it.

    Rates, jumps and slopes are against real time. Events are counted from all events; levels and slopes are of at
    most 131,072 events, spread evenly over the run.

    Parameters
    ----------
    ranges
        ``$PnR`` of the tube's channels on the linear scale, in their order.
    limits
        What the study asks.
    """
    clock = clock_of(tube, panel)
    course = Course()
    if tube.n_events:
        course = read_course(
            tube, _watched(tube, panel, STAINED), _watched(tube, panel, SCATTER), clock=clock, limits=limits
        )
    intervals, n_removed, too_much = find_intervals(course, tube.n_events, limits)
    names = [name for name in tube.channels if not name.lower().startswith("time")]
    tops = np.array([_top(ranges[tube.channels.index(name)]) for name in names])
    looked = Looked(tube, panel, clock, course, tuple(names), ends(tube, names, tops), tops)
    checks = check_rows(looked, intervals, n_removed=n_removed, too_much=too_much, limits=limits)
    failure = f"quality control: {too_much}" if too_much and limits.too_much == FAIL else ""
    return Acquisition(
        tuple(checks), intervals, tuple(_channel_rows(looked, panel)), n_removed, failure, course.lasers
    )


def kept_events(tube: EventSource, panel: Panel, removed: Sequence[tuple[float, float]]) -> NDArray[np.bool_]:
    """Return which events of a tube are not in any removed stretch; shape ``(n_events,)``.

    Raises
    ------
    CytometryError
        If something was removed, and the tube has no clock that could say what.
    """
    if not removed:
        return np.ones(tube.n_events, dtype=np.bool_)
    clock = clock_of(tube, panel)
    told = read_clock(tube.column(clock)) if clock else None
    if told is None:
        msg = f"stretches of time were removed from a tube whose {clock or 'channels'} cannot tell the time"
        raise CytometryError(msg)
    return np.asarray(~within(told.seconds, removed))


def clock_of(tube: EventSource, panel: Panel) -> str:
    """Return the tube's time channel; ``""`` if it has none."""
    return next((c.detector for c in panel.channels if c.role == "time" and c.detector in tube.channels), "")


def acquisition_checks(
    name: str, tube: EventSource, panel: Panel, *, ranges: Sequence[float], limits: Limits = USUAL
) -> pd.DataFrame:
    """Return the checks of one tube by themselves: those of :func:`check_acquisition`, columns ``COLUMNS``."""
    return checks_table(name, check_acquisition(tube, panel, ranges=ranges, limits=limits))


def checks_table(tube: str, found: Acquisition) -> pd.DataFrame:
    """Return a row per check, columns ``COLUMNS``."""
    return _frame(tube, found.checks, COLUMNS)


def intervals_table(tube: str, found: Acquisition) -> pd.DataFrame:
    """Return a row per interval, columns ``INTERVAL_COLUMNS``."""
    return _frame(tube, [asdict(one) for one in found.intervals], INTERVAL_COLUMNS)


def channels_table(tube: str, found: Acquisition) -> pd.DataFrame:
    """Return a row per channel, columns ``CHANNEL_COLUMNS``."""
    return _frame(tube, found.channels, CHANNEL_COLUMNS)


def course_table(
    tube: EventSource, panel: Panel, *, removed: Sequence[tuple[float, float]] = ()
) -> pd.DataFrame:
    """Return the run of a tube, to be drawn: a row per slice of time, at most 200; empty without a clock.

    Columns: ``start`` and ``stop`` in seconds since the first event; ``n_events``; ``rate`` in events per second;
    ``removed``, the share of the slice's events that are taken out; and for each detector that carries a signal
    the median of its events, as recorded, NaN for a slice without any.
    """
    import pandas as pd

    watched = [*_watched(tube, panel, SCATTER), *_watched(tube, panel, STAINED)]
    clock = clock_of(tube, panel)
    told = read_clock(tube.column(clock)) if clock and tube.n_events else None
    if told is None:
        return pd.DataFrame(columns=["start", "stop", "n_events", "rate", "removed", *watched])
    ticks = max(round(float(told.running[-1]) / told.tick), 1) + 1
    width = -(-ticks // DRAWN) * told.tick
    rows = np.flatnonzero(np.isfinite(told.seconds))
    at = ((told.seconds[rows] + told.tick / 2) / width).astype(np.int64)
    count = int(at.max()) + 1
    n_events = np.bincount(at, minlength=count)
    out = np.bincount(at, within(told.seconds[rows], removed), minlength=count)
    edges = np.arange(count + 1) * width
    said: dict[str, Any] = {"start": edges[:-1], "stop": edges[1:], "n_events": n_events}
    said |= {"rate": n_events / width, "removed": out / np.maximum(n_events, 1)}
    medians = {name: pd.Series(tube.column(name)[rows]).groupby(at).median() for name in watched}
    return pd.DataFrame(said | {name: one.reindex(range(count)) for name, one in medians.items()})


def _watched(tube: EventSource, panel: Panel, roles: tuple[str, ...]) -> list[str]:
    """Return the detectors that carry a signal, of channels with these roles."""
    named = [c.detector for c in panel.channels if c.role in roles and c.detector in tube.channels]
    return [name for name in named if not name.upper().endswith(WIDTH)]


def _top(top: float) -> float:
    return END * top if np.isfinite(top) and top > 1 else np.inf


def _channel_rows(looked: Looked, panel: Panel) -> list[dict[str, Any]]:
    markers = {channel.detector: channel.marker for channel in panel.channels}
    n_events = max(looked.tube.n_events, 1)
    rows = []
    for place, name in enumerate(looked.channels):
        slope = looked.course.slopes.get(name)
        row: dict[str, Any] = {"channel": name, "marker": markers.get(name, "")}
        row["slope"], row["slope_low"], row["slope_high"] = (
            (slope.value, slope.low, slope.high) if slope else (np.nan, np.nan, np.nan)
        )
        row["margin_high"] = float(looked.ends.high[place] / n_events)
        row["margin_low"] = float(looked.ends.low[place] / n_events)
        row["not_finite"] = int(looked.ends.odd[place])
        rows.append(row)
    return rows


def _frame(tube: str, rows: Sequence[dict[str, Any]], columns: tuple[str, ...]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame([{"tube": tube, **row} for row in rows], columns=list(columns))
