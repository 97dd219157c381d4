"""Workspace: a FlowJo workspace made ready for FlowKit, and what FlowKit would read wrongly or lose.

FlowKit stops at the first thing it does not support, keeps one of two populations of one name, reads a gate on
uncompensated values as compensated, and cannot follow a name that is ``.`` or has a slash. So the document is looked
through first, populations are given numbers for names, and the samples that are not asked for are taken out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any, TypeAlias

from cytometry._exchange.build import problem
from cytometry.errors import Problem

ISAC = "{{http://www.isac-net.org/std/Gating-ML/v2.0/{}}}"
GATING, TYPES, TRANSFORMS = (ISAC.format(part) for part in ("gating", "datatypes", "transformations"))
KNOWN_TRANSFORMS = {f"{TRANSFORMS}{kind}" for kind in ("linear", "log", "logicle", "biex", "fasinh")}
KNOWN_GATES = {f"{GATING}{kind}Gate" for kind in ("Rectangle", "Polygon", "Ellipsoid")}
BOOLEANS = ("AndNode", "OrNode", "NotNode")
SLASH = "_"  # what FlowJo itself writes for a slash in a channel's name
Branch: TypeAlias = tuple[str, ...]


@dataclass(slots=True)
class Sample:
    """One sample of a workspace: what FlowKit will not tell of it.

    Parameters
    ----------
    labels
        ``$PnN`` by what FlowJo writes for it, where that is something else.
    names
        Of populations, by the number that stands for each.
    raw
        Which dimensions of a gate are drawn on uncompensated values, by the population's path.
    """

    name: str
    where: str
    element: Any
    labels: Mapping[str, str] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    raw: dict[Branch, frozenset[int]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def refuse(self, branch: Branch, message: str) -> None:
        """Note what cannot be read, of the sample or of one of its gates."""
        where = f"{self.where}, gate {'/'.join(branch)}" if branch else self.where
        self.problems.append(problem(where, message))


def root_of(path: Path) -> Any:
    """Return the root of an XML document."""
    from lxml import etree

    return etree.parse(path).getroot()


def parsed(path: Path) -> Any:
    """Return the root of the document.

    Raises
    ------
    ValueError
        If it is no FlowJo workspace.
    """
    root = root_of(path)
    if root.find("SampleList") is None or root.find("Groups") is None:
        msg = "is no FlowJo workspace: it lists no samples or no groups"
        raise ValueError(msg)
    return root


def groups(root: Any) -> dict[str, set[str]]:
    """Return the identifiers of the samples of each group."""
    return {
        group.get("name"): {ref.get("sampleID") for ref in group.iter("SampleRef")}
        for group in root.iterfind("Groups/GroupNode")
    }


def samples(root: Any, where: str, *, ids: set[str] | None) -> list[Sample]:
    """Return the samples of these identifiers or all of them, looked through, names that FlowKit can follow."""
    found = []
    for element in root.iterfind("SampleList/Sample"):
        node = element.find("SampleNode")
        if ids is None or node.get("sampleID") in ids:
            found.append(_looked_through(element, f"{where}, {node.get('name')}"))
    seen: set[str] = set()
    for sample in found:
        if sample.name in seen:
            sample.refuse((), "two samples have this name; ask for a group that holds one of them")
        seen.add(sample.name)
    return found


def document_of(root: Any, chosen: list[Sample]) -> BytesIO:
    """Return the document with the chosen samples alone, and without groups, whose gates the samples repeat."""
    from lxml import etree

    kept = {id(sample.element) for sample in chosen}
    for sample in list(root.iterfind("SampleList/Sample")):
        if id(sample) not in kept:
            sample.getparent().remove(sample)
    for group in list(root.iterfind("Groups/GroupNode")):
        group.getparent().remove(group)
    return BytesIO(etree.tostring(root))


def _looked_through(element: Any, where: str) -> Sample:
    sample = Sample(element.find("SampleNode").get("name"), where, element, _labels(element))
    matrices = element.findall(f"{TRANSFORMS}spilloverMatrix")
    if len(matrices) > 1 or any(matrix.get("spectral") == "1" for matrix in matrices):
        sample.refuse((), "several spillover matrices, or a spectral one, are not supported")
    for transform in element.iterfind("Transformations/*"):
        channel = transform.find(f"{TYPES}parameter").get(f"{TYPES}name")
        if transform.tag not in KNOWN_TRANSFORMS:
            kind = transform.tag.rpartition("}")[2]
            sample.refuse((), f"the scale of {channel} is a {kind}, which is not supported")
        if transform.tag == f"{TRANSFORMS}biex" and transform.get(f"{TRANSFORMS}length") != "256":
            sample.refuse((), f"the biex scale of {channel} has not the length 256")
    nodes = list(_nodes(element.find("SampleNode"), ()))
    for branch, node in nodes:
        _check_gate(sample, branch, node)
        if matrices:
            _find_raw(sample, branch, node, matrices[0])
    _number(sample, nodes)
    return sample


def _labels(element: Any) -> dict[str, str]:
    """Return the channels with a slash in their names, by what FlowJo writes."""
    said = {word.get("name"): word.get("value") or "" for word in element.iterfind("Keywords/Keyword")}
    names = [value for key, value in said.items() if key.startswith("$P") and key.endswith("N")]
    return {name.replace("/", SLASH): name for name in names if "/" in name}


def _nodes(node: Any, above: Branch) -> Iterator[tuple[Branch, Any]]:
    """Yield the populations below a node with their names from the top, parents before children."""
    for below in node.iterfind("Subpopulations"):
        for child in below.iterchildren("Population", *BOOLEANS):
            branch = (*above, child.get("name"))
            yield branch, child
            yield from _nodes(child, branch)


def _number(sample: Sample, nodes: list[tuple[Branch, Any]]) -> None:
    """Give the populations numbers for names, where they are defined and where booleans refer to them."""
    numbers: dict[str, str] = {}
    for branch, node in nodes:
        number = f"p{len(sample.names)}"
        sample.names[number] = branch[-1].replace("/", SLASH)
        above, written = "/".join(branch[:-1]), "/".join(branch)
        if written in numbers:
            sample.refuse(branch, "two populations have this name")
        numbers[written] = f"{numbers[above]}/{number}" if above else number
        node.set("name", number)
    for _, node in nodes:
        for operand in node.iterfind("Dependents/Dependent"):
            operand.set("name", numbers.get(operand.get("name"), operand.get("name")))


def _check_gate(sample: Sample, branch: Branch, node: Any) -> None:
    if node.tag in BOOLEANS:
        if not node.findall("Dependents/Dependent"):
            sample.refuse(branch, "combines no population")
        return
    drawn = [gate for gate in node.iterfind("Gate/*") if isinstance(gate.tag, str)]
    if len(drawn) != 1 or drawn[0].tag not in KNOWN_GATES:
        kinds = ", ".join(gate.tag.rpartition("}")[2] for gate in drawn) or "no gate"
        sample.refuse(branch, f"{kinds} is not supported: rectangle, polygon, ellipse, and, or, not")
    foci = [
        [coordinate.get(f"{TYPES}value") for coordinate in vertex]
        for vertex in node.iterfind(f"Gate/{GATING}EllipsoidGate/{GATING}foci/{GATING}vertex")
    ]
    if len(foci) == 2 and foci[0] == foci[1]:
        sample.refuse(branch, "an ellipse with one focus is not supported: FlowKit cannot tell its axes")


def _find_raw(sample: Sample, branch: Branch, node: Any, matrix: Any) -> None:
    """Note which dimensions of a gate are drawn on uncompensated values of a channel that the matrix names."""
    before, after = matrix.get("prefix", ""), matrix.get("suffix", "")
    detectors = {e.get(f"{TYPES}name") for e in matrix.iterfind(f"{TYPES}parameters/{TYPES}parameter")}
    names = [e.get(f"{TYPES}name") for e in node.iterfind(f"Gate/*/{GATING}dimension/{TYPES}fcs-dimension")]
    raw = frozenset(place for place, name in enumerate(names) if name in detectors and before + after)
    sample.raw[tuple(name.replace("/", SLASH) for name in branch)] = raw
    scales = {
        e.find(f"{TYPES}parameter").get(f"{TYPES}name"): (e.tag, dict(e.attrib))
        for e in sample.element.iterfind("Transformations/*")
    }
    for name in names:
        plain = name.removeprefix(before).removesuffix(after)
        if scales.get(name, scales.get(plain)) != scales.get(plain):
            sample.refuse(
                branch, f"{name} and {plain} have different scales; FlowKit takes the second for both"
            )
