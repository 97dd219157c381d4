"""Labelled: published cells with an expert's label each, as tables. A reader finds whatever files lie in its layout.

A label is what the expert made of all markers and more, not a path of gates: a template for the panel is held against
it, population by population.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from outside import flowsom
from scoring import JudgedSet, JudgedTube, Score, score_tube

from gating.columns import ArrayEvents, Columns, Dimension
from gating.learn import learn
from gating.membership import assign
from gating.scales import Linear, Logicle, Scale
from gating.sources import TemplateTube
from gating.template import GatingTemplate

Mask: TypeAlias = NDArray[np.bool_]
Of: TypeAlias = Callable[[NDArray[np.str_]], Mask]
TEMPLATES = Path(__file__).resolve().parents[1] / "templates"
SEED = 1


def one_of(*labels: str) -> Of:
    """Return the test whether a label is one of these."""
    return lambda given: np.isin(given, labels)


def holds(word: str) -> Of:
    """Return the test whether a label has a word in it."""
    return lambda given: np.array([word in label.lower() for label in given.tolist()])


def not_holds(word: str) -> Of:
    """Return the test whether a label lacks a word."""
    return lambda given: ~holds(word)(given)


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a labelled set lies, what its columns are, and which labels make up which population.

    Parameters
    ----------
    files
        Pattern of the tables, below the data folder.
    marker
        From a column's name to the marker, ``FSC-A`` or the like; ``""`` leaves the column out.
    label
        Name of the column of labels.
    scale
        What the values are gated on; ``Linear`` where they were published on a display scale.
    truth
        By population, the end of a path of the template: which labels. The nearest population above that is named
        here must hold all of them.
    fewest
        Tables with fewer rows are fragments for tests, and left out.
    """

    name: str
    files: str
    template: str
    marker: Callable[[str], str]
    label: str
    truth: Mapping[str, Of]
    scale: Scale = field(default_factory=Linear)
    roots: tuple[str, ...] = ()
    fewest: int = 1000


def _euroflow_marker(column: str) -> str:
    """``CD3:APC-A LOGICAL`` is CD3, ``FSC-A LINEAR`` is FSC-A."""
    return column.partition(":")[0] if ":" in column else column.partition(" ")[0]


BONE_MARROW_SCATTER = {"FS INT": "FSC-A", "SS INT": "SSC-A", "SS PEAK": "SSC-H"}


def _bone_marrow_marker(column: str) -> str:
    """``FL1 INT_CD14-FITC`` is CD14; FL9, printed as HLA, is HLA-DR."""
    if column in BONE_MARROW_SCATTER:
        return BONE_MARROW_SCATTER[column]
    stained = column.partition("_")[2].rpartition("-")[0]
    return "HLA-DR" if stained == "HLA" else stained


HIPC_MARKERS = {name: name for name in ("CCR7", "CD4", "CD45RA", "CD38", "CD8")} | {"HLADR": "HLA-DR"}
MEMORY = ("naive", "CM", "EM", "TEMRA")
# In the order of the data's own documentation (CytOpT, HIPC_Stanford): of CD8 and then of CD4 T cells.
HIPC_LABELS = {
    f"{lineage} T/{name}": str(first + place)
    for lineage, first in (("CD8", 1), ("CD4", 6))
    for place, name in enumerate(("TEMRA", "naive", "CM", "EM", "activated"))
}
T_CELLS = ("CD4+CD8-", "CD8+CD4-", "CD4+CD8dim", "CD4+CD8+", "TCRgd+", "TCRgd-")

