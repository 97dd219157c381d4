"""A study without a study file: the FCS files of a folder that a template suits, and no comparison."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from cytometry._study.grouping import Group, group_by_panel, read_folder, suit
from cytometry._study.model import LACKING, SheetRow, Stain, Study
from cytometry._study.names import TubeGuess, guess_tubes, tube_names
from cytometry._study.templates import TemplateText, only_steps, prune, read_stain_template
from cytometry._study.text import error, shown, warning
from cytometry.errors import Problem, StudyError
from cytometry.fcs import Tube
from gating.rows import last_part

USUAL_BASE = "CD45+"
AUTO = "auto"


def folder_study(fcs_dir: str | Path, *, template: str, seed: int = 1) -> Study:
    """Return a study of the files in a folder; see :func:`cytometry.study.folder_study`."""
    folder = Path(fcs_dir)
    if not folder.is_dir():
        said = "is a file" if folder.exists() else "there is no such folder"
        raise StudyError([error("CYT001", str(folder), said, "give the folder of the FCS files")])
    headers, unreadable = read_folder(folder)
    if not headers:
        reasons = "; ".join(f"{file} {why}" for file, why in unreadable.items())
        said = "no FCS file can be read" if unreadable else "there is no FCS file"
        raise StudyError([error("CYT020", str(folder), said, reasons or "give the folder of the FCS files")])
    text = None if template == AUTO else read_stain_template(Path(), template, where=f"template {template}")
    if text is not None and text.template is None:
        raise StudyError(text.problems)
    stains, rows, problems = _stains(headers, text)
    if not stains:
        raise StudyError([replace(problem, severity="error") for problem in problems])
    first = next(iter(stains))
    rows += [(TubeGuess(file), first) for file in unreadable]
    problems += [error("CYT205", file, why) for file, why in unreadable.items()]
    bases = {last_part(path) for stain in stains.values() for path in stain.template.paths}
    return Study(
        path=folder / "study.toml",
        name=folder.resolve().name,
        fcs_dir=folder,
        stains=stains,
        tubes=_named(rows),
        seed=seed,
        stand_in="stain",
        fractions_of=(USUAL_BASE,) if USUAL_BASE in bases else (),
        warnings=tuple(problems),
    )


def _stains(
    headers: dict[str, Tube], given: TemplateText | None
) -> tuple[dict[str, Stain], list[tuple[TubeGuess, str]], list[Problem]]:
    """Return a stain for each panel that the template suits, their tubes, and what was left out.

    Where no template is given, each panel has the built-in one that suits it best, and a warning says why.
    """
    stains: dict[str, Stain] = {}
    tubes: list[tuple[TubeGuess, str]] = []
    problems = list(given.problems) if given else []
    groups = group_by_panel(headers)
    for number, group in enumerate(groups, 1):
        text, why = (given, []) if given else _suited(group)
        problems += why
        base = text.template.name if text.template else ""
        name = base if len(groups) == 1 else f"{base}_{number}"
        template, lost, wrong = prune(text, name, group.panel, scatter_known=True)
        problems += [replace(problem, severity="warning") for problem in wrong]
        problems += [warning("CYT112", name, guess) for guess in group.guesses]
        if template is None or (text.template and only_steps(text.template, lost)):
            problems += [
                warning("CYT016", file, "is not gated: the template does not suit its panel")
                for file in group.tubes
            ]
            continue
        stains[name] = Stain(name, group.panel, template, lost=lost)
        for tube in guess_tubes(list(group.tubes), group.panel)[0]:
            if tube.kind in LACKING and not tube.lacks:
                said = f"is not used: its name says {tube.kind}, and not which marker it lacks"
                problems.append(warning("CYT016", tube.file, said))
            else:
                tubes.append((tube, name))
    return stains, tubes, problems


def _suited(group: Group) -> tuple[TemplateText, list[Problem]]:
    """Return the built-in template that suits a panel best, and the reasons; none where none does."""
    name, why = suit(group.panel, group.tubes)
    said, *listed = why
    where = shown(list(group.tubes))
    if not name:
        return TemplateText(where, None, own=False), [warning("CYT016", where, said, "\n  ".join(listed))]
    return read_stain_template(Path(), name, where=f"template {name}"), [warning("CYT112", where, said)]


def _named(tubes: Sequence[tuple[TubeGuess, str]]) -> tuple[SheetRow, ...]:
    """Return a row for each tube, called as its file; with its folder where two files share a name."""
    names = tube_names([tube.file for tube, _ in tubes])
    rows = []
    for tube, stain in tubes:
        name = names[tube.file]
        subject = tube.subject or name
        rows.append(SheetRow(tube.file, name, name, subject, stain=stain, kind=tube.kind, lacks=tube.lacks))
    return tuple(rows)
