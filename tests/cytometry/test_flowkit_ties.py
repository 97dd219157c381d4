"""Gates drawn exactly through events' own values, as FlowKit computes them: not one event may fall aside."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

from cytometry.fcs import read_fcs, write_fcs
from gating.columns import Columns, Dimension, Spillover
from gating.gates import Interval, Polygon
from gating.membership import assign
from gating.scales import Arcsinh, Hyperlog, Logicle, Scale
from gating.strategy import GatingStrategy, Population

DETECTORS = tuple(f"D{number}-A" for number in range(1, 9))
N_EVENTS = 8_000
SCALES = (Logicle(w=0.8), Arcsinh(a=0.5), Hyperlog(w=1.0))


def _recorded(rng: np.random.Generator) -> tuple[np.ndarray, Spillover]:
    n = len(DETECTORS)
    matrix = np.eye(n) + rng.uniform(0, 0.2, (n, n)) * (1 - np.eye(n))
    light = 10 ** rng.uniform(0, 5, (N_EVENTS, n)) * (rng.random((N_EVENTS, n)) < 0.6)
    recorded = light @ matrix + rng.normal(0, 40, (N_EVENTS, n))
    return recorded.astype(np.float32), Spillover(DETECTORS, matrix)


@pytest.mark.parametrize("scale", SCALES, ids=lambda scale: scale.kind)
def test_an_event_on_a_boundary_falls_where_flowkit_puts_it(scale: Scale, tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    recorded, spillover = _recorded(rng)
    path = write_fcs(tmp_path / "tube.fcs", recorded, DETECTORS, spillover=spillover)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # FlowKit's own
        import flowkit
        from flowkit import transforms

        of = {
            "logicle": transforms.LogicleTransform,
            "arcsinh": transforms.AsinhTransform,
            "hyperlog": transforms.HyperlogTransform,
        }[scale.kind]
        names = ("t", "m", "a") if scale.kind == "arcsinh" else ("t", "w", "m", "a")
        transform = of(*(getattr(scale, name) for name in names))
        sample = flowkit.Sample(path, sample_id="tube")
        matrix = flowkit.Matrix(spillover.matrix, list(DETECTORS))
        sample.apply_compensation(matrix)
        sample.apply_transform(transform)
        seen = sample.get_events("xform")
        theirs = flowkit.GatingStrategy()
        theirs.add_comp_matrix("matrix", matrix)
        theirs.add_transform("scale", transform)

        def dimension(number: int, low: float | None = None) -> flowkit.Dimension:
            return flowkit.Dimension(DETECTORS[number], "matrix", "scale", low)

        ours: list[Population] = []
        for number, (row, at) in enumerate(
            zip(*(rng.integers(0, N_EVENTS, 80), rng.integers(0, 8, 80)), strict=True)
        ):
            ours.append(Population(f"above {number}", Interval(DETECTORS[at], low=float(seen[row, at]))))
            gate = flowkit.gates.RectangleGate(ours[-1].name, [dimension(at, float(seen[row, at]))])
            theirs.add_gate(gate, ("root",))
        for number in range(40):
            x, y = rng.choice(8, 2, replace=False)
            corners = seen[rng.choice(N_EVENTS, 4, replace=False)][:, [x, y]]
            ours.append(Population(f"polygon {number}", Polygon((DETECTORS[x], DETECTORS[y]), corners)))
            gate = flowkit.gates.PolygonGate(ours[-1].name, [dimension(x), dimension(y)], corners.tolist())
            theirs.add_gate(gate, ("root",))
        results = theirs.gate_sample(sample)

    strategy = GatingStrategy({name: Dimension(name, scale) for name in DETECTORS}, tuple(ours))
    found = assign(strategy, Columns(read_fcs(path), strategy.dimensions, spillover))
    different = {
        population.name: int(
            np.count_nonzero(found.of(population.name) != results.get_gate_membership(population.name))
        )
        for population in ours
    }
    assert not any(different.values()), {name: n for name, n in different.items() if n}
