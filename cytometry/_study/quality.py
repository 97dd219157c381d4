"""The ``[qc]`` table of ``study.toml``: what each acquisition is held to; see :class:`cytometry.qc.Limits`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from cytometry._qc.limits import REASONS, TOO_MUCH, USUAL

Share = Annotated[float, Field(ge=0, le=1)]
Half = Annotated[float, Field(gt=0, le=0.5)]


class QualityControl(BaseModel):
    """``[qc]``."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    remove: list[Literal[REASONS]] = list(USUAL.remove)  # type: ignore[valid-type]
    most_removed: Share = USUAL.most_removed
    too_much: Literal[TOO_MUCH] = USUAL.too_much  # type: ignore[valid-type]
    slow: Annotated[float, Field(gt=0, lt=1)] = USUAL.slow
    fast: Annotated[float, Field(gt=1)] = USUAL.fast
    jump: Half = USUAL.jump
    carry_over: Half = USUAL.carry_over
    drift: Share = USUAL.drift
    trend: Half = USUAL.trend
    events: Annotated[int, Field(ge=0)] = USUAL.events
    margin: Share = USUAL.margin
    doublets: Share = USUAL.doublets
    dead: Share = USUAL.dead
    rate_spread: Annotated[float, Field(gt=0)] = USUAL.rate_spread
