"""Single stains: a spillover learnt from controls that hold one dye each, on cells or on beads.

Each control is set against unstained events of the same scatter (an unstained tube, a universal negative, or its own
dull events), and the share of its light in every detector is a slope on the linear scale, with its error. What
cannot be told is a problem with a reason, and never a number. Dead cells and debris are compared with their like
and left out where they glow otherwise, instead of being cut away first: a viability dye is on dead cells alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from cytometry._singles.matching import KEYWORDS, Candidate, Matching, agree, light_above, named_detectors
from cytometry._singles.negatives import Light, Negatives, far_from, match, prepare, spread
from cytometry._singles.reading import (
    Control,
    called_names,
    fluorescence_detectors,
    read_controls,
    read_light,
)
from cytometry._singles.slopes import FEWEST, Slopes, find_slopes
from cytometry.errors import Problem, StudyError
from cytometry.panel import Panel
from gating.columns import Spillover
from gating.thresholds import Cut, valley

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "COLUMNS",
    "Control",
    "LearntSpillover",
    "fluorescence_detectors",
    "learn_spillover",
    "matched_detectors",
    "name_problems",
    "read_controls",
    "read_light",
]

_NO_CONTROL = Problem(
    "error",
    "CYT332",
    "controls",
    "there is no single-stain control",
    "give tubes of kind single_stain, or files that are named after their dye",
)
COLUMNS = (
    "from",
    "detector",
    "coefficient",
    "error",
    "n_positive",
    "n_negative",
    "tube",
    "negatives",
    "note",
)


@dataclass(frozen=True, slots=True, eq=False)
class LearntSpillover:
    """A spillover with what each coefficient rests on.

    Parameters
    ----------
    rows
        One per coefficient, diagonal and unknown ones included; keys are ``COLUMNS``.
    problems
        Errors where a control could not be matched or used: the matrix is then that of the others.
    """

    spillover: Spillover
    rows: tuple[Mapping[str, Any], ...]
    slopes: Mapping[str, Slopes] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()

    @property
    def table(self) -> pd.DataFrame:
        """Return the rows as a data frame."""
        import pandas as pd

        return pd.DataFrame(list(self.rows), columns=list(COLUMNS))


def learn_spillover(
    controls: Sequence[Control],
    *,
    panel: Panel | None = None,
    detectors: Sequence[str] | None = None,
    seed: int = 1,
) -> LearntSpillover:
    """Learn a spillover from single-stain controls.

    Parameters
    ----------
    controls
        Single stains, and unstained tubes if there are any; of one machine at one setting. Several of one detector
        are all evaluated, and the one with the smallest errors is used.
    panel
        Gives markers and fluorochromes by which a control may be called.
    detectors
        Of the matrix; those of the panel, or every area of fluorescence.

    Returns
    -------
    LearntSpillover
        A detector without a usable control has a row that is 1 for itself and 0 elsewhere, with a warning.

    Raises
    ------
    StudyError
        If there is no single stain, or names and light of any do not agree; with the candidates of all.
    """
    single = [one for one in controls if not one.unstained]
    if not single:
        raise StudyError([_NO_CONTROL])
    names = tuple(detectors or fluorescence_detectors(single[0].tube, panel))
    light = {one.name: read_light(one.tube, names) for one in controls}
    matched, near = _matched(controls, light, names, panel=panel)
    rng = np.random.default_rng(seed)
    problems = list(matched.problems)
    best: dict[str, _Evaluated] = {}
    for one in single:
        dye = matched.detector[one.name]
        made = _evaluate(one.name, light[one.name], near[one.name], own=names.index(dye), rng=rng)
        if isinstance(made, str):
            hint = "record this control again, or leave it out; its row stays unknown"
            problems.append(Problem("error", "CYT333", f"{one.name} ({dye})", made, hint))
        else:
            best[dye] = _better(best.get(dye), made)
    return _joined(names, best, problems, panel)


@dataclass(frozen=True, slots=True, eq=False)
class _Evaluated:
    tube: str
    negatives: str
    slopes: Slopes
    note: str = ""


def _matched(
    controls: Sequence[Control], light: Mapping[str, Light], names: Sequence[str], *, panel: Panel | None
) -> tuple[Matching, dict[str, tuple[str, Negatives] | None]]:
    """Return the detector of every single stain, and the unstained tube that it is set against."""
    single = [one for one in controls if not one.unstained]
    unstained = {one.name: prepare(light[one.name]) for one in controls if one.unstained}
    near = {one.name: nearest(light[one.name], unstained) for one in single}
    said = []
    for one in single:
        dull = near[one.name]
        said.append(_candidate(one, light[one.name], dull[1] if dull else None, panel=panel, names=names))
    matched = agree(said, names)
    if any(problem.severity == "error" for problem in matched.problems):
        raise StudyError(matched.problems)
    return matched, near


def matched_detectors(
    controls: Sequence[Control], detectors: Sequence[str], *, panel: Panel | None = None
) -> Mapping[str, str]:
    """Return the detector of each single stain, by its name; see :func:`learn_spillover`.

    Raises
    ------
    StudyError
        If names and light of any control do not agree.
    """
    light = {one.name: read_light(one.tube, detectors) for one in controls}
    return _matched(controls, light, detectors, panel=panel)[0].detector


def name_problems(controls: Sequence[Control], panel: Panel | None = None) -> tuple[Problem, ...]:
    """Return what is wrong with controls as far as their names say: before any event is read."""
    single = [one for one in controls if not one.unstained]
    if not single:
        return (_NO_CONTROL,)
    names = fluorescence_detectors(single[0].tube, panel)
    return agree([_by_name(one, panel, names) for one in single], names).problems


def _by_name(one: Control, panel: Panel | None, names: Sequence[str]) -> Candidate:
    """Return what the names of a control say, or what the user said of it."""
    called = {name: called_names(name, one.tube, panel) for name in names}
    texts = [one.name, one.tube.path.stem, *(one.tube.keywords.get(key, "") for key in KEYWORDS)]
    said, why = named_detectors(texts, called)
    if not one.detector:
        return Candidate(one.name, said, why)
    given, _ = named_detectors([one.detector], called)
    meant = (one.detector,) if one.detector in names else given
    if len(meant) == 1:
        return Candidate(one.name, meant, one.detector, given=meant[0])
    return Candidate(one.name, meant, one.detector)


def _candidate(
    one: Control, light: Light, dull: Negatives | None, *, panel: Panel | None, names: Sequence[str]
) -> Candidate:
    """Return what names and light of a control say of whose it is."""
    above = light_above(light, dull.light if dull else None)
    first, second = (int(at) for at in np.argsort(-above)[:2]) if len(names) > 1 else (0, 0)
    times = above[first] / above[second] if above[second] > 0 else np.inf
    noise = float(spread(dull.light.values)[first]) if dull else 0.0
    found = _by_name(one, panel, names)
    if above[first] <= 3 * noise:  # nothing in it shines: the estimate says so
        return found
    return replace(found, brightest=names[first], next_brightest=names[second], times=float(times))


def nearest(light: Light, unstained: Mapping[str, Negatives]) -> tuple[str, Negatives] | None:
    """Return the unstained tube in whose scatter a control lies: cells for cells, beads for beads; none if in none."""
    far = {name: far_from(light, dull) for name, dull in unstained.items()}
    name = min(far, key=lambda one: far[one], default="")
    return (name, unstained[name]) if name and np.isfinite(far[name]) else None


def _evaluate(
    name: str, light: Light, dull: tuple[str, Negatives] | None, *, own: int, rng: np.random.Generator
) -> _Evaluated | str:
    """Return the slopes of one control, or why there are none."""
    found = dull or _own_dull(light, own)
    if isinstance(found, str):
        return found
    slopes = find_slopes(match(light, found[1]), own, rng=rng)
    piled = light.piled[own]
    if piled > (FEWEST if isinstance(slopes, str) else slopes.positives):
        return f"saturated: {piled} events at the end of the detector"
    if isinstance(slopes, str):
        return slopes
    notes = [f"{light.piled[own]} events at the end of the detector left out"] if light.piled[own] else []
    if slopes.glow:
        notes.append(f"dim: autofluorescence ({slopes.glow:.2g} of its spectrum) was taken off the row")
    return _Evaluated(name, found[0], slopes, "; ".join(notes))


def _own_dull(light: Light, own: int) -> tuple[str, Negatives] | str:
    """Return a control's own dull events, below the valley of its own detector, or why there are none."""
    shown = np.arcsinh(light.values[:, own] / 150)
    cut = valley(shown)
    if not isinstance(cut, Cut):
        return f"no unstained tube matches its scatter, and it has no negatives of its own ({cut.reason})"
    dull = light.only(shown < cut.value)
    if len(dull.values) < FEWEST:
        return f"no unstained tube matches its scatter, and it has {len(dull.values)} negatives of its own"
    return "its own dull events", prepare(dull)


