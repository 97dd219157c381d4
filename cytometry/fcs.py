"""FCS files: a Tube is one acquisition, its header parsed, its events read when a channel is asked for.

FlowIO reads HEADER and TEXT of files that keep the standard. Files that do not, but can be read beyond doubt,
are read too, and ``Tube.repairs`` says what was wrong with each. What is lost or ambiguous is an FCSError.

Spidlen J, Moore W, Parks D, et al. Data file standard for flow cytometry, version FCS 3.1.
Cytometry A 2010;77A:97-100. Version FCS 3.2: Cytometry A 2021;99A:100-102.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from cytometry._fcs.data import Amplifier, Floats, Layout, mapped, stored, table
from cytometry._fcs.layout import read_layout
from cytometry._fcs.text import Text, brief, decimal, listed, read_text, whole
from cytometry._fcs.write import write_fcs
from cytometry.errors import FCSError
from gating.columns import RawEvents

__all__ = ["Tube", "read_fcs", "write_fcs"]

BLOCK = 65_536  # events read at a time when many channels are asked for
SPILLOVER_KEYWORDS = ("spillover", "spill")
Repairs: TypeAlias = list[str]


@dataclass(frozen=True, slots=True, eq=False)
class Tube:
    """One acquisition: what its header says, and its events, channel by channel, on the linear scale.

    Parameters
    ----------
    keywords
        In lower case without their ``$``, as FlowIO has them; values as they stand in the file. Detector
        voltages are ``keywords["p4v"]`` and so on.
    channels, labels
        ``$PnN``, made unique; ``$PnS``, ``""`` where there is none.
    ranges
        ``$PnR`` on the scale of :meth:`column`; NaN where the file gives none. Values may lie above.
    repairs
        What was wrong with the file, in plain words, and how it was read.
    """

    path: Path
    version: str
    data_set: int
    keywords: Mapping[str, str] = field(repr=False)
    channels: tuple[str, ...]
    labels: tuple[str, ...]
    ranges: tuple[float, ...] = field(repr=False)
    n_events: int
    repairs: tuple[str, ...]
    _layout: Layout = field(repr=False)
    _amplifiers: tuple[Amplifier, ...] = field(repr=False)

    def column(self, channel: str, rows: NDArray[np.intp] | None = None) -> Floats:
        """Return one channel on the linear scale: time step, ``$PnE`` and ``$PnG`` applied, nothing clipped.

        Parameters
        ----------
        rows
            Event numbers, from 0; all events if ``None``.

        Raises
        ------
        FCSError
            If the tube has no such channel, or the file is gone.
        """
        index = self._index(channel)
        values = stored(
            mapped(self.path, self._layout), self._layout, index, slice(None) if rows is None else rows
        )
        return self._amplifiers[index].linear(values)

    def events(self, channels: Sequence[str] | None = None) -> Floats:
        """Return channels side by side as :meth:`column` has them; all of them if none is named.

        Shape ``(n_events, n_channels)``, float64.
        """
        indices = [self._index(channel) for channel in (self.channels if channels is None else channels)]
        out = np.empty((self.n_events, len(indices)), dtype=np.float64)
        octets = mapped(self.path, self._layout)
        for begin in range(0, self.n_events, BLOCK):
            block = slice(begin, min(begin + BLOCK, self.n_events))
            for place, index in enumerate(indices):
                values = stored(octets, self._layout, index, block)
                out[block, place] = self._amplifiers[index].linear(values)
        return out

    def raw(self) -> RawEvents | None:
        """Return the events as they are stored, memory-mapped; ``None`` where more than a gain lies between.

        That is so for logarithmic amplifiers, masked or packed integers, and channels of several types.
        """
        if any(amplifier.decades > 0 for amplifier in self._amplifiers):
            return None
        values = table(mapped(self.path, self._layout), self._layout)
        steps, gains = (np.array([getattr(a, name) for a in self._amplifiers]) for name in ("step", "gain"))
        return None if values is None else RawEvents(values, steps, gains)

    @property
    def spillover_text(self) -> str:
        """Return ``$SPILLOVER``, which older software calls ``SPILL`` or ``$COMP``; ``""`` if there is none."""
        found = [self.keywords.get(key, "").strip() for key in SPILLOVER_KEYWORDS]
        old = self.keywords.get("comp", "").strip()  # FCS 3.0 has $COMP without names, which says too little
        found += [old] if any(name in old for name in self.channels) else []
        return next((text for text in found if text), "")

    def sha256(self) -> str:
        """Return the SHA-256 of the whole file, in hexadecimal."""
        with self.path.open("rb") as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest()

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle as the address of the file: a worker reads the header again, and no event travels."""
        return _reopened, (self.path, self.data_set)

    def _index(self, channel: str) -> int:
        try:
            return self.channels.index(channel)
        except ValueError:
            near = get_close_matches(channel, self.channels, n=3, cutoff=0.5)
            hint = f"did you mean {', '.join(near)}?" if near else f"it has {listed(self.channels, most=40)}"
            raise FCSError(self.path, f"has no channel {brief(channel)}", hint=hint) from None


