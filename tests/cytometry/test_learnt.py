"""A stain as it is learnt from files: the same whatever the order of its tubes, and the same when read again."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from cytometry.compensation import choose_spillover
from cytometry.digest import stamp
from cytometry.fcs import read_fcs
from cytometry.learnt import GROUPS, StainJob, StainTube, learn_stain
from cytometry.record import gate_to_dict
from cytometry.simulate import simulate_study
from cytometry.study import read_study
from gating.template import GatingTemplate

TEMPLATE = """\
[template]
name = "small"

[[population]]
name = "T"
cuts = [{ marker = "CD3", rule = "valley" }]

[[population]]
name = "CD8 T"
parent = "T"
cuts = [{ marker = "CD8", rule = "valley", learn_over = "batch", shift_by = "negative peak", otherwise = "cohort" }]

[[population]]
name = "PD-1+"
parent = "CD8 T"
cuts = [{ marker = "PD-1", rule = "quantile", quantile = 0.98, source = "fmo" }]
"""


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> StainJob:
    folder = tmp_path_factory.mktemp("learnt")
    simulate_study(folder / "study", subjects=1, batches=1, events=6_000, seed=8, stains=("T",))
    study = read_study(folder / "study")
    stain = study.stains["T"]
    tubes = []
    for row in study.tubes:
        file = study.folder / row.file
        tube = read_fcs(file)
        spillover, _ = choose_spillover(stain.compensation, tube, folder=study.folder)
        tubes.append(StainTube(row, file, tube.sha256(), stamp(file), spillover))
    template = GatingTemplate.from_text(TEMPLATE)
    return StainJob("T", folder / "one", stain.panel, template, {}, 1, "batch", tuple(tubes))


def plain(of: StainJob) -> dict[str, list[dict[str, object]]]:
    return {name: [gate_to_dict(one) for one in tube.gates] for name, tube in learn_stain(of).tubes.items()}


def test_the_order_of_the_sheet_decides_nothing(job: StainJob, tmp_path: Path) -> None:
    turned = replace(job, folder=tmp_path, tubes=tuple(reversed(job.tubes)))
    assert plain(job) == plain(turned)


def test_what_was_learnt_is_read_again_as_it_was_learnt(job: StainJob) -> None:
    first, again = learn_stain(replace(job, seed=2)), learn_stain(replace(job, seed=2))
    assert (first.reused, again.reused) == (False, True)
    assert {name: tube.gates for name, tube in first.tubes.items()} == {
        name: tube.gates for name, tube in again.tubes.items()
    }
    records = [record for tube in again.tubes.values() for record in tube.gates]
    assert any(record.shift for record in records), "a shift is kept"
    assert any(math.isfinite(record.interval[0]) for record in records), "an interval is kept"


def test_rules_are_never_told_the_arm_or_the_timepoint() -> None:
    assert not {"arm", "timepoint", "hours_since_dose"} & set(GROUPS)
    assert "tissue" in GROUPS