def _better(first: _Evaluated | None, second: _Evaluated) -> _Evaluated:
    """Return the control with the smaller errors, and note how far the other's coefficients are from its own."""
    if first is None:
        return second
    best, other = sorted((first, second), key=lambda one: float(np.median(one.slopes.errors)))
    apart = float(np.abs(best.slopes.coefficients - other.slopes.coefficients).max())
    note = f"chosen over {other.tube}, whose errors are larger and coefficients up to {apart:.4f} apart"
    return replace(best, note="; ".join(part for part in (best.note, note) if part))


def _joined(
    names: tuple[str, ...], best: Mapping[str, _Evaluated], problems: Sequence[Problem], panel: Panel | None
) -> LearntSpillover:
    matrix, rows = np.eye(len(names)), []
    for at, dye in enumerate(names):
        one = best.get(dye)
        if one:
            matrix[at] = one.slopes.coefficients
        for to, detector in enumerate(names):
            about = {"from": dye, "detector": detector, "coefficient": matrix[at, to]}
            rows.append(about | _said(one, to))
    more = list(problems)
    if unknown := [name for name in names if name not in best]:
        said = f"no usable control of {', '.join(unknown)}: taken to spill nowhere"
        used = {c.detector for c in panel.channels if c.role != "unused"} if panel else set()
        dyed = ", ".join(name for name in unknown if name in used)
        hint = f"the panel has a dye in {dyed}, whose light stays elsewhere: record a control"
        hint = hint if dyed else "right where no dye of the study is in that detector"
        more.append(Problem("error" if dyed else "warning", "CYT334", "controls", said, hint))
    slopes = {name: one.slopes for name, one in best.items()}
    return LearntSpillover(Spillover(names, matrix), tuple(rows), slopes, tuple(more))


def _said(one: _Evaluated | None, to: int) -> dict[str, Any]:
    if one is None:
        nothing = {"error": np.nan, "n_positive": 0, "n_negative": 0, "tube": "", "negatives": ""}
        return {**nothing, "note": "no usable control: not known"}
    found = one.slopes
    return {
        "error": found.errors[to],
        "n_positive": found.positives,
        "n_negative": found.negatives,
        "tube": one.tube,
        "negatives": one.negatives,
        "note": one.note,
    }
