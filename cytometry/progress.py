"""Progress: how far a run has come, told to whoever wants to know."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

Progress: TypeAlias = Callable[[str, str, int, int], None]
"""Takes the stage, the tube, how many are done and how many there are."""


def silent(stage: str, tube: str, done: int, total: int) -> None:
    """Take progress and say nothing."""


@contextmanager
def progress(*, quiet: bool) -> Iterator[Progress]:
    """Give a function that shows stage, tube and count on a terminal, and nothing elsewhere."""
    if quiet or not sys.stderr.isatty():
        yield silent
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description:<10}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[tube]}"),
    )
    with Bars(*columns, console=Console(stderr=True)) as bars:
        tasks = {}

        def tell(stage: str, tube: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total, tube="")
            bars.update(tasks[stage], completed=done, total=total, tube=tube)

        yield tell
