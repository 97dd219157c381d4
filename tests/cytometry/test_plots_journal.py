"""What a journal checks of a file: its width, its smallest letters, text as text, how large it is, how it looks.

The pictures were drawn from the same simulated events, in the font that comes with matplotlib. A change that is meant
is kept by running this file once with ``REDRAW=1`` in the environment, after looking at what it drew.
"""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from drawn import CUT, LOGICLE, PD1, Svg, small_strategy, small_tube
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from cytometry.plots import (
    Axis,
    Curve,
    DrawnGate,
    backgating,
    biaxial,
    density_difference,
    gate_plot,
    gating_hierarchy,
    histogram,
    overlay,
    save,
)
from gating.gates import Interval
from gating.membership import assign

PICTURES = Path(__file__).parent / "pictures"
DPI = 60  # of the stored pictures: enough to see a shape move
APART = 3.0  # root mean square of the grey values, of 255; a gate that moved gives 5.8
ARROWS_MOVE = {"hierarchy": 6.0, "backgating": 6.0}  # they leave their gates beside the labels
LARGEST = {".svg": 1_500_000, ".pdf": 700_000, ".png": 1_500_000}  # bytes, of 6,000 events a plot
TUBE = small_tube(6_000)
STRATEGY = small_strategy(TUBE)
MEMBERS = assign(STRATEGY, TUBE)
GATE = DrawnGate("PD-1+", Interval("PD-1", low=CUT), 0.2)
X, Y = (Axis(name, LOGICLE, (-0.1, 1.0), f"{name} (BV421)") for name in ("PD-1", "CD8"))


def tube_overlay(size: str) -> Axes:
    cells = [TUBE.values("PD-1"), TUBE.values("PD-1")[:9000], small_tube(5000, positive=0.0).values("PD-1")]
    curves = [Curve(name, of, CUT) for name, of in zip(("baseline", "on treatment"), cells, strict=False)]
    fmo = Curve("FMO", cells[2], CUT, fmo=True)
    return overlay([*curves, fmo], scale=LOGICLE, limits=(-0.1, 1.0), label="PD-1 (BV421)", size=size)


def difference(size: str) -> Axes:
    def clouds(centre: float) -> dict[str, np.ndarray]:
        return {str(i): np.random.default_rng(i).normal(centre, 0.08, (500, 2)) for i in range(4)}

    return density_difference({"vehicle": clouds(0.4), "treated": clouds(0.5)}, X, Y, paired=True, size=size)


DRAWN: dict[str, Callable[[str], Axes | Figure | SubFigure]] = {
    "pseudocolour": lambda size: biaxial(TUBE, "PD-1", "CD8", gates=[GATE], size=size),
    "contour": lambda size: biaxial(TUBE, "PD-1", "CD8", kind="contour", gates=[GATE], size=size),
    "histogram": lambda size: histogram(TUBE, "PD-1", gates=[GATE], size=size),
    "overlay": tube_overlay,
    "control": lambda size: gate_plot(
        STRATEGY,
        TUBE,
        MEMBERS,
        PD1,
        control=(small_tube(seed=5, positive=0.01), MEMBERS_OF_CONTROL),
        size=size,
    ),
    "hierarchy": lambda size: gating_hierarchy(STRATEGY, TUBE, MEMBERS, marked=[PD1], size=size),
    "backgating": lambda size: backgating(STRATEGY, TUBE, MEMBERS, PD1, size=size),
    "difference": difference,
}
MEMBERS_OF_CONTROL = assign(STRATEGY, small_tube(seed=5, positive=0.01))
WHOLE_WIDTH = ("hierarchy", "backgating")


@cache
def drawn(name: str) -> Figure:
    """Return a figure at the width of one column, drawn once for all tests."""
    found = DRAWN[name]("nature1")
    figure = found.get_figure(root=True) if isinstance(found, Axes) else found
    assert isinstance(figure, Figure)
    return figure


