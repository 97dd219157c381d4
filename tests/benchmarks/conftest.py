"""The benchmarks and their judges stand on the path, as when a benchmark is run."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "judges"), str(HERE)]
