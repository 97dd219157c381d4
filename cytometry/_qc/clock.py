"""Clock: seconds of the run, from what the time channel says of each event."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gating.scales import Floats

Order = NDArray[np.intp]
# A step back by so much of all time there is, and not many of them: files were joined. Others are disorder.
RESTART, MOST_RESTARTS = 0.1, 20


@dataclass(frozen=True, slots=True, eq=False)
class Clock:
    """When each event of a tube came.

    Parameters
    ----------
    seconds
        Since the first event, shape ``(n,)``; NaN for an event whose time is no number. Where the clock starts anew,
        as in joined files, what follows comes after what was before.
    order
        The events with a time, from the first to the last; ``None`` where they stand in that order.
    steps_back, restarts
        How often time steps back, and how many of those are a new start.
    tick
        The least time between two events that do not come at once.
    """

    seconds: Floats
    order: Order | None
    steps_back: int
    restarts: int
    tick: float

    @property
    def running(self) -> Floats:
        """Return the times of the events that have one, ascending."""
        return self.seconds if self.order is None else self.seconds[self.order]


def read_clock(times: Floats) -> Clock | None:
    """Return the clock of a tube from its time channel in seconds; ``None`` where it tells no two events apart."""
    finite = np.isfinite(times)
    whole = bool(finite.all())
    seconds = times if whole else times[finite]
    if seconds.size < 2:
        return None
    span = float(seconds.max() - seconds.min())
    if not span:
        return None
    steps = np.diff(seconds)
    back = np.flatnonzero(steps < 0)
    anew = back[steps[back] < -RESTART * span]
    restarts = len(anew) if len(anew) <= MOST_RESTARTS else 0
    if restarts:
        seconds = seconds.copy()
        for at in anew:  # a new start is the very next moment
            seconds[at + 1 :] += seconds[: at + 1].max() - seconds[at + 1]
        steps = np.diff(seconds)
    running = np.full(times.shape, np.nan)
    running[finite] = seconds - seconds.min()
    sorted_already = whole and not bool((steps < 0).any())
    order = None if sorted_already else np.flatnonzero(finite)[np.argsort(seconds, kind="stable")]
    ascending = steps if len(back) == restarts else np.diff(np.sort(seconds))
    return Clock(
        running, order, len(back), restarts, _tick(ascending[ascending > 0], float(np.nanmax(running)))
    )


def _tick(steps: Floats, span: float) -> float:
    """Return the clock's tick: times are multiples of it, but for what a decimal of 4 bytes makes of them."""
    least = float(steps.min())
    one = float(steps[steps < 1.5 * least].mean())
    return span / max(round(span / one), 1)
