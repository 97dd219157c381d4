"""Which spillover a tube is compensated with: found in its FCS file, read from a table, checked, chosen.

The arithmetic is :mod:`gating.columns`; here names are matched to channels, and a matrix that cannot be right is
refused.

Roederer M. Spectral compensation for flow cytometry: visualization artifacts, limitations, and caveats.
Cytometry 2001;45:194-205.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cytometry._spillover import Named, letters, parse_keyword, plain, problem, read_table, stripped
from cytometry.errors import Problem, StudyError
from gating.columns import Spillover

SINGULAR = 1e10  # condition number from which two fluorochromes cannot be told apart in float64
ILL_CONDITIONED = 100.0  # errors of measurement may grow by this factor
UNIT = 1e-6  # how far a diagonal may be from 1 without being divided by it


class HasSpillover(Protocol):
    """What is asked of a tube: its file, channels and spillover keyword."""

    @property
    def path(self) -> Path:
        """Return where the file is."""
        ...

    @property
    def channels(self) -> tuple[str, ...]:
        """Return the channel names, in order."""
        ...

    @property
    def spillover_text(self) -> str:
        """Return ``$SPILLOVER`` as it stands in the file."""
        ...


def find_spillover(tube: HasSpillover) -> Spillover | None:
    """Return the spillover of a tube's own file; ``None`` if it has none, or names without numbers.

    Raises
    ------
    StudyError
        If the keyword is no matrix, or one that is singular or names other channels.
    """
    named = parse_keyword(tube.spillover_text, tube.path.name)
    return None if named is None else _fitted(named, tube.channels)[0]


def read_spillover(path: str | Path, *, channels: Sequence[str] | None = None) -> Spillover:
    """Read a spillover from a table of any usual dialect.

    Comma, semicolon or tab; decimal comma; with or without row names; names as ``FITC-A``, ``Comp-FITC-A``,
    ``<FITC-A>``, ``FITC-A :: CD3`` or channel numbers; FACSDiva's list of overlaps in percent. Rows are
    fluorochromes, columns detectors; rows that do not have 1 on the diagonal are divided by what they have.

    Parameters
    ----------
    channels
        Of the tubes: names are matched to them, and they are needed for channel numbers. They may be more.

    Raises
    ------
    StudyError
        If the table cannot be read, is singular, or names other channels.
    """
    named = read_table(Path(path))
    return _fitted(named, channels)[0]


def choose_spillover(
    source: str, tube: HasSpillover, *, folder: Path | None = None
) -> tuple[Spillover | None, tuple[Problem, ...]]:
    """Return the spillover that a study's ``compensation`` asks for, and what is wrong or worth knowing.

    Parameters
    ----------
    source
        ``"fcs"`` for the tube's own, ``"none"``, or ``"file:"`` and the path of a table.
    folder
        What that path is relative to; the working folder by default.

    Returns
    -------
    tuple
        The spillover, ``None`` for events that are taken as they are; and problems. Where one is an error, the
        spillover is ``None`` and the tube should not be gated.
    """
    kind, _, rest = source.partition(":")
    try:
        if source == "fcs":
            named = parse_keyword(tube.spillover_text, tube.path.name)
        elif source == "none":
            named = None
        elif kind == "file" and rest.strip():
            named = read_table((folder or Path()) / rest.strip())
        else:
            hint = 'choose "fcs", "none", "controls" (in a study) or "file:spillover.csv"'
            return None, (problem("CYT303", tube.path.name, f"no compensation is called {source!r}", hint),)
        if named is None:
            return None, (_uncompensated(source, tube),)
        found, notes = _fitted(named, tube.channels)
    except StudyError as error:
        return None, error.problems
    warned = [Problem("warning", "CYT306", named.where, note) for note in notes]
    return found, (*warned, *_doubts(found, named.where))


def _uncompensated(source: str, tube: HasSpillover) -> Problem:
    if source == "none":
        has = " although its file has a $SPILLOVER" if tube.spillover_text else ""
        return Problem("warning", "CYT307", tube.path.name, f"is not compensated, as the study says{has}")
    what = "names channels but no numbers" if tube.spillover_text else "is missing"
    hint = 'give compensation = "file:spillover.csv", or "none" if these are compensated or unmixed'
    return Problem("warning", "CYT307", tube.path.name, f"is not compensated: its $SPILLOVER {what}", hint)


def _doubts(spillover: Spillover, where: str) -> list[Problem]:
    condition = float(np.linalg.cond(spillover.matrix))
    if np.allclose(spillover.matrix, np.eye(len(spillover.detectors)), atol=1e-4):
        msg = "the spillover is an identity: compensating changes nothing"
        hint = "right for unmixed or compensated data; otherwise give a matrix"
        return [Problem("warning", "CYT308", where, msg, hint)]
    if condition > ILL_CONDITIONED:
        first, second = (spillover.detectors[at] for at in _most_alike(spillover.matrix))
        msg = f"the spillover is ill-conditioned ({condition:.3g}): {first} and {second} are nearly alike"
        return [Problem("warning", "CYT305", where, msg, "noise grows by up to this factor")]
    return []


def _most_alike(matrix: NDArray[np.float64]) -> tuple[int, int]:
    rows = matrix / np.linalg.norm(matrix, axis=1, keepdims=True)
    alike = np.abs(rows @ rows.T) - 2 * np.eye(len(rows))
    first, second = np.unravel_index(int(np.argmax(alike)), alike.shape)
    return int(first), int(second)


def _fitted(named: Named, channels: Sequence[str] | None) -> tuple[Spillover, tuple[str, ...]]:
    """Return the matrix under channel names, with 1 on its diagonal, and what was changed for that."""
    if channels is None:
        detectors, notes = tuple(stripped(name) for name in named.names), list[str]()
    else:
        detectors, notes = _matched(named, channels)
    if len(set(detectors)) != len(detectors):
        msg = f"a spillover names each detector once, not {', '.join(detectors)}"
        raise StudyError([problem("CYT303", named.where, msg)])
    matrix, divided = _normalised(named, detectors)
    if not np.linalg.cond(matrix) < SINGULAR:
        first, second = (detectors[at] for at in _most_alike(matrix))
        msg = f"the spillover is singular: {first} and {second} cannot be told apart"
        raise StudyError([problem("CYT304", named.where, msg)])
    return Spillover(detectors, matrix), (*notes, *divided)


def _normalised(named: Named, detectors: Sequence[str]) -> tuple[NDArray[np.float64], list[str]]:
    """Return the matrix with each row divided by its diagonal, and a note where that changed anything."""
    diagonal = np.diag(named.matrix)
    sound = (diagonal > 0) & np.isfinite(named.matrix).all(axis=1)
    if not sound.all():
        bad = ", ".join(name for name, fine in zip(detectors, sound, strict=True) if not fine)
        msg = f"the spillover has no positive number on the diagonal, or no number at all, for {bad}"
        hint = "each fluorochrome is seen by its own detector"
        raise StudyError([problem("CYT304", named.where, msg, hint)])
    if np.abs(diagonal - 1).max() <= UNIT:
        return named.matrix, []
    span = f"{diagonal.min():g} to {diagonal.max():g}"
    return named.matrix / diagonal[:, None], [f"rows were divided by their diagonal, which was {span}, not 1"]


def _matched(named: Named, channels: Sequence[str]) -> tuple[tuple[str, ...], list[str]]:
    """Return the tube's channel for each name, and the names that were matched loosely."""
    found = [_channel(name, channels) for name in named.names]
    absent = [name for name, channel in zip(named.names, found, strict=True) if channel is None]
    if absent:
        near = {name: get_close_matches(stripped(name), channels, n=1, cutoff=0.6) for name in absent}
        means = [f"is {name} {match[0]}?" for name, match in near.items() if match]
        msg = f"the spillover names {', '.join(absent)}, the tube has {', '.join(channels)}"
        hint = " ".join([*means, "name the tube's channels ($PnN) in the matrix"])
        raise StudyError([problem("CYT302", named.where, msg, hint)])
    detectors = tuple(channel or "" for channel in found)
    loose = [
        f"{name} was taken as {channel}"
        for name, channel in zip(named.names, detectors, strict=True)
        if plain(name) != plain(channel) and not name.isdecimal()
    ]
    return detectors, [", ".join(loose)] if loose else []


def _channel(name: str, channels: Sequence[str]) -> str | None:
    """Return the channel that a name means: as it stands, by number, or by its letters and digits alone."""
    if name in channels:
        return name
    if name.isdecimal() and len(name) < 5 and 0 < int(name) <= len(channels):
        return channels[int(name) - 1]
    for reduced in (plain, letters):
        same = [channel for channel in channels if reduced(channel) == reduced(name)]
        if len(same) == 1:
            return same[0]
    return None
