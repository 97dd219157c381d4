"""The first draft of a study: three files written from what headers and file names say, and nothing else."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path, PurePath

from cytometry._study.grouping import Group, group_by_panel, read_folder, suit, usual_species
from cytometry._study.names import TubeGuess, control_arm, guess_tubes, tube_names
from cytometry._study.settings import TODO
from cytometry._study.text import error, shown
from cytometry.detectors import is_housekeeping, name_channel, pulse
from cytometry.errors import StudyError
from cytometry.markers import ambiguity, canonical_marker
from cytometry.panel import Channel
from gating.sources import KINDS
from gating.template import builtin_templates

FILES = ("study.toml", "samples.csv", "panel.csv")
SHEET = (
    "file",
    "tube",
    "subject",
    "arm",
    "timepoint",
    "stain",
    "kind",
    "lacks",
    "batch",
    "stimulus",
    "species",
)
ALWAYS = ("file", "subject", "arm")
UP_AT_MOST = 3  # folders that a relative path may climb before an absolute one reads better


@dataclass(frozen=True, slots=True, eq=False)
class _Draft:
    """One stain of the draft: its files, what their names say, and the template that suits."""

    name: str
    group: Group
    tubes: Sequence[TubeGuess]
    template: str


def init(fcs_dir: Path, out: Path) -> tuple[Path, list[str]]:
    """Write the draft of a study; see :func:`cytometry.study.init_study`."""
    _refuse(fcs_dir, out)
    headers, unreadable = read_folder(fcs_dir)
    if not headers:
        reasons = [f"{file}: {why}" for file, why in unreadable.items()]
        said = f"{fcs_dir} has no FCS file that can be read"
        raise StudyError([error("CYT020", str(fcs_dir), said, "; ".join(reasons))])
    groups = group_by_panel(headers)
    guesses = [f"{len(headers)} FCS files in {len(groups)} {'stain' if len(groups) == 1 else 'stains'}"]
    drafts: list[_Draft] = []
    for number, group in enumerate(groups, 1):
        draft, notes = _draft(group, number, [one.name for one in drafts], alone=len(groups) == 1)
        drafts.append(draft)
        guesses += [f"{draft.name}: {one}" for one in notes] if len(groups) > 1 else notes
    guesses += _tables_beside(fcs_dir, out)
    guesses += [f"not readable, and not in samples.csv: {file} {why}" for file, why in unreadable.items()]
    compensation, compensated = _compensation(fcs_dir, groups)
    out.mkdir(parents=True, exist_ok=True)
    (out / "panel.csv").write_text(_panel_text(drafts), encoding="utf-8", newline="\n")
    (out / "samples.csv").write_text(_sheet_text(drafts, unreadable), encoding="utf-8", newline="\n")
    text = _study_text(
        drafts, name=fcs_dir.resolve().name, folder=_relative(fcs_dir, out), compensation=compensation
    )
    (out / "study.toml").write_text(text, encoding="utf-8", newline="\n")
    return out / "study.toml", [*guesses, compensated, *_todo_note(drafts)]


def _tables_beside(fcs_dir: Path, out: Path) -> list[str]:
    """Name the tables among the files, which may hold what names cannot say."""
    found = [path for path in sorted(fcs_dir.rglob("*")) if path.suffix.lower() in (".csv", ".tsv", ".xlsx")]
    names = [path.relative_to(fcs_dir).as_posix() for path in found if path.parent != out]
    return [f"tables beside the files, not read: {shown(names)}"] if names else []


def _refuse(fcs_dir: Path, out: Path) -> None:
    if not fcs_dir.is_dir():
        said = "is a file" if fcs_dir.exists() else "there is no such folder"
        raise StudyError([error("CYT001", str(fcs_dir), said, "give the folder of the FCS files")])
    there = [name for name in FILES if (out / name).exists()]
    if there:
        said = f"{', '.join(there)} {'is' if len(there) == 1 else 'are'} already there, and nothing is overwritten"
        raise StudyError(
            [error("CYT020", str(out), said, "give another folder with --out, or move them away")]
        )


def _draft(group: Group, number: int, taken: Sequence[str], *, alone: bool) -> tuple[_Draft, list[str]]:
    panel, files = group.panel, list(group.tubes)
    template, why = suit(panel, files)
    name = template.rpartition("_")[2] or ("main" if alone else f"stain{number}")
    name = {"t": "T", "b": "B", "nk": "NK", "dc": "DC"}.get(name, name)
    name = name if name not in taken else f"{name}{number}"
    tubes, notes = guess_tubes(files, panel)
    said = [f"{len(files)} file{'s' * (len(files) > 1)}: {shown(files)}"]
    if panel.markers:
        said.append(f"markers: {', '.join(panel.label(marker) for marker in panel.markers)}")
    if group.names_no_marker:
        said.append(f"the files name no marker ($PnS): {TODO} in panel.csv, from your staining protocol")
    said += [*group.guesses, *(doubt for doubt in map(ambiguity, panel.markers) if doubt)]
    for kind in (kind for kind in KINDS if kind != "sample"):
        of_kind = [tube.file for tube in tubes if tube.kind == kind]
        if of_kind:
            said.append(f"{KINDS[kind]}, by name: {shown(of_kind)}")
    if not any(channel.role == "scatter" for channel in panel.channels):
        notes.append("no scatter: a template that begins with cells by FSC and SSC does not apply")
    return _Draft(name, group, tubes, template), [*said, *notes, *why]


def _compensation(fcs_dir: Path, groups: Sequence[Group]) -> tuple[str, str]:
    tubes = [tube for group in groups for tube in group.tubes.values()]
    having = sum(bool(tube.spillover_text) for tube in tubes)
    if having:
        rest = "" if having == len(tubes) else f"; {len(tubes) - having} files have none"
        return "fcs", f"compensation with each file's own spillover{rest}"
    tables = sorted(
        path for path in fcs_dir.rglob("*.csv") if "spill" in path.name.lower() or "comp" in path.name.lower()
    )
    hint = (
        f'; is it in {shown([path.name for path in tables])}? then write source = "file:..."'
        if tables
        else ""
    )
    return "none", f"no file holds a spillover: written as not compensated{hint}"


def _relative(fcs_dir: Path, out: Path) -> str:
    """Return the folder of the files as seen from the study, or from the root where that lies far off."""
    try:
        relative = Path(os.path.relpath(fcs_dir.resolve(), out.resolve()))
    except ValueError:
        return fcs_dir.resolve().as_posix()
    far = relative.parts.count("..") > UP_AT_MOST
    return fcs_dir.resolve().as_posix() if far else relative.as_posix()


def _panel_text(drafts: Sequence[_Draft]) -> str:
    several = len(drafts) > 1
    comments = [
        "What each detector reads. A line that begins with # is a comment.",
        "role: scatter, time, viability, lineage, functional (its intensity is reported) or unused; blank is guessed.",
        "A channel without a marker is not used.",
    ]
    rows = []
    for draft in drafts:
        for channel in draft.group.panel.channels:
            detectors = {one.detector for one in draft.group.panel.channels}
            asks = draft.group.names_no_marker and _may_be_stained(channel.detector, detectors)
            row = _panel_row(channel, asks=asks)
            rows.append((*row, draft.name) if several else row)
    columns = ("detector", "marker", "fluorochrome", "role", *(("stain",) if several else ()))
    return _csv(columns, rows, comments)


def _may_be_stained(detector: str, detectors: set[str]) -> bool:
    """Return whether a channel is no known housekeeping, nor height or width where there is an area."""
    stem, measure = pulse(detector)
    twin = measure in ("H", "W") and f"{stem}-A" in detectors
    return not is_housekeeping(detector) and not twin


def _panel_row(channel: Channel, *, asks: bool) -> tuple[str, ...]:
    """Return a channel's cells; ``asks`` for its marker where no file of its stain names any."""
    marker, role = channel.marker, channel.role
    guessed = name_channel(channel.detector).role
    if asks and role in ("unused", "viability") and guessed not in ("scatter", "time"):
        marker, role = f"{TODO}: {marker}?" if marker else TODO, ""
    elif role == "unused":
        marker = ""
        # A blank role is guessed from the names; say unused where that guess would be something else.
        sure = guessed == "unused" and canonical_marker(channel.fluorochrome) is None
        role = "" if sure else "unused"
    return channel.detector, marker, channel.fluorochrome, role


