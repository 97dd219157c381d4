"""Plan: what a simulated study asks for, and the tubes that its design makes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from types import MappingProxyType

from cytometry.simulate.tables import SimulationError, choose, settings

BASELINE, ON_TREATMENT = "baseline", "on_treatment"
STIMULUS = "PMA/ionomycin"
ANCHOR = "anchor"
# By stain: the markers with an FMO tube, and what those cells were stimulated with.
FMO = MappingProxyType(
    {
        "T": (("PD-1", "TIM-3", "FoxP3", "CD25"), ""),
        "myeloid": (("HLA-DR", "CD33"), ""),
        "cytokine": (("PD-1",), STIMULUS),
    }
)
TEMPLATES = MappingProxyType({"T": "human_t", "myeloid": "human_myeloid", "cytokine": "human_cytokine"})
STAINED = (
    ("T", "sample", ""),
    ("myeloid", "sample", ""),
    ("cytokine", "unstimulated", ""),
    ("cytokine", "sample", STIMULUS),
)
FIRST_DAY = date(2024, 1, 8)
DAYS_ON_TREATMENT = 35
HOURS_AT_TROUGH = 168
MOST_EVENTS = 10_000_000
GENERATORS = ("first", "second")
SPILLOVERS = ("true", "slightly_wrong", "missing", "identity")


@dataclass(frozen=True, slots=True)
class StudyPlan:
    """Everything that decides a simulated study; the same plan gives the same bytes.

    Parameters
    ----------
    design
        One of ``DESIGNS``.
    scenario, drug
        Which planted effects: see ``effects.toml``.
    subjects, batches
        Donors, and the batches they are spread over in turn, both visits of a donor in one.
    events
        Recorded events of every tube, debris and doublets included.
    seed
        0 or more. A donor is the same whatever the number of donors, and in every scenario.
    pd1, mdsc
        How hard PD-1 and the HLA-DR of M-MDSC are to gate: see ``states.toml``.
    cryo
        Whether the cells were frozen and thawed.
    options
        What else makes the study hard: tables of ``options.toml``.
    generator
        How cells and light are drawn: ``second`` is one that no rule was developed on.
    spillover
        What the files say of the spillover: ``true``, ``slightly_wrong``, ``missing`` or ``identity``.

    Raises
    ------
    SimulationError
        If a name or number makes no study, with the choices.
    """

    design: str = "paired_human"
    scenario: str = "seed"
    drug: str = "temsirolimus"
    subjects: int = 12
    events: int = 20_000
    seed: int = 1
    pd1: str = "realistic"
    mdsc: str = "realistic"
    cryo: bool = False
    batches: int = 3
    options: tuple[str, ...] = ()
    generator: str = "first"
    spillover: str = "true"

    def __post_init__(self) -> None:
        choose("design", self.design, DESIGNS)
        effects = settings("effects")
        kind = choose("scenario", self.scenario, effects["scenarios"])["effects"]
        choose(f"drug in scenario {self.scenario!r}", self.drug, effects[kind])
        choose("PD-1 level", self.pd1, settings("states")["pd1"]["levels"])
        choose("M-MDSC level", self.mdsc, settings("states")["mdsc"]["levels"])
        for option in self.options:
            choose("option", option, settings("options"))
        choose("generator", self.generator, dict.fromkeys(GENERATORS))
        choose("kind of spillover", self.spillover, dict.fromkeys(SPILLOVERS))
        for what, least, most in (
            ("subjects", 1, 9999),
            ("batches", 1, 99),
            ("events", 100, MOST_EVENTS),
            ("seed", 0, 2**63),
        ):
            value = getattr(self, what)
            if not isinstance(value, int) or not least <= value <= most:
                msg = f"{what} is a whole number from {least} to {most:,}, not {value!r}"
                raise SimulationError(msg)

    def has(self, option: str) -> bool:
        """Return whether an option of ``options.toml`` was asked for."""
        return option in self.options

    @property
    def tubes(self) -> tuple[PlannedTube, ...]:
        """Return the tubes of the study, samples before controls."""
        return DESIGNS[self.design](self)


@dataclass(frozen=True, slots=True)
class PlannedTube:
    """One tube to be simulated: whose cells, in which stain, as what.

    Parameters
    ----------
    lacks
        The marker whose fluorochrome an FMO tube does without.
    stained, material
        Of a single stain: the one channel whose fluorochrome is there, and whether it is on ``cells`` or
        ``beads``. An unstained tube has neither fluorochrome nor ``stained``.
    tissue
        A table of ``tissues.toml``: how much debris, how many dead and doublets.
    variant
        Which rows of ``panels.csv`` it was stained with, where its stain has a choice.
    arm, cage, hours_since_dose, dose_mg
        As the sample sheet and the drug's effect need them.
    volume_ul, beads_added, tissue_mg
        Volume that was stained, counting beads added to it, and weight of the tissue; 0 where none.
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

    @property
    def name(self) -> str:
        """Return what file and truth are called."""
        if self.lacks:
            return f"{self.batch}_{self.stain}_FMO_{self.lacks}"
        if self.healthy:
            return f"{self.batch}_{self.stain}_anchor"
        state = {"unstimulated": "_unstimulated"}.get(self.kind, "_stimulated" if self.stimulus else "")
        return f"{self.subject}_{self.timepoint}_{self.stain}{state}"

    @property
    def panel(self) -> str:
        """Return which rows of ``panels.csv`` it was stained with."""
        return self.variant or self.stain

    @property
    def specimen(self) -> str:
        """Return what the material is called: one draw of blood."""
        return f"{self.subject}_{self.timepoint}" if self.timepoint else f"{self.subject}_{self.batch}"

    @property
    def keys(self) -> tuple[str, ...]:
        """Return what tells this tube from every other, for its random numbers."""
        return (self.subject, self.timepoint, self.stain, self.kind, self.lacks, self.stimulus, self.batch)


