"""Absolute counts: cells per uL of blood or per mg of tissue, beside the fractions, which must sum to one.

A fraction falls when another population grows; a concentration does not. Three ways lead to one: counting beads in
the tube (single platform), the volume that was run (volumetric), and a haematology analyser's count of what the
population is a fraction of (dual platform).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from cytometry.table import (
    CELLS_PER_MG,
    CELLS_PER_UL,
    COLUMNS,
    COUNT,
    TableError,
    as_table,
    check_table,
    counts,
    unit_of,
)
from gating.strategy import find_path

if TYPE_CHECKING:
    import pandas as pd

Method = Literal["beads", "volumetric", "dual platform"]
METHODS = ("beads", "volumetric", "dual platform")
FEWEST_BEADS = 1_000
MOST_CV = 0.10
BEADS, VOLUME = "counting beads", "acquired volume"
_REPLICATES = ["stain", "specimen", "stimulus", "population", "statistic", "base"]


@dataclass(frozen=True, slots=True)
class CountedBy:
    """How the cells of a study's tubes are counted.

    Parameters
    ----------
    method
        ``beads``, ``volumetric`` or ``dual platform``.
    beads
        By tube, the counting beads that were recorded (see :func:`cytometry.beads.find_beads`); or the name of the
        population that holds them.
    acquired_ul
        By tube, the volume that was run, in uL: see :func:`acquired_volume`.
    analyser
        By specimen, an analyser's cells per uL.
    analyser_population
        Which of the populations the analyser counted: its white blood cells are CD45+, its lymphocytes a gate of
        lymphocytes. Taking another one makes every count wrong by the same factor.
    dilution
        How many times the specimen was diluted before ``volume_ul`` of it was put in the tube.

    Raises
    ------
    TableError
        If there is no such method, or what it needs is not given.
    """

    method: Method = "beads"
    beads: Mapping[str, int] | str = "beads"
    acquired_ul: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    analyser: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    analyser_population: str = "CD45+"
    dilution: float = 1.0

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            msg = f"cells are counted by {', '.join(METHODS)}, not by {self.method!r}"
            raise TableError(msg)
        if not self.dilution > 0:
            msg = f"a dilution is a factor above 0 (1 for none), not {self.dilution}"
            raise TableError(msg)
        needs = {"volumetric": self.acquired_ul, "dual platform": self.analyser}
        if not needs.get(self.method, True):
            name = {
                "volumetric": "acquired_ul, uL by tube",
                "dual platform": "analyser, cells per uL by specimen",
            }
            msg = f"counting by {self.method} needs {name[self.method]}"
            raise TableError(msg)


def acquired_volume(keywords: Mapping[str, str]) -> float:
    """Return the volume of a tube that was run, in uL, from ``$VOL``, which is in nL; NaN where it is not said.

    References
    ----------
    Spidlen J, et al. Data File Standard for Flow Cytometry, version FCS 3.1. Cytometry A 2010;77A:97-100.
    """
    try:
        volume = float(keywords.get("vol", "nan")) / 1000
    except ValueError:
        return np.nan
    return volume if volume > 0 else np.nan


def absolute_counts(
    table: pd.DataFrame,
    sheet: Iterable[Any],
    counted_by: CountedBy | None = None,
    *,
    populations: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Return concentrations as rows of the tidy table.

    With beads: ``cells / beads recorded x beads added / volume_ul x dilution``, or ``/ tissue_mg`` for a tube of
    tissue, whose weight is that of the tissue in the tube. Volumetric: ``cells / acquired uL x dilution``, or for
    tissue times ``volume_ul``, the volume of its suspension, ``/ tissue_mg``. Dual platform: the fraction of
    ``analyser_population`` times the analyser's count.

    Parameters
    ----------
    table
        Tidy table with counts.
    sheet
        Rows of the sample sheet, with ``beads_added``, ``volume_ul`` and ``tissue_mg``.
    counted_by
        Beads, of a population called ``beads``, if not given.
    populations
        Names, paths or ends of paths; all but the beads if not given.

    Returns
    -------
    DataFrame
        One row per sample tube and population: statistic ``cells_per_ul`` or ``cells_per_mg``, ``n`` events, ``n_base``
        the beads or the base's events. A further column ``cv``: the coefficient of variation that counting alone
        gives. Flagged: under 1,000 beads, and where the tubes of one specimen differ by a CV above 10 %. NaN with
        its reason where a tube lacks what the method needs; no cells are 0.

    Raises
    ------
    TableError
        If the table is not tidy, or holds no population of a given name.

    References
    ----------
    Brando B, et al. Cytometry 2000;42:327-346 (single platform). Schnizlein-Bick C, et al. Clin Diagn Lab Immunol
    2000;7:336-343 (dual platform, and what it adds in error).
    """
    import pandas as pd

    check_table(table)
    how = counted_by or CountedBy()
    of_tube = {row.tube: row for row in sheet}
    found = table[(table["statistic"] == COUNT) & (table["kind"] == "sample")]
    _check_sheet(found, of_tube)
    events = _events(found)
    chosen = _chosen(found, populations, how)
    rows = []
    for record in chosen.to_dict("records"):
        said: dict[str, Any] = {str(column): cell for column, cell in record.items()}
        rows.append(said | _counted(said, of_tube[said["tube"]], how, events[said["tube"]]))
    columns = [*table.columns, "cv"]
    return _replicated(as_table(pd.DataFrame(rows, columns=columns if rows else [*COLUMNS, "cv"])))


