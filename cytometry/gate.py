"""Gate: the tubes of one stain, from opened files to strategies, codes and measures.

What goes wrong with a tube stays with it: it is marked as failed, with the reason, and the others go on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from cytometry.compensation import choose_spillover
from cytometry.errors import CytometryError, Problem
from cytometry.fcs import Tube
from cytometry.folder import GatedTube, save_tube, write_text
from cytometry.measure import functional_intensities, measure_tube
from cytometry.qc import acquisition_checks
from cytometry.study import SheetRow, Stain, Study
from cytometry.transforms import ScaleChoice, choose_scales
from gating.columns import ArrayEvents, Columns, Dimension, Spillover
from gating.errors import GatingError
from gating.learn import learn
from gating.membership import Membership, assign
from gating.records import ABSTAINED, GateRecord, Learnt
from gating.sources import TemplateTube
from gating.strategy import GatingStrategy

if TYPE_CHECKING:
    import pandas as pd

Progress: TypeAlias = Callable[[str, str, int, int], None]
HELD_BYTES = 512 * 2**20  # of a stain whose tubes are kept in memory rather than read again for each gate
MEASURED = frozenset({"sample", "unstimulated"})
KEPT = (
    "population",
    "marker",
    "rule",
    "source",
    "n_events",
    "value",
    "linear",
    "confidence",
    "status",
    "reason",
)


@dataclass(slots=True)
class OpenTube:
    """One tube on its way through a run; ``failure`` says why it cannot go on."""

    row: SheetRow
    number: int
    file: Path
    fcs: Tube | None = None
    spillover: Spillover | None = None
    failure: str = ""

    @property
    def name(self) -> str:
        """Return the tube's name in the sheet."""
        return self.row.tube


@dataclass(slots=True)
class GatedStain:
    """What gating one stain found."""

    stain: Stain
    scales: Sequence[ScaleChoice]
    problems: list[Problem]
    measured: dict[str, pd.DataFrame] = field(default_factory=dict)
    gates: list[dict[str, Any]] = field(default_factory=list)
    qc: list[pd.DataFrame] = field(default_factory=list)


def gate_stain(
    study: Study, stain: Stain, tubes: Sequence[OpenTube], *, folder: Path, progress: Progress
) -> GatedStain | None:
    """Learn a stain's gates over its tubes, assign every event, measure; ``None`` if no tube can be used.

    Strategies and codes go to ``folder``; a tube that cannot be gated gets its ``failure`` set.
    """
    problems: list[Problem] = []
    for tube in tubes:
        problems += [p for p in _prepare(study, stain, tube) if p not in problems]
    sound = {tube.name: tube for tube in tubes if tube.fcs is not None and not tube.failure}
    if not sound:
        return None
    dimensions, scales = choose_scales(
        stain.panel.channels,
        {name: tube.fcs for name, tube in sound.items() if tube.fcs},
        spillovers={name: tube.spillover for name, tube in sound.items()},
        overrides=stain.scales,
    )
    write_text(folder / "gating" / f"{stain.name}.toml", stain.template.to_toml())
    found = GatedStain(stain, scales, problems)
    views = _views(sound, dimensions)
    progress(f"learn {stain.name}", "", 0, 1)
    learnt = learn(stain.template, views, seed=study.seed, stand_in=study.stand_in)
    progress(f"learn {stain.name}", "", 1, 1)
    shown = study.intensities or [c.marker for c in stain.panel.channels if c.role == "functional"]
    intensities = functional_intensities([one.strategy for one in learnt.values()], shown)
    for done, (name, tube) in enumerate(sound.items(), start=1):
        try:
            _assign(
                study,
                tube,
                learnt[name],
                views.pop(name).columns,
                folder=folder,
                found=found,
                intensities=intensities,
            )
        except (CytometryError, GatingError, OSError) as error:
            tube.failure = str(error)
        progress(f"gate {stain.name}", name, done, len(sound))
    return found


def _prepare(study: Study, stain: Stain, tube: OpenTube) -> Sequence[Problem]:
    """Find a tube's spillover, and see that it has the panel's channels."""
    if tube.fcs is None:
        return ()
    named = [channel.detector for channel in stain.panel.channels if channel.role != "unused"]
    absent = [detector for detector in named if detector not in tube.fcs.channels]
    if absent:
        tube.failure = f"has no channel {', '.join(absent)}, which the panel of stain {stain.name} names"
        return ()
    tube.spillover, problems = choose_spillover(stain.compensation, tube.fcs, folder=study.folder)
    tube.failure = "; ".join(problem.message for problem in problems if problem.severity == "error")
    return problems


def _views(tubes: Mapping[str, OpenTube], dimensions: Mapping[str, Dimension]) -> dict[str, TemplateTube]:
    """Return the tubes as a template sees them; events stay in memory where the whole stain fits."""
    opened = {name: tube.fcs for name, tube in tubes.items() if tube.fcs is not None}
    fits = sum(8 * fcs.n_events * len(fcs.channels) for fcs in opened.values()) <= HELD_BYTES
    views = {}
    for name, fcs in opened.items():
        row = tubes[name].row
        events = ArrayEvents(np.asfortranarray(fcs.events()), fcs.channels) if fits else fcs
        groups = {
            "subject": row.subject,
            "specimen": row.specimen,
            "batch": row.batch,
            "stimulus": row.stimulus,
        }
        views[name] = TemplateTube(
            Columns(events, dimensions, tubes[name].spillover),
            kind=row.kind,
            lacks=row.lacks,
            groups={key: value for key, value in groups.items() if value},
        )
    return views


def _assign(
    study: Study,
    tube: OpenTube,
    learnt: Learnt,
    columns: Columns,
    *,
    folder: Path,
    found: GatedStain,
    intensities: Sequence[tuple[str, str]],
) -> None:
    """Assign every event of a tube, keep the codes, and measure it if it is a specimen's."""
    membership = assign(learnt.strategy, columns)
    # Kept with every dimension of the stain, so that tubes whose gates abstained can stand beside the others.
    strategy = GatingStrategy(columns.dimensions, learnt.strategy.populations)
    save_tube(folder, tube.number, GatedTube(tube.name, strategy, membership, tube.spillover, learnt.gates))
    found.gates += [_gate_row(tube.row, record) for record in learnt.gates]
    if tube.fcs is not None:
        checks = acquisition_checks(tube.name, columns.events, found.stain.panel, ranges=tube.fcs.ranges)
        found.qc.append(checks)
    if tube.row.kind in MEASURED:
        found.measured[tube.name] = _measured(study, learnt, columns, membership, intensities=intensities)


def _measured(
    study: Study,
    learnt: Learnt,
    columns: Columns,
    membership: Membership,
    *,
    intensities: Sequence[tuple[str, str]],
) -> pd.DataFrame:
    gated = learnt.strategy.paths
    # A population may have several cuts, of which some were found: the one that was not is the reason.
    missing = {
        r.population: r.reason for r in learnt.gates if r.status == ABSTAINED and r.population not in gated
    }
    known = {*gated, *missing}
    names = {path.rsplit("/", 1)[-1] for path in known}
    return measure_tube(
        membership,
        columns,
        learnt.strategy,
        fractions_of=[name for name in study.fractions_of if name in names],
        intensities=[(path, marker) for path, marker in intensities if path in known],
        missing=missing,
        low=study.low_count,
        flagged=study.flag_count,
    )


def _gate_row(row: SheetRow, record: GateRecord) -> dict[str, Any]:
    said = {name: getattr(record, name) for name in KEPT}
    return {"stain": row.stain, "tube": row.tube, **said, "learnt_from": "; ".join(record.learnt_from)}
