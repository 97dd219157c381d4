"""Rules for two axes: points in, a polygon out, or the reason why there is none.

Both read scatter on the linear scale, where zero is no light: they compare sizes by their ratio.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from gating.answers import Abstention, Card, RegionFound
from gating.band import singlet_band
from gating.cloud import main_cloud

__all__ = ["REGIONS", "Abstention", "RegionFound", "RegionRule", "main_cloud", "singlet_band"]

RegionRule = Card

SINGLET_BAND = RegionRule(
    "singlet band",
    singlet_band,
    "area and height of one scatter detector, debris left out",
    "Finak et al. 2014, PLoS Comput. Biol. 10:e1003806",
)
MAIN_CLOUD = RegionRule(
    "main cloud",
    main_cloud,
    "forward and side scatter, with a valley between debris and cells or no debris",
    "Hyndman 1996, Am. Stat. 50:120, for the densest part",
)

REGIONS: Mapping[str, RegionRule] = MappingProxyType({r.name: r for r in (SINGLET_BAND, MAIN_CLOUD)})
