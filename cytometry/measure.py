"""Measure: from the memberships of the tubes to the tidy table.

Statistics come from all events of a population, never a sample. :func:`measure_tube` needs only a tube's events and
gates; :func:`measure` puts beside its rows what the sheet says of the tube.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from cytometry.table import (
    COLUMNS,
    COUNT,
    FRACTION_OF_PARENT,
    LOW_COUNT,
    MEASURED_COLUMNS,
    MEDIAN_INTENSITY,
    SHEET_COLUMNS,
    TableError,
    as_table,
    fraction_of,
    unit_of,
)
from gating.columns import Columns
from gating.membership import Membership
from gating.strategy import ALL_EVENTS, GatingStrategy, find_path

if TYPE_CHECKING:
    import pandas as pd

LEUKOCYTES = "CD45+"
FEW_POSITIVE, FEWEST_POSITIVE = "few positive events", 20  # the error of a count of 20 is 22 % of it
CARRIED = ("tissue", "fresh_or_frozen", "hours_since_dose", "cage", "tissue_mg", "volume_ul")


@dataclass(frozen=True, slots=True)
class LowCounts:
    """Below ``least`` events a statistic is NaN, below ``flagged`` it is flagged.

    Events of the base for a fraction, of the population for a median; a fraction of under ``positive`` is flagged too.
    """

    least: int = 20
    flagged: int = 50
    positive: int = FEWEST_POSITIVE

    def __post_init__(self) -> None:
        if not 0 <= self.least <= self.flagged:
            msg = f"low counts need 0 <= least <= flagged, not {self.least} and {self.flagged}"
            raise TableError(msg)


def measure_tube(
    membership: Membership,
    columns: Columns,
    strategy: GatingStrategy,
    *,
    fractions_of: Sequence[str] | None = None,
    intensities: Sequence[tuple[str, str]] = (),
    missing: Mapping[str, str] = MappingProxyType({}),
    low: int = 20,
    flagged: int = 50,
) -> pd.DataFrame:
    """Return the statistics of one tube, columns ``MEASURED_COLUMNS``.

    Every population has its count, its fraction of the parent, and its fraction of each ancestor named in
    ``fractions_of``; any population may be said as a fraction of any population above it, and of no other.

    Parameters
    ----------
    membership
        Of the tube's events.
    columns
        The same events; medians are taken on the linear scale, compensated where the dimension asks for it.
    strategy
        The gates behind ``membership``.
    fractions_of
        Ancestors, by name, path or the end of one. ``None`` means CD45+ where the strategy has it.
    intensities
        Population and marker of each median intensity; see :func:`functional_intensities`.
    missing
        Populations that the strategy lacks and should have, by path, with the reason: a gate that was not
        learnt, a marker that the panel does not hold. They keep their rows, with NaN.
    low, flagged
        Under ``low`` events a value is NaN with the reason, under ``flagged`` it is flagged: events of the base for a
        fraction, of the population for a median. A fraction of fewer than 20 events is flagged too.

    Raises
    ------
    TableError
        If a population or ancestor is not in the strategy and not missing either, or is in both.
    """
    import pandas as pd

    limits = LowCounts(low, flagged)
    twice = [path for path in missing if path in strategy.paths]
    if twice:
        msg = f"{', '.join(twice)} cannot be gated and missing at once"
        raise TableError(msg)
    paths = (*strategy.paths, *missing)
    counts = {**membership.counts(), "": membership.count("")}
    rows = count_rows(counts, paths, fractions_of=fractions_of, missing=missing, limits=limits)
    for population, marker in intensities:
        path = _find(population, paths)
        why = missing.get(path, "")
        rows.append(_median(path, marker, membership, columns, counts=counts, limits=limits, why=why))
    return pd.DataFrame(rows, columns=list(MEASURED_COLUMNS)).astype(
        {"value": "float64", "n": "Int64", "n_base": "Int64"}
    )


def count_rows(
    counts: Mapping[str, int],
    paths: tuple[str, ...],
    *,
    fractions_of: Sequence[str] | None = None,
    missing: Mapping[str, str] = MappingProxyType({}),
    limits: LowCounts = LowCounts(),
) -> list[dict[str, Any]]:
    """Return the rows of :func:`measure_tube` that follow from counts alone, those of all events under ``""``."""
    bases = _bases(fractions_of, paths)
    rows: list[dict[str, Any]] = []
    for path in paths:
        why = missing.get(path, "")
        rows.append(_row(path, COUNT, base="", counts=counts, why=why, value=counts.get(path, np.nan)))
        of = [(FRACTION_OF_PARENT, _above(path))]
        of += [(fraction_of(name), above) for name, above in bases if path.startswith(f"{above}/")]
        rows += [_fraction(path, base, counts, limits=limits, statistic=name, why=why) for name, base in of]
    return rows


def functional_intensities(
    strategies: Iterable[GatingStrategy], markers: Sequence[str]
) -> tuple[tuple[str, str], ...]:
    """Return the population and marker pairs whose median intensity is worth having.

    A functional marker is measured where it is gated: in the positive population, whose brightness the cut affects,
    and in its parent, whose median the cut leaves alone. The pairs are those of all ``strategies``, the same for all.
    """
    pairs: dict[tuple[str, str], None] = {}
    for strategy in strategies:
        for marker in markers:
            for population in strategy.populations:
                if marker in population.gate.dimensions:
                    if population.parent:
                        pairs[population.parent, marker] = None
                    pairs[population.path, marker] = None
    return tuple(pairs)


def measure(
    measured: Mapping[str, pd.DataFrame],
    sheet: Iterable[Any],
    *,
    failed: Mapping[str, str] = MappingProxyType({}),
) -> pd.DataFrame:
    """Return the tidy table of all tubes.

    Parameters
    ----------
    measured
        By tube, the rows of :func:`measure_tube`.
    sheet
        Rows of the sample sheet; the table has the tubes in their order.
    failed
        Tubes without rows, and why: they get a row with NaN and that reason for every statistic that the
        other tubes of their stain and kind have.

    Raises
    ------
    TableError
        If a measured or failed tube is not on the sheet.
    """
    import pandas as pd

    rows_of = {row.tube: row for row in sheet}
    stray = sorted({*measured, *failed} - set(rows_of))
    if stray:
        msg = f"tube {', '.join(stray)} is not on the sheet, which has {', '.join(rows_of)}"
        raise TableError(msg)
    expected = _expected(measured, rows_of)
    parts = []
    for tube, row in rows_of.items():
        if tube in measured:
            part = measured[tube]
        elif tube in failed and (row.stain, row.kind) in expected:
            part = expected[row.stain, row.kind].assign(reason=failed[tube])
        else:
            continue
        said = {column: getattr(row, column, None) for column in (*SHEET_COLUMNS, *CARRIED)}
        labels = {column: "" if label is None else str(label) for column, label in said.items()}
        parts.append(part.assign(**labels)[[*COLUMNS, *CARRIED]])
    if not parts:
        return as_table(pd.DataFrame(columns=[*COLUMNS, *CARRIED]))
    return as_table(pd.concat(parts, ignore_index=True))


def _expected(measured: Mapping[str, pd.DataFrame], rows_of: Mapping[str, Any]) -> dict[tuple[str, str], Any]:
    """Return, by stain and kind, the rows that its tubes have between them, emptied of their values."""
    import pandas as pd

    empty = {
        column: (lambda part: pd.array([pd.NA] * len(part), dtype="Int64")) for column in ("n", "n_base")
    }
    together: dict[tuple[str, str], list[pd.DataFrame]] = {}
    for tube, part in measured.items():
        together.setdefault((rows_of[tube].stain, rows_of[tube].kind), []).append(part)
    return {
        place: pd.concat(parts, ignore_index=True)
        .drop_duplicates(["population", "marker", "statistic", "base"], ignore_index=True)
        .assign(value=np.nan, flag="", **empty)
        for place, parts in together.items()
    }


def _find(name: str, paths: tuple[str, ...]) -> str:
    try:
        return find_path(name, paths)
    except ValueError as error:
        raise TableError(str(error)) from error


def _bases(names: Sequence[str] | None, paths: tuple[str, ...]) -> list[tuple[str, str]]:
    """Return each named ancestor with its path; a name may stand for several populations."""
    wanted = (LEUKOCYTES,) if names is None else names
    found = []
    for name in wanted:
        named = [path for path in paths if path == name or path.endswith(f"/{name}")]
        if not named and names is not None:
            _find(name, paths)
        found += [(name, path) for path in named]
    return found


def _above(path: str) -> str:
    return path.rpartition("/")[0]


def _row(
    path: str, statistic: str, *, base: str, counts: Mapping[str, int], value: float, marker: str = "",
    flag: str = "", why: str = "",
) -> dict[str, Any]:  # fmt: skip
    return {
        "population": path,
        "marker": marker,
        "statistic": statistic,
        "base": base or ALL_EVENTS,
        "value": np.nan if why else value,
        "unit": unit_of(statistic),
        "n": counts.get(path),
        "n_base": counts.get(base),
        "flag": "" if why else flag,
        "reason": why,
    }


def _fraction(
    path: str, base: str, counts: Mapping[str, int], *, limits: LowCounts, statistic: str, why: str
) -> dict[str, Any]:
    total = counts.get(base, 0)
    why = why or _too_few(total, base, limits)
    value = np.nan if why else counts[path] / total if total else np.nan
    few = FEW_POSITIVE if counts.get(path, 0) < limits.positive else ""
    flag = "; ".join(part for part in (_flag(total, limits), few) if part)
    return _row(path, statistic, base=base, counts=counts, value=value, flag=flag, why=why)


def _median(
    path: str, marker: str, membership: Membership, columns: Columns, *, counts: Mapping[str, int],
    limits: LowCounts, why: str,
) -> dict[str, Any]:  # fmt: skip
    total, value, flag = counts.get(path, 0), np.nan, _flag(counts.get(path, 0), limits)
    if marker not in columns.dimensions:
        why = why or f"no channel of this tube is {marker}"
    why = why or _too_few(total, path, limits)
    if not why:
        values = columns.linear(marker, membership.rows(path))
        finite = values[np.isfinite(values)]
        why = _too_few(finite.size, f"{path} with a finite {marker}", limits)
        value = float(np.median(finite)) if finite.size else np.nan
        odd = f"{values.size - finite.size} events without a finite value left out"
        flag = "; ".join(part for part in (flag, odd * (finite.size < values.size)) if part)
    return _row(
        path, MEDIAN_INTENSITY, base=path, counts=counts, value=value, marker=marker, flag=flag, why=why
    )


def _too_few(total: int, where: str, limits: LowCounts) -> str:
    if total >= max(limits.least, 1):
        return ""
    return f"{total} events in {where or ALL_EVENTS}, under {max(limits.least, 1)}"


def _flag(total: int, limits: LowCounts) -> str:
    return LOW_COUNT if total < limits.flagged else ""
