"""Cohort: where one number of a tube lies among those of the others, by medians, so that no tube hides itself.

Tubes are compared with the samples of the same stimulus and tissue, of the same batch where there are enough of them.
The tubes of one subject resemble each other, and so it is subjects that are counted: eight tubes of four subjects vary
as four do. Nobody asks for arm or timepoint: whom to look at does not depend on what one hopes to see.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gating.records import LEARNT, OF_COHORT, STAND_IN, Ends, GateRecord
from gating.scales import Floats, Scale

STAIN = "stain"
FEWEST_FOR_MEDIAN = 3
FEWEST = 5
"""Subjects below which nobody can say which of them is the odd one out."""
FEW = {5: 18.3, 6: 9.8, 7: 10.5}
NORMAL = 1.4826  # median absolute deviations in a standard deviation
OWN_ERRORS = 3
FEWEST_IN_BATCH = 4
ABOUT_BATCHES = 1.6
"""How much further a cut must lie where each batch of four subjects or more has its own median.

That takes a part of the spread with it. So wide, 10,000 simulated cohorts of 2 to 8 such batches have a cut that stands
out in 1.3 % at most.
"""
WIDTH = 2 * 1.96  # standard errors in a 95 % interval


def allowed(n: int) -> float:
    """Return how many robust standard deviations the farthest of ``n`` normal numbers stays within, 99 times of 100.

    The median absolute deviation of a few numbers is often far too small, hence the wide bounds; ``4 + 30 / n`` is
    within a tenth of what 20,000 simulated cohorts of 8 to 100 gave, and the bounds for fewer are theirs.
    """
    return FEW.get(n, 4.0 + 30.0 / n)


def stands(
    value: float,
    others: Sequence[float],
    errors: Sequence[float],
    *,
    error: float,
    subjects: Sequence[str] | None = None,
    further: float = 1.0,
) -> tuple[float, bool]:
    """Return how far a value lies from a cohort's median, in robust standard deviations, and whether it stands out.

    It does where it lies further than chance brings any of so many subjects' numbers, and further than three standard
    errors of its own: what its own error explains is nothing to look at. Of fewer than five subjects, none does.

    Parameters
    ----------
    others
        The cohort's values, shape ``(n,)``.
    errors
        The standard error of each, shape ``(n,)``, NaN where nobody knows; their median is the spread where the
        values themselves have none. Of equal values without an error, another one is not measurably far: 0.
    error
        The value's own; NaN if nobody knows.
    subjects
        Whose each value is, shape ``(n,)``: those of one subject weigh as one. All different when not given.
    further
        By what the bound is multiplied.

    Notes
    -----
    With two or three tubes a subject, however alike, 8,000 simulated cohorts of 5 to 20 subjects had a tube that stands
    out in 1.3 % at most; were tubes counted, in up to 8 %.

    References
    ----------
    Rousseeuw & Croux 1993, J. Am. Stat. Assoc. 88:1273, on the median absolute deviation.
    """
    found = np.asarray(others, dtype=np.float64)
    whose = [str(i) for i in range(found.size)] if subjects is None else list(subjects)
    times = Counter(whose)
    weights = np.array([1 / times[name] for name in whose])
    middle = _median(found, weights)
    spread = NORMAL * _median(np.abs(found - middle), weights)
    known = np.asarray(errors, dtype=np.float64)
    known = known[np.isfinite(known)]
    if not spread > 0 and known.size:
        spread = float(np.median(known))
    far = (value - middle) / spread if spread > 0 else 0.0
    explained = bool(np.isfinite(error)) and abs(value - middle) <= OWN_ERRORS * error
    return far, len(times) >= FEWEST and abs(far) > further * allowed(len(times)) and not explained


def _median(values: Floats, weights: Floats) -> float:
    """Return the value with half of the weight on either side, or the middle of the two between which it lies."""
    order = np.argsort(values, kind="stable")
    below = np.cumsum(weights[order]) / np.sum(weights) - 0.5
    first, last = np.searchsorted(below, [-1e-9, 1e-9])
    return float(values[order][[first, last]].mean())


@dataclass(frozen=True, slots=True)
class Cohort:
    """Where a boundary lies beside those of other tubes.

    Parameters
    ----------
    label
        Which tubes: ``batch 1``, or ``stain``.
    n
        How many different boundaries they have; tubes that share one count once.
    linear
        The median boundary, on the compensated linear scale.
    distance
        How far the tube's own lies from it, in robust standard deviations on the display scale; negative below. The
        spread is theirs, or that of all batches about their medians where the batch alone has too few subjects.
    outlying
        Whether that is further than chance brings the farthest of as many subjects in 99 of 100 cohorts, and than its
        own interval explains.
    """

    label: str
    n: int
    linear: float
    distance: float
    outlying: bool


@dataclass(frozen=True, slots=True, eq=False)
class Peers:
    """Who is compared with whom: of each tube its kind, and its groups, as in ``TemplateTube``."""

    tubes: Mapping[str, tuple[str, Mapping[str, str]]]

    def like(self, tube: str) -> list[str]:
        """Return the samples of a tube's stimulus and tissue; for an unstimulated tube, the unstimulated ones."""
        wanted = self._said(tube)
        return [
            name for name, (kind, _) in self.tubes.items() if kind == wanted[0] and self._said(name) == wanted
        ]

    def cohort(self, tube: str, enough: Callable[[list[str]], bool]) -> tuple[str, list[str]]:
        """Return with which tubes to compare, and what they are called: its batch if there are enough, or the stain."""
        alike, batch = self.like(tube), self.batch(tube)
        near = [name for name in alike if self.batch(name) == batch]
        if len(near) < len(alike) and enough(near):
            return f"batch {batch}", near
        return STAIN, alike

    def subject(self, tube: str) -> str:
        """Return whose tube it is; one without a subject is a subject of its own."""
        return self.tubes[tube][1].get("subject", "") or tube

    def _said(self, tube: str) -> tuple[str, str, str]:
        kind, groups = self.tubes[tube]
        like = kind if kind == "unstimulated" else "sample"
        return like, groups.get("stimulus", ""), groups.get("tissue", "")

    def batch(self, tube: str) -> str:
        """Return a tube's batch; those that say none share one."""
        return self.tubes[tube][1].get("batch", "")


