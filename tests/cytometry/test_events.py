"""The AnnData of events says of every event what the FCS file and the gates say, and other packages can use it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest

from cytometry.compensation import find_spillover
from cytometry.errors import CytometryError
from cytometry.events import OBS, VAR, TubeEvents, build_events, build_specimens, column_name, validate_events
from cytometry.fcs import read_fcs
from cytometry.panel import Channel, Panel
from cytometry.simulate.plan import PlannedTube, StudyPlan
from cytometry.simulate.study import write_tube
from cytometry.simulate.tables import panel
from cytometry.table import COLUMNS, as_table
from gating.columns import Columns, Dimension
from gating.gates import Interval, Rectangle
from gating.membership import assign
from gating.scales import Linear, Logicle
from gating.strategy import GatingStrategy, Population

LOGICLE = Logicle(t=262_144, w=0.8, m=4.5, a=0)
LINEAGE = ("T cells", "T cells/CD8 T", "B cells")
SHOWN = ("FSC-A", "CD3", "CD4", "CD8", "CD19", "PD-1")
RECORD = {"seed": 7, "spillover": {"D01_baseline_T": None}}


def strategy(tube_panel: Panel, *, with_pd1: bool = True) -> GatingStrategy:
    """Return cuts at 1,000 on the linear scale: T, CD8 T, PD-1+, B."""
    dimensions = {
        name: Dimension(
            tube_panel.detector(name), LOGICLE if name in tube_panel.markers else Linear(), name != "FSC-A"
        )
        for name in SHOWN
    }
    cut = float(LOGICLE.forward(1_000.0))
    rows = [
        Population("T cells", Interval("CD3", low=cut)),
        Population("CD8 T", Rectangle(("CD4", "CD8"), (-np.inf, cut), (cut, np.inf)), "T cells"),
        Population("PD-1+", Interval("PD-1", low=float(LOGICLE.forward(300.0))), "T cells/CD8 T"),
        Population("B cells", Rectangle(("CD3", "CD19"), (-np.inf, cut), (cut, np.inf))),
    ]
    return GatingStrategy(dimensions, tuple(p for p in rows if with_pd1 or p.name != "PD-1+"))


@pytest.fixture(scope="module")
def pieces(tmp_path_factory: pytest.TempPathFactory) -> list[TubeEvents]:
    """Return one donor's two tubes; in the second the PD-1 gate abstained, and every third event is taken."""
    folder = tmp_path_factory.mktemp("events")
    (folder / "fcs").mkdir()
    (folder / "truth").mkdir()
    plan = StudyPlan(subjects=1, batches=1, events=1_500, seed=3)
    made = []
    for timepoint, treated in (("baseline", False), ("on_treatment", True)):
        planned = PlannedTube("D01", timepoint, "B1", "T", treated=treated)
        write_tube(folder, plan, planned)
        tube = read_fcs(folder / "fcs" / f"{planned.name}.fcs")
        gates = strategy(panel("T"), with_pd1=not treated)
        columns = Columns(tube, gates.dimensions, find_spillover(tube))
        step = 3 if treated else 1
        labels = {
            "specimen": planned.specimen,
            "subject": "D01",
            "arm": "temsirolimus",
            "timepoint": timepoint,
        }
        membership = assign(gates, columns)
        rows = np.arange(0, tube.n_events, step)
        made.append(
            TubeEvents(planned.name, columns, membership, rows, float(step), labels, qc_pass=not treated)
        )
    return made


@pytest.fixture(scope="module")
def adata(pieces: list[TubeEvents]) -> anndata.AnnData:
    return build_events(pieces, panel=panel("T"), lineage=LINEAGE, record=RECORD)


# --- What it holds -------------------------------------------------------------------------------------------


def test_an_event_is_a_row_with_what_the_sheet_says_of_its_tube(
    adata: anndata.AnnData, pieces: list[TubeEvents]
) -> None:
    validate_events(adata)
    assert adata.shape == (1_500 + 500, len(SHOWN))
    assert list(adata.obs) == list(OBS)
    assert list(adata.var) == list(VAR)
    second = adata.obs[adata.obs["tube"] == pieces[1].tube]
    assert list(second["event"]) == list(range(0, 1_500, 3))
    assert set(second["timepoint"]) == {"on_treatment"}
    assert set(second["batch"]) == {""}, "what the sheet does not say is blank"
    assert not second["qc_pass"].any()
    assert second.index[1] == f"{pieces[1].tube}:3"


def test_the_weights_add_up_to_the_events_that_were_recorded(adata: anndata.AnnData) -> None:
    recorded = adata.obs.groupby("tube", observed=True)["weight"].sum()
    assert recorded.tolist() == [1_500, 1_500]


