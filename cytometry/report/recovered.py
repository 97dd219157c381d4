"""Recovered: each population that the simulator planted, beside what the run gated, event by event."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from cytometry.report.blocks import Cell, Grid, cells, records
from cytometry.report.words import NOTHING, count, listed, minus, name_of, number
from cytometry.simulate import SimulationError
from cytometry.simulate.members import members
from gating.agreement import FEWEST, agreement
from gating.gates import Mask
from gating.strategy import ALL_EVENTS

if TYPE_CHECKING:
    import pandas as pd

    from cytometry.simulate import Truth
    from cytometry.store import Run

KEYS = ("leaf", "subset", "fraction", "pd1_state", "tim3_state", "cytokines")
NAMED = 3
SINGLETS = ("singlets", "singlets by SSC")
TABLE = (
    "stain", "tube", "population", "base", "n_true", "n_found", "f1", "fraction_true", "fraction_found",
)  # fmt: skip
COLUMNS = ("population", "of", "true, %", "found, %", "found minus true", "F1", "true cells", "tubes")


def recovered(run: Run, truth: Truth) -> pd.DataFrame:
    """Return a row per sample tube and population whose truth is known.

    Of the events that quality control kept. Fractions are of ``base``, the nearest population above whose truth is
    known. F1 counts the whole path; it is 0, and the found fraction NaN, where the tube lacks the population. A tube
    that the truth does not know, or knows with another number of events, has no rows.
    """
    import pandas as pd

    about = run.tubes[(run.tubes["kind"] == "sample") & (run.tubes["status"] == "gated")]
    rows = []
    known = {stain: run.template(stain).paths for stain in dict.fromkeys(about["stain"])}
    for tube, stain in zip(about["tube"], about["stain"], strict=True):
        membership = run.gated(tube).membership
        paths = known[stain]
        try:
            true = true_members(truth, tube, paths)
        except SimulationError:
            continue
        if any(len(mask) != membership.n_events for mask in true.values()):
            continue
        kept = membership.kept()
        true = {path: mask & kept for path, mask in true.items()}
        there = set(membership.populations)
        ours = {path: membership.of(path) if path in there else None for path in true}
        for one in agreement(true, ours, parents={path: _above(path, true) for path in true}):
            base = _above(one.population, true) or ALL_EVENTS
            fractions = (one.of_parent_reference / 100, one.of_parent_ours / 100)
            rows.append((stain, tube, one.population, base, one.n_reference, one.n_ours, one.f1, *fractions))
    return pd.DataFrame(rows, columns=list(TABLE))


def true_members(truth: Truth, tube: str, paths: Iterable[str]) -> dict[str, Mask]:
    """Return which events of a simulated tube truly are in each population, of those the simulator knows.

    ``paths`` are a template's, parents before children. Cells are all but debris and beads, singlets all but
    doublets too, live all but the dead too; every other population is of live single cells.

    Raises
    ------
    SimulationError
        If the simulated study has no such tube.
    """
    events = truth.events(tube)
    keys = [key for key in KEYS if key in events.columns]
    # Events of one kind are alike: the members among the kinds are asked for, and each event has one.
    kinds = events.groupby(keys, sort=False, observed=True).ngroup().to_numpy()
    firsts = events[keys].iloc[np.unique(kinds, return_index=True)[1]]
    table = {key: firsts[key].to_numpy() for key in keys}
    roots = _roots(events)
    named = list(truth.info["tubes"][tube]["populations"])
    found = {}
    for path in paths:
        short = path.rpartition("/")[2]
        known = [name for name in named if f"/{path}".endswith(f"/{name}")]
        if short in roots:
            found[path] = roots[short]
        elif known:
            found[path] = roots["live"] & members(table, max(known, key=len))[kinds]
    return found


def recovered_grid(table: pd.DataFrame, stain: str) -> Grid:
    """Return the populations of a stain, a row each: means over its tubes, and the median F1."""
    here = table[table["stain"] == stain]
    paths = list(dict.fromkeys(here["population"]))
    rows = [_line(path, here[here["population"] == path], paths) for path in paths]
    caption = (
        f"{stain} stain: planted and found, population by population; means over tubes. F1 counts the whole "
        f"path, so that a cell a gate above lost is lost; it is the median over tubes with {FEWEST} true cells or "
        f"more, and 0 for a tube that lacks the population. A dash: no tube has {FEWEST} true cells of it, "
        "and F1 of so few is luck."
    )
    return Grid(caption, COLUMNS, tuple(rows), frozenset(range(2, 8)))


def worst_recovered(table: pd.DataFrame) -> str:
    """Return in words the populations whose fraction is furthest off, and those found worst, of all stains."""
    large = table[(table["n_true"] >= FEWEST) & ~table["population"].map(_is_technical)]
    if large.empty:
        return ""
    paths = list(dict.fromkeys(table["population"]))
    grouped = large.groupby(["stain", "population"], sort=False)
    means = grouped[["fraction_true", "fraction_found"]].mean()
    off = (means["fraction_found"] / means["fraction_true"] - 1).dropna().rename("off")
    furthest = records(off.iloc[np.argsort(-off.abs().to_numpy(), kind="stable")[:NAMED]].reset_index())
    lowest = records(grouped["f1"].median().nsmallest(NAMED).reset_index())
    said = listed(f"{_told(row, paths)} {100 * row['off']:+.0f} %" for row in furthest)
    found = listed(f"{_told(row, paths)} {row['f1']:.2f}" for row in lowest)
    return minus(
        f"Population by population, of tubes with {FEWEST} true cells or more: the fractions furthest off, in % of "
        f"the true fraction, are {said}; the lowest median F1 are {found}. All are in the tables below."
    )


def _told(row: Mapping[str, Any], paths: list[str]) -> str:
    return f"{_name(row['population'], paths)} [{row['stain']}]"


def _is_technical(path: str) -> bool:
    return path.rpartition("/")[2] in {"cells", "live", *SINGLETS}


def _line(path: str, rows: pd.DataFrame, paths: list[str]) -> tuple[Cell, ...]:
    true, found = 100 * rows["fraction_true"], 100 * rows["fraction_found"]
    moved = float((found - true).mean())
    large = rows.loc[rows["n_true"] >= FEWEST, "f1"]
    f1 = float(large.median()) if len(large) else float("nan")
    gated = int(rows["fraction_found"].notna().sum())
    return cells(
        [
            Cell(_name(path, paths), title=path),
            name_of(str(rows["base"].iloc[0])),
            Cell(number(float(true.mean())), float(true.mean())),
            Cell(number(float(found.mean())), float(found.mean())),
            Cell(minus(f"{round(moved, 2) + 0.0:+.2f}") if np.isfinite(moved) else NOTHING, moved),
            Cell(f"{f1:.3f}" if np.isfinite(f1) else NOTHING, f1),
            Cell(count(float(rows["n_true"].median())), float(rows["n_true"].median())),
            Cell(f"{gated} of {len(rows)}", float(gated), look=gated < len(rows)),
        ]
    )


def _name(path: str, paths: list[str]) -> str:
    """Return a population's name, with its parent's before it where another has the same."""
    name = path.rpartition("/")[2]
    twice = sum(other.rpartition("/")[2] == name for other in paths) > 1
    return " ".join([*path.split("/")[-2:-1], name_of(path)]) if twice else name_of(path)


def _above(path: str, known: Mapping[str, Any]) -> str:
    above = path.rpartition("/")[0]
    while above and above not in known:
        above = above.rpartition("/")[0]
    return above


def _roots(events: pd.DataFrame) -> dict[str, Mask]:
    none = np.zeros(len(events), dtype=bool)
    beads = events["is_bead"].to_numpy(dtype=bool) if "is_bead" in events.columns else none
    whole = ~(events["is_debris"].to_numpy(dtype=bool) | beads)
    single = whole & ~events["is_doublet"].to_numpy(dtype=bool)
    live = single & ~events["is_dead"].to_numpy(dtype=bool)
    return {"cells": whole, **dict.fromkeys(SINGLETS, single), "live": live}
