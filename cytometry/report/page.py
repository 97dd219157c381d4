"""The page: everything the template prints, gathered from the run, and written as one file."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cytometry.folder import write_table, write_text
from cytometry.report.attention import notices
from cytometry.report.blocks import Grid, Picture, cells, tidied
from cytometry.report.checklist import checklist
from cytometry.report.closer import closer
from cytometry.report.cytokines import cytokines
from cytometry.report.doubts import doubts
from cytometry.report.endpoints import comparisons, explored
from cytometry.report.figures import Studio
from cytometry.report.gate_pages import GatePages, gate_pages
from cytometry.report.levels import Levels, levels_of
from cytometry.report.matrices import Compensation, compensation
from cytometry.report.methods import as_markdown, methods
from cytometry.report.planted import planted
from cytometry.report.populations import (
    down,
    indented,
    intensities_grid,
    numbers_grid,
    populations_grid,
    silent_markers,
)
from cytometry.report.quality import quality
from cytometry.report.rule_key import key_to
from cytometry.report.tables import channels_grid, files_grid
from cytometry.report.verdict import about, needs_look, verdict
from cytometry.report.words import minus

if TYPE_CHECKING:
    import pandas as pd

    from cytometry.store import Run

HERE = Path(__file__).parent
REPORT, METHODS = "report.html", "methods.md"
ABOUT = {
    "decomposition": "Parts of the shift of each declared endpoint: composition, and within memory subsets.",
    "definitions": "Regulatory T cells by definition and denominator.",
    "polyfunctionality": "How many functions responding cells have at once, a row per tube, parent and measure.",
    "readouts": "Percent positive beside median intensities of each declared endpoint.",
    "responses": "Which specimens responded: detection within one subject, not a comparison.",
    "sensitivity": "Each declared endpoint recounted at other cuts; no p.",
    "shares_and_numbers": "Shift of shares beside ratio of numbers of cells.",
    "subsets": "Boolean combinations of the functions: stimulated, unstimulated and net.",
}


@dataclass(frozen=True, slots=True)
class StainSection:
    """What the page shows of one stain."""

    name: str
    hierarchy: Picture | None
    overlay: Picture | None
    undrawn: str
    silent: str
    definitions: Grid
    gates: GatePages
    populations: Grid
    numbers: Grid
    intensities: Grid
    channels: Grid
    compensation: Compensation


def write(run: Run, *, figures: bool = True) -> Path:
    """Write ``report.html``, ``methods.md``, ``figures/``, the workbook, Prism's tables and the checklist.

    Return the report.
    """
    from cytometry.prism import write_prism
    from cytometry.workbook import write_workbook

    paragraphs = methods(run)
    write_text(run.folder / METHODS, as_markdown(run, paragraphs))
    found, tables = gather(run, Studio(run, draws=figures))
    for name, table in tables.items():
        write_table(run.folder, name, table)
    write_workbook(run, more=_more(run, tables))
    write_prism(run)
    write_text(run.folder / REPORT, render(found))
    return run.folder / REPORT


def gather(run: Run, studio: Studio) -> tuple[dict[str, Any], dict[str, pd.DataFrame]]:
    """Return everything that the template prints, by name, and the tables that were made on the way."""
    levels = levels_of(run)
    looks, made = closer(run, studio), cytokines(run, levels)
    stains = [_stain(run, studio, stain, levels=levels) for stain in run.stains]
    proven = [stain.compensation.notice for stain in stains if stain.compensation.notice]
    found: dict[str, Any] = {
        "study": run.info["study"],
        "about": about(run),
        "verdict": verdict(run),
        "needs_look": needs_look(run),
        "planted": planted(run, studio),
        "eyes": notices(run, proven),
        "doubts": doubts(run),
        "comparisons": comparisons(run, studio, looks),
        "stains": stains,
        "explored": explored(run, studio),
        "cytokines": made,
        "quality": quality(run),
        "methods": methods(run),
        "checklist": checklist(run),
        "provenance": _provenance(run),
        "files": files_grid(run),
    }
    return found | {"contents": _contents(found)}, {**looks.tables, **made.tables}


def render(found: dict[str, Any]) -> str:
    """Return the page as HTML; every value is escaped, style and script alone go in as they are."""
    from jinja2 import Environment, FileSystemLoader
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["tidied"] = tidied
    style, script = (Markup((HERE / name).read_text(encoding="utf-8")) for name in ("style.css", "script.js"))
    digest = b64encode(sha256(script.encode()).digest()).decode("ascii")
    template = environment.get_template("template.html.j2")
    return template.render(**found, style=style, script=script, script_digest=digest)


def _more(run: Run, tables: dict[str, pd.DataFrame]) -> dict[str, tuple[str, pd.DataFrame]]:
    """Return the tables that not every run has, for the workbook."""
    from cytometry.report.tables import table_of

    others = {
        name: table_of(run, name)
        for name in ("subsets", "responses", "planted", "qc_intervals", "qc_channels")
    }
    known = {**tables, **{name: table for name, table in others.items() if table is not None}}
    return {
        name.replace("_", " ").capitalize(): (ABOUT.get(name, ""), table) for name, table in known.items()
    }


def _stain(run: Run, studio: Studio, stain: str, *, levels: Levels) -> StainSection:
    hierarchy, why_not = studio.hierarchy(stain)
    return StainSection(
        name=stain,
        hierarchy=hierarchy,
        overlay=studio.overlay(stain),
        undrawn=why_not,
        silent=silent_markers(run, stain),
        definitions=_definitions(run, stain),
        gates=gate_pages(run, stain),
        populations=populations_grid(run, stain, levels),
        numbers=numbers_grid(run, stain, levels),
        intensities=intensities_grid(run, stain, levels),
        channels=channels_grid(run, stain),
        compensation=compensation(run, stain, checks=studio.draws),
    )


def _definitions(run: Run, stain: str) -> Grid:
    about_stain = run.info["stains"][stain]
    told = {row.path: str(row) for row in run.template(stain).populations}
    rows = [cells([indented(path), told[path]]) for path in down(told)]
    short = str(about_stain["template_sha256"])[:12]
    caption = (
        f"Template {about_stain['template_name']} (sha256 {short}), as it was used. {key_to(told.values())}"
    )
    return Grid(caption.strip(), ("population", "how its boundary is found"), tuple(rows))


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
        ("eyes", "What needs a look", True),
        ("endpoints", "Endpoints", found["comparisons"]),
        ("exploratory", "Exploratory contrasts", found["explored"]),
        ("gating", "Gating", True),
        ("populations", "All populations", True),
        ("cytokines", "Cytokines", found["cytokines"]),
        ("quality", "Acquisition", True),
        ("channels", "Compensation and scales", True),
        ("methods", "Methods", True),
        ("miflowcyt", "MIFlowCyt checklist", True),
        ("provenance", "Provenance", True),
    ]
    return [(anchor, title) for anchor, title, there in sections if there]
