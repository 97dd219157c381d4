"""Acquisition: what the checks found, what was removed and why, and the drift of each channel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cytometry._qc.checks import SURE
from cytometry._qc.light import HALF
from cytometry.report.blocks import Cell, Grid, cells, records
from cytometry.report.tables import flagged_grid, qc_grid, table_of
from cytometry.report.words import NOTHING, count, counted, first_upper, listed, minus, number, percent

if TYPE_CHECKING:
    import pandas as pd

    from cytometry.store import Run

ENDS = (("", "high"), (" low", "low"))  # check, and what its column says


@dataclass(frozen=True, slots=True)
class Quality:
    """What the page shows of the acquisition: what fell short, what was removed, and all."""

    text: str
    flagged: Grid
    reasons: Grid
    intervals: Grid
    channels: Grid
    all: Grid


def quality(run: Run) -> Quality:
    """Return the acquisition checks of a run, and the intervals that were removed or marked, with their reasons."""
    none = Grid("", (), ())
    intervals = _typed(table_of(run, "qc_intervals"), ("start", "stop", "n_events", "share"))
    channels = _typed(
        table_of(run, "qc_channels"), ("slope", "slope_low", "slope_high", "margin_high", "margin_low")
    )
    removed = _removed(run, intervals)
    checked = run.qc["tube"].nunique()
    if not checked:
        return Quality("No acquisition check was made.", none, none, none, none, none)
    flagged = flagged_grid(run)
    short = run.qc.loc[run.qc["flag"] != "", "tube"].nunique()
    met = f"{checked - short} of {counted(checked, 'tube')} met every acquisition check"
    text = f"{met}; what fell short is below." if flagged else f"{met}."
    return Quality(
        " ".join(part for part in (first_upper(text), _without_rate(run), removed) if part),
        flagged,
        none if intervals is None else _by_reason(run, intervals),
        none if intervals is None else _intervals(intervals),
        none if channels is None else _channels(run, channels),
        qc_grid(run, removed=removed),
    )


def _without_rate(run: Run) -> str:
    """Say of how many tubes the rate is not known, for each reason."""
    unknown = run.qc[(run.qc["check"] == "rate spread") & run.qc["value"].isna()]
    return " ".join(
        f"In {counted(len(rows), 'tube')} {reason}." for reason, rows in unknown.groupby("reason", sort=False)
    )


def _typed(table: pd.DataFrame | None, numbers: tuple[str, ...]) -> pd.DataFrame | None:
    import pandas as pd

    if table is None or not {*numbers} <= set(table.columns):
        return None
    typed = table.assign(
        **{name: pd.to_numeric(table[name], errors="coerce").astype(float) for name in numbers}
    )
    return (
        typed.assign(removed=typed["removed"].astype(str) == "True") if "removed" in typed.columns else typed
    )


def n_removed(run: Run) -> int:
    """Return how many events of the gated tubes quality control removed."""
    gated = run.tubes[run.tubes["status"] == "gated"]
    return int(gated["n_removed"].fillna(0).sum()) if "n_removed" in gated.columns else 0


def _removed(run: Run, intervals: pd.DataFrame | None) -> str:
    """Say how many events were removed, of how many."""
    events = sum(int(about["n_events"] or 0) for about in run.info["tubes"].values())
    gone = 0 if intervals is None else int(intervals.loc[intervals["removed"], "n_events"].sum())
    if not gone:
        return "Nothing was removed from any tube."
    tubes = intervals.loc[intervals["removed"], "tube"].nunique() if intervals is not None else 0
    return (
        f"{gone:,} of {events:,} events ({percent(gone / events)}) were removed, from {counted(tubes, 'tube')}; each "
        "interval is listed with its reason."
    )


def _by_reason(run: Run, intervals: pd.DataFrame) -> Grid:
    events = sum(int(about["n_events"] or 0) for about in run.info["tubes"].values())
    rows = []
    for (reason, removed), of in intervals.groupby(["reason", "removed"], sort=False):
        many, tubes = float(of["n_events"].sum()), of["tube"].nunique()
        rows.append(
            cells(
                [
                    str(reason),
                    "removed" if removed else "marked, kept",
                    Cell(str(len(of)), float(len(of))),
                    Cell(str(tubes), float(tubes)),
                    Cell(count(many), many),
                    Cell(percent(many / events) if events else NOTHING, many / events if events else np.nan),
                    Cell(percent(float(of["share"].max())), float(of["share"].max())),
                ]
            )
        )
    columns = ("reason", "done", "intervals", "tubes", "events", "of all events", "largest share of a tube")
    return Grid("Intervals of the acquisition by reason.", columns, tuple(rows), frozenset(range(2, 7)))


def _intervals(intervals: pd.DataFrame) -> Grid:
    rows = [
        cells(
            [
                str(row["tube"]),
                str(row["reason"]),
                str(row["channel"]),
                Cell(f"{number(row['start'])} to {number(row['stop'])}", row["start"]),
                Cell(count(row["n_events"]), row["n_events"]),
                Cell(percent(row["share"]), row["share"]),
                "removed" if row["removed"] else "marked, kept",
                minus(str(row["detail"])),
            ]
        )
        for row in records(intervals)
    ]
    columns = ("tube", "reason", "channel", "seconds", "events", "share of the tube", "done", "detail")
    return Grid("Every interval, with its reason.", columns, tuple(rows), frozenset({3, 4, 5}))


def _channels(run: Run, channels: pd.DataFrame) -> Grid:
    """Return the channels that fell short by the rules of the checks: of drift, and of the ends of a range."""
    moved = _channels_of(run, channels, "drift", channels["slope"].abs())
    errors = (channels["slope_high"] - channels["slope_low"]) / (2 * HALF)
    moved &= channels["slope"].abs() > SURE * errors
    high, low = (
        _channels_of(run, channels, f"margin{end}", channels[f"margin_{name}"]) for end, name in ENDS
    )
    found = channels[moved | high | low]
    found = found.iloc[np.argsort(-found["slope"].abs().fillna(0).to_numpy(), kind="stable")]
    rows = [
        cells(
            [
                str(row["tube"]),
                str(row["marker"] or row["channel"]),
                Cell(_change(row), row["slope"]),
                Cell(percent(row["margin_low"]), row["margin_low"]),
                Cell(percent(row["margin_high"]), row["margin_high"]),
            ]
        )
        for row in records(found)
    ]
    columns = (
        "tube",
        "channel",
        "change over the run, % (95 % CI)",
        "events at the lower end",
        "at the upper end",
    )
    caption = (
        "Channels beyond the limit of the check of drift, or of the ends of a detector's range, by the rule of that "
        f"check: a drift is one where it is beyond {SURE:g} standard errors as well, since a run has many channels."
    )
    return Grid(caption, columns, tuple(rows), frozenset({2, 3, 4}))


def _channels_of(run: Run, channels: pd.DataFrame, check: str, values: pd.Series[float]) -> pd.Series[bool]:
    """Return which channels lie beyond a check's limit, in the tubes in which that check fell short."""
    checks = run.qc[run.qc["check"] == check]
    tubes = checks.loc[checks["flag"] != "", "tube"]
    limit = float(checks["limit"].iloc[0]) if len(checks) else np.inf
    return channels["tube"].isin(tubes) & (values > limit)


