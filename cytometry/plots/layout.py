"""Layout: where the plots of a strategy stand on a page, and along which lanes their arrows run.

Plots stand in rows and columns. A plot that alone continues another stands to its right; where gates lead to
several plots, those stand on the rows below. An arrow to a plot further away leaves to the right of its
gate's plot, runs down between the columns and across above the row, and comes in from above, so that it
never crosses a plot.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from cytometry.plots.views import Link


@dataclass(frozen=True, slots=True)
class Route:
    """The way of one gate's arrows: its lane in the gutter left of ``column``, then one lane per row."""

    source: int
    path: str
    column: int
    lane: int
    rows: dict[int, int] = field(default_factory=dict)
    targets: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Grid:
    """Cells ``(row, column)`` of the plots, in their order, and the routes of the arrows between them.

    ``direct`` holds the arrows to the plot on the right; ``gutters`` and ``aisles`` how many lanes there are
    left of each column (one more than columns) and above each row.
    """

    n_columns: int
    cells: tuple[tuple[int, int], ...]
    direct: tuple[Link, ...]
    routes: tuple[Route, ...]
    gutters: tuple[int, ...]
    aisles: tuple[int, ...]

    @property
    def n_rows(self) -> int:
        """Return the number of rows."""
        return len(self.aisles)


def arrange(n_views: int, links: Sequence[Link], *, n_columns: int, compact: bool = False) -> Grid:
    """Return the plots' cells and the arrows' lanes.

    ``compact`` lets plots of different parents share a row wherever they fit.
    """
    rows = _Rows(links, n_columns, compact=compact)
    led_to = {link.target for link in links}
    rows.lay([[view] for view in range(n_views) if view not in led_to])
    cells = tuple(rows.cells[view] for view in range(n_views))
    direct = tuple(
        link
        for link in links
        if cells[link.target] == (cells[link.source][0], cells[link.source][1] + 1)
        and len(rows.groups_of(link.source)) == 1
    )
    routes = _routes([link for link in links if link not in direct], cells)
    gutters = [max((r.lane + 1 for r in routes if r.column == c), default=0) for c in range(n_columns + 1)]
    n_rows = max((row for row, _ in cells), default=-1) + 1
    aisles = [max((r.rows[row] + 1 for r in routes if row in r.rows), default=0) for row in range(n_rows)]
    return Grid(n_columns, cells, direct, routes, tuple(gutters), tuple(aisles))


class _Rows:
    """Rows being filled, group of plots after group; a group is what one gate leads to."""

    def __init__(self, links: Sequence[Link], n_columns: int, *, compact: bool) -> None:
        self.links = links
        self.n_columns = n_columns
        self.compact = compact
        self.cells: dict[int, tuple[int, int]] = {}
        self.row, self.used = -1, n_columns

    def groups_of(self, view: int) -> list[list[int]]:
        """Return the plots that each gate of this one leads to."""
        groups: dict[str, list[int]] = {}
        for link in self.links:
            if link.source == view:
                groups.setdefault(link.path, []).append(link.target)
        return list(groups.values())

    def run(self, view: int) -> list[int]:
        """Return the plot and those that alone continue it, one after the other."""
        run = [view]
        while len(groups := self.groups_of(run[-1])) == 1 and len(groups[0]) == 1:
            run += groups[0]
        return run

    def lay(self, groups: Sequence[Sequence[int]]) -> None:
        """Place groups of plots on rows of their own, then what they lead to on the rows below."""
        runs = [[self.run(view) for view in group] for group in groups]
        lengths = [sum(len(run) for run in group) for group in runs]
        together = sum(lengths) <= self.n_columns
        if not (self.compact and sum(lengths) <= self.n_columns - self.used):
            self._new_row()
        for group, length in zip(runs, lengths, strict=True):
            if self.used and length > self.n_columns - self.used and not (together or self.compact):
                self._new_row()
            for run in group:
                if self.used and len(run) > self.n_columns - self.used:
                    self._new_row()
                for view in run:
                    self._put(view)
        for run in (run for group in runs for run in group):
            if below := self.groups_of(run[-1]):
                self.lay(below)

    def _new_row(self) -> None:
        self.row, self.used = self.row + 1, 0

    def _put(self, view: int) -> None:
        if self.used >= self.n_columns:
            self._new_row()
        self.cells[view] = (self.row, self.used)
        self.used += 1


def _routes(links: Sequence[Link], cells: Sequence[tuple[int, int]]) -> tuple[Route, ...]:
    """Give every gate's arrows a lane of their own wherever they would lie on another's."""
    nets: dict[tuple[int, str], list[int]] = {}
    for link in links:
        nets.setdefault((link.source, link.path), []).append(link.target)
    down: dict[int, list[list[tuple[float, float]]]] = {}
    across: dict[int, list[list[tuple[float, float]]]] = {}
    routes = []
    for (source, path), targets in nets.items():
        row, column = cells[source][0], cells[source][1] + 1
        target_rows = sorted({cells[t][0] for t in targets})
        # An arrow enters a row from above: a gate's own row counts as half a row lower than its aisle.
        ends = (min(target_rows[0], row + 0.5), max(target_rows[-1], row + 0.5))
        lane = _free_lane(down.setdefault(column, []), ends)
        lanes = {}
        for r in target_rows:
            columns = [column - 0.5, *(float(cells[t][1]) for t in targets if cells[t][0] == r)]
            lanes[r] = _free_lane(across.setdefault(r, []), (min(columns), max(columns)))
        routes.append(Route(source, path, column, lane, lanes, tuple(targets)))
    return tuple(routes)


def _free_lane(lanes: list[list[tuple[float, float]]], ends: tuple[float, float]) -> int:
    for i, lane in enumerate(lanes):
        if all(ends[1] < low or high < ends[0] for low, high in lane):
            lane.append(ends)
            return i
    lanes.append([ends])
    return len(lanes) - 1
