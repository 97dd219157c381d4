"""Writing FCS 3.1: list mode, float32, little-endian, whole or not at all."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cytometry.errors import FCSError
from gating.columns import Spillover

VERSION = b"FCS3.1"
TEXT_BEGINS = 58
HEADER_LIMIT = 99_999_999  # what eight digits hold; beyond, the HEADER says 0 and TEXT says where DATA is
DELIMITERS = "/|\\\f\x1e\x1f" + "".join(map(chr, range(1, 127)))
CHECKSUM = b"00000000"  # not computed, as the standard allows
USUAL_RANGE = 262_144.0
OURS = re.compile(
    r"(begin|end)(data|stext|analysis)|byteord|datatype|mode|nextdata|par|tot|spill(over)?|comp|unicode"
    r"|p\d+([benrsg]|datatype)"
)
STANDARD_BY_CHANNEL = re.compile(r"p(\d+)([dfloptv]|calibration|det|tag|type|feature|analyte)")


def write_fcs(
    path: str | Path,
    events: ArrayLike,
    channels: Sequence[str],
    *,
    labels: Sequence[str] | None = None,
    spillover: Spillover | None = None,
    ranges: Sequence[float] | None = None,
    keywords: Mapping[str, str] | None = None,
) -> Path:
    """Write events as an FCS 3.1 file; the same arguments give the same bytes.

    What is read back is what was given, as float32. The file is written aside and renamed, so that it is there
    whole or not at all.

    Parameters
    ----------
    events
        Linear values as ``Tube.column`` has them, uncompensated, shape ``(n_events, n_channels)``.
    channels, labels
        ``$PnN`` and ``$PnS``; an empty label is left out.
    spillover
        Written as ``$SPILLOVER``; its detectors are channels.
    ranges
        ``$PnR`` on the scale of ``events``; by default 262,144, or the next power of 2 above the data.
    keywords
        Others, named as ``Tube.keywords`` has them; those that describe DATA are the writer's own. With a
        ``timestep``, Time is stored in ticks of it.

    Raises
    ------
    FCSError
        If shapes or names do not fit, or a value is too large for float32.
    """
    path = Path(path)
    values = np.asarray(events)
    _check_shapes(path, values, channels, labels=labels, ranges=ranges)
    _check_names(path, channels, spillover)
    own = _lower(keywords or {})
    steps = np.array([_step(path, own) if name.lower() == "time" else 1.0 for name in channels])
    data = _stored(path, values, steps)
    tops = _ranges(values, ranges) / steps
    described = _described(channels, labels, tops, data.shape[0])
    described |= {"$SPILLOVER": _spillover_text(spillover)} if spillover else {}
    described |= _others(own, len(channels))
    text, begin = _text({key: value for key, value in described.items() if value}, data.nbytes)
    _write(path, [_header(text, begin, data.nbytes), text, data.tobytes(), CHECKSUM])
    return path


def _check_shapes(
    path: Path,
    values: NDArray[Any],
    channels: Sequence[str],
    *,
    labels: Sequence[str] | None,
    ranges: Sequence[float] | None,
) -> None:
    count = len(channels)
    if values.ndim != 2 or values.shape[1] != count or count == 0:
        raise FCSError(path, f"{count} channels need events of shape (n, {count}), not {values.shape}")
    for what, given in (("labels", labels), ("ranges", ranges)):
        if given is not None and len(given) != count:
            raise FCSError(path, f"{count} channels need {count} {what}, not {len(given)}")


def _check_names(path: Path, channels: Sequence[str], spillover: Spillover | None) -> None:
    wrong = [name for name in channels if not name.strip() or "," in name]
    if wrong or len(set(channels)) != len(channels):
        msg = f"channel names are unique, not empty and without a comma, not {', '.join(map(repr, channels))}"
        raise FCSError(path, msg)
    absent = [name for name in (spillover.detectors if spillover else ()) if name not in channels]
    if absent:
        raise FCSError(
            path, f"the spillover names {', '.join(absent)}, the channels are {', '.join(channels)}"
        )


def _lower(keywords: Mapping[str, str]) -> dict[str, str]:
    return {key.strip().lstrip("$").lower(): str(value) for key, value in keywords.items()}


def _step(path: Path, keywords: Mapping[str, str]) -> float:
    said = keywords.get("timestep", "").strip() or "1"
    try:
        step = float(said)
    except ValueError:
        step = 0.0
    if not 0 < step < np.inf:
        raise FCSError(path, f"$TIMESTEP is the seconds in a tick of Time, not {said!r}")
    return step


def _stored(path: Path, values: NDArray[Any], steps: NDArray[np.float64]) -> NDArray[np.float32]:
    scaled = values if (steps == 1).all() else values / steps
    try:
        with np.errstate(over="raise"):
            return np.ascontiguousarray(scaled, dtype="<f4")
    except FloatingPointError as error:
        raise FCSError(path, "a value is too large for the float32 of FCS") from error


def _ranges(values: NDArray[Any], ranges: Sequence[float] | None) -> NDArray[np.float64]:
    if ranges is not None and np.isfinite(ranges).all():
        return np.asarray(ranges, dtype=np.float64)
    finite = np.where(np.isfinite(values), values, 0).astype(np.float64)
    highest = finite.max(axis=0, initial=USUAL_RANGE - 1)
    usual = np.asarray(2.0 ** np.ceil(np.log2(highest + 1)))
    given = usual if ranges is None else np.asarray(ranges, dtype=np.float64)
    return np.where(np.isfinite(given), given, usual)


def _described(
    channels: Sequence[str], labels: Sequence[str] | None, tops: NDArray[np.float64], n_events: int
) -> dict[str, str]:
    text = {
        "$BEGINANALYSIS": "0",
        "$BEGINSTEXT": "0",
        "$BYTEORD": "1,2,3,4",
        "$DATATYPE": "F",
        "$ENDANALYSIS": "0",
        "$ENDSTEXT": "0",
        "$MODE": "L",
        "$NEXTDATA": "0",
        "$PAR": str(len(channels)),
        "$TOT": str(n_events),
    }
    for n, (name, label, top) in enumerate(
        zip(channels, labels or [""] * len(channels), tops, strict=True), 1
    ):
        text |= {f"$P{n}B": "32", f"$P{n}E": "0,0", f"$P{n}G": "1", f"$P{n}N": name}
        text |= {f"$P{n}R": _number(top), f"$P{n}S": label}
    return text


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else repr(float(value))


def _spillover_text(spillover: Spillover) -> str:
    numbers = [_number(value) for value in np.asarray(spillover.matrix).ravel()]
    return ",".join([str(len(spillover.detectors)), *spillover.detectors, *numbers])


def _others(keywords: Mapping[str, str], count: int) -> dict[str, str]:
    """Return the caller's keywords under their names in the file: ``$`` marks the standard's own."""
    from flowio.fcs_keywords import FCS_STANDARD_OPTIONAL_KEYWORDS as STANDARD

    named = {}
    for key, value in keywords.items():
        by_channel = STANDARD_BY_CHANNEL.fullmatch(key)
        if not key or OURS.fullmatch(key) or (by_channel and int(by_channel[1]) > count):
            continue
        named[f"${key.upper()}" if by_channel or key in STANDARD else key.upper()] = value
    return named


def _text(keywords: Mapping[str, str], data_bytes: int) -> tuple[bytes, int]:
    """Return TEXT and where DATA begins; TEXT says it, so that its length depends on its own length."""
    # A value may not begin with the delimiter, even doubled: one that occurs nowhere needs no doubling.
    used = set("".join([*keywords, *keywords.values()]))
    delimiter = next(d for d in DELIMITERS if d not in used)
    begin, length = 0, -1
    while begin != TEXT_BEGINS + length:
        begin = TEXT_BEGINS + length
        places = {"$BEGINDATA": str(begin), "$ENDDATA": str(begin + data_bytes - 1)}
        tokens = [token for pair in {**places, **keywords}.items() for token in pair]
        text = f"{delimiter}{delimiter.join(tokens)}{delimiter}".encode()
        length = len(text)
    return text, begin


def _header(text: bytes, begin: int, data_bytes: int) -> bytes:
    end = begin + data_bytes - 1
    data = (begin, end) if end <= HEADER_LIMIT else (0, 0)
    places = (TEXT_BEGINS, TEXT_BEGINS + len(text) - 1, *data, 0, 0)
    return VERSION + b"    " + "".join(f"{place:>8}" for place in places).encode()


def _write(path: Path, parts: Sequence[bytes]) -> None:
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with aside.open("wb") as handle:
            handle.writelines(parts)
        aside.replace(path)
    except OSError as error:
        raise FCSError(path, f"cannot be written: {error.strerror or error}") from error
    finally:
        aside.unlink(missing_ok=True)
