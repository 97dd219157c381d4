"""A study, once its files have been read: tubes, stains and comparisons. Values that check themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from types import MappingProxyType
from typing import Any

from cytometry._qc.limits import USUAL, Limits
from cytometry._study.comparison import Comparison
from cytometry.errors import CytometryError, Problem
from cytometry.panel import Panel, did_you_mean
from gating.sources import KINDS, STAND_INS
from gating.template import GatingTemplate

__all__ = ["LACKING", "SAMPLE", "Comparison", "SheetRow", "Stain", "Study", "locate"]

SAMPLE = "sample"
LACKING = ("fmo", "isotype")


@dataclass(frozen=True, slots=True)
class SheetRow:
    """One tube: a row of ``samples.csv``.

    Parameters
    ----------
    file
        Of the FCS file, as the sheet writes it: relative to the study's ``fcs_dir``.
    tube
        Its name, the only one of the study; the file's own name by default.
    specimen, subject
        The biological material, and the donor or animal that it is from: the experimental unit.
    kind
        ``sample``, or a kind of control: fmo, unstained, single_stain, isotype, unstimulated, healthy_anchor.
    lacks
        The markers that an FMO or isotype control was not stained with.
    strain
        Of the animal, as its supplier writes it: some have no T cells, some no NK1.1.
    prior_anti_pd1
        The drug that was given before, or yes: it hides PD-1. Blank for none.
    stained
        Of a single stain: the one marker, fluorochrome or detector that it was stained with; else found by its name.
    sheet, line
        Where it is described; line 0 for a tube that no sheet names.

    Raises
    ------
    CytometryError
        If the kind is none of these, or an FMO control does not say what it lacks.
    """

    file: str
    tube: str
    specimen: str = ""
    subject: str = ""
    arm: str = ""
    timepoint: str = ""
    stain: str = ""
    kind: str = SAMPLE
    lacks: tuple[str, ...] = ()
    batch: str = ""
    stimulus: str = ""
    tissue: str = ""
    species: str = ""
    strain: str = ""
    fresh_or_frozen: str = ""
    hours_since_dose: float | None = None
    prior_anti_pd1: str = ""
    cage: str = ""
    tissue_mg: float | None = None
    volume_ul: float | None = None
    beads_added: float | None = None
    stained: str = ""
    line: int = 0
    sheet: str = "samples.csv"

    def __post_init__(self) -> None:
        object.__setattr__(self, "lacks", tuple(self.lacks))
        if self.kind not in KINDS:
            msg = (
                f"tube {self.tube}: no kind of tube is called {self.kind!r}; {did_you_mean(self.kind, KINDS)}"
            )
            raise CytometryError(msg)
        if self.kind in LACKING and not self.lacks:
            msg = f"tube {self.tube} is an {KINDS[self.kind]} and does not say which marker it lacks"
            raise CytometryError(msg)

    @property
    def where(self) -> str:
        """Return where the tube is described, for a message."""
        return f"{self.sheet}:{self.line}" if self.line else self.tube


@dataclass(frozen=True, slots=True, eq=False)
class Stain:
    """A named antibody panel of the study, and how its tubes are compensated, scaled and gated.

    Parameters
    ----------
    template
        Pruned to what the panel can show.
    lost
        Populations of the template that the panel cannot show, each with its reason.
    compensation
        ``"fcs"``, ``"none"`` or ``"file:"`` and the path of a matrix.
    scales
        What the study asks of scales: by marker, or ``"default"``; kind and parameters.
    """

    name: str
    panel: Panel
    template: GatingTemplate
    compensation: str = "fcs"
    scales: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    lost: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Study:
    """A study whose files fit together: which tube is whose, how each stain is gated, what is compared.

    Parameters
    ----------
    path
        Of ``study.toml``.
    fcs_dir
        The folder that the files of the sheet are relative to.
    stand_in
        Who stands in where a specimen lacks a control tube: none, subject, batch or stain.
    low_count, flag_count
        Events below which a statistic is NaN, and below which it is flagged.
    fractions_of
        Ancestors, besides the parent, of which fractions are reported.
    intensities
        Markers whose medians are reported; empty for all that are functional.
    limits
        What quality control holds each acquisition to, and what it removes.
    truth
        What was planted in a simulated study; ``None`` for real data.
    warnings
        What ``check_study`` found that does not stop the study.
    """

    path: Path
    name: str
    fcs_dir: Path
    stains: Mapping[str, Stain]
    tubes: tuple[SheetRow, ...]
    comparisons: tuple[Comparison, ...] = ()
    seed: int = 1
    stand_in: str = "batch"
    low_count: int = 20
    flag_count: int = 50
    fractions_of: tuple[str, ...] = ("CD45+",)
    intensities: tuple[str, ...] = ()
    limits: Limits = USUAL
    truth: Path | None = None
    warnings: tuple[Problem, ...] = ()

    def __post_init__(self) -> None:
        if self.stand_in not in STAND_INS:
            msg = f"stand_in is one of {', '.join(STAND_INS)}, not {self.stand_in!r}"
            raise CytometryError(msg)
        object.__setattr__(self, "stains", MappingProxyType(dict(self.stains)))

    @property
    def folder(self) -> Path:
        """Return the folder of ``study.toml``."""
        return self.path.parent

    @property
    def samples(self) -> tuple[SheetRow, ...]:
        """Return the tubes that are no controls."""
        return tuple(row for row in self.tubes if row.kind == SAMPLE)

    @property
    def subjects(self) -> tuple[str, ...]:
        """Return the subjects that have sample tubes, in the order of the sheet."""
        return tuple(dict.fromkeys(row.subject for row in self.samples))

    def tubes_of(self, stain: str) -> tuple[SheetRow, ...]:
        """Return the tubes of a stain, controls among them.

        Raises
        ------
        CytometryError
            If the study has no such stain, with near matches.
        """
        if stain not in self.stains:
            msg = f"the study has no stain {stain!r}; {did_you_mean(stain, self.stains)}"
            raise CytometryError(msg)
        return tuple(row for row in self.tubes if row.stain == stain)

    def row(self, tube: str) -> SheetRow:
        """Return the row of a tube.

        Raises
        ------
        CytometryError
            If the study has no such tube, with near matches.
        """
        for row in self.tubes:
            if row.tube == tube:
                return row
        msg = f"the study has no tube {tube!r}; {did_you_mean(tube, [row.tube for row in self.tubes])}"
        raise CytometryError(msg)

    def path_of(self, tube: str | SheetRow) -> Path:
        """Return where a tube's FCS file is."""
        row = tube if isinstance(tube, SheetRow) else self.row(tube)
        return locate(self.fcs_dir, row.file) or self.fcs_dir / row.file

    def __repr__(self) -> str:
        controls = len(self.tubes) - len(self.samples)
        tubes = f"{len(self.samples)} samples, {controls} controls"
        return (
            f"Study({self.name!r}: {tubes}, {len(self.subjects)} subjects, stains {', '.join(self.stains)})"
        )

    def _repr_html_(self) -> str:
        rows = [("tubes", f"{len(self.samples)} samples, {len(self.tubes) - len(self.samples)} controls")]
        rows += [("subjects", str(len(self.subjects)))]
        for stain in self.stains.values():
            said = f"{len(stain.panel.markers)} markers, template {stain.template.name}"
            rows.append((f"stain {stain.name}", said))
        for one in self.comparisons:
            rows.append(
                (
                    one.name,
                    f"{one.factor}: {', '.join(one.treated_levels)} against {one.control}, {one.design}",
                )
            )
        rows.append(("warnings", str(len(self.warnings))))
        body = "".join(f"<tr><th>{escape(name)}</th><td>{escape(said)}</td></tr>" for name, said in rows)
        return f"<table><caption>{escape(self.name)}</caption>{body}</table>"


def locate(folder: Path, file: str) -> Path | None:
    """Return a file's path, where capitals do not matter and ``.fcs`` may be left out; ``None`` if not there."""
    path = folder / file
    if path.is_file():
        return path
    if not path.parent.is_dir():
        return None
    wanted = {path.name.lower(), f"{path.name.lower()}.fcs"}
    found = [
        other for other in sorted(path.parent.iterdir()) if other.name.lower() in wanted and other.is_file()
    ]
    return found[0] if len(found) == 1 else None
