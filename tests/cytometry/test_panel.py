from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from cytometry.detectors import name_channel
from cytometry.fcs import read_fcs
from cytometry.markers import ambiguity, canonical_fluorochrome, names, read_label
from cytometry.panel import Channel, Panel, PanelError, canonical_marker, did_you_mean, guess_panel, suggest

# The synonyms of the specification, one line per marker, the usual name first.
SYNONYMS = """
PD-1 = CD279 PD1 PDCD1
TIM-3 = CD366 TIM3 HAVCR2
PD-L1 = CD274 B7-H1
CCR7 = CD197
CD127 = IL7RA IL-7Ra
CD25 = IL2RA
FoxP3 = FOXP3 Foxp3
CD11b = Mac-1 ITGAM
Gr-1 = Gr1 Ly-6G/Ly-6C
Ly6G = Ly-6G
Ly6C = Ly-6C
HLA-DR = HLADR
CD8 = CD8a CD8alpha
CD3 = CD3e
IFN-g = IFNg IFNgamma IFN-y IFN-\u03b3
TNF-a = TNF TNFa TNF-alpha TNF-\u03b1
Viability = LD L/D Live/Dead Zombie FVS
pS6 = pS6RP p-rpS6
CD107a = LAMP1
"""
PAIRS = [
    (synonym, usual.strip())
    for usual, _, synonyms in (line.partition("=") for line in SYNONYMS.strip().splitlines())
    for synonym in synonyms.split()
]

PANEL = Panel(
    (
        Channel("FSC-A", "FSC-A", role="scatter"),
        Channel("Time", "Time", role="time"),
        Channel("V450-A", "PD-1", "BV421"),
        Channel("V525-A", "Viability", "Aqua", "viability"),
        Channel("B695-A", "CD4", "PerCP-Cy5.5", "lineage"),
        Channel("R670-A", "", "APC", "unused"),
    )
)


@dataclass(frozen=True)
class Names:
    channels: tuple[str, ...]
    labels: tuple[str, ...]

    @classmethod
    def of(cls, **labels: str) -> Names:
        channels = tuple(name.replace("_", "-") for name in labels)
        return cls(channels, tuple(labels.values()))


@pytest.mark.parametrize(("synonym", "usual"), PAIRS)
def test_a_synonym_is_the_marker_it_stands_for(synonym: str, usual: str) -> None:
    assert canonical_marker(synonym) == usual
    assert canonical_marker(synonym.lower().replace("-", " ")) == usual


def test_the_templates_names_are_their_own_usual_names() -> None:
    wanted = (
        "CD3 CD4 CD8 PD-1 TIM-3 FoxP3 CD25 CD127 CD45 CD45RA CCR7 CD14 CD15 CD16 CD19 CD56 CD11b CD33 CD123 "
        "HLA-DR Lin LOX-1 IFN-g TNF-a IL-2 Viability Ly6G Ly6C Gr-1 CD1c CD141 CD11c CD44 CD62L F4/80 CD16/32"
    )
    assert [canonical_marker(name) for name in wanted.split()] == wanted.split()


def test_markers_that_differ_by_a_letter_stay_apart() -> None:
    different = [
        "CD45",
        "CD45RA",
        "CD45RO",
        "CD45.1",
        "B220",
        "CD16",
        "CD16/32",
        "CD11b",
        "CD11c",
        "PD-1",
        "PD-L1",
    ]
    assert len({canonical_marker(name) for name in different}) == len(different)
    assert canonical_marker("CD8b") != canonical_marker("CD8a")


def test_a_custom_marker_is_legal_and_unknown() -> None:
    assert canonical_marker("Va2") is None
    assert canonical_marker("Hoechst-405") is None
    assert canonical_marker("PE") is None


@pytest.mark.parametrize(
    ("label", "marker", "fluorochrome"),
    [
        ("CD3 PE-Cy7", "CD3", "PE-Cy7"),
        ("PE-Cy7-A :: CD3", "CD3", "PE-Cy7"),
        ("CD279 (PD-1)", "PD-1", ""),
        ("PECy5-5 CD3e", "CD3", "PE-Cy5.5"),
        ("CD16-PC5", "CD16", "PE-Cy5"),
        ("CD45_In115", "CD45", "115In"),
        ("L/D Aqua - Viability", "Viability", ""),
        ("Lin (CD3/CD19/CD56)", "Lin", ""),
        ("anti-human CD4 Alexa Fluor 700", "CD4", "AF700"),
        ("CD21;FITC;530/30@488/B", "CD21", "FITC"),
        ("CD3_CD19_Pr141", "CD3_CD19", "141Pr"),
    ],
)
def test_a_label_gives_marker_and_fluorochrome(label: str, marker: str, fluorochrome: str) -> None:
    reading = read_label(label)
    assert (reading.marker, reading.fluorochrome) == (marker, fluorochrome)


