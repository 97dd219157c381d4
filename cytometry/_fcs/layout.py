"""How an event is written: type, width and byte order of each channel's number."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from typing import TypeAlias

import numpy as np

from cytometry._fcs.data import PLAIN, Coding, Layout, mapped, stored
from cytometry._fcs.place import fills, place_data
from cytometry._fcs.text import Text, brief, decimal, listed, whole
from cytometry.errors import FCSError

UNKNOWN = "?"
ORDERS = ((1, 2, 3, 4), (4, 3, 2, 1))
WIDEST_PACKED = 57  # bits of an integer that starts within one byte and ends within the eighth
LOOKED_AT = 1_000  # events that tell integers from decimals where the file does not
TINY, HUGE = 1e-7, 1e12  # no detector's decimals are outside; integers read as decimals are
CONVINCED, DOUBTFUL = 0.95, 0.9
EXPORT = "export it again as FCS 3.1 list mode from the cytometer's software"
Widths: TypeAlias = list[int]


def read_layout(path: Path, text: Text) -> tuple[Layout, tuple[str, ...]]:
    """Return the layout of DATA and the repairs that it took.

    Raises
    ------
    FCSError
        If DATA is truncated, is no list of events, or cannot be found or decoded.
    """
    count, repairs = _channel_count(path, text)
    if (text.keywords.get("mode", "").strip().upper() or "L") != "L":
        msg = f"holds a histogram ($MODE is {brief(text.keywords['mode'].strip())}), not a list of events"
        raise FCSError(path, msg, hint=EXPORT)
    kinds = _kinds(path, text, count)
    widths, odd = _widths(path, text, kinds)
    order = _order(path, text)
    place = place_data(path, text, sum(widths))
    starts = accumulate(widths, initial=0)
    codings = tuple(
        Coding(kind or UNKNOWN, width, start)
        for kind, width, start in zip(kinds, widths, starts, strict=False)
    )
    layout = Layout(text.base + place.begin, place.n_events, order or (), codings)
    tops = [decimal(text.keywords.get(f"p{n}r")) for n in range(1, count + 1)]
    layout, guessed = _guessed(path, layout, tops)
    _require_decodable(path, layout)
    masked = tuple(
        replace(coding, mask=_mask(coding, top)) for coding, top in zip(layout.codings, tops, strict=True)
    )
    return replace(layout, codings=masked), (*repairs, *odd, *guessed, *place.repairs)


def _channel_count(path: Path, text: Text) -> tuple[int, list[str]]:
    declared = whole(text.keywords.get("par"))
    named = 0
    while f"p{named + 1}n" in text.keywords:
        named += 1
    count = named if declared is None else declared
    if not 0 < count <= len(text.keywords):
        msg = f"$PAR says {brief(text.keywords.get('par', ''))}, TEXT names {named} channels"
        raise FCSError(path, msg, hint=EXPORT)
    return count, [] if declared is not None else [f"$PAR is missing: TEXT names {named} channels"]


def _kinds(path: Path, text: Text, count: int) -> list[str | None]:
    """Return I, F or D for each channel; ``None`` where the file does not say. FCS 3.2 says it by channel."""
    general = text.keywords.get("datatype", "").strip().upper() or None
    kinds = [text.keywords.get(f"p{n}datatype", "").strip().upper() or general for n in range(1, count + 1)]
    strange = sorted({kind for kind in kinds if kind is not None and kind not in PLAIN})
    if strange:
        msg = f"holds numbers of $DATATYPE {listed(map(brief, strange))}; I, F and D can be read"
        raise FCSError(path, msg, hint=EXPORT)
    return kinds


def _widths(path: Path, text: Text, kinds: Sequence[str | None]) -> tuple[Widths, list[str]]:
    given = [whole(text.keywords.get(f"p{n}b")) for n in range(1, len(kinds) + 1)]
    fixed = {"F": 32, "D": 64}
    widths = [fixed.get(kind or "", width) for kind, width in zip(kinds, given, strict=True)]
    bad = [f"$P{n}B" for n, width in enumerate(widths, 1) if width is None or not 0 < width <= 64]
    if bad:
        raise FCSError(path, f"does not say how many bits its numbers have: {listed(bad)}", hint=EXPORT)
    odd = [f"$P{n}B" for n, (width, said) in enumerate(zip(widths, given, strict=True), 1) if width != said]
    notes = [f"{listed(odd)}: the width contradicts $DATATYPE, which is followed"] if odd else []
    exact = [width or 0 for width in widths]
    # Some software says 10 bits where it means 10 significant bits of 16.
    padded = [next(size for size in PLAIN["I"] if size >= width) for width in exact]
    if padded != exact and not fills(text, sum(exact)) and fills(text, sum(padded)):
        notes.append(f"$PnB says {exact[0]} bits, DATA has room for {padded[0]}: it is read so")
        return padded, notes
    return exact, notes


def _order(path: Path, text: Text) -> tuple[int, ...] | None:
    said = text.keywords.get("byteord", "").strip()
    if not said:
        return None
    order = tuple(whole(part) or 0 for part in said.split(","))
    if len(order) > 8 or sorted(order) != list(range(1, len(order) + 1)):
        msg = f"$BYTEORD is {brief(said)}; 1,2,3,4 and 4,3,2,1 and their like can be read"
        raise FCSError(path, msg, hint=EXPORT)
    return order if len(order) > 1 else ORDERS[0]


def _guessed(path: Path, layout: Layout, tops: Sequence[float | None]) -> tuple[Layout, list[str]]:
    """Fill in the type and the byte order that the file keeps to itself, if its numbers leave one choice."""
    unsaid = [
        *(["$DATATYPE"] * any(c.kind == UNKNOWN for c in layout.codings)),
        *(["$BYTEORD"] * (not layout.order)),
    ]
    if not unsaid:
        return layout, []
    orders = (layout.order,) if layout.order else ORDERS
    choices = [_as(layout, decimals, order) for decimals in (False, True) for order in orders]
    choices = list(dict.fromkeys(choices))
    scores = [_plausible(path, choice, tops) for choice in choices]
    best = max(range(len(choices)), key=scores.__getitem__)
    if scores[best] < CONVINCED or any(s > DOUBTFUL for i, s in enumerate(scores) if i != best):
        msg = f"does not say its {' and '.join(unsaid)}, and its numbers do not tell"
        raise FCSError(path, msg, hint=EXPORT)
    chosen = choices[best]
    kind, order = chosen.codings[0].kind, ",".join(map(str, chosen.order))
    return chosen, [f"{' and '.join(unsaid)} missing: DATA makes sense only as type {kind}, bytes {order}"]


def _as(layout: Layout, decimals: bool, order: tuple[int, ...]) -> Layout:  # noqa: FBT001
    decimal_kinds = {32: "F", 64: "D"}
    codings = [
        replace(
            c, kind=(decimal_kinds.get(c.width, "I") if decimals else "I") if c.kind == UNKNOWN else c.kind
        )
        for c in layout.codings
    ]
    return replace(layout, order=order, codings=tuple(codings))


def _plausible(path: Path, layout: Layout, tops: Sequence[float | None]) -> float:
    """Return the share of the first events' numbers that a detector could have given."""
    layout = replace(layout, n_events=min(layout.n_events, LOOKED_AT))
    octets = mapped(path, layout)
    shares = []
    for index, (coding, top) in enumerate(zip(layout.codings, tops, strict=True)):
        size = np.abs(stored(octets, layout, index, slice(None)))
        fits = size < (top or np.inf) if coding.kind == "I" else (size == 0) | ((size > TINY) & (size < HUGE))
        shares.append(float(np.mean(fits)) if fits.size else 1.0)
    return float(np.mean(shares))


def _require_decodable(path: Path, layout: Layout) -> None:
    widths = {coding.width for coding in layout.codings}
    monotone = list(layout.order) in (sorted(layout.order), sorted(layout.order, reverse=True))
    if not monotone and widths != {8 * len(layout.order)}:
        msg = f"bytes in the order {layout.order} cannot be read with numbers of {sorted(widths)} bits"
        raise FCSError(path, msg, hint=EXPORT)
    kinds = {coding.kind for coding in layout.codings}
    if layout.packed and (kinds != {"I"} or max(widths) > WIDEST_PACKED):
        msg = f"numbers of {sorted(widths)} bits and types {', '.join(sorted(kinds))} cannot be told apart"
        raise FCSError(path, msg, hint=EXPORT)


def _mask(coding: Coding, top: float | None) -> int:
    """Return the bits that ``$PnR`` leaves to an integer: some cytometers keep other things in the rest."""
    if coding.kind != "I" or top is None or top <= 1:
        return 0
    bits = (math.ceil(top) - 1).bit_length()
    return 2**bits - 1 if bits < coding.width else 0
