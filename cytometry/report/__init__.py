"""The report: one self-contained page, the methods text and the main figures of a result folder.

Every number is read from the run's tables. The page needs no network and no script.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cytometry.report.kinds import Events
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
    events: Events = "auto",
    comparison: str = "",
    options: Mapping[str, str] = MappingProxyType({}),
    formats: Sequence[str] = ("pdf", "svg", "png"),
) -> tuple[Path, ...]:
    """Draw one figure into ``figures/`` and return its files.

    Parameters
    ----------
    kind
        One of :data:`cytometry.report.kinds.KINDS`, which says of each what it shows.
    tubes
        For a figure of one tube, that; for an overlay or a grid, any. By default the representative one of
        each stain, and its control; for a grid, all samples.
    population, marker
        Whose events, or whose gate, and on which axes (two markers with a comma); for ``compare``, the endpoint's.
    events
        How events are drawn: ``auto``, ``pseudocolour``, ``contour`` or ``dots``.
    comparison
        Its name, where a run has several; all if not given.
    options
        What one kind alone understands.

    Raises
    ------
    RunError
        If there is no such kind, tube, population or contrast, with those there are.
    """
    from cytometry.report.kinds import Asked
    from cytometry.report.single import draw_figure

    asked = Asked(tuple(tubes or ()), population or "", marker or "", size, events, comparison, dict(options))
    return draw_figure(run, kind, asked, formats=tuple(formats))
