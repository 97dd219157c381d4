"""Course: how the run of a tube went, from its clock, its flow and the signal of its channels."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cytometry._qc.clock import Clock, read_clock
from cytometry._qc.events import looked_at, signals
from cytometry._qc.flow import Flow, Incident, read_flow
from cytometry._qc.light import Slope, light, slope_of, together
from cytometry._qc.limits import CARRY_OVER, JUMP, Limits
from cytometry._qc.signal import (
    KEYS,
    Levels,
    Slices,
    begins_otherwise,
    cut_slices,
    joined,
    jumps,
    keys_of,
    levels,
)
from gating.columns import EventSource
from gating.scales import Floats

LASER = re.compile(r"(DUV|UV|V|B|YG|Y|G|R|IR)(?=[ _-]?\d)")
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """The course of a run.

    Parameters
    ----------
    clock, flow
        ``None`` where there is none, or too few events.
    incidents
        In order of time.
    slopes
        The change of light over the run, by channel.
    lasers
        The same for the channels of each laser together, where detectors are called after lasers (``R670-A``).
    trends
        Half of the distance between the highest and the lowest level of each channel in the slow course of the run.
    """

    clock: Clock | None = None
    flow: Flow | None = None
    incidents: tuple[Incident, ...] = ()
    slopes: Mapping[str, Slope] = field(default_factory=dict)
    lasers: Mapping[str, Slope] = field(default_factory=dict)
    trends: Mapping[str, float] = field(default_factory=dict)


def read_course(
    source: EventSource, stained: Sequence[str], scatter: Sequence[str], *, clock: str, limits: Limits
) -> Course:
    """Return the course of a run from its time channel, ``""`` for none, and the channels that carry signals.

    Scatter jumps as stained channels do, but it says neither how light changes, since large cells settle, nor
    whether cells are of the tube before.
    """
    times = source.column(clock) if clock else np.zeros(0)
    told = read_clock(times)
    if told is None:
        return Course()
    flow = read_flow(told.running, told.tick, limits)
    if flow is None:
        return Course(told)
    rows = np.arange(source.n_events) if told.order is None else told.order
    broken = within(told.seconds[rows], [(one.start, one.stop) for one in flow.incidents])
    rows = looked_at(rows[~broken] if broken.any() else rows)
    running = told.seconds[rows]
    slices = cut_slices(running)
    if slices is None:
        return Course(told, flow, flow.incidents)
    channels = (*stained, *scatter)
    read = dict(zip(channels, signals(source, channels, rows), strict=True))
    seen = _signals(read, slices, stained=stained, limits=limits)
    stains = {name: seen[name] for name in stained}
    begins, ends = running[slices.starts], running[slices.starts + slices.sizes - 1] + told.tick / 2
    begins[0], ends[-1] = 0.0, float(told.running[-1]) + told.tick / 2
    found = (*flow.incidents, *_carried(stains, ends), *_jumped(seen, begins, ends))
    return Course(
        told,
        flow,
        tuple(sorted(found, key=lambda one: (one.start, one.stop))),
        {name: one.slope for name, one in stains.items()},
        _lasers(stains, slices),
        {name: float(np.ptp(one.levels.slow)) / 2 for name, one in seen.items()},
    )


def within(seconds: Floats, stretches: Sequence[tuple[float, float]]) -> Mask:
    """Return which times lie in any of the stretches: from its start on, and before its stop."""
    inside = np.zeros(len(seconds), dtype=np.bool_)
    for start, stop in stretches:
        inside |= (seconds >= start) & (seconds < stop)
    return inside


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """One channel: levels, light and its slope over the sound slices, and those at fault; the first ones apart."""

    levels: Levels
    light: Floats | None
    sound: Mask
    slope: Slope
    first: int
    jumps: tuple[tuple[int, int], ...]


def _signals(
    read: Mapping[str, NDArray[np.float32]], slices: Slices, *, stained: Sequence[str], limits: Limits
) -> dict[str, _Seen]:
    seen = {}
    for name, values in read.items():
        keys = keys_of(values)
        counts = np.bincount(keys, minlength=KEYS)
        found = levels(keys, counts, slices)
        stretches = jumps(found, limits.jump)
        first = 0
        if name in stained:
            first = begins_otherwise(keys, counts, found, slices, limit=limits.carry_over)
            stretches = [(max(begin, first), end) for begin, end in stretches if end > first]
            if stretches and stretches[0][0] <= first:  # it goes on from the first slices
                first, stretches = stretches[0][1], stretches[1:]
        sound = np.ones(len(slices.sizes), dtype=np.bool_)
        for begin, end in [(0, first), *stretches]:
            sound[begin:end] = False
        lit = light(keys, counts, slices)
        slope = slope_of(lit, slices, sound=sound)
        seen[name] = _Seen(found, lit, sound, slope, first, tuple(stretches))
    return seen


def _carried(seen: Mapping[str, _Seen], ends: Floats) -> list[Incident]:
    channels = tuple(name for name, one in seen.items() if one.first)
    if not channels:
        return []
    last = max(one.first for one in seen.values())
    return [
        Incident(
            CARRY_OVER,
            0.0,
            float(ends[last - 1]),
            "the first events differ from the rest of the run",
            channels,
        )
    ]


def _jumped(seen: Mapping[str, _Seen], begins: Floats, ends: Floats) -> list[Incident]:
    found = []
    for begin, end in joined(sorted(stretch for one in seen.values() for stretch in one.jumps)):
        of = {
            name: _furthest(one.levels.off[begin:end])
            for name, one in seen.items()
            if any(begin <= first and last <= end for first, last in one.jumps)
        }
        most = max(of, key=lambda name: abs(of[name]))
        detail = f"an event is brighter in {most} than one of the rest of the run with a chance of {0.5 + of[most]:.2f}"
        found.append(Incident(JUMP, float(begins[begin]), float(ends[end - 1]), detail, tuple(of)))
    return found


def _furthest(off: Floats) -> float:
    return float(off[np.argmax(np.abs(off))])


def _lasers(seen: Mapping[str, _Seen], slices: Slices) -> dict[str, Slope]:
    """Return the slope of the detectors of each laser together."""
    of: dict[str, list[_Seen]] = {}
    for name, one in seen.items():
        laser = LASER.match(name)
        if laser and one.slope.sd > 0:
            of.setdefault(laser.group(), []).append(one)
    found = {}
    for name, group in of.items():
        course = together([(one.light, one.slope) for one in group if one.light is not None])
        found[name] = slope_of(course, slices, sound=np.all([one.sound for one in group], axis=0))
    return found
