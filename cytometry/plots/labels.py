"""Labels: where to write a gate's name so that it covers neither another label nor the events it counts."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from cytometry.plots.axes import elided
from gating.scales import Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Text

Box = tuple[float, float, float, float]  # left, right, bottom, top, as fractions of the frame

LETTER = 0.6  # width of a letter, in heights of the font
LEAST_LETTERS = 13  # on a line, before a name is broken
NAME_LINES = 2  # of a name, where there is room; else one, its middle left out
ROOMY = 3.5  # lines of the frame's height for each label
ROUNDS = 3
STEPS = 13  # places tried along either axis
MARGIN = 0.02
OVER_LABEL, OUTSIDE, OVER_EVENTS, OVER_LINE, SHARED, AWAY = 100.0, 6.0, 6.0, 2.0, 0.7, 0.4
ASTRAY = 30.0  # a number in another gate than its own would be read as that gate's


@dataclass(frozen=True, slots=True, eq=False)
class Wanted:
    """A label to place: its text, its gate's box and its gate's lines, as fractions of the frame."""

    text: str
    box: Box
    lines: tuple[Floats, ...]


def place(
    sizes: Sequence[tuple[float, float]], wanted: Sequence[Wanted], events: Floats
) -> list[tuple[float, float]]:
    """Return the centre of each label, as fractions of the frame.

    ``sizes`` are the labels' widths and heights, ``events`` the drawn ones, shape ``(n, 2)``. A label keeps
    off the others, then to its own gate, then off events and lines; each is placed anew a few times, since
    the first does not know where the last will want to be.
    """
    points = np.vstack([*(_traced(w.lines) for w in wanted), np.empty((0, 2))])
    candidates = [_candidates(*size) for size in sizes]
    alone = [
        np.array([_cost(box, i, wanted=wanted, events=events, lines=points) for box in boxes])
        for i, boxes in enumerate(candidates)
    ]
    chosen: dict[int, Box] = {}
    for i in sorted(range(len(wanted)), key=lambda i: _overlap(wanted[i].box, wanted[i].box)) * ROUNDS:
        others = [box for other, box in chosen.items() if other != i]
        area = sizes[i][0] * sizes[i][1]
        crowded = [OVER_LABEL * sum(_overlap(box, o) for o in others) / area for box in candidates[i]]
        chosen[i] = candidates[i][int(np.argmin(alone[i] + np.array(crowded)))]
    boxes = [chosen[i] for i in range(len(wanted))]
    return [((box[0] + box[1]) / 2, (box[2] + box[3]) / 2) for box in boxes]


def _candidates(width: float, height: float) -> list[Box]:
    """Return boxes all over the frame; one too wide for it stays in the middle."""
    lefts = np.linspace(MARGIN, max(MARGIN, 1 - MARGIN - width), STEPS)
    bottoms = np.linspace(MARGIN, max(MARGIN, 1 - MARGIN - height), STEPS)
    return [(float(x), float(x) + width, float(y), float(y) + height) for x in lefts for y in bottoms[::-1]]


def _cost(box: Box, label: int, *, wanted: Sequence[Wanted], events: Floats, lines: Floats) -> float:
    """Return how badly a box suits a label, whatever the other labels do."""
    own = wanted[label].box
    others = [w.box for i, w in enumerate(wanted) if i != label]
    area = (box[1] - box[0]) * (box[3] - box[2])
    # A gate narrower than its label can hold only part of it, and should hold all of that part.
    most = min(box[1] - box[0], own[1] - own[0]) * min(box[3] - box[2], own[3] - own[2])
    inside = _overlap(box, own) / most if most > 0 else 0.0
    shared = max((_overlap(box, _common(own, other)) for other in others), default=0.0) / area
    wrong = max((_overlap(box, other) - _overlap(box, _common(own, other)) for other in others), default=0.0)
    covered = float(np.mean(_within(events, box))) if len(events) else 0.0
    crossed = float(np.mean(_within(lines, box))) if len(lines) else 0.0
    far = np.hypot((box[0] + box[1] - own[0] - own[1]) / 2, (box[2] + box[3] - own[2] - own[3]) / 2)
    return float(
        ASTRAY * _astray(box, own)
        + OUTSIDE * (1 - inside)
        + OUTSIDE * max(wrong, 0.0) / area
        + SHARED * shared
        + OVER_EVENTS * np.sqrt(covered)
        + OVER_LINE * np.sqrt(crossed)
        + AWAY * far
    )


def _astray(box: Box, own: Box) -> bool:
    """Return whether a label's middle lies outside its gate, by more than half the label where the gate is narrower."""
    for low, high in ((0, 1), (2, 3)):
        middle, size = (box[low] + box[high]) / 2, box[high] - box[low]
        slack = size / 2 if own[high] - own[low] < size else 0.0
        if not own[low] - slack <= middle <= own[high] + slack:
            return True
    return False


