"""The items of MIFlowCyt, what is asked for where one is missing, and what the user says of them."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cytometry.errors import RunError

if TYPE_CHECKING:
    from cytometry.store import Run

USER_FILE = "miflowcyt.toml"
ITEMS = (
    ("1.1", "Purpose", "purpose"),
    ("1.2", "Keywords", "keywords"),
    ("1.3", "Experiment variables", "variables"),
    ("1.4", "Organisation", "organisation"),
    ("1.5", "Primary contact", "contact"),
    ("1.6", "Date", "date"),
    ("1.7", "Conclusions", "conclusions"),
    ("1.8", "Quality control measures", "quality_control"),
    ("2.1", "Specimen material", "material"),
    ("2.2", "Specimen source", "source"),
    ("2.3", "Treatment of specimens", "treatment"),
    ("2.4", "Fluorescence reagents", "reagents"),
    ("3.1", "Instrument manufacturer", "manufacturer"),
    ("3.2", "Instrument model", "model"),
    ("3.3", "Instrument configuration and settings", "configuration"),
    ("3.4", "Operator", "operator"),
    ("4.1", "List-mode data files", "files"),
    ("4.2", "Compensation", "compensation"),
    ("4.3", "Data transformation", "transformation"),
    ("4.4", "Gating (data filtering)", "gating"),
)
ASK = {
    "purpose": "what the experiment was to find out",
    "keywords": "words by which it can be searched",
    "organisation": "institution and address",
    "contact": "name and e-mail",
    "conclusions": "what was concluded",
    "date": "no file says when it was acquired",
    "material": "what was stained: PBMC, spleen, digest",
    "source": "organism, age, sex, supplier of animals, consent or licence",
    "treatment": "how specimens were treated, stained, fixed",
    "manufacturer": "who made the cytometer",
    "model": "no file names the cytometer ($CYT)",
    "configuration": "lasers, filters, detectors and voltages",
    "operator": "no file says who ran it ($OP)",
    "reagents": "analyte, reporter, clone, maker and catalogue number of each reagent",
}


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of one item, from where, and what is lacking."""

    text: str = ""
    source: str = ""
    lacking: str = ""


def given(run: Run) -> dict[str, Any]:
    """Return what the user wrote in ``miflowcyt.toml``, beside the study file; nothing where there is none.

    Raises
    ------
    RunError
        If the file is no TOML, or names an item that there is none of.
    """
    path = Path(str(run.info.get("study_file") or "")).parent / USER_FILE
    if not run.info.get("study_file") or not path.is_file():
        return {}
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        msg = f"{path} cannot be read as TOML: {error}"
        raise RunError(msg) from error
    known = {key for _, _, key in ITEMS}
    unknown = sorted(set(found) - known)
    if unknown:
        msg = f"{path}: there is no item {', '.join(unknown)}; the items are {', '.join(sorted(known))}"
        raise RunError(msg)
    return {key: value for key, value in found.items() if said(value)}


def said(value: Any) -> str:
    """Return a value of TOML as words."""
    if isinstance(value, Mapping):
        return "; ".join(f"{key}: {said(one)}" for key, one in value.items())
    if isinstance(value, list):
        return ", ".join(said(one) for one in value)
    return str(value).strip()


def listed(names: Iterable[str]) -> str:
    """Return names as a list in words; empty ones are left out."""
    known = [str(name) for name in names if name]
    return f"{', '.join(known[:-1])} and {known[-1]}" if len(known) > 1 else "".join(known)
