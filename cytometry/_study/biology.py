"""Biology: what the sheet says of specimens that a population cannot stand, each with its tubes and endpoints."""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from cytometry._study.comparison import Comparison
from cytometry._study.model import SAMPLE, SheetRow, Stain
from cytometry._study.text import shown, warning
from cytometry.errors import Problem
from gating.rows import OWN, PopulationRow, last_part

ANTI_PD1 = re.compile(
    r"nivolumab|pembrolizumab|cemiplimab|dostarlimab|tislelizumab|toripalimab|sintilimab|camrelizumab|retifanlimab"
    r"|(?:anti|a|\u03b1)[-_ ]?pd-?1(?![0-9l])",
    re.IGNORECASE,
)
STIMULATED = re.compile(r"pma|ionomycin|leucocyte activation|cell activation|lac\b", re.IGNORECASE)
DIGESTED = re.compile(r"tumou?r|til\b|digest|lung|liver|gut|skin|colon|kidney|adipose", re.IGNORECASE)
# Strains without lymphocytes of their own, and which they lack; the first that matches counts.
LACKING = MappingProxyType(
    {
        r"nsg|nog\b|nrg|ncg|il-?2r(?:g|gamma)|rag.*gamma|r2g2": ("T", "B", "NK"),
        r"scid|rag-?[12]?\b|rag[12]": ("T", "B"),
        r"nude|foxn1|nu/nu|athymic": ("T",),
    }
)
LYMPHOCYTES = MappingProxyType(
    {
        "T": ("T cells", "CD4 T", "CD8 T", "Treg"),
        "B": ("B cells",),
        "NK": ("NK cells",),
    }
)
WITHOUT_NK11 = re.compile(r"balb|\b129|dba|c3h|akr|\bnod", re.IGNORECASE)
GLOWING = ("TAM", "macrophages", "alveolar macrophages", "tumour cells", "EpCAM+", "CA9+")
OF_LYMPHOCYTES = ("T cells", "CD4 T", "CD8 T", "CD4- T", "B cells", "lymphocytes", "naive", "NK cells")
CLIPPED = ("CD62L", "CCR7", "CD27", "CD16")


@dataclass(frozen=True, slots=True)
class _Asked:
    """One stain: its sample tubes, its populations, and the endpoints that a comparison declares."""

    stain: Stain
    samples: tuple[SheetRow, ...]
    declared: frozenset[str]

    @property
    def where(self) -> str:
        return f"stain {self.stain.name}"

    def tubes(self, true: Callable[[SheetRow], object]) -> list[SheetRow]:
        return [row for row in self.samples if true(row)]

    def named(self, said: Callable[[PopulationRow], object]) -> list[str]:
        """Return the populations of which something is true, a declared one marked as such."""
        paths = [row.path for row in self.stain.template.populations if said(row)]
        names = [
            f"{last_part(path)} (declared)" if path in self.declared else last_part(path) for path in paths
        ]
        return sorted(dict.fromkeys(names), key=lambda name: not name.endswith("(declared)"))

    def populations(self, names: Container[str]) -> list[str]:
        """Return the populations of these names that are there."""
        return self.named(lambda row: row.name in names)

    def cut_on(self, *markers: str) -> list[str]:
        return self.named(lambda row: any(cut.marker in markers for cut in row.cuts))


def biology_problems(
    stain: Stain, rows: Sequence[SheetRow], comparisons: Iterable[Comparison] = ()
) -> Iterator[Problem]:
    """Yield, each once, what the specimens of a stain cannot show or show falsely, and for which populations.

    Parameters
    ----------
    rows
        The tubes of the stain.
    comparisons
        Whose declared endpoints are marked where they suffer.
    """
    paths = [row.path for row in stain.template.populations]
    ends = [
        end for one in comparisons for end in (*one.primary, *one.secondary) if end.stain in ("", stain.name)
    ]
    declared = {path for end in ends for path in paths if f"/{path}".endswith(f"/{end.population}")}
    asked = _Asked(stain, tuple(row for row in rows if row.kind == SAMPLE), frozenset(declared))
    for look in (_species, _frozen, _masked, _phenotype, _strain, _glow, _shed, _internalised):
        yield from look(asked)


def _species(asked: _Asked) -> Iterator[Problem]:
    template = asked.stain.template
    other = [row for row in asked.samples if row.species and row.species != template.species.lower()]
    if template.species and other:
        named = shown(list(dict.fromkeys(row.species for row in other)))
        yield warning(
            "CYT109",
            asked.where,
            f"template {template.name} is for {template.species}, the samples are {named}",
        )


def _frozen(asked: _Asked) -> Iterator[Problem]:
    frozen = asked.tubes(lambda row: row.fresh_or_frozen == "frozen")
    if not frozen:
        return
    if len(frozen) < len(asked.tubes(lambda row: row.fresh_or_frozen)):
        said = f"{len(frozen)} of {len(asked.samples)} samples are frozen, others fresh: {_tubes(frozen)}"
        hint = "granulocytic and CD33+ cells are lost by freezing; compare like with like"
        yield warning("CYT405", asked.where, said, hint)
    granulocytic = asked.populations(("PMN-MDSC", "neutrophils"))
    early = asked.populations(("eMDSC",))
    if granulocytic:
        said = f"{shown(granulocytic)} of frozen cells: {_tubes(frozen)}"
        hint = "PMN-MDSC hardly survive freezing and thawing; use fresh cells"
        yield warning("CYT406", asked.where, said, hint)
    if early:
        said = f"{shown(early)} of frozen cells: {_tubes(frozen)}"
        hint = "CD33+ HLA-DR- cells are fewer after thawing; never set thawed beside fresh ones"
        yield warning("CYT406", asked.where, said, hint)


