"""Gate: from opened files to strategies, codes and measures, stain by stain and tube by tube.

What goes wrong with a tube stays with it: it is marked as failed, with the reason, and the others go on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cytometry.beads import fluorescence
from cytometry.checked import CheckJob, check_tubes
from cytometry.compensation import choose_spillover
from cytometry.digest import Stamp
from cytometry.errors import CytometryError, Problem, StudyError
from cytometry.fcs import Tube
from cytometry.folder import write_text
from cytometry.gate_table import gate_rows
from cytometry.learnt import StainJob, StainLearnt, StainTube, learn_stain
from cytometry.measure import functional_intensities
from cytometry.progress import Progress
from cytometry.qc import Acquisition, Stretches
from cytometry.spillovers import BatchSpillovers, stain_spillovers
from cytometry.study import SheetRow, Stain, Study
from cytometry.transforms import ScaleChoice
from cytometry.work import Measures, TubeDone, TubeJob, gate_tube
from cytometry.workers import LOST, Failure, Workers
from gating.errors import GatingError
from gating.records import Learnt
from gating.spillover import Spillover
from gating.strategy import GatingStrategy

if TYPE_CHECKING:
    import pandas as pd

MEASURED = frozenset({"sample", "unstimulated"})


@dataclass(slots=True)
class OpenTube:
    """One tube on its way through a run.

    Parameters
    ----------
    failure
        Why it cannot go on.
    acquisition
        How it was recorded, and what is taken out of it; ``None`` before that is known.
    reused, why
        Whether the result of an earlier run stood, and if not, why it was gated.
    """

    row: SheetRow
    file: Path
    fcs: Tube | None = None
    sha256: str = ""
    seen: Stamp | None = None
    spillover: Spillover | None = None
    acquisition: Acquisition | None = None
    failure: str = ""
    reused: bool = False
    why: str = ""

    @property
    def name(self) -> str:
        """Return the tube's name in the sheet."""
        return self.row.tube


@dataclass(slots=True)
class GatedStain:
    """What gating one stain found; by tube, in the order of the sheet."""

    stain: Stain
    tubes: Mapping[str, OpenTube]
    problems: list[Problem]
    learnt: StainLearnt = field(default_factory=StainLearnt)
    done: dict[str, TubeDone] = field(default_factory=dict)
    spillovers: tuple[Mapping[str, Any], ...] = ()

    @property
    def scales(self) -> Sequence[ScaleChoice]:
        """Return how each scale was chosen."""
        return self.learnt.scales

    @property
    def measured(self) -> dict[str, pd.DataFrame]:
        """Return the statistics of each tube that was measured."""
        whole = {"value": "float64", "n": "Int64", "n_base": "Int64"}
        return {
            name: _frame(self.done[name].measured, whole)
            for name in self.tubes
            if name in self.done and self.done[name].measured is not None
        }

    @property
    def gates(self) -> list[dict[str, Any]]:
        """Return a row for each boundary of each tube."""
        rows = {name: tube.row for name, tube in self.tubes.items()}
        counts = {name: {"": done.n_gated, **done.counts} for name, done in self.done.items()}
        return gate_rows(rows, self.learnt.tubes, counts)


def gate_stains(
    study: Study, tubes: Sequence[OpenTube], *, folder: Path, workers: Workers, progress: Progress
) -> list[GatedStain]:
    """Check every tube, learn the gates of every stain over its tubes, then assign and measure tube by tube.

    Strategies and codes go to ``folder``; a tube that cannot be gated gets its ``failure`` set. A stain without a
    tube that can be used is left out.

    Raises
    ------
    StudyError
        If no scale suits all tubes of a stain.
    """
    found = {name: _opened(study, stain, tubes, folder=folder) for name, stain in study.stains.items()}
    _check(study, found.values(), folder=folder, workers=workers, progress=progress)
    stains = {name: stain for name, stain in found.items() if stain.tubes}
    _learn(study, stains, folder=folder, workers=workers, progress=progress)
    stains = {name: stain for name, stain in stains.items() if stain.learnt.tubes}
    done = dict.fromkeys(stains, 0)

    def take(name: str, result: TubeDone | Failure) -> None:
        stain = stains[of[name].row.stain]
        if isinstance(result, Failure):
            of[name].failure = said(result)
        else:
            stain.done[name] = result
            of[name].reused, of[name].why = result.reused, result.why
        done[stain.stain.name] += 1
        progress(f"gate {stain.stain.name}", name, done[stain.stain.name], len(stain.learnt.tubes))

    of = {tube.name: tube for tube in tubes}
    workers.run(gate_tube, _tube_jobs(study, stains.values(), folder), done=take)
    return list(stains.values())


def said(failure: Failure) -> str:
    """Return a failure as a tube's message: our own bugs are called so, and do not look like the user's files."""
    expected = {LOST, *_names(CytometryError), *_names(GatingError), *_names(OSError)}
    if failure.kind in expected:
        return failure.message
    return f"{failure.kind}: {failure.message}; this is a bug in cytometry"


def _names(error: type[BaseException]) -> set[str]:
    return {error.__name__}.union(*(_names(kind) for kind in error.__subclasses__()))


def _opened(study: Study, stain: Stain, tubes: Sequence[OpenTube], *, folder: Path) -> GatedStain:
    """Return a stain with those of its tubes that can be learnt from."""
    mine = [tube for tube in tubes if tube.row.stain == stain.name]
    problems: list[Problem] = []
    learnt = stain_spillovers(study, stain, mine, folder=folder)
    for tube in mine:
        problems += [p for p in _prepare(study, stain, tube, learnt) if p not in problems]
    sound = {tube.name: tube for tube in mine if tube.fcs is not None and not tube.failure}
    return GatedStain(stain, sound, problems, spillovers=learnt.rows if learnt else ())


