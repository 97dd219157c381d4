"""Members: which cells belong to a planted population, by what they truly are."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cytometry.simulate.composition import beside
from cytometry.simulate.cytokine_states import bits
from cytometry.simulate.tables import SimulationError, rows, split

EVERYONE = "CD45+"
NO_LEAF = ""


@cache
def populations(panel: str) -> tuple[Mapping[str, str], ...]:
    """Return the rows of ``populations.csv`` that a panel shows."""
    return tuple(row for row in rows("populations") if panel in split(row["panels"]))


def population_row(population: str) -> Mapping[str, str]:
    """Return the row of a population.

    Raises
    ------
    SimulationError
        If none of that name is planted, naming those that are.
    """
    for row in rows("populations"):
        if row["population"] == population:
            return row
    named = ", ".join(row["population"] for row in rows("populations"))
    msg = f"no population {population!r} is planted; there are {EVERYONE}, {named}"
    raise SimulationError(msg)


def members(cells: Mapping[str, Any], population: str) -> NDArray[np.bool_]:
    """Return which cells belong to a population.

    ``cells`` has arrays leaf, subset, fraction, pd1_state, tim3_state and cytokines (bits). Particles without a
    leaf belong to none; whether a cell is alive and alone is for the caller to ask.
    """
    leaf = np.asarray(cells["leaf"])
    inside = leaf != NO_LEAF
    if population == EVERYONE:
        return np.asarray(inside & ~np.isin(leaf, beside("mouse")))
    row = population_row(population)
    for column, said in (("leaf", "leaves"), ("subset", "subset"), ("fraction", "fraction")):
        if row[said]:
            inside &= np.isin(np.asarray(cells[column]), split(row[said]))
    for column, said in (("pd1_state", "pd1"), ("tim3_state", "tim3")):
        if row[said] == "+":
            inside &= np.asarray(cells[column])
    if row["cytokines"]:
        inside &= bits(row["cytokines"])[np.asarray(cells["cytokines"])]
    return np.asarray(inside)
