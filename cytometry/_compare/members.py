"""Members: which endpoints are tested together, each population once; and what a composition is made of."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cytometry.cytokines import only_negatives
from cytometry.effects import Floats
from cytometry.table import (
    CELLS_PER_MG,
    CELLS_PER_UL,
    COUNT,
    FRACTION_OF_PARENT,
    NET_FRACTION_OF_PARENT,
    counts,
)

if TYPE_CHECKING:
    import pandas as pd

Key = tuple[str, ...]  # stain, population, marker, statistic, base, unit

FRACTION = "fraction_of_"
# What a tube went through on its way to the cells that are asked about; not what a treatment does to them.
TECHNICAL = frozenset(
    "all cells|cells|intact cells|no debris|debris|singlets|single cells|singlets by ssc|doublets|live|live cells|"
    "viable|dead|beads|time|good time|steady flow|cd45+|leukocytes|leucocytes".split("|")
)
ANOTHER_BASE = "its fraction of the parent is in the family: one population, once"
NET_TESTED = "its net fraction is in the family: one population, once"
CONCENTRATIONS = frozenset({CELLS_PER_UL, CELLS_PER_MG})
AS_A_NUMBER = "its fraction is in the family; the number of its cells stands beside it"
GATE = "a technical gate: it says how a tube was recorded"
STEP = "a step of the gating: what is left when others are taken away"
COMPLEMENT = "its complement in the same parent is in a family: one population, once"
NO_FUNCTION = "positive for nothing: what the other combinations leave"


@dataclass(frozen=True, slots=True)
class Stain:
    """What the design says of a stain, and no value of it.

    Parameters
    ----------
    place
        Of whom and what its tubes are, such as the tissue: stains of another place do not measure the same.
    stimulated
        Whether its cells were stimulated.
    """

    place: Hashable = ""
    stimulated: bool = False


def measure(key: Key) -> Key:
    """Return what is measured: a fraction of the parent and of an ancestor that is the parent are one."""
    stain, population, marker, statistic, base, _ = key
    kind = "fraction" if statistic.startswith(FRACTION) else statistic
    return stain, population, marker, kind, base


def is_technical(population: str) -> bool:
    """Return whether a population is a step of the gating, such as singlets."""
    return population.rsplit("/", 1)[-1].lower() in TECHNICAL


def split_others(
    keys: Sequence[Key],
    declared: Iterable[Key],
    *,
    stains: Mapping[str, Stain] | None = None,
    empty: Collection[Key] = (),
) -> tuple[list[Key], dict[Key, str]]:
    """Return the endpoints that are explored together, and those that stay outside, with the reason.

    Each population is tested once, by the design alone. Its net fraction comes before its fraction of the parent, that
    before fractions of others; of several stains the declared one comes first, then one whose cells were not
    stimulated, then the first of the table. Steps of the gating, and complements, are not tested. Event counts are
    left out unless they are declared: how many events a tube holds is how long it ran.

    Parameters
    ----------
    stains
        What the design says of each; stains that are not there are of one place and not stimulated.
    empty
        Endpoints without any value, which stand for no other.
    """
    known = dict(stains or {})
    named = list(declared)
    taken = {measure(key) for key in named}
    tested = _Tested(known)
    for key in named:
        tested.add(key)
    steps, none = _steps(keys, named), frozenset(empty)
    inside: list[Key] = []
    outside: dict[Key, str] = {}
    for key in sorted(keys, key=lambda key: (key in none, *_rank(key, known))):
        if key[3] == COUNT or measure(key) in taken:
            continue
        taken.add(measure(key))
        why = GATE if is_technical(key[1]) else ""
        if not why and _is_amount(key):
            why = steps.get((key[0], key[1]), "")
        why = why or tested.why(key)
        if why:
            outside[key] = why
        else:
            inside.append(key)
            tested.add(key)
    return inside, outside


def _rank(key: Key, stains: Mapping[str, Stain]) -> tuple[bool, ...]:
    kind = key[3]
    order = (kind != NET_FRACTION_OF_PARENT, kind != FRACTION_OF_PARENT, not kind.startswith(FRACTION))
    return (*order, stains.get(key[0], Stain()).stimulated)


def _is_amount(key: Key) -> bool:
    return key[3].startswith(FRACTION) or key[3] == NET_FRACTION_OF_PARENT or key[3] in CONCENTRATIONS


class _Tested:
    """What is tested so far, and why a further endpoint would be tested twice."""

    def __init__(self, stains: Mapping[str, Stain]) -> None:
        self._stains = stains
        self._nets: dict[tuple[Hashable, ...], str] = {}
        self._fractions: dict[tuple[Hashable, ...], str] = {}
        self._measures: dict[tuple[Hashable, ...], str] = {}

    def _place(self, key: Key) -> Hashable:
        return self._stains.get(key[0], Stain()).place

    def add(self, key: Key) -> None:
        """Note an endpoint that is tested."""
        what = (self._place(key), key[1])
        if key[3] == NET_FRACTION_OF_PARENT:
            self._nets.setdefault(what, key[0])
        elif key[3].startswith(FRACTION):
            self._fractions.setdefault(what, key[0])
        self._measures.setdefault((self._place(key), *measure(key)[1:]), key[0])

    def why(self, key: Key) -> str:
        """Return why an endpoint is tested already; nothing where it is not."""
        what = (self._place(key), key[1])
        net, fraction = self._nets.get(what), self._fractions.get(what)
        if key[3] in CONCENTRATIONS and (net or fraction):
            return AS_A_NUMBER
        if _is_amount(key) and net:
            return NET_TESTED if net == key[0] else _elsewhere(net)
        if _is_amount(key) and fraction:
            return ANOTHER_BASE if fraction == key[0] else _elsewhere(fraction)
        stain = self._measures.get((self._place(key), *measure(key)[1:]))
        return _elsewhere(stain) if stain else ""


def _elsewhere(stain: str) -> str:
    return f"tested in stain {stain}: one population, once"


def _steps(keys: Sequence[Key], declared: Sequence[Key]) -> dict[tuple[str, str], str]:
    """Return the populations, by stain, whose share is that of others, and why: negative steps, and complements."""
    found: dict[tuple[str, str], str] = {}
    of_stain: dict[str, set[str]] = {}
    for key in keys:
        of_stain.setdefault(key[0], set()).add(key[1])
    nets = {(key[0], key[1].rpartition("/")[0]) for key in keys if key[3] == NET_FRACTION_OF_PARENT}
    named = {(key[0], key[1]) for key in declared}
    for stain, paths in of_stain.items():
        parents = {path.rpartition("/")[0] for path in paths}
        alike: dict[tuple[str, str], list[str]] = {}
        for path in sorted(paths):
            parent, _, name = path.rpartition("/")
            alike.setdefault((parent, name.replace("+", "").replace("-", "")), []).append(path)
        for (parent, _), some in alike.items():
            for path in some:
                others = [one for one in some if one != path]
                if len(others) == 1 and (stain, others[0]) in named:
                    found[stain, path] = COMPLEMENT
                elif not only_negatives(path):
                    continue
                elif len(others) > 1 and (stain, parent) in nets:
                    found[stain, path] = NO_FUNCTION
                elif (
                    path in parents or len(others) < 2
                ):  # of a quadrant all four corners are cells of their own
                    found[stain, path] = STEP if path in parents or not others else COMPLEMENT
    return found


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
