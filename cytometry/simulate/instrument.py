"""Instrument: from the light of the dyes to what the detectors record.

The order is that of a cytometer: dyes spill into detectors, autofluorescence adds to it, the laser flickers,
photo-electrons are counted (Poisson), the empty detector's light is subtracted, electronics add noise. Noise
comes before compensation, which is why compensated populations spread. Each generator has an instrument of its
own; what an option changes of light, the palette and the course of the tube change.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cytometry.simulate.amend import FIRST, SECOND, amended, of_generator
from cytometry.simulate.draws import Floats, normals, poisson, stream
from cytometry.simulate.plan import StudyPlan
from cytometry.simulate.tables import rows
from gating.columns import Spillover

PLAIN = (
    "rate", "timestep", "offset", "electronic_sd", "illumination_cv", "af_event_sd", "af_detector_sd", "top",
)  # fmt: skip


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
    rate, timestep
        Events a second, and the seconds of a tick of Time.
    offset, electronic_sd
        Light of the empty detector, and noise, in units.
    illumination_cv
        Of each laser, from event to event.
    af_event_sd, af_detector_sd
        Of autofluorescence, log10: shared by all detectors of an event, and of each detector.
    top
        ``$PnR``.
    """

    channels: tuple[str, ...]
    fluorochromes: tuple[str, ...]
    lasers: tuple[str, ...]
    gain: Floats
    af: Floats
    spillover: Spillover
    rate: float
    timestep: float
    offset: float
    electronic_sd: float
    illumination_cv: float
    af_event_sd: float
    af_detector_sd: float
    top: float

    @property
    def sources(self) -> tuple[str, ...]:
        """Return the lasers, each once."""
        return tuple(dict.fromkeys(self.lasers))

    def own_light(self, af: Floats, detector: int) -> Floats:
        """Return what compensation makes of autofluorescence ``(p, n)`` in one detector, without noise."""
        weights = self.spillover.inverse[:, detector].astype(np.float32)
        total = np.zeros(af.shape[1], dtype=np.float32)
        for row, weight in zip(af, weights, strict=True):
            total += weight * row
        return total

    def detect(
        self, rng: np.random.Generator, light: Floats, af: Floats, *, reaching: Floats | None = None
    ) -> Floats:
        """Return recorded values ``(p, n)`` of dye light and autofluorescence ``(p, n)``; may be negative.

        ``reaching`` is what reaches the detectors of each laser, as a factor; shape ``(lasers, n)``.
        """
        offset, n = np.float32(self.offset), light.shape[1]
        arriving = self._spilt(light)
        arriving += af
        flicker = normals(rng, len(self.sources), n)
        flicker *= np.float32(self.illumination_cv)
        flicker += np.float32(1)
        if reaching is not None:
            flicker *= reaching
        for detector, laser in enumerate(self.lasers):
            arriving[detector] *= flicker[self.sources.index(laser)]
        arriving += offset
        arriving *= self.gain[:, None]
        recorded = poisson(rng, arriving)
        recorded /= self.gain[:, None]
        recorded -= offset
        noise = normals(rng, *recorded.shape)
        noise *= np.float32(self.electronic_sd)
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
def instrument(generator: str = FIRST) -> Instrument:
    """Return the analyser of a generator: ``detectors.csv`` and ``spillover.csv``, or those of the second."""
    prefix = "second_" if generator == SECOND else ""
    detectors, said = rows(f"{prefix}detectors"), of_generator(generator, "instrument")
    channels = tuple(row["channel"] for row in detectors)
    matrix = [[float(row[channel]) for channel in channels] for row in rows(f"{prefix}spillover")]
    plain: dict[str, Any] = {name: float(said[name]) for name in PLAIN}
    return Instrument(
        channels=channels,
        fluorochromes=tuple(row["fluorochrome"] for row in detectors),
        lasers=tuple(row["laser"] for row in detectors),
        gain=np.array([float(row["gain"]) for row in detectors], dtype=np.float32),
        af=np.array([float(row["af"]) for row in detectors], dtype=np.float32),
        spillover=Spillover(channels, np.array(matrix)),
        **plain,
    )


def written_spillover(plan: StudyPlan) -> Spillover | None:
    """Return the matrix that the files of a study carry; None where they carry none.

    ``slightly_wrong`` is the true one with every coefficient off the diagonal a few per cent off, the same in
    all files; ``identity`` is what an analyser writes whose compensation was never set.
    """
    true = instrument(plan.generator).spillover
    if plan.spillover == "missing":
        return None
    if plan.spillover == "identity":
        return Spillover(true.detectors, np.eye(len(true.detectors)))
    if plan.spillover == "true":
        return true
    error: NDArray[np.float64] = stream(plan.seed, "spillover").standard_normal(true.matrix.shape)
    np.fill_diagonal(error, 0)
    return Spillover(
        true.detectors, true.matrix * (1 + amended(plan, "instrument")["slightly_wrong"] * error)
    )
