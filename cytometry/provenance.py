"""What ``run.json`` says of a run: enough to see what was done, and to do it again."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cytometry.digest import digest, file_digest, whole_code
from cytometry.errors import Problem, RunError
from cytometry.fcs import Tube
from cytometry.panel import Panel
from cytometry.study import SheetRow, Study
from cytometry.transforms import ScaleChoice
from gating.template import GatingTemplate

if TYPE_CHECKING:
    import pandas as pd

FORMAT = 3
# Those whose code a run calls: the methods paragraph names them as what the numbers were made with.
PACKAGES = ("cytometry", "flowio", "anndata", "numpy", "scipy", "pandas", "matplotlib")
LABELS = ("specimen", "subject", "arm", "timepoint", "batch", "tissue", "stimulus")
TUBE_COLUMNS = (
    "tube", "stain", "kind", "status", "n_events", "n_removed", *LABELS, "lacks", "message", "work", "why",
    "repairs", "file", "sha256",
)  # fmt: skip


def panel_rows(panel: Panel) -> list[dict[str, str]]:
    """Return a panel's channels as plain values."""
    return [
        {"detector": c.detector, "marker": c.marker, "fluorochrome": c.fluorochrome, "role": c.role}
        for c in panel.channels
    ]


def about_stain(
    panel: Panel,
    template: GatingTemplate,
    *,
    compensation: str,
    lost: Mapping[str, str],
    scales: Sequence[ScaleChoice],
    path: str,
    learning: str,
) -> dict[str, Any]:
    """Return a stain's panel, template, scales and compensation, as plain values."""
    return {
        "panel": panel_rows(panel),
        "template": path,
        "template_name": template.name,
        "template_sha256": template.sha256,
        "lost": [f"{population}: {reason}" for population, reason in lost.items()],
        "scales": {c.name: {"channel": c.channel, "scale": c.scale.name, "why": c.why} for c in scales},
        "compensation": compensation,
        "learning": learning,
    }


def about_tube(
    row: SheetRow,
    file: Path,
    tube: Tube | None,
    *,
    number: int,
    failure: str,
    folder: Path,
    sha256: str | None = None,
    reused: bool = False,
    why: str = "",
    n_removed: int = 0,
) -> dict[str, Any]:
    """Return a tube's place, hash (made here if it is not known), labels, and whether it was gated.

    ``n_removed`` of its events quality control took out, before anything was gated.
    """
    return {
        "number": number,
        "file": str(file.resolve()),
        "relative": _relative(file, folder),
        "sha256": (tube.sha256() if tube else "") if sha256 is None else sha256,
        "stain": row.stain,
        "kind": row.kind,
        "lacks": list(row.lacks),
        "status": "failed" if failure else "gated",
        "message": failure,
        "work": "" if failure else "reused" if reused else "gated",
        "why": why,
        "n_events": tube.n_events if tube else 0,
        "n_removed": n_removed,
        "repairs": list(tube.repairs) if tube else [],
        "cytometer": tube.keywords.get("cyt", "") if tube else "",
        "date": tube.keywords.get("date", "") if tube else "",
        "labels": {name: str(getattr(row, name, "") or "") for name in LABELS},
    }


def about_run(
    study: Study,
    *,
    stains: Mapping[str, Any],
    tubes: Mapping[str, Any],
    simulated: Mapping[str, Any] | None,
    arguments: Mapping[str, Any],
) -> dict[str, Any]:
    """Return all that ``run.json`` holds."""
    return {
        "format": FORMAT,
        "study": study.name,
        "study_file": str(study.path),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {"python": platform.python_version()} | {name: version(name) for name in PACKAGES},
        "arguments": dict(arguments),
        "seed": study.seed,
        "simulated": simulated,
        "low_count": study.low_count,
        "flag_count": study.flag_count,
        "stand_in": study.stand_in,
        "qc": asdict(study.limits),
        "stains": dict(stains),
        "tubes": dict(tubes),
        "comparisons": [
            {
                "name": c.name,
                "factor": c.factor,
                "control": c.control,
                "treated": c.treated,
                "design": c.design,
                "where": {column: list(levels) for column, levels in c.where.items()},
                "change": dict(c.change),
                "blocks": None if c.blocks is None else list(c.blocks),
                "covariates": list(c.covariates),
                "formula": c.formula,
                "tested": c.tested,
                "unit": c.unit,
            }
            for c in study.comparisons
        ],
    }


