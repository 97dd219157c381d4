"""What a tube's events say of how they were recorded: each check, and each stretch with its reason."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from cytometry._qc.checks import events_by_slice
from cytometry._qc.clock import read_clock
from cytometry._qc.flow import running_median
from cytometry._qc.limits import Limits
from cytometry._qc.signal import keys_of, value_of_keys
from cytometry.errors import CytometryError
from cytometry.fcs import read_fcs
from cytometry.panel import Channel, Panel, guess_panel
from cytometry.qc import Acquisition, acquisition_checks, check_acquisition, course_table, kept_events
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


# --- Stretches ---------------------------------------------------------------------------------------------------


LIT = Panel(
    (Channel("Time", "Time", "", "time"), *(Channel(f"R{n}-A", f"M{n}", "", "lineage") for n in (1, 2)))
)


def flowing(*parts: tuple[int, float], seed: int = 1, tick: float = 1e-4) -> np.ndarray:
    """Return the times of events that come part by part: so many of them, at so many a second."""
    rng = np.random.default_rng(seed)
    waits = np.concatenate([rng.exponential(1 / rate, events) for events, rate in parts])
    return np.floor(np.cumsum(waits) / tick) * tick


def lit(seconds: np.ndarray, *, seed: int = 2, factor: np.ndarray | float = 1.0) -> ArrayEvents:
    """Return events with two channels of two populations each; the first one's light times a factor."""
    rng = np.random.default_rng(seed)
    bright = rng.random((len(seconds), 2)) < 0.4
    light = np.exp(rng.normal(np.where(bright, 8.5, 5.0), 0.5))
    light[:, 0] *= factor
    return ArrayEvents(np.column_stack([seconds, light]), ("Time", "R1-A", "R2-A"))


def found_in(events: ArrayEvents, limits: Limits | None = None) -> Acquisition:
    return check_acquisition(events, LIT, ranges=(0.0, TOP, TOP), limits=limits or Limits())


def test_a_clog_is_a_stretch_with_its_events_from_end_to_end() -> None:
    events = lit(flowing((20_000, 2_000.0), (600, 400.0), (20_000, 2_000.0)))
    found = found_in(events)
    (clog,) = found.intervals
    assert (clog.reason, clog.removed, clog.channel) == ("clog", True, "")
    assert re.fullmatch(r"events came at 0\.\d+ times the usual rate", clog.detail)
    gone = np.flatnonzero(~kept_events(events, LIT, found.removed))
    assert len(gone) == clog.n_events == found.n_removed
    assert abs(gone[0] - 20_000) < 10
    assert abs(gone[-1] - 20_600) < 10
    assert clog.share == pytest.approx(len(gone) / events.n_events)


def test_a_bubble_holds_no_event_and_the_rush_after_it_is_removed() -> None:
    before, after = flowing((20_000, 2_000.0)), flowing((2_000, 8_000.0), (20_000, 2_000.0), seed=3)
    found = found_in(lit(np.concatenate([before, before[-1] + 1.0 + after])))
    assert [one.reason for one in found.intervals] == ["bubble", "spike"]
    assert [one.n_events for one in found.intervals] == pytest.approx([0, 2_000], abs=15)


def test_the_last_events_of_a_tube_that_runs_dry_are_its_end() -> None:
    found = found_in(lit(flowing((30_000, 2_000.0), (300, 100.0))))
    assert [(one.reason, one.removed) for one in found.intervals] == [("end", True)]


def test_a_flow_set_anew_is_no_incident_and_neither_is_one_that_fades() -> None:
    fades = [(5_000, rate) for rate in np.linspace(3_000, 1_000, 10)]
    for parts in ([(30_000, 3_000.0), (10_000, 1_000.0)], fades):
        found = found_in(lit(flowing(*parts)))
        assert found.intervals == ()
        assert found.n_removed == 0


def test_light_that_drops_for_a_while_is_a_jump_of_that_channel() -> None:
    seconds = flowing((40_000, 2_000.0))
    dim = np.where((np.arange(40_000) >= 20_000) & (np.arange(40_000) < 23_000), 0.4, 1.0)
    found = found_in(lit(seconds, factor=dim))
    (jump,) = found.intervals
    assert (jump.reason, jump.channel) == ("jump", "R1-A")
    assert jump.start == pytest.approx(seconds[20_000], abs=0.3)
    assert jump.stop == pytest.approx(seconds[23_000], abs=0.3)
    assert jump.n_events == pytest.approx(3_000, abs=600)


def test_bright_events_at_the_begin_are_carried_over_from_the_tube_before() -> None:
    seconds = flowing((40_000, 2_000.0))
    rng = np.random.default_rng(4)
    foreign = rng.random(40_000) < 0.3 * np.exp(-np.arange(40_000) / 800)
    events = lit(seconds, factor=np.where(foreign, 100.0, 1.0))
    found = found_in(events)
    (first,) = found.intervals
    assert (first.reason, first.start, first.channel) == ("carry-over", 0.0, "R1-A")
    gone = ~kept_events(events, LIT, found.removed)
    assert gone[foreign].mean() > 0.5
    assert gone[~foreign].mean() < 0.05


