"""Members: which endpoints are tested together, each population once; and what a composition is made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cytometry.effects import Floats
from cytometry.table import CELLS_PER_MG, CELLS_PER_UL, COUNT, FRACTION_OF_PARENT, counts

if TYPE_CHECKING:
    import pandas as pd

Key = tuple[str, ...]  # stain, population, marker, statistic, base, unit

FRACTION = "fraction_of_"
# What a tube went through on its way to the cells that are asked about; not what a treatment does to them.
TECHNICAL = frozenset(
    "all cells|cells|intact cells|no debris|debris|singlets|single cells|singlets by ssc|doublets|live|live cells|"
    "viable|dead|beads|time|good time|steady flow".split("|")
)
SAME_FRACTION = "the same fraction is compared under its other name"
ANOTHER_BASE = "its fraction of the parent is in the family: one population, once"
CONCENTRATIONS = frozenset({CELLS_PER_UL, CELLS_PER_MG})
AS_A_NUMBER = "its fraction is in the family; the number of its cells stands beside it"
GATE = "a technical gate: it says how a tube was recorded"


def measure(key: Key) -> Key:
    """Return what is measured: a fraction of the parent and of an ancestor that is the parent are one."""
    stain, population, marker, statistic, base, _ = key
    kind = "fraction" if statistic.startswith(FRACTION) else statistic
    return stain, population, marker, kind, base


def is_technical(population: str) -> bool:
    """Return whether a population is a step of the gating, such as singlets."""
    return population.rsplit("/", 1)[-1].lower() in TECHNICAL


def split_others(keys: Sequence[Key], declared: Iterable[Key]) -> tuple[list[Key], dict[Key, str]]:
    """Return the endpoints that are explored together, and those that stay outside, with the reason.

    Event counts are left out unless they are declared: how many events a tube holds is how long it ran.
    """
    named = {measure(key) for key in declared}
    populations = {(key[0], key[1]) for key in declared if key[3].startswith(FRACTION)}
    inside: list[Key] = []
    outside: dict[Key, str] = {}
    seen: dict[Key, Key] = {}
    # Fractions of the parent first, then other fractions: what follows is held against them.
    for key in sorted(keys, key=lambda key: (key[3] != FRACTION_OF_PARENT, not key[3].startswith(FRACTION))):
        if key[3] == COUNT or measure(key) in named or measure(key) in seen:
            continue
        seen[measure(key)] = key
        once = (key[0], key[1])
        if is_technical(key[1]):
            outside[key] = GATE
        elif key[3].startswith(FRACTION) and once in populations:
            outside[key] = ANOTHER_BASE
        elif key[3] in CONCENTRATIONS and once in populations:
            outside[key] = AS_A_NUMBER
        else:
            inside.append(key)
            if key[3].startswith(FRACTION):
                populations.add(once)
    return inside, outside


def compositions(table: pd.DataFrame) -> Floats:
    """Return each row's centred log ratio among its siblings: shape ``(n_rows,)``, NaN where it has no composition.

    Siblings are the populations of one parent that do not overlap in any tube, with what is left of the parent as
    one more part; half an event is added to each. Two parts alone have none: there it is half the logit.

    References
    ----------
    Aitchison J. J R Stat Soc B 1982;44:139-177.
    """
    found = np.full(len(table), np.nan)
    n, base = counts(table, "n"), counts(table, "n_base")
    rows = np.flatnonzero((table["statistic"] == FRACTION_OF_PARENT).to_numpy())
    if not rows.size:
        return found
    some = table.iloc[rows]
    for places in some.groupby(["stain", "base"], sort=False).indices.values():
        _fill(found, some.iloc[places], rows[places], events=(n, base))
    return found


def _fill(
    found: Floats, some: pd.DataFrame, rows: NDArray[np.intp], *, events: tuple[Floats, Floats]
) -> None:
    n, base = events
    tubes, at_tube = np.unique(some["tube"].to_numpy(dtype=object).astype(str), return_inverse=True)
    names, at_name = np.unique(some["population"].to_numpy(dtype=object).astype(str), return_inverse=True)
    if names.size < 2:
        return
    parts = np.full((tubes.size, names.size), np.nan)
    whole = np.full(tubes.size, np.nan)
    parts[at_tube, at_name], whole[at_tube] = n[rows], base[rows]
    rest = whole - parts.sum(1)
    if (rest < 0).any():
        return  # they overlap: parts of nothing
    if np.nansum(rest) > 0:
        parts = np.column_stack([parts, rest])
    if parts.shape[1] < 3:
        return
    logs = np.log(parts + 0.5)
    ratios = logs - logs.mean(1, keepdims=True)
    found[rows] = ratios[at_tube, at_name]
