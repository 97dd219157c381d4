"""An embedding: a declared sample of events, as many from each specimen, and a picture that says what it is not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cytometry.table import TableError

ad = pytest.importorskip("anndata")


def events(sizes: dict[str, int], seed: int = 1) -> ad.AnnData:
    """Return events of two kinds from several specimens."""
    rng = np.random.default_rng(seed)
    specimen = np.repeat(list(sizes), list(sizes.values()))
    kind = rng.integers(0, 2, len(specimen))
    x = rng.normal(0, 0.05, (len(specimen), 3)) + 0.5 * kind[:, None]
    obs = pd.DataFrame({"specimen": specimen, "population": np.where(kind, "CD4 T", "CD8 T"), "weight": 2.0})
    obs.index = obs.index.astype(str)
    var = pd.DataFrame({"role": ["lineage", "functional", "scatter"]}, index=["CD4", "PD-1", "FSC-A"])
    return ad.AnnData(x.astype(np.float32), obs=obs, var=var)


@pytest.mark.slow  # UMAP compiles for half a minute
def test_a_umap_takes_as_many_events_of_each_specimen_and_says_so() -> None:
    from cytometry.embedding import embed
    from cytometry.plots.embedding import embedding_plot

    whole = events({"a": 400, "b": 4_000})
    found = embed(whole, at_most=600)
    assert found.obs["specimen"].value_counts().to_dict() == {"a": 300, "b": 300}
    assert found.obs.groupby("specimen")["weight"].sum().to_dict() == pytest.approx({"a": 800, "b": 8_000})
    assert found.uns["embedding"]["markers"] == ["CD4", "PD-1"]
    again = embed(whole, at_most=600)
    np.testing.assert_array_equal(found.obsm["X_umap"], again.obsm["X_umap"])
    # The two kinds lie apart.
    points, kinds = found.obsm["X_umap"], found.obs["population"].to_numpy()
    middles = [points[kinds == one].mean(axis=0) for one in ("CD4 T", "CD8 T")]
    assert np.linalg.norm(middles[0] - middles[1]) > 2 * points[kinds == "CD4 T"].std()
    ax = embedding_plot(found)
    assert "no number is read from it" in ax.get_xlabel()
    assert "of 2 specimens" in ax.get_xlabel()
    with pytest.raises(ValueError, match="neither a marker nor a column"):
        embedding_plot(found, "CD99")


def test_too_few_events_or_an_unknown_marker_are_refused() -> None:
    from cytometry.embedding import embed

    with pytest.raises(TableError, match="needs 50 events"):
        embed(events({"a": 10}))
    with pytest.raises(TableError, match="no marker is called CD99"):
        embed(events({"a": 100}), markers=["CD99"])


def test_events_without_an_embedding_are_not_drawn() -> None:
    from cytometry.plots.embedding import embedding_plot

    with pytest.raises(ValueError, match="no embedding"):
        embedding_plot(events({"a": 60}))
