"""Record: the truth of a study as it is written, beside the FCS files and never inside them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cytometry.simulate.acquire import ALONE, FLAGS, Known
from cytometry.simulate.biology import Specimen
from cytometry.simulate.composition import beside, origin_of
from cytometry.simulate.instrument import Instrument
from cytometry.simulate.members import EVERYONE, members, populations
from cytometry.simulate.phospho import left_in
from cytometry.simulate.plan import PlannedTube, StudyPlan
from cytometry.simulate.planted import planted_endpoints
from cytometry.simulate.recipe import Recipe
from cytometry.simulate.sheets import STATEMENT
from cytometry.simulate.tables import panel, rows, settings

FORMAT = 2
TUBE_SAYS = (
    "specimen", "subject", "timepoint", "batch", "stain", "kind", "lacks", "stimulus", "arm", "tissue", "cage",
    "role",     "stained", "material",
)  # fmt: skip
# Noise-free light is kept of the markers whose boundary is hard to learn.
WATCHED = {
    "T": ("PD-1", "TIM-3", "FoxP3"),
    "myeloid": ("HLA-DR",),
    "cytokine": ("PD-1", "IFN-g", "TNF-a"),
    "gr1": ("PD-1", "TIM-3", "FoxP3", "Gr-1"),
    "ly6": ("PD-1", "TIM-3", "FoxP3", "Ly6C"),
    "reduced": ("PD-1", "TIM-3", "FoxP3", "Gr-1"),
    "phospho": ("pS6",),
}


def watched(name: str, instrument: Instrument) -> tuple[int, ...]:
    """Return the detectors of a panel whose noise-free light is kept."""
    return tuple(instrument.channels.index(panel(name).detector(marker)) for marker in WATCHED[name])


def write_events(
    path: Path, known: Known, *, tube: PlannedTube, recipe: Recipe, instrument: Instrument
) -> None:
    """Write what each event of a tube is, as Parquet; one row per event of the FCS file, in its order."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    whole = ~known.is_debris
    columns: dict[str, Any] = {"event": pa.array(np.arange(known.kind.size, dtype=np.int32))}
    for name in ("stratum", "path", "leaf", "subset", "fraction"):
        columns[name] = _named(name, recipe, np.where(whole, known.kind, recipe.platelet))
    partner = np.where(known.partner == ALONE, recipe.platelet, known.partner)
    columns["partner_leaf"] = _named("leaf", recipe, partner)
    for name in ("pd1_state", "tim3_state", "cytokines"):
        columns[name] = pa.array(
            np.where(whole, recipe.cells[name][known.kind], 0).astype(recipe.cells[name].dtype)
        )
    for name in FLAGS:
        columns[name] = pa.array(getattr(known, name))
    for detector, shone in known.light.items():
        marker = panel(tube.panel).marker(instrument.channels[detector])
        columns[f"F {marker}"] = pa.array(shone)
        columns[f"AF {marker}"] = pa.array(known.own_af[detector])
    # Floats do not compress, and trying takes longer than all the rest.
    light = {name: "none" if name.startswith(("F ", "AF ")) else "zstd" for name in columns}
    texts = [name for name, column in columns.items() if isinstance(column, pa.DictionaryArray)]
    pq.write_table(
        pa.table(columns),
        path,
        compression=light,
        use_dictionary=texts,
        column_encoding={"event": "DELTA_BINARY_PACKED"},
        write_statistics=False,
    )


def _named(column: str, recipe: Recipe, kinds: NDArray[Any]) -> Any:
    import pyarrow as pa

    names = [_path(row) if column == "path" else row[column] for row in rows("strata")]
    distinct = list(dict.fromkeys(["", *names]))
    number = np.array(
        [distinct.index("" if column == "stratum" and name == "platelet" else name) for name in names]
    )
    return pa.DictionaryArray.from_arrays(number[recipe.stratum][kinds].astype(np.int8), distinct)


def _path(row: Mapping[str, str]) -> str:
    """Return where a stratum hangs: the CD45+ cells, its leaf, and the part of that; blank for the platelet."""
    root = EVERYONE if row["leaf"] and row["leaf"] not in beside(row["species"]) else ""
    return "/".join(part for part in (root, row["leaf"], row["fraction"] or row["subset"]) if part)


def tube_record(
    plan: StudyPlan, tube: PlannedTube, of: Specimen, *, recipe: Recipe, known: Known
) -> dict[str, Any]:
    """Return a tube's planted populations: base, expected share of live cells, cells per uL or mg, and events found.

    Events are live single cells. ``left`` is what the drug left of the median of pS6.
    """
    alive = np.bincount(known.kind[known.is_live_single], minlength=recipe.stratum.size)
    alive[recipe.platelet] = 0
    leukocytes = float(recipe.expected[members(recipe.cells, EVERYONE)].sum())
    named = [(EVERYONE, ""), *((row["population"], row["base"]) for row in populations(tube.panel))]
    found = {}
    for population, base in named:
        inside = members(recipe.cells, population)
        share = float(recipe.expected[inside].sum())
        found[population] = {
            "base": base,
            "share": share,
            "n": int(alive[inside].sum()),
            "density": of.density * share / leukocytes,
        }
    return {
        **{name: getattr(tube, name) for name in TUBE_SAYS},
        "n_events": int(known.kind.size),
        "doublets": int(known.is_doublet.sum()),
        "dead": int(known.is_dead.sum()),
        "debris": int(known.is_debris.sum()),
        "beads": int(known.is_bead.sum()),
        "beads_added": tube.beads_added,
        "volume_ul": tube.volume_ul,
        "tissue_mg": tube.tissue_mg,
        "left": left_in(plan, tube),
        "course": dict(known.about),
        "populations": found,
    }


def specimen_record(of: Specimen, tube: PlannedTube) -> dict[str, Any]:
    """Return what was expected of a specimen: cells per uL or mg, shares by leaf, and the states."""
    unit = settings("origins")[origin_of(tube)]["unit"]
    return {
        f"per_{unit}": dict(of.amounts),
        "CD45+": of.density,
        "unit": unit,
        "share_of_CD45+": dict(of.leaves),
        "parts": {leaf: dict(parts) for leaf, parts in of.parts.items()},
        "PD-1+": dict(of.pd1),
    }


def write_study(
    path: Path,
    plan: StudyPlan,
    *,
    tubes: Mapping[str, dict[str, Any]],
    specimens: Mapping[str, dict[str, Any]],
) -> None:
    """Write ``study.json``: the summary (seed, parameters, what was planted), specimens and tubes."""
    summary = {
        "simulated": True,
        "statement": STATEMENT,
        "seed": plan.seed,
        "scenario": plan.scenario,
        "parameters": asdict(plan),
        "planted": planted_endpoints(plan),
    }
    whole = {"format": FORMAT, "summary": summary, "specimens": specimens, "tubes": tubes}
    path.write_text(json.dumps(whole, indent=1, allow_nan=False) + "\n", encoding="utf-8", newline="\n")
