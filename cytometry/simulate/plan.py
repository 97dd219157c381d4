"""Plan: what a simulated study asks for, checked once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from cytometry.simulate.designs import DESIGNS
from cytometry.simulate.tables import SimulationError, choose, settings
from cytometry.simulate.tubes import (
    BASELINE,
    HEALTHY,
    ON_TREATMENT,
    STIMULUS,
    UNTREATED,
    PlannedTube,
)

__all__ = ["BASELINE", "HEALTHY", "ON_TREATMENT", "STIMULUS", "UNTREATED", "PlannedTube", "StudyPlan"]

EVENTS = 20_000
MOST_EVENTS = 10_000_000
GENERATORS = ("first", "second")
KINDS = ("fmo", "healthy_anchor", "single_stain", "unstained", "unstimulated")
SPILLOVERS = ("true", "slightly_wrong", "missing", "identity")


@dataclass(frozen=True, slots=True)
class StudyPlan:
    """Everything that decides a simulated study; the same plan gives the same bytes.

    Parameters
    ----------
    design
        One of ``DESIGNS``.
    scenario, drug
        Which planted effects: see ``effects.toml``. Several drugs, joined by ``+``, are arms of one study.
    subjects, batches
        Donors or animals of each arm, and the batches they are spread over in turn, all tubes of one in one.
    events
        Recorded events of every tube, debris and doublets included.
    seed
        0 or more. A donor is the same whatever the number of donors, and in every scenario.
    pd1, mdsc
        How hard PD-1 and the HLA-DR of M-MDSC are to gate: see ``states.toml``.
    cryo
        Whether the cells were frozen and thawed.
    options
        What else is in the study: tables of ``options.toml``.
    generator
        How cells and light are drawn: ``second`` is one that no rule was developed on.
    spillover
        What the files say of the spillover: ``true``, ``slightly_wrong``, ``missing`` or ``identity``.
    stains
        Those to be simulated; all of the design for none.
    panel
        Of a design with a choice of panels, which; the first of ``designs.toml`` for none.
    events_by
        Pairs of a stain, or a kind of control tube, and the events of its tubes; a kind goes before a stain.

    Raises
    ------
    SimulationError
        If a name or number makes no study, with the choices.
    """

    design: str = "paired_human"
    scenario: str = "seed"
    drug: str = "temsirolimus"
    subjects: int = 12
    events: int = EVENTS
    seed: int = 1
    pd1: str = "realistic"
    mdsc: str = "realistic"
    cryo: bool = False
    batches: int = 3
    options: tuple[str, ...] = ()
    generator: str = "first"
    spillover: str = "true"
    stains: tuple[str, ...] = ()
    panel: str = ""
    events_by: tuple[tuple[str, int], ...] = ()

    def __post_init__(self) -> None:
        choose("design", self.design, DESIGNS)
        self._check_effects()
        choose("PD-1 level", self.pd1, settings("states")["pd1"]["levels"])
        choose("M-MDSC level", self.mdsc, settings("states")["mdsc"]["levels"])
        for option in self.options:
            choose("option", option, settings("options"))
        choose("generator", self.generator, dict.fromkeys(GENERATORS))
        choose("kind of spillover", self.spillover, dict.fromkeys(SPILLOVERS))
        for stain in self.stains:
            choose(f"stain in design {self.design!r}", stain, self.design_table["stain"])
        if self.panel:
            choose(f"panel in design {self.design!r}", self.panel, self.design_table.get("variant", {}))
        self._check_numbers()

    def _check_effects(self) -> None:
        effects = settings("effects")
        kind = choose("scenario", self.scenario, effects["scenarios"])["effects"]
        of_design = effects[self.design_table["effects"]]
        if kind not in of_design:
            there = [name for name, said in effects["scenarios"].items() if said["effects"] in of_design]
            msg = (
                f"design {self.design!r} has no scenario {self.scenario!r}; choose one of {', '.join(there)}"
            )
            raise SimulationError(msg)
        for drug in self.drug.split("+"):
            choose(f"drug in scenario {self.scenario!r}", drug, of_design[kind])

    def _check_numbers(self) -> None:
        known = {*self.design_table["stain"], *KINDS}
        for name, _ in self.events_by:
            choose("stain or kind of control tube", name, dict.fromkeys(sorted(known)))
        counted = [(f"events of {name}", number, 100, MOST_EVENTS) for name, number in self.events_by]
        for what, value, least, most in (
            ("subjects", self.subjects, 1, 9999),
            ("batches", self.batches, 1, 99),
            ("events", self.events, 100, MOST_EVENTS),
            ("seed", self.seed, 0, 2**63),
            *counted,
        ):
            if not isinstance(value, int) or not least <= value <= most:
                msg = f"{what} is a whole number from {least} to {most:,}, not {value!r}"
                raise SimulationError(msg)

    def has(self, option: str) -> bool:
        """Return whether an option of ``options.toml`` was asked for."""
        return option in self.options

    @property
    def design_table(self) -> Mapping[str, Any]:
        """Return the table of the design in ``designs.toml``."""
        return MappingProxyType(settings("designs")[self.design])

    @property
    def species(self) -> str:
        """Return whose cells these are."""
        return str(self.design_table["species"])

    @property
    def drugs(self) -> tuple[str, ...]:
        """Return the drugs."""
        return tuple(self.drug.split("+"))

    @property
    def arms(self) -> tuple[str, ...]:
        """Return the arms of a design whose subjects are their own controls: the drugs, and who gets none."""
        return (*self.drugs, *((UNTREATED,) if self.has("untreated_arm") else ()))

    @property
    def variant(self) -> str:
        """Return the panel of a design with a choice of panels, else ``""``."""
        return self.panel or next(iter(self.design_table.get("variant", {})), "")

    @property
    def stain_tables(self) -> Mapping[str, Mapping[str, Any]]:
        """Return the stains to be simulated, with what ``designs.toml`` says of each; template and FMO included."""
        chosen = self.design_table["variant"][self.variant] if self.variant else {}
        return {
            stain: {**chosen, **said}
            for stain, said in self.design_table["stain"].items()
            if stain in (self.stains or self.design_table["stain"])
        }

    def fmo(self, stain: str) -> tuple[str, ...]:
        """Return the markers of a stain that have an FMO tube."""
        return tuple(self.stain_tables[stain]["fmo"])

    def events_of(self, tube: PlannedTube) -> int:
        """Return how many events a tube records."""
        asked = dict(self.events_by)
        return asked.get(tube.kind, asked.get(tube.stain, self.events))

    @property
    def tubes(self) -> tuple[PlannedTube, ...]:
        """Return the tubes of the study, samples before controls."""
        return _tubes(self)


@lru_cache(maxsize=4)
def _tubes(plan: StudyPlan) -> tuple[PlannedTube, ...]:
    return DESIGNS[plan.design](plan)
