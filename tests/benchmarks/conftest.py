"""The judges stand on the path, as for the benchmark itself."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "judges"))
