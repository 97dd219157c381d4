"""Checks: one row each, with the value, the limit that it is held to, and a reason where it falls short.

A row is flagged for what is still in the events that are gated, not for what was taken out of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cytometry._qc.cells import dead, doublets
from cytometry._qc.course import Course
from cytometry._qc.events import Ends, looked_at, signals
from cytometry._qc.intervals import Interval
from cytometry._qc.light import Slope
from cytometry._qc.limits import BUBBLE, CARRY_OVER, CLOG, END, JUMP, SPIKE, Limits
from gating.columns import EventSource
from gating.scales import Floats

LOOK = "look"
EVENTS, ACQUISITION = "of events", "of the acquisition"
SLICES, FEWEST_SLICES, FEWEST_PER_SLICE = (
    50,
    10,
    25,
)  # by chance alone such slices differ by a quarter of the rate
SURE = 4.0  # standard errors of a slope: once in a hundred thousand channels
NOT_BROKEN = 0.01
BROKEN = (CLOG, SPIKE, BUBBLE, END)
Row = dict[str, Any]


class _Panel(Protocol):
    @property
    def channels(self) -> Sequence[Any]: ...


@dataclass(frozen=True, slots=True, eq=False)
class Looked:
    """A tube, and what was seen of it; ``ends`` and ``tops`` are those of ``channels``."""

    tube: EventSource
    panel: _Panel
    clock: str
    course: Course
    channels: tuple[str, ...]
    ends: Ends
    tops: Floats


def check_rows(
    seen: Looked, intervals: Sequence[Interval], *, n_removed: int, too_much: str, limits: Limits
) -> list[Row]:
    """Return a row for each check of a tube; for one without events, that it has none."""
    n = seen.tube.n_events
    few = n < limits.events
    rows = [_row("events", n, "events", limits.events, reason="few events for rare populations" * few)]
    if not n:
        return rows
    kept = f"{too_much}: nothing was removed" if too_much else ""
    rows.append(_row("removed", n_removed / n, EVENTS, limits.most_removed, reason=kept))
    rows += [*_margins(seen, limits), _finite(seen), *_flow(seen, intervals, limits)]
    rows += [_incident(JUMP, "the signal jumps for a while", intervals, n)]
    rows += [_incident(CARRY_OVER, "the first events differ from the rest", intervals, n)]
    return [*rows, *_changes(seen.course, limits), *_cells(seen, limits)]


def _row(check: str, value: float, unit: str, limit: float, *, reason: str) -> Row:
    said = {"check": check, "value": float(value), "unit": unit, "limit": float(limit)}
    return {**said, "flag": LOOK if reason else "", "reason": reason}


def _unknown(check: str, why: str, *, flag: str = "") -> Row:
    return {"check": check, "value": np.nan, "unit": "", "limit": np.nan, "flag": flag, "reason": why}


def _margins(seen: Looked, limits: Limits) -> list[Row]:
    rows = []
    known = np.isfinite(seen.tops)
    for check, counts, where in (
        ("margin", np.where(known, seen.ends.high, 0), "top"),
        ("margin low", np.where(known, seen.ends.low, 0), "bottom"),
    ):
        share = counts.max(initial=0) / seen.tube.n_events
        channel = seen.channels[int(np.argmax(counts))] if len(counts) else ""
        reason = f"events pile up at the {where} of {channel}" if share > limits.margin else ""
        rows.append(_row(check, share, "fraction of events", limits.margin, reason=reason))
    return rows


def _finite(seen: Looked) -> Row:
    named = {channel.detector for channel in seen.panel.channels}
    wrong = sum(int(n) for name, n in zip(seen.channels, seen.ends.odd, strict=True) if name in named)
    if seen.clock:
        wrong += int(np.count_nonzero(~np.isfinite(seen.tube.column(seen.clock))))
    reason = "values that are no number lie outside every gate" if wrong else ""
    return _row("not finite", wrong, "values", 0, reason=reason)


def _flow(seen: Looked, intervals: Sequence[Interval], limits: Limits) -> list[Row]:
    clock = seen.course.clock
    if clock is None:
        return [_no_rate(f"{seen.clock or 'no channel'} tells the time of each event")]
    back = "time runs backwards: files were joined or sorted" if clock.steps_back else ""
    backwards = _row("time backwards", clock.steps_back, "steps", 0, reason=back)
    rate = events_by_slice(clock.running, clock.tick)
    if len(rate) < FEWEST_SLICES:
        return [_no_rate("the acquisition is too short to be cut into slices"), backwards]
    low, middle, high = np.percentile(rate, [25, 50, 75])
    if not middle:
        paused = "half of the acquisition or more holds no event"
        return [_no_rate(paused, flag=LOOK), *_broken(seen.course, intervals), backwards]
    spread = (high - low) / middle
    uneven = "uneven flow: a clog, a bubble or a pause" if spread > limits.rate_spread else ""
    even = _row("rate spread", spread, "of the median rate", limits.rate_spread, reason=uneven)
    return [even, *_broken(seen.course, intervals), backwards]


def _no_rate(why: str, *, flag: str = "") -> Row:
    return _unknown("rate spread", f"{why}, so that the rate is unknown", flag=flag)


def _broken(course: Course, intervals: Sequence[Interval]) -> list[Row]:
    """Return how much of the acquisition ran far too slowly or too fast."""
    if course.flow is None or course.clock is None:
        return []
    span = float(course.clock.running[-1])
    of = [one for one in intervals if one.reason in BROKEN]
    left = sum(one.stop - one.start for one in of if not one.removed) / span
    said = "the flow broke off or rushed, and what came then was kept: a clog, a bubble or a pause"
    value = sum(one.stop - one.start for one in of) / span
    return [_row("rate break", value, ACQUISITION, NOT_BROKEN, reason=said if left > NOT_BROKEN else "")]


def _incident(reason: str, said: str, intervals: Sequence[Interval], n_events: int) -> Row:
    of = [one for one in intervals if one.reason == reason]
    kept = f"{said}, and is kept" if any(not one.removed for one in of) else ""
    return _row(reason, sum(one.n_events for one in of) / n_events, EVENTS, 0, reason=kept)


def _changes(course: Course, limits: Limits) -> list[Row]:
    """Return the strongest drift of light, of a laser's channels or of one, and the largest slow change."""
    if not course.slopes:
        return []
    lasers = {f"the {name} laser's channels": slope for name, slope in course.lasers.items()}
    every: Mapping[str, Slope] = {**lasers, **course.slopes}
    sure = {name: slope for name, slope in every.items() if abs(slope.value) > SURE * slope.sd}
    # The surest of those that matter: a laser before the one of its channels that chance has moved the most.
    matter = {name: slope for name, slope in sure.items() if abs(slope.value) > limits.drift} or sure
    worst = max(matter, key=lambda name: abs(matter[name].value) / matter[name].sd, default="")
    value = abs(sure[worst].value) if worst else 0.0
    said = ""
    if value > limits.drift:
        slope = sure[worst]
        said = (
            f"the light of {worst} changes by {100 * slope.value:+.1f} % over the run "
            f"(95 % interval {100 * slope.low:+.1f} to {100 * slope.high:+.1f})"
        )
    drift = _row("drift", value, "of the light", limits.drift, reason=said)
    where = max(course.trends, key=lambda name: course.trends[name])
    most = course.trends[where]
    moved = f"{where} changes slowly in the course of the run: its light, or which cells come by"
    return [drift, _row("trend", most, "chance", limits.trend, reason=moved if most > limits.trend else "")]


