"""Tubes: one tube of a study that is to be simulated, and the words by which designs describe it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

BASELINE, ON_TREATMENT = "baseline", "on_treatment"
STIMULUS = "PMA/ionomycin"
ANCHOR, HEALTHY, UNTREATED = "anchor", "healthy", "untreated"
FIRST_DAY = date(2024, 1, 8)
CONTROL, TREATED = "control", "treated"
UNSTIMULATED, UNSTAINED, SINGLE_STAIN = "unstimulated", "unstained", "single_stain"


@dataclass(frozen=True, slots=True)
class PlannedTube:
    """One tube to be simulated: whose cells, in which stain, as what.

    Parameters
    ----------
    lacks
        The marker whose fluorochrome an FMO tube does without.
    treated
        Whether the arm's drug has been given.
    healthy
        Whether the cells are those of the healthy anchor.
    stained, material
        Of a single stain: the one channel whose fluorochrome is there, and whether it is on ``cells`` or
        ``beads``. An unstained tube has neither fluorochrome nor ``stained``.
    tissue
        A table of ``tissues.toml``: how much debris, how many dead and doublets.
    variant
        Which rows of ``panels.csv`` it was stained with, where its stain has a choice.
    arm
        The drug, ``vehicle`` or ``untreated``, the dose, or ``healthy``.
    cage, hours_since_dose, dose_mg
        As the sample sheet and the drug's effect need them.
    volume_ul, beads_added, tissue_mg
        Volume that was stained, counting beads added to it, and weight of the tissue; 0 where none.
    role
        ``control`` or ``treated``, as the study's own comparisons take it.
    """

    subject: str
    timepoint: str
    batch: str
    stain: str
    kind: str = "sample"
    lacks: str = ""
    stimulus: str = ""
    treated: bool = False
    healthy: bool = False
    day: date = FIRST_DAY
    stained: str = ""
    material: str = "cells"
    tissue: str = "PBMC"
    species: str = "human"
    variant: str = ""
    arm: str = ""
    cage: str = ""
    hours_since_dose: float | None = None
    dose_mg: float | None = None
    volume_ul: float = 0.0
    beads_added: float = 0.0
    tissue_mg: float = 0.0
    role: str = ""

    @property
    def name(self) -> str:
        """Return what file and truth are called."""
        if self.kind in (UNSTAINED, SINGLE_STAIN):
            what = self.stained.removesuffix("-A") or UNSTAINED
            return f"{self.batch}_{self.stain}_{what}_{self.material}"
        if self.lacks:
            whose = "" if self.healthy else f"_{self.specimen}"
            return f"{self.batch}_{self.stain}_FMO_{self.lacks.replace('/', '')}{whose}"
        if self.healthy:
            return f"{self.batch}_{self.stain}_anchor"
        state = {UNSTIMULATED: "_unstimulated"}.get(self.kind, "_stimulated" if self.stimulus else "")
        return f"{self.subject}_{self.timepoint}_{self.stain}{state}".replace("__", "_")

    @property
    def panel(self) -> str:
        """Return which rows of ``panels.csv`` it was stained with."""
        return self.variant or self.stain

    @property
    def activated(self) -> bool:
        """Return whether the cells were stimulated for hours, and changed by it beyond what they make."""
        return self.stimulus == STIMULUS

    @property
    def specimen(self) -> str:
        """Return what the material is called: one draw of blood, one piece of tissue."""
        parts = [self.subject, self.timepoint or ("" if self.species == "mouse" else self.batch)]
        if self.species == "mouse":
            parts.append(self.tissue)
        return "_".join(part for part in parts if part)

    @property
    def keys(self) -> tuple[str, ...]:
        """Return what tells this tube from every other, for its random numbers."""
        more = (self.stained, self.material) if self.kind in (UNSTAINED, SINGLE_STAIN) else ()
        named = (self.subject, self.timepoint, self.stain, self.kind, self.lacks, self.stimulus, self.batch)
        return (*named, *more)
