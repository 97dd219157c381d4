"""The template that fits a panel is found by species, tissue and markers, and says why."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import cytometry
from cytometry._study.suggest import species_of, tissue_of
from cytometry.errors import StudyError
from cytometry.fcs import write_fcs
from cytometry.simulate import simulate_study
from cytometry.simulate.tables import panel
from cytometry.study import folder_study
from gating.template import GatingTemplate, builtin_templates

STAINS = {
    "T": "human_t", "myeloid": "human_myeloid", "cytokine": "human_cytokine", "gr1": "mouse_tumour_gr1",
    "ly6": "mouse_ly6", "reduced": "mouse_tumour_gr1", "phospho": "phospho_ps6",
}  # fmt: skip
PANELS = {
    "human_treg": "CD3 CD4 CD25 CD127 FoxP3 CD45RA Viability",
    "human_memory": "CD3 CD4 CD8 CD45RA CD197 CD27 CD28 CD95 CD57",
    "human_checkpoint": "CD45 CD3 CD4 CD8 CD45RA CCR7 CD279 TIM3 LAG3 TIGIT CD39",
    "human_nk": "CD45 CD3 CD19 CD14 CD56 CD16 CD57 NKG2A",
    "human_b": "CD45 CD3 CD19 CD20 IgD CD27 CD38 CD24",
    "human_dc": "CD45 Lin CD14 CD16 HLA-DR CD123 CD1c CD141 CD11c CD303",
    "human_tumour": "CD45 EpCAM CD3 CD4 CD8 PD-1 CD39 CD103 CD69 FoxP3 CD11b CD14 HLA-DR",
}


@pytest.mark.parametrize(("stain", "name"), STAINS.items())
def test_each_simulated_stain_gets_its_template(stain: str, name: str) -> None:
    first = cytometry.templates(panel(stain).markers)[0]
    assert (first.template, first.fits) == (name, True)


@pytest.mark.parametrize(("name", "markers"), PANELS.items())
def test_a_usual_panel_gets_its_template_in_any_spelling(name: str, markers: str) -> None:
    first = cytometry.templates(markers.split())[0]
    assert (first.template, first.fits) == (name, True)
    assert "the panel shows" in first.reasons[0]


def test_annexin_v_with_propidium_iodide_is_apoptosis_in_any_species() -> None:
    for species in ("human", "mouse"):
        assert cytometry.templates(["Annexin V", "PI"], species=species)[0].template == "apoptosis"


def test_without_markers_all_templates_are_listed_by_name() -> None:
    found = cytometry.templates()
    assert tuple(one.template for one in found) == builtin_templates()
    assert not any(one.fits for one in found)
    assert str(found[0]).startswith("apoptosis")


def test_no_template_is_of_another_species() -> None:
    markers = GatingTemplate.builtin("human_t").markers
    assert all(
        one.fit == 0 for one in cytometry.templates(markers, species="mouse") if one.species == "human"
    )
    assert cytometry.templates([*markers, "Ly6G"])[0].fit == 0 or species_of([*markers, "Ly6G"]) == ""


def test_the_tissue_decides_between_templates_that_both_read_the_panel() -> None:
    markers = "CD45 CD3 CD4 CD8 PD-1 TIM-3 FoxP3 CD19 CD56 CD14".split()
    assert cytometry.templates(markers, tissue="blood")[0].tissue == "PBMC"
    other = next(
        one for one in cytometry.templates(markers, tissue="blood") if one.template == "human_tumour"
    )
    assert "made for tumour, and this is blood" in other.reasons
    alone = next(
        one for one in cytometry.templates(markers, tissue="tumour") if one.template == "human_tumour"
    )
    assert alone.fit > other.fit


def test_what_the_panel_does_not_show_is_said() -> None:
    first = cytometry.templates(panel("reduced").markers)[0]
    assert "not shown: naive, CM, EM, TAM" in first.reasons


@pytest.mark.parametrize(
    ("names", "tissue"),
    [
        (["V01_tumour.fcs", "T01_tumor_2.fcs"], "tumour"),
        (["mouse1 spleen.fcs"], "spleen"),
        (["D1_PBMC.fcs"], "PBMC"),
        (["a_tumour.fcs", "a_spleen.fcs"], ""),
        (["PBMCs frozen/x.fcs"], "PBMC"),
        (["subject_1.fcs"], ""),
    ],
)
def test_file_names_may_speak_of_a_tissue(names: list[str], tissue: str) -> None:
    assert tissue_of(names) == tissue


def test_a_folder_is_gated_by_the_templates_that_suit_its_panels(tmp_path: Path) -> None:
    simulate_study(tmp_path, subjects=1, batches=1, events=300, seed=1, stains=("T", "myeloid"))
    study = folder_study(tmp_path / "fcs", template="auto")
    assert sorted(stain.template.name for stain in study.stains.values()) == ["human_myeloid", "human_t"]
    said = [problem.message for problem in study.warnings if problem.code == "CYT112"]
    assert any(one.startswith("template human_t: the panel shows") for one in said)


def test_a_folder_that_no_template_suits_hears_which_there_are(tmp_path: Path) -> None:
    events = np.random.default_rng(1).uniform(1, 1000, (30, 4))
    write_fcs(tmp_path / "a.fcs", events, ["FSC-A", "SSC-A", "B530-A", "Time"], labels=["", "", "Ki-67", ""])
    with pytest.raises(StudyError, match="no built-in template suits") as raised:
        folder_study(tmp_path, template="auto")
    assert "human_treg" in str(raised.value)
