"""Control tubes of a small analyser that is known: four detectors, photons counted, written as FCS files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cytometry.fcs import Tube, read_fcs, write_fcs
from gating.columns import Spillover
from gating.scales import Floats

DETECTORS = ("FITC-A", "PE-A", "APC-A", "APC-Cy7-A")
TRUE = Spillover(
    DETECTORS,
    np.array([[1, 0.2, 0.01, 0], [0.03, 1, 0.02, 0], [0, 0.005, 1, 0.15], [0, 0, 0.1, 1.0]]),
)
AF = np.array([100.0, 60.0, 30.0, 20.0])
GAIN = np.array([0.2, 0.4, 0.3, 0.1])  # photo-electrons per unit of light
TOP = 262_144.0


def dyed(
    path: Path,
    light: Floats,
    *,
    seed: int,
    glow: Floats | float = 1.0,
    keywords: dict[str, str] | None = None,
    fsc: float = 60_000.0,
) -> Tube:
    """Write a tube of cells that hold ``light`` of each dye, shape ``(n, 4)``, and return it."""
    rng = np.random.default_rng(seed)
    n = len(light)
    own = np.asarray(glow) * np.exp(rng.normal(0, 0.2, n))
    arriving = np.maximum(light @ TRUE.matrix + own[:, None] * AF, 0)
    seen = rng.poisson(arriving * GAIN) / GAIN + rng.normal(0, 10, arriving.shape)
    scatter = np.exp(rng.normal([np.log(fsc), np.log(20_000)], 0.15, (n, 2)))
    events = np.minimum(np.column_stack([scatter, seen]), TOP - 1)
    names = ("FSC-A", "SSC-A", *DETECTORS)
    write_fcs(path, events, names, ranges=[TOP] * len(names), keywords=keywords)
    return read_fcs(path)


def only(dye: str, n: int = 4000, *, share: float = 0.4, bright: float = 15_000.0, seed: int = 0) -> Floats:
    """Return light of one dye alone: on a share of the cells, spread over half a decade."""
    rng = np.random.default_rng(seed)
    light = np.zeros((n, len(DETECTORS)))
    held = rng.random(n) < share
    light[held, DETECTORS.index(dye)] = bright * np.exp(rng.normal(0, 0.5, held.sum()))
    return light


def controls(folder: Path, *, seed: int = 1) -> dict[str, Tube]:
    """Return a single stain of every dye by its detector, and an unstained tube under ``""``."""
    made = {
        dye: dyed(folder / f"{dye.removesuffix('-A')}.fcs", only(dye, seed=at), seed=10 * seed + at)
        for at, dye in enumerate(DETECTORS)
    }
    return made | {"": dyed(folder / "Unstained.fcs", np.zeros((4000, 4)), seed=10 * seed + 9)}
