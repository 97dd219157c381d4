"""A small finished run, made from FCS files written here, and the page that is made of it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from html.parser import HTMLParser
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from cytometry.compare import CONTRAST_COLUMNS, compare
from cytometry.cytokines import subtract_background
from cytometry.fcs import read_fcs, write_fcs
from cytometry.folder import read_table, write_table, write_text
from cytometry.measure import measure, measure_tube
from cytometry.panel import Channel, Panel
from cytometry.provenance import FORMAT
from cytometry.qc import acquisition_checks
from cytometry.record import GatedTube, save_tube
from cytometry.report.words import MINUS, NOTHING
from cytometry.store import Run, open_run
from cytometry.table import Endpoint
from gating.columns import Columns, Dimension
from gating.gates import Interval, Rectangle
from gating.membership import assign
from gating.records import GateRecord
from gating.scales import Linear, Logicle
from gating.strategy import GatingStrategy, Population
from gating.template import GatingTemplate

BROKEN = "truncated: half of its events are missing"
LABELS = ("specimen", "subject", "arm", "timepoint", "batch", "tissue", "stimulus")
GATE_COLUMNS = [
    "stain", "tube", "population", "marker", "rule", "source", "learnt_from", "n_events", "value", "linear",
    "confidence", "status", "reason",
]  # fmt: skip
OF_COHORT = {
    "keep": "", "of": "", "linear_low": np.nan, "linear_high": np.nan, "shift": 0.0, "cohort": "", "cohort_n": np.nan,
    "cohort_linear": np.nan, "cohort_distance": np.nan, "fraction": np.nan, "cohort_fraction": np.nan,
    "fraction_distance": np.nan, "outlying": "",
}  # fmt: skip
QUESTION = {"factor": "arm", "control": "control", "treated": "temsirolimus"}
PROBLEM = {
    "severity": "warning", "code": "CYT301", "where": "samples.csv:3", "message": "no clone is given",
    "hint": "add one",
}  # fmt: skip
INFO = {
    "format": FORMAT, "study_file": "study.toml", "created": "2026-11-21T10:00:00+00:00", "seed": 1,
    "versions": {"python": "3.11", "cytometry": "0.1.0"}, "arguments": {"study": "study.toml"},
    "low_count": 20, "flag_count": 50,
}  # fmt: skip
CUT = 1_500.0  # linear, for every marker
PATH = {"PD-1": "cells/CD45+/CD8 T/PD-1+", "IFN-g": "cells/CD45+/CD8 T/IFN-g+"}
POSITIVE = {  # of 400 CD8 T cells, by subject: control, treated
    "D1": (68, 52), "D2": (72, 50), "D3": (60, 48), "D4": (80, 54),
}  # fmt: skip
TEMPLATE = """
[template]
name = "small"
title = "Small"
species = "human"
tissue = "PBMC"
lineage = ["CD8 T"]

[[population]]
name = "cells"
parent = ""
cuts = [{marker = "FSC-A", rule = "fixed", linear = 20000}]

[[population]]
name = "CD45+"
parent = "cells"
cuts = [{marker = "CD45", rule = "fixed", linear = 1500}]

[[population]]
name = "CD8 T"
parent = "CD45+"
cuts = [{marker = "CD8", rule = "fixed", linear = 1500}]