@pytest.fixture(scope="module", params=("contour", "difference", "hierarchy", "overlay"))
def saved(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    name = request.param
    figure = drawn(name)
    return {path.suffix: path for path in save(figure, tmp_path_factory.mktemp(name) / name)}


def test_a_figure_is_no_wider_than_the_column_and_no_higher_than_the_page(saved: dict[str, Path]) -> None:
    width, height = Svg(saved[".svg"]).size
    assert height <= 170.0
    if saved[".svg"].stem in WHOLE_WIDTH:
        assert width == pytest.approx(89.0, abs=0.1)
    assert width <= 89.1


def test_a_pdf_s_page_is_as_wide_as_the_svg(saved: dict[str, Path]) -> None:
    box = re.search(rb"/MediaBox \[ ?0 0 ([\d.]+) ([\d.]+) ?\]", saved[".pdf"].read_bytes())
    assert box is not None
    assert float(box.group(1)) / 72 * 25.4 == pytest.approx(Svg(saved[".svg"]).size[0], abs=0.1)


def test_no_letter_is_smaller_than_five_points_or_larger_than_seven(saved: dict[str, Path]) -> None:
    fonts = Svg(saved[".svg"]).fonts
    assert fonts
    assert min(fonts) >= 5.0
    assert max(fonts) <= 7.0


def test_every_word_can_be_edited(saved: dict[str, Path]) -> None:
    said = " ".join(Svg(saved[".svg"]).texts)
    assert "PD-1" in said
    assert "%" in said or "more in" in said
    pdf = saved[".pdf"].read_bytes()
    assert b"/Type3" not in pdf  # letters as drawings, which no programme edits
    assert b"/CIDFontType2" in pdf


def test_dots_are_a_picture_and_lines_are_not(saved: dict[str, Path]) -> None:
    svg = saved[".svg"].read_text(encoding="utf-8")
    name = saved[".svg"].stem
    assert ("<image" in svg) == (name not in ("histogram", "overlay"))
    assert svg.count("<path") > 10
    streams = re.findall(rb"stream\r?\n(.*?)endstream", saved[".pdf"].read_bytes(), re.DOTALL)
    drawn = b"".join(_unpacked(stream) for stream in streams)
    assert drawn.count(b" l\n") > 50  # axes, gates and curves are lines


def test_a_file_can_be_sent_by_mail(saved: dict[str, Path]) -> None:
    for suffix, path in saved.items():
        assert path.stat().st_size < LARGEST[suffix], path.name


@pytest.mark.parametrize("name", sorted(DRAWN))
def test_a_figure_looks_as_it_did(name: str, tmp_path: Path) -> None:
    from matplotlib.image import imread

    kept = PICTURES / f"{name}.png"
    seen = kept if os.environ.get("REDRAW") else tmp_path / kept.name
    figure = drawn(name)
    for text in (text for ax in figure.axes for text in ax.texts):
        text.set_visible(
            False
        )  # the numbers at gates have tests of their own, and lie where their font has room
    figure.savefig(seen, dpi=DPI, pil_kwargs={"optimize": True})
    now, then = (_blurred(imread(path)) for path in (seen, kept))
    assert now.shape == then.shape
    assert np.sqrt(np.mean((now - then) ** 2)) < ARROWS_MOVE.get(name, APART)


def test_the_pictures_are_small() -> None:
    assert sum(path.stat().st_size for path in PICTURES.glob("*.png")) < 300_000


def test_a_gate_that_moved_would_be_seen(tmp_path: Path) -> None:
    from matplotlib.image import imread

    ax = biaxial(TUBE, "PD-1", "CD8", gates=[DrawnGate("PD-1+", Interval("PD-1", low=CUT - 0.15), 0.2)])
    ax.texts[0].set_visible(False)
    ax.figure.savefig(tmp_path / "moved.png", dpi=DPI)
    moved, then = (_blurred(imread(path)) for path in (tmp_path / "moved.png", PICTURES / "pseudocolour.png"))
    assert np.sqrt(np.mean((moved - then) ** 2)) > 1.5 * APART


def _blurred(picture: np.ndarray) -> np.ndarray:
    """Return grey values of 255, blurred over a letter's width, so that fonts do not count and shapes do."""
    from scipy.ndimage import gaussian_filter

    grey = picture[..., :3].mean(axis=-1) * 255.0
    return np.asarray(gaussian_filter(grey, 1.5))


def _unpacked(stream: bytes) -> bytes:
    try:
        return zlib.decompress(stream)
    except zlib.error:
        return b""
