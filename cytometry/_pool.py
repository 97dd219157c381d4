"""Events of a stain's tubes, pooled, and what they say of how they were recorded."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cytometry.errors import Problem, StudyError
from gating.columns import ArrayEvents, Columns, Dimension, Spillover

Floats = NDArray[np.float64]
POOLED = 50_000  # events of all tubes together
FEWEST_PER_TUBE = 500
TRANSFORMED_TOP = 15.0  # asinh(262144 / 1) is 13; the logicle of R ends at 4.5, that of Gating-ML at 1
TRANSFORMED_SHARE = 0.9  # of the stained channels
SMALL_RANGE = 10_000.0
UNEVEN = 20.0  # how far a linear channel's bright events lie above the usual ones
FEWEST = 20  # events that tell anything
MASS_CYTOMETER = re.compile(r"cytof|helios|hyperion|\bdvs|dvssciences", re.IGNORECASE)
ELEMENT = "Y|Rh|Pd|Ag|Cd|In|I|Xe|Cs|Ba|La|Ce|Pr|Nd|Sm|Eu|Gd|Tb|Dy|Ho|Er|Tm|Yb|Lu|Ir|Pt|Bi"
MASS = r"(?:[89]\d|1\d\d|20\d)"
METAL = re.compile(rf"(?<![A-Za-z])(?:{ELEMENT}){MASS}(?!\d)|(?<!\d){MASS}(?:{ELEMENT})(?![A-Za-z])")
SCATTER = re.compile(r"(fsc|ssc)|(fs|ss)\b", re.IGNORECASE)


class ScalableTube(Protocol):
    """What is asked of a tube: events, the tops of its detectors' ranges, and keywords."""

    @property
    def channels(self) -> tuple[str, ...]:
        """Return the channel names, in order."""
        ...

    @property
    def ranges(self) -> tuple[float, ...]:
        """Return the top of each channel's range, linear; NaN where it is not known."""
        ...

    @property
    def keywords(self) -> Mapping[str, str]:
        """Return the header's keywords."""
        ...

    @property
    def n_events(self) -> int:
        """Return the number of events."""
        ...

    def column(self, channel: str, rows: NDArray[np.intp] | None = None) -> Floats:
        """Return one channel on the linear scale, for all events or for some rows."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """Events of all tubes of a stain: by detector compensated values, and the top of the range."""

    values: Mapping[str, Floats]
    tops: Mapping[str, float]


def pool_tube(
    tube: ScalableTube, stained: Sequence[str], *, n_tubes: int, spillover: Spillover | None
) -> Pool:
    """Return one tube's share of the pool, compensated; infinities and NaN left out."""
    rows = _spaced_rows(tube, n_tubes)
    present = [detector for detector in stained if detector in tube.channels]
    needed = tuple(dict.fromkeys([*present, *(spillover.detectors if spillover else ())]))
    raw = [tube.column(detector, rows) for detector in needed]
    events = ArrayEvents(np.column_stack(raw) if raw else np.zeros((rows.size, 0)), needed)
    columns = Columns(events, {detector: Dimension(detector) for detector in present}, spillover)
    values = {detector: columns.linear(detector) for detector in present}
    tops = dict(zip(tube.channels, tube.ranges, strict=True))
    return Pool({d: v[np.isfinite(v)] for d, v in values.items()}, {d: tops[d] for d in present})


def _spaced_rows(tube: ScalableTube, n_tubes: int) -> NDArray[np.intp]:
    """Return evenly spaced events: the same on every run, and from the whole of the acquisition."""
    most = max(FEWEST_PER_TUBE, POOLED // n_tubes)
    if tube.n_events <= most:
        return np.arange(tube.n_events, dtype=np.intp)
    return np.linspace(0, tube.n_events - 1, most).astype(np.intp)


def together(pools: Sequence[Pool], stained: Sequence[str]) -> Pool:
    """Return the pool of all tubes; no events, and a top of 0, for a channel that none of them has."""
    empty = [np.zeros(0)]
    values = {d: np.concatenate([p.values[d] for p in pools if d in p.values] or empty) for d in stained}
    tops = {d: max([p.tops[d] for p in pools if p.tops.get(d, 0.0) > 0], default=0.0) for d in stained}
    return Pool(values, tops)


def looks_transformed(values: Floats) -> bool:
    """Tell whether a channel has the narrow, even spread of values that were transformed.

    One value throughout, of a detector that was off or a file that was spoilt, has no spread that could tell.
    """
    size = np.abs(values)
    if size.size < FEWEST or size.max() > TRANSFORMED_TOP or np.ptp(values) == 0:
        return False
    usual, high = np.quantile(size, [0.75, 0.99])
    return bool(high <= UNEVEN * max(usual, 0.05))


def transformed_channels(pools: Mapping[str, Pool], whole: Pool, *, mass: bool) -> frozenset[str]:
    """Return the channels whose values were transformed before they were written.

    Either nearly all stained channels are narrow, or one is on a cytometer whose noise alone would be wider.

    Raises
    ------
    StudyError
        If values of some tubes were transformed, and those of others were not: no scale can show both.
    """
    if _narrow(whole):
        return frozenset(d for d, values in whole.values.items() if looks_transformed(values))
    surely = frozenset[str]() if mass else _surely_transformed(whole)
    # A cytometer with a small range (1,000 and the like) has unstained tubes that are as narrow by nature.
    odd = [
        name
        for name, pool in pools.items()
        if (_narrow(pool) and not _small_range(pool)) or (not mass and _surely_transformed(pool) - surely)
    ]
    if odd:
        others = [name for name in pools if name not in odd]
        msg = f"{', '.join(odd)} hold transformed values, {', '.join(others)} linear ones"
        hint = "give one stain the files of one export, best the cytometer's own"
        raise StudyError([Problem("error", "CYT311", "transforms", msg, hint)])
    return surely


def _surely_transformed(pool: Pool) -> frozenset[str]:
    return frozenset(
        d for d, v in pool.values.items() if pool.tops[d] >= SMALL_RANGE and looks_transformed(v)
    )


def _narrow(pool: Pool) -> bool:
    looks = [looks_transformed(values) for values in pool.values.values()]
    return bool(looks) and float(np.mean(looks)) >= TRANSFORMED_SHARE


def _small_range(pool: Pool) -> bool:
    return TRANSFORMED_TOP < float(np.nanmedian([*pool.tops.values()])) < SMALL_RANGE


def is_mass_cytometry(tube: ScalableTube, stained: Sequence[str]) -> bool:
    """Tell whether a tube has no scatter and comes from a mass cytometer, by ``$CYT`` or the metals' names."""
    if any(SCATTER.match(channel) for channel in tube.channels):
        return False
    metals = [detector for detector in stained if METAL.search(detector)]
    return bool(MASS_CYTOMETER.search(tube.keywords.get("cyt", ""))) or 2 * len(metals) > len(stained) > 0
