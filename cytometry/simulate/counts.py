"""Counts: studies without events, thousands a minute: what a perfect gate would count in the same specimens.

Donors, visits, treatment and the kinds of cell are those of the study with events, from the same random terms; then
the live single cells of each tube are binomial, and their kinds multinomial. No light is drawn, so nothing is lost at
a boundary. For how a comparison behaves over many studies: type-I error, coverage, power.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cytometry.simulate.asked import endpoints
from cytometry.simulate.biology import Specimen, specimen
from cytometry.simulate.draws import stream
from cytometry.simulate.members import EVERYONE, members, populations
from cytometry.simulate.plan import PlannedTube, StudyPlan
from cytometry.simulate.planted import NET, planted_endpoints
from cytometry.simulate.recipe import Recipe, recipe
from cytometry.simulate.tables import SimulationError, panel
from cytometry.simulate.tubes import UNSTIMULATED
from cytometry.simulate.yields import bead_share, live_single_share
from cytometry.table import COLUMNS, COUNT, FRACTION_OF_PARENT, LOW_COUNT, fraction_of

if TYPE_CHECKING:
    import pandas as pd

FEWEST, FEW = 20, 50  # as a study file has them unless it says otherwise
ALL_EVENTS = "all events"
SAMPLE = "sample"
_SHEET = ("stain", "kind", "stimulus", "specimen", "subject", "arm", "timepoint", "batch")


@dataclass(frozen=True, slots=True, eq=False)
class _Line:
    """What one row of a tube's table is: a population, its statistic, and the places of the two counts."""

    population: str
    statistic: str
    base: str
    at: int
    base_at: int


@dataclass(frozen=True, slots=True, eq=False)
class _Counted:
    """The counts of one tube: of all events first, then the CD45+ cells, then the populations of its panel."""

    tube: PlannedTube
    n: NDArray[np.int64]
    expected: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class CountedStudy:
    """A study without events.

    Parameters
    ----------
    plan
        What it was made from.
    table
        The tidy table, as ``compare`` takes it: counts, fractions of the parent, and those that the study file of
        the design asks for; net fractions where there are unstimulated tubes.
    """

    plan: StudyPlan
    table: pd.DataFrame
    _found: tuple[_Counted, ...] = field(repr=False)

    @cached_property
    def truth(self) -> pd.DataFrame:
        """Return a row per tube and population: the expected fraction of its base, and what the tube realised."""
        return _truth(self._found)

    @property
    def planted(self) -> list[dict[str, Any]]:
        """Return what was planted: see ``planted_endpoints``."""
        return planted_endpoints(self.plan)


def simulate_counts(plan: StudyPlan, *, seeds: Iterable[int]) -> Iterator[CountedStudy]:
    """Yield the study of each seed; the plan's own seed is not used.

    Fewer stains (``plan.stains``) make it faster in proportion.

    Raises
    ------
    SimulationError
        For the design ``dose_time_pS6``, whose answer is no count.
    """
    for seed in seeds:
        yield count_study(replace(plan, seed=seed))


def count_study(plan: StudyPlan) -> CountedStudy:
    """Return the study of a plan, counted and not acquired; see ``simulate_counts``."""
    if "intensities" in plan.design_table:
        msg = f"design {plan.design!r} asks for intensities, and counts have none; simulate its events"
        raise SimulationError(msg)
    found, specimens = [], dict[str, Specimen]()
    for tube in plan.tubes:
        if tube.kind in (SAMPLE, UNSTIMULATED):
            if tube.specimen not in specimens:
                specimens[tube.specimen] = specimen(plan, tube)
            found.append(_count(plan, tube, specimens[tube.specimen]))
    return CountedStudy(plan, _table(plan, found), tuple(found))


def _count(plan: StudyPlan, tube: PlannedTube, of: Specimen) -> _Counted:
    rng = stream(plan.seed, "counts", *tube.keys)
    kinds = recipe(of, panel(tube.panel).markers, stimulated=bool(tube.stimulus))
    events = plan.events_of(tube)
    alive = rng.binomial(events, live_single_share(plan, tube) * (1 - bead_share(plan, tube, of)))
    inside = _members(tube.panel, kinds)
    cells = rng.multinomial(alive, kinds.expected / kinds.expected.sum())
    return _Counted(tube, np.concatenate([[events], inside @ cells]), inside @ kinds.expected)


_MEMBERS: dict[tuple[str, bytes], NDArray[np.int64]] = {}


def _members(name: str, kinds: Recipe) -> NDArray[np.int64]:
    """Return which kinds are in the CD45+ cells and each population of a panel; shape ``(populations, kinds)``."""
    key = (name, b"".join(a.tobytes() for a in (kinds.stratum, kinds.pd1, kinds.tim3, kinds.cytokines)))
    if key not in _MEMBERS:
        names = (EVERYONE, *(row["population"] for row in populations(name)))
        _MEMBERS[key] = np.array([members(kinds.cells, one) for one in names], dtype=np.int64)
    return _MEMBERS[key]


