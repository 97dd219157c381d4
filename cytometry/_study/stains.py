"""One stain: its panel, template, compensation, scales and control tubes, held against each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from cytometry._study.controls import control_problems, named_markers
from cytometry._study.endpoints import Populations
from cytometry._study.headers import completed, panel_problems, spillover_problems
from cytometry._study.model import SheetRow, Stain, locate
from cytometry._study.panels import PanelText
from cytometry._study.settings import ScaleWish, Settings, is_todo
from cytometry._study.templates import TemplateText, prune, read_stain_template
from cytometry._study.text import TomlText, error, expanded, warning
from cytometry.errors import Problem
from cytometry.fcs import Tube
from cytometry.markers import canonical_marker
from cytometry.panel import Panel, did_you_mean
from cytometry.single_stains import Control, name_problems
from gating.errors import ScaleError
from gating.scales import scale_from_dict

NOT_STAINED = ("single_stain",)
DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Files:
    """What was read of a study, before its parts are held against each other."""

    text: TomlText
    settings: Settings
    fcs_dir: Path
    rows: tuple[SheetRow, ...]
    panels: Mapping[str, PanelText]
    tubes: Mapping[str, Tube]

    @property
    def folder(self) -> Path:
        """Return the folder of ``study.toml``."""
        return self.text.path.parent

    def rows_of(self, stain: str) -> list[SheetRow]:
        """Return the rows of a stain."""
        return [row for row in self.rows if row.stain == stain]

    def tubes_of(self, stain: str) -> dict[str, Tube]:
        """Return the headers of a stain's tubes, but for single stains, which are not gated."""
        stained = [row.tube for row in self.rows_of(stain) if row.kind not in NOT_STAINED]
        return {tube: self.tubes[tube] for tube in stained if tube in self.tubes}


@dataclass(slots=True)
class Draft:
    """What a stain became: itself, where nothing kept it from that, what its tubes lack, and its problems."""

    stain: Stain | None = None
    populations: Populations | None = None
    lacks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def draft_stain(files: Files, name: str, *, headers: bool) -> Draft:
    """Return a stain of the study as far as its files allow."""
    draft = Draft()
    if not files.rows_of(name):
        where = files.text.where("stain", name)
        draft.problems.append(warning("CYT016", where, f"no tube of the sheet is of stain {name}"))
    source, wrong = _source(files, name)
    draft.problems += wrong
    chosen = files.settings.stain[name].template
    if is_todo(chosen):
        return draft
    template = read_stain_template(files.folder, chosen, where=files.text.where("stain", name, "template"))
    draft.problems += template.problems
    if template.template is not None:
        draft.populations = Populations(template.template, {}, ())
    if name in files.panels:
        _fit(
            files,
            draft,
            template,
            name=name,
            source=source,
            scatter_known=headers and bool(files.tubes_of(name)),
        )
    return draft


def _fit(
    files: Files, draft: Draft, written: TemplateText, *, name: str, source: str, scatter_known: bool
) -> None:
    """Hold panel, template, headers and controls of a stain against each other."""
    rows, tubes = files.rows_of(name), files.tubes_of(name)
    text = completed(files.panels[name], list(tubes.values()))
    draft.lacks, wrong = named_markers(rows, text, name)
    draft.problems += [
        *panel_problems(text, name, tubes),
        *wrong,
        *_compensation_problems(source, rows, files.tubes, panel=text.panel, stain=name),
    ]
    template, lost, wrong = prune(written, name, text.panel, scatter_known=scatter_known)
    draft.problems += wrong
    if written.template is not None:
        draft.populations = Populations(written.template, {} if written.own else lost, text.panel.markers)
    scales, wrong = _scales(files, name, text)
    draft.problems += wrong
    if template is None:
        return
    named = [replace(row, lacks=draft.lacks[row.tube]) for row in rows]
    draft.problems += control_problems(named, template, stain=name, stand_in=files.settings.study.stand_in)
    draft.stain = Stain(name, text.panel, template, source or "fcs", scales, lost)


def _compensation_problems(
    source: str, rows: Sequence[SheetRow], tubes: Mapping[str, Tube], *, panel: Panel, stain: str
) -> list[Problem]:
    """Return what is wrong with each tube's spillover, or with the controls that it is to be learnt from."""
    if source != "controls":
        return spillover_problems(source, tubes) if source else []
    controls = [
        Control(tubes[row.tube], row.tube, unstained=row.kind == "unstained", detector=row.stained)
        for row in rows
        if row.kind in ("single_stain", "unstained") and row.tube in tubes
    ]
    return [replace(one, where=f"stain {stain}: {one.where}") for one in name_problems(controls, panel)]


def _source(files: Files, name: str) -> tuple[str, list[Problem]]:
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


def _scales(files: Files, name: str, text: PanelText) -> tuple[dict[str, dict[str, Any]], list[Problem]]:
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