LAYOUTS: Mapping[str, Layout] = MappingProxyType(
    {
        "euroflow": Layout(
            name="EuroFlow, whole blood",
            files="optimalflow_euroflow/*.csv*",
            template="euroflow",
            marker=_euroflow_marker,
            label="Population ID (name)",
            truth={
                "cells": not_holds("debris"),
                "debris": holds("debris"),
                "T cells": one_of(*T_CELLS),
                "CD4 T": one_of("CD4+CD8-"),
                "CD8 T": one_of("CD8+CD4-"),
                "B cells": one_of("Mature SIg Kappa", "Mature SIg Lambda"),
                "NK cells": one_of("CD56dim", "CD56bright"),
                "monocytes": one_of("Monocytes"),
                "eosinophils": one_of("Eosinophils"),
                "neutrophils": one_of("Neutrophils", "Neutrophils (U.S.)"),
            },
            roots=("cells",),
        ),
        "bone_marrow": Layout(
            name="FlowCyt, bone marrow",
            files="flowcyt_bm_labels/**/*.csv",
            template="bone_marrow",
            marker=_bone_marrow_marker,
            label="label",
            truth={
                "T cells": one_of("0"),
                "B cells": one_of("1"),
                "monocytes": one_of("2"),
                "progenitors": one_of("4"),
            },
            # A 20-bit analyser: the usual logicle below its top.
            scale=Logicle(t=2.0**20),
        ),
        "hipc": Layout(
            name="HIPC, T cells",
            files="cytometree_hipc/*.csv*",
            template="hipc_t",
            marker=lambda column: HIPC_MARKERS.get(column, ""),
            label="label",
            truth={
                **{
                    f"{lineage} T": one_of(*(v for k, v in HIPC_LABELS.items() if k.startswith(lineage)))
                    for lineage in ("CD4", "CD8")
                },
                **{
                    f"{lineage} T/activated": one_of(HIPC_LABELS[f"{lineage} T/activated"])
                    for lineage in ("CD4", "CD8")
                },
                **{
                    f"{lineage} T/resting/{name}": one_of(HIPC_LABELS[f"{lineage} T/{name}"])
                    for lineage in ("CD4", "CD8")
                    for name in MEMORY
                },
            },
        ),
    }
)


def tables_of(data: Path, layout: Layout) -> dict[str, pd.DataFrame]:
    """Return the labelled tables of a set by name, whatever files there are; none where the folder is absent."""
    found: dict[str, pd.DataFrame] = {}
    for path in sorted(data.glob(layout.files)):
        table = pd.read_csv(path)
        if layout.label in table.columns and len(table) >= layout.fewest:
            found.setdefault(path.name.partition(".")[0], table)
    return found


def judge_layout(data: Path, key: str, *, with_flowsom: bool = True) -> JudgedSet | None:
    """Gate a labelled set by its template and score it; ``None`` where the data folder has no such set."""
    layout = LAYOUTS[key]
    tables = tables_of(data, layout)
    if not tables:
        return None
    template = GatingTemplate.from_toml(TEMPLATES / f"{layout.template}.toml")
    columns = {name: _columns(table, layout) for name, table in tables.items()}
    learnt = learn(template, {name: TemplateTube(found) for name, found in columns.items()}, seed=SEED)
    scores: list[Score] = []
    outside: dict[str, list[float]] = {}
    for name, table in tables.items():
        truth = truth_of(table, layout, template)
        strategy = learnt[name].strategy
        tube = JudgedTube(name, columns[name], strategy, assign(strategy, columns[name]), truth)
        found = score_tube(tube, template)
        scores += found
        if with_flowsom:
            labels = {
                path: mask for path, mask in truth.items() if path.rpartition("/")[2] not in layout.roots
            }
            counted = [s.agreement.population for s in found if s.agreement.is_scored]
            for path, reached in flowsom(columns[name], labels, seed=SEED).items():
                outside.setdefault(path, []).extend([reached] if path in counted else [])
    roots = tuple(path for path in template.paths if path.rpartition("/")[2] in layout.roots)
    note = f"{len(tables)} tubes: {', '.join(tables)}"
    flowsom_scores = {"FlowSOM": {path: tuple(values) for path, values in outside.items()}} if outside else {}
    return JudgedSet(
        layout.name, tuple(scores), roots, note, flowsom_scores, template=template.name, among=template.paths
    )


def truth_of(table: pd.DataFrame, layout: Layout, template: GatingTemplate) -> dict[str, Mask]:
    """Return which rows belong to each labelled population, by path, in the template's order."""
    given = table[layout.label]
    # Numbers were written as floats; a label is text.
    labels = (given if given.dtype == object else given.astype(int)).astype(str).to_numpy(dtype=np.str_)
    by_path = {template.find(name): test for name, test in layout.truth.items()}
    return {path: by_path[path](labels) for path in template.paths if path in by_path}


def _columns(table: pd.DataFrame, layout: Layout) -> Columns:
    read = {column: layout.marker(str(column)) for column in table.columns if column != layout.label}
    read = {column: marker for column, marker in read.items() if marker}
    values = table[list(read)].to_numpy(dtype=np.float64)
    # Scatter is gated as it was recorded.
    dimensions = {
        marker: Dimension(str(column), Linear() if marker.startswith(("FSC", "SSC")) else layout.scale)
        for column, marker in read.items()
    }
    return Columns(ArrayEvents(values, tuple(map(str, read))), dimensions)
