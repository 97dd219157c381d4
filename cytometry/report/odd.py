"""Which tubes' gates stand apart, as the table of gates records them, and in which order to look at them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gating.records import ABSTAINED

if TYPE_CHECKING:
    import pandas as pd

    from cytometry.store import Run
    from gating.scales import Floats

NO_GATE = "no gate"
LONGEST_REASON = 60  # letters: a longer one is in the table of gates
MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True, slots=True)
class Ranked:
    """A tube in the order of looking, and what is said of its gate: "no gate", or how far it lies from the others."""

    tube: str
    note: str


def outliers_first(run: Run, path: str, tubes: Sequence[str]) -> list[Ranked]:
    """Return the tubes, those without the gate first, then those whose cut or fraction lies furthest from the others.

    Distances are in robust standard deviations over the tubes that a tube is compared with; a tube that is compared
    with none comes last. Ties keep the order given.
    """
    gates = run.gates[(run.gates["population"] == path) & run.gates["tube"].isin(list(tubes))]
    by_tube = {str(tube): rows for tube, rows in gates.groupby("tube")}
    known = [(_far(by_tube.get(tube)), Ranked(tube, _said(by_tube.get(tube)))) for tube in tubes]
    return [ranked for _, ranked in sorted(known, key=lambda pair: -pair[0])]


def own_gates(run: Run, tube: str) -> tuple[str, ...]:
    """Return the paths of a tube's populations whose cut lies apart from the cuts of the tubes it is compared with."""
    rows = run.gates[run.gates["tube"] == tube]
    return tuple(dict.fromkeys(rows.loc[rows["outlying"].astype(str).str.contains("cut"), "population"]))


def absent_gates(run: Run, tube: str) -> dict[str, str]:
    """Return the paths of populations for which no gate was found in a tube, with the reason where it is short."""
    rows = run.gates[(run.gates["tube"] == tube) & (run.gates["status"] == ABSTAINED)]
    return {
        str(row.population): str(row.reason) if len(str(row.reason)) <= LONGEST_REASON else ""
        for row in rows.itertuples()
    }


def _far(rows: pd.DataFrame | None) -> float:
    if rows is None or (rows["status"] == ABSTAINED).any():
        return np.inf
    distances = np.abs(
        np.concatenate([_numbers(rows, "cohort_distance"), _numbers(rows, "fraction_distance")])
    )
    far = float(np.nanmax(distances)) if np.isfinite(distances).any() else 0.0
    flagged = (rows["outlying"].astype(str) != "").any()
    return far + (1e6 if flagged else 0.0)  # what the table flags comes before what it does not


def _said(rows: pd.DataFrame | None) -> str:
    if rows is None or (rows["status"] == ABSTAINED).any():
        return NO_GATE
    flags = set(" ".join(rows["outlying"].astype(str)).split())
    said = []
    for flag, column, name in (("cut", "cohort_distance", "cut"), ("fraction", "fraction_distance", "%")):
        if flag in flags:
            at = max(_numbers(rows, column), key=lambda value: abs(value) if np.isfinite(value) else -1.0)
            said.append(f"{name} {at:+.1f}".replace("-", MINUS))
    return ", ".join(said) + " SD" * bool(said)


def _numbers(rows: pd.DataFrame, column: str) -> Floats:
    """Return a column in which a boundary without a number has an empty cell."""
    import pandas as pd

    return pd.to_numeric(rows[column], errors="coerce").to_numpy(dtype=np.float64)
