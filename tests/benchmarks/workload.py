"""The work that the speed benchmarks share: tubes of 20 channels, a strategy of 20 populations, and FlowKit's twin."""

from __future__ import annotations

from functools import cache
from itertools import permutations, product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cytometry.fcs import write_fcs
from gating.columns import Dimension, Spillover
from gating.gates import Boolean, Ellipsoid, Gate, Interval, Operand, Polygon, Rectangle
from gating.scales import Linear, Logicle
from gating.strategy import GatingStrategy, Population

TOP = 262144.0
MARKERS = (
    "CD3 CD8 PD-1 Viability CD25 CCR7 TIM-3 CD45RA CD14 CD4 FoxP3 CD19 CD127 CD56 CD45 CD16".split()  # detector order
)
SCATTER = ("FSC-A", "FSC-H", "SSC-A")
DETECTORS = tuple(f"D{number:02}-A" for number in range(1, 17))
CHANNELS = (*SCATTER, *DETECTORS, "Time")
# Middle of a marker's light on the linear scale, and its spread in decades.
NEGATIVE, DIM, BRIGHT = (10.0, 0.30), (700.0, 0.30), (8000.0, 0.18)
# Share of events and markers of each kind of cell, a dim one after a ~; all but debris are CD45+.
KINDS: dict[str, tuple[float, str]] = {
    "debris": (0.10, ""),
    "dead": (0.06, "Viability CD45 ~CD3 ~CD19"),
    "naive CD4": (0.20, "CD45 CD3 CD4 CCR7 CD45RA CD127"),
    "memory CD4": (0.17, "CD45 CD3 CD4 CD127 ~PD-1 ~CCR7 ~CD25"),
    "Treg": (0.03, "CD45 CD3 CD4 CD25 ~FoxP3 ~PD-1"),
    "naive CD8": (0.08, "CD45 CD3 CD8 CCR7 CD45RA CD127"),
    "memory CD8": (0.06, "CD45 CD3 CD8 CCR7 ~PD-1"),
    "exhausted CD8": (0.05, "CD45 CD3 CD8 ~PD-1 ~TIM-3"),
    "B": (0.08, "CD45 CD19 CD45RA"),
    "NK": (0.07, "CD45 ~CD56 CD16 CD45RA"),
    "monocyte": (0.10, "CD45 CD14"),
}
MONOCYTE = list(KINDS).index("monocyte")


@cache
def spillover() -> Spillover:
    """Return a matrix of 16 dyes in which neighbours spill into each other most."""
    apart = np.abs(np.subtract.outer(np.arange(16), np.arange(16)))
    return Spillover(DETECTORS, np.where(apart == 0, 1.0, 0.25 * np.exp(-apart / 2.0)))


def events(n_events: int, *, seed: int) -> NDArray[np.float32]:
    """Return events of the kinds of cell, recorded as an analyser would: spilled, noisy, on the linear scale."""
    rng = np.random.default_rng(seed)
    kind = rng.choice(len(KINDS), n_events, p=[share for share, _ in KINDS.values()])
    middle, spread = np.array([[_level(marker, said) for marker in MARKERS] for _, said in KINDS.values()]).T
    light = 10 ** (np.log10(middle).T[kind] + spread.T[kind] * rng.normal(size=(n_events, len(MARKERS))))
    size = np.where(kind == 0, 20e3, 60e3) * np.exp(rng.normal(0, 0.12, n_events))
    recorded = np.empty((n_events, len(CHANNELS)), dtype=np.float32)
    recorded[:, 0] = size
    recorded[:, 1] = size * rng.normal(0.93, 0.03, n_events) * np.where(rng.random(n_events) < 0.04, 0.6, 1.0)
    recorded[:, 2] = np.where(kind == MONOCYTE, 45e3, 15e3) * np.exp(rng.normal(0, 0.2, n_events))
    recorded[:, 3:19] = light @ spillover().matrix + rng.normal(0, 25, (n_events, 16))
    recorded[:, 19] = np.arange(n_events) / 5000
    return np.minimum(recorded, np.float32(TOP - 1))  # a detector ends at its range


