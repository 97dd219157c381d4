"""Cells: the light, autofluorescence and scatter of particles, before any detector sees them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cytometry.simulate.draws import Flags, Floats, normals
from cytometry.simulate.instrument import Instrument
from cytometry.simulate.palette import LN10, Palette
from cytometry.simulate.shapes import deviations
from cytometry.simulate.tables import settings


@dataclass(slots=True)
class Particles:
    """Particles of a stretch of a tube: cells, dead cells, debris, or two cells together.

    Parameters
    ----------
    light
        Of each dye in its own detector; shape ``(p, n)``.
    af
        Autofluorescence in each detector; shape ``(p, n)``.
    area
        FSC-A and SSC-A; shape ``(2, n)``.
    """

    light: Floats
    af: Floats
    area: Floats

    def join(self, others: Particles, at: NDArray[np.intp]) -> None:
        """Add other particles to those ``at`` these places: pairs that pass the laser together."""
        self.light[:, at] += others.light
        self.af[:, at] += others.af
        self.area[:, at] += others.area

    def only(self, chosen: Flags) -> Particles:
        """Return some of the particles."""
        return Particles(self.light[:, chosen], self.af[:, chosen], self.area[:, chosen])

    def put(self, others: Particles, at: NDArray[np.intp]) -> None:
        """Put other particles in these places."""
        self.light[:, at] = others.light
        self.af[:, at] = others.af
        self.area[:, at] = others.area


def draw_cells(
    rng: np.random.Generator, kinds: NDArray[np.intp], *, palette: Palette, instrument: Instrument
) -> Particles:
    """Return live single cells of these kinds; a larger cell binds more of everything."""
    said, n = palette.artefacts["geometry"], kinds.size
    size = normals(rng, n)
    z = normals(rng, len(palette.median), n)
    _shine_together(rng, z, kinds, palette)
    z = deviations(rng, z, kinds, palette=palette)
    z += palette.median.take(kinds, axis=1)
    z += np.float32(LN10 * said["size_sd"]) * size
    light = np.exp(z, out=z)
    light[~palette.stained] = 0
    middle_fsc, sd_fsc, middle_ssc, sd_ssc = palette.scatter.take(kinds, axis=1)
    correlation = np.float32(said["size_correlation"])
    forward, side = normals(rng, 2, n)
    forward *= np.float32(sqrt(1 - correlation**2))
    forward += correlation * size
    skew = np.float32(said["ssc_skew"])
    side += skew * (side * side - 1)
    side += np.float32(said["ssc_of_fsc"]) * forward
    area = np.exp(np.stack([middle_fsc + sd_fsc * forward, middle_ssc + sd_ssc * side]))
    return Particles(light, autofluorescence(rng, palette.af[kinds], instrument), area)


def kill(rng: np.random.Generator, cells: Particles, dead: Flags, *, dying: Flags, palette: Palette) -> None:
    """Make some cells dead: bright in the viability dye, smaller, glowing, and sticky for every antibody."""
    said: Mapping[str, Any] = palette.artefacts["dead_cell"]
    at = np.flatnonzero(dead)
    middle = np.where(dying[at], said["dying"][0], said["viability"][0])
    sd = np.where(dying[at], said["dying"][1], said["viability"][1])
    if palette.stained[palette.viability]:
        shine = np.exp(LN10 * (middle + sd * normals(rng, at.size)))
        cells.light[palette.viability, at] = shine.astype(np.float32)
    sticky = _sticky(rng, said["sticky"], (len(palette.median), at.size))
    sticky[~palette.antibody] = 0
    cells.light[:, at] += sticky
    cells.af[:, at] *= np.float32(said["af"])
    cells.area[0, at] *= np.float32(said["fsc"])


def tear(rng: np.random.Generator, cells: Particles, debris: Flags, *, palette: Palette) -> None:
    """Make some cells debris: small, dim, and sticky."""
    said = palette.artefacts["debris_particle"]
    at = np.flatnonzero(debris)
    torn = cells.light[:, at] * np.float32(10 ** said["markers"])
    sticky = _sticky(rng, said["sticky"], (1, at.size))
    torn[palette.antibody] += sticky
    cells.light[:, at] = torn
    cells.af[:, at] *= np.float32(said["af"])
    lengths = -np.log(np.float32(1) - rng.random((2, at.size), dtype=np.float32))
    lengths **= np.float32(1 / said["shape"])
    cells.area[:, at] = lengths * np.array([[said["fsc"]], [said["ssc"]]], dtype=np.float32)


def _shine_together(rng: np.random.Generator, z: Floats, kinds: NDArray[np.intp], palette: Palette) -> None:
    """Correlate the brightness of the cytokines in cells that make several."""
    if not palette.shared:
        return
    at = np.flatnonzero(palette.together[kinds])
    share = settings("states")["cytokines"]["polyfunctional_correlation"]
    common = np.float32(sqrt(share)) * normals(rng, at.size)
    for row in palette.shared:
        z[row, at] = common + np.float32(sqrt(1 - share)) * z[row, at]


def autofluorescence(rng: np.random.Generator, factor: Floats, instrument: Instrument) -> Floats:
    """Return autofluorescence of ``n`` particles in each detector, as ``factor`` times the lymphocyte's."""
    glow = normals(rng, len(instrument.channels), factor.size)
    glow *= np.float32(LN10 * instrument.af_detector_sd)
    glow += np.float32(LN10 * instrument.af_event_sd) * normals(rng, factor.size)
    np.exp(glow, out=glow)
    glow *= factor
    glow *= instrument.af[:, None]
    return glow


def _sticky(rng: np.random.Generator, said: list[float], shape: tuple[int, int]) -> Floats:
    z = normals(rng, *shape)
    z *= np.float32(LN10 * said[1])
    z += np.float32(LN10 * said[0])
    return np.exp(z, out=z)