def _sheet_text(drafts: Sequence[_Draft], unreadable: Mapping[str, str]) -> str:
    species = usual_species([draft.group.panel for draft in drafts])
    names = tube_names([tube.file for draft in drafts for tube in draft.tubes])
    rows = []
    for draft in drafts:
        for tube in draft.tubes:
            sample = tube.kind in ("sample", "unstimulated")
            rows.append(
                {
                    "file": tube.file,
                    "tube": names[tube.file] if names[tube.file] != PurePath(tube.file).stem else "",
                    "subject": tube.subject or (TODO if sample else ""),
                    "arm": tube.arm or (TODO if tube.kind == "sample" else ""),
                    "timepoint": tube.timepoint,
                    "stain": draft.name if len(drafts) > 1 else "",
                    "kind": tube.kind,
                    "lacks": "; ".join(tube.lacks) or (TODO if tube.kind in ("fmo", "isotype") else ""),
                    "batch": tube.batch,
                    "stimulus": tube.stimulus,
                    "species": species,
                }
            )
    columns = [name for name in SHEET if name in ALWAYS or any(row[name] for row in rows)]
    comments = [
        "One row per tube. subject is the donor or animal, the experimental unit; arm is the treatment.",
        f"kind: {', '.join(KINDS)}. lacks: the marker that an FMO tube was not stained with.",
        "Further columns: tube, specimen, timepoint, stain, batch, stimulus, tissue, species, strain, fresh_or_frozen, "
        "hours_since_dose, prior_anti_pd1, cage, tissue_mg, volume_ul, beads_added.",
        *(f"not readable: {file} {why}" for file, why in unreadable.items()),
    ]
    return _csv(columns, [tuple(row[name] for name in columns) for row in rows], comments)


