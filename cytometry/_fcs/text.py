"""HEADER and TEXT of an FCS file: through FlowIO, and by hand where FlowIO refuses or loses a keyword."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from cytometry.errors import FCSError

HEADER_BYTES = 58
SHOWN_BYTES = 11
NOT_FCS = "an FCS file starts with FCS2.0, FCS3.0, FCS3.1 or FCS3.2; is this an export or another format?"


@dataclass(frozen=True, slots=True)
class Text:
    """What HEADER and TEXT of one data set say; offsets are from the data set's first byte.

    ``keywords`` are in lower case without their ``$``, as FlowIO has them. ``data`` is the DATA segment
    according to the HEADER, ``(0, 0)`` where it says nothing.
    """

    version: str
    keywords: dict[str, str]
    text: tuple[int, int]
    data: tuple[int, int]
    base: int
    file_bytes: int
    repairs: tuple[str, ...] = ()

    @property
    def available(self) -> int:
        """Return how many bytes the file has from the data set's first byte on."""
        return self.file_bytes - self.base


def whole(value: str | None) -> int | None:
    """Return a number of 0 or more, or ``None`` for anything else; blanks, zeros and ``.0`` do not matter."""
    number = decimal(value)
    if number is None or number < 0 or not number.is_integer():
        return None
    text = str(value).strip()
    return int(text) if text.isdecimal() else int(number)


def decimal(value: str | None) -> float | None:
    """Return a finite number, or ``None`` for anything else."""
    try:
        number = float(str(value).strip(" \t\r\n\0"))
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def read_text(path: Path, data_set: int) -> Text:
    """Read HEADER and TEXT of one data set of a file.

    Raises
    ------
    FCSError
        If the file is empty, is not FCS, is cut off within TEXT, or has fewer data sets.
    """
    with path.open("rb") as handle:
        size = handle.seek(0, 2)
        base = 0
        for passed in range(data_set):
            ahead = whole(_read_one(path, handle, base, size).keywords.get("nextdata"))
            if not ahead or base + ahead >= size:
                msg = f"has {passed + 1} data set(s), so that there is no data_set={data_set}"
                raise FCSError(path, msg, hint="data sets are counted from 0")
            base += ahead
        return _read_one(path, handle, base, size)


def _read_one(path: Path, handle: BinaryIO, base: int, size: int) -> Text:
    handle.seek(base)
    header = handle.read(HEADER_BYTES)
    _require_fcs(path, header)
    begin, end = (whole(_ascii(header[at : at + 8])) for at in (10, 18))
    if not begin or not end or end <= begin:
        msg = (
            f"its HEADER gives no place for TEXT: bytes {_quoted(header[10:18])} to {_quoted(header[18:26])}"
        )
        raise FCSError(path, msg, hint="the file is damaged; copy it again from the cytometer")
    if base + end > size:
        there = f"TEXT should end at byte {base + end + 1:,}, the file has {size:,}"
        raise FCSError(path, f"is truncated: {there}", hint="copy it again from the cytometer")
    data = tuple(whole(_ascii(header[at : at + 8])) or 0 for at in (26, 34))
    handle.seek(base + begin)
    segment = handle.read(end - begin + 1)
    version = _ascii(header[3:6]).strip()
    keywords = _through_flowio(path, base)
    repairs: list[str] = []
    if keywords is None or not _sound(keywords, segment):
        keywords, repairs = _by_hand(segment)
    return Text(
        version=version,
        keywords=_supplement(handle, keywords, segment, base) | keywords,
        text=(begin, end),
        data=(data[0], data[1]),
        base=base,
        file_bytes=size,
        repairs=tuple(repairs),
    )


def _require_fcs(path: Path, header: bytes) -> None:
    if not header:
        raise FCSError(path, "is empty (0 bytes)", hint="copy it again from the cytometer")
    if not header.startswith(b"FCS"):
        raise FCSError(
            path, f"is not an FCS file (starts with {_quoted(header[:SHOWN_BYTES])})", hint=NOT_FCS
        )
    if len(header) < HEADER_BYTES:
        msg = f"is truncated: a HEADER has {HEADER_BYTES} bytes, the file has {len(header)}"
        raise FCSError(path, msg, hint="copy it again from the cytometer")


