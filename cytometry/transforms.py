"""Which scale each channel of a stain is gated on, one for all its tubes, and why.

Logicle for fluorescence, with the width of its near-linear region taken from the negatives; linear for scatter,
time and what was transformed before; arcsinh for mass cytometry. The scales themselves are :mod:`gating.scales`.

Parks DR, Roederer M, Moore WA. A new "logicle" display method avoids deceptive effects of logarithmic scaling
for low signals and compensated data. Cytometry A 2006;69A:541-551.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cytometry._pool import (
    Pool,
    ScalableTube,
    is_mass_cytometry,
    pool_tube,
    together,
    transformed_channels,
)
from cytometry.errors import Problem, StudyError
from gating.columns import Dimension, Spillover
from gating.errors import ScaleError
from gating.scales import Arcsinh, Linear, Logicle, Scale, scale_from_dict, scale_to_dict

Floats = NDArray[np.float64]
DECADES = 4.5
USUAL_WIDTH = 0.5
USUAL_TOP = 262_144.0
FEWEST_NEGATIVES = 20
NEGATIVE_QUANTILE = 0.05
STRAY = 20.0  # a negative this many times the median one is an artefact, not the spread of the negatives
STRAY_TOP = 10.0  # so is a value this many times above the detector's range
COFACTOR = 5.0  # of mass cytometry


class PanelRow(Protocol):
    """What is asked of a panel's channel."""

    @property
    def detector(self) -> str:
        """Return ``$PnN``."""
        ...

    @property
    def marker(self) -> str:
        """Return what gates call it."""
        ...

    @property
    def role(self) -> str:
        """Return scatter, time, viability, lineage, functional or unused."""
        ...


@dataclass(frozen=True, slots=True)
class ScaleChoice:
    """The scale of one dimension, why it was chosen, and from how many events."""

    name: str
    channel: str
    scale: Scale
    why: str
    n_events: int


def choose_scales(
    panel: Sequence[PanelRow],
    tubes: Mapping[str, ScalableTube],
    *,
    spillovers: Mapping[str, Spillover | None] | None = None,
    overrides: Mapping[str, Mapping[str, Any]] | None = None,
) -> tuple[dict[str, Dimension], tuple[ScaleChoice, ...]]:
    """Return one dimension for every channel of a stain that is not unused, and how each scale was chosen.

    A logicle scale has 4.5 decades; its top T is that of the detectors' range, or of the data where they lie
    above it; its width is W = (4.5 - log10(T / |r|)) / 2, where r is the 5 % quantile of the negative values
    after compensation, pooled over the tubes, kept within 0 and 2.25. With fewer than 20 negatives W is 0.5.

    Parameters
    ----------
    panel
        Detector, marker and role of each channel; the markers become the names of the dimensions.
    tubes
        The tubes of one stain by name; up to 50,000 of their events, evenly spaced, are looked at.
    spillovers
        By tube name.
    overrides
        By marker, or ``"default"`` for all that is stained: ``kind`` and parameters, as
        :func:`gating.scales.scale_from_dict` takes them. Parameters alone change those of the scale chosen.

    Returns
    -------
    tuple
        Dimensions by name; choices in the order of the panel. Scatter, time and what was transformed before are
        linear, with values as they are, and not compensated.

    Raises
    ------
    StudyError
        If some tubes were transformed before and others not, or an override names no marker of the panel or
        makes no scale.
    """
    used = [row for row in panel if row.role != "unused"]
    stained = [row.detector for row in used if row.role not in ("scatter", "time")]
    wishes = _wishes(used, overrides or {})
    pools = {
        name: pool_tube(tube, stained, n_tubes=len(tubes), spillover=(spillovers or {}).get(name))
        for name, tube in tubes.items()
    }
    whole = together(list(pools.values()), stained)
    mass = any(is_mass_cytometry(tube, stained) for tube in tubes.values())
    transformed = transformed_channels(pools, whole, mass=mass)
    dimensions, choices = {}, []
    for row in used:
        as_it_is = row.detector not in stained or row.detector in transformed
        choice = _as_it_is(row, whole) if as_it_is else _choose(row, whole, mass=mass)
        choices.append(_overridden(choice, wishes.get(row.marker)))
        dimensions[row.marker] = Dimension(row.detector, choices[-1].scale, not as_it_is)
    return dimensions, tuple(choices)


