"""What the sheet, the panel and the run say of specimens, reagents and analysis."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

from cytometry._miflowcyt.items import Known, listed

if TYPE_CHECKING:
    import pandas as pd

    from cytometry.store import Run

REAGENT = {
    "clone": ("clone",),
    "maker": ("manufacturer", "maker", "supplier", "vendor"),
    "catalogue number": ("catalogue", "catalog", "cat_no", "catalogue_number", "catalog_number"),
}
MATRICES = {
    "": "none",
    "none": "none",
    "fcs": "the matrix that each file holds ($SPILLOVER), as the instrument's software wrote it",
}
NOT_STAINED = frozenset({"scatter", "time", "unused"})


def overview(run: Run, when: Known) -> dict[str, Known]:
    """Return what is known of the experiment as a whole."""
    tubes = run.info["tubes"].values()
    levels = {
        name: sorted({tube["labels"].get(name, "") for tube in tubes if tube["kind"] == "sample"} - {""})
        for name in ("arm", "timepoint", "stimulus", "batch")
    }
    variables = [f"{name}: {listed(found)}" for name, found in levels.items() if found]
    asked = [
        f"compared: {listed([one['treated']] if isinstance(one['treated'], str) else one['treated'])} with "
        f"{one['control']} ({one['factor']})"
        for one in run.info.get("comparisons", ())
    ]
    checks = list(dict.fromkeys(run.qc["check"])) if len(run.qc) else []
    controls = sorted({tube["kind"].replace("_", " ") for tube in tubes} - {"sample"})
    quality = "; ".join(
        part
        for part in (
            f"acquisition checks: {listed(checks)}" if checks else "",
            f"control tubes: {listed(controls)}" if controls else "",
        )
        if part
    )
    return {
        "variables": Known("; ".join([*variables, *asked]), "sample sheet and study file"),
        "date": when,
        "quality_control": Known(
            quality, "this run", "" if controls else "no control tube is part of the study"
        ),
    }


def specimens(run: Run) -> dict[str, Known]:
    """Return what the sheet says of the specimens, and the panels of the reagents."""
    sheet = run.tubes[run.tubes["kind"] == "sample"]
    tissues = _column(sheet, "tissue")
    fresh = _column(run.table, "fresh_or_frozen")
    subjects = sheet["subject"].replace("", None).nunique()
    material = "; ".join(part for part in (listed(tissues), listed(fresh)) if part)
    species = sorted(
        {run.template(s).species for s in run.stains if "template" in run.info["stains"][s]} - {""}
    )
    source = f"{subjects} {'subject' if subjects == 1 else 'subjects'}" if subjects else ""
    source += f", {listed(species)}" if source and species else ""
    arms = _column(sheet, "arm")
    treatment = [f"arms: {listed(arms)}" if arms else ""]
    stimuli = _column(sheet, "stimulus")
    treatment.append(f"stimuli: {listed(stimuli)}" if stimuli else "")
    return {
        "material": Known(material, "sample sheet (tissue, fresh_or_frozen)"),
        "source": Known(
            source, "sample sheet, template", "age, sex, supplier of animals, consent or licence"
        ),
        "treatment": Known(
            "; ".join(part for part in treatment if part), "sample sheet", "doses, times, staining protocol"
        ),
        "reagents": _reagents(run),
    }


def _reagents(run: Run) -> Known:
    sold = _bought(run)
    said_, lacks = [], dict.fromkeys(REAGENT, 0)
    total = 0
    for stain in run.stains:
        names = []
        for channel in run.info["stains"][stain]["panel"]:
            if channel["role"] in NOT_STAINED or not channel["marker"]:
                continue
            total += 1
            bought = sold.get((stain, channel["detector"])) or sold.get(("", channel["detector"])) or {}
            lacks = {what: many + (not bought.get(what)) for what, many in lacks.items()}
            more = ", ".join(f"{what} {word}" for what, word in bought.items() if word)
            name = f"{channel['marker']} {channel['fluorochrome']}".strip()
            names.append(f"{name} ({more})" if more else name)
        if names:
            said_.append(f"{stain}: {', '.join(names)}")
    missing = [what for what, many in lacks.items() if many]
    lacking = f"{listed(missing)} of the reagents (columns of panel.csv)" if missing and total else ""
    return Known("; ".join(said_), "panel.csv", lacking)


def _bought(run: Run) -> dict[tuple[str, str], dict[str, str]]:
    """Return clone, maker and catalogue number by stain and detector, as far as the panel files have the columns."""
    folder = Path(str(run.info.get("study_file") or "")).parent
    found: dict[tuple[str, str], dict[str, str]] = {}
    for path in sorted(folder.glob("*panel*.csv")) if run.info.get("study_file") else []:
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as lines:
            for row in csv.DictReader(lines):
                cells = {str(k or "").strip().lower(): str(v or "").strip() for k, v in row.items()}
                detector = cells.get("detector") or cells.get("channel") or cells.get("pnn") or ""
                found[cells.get("stain", ""), detector] = {
                    what: next((cells[name] for name in names if cells.get(name)), "")
                    for what, names in REAGENT.items()
                }
    return found


def analysis(run: Run) -> dict[str, Known]:
    """Return what the run knows of its own analysis."""
    tubes = run.info["tubes"].values()
    events = sum(int(tube["n_events"] or 0) for tube in tubes)
    stains = run.info["stains"]
    sources = list(dict.fromkeys(str(about.get("compensation", "")) for about in stains.values()))
    scales = {
        str(s["scale"]).split("(")[0] for about in stains.values() for s in about.get("scales", {}).values()
    }
    templates = [f"{about.get('template_name', 'given gates')} ({name})" for name, about in stains.items()]
    # Combinations of other gates have no boundary of their own.
    many = int((run.gates["rule"] != "boolean").sum()) if len(run.gates) else 0
    gates = (
        f"{many:,} boundaries, control tubes included, each with its place, source and reason" if many else ""
    )
    return {
        "files": Known(
            f"{len(tubes)} FCS files, {events:,} events; names and SHA-256 in tables/tubes.csv",
            "this run",
            "repository and accession number",
        ),
        "compensation": Known(
            f"{listed(MATRICES.get(one, one) for one in sources)}; the matrix of each tube in gating/tubes/*.json",
            "this run",
        ),
        "transformation": Known(
            f"{listed(sorted(scales))}; parameters of every channel in run.json" if scales else "", "this run"
        ),
        "gating": Known(
            f"templates {listed(templates)}; {gates or 'given gates'} (tables/gates.csv); geometry of every tube "
            "in gating/tubes/*.json; share of the parent of every population in tables/statistics.csv",
            "this run",
        ),
    }


def _column(table: pd.DataFrame, name: str) -> list[str]:
    return sorted({str(cell) for cell in table[name]} - {"", "nan"}) if name in table.columns else []
