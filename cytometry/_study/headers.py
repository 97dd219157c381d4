"""The headers of a study's FCS files, and whether they fit its panels. No event is read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePath

from cytometry._study.model import SheetRow, locate
from cytometry._study.panels import PanelText
from cytometry._study.text import SHOWN, error, shown, warning
from cytometry.compensation import choose_spillover
from cytometry.detectors import name_channel
from cytometry.errors import FCSError, Problem
from cytometry.fcs import Tube, read_fcs
from cytometry.panel import Channel, Panel, did_you_mean, guess_panel, same_name, suggest

# What is wrong with one file alone: it fails, and the other tubes can be run.
ONE_FILE = frozenset({"CYT201", "CYT202", "CYT204", "CYT205"})


def read_headers(folder: Path, rows: Iterable[SheetRow]) -> tuple[dict[str, Tube], list[Problem]]:
    """Return the header of each tube that has a readable one, by tube, and what is wrong with the others."""
    tubes: dict[str, Tube] = {}
    problems: list[Problem] = []
    notes: dict[str, list[str]] = {}
    for row in rows:
        outside = _outside(folder, row)
        problems += outside
        path = None if any(one.severity == "error" for one in outside) else locate(folder, row.file)
        if path is None:
            if not outside:
                problems.append(
                    error("CYT203", row.where, f"{row.file} is not there", _beside(folder / row.file))
                )
            continue
        try:
            tube = read_fcs(path)
        except FCSError as failure:
            problems.append(error(_code(failure), row.where, f"{path.name} {failure.message}", failure.hint))
            continue
        tubes[row.tube] = tube
        if not tube.n_events:
            problems.append(warning("CYT204", row.where, f"{path.name} holds no event"))
        for repair in tube.repairs:
            notes.setdefault(repair, []).append(path.name)
    problems += [warning("CYT207", shown(files), said) for said, files in notes.items()]
    return tubes, problems


def _beside(path: Path) -> str:
    """Return the file that may be meant among those that are there."""
    if not path.parent.is_dir():
        return f"there is no folder {path.parent}"
    there = sorted(one.name for one in path.parent.iterdir() if one.suffix.lower() in (".fcs", ".lmd"))
    return f"{path.parent}: {did_you_mean(path.name, there)}"


def _outside(folder: Path, row: SheetRow) -> list[Problem]:
    file = PurePath(row.file)
    if file.is_absolute() or row.file[1:2] == ":":
        said = f"{row.file} is a path of this computer: the study cannot be moved"
        return [warning("CYT017", row.where, said, "write it relative to fcs_dir")]
    if ".." in file.parts:
        said = f"{row.file} lies outside fcs_dir ({folder})"
        return [error("CYT017", row.where, said, "let fcs_dir be a folder that holds all files")]
    return []


def _code(failure: FCSError) -> str:
    said = failure.message
    known = (("is truncated", "CYT201"), ("is not an FCS file", "CYT202"), ("is empty", "CYT204"))
    return next((code for words, code in known if said.startswith(words)), "CYT205")


def completed(text: PanelText, tubes: Sequence[Tube]) -> PanelText:
    """Return the panel with what the files add to it: scatter and time, and the marker of a dye's detector.

    A dye's name means viability only where ``$PnS`` names no other marker either.
    """
    if not tubes:
        return text
    guessed, _ = guess_panel(tubes)
    labelled = {channel.detector: channel for channel in guessed.channels if channel.role != "unused"}
    channels = list(text.panel.channels)
    for place, one in enumerate(channels):
        if one.detector in text.assumed and one.detector in labelled:
            said = labelled[one.detector]
            channels[place] = replace(said, fluorochrome=one.fluorochrome or said.fluorochrome)
    named = {one.detector for one in channels} | {one.marker for one in channels}
    channels += [
        one
        for one in guessed.channels
        if one.role in ("scatter", "time") and one.detector not in named and one.marker not in named
    ]
    used = Counter(one.marker for one in channels if one.role != "unused")
    clear = [one for one in channels if used[one.marker] <= 1 or one.detector not in text.assumed]
    return replace(text, panel=Panel(tuple(clear)))


def panel_problems(text: PanelText, stain: str, tubes: Mapping[str, Tube]) -> list[Problem]:
    """Return where the files of a stain contradict its panel: detectors they lack, labels that say otherwise."""
    problems = []
    for channel in text.panel.channels:
        if channel.role != "unused":
            problems += _absent(text, stain, channel, tubes)
            problems += _contradicted(text, channel, tubes)
    return problems


def _absent(text: PanelText, stain: str, channel: Channel, tubes: Mapping[str, Tube]) -> list[Problem]:
    lacking = [tube for tube in tubes.values() if channel.detector not in tube.channels]
    if not lacking:
        return []
    where = text.where(channel.detector)
    files = [tube.path.name for tube in lacking]
    scope = "any file" if len(lacking) == len(tubes) else f"{len(lacking)} of {len(tubes)} files"
    said = (
        f"detector {channel.detector!r} ({channel.marker}) is not in {scope} of stain {stain}: {shown(files)}"
    )
    free = [name for name in lacking[0].channels if name not in text.lines]
    near = suggest(channel.detector, free)
    hint = (
        f"{files[0]} has {' and '.join(map(repr, near or free[:SHOWN]))}, which the panel does not name"
        if free
        else ""
    )
    return [error("CYT206", where, said, hint)]


def _contradicted(text: PanelText, channel: Channel, tubes: Mapping[str, Tube]) -> list[Problem]:
    """Return the labels that name another marker; a blank label says nothing."""
    if channel.role in ("scatter", "time"):
        return []
    others: dict[str, list[str]] = {}
    for tube in tubes.values():
        if channel.detector in tube.channels:
            label = tube.labels[tube.channels.index(channel.detector)]
            says = name_channel(channel.detector, label).marker
            if label and says and not same_name(says, channel.marker):
                others.setdefault(label, []).append(tube.path.name)
    return [
        warning(
            "CYT106",
            text.where(channel.detector),
            f"the panel says {channel.marker} of {channel.detector!r}, $PnS says {label!r} in {shown(files)}",
            "the panel is followed",
        )
        for label, files in others.items()
    ]


def spillover_problems(source: str, tubes: Mapping[str, Tube]) -> list[Problem]:
    """Return what is wrong or worth knowing of the spillover of each tube, each once for all its files."""
    asked: dict[tuple[str, tuple[str, ...]], list[Tube]] = {}
    for tube in tubes.values():
        asked.setdefault((tube.spillover_text, tube.channels), []).append(tube)
    found: dict[Problem, list[str]] = {}
    for alike in asked.values():
        _, problems = choose_spillover(source, alike[0])
        for problem in problems:
            own = problem.where == alike[0].path.name
            bare = replace(problem, where="" if own else problem.where)
            found.setdefault(bare, []).extend(tube.path.name for tube in alike)
    return [replace(problem, where=problem.where or shown(files)) for problem, files in found.items()]