def beside(records: Mapping[str, GateRecord], peers: Peers) -> dict[str, Cohort]:
    """Return where each tube's boundary of one cut lies beside those of its cohort.

    Parameters
    ----------
    records
        By tube: the boundary, found or not, on scales that are the same for all.

    Returns
    -------
    dict
        For the tubes whose boundary was learnt from events of their own, or a stand-in's, and whose cohort has five
        different ones or more. Its batch is the cohort if that has five subjects; where batches have four, all of them
        are, each about its own median.
    """
    own = {name: r for name, r in records.items() if r.status in {LEARNT, STAND_IN} and np.isfinite(r.value)}
    found = {name: _beside(name, own, peers) for name in own}
    return {name: cohort for name, cohort in found.items() if cohort}


def _beside(tube: str, own: Mapping[str, GateRecord], peers: Peers) -> Cohort | None:
    label, names = peers.cohort(tube, lambda some: _subjects(_different(some, own), peers) >= FEWEST)
    cohort = _different(names, own)
    if len(cohort) < FEWEST:
        return None
    near, middles = cohort, _middles(cohort, peers) if label == STAIN else {}
    batch = peers.batch(tube)
    if batch in middles:
        label = f"batch {batch}"
        cohort = {name: r for name, r in cohort.items() if peers.batch(name) in middles}
        near = {name: r for name, r in cohort.items() if peers.batch(name) == batch}
    else:
        middles = {}
    far, out = stands(
        own[tube].value - middles.get(batch, 0.0),
        [r.value - middles.get(peers.batch(name), 0.0) for name, r in cohort.items()],
        [standard_error(r.value_interval) for r in cohort.values()],
        error=standard_error(own[tube].value_interval),
        subjects=[peers.subject(name) for name in cohort],
        further=ABOUT_BATCHES if middles else 1.0,
    )
    return Cohort(label, len(near), float(np.median([r.linear for r in near.values()])), far, out)


