"""Spillovers: those of a study, learnt from its own control tubes, one for each stain and batch."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any, Protocol

from cytometry.digest import digest, file_digest, whole_code
from cytometry.errors import Problem, StudyError
from cytometry.fcs import Tube
from cytometry.folder import write_text
from cytometry.panel import Panel
from cytometry.single_stains import Control, LearntSpillover, learn_spillover
from cytometry.study import SheetRow, Stain, Study
from gating.columns import Spillover

CONTROLS = "controls"
"""What ``compensation`` says where the matrix is learnt from the study's own tubes."""
SINGLE, UNSTAINED = "single_stain", "unstained"
UNKNOWN_DYE = "CYT334"


@dataclass(frozen=True, slots=True)
class BatchSpillovers:
    """The spillover of each batch of one stain, and why a batch has none.

    Parameters
    ----------
    rows
        Of ``tables/spillovers.csv``: those of :class:`cytometry.single_stains.LearntSpillover`, with stain and batch.
    """

    learnt: Mapping[str, LearntSpillover] = field(default_factory=dict)
    problems: Mapping[str, tuple[Problem, ...]] = field(default_factory=dict)
    rows: tuple[Mapping[str, Any], ...] = ()

    def of(self, batch: str) -> tuple[Spillover | None, tuple[Problem, ...]]:
        """Return the spillover of a batch's tubes, and what is wrong or worth knowing; ``None`` with an error."""
        found = self.learnt.get(batch)
        return found.spillover if found else None, self.problems.get(batch, ())


def control_of(row: SheetRow, tube: Tube) -> Control:
    """Return a control tube of a sheet."""
    return Control(tube, row.tube, unstained=row.kind == UNSTAINED, detector=row.stained)


class Opened(Protocol):
    """What is asked of a tube of a run: its row, its file where it could be read, and why it cannot go on."""

    row: SheetRow
    fcs: Tube | None
    failure: str


def stain_spillovers(
    study: Study, stain: Stain, tubes: Sequence[Opened], *, folder: Path | None = None
) -> BatchSpillovers | None:
    """Return the spillovers of a stain whose ``compensation`` is ``controls``; ``None`` for any other."""
    if stain.compensation != CONTROLS:
        return None
    how: dict[str, Any] = {"stand_in": study.stand_in, "seed": study.seed, "folder": folder}
    opened = [(tube.row, tube.fcs) for tube in tubes if tube.fcs is not None and not tube.failure]
    return learn_batches(opened, stain=stain.name, panel=stain.panel, **how)


def learn_batches(
    tubes: Sequence[tuple[SheetRow, Tube]],
    *,
    stain: str,
    panel: Panel,
    stand_in: str = "batch",
    seed: int = 1,
    folder: Path | None = None,
) -> BatchSpillovers:
    """Learn the spillover of each batch of a stain from its single-stain controls.

    Parameters
    ----------
    tubes
        All tubes of the stain, controls among them.
    stand_in
        With ``"stain"`` the controls of all batches are used for a batch that has none; otherwise its tubes cannot be
        compensated.
    folder
        A result folder, where what was learnt is kept: the same files, names and code give it back unread.
    """
    found: dict[str, LearntSpillover] = {}
    problems: dict[str, tuple[Problem, ...]] = {}
    rows: list[Mapping[str, Any]] = []
    controls = [(row, tube) for row, tube in tubes if row.kind in (SINGLE, UNSTAINED)]
    for batch in dict.fromkeys(row.batch for row, _ in tubes):
        own = [pair for pair in controls if pair[0].batch == batch]
        if not any(row.kind == SINGLE for row, _ in own) and stand_in == "stain":
            own = controls
        try:
            learnt = _remembered(own, panel, seed=seed, folder=folder)
        except StudyError as error:
            problems[batch] = tuple(_placed(one, stain, batch) for one in error.problems)
            continue
        placed = [_placed(one, stain, batch) for one in learnt.problems]
        rows += [{"stain": stain, "batch": batch, **row} for row in learnt.rows]
        if any(one.code == UNKNOWN_DYE and one.severity == "error" for one in placed):
            problems[batch] = tuple(placed)  # a dye that is taken to spill nowhere would be a guess
            continue
        problems[batch] = tuple(map(_softened, placed))
        found[batch] = learnt
    return BatchSpillovers(found, problems, tuple(rows))


def write_spillover(path: Path, spillover: Spillover) -> None:
    """Write a matrix as a table that :func:`cytometry.compensation.read_spillover` and other programs read."""
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["", *spillover.detectors])
    for name, row in zip(spillover.detectors, spillover.matrix.tolist(), strict=True):
        writer.writerow([name, *(repr(value) for value in row)])
    write_text(path, text.getvalue())


def _remembered(
    controls: Sequence[tuple[SheetRow, Tube]], panel: Panel, *, seed: int, folder: Path | None
) -> LearntSpillover:
    """Return what controls teach: read where the same was asked before, else learnt and kept."""
    if folder is None or not controls:
        return learn_spillover([control_of(*pair) for pair in controls], panel=panel, seed=seed)
    said = [[row.tube, row.kind, row.stained, file_digest(tube.path)] for row, tube in controls]
    dyes = [[c.detector, c.marker, c.fluorochrome, c.role] for c in panel.channels]
    asked = digest([whole_code(), seed, said, dyes])
    place = folder / "gating" / "spillovers" / f"{asked[:16]}.json"
    try:
        kept = json.loads(place.read_text(encoding="utf-8"))
        problems = tuple(Problem(**problem) for problem in kept["problems"])
        return LearntSpillover(Spillover.from_dict(kept["spillover"]), tuple(kept["rows"]), {}, problems)
    except (OSError, ValueError, KeyError, TypeError):
        learnt = learn_spillover([control_of(*pair) for pair in controls], panel=panel, seed=seed)
    kept = {
        "spillover": learnt.spillover.to_dict(),
        "rows": [_plain(row) for row in learnt.rows],
        "problems": [problem.to_dict() for problem in learnt.problems],
    }
    write_text(place, json.dumps(kept) + "\n")
    return learnt


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value if isinstance(value, str) else float(value) for name, value in row.items()}


def _placed(problem: Problem, stain: str, batch: str) -> Problem:
    where = f"stain {stain}{f', batch {batch}' if batch else ''}: {problem.where}"
    return Problem(problem.severity, problem.code, where, problem.message, problem.hint)


def _softened(problem: Problem) -> Problem:
    """Return a problem of one control as a warning: the matrix of the others is used, and it is on record."""
    return Problem("warning", problem.code, problem.where, problem.message, problem.hint)
