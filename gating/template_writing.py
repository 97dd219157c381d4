"""Template writing: rows written as the TOML that they were read from."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from gating.rows import OWN, SKIP, CutRow, LearntRow, PopulationRow, RegionRow
from gating.template_text import TEMPLATE_KEYS


def write_template(head: Mapping[str, Any], populations: Iterable[PopulationRow]) -> str:
    """Return the text of a template: every parent a path, every default left out."""
    lines = ["[template]", *(f"{key} = {_toml(head[key])}" for key in TEMPLATE_KEYS if head.get(key))]
    for row in populations:
        lines += ["", "[[population]]", f"name = {_toml(row.name)}"]
        lines += [f"parent = {_toml(row.parent)}"] if row.parent else []
        lines += ["if_present = true"] if row.if_present else []
        if row.cuts:
            lines += ["cuts = [", *(f"  {_inline(_cut_table(cut))}," for cut in row.cuts), "]"]
        if row.region:
            lines.append(f"region = {_inline(_region_table(row.region))}")
        if row.boolean:
            lines.append(f"boolean = {_toml(str(row.boolean))}")
    return "\n".join(lines) + "\n"


def _cut_table(cut: CutRow) -> dict[str, Any]:
    table = {"marker": cut.marker, "keep": cut.keep, "rule": cut.rule, **dict(cut.options)}
    table |= {"same_as": cut.same_as, "shift_by": cut.shift_by} | _learning(cut)
    table |= {"if_present": True} if cut.if_present else {}
    return {key: value for key, value in table.items() if value != ""}


def _region_table(region: RegionRow) -> dict[str, Any]:
    return {"rule": region.rule, "x": region.x, "y": region.y, **dict(region.options)} | _learning(region)


def _learning(row: LearntRow) -> dict[str, Any]:
    said: dict[str, Any] = {} if row.source == OWN else {"source": row.source}
    said |= {} if row.learn_over == "tube" else {"learn_over": row.learn_over}
    said |= {key: value for key in ("reference", "tissue") if (value := getattr(row, key))}
    said |= {"join": row.join} if row.join else {}
    match row.otherwise:
        case CutRow():
            further = _cut_table(row.otherwise)
            return said | {"otherwise": {k: v for k, v in further.items() if k not in {"marker", "keep"}}}
        case RegionRow():
            return said | {"otherwise": _region_table(row.otherwise)}
    return said if row.otherwise == SKIP else said | {"otherwise": row.otherwise}


def _inline(table: Mapping[str, Any]) -> str:
    return "{ " + ", ".join(f"{key} = {_toml(value)}" for key, value in table.items()) + " }"


def _toml(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        case Mapping():
            return _inline(value)
        case list() | tuple():
            return "[" + ", ".join(_toml(item) for item in value) + "]"
        case _:
            return repr(value)
