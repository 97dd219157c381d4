"""The panel table, ``panel.csv``: detector, marker, fluorochrome, role, and the stain where there are several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from cytometry._study.settings import is_todo
from cytometry._study.sheet import todo_problems
from cytometry._study.text import CsvRow, CsvText, error, read_csv, warning
from cytometry.detectors import name_channel
from cytometry.errors import Problem
from cytometry.markers import VIABILITY, ambiguity, canonical_fluorochrome, canonical_marker, usual_role
from cytometry.panel import ROLES, Channel, Panel, did_you_mean, repeated, suggest

COLUMNS = ("detector", "marker", "fluorochrome", "role", "stain")
CALLED = MappingProxyType({"channel": "detector", "pnn": "detector"})
ELSEWHERE = MappingProxyType(
    {"antigen": "marker", "antibody": "marker", "target": "marker", "name": "detector"}
)
OTHER_ROLES = MappingProxyType(
    {"state": "functional", "cytokine": "functional", "checkpoint": "functional", "activation": "functional",
     "live/dead": "viability", "none": "unused"}
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class PanelText:
    """The panel of one stain as its file gives it: the channels, and the line of each.

    ``assumed`` are detectors of a viability dye for which the table names no marker.
    """

    file: str
    panel: Panel
    lines: Mapping[str, int] = field(default_factory=dict)
    assumed: frozenset[str] = frozenset()

    def where(self, detector: str = "") -> str:
        """Return ``panel.csv:5``."""
        line = self.lines.get(detector)
        return f"{self.file}:{line}" if line else self.file


def read_panels(folder: Path, stains: Mapping[str, str]) -> tuple[dict[str, PanelText], list[Problem]]:
    """Return the panel of each stain that has a readable one, and everything that is wrong.

    Parameters
    ----------
    stains
        The panel file of each, relative to the study's folder; stains may share one with a ``stain`` column.
    """
    panels: dict[str, PanelText] = {}
    problems: list[Problem] = []
    for file in dict.fromkeys(stains.values()):
        text, wrong = read_csv(folder / file)
        problems += wrong
        if text is None:
            continue
        text = text.renamed(CALLED)
        sharing = [stain for stain, other in stains.items() if other == file]
        unfit = _column_problems(text, sharing)
        problems += unfit
        if any(problem.severity == "error" for problem in unfit):
            continue
        problems += todo_problems(text, COLUMNS)
        for stain in sharing:
            rows = [row for row in text.rows if row.cells.get("stain", "") in ("", stain)]
            panels[stain], wrong = _panel(text, rows, stain)
            problems += [problem for problem in wrong if problem not in problems]
    return panels, problems


def _column_problems(text: CsvText, stains: Sequence[str]) -> list[Problem]:
    problems = []
    where = text.where(1)
    for column in ("detector", "marker"):
        if column not in text.columns:
            near = [one for one in text.columns if ELSEWHERE.get(one) == column] or list(
                suggest(column, text.columns)
            )
            hint = (
                f"is it {near[0]!r}? call that {column!r}"
                if near
                else f"the columns are {', '.join(COLUMNS)}"
            )
            problems.append(error("CYT011", where, f"has no column {column!r}", hint))
    for row in text.rows:
        stain = row.cells.get("stain", "")
        if stain and stain not in stains:
            said = f"no stain {stain!r} has its panel in {text.path.name}"
            problems.append(error("CYT016", text.where(row.line), said, did_you_mean(stain, stains)))
    return problems


def _panel(text: CsvText, rows: Sequence[CsvRow], stain: str) -> tuple[PanelText, list[Problem]]:
    problems: list[Problem] = []
    channels: dict[str, Channel] = {}
    lines: dict[str, int] = {}
    assumed = set()
    for row in rows:
        where = text.where(row.line)
        channel, wrong = _channel(where, row.cells)
        problems += wrong
        if channel and channel.detector in channels:
            said = f"detector {channel.detector!r} is already in line {lines[channel.detector]}"
            problems.append(error("CYT104", where, said, "a detector has one row for each stain"))
        elif channel:
            channels[channel.detector], lines[channel.detector] = channel, row.line
            if channel.role == "viability" and not row.cells["marker"] and not row.cells.get("role"):
                assumed.add(channel.detector)
    used = [channel for channel in channels.values() if channel.role != "unused"]
    for marker in repeated(channel.marker for channel in used):
        first, *others = (channel for channel in used if channel.marker == marker)
        for other in others:
            said = (
                f"{marker} is read by {first.detector} (line {lines[first.detector]}) and by {other.detector}"
            )
            hint = "give one of them another name, or the role unused"
            problems.append(error("CYT102", text.where(lines[other.detector]), said, hint))
            channels[other.detector] = Channel(other.detector, role="unused")
    panel = Panel(tuple(channels.values()))
    if {"Gr-1", "Ly6G"} <= set(panel.markers):
        said = (
            f"stain {stain} has Gr-1 and Ly6G: anti-Gr-1 (RB6-8C5) binds Ly6G too, and one blocks the other"
        )
        where = text.where(lines[panel.detector("Gr-1")])
        problems.append(warning("CYT107", where, said, "stain them in tubes of their own"))
    waiting = any(is_todo(cell) for row in rows for cell in row.cells.values())
    if not panel.markers and not problems and not waiting:
        problems.append(
            error("CYT104", text.path.name, f"stain {stain} has no marker", "each antibody has a row")
        )
    return PanelText(text.path.name, panel, lines, frozenset(assumed)), problems


def _channel(where: str, cells: Mapping[str, str]) -> tuple[Channel | None, list[Problem]]:
    """Return the channel of a row, unused where its row is wrong."""
    detector, written = cells["detector"], cells["marker"]
    if not detector:
        return None, [error("CYT012", where, "detector is blank", "$PnN of the FCS files, such as PE-A")]
    if any(is_todo(cells.get(column, "")) for column in COLUMNS):
        return Channel(detector, role="unused"), []
    fluorochrome = canonical_fluorochrome(cells.get("fluorochrome", ""))
    said = cells.get("role", "").lower()
    role = OTHER_ROLES.get(said, said)
    if role and role not in ROLES:
        problem = error("CYT104", where, f"role of {detector!r} is {said!r}", did_you_mean(said, ROLES))
        return Channel(detector, role="unused"), [problem]
    marker, role = _marker(detector, written, fluorochrome, role)
    if not marker and role != "unused":
        hint = "write what the antibody binds, or give it the role unused"
        problem = error("CYT104", where, f"{detector!r} is {role} and names no marker", hint)
        return Channel(detector, role="unused"), [problem]
    doubt = ambiguity(written) if role != "unused" else ""
    return Channel(detector, marker, fluorochrome, role), [warning("CYT105", where, doubt)] if doubt else []


def _marker(detector: str, written: str, fluorochrome: str, role: str) -> tuple[str, str]:
    """Return the usual name of what a row reads, and its role where the row leaves it blank."""
    named = name_channel(written or detector)
    if role in ("scatter", "time") or (not role and named.role in ("scatter", "time")):
        named = named if named.role in ("scatter", "time") else name_channel(detector)
        return (named.marker if named.role == (role or named.role) else written), role or named.role
    if written:
        marker = canonical_marker(written) or written
        return marker, role or usual_role(marker)
    if role == "viability" or (not role and canonical_marker(fluorochrome) == VIABILITY):
        return VIABILITY, "viability"
    return "", role or "unused"
