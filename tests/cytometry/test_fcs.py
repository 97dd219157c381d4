from __future__ import annotations

import hashlib
import pickle
import struct
import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from flowio import FlowData
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from cytometry.errors import FCSError
from cytometry.fcs import Tube, read_fcs, write_fcs
from gating.columns import Columns, Dimension

DIVERSE = (
    "coereba_vd2_seb/2025_07_26_AB_02_INF052_00_SEB.fcs",  # Aurora, big-endian, Time in 0.1 ms
    "cytodx_aml/sample1.fcs",  # gains other than 1
    "cytoexplorer_activation/Activation/Activation_1.fcs",  # LSR II
    "cytoflow_tasbe/tests/data/module_examples/stabilize.fcs",  # DATA ends one byte too far
    "fcsparser/FlowCytometers/FACSCaliburHTS/Sample_Well_A02.fcs",  # FCS 2.0, logarithmic amplifiers
    "fcsparser/FlowCytometers/cyflow_cube_8/cyflow_cube_8.fcs",  # integers of 8, 16 and 32 bits
    "fcsparser/FlowCytometers/fake_bitmask_error/fcs1_cleaned.lmd",  # masks, gains, logarithms
    "flowcyt_bm_labels/tests/test_data/test3.LMD",  # two data sets
    "flowio/3FITC_4PE_004.fcs",
    "flowio/B01 KC-A-W---91-US.fcs",  # Accuri, 32-bit integers
    "flowio/data1.fcs",  # empty values in TEXT
    "flowkit/test_comp_example.fcs",
)
LINEAR_DECIMALS = ("flowgate_gvhd", "cytoqc_panelmess", "module_examples/itn_")
ORDERS = {"<": "1,2,3,4", ">": "4,3,2,1"}


def fcs(
    keywords: Mapping[str, str],
    data: bytes,
    *,
    version: str = "3.1",
    delimiter: str = "/",
    shifts: tuple[int, int] = (0, 0),
) -> bytes:
    """Return an FCS file put together by hand; ``shifts`` falsify begin and end of DATA as TEXT gives them."""
    if version != "2.0":
        keywords = {"$BEGINDATA": "0" * 8, "$ENDDATA": "0" * 8} | dict(keywords)
    text = delimiter + "".join(f"{k}{delimiter}{v}{delimiter}" for k, v in keywords.items())
    begin = 58 + len(text.encode())
    end = begin + len(data) - 1
    for key, place in (("$BEGINDATA", begin + shifts[0]), ("$ENDDATA", end + shifts[1])):
        text = text.replace(f"{key}{delimiter}{'0' * 8}", f"{key}{delimiter}{place:08}")
    header = f"FCS{version}    {58:>8}{begin - 1:>8}{begin:>8}{end:>8}{0:>8}{0:>8}"
    return (header + text).encode() + data


def described(count: int = 2, **general: str) -> dict[str, str]:
    """Return the keywords of ``count`` 16-bit channels of 65,536 values, little-endian, linear."""
    names = ["FSC-A", "FITC-A", "PE-A", "Time"]
    keywords = {"$PAR": str(count), "$MODE": "L", "$DATATYPE": "I", "$BYTEORD": "1,2,3,4", "$NEXTDATA": "0"}
    for n in range(1, count + 1):
        keywords |= {f"$P{n}N": names[n - 1], f"$P{n}B": "16", f"$P{n}R": "65536", f"$P{n}E": "0,0"}
    return keywords | {f"${key}": value for key, value in general.items()}


def opened(folder: Path, content: bytes, name: str = "tube.fcs") -> Tube:
    path = folder / name
    path.write_bytes(content)
    return read_fcs(path)


def by_flowio(path: Path, offset: int = 0) -> NDArray[np.float64]:
    """Return what FlowKit's ``Sample`` holds as raw events, with the first flag under which it reads."""
    flags = (
        {},
        {"ignore_offset_error": True},
        {"use_header_offsets": True},
        {"ignore_offset_discrepancy": True},
    )
    refusals = []
    for flag in flags:
        with path.open("rb") as handle, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                return np.asarray(FlowData(handle, nextdata_offset=offset, **flag).as_array())
            except Exception as error:  # it raises anything
                refusals.append(error)
    raise refusals[0]


