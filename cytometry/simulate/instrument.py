"""Instrument: from the light of the dyes to what the detectors record.

The order is that of a cytometer: dyes spill into detectors, autofluorescence adds to it, the laser flickers,
photo-electrons are counted (Poisson), the empty detector's light is subtracted, electronics add noise. Noise
comes before compensation, which is why compensated populations spread.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from cytometry.simulate.draws import Floats, normals, poisson
from cytometry.simulate.tables import rows, settings
from gating.columns import Spillover


@dataclass(frozen=True, slots=True, eq=False)
class Instrument:
    """The detectors of an analyser; arrays have one entry per detector.

    Parameters
    ----------
    channels, fluorochromes, lasers
        By detector; each detector is one fluorochrome's own.
    gain
        Photo-electrons per unit of light.
    af
        Median autofluorescence of a lymphocyte, in units.
    spillover
        Of the fluorochromes into the detectors.
    """

    channels: tuple[str, ...]
    fluorochromes: tuple[str, ...]
    lasers: tuple[str, ...]
    gain: Floats
    af: Floats
    spillover: Spillover

    @property
    def top(self) -> float:
        """Return ``$PnR``."""
        return float(settings("instrument")["top"])

    def own_light(self, af: Floats, detector: int) -> Floats:
        """Return what compensation makes of autofluorescence ``(p, n)`` in one detector, without noise."""
        weights = self.spillover.inverse[:, detector].astype(np.float32)
        total = np.zeros(af.shape[1], dtype=np.float32)
        for row, weight in zip(af, weights, strict=True):
            total += weight * row
        return total

    def detect(self, rng: np.random.Generator, light: Floats, af: Floats) -> Floats:
        """Return recorded values ``(p, n)`` of dye light and autofluorescence ``(p, n)``; may be negative."""
        said = settings("instrument")
        offset, n = np.float32(said["offset"]), light.shape[1]
        arriving = self._spilt(light)
        arriving += af
        lasers = tuple(dict.fromkeys(self.lasers))
        flicker = normals(rng, len(lasers), n)
        flicker *= np.float32(said["illumination_cv"])
        flicker += np.float32(1)
        for detector, laser in enumerate(self.lasers):
            arriving[detector] *= flicker[lasers.index(laser)]
        arriving += offset
        arriving *= self.gain[:, None]
        recorded = poisson(rng, arriving)
        recorded /= self.gain[:, None]
        recorded -= offset
        noise = normals(rng, *recorded.shape)
        noise *= np.float32(said["electronic_sd"])
        recorded += noise
        return np.minimum(recorded, np.float32(self.top - 1), out=recorded)

    def _spilt(self, light: Floats) -> Floats:
        # Dye by dye in a fixed order, not by a matrix product: its rounding would depend on threads and tiles.
        arriving = light.copy()
        for dye, shares in enumerate(self.spillover.matrix):
            for detector in np.flatnonzero(shares):
                if detector != dye:
                    arriving[detector] += np.float32(shares[detector]) * light[dye]
        return arriving


@cache
def instrument(generator: str = "first") -> Instrument:
    """Return the analyser of ``detectors.csv`` and ``spillover.csv``; both generators have this one."""
    detectors = rows("detectors")
    channels = tuple(row["channel"] for row in detectors)
    matrix = np.array([[float(row[channel]) for channel in channels] for row in rows("spillover")])
    return Instrument(
        channels=channels,
        fluorochromes=tuple(row["fluorochrome"] for row in detectors),
        lasers=tuple(row["laser"] for row in detectors),
        gain=np.array([float(row["gain"]) for row in detectors], dtype=np.float32),
        af=np.array([float(row["af"]) for row in detectors], dtype=np.float32),
        spillover=Spillover(channels, matrix),
    )
