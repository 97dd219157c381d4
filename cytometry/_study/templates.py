"""The template of each stain: read, checked with its lines, and pruned to what the panel can show."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from cytometry._study.headers import shown
from cytometry._study.text import error, read_text, warning
from cytometry.errors import Problem
from cytometry.panel import Panel, did_you_mean, suggest
from gating.errors import TemplateError
from gating.rows import is_scatter
from gating.template import GatingTemplate, builtin_templates, read_template

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
    try:
        template, lost = text.template.prune(present)
    except TemplateError as failure:
        hint = f"its markers are {shown(panel.markers)}; name another template" if panel.markers else ""
        return None, {}, [error("CYT101", text.where, f"stain {stain}: {failure}", hint)]
    return template, dict(lost), problems


def _lacking(text: TemplateText, panel: Panel, marker: str, *, rows: Lacking, stain: str) -> Problem:
    names = shown(list(dict.fromkeys(name for name, _ in rows)))
    if text.own:
        where = f"{text.where}:{rows[0][1]}" if rows[0][1] else text.where
        said = f"unknown marker {marker!r} (population {names}): the panel of {stain} does not have it"
        return error("CYT101", where, said, did_you_mean(marker, panel.dimensions))
    said = f"stain {stain} has no {marker}: left out of its template are {names}, and what lies below"
    near = suggest(marker, panel.markers)
    return warning("CYT101", text.where, said, f"the panel has {' and '.join(near)}" if near else "")
