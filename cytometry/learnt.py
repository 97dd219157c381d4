"""Learnt: the scales and gates of one stain, learnt over its tubes or taken from an earlier run of the same.

Only what decides them is sent to a worker: where the files lie, and what the sheet says. The events are read there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cytometry.beads import fluorescence
from cytometry.digest import Stamp, deciding_code, digest, read_signed, signed
from cytometry.errors import Problem, RunError, StudyError
from cytometry.folder import write_text
from cytometry.memory import Answers
from cytometry.panel import Panel
from cytometry.qc import Stretches
from cytometry.record import gate_from_dict, gate_to_dict
from cytometry.study import SheetRow
from cytometry.transforms import ScaleChoice, choose_scales
from cytometry.watched import Kept, LostTube, Watched
from gating.columns import Columns, Dimension
from gating.learn import learn
from gating.records import Learnt
from gating.scales import scale_from_dict, scale_to_dict
from gating.sources import GROUPS, TemplateTube
from gating.spillover import Spillover
from gating.strategy import GatingStrategy
from gating.template import GatingTemplate


@dataclass(frozen=True, slots=True, eq=False)
class StainTube:
    """One tube to learn from: its row of the sheet, its file with hash and stamp, its spillover, what is removed."""

    row: SheetRow
    file: Path
    sha256: str
    seen: Stamp
    spillover: Spillover | None
    removed: Stretches = ()


@dataclass(frozen=True, slots=True, eq=False)
class StainJob:
    """A stain to learn: all that decides its scales and gates, and the result folder."""

    name: str
    folder: Path
    panel: Panel
    template: GatingTemplate
    scales: Mapping[str, Mapping[str, Any]]
    seed: int
    stand_in: str
    tubes: tuple[StainTube, ...]


@dataclass(frozen=True, slots=True, eq=False)
class StainLearnt:
    """What was learnt of a stain.

    Parameters
    ----------
    lost
        Tubes that could not be read any more, with the reason; they have no gates.
    refused
        Why no scale suits all tubes; nothing is learnt then.
    reused
        Whether all of it is from an earlier run; otherwise ``asked`` of its questions were put to rules, and
        ``recalled`` answered before.
    """

    dimensions: Mapping[str, Dimension] = field(default_factory=dict)
    scales: tuple[ScaleChoice, ...] = ()
    tubes: Mapping[str, Learnt] = field(default_factory=dict)
    lost: Mapping[str, str] = field(default_factory=dict)
    refused: tuple[Problem, ...] = ()
    reused: bool = False
    asked: int = 0
    recalled: int = 0


def learnt_file(stain: str) -> str:
    """Return what the file of a stain's gates is called."""
    return f"learnt_{stain}.json"


def answers_file(stain: str) -> str:
    """Return what the file of a stain's answers is called."""
    return f"answers_{stain}.jsonl"


def learn_stain(job: StainJob) -> StainLearnt:
    """Return the scales and gates of a stain, as they were learnt before from the same, or learnt now.

    A tube that cannot be read any more is left out, and said; the others are learnt as if it had not been there.
    """
    path = job.folder / ".cache" / learnt_file(job.name)
    key = _digest(job)
    before = _stored(path, key, job)
    if before:
        return before
    lost: dict[str, str] = {}
    answers = job.folder / ".cache" / answers_file(job.name)
    with Answers(answers, code=deciding_code()) as memory:
        while len(lost) < len(job.tubes):
            tubes = [tube for tube in job.tubes if tube.row.tube not in lost]
            try:
                found = _learn(job, tubes, memory)
            except StudyError as error:
                return StainLearnt(lost=lost, refused=error.problems)
            except LostTube as error:
                lost[error.tube] = error.reason
            else:
                if not lost:
                    _store(path, key, found)
                return StainLearnt(*found, lost, asked=memory.found, recalled=memory.recalled)
    return StainLearnt(lost=lost)


HELD_BYTES = 48 * 2**20
"""Of tubes that are read once and not again for each rule: all of them in a small study."""
MAPPED = 64
"""Files that stay mapped; each takes a handle, of which a process often has a thousand."""
Found = tuple[dict[str, Dimension], tuple[ScaleChoice, ...], dict[str, Learnt]]


