"""MIFlowCyt: what the files say is filled, what nobody says is listed as missing, and the user has the last word."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from small_run import t_rows, write_run

from cytometry._miflowcyt import files
from cytometry._miflowcyt.items import ITEMS
from cytometry.errors import RunError
from cytometry.miflowcyt import Item, checklist, write_checklist
from cytometry.store import Run, open_run

HEADER = {
    "par": "3", "cyt": "LSRFortessa", "cytsn": "H647", "op": "K. Weber", "date": "08-JAN-2024", "btim": "09:15:00",
    "p1n": "FSC-A", "p1v": "420", "p2n": "V450-A", "p2v": "510", "p2f": "450/50", "p2l": "405",
    "p3n": "Time", "p3v": "0",
}  # fmt: skip


@pytest.fixture
def run(tmp_path: Path) -> Run:
    run = write_run(tmp_path / "results", t_rows())
    info = run.info | {"study_file": str(tmp_path / "study.toml")}
    (run.folder / "run.json").write_text(json.dumps(info), encoding="utf-8")
    return open_run(run.folder)


def by_key(items: list[Item]) -> Mapping[str, Item]:
    return dict(zip([key for _, _, key in ITEMS], items, strict=True))


def test_what_nobody_says_is_listed_as_missing(run: Run) -> None:
    found = by_key(checklist(run))
    assert {key for key, item in found.items() if item.status == "missing"} >= {
        "purpose", "keywords", "organisation", "contact", "conclusions", "operator", "manufacturer",
    }  # fmt: skip
    assert all(item.lacking for item in found.values() if item.status != "filled")


def test_sheet_panel_and_run_fill_what_they_know(run: Run) -> None:
    found = by_key(checklist(run))
    assert "arm: control and temsirolimus" in found["variables"].text
    assert found["material"].text == "PBMC"
    assert "CD8 APC" in found["reagents"].text
    assert found["reagents"].status == "in part"  # clone, maker and catalogue number are not in the panel
    assert "9 FCS files" in found["files"].text
    assert "logicle" in found["transformation"].text


def test_keywords_tell_the_cytometer_its_settings_and_who_ran_it() -> None:
    found = files.instrument([HEADER, HEADER | {"p2v": "530"}])
    assert found["model"].text == "LSRFortessa (serial number H647)"
    assert found["manufacturer"].text == "Becton Dickinson"
    assert found["operator"].text == "K. Weber"
    said = found["configuration"].text
    assert "voltages: FSC-A 420, V450-A 510" in said  # a voltage of 0 is none
    assert "filters: V450-A 450/50" in said
    assert "1 of 2 files have other voltages" in said
    assert files.acquired([HEADER]).text == "8 January 2024, between 09:15 and 09:15"


def test_days_are_in_the_order_of_the_calendar_not_of_the_alphabet() -> None:
    days = [{"date": day} for day in ("12-FEB-2024", "08-JAN-2024", "01-APR-2024")]
    assert files.acquired(days).text == "3 days from 8 January 2024 to 1 April 2024"


def test_the_user_says_the_rest(run: Run, tmp_path: Path) -> None:
    (tmp_path / "miflowcyt.toml").write_text(
        'purpose = "PD-1 under temsirolimus"\nkeywords = ["PD-1", "mTOR"]\n[contact]\nname = "K. Weber"\n',
        encoding="utf-8",
    )
    found = by_key(checklist(run))
    assert (found["purpose"].status, found["purpose"].text) == ("filled", "PD-1 under temsirolimus")
    assert found["keywords"].text == "PD-1, mTOR"
    assert found["contact"].text == "name: K. Weber"
    assert found["purpose"].source == "miflowcyt.toml"


def test_an_item_that_there_is_none_of_is_refused_with_those_there_are(run: Run, tmp_path: Path) -> None:
    (tmp_path / "miflowcyt.toml").write_text('purpos = "x"\n', encoding="utf-8")
    with pytest.raises(RunError, match=r"no item purpos; the items are .*purpose"):
        checklist(run)


def test_clones_and_makers_of_the_panel_fill_the_reagents(run: Run, tmp_path: Path) -> None:
    lines = ["detector,marker,fluorochrome,role,clone,manufacturer,catalogue"]
    lines += [f"{d},x,y,lineage,RPA-T8,BioLegend,30{n}" for n, d in enumerate(("V450-A", "R660-A", "V421-A"))]
    (tmp_path / "panel.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    reagents = by_key(checklist(run))["reagents"]
    assert reagents.status == "filled"
    assert "CD8 APC (clone RPA-T8, maker BioLegend, catalogue number 301)" in reagents.text


def test_the_checklist_is_written_for_machine_and_reader(run: Run) -> None:
    items = write_checklist(run)
    said = json.loads((run.folder / "miflowcyt.json").read_text(encoding="utf-8"))
    assert [one["number"] for one in said["items"]] == [item.number for item in items]
    rows = list(
        csv.reader((run.folder / "miflowcyt.tsv").read_text(encoding="utf-8").splitlines(), delimiter="\t")
    )
    assert len(rows) == 1 + len(ITEMS)
    text = (run.folder / "miflowcyt.md").read_text(encoding="utf-8")
    assert text.index("Still to be said") < text.index("## 1 Experiment overview")
    assert "**1.1 Purpose** [missing]: MISSING" in text


def test_files_that_are_gone_leave_their_items_missing_and_nothing_else(run: Run) -> None:
    for tube in run.info["tubes"]:
        (run.folder / f"{tube}.fcs").unlink()
    found = by_key(checklist(run))
    assert found["model"].status == "missing"
    assert found["material"].status == "filled"
    assert np.isin("gating", list(found))