def _overlap(a: Box, b: Box) -> float:
    return max(0.0, min(a[1], b[1]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[2], b[2]))


def _common(a: Box, b: Box) -> Box:
    left, bottom = max(a[0], b[0]), max(a[2], b[2])
    return left, max(left, min(a[1], b[1])), bottom, max(bottom, min(a[3], b[3]))


def _within(points: Floats, box: Box) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    x, y = points.T
    return np.asarray((x > box[0]) & (x < box[1]) & (y > box[2]) & (y < box[3]))


def _traced(lines: Sequence[Floats]) -> Floats:
    """Return points along the lines, close enough that none slips through a label."""
    pieces = [np.empty((0, 2))]
    for line in lines:
        for start, end in pairwise(line):
            n = max(2, int(np.hypot(*(end - start)) * 50))
            pieces.append(np.linspace(start, end, n))
    return np.vstack(pieces)


def wrapped(name: str, letters: int) -> str:
    """Return the name on lines of at most so many letters, broken at spaces, else anywhere."""
    return "\n".join(textwrap.wrap(name, max(letters, 4), break_long_words=True)) or name


def draw_labels(ax: Axes, wanted: Sequence[Wanted], *, events: Floats, scale: float) -> list[Text]:
    """Write the labels on the axes, placed by :func:`place`; the frame is already where it will be."""
    frame = ax.get_window_extent()
    font = 5.0 * scale
    letters = 0.9 * frame.width * 72 / ax.figure.dpi / (LETTER * font)
    down = frame.height * 72 / ax.figure.dpi / font  # lines that the frame has room for
    lines = NAME_LINES if down >= ROOMY * len(wanted) else 1
    texts = [
        ax.text(
            0.5, 0.5, _folded(label, letters, lines=lines), transform=ax.transAxes, ha="center", va="center",
            fontsize=font, linespacing=1.0, zorder=4,
            bbox={"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.75},
        )
        for label in wanted
    ]  # fmt: skip
    extents = [text.get_window_extent() for text in texts]
    pad = 0.25 * font * ax.figure.dpi / 72
    sizes = [((e.width + pad) / frame.width, (e.height + pad) / frame.height) for e in extents]
    for text, centre in zip(texts, place(sizes, wanted, events), strict=True):
        text.set_position(centre)
    return texts


def folded(text: str, letters: int, *, lines: int) -> list[str]:
    """Return text on at most so many lines of so many letters, its middle left out where it is longer."""
    found = wrapped(text, letters).split("\n")
    for kept in range(len(text) - 1, letters, -1):
        if len(found) <= lines:
            return found
        found = wrapped(elided(text, kept), letters).split("\n")
    return found if len(found) <= lines else [elided(text, letters)]


def _folded(label: Wanted, letters: float, *, lines: int) -> str:
    """Return the label's text in lines no wider than its gate where that is wide enough to be read in."""
    width = int(min(max(letters * (label.box[1] - label.box[0]), LEAST_LETTERS), letters))
    return "\n".join(
        line for part in label.text.split("\n") for line in folded(part, max(width, 4), lines=lines)
    )