# Values


@pytest.mark.parametrize("name", DIVERSE)
def test_values_equal_those_of_flowkit_to_the_last_bit(real_data: Path, name: str) -> None:
    np.testing.assert_array_equal(read_fcs(real_data / name).events(), by_flowio(real_data / name))


def test_a_column_is_the_same_alone_among_others_and_by_rows(real_data: Path) -> None:
    tube = read_fcs(real_data / DIVERSE[2])
    rows = np.array([7, 7, 0, tube.n_events - 1, 41_113])
    everything = tube.events()
    for index, channel in enumerate(tube.channels):
        column = tube.column(channel)
        assert column.flags.c_contiguous
        np.testing.assert_array_equal(column, everything[:, index])
        np.testing.assert_array_equal(tube.column(channel, rows), column[rows])
    np.testing.assert_array_equal(tube.events(tube.channels[3:5]), everything[:, 3:5])


@pytest.mark.slow
def test_every_file_that_flowkit_reads_has_flowkits_values(
    real_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import flowkit

    suffixes = {".fcs", ".lmd", ".001"}
    compared, ours_alone, different = 0, [], []
    for path in sorted(p for p in real_data.rglob("*") if p.suffix.lower() in suffixes):
        name = str(path.relative_to(real_data))
        try:
            theirs = by_flowio(path)
        except Exception as refusal:
            ours_alone.append(f"{name}: FlowKit says {type(refusal).__name__}; we {_what_we_do(path)}")
            continue
        tube = read_fcs(path)
        if any(part in name for part in LINEAR_DECIMALS):
            theirs = FlowData(str(path)).as_array(preprocess=False)
        compared += 1
        if not np.array_equal(tube.events(), theirs, equal_nan=True):
            different.append(name)
    with capsys.disabled():
        print(f"\n{compared} files compared; not read by FlowKit:", *ours_alone, sep="\n  ")
    assert not different
    assert compared > 200
    with (real_data / DIVERSE[2]).open("rb") as handle:  # that FlowIO's array is what FlowKit's Sample holds
        sample = flowkit.Sample(handle, sample_id="activation").get_events(source="raw")
    np.testing.assert_array_equal(read_fcs(real_data / DIVERSE[2]).events(), sample)


def _what_we_do(path: Path) -> str:
    try:
        tube = read_fcs(path)
    except FCSError as error:
        return f"say {error}"
    return f"read {tube.n_events:,} events of {len(tube.channels)} channels {tube.repairs}"


def test_flowkit_takes_decimals_for_logarithms_and_gets_10_to_the_39(real_data: Path) -> None:
    # flowCore wrote these as decimals that are linear already, and left $PnE = 4,0 of the FACSCalibur's integers.
    path = real_data / "flowgate_gvhd" / "s10a01.FCS"
    tube = read_fcs(path)
    assert by_flowio(path).max() > 1e38
    assert tube.events().max() == 10_000.0
    assert any("$PnE" in repair and "FL1-H" in repair for repair in tube.repairs)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(("bits", "code"), [(8, "B"), (16, "H"), (32, "I"), (64, "Q")])
def test_integers_of_every_width_and_byte_order_are_read(
    tmp_path: Path, order: str, bits: int, code: str
) -> None:
    values = [0, 1, 2**bits - 1, 200, 7, 2 ** (bits - 1)]
    keywords = described(2, TOT="3", BYTEORD=ORDERS[order])
    keywords |= {f"$P{n}{key}": str(v) for n in (1, 2) for key, v in (("B", bits), ("R", 2**bits))}
    tube = opened(tmp_path, fcs(keywords, struct.pack(f"{order}6{code}", *values)))
    np.testing.assert_array_equal(tube.events(), np.array(values, dtype=np.float64).reshape(3, 2))
    assert tube.repairs == ()


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(("kind", "code"), [("F", "f"), ("D", "d")])
def test_floats_and_doubles_are_read_with_what_is_no_number(
    tmp_path: Path, order: str, kind: str, code: str
) -> None:
    values = [-1.5, np.nan, 3e30, np.inf]
    keywords = described(2, TOT="2", DATATYPE=kind, BYTEORD=ORDERS[order])
    keywords |= {f"$P{n}B": "32" if kind == "F" else "64" for n in (1, 2)}
    tube = opened(tmp_path, fcs(keywords, struct.pack(f"{order}4{code}", *values)))
    expected = np.array(values, dtype=np.float32 if kind == "F" else np.float64).reshape(2, 2)
    np.testing.assert_array_equal(tube.events(), expected.astype(np.float64))


@pytest.mark.parametrize("order", ORDERS)
def test_widths_of_8_16_24_and_32_bits_stand_side_by_side(tmp_path: Path, order: str) -> None:
    endian = "little" if order == "<" else "big"
    rows = [(200, 60_000, 16_000_000, 4_000_000_000), (1, 2, 3, 4), (0, 65_535, 70_000, 9)]
    widths = (1, 2, 3, 4)
    data = b"".join(v.to_bytes(w, endian) for row in rows for v, w in zip(row, widths, strict=True))
    keywords = described(4, TOT="3", BYTEORD=ORDERS[order], P4N="PE-H")
    keywords |= {
        f"$P{n}{k}": str(v) for n, w in enumerate(widths, 1) for k, v in (("B", 8 * w), ("R", 256**w))
    }
    np.testing.assert_array_equal(opened(tmp_path, fcs(keywords, data)).events(), np.array(rows, dtype=float))


@pytest.mark.parametrize("order", ORDERS)
def test_ten_bit_values_are_unpacked_bit_by_bit(tmp_path: Path, order: str) -> None:
    values = [1023, 1, 512, 700, 3, 1000, 0, 255, 2, 1]  # 5 events of 2 channels: 100 bits, 13 bytes
    written = [f"{value:010b}" if order == ">" else f"{value:010b}"[::-1] for value in values]
    bits = "".join(written).ljust(104, "0")
    data = bytes(int(bits[at : at + 8][:: 1 if order == ">" else -1], 2) for at in range(0, 104, 8))
    keywords = described(2, TOT="5", BYTEORD=ORDERS[order], P1B="10", P2B="10", P1R="1024", P2R="1024")
    tube = opened(tmp_path, fcs(keywords, data))
    np.testing.assert_array_equal(tube.events(), np.array(values, dtype=float).reshape(5, 2))
    np.testing.assert_array_equal(tube.column("FITC-A", np.array([4, 0])), [1.0, 1.0])


def test_ten_bits_that_were_written_in_sixteen_are_read_and_told(tmp_path: Path) -> None:
    keywords = described(2, TOT="2", P1B="10", P2B="10", P1R="1024", P2R="1024")
    tube = opened(tmp_path, fcs(keywords, struct.pack("<4H", 1, 2, 1023, 4)))
    np.testing.assert_array_equal(tube.events(), [[1, 2], [1023, 4]])
    assert tube.repairs == ("$PnB says 10 bits, DATA has room for 16: it is read so",)


def test_the_byte_order_of_the_pdp_11_is_read(tmp_path: Path) -> None:
    number = 0x01020304  # significance 3,4,1,2: bytes 02 01 04 03
    keywords = described(1, TOT="1", BYTEORD="3,4,1,2", P1B="32", P1R=str(2**32))
    assert opened(tmp_path, fcs(keywords, bytes([2, 1, 4, 3]))).column("FSC-A") == [number]


def test_fcs_32_gives_each_channel_its_own_type(tmp_path: Path) -> None:
    keywords = described(3, TOT="2", DATATYPE="F", P1DATATYPE="D", P2DATATYPE="I", P1B="64", P3B="32")
    data = struct.pack("<dHfdHf", 1e-200, 7, 0.5, -2.0, 65_535, -0.25)
    tube = opened(tmp_path, fcs(keywords, data, version="3.2"))
    np.testing.assert_array_equal(tube.events(), [[1e-200, 7, 0.5], [-2.0, 65_535, -0.25]])


def test_bits_above_the_range_are_no_signal(tmp_path: Path) -> None:
    keywords = described(2, TOT="1", P1R="1024", P2R="1000")
    tube = opened(tmp_path, fcs(keywords, struct.pack("<2H", 0b1111_1100_0000_0011, 1023)))
    np.testing.assert_array_equal(
        tube.events(), [[3, 1023]]
    )  # 10 bits for 1,000 values too: nothing is clipped


def test_time_with_a_range_of_0_keeps_its_ticks_where_flowkit_has_zeros(tmp_path: Path) -> None:
    keywords = described(4, TOT="1", P4R="0", P3R="1024")
    tube = opened(tmp_path, fcs(keywords, struct.pack("<4H", 1, 2, 3, 40)))
    assert tube.column("Time") == [40.0]
    assert by_flowio(tube.path)[0, 3] == 0.0


def test_amplifiers_gain_and_time_step_on_paper(tmp_path: Path) -> None:
    keywords = described(
        4, TOT="1", P1G="8", P2E="4,0.1", P2R="1024", P3E="4,0", P3R="1024", TIMESTEP="0.01", P4G="5"
    )
    tube = opened(tmp_path, fcs(keywords, struct.pack("<4H", 800, 512, 256, 250)))
    # 800 / 8; 10^(4 x 512/1024) x 0.1; 10^(4 x 256/1024), its 0 meaning 1; 250 x 0.01 s, whatever Time's gain
    np.testing.assert_allclose(tube.events(), [[100.0, 10.0, 10.0, 2.5]], rtol=1e-15)
    np.testing.assert_allclose(tube.ranges, [8192.0, 1000.0, 10_000.0, 655.36], rtol=1e-15)
    np.testing.assert_array_equal(tube.events(), by_flowio(tube.path))


def test_values_above_the_range_are_kept(tmp_path: Path) -> None:
    keywords = described(1, TOT="1", DATATYPE="F", P1B="32", P1R="1024")
    assert opened(tmp_path, fcs(keywords, struct.pack("<f", 5000.0))).column("FSC-A") == [5000.0]


def test_a_tube_without_events_is_a_tube(tmp_path: Path) -> None:
    content = fcs(described(2, TOT="0"), b"")
    for tube in (opened(tmp_path, content), opened(tmp_path, header_says(content, "0", "0"))):
        assert tube.n_events == 0
        assert tube.column("FSC-A").shape == (0,)
        assert tube.events().shape == (0, 2)


def test_gates_read_a_tube_as_it_is(tmp_path: Path) -> None:
    tube = opened(tmp_path, fcs(described(2, TOT="2"), struct.pack("<4H", 1, 2, 3, 4)))
    columns = Columns(tube, {"CD3": Dimension("FITC-A")})
    np.testing.assert_array_equal(columns.values("CD3"), [2, 4])


# The header


def test_names_labels_keywords_and_voltages_come_from_the_header(real_data: Path) -> None:
    tube = read_fcs(real_data / DIVERSE[2])
    assert (tube.version, tube.n_events, len(tube.channels)) == ("3.0", 50_000, 18)
    assert tube.channels[6] == "Alexa Fluor 488-A"
    assert tube.keywords["p7v"].isdigit()
    assert tube.spillover_text.startswith("11,Alexa Fluor 488-A,PE-A")
    assert tube.sha256() == hashlib.sha256(tube.path.read_bytes()).hexdigest()


def test_a_tube_travels_as_an_address(tmp_path: Path) -> None:
    tube = opened(tmp_path, fcs(described(2, TOT="2"), struct.pack("<4H", 1, 2, 3, 4)))
    travelled = pickle.loads(pickle.dumps(tube))
    assert len(pickle.dumps(tube)) < 500
    assert (travelled.channels, travelled.keywords) == (tube.channels, tube.keywords)
    np.testing.assert_array_equal(travelled.events(), tube.events())


def test_the_data_sets_of_an_lmd_file_are_read_one_by_one(real_data: Path) -> None:
    path = real_data / "flowio" / "coulter.lmd"
    first, second = read_fcs(path), read_fcs(path, data_set=1)
    assert (first.version, second.version) == ("2.0", "3.0")
    assert any("data_set=1" in repair for repair in first.repairs)
    np.testing.assert_array_equal(second.events(), by_flowio(path, int(first.keywords["nextdata"])))
    with pytest.raises(FCSError, match=r"has 2 data set\(s\), so that there is no data_set=2"):
        read_fcs(path, data_set=2)
    with pytest.raises(FCSError, match="counted from 0"):
        read_fcs(path, data_set=-1)


def test_channels_of_one_name_are_told_apart(tmp_path: Path) -> None:
    keywords = described(4, TOT="1", P2N="PE-A", P3N="PE-A", P4N="PE-A_2")
    tube = opened(tmp_path, fcs(keywords, struct.pack("<4H", 1, 2, 3, 4)))
    assert tube.channels == ("FSC-A", "PE-A", "PE-A_3", "PE-A_2")
    assert tube.repairs == ("channels of one name were told apart: PE-A_3",)


def test_a_channel_without_a_name_is_called_by_its_number(tmp_path: Path) -> None:
    keywords = described(2, TOT="1")
    del keywords["$P2N"]
    tube = opened(tmp_path, fcs(keywords, struct.pack("<2H", 1, 2)))
    assert tube.channels == ("FSC-A", "P2")
    assert tube.repairs


def test_an_unknown_channel_is_answered_with_near_ones(tmp_path: Path) -> None:
    tube = opened(tmp_path, fcs(described(3, TOT="1"), struct.pack("<3H", 1, 2, 3)))
    with pytest.raises(FCSError, match=r"no channel 'FITC'\n  did you mean FITC-A"):
        tube.column("FITC")


@pytest.mark.parametrize("delimiter", ["/", "\\", "|", "*", "\f", "^", "\r", "!"])
def test_any_delimiter_divides_text(tmp_path: Path, delimiter: str) -> None:
    content = fcs(described(2, TOT="1", CYT="Aurora"), struct.pack("<2H", 1, 2), delimiter=delimiter)
    assert opened(tmp_path, content).keywords["cyt"] == "Aurora"


def test_a_doubled_delimiter_is_one_character_of_a_value(tmp_path: Path) -> None:
    keywords = described(2, TOT="1", P2S="CD3//TCR", CYT="LSR")
    tube = opened(tmp_path, fcs(keywords, struct.pack("<2H", 1, 2)))
    assert tube.labels == ("", "CD3/TCR")
    assert tube.repairs == ()


def test_an_empty_value_swallows_no_other_keyword(tmp_path: Path) -> None:
    # FlowIO reads $P1S//$P2N as one keyword, and channel 2 is gone.
    keywords = {"$P1S": ""} | {"$P2N": "FITC-A"} | described(2, TOT="1")
    tube = opened(tmp_path, fcs(keywords, struct.pack("<2H", 1, 2)))
    assert tube.channels == ("FSC-A", "FITC-A")
    assert tube.repairs == ("doubled delimiters in TEXT were read as empty values",)


def test_text_may_lack_its_last_delimiter_or_have_two(tmp_path: Path) -> None:
    content = fcs(described(1, TOT="1") | {"$CYT": "LSR"}, struct.pack("<H", 5), version="2.0")
    end = content.index(b"/LSR/") + 4
    for last in (b"", b" ", b"\0", b"/", b"//", b"/   "):
        text = content[:end] + last
        begin = len(text)
        places = f"{58:>8}{begin - 1:>8}{begin:>8}{begin + 1:>8}".encode()
        tube = opened(tmp_path, text[:10] + places + text[42:] + struct.pack("<H", 5))
        assert tube.keywords["cyt"].strip(" \0") == "LSR"
        assert tube.column("FSC-A") == [5.0]


def test_latin_1_and_utf_8_are_both_read(tmp_path: Path) -> None:
    for encoding in ("utf-8", "latin-1"):
        content = fcs(described(1, TOT="1", OP="Mueller"), struct.pack("<H", 5))
        content = content.replace(b"Mueller", "Müller".encode(encoding).ljust(7))
        assert opened(tmp_path, content).keywords["op"].strip() == "Müller"


def test_supplemental_text_adds_what_text_lacks(tmp_path: Path) -> None:
    data = struct.pack("<2H", 1, 2)
    extra = b"/$P2S/CD3/$CYT/another/"
    keywords = described(2, TOT="1", CYT="LSR", BEGINSTEXT="00000000", ENDSTEXT="00000000")
    content = fcs(keywords, data)
    begin = len(content)
    content = content.replace(b"$BEGINSTEXT/00000000", f"$BEGINSTEXT/{begin:08}".encode())
    content = content.replace(b"$ENDSTEXT/00000000", f"$ENDSTEXT/{begin + len(extra) - 1:08}".encode())
    tube = opened(tmp_path, content + extra)
    assert tube.labels == ("", "CD3")
    assert tube.keywords["cyt"] == "LSR"


def test_a_zip_archive_in_place_of_supplemental_text_is_left_alone(real_data: Path) -> None:
    tube = read_fcs(real_data / "fcsparser" / "FlowCytometers" / "cyflow_cube_8" / "cyflow_cube_8.fcs")
    assert tube.repairs == ()
    assert all(key.isascii() for key in tube.keywords)


# Repairs: what is wrong, read beyond doubt, and told

EVENTS = struct.pack("<6H", 1, 2, 3, 4, 5, 6)


def placed(shifts: tuple[int, int] = (0, 0), **general: str) -> bytes:
    """Return three events of two channels, with keywords that may be wrong."""
    keywords = described(2, TOT="3") | {f"${key}": value for key, value in general.items()}
    return fcs(keywords, EVENTS, shifts=shifts)


def without(content: bytes, keyword: str) -> bytes:
    """Return the file without a keyword, spaces in its place so that nothing moves."""
    begin = content.index(f"/{keyword}/".encode())
    end = content.index(b"/", content.index(b"/", begin + 1) + 1)
    return content[:begin] + b"/COM/" + b"x" * (end - begin - 5) + content[end:]


def header_says(content: bytes, begin: str, end: str) -> bytes:
    return content[:26] + f"{begin:>8}{end:>8}".encode() + content[42:]


def one_byte_too_far() -> bytes:
    content = placed((0, 1))
    begin = len(content) - len(EVENTS)
    return header_says(content, str(begin), str(len(content))) + b"\0"


NOWHERE = without(without(placed(), "$BEGINDATA"), "$ENDDATA")
CONTRADICTIONS = {
    "nothing is wrong": (placed(), []),
    "numbers have blanks and zeros around them": (placed(TOT=" 0003 ", PAR="02  "), []),
    "HEADER says nothing": (header_says(placed(), "", ""), []),
    "HEADER has zeros": (header_says(placed(), "0", "0"), []),
    "HEADER says another place": (header_says(placed(), "100", "111"), ["TEXT fits $TOT"]),
    "HEADER is full of nines": (header_says(placed(), "100", "99999999"), ["TEXT fits $TOT"]),
    "TEXT says another begin": (placed((3, 0)), ["HEADER fits $TOT"]),
    "TEXT says an end one too far": (placed((0, 1)), ["HEADER fits $TOT"]),
    "both say an end one too far": (one_byte_too_far(), ["one byte too far"]),
    "TEXT says nothing": (NOWHERE, ["TEXT does not say where DATA is: HEADER does"]),
    "nobody says where": (header_says(NOWHERE, "0", "0"), ["it follows TEXT"]),
    "$TOT is missing": (without(placed(), "$TOT"), ["$TOT is missing, DATA holds 3"]),
    "$TOT is too small": (placed(TOT="2"), ["$TOT says 2 events, DATA holds 3"]),
    "$TOT is too large": (placed(TOT="9"), ["$TOT says 9 events, DATA holds 3"]),
    "DATA is padded": (header_says(placed((0, 6)), "0", "0") + b"\0" * 9, ["3 events end at byte"]),
    "DATA has no end": (header_says(placed(ENDDATA="0"), "0", "0"), ["3 events end at byte"]),
    "$BYTEORD is missing": (without(placed(P1R="1024", P2R="1024"), "$BYTEORD"), ["$BYTEORD missing"]),
    "$DATATYPE is missing": (without(placed(), "$DATATYPE"), ["$DATATYPE missing"]),
    "$PAR is missing": (without(placed(), "$PAR"), ["$PAR is missing: TEXT names 2 channels"]),
    "$TIMESTEP is text": (placed(TIMESTEP="xxx"), ["Time is in ticks"]),
    "$PnE is text": (placed(P2E="log"), ["amplification of FITC-A makes no sense"]),
    "$PnE is logarithmic, $PnR 0": (placed(P2E="4,1", P2R="0"), ["amplification of FITC-A makes no sense"]),
    "$PnG is negative": (placed(P2G="-2"), ["amplification of FITC-A makes no sense"]),
}


@pytest.mark.parametrize("case", CONTRADICTIONS)
def test_contradictions_are_settled_by_the_bytes_and_told(tmp_path: Path, case: str) -> None:
    content, told = CONTRADICTIONS[case]
    tube = opened(tmp_path, content)
    np.testing.assert_array_equal(tube.events(), [[1, 2], [3, 4], [5, 6]])
    assert len(tube.repairs) == len(told), tube.repairs
    assert all(words in repair for words, repair in zip(told, tube.repairs, strict=True)), tube.repairs


@pytest.mark.parametrize("kind", ["I", "F"])
@pytest.mark.parametrize("order", ORDERS)
def test_numbers_tell_their_type_and_byte_order_where_the_file_does_not(
    tmp_path: Path, kind: str, order: str
) -> None:
    values = [100, 250_000, 3, 77_777, 12_345, 65_000]
    keywords = described(2, TOT="3") | {
        f"$P{n}{k}": v for n in (1, 2) for k, v in (("B", "32"), ("R", "262144"))
    }
    del keywords["$DATATYPE"], keywords["$BYTEORD"]
    tube = opened(tmp_path, fcs(keywords, struct.pack(f"{order}6{'I' if kind == 'I' else 'f'}", *values)))
    np.testing.assert_array_equal(tube.events().ravel(), values)
    assert tube.repairs == (
        f"$DATATYPE and $BYTEORD missing: DATA makes sense only as type {kind}, bytes {ORDERS[order]}",
    )


def test_numbers_that_tell_nothing_are_not_guessed(tmp_path: Path) -> None:
    keywords = described(2, TOT="3")  # every 16-bit pattern is a value of this range, either way round
    del keywords["$BYTEORD"]
    with pytest.raises(FCSError, match=r"does not say its \$BYTEORD, and its numbers do not tell"):
        opened(tmp_path, fcs(keywords, EVENTS))


# Refusals: what is lost, or is something else


@pytest.mark.parametrize("there", [0.0, 0.5, 0.99])
def test_a_truncated_file_is_refused_with_what_is_missing(tmp_path: Path, there: float) -> None:
    keywords = described(2, TOT="1000")
    content = fcs(keywords, bytes(4000))
    cut = len(content) - 4000 + int(4000 * there)
    share = rf"\({100 * cut / len(content):.3g} %\)"
    said = rf"truncated: DATA should end at byte {len(content):,}, the file has {cut:,} {share}"
    with pytest.raises(FCSError, match=said):
        opened(tmp_path, content[:cut])


REFUSED = {
    "empty": (b"", r"is empty \(0 bytes\)"),
    "a table": (b"sample,donor,condition\n1,2,3\n" * 9, r'not an FCS file \(starts with "sample,dono"\)'),
    "noise": (b"oi21j08cn\n", r'not an FCS file \(starts with "oi21j08cn'),
    "a cut HEADER": (placed()[:40], r"truncated: a HEADER has 58 bytes, the file has 40"),
    "a cut TEXT": (placed()[:100], r"truncated: TEXT should end at byte [\d,]+, the file has 100"),
    "no place for TEXT": (b"FCS3.1" + b" " * 300, r"HEADER gives no place for TEXT"),
    "a histogram": (placed(MODE="C"), r"holds a histogram \(\$MODE is 'C'\)"),
    "numbers as text": (placed(DATATYPE="A"), r"\$DATATYPE 'A'; I, F and D can be read"),
    "another byte order": (placed(BYTEORD="4,4,1,1"), r"\$BYTEORD is '4,4,1,1'"),
    "bits without end": (placed(P1B="128"), r"how many bits its numbers have: \$P1B"),
    "channels without end": (placed(PAR="99999"), r"\$PAR says '99999', TEXT names 2 channels"),
    "no channel": (placed(PAR="0"), r"\$PAR says '0'"),
    "half an event": (
        header_says(placed((0, -1), TOT="90"), "0", "0") + b"x" * 999,
        r"no whole number of events",
    ),
    "no place for DATA": (header_says(NOWHERE, "0", "0") + b"x" * 99, r"does not say where its DATA is"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_read_is_refused_in_plain_words(tmp_path: Path, case: str) -> None:
    content, said = REFUSED[case]
    with pytest.raises(FCSError, match=said) as caught:
        opened(tmp_path, content, "notes.fcs")
    assert str(caught.value).startswith("notes.fcs: ")
    assert caught.value.hint


def test_a_file_that_is_not_there_is_an_fcs_error(tmp_path: Path) -> None:
    with pytest.raises(FCSError, match="cannot be opened: No such file"):
        read_fcs(tmp_path / "gone.fcs")
    with pytest.raises(FCSError, match="cannot be opened: Is a directory"):
        read_fcs(tmp_path)


def test_a_file_that_shrinks_after_it_was_opened_is_noticed(tmp_path: Path) -> None:
    tube = opened(tmp_path, fcs(described(2, TOT="1000"), bytes(4000)))
    tube.path.write_bytes(tube.path.read_bytes()[:1000])
    with pytest.raises(FCSError, match="has become shorter"):
        tube.column("FSC-A")
    tube.path.unlink()
    with pytest.raises(FCSError, match="cannot be read any more: No such file"):
        tube.column("FSC-A")


# Whatever a file holds, it is read or refused

NONSENSE = "|0|1|-1|16|24|10|64|1024|4,0|4,1|1e308|nan|inf|1,2,3,4|3,4,1,2|2,1|I|F|D|A|L|99999999|58|0.01"
VALUES = st.sampled_from([*NONSENSE.split("|"), "1e-300", "9" * 5000, " 12 ", "xxx", "/", "//"])
GENERAL = "PAR TOT MODE DATATYPE BYTEORD BEGINDATA ENDDATA BEGINSTEXT NEXTDATA TIMESTEP".split()
BY_CHANNEL = [f"P{n}{key}" for n in (1, 2, 3) for key in ("N", "B", "R", "E", "G", "S", "DATATYPE")]


def read_or_refused(path: Path) -> None:
    try:
        tube = read_fcs(path)
    except FCSError:
        return
    assert tube.events().shape == (tube.n_events, len(tube.channels))
    assert len(set(tube.channels)) == len(tube.channels)
    for channel in tube.channels:
        assert tube.column(channel, np.arange(min(2, tube.n_events))).dtype == np.float64


@given(
    st.dictionaries(st.sampled_from([f"${key}" for key in (*GENERAL, *BY_CHANNEL)]), VALUES, max_size=5),
    st.binary(max_size=60),
    st.tuples(st.sampled_from(["2.0", "3.0", "3.1", "3.2"]), st.sampled_from("/|\\\f*.$(")),
)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_the_keywords_say_the_file_is_read_or_refused(
    tmp_path: Path, odd: dict[str, str], data: bytes, written: tuple[str, str]
) -> None:
    path = tmp_path / "odd.fcs"
    version, delimiter = written
    path.write_bytes(fcs(described(3, TOT="5") | odd, data, version=version, delimiter=delimiter))
    read_or_refused(path)


@given(
    st.lists(st.tuples(st.integers(0, 900), st.integers(0, 255)), min_size=1, max_size=12),
    st.integers(0, 900),
)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_bytes_are_damaged_the_file_is_read_or_refused(
    tmp_path: Path, damage: list[tuple[int, int]], cut: int
) -> None:
    path = tmp_path / "damaged.fcs"
    rng = np.random.default_rng(3)
    write_fcs(
        path,
        rng.normal(1e3, 300, (20, 4)),
        ["FSC-A", "FITC-A", "PE-A", "Time"],
        keywords={"timestep": "0.01"},
    )
    content = bytearray(path.read_bytes())
    for place, byte in damage:
        content[place % len(content)] = byte
    path.write_bytes(bytes(content) if cut % 3 else bytes(content[:cut]))
    read_or_refused(path)
