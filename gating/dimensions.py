"""Dimensions: what a gate reads of an event."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from gating.scales import Linear, Scale, scale_from_dict, scale_to_dict
from gating.spillover import Spillover


@dataclass(frozen=True, slots=True)
class Ratio:
    """``factor * ((x - shift) / (y - other_shift))`` of a channel's ``x`` and the other channel's ``y``.

    Gating-ML calls the numbers A, B and C.
    """

    other: str
    factor: float = 1.0
    shift: float = 0.0
    other_shift: float = 0.0


@dataclass(frozen=True, slots=True)
class Dimension:
    """What a gate reads: a channel, compensated or not, on a scale.

    Parameters
    ----------
    compensated
        Whether the channel is read compensated. A channel that the spillover does not name is read as it is.
    spillover
        Used in place of the tube's own; ``None`` for the tube's own.
    ratio
        The channel's ratio to another one takes the place of the channel.
    """

    channel: str
    scale: Scale = field(default_factory=Linear)
    compensated: bool = True
    spillover: Spillover | None = None
    ratio: Ratio | None = None

    @property
    def channels(self) -> tuple[str, ...]:
        """Return the channel, and the one it is held against."""
        return (self.channel, self.ratio.other) if self.ratio else (self.channel,)

    def to_dict(self) -> dict[str, Any]:
        """Return the dimension as plain values, for JSON."""
        said: dict[str, Any] = {
            "channel": self.channel,
            "compensated": self.compensated,
            "scale": scale_to_dict(self.scale),
        }
        if self.spillover:
            said["spillover"] = self.spillover.to_dict()
        if self.ratio:
            said["ratio"] = asdict(self.ratio)
        return said

    @classmethod
    def from_dict(cls, description: Mapping[str, Any]) -> Dimension:
        """Build a dimension from the plain values of :meth:`to_dict`."""
        spillover, ratio = description.get("spillover"), description.get("ratio")
        return cls(
            description["channel"],
            scale_from_dict(description["scale"]),
            bool(description["compensated"]),
            Spillover.from_dict(spillover) if spillover else None,
            Ratio(**ratio) if ratio else None,
        )
