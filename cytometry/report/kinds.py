"""Kinds: the figures that can be asked for by name, in one table. A new kind is one entry here.

Nothing is imported before a figure is drawn, so that the command line can list the kinds at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, TypeAlias

from cytometry.errors import RunError

if TYPE_CHECKING:
    from matplotlib.figure import Figure, SubFigure

    from cytometry.store import Run

    Figures: TypeAlias = Mapping[str, Figure | SubFigure | "Captioned"]
    Draw: TypeAlias = Callable[["Run", "Asked"], Figures]


SIZES = ("nature1", "nature2", "slide")
EVENTS = ("auto", "pseudocolour", "contour", "dots")
Events: TypeAlias = Literal["auto", "pseudocolour", "contour", "dots"]


@dataclass(frozen=True, slots=True)
class Asked:
    """What to draw.

    Parameters
    ----------
    tubes, population, marker
        Those that were named; none, and ``""``, where the kind is to choose. ``marker`` may be two, with a comma.
    size
        ``nature1``, ``nature2`` or ``slide``.
    events
        How events are drawn: ``auto``, ``pseudocolour``, ``contour`` or ``dots``.
    comparison
        The comparison's name, where a run has several; all if not given.
    options
        What one kind alone understands, by name.
    """

    tubes: tuple[str, ...] = ()
    population: str = ""
    marker: str = ""
    size: str = "nature2"
    events: Events = "auto"
    comparison: str = ""
    options: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for what, given, known in (("size", self.size, SIZES), ("events", self.events, EVENTS)):
            if given not in known:
                msg = f"{what} is one of {', '.join(known)}, not {given!r}"
                raise RunError(msg)

    @property
    def markers(self) -> tuple[str, ...]:
        """Return the markers, one by one."""
        return tuple(part.strip() for part in self.marker.split(",") if part.strip())


@dataclass(frozen=True, slots=True, eq=False)
class Captioned:
    """A figure with its caption."""

    figure: Figure | SubFigure
    caption: str


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of figure: its name, what it shows, and the function that draws it, as ``module:function``.

    The function takes the run and what was asked, and returns figures by file stem, each with its caption or without.
    ``options`` are the names of what this kind alone understands.
    """

    name: str
    says: str
    place: str
    options: tuple[str, ...] = ()

    def draw(self, run: Run, asked: Asked) -> Figures:
        """Draw the figures of this kind.

        Raises
        ------
        RunError
            If it has no such option, or cannot be drawn.
        """
        if unknown := [name for name in asked.options if name not in self.options]:
            there = f"it has {', '.join(self.options)}" if self.options else "it has none"
            msg = f"the figure {self.name!r} has no option {unknown[0]!r}; {there}"
            raise RunError(msg)
        module, _, function = self.place.partition(":")
        drawing: Draw = getattr(import_module(f"cytometry.report.{module}"), function)
        return drawing(run, asked)


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            Kind("hierarchy", "every gate of a tube, as a tree of plots", "gate_kinds:hierarchy"),
            Kind("biaxial", "the plot where a population was gated, or two markers of it", "gate_kinds:biaxial"),
            Kind("histogram", "one marker of a population", "gate_kinds:histogram"),
            Kind("overlay", "a marker in several tubes, one above the other, with the cut", "gate_kinds:overlay"),
            Kind("control", "a population's gate over the control that it was learnt from", "gate_kinds:control"),
            Kind("grid", "one population's gate in every tube, outliers first", "gate_kinds:grid"),
            Kind("backgating", "a population's events over its ancestors' plots", "gate_kinds:backgating"),
            Kind("difference", "where two arms differ on two markers, as an illustration", "gate_kinds:difference"),
            Kind("acquisition", "rate and medians over a tube's time, and what was removed", "gate_kinds:acquisition"),
            Kind("compare", "the subjects of one endpoint", "compare_kinds:compare"),
            Kind("forest", "all contrasts of a comparison", "compare_kinds:forest"),
            Kind("volcano", "all contrasts of a comparison, by effect and p", "shift_kinds:volcano"),
            Kind("heatmap", "populations x specimens, clustered", "shift_kinds:heatmap"),
            Kind("functions", "every combination of cytokines", "shift_kinds:functions"),
            Kind("pies", "responders by number of cytokines", "shift_kinds:pies"),
            Kind("memory", "a population's fraction within each memory subset", "shift_kinds:memory", ("stain",)),
            Kind("parts", "how much of a shift is composition", "shift_kinds:parts", ("stain",)),
            Kind("cuts", "a shift at other cuts", "shift_kinds:cuts", ("stain",)),
            Kind("course", "endpoints over times or doses", "shift_kinds:course", ("along", "by", "stain")),
            Kind("umap", "a UMAP of a declared sample, with its caveat", "shift_kinds:umap", ("events",)),
            Kind("tree", "FlowSOM clusters as a tree", "shift_kinds:tree", ("events",)),
        )
    }
)  # fmt: skip


def kind_named(name: str) -> Kind:
    """Return a kind of figure.

    Raises
    ------
    RunError
        If there is none of that name, with those there are.
    """
    if name not in KINDS:
        msg = f"no figure is called {name!r}; choose one of {', '.join(KINDS)}"
        raise RunError(msg)
    return KINDS[name]
