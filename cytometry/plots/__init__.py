"""Figures that a journal takes as they are: gates on their events, overlays, and what was compared.

>>> from cytometry.plots import gating_hierarchy, save
>>> tube = run.gated("D01_pre_T")
>>> figure = gating_hierarchy(tube.strategy, run.columns("D01_pre_T"), tube.membership, panel=run.panel("T"))
>>> save(figure, "figures/gating_T")                       # pdf, svg and png

One plot is an ``Axes``, drawn on ``ax`` where one is given: :func:`biaxial`, :func:`histogram`,
:func:`overlay`, :func:`paired_plot`, :func:`strip_plot`, :func:`forest`. Several are a ``Figure``:
:func:`gating_hierarchy`. Nothing is shown and no setting outlives a call; matplotlib is imported by the first
figure, not by this package. In a notebook, ``%matplotlib inline`` makes a figure appear under its cell.

Percentages come from all events, never from those that are drawn. The captions say what was drawn.
"""

from __future__ import annotations

from cytometry.plots.axes import Limits, shared_limits, ticks
from cytometry.plots.biaxial import biaxial
from cytometry.plots.captions import contrast_caption, gating_caption, overlay_caption
from cytometry.plots.contrast import paired_plot, strip_plot
from cytometry.plots.forest import forest
from cytometry.plots.hierarchy import gating_hierarchy
from cytometry.plots.histogram import Curve, histogram, overlay
from cytometry.plots.outlines import DrawnGate
from cytometry.plots.style import SIZES, save, style

__all__ = [
    "SIZES",
    "Curve",
    "DrawnGate",
    "Limits",
    "biaxial",
    "contrast_caption",
    "forest",
    "gating_caption",
    "gating_hierarchy",
    "histogram",
    "overlay",
    "overlay_caption",
    "paired_plot",
    "save",
    "shared_limits",
    "strip_plot",
    "style",
    "ticks",
]
