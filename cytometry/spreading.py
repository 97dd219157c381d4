"""Spreading: how much each dye widens the other detectors after compensation, as controls show it.

Compensation takes a dye's spill off on average; its photons were counted, and their scatter stays. A dim marker in a
detector that a bright dye spreads into is lost, whatever the matrix. The spreading matrix says which pairs of a panel
to avoid: a dye of light F widens a detector by ``spreading * sqrt(F)``.

Nguyen R, Perfetto S, Mahnke YD, Chattopadhyay P, Roederer M. Quantifying spillover spreading for comparing
instrument performance and aiding in multicolor panel design. Cytometry A 2013;83A:306-315.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cytometry._singles.negatives import Light, far_from, match, prepare
from cytometry._singles.reading import read_light
from cytometry._singles.slopes import Slopes, find_slopes
from cytometry.fcs import Tube
from gating.columns import Spillover
from gating.scales import Floats

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, eq=False)
class Spreading:
    """Spread of each dye (rows) into each detector (columns); NaN where a dye has no usable control.

    Parameters
    ----------
    matrix
        Square root of the variance that a unit of the dye's light adds, in square roots of units; the diagonal is 0.
    brightness
        The light at which it was measured, by dye: laser noise grows faster than photons', so that spreading of
        very bright controls is larger than that of dim ones.
    reasons
        Why a row is NaN, by dye.
    """

    detectors: tuple[str, ...]
    matrix: Floats
    brightness: Mapping[str, float]
    reasons: Mapping[str, str]

    @property
    def table(self) -> pd.DataFrame:
        """Return the matrix with named rows and columns."""
        import pandas as pd

        return pd.DataFrame(self.matrix, index=list(self.detectors), columns=list(self.detectors))


def spreading_matrix(
    singles: Mapping[str, Tube], spillover: Spillover, *, unstained: Sequence[Tube], seed: int = 1
) -> Spreading:
    """Return the spillover spreading matrix of Nguyen et al. (2013).

    The standard deviation of a detector among positives and among negatives is taken after compensation; what the
    positives have more, in variance and by unit of light, is the spreading. It is read from the lower half of the
    events around the line at every brightness, where no dead cell and no other dye lies.

    Parameters
    ----------
    singles
        The single stain of each dye, by its detector.
    spillover
        By which they are compensated.
    unstained
        Negatives of the same cells or beads; of several, the one whose scatter a control fits.

    Raises
    ------
    ValueError
        If there is no unstained tube.
    """
    if not unstained:
        msg = (
            "a spreading matrix needs an unstained tube: spreading is what positives have more than negatives"
        )
        raise ValueError(msg)
    names, rng = spillover.detectors, np.random.default_rng(seed)
    dull = [prepare(_compensated(tube, spillover)) for tube in unstained]
    matrix = np.full((len(names), len(names)), np.nan)
    brightness, reasons = {}, {}
    for own, name in enumerate(names):
        if name not in singles:
            reasons[name] = "no single stain"
            continue
        light = _compensated(singles[name], spillover)
        found = match(light, min(dull, key=lambda one: far_from(light, one)))
        slopes = find_slopes(found, own, rng=rng)
        if isinstance(slopes, str):
            reasons[name] = slopes
            continue
        matrix[own] = _spread(slopes, own)
        brightness[name] = slopes.brightness
    return Spreading(names, matrix, brightness, reasons)


def _spread(slopes: Slopes, own: int) -> Floats:
    row = np.sqrt(slopes.growth[:, 0] + slopes.growth[:, 1] * slopes.brightness)
    row[own] = 0.0
    return np.asarray(row)


def _compensated(tube: Tube, spillover: Spillover) -> Light:
    raw = read_light(tube, spillover.detectors)
    return Light(raw.values @ spillover.inverse, raw.scatter, raw.piled)
