"""Palette: how bright each kind of cell of a tube is in each dye, and how large; before any event is drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import log, log10, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cytometry.panel import Panel
from cytometry.simulate.amend import amended
from cytometry.simulate.draws import Floats, stream
from cytometry.simulate.instrument import Instrument
from cytometry.simulate.plan import PlannedTube, StudyPlan
from cytometry.simulate.recipe import Recipe
from cytometry.simulate.tables import rows, settings, split

LN10 = log(10)
FEWEST_POLYFUNCTIONAL = 2
CLASSICAL = "classical monocyte"
VIABILITY = "Viability"
UNSTAINED, SINGLE_STAIN = "unstained", "single_stain"


@dataclass(frozen=True, slots=True, eq=False)
class Palette:
    """Natural logarithms of light per dye (rows, in the order of the detectors) and kind of cell (columns).

    Parameters
    ----------
    median, sd
        Of the logarithm of the dye's light; shape ``(p, k)``.
    stained
        Which dyes are in the tube at all; shape ``(p,)``. An FMO lacks one, a single stain has one.
    antibody
        Which of them are on antibodies: all but the viability dye.
    viability
        The row of the viability dye.
    shared
        Rows whose cells with several functions are bright together, and ``together`` the kinds that are.
    af
        Autofluorescence as a factor on the lymphocyte's, by kind.
    scatter, bead
        Median and SD of the logarithm of FSC-A, then of SSC-A; shape ``(4, k)``, and ``(4,)`` for a bead.
    skewed
        By dye and kind, whether skewed light is that of bright cells; None where light is lognormal.
    broken
        Rows of a tandem dye and of what is left of it where it breaks.
    artefacts
        The numbers of ``artefacts.toml`` for this plan.
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
    bead: Floats
    skewed: NDArray[np.bool_] | None
    broken: tuple[tuple[int, int], ...]
    artefacts: Mapping[str, Any]


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
    said = amended(plan, "artefacts")
    median, sd = _brightness(plan, tube, recipe, markers=markers, cd4_loss=cd4_loss)
    viability = np.array([marker == VIABILITY for marker in markers])
    stained = _stained(tube, markers, instrument)
    functions = np.array([int(code).bit_count() for code in recipe.cytokines])
    return Palette(
        median=np.asarray(LN10 * median, dtype=np.float32),
        sd=np.asarray(LN10 * said["family"]["sd"] * sd, dtype=np.float32),
        stained=stained,
        antibody=stained & ~viability,
        viability=int(np.flatnonzero(viability)[0]),
        shared=tuple(
            markers.index(m) for m in amended(plan, "states")["cytokines"]["markers"] if m in markers
        ),
        together=functions >= FEWEST_POLYFUNCTIONAL,
        af=_autofluorescence(recipe, amended(plan, "instrument"), markers),
        scatter=_scatter(recipe, said["scatter"], stimulated=tube.activated),
        bead=np.array(_log_scatter("bead", said["scatter"]), dtype=np.float32),
        skewed=median > said["variation"]["bright"] if said["family"]["skewed"] else None,
        broken=_broken(said["tandem"]["pairs"], instrument),
        artefacts=said,
    )


def _brightness(
    plan: StudyPlan, tube: PlannedTube, recipe: Recipe, *, markers: Sequence[str], cd4_loss: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return median and SD, log10, by marker and kind: of lineage and state, and of what befell the staining."""
    said, states = amended(plan, "artefacts"), amended(plan, "states")
    median, sd = _lineage(recipe, markers)
    _set_states(plan, recipe, markers, median=median, sd=sd)
    if tube.activated:
        _stimulate(states["stimulation"], markers, median, sd, bright=said["variation"]["bright"])
        _shift(markers, median, {"CD4": cd4_loss})
    if plan.cryo:
        _shift(markers, median, states["cryo"]["shift"])
    if tube.batch == _last_batch(plan):
        _shift(markers, median, said["failed_staining"])
    _shift(markers, median, said["other_staining"])
    return median + _variation(plan, tube, markers)[:, None], sd


@cache
def _last_batch(plan: StudyPlan) -> str:
    return plan.tubes[-1].batch


def _stained(tube: PlannedTube, markers: Sequence[str], instrument: Instrument) -> NDArray[np.bool_]:
    if tube.kind in (UNSTAINED, SINGLE_STAIN):
        return np.array([channel == tube.stained for channel in instrument.channels])
    return np.array([marker not in ("", tube.lacks) for marker in markers])


def _broken(pairs: Mapping[str, str], instrument: Instrument) -> tuple[tuple[int, int], ...]:
    dyes = instrument.fluorochromes
    return tuple((dyes.index(tandem), dyes.index(donor)) for tandem, donor in pairs.items())


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
    states = amended(plan, "states")
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
    said: Mapping[str, Any],
    markers: Sequence[str],
    median: NDArray[np.float64],
    sd: NDArray[np.float64],
    *,
    bright: float,
) -> None:
    for marker, spread in said["sd"].items():
        if marker in markers:
            at = list(markers).index(marker)
            sd[at, median[at] > bright] = spread
    _shift(markers, median, said["shift"])


def _shift(markers: Sequence[str], median: NDArray[np.float64], shifts: Mapping[str, float]) -> None:
    for marker, by in shifts.items():
        if marker in markers:
            median[list(markers).index(marker)] += by


def _variation(plan: StudyPlan, tube: PlannedTube, markers: Sequence[str]) -> NDArray[np.float64]:
    """Return the shift of each marker's staining by donor, batch and tube, log10."""
    said = amended(plan, "artefacts")["variation"]
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


def _autofluorescence(recipe: Recipe, said: Mapping[str, Any], markers: Sequence[str]) -> Floats:
    factors = said["autofluorescence"]
    by_stratum = [
        next((factors[group] for group in reversed(_groups(dict(row))) if group in factors), factors["cell"])
        for row in rows("strata")
    ]
    fixed = said["af_fixed"] if set(said["inside"]) & set(markers) else 1.0
    return np.asarray(np.array(by_stratum)[recipe.stratum] * fixed, dtype=np.float32)


def _scatter(recipe: Recipe, said: Mapping[str, Any], *, stimulated: bool) -> Floats:
    """Return median and SD of the logarithm of FSC-A and SSC-A by kind."""
    by_stratum = [_log_scatter(stratum["scatter"], said) for stratum in rows("strata")]
    found = np.array(by_stratum)[recipe.stratum].T
    if stimulated:
        found[0] += LN10 * log10(settings("states")["stimulation"]["fsc"])
    return np.asarray(found, dtype=np.float32)


def _log_scatter(group: str, said: Mapping[str, Any]) -> list[float]:
    """Return the lognormal of a mean and SD of the table, seen with the gains of an instrument."""
    row = next(row for row in rows("scatter") if row["group"] == group)
    found = []
    for name in ("fsc", "ssc"):
        mean, spread = 1000 * float(row[name]), 1000 * float(row[f"{name}_sd"])
        sd = sqrt(log(1 + (spread / mean) ** 2))
        middle = log(mean) - sd**2 / 2
        bent = log(said["middle"]) + said[f"{name}_power"] * (middle - log(said["middle"]))
        found += [bent + log(said[f"{name}_gain"]), said["sd"] * sd]
    return found
