"""What a rule answers: a cut, a region, or that there is nothing to cut, each with what it saw."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gating.errors import GeometryError, TemplateError

Floats = NDArray[np.float64]
SEED = 20_210_917
"""Seeds a rule's own generator when the caller gives none."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A boundary on one axis.

    Attributes
    ----------
    value
        On the scale of the values the rule was given. Events with ``x >= value`` are above.
    confidence
        In [0, 1]: the chance that the number of events on the smaller side lies within a tenth of the number that
        the best cut would give: best by F1 of the smaller population, or, of values from a control, at the true
        quantile. ``tests/benchmarks/rules.py`` prints how often it is right.
    n_events
        The finite values the rule read.
    saw
        What the rule measured on the way, by name.
    interval
        Where 95 of 100 repetitions would cut, from other events of the same kind and with other shapes of the
        populations: the lowest and the highest value. ``None`` where the rule does not say.
    """

    value: float
    confidence: float
    n_events: int
    saw: Mapping[str, float]
    interval: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if not math.isfinite(self.value):
            msg = f"a cut is a finite number, not {self.value}"
            raise GeometryError(msg)
        _check_confidence(self.confidence)
        if self.interval is not None:
            object.__setattr__(self, "interval", _checked("a cut", self.value, self.interval))
        object.__setattr__(self, "saw", _plain(self.saw))


@dataclass(frozen=True, slots=True, eq=False)
class RegionFound:
    """A boundary in the plane.

    Attributes
    ----------
    vertices
        Of a polygon, shape ``(k, 2)``.
    confidence, n_events, saw
        As in :class:`Cut`.
    share
        What share of the events lies inside, in 95 of 100 repetitions: the lowest and the highest. ``None``
        where the rule does not say.
    """

    vertices: Floats
    confidence: float
    n_events: int
    saw: Mapping[str, float]
    share: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        vertices = np.array(self.vertices, dtype=np.float64)
        if (
            vertices.ndim != 2
            or vertices.shape[1] != 2
            or len(vertices) < 3
            or not np.isfinite(vertices).all()
        ):
            msg = f"a region needs three finite vertices or more, shape (k, 2), not {vertices.tolist()}"
            raise GeometryError(msg)
        _check_confidence(self.confidence)
        if self.share is not None:
            object.__setattr__(self, "share", _checked_share(self.share))
        vertices.setflags(write=False)
        object.__setattr__(self, "vertices", vertices)
        object.__setattr__(self, "saw", _plain(self.saw))


@dataclass(frozen=True, slots=True)
class Abstention:
    """No boundary, and why not; ``n_events`` and ``saw`` as in :class:`Cut`."""

    reason: str
    n_events: int
    saw: Mapping[str, float]

    def __post_init__(self) -> None:
        object.__setattr__(self, "saw", _plain(self.saw))


@dataclass(frozen=True, slots=True)
class Card:
    """A rule and what to know of it before using it.

    Attributes
    ----------
    name
        As templates write it.
    learn
        The function: values of shape ``(n,)``, or points of shape ``(n, 2)``, to an answer.
    needs
        What the values must be like.
    reference
        The paper, or the practice, that the rule comes from.
    """

    name: str
    learn: Callable[..., Any]
    needs: str
    reference: str

    @property
    def options(self) -> Mapping[str, Any]:
        """Return the options that have a default, with it."""
        return {n: p.default for n, p in self._keywords().items() if p.default is not inspect.Parameter.empty}

    @property
    def required(self) -> tuple[str, ...]:
        """Return the options that must be given."""
        return tuple(n for n, p in self._keywords().items() if p.default is inspect.Parameter.empty)

    def _keywords(self) -> dict[str, inspect.Parameter]:
        signature = inspect.signature(self.learn)
        return {n: p for n, p in signature.parameters.items() if p.kind is p.KEYWORD_ONLY and n != "rng"}


def one_of(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Raise :class:`TemplateError` unless an option has one of its values."""
    if value not in choices:
        msg = f"{name} is one of {', '.join(map(repr, choices))}, not {value!r}"
        raise TemplateError(msg)


def within(name: str, value: float, low: float, high: float) -> None:
    """Raise :class:`TemplateError` unless ``low < value < high``."""
    if not low < value < high:
        msg = f"{name} lies between {low:g} and {high:g}, both excluded, not {value!r}"
        raise TemplateError(msg)


