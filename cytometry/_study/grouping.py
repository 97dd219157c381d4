"""Which files of a folder share a panel, which panel that is, and which built-in template suits it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cytometry.detectors import labelled, name_channel
from cytometry.errors import FCSError
from cytometry.fcs import Tube, read_fcs
from cytometry.panel import Panel, guess_panel
from gating.rows import is_scatter
from gating.template import GatingTemplate, builtin_templates

SUFFIXES = (".fcs", ".lmd")
FITS = 0.6  # of a template's markers
FEWEST_MARKERS = 4
MOUSE = frozenset(
    {"Ly6G", "Ly6C", "Gr-1", "B220", "NK1.1", "Ter119", "F4/80", "CD45.1", "CD45.2", "Siglec-F", "Sca-1"}
)


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """The files of one stain: their headers by path relative to the folder, and the panel they seem to have."""

    tubes: Mapping[str, Tube]
    panel: Panel
    guesses: tuple[str, ...]

    @property
    def names_no_marker(self) -> bool:
        """Return whether no file says what any channel binds."""
        return not any(channel.role in ("lineage", "functional") for channel in self.panel.channels)


def fcs_files(folder: Path) -> list[Path]:
    """Return the FCS files of a folder and those below it, in order; nothing hidden."""
    return [
        path
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in SUFFIXES
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and path.is_file()
    ]


def read_folder(folder: Path) -> tuple[dict[str, Tube], dict[str, str]]:
    """Return the headers of a folder's FCS files, and why others cannot be read, by relative path."""
    tubes: dict[str, Tube] = {}
    unreadable: dict[str, str] = {}
    for path in fcs_files(folder):
        file = path.relative_to(folder)
        try:
            tubes[file.as_posix()] = read_fcs(path)
        except FCSError as failure:
            unreadable[file.as_posix()] = failure.message
    return tubes, unreadable


def group_by_panel(tubes: Mapping[str, Tube]) -> list[Group]:
    """Return the files in groups of one panel, the largest first.

    Two files share a panel if they have the same detectors for stains and no label says otherwise; a control
    tube may leave labels out.
    """
    said = {file: _said(tube) for file, tube in tubes.items()}
    groups: list[dict[str, str]] = []
    members: list[list[str]] = []
    for file in sorted(said, key=lambda file: -sum(map(bool, said[file].values()))):
        for known, files in zip(groups, members, strict=True):
            if _agree(known, said[file]):
                known.update({detector: marker for detector, marker in said[file].items() if marker})
                files.append(file)
                break
        else:
            groups.append(dict(said[file]))
            members.append([file])
    found = []
    for files in sorted(members, key=len, reverse=True):
        own = {file: tubes[file] for file in tubes if file in set(files)}
        panel, guesses = guess_panel(list(own.values()))
        found.append(Group(own, panel, tuple(guesses)))
    return found


def _said(tube: Tube) -> dict[str, str]:
    """Return the marker of each detector for stains, ``""`` where the file does not name it."""
    found = {}
    for detector, label in zip(tube.channels, tube.labels, strict=True):
        named = name_channel(detector, label)
        if named.role not in ("scatter", "time"):
            found[detector] = named.marker if labelled(detector, label) else ""
    return found


def _agree(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    return one.keys() == other.keys() and all(one[d] == other[d] or not (one[d] and other[d]) for d in one)


def suit(panel: Panel) -> tuple[str, str]:
    """Return the built-in template that suits a panel, ``""`` if none does, and why."""
    fits: dict[str, float] = {}
    for name in builtin_templates():
        template = GatingTemplate.builtin(name)
        markers = set(template.markers)
        there = markers & set(panel.markers)
        human_only = template.species == "human" and MOUSE & set(panel.markers)
        unscattered = any(map(is_scatter, template.dimensions)) and not any(map(is_scatter, panel.dimensions))
        if len(there) >= FEWEST_MARKERS and not human_only and not unscattered:
            fits[name] = len(there) / len(markers)
    best = max(fits, key=lambda name: fits[name], default="")
    if best and fits[best] >= FITS:
        return best, f"template {best}: the panel has {fits[best]:.0%} of its markers"
    near = f"; the nearest, {best}, would have {fits[best]:.0%} of its markers" if best else ""
    return "", f"no built-in template suits these markers{near}"


def usual_species(panels: Sequence[Panel]) -> str:
    """Return ``mouse`` where a panel has a marker of mice alone, else ``""``."""
    return "mouse" if any(MOUSE & set(panel.markers) for panel in panels) else ""
