"""Course: how the acquisition of one tube went; when each event came by, and what disturbed the stream."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cytometry.simulate.amend import amended
from cytometry.simulate.draws import Flags, Floats, stream
from cytometry.simulate.instrument import Instrument
from cytometry.simulate.plan import PlannedTube, StudyPlan


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """The run of one tube; arrays of ``n`` events.

    Parameters
    ----------
    seconds
        When each event came, in ticks of ``$TIMESTEP``.
    in_clog, in_spike
        During which events the stream was disturbed: one stretch each, or none.
    is_carry_over
        Which events are of the tube before.
    light
        What reaches the detectors of each laser, as a factor; shape ``(lasers, n)``.
    about
        What happened, for the record of the tube: begin and end in seconds, and the drift.
    """

    seconds: NDArray[np.float64]
    in_clog: Flags
    in_spike: Flags
    is_carry_over: Flags
    light: Floats
    about: Mapping[str, Any]

    def piece(self, events: slice) -> Course:
        """Return the course during some events."""
        return Course(
            seconds=self.seconds[events],
            in_clog=self.in_clog[events],
            in_spike=self.in_spike[events],
            is_carry_over=self.is_carry_over[events],
            light=self.light[:, events],
            about=self.about,
        )


def run_tube(
    rng: np.random.Generator, n_events: int, *, plan: StudyPlan, tube: PlannedTube, instrument: Instrument
) -> Course:
    """Return the course of one tube. What befalls it depends on seed and tube alone, not on other tubes."""
    said = amended(plan, "artefacts")
    in_clog = _window(
        n_events, _fate(plan, tube, "clog"), length=_clogged(plan, tube), rate=said["clog"]["rate"]
    )
    spike = said["spike"]
    length = min(spike["most"], spike["seconds"] * instrument.rate / max(n_events, 1))
    length *= _befalls(plan, tube, "spike")
    in_spike = _window(n_events, _fate(plan, tube, "spike"), length=length, rate=spike["rate"]) & ~in_clog
    waits = rng.standard_exponential(n_events) / instrument.rate
    waits[in_clog] /= said["clog"]["rate"]
    waits[in_spike] /= spike["rate"]
    seconds = np.floor(np.cumsum(waits) / instrument.timestep) * instrument.timestep
    drift = said["drift"]["light"] * _befalls(plan, tube, "drift")
    light = np.ones((len(instrument.sources), n_events), dtype=np.float32)
    light[:, in_clog] = said["clog"]["light"]
    if drift and n_events:
        light[instrument.sources.index(said["drift"]["laser"])] *= (
            1 + drift * seconds / max(seconds[-1], instrument.timestep)
        ).astype(np.float32)
    about = {
        "clog": _from_to(seconds, in_clog),
        "spike": _from_to(seconds, in_spike),
        "drift": {said["drift"]["laser"]: drift} if drift else {},
    }
    return Course(
        seconds=seconds,
        in_clog=in_clog,
        in_spike=in_spike,
        is_carry_over=_carried(rng, n_events, **said["carry_over"]),
        light=light,
        about=about,
    )


def _fate(plan: StudyPlan, tube: PlannedTube, what: str) -> NDArray[np.float64]:
    """Return three uniform numbers of this tube: whether, where, and how much of it."""
    return stream(plan.seed, what, *tube.keys).random(3)


def _befalls(plan: StudyPlan, tube: PlannedTube, what: str) -> bool:
    return bool(_fate(plan, tube, what)[0] < amended(plan, "artefacts")[what]["share"])


def _clogged(plan: StudyPlan, tube: PlannedTube) -> float:
    """Return how much of the time of the run is clogged; 0 in most tubes."""
    low, high = amended(plan, "artefacts")["clog"]["length"]
    return float((low + (high - low) * _fate(plan, tube, "clog")[2]) * _befalls(plan, tube, "clog"))


def _window(n_events: int, fate: NDArray[np.float64], *, length: float, rate: float) -> Flags:
    """Return the events of one stretch of ``length`` of the time of the run, at ``rate`` of the usual one."""
    inside = np.zeros(n_events, dtype=bool)
    count = round(n_events * length * rate / (1 - length + length * rate))
    begin = int(fate[1] * (n_events - count))
    inside[begin : begin + count] = True
    return inside


def _carried(rng: np.random.Generator, n_events: int, *, share: float, at_first: float) -> Flags:
    """Return which events the tube before left: ``at_first`` of the first ones, then ever fewer, ``share`` of all."""
    if not share or not n_events:
        return np.zeros(n_events, dtype=bool)
    washed = np.exp(-np.arange(n_events) * (at_first / (share * n_events)))
    return np.asarray(rng.random(n_events) < at_first * washed)


def _from_to(seconds: NDArray[np.float64], inside: Flags) -> list[float]:
    at = np.flatnonzero(inside)
    return [round(float(seconds[at[0]]), 4), round(float(seconds[at[-1]]), 4)] if at.size else []
