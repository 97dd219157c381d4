"""The notebooks run as they are written, and hold nothing of the machine that they ran on."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest

nbformat = pytest.importorskip("nbformat", reason="the notebooks' tests need the extra `test`")

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
PLACES = re.compile(r"/tmp/|/home/|/root/|/Users/|/work/|/opt/|[A-Za-z]:\\")
# A name that begins with an underscore belongs to a module; IPython's own _repr_html_ and the like are not called.
PRIVATE = re.compile(r"(?:\bimport|[.])\s*_[a-z]\w*")
SECONDS = 300
WARNINGS_ARE_ERRORS = """\
import warnings

warnings.simplefilter("error")
for kernel in ("ipykernel", "IPython", "traitlets", "matplotlib_inline"):  # what shows the notebook is not what it does
    warnings.filterwarnings("ignore", module=kernel)
warnings.filterwarnings("ignore", message=".*deprecated in traitlets")
"""


def read(path: Path) -> Any:
    return nbformat.read(path, as_version=4)


def code(path: Path) -> list[str]:
    return [cell.source for cell in read(path).cells if cell.cell_type == "code"]


def test_there_are_notebooks() -> None:
    assert len(NOTEBOOKS) >= 2


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_sound_and_stripped_of_what_it_printed(path: Path) -> None:
    notebook = read(path)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        assert cell.metadata == {}, "a cell keeps how it ran, or how it was folded"
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_holds_no_path_of_a_machine(path: Path) -> None:
    found = PLACES.findall("\n".join(cell.source for cell in read(path).cells))
    assert found == []
    assert PLACES.findall(str(read(path).metadata)) == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_uses_only_public_names(path: Path) -> None:
    assert PRIVATE.findall("\n".join(code(path))) == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_says_that_its_data_are_simulated(path: Path) -> None:
    words = "\n".join(cell.source for cell in read(path).cells if cell.cell_type == "markdown")
    assert "simulate_study" not in "\n".join(code(path)) or "data here are simulated" in words


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_from_top_to_bottom_without_a_warning(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nbclient import NotebookClient

    # The kernel is this Python, wherever a kernel called python3 may come from.
    spec = tmp_path / "kernels" / "here"
    spec.mkdir(parents=True)
    launch = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (spec / "kernel.json").write_text(
        f'{{"argv": {launch!r}, "display_name": "here", "language": "python"}}'.replace("'", '"'),
        encoding="utf-8",
    )
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    work = tmp_path / "work"
    work.mkdir()
    before = path.read_bytes()
    notebook = read(path)
    notebook.cells.insert(0, nbformat.v4.new_code_cell(WARNINGS_ARE_ERRORS))
    NotebookClient(
        notebook, timeout=SECONDS, kernel_name="here", resources={"metadata": {"path": str(work)}}
    ).execute()
    said = [
        out.text
        for cell in notebook.cells
        for out in cell.get("outputs", [])
        if out.output_type == "stream" and out.name == "stderr"
    ]
    assert said == []
    pictures = [
        out
        for cell in notebook.cells
        for out in cell.get("outputs", [])
        if "image/png" in out.get("data", {})
    ]
    assert len(pictures) >= 3
    assert list(work.iterdir()) == [], "what it wrote, it wrote to a folder of its own and took away"
    assert path.read_bytes() == before
