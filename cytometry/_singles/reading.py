"""Reading: control tubes as they are in a folder, their events, and what their detectors may be called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cytometry._singles.matching import KEYWORDS, is_unstained, named_detectors
from cytometry._singles.negatives import Light
from cytometry.detectors import name_channel, pulse
from cytometry.errors import Problem, StudyError
from cytometry.fcs import Tube, read_fcs
from cytometry.panel import Panel, did_you_mean

MOST = 20_000
"""Events of a control that are looked at, evenly taken."""
SKIP = "skip"
AT_THE_END = 0.99  # of a detector's range


@dataclass(frozen=True, slots=True, eq=False)
class Control:
    """A tube with one dye, or with none.

    Parameters
    ----------
    name
        Of the tube, for messages.
    detector
        The dye's own, where the user said it; else it is found by name and light.
    """

    tube: Tube
    name: str
    unstained: bool = False
    detector: str = ""


def read_controls(folder: Path, *, given: Mapping[str, str] | None = None) -> tuple[Control, ...]:
    """Read the FCS files of a folder as controls: one without dye where its name says so, else single stains.

    Parameters
    ----------
    given
        Detectors by file name (with or without ending), ``"unstained"``, or ``"skip"`` for what is no control.

    Raises
    ------
    StudyError
        If a file that is given is not there, or the folder holds none.
    """
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() == ".fcs")
    asked = {Path(name).name.removesuffix(".fcs"): said for name, said in (given or {}).items()}
    absent = [name for name in asked if name not in {file.stem for file in files}]
    if absent or not files:
        said = f"has no {', '.join(absent) or 'FCS files'}"
        hint = did_you_mean(absent[0], [file.stem for file in files]) if absent else ""
        raise StudyError([Problem("error", "CYT332", str(folder), said, hint)])
    return tuple(
        _control(read_fcs(file), file.stem, asked.get(file.stem, ""))
        for file in files
        if asked.get(file.stem) != SKIP
    )


def _control(tube: Tube, name: str, said: str) -> Control:
    words = [tube.keywords.get(key, "") for key in KEYWORDS]
    dull = is_unstained(said) or (not said and is_unstained(name))
    if not dull and not said and not named_detectors([name], {d: (d,) for d in tube.channels})[0]:
        dull = any(is_unstained(word) for word in words[:1])
    return Control(tube, name, unstained=dull, detector="" if dull else said)


def fluorescence_detectors(tube: Tube, panel: Panel | None = None) -> tuple[str, ...]:
    """Return the detectors of a matrix: the panel's, or every area where areas are named, else every channel."""
    roles = {
        name: name_channel(name, label).role for name, label in zip(tube.channels, tube.labels, strict=True)
    }
    dyes = [name for name, role in roles.items() if role not in ("scatter", "time")]
    if panel is not None:
        seen = [c.detector for c in panel.channels if c.role not in ("scatter", "time")]
        dyes = [name for name in dyes if name in seen]
    areas = [name for name in dyes if pulse(name)[1] == "A"]
    return tuple(areas or dyes)


def read_light(tube: Tube, detectors: Sequence[str], *, most: int = MOST) -> Light:
    """Return a tube's events without those at the end of a detector; ``most`` at the most, evenly taken."""
    scatter = [
        next((c for c in tube.channels if name_channel(c).marker == name), "") for name in ("FSC-A", "SSC-A")
    ]
    scatter = [name for name in scatter if name]
    step = max(1, -(-tube.n_events // most))
    rows = np.arange(0, tube.n_events, step)
    ends = dict(zip(tube.channels, tube.ranges, strict=True))
    columns = {name: tube.column(name, rows) for name in (*detectors, *scatter)}
    high = {
        name: values >= AT_THE_END * (ends[name] if ends[name] > 0 else np.inf)
        for name, values in columns.items()
    }
    sound = ~np.any(list(high.values()), axis=0)
    for name in scatter:
        sound &= columns[name] > 0
    dyes = np.column_stack([columns[name][sound] for name in detectors])
    seen = (
        np.log([columns[name][sound] for name in scatter]).T if scatter else np.empty((int(sound.sum()), 0))
    )
    return Light(dyes, seen, np.array([int(high[name].sum()) for name in detectors]))


def called_names(name: str, tube: Tube, panel: Panel | None) -> tuple[str, ...]:
    """Return what a detector may be called in the name of its control: itself, its dye, its marker."""
    label = tube.labels[tube.channels.index(name)]
    read = name_channel(name, label)
    called = [name, label, read.fluorochrome, read.marker]
    for channel in panel.channels if panel else ():
        if channel.detector == name:
            called += [channel.fluorochrome, channel.marker]
    return tuple(one for one in called if one)