def test_a_fading_laser_is_flagged_with_its_slope_and_nothing_is_removed() -> None:
    seconds = flowing((100_000, 2_000.0))
    found = found_in(lit(seconds, factor=1 - 0.1 * seconds / seconds[-1]))
    assert found.intervals == ()
    row = next(row for row in found.checks if row["check"] == "drift")
    assert row["flag"] == "look"
    assert "R1-A changes by -10" in row["reason"]
    slope = next(row for row in found.channels if row["channel"] == "R1-A")
    assert slope["slope"] == pytest.approx(-0.10, abs=0.01)
    assert slope["slope_low"] < -0.10 < slope["slope_high"]
    other = next(row for row in found.channels if row["channel"] == "R2-A")
    assert other["slope"] == pytest.approx(0.0, abs=0.015)


def test_more_cells_of_one_kind_are_no_drift_of_the_light() -> None:
    rng = np.random.default_rng(5)
    seconds = flowing((100_000, 2_000.0))
    bright = rng.random(100_000) < 0.3 + 0.2 * seconds / seconds[-1]
    light = np.exp(rng.normal(np.where(bright, 9.0, 5.0), 0.5))
    events = ArrayEvents(np.column_stack([seconds, light, light]), ("Time", "R1-A", "R2-A"))
    found = found_in(events)
    assert abs(found.channels[0]["slope"]) < 0.02
    assert found.n_removed == 0


def test_steady_tubes_lose_nothing() -> None:
    for seed in range(8):
        found = found_in(lit(flowing((30_000, 2_000.0), seed=seed), seed=100 + seed))
        assert found.intervals == ()


def test_events_in_another_order_are_the_same_events() -> None:
    events = lit(flowing((20_000, 2_000.0), (600, 400.0), (20_000, 2_000.0)))
    order = np.random.default_rng(6).permutation(events.n_events)
    shuffled = ArrayEvents(events.values[order], events.channels)
    found, other = found_in(events), found_in(shuffled)
    assert other.intervals == found.intervals
    kept = kept_events(events, LIT, found.removed)
    np.testing.assert_array_equal(kept_events(shuffled, LIT, other.removed), kept[order])


def test_joined_files_follow_one_another() -> None:
    one, two = flowing((20_000, 2_000.0)), flowing((20_000, 2_000.0), seed=7)
    found = found_in(lit(np.concatenate([one, two])))
    assert found.intervals == ()
    clock = read_clock(np.concatenate([one, two]))
    assert clock is not None
    assert (clock.steps_back, clock.restarts) == (1, 1)
    assert clock.running[-1] == pytest.approx(one[-1] - one[0] + two[-1] - two[0])


def test_a_tube_without_a_clock_is_not_touched_and_says_so() -> None:
    events = lit(flowing((20_000, 2_000.0), (600, 400.0), (20_000, 2_000.0)))
    bare = ArrayEvents(events.values[:, 1:], events.channels[1:])
    found = check_acquisition(bare, LIT, ranges=(TOP, TOP))
    assert (found.intervals, found.n_removed) == ((), 0)
    assert next(r for r in found.checks if r["check"] == "rate spread")["reason"].startswith(
        "no channel tells the time of each event"
    )
    assert kept_events(bare, LIT, found.removed).all()
    with pytest.raises(CytometryError, match="cannot tell the time"):
        kept_events(bare, LIT, [(0.0, 1.0)])


def test_what_a_study_does_not_ask_to_be_removed_is_listed_and_kept() -> None:
    events = lit(flowing((20_000, 2_000.0), (600, 400.0), (20_000, 2_000.0)))
    found = found_in(events, Limits(remove=("jump",)))
    assert [(one.reason, one.removed) for one in found.intervals] == [("clog", False)]
    assert found.n_removed == 0
    row = next(row for row in found.checks if row["check"] == "rate break")
    assert row["flag"] == "look"


@pytest.mark.parametrize("too_much", ["keep", "fail"])
def test_a_tube_with_too_much_to_remove_is_kept_whole_or_fails(too_much: str) -> None:
    broken = [(3_000, 2_000.0), (250, 200.0), (3_000, 2_000.0), (2_500, 8_000.0)]
    events = lit(flowing(*(broken * 3)))
    found = found_in(events, Limits(too_much=too_much))
    assert found.n_removed == 0
    assert len(found.intervals) >= 4
    assert not any(one.removed for one in found.intervals)
    row = next(row for row in found.checks if row["check"] == "removed")
    assert row["flag"] == "look"
    assert "more than 20 %: nothing was removed" in row["reason"]
    assert bool(found.failure) == (too_much == "fail")


