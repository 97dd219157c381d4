"""Figures that a journal takes as they are: gates on their events, overlays, and what was compared.

>>> from cytometry.plots import gating_hierarchy, save
>>> tube = run.gated("D01_pre_T")
>>> figure = gating_hierarchy(tube.strategy, run.columns("D01_pre_T"), tube.membership, panel=run.panel("T"))
>>> save(figure, "figures/gating_T")                       # pdf, svg and png

One plot is an ``Axes``, drawn on ``ax`` where one is given: :func:`biaxial`, :func:`gate_plot`, :func:`histogram`,
:func:`overlay`, :func:`density_difference`, :func:`paired_plot`, :func:`strip_plot`, :func:`forest`,
:func:`volcano`, :func:`cut_curve`, :func:`subset_plot`, :func:`part_plot`, :func:`course`, :func:`power_curve`,
:func:`embedding_plot`, :func:`tree_plot`. Several are a ``Figure``, drawn on ``figure`` where one is given:
:func:`gating_hierarchy`, :func:`backgating`, :func:`acquisition_plot`; or one of their own: :func:`heat_map`,
:func:`function_bars`, :func:`function_pies`, and :func:`gate_grid`, as many pages as it takes. Nothing is shown and
no setting outlives a call; matplotlib is imported by the first figure, not by this package. In a notebook,
``%matplotlib inline`` makes a figure appear under its cell.

Percentages come from all events, never from those that are drawn. The captions say what was drawn.
"""

from __future__ import annotations

from cytometry.plots.acquisition import acquisition_plot
from cytometry.plots.axes import Limits, axis_label, shared_limits, ticks
from cytometry.plots.biaxial import Control, biaxial
from cytometry.plots.captions import contrast_caption, gating_caption, overlay_caption
from cytometry.plots.compensation import residual_grid, residual_map
from cytometry.plots.contrast import paired_plot, strip_plot
from cytometry.plots.course import course
from cytometry.plots.cuts import cut_curve
from cytometry.plots.difference import density_difference
from cytometry.plots.embedding import embedding_plot, tree_plot
from cytometry.plots.forest import forest
from cytometry.plots.functions import function_bars, function_pies
from cytometry.plots.grid import Axis, Tile, gate_grid, gate_tile
from cytometry.plots.heatmap import heat_map
from cytometry.plots.hierarchy import backgating, gating_hierarchy
from cytometry.plots.histogram import Curve, histogram, overlay
from cytometry.plots.one_gate import gate_plot
from cytometry.plots.outlines import DrawnGate
from cytometry.plots.power import power_curve
from cytometry.plots.style import SIZES, save, style
from cytometry.plots.subsets import part_plot, subset_plot
from cytometry.plots.volcano import volcano

__all__ = [
    "SIZES",
    "Axis",
    "Control",
    "Curve",
    "DrawnGate",
    "Limits",
    "Tile",
    "acquisition_plot",
    "axis_label",
    "backgating",
    "biaxial",
    "contrast_caption",
    "course",
    "cut_curve",
    "density_difference",
    "embedding_plot",
    "forest",
    "function_bars",
    "function_pies",
    "gate_grid",
    "gate_plot",
    "gate_tile",
    "gating_caption",
    "gating_hierarchy",
    "heat_map",
    "histogram",
    "overlay",
    "overlay_caption",
    "paired_plot",
    "part_plot",
    "power_curve",
    "residual_grid",
    "residual_map",
    "save",
    "shared_limits",
    "strip_plot",
    "style",
    "subset_plot",
    "ticks",
    "tree_plot",
    "volcano",
]