[[population]]
name = "@+"
parent = "CD8 T"
cuts = [{marker = "@", rule = "quantile", source = "fmo"}]
"""


@dataclass(frozen=True)
class Row:
    """What the sheet says of one tube."""

    tube: str
    subject: str
    arm: str
    positive: int = 0
    stain: str = "T"
    kind: str = "sample"
    stimulus: str = ""
    low: bool = False
    abstains: bool = False
    timepoint: str = ""

    specimen = property(lambda self: f"{self.subject} {self.arm} {self.timepoint}".strip())
    batch = "B1"
    tissue = "PBMC"

    @property
    def marker(self) -> str:
        return "PD-1" if self.stain == "T" else "IFN-g"


def t_rows() -> list[Row]:
    rows = [
        Row(f"{subject}_{arm}", subject, arm, count)
        for subject, counts in POSITIVE.items()
        for arm, count in zip(("control", "temsirolimus"), counts, strict=True)
    ]
    return [*rows, Row("FMO", "D1", "control", 2, kind="fmo", abstains=True)]


def ics_rows() -> list[Row]:
    return [
        Row(f"{subject}_{arm}_{stimulus or 'none'}", subject, arm, count, "ICS", kind, stimulus)
        for subject in ("D1", "D2", "D3")
        for arm, stimulated in (("control", 40), ("temsirolimus", 44 + int(subject[1])))
        for kind, stimulus, count in (("sample", "SEB", stimulated), ("unstimulated", "", 4))
    ]


def events_of(row: Row, rng: np.random.Generator) -> np.ndarray:
    """1,000 events: 900 cells, 800 of them CD45+, 400 of those CD8 T, a given number of those positive."""
    n_cd8 = 10 if row.low else 400
    place = np.arange(1_000)
    scatter = np.where(place < 900, 100_000.0, 5_000.0)[:, None] * rng.uniform(0.8, 1.2, (1_000, 2))
    positive = [place < 800, place < n_cd8, place < row.positive]
    dim, bright = rng.normal(0, 150, (3, 1_000)), rng.lognormal(np.log(12_000), 0.3, (3, 1_000))
    stains = [np.where(p, b, d) for p, b, d in zip(positive, bright, dim, strict=True)]
    return np.column_stack([scatter, *stains, np.arange(1_000) / 100.0])


def panel_of(row: Row) -> Panel:
    return Panel(
        (
            Channel("FSC-A", "FSC-A", "", "scatter"),
            Channel("SSC-A", "SSC-A", "", "scatter"),
            Channel("V450-A", "CD45", "Pacific Blue", "lineage"),
            Channel("R660-A", "CD8", "APC", "lineage"),
            Channel("V421-A", row.marker, "BV421", "functional"),
            Channel("Time", "Time", "", "time"),
        )
    )


def strategy_of(row: Row) -> GatingStrategy:
    scatter, logicle = Linear(t=262_144.0), Logicle()
    dimensions = {
        "FSC-A": Dimension("FSC-A", scatter, compensated=False),
        "SSC-A": Dimension("SSC-A", scatter, compensated=False),
        "CD45": Dimension("V450-A", logicle),
        "CD8": Dimension("R660-A", logicle),
        row.marker: Dimension("V421-A", logicle),
    }
    cut, low = float(logicle.forward(CUT)), float(scatter.forward(20_000.0))
    populations = [
        Population("cells", Rectangle(("FSC-A", "SSC-A"), (low, low), (np.inf, np.inf))),
        Population("CD45+", Interval("CD45", cut), "cells"),
        Population("CD8 T", Interval("CD8", cut), "cells/CD45+"),
    ]
    if not row.abstains:
        populations.append(Population(f"{row.marker}+", Interval(row.marker, cut), "cells/CD45+/CD8 T"))
    return GatingStrategy(dimensions, tuple(populations))


def records_of(row: Row) -> tuple[GateRecord, ...]:
    cut, path = float(Logicle().forward(CUT)), PATH[row.marker]
    cd45 = GateRecord("cells/CD45+", "CD45", "valley", "own", (row.tube,), 900, cut, CUT, 0.9, "learnt")
    source = "fmo" if row.stain == "T" else "unstimulated"
    if row.abstains:
        why = "12 events, and 100 are needed" if row.kind == "sample" else "FMO is not stained with PD-1"
        return cd45, GateRecord(
            path, row.marker, "quantile", source, (), 12, np.nan, np.nan, 0.0, "abstained", why
        )
    tubes = ("FMO",) if row.stain == "T" else (f"{row.subject}_{row.arm}_none",)
    return cd45, GateRecord(path, row.marker, "quantile", source, tubes, 400, cut, CUT, 0.9, "learnt")


@dataclass(frozen=True)
class Made:
    """What was made of one tube: its rows of statistics, its checks, its gates."""

    measured: pd.DataFrame
    checks: pd.DataFrame
    gates: list[dict]
    sha256: str


def make_tube(folder: Path, number_: int, row: Row, rng: np.random.Generator) -> Made:
    """Write one FCS file, gate it, and save its codes as a run would."""
    panel, strategy = panel_of(row), strategy_of(row)
    detectors, labels = [c.detector for c in panel.channels], ["", "", "CD45", "CD8", row.marker, ""]
    tube = read_fcs(write_fcs(folder / f"{row.tube}.fcs", events_of(row, rng), detectors, labels=labels))
    columns = Columns(tube, strategy.dimensions)
    found = GatedTube(row.tube, strategy, assign(strategy, columns), None, records_of(row))
    save_tube(folder, found)
    path = PATH[row.marker]
    measured = measure_tube(
        found.membership,
        columns,
        strategy,
        intensities=[(path.rpartition("/")[0], row.marker)],
        missing={path: found.gates[-1].reason} if row.abstains else {},
    )
    gates = [
        {"stain": row.stain, "tube": row.tube, **asdict(record), "learnt_from": ", ".join(record.learnt_from)}
        for record in found.gates
    ]
    return Made(measured, acquisition_checks(row.tube, tube, panel, ranges=tube.ranges), gates, tube.sha256())


def about_tube(folder: Path, number_: int, row: Row, made: Made | None) -> dict:
    labels = {key: str(getattr(row, key)) for key in LABELS}
    failed = {"status": "failed", "message": BROKEN, "n_events": 0, "sha256": ""}
    gated = {"status": "gated", "message": "", "n_events": 1_000, "sha256": made.sha256 if made else ""}
    file = f"{row.tube}.fcs"
    known = {"number": number_, "file": str(folder / file), "relative": file, "repairs": []}
    return known | {"stain": row.stain, "kind": row.kind, "labels": labels} | (gated if made else failed)


def about_stain(folder: Path, row: Row) -> dict:
    template = GatingTemplate.from_text(TEMPLATE.replace("@", row.marker))
    write_text(folder / "gating" / f"{row.stain}.toml", template.to_toml())
    dimensions = strategy_of(row).dimensions
    return {
        "panel": [asdict(channel) for channel in panel_of(row).channels],
        "template": f"gating/{row.stain}.toml",
        "template_name": template.name,
        "template_sha256": template.sha256,
        "lost": [],
        "compensation": "none: the files hold no spillover",
        "scales": {
            name: {"channel": d.channel, "scale": d.scale.name, "why": "given"}
            for name, d in dimensions.items()
        },
    }


def compare_all(
    table: pd.DataFrame, question: Mapping[str, Any] = MappingProxyType(QUESTION)
) -> pd.DataFrame:
    net = [Endpoint("CD8 T/IFN-g+", "net_fraction_of_parent")] if "ICS" in set(table["stain"]) else []
    primary = [Endpoint("CD8 T/PD-1+", stain="T")]
    return compare(table, **question, primary=primary, secondary=net, name="treatment")


def write_run(
    folder: Path,
    rows: list[Row],
    *,
    compared: bool = True,
    simulated: dict | None = None,
    study: str = "Small study",
    question: Mapping[str, Any] = MappingProxyType(QUESTION),
) -> Run:
    """Write a result folder as a run would, from FCS files made here."""
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(7)
    made = {r.tube: make_tube(folder, i, r, rng) for i, r in enumerate(rows) if r.positive >= 0}
    tubes = {r.tube: about_tube(folder, i, r, made.get(r.tube)) for i, r in enumerate(rows)}
    failed = {tube: BROKEN for tube in tubes if tube not in made}
    table = measure({tube: one.measured for tube, one in made.items()}, rows, failed=failed)
    table = pd.concat([table, subtract_background(table)], ignore_index=True)
    gates = [gate for one in made.values() for gate in one.gates]
    shown = ("stain", "kind", "status", "n_events", "message")
    for name, content in {
        "statistics": table,
        "contrasts": compare_all(table, question)
        if compared
        else pd.DataFrame(columns=list(CONTRAST_COLUMNS)),
        "gates": pd.DataFrame(gates)[GATE_COLUMNS].assign(**OF_COHORT),
        "qc": pd.concat([one.checks for one in made.values()], ignore_index=True),
        "tubes": pd.DataFrame(
            [{"tube": t, **a["labels"]} | {k: a[k] for k in shown} for t, a in tubes.items()]
        ),
        "problems": pd.DataFrame([PROBLEM]),
    }.items():
        write_table(folder, name, content)
    firsts = {row.stain: row for row in reversed(rows)}
    info = {
        **INFO,
        "study": study,
        "simulated": simulated,
        "stains": {
            stain: about_stain(folder, firsts[stain]) for stain in dict.fromkeys(r.stain for r in rows)
        },
        "tubes": tubes,
        "comparisons": [{"name": "treatment", "design": "auto", **question}] if compared else [],
    }
    write_text(folder / "run.json", json.dumps(info))
    return open_run(folder)


class Page(HTMLParser):
    """What a reader, and a machine, finds on the page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.html = path.read_text(encoding="utf-8")
        self.words: list[str] = []
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.feed(self.html)

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in {"img", "meta", "link", "br"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & set(self.open):
            self.words.append(data)

    @property
    def text(self) -> str:
        """All words, with plain spaces, hyphens for minus signs and dashes."""
        plain = " ".join(self.words).replace(MINUS, "-").replace(NOTHING, "-")
        return re.sub(r"\s+", " ", plain).replace("( ", "(")

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]


def changed_tables(run: Run, *, forty: str) -> Run:
    """Return the run with forty more populations in its tables, whose names begin with a given one."""
    for name in ("statistics", "contrasts", "gates"):
        table = read_table(run.folder, name)
        rows = table[table["population"] == PATH["PD-1"]]
        more = [rows.assign(population=f"{PATH['PD-1']}/{forty}{n:02}", base=PATH["PD-1"]) for n in range(40)]
        if name == "gates":
            more = [one.drop(columns="base") for one in more]
        if name == "contrasts":
            more = [one.assign(family="exploratory") for one in more]
        write_table(run.folder, name, pd.concat([table, *more], ignore_index=True))
    return open_run(run.folder)
