"""Outside: FlowSOM on the same events, as a reference that was not written here.

FlowSOM (Van Gassen 2015) finds clusters and gives them no name. Each metacluster is named by the population that most
of its events truly belong to, which only somebody who knows the truth could do: its F1 is what a careful expert could
make of it at best. It is asked for 20 metaclusters of the 10 x 10 map, on standardised copies of all dimensions.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from gating.agreement import f1
from gating.columns import Columns

METACLUSTERS = 20


def flowsom(
    columns: Columns, truth: Mapping[str, NDArray[np.bool_]], *, seed: int, clusters: int = METACLUSTERS
) -> dict[str, float]:
    """Return F1 of the metaclusters named by each population; nothing where FlowSOM is not installed."""
    if find_spec("flowsom") is None:
        return {}
    return by_overlap(metaclusters(columns, seed=seed, clusters=clusters), truth)


def metaclusters(columns: Columns, *, seed: int, clusters: int = METACLUSTERS) -> NDArray[np.intp]:
    """Return the metacluster of each event, shape ``(n_events,)``."""
    values = columns.points(list(columns.dimensions))
    standard = (values - values.mean(axis=0)) / values.std(axis=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the packages that FlowSOM imports, not of ours
        import anndata
        import flowsom as fs
        from loguru import logger

        logger.disable("flowsom")

        found = fs.FlowSOM(
            anndata.AnnData(standard.copy()),
            cols_to_use=list(range(standard.shape[1])),
            n_clusters=clusters,
            xdim=10,
            ydim=10,
            seed=seed,
        )
        named = found.get_cell_data().obs["metaclustering"]
    return np.asarray(named, dtype=np.intp)


def by_overlap(clusters: NDArray[np.intp], truth: Mapping[str, NDArray[np.bool_]]) -> dict[str, float]:
    """Return F1 of each population against the clusters most of whose events are in it; shape ``(n_events,)``.

    Names are given by the events of a population that are in none below it, and by those in no population; an outer
    population is the union of its own clusters with those of the populations below it.
    """
    paths = list(truth)
    own = {path: truth[path].copy() for path in paths}
    for path in paths:
        for other in paths:
            if other.startswith(f"{path}/"):
                own[path] &= ~truth[other]
    masks = [*own.values(), ~np.logical_or.reduce(list(truth.values()))]
    named = {
        cluster: int(np.argmax([np.count_nonzero(mask & (clusters == cluster)) for mask in masks]))
        for cluster in np.unique(clusters)
    }
    owner = np.array([named[cluster] for cluster in clusters.tolist()])
    found = {}
    for path, mask in truth.items():
        within = [i for i, other in enumerate(paths) if other == path or other.startswith(f"{path}/")]
        found[path] = f1(mask, np.isin(owner, within))
    return found
