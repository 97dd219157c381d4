"""Where DATA lies: HEADER and TEXT each say it, and FCS files contradict themselves in known ways.

The bytes settle it: that reading is taken under which ``$TOT`` events fill the segment, and what was overruled
is recorded in plain words.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cytometry._fcs.data import bytes_of
from cytometry._fcs.text import Text, whole
from cytometry.errors import FCSError

AGAIN = "copy it again from the cytometer"
CHECKSUM = 8  # bytes that may follow the last segment
HEADER_LIMIT = 99_999_999  # what eight digits hold; some software writes it where it should write 0


@dataclass(frozen=True, slots=True)
class Segment:
    """A place that HEADER or TEXT gives for DATA: first byte and length, from the data set's first byte."""

    source: str
    begin: int
    length: int

    @property
    def words(self) -> str:
        """Return the place as HEADER and TEXT write it."""
        if self.length == 0:
            return f"{self.source} says that DATA begins at byte {self.begin:,}, and no end"
        return f"{self.source} says bytes {self.begin:,} to {self.begin + self.length - 1:,}"


@dataclass(frozen=True, slots=True)
class Place:
    """Where DATA begins, how many events it has, and what was overruled to say so."""

    begin: int
    n_events: int
    repairs: tuple[str, ...] = ()


def place_data(path: Path, text: Text, event_bits: int) -> Place:
    """Return the place of DATA for events of ``event_bits`` bits.

    Raises
    ------
    FCSError
        If the file ends before DATA does, or DATA is nowhere to be found.
    """
    segments = _segments(text)
    total = whole(text.keywords.get("tot"))
    for attempt in (_by_total, _by_segment, _by_begin, _after_text):
        found = attempt(text, segments, total, event_bits)
        if found is not None:
            return found
    if not segments:
        raise FCSError(path, "does not say where its DATA is", hint=AGAIN)
    raise _unreadable(path, text, segments[0], bytes_of(total, event_bits) if total else segments[0].length)


def fills(text: Text, event_bits: int) -> bool:
    """Tell whether ``$TOT`` events of ``event_bits`` bits fill a segment that HEADER or TEXT gives."""
    total = whole(text.keywords.get("tot"))
    return total is not None and _by_total(text, _segments(text), total, event_bits) is not None


def _segments(text: Text) -> list[Segment]:
    """Return the places given, the standard's choice first, each once."""
    begin, end = (whole(text.keywords.get(key)) or 0 for key in ("begindata", "enddata"))
    given = [("TEXT", begin, end), ("HEADER", *text.data)]
    if text.version == "2.0":  # its DATA is given in the HEADER alone
        given.reverse()
    if text.base and begin > text.base:
        given.append(("TEXT, from the start of the file,", begin - text.base, end - text.base))
    return [Segment(who, begin, max(end - begin + 1, 0)) for who, begin, end in given if begin > 0]


def _by_total(text: Text, segments: list[Segment], total: int | None, event_bits: int) -> Place | None:
    """Take the first segment that ``$TOT`` events fill; an end that is one byte too far is common."""
    if total is None:
        return None
    need = bytes_of(total, event_bits)
    if total == 0 and all(segment.length < max(bytes_of(1, event_bits), 2) for segment in segments):
        return Place(text.text[1] + 1, 0)
    for over in (0, 1):
        for segment in segments:
            if segment.length == need + over and text.available >= segment.begin + need:
                notes = (*_overruled(text, segment, segments), *_one_over(segment, need))
                return Place(segment.begin, total, notes)
    return None


def _overruled(text: Text, right: Segment, segments: list[Segment]) -> list[str]:
    others = [s for s in segments if (s.begin, s.length) != (right.begin, right.length)]
    said = [f"{right.words}, {other.words}: {right.source} fits $TOT" for other in others]
    if text.version != "2.0" and right.source == "HEADER" and len(segments) == 1:
        said.append("TEXT does not say where DATA is: HEADER does")
    return said


def _one_over(segment: Segment, need: int) -> list[str]:
    return ["the end of DATA is given one byte too far"] if segment.length == need + 1 else []


def _by_segment(text: Text, segments: list[Segment], total: int | None, event_bits: int) -> Place | None:
    """Take the first segment in the file that holds whole events, whatever ``$TOT`` says."""
    for segment in segments:
        n = segment.length * 8 // event_bits
        spare = segment.length - bytes_of(n, event_bits)
        if n and spare in (0, 1) and text.available >= segment.begin + segment.length - spare:
            said = "is missing" if total is None else f"says {total:,} events"
            note = f"$TOT {said}, DATA holds {n:,}: {n:,} are read"
            return Place(segment.begin, n, (note, *_one_over(segment, segment.length - spare)))
    return None


def _by_begin(text: Text, segments: list[Segment], total: int | None, event_bits: int) -> Place | None:
    """Take ``$TOT`` events from where DATA begins, where its end makes no sense but they are surely there.

    That is where more bytes follow than they need, where the end is missing or is the largest that a HEADER can
    hold, or where they end with the file.
    """
    for segment in segments if total else ():
        need = bytes_of(total or 0, event_bits)
        spare = text.available - segment.begin - need
        unsaid = segment.length == 0 or segment.begin + segment.length - 1 == HEADER_LIMIT
        if spare >= 0 and (segment.length > need or unsaid or spare <= CHECKSUM):
            note = f"{segment.words}; {total:,} events end at byte {segment.begin + need - 1:,} and are read"
            return Place(segment.begin, total or 0, (note,))
    return None


def _after_text(text: Text, segments: list[Segment], total: int | None, event_bits: int) -> Place | None:
    """Take what follows TEXT, where nothing says where DATA is and ``$TOT`` events are what follows."""
    begin = text.text[1] + 1
    if segments or total is None:
        return None
    if 0 <= text.available - begin - bytes_of(total, event_bits) <= CHECKSUM:
        return Place(begin, total, ("neither HEADER nor TEXT says where DATA is: it follows TEXT",))
    return None


def _unreadable(path: Path, text: Text, segment: Segment, need: int) -> FCSError:
    end = text.base + segment.begin + need
    if end <= text.file_bytes:
        msg = f"{segment.words}: {segment.length:,} bytes are no whole number of events, and not the {need:,} of $TOT"
        return FCSError(path, msg, hint=AGAIN)
    share = 100 * text.file_bytes / end
    msg = f"is truncated: DATA should end at byte {end:,}, the file has {text.file_bytes:,} ({share:.3g} %)"
    return FCSError(path, msg, hint=AGAIN)
