"""Seal: what a finished run rested on, and the digest of every file that it wrote.

Where both still fit, there is nothing to do again.
"""

from __future__ import annotations

from pathlib import Path

from cytometry.digest import file_digest, read_signed, signed
from cytometry.folder import KEPT, RESULTS, write_text

SEAL = Path(".cache", "sealed.json")
REPORT = "report.html"
SEALED = (*RESULTS, *KEPT[:2])


def seal(folder: Path, inputs: str | None = None) -> None:
    """Write down what a run rested on, and what it wrote.

    Parameters
    ----------
    inputs
        The digest of all that the run rested on; by default that of the seal that is there, for what is written
        later, such as the report. Without either nothing is sealed.
    """
    before = read_signed(folder / SEAL) or {}
    rested = inputs or str(before.get("inputs", ""))
    if not rested:
        return
    paths = sorted(path for pattern in SEALED for path in folder.glob(pattern) if path != folder / SEAL)
    written = {path.relative_to(folder).as_posix(): file_digest(path) for path in paths}
    write_text(folder / SEAL, signed({"inputs": rested, "written": written}))


def stands(folder: Path, inputs: str) -> bool:
    """Return whether a folder holds the finished results of exactly these inputs, unaltered."""
    said = read_signed(folder / SEAL)
    if said is None or said["inputs"] != inputs:
        return False
    return all(_is(folder / name, wanted) for name, wanted in said["written"].items())


def report_stands(folder: Path) -> bool:
    """Return whether the report of a folder's run was written, and neither was altered since."""
    said = read_signed(folder / SEAL)
    return said is not None and REPORT in said["written"] and stands(folder, said["inputs"])


def _is(path: Path, wanted: str) -> bool:
    try:
        return file_digest(path) == wanted
    except OSError:
        return False
