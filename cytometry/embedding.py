"""Embedding: a picture of events in two dimensions, to look at and never to count from.

A UMAP keeps who is near whom and nothing else: neither the distance between two islands nor their size means anything,
and no number of a study is read from it. Hence it is made of a declared sample, as many events from every specimen, and
only when somebody asks.

McInnes L, Healy J, Melville J. UMAP: uniform manifold approximation and projection. arXiv:1802.03426. Chari T,
Pachter L. The specious art of single-cell genomics. PLoS Comput Biol 2023;19:e1011288.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from cytometry.table import TableError

if TYPE_CHECKING:
    from anndata import AnnData

MOST = 20_000
FEWEST = 50
STAINED = ("lineage", "functional")


def embed(
    events: AnnData,
    *,
    markers: Sequence[str] | None = None,
    at_most: int = MOST,
    neighbours: int = 15,
    seed: int = 1,
) -> AnnData:
    """Return a sample of events, as many from each specimen, with a UMAP of them in ``obsm["X_umap"]``.

    Parameters
    ----------
    events
        Of :meth:`cytometry.store.Run.events`: ``X`` on the display scale.
    markers
        What the distance is made of; every stained marker but viability if not given. Each is standardised.
    at_most
        Events in all; specimens with fewer than their share give what they have.
    neighbours
        Of each event.
    seed
        The same seed gives the same picture on the same machine.

    Returns
    -------
    AnnData
        A copy; ``uns["embedding"]`` says from how many events of how many specimens, which markers and seed;
        ``obs["weight"]`` how many events of its specimen each row now stands for.

    Raises
    ------
    TableError
        If a marker is not there, or fewer than 50 events are.

    Notes
    -----
    Neighbours are searched exactly in a k-d tree: some twenty markers and twenty thousand events take seconds, and
    nothing is approximate.
    """
    import warnings

    import scanpy as sc
    from sklearn.neighbors import KNeighborsTransformer

    chosen = _markers(events, markers)
    rows = _rows(events, at_most, np.random.default_rng(seed))
    if len(rows) < FEWEST:
        msg = f"an embedding needs {FEWEST} events, and there are {len(rows)}"
        raise TableError(msg)
    found = events[rows].copy()
    _weigh(found, events)
    x = np.asarray(found[:, chosen].X, dtype=np.float64)
    spread = x.std(axis=0)
    found.obsm["X_markers"] = (x - x.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    search = KNeighborsTransformer(n_neighbors=neighbours, algorithm="kd_tree")
    sc.pp.neighbors(found, n_neighbors=neighbours, use_rep="X_markers", transformer=search, random_state=seed)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="IProgress")  # umap's progress bar, which is not shown
        sc.tl.umap(found, random_state=seed)
    found.uns["embedding"] = {
        "method": "UMAP",
        "n_events": len(rows),
        "of_events": int(events.n_obs),
        "n_specimens": int(found.obs["specimen"].nunique()),
        "markers": list(chosen),
        "seed": seed,
        "neighbours": neighbours,
    }
    return found


def stained(events: AnnData) -> list[str]:
    """Return the markers that cells are told apart by: stained ones, without viability."""
    return [str(name) for name in events.var_names[events.var["role"].astype(str).isin(STAINED)]]


def _markers(events: AnnData, markers: Sequence[str] | None) -> list[str]:
    if markers is None:
        return stained(events)
    absent = [name for name in markers if name not in events.var_names]
    if absent:
        msg = f"no marker is called {', '.join(absent)}; there are {', '.join(map(str, events.var_names))}"
        raise TableError(msg)
    return list(markers)


def _rows(events: AnnData, at_most: int, rng: np.random.Generator) -> Any:
    """Return ascending rows, an equal share of each specimen."""
    specimen = events.obs["specimen"].astype(str).to_numpy()
    names = sorted(set(specimen))
    share = max(at_most // max(len(names), 1), 1)
    kept = []
    for name in names:
        mine = np.flatnonzero(specimen == name)
        kept.append(mine if len(mine) <= share else rng.choice(mine, share, replace=False))
    return np.sort(np.concatenate(kept)) if kept else np.empty(0, dtype=np.intp)


def _weigh(found: AnnData, events: AnnData) -> None:
    """Let each row stand for its part of the specimen's weight."""
    before = events.obs.groupby("specimen", observed=True)["weight"].sum()
    after = found.obs.groupby("specimen", observed=True)["weight"].sum()
    factor = (before / after).to_dict()
    found.obs["weight"] = found.obs["weight"] * found.obs["specimen"].map(factor).astype(float)
