"""Concordance: the gates of other programs' documents, applied here, against what the documents say was inside.

    python tests/benchmarks/concordance.py [--data DIR] [--json FILE] [--all]

Every FlowJo workspace and Gating-ML 2.0 document in the data folder is found by its content. A workspace is judged by
the counts in it, on FCS files of its samples' names and numbers of events; Gating-ML by memberships: text files of
one 0 or 1 per event whose name ends in the gate's, on an FCS file with that many events and the gates' channels.
A document that cannot be judged is listed with its reason, and so is a sample, where others of its workspace can.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:] = [
    p for p in sys.path if Path(p or ".").resolve() != HERE
]  # a benchmark has the name of a package

import numpy as np  # noqa: E402

from cytometry.compensation import find_spillover  # noqa: E402
from cytometry.errors import CytometryError  # noqa: E402
from cytometry.exchange import read_gatingml, read_workspace  # noqa: E402
from cytometry.fcs import Tube, read_fcs  # noqa: E402
from gating.columns import Columns  # noqa: E402
from gating.errors import GatingError  # noqa: E402
from gating.membership import Membership, assign  # noqa: E402
from gating.strategy import GatingStrategy  # noqa: E402

VARIABLE = "CYTOMETRY_DATA"
GATINGML = b"http://www.isac-net.org/std/Gating-ML/v2.0/gating"
NODES = ("Population", "AndNode", "OrNode", "NotNode")
LONGEST = 60


@dataclass(frozen=True, slots=True)
class Judged:
    """One population of one tube: events inside by the document, and how many are placed otherwise here.

    Of counts it is the difference; of memberships, the number of events.
    """

    tube: str
    population: str
    stored: int
    difference: int


@dataclass(slots=True)
class Document:
    """What was found out about one document."""

    path: str
    kind: str
    judged: list[Judged] = field(default_factory=list)
    not_judged: list[str] = field(default_factory=list)

    def largest(self) -> dict[str, int]:
        """Return the largest difference of each population over the tubes."""
        found: dict[str, int] = {}
        for one in self.judged:
            found[one.population] = max(found.get(one.population, 0), one.difference)
        return found


@dataclass(frozen=True, slots=True)
class Folder:
    """The files of the data folder by what they are."""

    workspaces: tuple[Path, ...]
    gatingml: tuple[Path, ...]
    fcs: tuple[Path, ...]
    memberships: tuple[Path, ...]


def look_through(folder: Path) -> Folder:
    """Sort the files of a folder by their first bytes."""
    kinds: dict[str, list[Path]] = {"workspace": [], "gatingml": [], "fcs": [], "membership": []}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        with path.open("rb") as file:
            begin = file.read(4096)
        kind = _kind(begin)
        if kind:
            kinds[kind].append(path)
    return Folder(*(tuple(kinds[kind]) for kind in ("workspace", "gatingml", "fcs", "membership")))


def _kind(begin: bytes) -> str:
    text = begin.removeprefix(b"\xef\xbb\xbf").lstrip()
    if begin.startswith(b"FCS"):
        return "fcs"
    if text.startswith(b"<") and b"flowJoVersion" in begin:
        return "workspace"
    if text.startswith(b"<") and GATINGML in begin and b"Gating-ML" in begin:
        return "gatingml"
    return "membership" if text and set(begin) <= set(b"01\r\n") and b"\n" in begin else ""


def judge_workspace(path: Path, folder: Folder) -> Document:
    """Hold the counts of a workspace against ours."""
    from lxml import etree

    found = Document(str(path), "FlowJo workspace")
    try:
        strategies = read_workspace(path)
    except CytometryError as error:
        found.not_judged.append(_short(error))
        return found
    for node in etree.parse(path).getroot().iter("SampleNode"):
        counts = dict(_counts(node, ""))
        name, n_events = node.get("name"), int(node.get("count", -1))
        if not counts:
            found.not_judged.append(f"{name}: no counts are stored")
            continue
        tube = _tube_of(name, n_events, folder, near=path)
        if tube is None:
            found.not_judged.append(f"{name}: no FCS file of this name with {n_events:,} events")
            continue
        membership = _gated(strategies[name], tube, found)
        if membership:
            ours = membership.counts()
            found.judged += [Judged(name, at, count, abs(ours[at] - count)) for at, count in counts.items()]
    return found


def _counts(node: Any, above: str) -> Iterator[tuple[str, int]]:
    """Yield the populations that FlowJo has counted; -1 is a population that it has not."""
    for child in node.iterfind("Subpopulations/*"):
        if child.tag in NODES:
            path = f"{above}{child.get('name').replace('/', '_')}"
            if int(child.get("count", -1)) >= 0:
                yield path, int(child.get("count"))
            yield from _counts(child, f"{path}/")


def _tube_of(name: str, n_events: int, folder: Folder, *, near: Path) -> Tube | None:
    named = [p for p in folder.fcs if p.name == name]
    for path in sorted(named, key=lambda p: -len(os.path.commonpath([p, near]))):
        tube = _read(path)
        if tube is not None and tube.n_events == n_events:
            return tube
    return None


def _read(path: Path) -> Tube | None:
    try:
        return read_fcs(path)
    except CytometryError:
        return None


def judge_gatingml(path: Path, folder: Folder, memberships: Mapping[Path, np.ndarray]) -> Document:
    """Hold the memberships that lie about a Gating-ML document against ours."""
    found = Document(str(path), "Gating-ML")
    try:
        strategy = read_gatingml(path)
    except CytometryError as error:
        found.not_judged.append(_short(error))
        return found
    known = {}
    for at in strategy.paths:
        name = at.rpartition("/")[2]
        ends = [p for p in memberships if p.stem == name or p.stem.endswith(f"_{name}")]
        if ends:
            known[at] = memberships[max(ends, key=lambda p: len(os.path.commonpath([p, path])))]
    if not known:
        found.not_judged.append("no memberships of its populations are in the folder")
        return found
    tube = _tube_with(strategy, {len(inside) for inside in known.values()}, folder)
    if tube is None:
        found.not_judged.append("no FCS file with its channels and as many events as the memberships")
        return found
    membership = _gated(strategy, tube, found)
    if membership:
        for at, inside in known.items():
            wrong = int(np.count_nonzero(membership.of(at) != inside))
            found.judged.append(Judged(tube.path.name, at, int(inside.sum()), wrong))
    without = len(strategy.paths) - len(known)
    if without:
        found.not_judged.append(f"{without} of {len(strategy.paths)} populations have no membership")
    return found


def _tube_with(strategy: GatingStrategy, sizes: set[int], folder: Folder) -> Tube | None:
    needed = {channel for dimension in strategy.dimensions.values() for channel in dimension.channels}
    for path in folder.fcs:
        tube = _read(path)
        if tube is not None and sizes == {tube.n_events} and needed <= set(tube.channels):
            return tube
    return None


def _gated(strategy: GatingStrategy, tube: Tube, found: Document) -> Membership | None:
    try:
        return assign(strategy, Columns(tube, strategy.dimensions, find_spillover(tube)))
    except (CytometryError, GatingError) as error:
        found.not_judged.append(f"{tube.path.name}: {_short(error)}")
        return None


def _short(error: Exception) -> str:
    lines = str(error).splitlines()
    return lines[0] + (f" ({len(lines) - 1} lines more)" if len(lines) > 1 else "")


def _elided(text: str, letters: int) -> str:
    return text if len(text) <= letters else f"...{text[3 - letters :]}"


def show(documents: list[Document], folder: Path, *, every: bool) -> None:
    """Print a line for each document, and for each population if asked for or where there is a difference."""
    print(f"{'document':{LONGEST}}{'tubes':>6}{'populations':>12}{'stored':>11}{'largest difference':>20}")
    for document in documents:
        if not document.judged:
            continue
        largest = document.largest()
        tubes = len({one.tube for one in document.judged})
        name = _elided(str(Path(document.path).relative_to(folder)), LONGEST - 1)
        stored = sum(one.stored for one in document.judged)
        print(f"{name:{LONGEST}}{tubes:>6}{len(largest):>12}{stored:>11,}{max(largest.values()):>20,}")
        for population, difference in largest.items():
            if every or difference:
                of = sum(one.stored for one in document.judged if one.population == population)
                print(f"  {_elided(population, LONGEST - 3):{LONGEST - 2}}{'':18}{of:>11,}{difference:>20,}")
    print("\nnot judged")
    for document in documents:
        name = Path(document.path).relative_to(folder)
        reasons = document.not_judged
        for reason in reasons[: None if every else 1]:
            more = f" (and {len(reasons) - 1} more like it)" if len(reasons) > 1 and not every else ""
            print(f"  {name}: {reason}{more}")
    judged = [one for document in documents for one in document.judged]
    wrong = sum(one.difference > 0 for one in judged)
    print(
        f"\n{sum(bool(d.judged) for d in documents)} of {len(documents)} documents judged: "
        f"{len(judged)} populations of tubes, {wrong} with a difference"
    )


def main() -> None:
    """Judge every document of a folder."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=os.environ.get(VARIABLE))
    parser.add_argument("--json", type=Path)
    parser.add_argument("--all", action="store_true", help="every population, every reason")
    asked = parser.parse_args()
    beside = HERE.parents[2] / "shared" / "data"
    data = Path(asked.data or beside).resolve()
    if not data.is_dir():
        sys.exit(f"no data folder: give --data DIR or set {VARIABLE}")
    begin = time.perf_counter()
    folder = look_through(data)
    memberships = {p: np.loadtxt(p, ndmin=1).astype(bool) for p in folder.memberships}
    documents = [judge_workspace(path, folder) for path in folder.workspaces]
    documents += [judge_gatingml(path, folder, memberships) for path in folder.gatingml]
    show(documents, data, every=asked.all)
    print(f"{time.perf_counter() - begin:.0f} s")
    if asked.json:
        asked.json.write_text(json.dumps([asdict(document) for document in documents], indent=1))


if __name__ == "__main__":
    main()
