"""The files of a result folder: written aside and renamed into place, read back as they were.

::

    OUT/run.json                 what was run: study, arguments, versions, seed, stains, tubes, their hashes
        tables/*.csv             statistics, contrasts, gates, qc, tubes, problems; every reported number
        gating/<stain>.toml      the template, as it was used
        gating/tubes/*.json      one tube's strategy, spillover, gate records, counts and hashes
        data/*.h5ad              a declared sample of events by stain, and specimens
        results.xlsx prism/*.csv miflowcyt.*   the tables for Excel and Prism, the checklist; written with the report
        .cache/                  codes of every event, what was learnt, the lock: what a later run takes again
"""

from __future__ import annotations

import os
from collections.abc import Container, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING

from cytometry.errors import RunError

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

FORMATS = ("pdf", "svg", "png")
MARK = Path(".cache", "writable")
FIRST, OURS = "a first run begins here\n", "a run could write here\n"
# All that a run writes anew, run.json first: without it, the folder is no finished run.
RESULTS = (
    "run.json",
    ".cache/sealed.json",
    "report.html",
    "methods.md",
    "results.xlsx",
    "prism/*.csv",
    "miflowcyt.*",
    "tables/*.csv",
    "gating/*.toml",
    "data/events_*.h5ad",
    "data/specimens.h5ad",
    *(f"figures/{kind}_*.{form}" for kind in ("gating", "overlay", "compare", "forest") for form in FORMATS),
)
KEPT = (
    "gating/tubes/*.json",
    ".cache/*.codes",
    ".cache/*.qc.json",
    ".cache/learnt_*.json",
    ".cache/answers_*.jsonl",
)
HALF_WRITTEN = tuple(
    f"{place}.*.part"
    for place in ("", "tables/", "prism/", "gating/", "gating/tubes/", "data/", "figures/", ".cache/")
)
COUNTS = frozenset(
    "n n_base n_events n_control n_treated n_pairs m n_functions n_stimulated n_base_stimulated n_unstimulated "
    "n_base_unstimulated n_removed not_finite cohort_n".split()
)
NUMBERS = COUNTS | frozenset(
    "value linear confidence mean_control mean_treated shift shift_low shift_high ratio ratio_low ratio_high "
    "t df p p_adjusted rank_p limit stimulated unstimulated net fold "
    "start stop share slope slope_low slope_high margin_high margin_low "
    "linear_low linear_high cohort_linear cohort_distance fraction cohort_fraction fraction_distance".split()
)


@contextmanager
def written_aside(path: Path) -> Iterator[Path]:
    """Give a name beside ``path`` to write to, and rename it into place if all went well.

    Raises
    ------
    RunError
        If the folder cannot be made or written.
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}-{token_hex(4)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield aside
        aside.replace(path)
    except OSError as error:
        msg = f"cannot write {path}: {error.strerror or error}; choose another folder or make room"
        raise RunError(msg) from error
    finally:
        with suppress(OSError):  # it is not there, or its folder is none
            aside.unlink()


def write_text(path: Path, text: str) -> None:
    """Write a text file aside and rename it into place."""
    with written_aside(path) as aside:
        aside.write_text(text, encoding="utf-8")


def write_table(folder: Path, name: str, table: pd.DataFrame) -> None:
    """Write ``tables/<name>.csv``; numbers in the shortest form that reads back the same."""
    with written_aside(folder / "tables" / f"{name}.csv") as aside:
        table.to_csv(aside, index=False)


def read_table(folder: Path, name: str) -> pd.DataFrame:
    """Read ``tables/<name>.csv`` as it was written: text stays text, counts are whole, an empty number is missing.

    Raises
    ------
    RunError
        If there is no such table, or it holds a word where a number should be.
    """
    import pandas as pd

    path = folder / "tables" / f"{name}.csv"
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except FileNotFoundError:
        msg = f"{folder} has no table {name!r}; run the study again"
        raise RunError(msg) from None
    for column in NUMBERS & set(table.columns):
        try:
            # Python's own parser: that of pandas is off in the last digit.
            number = pd.Series([float(cell or "nan") for cell in table[column]], dtype="float64")
            table[column] = number.astype("Int64") if column in COUNTS else number
        except (ValueError, TypeError) as error:
            msg = f"{path}: the column {column} holds something else than numbers: {error}"
            raise RunError(msg) from None
    return table


def write_anndata(path: Path, adata: AnnData) -> None:
    """Write an h5ad aside and rename it into place."""
    with written_aside(path) as aside:
        adata.write_h5ad(aside, compression="lzf")


def claim(folder: Path, *, apart_from: Iterable[Path]) -> None:
    """See that a folder can hold results, before any work is done.

    Parameters
    ----------
    apart_from
        Folders with the files of the user, in which no results are written.

    Raises
    ------
    RunError
        If it is one of those folders, or cannot be written.
    """
    if folder.resolve() in {other.resolve() for other in apart_from}:
        msg = f"{folder} holds the study's own files; give results a folder of their own, as {folder / 'results'}"
        raise RunError(msg)
    known = (folder / MARK).is_file() or (folder / "run.json").is_file()
    # What else is there is the user's, until the first sweep.
    first = not known or _text(folder / MARK) == FIRST
    write_text(folder / MARK, FIRST if first else OURS)


def sweep(folder: Path, *, keep: Container[str]) -> None:
    """Take away what an earlier run left in a claimed folder, but for what a new run may take again.

    A tube, stain or figure that the new run does not have must not be taken for one of its results. Files that
    no run writes stay.

    Parameters
    ----------
    keep
        Names of the files to leave in place: results of tubes, and what was learnt.

    Raises
    ------
    RunError
        If something cannot be removed.
    """
    ours = _text(folder / MARK) == OURS
    for pattern in (*RESULTS, *KEPT, *HALF_WRITTEN) if ours else HALF_WRITTEN:
        for path in folder.glob(pattern):
            if pattern in KEPT and path.name in keep:
                continue
            try:
                path.unlink()
            except OSError as error:
                msg = f"cannot remove {path} of an earlier run: {error.strerror or error}; choose another folder"
                raise RunError(msg) from error
    write_text(folder / MARK, OURS)


def _text(path: Path) -> str:
    with suppress(OSError):
        return path.read_text(encoding="utf-8")
    return ""
