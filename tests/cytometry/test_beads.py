from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cytometry.beads import above_last_valley, find_beads
from cytometry.errors import FCSError
from cytometry.fcs import read_fcs
from cytometry.simulate import StudyPlan, write_plan


def test_the_beads_of_a_simulated_tube_are_found_and_a_tube_without_has_none(tmp_path: Path) -> None:
    plan = StudyPlan(subjects=1, batches=1, events=4_000, stains=("T",), options=("counting_beads",))
    write_plan(tmp_path, plan)
    tube = read_fcs(tmp_path / "fcs" / "D01_baseline_T.fcs")
    channels = [name for name in tube.channels if not name.startswith(("FSC", "SSC", "Time"))]
    truth = pd.read_parquet(tmp_path / "truth" / "D01_baseline_T.parquet")["is_bead"].to_numpy()
    found = find_beads(tube, channels)
    assert truth.sum() > 200
    assert (found & truth).sum() >= 0.99 * truth.sum()
    assert found.sum() <= 1.01 * truth.sum()
    assert not find_beads(read_fcs(tmp_path / "fcs" / "B1_T_FMO_PD-1.fcs"), channels).any()
    with pytest.raises(FCSError, match="has no channel V451-A"):
        find_beads(tube, ["V451-A", *channels])
    with pytest.raises(FCSError, match="two detectors or more"):
        find_beads(tube, channels[:1])


def test_one_peak_holds_no_beads_and_two_hold_those_of_the_bright_one() -> None:
    rng = np.random.default_rng(1)
    cells, beads = rng.normal(1.5, 0.3, 5_000), rng.normal(4.3, 0.03, 400)
    assert not above_last_valley(cells).any()
    assert above_last_valley(np.concatenate([cells, beads])).sum() == 400
    assert not above_last_valley(np.array([])).any()
