"""Checking: a matrix held against the tubes of a study or a folder, and what it proves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cytometry.compensation import find_spillover, read_spillover
from cytometry.errors import Problem, StudyError
from cytometry.fcs import Tube, read_fcs
from cytometry.panel import Panel
from cytometry.residuals import Residual, Witness, residual_slopes
from cytometry.single_stains import (
    Control,
    LearntSpillover,
    learn_spillover,
    matched_detectors,
    read_controls,
    read_light,
)
from cytometry.spillovers import CONTROLS, control_of, learn_batches
from cytometry.study import SheetRow, Stain, Study
from gating.columns import Spillover
from gating.scales import Floats

STAINED = 6
"""Stained tubes of a stain that are looked at, evenly taken: each takes under a second."""


@dataclass(frozen=True, slots=True, eq=False)
class Compensated:
    """A matrix, where it is from, what was said of it, and what it leaves in the tubes.

    Parameters
    ----------
    name
        Of stain and batch, ``""`` for a folder.
    learnt
        ``None`` for a matrix that was given.
    """

    name: str
    source: str
    spillover: Spillover
    learnt: LearntSpillover | None = None
    residuals: tuple[Residual, ...] = ()
    witnesses: tuple[Witness, ...] = ()

    def single_lights(self) -> dict[str, Floats]:
        """Return the compensated events of each dye's single stain, by detector; columns as the matrix has them."""
        of = self.spillover
        return {
            one.detector: read_light(one.tube, of.detectors).values @ of.inverse
            for one in self.witnesses
            if one.kind == "single_stain"
        }


def compensate_folder(
    folder: Path,
    *,
    given: Mapping[str, str] | None = None,
    matrix: Path | None = None,
    check: bool = False,
    seed: int = 1,
) -> tuple[Compensated, ...]:
    """Learn the spillover of a folder of control files, or take a table's, and check it against them if asked.

    Raises
    ------
    StudyError
        If controls cannot be matched, or there are none; see :func:`cytometry.single_stains.learn_spillover`.
    """
    if not folder.is_dir():
        hint = "a folder of FCS files of single-stain controls, or a study"
        raise StudyError([Problem("error", "CYT001", str(folder), "is not there, or no folder", hint)])
    controls = read_controls(folder, given=given)
    if matrix is not None:
        channels = controls[0].tube.channels
        made = Compensated("", matrix.name, read_spillover(matrix, channels=channels))
    else:
        learnt = learn_spillover(controls, seed=seed)
        made = Compensated("", "controls", learnt.spillover, learnt)
    if not check:
        return (made,)
    return (_checked(made, controls, [], seed=seed),)


def compensate_study(
    study: Study, *, matrix: Path | None = None, check: bool = False, seed: int | None = None
) -> tuple[Compensated, ...]:
    """Learn the spillover of each stain and batch of a study from its controls; or check the one it says.

    Without ``check``, or where the study's ``compensation`` is ``controls``, matrices are learnt. With ``check`` they
    are held against single stains, FMO controls and a few stained tubes; otherwise it is the study's own matrix, or
    ``matrix``, that is.

    Raises
    ------
    StudyError
        If the controls of any batch cannot be matched or are not there.
    """
    chosen = study.seed if seed is None else seed
    made: list[Compensated] = []
    for stain in study.stains.values():
        tubes = [(row, read_fcs(study.fcs_dir / row.file)) for row in study.tubes if row.stain == stain.name]
        for found in _of_stain(study, stain, tubes, matrix=matrix, learn=not check, seed=chosen):
            if check:
                own = [pair for pair in tubes if found.name in ("", stain.name, _name(stain, pair[0].batch))]
                controls = [control_of(*pair) for pair in own if pair[0].kind in _KINDS]
                made.append(_checked(found, controls, own, seed=chosen, panel=stain.panel))
            else:
                made.append(found)
    return tuple(made)


_KINDS = ("single_stain", "unstained")


def _name(stain: Stain, batch: str) -> str:
    return f"{stain.name}_{batch}" if batch else stain.name


def _of_stain(
    study: Study,
    stain: Stain,
    tubes: Sequence[tuple[SheetRow, Tube]],
    *,
    matrix: Path | None,
    learn: bool,
    seed: int,
) -> list[Compensated]:
    """Return the matrices of a stain: given, the study's own, or learnt for each batch."""
    source = stain.compensation
    if matrix is None and (learn or source == CONTROLS):
        batches = learn_batches(
            tubes, stain=stain.name, panel=stain.panel, stand_in=study.stand_in, seed=seed
        )
        wrong = [one for batch in batches.problems.values() for one in batch if one.severity == "error"]
        if wrong:
            raise StudyError(wrong)
        return [
            Compensated(_name(stain, batch), CONTROLS, learnt.spillover, learnt)
            for batch, learnt in batches.learnt.items()
        ]
    sample = next((tube for row, tube in tubes if row.kind == "sample"), tubes[0][1])
    if matrix is not None or source.startswith("file:"):
        path = matrix or Path(source.removeprefix("file:").strip())
        return [Compensated(stain.name, path.name, read_spillover(path, channels=sample.channels))]
    found = find_spillover(sample) if source == "fcs" else None
    if found is None:
        said = "there is no matrix to check: its tubes are not compensated"
        raise StudyError(
            [Problem("error", "CYT335", f"stain {stain.name}", said, "name one with --spillover")]
        )
    return [Compensated(stain.name, f"$SPILLOVER of {sample.path.name}", found)]


def _checked(
    made: Compensated,
    controls: Sequence[Control],
    tubes: Sequence[tuple[SheetRow, Tube]],
    *,
    seed: int,
    panel: Panel | None = None,
) -> Compensated:
    """Return a matrix with what it leaves in single stains, FMO controls and stained tubes."""
    names = made.spillover.detectors
    single = [one for one in controls if not one.unstained]
    whose = matched_detectors(controls, names, panel=panel) if single else {}
    seen = [
        Witness(one.tube, one.name, "single_stain", whose[one.name]) for one in single if one.name in whose
    ]
    for row, tube in tubes:
        lacks = row.lacks[0] if row.kind == "fmo" and len(row.lacks) == 1 else ""
        if panel is not None and lacks in panel.markers and panel.detector(lacks) in names:
            seen.append(Witness(tube, row.tube, "fmo", panel.detector(lacks)))
    samples = [(row, tube) for row, tube in tubes if row.kind == "sample"]
    for row, tube in samples[:: max(1, len(samples) // STAINED)][:STAINED]:
        seen.append(Witness(tube, row.tube, "stained"))
    unstained = [one.tube for one in controls if one.unstained]
    found = residual_slopes(seen, made.spillover, unstained=unstained, seed=seed)
    return Compensated(made.name, made.source, made.spillover, made.learnt, found, tuple(seen))
