"""Scales: from the linear intensity that a detector reports to the axis on which gates are drawn, and back.

Parameters carry the names of Gating-ML 2.0: T the top of the linear scale, M the decades, W the decades of
the near-linear region around zero, A the additional negative decades.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gating.errors import ScaleError

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
            return np.asarray(np.log10(np.asarray(values, dtype=np.float64) / self.t) / self.m + 1.0)

    def inverse(self, values: ArrayLike) -> Floats:
        """Map display values back to the linear scale."""
        return np.asarray(self.t * 10.0 ** (self.m * (np.asarray(values, dtype=np.float64) - 1.0)))


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
        return np.asarray(np.sinh(bent) * (self.t / np.sinh(self.m * LN10)))


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
    _biexponential: _Biexponential = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        _require(self.t > 0 and self.m > 0, f"a logicle scale needs T and M above 0, not {self.name}")
        _require(0 <= 2 * self.w <= self.m, f"a logicle scale needs 0 <= W <= M / 2, not {self.name}")
        _require(
            -self.w <= self.a <= self.m - 2 * self.w,
            f"a logicle scale needs -W <= A <= M - 2 W, not {self.name}",
        )
        object.__setattr__(self, "_biexponential", _biexponential(self.t, self.w, self.m, self.a))

    @property
    def name(self) -> str:
        """Return the name to print, with every parameter."""
        return f"logicle(T={self.t:g}, W={self.w:g}, M={self.m:g}, A={self.a:g})"

    def forward(self, values: ArrayLike) -> Floats:
        """Map linear values to the display scale; NaN and infinities stay what they are."""
        return self._biexponential.root(np.asarray(values, dtype=np.float64))

    def inverse(self, values: ArrayLike) -> Floats:
        """Map display values back to the linear scale."""
        return self._biexponential.value(np.asarray(values, dtype=np.float64))


TAYLOR_TERMS, GUESS_NODES, HALLEY_STEPS = 16, 4096, 4


@dataclass(frozen=True, slots=True, eq=False)
class _Biexponential:
    """``a exp(b y) - c exp(-d y) + f``, odd about ``x1``, where it is zero."""

    a: float
    b: float
    c: float
    d: float
    f: float
    x1: float
    taylor_until: float
    taylor: Floats
    guess_values: Floats
    guess_roots: Floats

    def above_zero(self, y: Floats) -> Floats:
        """Return the function for ``y >= x1``; a Taylor series near ``x1``, where the terms cancel."""
        near = y < self.taylor_until
        out = self.a * np.exp(self.b * y) - self.c * np.exp(-self.d * y) + self.f
        if near.any():
            step = y[near] - self.x1
            out[near] = np.polynomial.polynomial.polyval(step, self.taylor) * step
        return out

    def value(self, y: Floats) -> Floats:
        mirrored = np.where(y < self.x1, 2 * self.x1 - y, y)
        with np.errstate(over="ignore"):
            out = self.above_zero(np.atleast_1d(mirrored)).reshape(y.shape)
        return np.where(y < self.x1, -out, out)

    def root(self, x: Floats) -> Floats:
        """Solve for ``y`` by Halley's method from a table's first guess; odd about zero."""
        target = np.abs(np.atleast_1d(x))
        finite = np.isfinite(target)
        target = target[finite]
        y = np.interp(target, self.guess_values, self.guess_roots)
        beyond = target > self.guess_values[-1]
        y[beyond] = np.log(target[beyond] / self.a) / self.b
        for _ in range(HALLEY_STEPS):
            rise = self.a * self.b * np.exp(self.b * y)
            fall = self.c * self.d * np.exp(-self.d * y)
            slope = rise + fall
            miss = (self.above_zero(y) - target) / slope
            step = miss / (1 - miss * (self.b * rise - self.d * fall) / (2 * slope))
            y -= step
            if not np.any(np.abs(step) > 3 * np.finfo(float).eps):
                break
        out = np.atleast_1d(x).astype(np.float64)
        out[finite] = np.where(out[finite] < 0, 2 * self.x1 - y, y)
        return out.reshape(np.shape(x))


@lru_cache(maxsize=256)
def _biexponential(t: float, w: float, m: float, a: float) -> _Biexponential:
    """Return the coefficients that Moore and Parks derive from T, W, M and A."""
    b = (m + a) * LN10
    width = w / (m + a)
    x2 = a / (m + a)
    x1 = x2 + width
    x0 = x2 + 2 * width
    d = _solve_d(b, width)
    c_a = np.exp(x0 * (b + d))
    mf_a = np.exp(b * x1) - c_a / np.exp(d * x1)
    scale = t / ((np.exp(b) - mf_a) - c_a / np.exp(d))
    c, f = c_a * scale, -mf_a * scale
    rise, fall = scale * np.exp(b * x1), -c / np.exp(d * x1)
    taylor = np.empty(TAYLOR_TERMS)
    for order in range(TAYLOR_TERMS):
        rise *= b / (order + 1)
        fall *= -d / (order + 1)
        taylor[order] = rise + fall
    taylor[1] = 0.0  # exact result of choosing d: no curvature at x1
    nodes = np.linspace(x1, 1.2, GUESS_NODES)
    values = _Biexponential(scale, b, c, d, f, x1, x1 + width / 4, taylor, nodes, nodes).above_zero(nodes)
    return _Biexponential(scale, b, c, d, f, x1, x1 + width / 4, taylor, values, nodes)


def _solve_d(b: float, width: float) -> float:
    """Solve ``2 (ln d - ln b) + width (d + b) = 0`` by bisection, then Newton; ``d = b`` at width 0."""
    if width == 0:
        return b
    low, high = 0.0, b
    for _ in range(200):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if 2 * np.log(middle / b) + width * (middle + b) < 0 else (low, middle)
    d = 0.5 * (low + high)
    for _ in range(2):
        d -= (2 * np.log(d / b) + width * (d + b)) / (2 / d + width)
    return float(d)


KINDS = MappingProxyType({kind.kind: kind for kind in (Linear, Log, Arcsinh, Logicle)})


def scale_to_dict(scale: Scale) -> dict[str, Any]:
    """Return kind and parameters as plain values, for JSON and TOML."""
    parameters = {k: v for k, v in asdict(scale).items() if not k.startswith("_")}  # type: ignore[call-overload]
    return {"kind": scale.kind, **parameters}


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
