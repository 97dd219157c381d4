"""A tube over its time: what was taken out is seen on every channel."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from cytometry.plots import acquisition_plot
from cytometry.plots.style import MARKED


def course(n_channels: int = 3) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    start = np.arange(50.0)
    table = pd.DataFrame({"start": start, "stop": start + 1, "n_events": 100, "rate": 100.0, "removed": 0.0})
    for i in range(n_channels):
        table[f"B{i}-A"] = rng.normal(1000 * (i + 1), 20, 50)
    return table


INTERVALS = pd.DataFrame(
    [
        {"reason": "clog", "start": 10.0, "stop": 20.0, "removed": True},
        {"reason": "jump", "start": 30.0, "stop": 31.0, "removed": False},
    ]
)


def test_an_interval_is_drawn_on_the_rate_and_on_every_channel_and_hatched_only_if_removed() -> None:
    figure = acquisition_plot(course(), INTERVALS, labels={"B0-A": "PD-1 (BV421)"})
    assert len(figure.axes) == 4
    for ax in figure.axes:
        spans = [patch for patch in ax.patches if to_hex(patch.get_edgecolor()) == MARKED.lower()]
        assert [bool(patch.get_hatch()) for patch in spans] == [True, False]
    assert [t.get_text() for t in figure.axes[0].texts] == ["clog", "jump"]
    assert figure.axes[1].texts[0].get_text() == "PD-1 (BV421)"


def test_all_channels_share_the_time_and_a_shift_of_five_sd_stays_on_its_plot() -> None:
    table = course()
    table.loc[25:, "B1-A"] += 500.0
    figure = acquisition_plot(table)
    assert {ax.get_xlim() for ax in figure.axes} == {(0.0, 50.0)}
    low, high = figure.axes[2].get_ylim()
    assert low < table["B1-A"].min() < table["B1-A"].max() < high


def test_a_tube_without_a_clock_says_so() -> None:
    figure = acquisition_plot(course().iloc[:0])
    assert "no clock" in figure.axes[0].texts[0].get_text()
    assert figure.get_size_inches()[1] < acquisition_plot(course()).get_size_inches()[1]


@pytest.mark.parametrize("channels", [1, 24])
def test_the_page_is_no_higher_than_the_journal_s(channels: int) -> None:
    figure = acquisition_plot(course(channels), INTERVALS)
    assert isinstance(figure, Figure)
    assert figure.get_size_inches()[1] * 25.4 <= 170.0
