"""The key to rules: what a stain's rules do and what their options mean, in a line each; only those that occur."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType

RULES: Mapping[str, str] = MappingProxyType(
    {
        "valley": "at the lowest density between two peaks",
        "tail": "where the negative peak ends (a number is the share of it that stays on its own side)",
        "quantile": "at a share of the events shown",
        "mixture": "between two overlapping populations that are fitted to the density",
        "singlet band": "around the ridge of single cells",
        "main cloud": "around the cells, apart from debris",
        "as in": "at the boundary of another population",
    }
)
OPTIONS: Mapping[str, str] = MappingProxyType(
    {
        "keep": "the share of the events that the outline is drawn around",
        "side": "on which side the cells that are looked for lie",
        "between": "which valley, where there are several",
        "peak": "which peak is the negative one",
        "lean": "how unlike the two sides of the negative peak may be, as a ratio of their widths",
        "apart": "how far apart two populations must be, as Ashman's D (2: just two)",
        "dominant": "the least share of the events that the negative peak must hold",
        "smallest": "the least share of the events that makes a peak",
    }
)
PLACES: Mapping[str, str] = MappingProxyType(
    {
        "per batch": "one boundary for all tubes of a batch",
        "per subject": "one boundary for all tubes of a subject",
        "per stain": "one boundary for all tubes",
    }
)


def key_to(definitions: Iterable[str]) -> str:
    """Return the rules, options and groups that definitions name, each with its meaning, as one sentence."""
    said = " ; ".join(definitions)
    found = {name: text for name, text in RULES.items() if re.search(rf"\b{name}\b", said)}
    found |= {name: text for name, text in OPTIONS.items() if re.search(rf"[(,] ?{name} [\w.]", said)}
    found |= {name: text for name, text in PLACES.items() if name in said}
    if " of " in re.sub(r"\([^)]*\)", "", said):
        found["of"] = "the population whose events the boundary is learnt from, where it is not the parent"
    return f"Key: {'; '.join(f'{name}: {text}' for name, text in found.items())}." if found else ""
