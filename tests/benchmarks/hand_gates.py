"""Ours against an expert's gates: the study ``activation``, with the two shifts of the study ``wnv``.

    python tests/benchmarks/hand_gates.py [--data DIR] [--json FILE] [--out DIR]

F1 is hierarchical: an event counts as ours only if every gate above kept it too. The roots (cells, singlets, live)
stand apart from the median, since everyone agrees on them; so do populations with fewer than 100 reference events,
for which only the difference in percent of the parent says something. An abstention scores 0. The hand gates are one
template drawn for all tubes; a second expert would score about 0.95 on live cells and DC, 0.9 on CD69+.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from agreement import FEWEST, Score, f1, percent
from numpy.typing import NDArray

import cytometry

if TYPE_CHECKING:
    from cytometry.store import Run

PROJECT = Path(__file__).resolve().parents[2]
STUDIES = PROJECT / "notebooks" / "studies"
VARIABLE = "CYTOMETRY_DATA"
HAND = Path("cytoexplorer_activation", "Activation-GatingSet_derived")
SINGLE = "Cells|Single Cells"
DEAD, LIVE = f"{SINGLE}|Dead Cells", f"{SINGLE}|Live Cells"
THEIRS = {
    "cells": "Cells",
    "singlets": SINGLE,
    "live": LIVE,
    "T cells": f"{LIVE}|T Cells",
    "CD4 T": f"{LIVE}|T Cells|CD4 T Cells",
    "CD8 T": f"{LIVE}|T Cells|CD8 T Cells",
    "CD4 T/CD69+": f"{LIVE}|T Cells|CD4 T Cells|CD69+ CD4 T Cells",
    "CD8 T/CD69+": f"{LIVE}|T Cells|CD8 T Cells|CD69+ CD8 T Cells",
    "DC": f"{LIVE}|Dendritic Cells",
}
PARENTS = {
    "cells": "",
    "singlets": "cells",
    "live": "singlets",
    "T cells": "live",
    "CD4 T": "T cells",
    "CD8 T": "T cells",
    "CD4 T/CD69+": "CD4 T",
    "CD8 T/CD69+": "CD8 T",
    "DC": "live",
}
"""Of the hand gates; our fractions are of the same, whatever populations of ours lie between."""
ROOTS = ("cells", "singlets", "live")
AIM = 0.90
AS_SAID = ("population", "n_control", "n_treated", "p", "p_adjusted", "reason")
IN_POINTS = ("mean_control", "mean_treated", "shift", "shift_low", "shift_high")
Flags = NDArray[np.bool_]


def hand_gates(folder: Path, tube: str) -> dict[str, Flags]:
    """Return the expert's membership of each population of a tube, by our names; shape ``(n_events,)``."""
    with np.load(folder / f"{tube}.fcs.membership.npz") as held:
        found = {key.strip("|"): held[key] for key in held.files}
    # The archive holds what was drawn; the living are the single cells that are not in the gate of the dead.
    found[LIVE] = found[SINGLE] & ~found[DEAD]
    return {ours: found[theirs] for ours, theirs in THEIRS.items()}


def our_gates(run: Run, tube: str) -> dict[str, Flags | None]:
    """Return ours, by the same names; ``None`` where a rule abstained."""
    membership = run.gated(tube).membership
    found: dict[str, Flags | None] = {}
    for name in THEIRS:
        ends = [path for path in membership.populations if f"/{path}".endswith(f"/{name}")]
        found[name] = membership.of(ends[0]) if ends else None
    return found


def score(reference: Mapping[str, Flags], ours: Mapping[str, Flags | None], tube: str) -> list[Score]:
    """Score every population of a tube."""
    everything = np.ones(next(iter(reference.values())).size, dtype=bool)
    scores = []
    for name, parent in PARENTS.items():
        theirs, mine = reference[name], ours[name]
        above = ours.get(parent) if parent else everything
        n_above = int(above.sum()) if above is not None else 0
        n_ours = int(mine.sum()) if mine is not None else 0
        scores.append(
            Score(
                population=name,
                tube=tube,
                n_reference=int(theirs.sum()),
                n_ours=n_ours,
                f1=f1(theirs, mine) if mine is not None else 0.0,
                of_parent_reference=percent(int(theirs.sum()), int(reference.get(parent, everything).sum())),
                of_parent_ours=percent(n_ours, n_above) if mine is not None else float("nan"),
                abstained=mine is None,
            )
        )
    return scores


def run_activation(data: Path, out: Path) -> list[Score]:
    """Run the study and score each tube against the hand gates."""
    run = cytometry.run(STUDIES / "activation", out)
    scores: list[Score] = []
    for tube in run.tubes["tube"]:
        scores += score(hand_gates(data / HAND, tube), our_gates(run, tube), tube)
    return scores


