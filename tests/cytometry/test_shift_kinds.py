"""The figures of a comparison, asked for by name of a real run."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

import cytometry
from cytometry.errors import CytometryError
from cytometry.report import write_figure
from cytometry.report.kinds import KINDS
from cytometry.store import Run


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_figure_has_a_function_that_draws_it(name: str) -> None:
    module, _, function = KINDS[name].place.partition(":")
    assert callable(getattr(import_module(f"cytometry.report.{module}"), function))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("shift")
    study = cytometry.simulate_study(
        folder / "study", subjects=4, events=9_000, batches=1, seed=2, stains=("T", "cytokine")
    )
    return cytometry.run(study, folder / "out")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("volcano", {}),
        ("heatmap", {"tubes": ["D01_baseline_T"]}),
        ("functions", {"population": "CD8 T"}),
        ("pies", {"population": "CD8 T"}),
        ("memory", {}),
        ("memory", {"population": "CD8 T/PD-1+", "options": {"stain": "T"}}),
        ("course", {"population": "CD8 T/PD-1+", "options": {"stain": "T"}}),
        ("parts", {}),
        ("cuts", {}),
        ("course", {}),
        ("umap", {"tubes": ["D01_baseline_T"], "marker": "PD-1", "options": {"events": "1000"}}),
        ("tree", {"tubes": ["D01_baseline_T"], "marker": "CD8"}),
    ],
)
def test_a_run_is_drawn_by_name(run: Run, kind: str, options: dict[str, object]) -> None:
    if kind == "tree":
        pytest.importorskip("flowsom", reason="the tree needs the extra flowsom")
    paths = write_figure(run, kind, size="nature1", formats=("svg",), **options)  # type: ignore[arg-type]
    assert paths
    said = (run.folder / "figures" / "captions.md").read_text(encoding="utf-8")
    assert paths[0].stem in said
    assert f"cytometry {cytometry.__version__}" in said
    assert all("<text" in path.read_text(encoding="utf-8") for path in paths)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "options", "said"),
    [
        ("functions", {"population": "B cells"}, "CD8 T"),
        ("heatmap", {"tubes": ["nobody"]}, "no tube is called 'nobody'"),
        ("course", {"options": {"along": "moon"}}, "no column 'moon'"),
        ("cuts", {"population": "CD8 T/PD-2+"}, "no population is called"),
    ],
)
def test_what_cannot_be_drawn_is_said(run: Run, kind: str, options: dict[str, object], said: str) -> None:
    with pytest.raises(CytometryError, match=said):
        write_figure(run, kind, formats=("svg",), **options)  # type: ignore[arg-type]


@pytest.mark.slow
def test_a_figure_by_name_leaves_nothing_but_its_files(run: Run) -> None:
    before = {p for p in Path(run.folder).rglob("*") if p.is_file()}
    paths = set(write_figure(run, "volcano", size="slide", formats=("png",)))
    assert {p for p in Path(run.folder).rglob("*") if p.is_file()} - before <= paths
