"""Style: what a journal asks of a figure. Sizes in mm, fonts in points, colours that everyone can tell apart.

Wong B. Points of view: Color blindness. Nat Methods 2011;8:441 (the palette of Okabe and Ito).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from cytometry.errors import RunError
from cytometry.folder import FORMATS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

MM_PER_INCH = 25.4
RASTER_DPI = 300
FONTS = ("Arial", "Helvetica", "Liberation Sans", "DejaVu Sans")
# DejaVu Sans comes with matplotlib: named after the generic family, it lends the glyphs that Arial lacks.
FAMILY = ("sans-serif", "DejaVu Sans")

OKABE_ITO: Mapping[str, str] = MappingProxyType(
    {
        "black": "#000000",
        "orange": "#E69F00",
        "sky blue": "#56B4E9",
        "bluish green": "#009E73",
        "yellow": "#F0E442",
        "blue": "#0072B2",
        "vermilion": "#D55E00",
        "reddish purple": "#CC79A7",
    }
)
CONTROL_COLOUR = OKABE_ITO["blue"]
TREATED_COLOUR = OKABE_ITO["vermilion"]
MARKED = TREATED_COLOUR
GREY = "#8C8C8C"
LIGHT_GREY = "#D0D0D0"


@dataclass(frozen=True, slots=True)
class Size:
    """A page to draw on.

    Parameters
    ----------
    name
        What a caller asks for.
    width, height
        In mm: the width of a full figure, and the height that none may exceed.
    scale
        Multiplies fonts, lines and gaps: 1 in print (text of 5 to 7 points), more for a screen.
    """

    name: str
    width: float
    height: float
    scale: float = 1.0

    @property
    def small(self) -> float:
        """Return the smallest font, in points: tick labels, what is written inside a plot."""
        return 5.0 * self.scale

    @property
    def medium(self) -> float:
        """Return the font of titles and axis labels, in points."""
        return 6.0 * self.scale


SIZES: Mapping[str, Size] = MappingProxyType(
    {
        size.name: size
        for size in (
            Size("nature1", 89.0, 170.0),
            Size("nature2", 183.0, 170.0),
            Size("slide", 338.0, 190.0, scale=2.0),
        )
    }
)


def size_named(name: str) -> Size:
    """Return a page size.

    Raises
    ------
    ValueError
        If there is none of that name, with those there are.
    """
    if name not in SIZES:
        msg = f"no figure size is called {name!r}; choose one of {', '.join(SIZES)}"
        raise ValueError(msg)
    return SIZES[name]


@contextmanager
def style(size: str = "nature1") -> Iterator[Size]:
    """Draw in a journal's style inside the ``with`` block; every setting is as before after it."""
    import matplotlib as mpl

    chosen = size_named(size)
    settings: Any = _output() | _fonts(chosen) | _lines(chosen.scale)
    with mpl.rc_context(settings):
        yield chosen


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of that width and height in mm, of which pyplot knows nothing."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width / MM_PER_INCH, height / MM_PER_INCH), dpi=RASTER_DPI)
    FigureCanvasAgg(figure)
    return figure


def extent(figure: Figure | SubFigure) -> tuple[float, float]:
    """Return the width and height of a figure, or of a part of one, in mm."""
    unit = MM_PER_INCH / figure.dpi
    return float(figure.bbox.width) * unit, float(figure.bbox.height) * unit


def head(title: str) -> float:
    """Return how many mm a title of one line takes above a plot, and what is left free without one."""
    return 5.0 if title else 2.0


def axes_at(figure: Figure | SubFigure, left: float, top: float, *, width: float, height: float) -> Axes:
    """Return new axes whose frame lies ``left`` and ``top`` mm from the figure's upper left corner."""
    full_width, full_height = extent(figure)
    bottom = full_height - top - height
    frame = (left / full_width, bottom / full_height, width / full_width, height / full_height)
    return figure.add_axes(frame)


