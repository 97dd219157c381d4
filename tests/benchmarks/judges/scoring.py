"""Scoring: one gated tube against the truth of its events, and many tubes as one table.

Every number is of the whole path: an event that a gate above lost is lost. Beside it stand two of the last step alone,
on the true events of the nearest population above whose truth is known: what our gates below that one reach there, and
what the best attainable cut would have reached (``attainable.py``). So ``best - alone`` is the method's, ``1 - best``
the data's, and ``alone - F1`` was inherited from the gates above.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np
from attainable import ABOVE, BELOW, OPEN, best_box
from numpy.typing import NDArray

from gating.agreement import Agreement, agreement, f1
from gating.columns import Columns
from gating.expression import Expression
from gating.gates import Boolean, Interval, Rectangle
from gating.membership import Membership
from gating.strategy import GatingStrategy
from gating.template import GatingTemplate

Mask: TypeAlias = NDArray[np.bool_]
Sides: TypeAlias = dict[tuple[str, str], float]
NAN = float("nan")


@dataclass(frozen=True, slots=True, eq=False)
class JudgedTube:
    """A gated tube and the truth of its events.

    Parameters
    ----------
    truth
        By population path of the template: which events belong, shape ``(n_events,)``. Not every population of the
        template has one; a population's is a subset of that of the nearest one above that has.
    """

    name: str
    columns: Columns
    strategy: GatingStrategy
    membership: Membership
    truth: Mapping[str, Mask]

    def __post_init__(self) -> None:
        for path, mask in self.truth.items():
            above = nearest(path, self.truth)
            if above and bool((mask & ~self.truth[above]).any()):
                msg = f"tube {self.name}: true {path} are not all true {above}"
                raise ValueError(msg)


@dataclass(frozen=True, slots=True)
class Score:
    """One population of one tube.

    Parameters
    ----------
    alone
        F1 of our gates between the nearest true population above and this one, on the true events of that one.
    best
        F1 of the best attainable thresholds of the same markers and sides there; NaN where a region or something else
        that is no threshold has to be found.
    cuts
        How many thresholds were chosen for ``best``.
    """

    tube: str
    agreement: Agreement
    alone: float = NAN
    best: float = NAN
    cuts: int = 0


@dataclass(frozen=True, slots=True)
class JudgedSet:
    """The scores of all tubes of one data set.

    Parameters
    ----------
    roots
        Populations apart from the median, since everyone agrees on them.
    outside
        By name of another method, by population: its F1 in each tube.
    template, among
        The template's name and all its paths, so that a population is called what tells it from every other.
    """

    name: str
    scores: tuple[Score, ...]
    roots: tuple[str, ...] = ()
    note: str = ""
    outside: Mapping[str, Mapping[str, tuple[float, ...]]] = field(default_factory=dict)
    template: str = ""
    among: tuple[str, ...] = ()

    @property
    def populations(self) -> tuple[str, ...]:
        """Return the populations, each once, as the template has them."""
        return tuple(dict.fromkeys(score.agreement.population for score in self.scores))

    def of(self, population: str) -> list[Score]:
        """Return a population's scores, one per tube."""
        return [score for score in self.scores if score.agreement.population == population]

    def joined(self, other: JudgedSet) -> JudgedSet:
        """Return the scores of both, as of one set: further studies of the same kind."""
        return replace(self, scores=self.scores + other.scores, note=f"{self.note}; {other.note}")

    def overall(self) -> dict[str, float]:
        """Return medians over populations and tubes, roots and small ones left out.

        ``f1`` of all; ``f1_where_best``, ``alone`` and ``best`` of those for which a best attainable is known.
        """
        counted = [
            s for s in self.scores if s.agreement.is_scored and s.agreement.population not in self.roots
        ]
        known = [s for s in counted if np.isfinite(s.best)]
        return {
            "f1": median([s.agreement.f1 for s in counted]),
            "f1_where_best": median([s.agreement.f1 for s in known]),
            "alone": median([s.alone for s in known]),
            "best": median([s.best for s in known]),
        }


def nearest(path: str, known: Mapping[str, object]) -> str:
    """Return the nearest path above that is known; ``""`` for all events."""
    above = path.rpartition("/")[0]
    while above and above not in known:
        above = above.rpartition("/")[0]
    return above


def score_tube(tube: JudgedTube, template: GatingTemplate) -> list[Score]:
    """Score every population of the template whose truth is known, in the template's order."""
    paths = [path for path in template.paths if path in tube.truth]
    parents = {path: nearest(path, tube.truth) for path in paths}
    found = set(tube.membership.populations)
    ours = {path: tube.membership.of(path) if path in found else None for path in paths}
    last_steps = _Step(tube, template)
    scores = []
    for one in agreement(tube.truth, ours, parents=parents):
        best, cuts = last_steps.best(one.population)
        scores.append(Score(tube.name, one, last_steps.alone(one.population), best, cuts))
    return scores


