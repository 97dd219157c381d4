"""Beads: the particles of compensation controls, and those that are counted beside cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cytometry.simulate.cells import Particles, autofluorescence
from cytometry.simulate.draws import Flags, Floats, normals
from cytometry.simulate.instrument import Instrument
from cytometry.simulate.palette import LN10, Palette


def capture_beads(
    rng: np.random.Generator, n_events: int, *, palette: Palette, instrument: Instrument
) -> tuple[Particles, Flags]:
    """Return beads that catch whatever antibody is in the tube, and which of them do; the others stay dull.

    Every fluorochrome is caught equally well, the viability dye too: beads that bind amines are used for it.
    """
    said: Mapping[str, Any] = palette.artefacts["capture_bead"]
    bind = rng.random(n_events) < said["bind"]
    light = _lognormal(rng, said["dull"], (len(palette.stained), n_events))
    light[:, bind] = _lognormal(rng, said["bright"], (len(palette.stained), int(bind.sum())))
    light[~palette.stained] = 0
    factor = np.full(n_events, said["af"], dtype=np.float32)
    af = autofluorescence(rng, factor, instrument)
    return Particles(light, af, _area(rng, n_events, palette)), bind & palette.stained.any()


def counting_beads(
    rng: np.random.Generator, n_events: int, *, palette: Palette, instrument: Instrument
) -> Particles:
    """Return beads that shine in every detector alike, whatever dyes are in the tube."""
    shape = (len(instrument.channels), n_events)
    shine = _lognormal(rng, palette.artefacts["counting_bead"]["bright"], shape)
    return Particles(np.zeros(shape, dtype=np.float32), shine, _area(rng, n_events, palette))


def _area(rng: np.random.Generator, n_events: int, palette: Palette) -> Floats:
    middle, sd = palette.bead[::2, None], palette.bead[1::2, None]
    return np.asarray(np.exp(middle + sd * normals(rng, 2, n_events)), dtype=np.float32)


def _lognormal(rng: np.random.Generator, said: Sequence[float], shape: tuple[int, int]) -> Floats:
    z = normals(rng, *shape)
    z *= np.float32(LN10 * said[1])
    z += np.float32(LN10 * said[0])
    return np.exp(z, out=z)
