from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import pytest

from cytometry.plots import SIZES, save, style
from cytometry.plots.style import axes_at, new_figure, single_axes


def settings() -> dict[str, str]:
    return {key: str(value) for key, value in mpl.rcParams.items()}


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_no_setting_outlives_the_style() -> None:
    before = settings()
    with style("nature2"):
        assert mpl.rcParams["pdf.fonttype"] == 42
    assert settings() == before


def test_no_setting_outlives_an_error_inside_the_style() -> None:
    before = settings()
    with pytest.raises(ZeroDivisionError), style():
        _ = 1 / 0
    assert settings() == before


@pytest.mark.parametrize(("name", "width"), [("nature1", 89.0), ("nature2", 183.0)])
def test_the_journal_sizes_are_those_of_the_journal(name: str, width: float) -> None:
    assert SIZES[name].width == width
    assert SIZES[name].height <= 170.0
    with style(name):
        fonts = [mpl.rcParams[key] for key in ("font.size", "axes.labelsize", "xtick.labelsize")]
    assert all(5.0 <= float(font) <= 7.0 for font in fonts)


def test_an_unknown_size_is_answered_with_those_there_are() -> None:
    with (
        pytest.raises(
            ValueError, match=r"no figure size is called 'A4'; choose one of nature1, nature2, slide"
        ),
        style("A4"),
    ):
        pass


def test_a_frame_lies_where_it_was_measured_in_mm() -> None:
    figure = new_figure(100.0, 50.0)
    ax = axes_at(figure, 10.0, 5.0, width=40.0, height=20.0)
    box = ax.get_position()
    assert (box.x0 * 100, box.width * 100, box.height * 50) == pytest.approx((10.0, 40.0, 20.0))
    assert (1 - box.y1) * 50 == pytest.approx(5.0)


@pytest.fixture
def saved(tmp_path: Path) -> tuple[Path, ...]:
    with style() as page:
        ax = single_axes(page)
        ax.set_title("PD-1 costs $5 and $6")
        ax.set_xlabel("10⁵")
    return save(ax.figure, tmp_path / "figures" / "one")  # type: ignore[arg-type]


def test_a_figure_is_saved_in_three_formats_and_nothing_else(saved: tuple[Path, ...]) -> None:
    assert [path.suffix for path in saved] == [".pdf", ".svg", ".png"]
    assert sorted(p.name for p in saved[0].parent.iterdir()) == ["one.pdf", "one.png", "one.svg"]


def test_text_stays_text_in_svg_and_truetype_in_pdf(saved: tuple[Path, ...]) -> None:
    svg = saved[1].read_text()
    assert "PD-1 costs $5 and $6</text>" in svg
    assert "Arial" in svg
    pdf = saved[0].read_bytes()
    assert b"/Type3" not in pdf
    assert b"/CIDFontType2" in pdf or b"/TrueType" in pdf


def test_the_same_figure_gives_the_same_bytes(tmp_path: Path) -> None:
    def draw(name: str) -> list[bytes]:
        with style() as page:
            ax = single_axes(page)
            ax.plot([0, 1], [1, 0])
        return [path.read_bytes() for path in save(ax.figure, tmp_path / name / "figure")]  # type: ignore[arg-type]

    assert draw("first") == draw("second")


def test_no_font_is_missed_aloud(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    with style() as page:
        ax = single_axes(page)
        ax.set_title("\N{MINUS SIGN}10³ … TNF-\N{GREEK SMALL LETTER ALPHA}")
    save(ax.figure, tmp_path / "fonts")  # type: ignore[arg-type]
    assert not [record for record in caplog.records if "findfont" in record.getMessage()]


def test_importing_the_figures_imports_no_drawing_library() -> None:
    loaded = run("import sys, cytometry.plots; print(sorted(sys.modules))")
    assert not re.search(r"'(matplotlib|seaborn|pandas|scipy)'", loaded)


def test_pyplot_never_learns_of_a_figure() -> None:
    code = (
        "import sys; from cytometry.plots import style; from cytometry.plots.style import single_axes\n"
        "with style() as page: single_axes(page).plot([0, 1], [0, 1])\n"
        "print('matplotlib' in sys.modules, 'matplotlib.pyplot' in sys.modules)"
    )
    assert run(code) == "True False"