def test_raw_is_the_file_compensated_solves_the_spillover_and_x_is_the_display_scale(
    adata: anndata.AnnData, pieces: list[TubeEvents]
) -> None:
    tube, spillover = pieces[1].columns.events, pieces[1].columns.spillover
    detectors = list(spillover.detectors)
    raw = np.column_stack([tube.column(d) for d in detectors])[pieces[1].rows]
    true = np.linalg.solve(
        spillover.matrix.T, raw.T
    ).T  # all at once, where the package goes detector by detector
    here = adata[adata.obs["tube"] == pieces[1].tube]
    for marker in SHOWN[1:]:
        at = detectors.index(panel("T").detector(marker))
        column = here[:, marker]
        np.testing.assert_allclose(np.ravel(column.layers["raw"]), raw[:, at], rtol=1e-6)
        np.testing.assert_allclose(np.ravel(column.layers["compensated"]), true[:, at], rtol=1e-5, atol=1e-2)
        np.testing.assert_allclose(np.ravel(column.X), LOGICLE.forward(true[:, at]), atol=1e-5)
    scatter = here[:, "FSC-A"]
    np.testing.assert_array_equal(scatter.X, scatter.layers["raw"])
    assert adata.X.dtype == np.float32


def test_negative_compensated_values_are_kept(adata: anndata.AnnData) -> None:
    compensated = adata[:, "CD19"]
    below = np.ravel(compensated.layers["compensated"]) < 0
    assert below.mean() > 0.02
    assert len(np.unique(np.ravel(compensated.X)[below])) > 0.9 * below.sum(), "X piles none of them up"


def test_a_marker_says_its_channel_fluorochrome_role_and_scale(adata: anndata.AnnData) -> None:
    pd1, scatter = adata.var.loc["PD-1"], adata.var.loc["FSC-A"]
    assert tuple(pd1) == ("V450-A", "PD-1", "BV421", "functional", LOGICLE.name)
    assert (scatter["role"], scatter["scale"]) == ("scatter", "linear")


def test_a_channel_that_the_panel_does_not_name_has_no_fluorochrome(pieces: list[TubeEvents]) -> None:
    short = Panel((Channel("UV379-A", "CD3", "BUV395", "lineage"),))
    found = build_events(pieces, panel=short)
    assert found.var.loc["CD3", "fluorochrome"] == "BUV395"
    assert (found.var.loc["CD8", ["fluorochrome", "role"]] == "").all()


def test_an_event_is_called_by_the_deepest_lineage_population_that_holds_it(adata: anndata.AnnData) -> None:
    member = adata.obsm["membership"]
    called = adata.obs["population"]
    assert set(called) == {"T cells", "CD8 T", "B cells", "other"}, "PD-1+ overlaps, so it names no event"
    assert (called[member["T cells|CD8 T"]] == "CD8 T").all()
    assert (called[member["T cells"] & ~member["T cells|CD8 T"]] == "T cells").all()
    assert (called[~member["T cells"] & ~member["B cells"]] == "other").all()


def test_without_a_lineage_every_event_is_other(pieces: list[TubeEvents]) -> None:
    assert set(build_events(pieces, panel=panel("T")).obs["population"]) == {"other"}


def test_the_membership_is_that_of_the_gates(adata: anndata.AnnData, pieces: list[TubeEvents]) -> None:
    frame = pieces[0].membership.frame()
    held = adata.obsm["membership"][: len(frame)]
    for path in frame:
        np.testing.assert_array_equal(held[column_name(path)], frame[path])


def test_where_a_gate_abstained_no_event_is_in_its_population(
    adata: anndata.AnnData, pieces: list[TubeEvents]
) -> None:
    positive = adata.obsm["membership"]["T cells|CD8 T|PD-1+"]
    by_tube = positive.groupby(adata.obs["tube"], observed=True).sum()
    assert by_tube[pieces[0].tube] > 0
    assert by_tube[pieces[1].tube] == 0


# --- Where it goes -------------------------------------------------------------------------------------------


def test_what_is_written_as_h5ad_is_read_back_the_same(adata: anndata.AnnData, tmp_path: Path) -> None:
    adata.write_h5ad(tmp_path / "events.h5ad")
    back = anndata.read_h5ad(tmp_path / "events.h5ad")
    validate_events(back)
    np.testing.assert_array_equal(back.X, adata.X)
    for layer in ("compensated", "raw"):
        np.testing.assert_array_equal(back.layers[layer], adata.layers[layer])
    pd.testing.assert_frame_equal(back.obs, adata.obs)
    pd.testing.assert_frame_equal(back.var, adata.var)
    pd.testing.assert_frame_equal(back.obsm["membership"], adata.obsm["membership"])
    assert json.loads(back.uns["cytometry"]["seed"]) == 7


def test_scanpy_plots_it_as_it_is(adata: anndata.AnnData) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt
    import scanpy

    before = adata.obs.copy()
    markers = ["CD3", "CD4", "CD8", "CD19", "PD-1"]
    for plot in (scanpy.pl.matrixplot, scanpy.pl.dotplot):
        axes = plot(adata, markers, groupby="population", show=False)
        shown = [label.get_text() for label in axes["mainplot_ax"].get_yticklabels()]
        assert shown == ["B cells", "CD8 T", "T cells", "other"]
    scanpy.pl.violin(adata, ["CD3"], groupby="population", show=False)
    plt.close("all")
    pd.testing.assert_frame_equal(adata.obs, before)


