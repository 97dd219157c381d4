"""MIFlowCyt: what a report of flow cytometry must say, filled from files and study, and what is still missing.

The items are those of Lee JA, et al. MIFlowCyt: the minimum information about a flow cytometry experiment. Cytometry A
2008;73A:926-930. What no file can tell is written by the user into ``miflowcyt.toml`` beside the study file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from cytometry._miflowcyt import files, items, study
from cytometry.folder import write_text
from cytometry.safe import safe_csv

if TYPE_CHECKING:
    from cytometry.store import Run

FILLED, IN_PART, MISSING = "filled", "in part", "missing"
STEM = "miflowcyt"
SECTIONS = {
    "1": "Experiment overview",
    "2": "Specimens and reagents",
    "3": "Instrument",
    "4": "Data analysis",
}
PAPER = "Lee JA, et al. Cytometry A 2008;73A:926-930"


@dataclass(frozen=True, slots=True)
class Item:
    """One item of the checklist.

    Parameters
    ----------
    number, name
        As MIFlowCyt counts and calls it.
    key
        Under which ``miflowcyt.toml`` gives it.
    status
        ``filled``, ``in part`` or ``missing``.
    text
        What is known.
    source
        Where that is from.
    lacking
        What is still to be said.
    """

    number: str
    name: str
    key: str
    status: str
    text: str
    source: str
    lacking: str = ""


def checklist(run: Run) -> list[Item]:
    """Return every item of MIFlowCyt, filled where the files, the sheet or the user say it."""
    given = items.given(run)
    headers = files.headers(run)
    found = {
        **study.overview(run, files.acquired(headers)),
        **study.specimens(run),
        **files.instrument(headers),
        **study.analysis(run),
    }
    return [_item(*item, given=given, known=found.get(item[2], items.Known())) for item in items.ITEMS]


def write_checklist(run: Run) -> list[Item]:
    """Write ``miflowcyt.json``, ``.md`` and ``.tsv`` into the result folder, and return the items."""
    found = checklist(run)
    said = {"checklist": "MIFlowCyt 1.0", "reference": PAPER, "items": [asdict(item) for item in found]}
    write_text(run.folder / f"{STEM}.json", json.dumps(said, indent=1, ensure_ascii=False) + "\n")
    write_text(run.folder / f"{STEM}.md", as_markdown(found, str(run.info["study"])))
    head = ("item", "name", "status", "text", "source", "lacking")
    rows = [(i.number, i.name, i.status, i.text, i.source, i.lacking) for i in found]
    write_text(run.folder / f"{STEM}.tsv", safe_csv([head, *rows], separator="\t"))
    return found


def as_markdown(found: list[Item], study: str) -> str:
    """Return the checklist as a Markdown file, the missing items first."""
    missing = [item for item in found if item.status != FILLED]
    lines = [f"# MIFlowCyt checklist: {study}", "", f"{PAPER}.", ""]
    if missing:
        lines += ["Still to be said, in `miflowcyt.toml` beside the study file:", ""]
        lines += [f"- {i.number} {i.name} (`{i.key}`): {i.lacking or i.status}" for i in missing] + [""]
    for first, title in SECTIONS.items():
        lines += [f"## {first} {title}", ""]
        for item in (one for one in found if one.number.startswith(first)):
            said = f"{item.text} ({item.source})" if item.text else "MISSING"
            lines.append(f"- **{item.number} {item.name}** [{item.status}]: {said}")
        lines.append("")
    return "\n".join(lines)


def _item(number: str, name: str, key: str, *, known: items.Known, given: Mapping[str, Any]) -> Item:
    parts = [(known.text, known.source)] if known.text else []
    if key in given:
        parts.insert(0, (items.said(given[key]), items.USER_FILE))
    text = "; ".join(text for text, _ in parts)
    source = "; ".join(dict.fromkeys(source for _, source in parts))
    lacking = "" if key in given else known.lacking
    status = MISSING if not text else IN_PART if lacking else FILLED
    return Item(number, name, key, status, text, source, lacking or ("" if text else items.ASK.get(key, "")))
