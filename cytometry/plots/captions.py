"""Captions: what a figure's legend must say, made from the numbers it was drawn from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cytometry.plots.hierarchy import MAX_EVENTS
from cytometry.plots.histogram import FEW_EVENTS, Curve
from cytometry.plots.outlines import percent
from cytometry.wording import sentence
from gating.strategy import GatingStrategy


def gating_caption(strategy: GatingStrategy, *, tube: str, max_events: int = MAX_EVENTS) -> str:
    """Return the caption of a gating hierarchy: what is drawn, what the numbers are, on which scales."""
    scales = sorted({dimension.scale.name for dimension in strategy.dimensions.values()})
    populations = len(strategy.populations)
    gates = f"All {populations} populations" if populations else "No population was gated"
    return (
        f"Gating strategy of tube {tube}. {gates}; each plot shows the events of the population in its "
        f"title, arrows lead from a gate to its events. Numbers at gates: % of the parent population, counted "
        f"from all events; at most {max_events:,} events a plot are drawn, chosen at random. Colour: local "
        f"density of events. Axes: {'; '.join(scales)}."
    )


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
