"""Unlabelled: real files that nobody gated for us. What is found is printed; whether it is right is for a reader.

*wnv*: mice with West Nile virus against mock (``notebooks/studies/wnv``). *FMO pair*: a tube and the same cells without
one antibody; what an FMO cut leaves above itself in either.
"""

from __future__ import annotations

import csv
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import cytometry
from cytometry.fcs import Tube, read_fcs
from cytometry.table import FRACTION_OF_PARENT
from gating.thresholds import RULES, Cut

STUDY = Path(__file__).resolve().parents[3] / "notebooks" / "studies" / "wnv"
VARIABLE = "CYTOMETRY_DATA"
MICE = Path("wnv_mock_virus_mouse", "flow_spectre")
PAIRS = "flowdensity_fmo/**/*.fcs"
FMO_MARK = "_FMO"
QUANTILE = 0.995
NOT_STAINED = ("FSC", "SSC", "Time")


def wnv(data: Path, out: Path | None = None) -> dict[str, Any] | None:
    """Run the study on whatever mice there are; ``None`` where there are none.

    Returns
    -------
    dict
        ``populations``: mean percent of the parent in each arm; ``shifts``: of the primary endpoints, in percentage
        points, with their intervals.
    """
    files = sorted((data / MICE).glob("*.fcs"))
    if not files:
        return None
    os.environ[VARIABLE] = str(data)
    with tempfile.TemporaryDirectory() as aside:
        run = cytometry.run(_study_of(files, Path(aside) / "study"), out or Path(aside) / "results")
        rows = run.table[run.table["statistic"] == FRACTION_OF_PARENT]
        means = rows.groupby(["population", "arm"], sort=False)["value"].mean()
        populations = [
            {"population": path, **{arm: 100 * float(means[path, arm]) for arm in sorted({*rows["arm"]})}}
            for path in dict.fromkeys(rows["population"])
        ]
        shifts = run.contrasts.query("family == 'primary'").to_dict("records")
    points = ("mean_control", "mean_treated", "shift", "shift_low", "shift_high")
    said = ("population", "n_control", "n_treated", "p", "p_adjusted", "reason")
    return {
        "tubes": [path.stem for path in files],
        "populations": populations,
        "shifts": [{**{k: s[k] for k in said}, **{k: 100 * s[k] for k in points}} for s in shifts],
    }


def _study_of(files: list[Path], folder: Path) -> Path:
    folder.mkdir(parents=True)
    for name in ("study.toml", "panel.csv", "template.toml"):
        shutil.copy(STUDY / name, folder / name)
    with (folder / "samples.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "tube", "subject", "arm", "batch", "species"])
        for path in files:
            arm, number, batch = path.stem.split("_")
            writer.writerow([path.name, path.stem, f"{arm} {number}".lower(), arm.lower(), batch, "mouse"])
    return folder / "study.toml"


def fmo_pairs(data: Path) -> list[dict[str, Any]]:
    """Return, for each tube that has its FMO beside it, what the FMO's cut finds in the channel that it lacks.

    Which channel that is the files do not say: it is the one of which the tube has most above the FMO's cut.
    """
    found = []
    for path in sorted(data.glob(PAIRS)):
        if FMO_MARK in path.name:
            stem = path.name.partition(FMO_MARK)[0]
            for tube in sorted(path.parent.glob(f"{stem}__*.fcs")):
                found.append(
                    {"tube": tube.stem, "fmo": path.stem, **_lacking(read_fcs(tube), read_fcs(path))}
                )
    return found


def _lacking(tube: Tube, fmo: Tube) -> dict[str, Any]:
    stained = [c for c in tube.channels if c in fmo.channels and not c.startswith(NOT_STAINED)]
    shares = {}
    for channel in stained:
        # A quantile is the same event on any scale, so that the values may stay as they were published.
        cut = RULES["quantile"].learn(fmo.column(channel), quantile=QUANTILE)
        if isinstance(cut, Cut):
            share, of_fmo = (float(np.mean(of.column(channel) >= cut.value)) for of in (tube, fmo))
            shares[channel] = (share, of_fmo, cut.value)
    channel = max(shares, key=lambda name: shares[name][0])
    others = [share for name, (share, _, _) in shares.items() if name != channel]
    share, of_fmo, cut_at = shares[channel]
    return {
        "channel": channel,
        "cut": cut_at,
        "above": 100 * share,
        "above_in_fmo": 100 * of_fmo,
        "above_elsewhere": 100 * max(others),
    }


def wnv_text(found: dict[str, Any]) -> str:
    """Return what :func:`wnv` found, as it is printed."""
    arms = [key for key in found["populations"][0] if key != "population"]
    lines = [
        f"wnv, no labels ({len(found['tubes'])} tubes): mean % of parent by arm",
        f"{'':30}" + "".join(f"{arm:>10}" for arm in arms),
        *(
            f"{row['population'].rpartition('/')[2]:30}" + "".join(f"{row[arm]:10.1f}" for arm in arms)
            for row in found["populations"]
        ),
        "virus minus mock, percentage points of CD45+, 95 % interval",
        *(_shift(row) for row in found["shifts"]),
    ]
    return "\n".join(lines)


def _shift(row: dict[str, Any]) -> str:
    name = str(row["population"]).rpartition("/")[2]
    if row["reason"]:
        return f"{name:30}{row['reason']}"
    return (
        f"{name:30}{row['mean_control']:6.1f} -> {row['mean_treated']:5.1f} %: "
        f"{row['shift']:+.1f} [{row['shift_low']:+.1f}, {row['shift_high']:+.1f}], "
        f"n = {row['n_control']:.0f} v {row['n_treated']:.0f}, p = {row['p']:.2g}, Holm {row['p_adjusted']:.2g}"
    )


def fmo_text(found: list[dict[str, Any]]) -> str:
    """Return what :func:`fmo_pairs` found, as it is printed."""
    lines = [f"FMO pair, no labels: what lies above the {100 * QUANTILE:g} % quantile of the FMO"]
    for row in found:
        lines.append(
            f"{row['tube']} in {row['channel']}: {row['above']:.1f} %, of the FMO {row['above_in_fmo']:.1f} %; in any "
            f"other channel at most {row['above_elsewhere']:.1f} %; cut at {row['cut']:.3g}"
        )
    return "\n".join(lines)
