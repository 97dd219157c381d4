"""Gating: numbers in, populations out.

A *template* says, for each population of a panel, how its boundary is learnt: by which rule, from which
events, over which tubes. Learning it from tubes gives each tube a *strategy*: concrete gates on named
dimensions, a tree from all events down. Assigning a strategy to a tube's columns gives the *membership*:
for every event, the populations that hold it.

    from gating.learn import TemplateTube, learn

    template = GatingTemplate.builtin("human_t")
    learnt = learn(template, {"D1": TemplateTube(columns)})
    membership = assign(learnt["D1"].strategy, columns)
    membership.fraction("CD8 T")                     # of its parent, the T cells

A rule that finds no boundary abstains and says why; the population is then absent from that tube's
strategy, never invented. Nothing here has heard of FCS files, AnnData or figures: events come from anything
that yields a column of numbers for a channel.
"""

from __future__ import annotations

from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gating.columns import ArrayEvents, Columns, Dimension, Spillover
    from gating.gates import Boolean, Ellipsoid, Interval, Operand, Polygon, Rectangle
    from gating.membership import Membership, assign
    from gating.scales import Arcsinh, Biex, FlowJoLog, Hyperlog, Linear, Log, Logicle
    from gating.strategy import GatingStrategy, Population
    from gating.template import GatingTemplate

_ROOMS = MappingProxyType(
    {
        **dict.fromkeys(("ArrayEvents", "Columns", "Dimension", "Spillover"), "columns"),
        **dict.fromkeys(("Boolean", "Ellipsoid", "Interval", "Operand", "Polygon", "Rectangle"), "gates"),
        **dict.fromkeys(("Membership", "assign"), "membership"),
        **dict.fromkeys(("Arcsinh", "Biex", "FlowJoLog", "Hyperlog", "Linear", "Log", "Logicle"), "scales"),
        **dict.fromkeys(("GatingStrategy", "Population"), "strategy"),
        "GatingTemplate": "template",
    }
)
__all__ = [
    "Arcsinh",
    "ArrayEvents",
    "Biex",
    "Boolean",
    "Columns",
    "Dimension",
    "Ellipsoid",
    "FlowJoLog",
    "GatingStrategy",
    "GatingTemplate",
    "Hyperlog",
    "Interval",
    "Linear",
    "Log",
    "Logicle",
    "Membership",
    "Operand",
    "Polygon",
    "Population",
    "Rectangle",
    "Spillover",
    "assign",
]


def __getattr__(name: str) -> Any:
    """Import a name's room when it is first used."""
    if name in _ROOMS:
        return getattr(import_module(f"gating.{_ROOMS[name]}"), name)
    msg = f"module 'gating' has no attribute {name!r}"
    raise AttributeError(msg)


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)
