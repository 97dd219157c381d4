"""Beside the test: how large an effect is, and what the other views of the same subjects say of it."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import TYPE_CHECKING, Any

from cytometry.report.blocks import Cell, Grid, cells, records
from cytometry.report.words import NOTHING, measure_of, minus, number, p_value

if TYPE_CHECKING:
    import pandas as pd

CAPTION = (
    "Other views of the same subjects. Effect size: the shift in standard deviations. Dominance: pairs that rise minus "
    "pairs that fall, as a share, or the like of two arms (-1 to 1). Own p: by the endpoint's own variance, where the "
    "reported p borrows from the family. Least: the smallest p that the rank test can reach with so many subjects. "
    "Count ratio: by a model of counts. Ratio to siblings: against the others of the same parent (centred log ratio)."
)


def beside_grid(contrasts: pd.DataFrame) -> Grid:
    """Return what stands beside the main test of each contrast, those tested only."""
    stains = contrasts["stain"].nunique() > 1
    rows = [
        cells(
            [
                Cell(measure_of(row), title=f"{row['stain']}: {row['population']}"),
                *([str(row["stain"])] if stains else []),
                Cell(_effect(row), _value(row, "effect_size")),
                Cell(_fixed(row, "dominance"), _value(row, "dominance")),
                _p(row, "p_own"),
                Cell(f"{p_value(row['rank_p'])} ({p_value(_value(row, 'rank_p_least'))})", row["rank_p"]),
                Cell(_with_p(row, "count"), _value(row, "count_ratio")),
                Cell(_with_p(row, "clr"), _value(row, "clr_ratio")),
                minus(str(row.get("outside") or "")),
            ]
        )
        for row in records(contrasts[contrasts["p"].notna()])
    ]
    kinds = sorted({str(one) for one in contrasts["effect_size_kind"]} - {"", "nan"})
    columns = (
        "endpoint", *(["stain"] if stains else []),
        f"effect size ({', '.join(kinds)})" if kinds else "effect size", "dominance", "own p",
        "rank p (least)", "count ratio (p)", "ratio to siblings (p)", "outside the family",
    )  # fmt: skip
    return Grid(minus(CAPTION), columns, tuple(rows), frozenset(range(1 + stains, 7 + stains)))


def _value(row: Mapping[str, Any], name: str) -> float:
    value = row.get(name)
    return float(value) if value not in {None, ""} else float("nan")


def _fixed(row: Mapping[str, Any], name: str) -> str:
    value = _value(row, name)
    return minus(f"{round(value, 2) + 0.0:.2f}") if isfinite(value) else NOTHING


def _effect(row: Mapping[str, Any]) -> str:
    values = [_value(row, f"effect_size{end}") for end in ("", "_low", "_high")]
    if not all(isfinite(value) for value in values):
        return NOTHING
    first, low, high = (minus(f"{round(value, 2) + 0.0:.2f}") for value in values)
    return f"{first} ({low} to {high})"


def _p(row: Mapping[str, Any], name: str) -> Cell:
    return Cell(p_value(_value(row, name)), _value(row, name))


def _with_p(row: Mapping[str, Any], name: str) -> str:
    ratio, p = _value(row, f"{name}_ratio"), _value(row, f"{name}_p")
    return f"{number(ratio)} ({p_value(p)})" if isfinite(ratio) else NOTHING