def test_what_is_in_no_table_is_left_over_as_it_is_written() -> None:
    assert read_label("PE - TCR Va7").rest == "TCR Va7"
    assert read_label("FL1-Height").rest == ""
    assert read_label("<NA>").rest == ""
    assert read_label("").rest == ""


def test_a_linear_channel_is_no_lineage_cocktail() -> None:
    assert read_label("FL2 Lin").markers == ()
    assert read_label("Lin FITC").markers == ("Lin",)


@pytest.mark.parametrize(
    ("written", "usual"),
    [
        ("PECy7", "PE-Cy7"),
        ("PerCP-Cy5-5", "PerCP-Cy5.5"),
        ("Alexa Fluor™ 488", "AF488"),
        ("Brilliant Violet 421", "BV421"),
        ("my own dye", "my own dye"),
        ("", ""),
    ],
)
def test_a_fluorochrome_is_called_as_its_maker_prints_it(written: str, usual: str) -> None:
    assert canonical_fluorochrome(written) == usual


def test_a_name_that_readers_understand_differently_is_told() -> None:
    assert "write IFN-g" in ambiguity("IFN-y")
    assert "1A8" in ambiguity("Ly6G/Ly6C")
    assert "HLA-DR" in ambiguity("MHC-II")
    assert ambiguity("PD-1") == ""


def test_a_near_miss_is_suggested_and_a_synonym_before_it() -> None:
    assert suggest("FoxP4", ["CD4", "FoxP3"]) == ("FoxP3",)
    assert suggest("CD279", ["CD27", "PD-1"]) == ("PD-1",)
    assert suggest("pd1", ["PD-1", "PD-L1"]) == ("PD-1",)
    assert suggest("CD16", ["CD14", "CD19"]) == ()
    assert did_you_mean("xyz", ["PD-1", "CD4"]) == "there are PD-1, CD4"
    assert did_you_mean("xyz", []) == "there are none"


def test_no_name_of_the_table_means_two_things() -> None:
    table = names()
    shared = set(table.markers) & (set(table.fluorochromes) | set(table.dyes))
    assert shared == set()
    assert [usual for usual in table.roles if canonical_marker(usual) != usual] == []
    known = [*table.fluorochromes.values(), *table.dyes.values()]
    assert [name for name in known if canonical_fluorochrome(name) != name] == []


@pytest.mark.parametrize(
    ("detector", "name"),
    [
        ("FSC-A", "FSC-A"), ("fsc-h", "FSC-H"), ("FS INT LIN", "FSC-A"), ("FS PEAK LIN", "FSC-H"), ("SS TOF", "SSC-W"),
        ("SSCWidth", "SSC-W"), ("FSCA", "FSC-A"), ("SSC LinH", "SSC-H"), ("SSC-B-A", "SSC-B-A"), ("SSC1-H", "SSC-1-H"),
        ("VSSC-A", "SSC-V-A"),
    ],
)  # fmt: skip
def test_scatter_is_known_by_any_of_its_names(detector: str, name: str) -> None:
    named = name_channel(detector)
    assert (named.marker, named.role) == (name, "scatter")


def test_scatter_that_does_not_say_what_it_measures_is_doubted() -> None:
    assert "taken as its area" in name_channel("SS Log", "SS Log").note
    assert name_channel("FSC-A").note == ""


@pytest.mark.parametrize("detector", ["Time", "TIME", "HDR-T", "Time_1"])
def test_time_is_time(detector: str) -> None:
    assert name_channel(detector).role == "time"


@pytest.mark.parametrize("detector", ["Event_length", "DNA1_Ir191", "BC3_Pd105", "Comp-AF-A", "HDR-CE"])
def test_what_measures_no_marker_is_unused(detector: str) -> None:
    assert name_channel(detector, detector).role == "unused"


def test_a_dye_means_viability_only_where_no_other_marker_is_named() -> None:
    assert name_channel("7-AAD-A", "CD69").marker == "CD69"
    assert name_channel("7-AAD-A", "CD69").fluorochrome == "7-AAD"
    alone = name_channel("7-AAD-A")
    assert (alone.marker, alone.role, alone.fluorochrome) == ("Viability", "viability", "7-AAD")
    assert "names no marker" in alone.note
    assert name_channel("V525-A", "Aqua").marker == "Viability"


def test_a_detector_named_for_laser_and_filter_is_no_fluorochrome() -> None:
    assert name_channel("V450-A", "PD-1").fluorochrome == ""
    assert name_channel("X-A", "CD3 V450").fluorochrome == "V450"


def test_a_panel_goes_from_marker_to_detector_and_back() -> None:
    assert PANEL.markers == ("PD-1", "Viability", "CD4")
    assert PANEL.functional == ("PD-1",)
    assert PANEL.detector("CD279") == "V450-A"
    assert PANEL.marker("V450-A") == "PD-1"
    assert PANEL.marker("R670-A") == ""
    assert dict(PANEL.dimensions)["FSC-A"] == "FSC-A"
    assert PANEL.label("PD-1") == "PD-1 (BV421)"
    assert PANEL.label("FSC-A") == "FSC-A"


