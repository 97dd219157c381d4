"""Record: the truth of a study as it is written, beside the FCS files and never inside them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cytometry.simulate.acquire import ALONE, Known
from cytometry.simulate.biology import Specimen
from cytometry.simulate.instrument import Instrument
from cytometry.simulate.members import EVERYONE, members, populations
from cytometry.simulate.plan import PlannedTube, StudyPlan
from cytometry.simulate.planted import planted_endpoints
from cytometry.simulate.recipe import Recipe
from cytometry.simulate.sheets import STATEMENT
from cytometry.simulate.tables import panel, rows

FORMAT = 1
# Noise-free light is kept of the markers whose boundary is hard to learn.
WATCHED = {"T": ("PD-1", "TIM-3", "FoxP3"), "myeloid": ("HLA-DR",), "cytokine": ("PD-1", "IFN-g", "TNF-a")}


def watched(stain: str, instrument: Instrument) -> tuple[int, ...]:
    """Return the detectors whose noise-free light is kept."""
    return tuple(instrument.channels.index(panel(stain).detector(marker)) for marker in WATCHED[stain])


def write_events(
    path: Path, known: Known, *, tube: PlannedTube, recipe: Recipe, instrument: Instrument
) -> None:
    """Write what each event of a tube is, as Parquet; one row per event of the FCS file, in its order."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    whole = ~known.is_debris
    columns: dict[str, Any] = {"event": pa.array(np.arange(known.kind.size, dtype=np.int32))}
    for name in ("stratum", "leaf", "subset", "fraction"):
        columns[name] = _named(name, recipe, np.where(whole, known.kind, recipe.platelet))
    partner = np.where(known.partner == ALONE, recipe.platelet, known.partner)
    columns["partner_leaf"] = _named("leaf", recipe, partner)
    for name in ("pd1_state", "tim3_state", "cytokines"):
        columns[name] = pa.array(
            np.where(whole, recipe.cells[name][known.kind], 0).astype(recipe.cells[name].dtype)
        )
    for name in ("is_doublet", "is_dead", "is_debris", "is_margin"):
        columns[name] = pa.array(getattr(known, name))
    for detector, shone in known.light.items():
        marker = panel(tube.stain).marker(instrument.channels[detector])
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

    names = [row[column] for row in rows("strata")]
    distinct = list(dict.fromkeys(["", *names]))
    number = np.array(
        [distinct.index("" if column == "stratum" and name == "platelet" else name) for name in names]
    )
    return pa.DictionaryArray.from_arrays(number[recipe.stratum][kinds].astype(np.int8), distinct)


def tube_record(tube: PlannedTube, recipe: Recipe, known: Known) -> dict[str, Any]:
    """Return a tube's planted populations: base, expected share of CD45+, and events among live single cells."""
    alive = np.bincount(known.kind[known.is_live_single], minlength=recipe.stratum.size)
    alive[recipe.platelet] = 0
    named = [(EVERYONE, ""), *((row["population"], row["base"]) for row in populations(tube.stain))]
    found = {}
    for population, base in named:
        inside = members(recipe.cells, population)
        found[population] = {
            "base": base,
            "share": float(recipe.expected[inside].sum()),
            "n": int(alive[inside].sum()),
        }
    return {
        **{
            name: getattr(tube, name)
            for name in ("specimen", "subject", "timepoint", "batch", "stain", "kind")
        },
        "lacks": tube.lacks,
        "stimulus": tube.stimulus,
        "n_events": int(known.kind.size),
        "doublets": int(known.is_doublet.sum()),
        "dead": int(known.is_dead.sum()),
        "debris": int(known.is_debris.sum()),
        "populations": found,
    }


def specimen_record(specimen: Specimen) -> dict[str, Any]:
    """Return what was expected of a specimen: cells per uL and shares by leaf, and the states."""
    return {
        "per_ul": dict(specimen.per_ul),
        "share_of_CD45+": dict(specimen.leaves),
        "parts": {leaf: dict(parts) for leaf, parts in specimen.parts.items()},
        "PD-1+": dict(specimen.pd1),
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
