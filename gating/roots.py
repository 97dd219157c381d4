"""Roots: scatter on the linear scale, read so that small and large cells make clouds of similar widths."""

from __future__ import annotations

import numpy as np

from gating.answers import Floats

ROOTS = ("none", "x", "y", "both")


def rooted(points: Floats, roots: str) -> Floats:
    """Return points, shape ``(n, 2)``, with the square root of the axes named; below zero, of the magnitude."""
    return _on(points, roots, 0.5)


def squared(points: Floats, roots: str) -> Floats:
    """Undo :func:`rooted`."""
    return _on(points, roots, 2.0)


def _on(points: Floats, roots: str, power: float) -> Floats:
    axes = {"none": [], "x": [0], "y": [1], "both": [0, 1]}[roots]
    done = np.array(points, dtype=np.float64)
    done[:, axes] = np.sign(done[:, axes]) * np.abs(done[:, axes]) ** power
    return done
