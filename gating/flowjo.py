"""FlowJo: the two scales of its workspaces that Gating-ML does not have, in FlowKit's order of operations."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gating.errors import ScaleError

Floats = NDArray[np.float64]
CHANNELS = 4096


@dataclass(frozen=True, slots=True)
class FlowJoLog:
    """``log10(x / offset) / decades``; values below the offset are held at 0, as FlowJo draws them."""

    kind: ClassVar[str] = "flowjo_log"
    offset: float = 1.0
    decades: float = 5.0

    def __post_init__(self) -> None:
        if not (self.offset > 0 and self.decades > 0):
            msg = f"a FlowJo log scale needs offset and decades above 0, not {self.name}"
            raise ScaleError(msg)

    @property
    def name(self) -> str:
        """Return the name to print, with every parameter."""
        return f"flowjo_log(offset={self.offset:g}, decades={self.decades:g})"

    @property
    def t(self) -> float:
        """Return the top of the linear scale, which is shown at 1."""
        return float(self.offset * 10.0**self.decades)

    def forward(self, values: ArrayLike) -> Floats:
        """Map linear values to the display scale."""
        held = np.array(values, dtype=np.float64)
        held[held < self.offset] = self.offset
        return np.asarray(1.0 / self.decades * (np.log10(held) - np.log10(self.offset)))

    def inverse(self, values: ArrayLike) -> Floats:
        """Map display values back to the linear scale; 0 gives the offset."""
        return np.asarray(self.offset * 10.0 ** (np.asarray(values, dtype=np.float64) * self.decades))


@dataclass(frozen=True, slots=True)
class Biex:
    """FlowJo's biexponential: straight lines between the nodes of its table, from 0 to 4096, held at both ends.

    Parameters
    ----------
    t
        Top of the linear scale ("maxRange").
    width
        -1 or below; the lower, the wider the near-linear region ("width basis").
    negative, positive
        Decades: additional ones below zero, those above.
    """

    kind: ClassVar[str] = "biex"
    t: float = 262144.000029
    width: float = -10.0
    negative: float = 0.0
    positive: float = 4.41854

    def __post_init__(self) -> None:
        if not (self.t > 0 and self.width <= -1 and self.negative >= 0):
            msg = f"a biex scale needs T above 0, a width of -1 or below and negative >= 0, not {self.name}"
            raise ScaleError(msg)
        if not self.positive > np.log10(-self.width) / 2:
            msg = f"a biex scale needs more positive decades than log10(-width) / 2, unlike {self.name}"
            raise ScaleError(msg)

    @property
    def name(self) -> str:
        """Return the name to print, with every parameter."""
        ends = f"negative={self.negative:g}, positive={self.positive:g}"
        return f"biex(T={self.t:g}, width={self.width:g}, {ends})"

    @property
    def nodes(self) -> tuple[Floats, Floats]:
        """Return the table: linear values, and the display values 0 to 4096."""
        return _table(self.t, self.width, self.negative, self.positive)

    def forward(self, values: ArrayLike) -> Floats:
        """Map linear values to the display scale; values beyond the table are held at its ends."""
        return np.asarray(np.interp(np.asarray(values, dtype=np.float64), *self.nodes))

    def inverse(self, values: ArrayLike) -> Floats:
        """Map display values back to the linear scale, within the table."""
        linear, display = self.nodes
        return np.asarray(np.interp(np.asarray(values, dtype=np.float64), display, linear))


@lru_cache(maxsize=256)
def _table(t: float, width: float, negative: float, positive: float) -> tuple[Floats, Floats]:
    """Return the nodes as FlowJo's own code makes them (cytolib's and FlowKit's port of it), slips included."""
    half_width = np.log10(-width) / 2
    decades, extra = positive - half_width, negative + half_width
    zero = int(min(int(extra * CHANNELS / (extra + decades)), CHANNELS / 2))
    if zero > 0:
        decades = extra * CHANNELS / zero
    relative = 2 * half_width / (2 * decades)
    rise = np.log(10.0) * decades
    fall = _fall(rise, relative)
    channels = np.arange(CHANNELS + 1)
    up = np.exp(channels / float(CHANNELS + 1) * rise)
    down = np.exp(channels / float(CHANNELS + 1) * -fall)
    down *= np.exp((rise + fall) * (relative + extra / decades))
    at_zero = up[zero] - down[zero]
    linear: Floats = up
    linear[zero:] = t / np.exp(rise) * (up[zero:] - down[zero:] - at_zero)
    below = np.arange(zero)
    linear[below] = -linear[2 * zero - below]
    display: Floats = channels.astype(np.float64)
    for nodes in (linear, display):
        nodes.setflags(write=False)
    return linear, display


def _fall(rise: float, width: float) -> float:
    """Solve ``2 (ln d - ln rise) + width (d + rise) = 0``; the stop and the first step are FlowJo's."""
    if width == 0:
        return rise
    low, high = 0.0, rise
    d, last_step = (low + high) / 2, float(int(high - low))
    constant = -2 * np.log(rise) + width * rise
    value, slope = 2 * np.log(d) + width * rise + constant, 2 / d + width
    for _ in range(100):
        leaves = ((d - high) * slope - value) - ((d - low) * slope - value) > 0
        if leaves or abs(2 * value) > abs(last_step * slope):
            step = (high - low) / 2
            before, d = low, low + step
        else:
            step = value / slope
            before, d = d, d - step
        if d == before or abs(step) < 1e-12:
            return float(d)
        last_step = step
        value, slope = 2 * np.log(d) + width * d + constant, 2 / d + width
        low, high = (d, high) if value < 0 else (low, d)
    return float(d)
