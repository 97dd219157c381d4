"""What the FCS keywords say of when, on what and how tubes were acquired."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from cytometry._miflowcyt.items import Known, listed
from cytometry.errors import CytometryError
from cytometry.fcs import read_fcs

if TYPE_CHECKING:
    from cytometry.store import Run

MAKERS = {
    "bd": "Becton Dickinson", "facs": "Becton Dickinson", "lsr": "Becton Dickinson", "fortessa": "Becton Dickinson",
    "symphony": "Becton Dickinson", "canto": "Becton Dickinson", "aria": "Becton Dickinson",
    "aurora": "Cytek Biosciences", "cytek": "Cytek Biosciences", "northern lights": "Cytek Biosciences",
    "cytoflex": "Beckman Coulter", "navios": "Beckman Coulter", "gallios": "Beckman Coulter",
    "attune": "Thermo Fisher", "macsquant": "Miltenyi Biotec", "id7000": "Sony", "ze5": "Bio-Rad",
    "cytof": "Fluidigm / Standard BioTools", "helios": "Fluidigm / Standard BioTools",
}  # fmt: skip
SHOWN = 4


def headers(run: Run) -> list[Mapping[str, str]]:
    """Return the keywords of every FCS file that is still there."""
    found = []
    for name, about in run.info["tubes"].items():
        try:
            found.append(read_fcs(run.locate(name), data_set=about.get("data_set", 0)).keywords)
        except (CytometryError, OSError):  # a file that failed or is gone says nothing; the run lists it
            continue
    return found


def acquired(headers: list[Mapping[str, str]]) -> Known:
    """Return on which days the files were acquired, and between which times of the day."""
    dates = list(dict.fromkeys(_values(headers, "date")))
    times = sorted(_values(headers, "btim"))
    days = sorted({day for date in dates if (day := _day(date))})
    if days and all(_day(date) for date in dates):
        first, last = (f"{day:%d} {day:%B} {day:%Y}".lstrip("0") for day in (days[0], days[-1]))
        text = first if len(days) == 1 else f"{len(days)} days from {first} to {last}"
    else:
        text = ", ".join(dates[:SHOWN]) + (f" and {len(dates) - SHOWN} more" if len(dates) > SHOWN else "")
    if text and times:
        text += f", between {times[0][:5]} and {times[-1][:5]}"
    return Known(text, "$DATE, $BTIM")


def _day(date: str) -> datetime | None:
    for form in ("%d-%b-%Y", "%Y-%m-%d", "%d-%B-%Y", "%Y-%b-%d"):
        try:
            return datetime.strptime(date, form)  # the day alone, in no time zone
        except ValueError:
            continue
    return None


def instrument(headers: list[Mapping[str, str]]) -> dict[str, Known]:
    """Return what the FCS keywords say of the cytometer."""
    models = list(dict.fromkeys(_values(headers, "cyt")))
    serials = list(dict.fromkeys(_values(headers, "cytsn")))
    makers = {maker for model in models for word, maker in MAKERS.items() if word in model.lower()}
    model = listed(models) + (f" (serial number {listed(serials)})" if models and serials else "")
    operators = list(dict.fromkeys(_values(headers, "op")))
    return {
        "manufacturer": Known(listed(sorted(makers)), "the name in $CYT"),
        "model": Known(model, "$CYT, $CYTSN", "serial number ($CYTSN)" if models and not serials else ""),
        "configuration": _configuration(headers),
        "operator": Known(listed(operators), "$OP"),
    }


def _configuration(headers: list[Mapping[str, str]]) -> Known:
    if not headers:
        return Known()
    first = headers[0]
    count = int(first.get("par", "0") or 0)
    kinds = {"voltages": "v", "filters": "f", "excitation": "l", "detector types": "t"}
    known = {
        what: [
            f"{first.get(f'p{n}n', n)} {value}"
            for n in range(1, count + 1)
            if (value := first.get(f"p{n}{letter}", "").strip()) not in {"", "0", "NA"}
        ]
        for what, letter in kinds.items()
    }
    text = "; ".join(f"{what}: {', '.join(values)}" for what, values in known.items() if values)
    moved = sum(any(one.get(f"p{n}v") != first.get(f"p{n}v") for n in range(1, count + 1)) for one in headers)
    if known["voltages"] and moved:
        text += f"; {moved} of {len(headers)} files have other voltages or channels than the first"
    lacking = listed([what for what, values in known.items() if not values and what != "detector types"])
    source = "$PnV, $PnF, $PnL, $PnT of the first file"
    return Known(text, source, f"{lacking}: not in the files" if lacking else "")


def _values(headers: Iterable[Mapping[str, str]], key: str) -> list[str]:
    return [value for one in headers if (value := one.get(key, "").strip())]
