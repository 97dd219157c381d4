"""Declared endpoints: comparisons of ``study.toml``, their populations looked up in the templates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from cytometry._study.comparison import Comparison
from cytometry._study.settings import ComparisonTable, EndpointTable
from cytometry._study.text import TomlText, error
from cytometry.errors import CytometryError, Problem
from cytometry.markers import canonical_marker
from cytometry.panel import did_you_mean
from cytometry.table import MEDIAN_INTENSITY, Endpoint, TableError, fraction_of
from gating.rows import last_part
from gating.template import GatingTemplate

NAMED_FRACTION = fraction_of("")


@dataclass(frozen=True, slots=True)
class Populations:
    """What a stain's template has as it is written, what of it the panel cannot show, and the panel's markers."""

    template: GatingTemplate
    lost: Mapping[str, str]
    markers: tuple[str, ...]


def read_comparison(
    text: TomlText, number: int, table: ComparisonTable, stains: Mapping[str, Populations]
) -> tuple[Comparison | None, list[Problem]]:
    """Return a comparison of ``study.toml``, and what is wrong with its endpoints."""
    problems: list[Problem] = []
    families: dict[str, tuple[Endpoint, ...]] = {}
    for family in ("primary", "secondary"):
        found: list[Endpoint] = []
        for place, entry in enumerate(getattr(table, family)):
            where = text.where("comparison", number, family, place)
            endpoint, wrong = _endpoint(where, entry, stains)
            problems += wrong
            if endpoint and endpoint in (*found, *families.get("primary", ())):
                problems.append(error("CYT110", where, f"{endpoint} is named twice", "delete one of them"))
            elif endpoint:
                found.append(endpoint)
        families[family] = tuple(found)
    if table.control == table.treated:
        where = text.where("comparison", number, "treated")
        return None, [*problems, error("CYT403", where, f"control and treated are both {table.control!r}")]
    filters = {column: tuple(values) for column, values in table.where.items()}
    try:
        made = Comparison(
            table.name,
            table.control,
            table.treated,
            factor=table.factor,
            design=table.design,
            where=filters,
            **families,
            change=table.change.model_dump() if table.change else {},
            blocks=None if table.blocks is None else tuple(table.blocks),
            covariates=tuple(table.covariates),
            formula=table.formula,
            tested=table.tested,
            unit=table.unit,
        )
    except CytometryError as failure:
        return None, [*problems, error("CYT004", text.where("comparison", number, "treated"), str(failure))]
    return made, problems


def _endpoint(
    where: str, entry: EndpointTable, stains: Mapping[str, Populations]
) -> tuple[Endpoint | None, list[Problem]]:
    marker = canonical_marker(entry.marker) or entry.marker
    try:
        endpoint = Endpoint(entry.population, entry.statistic, marker, entry.stain)
    except TableError as failure:
        return None, [error("CYT110", where, str(failure))]
    if endpoint.stain and endpoint.stain not in stains:
        return endpoint, [
            error("CYT016", where, f"no stain {endpoint.stain!r}", did_you_mean(endpoint.stain, stains))
        ]
    among = {endpoint.stain: stains[endpoint.stain]} if endpoint.stain else stains
    wrong, found = _found(endpoint.population, among)
    if wrong:
        return endpoint, [error("CYT108", where, *wrong)]
    problems = [
        problem for stain, path in found for problem in _statistic(where, endpoint, among[stain], path)
    ]
    return endpoint, problems


def _found(
    population: str, among: Mapping[str, Populations]
) -> tuple[tuple[str, str] | None, list[tuple[str, str]]]:
    """Return what is wrong with a population's name, and a hint; or the stain and path that it means."""
    named = [
        (s, path)
        for s, has in among.items()
        for path in has.template.paths
        if f"/{path}".endswith(f"/{population}")
    ]
    kept = [(stain, path) for stain, path in named if path not in among[stain].lost]
    if not named:
        ends = [end for has in among.values() for path in has.template.paths for end in _ends(path)]
        return (f"no population {population!r}", did_you_mean(population, ends)) if among else None, []
    if not kept:
        stain, path = named[0]
        return (f"{population!r} cannot be shown: {among[stain].lost[path]}", ""), []
    if len({stain for stain, _ in kept}) > 1:
        which = " and ".join(dict.fromkeys(stain for stain, _ in kept))
        return (
            f"{population!r} is a population of the stains {which}",
            f'say which: stain = "{kept[0][0]}"',
        ), []
    if len(kept) > 1 and population not in [path for _, path in kept]:
        paths = ", ".join(path for _, path in kept)
        return (f"{population!r} means {len(kept)} populations: {paths}", "write more of the path"), []
    return None, kept[:1]


def _ends(path: str) -> tuple[str, str]:
    """Return the ends of a path by which it may be named: ``PD-1+`` and ``CD8 T/PD-1+``."""
    parts = path.split("/")
    return "/".join(parts[-2:]), parts[-1]


def _statistic(where: str, endpoint: Endpoint, has: Populations, path: str) -> Iterator[Problem]:
    base = endpoint.statistic.removeprefix(NAMED_FRACTION)
    above = [path.rsplit("/", depth)[0] for depth in range(1, path.count("/") + 1)]
    ancestors = [last_part(one) for one in above if one not in has.lost]
    if endpoint.statistic.startswith(NAMED_FRACTION) and base != "parent" and base not in ancestors:
        said = f"{endpoint.population!r} does not lie in {base!r}"
        yield error("CYT108", where, said, did_you_mean(base, ancestors))
    if endpoint.statistic == MEDIAN_INTENSITY and endpoint.marker not in has.markers:
        said = f"no marker {endpoint.marker!r} in the panel"
        yield error("CYT101", where, said, did_you_mean(endpoint.marker, has.markers))
