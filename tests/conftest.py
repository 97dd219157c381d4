"""What every test may ask for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

DATA_VARIABLE = "CYTOMETRY_DATA"


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Return the folder of real FCS files; skip, saying so, where it is absent."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get(DATA_VARIABLE, beside))
    if not folder.is_dir():
        pytest.skip(f"no real data here: set {DATA_VARIABLE} to a folder of FCS files")
    return folder
