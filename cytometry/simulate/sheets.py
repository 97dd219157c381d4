"""Sheets: the files that a user would have written for this study, and what each FCS header says."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, time, timedelta
from io import StringIO
from math import ceil
from pathlib import Path

from cytometry.simulate.asked import Asked, asked, endpoints
from cytometry.simulate.plan import PlannedTube, StudyPlan
from cytometry.simulate.tables import panel, settings
from cytometry.simulate.tubes import BASELINE, ON_TREATMENT

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
MEASURED = (
    "cage",
    "tissue_mg",
    "volume_ul",
    "beads_added",
)  # columns of the sheet where a tube has any of them
FIRST_TUBE = time(9, 0)
BETWEEN_TUBES = timedelta(minutes=4)


def write_sheets(folder: Path, plan: StudyPlan) -> Path:
    """Write ``samples.csv``, ``panel.csv`` and ``study.toml``; return the last."""
    more = tuple(name for name in MEASURED if any(getattr(tube, name) for tube in plan.tubes))
    described = ((*_row(plan, tube), *(_number(getattr(tube, name)) for name in more)) for tube in plan.tubes)
    _write(folder / "samples.csv", _csv((*SHEET, *more), described))
    channels = [
        (stain, channel.detector, channel.marker, channel.fluorochrome, channel.role)
        for stain in plan.stain_tables
        for channel in panel(plan.variant or stain).channels
    ]
    _write(folder / "panel.csv", _csv(("stain", "channel", "marker", "fluorochrome", "role"), channels))
    return _write(folder / "study.toml", study_text(plan))


def study_text(plan: StudyPlan) -> str:
    """Return ``study.toml``."""
    drug = " and ".join(drug.capitalize() for drug in plan.drugs)
    stains = "\n\n".join(
        f'[stain.{stain}]\npanel = "panel.csv"\ntemplate = "{said["template"]}"'
        for stain, said in plan.stain_tables.items()
    )
    measured = "\n".join(
        f"{key} = {list(plan.design_table[key])}".replace("'", '"')
        for key in ("fractions_of", "intensities")
        if key in plan.design_table
    )
    comparisons = "\n".join(_comparison(plan, one) for one in asked(plan))
    return f"""\
# {STATEMENT}
# Made with design {plan.design}, scenario {plan.scenario}, drug {plan.drug}, seed {plan.seed}.

[study]
name = "{drug}, {plan.design_table["title"]} (simulated)"
seed = {plan.seed}
samples = "samples.csv"
stand_in = "batch"    # {_who_stands_in(plan)}

{stains}

[measure]
{measured}

{comparisons}
[simulated]
truth = "{TRUTH}"
"""


def _who_stands_in(plan: StudyPlan) -> str:
    anchor = any(said.get("anchor") for said in plan.stain_tables.values())
    return f"FMO tubes{' and the healthy anchor' * anchor} were run once per batch"


def _comparison(plan: StudyPlan, one: Asked) -> str:
    return f"""\
[[comparison]]
name = "{one.name}"
factor = "{one.factor}"
control = "{one.control}"
treated = "{one.treated}"
design = "{one.design}"
{_more(one)}primary = [
{_endpoints(plan, "primary")}
]
secondary = [
{_endpoints(plan, "secondary")}
]
"""


def _more(one: Asked) -> str:
    """Return the lines that not every comparison has."""
    lines = [f'where = {{ {column} = ["{value}"] }}\n' for column, value in one.where.items()]
    if one.against:
        lines.append(
            f'change = {{ factor = "timepoint", before = "{BASELINE}", after = "{ON_TREATMENT}" }}\n'
        )
    if one.unit:
        lines.append(f'unit = "{one.unit}"\n')
    return "".join(lines)


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
        tube.arm,
        tube.timepoint,
        tube.stain,
        tube.kind,
        tube.lacks,
        tube.batch,
        tube.stimulus,
        tube.tissue if tube.material == "cells" else "beads",
        tube.species,
        "frozen" if plan.cryo else "fresh",
        _number(tube.hours_since_dose),
    )


def _number(value: float | str | None) -> str:
    """Return a cell of the sheet; blank for nothing."""
    return value if isinstance(value, str) else f"{value:.10g}" if value else ""


def _endpoints(plan: StudyPlan, family: str) -> str:
    return "\n".join(_endpoint(row) for row in endpoints(plan) if row["family"] == family)


def _endpoint(row: Mapping[str, str]) -> str:
    said = ", ".join(
        f'{name} = "{row[name]}"' for name in ("stain", "population", "statistic", "marker") if row[name]
    )
    return f"  {{ {said} }},"


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
