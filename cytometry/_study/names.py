"""What file names say of tubes: kind of tube, subject, arm, timepoint, batch, stimulus. Guesses, told as such."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from types import MappingProxyType

from cytometry.markers import read_label
from cytometry.panel import Panel, repeated

# The first that matches decides.
KINDS = MappingProxyType(
    {
        "fmo": r"(?<![a-z])fmo",
        "unstained": r"unstain|no.?stain|blank",
        "healthy_anchor": r"anchor|healthy",
        "isotype": r"isotype|(?<![a-z])iso(?![a-z])",
        "unstimulated": r"un.?stim|non.?stim|no.?stim",
        "single_stain": r"single|compensation|(?<![a-z])comp(?![a-z])|stained control|(?<![a-z])ss(?![a-z])",
    }
)
STIMULI = ("SEB", "PMA", "PHA", "LPS", "CEF", "CEFT", "CytoStim", "ionomycin")
CONTROL_ARMS = (
    "control",
    "ctrl",
    "ctl",
    "con",
    "vehicle",
    "veh",
    "placebo",
    "untreated",
    "mock",
    "dmso",
    "pbs",
    "wt",
    "naive",
)
TREATED_ARMS = (
    "treated",
    "temsirolimus",
    "tem",
    "everolimus",
    "rapamycin",
    "sirolimus",
    "drug",
    "virus",
    "infected",
    "ko",
)
TIMEPOINTS = re.compile(
    r"pre|post|baseline|base|screen(ing)?|on|eot|[a-z]+_[a-z_]+|followup|(d|day|w|wk|week|m|month|v|visit|t|c)\d{1,3}(d\d+)?",
    re.IGNORECASE,
)
DATE = re.compile(r"(?<!\d)(20\d\d)[-_.]?(0[1-9]|1[0-2])[-_.]?(0[1-9]|[12]\d|3[01])(?!\d)")
# Timepoints of two words, which are kept together while names are taken apart.
_TWO_WORDS = re.compile(
    r"(?<![a-z])(on|off|pre|post|end|follow)[-_ ](of[-_ ])?(treatment|therapy|dose|drug|up)(?![a-z])",
    re.IGNORECASE,
)
_JOINT = "~"
PERSON = re.compile(r"(?=.*[A-Za-z])(?=.*\d)[A-Za-z0-9]+")
_SPLIT = re.compile(r"[_\-\s./\\]+")


@dataclass(frozen=True, slots=True)
class TubeGuess:
    """What a file's name says of its tube; ``""`` where it says nothing."""

    file: str
    kind: str = "sample"
    lacks: tuple[str, ...] = ()
    subject: str = ""
    arm: str = ""
    timepoint: str = ""
    batch: str = ""
    stimulus: str = ""


@dataclass(slots=True)
class _Words:
    """The words of each file's name, in columns where all names have as many; what a column was taken for."""

    files: Sequence[str]
    words: list[list[str]] = field(default_factory=list)
    used: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.words = [_words(file) for file in self.files]
        if len({len(words) for words in self.words}) > 1:
            self.words = _persons_alone(self.words)

    def column(self, at: int) -> list[str]:
        return [words[at].replace(_JOINT, "_") for words in self.words]

    def persons(self) -> list[str] | None:
        """Return the column of names such as P03 or INF052: not one of days where there is another, the richest."""
        columns = [self.column(at) for at in range(len(self.words[0]) if self.words else 0)]
        fitting = {
            at: (not all(map(TIMEPOINTS.fullmatch, column)), len(set(column)))
            for at, column in enumerate(columns)
            if len(set(column)) > 1 and all(map(PERSON.fullmatch, column))
        }
        if not fitting:
            return None
        best = max(fitting, key=lambda at: fitting[at])
        self.used.add(best)
        return columns[best]

    def find(self, fits: re.Pattern[str] | Sequence[str], *, most: int) -> list[str] | None:
        """Return the first unused column whose words fit, all of them or one of a list, and are few enough."""
        for at in range(len(self.words[0]) if self.words else 0):
            column = self.column(at)
            several = 1 < len(set(column)) <= most
            known = (
                fits.fullmatch if isinstance(fits, re.Pattern) else [one.lower() for one in fits].__contains__
            )
            hits = [bool(known(word if isinstance(fits, re.Pattern) else word.lower())) for word in column]
            enough = all(hits) if isinstance(fits, re.Pattern) else any(hits)
            if at not in self.used and several and enough:
                self.used.add(at)
                return column
        return None


def _words(file: str) -> list[str]:
    whole = _TWO_WORDS.sub(lambda found: re.sub("[-_ ]", _JOINT, found[0]), DATE.sub(" ", _stem(file)))
    return [word for word in _SPLIT.split(whole) if word]


def _persons_alone(words: Sequence[Sequence[str]]) -> list[list[str]]:
    """Return the one name such as P03 of each file, where names have unlike numbers of words; else nothing."""
    everywhere = set.intersection(*map(set, words))
    people = [[word for word in own if PERSON.fullmatch(word) and word not in everywhere] for own in words]
    return people if all(len(own) == 1 for own in people) else [[] for _ in words]


