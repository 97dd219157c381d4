"""A small tube with its gates, and what a saved figure says: its size, texts and fonts."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from gating.columns import ArrayEvents, Columns, Dimension
from gating.gates import Boolean, Interval, Operand, Polygon, Rectangle
from gating.scales import Linear, Logicle
from gating.strategy import GatingStrategy, Population

LOGICLE = Logicle(w=0.8)
CUT = float(LOGICLE.forward(1000.0))
INF = float("inf")
PD1 = "cells/T/CD8 T/PD-1+"
POINTS_PER_PIXEL = 1.0  # an SVG of matplotlib counts in points


def small_tube(n: int = 4000, *, seed: int = 3, positive: float = 0.2) -> Columns:
    """Return T cells and others; of the CD8 ones, ``positive`` have PD-1."""
    rng = np.random.default_rng(seed)

    def light(share: float) -> np.ndarray:
        return np.where(rng.random(n) < share, 10 ** rng.normal(4.0, 0.2, n), rng.normal(50, 120, n))

    values = {
        "FSC-A": rng.normal(9e4, 1.5e4, n),
        "SSC-A": rng.normal(4e4, 9e3, n),
        "CD3": light(0.7),
        "CD8": light(0.4),
        "PD-1": light(positive),
    }
    dimensions = {name: Dimension(name, Linear() if "SC-" in name else LOGICLE) for name in values}
    table = np.column_stack(list(values.values())).reshape(n, len(values))
    return Columns(ArrayEvents(table, tuple(values)), dimensions)


def small_strategy(columns: Columns) -> GatingStrategy:
    """Return cells, T, CD8 T, PD-1+ and its complement, which no plot can show."""
    cells = Polygon(("FSC-A", "SSC-A"), np.array([[4e4, 5e3], [2e5, 5e3], [2e5, 1e5], [4e4, 1e5]]))
    return GatingStrategy(
        columns.dimensions,
        (
            Population("cells", cells),
            Population("T", Interval("CD3", low=CUT), "cells"),
            Population("CD8 T", Rectangle(("CD3", "CD8"), (CUT, CUT), (INF, INF)), "cells/T"),
            Population("PD-1+", Interval("PD-1", low=CUT), "cells/T/CD8 T"),
            Population("no PD-1", Boolean("not", (Operand(PD1),)), "cells/T/CD8 T"),
        ),
    )


class Svg:
    """A saved SVG: its width in mm, its texts, and their sizes in points."""

    def __init__(self, path: Path) -> None:
        self.tree = ElementTree.fromstring(path.read_text(encoding="utf-8"))
        self.written = [e for e in self.tree.iter() if e.tag.endswith("}text")]

    @property
    def size(self) -> tuple[float, float]:
        """Width and height in mm."""
        width, height = (float(self.tree.get(key, "").removesuffix("pt")) for key in ("width", "height"))
        return width / 72 * 25.4, height / 72 * 25.4

    @property
    def texts(self) -> list[str]:
        return ["".join(element.itertext()) for element in self.written]

    @property
    def fonts(self) -> list[float]:
        found = [re.search(r"([\d.]+)px", element.get("style", "")) for element in self.written]
        return [float(match.group(1)) for match in found if match]
