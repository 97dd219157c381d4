"""Scales: from the linear intensity that a detector reports to the axis on which gates are drawn, and back.

Parameters carry the names of Gating-ML 2.0: T the top of the linear scale, M the decades, W the decades of
the near-linear region around zero, A the additional negative decades.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gating.errors import ScaleError
from gating.flowjo import Biex, FlowJoLog

__all__ = [
    "LN10",
    "Arcsinh",
    "Biex",
    "Floats",
    "FlowJoLog",
    "Hyperlog",
    "Linear",
    "Log",
    "Logicle",
    "Scale",
    "scale_from_dict",
    "scale_to_dict",
]
Floats = NDArray[np.float64]
LN10 = float(np.log(10.0))


class Scale(Protocol):
    """A monotone map from the linear scale to the display scale, and its inverse."""

    kind: ClassVar[str]

    @property
    def name(self) -> str:
        """Return the name to print, with every parameter."""
        ...

    def forward(self, values: ArrayLike) -> Floats:
        """Map linear values to the display scale."""
        ...

    def inverse(self, values: ArrayLike) -> Floats:
        """Map display values back to the linear scale."""
        ...


def _require(condition: bool, message: str) -> None:  # noqa: FBT001
    if not condition:
        raise ScaleError(message)


@dataclass(frozen=True, slots=True)
class Linear:
    """``(x + A) / (T + A)``; the default leaves values as they are."""

    kind: ClassVar[str] = "linear"
    t: float = 1.0
    a: float = 0.0

    def __post_init__(self) -> None:
        _require(
            self.t + self.a != 0, f"a linear scale needs T + A other than 0, not T={self.t:g}, A={self.a:g}"
        )

    @property
    def name(self) -> str:
        """Return the name to print, with every parameter."""
        return "linear" if (self.t, self.a) == (1.0, 0.0) else f"linear(T={self.t:g}, A={self.a:g})"

    def forward(self, values: ArrayLike) -> Floats:
        """Map linear values to the display scale."""
        return (np.asarray(values, dtype=np.float64) + self.a) / (self.t + self.a)

    def inverse(self, values: ArrayLike) -> Floats:
        """Map display values back to the linear scale."""
        return np.asarray(values, dtype=np.float64) * (self.t + self.a) - self.a


@dataclass(frozen=True, slots=True)
class Log:
    """``log10(x / T) / M + 1``; zero maps to minus infinity, a negative value to NaN."""

    kind: ClassVar[str] = "log"
    t: float = 262144.0
    m: float = 4.5

    def __post_init__(self) -> None:
        _require(
            self.t > 0 and self.m > 0,
            f"a log scale needs T and M above 0, not T={self.t:g}, M={self.m:g}",
        )

    @property
    def name(self) -> str:
        """Return the name to print, with every parameter."""
        return f"log(T={self.t:g}, M={self.m:g})"

    def forward(self, values: ArrayLike) -> Floats:
        """Map linear values to the display scale."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(1.0 / self.m * np.log10(np.asarray(values, dtype=np.float64) / self.t) + 1.0)

    def inverse(self, values: ArrayLike) -> Floats:
        """Map display values back to the linear scale."""
        return np.asarray(self.t * 10.0 ** ((np.asarray(values, dtype=np.float64) - 1.0) * self.m))


@dataclass(frozen=True, slots=True)
class Arcsinh:
    """``(asinh(x sinh(M ln 10) / T) + A ln 10) / ((M + A) ln 10)``, as Gating-ML defines it."""

    kind: ClassVar[str] = "arcsinh"
    t: float = 262144.0
    m: float = 4.5
    a: float = 0.0

    def __post_init__(self) -> None:
        _require(
            self.t > 0 and self.m > 0 and self.a >= 0,
            f"an arcsinh scale needs T and M above 0 and A at least 0, not {self.name}",
        )

    @classmethod
    def with_cofactor(cls, cofactor: float) -> Arcsinh:
        """Return ``asinh(x / cofactor)``, as mass cytometry writes it."""
        _require(cofactor > 0, f"an arcsinh cofactor is above 0, not {cofactor:g}")
        return cls(t=cofactor * float(np.sinh(1.0)), m=1.0 / LN10, a=0.0)

    @property
    def name(self) -> str:
        """Return the name to print, with every parameter."""
        return f"arcsinh(T={self.t:g}, M={self.m:g}, A={self.a:g})"

    def forward(self, values: ArrayLike) -> Floats:
        """Map linear values to the display scale."""
        scaled = np.asarray(values, dtype=np.float64) * (np.sinh(self.m * LN10) / self.t)
        return np.asarray((np.arcsinh(scaled) + self.a * LN10) / ((self.m + self.a) * LN10))

    def inverse(self, values: ArrayLike) -> Floats:
        """Map display values back to the linear scale."""
        bent = np.asarray(values, dtype=np.float64) * ((self.m + self.a) * LN10) - self.a * LN10
        return np.asarray(np.sinh(bent) / (np.sinh(self.m * LN10) / self.t))