def _masked(asked: _Asked) -> Iterator[Problem]:
    hit = asked.cut_on("PD-1")
    given = asked.tubes(lambda row: row.prior_anti_pd1 or ANTI_PD1.search(f"{row.arm} {row.timepoint}"))
    if hit and given:
        said = f"{shown(hit)} after anti-PD-1: {_tubes(given)}"
        hint = (
            "the drug sits on the epitope and PD-1 looks lower than it is: stain IgG4, or drop the endpoint"
        )
        yield warning("CYT601", asked.where, said, hint)


def _phenotype(asked: _Asked) -> Iterator[Problem]:
    named = [name for name in asked.named(lambda row: "MDSC" in row.name) if name.endswith("(declared)")]
    if named:
        said = f"{shown(named)}: a phenotype, not a function"
        hint = "write 'cells with MDSC phenotype'; that they suppress takes an assay (Bronte 2016)"
        yield warning("CYT602", asked.where, said, hint)


def _strain(asked: _Asked) -> Iterator[Problem]:
    strains = tuple(dict.fromkeys(row.strain for row in asked.samples if row.strain))
    for strain in strains:
        tubes = [row for row in asked.samples if row.strain == strain]
        lacking = next(
            (kinds for said, kinds in LACKING.items() if re.search(said, strain, re.IGNORECASE)), ()
        )
        hit = asked.populations({name for kind in lacking for name in LYMPHOCYTES[kind]})
        if hit:
            said = (
                f"{strain} has no {' and '.join(lacking)} cells of its own: {shown(hit)} of {_tubes(tubes)}"
            )
            yield warning(
                "CYT603", asked.where, said, "what is gated there is noise, or cells that were given"
            )
        if WITHOUT_NK11.search(strain) and (unstained := asked.cut_on("NK1.1")):
            said = f"{strain} has no NK1.1: {shown(unstained)} of {_tubes(tubes)}"
            yield warning("CYT604", asked.where, said, "stain NKp46 or CD49b (DX5) in such mice")


def _glow(asked: _Asked) -> Iterator[Problem]:
    """Yield populations that glow and are cut where lymphocytes end."""
    lacks = {marker for row in asked.stain.template.populations for marker in _borrowed(row)}
    hit = asked.named(_borrowed)
    if hit:
        said = f"{shown(hit)}: {shown(sorted(lacks))} is cut by the boundary of lymphocytes"
        hint = (
            "macrophages and tumour cells glow 3 to 20 times as much, and most would be positive: "
            "use an FMO, gated to the same parent"
        )
        yield warning("CYT605", asked.where, said, hint)


def _borrowed(row: PopulationRow) -> list[str]:
    parts = row.path.split("/")
    if not any(part in GLOWING for part in parts):
        return []
    return [
        cut.marker
        for first in row.cuts
        for cut in first.chain
        if cut.source == OWN and last_part(cut.reference) in OF_LYMPHOCYTES
    ]


def _shed(asked: _Asked) -> Iterator[Problem]:
    """Yield markers that enzymes, stimulation or freezing take off the cell."""
    told = (
        (("CD62L",), lambda row: STIMULATED.search(row.stimulus), "stimulation sheds it"),
        (("CD16",), lambda row: STIMULATED.search(row.stimulus), "activation sheds it"),
        (("CD16",), lambda row: row.fresh_or_frozen == "frozen", "freezing lowers it"),
        (
            ("CD62L", "CCR7", "CD27"),
            lambda row: DIGESTED.search(row.tissue),
            "enzymes of the digestion clip it",
        ),
    )
    for markers, true, why in told:
        for marker in markers:
            hit, tubes = asked.cut_on(marker), asked.tubes(true)
            if hit and tubes:
                said = f"{shown(hit)} by {marker} of {_tubes(tubes)}: {why}"
                hint = f"a cell without {marker} may have lost it there; blood treated alike shows how far"
                yield warning("CYT606", asked.where, said, hint)


def _internalised(asked: _Asked) -> Iterator[Problem]:
    stimulated = asked.tubes(lambda row: STIMULATED.search(row.stimulus))
    hit = asked.named(
        lambda row: any(cut.marker == "CD4" and not cut.reference and not cut.same_as for cut in row.cuts)
    )
    if stimulated and hit:
        said = f"{shown(hit)} by CD4 of {_tubes(stimulated)}: PMA takes CD4 from the surface"
        hint = "call CD3+CD8- cells CD4 there, or cut above what CD8 T cells have, as the template human_cytokine does"
        yield warning("CYT606", asked.where, said, hint)


def _tubes(rows: Sequence[SheetRow]) -> str:
    return shown([row.tube for row in rows])