def paired_human(plan: StudyPlan) -> tuple[PlannedTube, ...]:
    """Return donors before and on treatment in three stains, with controls once per batch."""
    tubes = []
    days: dict[str, date] = {}
    for number in range(plan.subjects):
        batch = f"B{number % plan.batches + 1}"
        start = FIRST_DAY + timedelta(weeks=number)
        days.setdefault(batch, start)
        for timepoint in (BASELINE, ON_TREATMENT):
            treated = timepoint == ON_TREATMENT
            # Frozen cells of a batch are thawed and stained together; fresh ones on the day of the draw.
            fresh_day = start + timedelta(days=DAYS_ON_TREATMENT) if treated else start
            tubes += [
                PlannedTube(
                    subject=f"D{number + 1:02}",
                    timepoint=timepoint,
                    batch=batch,
                    stain=stain,
                    kind=kind,
                    stimulus=stimulus,
                    treated=treated,
                    day=days[batch] if plan.cryo else fresh_day,
                )
                for stain, kind, stimulus in STAINED
            ]
    return (*tubes, *(tube for batch, day in days.items() for tube in _controls(batch, day)))


def _controls(batch: str, day: date) -> tuple[PlannedTube, ...]:
    """Return the control tubes of a batch: all hold the cells of one healthy donor, who runs along every time."""
    anchor = PlannedTube(ANCHOR, "", batch, "myeloid", "healthy_anchor", healthy=True, day=day)
    fmo = (
        replace(anchor, stain=stain, kind="fmo", lacks=marker, stimulus=stimulus)
        for stain, (markers, stimulus) in FMO.items()
        for marker in markers
    )
    return (*fmo, anchor)


DESIGNS: Mapping[str, Callable[[StudyPlan], tuple[PlannedTube, ...]]] = MappingProxyType(
    {"paired_human": paired_human}
)
