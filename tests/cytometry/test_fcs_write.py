from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from flowio import FlowData
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from cytometry._fcs.write import _header, _text
from cytometry.compensation import find_spillover
from cytometry.errors import FCSError
from cytometry.fcs import read_fcs, write_fcs
from gating.columns import Spillover

CHANNELS = ("FSC-A", "BV421-A", "APC-A", "Time")
SPILLOVER = Spillover(("BV421-A", "APC-A"), np.array([[1.0, 0.125], [1 / 3, 1.0]]))


def stained(n_events: int = 500) -> NDArray[np.float32]:
    rng = np.random.default_rng(11)
    signal = rng.normal(1000, 400, (n_events, 3))
    return np.column_stack([signal, np.arange(n_events) * 0.01]).astype(np.float32)


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    path = write_fcs(
        tmp_path / "donor 7.fcs",
        stained(),
        CHANNELS,
        labels=["", "PD-1", "CD8", ""],
        spillover=SPILLOVER,
        ranges=[262_144, 262_144, 1e6, 100],
        keywords={
            "timestep": "0.01",
            "cyt": "simulated",
            "p2v": "450",
            "TUBE NAME": "T7",
            "$date": "01-JAN-2026",
        },
    )
    tube = read_fcs(path)
    assert (tube.version, tube.channels, tube.labels) == ("3.1", CHANNELS, ("", "PD-1", "CD8", ""))
    assert tube.repairs == ()
    np.testing.assert_array_equal(tube.events(CHANNELS[:3]), stained()[:, :3])
    np.testing.assert_allclose(tube.column("Time"), stained()[:, 3], rtol=1e-6)
    np.testing.assert_allclose(tube.ranges, [262_144, 262_144, 1e6, 100])
    said = {key: tube.keywords[key] for key in ("timestep", "cyt", "p2v", "tube name", "date")}
    assert said == {
        "timestep": "0.01",
        "cyt": "simulated",
        "p2v": "450",
        "tube name": "T7",
        "date": "01-JAN-2026",
    }
    found = find_spillover(tube)
    assert found is not None
    assert found.detectors == SPILLOVER.detectors
    np.testing.assert_array_equal(found.matrix, SPILLOVER.matrix)


def test_flowkit_reads_the_same(tmp_path: Path) -> None:
    path = write_fcs(
        tmp_path / "a.fcs", stained(), CHANNELS, labels=["", "PD-1", "", ""], keywords={"timestep": "0.01"}
    )
    theirs = FlowData(str(path))
    assert theirs.pnn_labels == list(CHANNELS)
    assert theirs.pns_labels == ["", "PD-1", "", ""]
    assert theirs.event_count == 500
    np.testing.assert_array_equal(theirs.as_array(), read_fcs(path).events())


def test_standard_keywords_bear_a_dollar_and_others_do_not(tmp_path: Path) -> None:
    path = write_fcs(
        tmp_path / "a.fcs", stained(3), CHANNELS, keywords={"cyt": "X", "p1v": "1", "tube name": "T"}
    )
    content = path.read_bytes()
    assert all(
        part in content for part in (b"/$CYT/X/", b"/$P1V/1/", b"/TUBE NAME/T/", b"/$TOT/3/", b"/$P2E/0,0/")
    )


def test_the_same_tube_gives_the_same_bytes(tmp_path: Path) -> None:
    one, two = (
        write_fcs(tmp_path / name, stained(), CHANNELS, spillover=SPILLOVER) for name in ("1.fcs", "2.fcs")
    )
    assert one.read_bytes() == two.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1.fcs", "2.fcs"]


def test_a_tube_read_and_written_again_is_the_same_tube(real_data: Path, tmp_path: Path) -> None:
    tube = read_fcs(real_data / "cytoexplorer_activation" / "Activation" / "Activation_1.fcs")
    path = write_fcs(
        tmp_path / "again.fcs",
        tube.events(),
        tube.channels,
        labels=tube.labels,
        ranges=tube.ranges,
        spillover=find_spillover(tube),
        keywords=tube.keywords,
    )
    again = read_fcs(path)
    np.testing.assert_array_equal(again.events(), tube.events())
    assert (again.channels, again.labels, again.ranges) == (tube.channels, tube.labels, tube.ranges)
    assert again.keywords["p7v"] == tube.keywords["p7v"]
    assert again.keywords["timestep"] == tube.keywords["timestep"]


