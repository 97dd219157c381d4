"""DATA of an FCS file: where each channel's numbers lie, and their way to the linear scale."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cytometry.errors import FCSError

Floats: TypeAlias = NDArray[np.float64]
Octets: TypeAlias = NDArray[np.uint8]
Rows: TypeAlias = NDArray[np.intp] | slice
PLAIN = {"I": (8, 16, 32, 64), "F": (32,), "D": (64,)}
CODES = {"I": "u", "F": "f", "D": "f"}


@dataclass(frozen=True, slots=True)
class Coding:
    """How one channel's value is written: ``kind`` I, F or D, ``width`` in bits from bit ``start`` of an event.

    ``mask`` keeps the bits that ``$PnR`` leaves to an integer; 0 keeps all.
    """

    kind: str
    width: int
    start: int
    mask: int = 0


@dataclass(frozen=True, slots=True)
class Amplifier:
    """How a stored number becomes linear: time step, logarithmic amplifier of ``decades``, gain.

    ``top`` is ``$PnR`` and ``zero`` the second number of ``$PnE``.
    """

    step: float = 1.0
    decades: float = 0.0
    zero: float = 1.0
    top: float = 1.0
    gain: float = 1.0

    def linear(self, stored: Floats) -> Floats:
        """Return linear values, in the order of operations (and so to the last bit) of FlowKit."""
        with np.errstate(over="ignore", invalid="ignore"):
            if self.step != 1.0:
                stored = stored * self.step
            if self.decades > 0:
                stored = (10 ** (self.decades * stored / self.top)) * self.zero
            if self.gain != 1.0:
                stored = stored / self.gain
        return stored


@dataclass(frozen=True, slots=True)
class Layout:
    """Where DATA starts in the file, how many events it has, and how an event is written.

    ``order`` gives the significance of each byte as ``$BYTEORD`` does, 1 the least: ascending or descending,
    but for the machines of the eighties, which wrote 3,4,1,2.
    """

    start: int
    n_events: int
    order: tuple[int, ...]
    codings: tuple[Coding, ...]

    @property
    def event_bits(self) -> int:
        """Return how many bits an event takes."""
        return sum(coding.width for coding in self.codings)

    @property
    def packed(self) -> bool:
        """Tell whether values cross the bounds of bytes."""
        return any(coding.width % 8 for coding in self.codings)

    @property
    def ascending(self) -> bool:
        """Tell whether the least significant byte comes first."""
        return self.order[0] == 1


def bytes_of(n_events: int, event_bits: int) -> int:
    """Return how many bytes some events take; the last byte may be filled in part."""
    return -(-n_events * event_bits // 8)


def mapped(path: Path, layout: Layout) -> Octets:
    """Return the bytes of DATA, memory-mapped.

    Raises
    ------
    FCSError
        If the file is gone, or has become shorter since its header was read.
    """
    length = bytes_of(layout.n_events, layout.event_bits)
    if length == 0:
        return np.zeros(0, dtype=np.uint8)
    try:
        return np.memmap(path, dtype=np.uint8, mode="r", offset=layout.start, shape=(length,))
    except (OSError, ValueError) as error:
        msg = f"cannot be read any more: {getattr(error, 'strerror', None) or 'it has become shorter'}"
        raise FCSError(path, msg, hint="was it moved or written to while it was in use?") from error


def stored(octets: Octets, layout: Layout, index: int, rows: Rows) -> Floats:
    """Return the numbers of one channel as they are stored, as contiguous float64."""
    if layout.n_events == 0:
        return np.zeros(0, dtype=np.float64)[rows]
    coding = layout.codings[index]
    read = _packed if layout.packed else _aligned
    numbers = read(octets, layout, coding, rows)
    if coding.mask:
        numbers = numbers & coding.mask
    with np.errstate(invalid="ignore"):  # a signalling NaN is a NaN
        return np.ascontiguousarray(numbers, dtype=np.float64)


def table(octets: Octets, layout: Layout) -> NDArray[Any] | None:
    """Return all stored numbers, shape ``(n_events, n_channels)``, where they are of one type that numpy knows."""
    codes = {None if c.mask or layout.packed else _numpy_type(layout, c) for c in layout.codings}
    code = codes.pop()
    if codes or code is None:
        return None
    return np.ndarray((layout.n_events, len(layout.codings)), code, octets)


def _significance(layout: Layout, width: int) -> tuple[int, ...]:
    """Return the significance of each byte of a number of ``width`` bytes, 1 the least."""
    if len(layout.order) == width:
        return layout.order
    return tuple(range(1, width + 1))[:: 1 if layout.ascending else -1]


def _numpy_type(layout: Layout, coding: Coding) -> str | None:
    """Return numpy's name of a number, or ``None`` if it has none."""
    width = coding.width // 8
    significance = _significance(layout, width)
    ascending = tuple(sorted(significance))
    if significance not in (ascending, ascending[::-1]) or coding.width not in PLAIN[coding.kind]:
        return None
    return f"{'<' if significance[0] == 1 else '>'}{CODES[coding.kind]}{width}"


def _aligned(octets: Octets, layout: Layout, coding: Coding, rows: Rows) -> NDArray[Any]:
    n, stride, at, width = layout.n_events, layout.event_bits // 8, coding.start // 8, coding.width // 8
    code = _numpy_type(layout, coding)
    if code:
        view: NDArray[Any] = np.ndarray((n,), code, octets, at, (stride,))
        return view[rows]
    parts = np.ndarray((n, width), np.uint8, octets, at, (stride, 1))[rows]
    # 24 bits and the like become the next width that numpy knows; unusual byte orders become ascending.
    room = next(size // 8 for size in PLAIN[coding.kind] if size >= coding.width)
    little = np.zeros((len(parts), room), dtype=np.uint8)
    little[:, [place - 1 for place in _significance(layout, width)]] = parts
    return little.view(f"<{CODES[coding.kind]}{room}")[:, 0]


def _packed(octets: Octets, layout: Layout, coding: Coding, rows: Rows) -> NDArray[Any]:
    """Read integers that cross the bounds of bytes; the first bit is the least significant if ascending."""
    events = np.arange(layout.n_events)[rows].astype(np.int64)
    first_bit = events * layout.event_bits + coding.start
    span = (coding.width + 14) // 8
    places = np.minimum((first_bit >> 3)[:, None] + np.arange(span), octets.size - 1)
    ahead = (first_bit & 7).astype(np.uint64)
    shifts = 8 * np.arange(span, dtype=np.uint64)
    if not layout.ascending:
        shifts = shifts[::-1]
        ahead = np.uint64(8 * span - coding.width) - ahead
    window = (octets[places].astype(np.uint64) << shifts).sum(axis=1, dtype=np.uint64)
    numbers: NDArray[np.uint64] = (window >> ahead) & np.uint64(2**coding.width - 1)
    return numbers
