"""The built-in templates find, in simulated blood, the cells that were put there."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import numpy as np
import pytest

from cytometry.compensation import choose_spillover
from cytometry.fcs import read_fcs
from cytometry.simulate import Truth, read_truth, simulate_study
from cytometry.study import read_study
from cytometry.transforms import choose_scales
from gating.columns import Columns
from gating.learn import Learnt, learn
from gating.membership import Membership, assign
from gating.sources import TemplateTube
from gating.template import GatingTemplate, builtin_templates

TEMPLATES = {"T": "human_t", "myeloid": "human_myeloid", "cytokine": "human_cytokine"}
PANELS = {
    "human_t": "CD3 CD8 PD-1 Viability CD25 CCR7 TIM-3 CD45RA CD14 CD4 FoxP3 CD19 CD127 CD56 CD45 CD16",
    "human_myeloid": "CD11b CD16 CD15 Viability CD14 CD1c CD141 HLA-DR Lin CD34 CD33 CD123 CD45 CD11c",
    "mouse_tumour_gr1": "CD45 CD4 PD-1 Viability CD8 CD62L CD44 FoxP3 CD3 TIM-3 F4/80 Gr-1 CD11b",
    "mouse_ly6": "CD45 CD4 PD-1 Viability CD8 CD62L Ly6G CD44 FoxP3 CD3 TIM-3 F4/80 CD11b Ly6C",
    "phospho_ps6": "CD3 CD8 Viability CD14 CD4 CD19 pS6 CD45",
    "human_cytokine": "CD3 CD8 PD-1 Viability CD107a CCR7 TIM-3 CD45RA CD14 CD4 IL-2 CD19 TNF-a IFN-g CD45 CD56",
}


@dataclass(frozen=True)
class Gated:
    """One stain of a simulated study, gated, with its truth."""

    tubes: dict[str, TemplateTube]
    learnt: dict[str, Learnt]
    truth: Truth

    @property
    def samples(self) -> list[str]:
        return [name for name, tube in self.tubes.items() if tube.kind == "sample"]

    @cached_property
    def members(self) -> dict[str, Membership]:
        return {name: assign(self.learnt[name].strategy, self.tubes[name].columns) for name in self.samples}

    def f1(self, population: str) -> float:
        """Return F1 over all events of all samples; 0 where the population was not found at all."""
        both = called = there = 0
        for tube in self.samples:
            true = self.truth.is_in(tube, population)
            members = self.members[tube]
            found = any(f"/{path}".endswith(f"/{population}") for path in members.populations)
            gated = members.of(population) if found else np.zeros_like(true)
            both, called, there = (
                both + int((true & gated).sum()),
                called + int(gated.sum()),
                there + int(true.sum()),
            )
        return 2 * both / (called + there)


@cache
def gate(folder: Path, stain: str) -> Gated:
    study = read_study(folder / "study.toml")
    rows = [row for row in study.tubes if row.stain == stain]
    of = study.stains[stain]
    files = {row.tube: read_fcs(study.fcs_dir / row.file) for row in rows}
    spills = {
        name: choose_spillover(of.compensation, tube, folder=study.folder)[0] for name, tube in files.items()
    }
    dimensions, _ = choose_scales(of.panel.channels, files, spillovers=spills)
    tubes = {}
    for row in rows:
        groups = {key: getattr(row, key) for key in ("subject", "specimen", "batch", "stimulus")}
        columns = Columns(files[row.tube], dimensions, spills[row.tube])
        tubes[row.tube] = TemplateTube(columns, row.kind, row.lacks, {k: v for k, v in groups.items() if v})
    template = GatingTemplate.builtin(TEMPLATES[stain]).prune(dimensions)[0]
    return Gated(tubes, learn(template, tubes, seed=1), read_truth(folder))


def below(gated: Gated, marks: dict[str, float]) -> dict[str, float]:
    """Return the populations whose F1 is below its mark."""
    found = {population: round(gated.f1(population), 3) for population in marks}
    return {population: f1 for population, f1 in found.items() if f1 < marks[population]}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One donor before and on treatment, 10,000 events a tube."""
    folder = tmp_path_factory.mktemp("small")
    simulate_study(folder, subjects=1, batches=1, events=10_000, seed=11)
    return folder


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six donors in two batches, 40,000 events a tube."""
    folder = tmp_path_factory.mktemp("large")
    simulate_study(folder, subjects=6, batches=2, events=40_000, seed=12)
    return folder


@pytest.mark.parametrize("name", builtin_templates())
def test_the_usual_panel_of_a_template_shows_all_of_it(name: str) -> None:
    template = GatingTemplate.builtin(name)
    assert template.check(PANELS[name].split()) == []
    assert template.version
    assert template.references


@pytest.mark.parametrize("name", builtin_templates())
def test_every_row_of_a_template_hangs_below_live_single_leukocytes(name: str) -> None:
    template = GatingTemplate.builtin(name)
    leukocytes = template.find("CD45+")
    assert leukocytes == "cells/singlets/singlets by SSC/live/CD45+"
    for path in template.paths:
        assert path.startswith(f"{leukocytes}/") or leukocytes.startswith(path)


def test_a_panel_without_foxp3_keeps_the_checkpoints_and_the_surface_treg() -> None:
    panel = [marker for marker in PANELS["human_t"].split() if marker != "FoxP3"]
    kept, lost = GatingTemplate.builtin("human_t").prune(panel)
    assert {path.rsplit("/", 1)[-1] for path in lost} == {"FoxP3+", "Treg Fr I", "Treg Fr II", "Treg Fr III"}
    assert kept.find("CD8 T/PD-1+")
    assert kept.find("Treg")


def test_a_file_without_height_or_viability_dye_is_gated_from_what_it_has() -> None:
    panel = [*(m for m in PANELS["human_t"].split() if m != "Viability"), "FSC-A", "SSC-A"]
    kept, lost = GatingTemplate.builtin("human_t").prune(panel)
    assert set(lost) == {
        "cells/singlets",
        "cells/singlets/singlets by SSC",
        "cells/singlets/singlets by SSC/live",
    }
    assert kept.find("T cells") == "cells/CD45+/T cells"
    assert kept.find("T cells/CD4 T/Treg Fr II")


def test_eight_cytokine_combinations_divide_the_cells_among_themselves() -> None:
    template = GatingTemplate.builtin("human_cytokine")
    for parent in ("CD4 T", "CD8 T"):
        signs = [f"IFN-g{a}TNF-a{b}IL-2{c}" for a in "+-" for b in "+-" for c in "+-"]
        rows = [template.population(f"{parent}/{name}") for name in signs]
        expressions = {str(row) for row in rows}
        assert len(expressions) == 8
        assert all(row.boolean is not None and len(row.boolean.terms) == 1 for row in rows)


def test_t_cells_and_their_checkpoints_are_found_in_a_small_study(small: Path) -> None:
    gated = gate(small, "T")
    marks = dict.fromkeys(("T cells", "CD4 T", "CD8 T", "B cells", "NK cells"), 0.97)
    memory = dict.fromkeys(
        (f"{t}/{m}" for t in ("CD4 T", "CD8 T") for m in ("naive", "CM", "EM", "TEMRA")), 0.9
    )
    assert not below(gated, {**marks, **memory, "CD8 T/PD-1+": 0.8})
    for tube in gated.samples:
        members = gated.members[tube]
        divided = [members.of(name) for name in ("CD4 T", "CD8 T", "DN T", "DP T")]
        np.testing.assert_array_equal(np.sum(divided, axis=0), members.of("T cells").astype(int))


def test_monocytes_and_rare_myeloid_cells_are_found_in_a_small_study(small: Path) -> None:
    gated = gate(small, "myeloid")
    assert not below(gated, {"monocytes": 0.95, "basophils": 0.8, "pDC": 0.8})
    (anchored,) = {
        one.learnt_from
        for one in gated.learnt[gated.samples[0]].gates
        if one.population.endswith("M-MDSC") and one.marker == "HLA-DR"
    }
    assert [gated.tubes[name].kind for name in anchored] == ["healthy_anchor"]


def test_too_few_unstimulated_cells_for_one_in_a_thousand_are_said_to_be_too_few(small: Path) -> None:
    gated = gate(small, "cytokine")
    assert not below(gated, {"T cells": 0.97, "CD8 T": 0.95, "CD4 T": 0.85})
    gates = gated.learnt[gated.samples[0]].gates
    said = [one for one in gates if one.population.endswith("CD8 T/IFN-g+")]
    assert [one.status for one in said] == ["abstained"]
    assert "too few events" in said[0].reason


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stain", "marks"),
    [
        (
            "T",
            {
                **dict.fromkeys(("T cells", "CD4 T", "CD8 T", "B cells", "NK cells"), 0.97),
                "CD8 T/PD-1+": 0.85,
                "CD4 T/PD-1+": 0.85,
                "Treg Fr I": 0.70,
                "Treg Fr II": 0.90,
                "Treg Fr III": 0.70,
                "FoxP3+": 0.85,
            },
        ),
        (
            "myeloid",
            {
                "monocytes": 0.95,
                "classical monocytes": 0.95,
                "eMDSC": 0.85,
                "M-MDSC": 0.70,
                "PMN-MDSC": 0.90,
                "basophils": 0.90,
                "cDC2": 0.90,
                "pDC": 0.90,
            },
        ),
        (
            "cytokine",
            {
                "T cells": 0.97,
                "CD8 T": 0.97,
                "CD4 T": 0.90,
                "CD8 T/IFN-g+": 0.95,
                "CD8 T/TNF-a+": 0.95,
                "CD8 T/IFN-g+TNF-a+": 0.95,
                "CD4 T/IL-2+": 0.90,
            },
        ),
    ],
)
def test_a_study_of_six_donors_reaches_what_a_plain_correct_gate_reaches(
    large: Path, stain: str, marks: dict[str, float]
) -> None:
    assert not below(gate(large, stain), marks)


@pytest.mark.slow
def test_fractions_of_foxp3_divide_the_foxp3_positive_cells(large: Path) -> None:
    gated = gate(large, "T")
    for tube in gated.samples:
        members = gated.members[tube]
        parts = [members.of(f"Treg Fr {part}") for part in ("I", "II", "III")]
        np.testing.assert_array_equal(np.sum(parts, axis=0), members.of("FoxP3+").astype(int))
