"""Everything together: settings, panels, sheet, headers, templates, controls and comparisons of one study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cytometry._study.controls import control_problems, named_markers
from cytometry._study.design import comparison_problems, read_comparison, specimen_problems
from cytometry._study.headers import ONE_FILE, completed, panel_problems, read_headers, spillover_problems
from cytometry._study.model import Comparison, SheetRow, Stain, Study, locate
from cytometry._study.panels import PanelText, read_panels
from cytometry._study.settings import ScaleWish, Settings, is_todo, read_settings
from cytometry._study.sheet import read_sheet
from cytometry._study.templates import prune, read_stain_template
from cytometry._study.text import TomlText, error, expanded, read_csv, read_toml, warning
from cytometry.errors import Problem
from cytometry.fcs import Tube
from cytometry.markers import canonical_marker
from cytometry.panel import did_you_mean
from cytometry.table import fraction_of
from gating.errors import ScaleError
from gating.rows import last_part
from gating.scales import scale_from_dict
from gating.template import GatingTemplate

NOT_STAINED = ("single_stain",)
DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class _Files:
    """What was read of a study, before its parts are held against each other."""

    text: TomlText
    settings: Settings
    fcs_dir: Path
    rows: tuple[SheetRow, ...]
    panels: Mapping[str, PanelText]
    tubes: Mapping[str, Tube]

    @property
    def folder(self) -> Path:
        return self.text.path.parent

    def rows_of(self, stain: str) -> list[SheetRow]:
        return [row for row in self.rows if row.stain == stain]

    def tubes_of(self, stain: str) -> dict[str, Tube]:
        stained = [row.tube for row in self.rows_of(stain) if row.kind not in NOT_STAINED]
        return {tube: self.tubes[tube] for tube in stained if tube in self.tubes}


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


def _read(path: Path, *, headers: bool) -> tuple[_Files | None, list[Problem]]:
    text, problems = read_toml(path)
    if text is None:
        return None, problems
    settings, wrong = read_settings(text)
    problems += wrong
    if settings is None:
        return None, problems
    fcs_dir, wrong = _fcs_dir(text, settings)
    problems += wrong
    panels, wrong = read_panels(path.parent, {name: table.panel for name, table in settings.stain.items()})
    problems += wrong
    sheet, wrong = read_csv(path.parent / settings.study.samples)
    problems += wrong
    rows, wrong = read_sheet(sheet, tuple(settings.stain)) if sheet else ((), [])
    problems += wrong
    tubes: dict[str, Tube] = {}
    if headers and fcs_dir.is_dir():
        tubes, wrong = read_headers(fcs_dir, rows)
        problems += wrong
    return _Files(text, settings, fcs_dir, rows, panels, tubes), problems


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


def _held_together(files: _Files, *, headers: bool) -> tuple[Study | None, list[Problem]]:
    problems: list[Problem] = []
    stains: dict[str, Stain] = {}
    templates: dict[str, GatingTemplate] = {}
    rows: dict[str, SheetRow] = {row.tube: row for row in files.rows}
    for name in files.settings.stain:
        stain, template, lacks, wrong = _stain(files, name, headers=headers)
        problems += wrong
        rows |= {tube: replace(rows[tube], lacks=lacking) for tube, lacking in lacks.items()}
        if template:
            templates[name] = template
        if stain:
            stains[name] = stain
    comparisons, wrong = _comparisons(files, templates)
    problems += wrong + _measure_problems(files, stains)
    if not stains:
        return None, problems
    return _study(files, stains, comparisons, [rows[row.tube] for row in files.rows]), problems


def _stain(
    files: _Files, name: str, *, headers: bool
) -> tuple[Stain | None, GatingTemplate | None, dict[str, tuple[str, ...]], list[Problem]]:
    """Return a stain, its template as far as it could be read, what its control tubes lack, and all problems."""
    table, rows, tubes = files.settings.stain[name], files.rows_of(name), files.tubes_of(name)
    where = files.text.where("stain", name)
    problems = [] if rows else [warning("CYT016", where, f"no tube of the sheet is of stain {name}")]
    source, wrong = _source(files, name)
    problems += wrong
    if is_todo(table.template):
        return None, None, {}, problems
    template_text = read_stain_template(
        files.folder, table.template, where=files.text.where("stain", name, "template")
    )
    problems += template_text.problems
    if name not in files.panels:
        return None, template_text.template, {}, problems
    text = completed(files.panels[name], list(tubes.values()))
    problems += panel_problems(text, name, tubes)
    lacks, wrong = named_markers(rows, text, name)
    problems += wrong
    if source:
        problems += spillover_problems(source, tubes)
    template, lost, wrong = prune(template_text, name, text.panel, scatter_known=headers and bool(tubes))
    problems += wrong
    if template is None:
        return None, template_text.template, lacks, problems
    named = [replace(row, lacks=lacks[row.tube]) for row in rows]
    problems += control_problems(named, template, stain=name, stand_in=files.settings.study.stand_in)
    problems += specimen_problems(name, template, rows)
    scales, wrong = _scales(files, name, text)
    return Stain(name, text.panel, template, source or "fcs", scales, lost), template, lacks, problems + wrong


def _source(files: _Files, name: str) -> tuple[str, list[Problem]]:
    """Return the compensation of a stain, with the path of its matrix made whole; ``""`` where it is not there."""
    own = files.settings.stain[name].compensation
    source = (own or files.settings.compensation).source
    if not source.startswith("file:"):
        return source, []
    written, unset = expanded(source.removeprefix("file:").strip())
    matrix = locate(files.folder, written)
    if matrix:
        return f"file:{matrix.resolve()}", []
    place = ("stain", name, "compensation", "source") if own else ("compensation", "source")
    why = f"the variable {unset[0]} is not set" if unset else f"{written} is not there"
    near = [one.name for one in sorted(files.folder.glob("*.csv"))]
    return "", [
        error("CYT001", files.text.where(*place), f"the spillover matrix: {why}", did_you_mean(written, near))
    ]


def _scales(files: _Files, name: str, text: PanelText) -> tuple[dict[str, dict[str, Any]], list[Problem]]:
    """Return what is asked of the scales of a stain, by the panel's names of markers."""
    shared, own = files.settings.transform, files.settings.stain[name].transform
    anywhere = {marker for panel in files.panels.values() for marker in panel.panel.dimensions}
    found: dict[str, dict[str, Any]] = {}
    problems = []
    for table, place, known in (
        (shared, ("transform",), anywhere),
        (own, ("stain", name, "transform"), set[str]()),
    ):
        for marker, wish in table.items():
            usual = marker if marker in text.panel.dimensions else canonical_marker(marker) or marker
            where = files.text.where(*place, marker)
            if usual in text.panel.dimensions or marker == DEFAULT:
                found[usual] = {**found.get(usual, {}), **wish.model_dump(exclude_none=True)}
                problems += _scale_problems(where, marker, wish)
            elif usual not in known:
                hint = did_you_mean(marker, [DEFAULT, *text.panel.markers])
                problems.append(error("CYT312", where, f"no marker is called {marker!r}", hint))
    return found, problems


def _scale_problems(where: str, marker: str, wish: ScaleWish) -> list[Problem]:
    if wish.kind is None:
        return []
    try:
        scale_from_dict(wish.model_dump(exclude_none=True))
    except ScaleError as failure:
        return [error("CYT313", where, f"the scale of {marker}: {failure}")]
    return []


def _comparisons(
    files: _Files, templates: Mapping[str, GatingTemplate]
) -> tuple[list[Comparison], list[Problem]]:
    found: list[Comparison] = []
    problems: list[Problem] = []
    for number, table in enumerate(files.settings.comparison):
        if is_todo(table.control) or is_todo(table.treated):
            continue
        made, wrong = read_comparison(files.text, number, table, templates)
        problems += wrong
        if made and files.rows:
            problems += comparison_problems(files.text, number, made, files.rows)
        found += [made] if made else []
    return found, problems


def _measure_problems(files: _Files, stains: Mapping[str, Stain]) -> list[Problem]:
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
    files: _Files, stains: Mapping[str, Stain], comparisons: Sequence[Comparison], rows: Sequence[SheetRow]
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
        truth=files.folder / simulated.truth if simulated else None,
    )
