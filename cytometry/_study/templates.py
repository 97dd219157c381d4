"""The template of each stain: read, checked with its lines, and pruned to what the panel can show."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from cytometry._study.text import error, read_text, shown, warning
from cytometry.errors import Problem
from cytometry.panel import Panel, did_you_mean, suggest
from gating.errors import TemplateError
from gating.rows import PopulationRow, is_scatter
from gating.template import GatingTemplate, builtin_templates, read_template

COCKTAILS = ("Lin", "Dump")
# What is counted in a population that is gated without a marker.
IMPURE = MappingProxyType(
    {
        ("eMDSC", "CD123"): "basophils are counted in it (0.49 to 0.79 % in a simulation)",
        ("eMDSC", "CD34"): "precursors are counted in it",
        ("CD4 T", "CD4"): "CD3+CD8- cells, gamma-delta T cells among them",
        ("TSCM", "CD27"): "CD95+ effectors that came back to CD45RA may be counted in it",
        ("T cells", "CD14"): "T-monocyte doublets are counted in it",
        ("T cells", "CD19"): "T-B doublets are counted in it",
    }
)
Lacking = list[tuple[str, int]]  # populations and their lines


@dataclass(frozen=True, slots=True)
class TemplateText:
    """A template as it was written, where it stands, and its problems."""

    where: str
    template: GatingTemplate | None
    own: bool
    problems: list[Problem] = field(default_factory=list)


def read_stain_template(folder: Path, name: str, *, where: str) -> TemplateText:
    """Return a stain's template: built in, or a TOML file beside the study.

    Parameters
    ----------
    where
        The line of ``study.toml`` that names it.
    """
    if not name.endswith(".toml"):
        return _builtin(folder, name, where)
    text, problems = read_text(folder / name)
    if text is None:
        return TemplateText(where, None, own=True, problems=problems)
    template, wrong = read_template(text)
    for problem in wrong:
        place = f"{Path(name).name}:{problem.line}" if problem.line else Path(name).name
        said = (
            f"population {problem.population!r}: {problem.message}" if problem.population else problem.message
        )
        problems.append(error("CYT103", place, said))
    return TemplateText(Path(name).name, template, own=True, problems=problems)


def _builtin(folder: Path, name: str, where: str) -> TemplateText:
    if name in builtin_templates():
        return TemplateText(where, GatingTemplate.builtin(name), own=False)
    files = [path.name for path in sorted(folder.glob("*.toml")) if path.name != "study.toml"]
    hint = f"{did_you_mean(name, [*builtin_templates(), *files])}; a file's name ends in .toml"
    return TemplateText(
        where,
        None,
        own=False,
        problems=[error("CYT103", where, f"no built-in template is called {name!r}", hint)],
    )


def prune(
    text: TemplateText, stain: str, panel: Panel, *, scatter_known: bool
) -> tuple[GatingTemplate | None, dict[str, str], list[Problem]]:
    """Return the template without what the panel cannot show, what was lost and why, and the problems of that.

    A template of the study's own was written for this panel, so that a marker that the panel lacks is an error;
    a built-in one is pruned, with a warning.

    Parameters
    ----------
    scatter_known
        Whether the panel holds the scatter of the files; else all that the template needs is taken as there.
    """
    if text.template is None:
        return None, {}, []
    # A panel that names no scatter or time at all is taken by the template as one that leaves it unsaid.
    unsaid = {"Time"} if scatter_known else set(filter(is_scatter, text.template.dimensions))
    present = set(panel.dimensions) | unsaid
    lacking: dict[str, Lacking] = {}
    for row in text.template.populations:
        for marker in row.required:
            if marker not in present and not row.if_present:
                lacking.setdefault(marker, []).append((row.name, row.line))
    problems = [_lacking(text, panel, marker, rows=rows, stain=stain) for marker, rows in lacking.items()]
    problems += _lesser(text, present, stain)
    try:
        template, lost = text.template.prune(present)
    except TemplateError as failure:
        hint = f"its markers are {shown(panel.markers)}; name another template" if panel.markers else ""
        return None, {}, [error("CYT101", text.where, f"stain {stain}: {failure}", hint)]
    return template, dict(lost), problems


def only_steps(template: GatingTemplate, lost: Container[str]) -> bool:
    """Return whether a panel shows nothing of a template but its first steps, such as cells and singlets."""
    asked = [row for row in template.populations if row.required and row.cuts and not row.if_present]
    return bool(asked) and all(row.path in lost for row in asked)


def _lacking(text: TemplateText, panel: Panel, marker: str, *, rows: Lacking, stain: str) -> Problem:
    names = shown(list(dict.fromkeys(name for name, _ in rows)))
    if text.own:
        where = f"{text.where}:{rows[0][1]}" if rows[0][1] else text.where
        said = f"unknown marker {marker!r} (population {names}): the panel of {stain} does not have it"
        return error("CYT101", where, said, did_you_mean(marker, panel.dimensions))
    said = f"stain {stain} has no {marker}: left out of its template are {names}, and what lies below"
    near = suggest(marker, panel.markers)
    return warning("CYT101", text.where, said, f"the panel has {' and '.join(near)}" if near else "")


def _lesser(text: TemplateText, present: set[str], stain: str) -> list[Problem]:
    """Return what a built-in template goes without in silence otherwise: steps left out, cuts left out of a step."""
    if text.own or text.template is None:
        return []
    template, problems = text.template, []
    parents = {row.parent for row in template.populations}
    steps = [row for row in template.populations if row.if_present and row.path in parents]
    absent = [row for row in steps if not _shown(row, present)]
    singlets = [row for row in steps if row.region and row.region.rule == "singlet band"]
    if any(_shown(row, present) for row in singlets):
        absent = [row for row in absent if row not in singlets]
    if absent:
        listed = [f"{row.name} ({' and '.join(sorted(set(row.dimensions) - present))})" for row in absent]
        said = f"stain {stain}: no step {shown(listed)}, since it was not recorded; what lies below moves up"
        problems.append(warning("CYT113", text.where, said))
    less = {row.name: without(row, present) for row in template.populations if _shown(row, present)}
    named = [f"{name} without {' and '.join(markers)}" for name, markers in less.items() if markers]
    if named:
        said = f"stain {stain}: gated without what was not stained: {shown(named)}"
        impure = [f"{name}: {why}" for (name, marker), why in IMPURE.items() if marker in less.get(name, ())]
        problems.append(warning("CYT113", text.where, said, "; ".join(impure)))
    return problems


def without(row: PopulationRow, present: Container[str]) -> tuple[str, ...]:
    """Return the markers that a population is gated without in a panel.

    Markers of which any one will do, as of the several ways to stain a lineage, are missed by none that is there.
    """
    optional = [cut for cut in row.cuts if cut.if_present]
    missing = tuple(cut.marker for cut in optional if cut.marker not in present)
    either = len(optional) == len(row.cuts) and len(missing) < len(optional)
    if either and (
        all(cut.keep == "above" for cut in optional)
        or set(COCKTAILS) & {c.marker for c in optional if c.marker in present}
    ):
        return ()
    return tuple(marker for marker in missing if marker not in COCKTAILS)


def _shown(row: PopulationRow, present: Container[str]) -> bool:
    there = [name for name in row.dimensions if name in present]
    return all(name in present for name in row.required) and bool(there or row.boolean)