def _learn(job: StainJob, tubes: list[StainTube], memory: Answers) -> Found:
    watched: dict[str, Watched] = {}
    room = HELD_BYTES
    for number, tube in enumerate(tubes):
        one = Watched(tube.row.tube, tube.file, seen=tube.seen, mapped=number < MAPPED)
        watched[tube.row.tube] = one
        room -= one.hold(room)
    kept = {tube.row.tube: watched[tube.row.tube].rows(job.panel, tube.removed, ()) for tube in tubes}
    dimensions, scales = choose_scales(
        job.panel.channels,
        {name: Kept(one, kept[name]) for name, one in watched.items()},
        spillovers={tube.row.tube: tube.spillover for tube in tubes},
        overrides=job.scales,
    )
    views = {
        tube.row.tube: _view(
            job, tube, watched[tube.row.tube], dimensions=dimensions, kept=kept[tube.row.tube]
        )
        for tube in tubes
    }
    learnt = learn(job.template, views, seed=job.seed, stand_in=job.stand_in, memory=memory)
    for one in watched.values():
        one.check()
    return dimensions, scales, learnt


def _view(
    job: StainJob,
    tube: StainTube,
    watched: Watched,
    *,
    dimensions: Mapping[str, Dimension],
    kept: NDArray[np.intp] | None,
) -> TemplateTube:
    """Return a tube as rules see it."""
    row, columns = tube.row, Columns(watched, dimensions, tube.spillover)
    rows = watched.rows(job.panel, tube.removed, fluorescence(job.panel)) if row.beads_added else kept
    said = {name: getattr(row, name) for name in GROUPS}
    return TemplateTube(
        columns if rows is None else columns.at(rows),
        kind=row.kind,
        lacks=row.lacks,
        groups={key: value for key, value in said.items() if value},
    )


def _digest(job: StainJob) -> str:
    """Return the digest of all that decides what is learnt of a stain; the order of the tubes does not."""
    tubes = {
        tube.row.tube: [
            tube.sha256,
            [tube.row.kind, *(getattr(tube.row, name) for name in GROUPS)],
            [*sorted(tube.row.lacks), "beads" if tube.row.beads_added else ""],
            tube.spillover.to_dict() if tube.spillover else None,
            [list(stretch) for stretch in tube.removed],
        ]
        for tube in job.tubes
    }
    panel = [asdict(channel) for channel in job.panel.channels]
    scales = {marker: dict(wish) for marker, wish in job.scales.items()}
    return digest(
        [deciding_code(), job.template.to_toml(), panel, scales, job.seed, job.stand_in, tubes],
    )


def _stored(path: Path, key: str, job: StainJob) -> StainLearnt | None:
    said = read_signed(path)
    if said is None or said["digest"] != key:
        return None
    scales = tuple(
        ScaleChoice(c["name"], c["channel"], scale_from_dict(c["scale"]), c["why"], c["n_events"])
        for c in said["scales"]
    )
    dimensions = {name: Dimension.from_dict(one) for name, one in said["dimensions"].items()}
    tubes = {
        tube.row.tube: Learnt(
            GatingStrategy.from_dict(said["tubes"][tube.row.tube]["strategy"]),
            tuple(map(gate_from_dict, said["tubes"][tube.row.tube]["gates"])),
        )
        for tube in job.tubes
    }
    return StainLearnt(dimensions, scales, tubes, reused=True)


def _store(path: Path, key: str, found: Found) -> None:
    dimensions, scales, tubes = found
    said = {
        "digest": key,
        "dimensions": {name: dimension.to_dict() for name, dimension in dimensions.items()},
        "scales": [
            {"name": c.name, "channel": c.channel, "scale": scale_to_dict(c.scale), "why": c.why}
            | {"n_events": c.n_events}
            for c in scales
        ],
        "tubes": {
            name: {
                "strategy": one.strategy.to_dict(),
                "gates": [gate_to_dict(record) for record in one.gates],
            }
            for name, one in tubes.items()
        },
    }
    try:
        write_text(path, signed(json.loads(json.dumps(said))))
    except RunError:
        return  # it will be learnt again; where nothing can be written, the tubes will say so
