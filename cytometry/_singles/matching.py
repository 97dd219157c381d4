"""Matching: which single-stain control is of which detector, by its names and by its light. Nothing is guessed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from cytometry._singles.negatives import Light
from cytometry._spillover import letters
from cytometry.errors import Problem
from gating.scales import Floats

UNSTAINED = ("unstained", "universalnegative", "nil", "blank", "nostain", "negativecontrol")
KEYWORDS = ("tube name", "smno", "fil", "src")
SEEN_ALIKE = (
    ("fitc", "alexafluor488", "af488", "bb515", "gfp", "egfp", "cfse"),
    ("apc", "alexafluor647", "af647", "efluor660"),
    ("percp", "percpcy55", "percpcy5.5", "7aad", "percpefluor710", "bb700"),
    ("apccy7", "apch7", "apcfire750", "apcefluor780", "apcalexafluor750"),
    ("alexafluor700", "af700", "apcr700"),
    ("alexafluor405", "af405"),
    ("bv421", "pacificblue", "efluor450", "v450", "brilliantviolet421"),
    ("bv510", "v500", "amcyan", "pacificorange", "alexafluor430", "brilliantviolet510"),
    ("bv605", "qdot605", "brilliantviolet605"),
    ("pecf594", "petexasred", "pedazzle594", "peefluor610", "ecd"),
    ("pecy7", "pecyanine7", "pevio770"),
    ("pecy5", "pecyanine5"),
)
"""Dyes that one detector of a usual analyser sees: a name says the detector, whichever of them is in the tube."""
QUANTILES = (0.5, 0.9, 0.98, 0.99)
CLEARLY = 1.2
"""The brightest detector is brightest beyond doubt when it shines this many times as bright as the next."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """What a control tube says of itself.

    Parameters
    ----------
    name
        Of the tube or its file.
    said
        The detectors that its names mean: all that are meant equally well; empty where they mean none.
    why
        The words that meant them.
    brightest, next_brightest
        Detectors by their light above the unstained; ``""`` where there was no looking.
    times
        How many times as bright the brightest is as the next.
    given
        The detector that the user named; ``""`` if none.
    """

    name: str
    said: tuple[str, ...] = ()
    why: str = ""
    brightest: str = ""
    next_brightest: str = ""
    times: float = np.inf
    given: str = ""


@dataclass(frozen=True, slots=True)
class Matching:
    """Which control is of which detector, and what stands in the way."""

    detector: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()


def named_detectors(texts: Sequence[str], names: Mapping[str, Sequence[str]]) -> tuple[tuple[str, ...], str]:
    """Return the detectors that texts mean, and by which word; the longest word of the first text that says any.

    Parameters
    ----------
    texts
        The file's name without ending, then keywords.
    names
        What each detector may be called: its own name, its fluorochrome, its marker.
    """
    for text in texts:
        found: dict[str, set[str]] = {}
        for detector, called in names.items():
            for word in {letters(one.removesuffix("-A")) for one in called if one} - {""}:
                for alike in {word, *_alike(word)}:
                    if _says(text, alike):
                        found.setdefault(alike, set()).add(detector)
        if found:
            longest = max(len(word) for word in found)
            meant = {d: word for word, whose in found.items() if len(word) == longest for d in whose}
            return tuple(sorted(meant)), next(iter(meant.values()))
    return (), ""


def is_unstained(text: str) -> bool:
    """Return whether a name means a tube without any dye."""
    return any(_says(text, word) for word in UNSTAINED)


def light_above(stained: Light, negative: Light | None) -> Floats:
    """Return how much brighter each detector is than the unstained, at the quantile where it is most; ``(p,)``.

    Without an unstained tube: than its own lower half.
    """
    high = np.quantile(stained.values, QUANTILES, axis=0)
    low = np.quantile(
        (negative or stained).values, QUANTILES if negative else (0.2,) * len(QUANTILES), axis=0
    )
    return np.asarray((high - low).max(axis=0))


def agree(candidates: Sequence[Candidate], detectors: Sequence[str]) -> Matching:
    """Return the detector of each control whose names and light agree, or that was given; all problems at once."""
    detector: dict[str, str] = {}
    problems = []
    for one in candidates:
        chosen, problem = _decided(one, detectors)
        if chosen:
            detector[one.name] = chosen
        if problem:
            problems.append(problem)
    return Matching(detector, tuple(problems))


def _decided(one: Candidate, detectors: Sequence[str]) -> tuple[str, Problem | None]:
    hint = f"say which: --control {one.name}=DETECTOR, or stained in samples.csv; detectors: {', '.join(detectors)}"
    light = f"{one.brightest} is brightest ({_times(one)} {one.next_brightest})" if one.brightest else ""
    doubt = one.brightest and one.times >= CLEARLY
    if one.given:
        if doubt and one.given != one.brightest:
            said = f"was named a control of {one.given}, but {light}"
            return one.given, Problem("warning", "CYT331", one.name, said, "is it the right tube?")
        return one.given, None
    if not one.said:
        said = f"does not say whose control it is; {light or 'nothing was measured'}"
        return "", Problem("error", "CYT330", one.name, said, hint)
    if len(one.said) > 1:
        said = f"{one.why!r} may mean {' or '.join(one.said)}; {light}"
        return "", Problem("error", "CYT330", one.name, said, hint)
    if doubt and one.said[0] != one.brightest:
        said = f"is called {one.why!r}, which is {one.said[0]}, but {light}"
        return "", Problem("error", "CYT330", one.name, said, hint)
    return one.said[0], None


def _times(one: Candidate) -> str:
    return f"{one.times:.3g} times" if np.isfinite(one.times) else "more than"


def _says(text: str, word: str) -> bool:
    """Return whether a text holds a word whole: letters and digits of it, whatever stands between."""
    between = r"[^a-z0-9]*"
    pattern = between.join(re.escape(letter) for letter in word if letter.isalnum())
    return bool(pattern) and bool(re.search(rf"(?<![a-z0-9]){pattern}(?![a-z0-9])", text.lower()))


def _alike(word: str) -> tuple[str, ...]:
    return next((group for group in SEEN_ALIKE if word in group), ())
