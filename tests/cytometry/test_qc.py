"""What a tube's events say of how they were recorded; nothing is removed."""

from __future__ import annotations

import numpy as np
import pytest

from cytometry._qc.checks import events_by_slice
from cytometry.panel import Channel, Panel
from cytometry.qc import acquisition_checks
from gating.columns import ArrayEvents

PANEL = Panel(
    (
        Channel("Time", "Time", "", "time"),
        Channel("FSC-A", "FSC-A", "", "scatter"),
        Channel("B530-A", "CD3", "FITC", "lineage"),
    )
)
TOP = 262_144.0


def checked(
    seconds: np.ndarray, light: np.ndarray | None = None, **other: float
) -> dict[str, dict[str, object]]:
    """Return the checks of a tube by name."""
    values = np.full(len(seconds), 1_000.0) if light is None else light
    events = ArrayEvents(np.column_stack([seconds, values, values]), ("Time", "FSC-A", "B530-A"))
    table = acquisition_checks("tube", events, PANEL, ranges=(0.0, TOP, TOP))
    return {row["check"]: row for row in table.to_dict("records")}


def steady(events: int, *, rate: float, tick: float) -> np.ndarray:
    """Return the times of events that come at random with the same rate, as a clock with that tick gives them."""
    times = np.cumsum(np.random.default_rng(1).exponential(1 / rate, events))
    return np.floor(times / tick) * tick


@pytest.mark.parametrize("events", [1_200, 3_000, 20_000, 200_000])
@pytest.mark.parametrize("tick", [0.01, 1e-6])
def test_a_steady_flow_is_steady_however_coarse_the_clock_and_short_the_acquisition(
    events: int, tick: float
) -> None:
    row = checked(steady(events, rate=5_000.0, tick=tick))["rate spread"]
    assert row["value"] < 0.4
    assert row["flag"] == ""


def test_a_slice_is_a_whole_number_of_ticks() -> None:
    seconds = np.repeat(
        np.arange(120) * 0.01, 20
    )  # 120 ticks of 20 events; 50 slices would hold 2 or 3 of them
    np.testing.assert_array_equal(events_by_slice(seconds, 0.01), np.full(40, 60))


def test_a_flow_that_halves_is_seen() -> None:
    fast, slow = np.arange(0, 10, 0.001), np.arange(10, 30, 0.004)
    row = checked(np.concatenate([fast, slow]))["rate spread"]
    assert row["flag"] == "look"
    assert row["value"] == pytest.approx(3.0, rel=0.05)  # slices of 250 and of 1,000: (1000 - 250) / 250


def test_a_pause_longer_than_the_flow_is_seen_and_has_no_made_up_number() -> None:
    row = checked(np.concatenate([np.arange(0, 10, 0.001), np.arange(90, 100, 0.001)]))["rate spread"]
    assert np.isnan(row["value"])
    assert row["flag"] == "look"
    assert "half of the acquisition or more holds no event" in row["reason"]


def test_too_few_events_say_nothing_of_the_flow() -> None:
    row = checked(np.arange(100) * 0.01)["rate spread"]
    assert np.isnan(row["value"])
    assert (row["flag"], row["reason"]) == (
        "", "the acquisition is too short to be cut into slices, so that the rate is unknown"
    )  # fmt: skip


def test_a_clock_that_stands_still_says_so() -> None:
    row = checked(np.zeros(5_000))["rate spread"]
    assert "Time tells the time of each event" in row["reason"]


def test_time_that_runs_backwards_is_counted() -> None:
    row = checked(np.concatenate([np.arange(0, 10, 0.001), np.arange(0, 10, 0.001)]))["time backwards"]
    assert (row["value"], row["flag"]) == (1, "look")


def test_events_at_the_end_of_a_detector_are_a_share_of_all() -> None:
    light = np.where(np.arange(2_000) < 300, TOP, 1_000.0)
    row = checked(np.arange(2_000) * 0.001, light)["margin"]
    assert row["value"] == pytest.approx(0.15)
    assert row["flag"] == "look"
    assert row["reason"] == "events pile up at the top of FSC-A"


def test_values_that_are_no_number_are_counted_and_a_tube_without_events_is_only_small() -> None:
    light = np.full(1_500, 10.0)
    light[:3] = np.nan
    assert checked(np.arange(1_500) * 0.01, light)["not finite"]["value"] == 6
    empty = checked(np.zeros(0))
    assert list(empty) == ["events"]
    assert empty["events"]["flag"] == "look"