def _cells(seen: Looked, limits: Limits) -> list[Row]:
    held = set(seen.tube.channels)
    of = {c.role: c.detector for c in reversed(seen.panel.channels) if c.detector in held}
    area = next((n for n in ("FSC-A", "FSC") if n in held), "")
    wanted = [name for name in (area, area.replace("-A", "-H"), of.get("viability", "")) if name in held]
    values = dict(zip(wanted, signals(seen.tube, wanted, looked_at(_all(seen.tube))), strict=True))
    rows = []
    if "FSC-A" in values and "FSC-H" in values:
        share = doublets(values["FSC-A"].astype(float), values["FSC-H"].astype(float))
        many = "many doublets: too fast, too dense, or clumped" if share > limits.doublets else ""
        rows.append(_row("doublets", share, EVENTS, limits.doublets, reason=many))
    if "viability" in of:
        share, why = dead(values[of["viability"]].astype(float))
        many = "many cells are dead" if share > limits.dead else ""
        rows.append(_unknown("dead", why) if why else _row("dead", share, EVENTS, limits.dead, reason=many))
    return rows


def _all(tube: EventSource) -> NDArray[np.intp]:
    return np.arange(tube.n_events)


def events_by_slice(running: Floats, tick: float) -> NDArray[np.intp]:
    """Return how many events fell into each of at most 50 equal slices of an acquisition.

    A slice has 25 events or more on average, so that chance does not look like a clog, and is a whole number of
    the clock's ticks, since slices of two and of three ticks differ without a cause. ``running`` are ascending.
    """
    at = np.round(running / tick).astype(np.int64)
    ticks = int(at[-1]) + 1
    wanted = max(min(SLICES, len(running) // FEWEST_PER_SLICE), 1)
    ticks_per_slice = -(-ticks // wanted)
    return np.bincount(at // ticks_per_slice)[: ticks // ticks_per_slice]
