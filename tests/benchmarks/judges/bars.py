"""Bars: what the gates are to reach, population by population, and whether they do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pd1
from scoring import JudgedSet, median

WITHIN = 0.01
SHIFT_BAR, SHIFT_AIM = 1.0, 0.5
SIMULATED = "simulated, "
# Sets whose name begins so, the end of the population's path, and the bar for its median F1.
BARS: tuple[tuple[str, str, float], ...] = (
    *((SIMULATED, name, 0.97) for name in ("T cells", "CD4 T", "CD8 T", "B cells", "NK cells")),
    (SIMULATED, "monocytes", 0.95),
    (SIMULATED, "Treg Fr II", 0.90),
    (SIMULATED, "Treg Fr I", 0.70),
    (SIMULATED, "Treg Fr III", 0.70),
    (SIMULATED, "eMDSC", 0.85),
    (SIMULATED, "CD14+CD16-/M-MDSC", 0.70),
    (SIMULATED, "CD8 T/PD-1+", 0.85),
    ("EuroFlow", "CD4 T", 0.97),
    ("EuroFlow", "CD8 T", 0.95),
    ("EuroFlow", "B cells", 0.95),
    ("EuroFlow", "NK cells", 0.80),
    ("EuroFlow", "monocytes", 0.88),
    ("EuroFlow", "neutrophils", 0.95),
    ("EuroFlow", "eosinophils", 0.85),
    ("EuroFlow", "debris", 0.78),
    ("FlowCyt", "T cells", 0.85),
    ("FlowCyt", "B cells", 0.65),
    ("FlowCyt", "monocytes", 0.75),
    ("FlowCyt", "progenitors", 0.55),
    ("activation", "cells", 0.95),
    ("activation", "singlets", 0.95),
    ("activation", "live", 0.92),
    ("activation", "T cells", 0.94),
    ("activation", "CD4 T", 0.935),
    ("activation", "CD8 T", 0.955),
    ("activation", "CD4 T/CD69+", 0.78),
    ("activation", "CD8 T/CD69+", 0.75),
    ("activation", "DC", 0.65),
)
EASY = 0.85
"""Of M-MDSC whose HLA-DR is far below that of monocytes."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar and what was reached.

    Parameters
    ----------
    reached, best
        Median F1 over the tubes that are scored, and what the best attainable thresholds reach of the last step.
    """

    name: str
    population: str
    bar: float
    reached: float
    best: float
    tubes: int

    @property
    def held(self) -> bool:
        """Return whether the bar is reached; not where nothing could be scored."""
        return self.reached >= self.bar


def bars(sets: Sequence[JudgedSet]) -> list[Bar]:
    """Return every bar that the judged sets have a population for."""
    found = []
    for one in sets:
        for begins, end, bar in BARS:
            if not one.name.lower().startswith(begins.lower()):
                continue
            for path in one.populations:
                if not f"/{path}".endswith(f"/{end}"):
                    continue
                scored = [s for s in one.of(path) if s.agreement.is_scored]
                if not scored:
                    continue
                asked = EASY if "M-MDSC" in end and "M-MDSC easy" in one.name else bar
                reached = median([s.agreement.f1 for s in scored])
                found.append(
                    Bar(one.name, end, asked, reached, median([s.best for s in scored]), len(scored))
                )
    return found


def bars_text(sets: Sequence[JudgedSet], differences: Sequence[pd1.Difference]) -> str:
    """Return the bars as a table, those that are not held first."""
    lines = []
    for one in sorted(bars(sets), key=lambda one: one.held):
        gap = f"{one.best:.3f}" if np.isfinite(one.best) else "-"
        verdict = "held" if one.held else "NOT HELD"
        lines.append(
            f"{one.name[:58]:60}{one.population:20}{one.reached:8.3f}{one.bar:8.3f}{gap:>8}{one.tubes:7}  {verdict}"
        )
    for key in dict.fromkeys((one.generator, one.level) for one in differences):
        off = abs(float(np.mean([one.off for one in differences if (one.generator, one.level) == key])))
        verdict = "held" if off <= SHIFT_BAR else "NOT HELD"
        name = f"PD-1 shift, {', '.join(key)}, points off the best single cut"
        lines.append(f"{name:80}{off:8.2f}{SHIFT_BAR:8.2f}{SHIFT_AIM:8.2f}{'':7}  {verdict}")
    if not lines:
        return ""
    head = f"{'bars: median F1 of the whole path':60}{'population':20}{'got':>8}{'bar':>8}{'best':>8}{'tubes':>7}"
    held = sum(not line.endswith("NOT HELD") for line in lines)
    return "\n".join([head, *lines, f"{held} of {len(lines)} bars are held"])
