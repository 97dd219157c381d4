"""Shown: contrasts as a notebook or a terminal shows them, each in words, estimate and interval before p."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, isfinite, nan
from typing import TYPE_CHECKING, Any

from cytometry.markup import table
from cytometry.wording import sentence

if TYPE_CHECKING:
    import pandas as pd

COUNTS = ("n_control", "n_treated", "n_pairs", "m")


@dataclass(frozen=True, slots=True)
class Shown:
    """Contrasts in words, family by family; printed as lines, in a notebook as a table."""

    rows: tuple[tuple[str, str, str], ...]

    def __str__(self) -> str:
        return "\n".join(f"{family}: {said}" + f" [{flag}]" * bool(flag) for family, said, flag in self.rows)

    def _repr_html_(self) -> str:
        if not self.rows:
            return "<p>nothing was compared</p>"
        return table(("family", "contrast", "note"), self.rows)


def show_contrasts(contrasts: pd.DataFrame, *, at_most: int = 30) -> Shown:
    """Return contrasts in words: the declared ones first, then the exploratory ones by p.

    Parameters
    ----------
    contrasts
        As :func:`cytometry.compare.compare` returns them, or ``run.contrasts``.
    at_most
        How many to show; a last line says how many are left out.
    """
    rows: list[Mapping[str, Any]] = [_whole(row) for row in contrasts.to_dict("records")]
    rows.sort(key=lambda row: (row["family"] == "exploratory", row["p"] if isfinite(row["p"]) else inf))
    said = [(str(row["family"]), sentence(row), str(row.get("flag") or "")) for row in rows[:at_most]]
    if len(rows) > at_most:
        said.append(("", f"and {len(rows) - at_most} more, in the table of contrasts", ""))
    return Shown(tuple(said))


def _whole(row: Mapping[Any, Any]) -> dict[str, Any]:
    """Return a row whose counts are whole numbers, as a table that was read may not have them."""
    counts = {key: int(row[key]) if isfinite(row.get(key, nan)) else 0 for key in COUNTS}
    return {str(key): value for key, value in row.items()} | counts