def test_a_panel_says_what_it_does_not_have_and_what_is_near() -> None:
    with pytest.raises(PanelError, match=r"no marker 'PD2'; did you mean 'PD-1'"):
        PANEL.detector("PD2")
    with pytest.raises(PanelError, match=r"no detector 'V451-A'; did you mean 'V450-A'"):
        PANEL.marker("V451-A")


def test_one_marker_on_two_detectors_is_refused() -> None:
    with pytest.raises(PanelError, match="CD4 is read by A-A and B-A"):
        Panel((Channel("A-A", "CD4"), Channel("B-A", "CD4")))
    with pytest.raises(PanelError, match="detector A-A occurs twice"):
        Panel((Channel("A-A", "CD4"), Channel("A-A", "CD8")))
    assert Panel((Channel("A-A", "CD4"), Channel("B-A", "CD4", role="unused"))).markers == ("CD4",)


def test_a_channel_needs_a_detector_a_role_and_a_marker_for_it() -> None:
    with pytest.raises(PanelError, match="did you mean 'functional'"):
        Channel("A-A", "CD4", role="functionl")
    with pytest.raises(PanelError, match="names no marker"):
        Channel("A-A", "", role="lineage")
    with pytest.raises(PanelError, match="no detector"):
        Channel("", "CD4")


def test_a_panel_shows_itself_escaped() -> None:
    shown = Panel((Channel("A<b>", "CD4"),))._repr_html_()
    assert "A&lt;b&gt;" in shown
    assert "<b>" not in shown


def test_control_tubes_without_labels_do_not_unname_a_panel() -> None:
    full = Names.of(FSC_A="", PE_A="CD4", APC_A="PD1")
    fmo = Names.of(FSC_A="", PE_A="CD4", APC_A="")
    panel, guesses = guess_panel([fmo, full])
    assert panel.markers == ("CD4", "PD-1")
    assert guesses == []


def test_of_area_height_and_width_the_area_is_taken() -> None:
    panel, guesses = guess_panel([Names.of(PE_H="CD4", PE_A="CD4", PE_W="CD4")])
    assert panel.detector("CD4") == "PE-A"
    assert [channel.role for channel in panel.channels] == ["unused", "lineage", "unused"]
    assert guesses == []


def test_a_marker_named_twice_goes_to_the_first_and_is_told() -> None:
    panel, guesses = guess_panel([Names.of(PE_A="CD4", APC_A="CD4")])
    assert panel.detector("CD4") == "PE-A"
    assert guesses == ["APC-A would be CD4, as PE-A is: left unused"]


def test_files_that_label_a_channel_differently_are_told() -> None:
    many = [Names.of(PE_A="CD4", X_A=""), Names.of(PE_A="CD4"), Names.of(PE_A="CD8")]
    panel, guesses = guess_panel(many)
    assert panel.markers == ("CD4",)
    assert "PE-A is 'CD4' in most files and 'CD8' in others" in guesses
    assert "in fewer than half of 3 files, and left out: X-A (1)" in guesses


def test_one_marker_by_two_names_is_no_contradiction() -> None:
    _, guesses = guess_panel([Names.of(PE_A="CD45 PE"), Names.of(PE_A="PTPRC PE")])
    assert guesses == []


@pytest.mark.parametrize(
    ("file", "markers"),
    [
        ("wnv_mock_virus_mouse/flow_spectre/Mock_01_A.fcs", "CD3 CD16/32 Ly6G CD45 CD48 CD11b B220 Ly6C"),
        ("cytodx_aml/sample1.fcs", "CD15 CD13 CD45 CD16 CD56"),
        ("cytoqc_panelmess/GvHD_QC/s10a04.fcs", "CD15 CD45 CD14 CD33"),
        (
            "metacyto_immport/SDY736/ResultFiles/Flow_cytometry_result/Ki67ccr7_Hs60022C200906243.581846.fcs",
            "CD45RA Viability CD57 CD3 CD4 Ki-67 CD28 CCR7 CD8 CD95",
        ),
    ],
)
def test_real_headers_give_their_panel(file: str, markers: str, real_data: Path) -> None:
    panel, _ = guess_panel([read_fcs(real_data / file)])
    assert list(panel.markers) == markers.split()


def test_a_real_spectral_header_gives_every_marker_its_fluorochrome(real_data: Path) -> None:
    panel, guesses = guess_panel(
        [read_fcs(next(iter(sorted((real_data / "coereba_vd2_seb").glob("*.fcs")))))]
    )
    for marker in ("PD-1", "FoxP3", "IFN-g", "TNF-a", "IL-2", "CD127", "HLA-DR", "Viability", "CCR7"):
        assert panel.channel(marker).fluorochrome
    assert panel.label("Viability") == "Viability (Zombie NIR)"
    assert guesses == []
