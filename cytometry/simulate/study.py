"""Study: simulate a whole study, tube by tube, as files that a user could have brought from a cytometer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cytometry.fcs import write_fcs
from cytometry.simulate.acquire import SCATTER, acquire
from cytometry.simulate.biology import specimen
from cytometry.simulate.draws import Floats, stream
from cytometry.simulate.instrument import instrument, written_spillover
from cytometry.simulate.palette import palette
from cytometry.simulate.phospho import with_ps6
from cytometry.simulate.plan import EVENTS, PlannedTube, StudyPlan
from cytometry.simulate.recipe import recipe
from cytometry.simulate.record import specimen_record, tube_record, watched, write_events, write_study
from cytometry.simulate.sheets import FCS_FOLDER, TRUTH, keywords, write_sheets
from cytometry.simulate.tables import SimulationError, choose, settings
from cytometry.simulate.tables import panel as panel_of
from cytometry.simulate.yields import bead_share

LONGEST_TICKS = 2**18


def simulate_study(
    folder: str | Path,
    *,
    design: str = "paired_human",
    scenario: str = "seed",
    drug: str = "temsirolimus",
    subjects: int | None = None,
    events: int | Mapping[str, int] | None = None,
    seed: int = 1,
    pd1: str = "realistic",
    mdsc: str = "realistic",
    cryo: bool = False,
    batches: int | None = None,
    options: tuple[str, ...] = (),
    generator: str = "first",
    spillover: str = "true",
    stains: tuple[str, ...] = (),
    panel: str = "",
) -> Path:
    """Write a study whose truth is known; return the path of its ``study.toml``.

    The folder gets ``study.toml``, ``samples.csv``, ``panel.csv``, ``fcs/`` with FCS 3.1 files, and ``truth/``.
    The same arguments give the same bytes; see ``StudyPlan`` for what they mean and ``read_truth`` for the
    truth. Nothing in the FCS files says what an event is.

    Parameters
    ----------
    subjects, batches, events
        Those of the design for None. Events are of every tube; or by stain, or by kind of control tube, with
        the others under ``""``.

    Raises
    ------
    SimulationError
        If an argument makes no study, or the folder already holds one.
    """
    usual = choose("design", design, settings("designs"))
    by_name = _by_name(usual["events"] if events is None else events)
    plan = StudyPlan(
        design=design,
        scenario=scenario,
        drug=drug,
        subjects=usual["subjects"] if subjects is None else subjects,
        events=by_name.pop("", EVENTS),
        seed=seed,
        pd1=pd1,
        mdsc=mdsc,
        cryo=cryo,
        batches=usual["batches"] if batches is None else batches,
        options=tuple(options),
        generator=generator,
        spillover=spillover,
        stains=tuple(stains),
        panel=panel,
        events_by=tuple(by_name.items()),
    )
    return write_plan(Path(folder), plan)


def _by_name(events: int | Mapping[str, int]) -> dict[str, int]:
    return dict(events) if isinstance(events, Mapping) else {"": events}


def write_plan(folder: Path, plan: StudyPlan) -> Path:
    """Write the study of a plan; return the path of its ``study.toml``."""
    if (folder / "study.toml").exists():
        msg = f"{folder} already holds a study; simulate into a new folder"
        raise SimulationError(msg)
    for part in (FCS_FOLDER, Path(TRUTH).parent):
        (folder / part).mkdir(parents=True, exist_ok=True)
    tubes: dict[str, Any] = {}
    specimens: dict[str, Any] = {}
    for place, tube in enumerate(plan.tubes):
        tubes[tube.name], specimens[tube.specimen] = write_tube(folder, plan, tube, place=place)
    write_study(folder / TRUTH, plan, tubes=tubes, specimens=specimens)
    return write_sheets(folder, plan)


def write_tube(
    folder: Path, plan: StudyPlan, tube: PlannedTube, *, place: int = 0
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Write one tube's FCS file and sidecar; return the records of tube and specimen.

    It depends on the plan and the tube alone, so that tubes may be written in any order, in any process.
    """
    analyser, stained = instrument(plan.generator), panel_of(tube.panel)
    of = specimen(plan, tube)
    kinds = recipe(of, stained.markers, stimulated=bool(tube.stimulus))
    colours = palette(plan, tube, kinds, panel=stained, instrument=analyser, cd4_loss=of.cd4_loss)
    recorded, known = acquire(
        stream(plan.seed, "events", *tube.keys),
        plan.events_of(tube),
        plan=plan,
        tube=tube,
        recipe=kinds,
        palette=with_ps6(colours, plan, tube, panel=stained, channels=analyser.channels),
        instrument=analyser,
        beads=bead_share(plan, tube, of),
        watched=watched(tube.panel, analyser),
    )
    channels = (*SCATTER, *analyser.channels, "Time")
    write_fcs(
        folder / FCS_FOLDER / f"{tube.name}.fcs",
        recorded,
        channels,
        labels=["", "", "", "", "", "", *(stained.marker(channel) for channel in analyser.channels), ""],
        spillover=written_spillover(plan),
        ranges=_ranges(recorded, analyser.top),
        keywords=keywords(plan, tube, place=place, seconds=float(recorded[-1, -1])),
    )
    sidecar = folder / Path(TRUTH).parent / f"{tube.name}.parquet"
    write_events(sidecar, known, tube=tube, recipe=kinds, instrument=analyser)
    return tube_record(plan, tube, of, recipe=kinds, known=known), specimen_record(of, tube)


def _ranges(recorded: Floats, top: float) -> list[float]:
    """Return ``$PnR``; that of Time is a power of 2 in ticks."""
    step = settings("instrument")["timestep"]
    ticks = LONGEST_TICKS
    while recorded[-1, -1] / step >= ticks:
        ticks *= 2
    return [top] * (recorded.shape[1] - 1) + [ticks * step]