@cache
def _lines(name: str, wanted: tuple[str, ...]) -> tuple[_Line, ...]:
    """Return the rows of a tube of a panel; ``wanted`` are the ancestors whose fractions are asked for."""
    base = {row["population"]: row["base"] for row in populations(name)} | {EVERYONE: ALL_EVENTS}
    place = {population: at for at, population in enumerate((ALL_EVENTS, EVERYONE, *base))}
    place[EVERYONE] = 1
    lines = []
    for population, parent in base.items():
        at = place[population]
        lines.append(_Line(population, COUNT, ALL_EVENTS, at, 0))
        lines.append(_Line(population, FRACTION_OF_PARENT, parent, at, place[parent]))
        above = parent
        while above != ALL_EVENTS:
            if above in wanted:
                lines.append(_Line(population, fraction_of(above), above, at, place[above]))
            above = base[above]
    return tuple(lines)


def _table(plan: StudyPlan, found: list[_Counted]) -> pd.DataFrame:
    import pandas as pd

    wanted = tuple(plan.design_table["fractions_of"])
    net = {row["population"] for row in endpoints(plan) if row["statistic"] == NET}
    resting = {one.tube.specimen: one for one in found if one.tube.kind == UNSTIMULATED}
    parts = []
    for one in found:
        lines = _lines(one.tube.panel, wanted)
        parts.append(_rows(one, lines))
        if one.tube.stimulus and one.tube.specimen in resting:
            of_net = [
                i for i, x in enumerate(lines) if x.population in net and x.statistic == FRACTION_OF_PARENT
            ]
            parts.append(_net(parts[-1], _rows(resting[one.tube.specimen], lines), at=of_net))
    columns = {name: np.concatenate([part[name] for part in parts]) for name in COLUMNS}
    table = pd.DataFrame(columns)
    return table.astype({"n": "Int64", "n_base": "Int64"})


def _rows(one: _Counted, lines: tuple[_Line, ...]) -> dict[str, NDArray[Any]]:
    """Return the columns of a tube's rows."""
    said = _words(lines)
    n, base = one.n[said["at"]], one.n[said["base_at"]]
    is_count = said["statistic"] == COUNT
    few = ~is_count & (base < FEWEST)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = np.where(is_count, n, np.where(few, np.nan, n / base))
    sheet = {name: np.full(n.size, getattr(one.tube, name), dtype=object) for name in _SHEET}
    why = np.full(n.size, "", dtype=object)
    for place in np.flatnonzero(few):
        why[place] = f"{base[place]} events in {lines[place].base}, under {FEWEST}"
    return {
        **sheet,
        "tube": np.full(n.size, one.tube.name, dtype=object),
        **{name: said[name] for name in ("population", "statistic", "base", "marker")},
        "unit": np.where(is_count, "events", "fraction").astype(object),
        "value": value,
        "n": n,
        "n_base": base,
        "flag": np.where(~is_count & ~few & (base < FEW), LOW_COUNT, "").astype(object),
        "reason": why,
    }


def _net(
    of: Mapping[str, NDArray[Any]], resting: Mapping[str, NDArray[Any]], *, at: list[int]
) -> dict[str, NDArray[Any]]:
    """Return some rows again, with what the resting cells of the same specimen show subtracted."""
    found = {name: column[at] for name, column in of.items()}
    found["statistic"] = np.full(len(at), NET, dtype=object)
    found["value"] = found["value"] - resting["value"][at]
    for place, why in enumerate(resting["reason"][at]):
        found["reason"][place] = found["reason"][place] or (why and f"unstimulated: {why}")
    found["flag"] = np.where(found["reason"] != "", "", found["flag"])
    return found


@cache
def _words(lines: tuple[_Line, ...]) -> Mapping[str, NDArray[Any]]:
    names = ("population", "statistic", "base")
    words = {name: np.array([getattr(line, name) for line in lines], dtype=object) for name in names}
    places = {name: np.array([getattr(line, name) for line in lines]) for name in ("at", "base_at")}
    return {**words, **places, "marker": np.full(len(lines), "", dtype=object)}


def _truth(found: Iterable[_Counted]) -> pd.DataFrame:
    import pandas as pd

    parts = []
    for one in found:
        rows = populations(one.tube.panel)
        place = {EVERYONE: 0} | {row["population"]: number + 1 for number, row in enumerate(rows)}
        at = np.array([place[row["population"]] for row in rows])
        base = np.array([place[row["base"]] for row in rows])
        n, share = one.n[1:], one.expected
        with np.errstate(divide="ignore", invalid="ignore"):
            parts.append(
                pd.DataFrame(
                    {
                        "tube": one.tube.name,
                        **{name: getattr(one.tube, name) for name in _SHEET},
                        "population": [row["population"] for row in rows],
                        "base": [row["base"] for row in rows],
                        "expected": share[at] / share[base],
                        "realised": n[at] / n[base],
                        "n": n[at],
                        "n_base": n[base],
                    }
                )
            )
    return pd.concat(parts, ignore_index=True)
