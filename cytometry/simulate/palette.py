"""Palette: how bright each kind of cell of a tube is in each dye, and how large; before any event is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log, log10, sqrt

import numpy as np
from numpy.typing import NDArray

from cytometry.panel import Panel
from cytometry.simulate.draws import Floats, stream
from cytometry.simulate.instrument import Instrument
from cytometry.simulate.plan import PlannedTube, StudyPlan
from cytometry.simulate.recipe import Recipe
from cytometry.simulate.tables import rows, settings, split

LN10 = log(10)
FEWEST_POLYFUNCTIONAL = 2
CLASSICAL = "classical monocyte"


@dataclass(frozen=True, slots=True, eq=False)
class Palette:
    """Natural logarithms of light per dye (rows, in the order of the detectors) and kind of cell (columns).

    Parameters
    ----------
    median, sd
        Of the logarithm of the dye's light; shape ``(p, k)``.
    stained
        Which dyes are in the tube at all; shape ``(p,)``. An FMO lacks one.
    antibody
        Which of them are on antibodies: all but the viability dye.
    viability
        The row of the viability dye.
    shared
        Rows whose cells with several functions are bright together, and ``together`` the kinds that are.
    af
        Autofluorescence as a factor on the lymphocyte's, by kind.
    scatter
        Median and SD of the logarithm of FSC-A, then of SSC-A; shape ``(4, k)``.
    """

    median: Floats
    sd: Floats
    stained: NDArray[np.bool_]
    antibody: NDArray[np.bool_]
    viability: int
    shared: tuple[int, ...]
    together: NDArray[np.bool_]
    af: Floats
    scatter: Floats


def palette(
    plan: StudyPlan,
    tube: PlannedTube,
    recipe: Recipe,
    *,
    panel: Panel,
    instrument: Instrument,
    cd4_loss: float = 0.0,
) -> Palette:
    """Return the brightness of the kinds of a recipe in one tube."""
    markers = tuple(panel.marker(channel) for channel in instrument.channels)
    median, sd = _lineage(recipe, markers)
    _set_states(plan, recipe, markers, median=median, sd=sd)
    if tube.stimulus:
        _stimulate(markers, median, sd, cd4_loss=cd4_loss)
    if plan.cryo:
        _shift(markers, median, settings("states")["cryo"]["shift"])
    median += _variation(plan, tube, markers)[:, None]
    stained = np.array([marker not in ("", tube.lacks) for marker in markers])
    viability = np.array([marker == "Viability" for marker in markers])
    functions = np.array([int(code).bit_count() for code in recipe.cytokines])
    return Palette(
        median=np.asarray(LN10 * median, dtype=np.float32),
        sd=np.asarray(LN10 * sd, dtype=np.float32),
        stained=stained,
        antibody=stained & ~viability,
        viability=int(np.flatnonzero(viability)[0]),
        shared=tuple(markers.index(m) for m in settings("states")["cytokines"]["markers"] if m in markers),
        together=functions >= FEWEST_POLYFUNCTIONAL,
        af=_autofluorescence(recipe, tube.panel),
        scatter=_scatter(recipe, stimulated=bool(tube.stimulus)),
    )


def _groups(row: dict[str, str]) -> tuple[str, ...]:
    return ("*", *split(row["groups"]), row["stratum"])


def _lineage(recipe: Recipe, markers: Sequence[str]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return median and SD by marker and kind: of the last of a stratum's groups that names the marker."""
    said = {
        (row["group"], row["marker"]): (float(row["median"]), float(row["sd"])) for row in rows("intensities")
    }
    by_stratum = []
    for row in rows("strata"):
        groups = _groups(dict(row))
        by_stratum.append(
            [
                next(
                    (said[group, marker] for group in reversed(groups) if (group, marker) in said),
                    said["*", "*"],
                )
                for marker in markers
            ]
        )
    found = np.array(by_stratum)[recipe.stratum]  # kind, marker, median or SD
    return found[:, :, 0].T.copy(), found[:, :, 1].T.copy()