def _change(row: dict[str, Any]) -> str:
    values = [row["slope"], row["slope_low"], row["slope_high"]]
    if not all(np.isfinite(value) for value in values):
        return NOTHING
    first, low, high = (minus(f"{100 * value:+.1f}") for value in values)
    return f"{first} ({low} to {high})"


def quality_methods(run: Run) -> str:
    """Return for the methods what was checked, and how much was removed before gating, by reason."""
    checks = [str(check) for check in dict.fromkeys(run.qc["check"])]
    if not checks:
        return ""
    text = f"Every tube was checked for {listed(checks, at_most=None)}; the limits are in the report."
    intervals = _typed(table_of(run, "qc_intervals"), ("start", "stop", "n_events", "share"))
    gone = None if intervals is None else intervals[intervals["removed"]]
    if gone is None or gone.empty:
        return f"{text} Nothing was removed."
    events = sum(int(about["n_events"] or 0) for about in run.info["tubes"].values())
    many = int(gone["n_events"].sum())
    reasons = [
        f"{reason} ({counted(len(of), 'interval')}, {int(of['n_events'].sum()):,} events)"
        for reason, of in gone.groupby("reason", sort=False)
    ]
    sizes = {tube: int(about["n_events"] or 0) for tube, about in run.info["tubes"].items()}
    most = max(int(of["n_events"].sum()) / sizes[str(tube)] for tube, of in gone.groupby("tube"))
    return (
        f"{text} Before gating, {many:,} of {events:,} events ({percent(many / events)}) were removed from "
        f"{counted(gone['tube'].nunique(), 'tube')}, at most {percent(most)} of one, for these reasons: "
        f"{listed(reasons, at_most=None)}. {events - many:,} events were kept."
    )
