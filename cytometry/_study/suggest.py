"""Suggest: which built-in template suits a panel, by species, tissue and markers, each with its reasons."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from cytometry._study.text import shown
from gating.errors import TemplateError
from gating.rows import is_scatter
from gating.template import GatingTemplate, builtin_templates

FITS = 0.6
FEWEST_MARKERS = 4
MANY = 16
"""More markers than this no template is asked to read: a large panel fits several of them."""
ANOTHER_TISSUE = 0.8
"""A template of another tissue counts for less: its boundaries are sought among other cells."""
# Markers that are stained in one species only.
MOUSE = frozenset(
    {"Ly6G", "Ly6C", "Gr-1", "B220", "NK1.1", "Ter119", "F4/80", "CD45.1", "CD45.2", "Siglec-F", "Sca-1", "MHC-II"}
)  # fmt: skip
HUMAN = frozenset(
    {"HLA-DR", "CD56", "CD57", "CD1c", "CD141", "CD303", "CD66b", "NKG2C", "LOX-1", "CD45RA"}
)  # fmt: skip
TISSUES = MappingProxyType(
    {
        "tumour": r"tumou?rs?|til|tils|biopsy|digest",
        "spleen": r"spleens?|spl|splenocytes?",
        "PBMC": r"pbmcs?|ficoll",
        "blood": r"blood|wb|edta|heparin",
        "bone marrow": r"marrow|bm|bmmc",
        "lymph node": r"ln|lymph ?nodes?|dln|tdln",
    }
)
ALIKE = frozenset({"PBMC", "blood"})


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A built-in template beside a panel.

    Parameters
    ----------
    fit
        Between 0 and 1: the harmonic mean of the share of the template's populations that the panel shows (those
        that are optional apart) and the share of the panel's markers, of sixteen at most, that the template reads;
        less for another tissue, 0 for another species.
    reasons
        In plain words, what speaks for it and against.
    """

    template: str
    title: str
    species: str
    tissue: str
    fit: float
    reasons: tuple[str, ...]

    @property
    def fits(self) -> bool:
        """Return whether it is good enough to be taken unasked."""
        return self.fit >= FITS

    def __str__(self) -> str:
        where = ", ".join(part for part in (self.species or "any species", self.tissue) if part)
        why = f"\n    {'; '.join(self.reasons)}" if self.reasons else ""
        return f"{self.template:18} {self.title} ({where}){why}"


def suggest_templates(
    markers: Iterable[str] = (), *, species: str = "", tissue: str = "", dimensions: Iterable[str] = ()
) -> tuple[Suggestion, ...]:
    """Return the built-in templates, the best for a panel first; all of them by name where no marker is given.

    Parameters
    ----------
    markers
        What was stained.
    species, tissue
        As the sample sheet has them; blank where nobody said.
    dimensions
        Of the files, scatter among them; where they name none, scatter is taken as there.
    """
    stained = tuple(dict.fromkeys(one for one in markers if not is_scatter(one)))
    species = species or species_of(stained)
    beside = [
        _beside(name, stained, species=species, tissue=tissue, dimensions=tuple(dimensions))
        for name in builtin_templates()
    ]
    return tuple(sorted(beside, key=lambda one: (-one.fit, one.template)))


def species_of(markers: Iterable[str]) -> str:
    """Return the species of which alone a marker is stained; blank where there is none, or of both."""
    stained = set(markers)
    found = [name for name, only in (("mouse", MOUSE), ("human", HUMAN)) if stained & only]
    return found[0] if len(found) == 1 else ""


def tissue_of(names: Iterable[str]) -> str:
    """Return the tissue that file names or cells of the sheet speak of; blank where none, or of several."""
    words = {word for name in names for word in re.split(r"[^a-z]+", name.lower()) if word}
    found = [tissue for tissue, said in TISSUES.items() if any(re.fullmatch(said, word) for word in words)]
    return found[0] if len(found) == 1 else ""


@cache
def _template(name: str) -> GatingTemplate:
    return GatingTemplate.builtin(name)


def _beside(
    name: str, stained: Sequence[str], *, species: str, tissue: str, dimensions: Sequence[str]
) -> Suggestion:
    template = _template(name)
    fit, reasons = _shown(template, stained, dimensions) if stained else (0.0, ())
    wrong = []
    if species and template.species and species != template.species:
        fit, wrong = 0.0, [f"for {template.species}, and this is {species}"]
    elif tissue and template.tissue and not _same_tissue(tissue, template.tissue):
        fit, wrong = fit * ANOTHER_TISSUE, [f"made for {template.tissue}, and this is {tissue}"]
    return Suggestion(name, template.title, template.species, template.tissue, fit, (*reasons, *wrong))


def _shown(
    template: GatingTemplate, stained: Sequence[str], dimensions: Sequence[str]
) -> tuple[float, tuple[str, ...]]:
    """Return how much of a template a panel shows, and how much of the panel the template reads."""
    scatter = [one for one in dimensions if is_scatter(one)]
    if dimensions and not scatter and any(map(is_scatter, template.dimensions)):
        return 0.0, ("the files have no scatter, and it begins with cells by FSC and SSC",)
    present = {*stained, *(scatter or filter(is_scatter, template.dimensions))}
    try:
        kept = template.prune(present)[0]
    except TemplateError:
        return 0.0, ("the panel shows none of it",)
    asked = {row.name for row in template.populations if row.required and not row.if_present}
    there = asked & {row.name for row in kept.populations}
    read = [marker for marker in stained if marker in kept.markers]
    if len(read) < min(FEWEST_MARKERS, len(template.markers)) or not asked:
        return 0.0, (f"reads only {shown(read)} of the panel" if read else "reads nothing of the panel",)
    shares = len(there) / len(asked), min(len(read) / min(len(stained), MANY), 1.0)
    lost = [row.name for row in template.populations if row.name in asked - there]
    unread = [marker for marker in stained if marker not in read]
    said = [
        f"the panel shows {len(there)} of its {len(asked)} populations, "
        f"and it reads {len(read)} of {len(stained)} markers"
    ]
    said += [f"not shown: {shown(list(dict.fromkeys(lost)))}"] if lost else []
    said += [f"not read: {shown(unread)}"] if unread else []
    return 2 / (1 / shares[0] + 1 / shares[1]) if all(shares) else 0.0, tuple(said)


def _same_tissue(tissue: str, said: str) -> bool:
    named = {one.strip().lower() for one in said.split(",")}
    given = tissue_of([tissue]) or tissue
    alike = {one.lower() for one in ALIKE} if given in ALIKE else set()
    return bool(named & {given.lower(), *alike})
