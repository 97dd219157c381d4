"""Rules for two axes: points in, a polygon out, or the reason why there is none.

The singlet band and the main cloud read scatter on the linear scale, where zero is no light: they compare sizes by
their ratio. The others read any two measures on their display scales.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from gating.answers import Abstention, Card, RegionFound
from gating.band import singlet_band
from gating.cloud import main_cloud
from gating.contour import density_contour
from gating.quadrant import quadrant
from gating.ridge import ridge
from gating.satellite import satellite

__all__ = [
    "REGIONS",
    "Abstention",
    "RegionFound",
    "RegionRule",
    "density_contour",
    "main_cloud",
    "quadrant",
    "ridge",
    "satellite",
    "singlet_band",
]

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
DENSITY_CONTOUR = RegionRule(
    "density contour",
    density_contour,
    "a cloud with a peak of its own in the two measures",
    "Naumann, Luta & Wand 2010, BMC Bioinformatics 11:44",
)
SATELLITE = RegionRule(
    "satellite",
    satellite,
    "one main cloud, nearly symmetric, and a small one on its flank",
    "practice: the main cloud mirrored through its peak",
)

RIDGE = RegionRule(
    "ridge",
    ridge,
    "a main cloud longer than wide, along which two markers rise together",
    "Liu et al. 2006, J. Exp. Med. 203:1701, for CD25 x CD127",
)
QUADRANT = RegionRule(
    "quadrant",
    quadrant,
    "a boundary on x, and on each of its sides one on y",
    "Maecker & Trotter 2006, Cytometry A 69:1037",
)

REGIONS: Mapping[str, RegionRule] = MappingProxyType(
    {r.name: r for r in (SINGLET_BAND, MAIN_CLOUD, DENSITY_CONTOUR, SATELLITE, RIDGE, QUADRANT)}
)
