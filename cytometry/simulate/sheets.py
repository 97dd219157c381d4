"""Sheets: the files that a user would have written for this study, and what each FCS header says."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from datetime import datetime, time, timedelta
from io import StringIO
from math import ceil
from pathlib import Path

from cytometry.simulate.plan import BASELINE, HOURS_AT_TROUGH, ON_TREATMENT, TEMPLATES, PlannedTube, StudyPlan
from cytometry.simulate.tables import panel, rows, settings

FCS_FOLDER = "fcs"
TRUTH = "truth/study.json"
STATEMENT = (
    "These data are simulated. They are modelled on published directions of effect and do not reproduce any study; "
    "what was planted is in the truth folder."
)
SHEET = (
    "file", "tube", "specimen", "subject", "arm", "timepoint", "stain", "kind", "lacks", "batch", "stimulus",
    "tissue", "species", "fresh_or_frozen", "hours_since_dose",
)  # fmt: skip
FIRST_TUBE = time(9, 0)
BETWEEN_TUBES = timedelta(minutes=4)


def write_sheets(folder: Path, plan: StudyPlan) -> Path:
    """Write ``samples.csv``, ``panel.csv`` and ``study.toml``; return the last."""
    described = (_row(plan, tube) for tube in plan.tubes)
    _write(folder / "samples.csv", _csv(SHEET, described))
    channels = [
        (stain, channel.detector, channel.marker, channel.fluorochrome, channel.role)
        for stain in TEMPLATES
        for channel in panel(stain).channels
    ]
    _write(folder / "panel.csv", _csv(("stain", "channel", "marker", "fluorochrome", "role"), channels))
    return _write(folder / "study.toml", study_text(plan))


def study_text(plan: StudyPlan) -> str:
    """Return ``study.toml``."""
    drug = plan.drug.capitalize()
    stains = "\n\n".join(
        f'[stain.{stain}]\npanel = "panel.csv"\ntemplate = "{template}"'
        for stain, template in TEMPLATES.items()
    )
    return f"""\
# {STATEMENT}
# Made with design {plan.design}, scenario {plan.scenario}, drug {plan.drug}, seed {plan.seed}.

[study]
name = "{drug}, paired PBMC (simulated)"
seed = {plan.seed}
samples = "samples.csv"
stand_in = "batch"    # FMO tubes and the healthy anchor were run once per batch

{stains}

[measure]
fractions_of = ["CD45+", "CD4 T"]

[[comparison]]
name = "On {plan.drug} against baseline"
factor = "timepoint"
control = "{BASELINE}"
treated = "{ON_TREATMENT}"
design = "paired"
primary = [
{_endpoints("primary")}
]
secondary = [
{_endpoints("secondary")}
]

[simulated]
truth = "{TRUTH}"
"""


def keywords(plan: StudyPlan, tube: PlannedTube, *, place: int, seconds: float) -> dict[str, str]:
    """Return what the header says besides DATA: instrument, date, begin and end.

    ``place`` is the tube's in the study, by which begin times differ; ``seconds`` is how long it ran.
    """
    begin = datetime.combine(tube.day, FIRST_TUBE) + (place % 100) * BETWEEN_TUBES
    end = begin + timedelta(seconds=ceil(100 * seconds) / 100)
    return {
        "cyt": "Simulated",
        "timestep": f"{settings('instrument')['timestep']:g}",
        "date": tube.day.strftime("%d-%b-%Y").upper(),
        "btim": _clock(begin),
        "etim": _clock(end),
        "fil": f"{tube.name}.fcs",
        "src": tube.specimen,
        "com": STATEMENT,
    }


def _row(plan: StudyPlan, tube: PlannedTube) -> tuple[str, ...]:
    return (
        f"{FCS_FOLDER}/{tube.name}.fcs",
        tube.name,
        tube.specimen,
        tube.subject,
        "healthy" if tube.healthy else plan.drug,
        tube.timepoint,
        tube.stain,
        tube.kind,
        tube.lacks,
        tube.batch,
        tube.stimulus,
        "PBMC",
        "human",
        "frozen" if plan.cryo else "fresh",
        str(HOURS_AT_TROUGH) if tube.treated else "",
    )


def _endpoints(family: str) -> str:
    return "\n".join(
        f'  {{ stain = "{row["stain"]}", population = "{row["population"]}", statistic = "{row["statistic"]}" }},'
        for row in rows("endpoints")
        if row["family"] == family
    )


def _clock(at: datetime) -> str:
    return f"{at:%H:%M:%S}.{at.microsecond // 10_000:02}"


def _csv(columns: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(lines)
    return text.getvalue()


def _write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8", newline="\n")
    return path
