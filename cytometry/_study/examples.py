"""Examples: what a setting of ``study.toml`` looks like where it is right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

EXAMPLES: Mapping[str, str] = MappingProxyType(
    {
        "study": 'begin with [study] and name = "..."',
        "name": 'name = "Temsirolimus against control, PBMC"',
        "compensation": 'compensation = { source = "controls" }, or "fcs", "none" or "file:spillover.csv"',
        "qc": "a table of its own: [qc], and in it such as most_removed = 0.3",
        "stain": 'a stain has a table of its own: [stain.T], with template = "human_t"',
        "template": 'template = "human_t", or the path of a TOML file',
        "source": 'source = "fcs", "none", "controls" or "file:spillover.csv"',
        "control": "the level of the factor that the other is compared with",
        "treated": 'the level whose effect is asked for, or several: ["temsirolimus", "everolimus"]',
        "before": 'change = { factor = "timepoint", before = "baseline", after = "on_treatment" }',
        "after": 'change = { factor = "timepoint", before = "baseline", after = "on_treatment" }',
        "population": 'population = "CD8 T/PD-1+"',
        "truth": 'truth = "truth/study.json"',
    }
)
TYPES: Mapping[str, str] = MappingProxyType(
    {
        "list_type": 'several, or one, stand in brackets: {name} = ["..."]',
        "model_type": "a table of its own: [{name}]",
        "dict_type": "a table of its own: [{name}]",
        "float_type": "a number without quotes",
        "int_type": "a whole number without quotes",
        "int_from_float": "a whole number",
        "bool_type": "true or false, without quotes",
    }
)
"""By the type of pydantic's error."""


def right(place: Sequence[str | int], kind: str = "") -> str:
    """Return what would be right at a place; ``""`` where there is no example of it."""
    name = str(place[-1]) if place else ""
    return EXAMPLES.get(name) or TYPES.get(kind, "").format(name=name)
