"""Outlines in the plane: a smoothed density on a grid, and the convex outline of its densest part."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gating.answers import Floats
from gating.density import smooth
from gating.errors import GeometryError

CELLS = 128
DIRECTIONS = 32


@dataclass(frozen=True, slots=True, eq=False)
class Plane:
    """Points counted on a square grid and smoothed.

    Attributes
    ----------
    density
        Events per cell, shape ``(CELLS, CELLS)``, first axis x.
    cells
        The cell of each point, shape ``(n, 2)``.
    """

    density: Floats
    cells: NDArray[np.intp]

    @property
    def at_points(self) -> Floats:
        """Return the density where each point is, shape ``(n,)``."""
        return np.asarray(self.density[self.cells[:, 0], self.cells[:, 1]])


def plane(points: Floats, *, bandwidth: float = 1.5) -> Plane:
    """Return the density of points, shape ``(n, 2)``, with a Gaussian of a bandwidth in cells.

    The grid spans each axis but for its outermost 0.1 %, whose points count at the border.
    """
    low, high = np.quantile(points, [0.001, 0.999], axis=0)
    step = np.maximum(high - low, 1e-300) / (CELLS - 16)
    cells = np.clip(np.floor((points - low) / step) + 8, 0, CELLS - 1).astype(np.intp)
    counts = np.bincount(cells[:, 0] * CELLS + cells[:, 1], minlength=CELLS * CELLS)
    density = counts.reshape(CELLS, CELLS).astype(np.float64)
    return Plane(smooth(smooth(density, bandwidth).T.copy(), bandwidth).T, cells)


def densest(points: Floats, share: float) -> Floats:
    """Return the points where the density is highest, a share of them; shape ``(m, 2)``."""
    height = plane(points).at_points
    return points[height >= np.quantile(height, 1 - share)]


def densest_cloud(points: Floats, *, least: float = 0.02, lowest: float = 0.05) -> NDArray[np.bool_]:
    """Return which points belong to the cloud around the highest density, shape ``(n,)``.

    The cloud is grown downwards from its peak, to ``lowest`` of its height, and stops where it would take in
    another cloud that holds at least a share ``least`` of the points.
    """
    from scipy.ndimage import label

    ground = plane(points)
    peak = np.unravel_index(int(np.argmax(ground.density)), ground.density.shape)
    top = float(ground.density[peak])
    cloud = ground.density >= 0.9 * top
    others = np.zeros_like(cloud)
    for level in np.geomspace(0.9, lowest, 24) * top:
        parts = label(ground.density >= level)[0]
        grown = parts == parts[peak]
        if (grown & others).any():
            break
        cloud = grown
        mass = np.bincount(parts.ravel(), weights=ground.density.ravel())
        large = np.flatnonzero(mass >= least * len(points))
        others |= np.isin(parts, large[(large > 0) & (large != parts[peak])])
    return np.asarray(cloud[ground.cells[:, 0], ground.cells[:, 1]])


def convex_outline(points: Floats) -> Floats:
    """Return a convex polygon around points, counterclockwise, shape ``(k, 2)`` with ``k`` at most 32.

    Its corners are the points that lie furthest in each of 32 directions, after each axis is scaled to its
    own range: few enough to be moved by hand. It may leave out slivers between two corners.
    """
    middle = (points.max(axis=0) + points.min(axis=0)) / 2
    reach = np.maximum((points.max(axis=0) - points.min(axis=0)) / 2, 1e-300)
    angles = np.arange(DIRECTIONS) * 2 * np.pi / DIRECTIONS
    x, y = ((points - middle) / reach).T
    furthest = np.array([np.argmax(x * np.cos(angle) + y * np.sin(angle)) for angle in angles])
    corners = points[furthest]
    return np.asarray(corners[(corners != np.roll(corners, 1, axis=0)).any(axis=1)])


def finite_points(points: ArrayLike) -> Floats:
    """Return the points of which both coordinates are finite, shape ``(n, 2)``.

    Raises
    ------
    GeometryError
        If the points are not pairs.
    """
    table = np.asarray(points, dtype=np.float64)
    if table.ndim != 2 or table.shape[1] != 2:
        msg = f"a region is learnt from points of shape (n, 2), not {table.shape}"
        raise GeometryError(msg)
    return table[np.isfinite(table).all(axis=1)]


def without_piles(points: Floats) -> tuple[Floats, Floats]:
    """Return the points not piled up at the top of an axis, and those tops, shape ``(2,)``; inf if no pile.

    A detector reports no more than the end of its range, so events beyond it share one value.
    """
    tops = np.full(2, np.inf)
    for axis in range(2 if len(points) else 0):
        top = points[:, axis].max()
        piled = int((points[:, axis] == top).sum())
        if piled >= max(5.0, 0.0003 * len(points)) and piled < len(points) / 2:
            tops[axis] = top
    return points[(points < tops).all(axis=1)], tops


def share_within(count: float, error: float, n: int) -> tuple[float, float]:
    """Return the shares of ``n`` events between which a count lies in 95 of 100 samples, from its standard error."""
    return max(0.0, count - 1.96 * error) / n, min(float(n), count + 1.96 * error) / n
