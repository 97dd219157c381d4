"""The figures of gates, asked for by name of a finished run."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from drawn import Svg
from small_run import PATH, t_rows, write_run

from cytometry.errors import RunError
from cytometry.folder import read_table, write_table
from cytometry.report import write_figure
from cytometry.report.kinds import KINDS
from cytometry.report.odd import absent_gates, outliers_first, own_gates
from cytometry.store import Run, open_run

CD8 = PATH["PD-1"].rpartition("/")[0]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return write_run(tmp_path_factory.mktemp("run"), t_rows())


def drawn(run: Run, kind: str, **options: object) -> tuple[Path, ...]:
    return write_figure(run, kind, formats=("svg",), **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "options", "said"),
    [
        ("biaxial", {"population": "PD-1+"}, "PD-1+"),
        (
            "biaxial",
            {"population": "CD8 T", "marker": "CD8,PD-1", "events": "contour"},
            "CD8 T of CD45+, n = 400",
        ),
        ("histogram", {"population": "CD8 T", "marker": "PD-1"}, "% of mode"),
        ("overlay", {"population": "CD8 T", "marker": "PD-1"}, "% positive"),
        ("grid", {"population": "PD-1+"}, "PD-1+ of CD8 T in 8 tubes"),
        ("backgating", {"population": "PD-1+"}, "Vermilion, larger: events of PD-1+"),
        (
            "difference",
            {"population": "CD8 T", "marker": "CD8,PD-1"},
            "CD8 T of CD45+ (illustration, no test)",
        ),
        ("hierarchy", {"population": "CD8 T", "events": "dots"}, "CD8 T"),
    ],
)
def test_a_figure_is_drawn_by_name_at_the_size_asked_for(
    run: Run, kind: str, options: dict[str, object], said: str
) -> None:
    (path,) = drawn(run, kind, size="nature1", **options)
    svg = Svg(path)
    assert any(said in text for text in svg.texts), svg.texts
    assert svg.size[0] <= 89.1
    assert min(svg.fonts) >= 5.0


def test_a_grid_s_percentages_are_those_of_the_table(run: Run) -> None:
    (path,) = drawn(run, "grid", population="PD-1+")
    table = run.table[
        (run.table["population"] == PATH["PD-1"]) & (run.table["statistic"] == "fraction_of_parent")
    ]
    shares = table.loc[table["kind"] == "sample", "value"].dropna()
    written = [text for text in Svg(path).texts if text.endswith(" %")]
    assert len(written) == len(shares) == 8
    assert sorted(float(text.split()[0]) for text in written) == pytest.approx(sorted(100 * shares), abs=0.06)


def test_tubes_are_drawn_that_are_named(run: Run) -> None:
    names = [name for name, tube in run.info["tubes"].items() if tube["kind"] == "sample"][:2]
    paths = drawn(run, "biaxial", population="PD-1+", tubes=names)
    assert [path.stem.removeprefix("gate_PD-1+_of_CD8_T_") for path in paths] == names


@pytest.mark.parametrize(
    ("kind", "options", "said"),
    [
        ("pie chart", {}, "no figure is called 'pie chart'; choose one of hierarchy, biaxial"),
        ("biaxial", {"population": "CD9 T"}, "stain T: no population is called 'CD9 T'; did you mean CD8 T"),
        ("biaxial", {}, "names a population"),
        ("biaxial", {"population": "CD8 T", "events": "zebra"}, "events is one of auto, .* not 'zebra'"),
        ("hierarchy", {"size": "A4"}, "size is one of nature1, nature2, slide, not 'A4'"),
        ("biaxial", {"population": "CD8 T", "marker": "CD8,LAG-3"}, "has no marker 'LAG-3'; it has"),
        ("histogram", {"population": "CD8 T"}, "a histogram names one marker"),
        ("difference", {"population": "CD8 T", "marker": "CD8"}, "names two markers"),
        (
            "difference",
            {"population": "CD8 T", "marker": "CD8,PD-1", "comparison": "no"},
            "no comparison is called 'no'",
        ),
        ("control", {"population": "CD45+"}, "was not learnt from a control: .*from controls in this tube: "),
        ("hierarchy", {"options": {"dpi": "300"}}, "'hierarchy' has no option 'dpi'; it has none"),
        ("course", {"options": {"alongside": "dose"}}, "no option 'alongside'; it has along, by, stain"),
    ],
)
def test_what_cannot_be_drawn_is_said_with_what_can(
    run: Run, kind: str, options: dict[str, object], said: str
) -> None:
    with pytest.raises(RunError, match=said):
        drawn(run, kind, **options)


def test_a_caption_says_n_the_base_and_what_it_was_drawn_with_and_is_kept_once(run: Run) -> None:
    for _ in range(2):
        (path,) = drawn(run, "biaxial", population="PD-1+", events="contour")
    captions = (path.parent / "captions.md").read_text(encoding="utf-8")
    assert captions.count(f"## {path.stem}\n") == 1
    said = captions.split(f"## {path.stem}\n\n")[1].split("\n")[0]
    assert re.search(r"PD-1\+ of CD8 T of tube \S+: [\d.]+ %, \d+ of 400 events of CD8 T of CD45\+\.", said)
    assert "5 % of the events lie outside the lowest line" in said
    assert re.search(r"Drawn with cytometry [\d.]+\S* and matplotlib [\d.]+", said)


def test_the_caption_of_an_endpoint_says_its_test_and_its_n(run: Run) -> None:
    path = drawn(run, "compare", population="PD-1+")[0]
    captions = (path.parent / "captions.md").read_text(encoding="utf-8").split(f"## {path.stem}\n\n")[1]
    assert "n = 4 pairs; paired t" in captions


def altered(run: Run, folder: Path) -> tuple[Run, list[str]]:
    """Return a copy of a run in whose table of gates one tube lies apart and another has no gate."""
    import shutil

    shutil.copytree(run.folder, folder)
    gates = read_table(folder, "gates")
    rows = gates.index[gates["population"] == PATH["PD-1"]]
    samples = [row for row in rows if run.info["tubes"][gates.loc[row, "tube"]]["kind"] == "sample"]
    gates["cohort_distance"] = gates["cohort_distance"].astype(object)
    gates.loc[samples[5], ["cohort_distance", "outlying"]] = [-4.25, "cut"]
    gates.loc[samples[3], ["status", "reason"]] = ["abstained", "no valley"]
    write_table(folder, "gates", gates)
    return open_run(folder), [str(gates.loc[row, "tube"]) for row in samples]


def test_tubes_without_a_gate_come_first_then_those_whose_cut_lies_apart(run: Run, tmp_path: Path) -> None:
    other, tubes = altered(run, tmp_path / "run")
    ranked = outliers_first(other, PATH["PD-1"], tubes)
    assert [one.tube for one in ranked] == [tubes[3], tubes[5], *tubes[:3], tubes[4], *tubes[6:]]
    assert [one.note for one in ranked[:3]] == ["no gate", "cut \N{MINUS SIGN}4.2 SD", ""]
    assert own_gates(other, tubes[5]) == (PATH["PD-1"],)
    assert own_gates(other, tubes[0]) == ()
    assert absent_gates(other, tubes[3]) == {PATH["PD-1"]: "no valley"}


def test_a_tube_that_lies_apart_is_marked_in_its_figures(run: Run, tmp_path: Path) -> None:
    other, tubes = altered(run, tmp_path / "run")
    usual, apart = (drawn(other, "biaxial", population="PD-1+", tubes=[tubes[at]])[0] for at in (0, 5))
    assert not any("*" in text for text in Svg(usual).texts)
    assert any("*" in text for text in Svg(apart).texts)


def test_axes_are_the_same_for_every_tube_of_a_stain(run: Run) -> None:
    from cytometry.report.drawing import limits_of

    tubes = [name for name, tube in run.info["tubes"].items() if tube["kind"] == "sample"]
    first, last = (limits_of(run, tube, run.columns(tube)) for tube in (tubes[0], tubes[-1]))
    assert first.keys() == last.keys()
    for name, ends in first.items():
        np.testing.assert_allclose(ends, last[name])


def test_the_table_of_kinds_can_be_listed_without_a_drawing_library() -> None:
    code = (
        "import sys; from cytometry.report.kinds import KINDS; print(len(KINDS),"
        " [m for m in ('matplotlib', 'pandas', 'scipy', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"{len(KINDS)} []"
