"""Activation: an expert's hand gates on mouse T cells, as the study ``notebooks/studies/activation`` gates them.

The hand gates are one template drawn for all wells; a second expert would score about 0.95 on live cells and DC, and
0.9 on CD69+.
"""

from __future__ import annotations

import csv
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from outside import flowsom
from scoring import JudgedSet, JudgedTube, Score, score_tube

import cytometry

STUDY = Path(__file__).resolve().parents[3] / "notebooks" / "studies" / "activation"
VARIABLE = "CYTOMETRY_DATA"
FOLDER = "cytoexplorer_activation"
SINGLE = "Cells|Single Cells"
DEAD, LIVE = f"{SINGLE}|Dead Cells", f"{SINGLE}|Live Cells"
THEIRS: Mapping[str, str] = MappingProxyType(
    {
        "cells": "Cells",
        "singlets": SINGLE,
        "dead": DEAD,
        "live": LIVE,
        "T cells": f"{LIVE}|T Cells",
        "CD4 T": f"{LIVE}|T Cells|CD4 T Cells",
        "CD8 T": f"{LIVE}|T Cells|CD8 T Cells",
        "CD4 T/CD69+": f"{LIVE}|T Cells|CD4 T Cells|CD69+ CD4 T Cells",
        "CD8 T/CD69+": f"{LIVE}|T Cells|CD8 T Cells|CD69+ CD8 T Cells",
        "DC": f"{LIVE}|Dendritic Cells",
    }
)
"""By our name, the hand gate. The archive holds what was drawn; the living are the single cells that are not dead."""
ROOTS = ("cells", "singlets", "dead", "live")
SEED = 1


def judge_activation(data: Path, out: Path | None = None) -> JudgedSet | None:
    """Run the study on whatever wells have hand gates, and score it; ``None`` where the data folder has none."""
    wells = wells_of(data)
    if not wells:
        return None
    os.environ[VARIABLE] = str(data)
    with tempfile.TemporaryDirectory() as aside:
        run = cytometry.run(study_of(data, wells, Path(aside) / "study"), out or Path(aside) / "results")
        template = run.template("T")
        by_path = {template.find(name): name for name in THEIRS}
        scores: list[Score] = []
        outside: dict[str, list[float]] = {}
        for tube in run.tubes["tube"]:
            drawn = hand_gates(data / FOLDER, tube)
            truth = {path: drawn[by_path[path]] for path in template.paths if path in by_path}
            gated = run.gated(tube)
            judged = JudgedTube(tube, run.columns(tube), gated.strategy, gated.membership, truth)
            found = score_tube(judged, template)
            scores += found
            within = {path: mask for path, mask in truth.items() if by_path[path] not in ROOTS}
            counted = [s.agreement.population for s in found if s.agreement.is_scored]
            for path, reached in flowsom(judged.columns, within, seed=SEED).items():
                outside.setdefault(path, []).extend([reached] if path in counted else [])
    roots = tuple(path for path, name in by_path.items() if name in ROOTS)
    return JudgedSet(
        "Activation, hand gates",
        tuple(scores),
        roots,
        f"{len(wells)} tubes: {', '.join(wells)}",
        {"FlowSOM": {path: tuple(values) for path, values in outside.items()}} if outside else {},
        template=template.name,
        among=template.paths,
    )


def wells_of(data: Path) -> list[str]:
    """Return the wells that have events and hand gates, in the order of their numbers."""
    found = [
        path.stem
        for path in (data / FOLDER / "Activation").glob("*.fcs")
        if _drawn(data / FOLDER, path.stem).is_file()
    ]
    return sorted(found, key=lambda name: (len(name), name))


def hand_gates(folder: Path, well: str) -> dict[str, NDArray[np.bool_]]:
    """Return the expert's membership of each population of a well, by our names; shape ``(n_events,)``."""
    with np.load(_drawn(folder, well)) as held:
        drawn = {key.strip("|"): held[key] for key in held.files}
    drawn[LIVE] = drawn[SINGLE] & ~drawn[DEAD]
    return {ours: drawn[theirs] for ours, theirs in THEIRS.items()}


def study_of(data: Path, wells: Sequence[str], folder: Path) -> Path:
    """Copy the study with a sheet of these wells into a folder; return the path of its ``study.toml``."""
    folder.mkdir(parents=True)
    for name in ("study.toml", "panel.csv", "template.toml"):
        shutil.copy(STUDY / name, folder / name)
    with (data / FOLDER / "Activation-Experiment-Details.csv").open(encoding="utf-8", newline="") as file:
        said = {row["name"]: row for row in csv.DictReader(file)}
    with (folder / "samples.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "tube", "subject", "arm", "kind", "batch", "species", "fresh_or_frozen"])
        for well in wells:
            row = said[f"{well}.fcs"]
            # Wells without antigen hold resting cells: they say where those end.
            kind = "unstimulated" if float(row["OVA_Conc"]) == 0 else "sample"
            arm = f"{row['Treatment']}, OVA {row['OVA_Conc']}"
            writer.writerow([f"{well}.fcs", well, well, arm, kind, "2018-05-17", "mouse", "fresh"])
    return folder / "study.toml"


def _drawn(folder: Path, well: str) -> Path:
    return folder / "Activation-GatingSet_derived" / f"{well}.fcs.membership.npz"
