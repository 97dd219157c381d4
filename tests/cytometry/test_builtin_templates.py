"""The built-in templates find, in simulated blood, the cells that were put there."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path

import numpy as np
import pytest

from cytometry._study.templates import without
from cytometry.compensation import choose_spillover
from cytometry.fcs import read_fcs
from cytometry.markers import canonical_marker
from cytometry.simulate import Truth, read_truth, simulate_study
from cytometry.study import read_study
from cytometry.transforms import choose_scales
from gating.columns import Columns
from gating.errors import TemplateError
from gating.learn import Learnt, learn
from gating.membership import Membership, assign
from gating.rows import PopulationRow
from gating.sources import TemplateTube
from gating.template import GatingTemplate, builtin_templates

TEMPLATES = {"T": "human_t", "myeloid": "human_myeloid", "cytokine": "human_cytokine"}
# Cuts that a population may go without and still be what it is called, since the others define it. All other cuts
# that keep the positive side are asked for, or are one of several ways to stain the same.
SUPPORT = {
    ("CD4 T", "CD4"),  # of the cytokine stain: CD3+CD8-, as is usual after PMA
    ("TSCM", "CD27"), ("eMDSC", "CD11b"), ("neutrophils", "CD66b"),
    ("pDC", "CD303"), ("cDC2", "CD11c"), ("cDC1", "CLEC9A"),
}  # fmt: skip


# Steps that a panel may go without: what lies below is what it is called all the same, only less pure.
STEPS = {"singlets", "singlets by SSC", "live", "CD45+", "CD15-", "CD14+CD16-", "CD16-", "CD19-", "CD14-"}


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
def test_a_template_says_what_it_is_and_whose_work_it_rests_on(name: str) -> None:
    template = GatingTemplate.builtin(name)
    assert template.name == name
    assert template.title
    assert template.description
    assert template.version
    assert template.references
    assert template.species in ("human", "mouse", "")


@pytest.mark.parametrize("name", builtin_templates())
def test_a_marker_of_a_template_has_its_usual_name(name: str) -> None:
    for marker in GatingTemplate.builtin(name).markers:
        assert canonical_marker(marker) == marker


@pytest.mark.parametrize("name", builtin_templates())
def test_no_template_holds_a_coordinate(name: str) -> None:
    for row in GatingTemplate.builtin(name).populations:
        for learning in row.learning:
            assert learning.rule != "fixed"
            assert not {"value", "linear", "low", "high"} & dict(learning.options).keys()


@pytest.mark.parametrize(
    "name", [name for name in builtin_templates() if name not in ("apoptosis", "human_tumour")]
)
def test_every_row_of_a_template_hangs_below_live_single_leukocytes(name: str) -> None:
    template = GatingTemplate.builtin(name)
    leukocytes = template.find("CD45+")
    assert leukocytes == "cells/singlets/singlets by SSC/live/CD45+"
    for path in template.paths:
        assert path.startswith(f"{leukocytes}/") or leukocytes.startswith(path)


@pytest.mark.parametrize("name", builtin_templates())
def test_a_population_never_keeps_its_name_without_a_marker_that_defines_it(name: str) -> None:
    template = GatingTemplate.builtin(name)
    rows = {row.path: row for row in template.populations}
    for dropped in template.dimensions:
        try:
            kept, lost = template.prune([one for one in template.dimensions if one != dropped])
        except TemplateError:
            continue  # nothing is left, and it says so
        there = {row.name: row for row in kept.populations}
        for row in rows.values():
            if dropped in row.required:
                assert row.path in lost, f"{row.path} without {dropped}"
            above = {"/".join(row.path.split("/")[:n]) for n in range(1, row.path.count("/") + 1)}
            gone = [path for path in above & lost.keys() if not rows[path].if_present]
            operands = row.boolean.operands if row.boolean else ()
            if gone or any(path in lost for path in operands):
                assert row.path in lost, f"{row.path} without {dropped}, which {gone or operands} need"
            if row.path not in lost and dropped in row.dimensions:
                assert without(row, set(template.dimensions) - {dropped}) == (dropped,) or _either(row)
        assert not any(dropped in row.dimensions for row in there.values())


def _either(row: PopulationRow) -> bool:
    """Return whether a row stains one thing in several ways, any of which will do."""
    return len(row.cuts) > 1 and all(cut.if_present for cut in row.cuts)


@pytest.mark.parametrize("name", builtin_templates())
def test_only_what_supports_a_population_is_optional_in_it(name: str) -> None:
    for row in GatingTemplate.builtin(name).populations:
        optional = {cut.marker for cut in row.cuts if cut.if_present and cut.keep == "above"}
        assert _either(row) or all((row.name, marker) in SUPPORT for marker in optional), row.path


@pytest.mark.parametrize("name", builtin_templates())
def test_only_steps_that_purify_may_be_left_out_from_above_a_population(name: str) -> None:
    rows = GatingTemplate.builtin(name).populations
    above = {row.parent for row in rows}
    assert {row.name for row in rows if row.if_present and row.path in above} <= STEPS


@pytest.mark.parametrize("name", builtin_templates())
def test_a_panel_of_a_template_without_what_is_optional_shows_the_rest(name: str) -> None:
    template = GatingTemplate.builtin(name)
    needed = {marker for row in template.populations if not row.if_present for marker in row.required}
    needed |= {"Lin"} & set(template.markers)
    kept, lost = template.prune(needed)
    asked = [row for row in template.populations if row.required and not row.if_present]
    assert {row.name for row in asked} - {row.name for row in kept.populations} == set()
    assert all("the panel lacks" in why or "is lost" in why for why in lost.values())


def test_classical_monocytes_need_cd16_and_emdsc_need_cd15() -> None:
    myeloid = GatingTemplate.builtin("human_myeloid")

    def names(dropped: str) -> set[str]:
        return {row.name for row in myeloid.prune(set(myeloid.dimensions) - {dropped})[0].populations}

    assert {"classical monocytes", "monocytes"}.isdisjoint(names("CD16"))
    assert "M-MDSC" in names("CD16")
    assert {"eMDSC", "PMN-MDSC"}.isdisjoint(names("CD15"))
    assert "eMDSC" in names("CD123")


def test_a_treg_panel_of_five_markers_shows_every_definition() -> None:
    kept, _ = GatingTemplate.builtin("human_treg").prune(["CD3", "CD4", "CD25", "CD127", "FoxP3", "CD45RA"])
    names = {row.name for row in kept.populations}
    assert {"Treg", "FoxP3+", "Treg CD25hiCD127loFoxP3+", "Treg Fr I", "Treg Fr II", "Treg Fr III"} <= names


def test_four_quadrants_of_annexin_v_and_dye_use_two_boundaries() -> None:
    rows = GatingTemplate.builtin("apoptosis").populations[-4:]
    sides = {row.name: tuple(cut.keep for cut in row.cuts) for row in rows}
    assert len(set(sides.values())) == 4
    assert all(cut.same_as for row in rows[1:] for cut in row.cuts)


def test_a_panel_without_foxp3_keeps_the_checkpoints_and_the_surface_treg() -> None:
    panel = [marker for marker in GatingTemplate.builtin("human_t").markers if marker != "FoxP3"]
    kept, lost = GatingTemplate.builtin("human_t").prune(panel)
    assert {path.rsplit("/", 1)[-1] for path in lost} == {"FoxP3+", "Treg Fr I", "Treg Fr II", "Treg Fr III"}
    assert kept.find("CD8 T/PD-1+")
    assert kept.find("Treg")


def test_a_file_without_height_or_viability_dye_is_gated_from_what_it_has() -> None:
    panel = [*(m for m in GatingTemplate.builtin("human_t").markers if m != "Viability"), "FSC-A", "SSC-A"]
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


def test_what_is_no_bright_monocyte_is_below_the_same_boundary_in_every_tube(small: Path) -> None:
    gated = gate(small, "myeloid")
    for tube in gated.samples:
        ends = {
            r.population.rsplit("/", 1)[-1]: r.linear for r in gated.learnt[tube].gates if r.marker == "CD14"
        }
        assert ends["CD14-"] == ends["CD14+"]
        assert ends["eMDSC"] < ends["CD14-"]
    assert not below(gated, {"cDC2": 0.95, "pDC": 0.95, "basophils": 0.95})


def test_a_tube_without_debris_has_the_cd45_boundary_of_its_batch(small: Path) -> None:
    gated = gate(small, "T")
    name, other = gated.samples
    whole = GatingTemplate.builtin("human_t")
    rows = tuple(row for row in whole.populations if whole.find("CD45+").startswith(row.path))
    clean = np.flatnonzero(gated.truth.is_in(name, "CD45+"))
    tubes = {name: replace(gated.tubes[name], columns=gated.tubes[name].columns.at(clean))}
    template = replace(whole, populations=rows, lineage=())
    (alone,) = [r for r in learn(template, tubes, seed=1)[name].gates if r.marker == "CD45"]
    both = learn(template, {**tubes, other: gated.tubes[other]}, seed=1)
    (found,) = [r for r in both[name].gates if r.marker == "CD45"]
    assert alone.rule == "tail"
    assert (found.rule, set(found.learnt_from)) == ("valley", {name, other})
    assert found.linear < alone.linear


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
                "basophils": 0.95,
                "cDC2": 0.97,
                "pDC": 0.95,
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
