"""Limits: what a study asks of an acquisition, and what is taken out where it falls short."""

from __future__ import annotations

from dataclasses import dataclass

from cytometry.errors import CytometryError

CLOG, SPIKE, BUBBLE, END = "clog", "spike", "bubble", "end"
JUMP, CARRY_OVER = "jump", "carry-over"
REASONS = (CLOG, SPIKE, BUBBLE, END, JUMP, CARRY_OVER)
"""Why a stretch of time may be taken out of a tube."""
KEEP, FAIL = "keep", "fail"
TOO_MUCH = (KEEP, FAIL)
"""What becomes of a tube of which more than ``most_removed`` would be taken out."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What an acquisition is held to; a share is in [0, 1].

    Parameters
    ----------
    remove
        The reasons for which events are taken out; incidents of other kinds are listed, and their events kept.
    most_removed
        More than this share is never taken out: the tube is kept whole and flagged, or fails, as ``too_much`` says.
    slow, fast
        Times the usual rate, beyond which the flow is a clog or a spike.
    jump, carry_over
        How far the chance that an event of a stretch is brighter than one of the rest of the run lies from one half.
    drift
        Share of a channel's light gained or lost evenly over the run.
    trend
        As ``jump``, for slow changes: half of the distance between the highest and the lowest level of the run.
    events
        Fewer are flagged.
    margin, doublets, dead
        Shares of events at one end of a detector, of two cells, and of dead cells, above which a tube is flagged.
    rate_spread
        Interquartile range of the event rate over its median.
    """

    remove: tuple[str, ...] = REASONS
    most_removed: float = 0.20
    too_much: str = KEEP
    slow: float = 0.5
    fast: float = 2.0
    jump: float = 0.10
    carry_over: float = 0.10
    drift: float = 0.02
    trend: float = 0.10
    events: int = 1_000
    margin: float = 0.10
    doublets: float = 0.15
    dead: float = 0.30
    rate_spread: float = 0.50

    def __post_init__(self) -> None:
        object.__setattr__(self, "remove", tuple(self.remove))
        wrong = [reason for reason in self.remove if reason not in REASONS]
        if wrong:
            msg = (
                f"nothing is removed for {', '.join(map(repr, wrong))}; the reasons are {', '.join(REASONS)}"
            )
            raise CytometryError(msg)
        if self.too_much not in TOO_MUCH:
            msg = f"a tube with too much to remove is kept or fails, not {self.too_much!r}: {' or '.join(TOO_MUCH)}"
            raise CytometryError(msg)
        if not 0 < self.slow < 1 < self.fast:
            msg = f"slow flow is below the usual rate and fast flow above it, not {self.slow} and {self.fast}"
            raise CytometryError(msg)


USUAL = Limits()
