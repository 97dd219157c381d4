"""Spillover: how fluorochromes spill into detectors, and how that is undone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from gating.errors import ColumnsError
from gating.scales import Floats

ALIGNED = 16  # right-hand sides that LAPACK solves at a time; those left over differ in the last bit


@dataclass(frozen=True, slots=True, eq=False)
class Spillover:
    """Spill of each fluorochrome (rows) into each detector (columns); the diagonal is 1."""

    detectors: tuple[str, ...]
    matrix: Floats
    inverse: Floats = field(init=False, repr=False)

    def __post_init__(self) -> None:
        detectors = tuple(self.detectors)
        n = len(detectors)
        matrix = np.array(self.matrix, dtype=np.float64)
        if matrix.shape != (n, n):
            msg = f"a spillover of {n} detectors needs a {n} x {n} matrix, not {matrix.shape}"
            raise ColumnsError(msg)
        if len(set(detectors)) != n:
            msg = f"a spillover names each detector once, not {', '.join(detectors)}"
            raise ColumnsError(msg)
        if not np.isfinite(matrix).all() or not np.allclose(np.diag(matrix), 1.0):
            msg = f"a spillover is finite with 1 on its diagonal, not {np.diag(matrix)}"
            raise ColumnsError(msg)
        try:
            inverse = np.linalg.inv(matrix)
        except np.linalg.LinAlgError as error:
            msg = f"the spillover of {', '.join(detectors)} cannot be inverted: two rows say the same"
            raise ColumnsError(msg) from error
        matrix.setflags(write=False)
        inverse.setflags(write=False)
        object.__setattr__(self, "detectors", detectors)
        object.__setattr__(self, "matrix", matrix)
        object.__setattr__(self, "inverse", inverse)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Spillover)
            and self.detectors == other.detectors
            and np.array_equal(self.matrix, other.matrix)
        )

    def __hash__(self) -> int:
        return hash((self.detectors, self.matrix.tobytes()))

    def to_dict(self) -> dict[str, Any]:
        """Return detectors and matrix as plain values, for JSON."""
        return {"detectors": list(self.detectors), "matrix": self.matrix.tolist()}

    @classmethod
    def from_dict(cls, description: Mapping[str, Any]) -> Spillover:
        """Build a spillover from the plain values of :meth:`to_dict`."""
        return cls(tuple(description["detectors"]), np.array(description["matrix"]))


def compensate(raw: ArrayLike, spillover: Spillover) -> Floats:
    """Solve ``raw = true @ spillover``; shapes ``(n_events, p)`` and ``(p, p)``, linear scale.

    The arithmetic is FlowKit's. Events are solved in full groups, so that the value of one does not depend on
    how many others are solved with it.
    """
    events = np.asarray(raw, dtype=np.float64)
    padded = np.zeros((-(-len(events) // ALIGNED) * ALIGNED, len(spillover.detectors)))
    padded[: len(events)] = events
    return np.asarray(np.linalg.solve(spillover.matrix.T, padded.T).T[: len(events)])