@dataclass(frozen=True, slots=True)
class Logicle:
    """The logicle scale: linear around zero, logarithmic far from it, 1 at T.

    Moore WA, Parks DR. Update for the logicle data scale including operational code implementations.
    Cytometry A 2012;81A:273-277.
    """

    kind: ClassVar[str] = "logicle"
    t: float = 262144.0
    w: float = 0.5
    m: float = 4.5
    a: float = 0.0

    def __post_init__(self) -> None:
        _require(0 <= 2 * self.w <= self.m, f"a logicle scale needs 0 <= W <= M / 2, not {self.name}")
        _check_decades(self)

    @property
    def name(self) -> str:
        """Return the name to print, with every parameter."""
        return f"logicle(T={self.t:g}, W={self.w:g}, M={self.m:g}, A={self.a:g})"

    def forward(self, values: ArrayLike) -> Floats:
        """Map linear values to the display scale; NaN and infinities stay what they are."""
        from gating.curves import logicle, logicle_curve

        return _follow(logicle, logicle_curve(self.t, self.w, self.m, self.a), values)

    def inverse(self, values: ArrayLike) -> Floats:
        """Map display values back to the linear scale."""
        from gating.curves import logicle_curve, logicle_inverse

        return _follow(logicle_inverse, logicle_curve(self.t, self.w, self.m, self.a), values)


@dataclass(frozen=True, slots=True)
class Hyperlog:
    """The hyperlog scale: a straight line and an exponential in one, linear around zero, 1 at T.

    Bagwell CB. Hyperlog: a flexible log-like transform for negative, zero, and positive valued data.
    Cytometry A 2005;64A:34-42. Parameters as in Gating-ML 2.0.
    """

    kind: ClassVar[str] = "hyperlog"
    t: float = 262144.0
    w: float = 0.5
    m: float = 4.5
    a: float = 0.0

    def __post_init__(self) -> None:
        _require(0 < 2 * self.w <= self.m, f"a hyperlog scale needs 0 < W <= M / 2, not {self.name}")
        _check_decades(self)

    @property
    def name(self) -> str:
        """Return the name to print, with every parameter."""
        return f"hyperlog(T={self.t:g}, W={self.w:g}, M={self.m:g}, A={self.a:g})"

    def forward(self, values: ArrayLike) -> Floats:
        """Map linear values to the display scale; NaN and infinities stay what they are."""
        from gating.curves import hyperlog, hyperlog_curve

        return _follow(hyperlog, hyperlog_curve(self.t, self.w, self.m, self.a), values)

    def inverse(self, values: ArrayLike) -> Floats:
        """Map display values back to the linear scale."""
        from gating.curves import hyperlog_curve, hyperlog_inverse

        return _follow(hyperlog_inverse, hyperlog_curve(self.t, self.w, self.m, self.a), values)


def _check_decades(scale: Logicle | Hyperlog) -> None:
    _require(
        0 < scale.t < np.inf and scale.m > 0, f"a {scale.kind} scale needs T and M above 0, not {scale.name}"
    )
    _require(
        -scale.w <= scale.a <= scale.m - 2 * scale.w,
        f"a {scale.kind} scale needs -W <= A <= M - 2 W, not {scale.name}",
    )
    _require(scale.m + scale.a > 0, f"a {scale.kind} scale needs M + A above 0, not {scale.name}")


def _follow(along: Callable[..., None], curve: tuple[object, Floats], values: ArrayLike) -> Floats:
    """Follow a compiled curve, value by value."""
    given = np.ascontiguousarray(values, dtype=np.float64)
    out = np.empty(given.size)
    along(given.reshape(-1), *curve, out)
    return out.reshape(np.shape(values))


KINDS = MappingProxyType(
    {kind.kind: kind for kind in (Linear, Log, Arcsinh, Logicle, Hyperlog, FlowJoLog, Biex)}
)


def scale_to_dict(scale: Scale) -> dict[str, Any]:
    """Return kind and parameters as plain values, for JSON and TOML."""
    return {"kind": scale.kind, **asdict(scale)}  # type: ignore[call-overload]


def scale_from_dict(description: dict[str, Any]) -> Scale:
    """Build a scale from its kind and parameters.

    Raises
    ------
    ScaleError
        For an unknown kind or parameter, naming those that exist.
    """
    parameters = {key.lower(): value for key, value in description.items()}
    kind = str(parameters.pop("kind", "")).lower()
    if kind not in KINDS:
        msg = f"no scale is called {kind!r}; choose one of {', '.join(sorted(KINDS))}"
        raise ScaleError(msg)
    if kind == "arcsinh" and set(parameters) == {"cofactor"}:
        return Arcsinh.with_cofactor(float(parameters["cofactor"]))
    try:
        return KINDS[kind](**{key: float(value) for key, value in parameters.items()})
    except TypeError as error:
        msg = f"a {kind} scale does not take {', '.join(sorted(parameters))}"
        raise ScaleError(msg) from error
