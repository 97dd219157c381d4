"""Composition: the leaves of the lineage tree and their parts, as the tables list them, by species and origin.

An *origin* is what cells are of, a table of ``origins.toml``: blood of patients or of the healthy anchor, a tumour,
a spleen. It is also the column of ``leaves.csv``, or ``leaves_mouse.csv``, that holds its shares.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from math import hypot, log
from types import MappingProxyType

from cytometry.simulate.amend import amended
from cytometry.simulate.calibrate import log_shares_for
from cytometry.simulate.plan import PlannedTube, StudyPlan
from cytometry.simulate.tables import rows, settings, split

HUMAN = "human"
NOTHING = float("-inf")
HEALTHY_ORIGINS = MappingProxyType({HUMAN: "healthy", "mouse": "naive_spleen"})
PATIENTS = MappingProxyType({"PBMC": "rcc"})
STATES = ("subset", "fraction", "pd1", "tim3", "cytokines")
PER_CENT = 100.0


def origin_of(tube: PlannedTube) -> str:
    """Return the table of ``origins.toml`` of a tube's cells."""
    return HEALTHY_ORIGINS[tube.species] if tube.healthy else PATIENTS.get(tube.tissue, tube.tissue)


def leaf_rows(species: str) -> tuple[Mapping[str, str], ...]:
    """Return the rows of the species' table of leaves."""
    return rows("leaves" if species == HUMAN else f"leaves_{species}")


def part_rows(species: str) -> tuple[Mapping[str, str], ...]:
    """Return the rows of the species' table of parts."""
    return rows("parts" if species == HUMAN else f"parts_{species}")


@cache
def parts_of(leaf: str, species: str) -> tuple[Mapping[str, str], ...]:
    """Return the parts of a leaf."""
    return tuple(row for row in part_rows(species) if row["leaf"] == leaf)


@cache
def beside(species: str) -> tuple[str, ...]:
    """Return the leaves that are not CD45+."""
    return tuple(row["leaf"] for row in leaf_rows(species) if row.get("cd45") == "-")


def log_leaves(plan: StudyPlan, origin: str) -> tuple[float, ...]:
    """Return the middle subject's log amounts of the leaves, for one CD45+ cell in all; minus infinity for none.

    They are such that the mean shares of the CD45+ leaves are those of the table.
    """
    said = amended(plan, "origins")[origin]
    return _log_leaves(origin, tuple(said["times"].items()), said.get("cage", 0.0))


@cache
def _log_leaves(origin: str, times: tuple[tuple[str, float], ...], cage: float) -> tuple[float, ...]:
    said, more = settings("origins")[origin], dict(times)
    found = leaf_rows(said["species"])
    share = {row["leaf"]: float(row[origin]) * more.get(row["leaf"], 1.0) for row in found}
    there = [row for row in found if share[row["leaf"]] and row.get("cd45") != "-"]
    closed = log_shares_for(
        tuple(share[row["leaf"]] for row in there),
        tuple(hypot(float(row["donor_sd"]), said["visit"], cage) for row in there),
    )
    middle = dict(zip((row["leaf"] for row in there), closed, strict=True))
    middle |= {leaf: log(share[leaf] / PER_CENT) for leaf in beside(said["species"]) if share[leaf]}
    return tuple(middle.get(row["leaf"], NOTHING) for row in found)


@cache
def log_parts(leaf: str, origin: str) -> tuple[float, ...]:
    """Return the same of the parts of a leaf."""
    found = parts_of(leaf, settings("origins")[origin]["species"])
    return log_shares_for(
        tuple(float(row[origin]) for row in found),
        tuple(hypot(float(row["donor_sd"]), float(row["visit_sd"])) for row in found),
    )


@cache
def leaves_named(population: str) -> tuple[str, ...]:
    """Return the leaves that make up a population, none where it is a state or a part of a leaf."""
    for row in rows("populations"):
        if row["population"] == population:
            return () if any(row[column] for column in STATES) else split(row["leaves"])
    return ()


@cache
def parts_named(population: str, leaf: str) -> tuple[str, ...]:
    """Return the parts of a leaf that make up a population such as ``Treg Fr II``."""
    for row in rows("populations"):
        if row["population"] == population and row["leaves"] == leaf:
            return split(row["fraction"])
    return ()
