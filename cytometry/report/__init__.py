"""The report: one self-contained page, the methods text and the main figures of a result folder.

Every number is read from the run's tables. The page needs no network and no script.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cytometry.store import Run

__all__ = ["write_figure", "write_report"]


def write_report(run: Run, *, figures: bool = True) -> Path:
    """Write ``report.html``, ``methods.md`` and ``figures/`` into the run's folder.

    Parameters
    ----------
    figures
        Whether to draw; without figures the page takes a second, and says that they were left out.

    Returns
    -------
    Path
        Of ``report.html``.

    Raises
    ------
    RunError
        If the folder cannot be written. An FCS file that is gone costs its figure, with the reason in its
        place, and nothing else.
    """
    from cytometry.report.page import write

    return write(run, figures=figures)


def write_figure(
    run: Run,
    kind: str,
    *,
    tubes: Sequence[str] | None = None,
    population: str | None = None,
    marker: str | None = None,
    size: str = "nature2",
    formats: Sequence[str] = ("pdf", "svg", "png"),
) -> tuple[Path, ...]:
    """Draw one figure into ``figures/`` and return its files.

    Parameters
    ----------
    kind
        ``hierarchy`` (of one tube), ``overlay`` (a marker in a population of some tubes), ``compare`` (the
        subjects of one endpoint) or ``forest`` (all contrasts of a comparison).
    tubes
        For a hierarchy, one tube; for an overlay, any. By default the representative one, and its control.
    population, marker
        For an overlay, whose events and which axis; for ``compare``, the endpoint's population.

    Raises
    ------
    RunError
        If there is no such kind, tube, population or contrast, with those there are.
    """
    from cytometry.report.single import draw_figure

    return draw_figure(
        run, kind, tubes=tubes, population=population, marker=marker, size=size, formats=tuple(formats)
    )
