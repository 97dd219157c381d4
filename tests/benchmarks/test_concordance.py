"""The judge of concordance must be right: a document that says what is inside agrees, one that says otherwise not."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from cytometry.fcs import write_fcs

SPACES = " ".join(
    f'xmlns:{short}="http://www.isac-net.org/std/Gating-ML/v2.0/{long}"'
    for short, long in (("gating", "gating"), ("transforms", "transformations"), ("data-type", "datatypes"))
)
DIMENSION = '<gating:dimension {more} gating:min="10"><data-type:fcs-dimension data-type:name="X"/></gating:dimension>'


def gatingml(*names: str) -> str:
    dimension = DIMENSION.format(more='gating:compensation-ref="uncompensated"')
    gates = "".join(
        f'<gating:RectangleGate gating:id="{n}">{dimension}</gating:RectangleGate>' for n in names
    )
    return f"<gating:Gating-ML {SPACES}>{gates}</gating:Gating-ML>"


def workspace(*samples: tuple[str, int, int]) -> str:
    gate = f"<Gate><gating:RectangleGate>{DIMENSION.format(more='')}</gating:RectangleGate></Gate>"
    said = "".join(
        f'<Sample><DataSet/><Transformations/><Keywords/><SampleNode name="{name}" sampleID="{number}" count="{size}">'
        f'<Subpopulations><Population name="P" owningGroup="" count="{count}">{gate}</Population></Subpopulations>'
        "</SampleNode></Sample>"
        for number, (name, size, count) in enumerate(samples)
    )
    return f'<Workspace flowJoVersion="10.8.1" {SPACES}><Groups/><SampleList>{said}</SampleList></Workspace>'


def judged(folder: Path) -> tuple[str, dict[str, Any]]:
    found = folder.parent / "found.json"
    script = Path(__file__).parent / "concordance.py"
    asked = [sys.executable, str(script), "--data", str(folder), "--json", str(found), "--all"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout, {Path(document["path"]).name: document for document in json.loads(found.read_text())}


def test_documents_are_found_by_content_and_judged_by_what_they_say(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    values = np.array([[5.0], [10.0], [15.0], [20.0]])
    write_fcs(folder / "a.fcs", values, ("X",))
    (folder / "workspace.txt").write_text(workspace(("a.fcs", 4, 3), ("b.fcs", 4, 3)))
    (folder / "wrong.wsp").write_text(workspace(("a.fcs", 4, 1)))
    (folder / "gates.dat").write_text(gatingml("good", "bad", "unknown"))
    (folder / "broken.xml").write_text(gatingml("twice", "twice"))
    (folder / "truth_good.txt").write_text("0\n1\n1\n1\n")
    (folder / "truth_bad.txt").write_text("1\n1\n1\n0\n")
    printed, found = judged(folder)
    differences = {
        name: [(one["population"], one["stored"], one["difference"]) for one in document["judged"]]
        for name, document in found.items()
    }
    assert differences == {
        "workspace.txt": [("P", 3, 0)],
        "wrong.wsp": [("P", 1, 2)],
        "gates.dat": [("good", 3, 0), ("bad", 3, 2)],
        "broken.xml": [],
    }
    assert found["workspace.txt"]["not_judged"] == ["b.fcs: no FCS file of this name with 4 events"]
    assert found["gates.dat"]["not_judged"] == ["1 of 3 populations have no membership"]
    assert "broken.xml: error[CYT501]" in printed
    assert "3 of 4 documents judged: 4 populations of tubes, 2 with a difference" in printed