def _csv(columns: Sequence[str], rows: Iterable[Sequence[str]], comments: Iterable[str]) -> str:
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return "".join(f"# {comment}\n" for comment in comments) + text.getvalue()


def _study_text(drafts: Sequence[_Draft], *, name: str, folder: str, compensation: str) -> str:
    stains = "\n".join(
        f'[stain.{draft.name}]\npanel = "panel.csv"\ntemplate = "{draft.template or TODO}"\n'
        for draft in drafts
    )
    return f"""\
# A first draft, guessed from headers and file names. Mend it, then: cytometry check study.toml

[study]
name = {_quoted(name)}
samples = "samples.csv"
fcs_dir = {_quoted(folder)}      # relative to this file; may hold ${{VARIABLE}} or ${{VARIABLE:-default}}
seed = 1
stand_in = "batch"   # whose control tube may stand in: none, subject, batch or stain

# template: built in ({", ".join(builtin_templates())}), or a TOML file beside this one
{stains}
[compensation]
source = "{compensation}"   # "fcs": each file's own; "controls": from single stains; "none"; "file:spillover.csv"

# [qc]               # what quality control leaves out; every interval is listed with its reason
# remove = ["clog", "spike", "bubble", "end", "jump", "carry-over"]   # [] leaves everything in
# most_removed = 0.2 # of a tube; above that nothing is left out and the tube is flagged (too_much = "fail" fails it)

# [transform]        # only to overrule what is chosen from the data
# "PD-1" = {{ W = 0.7 }}

{_comparison_text(drafts)}"""


def _comparison_text(drafts: Sequence[_Draft]) -> str:
    """Return the comparison that the guessed arms or timepoints suggest, or an example in comments."""
    samples = [tube for draft in drafts for tube in draft.tubes if tube.kind == "sample"]
    for factor in ("arm", "timepoint"):
        levels = list(dict.fromkeys(getattr(tube, factor) for tube in samples))
        if len(levels) == 2 and all(levels):
            control = control_arm(levels) or (levels[0] if factor == "timepoint" else "")
            treated = next((level for level in levels if level != control), TODO) if control else TODO
            text = _comparison(factor, control or TODO, treated)
            return text + (f"# {factor} is {' or '.join(levels)}\n" if not control else "")
    example = _comparison("arm", "vehicle", "temsirolimus")
    return "".join(f"# {line}\n" for line in example.splitlines())


def _comparison(factor: str, control: str, treated: str) -> str:
    name = f"{treated} against {control}" if TODO not in (control, treated) else f"by {factor}"
    return f"""\
[[comparison]]
name = {_quoted(name)}
factor = "{factor}"
control = {_quoted(control)}
treated = {_quoted(treated)}
design = "auto"      # paired where subjects have both
# primary = [ {{ population = "CD8 T/PD-1+" }} ]      # named beforehand: adjusted by Holm, the others by BH
"""


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _todo_note(drafts: Sequence[_Draft]) -> list[str]:
    open_ = [f"template of {draft.name}" for draft in drafts if not draft.template]
    samples = [tube for draft in drafts for tube in draft.tubes if tube.kind == "sample"]
    open_ += [column for column in ("subject", "arm") if any(not getattr(tube, column) for tube in samples)]
    return [f"not guessed, and {TODO} in the files: {', '.join(open_)}"] if open_ else []
