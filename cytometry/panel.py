"""Panel: which detector reads which marker, by which fluorochrome, and what the marker is there for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape
from types import MappingProxyType
from typing import Protocol

from cytometry.detectors import Named, labelled, name_channel, pulse
from cytometry.errors import CytometryError
from cytometry.markers import canonical_marker, key, suggest

__all__ = [
    "ROLES",
    "Channel",
    "Panel",
    "PanelError",
    "canonical_marker",
    "did_you_mean",
    "guess_panel",
    "suggest",
]

ROLES = ("scatter", "time", "viability", "lineage", "functional", "unused")
NOT_STAINED = ("scatter", "time", "unused")
SHOWN = 12


class Header(Protocol):
    """What a file says of its channels: ``$PnN``, and ``$PnS`` or ``""``."""

    @property
    def channels(self) -> tuple[str, ...]:
        """Return ``$PnN``, in order."""
        ...

    @property
    def labels(self) -> tuple[str, ...]:
        """Return ``$PnS``, ``""`` where there is none."""
        ...


class PanelError(CytometryError, ValueError):
    """A panel that contradicts itself, or a marker or detector that it does not have."""


@dataclass(frozen=True, slots=True)
class Channel:
    """One row of a panel.

    Parameters
    ----------
    detector
        ``$PnN`` of the FCS files.
    marker
        What the antibody binds, by its usual name. For scatter and time the name that gates use: ``FSC-A``,
        ``SSC-H``, ``Time``. Empty only where the channel is unused.
    fluorochrome
        The dye, ``""`` where it is not known.
    role
        One of ``ROLES``.

    Raises
    ------
    PanelError
        If there is no such role, or no marker for a role that has one.
    """

    detector: str
    marker: str = ""
    fluorochrome: str = ""
    role: str = "functional"

    def __post_init__(self) -> None:
        if not self.detector:
            msg = f"the channel of {self.marker or 'a panel'} names no detector ($PnN)"
            raise PanelError(msg)
        if self.role not in ROLES:
            msg = f"{self.detector} has the role {self.role!r}; {did_you_mean(self.role, ROLES)}"
            raise PanelError(msg)
        if not self.marker and self.role != "unused":
            msg = f"{self.detector} is {self.role} but names no marker; a channel without one is unused"
            raise PanelError(msg)


@dataclass(frozen=True)
class Panel:
    """The channels of a stain; each detector once, each marker read by one detector.

    Raises
    ------
    PanelError
        If two channels share a detector, or two that are used share a marker.
    """

    channels: tuple[Channel, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "channels", tuple(self.channels))
        wrong = [f"detector {one} occurs twice" for one in repeated(c.detector for c in self.channels)]
        used = [c for c in self.channels if c.role != "unused"]
        for marker in repeated(c.marker for c in used):
            both = " and ".join(c.detector for c in used if c.marker == marker)
            wrong.append(f"{marker} is read by {both}; a marker has one detector")
        if wrong:
            raise PanelError("; ".join(wrong))

    @cached_property
    def dimensions(self) -> Mapping[str, str]:
        """Return the detector of everything a gate can read: markers, scatter, time."""
        return MappingProxyType({c.marker: c.detector for c in self.channels if c.role != "unused"})

    @property
    def markers(self) -> tuple[str, ...]:
        """Return what was stained, in the order of the panel: no scatter, no time."""
        return tuple(c.marker for c in self.channels if c.role not in NOT_STAINED)

    @property
    def functional(self) -> tuple[str, ...]:
        """Return the markers whose intensity is of interest."""
        return tuple(c.marker for c in self.channels if c.role == "functional")

    def channel(self, marker: str) -> Channel:
        """Return the channel of a marker (or of scatter, or time); a synonym will do.

        Raises
        ------
        PanelError
            If the panel has none, with near matches.
        """
        wanted = marker if marker in self.dimensions else canonical_marker(marker)
        for channel in self.channels:
            if channel.role != "unused" and channel.marker == wanted:
                return channel
        msg = f"the panel has no marker {marker!r}; {did_you_mean(marker, self.dimensions)}"
        raise PanelError(msg)

    def detector(self, marker: str) -> str:
        """Return the detector that reads a marker."""
        return self.channel(marker).detector

    def marker(self, detector: str) -> str:
        """Return what a detector reads, ``""`` where that is unused.

        Raises
        ------
        PanelError
            If the panel has no such detector, with near matches.
        """
        for channel in self.channels:
            if channel.detector == detector:
                return channel.marker if channel.role != "unused" else ""
        among = [channel.detector for channel in self.channels]
        msg = f"the panel has no detector {detector!r}; {did_you_mean(detector, among)}"
        raise PanelError(msg)

    def label(self, marker: str) -> str:
        """Return ``PD-1 (BV421)``: what a figure writes on an axis."""
        channel = self.channel(marker)
        return f"{channel.marker} ({channel.fluorochrome})" if channel.fluorochrome else channel.marker

    def _repr_html_(self) -> str:
        cells = [(c.detector, c.marker, c.fluorochrome, c.role) for c in self.channels]
        rows = "".join(
            "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in cells
        )
        head = "".join(f"<th>{name}</th>" for name in ("detector", "marker", "fluorochrome", "role"))
        return f"<table><tr>{head}</tr>{rows}</table>"


def repeated(items: Iterable[str]) -> list[str]:
    """Return what occurs more than once, in the order of its first place."""
    seen: dict[str, int] = {}
    for item in items:
        seen[item] = seen.get(item, 0) + 1
    return [item for item, times in seen.items() if times > 1]


def did_you_mean(text: str, among: Iterable[str]) -> str:
    """Return the near names as a question, or the choices where none is near."""
    choices = list(dict.fromkeys(among))
    near = suggest(text, choices)
    if near:
        return f"did you mean {' or '.join(repr(name) for name in near)}?"
    if not choices:
        return "there are none"
    more = ", ..." if len(choices) > SHOWN else ""
    return f"there are {', '.join(choices[:SHOWN])}{more}"


def same_name(one: str, other: str) -> bool:
    """Return whether two written names mean one marker."""
    return key(one) == key(other) or (canonical_marker(one) or one) == (canonical_marker(other) or other)


def guess_panel(headers: Sequence[Header]) -> tuple[Panel, list[str]]:
    """Return the panel that some files of one stain seem to have, and what was guessed, in plain words.

    A channel that names no marker is unused. Of area, height and width of one detector the area is taken.
    """
    told: dict[str, Counter[str]] = {}
    for header in headers:
        for detector, label in zip(header.channels, header.labels, strict=True):
            told.setdefault(detector, Counter())[label if labelled(detector, label) else ""] += 1
    kept = {detector: labels for detector, labels in told.items() if 2 * labels.total() >= len(headers)}
    rare = [f"{one} ({told[one].total()})" for one in told if one not in kept]
    guesses = [f"in fewer than half of {len(headers)} files, and left out: {', '.join(rare)}"] if rare else []
    named: dict[str, Named] = {}
    for detector, labels in kept.items():
        said = [label for label, _ in labels.most_common() if label]
        equal = dict(zip(headers[0].channels, headers[0].labels, strict=True)).get(detector, "")
        named[detector] = name_channel(detector, said[0] if said else equal)
        other = [label for label in said[1:] if not same_name(label, said[0])]
        if named[detector].role not in NOT_STAINED:
            guesses += [f"{detector} is {said[0]!r} in most files and {one!r} in others" for one in other]
    guesses += [name.note for name in named.values() if name.note]
    channels, told_apart = _one_each(named)
    return Panel(channels), guesses + told_apart


def _one_each(named: Mapping[str, Named]) -> tuple[tuple[Channel, ...], list[str]]:
    """Give each marker to one detector, and each scatter name to the detector that says it plainly."""
    guesses: list[str] = []
    taken: dict[str, str] = {}
    plain = {name.marker for name in named.values() if name.role == "scatter" and not name.note}
    found: dict[str, Channel] = {}
    for detector in sorted(named, key=lambda one: "AHW".find(pulse(one)[1])):
        name = named[detector]
        marker = name.marker
        if name.role == "scatter":
            first = "-".join([marker.split("-")[0], marker[-1]])
            marker = first if first not in plain | set(taken) else marker
        doubtful = name.role == "scatter" and name.note and marker in plain
        if not marker or marker in taken or doubtful:
            found[detector] = Channel(detector, "", name.fluorochrome, "unused")
            twin = marker in taken and pulse(taken[marker])[0] == pulse(detector)[0]
            if marker and not twin:
                guesses.append(
                    f"{detector} would be {marker}, as {taken.get(marker, 'another')} is: left unused"
                )
            continue
        taken[marker] = detector
        found[detector] = Channel(detector, marker, name.fluorochrome, name.role)
    return tuple(found[detector] for detector in named), guesses