def read_about(folder: Path) -> dict[str, Any]:
    """Return what ``run.json`` of a result folder holds.

    Raises
    ------
    RunError
        If there is none, or it is of another format or no run's.
    """
    try:
        info: Any = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        msg = f"{folder} holds no finished run: it has no run.json; make one with `cytometry run STUDY`"
        raise RunError(msg) from None
    except json.JSONDecodeError as error:
        msg = f"{folder / 'run.json'} is not what a run writes ({error}); run the study again"
        raise RunError(msg) from None
    if not isinstance(info, dict):
        msg = f"{folder / 'run.json'} is not what a run writes; run the study again"
        raise RunError(msg)
    if info.get("format") != FORMAT:
        msg = f"{folder} was written in format {info.get('format')}, not {FORMAT}; run the study again"
        raise RunError(msg)
    return info


def inputs_of(study: Study, tubes: Mapping[str, str], *, folder: Path, arguments: Mapping[str, Any]) -> str:
    """Return the digest of all that a run rests on: settings, sheet, the content of every file, and the code.

    Parameters
    ----------
    tubes
        The SHA-256 of each tube's file, ``""`` where it cannot be read.
    """
    stains = {
        stain.name: [
            [asdict(channel) for channel in stain.panel.channels],
            stain.template.to_toml(),
            [stain.compensation, _content(study.folder, stain.compensation.removeprefix("file:").strip())],
            {marker: dict(wish) for marker, wish in stain.scales.items()},
            dict(stain.lost),
        ]
        for stain in study.stains.values()
    }
    said = [
        whole_code(),
        str(folder.resolve()),
        [str(study.path.resolve()), str(study.fcs_dir.resolve()), study.name, study.seed, study.stand_in],
        [study.low_count, study.flag_count, study.fractions_of, study.intensities, asdict(study.limits)],
        [asdict(row) for row in study.tubes],
        repr(study.comparisons),
        [problem.to_dict() for problem in study.warnings],
        study.truth and _content(study.folder, str(study.truth)),
        _content(study.folder, "miflowcyt.toml"),  # of which the report's checklist is made
        dict(arguments),
    ]
    return digest([said, stains, dict(tubes)])


def _content(folder: Path, name: str) -> str:
    """Return the hash of a file of the study; ``""`` for what is none."""
    return file_digest(folder / name) if name and (folder / name).is_file() else ""


def copies(tubes: Mapping[str, Mapping[str, Any]]) -> list[Problem]:
    """Return a warning for tubes whose files are the same to the byte: one acquisition cannot be two tubes."""
    of: dict[str, list[str]] = {}
    for name, about in tubes.items():
        of.setdefault(about["sha256"], []).append(name)
    hint = "a copy counts one specimen twice; delete all rows but one"
    return [
        Problem("warning", "CYT208", ", ".join(names), "the files are the same to the byte", hint)
        for sha256, names in of.items()
        if sha256 and len(names) > 1
    ]


def tube_rows(tubes: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return a row per tube, columns ``TUBE_COLUMNS``: where it is from, its labels, and what became of it."""
    return [
        {
            "tube": name,
            **about["labels"],
            "lacks": ";".join(about["lacks"]),
            "repairs": "; ".join(about["repairs"]),
            "work": about.get("work", ""),
            "why": about.get("why", ""),
        }
        | {
            key: about[key]
            for key in ("stain", "kind", "status", "n_events", "n_removed", "message", "file", "sha256")
        }
        for name, about in tubes.items()
    ]


def tube_table(tubes: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """Return :func:`tube_rows` as a data frame."""
    import pandas as pd

    return pd.DataFrame(tube_rows(tubes), columns=list(TUBE_COLUMNS))


def _relative(file: Path, folder: Path) -> str:
    """Return the way from the result folder to the file, so that both can move together."""
    import os

    try:
        return os.path.relpath(file.resolve(), folder.resolve())
    except ValueError:  # another drive
        return str(file)
