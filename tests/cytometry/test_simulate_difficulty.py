"""How hard the named difficulties are: what a plain gate attains, against figures of an independent simulation."""

from __future__ import annotations

import numpy as np
import pytest

from cytometry.simulate import StudyPlan
from cytometry.simulate.acquire import Known, acquire
from cytometry.simulate.biology import specimen
from cytometry.simulate.draws import stream
from cytometry.simulate.instrument import instrument
from cytometry.simulate.palette import palette
from cytometry.simulate.plan import PlannedTube
from cytometry.simulate.recipe import Recipe, recipe
from cytometry.simulate.tables import panel
from gating.columns import compensate

MONOCYTES, MDSC = 15.0, 1.2  # % of CD45+, of the table's mean patient


def _acquired(plan: StudyPlan, stain: str, markers: tuple[str, ...]) -> tuple[np.ndarray, Known, Recipe]:
    """Return compensated values, one row per marker."""
    tube, analyser, stained = (
        PlannedTube("D01", "baseline", "B1", stain),
        instrument(plan.generator),
        panel(stain),
    )
    of = specimen(plan, tube)
    kinds = recipe(of, stained.markers, stimulated=False)
    colours = palette(plan, tube, kinds, panel=stained, instrument=analyser)
    recorded, known = acquire(
        stream(5, "difficulty"),
        100_000,
        plan=plan,
        tube=tube,
        recipe=kinds,
        palette=colours,
        instrument=analyser,
    )
    values = compensate(recorded[:, 6:-1].astype(float), analyser.spillover)
    return values.T[[analyser.channels.index(stained.detector(marker)) for marker in markers]], known, kinds


@pytest.mark.parametrize(
    ("level", "percentiles", "attained"),
    [
        ("easy", [1], 0.94),
        ("easy", [5], 0.77),
        ("realistic", [1, 2, 3, 5], 0.79),
        ("hard", [2, 3, 5, 7], 0.62),
    ],
)
def test_mdsc_are_as_hard_to_tell_from_monocytes_as_their_level_says(
    level: str, percentiles: list[float], attained: float
) -> None:
    """F1 of HLA-DR below the best of these percentiles of monocytes, at the shares of the mean patient."""
    (hla_dr,), known, kinds = _acquired(StudyPlan(mdsc=level), "myeloid", ("HLA-DR",))
    leaf = kinds.attribute("leaf")[known.kind]
    monocytes, mdsc = (hla_dr[known.is_live_single & (leaf == n)] for n in ("classical monocyte", "M-MDSC"))
    scores = []
    for percentile in percentiles:
        true = MDSC * (mdsc < np.percentile(monocytes, percentile)).mean()
        scores.append(2 * true / (MDSC + true + MONOCYTES * percentile / 100))
    assert max(scores) == pytest.approx(attained, abs=0.04)


def _f1(gate: np.ndarray, truth: np.ndarray) -> float:
    return float(2 * (gate & truth).sum() / (gate.sum() + truth.sum()))


def test_dim_foxp3_costs_the_dim_regulatory_cells_and_spares_the_effectors() -> None:
    """The best cut on FoxP3, of CD45RA+ cells for Fr I and of the others for Fr II."""
    best = {}
    for options in ((), ("foxp3_dim",)):
        plan = StudyPlan(options=options, batches=1)
        (foxp3, ra), known, kinds = _acquired(plan, "T", ("FoxP3", "CD45RA"))
        cd4 = known.is_live_single & (kinds.attribute("leaf")[known.kind] == "CD4 T")
        foxp3, ra, fraction = foxp3[cd4], ra[cd4] > 1500, kinds.attribute("fraction")[known.kind][cd4]
        cuts = np.geomspace(50, 8000, 80)
        best[options] = [
            max(_f1(side & (foxp3 > cut), fraction == name) for cut in cuts)
            for side, name in ((ra, "Fr I"), (~ra, "Fr II"))
        ]
    (first, second), (dim_first, dim_second) = best.values()
    assert dim_first < first - 0.05
    assert dim_second == pytest.approx(second, abs=0.03)
    assert second > 0.9