def _stem(file: str) -> str:
    path = PurePath(file)
    return str(path.with_suffix("")) if path.suffix.lower() in (".fcs", ".lmd") else str(path)


def guess_tubes(files: Sequence[str], panel: Panel) -> tuple[list[TubeGuess], list[str]]:
    """Return what the names of a stain's files say, in their order, and how that was read.

    Parameters
    ----------
    files
        Relative to the folder of the study; folders are read as part of the name.
    """
    kinds = {file: _kind(file) for file in files}
    if "sample" not in kinds.values():  # a tube without stimulus is a control only beside one with it
        kinds = {file: "sample" if kind == "unstimulated" else kind for file, kind in kinds.items()}
    samples = [file for file in files if kinds[file] in ("sample", "unstimulated")]
    said, notes = _guess_samples(samples)
    found = []
    for file in files:
        kind = kinds[file]
        guess = said.get(file) or TubeGuess(file, batch=_date(file))
        lacks = _lacks(file, panel) if kind in ("fmo", "isotype") else ()
        found.append(
            TubeGuess(
                file, kind, lacks, guess.subject, guess.arm, guess.timepoint, guess.batch, guess.stimulus
            )
        )
    return found, notes


def _kind(file: str) -> str:
    return next(
        (kind for kind, pattern in KINDS.items() if re.search(pattern, _stem(file), re.IGNORECASE)), "sample"
    )


def _lacks(file: str, panel: Panel) -> tuple[str, ...]:
    """Return the marker that a control's name gives, or that of the fluorochrome that it gives."""
    reading = read_label(
        re.sub("fmo|isotype|minus|without", " ", PurePath(_stem(file)).name, flags=re.IGNORECASE)
    )
    named = tuple(marker for marker in reading.markers if marker in panel.markers)
    by_dye = tuple(
        channel.marker
        for channel in panel.channels
        if reading.fluorochrome
        and channel.fluorochrome == reading.fluorochrome
        and channel.marker in panel.markers
    )
    return named or by_dye


def _date(file: str) -> str:
    match = DATE.search(_stem(file))
    return "-".join(match.groups()) if match else ""


def _guess_samples(files: Sequence[str]) -> tuple[Mapping[str, TubeGuess], list[str]]:
    if not files:
        return {}, []
    names = _Words(files)
    dates = [_date(file) for file in files]
    days = dates if len(set(dates)) > 1 and all(dates) else None
    arms = names.find((*CONTROL_ARMS, *TREATED_ARMS), most=6)
    people = names.persons()
    times = names.find(TIMEPOINTS, most=max(2, len(files) // 2))
    numbers = None if people else names.find(re.compile(r"[A-Za-z]*\d+"), most=len(files))
    subjects = people or numbers
    if arms and numbers:
        # A bare number is a replicate within its arm: nothing says that Mock_01 and Virus_01 are one animal.
        subjects = [f"{arm}_{number}" for arm, number in zip(arms, numbers, strict=True)]
    blank = [""] * len(files)
    stimuli = map(_stimulus, files)
    columns = (files, subjects or blank, arms or blank, times or blank, days or blank, stimuli)
    found = {
        file: TubeGuess(file, subject=subject, arm=arm, timepoint=time, batch=batch, stimulus=stimulus)
        for file, subject, arm, time, batch, stimulus in zip(*columns, strict=True)
    }
    notes = [f"batch from the dates in the file names: {len(set(dates))} days"] if days else []
    notes += [f"arm from the file names: {_counted(arms)}"] if arms else []
    notes += [f"timepoint from the file names: {_counted(times)}"] if times else []
    notes += [_subject_note(subjects, arms=arms, numbered=people is None)] if subjects else []
    return found, notes


def _stimulus(file: str) -> str:
    words = {word.lower() for word in _SPLIT.split(_stem(file))}
    return next((stimulus for stimulus in STIMULI if stimulus.lower() in words), "")


def _counted(values: Sequence[str]) -> str:
    return ", ".join(f"{value} ({values.count(value)})" for value in dict.fromkeys(values))


def _subject_note(subjects: Sequence[str], *, arms: Sequence[str] | None, numbered: bool) -> str:
    first = list(dict.fromkeys(subjects))
    said = f"subject from the file names: {', '.join(first[:4])}{', ...' if len(first) > 4 else ''} ({len(first)})"
    if numbered and arms:
        return f"{said}; one number in two arms is taken as two subjects: mend samples.csv if it is one"
    return said


def control_arm(arms: Sequence[str]) -> str:
    """Return the arm whose name says that it is the control, ``""`` if none or several do."""
    found = [arm for arm in dict.fromkeys(arms) if arm.lower() in CONTROL_ARMS]
    return found[0] if len(found) == 1 else ""


def tube_names(files: Sequence[str]) -> dict[str, str]:
    """Return what each file's tube is called: as the file, with its folder where two files share a name."""
    twice = set(repeated([PurePath(file).stem for file in files]))
    return {
        file: PurePath(file).with_suffix("").as_posix().replace("/", "_") if stem in twice else stem
        for file, stem in ((file, PurePath(file).stem) for file in files)
    }