def _as_it_is(row: PanelRow, pool: Pool) -> ScaleChoice:
    if row.role in ("scatter", "time"):
        return ScaleChoice(row.marker, row.detector, Linear(), f"{row.role} is linear", 0)
    why = "the values were transformed before, as their range shows: taken as they are, not compensated"
    return ScaleChoice(row.marker, row.detector, Linear(), why, pool.values[row.detector].size)


def _choose(row: PanelRow, pool: Pool, *, mass: bool) -> ScaleChoice:
    values = pool.values[row.detector]
    if mass:
        why = f"mass cytometry: arcsinh with cofactor {COFACTOR:g}"
        return ScaleChoice(row.marker, row.detector, Arcsinh.with_cofactor(COFACTOR), why, values.size)
    top, why_top = _top(values, pool.tops[row.detector])
    width, why_width = logicle_width(values, top)
    return ScaleChoice(
        row.marker, row.detector, Logicle(t=top, w=width, m=DECADES), f"{why_top}; {why_width}", values.size
    )


def logicle_width(values: Floats, top: float) -> tuple[float, str]:
    """Return the logicle W that shows the negatives of a channel, and the reason.

    Parameters
    ----------
    values
        Compensated, linear, finite.
    top
        T of the scale.
    """
    negatives = values[values < 0]
    spread = -negatives if negatives.size else np.zeros(0)
    spread = spread[spread <= STRAY * np.median(spread)] if spread.size else spread
    if spread.size < FEWEST_NEGATIVES:
        return USUAL_WIDTH, f"W is the usual {USUAL_WIDTH:g}, since {negatives.size} events are negative"
    reference = float(np.quantile(spread, 1 - NEGATIVE_QUANTILE))
    width = (DECADES - np.log10(top / reference)) / 2
    kept = round(float(np.clip(width, 0.0, DECADES / 2)), 3)
    return kept, f"W from the 5 % quantile of {spread.size:,} negatives, {-reference:.4g}"


def _top(values: Floats, given: float) -> tuple[float, str]:
    """Return T and the reason: the range, or where the data lie above it their highest value, rounded up."""
    if given > 1:
        stray = values > STRAY_TOP * given
        beyond = f" (events far beyond it: {stray.sum():,})" if stray.any() else ""
        highest = float(values[~stray].max(initial=0.0))
        if highest <= given:
            return given, f"T from the detector's range{beyond}"
        why = f"T from the data, which lie above the detector's range of {given:g}{beyond}"
        return _rounded_up(highest), why
    highest = float(values.max(initial=0.0))
    if highest > 0:
        return _rounded_up(highest), "T from the data, since the detector's range is not known"
    return USUAL_TOP, "T is the usual one, since neither range nor data give one"


def _rounded_up(value: float) -> float:
    unit = 10.0 ** (np.floor(np.log10(value)) - 1)
    return float(np.ceil(value / unit) * unit)


def _wishes(
    used: Sequence[PanelRow], overrides: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """Return what the study asks of each marker; its default for those that are stained."""
    markers = [row.marker for row in used]
    unknown = [name for name in overrides if name not in markers and name != "default"]
    if unknown:
        problems = []
        for name in unknown:
            near = get_close_matches(name, markers, n=2, cutoff=0.5)
            hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(markers)}"
            problems.append(Problem("error", "CYT312", "transforms", f"no marker is called {name!r}", hint))
        raise StudyError(problems)
    default = overrides.get("default", {})
    general = {row.marker: _lower(default) for row in used if default and row.role not in ("scatter", "time")}
    return {
        m: {**general.get(m, {}), **_lower(overrides.get(m, {}))}
        for m in markers
        if m in general or m in overrides
    }


def _lower(description: Mapping[str, Any]) -> dict[str, Any]:
    return {str(key).lower(): value for key, value in description.items()}


def _overridden(choice: ScaleChoice, wish: Mapping[str, Any] | None) -> ScaleChoice:
    if not wish:
        return choice
    asked = _lower(wish)
    chosen = scale_to_dict(choice.scale)
    kind = asked.get("kind", Arcsinh.kind if "cofactor" in asked else chosen["kind"])
    merged = {"kind": kind, **asked}
    if kind == chosen["kind"] and "cofactor" not in asked:
        merged = {**chosen, **asked}
    try:
        scale = scale_from_dict(merged)
    except (ScaleError, ValueError) as error:
        problem = Problem("error", "CYT313", f"transforms: {choice.name}", str(error))
        raise StudyError([problem]) from error
    said = ", ".join(f"{key} = {value}" for key, value in asked.items())
    return ScaleChoice(
        choice.name, choice.channel, scale, f"the study asks for {said}; {choice.why}", choice.n_events
    )
