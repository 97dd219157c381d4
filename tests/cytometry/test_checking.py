"""The matrix of a study, held against the study's own tubes."""

from __future__ import annotations

from pathlib import Path

import pytest

from cytometry.checking import compensate_study
from cytometry.errors import StudyError
from cytometry.residuals import wrong
from cytometry.simulate import simulate_study
from cytometry.study import read_study


@pytest.mark.slow
@pytest.mark.parametrize("spillover", ["true", "slightly_wrong"])
def test_fmo_controls_and_samples_prove_a_slightly_wrong_matrix_and_not_the_true_one(
    tmp_path: Path, spillover: str
) -> None:
    path = simulate_study(
        tmp_path, subjects=1, batches=1, events=8000, seed=1, spillover=spillover, stains=("T",)
    )
    (made,) = compensate_study(read_study(path), check=True)
    assert {one.kind for one in made.residuals} == {"fmo", "stained"}
    assert made.source.startswith("$SPILLOVER of D01")
    assert bool(wrong(made.residuals)) == (spillover == "slightly_wrong")


def test_a_study_without_a_matrix_has_none_to_check(tmp_path: Path) -> None:
    path = simulate_study(
        tmp_path, subjects=1, batches=1, events=200, seed=1, spillover="missing", stains=("T",)
    )
    with pytest.raises(StudyError, match="no matrix to check"):
        compensate_study(read_study(path), check=True)
    with pytest.raises(StudyError, match="no single-stain control"):
        compensate_study(read_study(path))