def own_generator(rng: np.random.Generator | None) -> np.random.Generator:
    """Return the generator given, or one that starts alike for every call, so that equal values cut alike."""
    return np.random.default_rng(SEED) if rng is None else rng


def spread(repeated: Floats, given: float) -> tuple[float, float] | None:
    """Return the interval that holds 95 of 100 repeated cuts, those that found none left out, and the one given.

    Parameters
    ----------
    repeated
        Shape ``(k,)``; a repetition that found no cut is not finite. ``None`` is returned if none found one.
    """
    found = repeated[np.isfinite(repeated)]
    if not found.size:
        return None
    low, high = np.quantile(found, [0.025, 0.975])
    return min(float(low), given), max(float(high), given)


def error_of_count(repeated: Floats, total: float) -> float:
    """Return the deviation, as a logarithm, of the lesser side's count over repeated cuts.

    Parameters
    ----------
    repeated
        The events below each repeated cut, shape ``(k,)``; those that found no cut are not finite.
    total
        All events. The deviation is that of the normal that has the same 95 % interval.

    Returns
    -------
    float
        Infinite where less than half of the repetitions found a cut.
    """
    found = repeated[np.isfinite(repeated)]
    if 2 * found.size < repeated.size or not found.size:
        return math.inf
    ends = np.quantile(found, [0.025, 0.975])
    if np.median(found) > total / 2:
        ends = total - ends[::-1]
    low, high = np.log(np.maximum(ends, 0.0) + 0.5)
    return float((high - low) / (2 * 1.96))


def confidence_in_count(chance: float, shape: float) -> float:
    """Return the chance that a count is within a tenth of the best cut's.

    Parameters
    ----------
    chance, shape
        Deviations of the logarithm of the count: over other events of the same kind, and over other shapes that the
        two populations may have. They are independent, and their sum is taken as normal.
    """
    error = math.hypot(chance, shape)
    return 1.0 if error <= 0 else math.erf(math.log(1.1) / error / math.sqrt(2))


def widened(interval: tuple[float, float] | None, given: float, shape: float) -> tuple[float, float]:
    """Return the interval of a cut when its place is also unsure, by a deviation, for the shape of populations."""
    low, high = (given, given) if interval is None else interval
    more = 1.96 * shape
    return given - math.hypot(given - low, more), given + math.hypot(high - given, more)


def chance_within_a_tenth(count: float, error: float) -> float:
    """Return the chance that a count with a standard error, taken as normal, is within a tenth of its mean."""
    if count <= 0:
        return 0.0
    return 1.0 if error <= 0 else math.erf(0.1 * count / error / math.sqrt(2))


def nothing_to_see(values: ArrayLike, fewest: int) -> Abstention:
    """Return why values, shape ``(n,)`` or ``(n, 2)``, show no shape."""
    table = np.asarray(values, dtype=np.float64)
    known = np.isfinite(table) if table.ndim < 2 else np.isfinite(table).all(axis=1)
    n = int(known.sum())
    saw = {"nonfinite": known.size - n}
    if n < fewest:
        return Abstention(f"too few events: {n}, and {fewest} are needed", n, saw)
    return Abstention(f"no spread: nearly all of {n} events have the same value, or one of two", n, saw)


def _checked(what: str, value: float, interval: tuple[float, float]) -> tuple[float, float]:
    low, high = map(float, interval)
    if not (math.isfinite(low) and math.isfinite(high) and low <= value <= high):
        msg = f"the interval of {what} is finite and holds it: {value:g} is not within {low:g} to {high:g}"
        raise GeometryError(msg)
    return low, high


def _checked_share(share: tuple[float, float]) -> tuple[float, float]:
    low, high = map(float, share)
    if not 0 <= low <= high <= 1:
        msg = f"an interval of a share lies in [0, 1], the lower end first, not {low:g} to {high:g}"
        raise GeometryError(msg)
    return low, high


def _check_confidence(confidence: float) -> None:
    if not 0.0 <= confidence <= 1.0:
        msg = f"a confidence lies in [0, 1], not {confidence}"
        raise GeometryError(msg)


def _plain(saw: Mapping[str, float]) -> Mapping[str, float]:
    return MappingProxyType({name: float(value) for name, value in saw.items()})