@pytest.mark.filterwarnings("ignore:From 0.4:FutureWarning:mudata")
def test_flowsom_clusters_a_copy_of_it_as_it_is(adata: anndata.AnnData) -> None:
    flowsom = pytest.importorskip("flowsom", reason="the extra `flowsom` is not installed")
    markers = ["CD3", "CD4", "CD8", "CD19"]
    found = flowsom.FlowSOM(adata.copy(), cols_to_use=markers, xdim=4, ydim=4, n_clusters=5, seed=1)
    cells = found.get_cell_data()
    assert cells.n_obs == adata.n_obs
    together = pd.crosstab(cells.obs["metaclustering"].to_numpy(), adata.obs["population"].to_numpy())
    assert together["B cells"].max() > 0.9 * together["B cells"].sum(), "B cells stay together"
    assert "clustering" not in adata.obs, "the original is as it was"


# --- What is refused -----------------------------------------------------------------------------------------


def test_no_tube_is_refused() -> None:
    with pytest.raises(CytometryError, match="at least one tube"):
        build_events([], panel=panel("T"))


def test_tubes_of_other_dimensions_are_refused_and_named(pieces: list[TubeEvents]) -> None:
    fewer = {name: d for name, d in pieces[0].columns.dimensions.items() if name != "CD19"}
    other = replace(pieces[1], columns=pieces[1].columns.with_dimensions(fewer))
    with pytest.raises(CytometryError, match=f"{other.tube} and {pieces[0].tube} have other dimensions"):
        build_events([pieces[0], other], panel=panel("T"))


def test_what_is_no_anndata_of_events_hears_everything_that_it_lacks() -> None:
    bare = anndata.AnnData(np.zeros((2, 1), dtype=np.float32))
    with pytest.raises(CytometryError) as caught:
        validate_events(bare)
    lacking = [*OBS, *VAR, "compensated", "raw", "membership", "cytometry"]
    assert [name for name in lacking if f"{name!r}" not in str(caught.value)] == []


def test_a_membership_of_numbers_and_an_event_that_occurs_twice_are_named_together(
    adata: anndata.AnnData,
) -> None:
    spoilt = adata[:3].copy()
    spoilt.obsm["membership"] = spoilt.obsm["membership"].astype(float)
    spoilt.obs_names = ["a", "b", "a"]
    with pytest.raises(CytometryError, match="not bool throughout; an event or a marker occurs twice"):
        validate_events(spoilt)


# --- Specimens -----------------------------------------------------------------------------------------------


def rows_of(specimen: str, population: str, value: float, **other: object) -> dict[str, object]:
    row: dict[str, object] = dict.fromkeys(COLUMNS, "")
    row |= {
        "stain": "T",
        "tube": f"{specimen}_T",
        "kind": "sample",
        "specimen": specimen,
        "subject": specimen[:2],
    }
    row |= {
        "population": population,
        "statistic": "fraction_of_parent",
        "base": "all events",
        "unit": "fraction",
    }
    return row | {"value": value, "n": 0 if np.isnan(value) else round(100 * value), "n_base": 100} | other


def test_specimens_are_rows_populations_columns_and_the_fraction_of_the_parent_is_x() -> None:
    count = {"statistic": "count", "unit": "events"}
    table = as_table(
        pd.DataFrame(
            [
                rows_of("D1_pre", "T cells", 0.5),
                rows_of("D1_pre", "T cells", 50.0, n=50, **count),
                rows_of("D1_pre", "T cells/CD8 T", np.nan, base="T cells", reason="no valley"),
                rows_of("D1_post", "T cells", 0.2),
                rows_of("D1_post", "T cells", 0.4, tube="again"),
                rows_of("D1_post", "T cells/CD8 T", 0.1, base="T cells"),
                rows_of("D1_post", "T cells", 0.9, kind="fmo", tube="fmo"),
                rows_of(
                    "D1_post",
                    "T cells",
                    900.0,
                    statistic="median_intensity",
                    marker="CD3",
                    unit="intensity",
                    n=20,
                ),
            ]
        )
    )
    found = build_specimens(table)
    assert list(found.obs_names) == ["D1_pre", "D1_post"]
    assert list(found.var_names) == ["T|T cells", "T|T cells|CD8 T"]
    assert list(found.var["population"]) == ["T cells", "T cells/CD8 T"]
    np.testing.assert_allclose(found.X, [[0.5, np.nan], [0.3, 0.1]])
    np.testing.assert_allclose(found.layers["count"], [[50, np.nan], [np.nan, np.nan]])


def test_a_statistic_with_a_slash_survives_hdf5(tmp_path: Path) -> None:
    of = {"statistic": "fraction_of_T cells/CD8 T"}
    table = as_table(pd.DataFrame([rows_of("D1", "T cells", 0.5), rows_of("D1", "T cells", 0.5, **of)]))
    build_specimens(table).write_h5ad(tmp_path / "specimens.h5ad")
    assert "fraction_of_T cells|CD8 T" in anndata.read_h5ad(tmp_path / "specimens.h5ad").layers
