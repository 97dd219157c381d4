"""Acquisition checks: what a tube's events say of how they were recorded. Nothing is removed.

One row per tube and check, with the limit that it was held to and a reason where it fell short.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cytometry.panel import Panel
from gating.columns import EventSource
from gating.scales import Floats

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("tube", "check", "value", "unit", "limit", "flag", "reason")
LIMITS: Mapping[str, float] = MappingProxyType(
    {
        "events": 1_000.0,  # fewer make a rare population uncountable
        "margin": 0.10,  # PeacoQC warns from a tenth of events at the detector's end
        "rate spread": 0.50,  # interquartile range of events per second over their median
        "rate break": 0.01,  # one slice of fifty: a clog, or a bubble, that the interquartile range does not feel
        "time backwards": 0.0,
        "not finite": 0.0,
    }
)
SLICES, FEWEST_SLICES = 50, 10
BREAK, CHANCE = 2.0, 5.0  # so many times slower or faster, and Poisson SDs away from the median
FEWEST_PER_SLICE = 25  # on average: chance alone then spreads the slices by a quarter of the rate
END = 0.99  # of the range; the last channel of a log amplifier lies one per cent below its top


def acquisition_checks(
    name: str, tube: EventSource, panel: Panel, *, ranges: Sequence[float]
) -> pd.DataFrame:
    """Return the checks of one tube, whose detectors have the given ``ranges``, in the order of its channels.

    ``events`` counts them; ``margin`` is the largest share of events in the last hundredth of a detector's
    range or above, with the detector; ``rate spread`` is the interquartile range of the event rate over the
    acquisition, relative to its median, NaN where it cannot be told; ``rate break`` is the share of the
    acquisition in which the rate fell below half of its median or rose above twice, beyond chance;
    ``time backwards`` counts steps back in time; ``not finite`` counts values that are no number, which lie
    outside every gate. A tube without a time channel says so.
    """
    import pandas as pd

    rows = [
        _row(name, "events", tube.n_events, "events", below=True, reason="few events for rare populations")
    ]
    if tube.n_events:
        rows += [_margin(name, tube, ranges), _finite(name, tube, panel), *_time(name, tube, panel)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _row(
    name: str, check: str, value: float, unit: str, *, reason: str, below: bool = False
) -> dict[str, object]:
    limit = LIMITS[check]
    short = value < limit if below else value > limit
    words = {"flag": "look", "reason": reason} if short else {"flag": "", "reason": ""}
    return {"tube": name, "check": check, "value": float(value), "unit": unit, "limit": limit, **words}


def _margin(name: str, tube: EventSource, ranges: Sequence[float]) -> dict[str, object]:
    worst, where = 0.0, ""
    for channel, top in zip(tube.channels, ranges, strict=True):
        if top > 1 and not channel.lower().startswith("time"):
            share = float(np.mean(tube.column(channel) >= END * top))
            worst, where = max((worst, where), (share, channel))
    return _row(name, "margin", worst, "fraction of events", reason=f"events pile up at the top of {where}")


def _finite(name: str, tube: EventSource, panel: Panel) -> dict[str, object]:
    detectors = [c.detector for c in panel.channels if c.detector in tube.channels]
    wrong = sum(int(np.count_nonzero(~np.isfinite(tube.column(d)))) for d in detectors)
    return _row(
        name, "not finite", wrong, "values", reason="values that are no number lie outside every gate"
    )


def _time(name: str, tube: EventSource, panel: Panel) -> list[dict[str, object]]:
    clock = next((c.detector for c in panel.channels if c.role == "time" and c.detector in tube.channels), "")
    seconds = tube.column(clock) if clock else np.zeros(0)
    seconds = seconds[np.isfinite(seconds)]
    if not seconds.size or np.ptp(seconds) == 0:
        return [_unknown_rate(name, f"{clock or 'no channel'} tells the time of each event")]
    back = int(np.count_nonzero(np.diff(seconds) < 0))
    backwards = _row(
        name, "time backwards", back, "steps", reason="time runs backwards: files were joined or sorted"
    )
    rate = events_by_slice(seconds)
    if len(rate) < FEWEST_SLICES:
        return [_unknown_rate(name, "the acquisition is too short to be cut into slices"), backwards]
    low, middle, high = np.percentile(rate, [25, 50, 75])
    if not middle:
        return [_unknown_rate(name, "half of the acquisition or more holds no event", flag="look"), backwards]
    spread = _row(
        name,
        "rate spread",
        (high - low) / middle,
        "of the median rate",
        reason="uneven flow: a clog, a bubble or a pause",
    )
    return [spread, _breaks(name, rate), backwards]


def _breaks(name: str, rate: NDArray[np.intp]) -> dict[str, object]:
    """Return how much of the acquisition ran far too slowly or too fast: one stretch is enough."""
    rate = rate[:-1]  # the run may end anywhere within the last slice
    middle = float(np.median(rate))
    sure = np.abs(rate - middle) > CHANCE * np.sqrt(middle)
    broken = sure & ((rate < middle / BREAK) | (rate > middle * BREAK))
    return _row(
        name,
        "rate break",
        float(broken.mean()),
        "of the acquisition",
        reason="the flow broke off or rushed: a clog, a bubble or a pause",
    )


def _unknown_rate(name: str, why: str, *, flag: str = "") -> dict[str, object]:
    empty = {"tube": name, "check": "rate spread", "value": np.nan, "unit": "", "limit": np.nan}
    return {**empty, "flag": flag, "reason": f"{why}, so that the rate is unknown"}


def events_by_slice(seconds: Floats) -> NDArray[np.intp]:
    """Return how many events fell into each of at most 50 equal slices of an acquisition.

    A slice has 25 events or more on average, so that chance does not look like a clog, and is a whole number of
    the clock's ticks, since slices of two and of three ticks differ without a cause. ``seconds`` are finite and
    of two values at least.
    """
    steps = np.abs(np.diff(seconds))
    tick = float(steps[steps > 0].min())
    at = np.round((seconds - seconds.min()) / tick).astype(np.int64)
    ticks = int(at.max()) + 1
    wanted = max(min(SLICES, len(seconds) // FEWEST_PER_SLICE), 1)
    ticks_per_slice = -(-ticks // wanted)
    return np.bincount(at // ticks_per_slice)[: ticks // ticks_per_slice]