def run_wnv(out: Path) -> list[dict[str, Any]]:
    """Run the study and return its two shifts, in percentage points of CD45+."""
    found = cytometry.run(STUDIES / "wnv", out).contrasts.query("family == 'primary'")
    shifts: list[dict[str, Any]] = []
    for row in found.to_dict("records"):
        points = {name: 100 * row[name] for name in IN_POINTS}
        shifts.append({**{name: row[name] for name in AS_SAID}, **points})
        shifts[-1]["population"] = str(row["population"]).rsplit("/", 1)[-1]
    return shifts


def medians(scores: Sequence[Score]) -> dict[str, float]:
    """Return the median F1 of each population over the tubes with enough reference events; NaN for none."""
    found = {}
    for name in THEIRS:
        counted = [s.f1 for s in scores if s.population == name and s.is_scored]
        found[name] = float(np.median(counted)) if counted else float("nan")
    return found


def overall(scores: Sequence[Score]) -> float:
    """Return the median F1 over populations and tubes, roots and small populations left out."""
    return float(np.median([s.f1 for s in scores if s.is_scored and s.population not in ROOTS]))


def table(scores: Sequence[Score], value: str, *, small: bool) -> str:
    """Return a table of one number, populations by tubes; ``small`` for the tubes with too few reference events."""
    tubes = list(dict.fromkeys(s.tube for s in scores))
    lines = [f"{'':14}" + "".join(f"{tube.removeprefix('Activation_'):>9}" for tube in tubes)]
    for name in THEIRS:
        cells = {s.tube: s for s in scores if s.population == name and s.is_scored is not small}
        if cells:
            lines.append(f"{name:14}" + "".join(f"{_cell(cells.get(tube), value):>9}" for tube in tubes))
    return "\n".join(lines)


def _cell(score: Score | None, value: str) -> str:
    if score is None:
        return ""
    if score.abstained:
        return "abstains" if value != "f1" else "0"
    number = getattr(score, value)
    return f"{number:.3f}" if value == "f1" else f"{number:+.2f}"


def report(scores: Sequence[Score], shifts: Sequence[Mapping[str, Any]]) -> str:
    """Return everything that was found, as it is printed."""
    by_population = medians(scores)
    small = [s for s in scores if not s.is_scored]
    lines = [
        "activation: F1 against the hand gates, by tube",
        table(scores, "f1", small=False),
        "",
        "activation: difference in percentage points of the parent, ours minus the hand gates",
        table(scores, "difference", small=False),
        "",
        f"activation: the same where the hand gates hold fewer than {FEWEST} events",
        table(small, "difference", small=True) if small else "  none",
        "",
        "median F1 over the tubes",
        *(
            f"  {name:14}{value:7.3f}{'  (root)' if name in ROOTS else ''}"
            for name, value in by_population.items()
        ),
        f"  over populations and tubes, roots apart: {overall(scores):.3f} (aim {AIM:.2f})",
        "",
        "wnv: virus minus mock, percentage points of CD45+, 95 % interval",
        *(_shift(row) for row in shifts),
    ]
    return "\n".join(lines)


def _shift(row: Mapping[str, Any]) -> str:
    if row["reason"]:
        return f"  {row['population']:14}{row['reason']}"
    return (
        f"  {row['population']:14}{row['mean_control']:6.1f} -> {row['mean_treated']:5.1f} %: "
        f"{row['shift']:+.1f} [{row['shift_low']:+.1f}, {row['shift_high']:+.1f}], "
        f"n = {row['n_control']:.0f} v {row['n_treated']:.0f}, p = {row['p']:.2g}, Holm {row['p_adjusted']:.2g}"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run both studies and print what was found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, help=f"the folder of the real data; else {VARIABLE}")
    parser.add_argument("--json", type=Path, help="also write every number to this file")
    parser.add_argument("--out", type=Path, help="keep the two result folders in this folder")
    asked = parser.parse_args(arguments)
    beside = PROJECT.parent / "shared" / "data"
    data = (asked.data or Path(os.environ.get(VARIABLE) or beside)).resolve()
    if not (data / HAND).is_dir():
        print(f"no {HAND} in {data}: give --data or set {VARIABLE}", file=sys.stderr)
        return 2
    os.environ[VARIABLE] = str(data)
    with tempfile.TemporaryDirectory() as aside:
        out = asked.out or Path(aside)
        scores = run_activation(data, out / "activation")
        shifts = run_wnv(out / "wnv")
    print(report(scores, shifts))
    if asked.json:
        numbers = {
            "activation": [{**asdict(s), "difference": s.difference} for s in scores],
            "medians": medians(scores),
            "median": overall(scores),
            "wnv": shifts,
        }
        asked.json.write_text(json.dumps(_plain(numbers), indent=1) + "\n", encoding="utf-8")
    return 0


def _plain(value: Any) -> Any:
    """Return numbers as JSON knows them: NaN is null."""
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


if __name__ == "__main__":
    sys.exit(main())
