"""A tube that is watched while it is learnt from: its events to the last bit, or which tube was lost, and why."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cytometry.digest import stamp
from cytometry.fcs import read_fcs, write_fcs
from cytometry.panel import Channel, Panel
from cytometry.watched import Kept, LostTube, Watched

CHANNELS = ("FSC-A", "B525-A", "Time")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    light = np.random.default_rng(1).normal(300, 900, (5_000, 3)).astype(np.float32)
    keywords = {"$TIMESTEP": "0.01", "$P2G": "3"}
    return write_fcs(tmp_path / "one.fcs", light, CHANNELS, keywords=keywords)


def watched(file: Path, *, mapped: bool) -> Watched:
    return Watched("D1", file, seen=stamp(file), mapped=mapped)


@pytest.mark.parametrize("mapped", [True, False])
@pytest.mark.parametrize("held", [True, False])
def test_however_it_is_read_a_tube_has_the_events_of_its_file(
    file: Path, *, mapped: bool, held: bool
) -> None:
    tube, plain = watched(file, mapped=mapped), read_fcs(file)
    assert tube.hold(10**9 if held else 0) == (5_000 * 3 * 8 if held else 0)
    some = np.array([4_999, 3, 3, 70])
    for channel in CHANNELS:
        np.testing.assert_array_equal(tube.column(channel), plain.column(channel))
        np.testing.assert_array_equal(tube.column(channel, some), plain.column(channel, some))


def test_a_file_that_changed_or_is_gone_loses_its_tube_by_name(file: Path) -> None:
    tube = watched(file, mapped=False)
    tube.check()
    file.write_bytes(file.read_bytes() + b" ")
    with pytest.raises(LostTube, match="was written to while it was read") as lost:
        tube.check()
    assert lost.value.tube == "D1"
    file.unlink()
    with pytest.raises(LostTube, match="cannot be read any more"):
        tube.column("FSC-A")
    with pytest.raises(LostTube, match="cannot be read any more"):
        tube.check()


def test_where_nothing_is_removed_and_no_beads_were_added_all_events_are_shown(file: Path) -> None:
    tube = watched(file, mapped=True)
    panel = Panel((Channel("B525-A", "CD3", role="lineage"),))
    assert tube.rows(panel, (), ()) is None
    kept = Kept(tube, np.array([2, 5]))
    assert kept.n_events == 2
    np.testing.assert_array_equal(kept.column("FSC-A"), tube.column("FSC-A")[[2, 5]])