class _Step:
    """The last step to each population of a tube: from the true events of the nearest one above."""

    def __init__(self, tube: JudgedTube, template: GatingTemplate) -> None:
        self.tube = tube
        rows = template.prune(tube.columns.dimensions)[0].populations
        self.rows = {row.path: row for row in rows}
        self.gates = {p.path: p.gate for p in tube.strategy.populations}

    def above(self, path: str) -> Mask:
        """Return the true events of the nearest population above; all events where there is none."""
        above = nearest(path, self.tube.truth)
        return self.tube.truth[above] if above else np.ones(self.tube.columns.n_events, dtype=bool)

    def alone(self, path: str) -> float:
        """Return F1 of our gates of this step; 0 where one of them was not found."""
        inside = self._gated(path)
        return 0.0 if inside is None else f1(self.tube.truth[path], inside)

    def _gated(self, path: str) -> Mask | None:
        """Return what our gates of this step keep of the true events above."""
        inside = self.above(path)
        for step in self.between(path):
            if step not in self.gates:
                return None
            gate = self.gates[step]
            if isinstance(gate, Boolean):
                masks = {o.population: self._operand(o.population, path) for o in gate.operands}
                inside = inside & gate.combine(masks)
            else:
                rows = np.flatnonzero(inside)
                kept = rows[gate.contains(self.tube.columns.points(gate.dimensions, rows))]
                inside = np.zeros_like(inside)
                inside[kept] = True
        return inside

    def _operand(self, operand: str, path: str) -> Mask:
        same = nearest(operand, self.tube.truth) == nearest(path, self.tube.truth)
        alone = self._gated(operand) if same else None
        return self.tube.membership.of(operand) if alone is None else alone

    def between(self, path: str) -> list[str]:
        """Return the paths from below the nearest true population down to this one."""
        above = nearest(path, self.tube.truth)
        steps = [path]
        while (parent := steps[0].rpartition("/")[0]) and parent != above:
            steps.insert(0, parent)
        return steps

    def best(self, path: str) -> tuple[float, int]:
        """Return F1 of the best attainable thresholds of this step, and how many; NaN and 0 where it has others."""
        sides = self._sides(path)
        if not sides:
            return NAN, 0
        events = np.flatnonzero(self.above(path))
        ours = self._our_thresholds(path)
        box = best_box(
            self.tube.columns.points([marker for marker, _ in sides], events),
            self.tube.truth[path][events],
            keeps=[keep for _, keep in sides],
            also_from=[ours.get(side, OPEN[side[1]]) for side in sides],
        )
        return box.f1, len(sides)

    def _sides(self, path: str) -> list[tuple[str, str]]:
        """Return the markers cut on this step and the sides kept; none where it is no box.

        A boolean *and* is a box of its operands' cuts, the complement of a single cut among them. Regions above the
        population take no part: on true events they have nothing left to do.
        """
        found: dict[tuple[str, str], None] = {}
        for step in self.between(path):
            row = self.rows.get(step)
            sides = self._of_boolean(row.boolean, path) if row and row.boolean else self._of_row(step)
            if not sides and (row is None or row.region is None or step == path):
                return []
            found |= dict.fromkeys(sides)
        return list(found)

    def _of_row(self, path: str) -> list[tuple[str, str]]:
        there = self.tube.columns.dimensions
        return (
            [(cut.marker, cut.keep) for cut in self.rows[path].cuts if cut.marker in there]
            if path in self.rows
            else []
        )

    def _of_boolean(self, expression: Expression, path: str) -> list[tuple[str, str]]:
        if len(expression.terms) != 1:
            return []
        found: list[tuple[str, str]] = []
        for operand in expression.terms[0]:
            above = nearest(operand.population, self.tube.truth)
            inside = not above or f"{nearest(path, self.tube.truth)}/".startswith(f"{above}/")
            sides = self._sides(operand.population) if inside else []
            if operand.complement:
                own = self._of_row(operand.population)
                sides = [(m, BELOW if keep == ABOVE else ABOVE) for m, keep in own] if sides == own else []
                sides = sides if len(sides) == 1 else []
            if not sides:
                return []
            found += sides
        return found

    def _our_thresholds(self, path: str) -> Sides:
        """Return where our gates of this step have their thresholds, by marker and kept side."""
        found: Sides = {}
        for step in self.between(path):
            gate = self.gates.get(step)
            if isinstance(gate, Interval):
                gate = Rectangle((gate.dimension,), (gate.low,), (gate.high,))
            if isinstance(gate, Rectangle):
                for marker, low, high in zip(gate.dimensions, gate.lows, gate.highs, strict=True):
                    found |= {(marker, ABOVE): low} if np.isfinite(low) else {}
                    found |= {(marker, BELOW): high} if np.isfinite(high) else {}
        return found


def median(values: Sequence[float]) -> float:
    """Return the median of the values there are; NaN for none."""
    there = [value for value in values if np.isfinite(value)]
    return float(np.median(there)) if there else NAN


def error_of_median(values: Sequence[float], *, seed: int = 1) -> float:
    """Return the standard error of the median over tubes, by 400 bootstrap draws; NaN for fewer than three."""
    there = np.array([value for value in values if np.isfinite(value)])
    if there.size < 3:
        return NAN
    draws = np.random.default_rng(seed).choice(there, (400, there.size))
    return float(np.median(draws, axis=1).std(ddof=1))
