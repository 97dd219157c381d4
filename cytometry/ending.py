"""How a verb ends: what is said, the report, and the exit code.

Exit codes: 0 fine, 1 our bug, 2 usage, 3 the study is invalid, 4 some tubes failed and the rest finished,
5 finished but needs review (``--strict``), 130 interrupted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from cytometry.errors import Problem
    from cytometry.store import Run

OK, BUG, USAGE, INVALID, SOME_FAILED, REVIEW, INTERRUPTED = 0, 1, 2, 3, 4, 5, 130


def finish_study(finished: Run, told: Sequence[Problem], *, strict: bool) -> None:
    """Say what the run met beyond ``told``, write the report, print its path, and leave with the due code."""
    from cytometry.console import problems, summary

    say(problem for problem in problems(finished) if problem not in told)
    report = _report(finished)
    for line in summary(finished):
        typer.echo(line, err=True)
    typer.echo(report)
    failed = (finished.tubes["status"] == "failed").any()
    gates = finished.gates
    looks = (gates["status"] == "abstained").any() or (gates["outlying"] != "").any()
    looks = looks or (finished.qc["flag"] != "").any()
    code = SOME_FAILED if failed else REVIEW if strict and looks else OK
    if code:
        raise typer.Exit(code)


def finish_cohort(finished: Run) -> None:
    """Say what came of a cohort, print the path of its table, and leave with the due code."""
    from cytometry.cohort import summary

    for line in summary(finished):
        typer.echo(line, err=True)
    typer.echo(finished.folder / "tables" / "statistics.csv")
    if any(tube["status"] == "failed" for tube in finished.info["tubes"].values()):
        raise typer.Exit(SOME_FAILED)


def say(problems: Iterable[Problem]) -> None:
    """Print problems to stderr."""
    for problem in problems:
        typer.echo(str(problem), err=True)


def usage_or_bug(error: Exception) -> int:
    """Say what was wrong with the command, or that it is our bug, and return the exit code."""
    if hasattr(error, "exit_code") and hasattr(error, "format_message"):
        typer.echo(f"{error.format_message()}\ntry: cytometry --help", err=True)
        return USAGE
    import traceback

    traceback.print_exc()
    typer.echo("this is a bug in cytometry; please report it with the lines above", err=True)
    return BUG


def _report(finished: Run) -> Path:
    """Write the report, unless it stands as it was written of just these results."""
    from cytometry.lock import locked
    from cytometry.seal import REPORT, report_stands, seal

    if report_stands(finished.folder):
        return finished.folder / REPORT
    from cytometry.report import write_report

    with locked(finished.folder):
        report = write_report(finished)
        seal(finished.folder)
    return report
