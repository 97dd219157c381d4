"""Yields: how many of a tube's events are what: live single cells, and counting beads beside them.

A concentration is that of the live single CD45+ cells as they pass the laser: cells that pass in pairs are counted
neither here nor by an analysis that gates singlets.
"""

from __future__ import annotations

from cytometry.simulate.acquire import dead_share
from cytometry.simulate.amend import amended
from cytometry.simulate.biology import Specimen
from cytometry.simulate.plan import PlannedTube, StudyPlan


def live_single_share(plan: StudyPlan, tube: PlannedTube) -> float:
    """Return the expected share of live single cells among the events that are no beads."""
    said = amended(plan, "tissues")[tube.tissue]
    cells = 1 - said["debris"] - said["platelet"]
    return float(cells * (1 - said["doublet"]) * (1 - dead_share(plan, tube)))


def leukocytes_in_tube(tube: PlannedTube, of: Specimen) -> float:
    """Return the live single CD45+ cells that were put in the tube, from its volume or the weight of its tissue."""
    return of.density * (tube.tissue_mg or tube.volume_ul)


def bead_share(plan: StudyPlan, tube: PlannedTube, of: Specimen) -> float:
    """Return the share of counting beads among all events; 0 where none were added."""
    if not tube.beads_added:
        return 0.0
    of_live = 1 / (1 + sum(of.others.values()))
    others = leukocytes_in_tube(tube, of) / (of_live * live_single_share(plan, tube))
    return tube.beads_added / (tube.beads_added + others)