def _set_states(
    plan: StudyPlan,
    recipe: Recipe,
    markers: Sequence[str],
    *,
    median: NDArray[np.float64],
    sd: NDArray[np.float64],
) -> None:
    """Write the brightness that states decide: PD-1, TIM-3+, cytokines, HLA-DR of M-MDSC."""
    states = settings("states")
    level = states["pd1"]["levels"][plan.pd1]
    mdsc = states["mdsc"]["levels"][plan.mdsc]
    leaf = recipe.attribute("leaf")
    given = [
        ("PD-1", ~recipe.pd1, level["negative"]),
        ("PD-1", recipe.pd1, level["positive"]),
        ("TIM-3", recipe.tim3, states["tim3"]["positive"]),
        ("HLA-DR", leaf == "M-MDSC", mdsc["mdsc"]),
        ("HLA-DR", leaf == CLASSICAL, [None, mdsc["monocyte_sd"]]),
    ]
    functions = np.array([int(code).bit_count() for code in recipe.cytokines])
    for bit, marker in zip((4, 2, 1), states["cytokines"]["markers"], strict=True):
        made = (recipe.cytokines & bit) > 0
        given += [(marker, ~made, states["cytokines"]["negative"][marker])]
        bright, spread = states["cytokines"]["positive"][marker]
        several = made & (functions >= FEWEST_POLYFUNCTIONAL)
        given += [(marker, made, [bright, spread])]
        given += [(marker, several, [bright + states["cytokines"]["polyfunctional_shift"], spread])]
    for marker, kinds, (middle, spread) in given:
        if marker in markers:
            at = list(markers).index(marker)
            median[at, kinds] = median[at, kinds] if middle is None else middle
            sd[at, kinds] = spread


def _stimulate(
    markers: Sequence[str], median: NDArray[np.float64], sd: NDArray[np.float64], *, cd4_loss: float
) -> None:
    said = settings("states")["stimulation"]
    bright = settings("artefacts")["variation"]["bright"]
    for marker, spread in said["sd"].items():
        if marker in markers:
            at = list(markers).index(marker)
            sd[at, median[at] > bright] = spread
    _shift(markers, median, {**said["shift"], "CD4": said["shift"]["CD4"] + cd4_loss})


def _shift(markers: Sequence[str], median: NDArray[np.float64], shifts: dict[str, float]) -> None:
    for marker, by in shifts.items():
        if marker in markers:
            median[list(markers).index(marker)] += by


def _variation(plan: StudyPlan, tube: PlannedTube, markers: Sequence[str]) -> NDArray[np.float64]:
    """Return the shift of each marker's staining by donor, batch and tube, log10."""
    said = settings("artefacts")["variation"]
    places = (
        (said["donor"], ("donor", tube.subject)),
        (said["batch"], ("batch", tube.batch, tube.stain)),
        (said["tube"], ("tube", *tube.keys)),
    )
    return np.array(
        [
            sum(
                sd * float(stream(plan.seed, "staining", *keys, marker).standard_normal())
                for sd, keys in places
            )
            for marker in markers
        ]
    )


def _autofluorescence(recipe: Recipe, stain: str) -> Floats:
    said = settings("instrument")
    factors = said["autofluorescence"]
    by_stratum = [
        next((factors[group] for group in reversed(_groups(dict(row))) if group in factors), factors["cell"])
        for row in rows("strata")
    ]
    return np.asarray(np.array(by_stratum)[recipe.stratum] * said["af_of_stain"][stain], dtype=np.float32)


def _scatter(recipe: Recipe, *, stimulated: bool) -> Floats:
    """Return median and SD of the logarithm of FSC-A and SSC-A by kind, from the means and SDs of the table."""
    said = {row["group"]: row for row in rows("scatter")}
    by_stratum = []
    for stratum in rows("strata"):
        row, pair = said[stratum["scatter"]], []
        for name in ("fsc", "ssc"):
            mean, spread = 1000 * float(row[name]), 1000 * float(row[f"{name}_sd"])
            sd = sqrt(log(1 + (spread / mean) ** 2))
            pair += [log(mean) - sd**2 / 2, sd]
        by_stratum.append(pair)
    found = np.array(by_stratum)[recipe.stratum].T
    if stimulated:
        found[0] += LN10 * log10(settings("states")["stimulation"]["fsc"])
    return np.asarray(found, dtype=np.float32)
