"""Detectors: what an instrument's names for one channel, ``$PnN`` and ``$PnS``, say of it.

Instruments write scatter as ``FSC-A``, ``FS INT LIN``, ``SSC1-H``; time as ``Time`` or ``HDR-T``; the marker in
``$PnS``, in ``$PnN``, beside its fluorochrome or not at all.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from cytometry.markers import VIABILITY, Reading, key, names, read_label, usual_role

MEASURES = {
    "area": "A",
    "int": "A",
    "a": "A",
    "height": "H",
    "peak": "H",
    "h": "H",
    "width": "W",
    "tof": "W",
    "w": "W",
}
_SCATTER = re.compile(
    r"((?P<laser>violet|blue|red|v|b|r)[ -]?)?(?P<which>FSC|SSC|FS(?![A-Z])|SS(?![A-Z]))(?P<rest>.*)",
    re.IGNORECASE,
)
_LOG_OR_LIN = re.compile(r"\b(log|lin)(?=[AHW]?\b)", re.IGNORECASE)
_TIME = re.compile(r"(time|hdr-t)([ _-]?\d+)?", re.IGNORECASE)
_BARCODE = re.compile(r"bc\d+")


@dataclass(frozen=True, slots=True)
class Named:
    """What a channel's names say: marker (or ``FSC-A``, ``Time``), fluorochrome, role; ``note`` if unsure."""

    marker: str
    fluorochrome: str = ""
    role: str = "unused"
    note: str = ""


def name_channel(detector: str, label: str = "") -> Named:
    """Return what ``$PnN`` and ``$PnS`` say of a channel.

    A viability dye means viability only where neither names another marker.
    """
    if _TIME.fullmatch(detector) or _TIME.fullmatch(label):
        return Named("Time", role="time")
    if scatter := _scatter(detector):
        return scatter
    if is_housekeeping(detector) or is_housekeeping(label):
        return Named("")
    return _stained(detector, label)


def labelled(detector: str, label: str) -> bool:
    """Return whether ``$PnS`` says more than ``$PnN``."""
    return bool(key(label)) and key(label) != key(detector) and key(label) not in names().words["nothing"]


def pulse(detector: str) -> tuple[str, str]:
    """Return a detector's name without its measure, and the measure: ``("PE", "A")`` of ``PE-A``."""
    match = re.fullmatch(r"(.*?)[ _-](A|H|W|Area|Height|Width)", detector)
    return (match[1], match[2][0]) if match else (detector, "")


def _scatter(detector: str) -> Named | None:
    match = _SCATTER.fullmatch(detector.strip())
    if not match:
        return None
    which = match["which"].upper()[:2] + "C"
    said = re.sub(
        r"^[ACHW]", lambda found: f" {found[0]}", _LOG_OR_LIN.sub(" ", match["rest"]), flags=re.IGNORECASE
    )
    words = [word.lower() for word in re.findall(r"[A-Za-z]+|\d+", said)]
    measure = next((MEASURES[word] for word in words if word in MEASURES), "")
    further = [word.upper() for word in [match["laser"] or "", *words] if word and word not in MEASURES]
    name = "-".join([which, *further, measure or "A"])
    note = (
        ""
        if measure
        else f"{detector!r} does not say what it measures of the pulse: taken as its area, {name}"
    )
    return Named(name, role="scatter", note=note)


def is_housekeeping(name: str) -> bool:
    """Return whether a channel is known to measure no marker: DNA, barcodes, event length and the like."""
    own = {key(name), key(read_label(name).rest)}
    return bool(own & names().words["housekeeping"]) or any(_BARCODE.fullmatch(word) for word in own)


def _stained(detector: str, label: str) -> Named:
    from_name = read_label(detector)
    own = _believed(from_name)
    if not labelled(detector, label):
        tagged = from_name.rest if label and from_name.fluorochrome else ""
        return _named(from_name, detector, fluorochrome=own, otherwise=tagged)
    from_label = read_label(label)
    fluorochrome = from_label.fluorochrome or from_label.dye or own
    return _named(from_label, label, fluorochrome=fluorochrome, otherwise=from_label.rest, dye=from_name.dye)


def _named(reading: Reading, written: str, *, fluorochrome: str, otherwise: str, dye: str = "") -> Named:
    marker = reading.marker or otherwise
    if marker and key(marker) not in names().words["nothing"]:
        role = "viability" if VIABILITY in reading.markers else usual_role(marker)
        return Named(marker, fluorochrome, role, _doubt(reading, written))
    if dye := reading.dye or dye:
        doubt = f"{written!r} names no marker: {dye} is taken as a viability dye"
        return Named(VIABILITY, dye, "viability", doubt)
    return Named("", fluorochrome)


def _believed(reading: Reading) -> str:
    """Return the fluorochrome of a detector's name, unless it may be the name of laser and filter."""
    if key(reading.fluorochrome) in names().words["also_detectors"]:
        return ""
    return reading.fluorochrome or reading.dye


def _doubt(reading: Reading, written: str) -> str:
    if len(reading.markers) > 1:
        return f"{written!r} names {' and '.join(reading.markers)}: taken as {reading.marker}"
    if reading.markers and any(character.isalpha() for character in reading.rest):
        return f"{written!r} is taken as {reading.marker}"
    return ""