def test_limits_that_make_no_sense_say_what_would() -> None:
    with pytest.raises(CytometryError, match="nothing is removed for 'clogs'; the reasons are clog, spike"):
        Limits(remove=("clogs",))
    with pytest.raises(CytometryError, match="'drop': keep or fail"):
        Limits(too_much="drop")
    with pytest.raises(CytometryError, match="slow flow is below the usual rate"):
        Limits(slow=1.5)


def test_the_floor_of_a_detector_is_a_share_of_its_own() -> None:
    rng = np.random.default_rng(8)
    light = np.maximum(rng.normal(100, 50, 5_000), 60.0)  # about a fifth lie at the least value
    row = checked(np.arange(5_000) * 0.001, light)["margin low"]
    assert row["value"] == pytest.approx(np.mean(light == 60.0))
    assert (row["flag"], row["reason"]) == ("look", "events pile up at the bottom of FSC-A")


def test_doublets_and_dead_cells_are_counted_before_anything_is_gated() -> None:
    rng = np.random.default_rng(9)
    n, twice, dead = 20_000, rng.random(20_000) < 0.2, rng.random(20_000) < 0.4
    area = rng.normal(50_000, 2_000, n) * np.where(twice, 2, 1)
    height = area * np.where(twice, 0.55, 0.93) * rng.normal(1, 0.02, n)
    dye = np.exp(rng.normal(np.where(dead, 9.5, 5.0), 0.5))
    channels = (("Time", "time"), ("FSC-A", "scatter"), ("FSC-H", "scatter"), ("V1-A", "viability"))
    panel = Panel(tuple(Channel(name, name, "", role) for name, role in channels))
    events = ArrayEvents(
        np.column_stack([flowing((n, 2_000.0)), area, height, dye]), tuple(name for name, _ in channels)
    )
    rows = {r["check"]: r for r in check_acquisition(events, panel, ranges=(0.0, TOP, TOP, TOP)).checks}
    assert rows["doublets"]["value"] == pytest.approx(0.2, abs=0.01)
    assert rows["dead"]["value"] == pytest.approx(0.4, abs=0.01)
    assert (rows["doublets"]["flag"], rows["dead"]["flag"]) == ("look", "look")


def test_the_course_of_a_run_can_be_drawn() -> None:
    events = lit(flowing((20_000, 2_000.0), (600, 400.0), (20_000, 2_000.0)))
    found = found_in(events)
    course = course_table(events, LIT, removed=found.removed)
    assert course["n_events"].sum() == events.n_events
    assert (course["removed"] * course["n_events"]).sum() == pytest.approx(found.n_removed)
    assert course.loc[course["removed"] > 0.9, "rate"].median() == pytest.approx(400, rel=0.25)
    assert course.loc[course["removed"] == 0, "rate"].median() == pytest.approx(2_000, rel=0.05)
    slow = course.iloc[3]
    inside = (events.values[:, 0] - events.values[0, 0] >= slow["start"]) & (
        events.values[:, 0] - events.values[0, 0] < slow["stop"]
    )
    assert slow["R1-A"] == pytest.approx(np.median(events.values[inside, 1]), rel=0.02)
    empty = course_table(ArrayEvents(np.zeros((0, 3)), events.channels), LIT)
    assert (len(empty), list(empty)) == (0, ["start", "stop", "n_events", "rate", "removed", "R1-A", "R2-A"])


# --- Parts -------------------------------------------------------------------------------------------------------


def test_a_running_median_is_that_of_each_window() -> None:
    values = np.random.default_rng(10).normal(size=60).round(1)
    for window in (1, 2, 7, 20, 60):
        inner = [np.median(values[at : at + window]) for at in range(61 - window)]
        before = (window - 1) // 2
        expected = [inner[min(max(at - before, 0), len(inner) - 1)] for at in range(60)]
        np.testing.assert_allclose(running_median(values, window), expected)


def test_keys_are_in_the_order_of_the_values_and_mean_them() -> None:
    rng = np.random.default_rng(11)
    values = np.sort(np.concatenate([rng.normal(0, 1e4, 500), [0.0, 262_144.0], rng.lognormal(3, 3, 500)]))
    keys = keys_of(values.astype(np.float32))
    assert (np.diff(keys.astype(int)) >= 0).all()
    back = value_of_keys()[keys]
    np.testing.assert_allclose(back[values != 0], values[values != 0], rtol=0.005)


# --- Real acquisitions -------------------------------------------------------------------------------------------


def test_a_sample_that_hardly_flows_at_first_is_a_clog_there(real_data: Path) -> None:
    tube = read_fcs(real_data / "cytoflow_tasbe/tests/data/module_examples/stabilize.fcs")
    found = check_acquisition(tube, guess_panel([tube])[0], ranges=tube.ranges)
    first = found.intervals[0]
    assert (first.reason, first.start, first.removed) == ("clog", 0.0, True)
    assert first.stop > 10
    assert found.n_removed < 0.1 * tube.n_events
