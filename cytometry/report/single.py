"""One figure on demand, drawn at journal size into ``figures/``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cytometry.report.figures import file_stem
from cytometry.report.kinds import Asked, kind_named

if TYPE_CHECKING:
    from cytometry.store import Run


def draw_figure(run: Run, kind: str, asked: Asked, *, formats: tuple[str, ...]) -> tuple[Path, ...]:
    """Draw figures of one kind and save them; see :func:`cytometry.report.write_figure`."""
    from cytometry import plots

    written: list[Path] = []
    for name, figure in kind_named(kind).draw(run, asked).items():
        written += plots.save(figure, run.folder / "figures" / file_stem(name), formats=formats)
    return tuple(written)
