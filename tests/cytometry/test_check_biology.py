"""What a specimen cannot show is said before it is gated: once, with its tubes and the endpoint that suffers."""

from __future__ import annotations

from typing import Any

import pytest

from cytometry._study.biology import biology_problems
from cytometry._study.comparison import Comparison
from cytometry._study.model import SheetRow, Stain
from cytometry.errors import Problem
from cytometry.panel import Panel
from cytometry.table import Endpoint
from gating.template import GatingTemplate

PD1 = Comparison("on treatment", "vehicle", "drug", primary=(Endpoint("CD8 T/PD-1+"),))
MDSC = Comparison("on treatment", "vehicle", "drug", primary=(Endpoint("eMDSC"),))


def problems(template: str, *comparisons: Comparison, tubes: int = 2, **cells: Any) -> list[Problem]:
    stain = Stain("S", Panel(()), GatingTemplate.builtin(template))
    rows = [SheetRow(f"{n}.fcs", f"tube {n}", stain="S", **cells) for n in range(tubes)]
    return list(biology_problems(stain, rows, comparisons))


def only(found: list[Problem], code: str) -> Problem:
    (one,) = [problem for problem in found if problem.code == code]
    assert one.severity == "warning"
    assert one.where == "stain S"
    return one


def test_fresh_blood_of_untreated_people_is_not_warned_about() -> None:
    for template in ("human_t", "human_treg", "human_myeloid", "human_nk", "human_b", "human_dc"):
        assert problems(template, fresh_or_frozen="fresh", species="human", tissue="PBMC") == []


@pytest.mark.parametrize("drug", ["nivolumab", "yes"])
def test_anti_pd1_hides_pd1_and_the_declared_endpoint_is_named(drug: str) -> None:
    said = only(problems("human_t", PD1, prior_anti_pd1=drug), "CYT601")
    assert said.message.startswith("PD-1+ (declared)")
    assert "tube 0, tube 1" in said.message
    assert "IgG4" in said.hint


@pytest.mark.parametrize("arm", ["pembrolizumab + axitinib", "anti-PD-1", "aPD1"])
def test_anti_pd1_as_the_arm_itself_is_seen(arm: str) -> None:
    assert only(problems("mouse_ly6", arm=arm), "CYT601")


@pytest.mark.parametrize("arm", ["anti-PD-L1", "temsirolimus", "vehicle"])
def test_other_drugs_leave_pd1_to_be_seen(arm: str) -> None:
    assert not [one for one in problems("human_t", arm=arm) if one.code == "CYT601"]


def test_a_panel_without_pd1_has_nothing_to_hide() -> None:
    assert problems("human_b", prior_anti_pd1="nivolumab") == []


def test_an_mdsc_that_is_declared_is_a_phenotype() -> None:
    said = only(problems("human_myeloid", MDSC), "CYT602")
    assert said.message == "eMDSC (declared): a phenotype, not a function"
    assert "cells with MDSC phenotype" in said.hint
    assert problems("human_myeloid") == []


def test_frozen_cells_have_lost_pmn_mdsc_and_fewer_emdsc() -> None:
    found = problems("human_myeloid", MDSC, fresh_or_frozen="frozen")
    frozen = [one.message for one in found if one.code == "CYT406"]
    assert frozen == [
        "PMN-MDSC of frozen cells: tube 0, tube 1",
        "eMDSC (declared) of frozen cells: tube 0, tube 1",
    ]
    assert not [one for one in found if one.code == "CYT405"]


def test_freezing_lowers_cd16_of_nk_cells() -> None:
    said = only(problems("human_nk", fresh_or_frozen="frozen"), "CYT606")
    assert "CD56dimCD16+" in said.message
    assert "by CD16" in said.message


@pytest.mark.parametrize(
    ("strain", "lacks", "hit"),
    [
        ("BALB/c nude", "T cells", "CD8 T"),
        ("NOD/SCID", "T and B cells", "B cells"),
        ("NSG", "T and B and NK cells", "NK cells"),
        ("Rag1-/-", "T and B cells", "CD4 T"),
    ],
)
def test_a_strain_without_lymphocytes_has_none_to_gate(strain: str, lacks: str, hit: str) -> None:
    said = only(problems("mouse_ly6", strain=strain), "CYT603")
    assert said.message.startswith(f"{strain} has no {lacks} of its own")
    assert hit in said.message


def test_balb_c_has_no_nk11_and_c57bl_6_has() -> None:
    assert "NKp46" in only(problems("mouse_tumour_gr1", strain="BALB/cJ"), "CYT604").hint
    assert not [
        one for one in problems("mouse_tumour_gr1", strain="C57BL/6") if one.code in ("CYT603", "CYT604")
    ]


def test_digestion_clips_cd62l() -> None:
    said = only(problems("mouse_ly6", tissue="tumour"), "CYT606")
    assert "by CD62L" in said.message
    assert not problems("mouse_ly6", tissue="spleen")


def test_pma_takes_cd4_except_where_the_template_expects_it() -> None:
    said = only(problems("human_t", stimulus="PMA/ionomycin"), "CYT606")
    assert "CD4 T" in said.message
    assert problems("human_cytokine", stimulus="PMA/ionomycin") == []


def test_macrophages_are_not_cut_where_lymphocytes_end() -> None:
    text = """
[template]
name = "own"
[[population]]
name = "T cells"
cuts = [{ marker = "CD3", rule = "valley" }]
[[population]]
name = "TAM"
cuts = [{ marker = "F4/80", rule = "tail", reference = "T cells" }]
"""
    stain = Stain("S", Panel(()), GatingTemplate.from_text(text))
    said = only(list(biology_problems(stain, [])), "CYT605")
    assert "F4/80 is cut by the boundary of lymphocytes" in said.message
    assert "FMO" in said.hint


@pytest.mark.parametrize("name", ["mouse_ly6", "mouse_tumour_gr1", "human_tumour"])
def test_no_built_in_template_cuts_what_glows_where_lymphocytes_end(name: str) -> None:
    assert not [one for one in problems(name) if one.code == "CYT605"]


def test_the_sheet_says_strain_and_drug(study_folder: Any) -> None:
    study_folder.column("strain", ["BALB/c"] * 14).column("anti_pd1", ["no"] * 14)
    assert "'prior_anti_pd1'" in study_folder.only("CYT019").hint


def test_a_no_in_the_sheet_is_no_drug_and_a_drug_is(study_folder: Any) -> None:
    study_folder.column("prior_anti_pd1", ["no", "nivolumab", *[""] * 12])
    said = study_folder.only("CYT601")
    assert said.message == "PD-1+ (declared) after anti-PD-1: D1_temsirolimus"
