"""The page: everything the template prints, gathered from the run, and written as one file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cytometry.folder import write_text
from cytometry.report.attention import notices
from cytometry.report.blocks import Grid, Picture, cells
from cytometry.report.choice import representative
from cytometry.report.doubts import doubts
from cytometry.report.endpoints import comparisons, explored
from cytometry.report.figures import Studio
from cytometry.report.levels import Levels, levels_of
from cytometry.report.methods import as_markdown, compensated, methods
from cytometry.report.planted import planted
from cytometry.report.populations import (
    cytokines_grid,
    down,
    indented,
    intensities_grid,
    populations_grid,
)
from cytometry.report.tables import channels_grid, files_grid, qc_grid
from cytometry.report.verdict import about, needs_eyes, verdict
from cytometry.report.words import counted, first_upper, minus, number

if TYPE_CHECKING:
    from cytometry.store import Run

HERE = Path(__file__).parent
REPORT, METHODS = "report.html", "methods.md"


@dataclass(frozen=True, slots=True)
class StainSection:
    """What the page shows of one stain."""

    name: str
    hierarchy: Picture | None
    overlay: Picture | None
    undrawn: str
    definitions: Grid
    populations: Grid
    intensities: Grid
    channels: Grid
    compensation: str
    spillover: Grid


@dataclass(frozen=True, slots=True)
class Quality:
    """What the page shows of the acquisition: the tubes that fell short, and all."""

    text: str
    flagged: Grid
    all: Grid


def write(run: Run, *, figures: bool = True) -> Path:
    """Write ``report.html``, ``methods.md`` and ``figures/`` into the result folder; return the report."""
    paragraphs = methods(run)
    write_text(run.folder / METHODS, as_markdown(run, paragraphs))
    write_text(run.folder / REPORT, render(gather(run, Studio(run, draws=figures))))
    return run.folder / REPORT


def gather(run: Run, studio: Studio) -> dict[str, Any]:
    """Return everything that the template prints, by name."""
    levels = levels_of(run)
    found: dict[str, Any] = {
        "study": run.info["study"],
        "about": about(run),
        "verdict": verdict(run),
        "needs_eyes": needs_eyes(run),
        "planted": planted(run, studio),
        "eyes": notices(run),
        "doubts": doubts(run),
        "comparisons": comparisons(run, studio),
        "stains": [_stain(run, studio, stain, levels=levels) for stain in run.stains],
        "explored": explored(run, studio),
        "cytokines": cytokines_grid(run, levels),
        "quality": _quality(run),
        "methods": methods(run),
        "provenance": _provenance(run),
        "files": files_grid(run),
    }
    return found | {"contents": _contents(found)}


def render(found: dict[str, Any]) -> str:
    """Return the page as HTML; every value is escaped, the style sheet alone goes in as it is."""
    from jinja2 import Environment, FileSystemLoader
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    style = Markup((HERE / "style.css").read_text(encoding="utf-8"))
    return environment.get_template("template.html.j2").render(**found, style=style)


def _stain(run: Run, studio: Studio, stain: str, *, levels: Levels) -> StainSection:
    hierarchy, why_not = studio.hierarchy(stain)
    compensation = compensated(str(run.info["stains"][stain].get("compensation", "")))
    return StainSection(
        name=stain,
        hierarchy=hierarchy,
        overlay=studio.overlay(stain),
        undrawn=why_not,
        definitions=_definitions(run, stain),
        populations=populations_grid(run, stain, levels),
        intensities=intensities_grid(run, stain, levels),
        channels=channels_grid(run, stain),
        compensation=f"{first_upper(compensation)}.",
        spillover=_spillover(run, representative(run, stain).tube),
    )


def _quality(run: Run) -> Quality:
    flagged = qc_grid(run, flagged=True)
    checked = run.qc["tube"].nunique()
    if not checked:
        return Quality("No acquisition check was made.", flagged, flagged)
    met = f"{checked - len(flagged.rows)} of {counted(checked, 'tube')} met every acquisition check"
    text = f"{met}; the others are below, marked where they fell short." if flagged else f"{met}."
    return Quality(first_upper(text), flagged, qc_grid(run))


def _definitions(run: Run, stain: str) -> Grid:
    about_stain = run.info["stains"][stain]
    told = {row.path: str(row) for row in run.template(stain).populations}
    rows = [cells([indented(path), told[path]]) for path in down(told)]
    short = str(about_stain["template_sha256"])[:12]
    caption = f"Template {about_stain['template_name']} (sha256 {short}), as it was used."
    return Grid(caption, ("population", "how its boundary is found"), tuple(rows))


def _spillover(run: Run, tube: str) -> Grid:
    found = run.gated(tube).spillover if tube else None
    if found is None:
        return Grid("", (), ())
    rows = [
        cells([detector, *(number(100 * float(value)) for value in line)])
        for detector, line in zip(found.detectors, found.matrix, strict=True)
    ]
    caption = (
        f"Spillover of tube {tube}, in % of the fluorochrome's own detector: from (rows) into (columns)."
    )
    columns = ("detector", *found.detectors)
    return Grid(caption, columns, tuple(rows), frozenset(range(1, len(columns))))


def _provenance(run: Run) -> list[tuple[str, str]]:
    info = run.info
    said = [
        ("Study", str(info.get("study_file") or info["study"])),
        ("Made", str(info.get("created", ""))),
        ("Arguments", _arguments(info.get("arguments"))),
        ("Seed", str(info.get("seed", ""))),
        ("Versions", ", ".join(f"{name} {version}" for name, version in info.get("versions", {}).items())),
    ]
    said += [
        (f"Template, {stain}", f"{about_stain['template_name']}, sha256 {about_stain['template_sha256']}")
        for stain, about_stain in info["stains"].items()
    ]
    return [(name, minus(value)) for name, value in said if value]


def _arguments(arguments: Any) -> str:
    if isinstance(arguments, dict):
        return ", ".join(f"{name} = {value}" for name, value in arguments.items())
    return " ".join(map(str, arguments)) if isinstance(arguments, list) else str(arguments or "")


def _contents(found: dict[str, Any]) -> list[tuple[str, str]]:
    sections = [
        ("verdict", "Verdict", True),
        ("simulated", "Planted and found", found["planted"]),
        ("eyes", "What needs eyes", True),
        ("gating", "Gating", True),
        ("populations", "All populations", True),
        ("endpoints", "Endpoints", found["comparisons"]),
        ("exploratory", "Exploratory contrasts", found["explored"]),
        ("cytokines", "Cytokines", found["cytokines"]),
        ("quality", "Acquisition", True),
        ("channels", "Compensation and scales", True),
        ("methods", "Methods", True),
        ("provenance", "Provenance", True),
    ]
    return [(anchor, title) for anchor, title, there in sections if there]