def test_any_character_may_stand_in_a_value(tmp_path: Path) -> None:
    keywords = {"com": "a/b|c\\d\fe", "op": "Müller µ", "src": "/begins and ends/", "empty": ""}
    labels = ["", "CD3/TCR", "HLA-DR|DQ", ""]
    path = write_fcs(tmp_path / "a.fcs", stained(3), CHANNELS, labels=labels, keywords=keywords)
    tube = read_fcs(path)
    assert {key: tube.keywords[key] for key in ("com", "op", "src")} == {
        k: v for k, v in keywords.items() if v
    }
    assert tube.labels == tuple(labels)
    assert "empty" not in tube.keywords
    assert FlowData(str(path)).pns_labels == labels


@pytest.mark.parametrize("n_events", [0, 1, 4, 5, 53, 54, 606])
def test_text_says_where_data_begins_whatever_the_number_of_digits(tmp_path: Path, n_events: int) -> None:
    path = write_fcs(tmp_path / "a.fcs", stained(n_events), CHANNELS)
    tube = read_fcs(path)
    assert tube.n_events == n_events
    assert tube.repairs == ()
    assert FlowData(str(path)).event_count == n_events


def test_beyond_eight_digits_text_alone_says_where_data_is() -> None:
    for data_bytes in (99_999_000, 200_000_000, 5_000_000_000):
        text, begin = _text({"$TOT": "1"}, data_bytes)
        header = _header(text, begin, data_bytes)
        end = begin + data_bytes - 1
        assert len(header) == 58
        assert f"/$BEGINDATA/{begin}/$ENDDATA/{end}/".encode() in text
        assert begin == 58 + len(text)
        fits = end <= 99_999_999
        assert header[26:42] == f"{begin if fits else 0:>8}{end if fits else 0:>8}".encode()


@pytest.mark.slow
def test_a_file_of_more_than_eight_digits_comes_back(tmp_path: Path) -> None:
    values = np.tile(np.arange(25, dtype=np.float32), (1_050_000, 1))  # 105 MB
    tube = read_fcs(write_fcs(tmp_path / "large.fcs", values, [f"D{n}-A" for n in range(25)]))
    assert tube.path.stat().st_size > 99_999_999
    assert tube.repairs == ()
    np.testing.assert_array_equal(tube.column("D24-A", np.array([0, 1_049_999])), [24.0, 24.0])


def test_ranges_are_262144_or_the_next_power_of_2_above_the_data(tmp_path: Path) -> None:
    values = np.array([[10.0, 300_000.0], [np.nan, -5.0]])
    assert read_fcs(write_fcs(tmp_path / "a.fcs", values, ["FSC-A", "PE-A"])).ranges == (262_144.0, 524_288.0)


@given(arrays(np.float32, st.tuples(st.integers(0, 20), st.integers(1, 6)), elements=st.floats(width=32)))
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_float32_survives(tmp_path: Path, values: NDArray[np.float32]) -> None:
    channels = [f"D{n}" for n in range(values.shape[1])]
    tube = read_fcs(write_fcs(tmp_path / "a.fcs", values, channels))
    np.testing.assert_array_equal(tube.events(), values.astype(np.float64))


def test_a_file_that_cannot_be_written_whole_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "kept.fcs"
    path.write_bytes(b"what was there")
    wrong = (
        (stained()[:, :3], CHANNELS, {}, r"4 channels need events of shape \(n, 4\), not \(500, 3\)"),
        (stained(), CHANNELS, {"labels": ["PD-1"]}, "4 channels need 4 labels, not 1"),
        (stained(), CHANNELS, {"ranges": [1.0]}, "4 channels need 4 ranges, not 1"),
        (stained(), ("A", "B", "A", "C"), {}, "channel names are unique"),
        (stained(), ("A", "B,C", "D", "E"), {}, "without a comma"),
        (stained(), ("A", "B", "C", "D"), {"spillover": SPILLOVER}, "the spillover names BV421-A, APC-A"),
        (stained(), CHANNELS, {"keywords": {"timestep": "fast"}}, r"\$TIMESTEP is the seconds in a tick"),
        (stained().astype(float) * 1e39, CHANNELS, {}, "too large for the float32"),
    )
    for events, channels, options, said in wrong:
        with pytest.raises(FCSError, match=said):
            write_fcs(path, events, channels, **options)
    assert path.read_bytes() == b"what was there"
    with pytest.raises(FCSError, match="cannot be written: No such file or directory"):
        write_fcs(tmp_path / "nowhere" / "a.fcs", stained(), CHANNELS)
