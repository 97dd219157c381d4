"""What a cohort is made of: files, each with a name, and the strategy that gates them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import Any

from cytometry._study.grouping import fcs_files
from cytometry.errors import RunError
from gating.errors import GatingError
from gating.strategy import GatingStrategy


@dataclass(frozen=True, slots=True, eq=False)
class Given:
    """Which strategy gates which file.

    Parameters
    ----------
    source
        The file it was read from; ``""`` for one that was made in Python.
    everywhere
        The strategy of every file; ``None`` where each has its own.
    of_file
        By the name of the file, as a workspace has it.
    """

    source: str
    everywhere: GatingStrategy | None = None
    of_file: Mapping[str, GatingStrategy] = field(default_factory=lambda: MappingProxyType({}))

    def of(self, file: Path) -> GatingStrategy:
        """Return the strategy of a file.

        Raises
        ------
        RunError
            If the workspace has none for it.
        """
        if self.everywhere is not None:
            return self.everywhere
        found = self.of_file.get(file.name) or self.of_file.get(file.stem)
        if found is None:
            near = get_close_matches(file.name, self.of_file, n=1) or list(self.of_file)[:3]
            msg = f"{Path(self.source).name} has no sample {file.name}; it has {', '.join(near) or 'none'}"
            raise RunError(msg)
        return found


def name_tubes(files: str | Path | Sequence[str | Path]) -> dict[str, Path]:
    """Return the files by the names that their tubes get: of a folder all FCS files in it and below.

    The name is the file's, without its suffix; as much of the path as it takes, where two would have one name.

    Raises
    ------
    RunError
        If there is no such folder, or no FCS file in it.
    """
    if isinstance(files, str | Path):
        place = Path(files)
        if not place.exists():
            msg = f"there is no {place}; give a folder of FCS files"
            raise RunError(msg)
        found = fcs_files(place) if place.is_dir() else [place]
    else:
        found = [Path(file) for file in files]
    if not found:
        msg = f"there is no FCS file in {files or 'an empty list'}; give a folder of FCS files"
        raise RunError(msg)
    twice = [str(path) for path, times in Counter(path.resolve() for path in found).items() if times > 1]
    if twice:
        msg = f"a file is one tube, not two: {', '.join(twice)}"
        raise RunError(msg)
    return dict(zip(_names(found), found, strict=True))


def _names(files: Sequence[Path]) -> list[str]:
    """Return the shortest ends of the paths that tell all of them apart."""
    bare = [file.absolute().with_suffix("") for file in files]
    parts = bare if len(set(bare)) == len(bare) else [file.absolute() for file in files]
    for depth in range(1, max(len(path.parts) for path in parts)):
        names = ["/".join(path.parts[-depth:]) for path in parts]
        if len(set(names)) == len(names):
            break
    return names


def read_strategy(given: GatingStrategy | str | Path) -> Given:
    """Return the strategy of a cohort, read from a file if it is one's path.

    A ``.json`` holds what ``GatingStrategy.to_dict`` gives, by itself or as a run keeps it for a tube; an ``.xml``
    is Gating-ML 2.0, a ``.wsp`` a FlowJo workspace, in which each sample may have its own gates.

    Raises
    ------
    RunError
        If the file is none of these, is gone, or holds no strategy.
    """
    if isinstance(given, GatingStrategy):
        # As it comes back from a file: the same gates have the same digest, whether t was 262144 or 262144.0.
        return Given("", GatingStrategy.from_dict(given.to_dict()))
    path = Path(given)
    read = _READERS.get(path.suffix.lower())
    if read is None:
        msg = f"{path} is no strategy: give a .json, a Gating-ML .xml or a FlowJo .wsp"
        raise RunError(msg)
    try:
        return read(path)
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror or error}"
        raise RunError(msg) from error


def _json(path: Path) -> Given:
    try:
        said: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return Given(str(path), GatingStrategy.from_dict(said.get("strategy", said)))
    except (GatingError, ValueError, KeyError, TypeError, AttributeError) as error:
        why = f"it has no {error}" if isinstance(error, KeyError) else error
        msg = f"{path} holds no strategy as GatingStrategy.to_dict writes it: {why}"
        raise RunError(msg) from error


def _gatingml(path: Path) -> Given:
    from cytometry.exchange import read_gatingml

    return Given(str(path), read_gatingml(path))


def _workspace(path: Path) -> Given:
    from cytometry.exchange import read_workspace

    return Given(str(path), of_file=read_workspace(path))


_READERS: Mapping[str, Callable[[Path], Given]] = MappingProxyType(
    {".json": _json, ".xml": _gatingml, ".wsp": _workspace}
)
