"""Sheet: a grid of plots in mm. How large they can be, and where frames, titles and arrow lanes lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cytometry.plots.layout import Grid, Route, arrange
from cytometry.plots.style import Size
from cytometry.plots.views import Link

# mm at scale 1
LEFT = 8.4  # of a frame: tick labels and axis label
BELOW = 5.6
EDGE = 0.8
LANE = 1.1
GUTTER = 2.6  # room for a short arrow
AISLE = 1.0
TITLE_LINE = 2.5
LARGEST_PLOT, SMALLEST_PLOT = 34.0, 11.0
MOST_COLUMNS = 8
LETTER = 1.22  # width of a letter of a title

COMPACT_MUST_GAIN = 1.1  # how much larger plots must get before parents share rows


@dataclass(frozen=True, slots=True)
class Sheet:
    """A grid with its measures in mm, from the upper left corner."""

    grid: Grid
    scale: float
    width: float
    plot_width: float
    plot_height: float
    title_lines: tuple[int, ...]

    @property
    def height(self) -> float:
        """Return the height of all rows."""
        return sum(self._row_heights())

    def frame(self, view: int) -> tuple[float, float]:
        """Return the left and top of a plot's frame."""
        row, column = self.grid.cells[view]
        return self._left(column), sum(self._row_heights()[:row]) + self._head(row)

    def title_top(self, view: int) -> float:
        """Return where a plot's title begins, and the arrow to it ends."""
        return self.frame(view)[1] - (self.title_lines[view] * TITLE_LINE + 0.6) * self.scale

    def gutter(self, column: int, lane: int) -> float:
        """Return the x of a lane left of a column."""
        edge = self._left(column) - LEFT * self.scale
        return edge - (self.grid.gutters[column] - lane - 0.2) * LANE * self.scale

    def aisle(self, row: int, lane: int) -> float:
        """Return the y of a lane above a row; the first lane lies lowest."""
        top = sum(self._row_heights()[:row])
        return top + (self.grid.aisles[row] - lane - 0.5) * LANE * self.scale

    def title_letters(self) -> int:
        """Return how many letters a line of a title holds."""
        return int((self.plot_width / self.scale + 7.0) / LETTER)

    def _left(self, column: int) -> float:
        k = self.scale
        gutters = sum(_gutter(self.grid, c) for c in range(column + 1))
        return EDGE * k + k * gutters + (column + 1) * LEFT * k + column * (self.plot_width + EDGE * k)

    def _head(self, row: int) -> float:
        lanes = self.grid.aisles[row] * LANE + AISLE
        pairs = zip(self.title_lines, self.grid.cells, strict=True)
        lines = max((n for n, cell in pairs if cell[0] == row), default=1)
        return (lanes + lines * TITLE_LINE + 0.8) * self.scale

    def _row_heights(self) -> list[float]:
        below = self.plot_height + BELOW * self.scale
        return [self._head(row) + below for row in range(self.grid.n_rows)]


def _gutter(grid: Grid, column: int) -> float:
    lanes = grid.gutters[column] * LANE
    beside_plot = lanes + 0.9 if lanes and column else lanes
    return beside_plot if column in (0, grid.n_columns) else max(GUTTER, beside_plot)


def fit(title_lines: Sequence[int], links: Sequence[Link], page: Size, *, foot: float) -> Sheet:
    """Return the sheet with the largest plots on the page, ``foot`` mm of its height kept for a footnote.

    ``title_lines`` says how many lines each plot's title takes. Plots are square where the height allows it.
    Where it leaves less than ``SMALLEST_PLOT``, the sheet is taller than the page: text that cannot be read
    shows nothing.
    """
    best: tuple[float, Sheet] | None = None
    for compact in (False, True):
        for n_columns in range(1, MOST_COLUMNS + 1):
            grid = arrange(len(title_lines), links, n_columns=n_columns, compact=compact)
            sheet = _measured(grid, page, foot=foot, title_lines=tuple(title_lines))
            worth = _worth(sheet, page, foot=foot) / (COMPACT_MUST_GAIN if compact else 1.0)
            if (sheet.plot_width >= SMALLEST_PLOT * page.scale or n_columns == 1) and (
                best is None or worth > best[0] + 1e-6
            ):
                best = (worth, sheet)
    if best is None or best[1].plot_width <= 0:
        msg = f"no plot fits on a page of {page.width:g} mm"
        raise ValueError(msg)
    return best[1]


def _worth(sheet: Sheet, page: Size, *, foot: float) -> float:
    """Return how good a sheet is, in mm of a plot's side: large plots, no overflow, the width made use of."""
    overflow = max(0.0, sheet.height + foot - page.height)
    blank = page.width - sheet.gutter(sheet.grid.n_columns, 0)
    side = min(sheet.plot_width, 1.1 * sheet.plot_height)
    return (side - overflow - 0.03 * (blank + sheet.height)) / sheet.scale


def _measured(grid: Grid, page: Size, *, foot: float, title_lines: tuple[int, ...]) -> Sheet:
    k = page.scale
    fixed = sum(_gutter(grid, c) for c in range(grid.n_columns + 1)) + EDGE + grid.n_columns * (LEFT + EDGE)
    width = min(LARGEST_PLOT, (page.width / k - fixed) / grid.n_columns) * k
    flat = Sheet(grid, k, page.width, width, 0.0, title_lines)
    height = (page.height - foot - flat.height) / max(grid.n_rows, 1)
    return Sheet(grid, k, page.width, width, max(min(width, height), SMALLEST_PLOT * k), title_lines)


def route_points(
    sheet: Sheet, route: Route, start: tuple[float, float], *, target: int
) -> list[tuple[float, float]]:
    """Return the corners of an arrow, in mm: gate, gutter, aisle, and the title of the target plot."""
    row = sheet.grid.cells[target][0]
    x = sheet.gutter(route.column, route.lane)
    y = sheet.aisle(row, route.rows[row])
    end = sheet.frame(target)[0] + sheet.plot_width / 2
    return [start, (x, start[1]), (x, y), (end, y), (end, sheet.title_top(target))]