def _ascii(raw: bytes) -> str:
    return raw.decode("latin-1")


def _quoted(raw: bytes) -> str:
    return '"' + "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in _ascii(raw)) + '"'


def _through_flowio(path: Path, base: int) -> dict[str, str] | None:
    """Return the keywords as FlowIO reads them, or ``None`` where it refuses."""
    from flowio import FlowData

    with path.open("rb") as handle:
        try:
            found = FlowData(handle, only_text=True, use_header_offsets=True, nextdata_offset=base)
        except Exception:  # FlowIO raises whatever its parsing meets; the hand reads on
            return None
        return dict(found.text)


def _sound(keywords: dict[str, str], segment: bytes) -> bool:
    """Tell whether no keyword was swallowed by an empty value, and no last value cut by a byte."""
    delimiter = _ascii(segment[:1])
    complete = segment[-1:] == segment[:1] or not segment[-1:].strip(b" \r\n\0")
    return complete and _names_found(keywords) and not any(delimiter in key for key in keywords)


def _names_found(keywords: dict[str, str]) -> bool:
    count = whole(keywords.get("par")) or 0
    return 0 < count <= len(keywords) and all(f"p{n}n" in keywords for n in range(1, count + 1))


def _by_hand(segment: bytes) -> tuple[dict[str, str], list[str]]:
    """Parse TEXT: doubled delimiters are one character of a value, or else they are empty values.

    The standard knows only the first reading; software that writes empty values is common, and a file does
    not say which it follows. The reading that finds every channel's name is taken.
    """
    text = _decoded(segment)
    delimiter = text[0]
    ended_twice = text.endswith(2 * delimiter) and not text.endswith(3 * delimiter)
    parts = text[1 : -1 if ended_twice else None].split(delimiter)
    escaped = _pairs(_joined(parts, delimiter))
    if _names_found(escaped) and not any(delimiter in key for key in escaped):
        return escaped, []
    empty = _pairs(parts)
    if _names_found(empty) or len(empty) > len(escaped):
        return empty, ["doubled delimiters in TEXT were read as empty values"]
    return escaped, []


def _decoded(segment: bytes) -> str:
    try:
        return segment.decode("utf-8")
    except UnicodeDecodeError:
        return _ascii(segment)


def _joined(parts: list[str], delimiter: str) -> list[str]:
    """Put a delimiter back wherever two stood together."""
    tokens, current, rest = [], parts[0], iter(parts[1:])
    for part in rest:
        if part:
            tokens.append(current)
            current = part
            continue
        following = next(rest, None)
        if following is None:
            break
        current += delimiter + following
    tokens.append(current)
    return tokens


def _pairs(tokens: list[str]) -> dict[str, str]:
    # What follows the last delimiter is padding, or the first byte of DATA where TEXT's end is one too far;
    # it is a value only where a keyword waits for one.
    return {
        key.strip().replace("$", "").lower(): value
        for key, value in zip(tokens[::2], tokens[1::2], strict=False)
        if key.strip(" \r\n\0")
    }


def _supplement(handle: BinaryIO, keywords: dict[str, str], segment: bytes, base: int) -> dict[str, str]:
    """Return the keywords of supplemental TEXT that TEXT itself lacks; nothing where it is no TEXT."""
    begin, end = (whole(keywords.get(key)) or 0 for key in ("beginstext", "endstext"))
    if not 0 < begin < end:
        return {}
    handle.seek(base + begin)
    found = handle.read(min(end - begin + 1, len(segment) + 10_000_000))
    # The standard gives both the same delimiter; some cytometers keep other things there (a ZIP archive).
    if found[:1] != segment[:1] or found == segment:
        return {}
    extra, _ = _by_hand(found)
    return {key: value for key, value in extra.items() if key not in keywords}


def brief(text: str, *, most: int = 40) -> str:
    """Return a value for a message, in quotes, its end left out where it is long."""
    return repr(text if len(text) <= most else f"{text[:most]}...")


def listed(names: Iterable[str], *, most: int = 6) -> str:
    """Return names for a message; the first few, and how many more there are."""
    names = list(names)
    shown = ", ".join(name if len(name) <= 80 else f"{name[:80]}..." for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
