from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from cytometry.compensation import choose_spillover, find_spillover, read_spillover
from cytometry.errors import StudyError
from cytometry.fcs import read_fcs
from gating.columns import Columns, Dimension, Spillover, compensate

CHANNELS = ("FSC-A", "SSC-A", "FITC-A", "PE-A", "APC-A", "Time")
MATRIX = np.array([[1.0, 0.25, 0.0], [0.05, 1.0, 0.02], [0.0, 0.001, 1.0]])
DETECTORS = ("FITC-A", "PE-A", "APC-A")


@dataclass(frozen=True)
class Header:
    """A tube of which only the header is asked."""

    spillover_text: str = ""
    channels: tuple[str, ...] = CHANNELS
    path: Path = Path("D4_tem.fcs")


def keyword(names: tuple[str, ...] = DETECTORS, matrix: NDArray[np.float64] = MATRIX) -> str:
    return ",".join([str(len(names)), *names, *(f"{value:g}" for value in matrix.ravel())])


def table(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    path = folder / "spill.csv"
    path.write_bytes(text.encode(encoding))
    return path


def told(source: str, tube: Header, folder: Path | None = None) -> tuple[Spillover | None, list[str]]:
    spillover, problems = choose_spillover(source, tube, folder=folder)
    return spillover, [f"{problem.severity} {problem}" for problem in problems]


# The tube's own


def test_compensation_undoes_the_spill_that_the_keyword_states() -> None:
    spillover = find_spillover(Header(keyword()))
    assert spillover is not None
    assert spillover.detectors == DETECTORS
    true = np.array([[800.0, 0.0, 0.0], [0.0, 400.0, 60.0]])
    assert (true @ MATRIX)[0, 1] == 200.0  # a quarter of 800 leaks into PE
    np.testing.assert_allclose(compensate(true @ MATRIX, spillover), true, atol=1e-12)


@pytest.mark.parametrize(
    "text",
    [
        keyword(),
        keyword().replace(",", ", "),
        keyword() + ",\r\n",
        keyword().replace("FITC-A", "Comp-FITC-A"),
        keyword(("<FITC-A>", "PE-A :: CD3", "APC-A")),
        keyword(("3", "4", "5")),
        keyword(("fitc-a", "PE_A", "apc a")),
        "3;FITC-A;PE-A;APC-A;1;0,25;0;0,05;1;0,02;0;0,001;1",
        "3,FITC-A,PE-A,APC-A,1,000,0,250,0,000,0,050,1,000,0,020,0,000,0,001,1,000",
    ],
)
def test_the_keyword_is_read_as_software_writes_it(text: str) -> None:
    spillover = find_spillover(Header(text))
    assert spillover is not None
    assert spillover.detectors == DETECTORS
    np.testing.assert_allclose(spillover.matrix, MATRIX)


def test_a_name_in_the_file_is_taken_as_it_stands_before_it_is_interpreted() -> None:
    channels = ("Comp-FITC-A", "FITC-A", "PE/Cy7-A")
    spillover = find_spillover(Header(keyword(("FITC-A", "Comp-FITC-A", "PE_Cy7-A")), channels))
    assert spillover is not None
    assert spillover.detectors == ("FITC-A", "Comp-FITC-A", "PE/Cy7-A")


def test_no_keyword_and_names_without_numbers_are_no_spillover() -> None:
    assert find_spillover(Header()) is None
    assert find_spillover(Header("3,FITC-A,PE-A,APC-A")) is None  # as a MACSQuant writes it
    spillover, problems = told("fcs", Header("3,FITC-A,PE-A,APC-A"))
    assert spillover is None
    assert (
        "warning[CYT307] D4_tem.fcs: is not compensated: its $SPILLOVER names channels but no numbers"
        in problems[0]
    )


@pytest.mark.parametrize(
    "text", ["3,FITC-A,PE-A,APC-A,1,0", "0", "abc", keyword().replace("0.25", "x"), "2,A"]
)
def test_a_keyword_that_is_no_matrix_is_an_error(text: str) -> None:
    with pytest.raises(StudyError, match=r"D4_tem.fcs: its \$SPILLOVER is no matrix"):
        find_spillover(Header(text))
    assert told("fcs", Header(text))[1][0].startswith("error error[CYT303]")


def test_every_spillover_of_the_data_folder_inverts(real_data: Path) -> None:
    folders = (
        "cytoexplorer_activation/Activation",
        "flowio",
        "omip021_cytopipeline/inst/extdata",
        "coereba_vd2_seb",
    )
    found = 0
    for path in [next(p for p in sorted((real_data / f).iterdir()) if p.suffix == ".fcs") for f in folders]:
        tube = read_fcs(path)
        spillover = find_spillover(tube)
        assert spillover is not None
        assert set(spillover.detectors) <= set(tube.channels)
        assert len(spillover.detectors) < len(tube.channels)
        found += 1
    assert found == len(folders)


# A table

DIALECTS = {
    "comma": "FITC-A,PE-A,APC-A\n1,0.25,0\n0.05,1,0.02\n0,0.001,1\n",
    "tab": "FITC-A\tPE-A\tAPC-A\n1\t0.25\t0\n0.05\t1\t0.02\n0\t0.001\t1\n",
    "semicolon, decimal comma": "FITC-A;PE-A;APC-A\r\n1;0,25;0\r\n0,05;1;0,02\r\n0;0,001;1\r\n",
    "row names": ",FITC-A,PE-A,APC-A\nFITC-A,1,0.25,0\nPE-A,0.05,1,0.02\nAPC-A,0,0.001,1\n",
    "row names under a word": "Fluor,FITC-A,PE-A,APC-A\nFITC-A,1,0.25,0\nPE-A,0.05,1,0.02\nAPC-A,0,0.001,1\n",
    "row names, no corner": "FITC-A,PE-A,APC-A\nFITC-A,1,0.25,0\nPE-A,0.05,1,0.02\nAPC-A,0,0.001,1\n",
    "rows in another order": ",FITC-A,PE-A,APC-A\nAPC-A,0,0.001,1\nFITC-A,1,0.25,0\nPE-A,0.05,1,0.02\n",
    "rows named by dye": ",FITC-A,PE-A,APC-A\nFITC,1,0.25,0\nPE,0.05,1,0.02\nAPC,0,0.001,1\n",
    "FlowJo": ",FITC-A :: CD3,PE-A :: CD4,APC-A\nFITC-A :: CD3,1,0.25,0\nPE-A :: CD4,0.05,1,0.02\nAPC-A,0,0.001,1",
    "FlowJo, compensated names": "Comp-FITC-A,Comp-PE-A,Comp-APC-A\n1,0.25,0\n0.05,1,0.02\n0,0.001,1\n",
    "Gating-ML": "<FITC-A>,<PE-A>,<APC-A>\n1,0.25,0\n0.05,1,0.02\n0,0.001,1\n",
    "R": '"","FITC-A","PE-A","APC-A"\n"FITC-A",1,0.25,0\n"PE-A",0.05,1,0.02\n"APC-A",0,0.001,1\n',
    "FlowKit": "# FITC-A,PE-A,APC-A\n1,0.25,0\n0.05,1,0.02\n0,0.001,1\n",
    "channel numbers": "3,4,5\n1,0.25,0\n0.05,1,0.02\n0,0.001,1\n",
    "percent": "FITC-A,PE-A,APC-A\n100%,25%,0%\n5%,100%,2%\n0%,0.1%,100%\n",
    "blank lines, blanks, empty columns": "\n FITC-A , PE-A,APC-A,,\n1, 0.25,0,,\n\n0.05,1,0.02,,\n0,0.001,1,,\n,,,,\n",
    "FACSDiva": "Fluorochrome,- % Fluorochrome,Overlap\nPE-A,FITC-A,25\nFITC-A,PE-A,5\nAPC-A,PE-A,2\nPE-A,APC-A,0.1",
}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_table_is_read_as_software_exports_it(tmp_path: Path, dialect: str) -> None:
    spillover = read_spillover(table(tmp_path, DIALECTS[dialect]), channels=CHANNELS)
    order = [spillover.detectors.index(name) for name in DETECTORS]
    np.testing.assert_allclose(spillover.matrix[np.ix_(order, order)], MATRIX, rtol=1e-12)


def test_a_table_without_channels_keeps_its_names(tmp_path: Path) -> None:
    path = table(tmp_path, DIALECTS["FlowJo"])
    assert read_spillover(path).detectors == DETECTORS
    assert read_spillover(table(tmp_path, "\ufeff" + DIALECTS["comma"])).detectors == DETECTORS
    assert (
        read_spillover(table(tmp_path, DIALECTS["comma"].replace("PE", "µ"), "latin-1")).detectors[1] == "µ-A"
    )


def test_a_diagonal_of_100_is_brought_to_1_and_told(tmp_path: Path) -> None:
    table(tmp_path, "FITC-A,PE-A\n100,25\n5,100\n")
    spillover, problems = told("file:spill.csv", Header(), tmp_path)
    assert spillover is not None
    np.testing.assert_allclose(spillover.matrix, [[1, 0.25], [0.05, 1]])
    assert problems == [
        "warning warning[CYT306] spill.csv: rows were divided by their diagonal, which was 100 to 100, not 1"
    ]


def test_rows_are_divided_by_their_own_diagonal(tmp_path: Path) -> None:
    spillover = read_spillover(table(tmp_path, "FITC-A,PE-A\n2,1\n0.2,4\n"))
    np.testing.assert_allclose(spillover.matrix, [[1, 0.5], [0.05, 1]])


def test_a_matrix_that_names_other_channels_is_refused_with_both_lists(tmp_path: Path) -> None:
    table(tmp_path, "FITC-A,PE-Cy7-A,APC-H\n1,0,0\n0,1,0\n0,0,1\n")
    spillover, problems = told("file:spill.csv", Header(), tmp_path)
    assert spillover is None
    assert (
        "error[CYT302] spill.csv: the spillover names PE-Cy7-A, APC-H, the tube has FSC-A, SSC-A"
        in problems[0]
    )
    assert "is APC-H APC-A?" in problems[0]


def test_a_loose_match_is_told(tmp_path: Path) -> None:
    table(tmp_path, "FITC_A,PE-A\n1,0.1\n0,1\n")
    _, problems = told("file:spill.csv", Header(), tmp_path)
    assert problems == ["warning warning[CYT306] spill.csv: FITC_A was taken as FITC-A"]


WRONG = {
    "not square": ("A,B,C\n1,0,0\n0,1,0\n", "a spillover is square, this table has 2 rows under 3 names"),
    "no header": ("1,0.1\n0.1,1\n", "this table has 1 rows under 2 names"),
    "a word": ("A,B\n1,x\n0,1\n", r"spill.csv:2: 2 numbers are wanted, not 1, x"),
    "a gap": ("A,B\n1,0.1\n0\n", r"spill.csv:3: 2 numbers are wanted, not 0"),
    "one line": ("A,B\n", "fewer than two lines"),
    "twice": ("A,A\n1,0\n0,1\n", "names each detector once"),
    "singular": ("A,B,C\n1,1,0\n1,1,0\n0,0,1\n", "singular: A and B cannot be told apart"),
    "zero on the diagonal": (
        "A,B\n0,1\n1,1\n",
        "no positive number on the diagonal, or no number at all, for A",
    ),
    "not a number": ("A,B\n1,nan\n0,1\n", "no positive number on the diagonal, or no number at all, for A"),
    "Diva without percent": ("F,- % Fluorochrome,O\nA,B,x\n", r"spill.csv:2: a detector, a fluorochrome"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_table_that_cannot_be_right_is_refused(tmp_path: Path, case: str) -> None:
    text, said = WRONG[case]
    with pytest.raises(StudyError, match=said):
        read_spillover(table(tmp_path, text))


def test_a_table_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    spillover, problems = told("file:gone.csv", Header(), tmp_path)
    assert spillover is None
    assert "gone.csv: cannot be opened: No such file" in problems[0]


def test_nearly_alike_fluorochromes_are_warned_of(tmp_path: Path) -> None:
    table(tmp_path, "FITC-A,PE-A,APC-A\n1,0.99,0\n0.99,1,0\n0,0,1\n")
    spillover, problems = told("file:spill.csv", Header(), tmp_path)
    assert spillover is not None
    assert "warning[CYT305] spill.csv: the spillover is ill-conditioned (199): FITC-A and PE-A" in problems[0]


@given(st.permutations(range(3)))
def test_the_order_of_the_detectors_changes_no_compensated_value(order: list[int]) -> None:
    names = tuple(DETECTORS[at] for at in order)
    spillover = find_spillover(Header(keyword(names, MATRIX[np.ix_(order, order)])))
    assert spillover is not None
    raw = np.array([[900.0, 300.0, 20.0]])
    straight = compensate(raw, Spillover(DETECTORS, MATRIX))
    np.testing.assert_allclose(compensate(raw[:, order], spillover), straight[:, order], rtol=1e-12)


# The study's choice


def test_a_study_chooses_fcs_none_or_a_file(tmp_path: Path) -> None:
    table(tmp_path, DIALECTS["comma"])
    assert told("fcs", Header(keyword()))[1] == []
    assert told("file: spill.csv", Header(), tmp_path)[1] == []
    for tube, said in (
        (Header(keyword()), "is not compensated, as the study says although its file has a $SPILLOVER"),
        (Header(), "is not compensated, as the study says"),
    ):
        spillover, problems = told("none", tube)
        assert spillover is None
        assert problems == [f"warning warning[CYT307] D4_tem.fcs: {said}"]
    spillover, problems = told("fcs", Header())
    assert spillover is None
    assert "its $SPILLOVER is missing" in problems[0]
    assert (
        'choose "fcs", "none", "controls" (in a study) or "file:spillover.csv"'
        in told("diva", Header())[1][0]
    )


def test_an_identity_is_worth_a_word(real_data: Path) -> None:
    tube = read_fcs(real_data / "flowkit" / "test_comp_example.fcs")
    spillover, problems = choose_spillover("fcs", tube)
    assert spillover is not None
    assert [problem.code for problem in problems] == ["CYT308"]


# Against FlowKit


def test_compensated_events_equal_flowkits(real_data: Path) -> None:
    from flowkit import Matrix, Sample

    tube = read_fcs(real_data / "flowio" / "100715.fcs")
    spillover = find_spillover(tube)
    assert spillover is not None
    with tube.path.open("rb") as handle:
        sample = Sample(handle, sample_id="x")
    sample.apply_compensation(Matrix(np.array(spillover.matrix), list(spillover.detectors)))
    theirs = sample.get_events(source="comp")
    ours = Columns(tube, {name: Dimension(name) for name in tube.channels}, spillover)
    for index, channel in enumerate(tube.channels):
        np.testing.assert_allclose(ours.linear(channel), theirs[:, index], rtol=1e-9, atol=1e-6)


def test_a_matrix_made_by_hand_reads_as_cytoexplorers_users_wrote_it(real_data: Path) -> None:
    folder = real_data / "cytoexplorer_activation"
    tube = read_fcs(folder / "Activation" / "Activation_1.fcs")
    spillover, problems = choose_spillover("file:Compensation-Spillover-Matrix.csv", tube, folder=folder)
    assert spillover is not None
    assert problems == ()
    assert len(spillover.detectors) == 11
    at = spillover.detectors.index
    assert spillover.matrix[at("Alexa Fluor 488-A"), at("PE-A")] == 0.180901
    assert spillover.matrix[at("PE-A"), at("Alexa Fluor 488-A")] == 0.010578


def test_events_kept_beside_a_matrix_are_reproduced(real_data: Path) -> None:
    # FlowKit keeps the events of this tube after compensation with its $SPILL, an identity; Time in ticks.
    tube = read_fcs(real_data / "flowkit" / "test_comp_example.fcs")
    kept = np.fromfile(real_data / "flowkit" / "test_comp_example.npy").reshape(tube.n_events, -1)
    columns = Columns(tube, {name: Dimension(name) for name in tube.channels}, find_spillover(tube))
    for index, channel in enumerate(tube.channels[:-1]):
        np.testing.assert_array_equal(columns.linear(channel), kept[:, index])
    np.testing.assert_allclose(columns.linear("Time"), kept[:, -1] * 0.01)