def single_axes(
    size: Size,
    *,
    width: float = 58.0,
    height: float = 52.0,
    left: float = 13.0,
    right: float = 3.0,
    top: float = 7.0,
) -> Axes:
    """Return the axes of a new figure that holds one plot; figure and margins in mm at scale 1.

    With a smaller ``top`` the figure is lower, and its frame as large.
    """
    k = size.scale
    figure = new_figure(width * k, (height - 7.0 + top) * k)
    return axes_at(figure, left * k, top * k, width=(width - left - right) * k, height=(height - 17) * k)


def save(
    figure: Figure | SubFigure, path_stem: str | Path, *, formats: Sequence[str] = FORMATS
) -> tuple[Path, ...]:
    """Write the figure, whole, as ``path_stem.pdf`` and so on, and return the paths.

    Text stays text (TrueType in PDF, ``<text>`` in SVG), dots are rasterised at 300 dpi, and the same
    figure gives the same bytes. Each file is written aside and renamed into place.

    Raises
    ------
    RunError
        If a format is none of pdf, svg and png: another could not keep what is said here.
    """
    import matplotlib as mpl

    other = [kind for kind in formats if kind not in FORMATS]
    if other:
        msg = f"figures are written as {', '.join(FORMATS)}, not as {', '.join(map(repr, other))}"
        raise RunError(msg)
    whole = figure.get_figure(root=True)
    stem = Path(path_stem)
    stem.parent.mkdir(parents=True, exist_ok=True)
    written = []
    settings: Any = _output() | _family()
    with mpl.rc_context(settings):
        for kind in formats:
            path = stem.with_name(f"{stem.name}.{kind}")
            aside = stem.with_name(f".{stem.name}.{kind}.part")
            whole.savefig(aside, format=kind, dpi=RASTER_DPI, metadata=_undated(kind))
            aside.replace(path)
            written.append(path)
    return tuple(written)


def _undated(kind: str) -> dict[str, Any]:
    return {"pdf": {"CreationDate": None}, "svg": {"Date": None}}.get(kind, {})


def _output() -> dict[str, Any]:
    return {"pdf.fonttype": 42, "ps.fonttype": 42, "svg.fonttype": "none", "svg.hashsalt": "cytometry"}


def _family() -> dict[str, Any]:
    return {"font.family": list(FAMILY), "font.sans-serif": list(FONTS)}


def _fonts(size: Size) -> dict[str, Any]:
    return {
        **_family(),
        "font.size": size.medium,
        "axes.labelsize": size.medium,
        "axes.titlesize": size.medium,
        "xtick.labelsize": size.small,
        "ytick.labelsize": size.small,
        "legend.fontsize": size.small,
        "text.parse_math": False,  # a dollar sign in a name is a dollar sign
        "text.color": "black",
        "axes.unicode_minus": True,
    }


def print_ticks(ax: Axes, page: Size) -> None:
    """Give the ticks of axes that were made elsewhere the page's type and lengths."""
    k = page.scale
    ax.tick_params(which="major", labelsize=page.small, length=2.0 * k, width=0.5 * k, pad=1.2 * k)
    ax.tick_params(which="both", direction="out", labelfontfamily=list(FAMILY))
    ax.tick_params(which="minor", length=1.1 * k, width=0.35 * k)


def _lines(scale: float) -> dict[str, Any]:
    return {
        "xtick.direction": "out",
        "ytick.direction": "out",
        "axes.linewidth": 0.5 * scale,
        "axes.labelpad": 1.0 * scale,
        "axes.titlepad": 2.5 * scale,
        "axes.grid": False,
        "axes.facecolor": "white",
        "figure.facecolor": "white",
        "lines.linewidth": 0.8 * scale,
        "patch.linewidth": 0.6 * scale,
        "hatch.linewidth": 0.4 * scale,
        "legend.frameon": False,
    }
