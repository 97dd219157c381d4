"""Progress: on a terminal it is shown, elsewhere nothing is written between the lines that a script reads."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from cytometry.progress import progress, silent

SCRIPT = """
from cytometry.progress import progress
with progress(quiet={quiet}) as tell:
    tell("gate T", "D01_baseline_T", 1, 2)
    tell("gate T", "D02_baseline_T", 2, 2)
"""


def on_a_terminal(*, quiet: bool) -> str:
    pty = pytest.importorskip("pty", reason="no terminals of this kind here")
    ours, theirs = pty.openpty()
    try:
        subprocess.run([sys.executable, "-c", SCRIPT.format(quiet=quiet)], stderr=theirs, check=True)
        os.write(theirs, b"end")
        said = b""
        while not said.endswith(b"end"):
            said += os.read(ours, 4096)
        return said.decode()
    finally:
        os.close(ours)
        os.close(theirs)


def test_a_terminal_shows_stage_count_and_tube() -> None:
    shown = on_a_terminal(quiet=False)
    assert "gate T" in shown
    assert "2/2" in shown
    assert "D02_baseline_T" in shown


def test_quiet_is_quiet() -> None:
    assert on_a_terminal(quiet=True) == "end"


def test_what_is_no_terminal_gets_no_progress(capfd: pytest.CaptureFixture[str]) -> None:
    with progress(quiet=False) as tell:
        assert tell is silent
        tell("gate T", "D01_baseline_T", 1, 2)
    assert capfd.readouterr() == ("", "")