def read_fcs(path: str | Path, *, data_set: int = 0) -> Tube:
    """Read the header of an FCS file (2.0 to 3.2); its events stay on disk until a channel is asked for.

    Parameters
    ----------
    data_set
        Which one of a file that holds several (``.LMD``), counted from 0.

    Raises
    ------
    FCSError
        If the file cannot be opened, is empty, truncated or not FCS, or holds what cannot be read beyond
        doubt. The message says which, and what would be right.
    """
    path = Path(path)
    if data_set < 0:
        raise FCSError(path, f"data sets are counted from 0, there is none numbered {data_set}")
    try:
        text = read_text(path, data_set)
        layout, repairs = read_layout(path, text)
    except OSError as error:
        raise FCSError(path, f"cannot be opened: {error.strerror or error}") from error
    found = [*text.repairs, *repairs]
    channels, labels = _names(text, len(layout.codings), found)
    amplifiers = _amplifiers(text, channels, layout, found)
    if data_set == 0 and whole(text.keywords.get("nextdata")):
        found.append("more data sets follow this one: read_fcs(path, data_set=1) reads the next")
    return Tube(
        path=path,
        version=text.version,
        data_set=data_set,
        keywords=MappingProxyType(text.keywords),
        channels=channels,
        labels=labels,
        ranges=tuple(_top(text, n, amplifier) for n, amplifier in enumerate(amplifiers, 1)),
        n_events=layout.n_events,
        repairs=tuple(found),
        _layout=layout,
        _amplifiers=amplifiers,
    )


def _reopened(path: Path, data_set: int) -> Tube:
    return read_fcs(path, data_set=data_set)


def _names(text: Text, count: int, repairs: Repairs) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return ``$PnN``, stripped, filled in and made unique, and ``$PnS``."""
    given = [text.keywords.get(f"p{n}n", "").strip() for n in range(1, count + 1)]
    nameless = [f"P{n}" for n, name in enumerate(given, 1) if not name]
    if nameless:
        repairs.append(f"channels without a name ($PnN) are called {listed(nameless)}")
    names = [name or f"P{n}" for n, name in enumerate(given, 1)]
    unique: list[str] = []
    for name in names:
        number, candidate = 2, name
        while candidate in unique or (candidate != name and candidate in names):
            candidate, number = f"{name}_{number}", number + 1
        unique.append(candidate)
    renamed = [new for old, new in zip(names, unique, strict=True) if old != new]
    if renamed:
        repairs.append(f"channels of one name were told apart: {listed(renamed)}")
    labels = tuple(text.keywords.get(f"p{n}s", "").strip() for n in range(1, count + 1))
    return tuple(unique), labels


def _amplifiers(
    text: Text, channels: Sequence[str], layout: Layout, repairs: Repairs
) -> tuple[Amplifier, ...]:
    """Return each channel's way to the linear scale.

    Decimals are linear whatever ``$PnE`` says (FCS 3.1 allows them ``0,0`` alone): flowCore and others leave
    the ``4,0`` of the integers that they converted.
    """
    step = _time_step(text, repairs)
    clocks = [i for i, name in enumerate(channels) if name.lower() == "time"]
    found, odd, already_linear = [], [], []
    for index, (channel, coding) in enumerate(zip(channels, layout.codings, strict=True)):
        n = index + 1
        top = decimal(text.keywords.get(f"p{n}r")) or 0.0
        decades, zero, fine = _log_amplifier(text.keywords.get(f"p{n}e"), top)
        gain = 1.0 if index in clocks else _gain(text.keywords.get(f"p{n}g"))
        odd += [] if fine and gain is not None else [channel]
        if decades and coding.kind != "I":
            already_linear.append(channel)
            decades = 0.0
        time_step = step if index in clocks[-1:] else 1.0
        found.append(Amplifier(time_step, decades, zero, top, 1.0 if gain is None else gain))
    if odd:
        repairs.append(f"amplification of {listed(odd)} makes no sense: taken as linear, without gain")
    if already_linear:
        repairs.append(f"$PnE says {listed(already_linear)} are logarithmic, but decimals are stored linear")
    return tuple(found)


def _time_step(text: Text, repairs: Repairs) -> float:
    said = text.keywords.get("timestep", "").strip()
    if not said:
        return 1.0
    step = decimal(said)
    if step is None or step <= 0:
        repairs.append(f"$TIMESTEP is {brief(said)}: Time is in ticks, not in seconds")
        return 1.0
    return step


def _log_amplifier(said: str | None, top: float) -> tuple[float, float, bool]:
    """Return decades, the value of channel 0, and whether ``$PnE`` makes sense; 0 decades is linear."""
    parts = [decimal(part) for part in (said or "0,0").split(",")]
    if len(parts) != 2 or parts[0] is None or parts[1] is None:
        return 0.0, 1.0, False
    decades, zero = parts[0], parts[1]
    if decades == 0:
        return 0.0, 1.0, True
    sensible = 0 < decades < 100 and zero >= 0 and top > 0
    return (decades, zero or 1.0, True) if sensible else (0.0, 1.0, False)


def _gain(said: str | None) -> float | None:
    """Return ``$PnG``; 1 where it is missing or 0, ``None`` where it makes no sense."""
    if said is None or not said.strip():
        return 1.0
    gain = decimal(said)
    return None if gain is None or gain < 0 else gain or 1.0


def _top(text: Text, n: int, amplifier: Amplifier) -> float:
    top = decimal(text.keywords.get(f"p{n}r"))
    return math.nan if top is None else float(amplifier.linear(np.array([top], dtype=np.float64))[0])
