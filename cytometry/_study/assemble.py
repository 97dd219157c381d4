"""Everything together: settings, panels, sheet, headers, templates, controls and comparisons of one study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from cytometry._qc.limits import Limits
from cytometry._study.biology import biology_problems
from cytometry._study.design import comparison_problems
from cytometry._study.endpoints import Populations, read_comparison
from cytometry._study.headers import ONE_FILE, read_headers
from cytometry._study.model import SAMPLE, Comparison, SheetRow, Stain, Study
from cytometry._study.panels import read_panels
from cytometry._study.settings import Settings, is_todo, read_settings
from cytometry._study.sheet import read_sheet
from cytometry._study.stains import Files, draft_stain
from cytometry._study.text import TomlText, error, expanded, read_csv, read_toml
from cytometry.errors import Problem
from cytometry.fcs import Tube
from cytometry.markers import canonical_marker
from cytometry.panel import did_you_mean
from cytometry.table import fraction_of
from gating.rows import last_part


def assemble(path: Path, *, headers: bool) -> tuple[Study | None, list[Problem]]:
    """Return the study, and every problem of its files, errors first; no study where an error stops it.

    An FCS file that cannot be read is an error, but stops only its own tube.
    """
    files, problems = _read(path, headers=headers)
    study = None
    if files is not None:
        study, wrong = _held_together(files, headers=headers)
        problems += wrong
    problems = sorted(dict.fromkeys(problems), key=lambda problem: problem.severity)
    stopped = any(problem.severity == "error" and problem.code not in ONE_FILE for problem in problems)
    unreadable = headers and files is not None and bool(files.rows) and not files.tubes
    if study is None or stopped or unreadable:
        return None, problems
    return replace(study, warnings=tuple(problems)), problems


def _read(path: Path, *, headers: bool) -> tuple[Files | None, list[Problem]]:
    text, problems = read_toml(path)
    if text is None:
        return None, problems
    settings, wrong = read_settings(text)
    problems += wrong
    if settings is None:
        return None, problems
    fcs_dir, wrong = _fcs_dir(text, settings)
    problems += wrong
    problems += _impossible(text, settings)
    panels, wrong = read_panels(path.parent, {name: table.panel for name, table in settings.stain.items()})
    problems += wrong
    sheet, wrong = read_csv(path.parent / settings.study.samples)
    problems += wrong
    rows, wrong = read_sheet(sheet, tuple(settings.stain)) if sheet else ((), [])
    problems += wrong
    if rows and not any(row.kind in (SAMPLE, "unstimulated") for row in rows):
        said = f"none of {len(rows)} tubes is of kind sample: there is nothing to measure"
        problems.append(
            error("CYT021", settings.study.samples, said, "controls say where gates lie, no more")
        )
    tubes: dict[str, Tube] = {}
    if headers and fcs_dir.is_dir():
        tubes, wrong = read_headers(fcs_dir, rows)
        problems += wrong
    return Files(text, settings, fcs_dir, rows, panels, tubes), problems


def _impossible(text: TomlText, settings: Settings) -> list[Problem]:
    """Return settings that are each right and together wrong, or point at nothing."""
    problems = []
    if settings.study.flag_count < settings.study.low_count:
        said = f"flag_count is {settings.study.flag_count}, below low_count, {settings.study.low_count}"
        hint = "below low_count a statistic is NaN, below flag_count it is flagged"
        problems.append(error("CYT004", text.where("study", "flag_count"), said, hint))
    for name in settings.stain:
        if not name.strip(" .") or set(name) & set('/\\:*?"<>|'):
            said = f"a stain cannot be called {name!r}, since its files are called after it"
            problems.append(
                error("CYT004", text.where("stain", name), said, "letters, digits, space, - and _ will do")
            )
    if settings.simulated and not (text.path.parent / settings.simulated.truth).is_file():
        said = f"the truth of the simulation, {settings.simulated.truth}, is not there"
        problems.append(error("CYT001", text.where("simulated", "truth"), said))
    return problems


def _fcs_dir(text: TomlText, settings: Settings) -> tuple[Path, list[Problem]]:
    written, unset = expanded(settings.study.fcs_dir)
    where = text.where("study", "fcs_dir")
    if unset:
        said = f"fcs_dir needs the variable {' and '.join(unset)}, which is not set"
        return Path(written), [error("CYT001", where, said, f"export {unset[0]}=/folder/of/your/files")]
    folder = text.path.parent / Path(written).expanduser()
    if not folder.is_dir():
        return folder, [
            error("CYT001", where, f"there is no folder {folder}", "fcs_dir is relative to study.toml")
        ]
    return folder, []


def _held_together(files: Files, *, headers: bool) -> tuple[Study | None, list[Problem]]:
    drafts = {name: draft_stain(files, name, headers=headers) for name in files.settings.stain}
    problems = [problem for draft in drafts.values() for problem in draft.problems]
    stains = {name: draft.stain for name, draft in drafts.items() if draft.stain}
    lacks = {tube: lacking for draft in drafts.values() for tube, lacking in draft.lacks.items()}
    populations = {name: draft.populations for name, draft in drafts.items() if draft.populations}
    comparisons, wrong = _comparisons(files, populations)
    problems += wrong + _measure_problems(files, stains)
    for name, stain in stains.items():
        problems += biology_problems(stain, files.rows_of(name), comparisons)
    if not stains:
        return None, problems
    rows = [replace(row, lacks=lacks.get(row.tube, row.lacks)) for row in files.rows]
    return _study(files, stains, comparisons, rows), problems


def _comparisons(files: Files, stains: Mapping[str, Populations]) -> tuple[list[Comparison], list[Problem]]:
    found: list[Comparison] = []
    problems: list[Problem] = []
    for number, table in enumerate(files.settings.comparison):
        if is_todo(table.control) or is_todo(table.treated):
            continue
        made, wrong = read_comparison(files.text, number, table, stains)
        problems += wrong
        if made and files.rows:
            problems += comparison_problems(files.text, number, made, files.rows)
        found += [made] if made else []
    return found, problems


def _measure_problems(files: Files, stains: Mapping[str, Stain]) -> list[Problem]:
    """Return the populations and markers of ``[measure]`` that no stain has."""
    if len(stains) < len(files.settings.stain):
        return []
    problems = []
    populations = [last_part(path) for stain in stains.values() for path in stain.template.paths]
    for name in files.settings.measure.fractions_of if "measure" in files.settings.model_fields_set else []:
        if name not in populations:
            where = files.text.where("measure", "fractions_of")
            problems.append(
                error("CYT108", where, f"no population is called {name!r}", did_you_mean(name, populations))
            )
    markers = [marker for stain in stains.values() for marker in stain.panel.markers]
    for name in files.settings.measure.intensities:
        if (canonical_marker(name) or name) not in markers:
            where = files.text.where("measure", "intensities")
            problems.append(error("CYT101", where, f"unknown marker {name!r}", did_you_mean(name, markers)))
    return problems


def _study(
    files: Files, stains: Mapping[str, Stain], comparisons: Sequence[Comparison], rows: Sequence[SheetRow]
) -> Study:
    general, measure, simulated = files.settings.study, files.settings.measure, files.settings.simulated
    populations = {last_part(path) for stain in stains.values() for path in stain.template.paths}
    named = [
        e.statistic.removeprefix(fraction_of("")) for c in comparisons for e in (*c.primary, *c.secondary)
    ]
    bases = [name for name in (*measure.fractions_of, *named) if name in populations]
    return Study(
        path=files.text.path,
        name=general.name,
        fcs_dir=files.fcs_dir,
        stains=stains,
        tubes=tuple(rows),
        comparisons=tuple(comparisons),
        seed=general.seed,
        stand_in=general.stand_in,
        low_count=general.low_count,
        flag_count=general.flag_count,
        fractions_of=tuple(dict.fromkeys(bases)),
        intensities=tuple(canonical_marker(name) or name for name in measure.intensities),
        limits=Limits(**files.settings.qc.model_dump()),
        truth=files.folder / simulated.truth if simulated else None,
    )