def _level(marker: str, said: str) -> tuple[float, float]:
    markers = said.split()
    return BRIGHT if marker in markers else DIM if f"~{marker}" in markers else NEGATIVE


def write_tube(path: Path, recorded: NDArray[np.floating]) -> Path:
    """Write one FCS 3.1 file of float32 with its spillover."""
    labels = ["", "", "", *MARKERS, ""]
    return write_fcs(path, recorded, CHANNELS, labels=labels, spillover=spillover())


def write_tubes(folder: Path, n_tubes: int, n_events: int) -> list[Path]:
    """Write tubes that all differ: the events of a few, each time from another one on."""
    folder.mkdir(parents=True, exist_ok=True)
    made = [events(n_events, seed=seed) for seed in range(1, min(n_tubes, 4) + 1)]
    paths = []
    for number in range(n_tubes):
        recorded = np.roll(made[number % len(made)], number // len(made) * 7919, axis=0)
        paths.append(write_tube(folder / f"tube{number:03d}.fcs", recorded))
    return paths


@cache
def strategy() -> GatingStrategy:
    """Return 20 populations: polygons, intervals, quadrants, an ellipsoid and booleans, as in an immune panel."""
    logicle = Logicle(t=TOP, w=0.5, m=4.5, a=0.0)
    dimensions = {name: Dimension(name, Linear(), compensated=False) for name in SCATTER}
    dimensions |= {marker: Dimension(DETECTORS[n], logicle) for n, marker in enumerate(MARKERS)}
    cut, dim, bright = logicle.forward(np.array([900.0, DIM[0], BRIGHT[0]])).tolist()

    def above(*markers: str) -> Gate:
        if len(markers) == 1:
            return Interval(markers[0], low=cut)
        return Rectangle(markers, (cut,) * len(markers), (np.inf,) * len(markers))

    def split(plus: str, minus: str) -> Gate:
        return Rectangle((plus, minus), (cut, -np.inf), (np.inf, cut))

    live, t = "cells/singlets/live", "cells/singlets/live/CD45+/T"
    cells = np.array([[30e3, 4e3], [110e3, 4e3], [150e3, 90e3], [60e3, 90e3], [25e3, 40e3]])
    singlets = np.array([[20e3, 16e3], [160e3, 128e3], [160e3, 165e3], [20e3, 22e3]])
    treg = np.array([[cut, -0.2], [1.1, -0.2], [1.1, cut - 0.02], [cut + 0.1, cut + 0.02], [cut, cut - 0.1]])
    nk = Ellipsoid(("CD56", "CD16"), np.array([dim, bright]), np.array([[0.02, 0.003], [0.003, 0.006]]))
    found = [
        Population("cells", Polygon(("FSC-A", "SSC-A"), cells)),
        Population("singlets", Polygon(("FSC-A", "FSC-H"), singlets), "cells"),
        Population("live", Interval("Viability", high=cut), "cells/singlets"),
        Population("CD45+", above("CD45"), live),
        Population("T", split("CD3", "CD19"), f"{live}/CD45+"),
        Population("B", split("CD19", "CD3"), f"{live}/CD45+"),
        Population("monocytes", above("CD14"), f"{live}/CD45+"),
        Population("NK", nk, f"{live}/CD45+"),
        Population("CD4 T", split("CD4", "CD8"), t),
        Population("CD8 T", split("CD8", "CD4"), t),
        Population("Treg", Polygon(("CD25", "CD127"), treg), f"{t}/CD4 T"),
        Population("FoxP3+", above("FoxP3"), f"{t}/CD4 T/Treg"),
        Population("naive", above("CCR7", "CD45RA"), f"{t}/CD4 T"),
        Population("PD-1+", above("PD-1"), f"{t}/CD4 T"),
        Population("naive", above("CCR7", "CD45RA"), f"{t}/CD8 T"),
        Population("memory", split("CCR7", "CD45RA"), f"{t}/CD8 T"),
        Population("PD-1+", above("PD-1"), f"{t}/CD8 T"),
        Population("TIM-3+", above("TIM-3"), f"{t}/CD8 T"),
        Population("PD-1+TIM-3+", _both(f"{t}/CD8 T", "PD-1+", "TIM-3+"), f"{t}/CD8 T"),
        Population("neither", _neither(f"{t}/CD8 T", "PD-1+", "TIM-3+"), f"{t}/CD8 T"),
    ]
    return GatingStrategy(dimensions, tuple(found))


def _both(parent: str, *names: str) -> Boolean:
    return Boolean("and", tuple(Operand(f"{parent}/{name}") for name in names))


def _neither(parent: str, *names: str) -> Boolean:
    return Boolean("and", tuple(Operand(f"{parent}/{name}", complement=True) for name in names))


def strategy_of(n_populations: int) -> GatingStrategy:
    """Return the first populations of :func:`strategy`, or all of them with quadrants of further marker pairs."""
    ours = strategy()
    cut = next(p.gate.low for p in ours.populations if p.name == "CD45+" and isinstance(p.gate, Interval))
    found = list(ours.populations[:n_populations])
    parents = [p.path for p in ours.populations if p.name in {"CD4 T", "CD8 T", "B", "monocytes"}]
    for (plus, minus), parent in product(permutations(MARKERS, 2), parents):
        if len(found) >= n_populations:
            break
        found.append(
            Population(f"{plus}+{minus}-", Rectangle((plus, minus), (cut, -np.inf), (np.inf, cut)), parent)
        )
    read = {name for population in found for name in population.gate.dimensions}
    return GatingStrategy({name: d for name, d in ours.dimensions.items() if name in read}, tuple(found))


def flowkit_strategy() -> Any:
    """Return the same strategy as FlowKit's own."""
    import flowkit as fk

    ours, built = strategy(), fk.GatingStrategy()
    built.add_comp_matrix("spill", fk.Matrix(spillover().matrix, DETECTORS))
    built.add_transform(
        "logicle", fk.transforms.LogicleTransform(param_t=TOP, param_w=0.5, param_m=4.5, param_a=0.0)
    )
    for population in ours.populations:
        above = ("root", *population.parent.split("/")) if population.parent else ("root",)
        built.add_gate(_flowkit_gate(population, ours), gate_path=above)
    return built


def _flowkit_gate(population: Population, ours: GatingStrategy) -> Any:
    import flowkit as fk

    gate, name = population.gate, population.name
    if isinstance(gate, Boolean):
        references = [
            {
                "ref": o.population.rsplit("/", 1)[-1],
                "path": ("root", *o.population.split("/")[:-1]),
                "complement": o.complement,
            }
            for o in gate.operands
        ]
        return fk.gates.BooleanGate(name, gate.operator, references)

    def dimension(marker: str, low: float = -np.inf, high: float = np.inf) -> Any:
        ends = {
            "range_min": low if np.isfinite(low) else None,
            "range_max": high if np.isfinite(high) else None,
        }
        said = ours.dimensions[marker]
        how = {"compensation_ref": "spill", "transformation_ref": "logicle"} if said.compensated else {}
        return fk.Dimension(said.channel, **how, **ends)

    match gate:
        case Interval():
            return fk.gates.RectangleGate(name, [dimension(gate.dimension, gate.low, gate.high)])
        case Rectangle():
            ends = zip(gate.dimensions, gate.lows, gate.highs, strict=True)
            return fk.gates.RectangleGate(name, [dimension(*one) for one in ends])
        case Polygon():
            return fk.gates.PolygonGate(name, [dimension(d) for d in gate.dimensions], gate.vertices.tolist())
        case Ellipsoid():
            read = [dimension(d) for d in gate.dimensions]
            mean, covariance = gate.mean.tolist(), gate.covariance.tolist()
            return fk.gates.EllipsoidGate(name, read, mean, covariance, gate.distance_squared)
