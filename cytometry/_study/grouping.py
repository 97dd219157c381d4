"""Which files of a folder share a panel, which panel that is, and which built-in template suits it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cytometry._study.suggest import MOUSE, suggest_templates, tissue_of
from cytometry._study.text import shown
from cytometry.detectors import labelled, name_channel
from cytometry.errors import FCSError
from cytometry.fcs import Tube, read_fcs
from cytometry.panel import Panel, guess_panel

SUFFIXES = (".fcs", ".lmd")


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


def suit(panel: Panel, names: Iterable[str] = ()) -> tuple[str, tuple[str, ...]]:
    """Return the built-in template that suits a panel best, ``""`` if none does, and the reasons.

    ``names`` are those of its files, which may speak of a tissue.
    """
    tissue = tissue_of(names)
    first, *others = suggest_templates(panel.markers, tissue=tissue, dimensions=panel.dimensions)
    said = "; ".join(first.reasons)
    if first.fits:
        near = [one.template for one in others if one.fits]
        also = f"; these would do too: {shown(near)}" if near else ""
        return first.template, (f"template {first.template}: {said}{also}",)
    nearest = f"; the nearest is {first.template}: {said}" if first.fit else ""
    listed = tuple(
        f"  {one.template}: {one.title}" for one in sorted((first, *others), key=lambda x: x.template)
    )
    return "", (f"no built-in template suits these markers{nearest}; there are", *listed)


def usual_species(panels: Sequence[Panel]) -> str:
    """Return ``mouse`` where a panel has a marker of mice alone, else ``""``."""
    return "mouse" if any(MOUSE & set(panel.markers) for panel in panels) else ""
