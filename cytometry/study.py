"""Study: which tube is whose, how each stain is gated, and what is compared; read and checked together.

>>> study = read_study("study.toml")     # StudyError with every problem, each with file and line
>>> study.tubes_of("T")                  # rows of samples.csv
>>> study.stains["T"].panel              # detector, marker, fluorochrome, role
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from cytometry._study.codes import CODES
from cytometry._study.model import Comparison, SheetRow, Stain, Study
from cytometry._study.suggest import Suggestion
from cytometry.errors import Problem, StudyError
from cytometry.markers import canonical_marker

__all__ = [
    "CODES",
    "Comparison",
    "SheetRow",
    "Stain",
    "Study",
    "check_study",
    "folder_study",
    "init_study",
    "read_study",
    "templates",
]

FILE_NAME = "study.toml"


def read_study(path: str | Path) -> Study:
    """Read a study: ``study.toml``, its sheet, panels, templates and the headers of its FCS files.

    Parameters
    ----------
    path
        Of ``study.toml``, or of the folder that holds it.

    Returns
    -------
    Study
        Its ``warnings`` hold what is worth knowing, and the FCS files that cannot be read: these tubes will
        fail, the others can be run.

    Raises
    ------
    StudyError
        With every problem, if the files contradict each other or themselves.
    """
    from cytometry._study.assemble import assemble

    study, problems = assemble(_study_file(path), headers=True)
    if study is None:
        raise StudyError([problem for problem in problems if problem.severity == "error"])
    return study


def check_study(path: str | Path, *, headers: bool = True) -> list[Problem]:
    """Return everything that is wrong or worth knowing of a study, errors first; empty for a sound one.

    Parameters
    ----------
    path
        Of ``study.toml``, or of the folder that holds it.
    headers
        Whether to read the headers of the FCS files; no event is read either way.
    """
    from cytometry._study.assemble import assemble

    return assemble(_study_file(path), headers=headers)[1]


def init_study(fcs_dir: str | Path, *, out: str | Path | None = None) -> tuple[Path, list[str]]:
    """Guess a study from the headers and names of the FCS files of a folder, and write its three files.

    Parameters
    ----------
    out
        The folder for ``study.toml``, ``samples.csv`` and ``panel.csv``; the folder itself if not given.

    Returns
    -------
    tuple
        The path of ``study.toml``; and what was guessed, in plain words. What could not be guessed stands as
        TODO in the files, and ``check_study`` lists it.

    Raises
    ------
    StudyError
        If the folder has no FCS file, or one of the three files is already there: none is overwritten.
    """
    from cytometry._study.init import init

    return init(Path(fcs_dir), Path(out) if out is not None else Path(fcs_dir))


def folder_study(fcs_dir: str | Path, *, template: str, seed: int = 1) -> Study:
    """Return a study of all FCS files below a folder, gated by one template, with panels guessed from headers.

    Parameters
    ----------
    template
        The name of a built-in template, the path of a TOML file, or ``auto``: each panel has the built-in one that
        suits it best, and a warning says why. Files with a panel that none suits are left out, with a warning.

    Raises
    ------
    StudyError
        If there is no readable FCS file, no such template, or no file has its markers.
    """
    from cytometry._study import folder

    return folder.folder_study(fcs_dir, template=template, seed=seed)


def templates(markers: Iterable[str] = (), *, species: str = "", tissue: str = "") -> tuple[Suggestion, ...]:
    """Return the built-in templates; the best for a panel first where its markers are given.

    Parameters
    ----------
    markers
        What was stained, in any usual spelling.
    species, tissue
        Blank where they do not matter; a template of another species has the fit 0.

    Returns
    -------
    tuple
        Each with its title, how well it fits (0 to 1) and why; printed one by one, they read as a list.
    """
    from cytometry._study.suggest import suggest_templates

    known = [canonical_marker(one) or one for one in markers]
    return suggest_templates(known, species=species, tissue=tissue)


def _study_file(path: str | Path) -> Path:
    path = Path(path)
    return path / FILE_NAME if path.is_dir() else path