def _middles(cohort: Mapping[str, GateRecord], peers: Peers) -> dict[str, float]:
    """Return the median of each batch of four subjects or more; of none if there are not two such batches."""
    batches: dict[str, dict[str, GateRecord]] = {}
    for name, record in cohort.items():
        batches.setdefault(peers.batch(name), {})[name] = record
    large = {key: held for key, held in batches.items() if _subjects(held, peers) >= FEWEST_IN_BATCH}
    if len(large) < 2:
        return {}
    return {key: float(np.median([r.value for r in held.values()])) for key, held in large.items()}


def median_boundary(
    tube: str, lost: GateRecord, records: Mapping[str, GateRecord], *, peers: Peers, scale: Scale
) -> GateRecord:
    """Return the median boundary of a tube's cohort for a cut that found none in it, or why there is none.

    Parameters
    ----------
    lost
        The tube's own record, which says why it has no boundary.
    records
        By tube, those of the same cut.
    scale
        The tube's display scale of the marker.

    Returns
    -------
    GateRecord
        From three different boundaries or more, of the tube's batch, else of the stain. Its interval is where 95 of
        100 tubes of the cohort have theirs, by the median absolute deviation; its confidence is 0, since nothing of
        this tube was looked at.
    """
    own = {name: r for name, r in records.items() if r.status == LEARNT and np.isfinite(r.value)}
    label, names = peers.cohort(tube, lambda some: len(_different(some, own)) >= FEWEST_FOR_MEDIAN)
    cohort = list(_different(names, own).values())
    if len(cohort) < FEWEST_FOR_MEDIAN:
        few = f"{len(cohort)} different boundaries in its cohort, and {FEWEST_FOR_MEDIAN} are needed"
        return replace(
            lost, reason=f"{lost.reason}; only {few}" if cohort else f"{lost.reason}; none in its cohort"
        )
    values = scale.forward(np.array([other.linear for other in cohort]))
    value = float(np.median(values))
    reach = 1.96 * NORMAL * float(np.median(np.abs(values - value)))
    ends = (value - reach, value + reach)
    return replace(
        lost,
        learnt_from=tuple(sorted(name for name in names if name in own)),
        n_events=sum(other.n_events for other in cohort),
        value=value,
        linear=float(scale.inverse(value)),
        confidence=0.0,
        status=OF_COHORT,
        reason=f"{lost.reason}, hence the median of {len(cohort)} boundaries of its {label}",
        of=cohort[0].of,
        saw={},
        interval=(float(scale.inverse(ends[0])), float(scale.inverse(ends[1]))),
        value_interval=ends,
    )


def _different(names: Sequence[str], records: Mapping[str, GateRecord]) -> dict[str, GateRecord]:
    """Return the boundaries of some tubes; what was learnt once for several of them once, for the first."""
    found: dict[tuple[object, ...], tuple[str, GateRecord]] = {}
    for name in sorted(names):
        if name in records:
            record = records[name]
            found.setdefault((record.learnt_from, record.rule, record.of, record.value), (name, record))
    return dict(found.values())


def _subjects(tubes: Mapping[str, GateRecord], peers: Peers) -> int:
    return len({peers.subject(name) for name in tubes})


def standard_error(interval: Ends) -> float:
    """Return the standard error that a 95 % interval stands for; NaN if it has none."""
    return (interval[1] - interval[0]) / WIDTH
