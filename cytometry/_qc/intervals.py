"""Intervals: the stretches of a run that something was wrong with, and which of them are taken out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cytometry._qc.course import Course, within
from cytometry._qc.flow import Incident
from cytometry._qc.limits import Limits
from gating.scales import Floats


@dataclass(frozen=True, slots=True)
class Interval:
    """A stretch of a run that something was wrong with.

    Parameters
    ----------
    reason
        One of ``REASONS``.
    channel
        The detectors that show it, ``;`` between them; ``""`` where the flow shows it.
    start, stop
        In seconds since the first event; the stop is not in it.
    n_events, share
        Events in it, and their share of the tube's.
    removed
        Whether they are taken out before anything is learnt or gated.
    """

    reason: str
    channel: str
    start: float
    stop: float
    n_events: int
    share: float
    removed: bool
    detail: str


def find_intervals(course: Course, n_events: int, limits: Limits) -> tuple[tuple[Interval, ...], int, str]:
    """Return the intervals, how many events are removed, and why nothing is, where that would be too much."""
    if course.clock is None or not course.incidents:
        return (), 0, ""
    seconds = course.clock.seconds
    asked = [one for one in course.incidents if one.reason in limits.remove]
    n_removed = _count(seconds, asked)
    too_much = ""
    if n_removed > limits.most_removed * n_events:
        why = ", ".join(dict.fromkeys(one.reason for one in asked))
        too_much = (
            f"{100 * n_removed / n_events:.0f} % of the events are in stretches to remove ({why}), "
            f"more than {100 * limits.most_removed:.0f} %"
        )
        asked, n_removed = [], 0
    found = []
    for one in course.incidents:
        held = _count(seconds, [one])
        row = (one.reason, ";".join(one.channels), one.start, one.stop, held, held / n_events)
        found.append(Interval(*row, removed=one in asked, detail=one.detail))
    return tuple(found), n_removed, too_much


def _count(seconds: Floats, incidents: Sequence[Incident]) -> int:
    return int(np.count_nonzero(within(seconds, [(one.start, one.stop) for one in incidents])))