def _check_sheet(found: pd.DataFrame, of_tube: Mapping[str, Any]) -> None:
    stray = sorted(set(found["tube"]) - set(of_tube))
    if stray:
        msg = f"tube {', '.join(stray)} is not on the sheet, which has {', '.join(of_tube)}"
        raise TableError(msg)


def _events(found: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Return the events of each tube's populations, NaN where a gate was not found."""
    of: dict[str, dict[str, float]] = {}
    for tube, path, n in zip(found["tube"], found["population"], counts(found, "n"), strict=True):
        of.setdefault(str(tube), {})[str(path)] = float(n)
    return of


def _path(name: str, paths: tuple[str, ...]) -> str:
    try:
        return find_path(name, paths)
    except ValueError as error:
        raise TableError(str(error)) from error


def _chosen(found: pd.DataFrame, populations: Sequence[str] | None, how: CountedBy) -> pd.DataFrame:
    paths = tuple(dict.fromkeys(found["population"]))
    if how.method == "beads" and isinstance(how.beads, str) and paths:
        beads = _path(how.beads, paths)
        found = found[(found["population"] != beads) & ~found["population"].str.startswith(f"{beads}/")]
    if populations is None:
        return found
    return found[found["population"].isin([_path(name, paths) for name in populations])]


def _counted(
    record: Mapping[str, Any], row: Any, how: CountedBy, events: Mapping[str, float]
) -> dict[str, Any]:
    """Return what replaces the cells of a row of counts."""
    by = {"beads": _by_beads, "volumetric": _by_volume, "dual platform": _by_analyser}
    base, n_base, factor, why = by[how.method](row, how, events)
    n = float("nan") if record["reason"] else float(record["value"])
    reason = record["reason"] or why
    statistic = CELLS_PER_MG if row.tissue_mg and how.method != "dual platform" else CELLS_PER_UL
    few = how.method == "beads" and n_base < FEWEST_BEADS
    with np.errstate(divide="ignore", invalid="ignore"):
        cv = float(np.sqrt(1 / np.float64(n) + np.nan_to_num(1 / np.float64(n_base))))
    return {
        "statistic": statistic,
        "unit": unit_of(statistic),
        "base": base,
        "n_base": None if np.isnan(n_base) else int(n_base),
        "value": np.nan if reason else n * factor,
        "cv": np.nan if reason or n == 0 else cv,
        "flag": f"{n_base:.0f} counting beads, under {FEWEST_BEADS:,}" if few and not reason else "",
        "reason": reason,
    }


def _by_beads(row: Any, how: CountedBy, events: Mapping[str, float]) -> tuple[str, float, float, str]:
    if isinstance(how.beads, str):
        there = tuple(events)
        held = [path for path in there if path == how.beads or path.endswith(f"/{how.beads}")]
        seen = events[held[0]] if held else np.nan
    else:
        seen = float(how.beads.get(row.tube, np.nan))
    into, name = (row.tissue_mg, "") if row.tissue_mg else (row.volume_ul, "volume_ul")
    if not row.beads_added:
        return BEADS, seen, np.nan, f"the sheet does not say how many beads were added to tube {row.tube}"
    if not into:
        return BEADS, seen, np.nan, f"the sheet gives tube {row.tube} no {name}"
    if not seen > 0:
        return BEADS, seen, np.nan, f"no counting bead was found in tube {row.tube}"
    return BEADS, seen, row.beads_added / seen / into * how.dilution, ""


def _by_volume(row: Any, how: CountedBy, events: Mapping[str, float]) -> tuple[str, float, float, str]:
    run = how.acquired_ul.get(row.tube, np.nan)
    if not run > 0:
        return VOLUME, np.nan, np.nan, f"the volume that was run of tube {row.tube} is not known"
    if not row.tissue_mg:
        return VOLUME, np.nan, how.dilution / run, ""
    if not row.volume_ul:
        return VOLUME, np.nan, np.nan, f"the sheet gives tube {row.tube} no volume_ul, that of its suspension"
    return VOLUME, np.nan, row.volume_ul / run / row.tissue_mg * how.dilution, ""


def _by_analyser(row: Any, how: CountedBy, events: Mapping[str, float]) -> tuple[str, float, float, str]:
    path = _path(how.analyser_population, tuple(events))
    counted, n_base = how.analyser.get(row.specimen, np.nan), events[path]
    if not counted > 0:
        return (
            path,
            n_base,
            np.nan,
            f"no analyser's count of specimen {row.specimen or '(not named)'!r} is given",
        )
    if not n_base > 0:
        return path, n_base, np.nan, f"tube {row.tube} has no {path}, which the analyser counted"
    return path, n_base, counted / n_base, ""


def _replicated(rows: pd.DataFrame) -> pd.DataFrame:
    """Flag the tubes of one specimen that disagree by more than 10 %."""
    known = rows[rows["value"].notna() & (rows["specimen"] != "")]
    for _, same in known.groupby(_REPLICATES, sort=False):
        mean = same["value"].mean()
        if len(same) < 2 or not mean > 0:
            continue
        cv = same["value"].std(ddof=1) / mean
        if cv > MOST_CV:
            said = f"CV of {len(same)} tubes {cv:.0%}, over {MOST_CV:.0%}"
            flags = [f"{flag}; {said}" if flag else said for flag in rows.loc[same.index, "flag"]]
            rows.loc[same.index, "flag"] = flags
    return rows
