"""Captions: what a figure's legend must say, made from the numbers it was drawn from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from cytometry.plots.hierarchy import MAX_EVENTS
from cytometry.plots.histogram import FEW_EVENTS, Curve
from cytometry.plots.marks import FEW_EVENTS as FEW_DRAWN
from cytometry.plots.marks import Kind
from cytometry.plots.outlines import percent
from cytometry.wording import sentence
from gating.strategy import GatingStrategy

MOST_SCALES = 3
MANNERS: Mapping[Kind, str] = MappingProxyType(
    {
        "auto": f"Colour: local density of events; under {FEW_DRAWN:,} events each is a dot.",
        "pseudocolour": "Colour: local density of events.",
        "contour": "Contours: 5 % of the events lie outside the lowest line, each a dot; a tenth between two lines.",
        "dots": "Each dot is an event.",
    }
)


def gating_caption(
    strategy: GatingStrategy, *, tube: str, max_events: int = MAX_EVENTS, kind: Kind = "auto"
) -> str:
    """Return the caption of a gating hierarchy: what is drawn, what the numbers are, on which scales."""
    populations = len(strategy.populations)
    gates = f"All {populations} populations" if populations else "No population was gated"
    return (
        f"Gating strategy of tube {tube}. {gates}; each plot shows the events of the population in its "
        f"title, arrows lead from a gate to its events. Numbers at gates: % of the parent population, counted "
        f"from all events; at most {max_events:,} events a plot are drawn, chosen at random. {MANNERS[kind]} "
        f"Axes: {_scales(strategy)}."
    )


def _scales(strategy: GatingStrategy) -> str:
    """Return the scales by name; only their kinds where they are too many to read."""
    names = sorted({dimension.scale.name for dimension in strategy.dimensions.values()})
    if len(names) <= MOST_SCALES:
        return "; ".join(names)
    kinds = sorted({name.partition("(")[0] for name in names})
    return f"{', '.join(kinds)}; each channel's parameters stand in the table of channels"


def overlay_caption(curves: Sequence[Curve], *, marker: str, population: str) -> str:
    """Return the caption of an overlay: percentages and numbers of events, tube by tube."""
    said = [
        f"{c.label}: {percent(c.positive)} at or above its cut, n = {len(c.values):,} events" for c in curves
    ]
    few = any(len(c.values) < FEW_EVENTS for c in curves)
    ticks = f" Under {FEW_EVENTS} events each is drawn as a tick." if few else ""
    return (
        f"{marker} on {population}. {'; '.join(said)}. Smoothed histograms of all events, each normalised to its "
        f"mode; dashed: the cut; grey: fluorescence-minus-one control.{ticks}"
    )


def contrast_caption(contrast: Mapping[str, Any]) -> str:
    """Return the caption of a paired or strip plot: the sentence of its contrast, and what the marks are."""
    level = f"{100 * contrast['confidence']:g} % confidence interval"
    paired = contrast["design"] == "paired"
    marks = (
        "Lines join the two values of a subject; hollow: no pair, in no mean; grey dots: differences; "
        if paired
        else "Each mark is a subject; "
    )
    flag = f" Note: {contrast['flag']}." if contrast["flag"] else ""
    return f"{sentence(contrast)} {marks}bars: means; diamond: mean difference with its {level}.{flag}"