def _prepare(study: Study, stain: Stain, tube: OpenTube, learnt: BatchSpillovers | None) -> Sequence[Problem]:
    """Find a tube's spillover, and see that it has the panel's channels."""
    if tube.fcs is None or tube.failure:
        return ()
    named = [channel.detector for channel in stain.panel.channels if channel.role != "unused"]
    absent = [detector for detector in named if detector not in tube.fcs.channels]
    if absent:
        tube.failure = f"has no channel {', '.join(absent)}, which the panel of stain {stain.name} names"
        return ()
    given = learnt and learnt.of(tube.row.batch)
    tube.spillover, problems = given or choose_spillover(stain.compensation, tube.fcs, folder=study.folder)
    wrong = [problem for problem in problems if problem.severity == "error"]
    tube.failure = "; ".join(f"{one.where}: {one.message}" if given else one.message for one in wrong)
    return problems


def _check(
    study: Study, stains: Iterable[GatedStain], *, folder: Path, workers: Workers, progress: Progress
) -> None:
    """Check how every tube was acquired; one that fails is left out."""
    of = {name: (tube, stain) for stain in stains for name, tube in stain.tubes.items()}
    jobs = [
        CheckJob(name, tube.file, folder, stain.stain.panel, study.limits, tube.sha256, tube.seen or (0, 0))
        for name, (tube, stain) in of.items()
    ]
    for name, result in check_tubes(jobs, workers, progress).items():
        tube, stain = of[name]
        if isinstance(result, Failure):
            tube.failure = said(result)
        else:
            tube.acquisition, tube.failure = result, result.failure
        if tube.failure:
            stain.tubes = {other: kept for other, kept in stain.tubes.items() if other != name}


def _removed(tube: OpenTube) -> Stretches:
    return tube.acquisition.removed if tube.acquisition else ()


def _learn(
    study: Study, stains: Mapping[str, GatedStain], *, folder: Path, workers: Workers, progress: Progress
) -> None:
    """Learn every stain; the one with the most tubes first, so that no worker is left alone with it at the end."""

    def take(name: str, result: StainLearnt | Failure) -> None:
        stain = stains[name]
        if isinstance(result, Failure):
            for tube in stain.tubes.values():
                tube.failure = f"the gates of stain {name} could not be learnt: {said(result)}"
            return
        if result.refused:
            raise StudyError(result.refused)
        stain.learnt = result
        for lost, reason in result.lost.items():
            stain.tubes[lost].failure = reason
        progress(f"learn {name}", "", 1, 1)

    jobs = []
    for name, stain in sorted(stains.items(), key=lambda item: -len(item[1].tubes)):
        write_text(folder / "gating" / f"{name}.toml", stain.stain.template.to_toml())
        jobs.append((name, (_stain_job(study, stain, folder),)))
        progress(f"learn {name}", "", 0, 1)
    workers.run(learn_stain, jobs, done=take)


def _stain_job(study: Study, stain: GatedStain, folder: Path) -> StainJob:
    return StainJob(
        name=stain.stain.name,
        folder=folder,
        panel=stain.stain.panel,
        template=stain.stain.template,
        scales=stain.stain.scales,
        seed=study.seed,
        stand_in=study.stand_in,
        tubes=tuple(
            StainTube(t.row, t.file, t.sha256, t.seen or (0, 0), t.spillover, _removed(t))
            for t in stain.tubes.values()
        ),
    )


def _tube_jobs(
    study: Study, stains: Iterable[GatedStain], folder: Path
) -> Iterator[tuple[str, tuple[TubeJob]]]:
    """Give the tubes of all stains, one by one: a strategy is sent when somebody is free to use it."""
    for stain in stains:
        panel = stain.stain.panel
        shown = study.intensities or [c.marker for c in panel.channels if c.role == "functional"]
        strategies = [learnt.strategy for learnt in stain.learnt.tubes.values()]
        measures = Measures(
            study.fractions_of,
            functional_intensities(strategies, shown),
            low=study.low_count,
            flagged=study.flag_count,
        )
        for name, learnt in stain.learnt.tubes.items():
            job = _tube_job(stain, name, learnt, measures=measures, folder=folder)
            yield name, (job,)


def _tube_job(stain: GatedStain, name: str, learnt: Learnt, *, measures: Measures, folder: Path) -> TubeJob:
    tube = stain.tubes[name]
    if tube.row.beads_added:
        measures = replace(measures, beads=fluorescence(stain.stain.panel))
    return TubeJob(
        tube=name,
        file=tube.file,
        folder=folder,
        # Kept with every dimension of the stain, so that tubes whose gates abstained can stand beside the others.
        strategy=GatingStrategy(stain.learnt.dimensions, learnt.strategy.populations),
        spillover=tube.spillover,
        gates=learnt.gates,
        sha256=tube.sha256,
        seen=tube.seen,
        measures=measures if tube.row.kind in MEASURED else None,
        panel=stain.stain.panel,
        removed=_removed(tube),
    )


def _frame(columns: Mapping[str, list[Any]] | None, types: Mapping[str, str]) -> pd.DataFrame:
    """Return a stored table as it was measured."""
    import pandas as pd

    return pd.DataFrame(dict(columns or {})).astype(types)
