"""A small sound study as real files, which a test spoils in one place."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest

from cytometry.errors import Problem
from cytometry.fcs import write_fcs
from cytometry.study import check_study
from gating.columns import Spillover

CHANNELS = ("FSC-A", "SSC-A", "V450-A", "B695-A", "R670-A", "Time")
LABELS = ("", "", "PD-1", "CD3", "CD8", "")
SPILLOVER = Spillover(("V450-A", "B695-A", "R670-A"), np.array([[1, 0.1, 0], [0, 1, 0.2], [0, 0, 1]]))
DONORS = ("D1", "D2", "D3", "D4", "D5", "D6")
ARMS = ("vehicle", "temsirolimus")

STUDY = """\
[study]
name = "PD-1 under temsirolimus"
fcs_dir = "fcs"

[stain.T]
template = "template.toml"

[[comparison]]
name = "temsirolimus against vehicle"
control = "vehicle"
treated = "temsirolimus"
primary = [
  { population = "CD8 T/PD-1+" },
]
"""
PANEL = """\
detector,marker,fluorochrome,role
V450-A,PD-1,BV421,functional
B695-A,CD3,PerCP-Cy5.5,lineage
R670-A,CD8,APC,lineage
"""
TEMPLATE = """\
[template]
name = "small"

[[population]]
name = "T cells"
cuts = [{ marker = "CD3", rule = "valley" }]

[[population]]
name = "CD8 T"
parent = "T cells"
cuts = [{ marker = "CD8", rule = "valley" }]

[[population]]
name = "PD-1+"
parent = "CD8 T"
cuts = [{ marker = "PD-1", rule = "quantile", source = "fmo" }]
"""


def _write_tube(
    path: Path,
    *,
    rename: Mapping[str, str] = MappingProxyType({}),
    relabel: Mapping[str, str] = MappingProxyType({}),
    spillover: Spillover | None = SPILLOVER,
) -> None:
    """Write an FCS file of 30 events, with some detectors or labels called otherwise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    channels = [rename.get(name, name) for name in CHANNELS]
    labels = [relabel.get(name, label) for name, label in zip(CHANNELS, LABELS, strict=True)]
    if spillover is not None:
        named = tuple(rename.get(name, name) for name in spillover.detectors)
        other = [name for name in named if name not in channels]
        channels += other
        labels += [""] * len(other)
        spillover = Spillover(named, spillover.matrix)
    events = np.random.default_rng(1).uniform(1, 1000, (30, len(channels)))
    write_fcs(path, events, channels, labels=labels, spillover=spillover)


@pytest.fixture
def write_tube() -> Callable[..., None]:
    """Return the function that writes a tube of the study."""
    return _write_tube


@dataclass(frozen=True)
class StudyFolder:
    """A study of 6 donors in 2 batches, each under vehicle and temsirolimus, with an FMO for PD-1 per batch."""

    path: Path

    def edit(self, name: str, old: str, new: str) -> StudyFolder:
        """Replace the first ``old`` of a file, which must be there."""
        text = (self.path / name).read_text(encoding="utf-8")
        assert old in text, f"{old!r} is not in {name}"
        (self.path / name).write_text(text.replace(old, new, 1), encoding="utf-8")
        return self

    def column(self, name: str, values: Sequence[str]) -> StudyFolder:
        """Add a column to the sheet, with a value for each row."""
        lines = (self.path / "samples.csv").read_text(encoding="utf-8").splitlines()
        cells = [f"{line},{cell}" for line, cell in zip(lines, [name, *values], strict=True)]
        (self.path / "samples.csv").write_text("\n".join(cells) + "\n", encoding="utf-8")
        return self

    def problems(self, *, headers: bool = True) -> list[Problem]:
        """Check the study."""
        return check_study(self.path, headers=headers)

    def only(self, code: str) -> Problem:
        """Check the study, which must have this one problem and no other."""
        problems = self.problems()
        assert [problem.code for problem in problems] == [code], "\n".join(map(str, problems))
        return problems[0]


@pytest.fixture
def study_folder(tmp_path: Path) -> StudyFolder:
    """Return a study without a problem."""
    rows = ["file,subject,arm,kind,lacks,batch"]
    for number, donor in enumerate(DONORS):
        rows += [f"{donor}_{arm}.fcs,{donor},{arm},sample,,B{1 + number // 3}" for arm in ARMS]
    rows += [f"FMO_{batch}.fcs,,,fmo,PD-1,{batch}" for batch in ("B1", "B2")]
    for row in rows[1:]:
        _write_tube(tmp_path / "fcs" / row.split(",")[0])
    files = {
        "study.toml": STUDY,
        "panel.csv": PANEL,
        "template.toml": TEMPLATE,
        "samples.csv": "\n".join(rows) + "\n",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return StudyFolder(tmp_path)
