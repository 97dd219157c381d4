"""A tube's stored result: small, whole or not believed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cytometry.digest import TELLING, digest, read_signed, signed, verified
from cytometry.errors import RunError
from cytometry.record import GatedTube, codes_path, load_tube, read_record, save_tube, stem
from gating.columns import ArrayEvents, Columns, Dimension
from gating.gates import Interval
from gating.membership import assign
from gating.strategy import GatingStrategy, Population

MARKERS = [f"CD{number}" for number in range(20)]


@pytest.fixture
def gated() -> GatedTube:
    """Return a tube of 30,000 events in 20 populations that overlap as markers of T cells do: 2 to 16 sets a pair."""
    rng = np.random.default_rng(1)
    columns = Columns(
        ArrayEvents(rng.normal(size=(30_000, 20)), tuple(MARKERS)), {m: Dimension(m) for m in MARKERS}
    )
    populations = [Population(m, Interval(m, low=1.0)) for m in MARKERS[:10]]
    populations += [Population(m, Interval(m, low=1.0), MARKERS[n]) for n, m in enumerate(MARKERS[10:])]
    strategy = GatingStrategy(columns.dimensions, tuple(populations))
    return GatedTube("a tube", strategy, assign(strategy, columns), None, ())


def test_twenty_populations_take_at_most_two_bytes_an_event(gated: GatedTube, tmp_path: Path) -> None:
    save_tube(tmp_path, gated)
    assert len(gated.membership.populations) == 20
    assert len(gated.membership.sets) > 256, "otherwise one byte would do, and nothing is shown"
    assert codes_path(tmp_path, "a tube").stat().st_size <= 2 * gated.membership.n_events


def test_what_was_stored_is_read_back_bit_for_bit(gated: GatedTube, tmp_path: Path) -> None:
    said = save_tube(tmp_path, gated)
    back = load_tube(tmp_path, "a tube")
    np.testing.assert_array_equal(back.membership.codes, gated.membership.codes)
    np.testing.assert_array_equal(back.membership.sets, gated.membership.sets)
    assert back.membership.counts() == gated.membership.counts() == said["counts"]
    assert read_record(tmp_path, "a tube") == said


def test_a_tube_without_events_has_a_result(tmp_path: Path) -> None:
    columns = Columns(ArrayEvents(np.zeros((0, 1)), ("CD3",)), {"CD3": Dimension("CD3")})
    strategy = GatingStrategy(columns.dimensions, (Population("T", Interval("CD3", low=1.0)),))
    save_tube(tmp_path, GatedTube("empty", strategy, assign(strategy, columns), None, ()))
    back = load_tube(tmp_path, "empty")
    assert back.membership.n_events == 0
    assert back.membership.counts() == {"T": 0}


def test_one_flipped_bit_is_found(gated: GatedTube, tmp_path: Path) -> None:
    save_tube(tmp_path, gated)
    path = codes_path(tmp_path, "a tube")
    octets = bytearray(path.read_bytes())
    octets[1_000] ^= 1
    path.write_bytes(octets)
    with pytest.raises(RunError, match="checksum does not fit"):
        load_tube(tmp_path, "a tube")


def test_tubes_whose_names_a_file_cannot_have_or_tell_apart_have_files_of_their_own() -> None:
    names = ["D1/T", "D1_T", "D1:T", "d1_t", "D1 T", "x" * 300, "x" * 301, "Müller"]
    files = [stem(name).lower() for name in names]
    assert len(set(files)) == len(names)
    assert all(set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789._+-") for name in files)
    assert max(map(len, files)) < 100


def test_no_room_that_has_a_part_in_a_tubes_result_is_left_out_of_the_digest_of_the_code() -> None:
    code = "import cytometry.work, cytometry.learnt, sys; print(*sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    rooms = {name.split(".")[1] for name in said.split() if name.startswith("cytometry.")}
    assert {"measure", "qc", "transforms", "fcs"} <= rooms
    assert rooms & TELLING == set()


def test_a_digest_knows_content_and_not_order() -> None:
    assert digest({"a": 1, "b": [0.1, None]}) == digest({"b": [0.1, None], "a": 1})
    assert digest([0.1 + 0.2]) != digest([0.3])


def test_a_signed_text_that_was_altered_or_cut_is_refused(tmp_path: Path) -> None:
    text = signed({"cut": 0.1 + 0.2, "why": "müde"})
    assert verified(text) == {"cut": 0.1 + 0.2, "why": "müde"}
    for spoilt in (text.replace("0.3", "0.4"), text[:-20], "[]", "{}"):
        with pytest.raises(ValueError, match=r"checksum|Expecting|Unterminated"):
            verified(spoilt)
    assert read_signed(tmp_path / "nothing.json") is None
