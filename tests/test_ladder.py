"""The house stands as it is drawn: who may import whom, and every room has its place."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_rooms_import_only_from_the_rows_below_them() -> None:
    command = [
        sys.executable,
        "-c",
        "from importlinter.cli import lint_imports_command as c; c()",
        "--no-cache",
    ]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout[-2000:]


def test_every_room_has_its_place_on_the_ladder() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    rows = contracts["contracts"][0]["layers"]
    placed = {room.strip(" ()") for row in rows for room in row.split("|")}
    rooms = {
        f"{package}.{path.stem if path.is_file() else path.name}"
        for package in ("gating", "cytometry")
        for path in (ROOT / package).iterdir()
        if path.suffix == ".py" or (path / "__init__.py").is_file()
    }
    assert {room for room in rooms if not room.endswith(("__init__", "__main__"))} <= placed
