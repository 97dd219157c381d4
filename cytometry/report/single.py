"""One figure on demand, drawn at journal size into ``figures/``, its caption into ``figures/captions.md``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from cytometry.folder import write_text
from cytometry.report.figures import file_stem
from cytometry.report.kinds import Asked, Captioned, kind_named

if TYPE_CHECKING:
    from cytometry.store import Run

CAPTIONS = "captions.md"
SECTION = re.compile(r"^## ([^\n]+)\n\n(.*?)\n*(?=^## |\Z)", re.MULTILINE | re.DOTALL)


def draw_figure(run: Run, kind: str, asked: Asked, *, formats: tuple[str, ...]) -> tuple[Path, ...]:
    """Draw figures of one kind and save them; see :func:`cytometry.report.write_figure`."""
    from cytometry import plots

    written: list[Path] = []
    captions = {}
    for name, drawn in kind_named(kind).draw(run, asked).items():
        figure = drawn.figure if isinstance(drawn, Captioned) else drawn
        stem = file_stem(name)
        written += plots.save(figure, run.folder / "figures" / stem, formats=formats)
        if isinstance(drawn, Captioned):
            captions[stem] = drawn.caption
    if captions:
        keep_captions(run.folder / "figures" / CAPTIONS, captions)
    return tuple(written)


def keep_captions(path: Path, captions: dict[str, str]) -> None:
    """Write captions by file stem into a Markdown file, in place of those that it has of the same figures."""
    from cytometry.report.gate_captions import software

    known = dict(SECTION.findall(path.read_text(encoding="utf-8"))) if path.is_file() else {}
    known |= {stem: f"{caption} {software()}" for stem, caption in captions.items()}
    write_text(path, "\n".join(f"## {stem}\n\n{known[stem]}\n" for stem in sorted(known)))
