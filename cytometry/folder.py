"""The files of a result folder: written aside and renamed into place, read back as they were.

::

    OUT/run.json                 what was run: study, arguments, versions, seed, stains, tubes, their hashes
        tables/*.csv             statistics, contrasts, gates, qc, tubes, problems; every reported number
        gating/<stain>.toml      the template, as it was used
        gating/tubes/<n>.json    one tube's strategy, spillover and gate records
        data/*.h5ad              a declared sample of events by stain, and specimens
        .cache/<n>.npz           one code per event into the tube's table of membership sets
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np

from cytometry.errors import RunError
from gating.columns import Spillover
from gating.membership import Membership
from gating.records import ABSTAINED, GateRecord
from gating.strategy import ALL_EVENTS, GatingStrategy

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

FORMATS = ("pdf", "svg", "png")
MARK = Path(".cache", "writable")
# All that a run writes, run.json first: without it, the folder is no finished run.
RESULTS = (
    "run.json",
    "report.html",
    "methods.md",
    "tables/*.csv",
    "gating/*.toml",
    "gating/tubes/*.json",
    "data/events_*.h5ad",
    "data/specimens.h5ad",
    ".cache/*.npz",
    *(f"figures/{kind}_*.{form}" for kind in ("gating", "overlay", "compare", "forest") for form in FORMATS),
)
COUNTS = frozenset("n n_base n_events n_control n_treated n_pairs m".split())
NUMBERS = COUNTS | frozenset(
    "value linear confidence mean_control mean_treated shift shift_low shift_high ratio ratio_low ratio_high "
    "t df p p_adjusted rank_p limit".split()
)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class GatedTube:
    """What a run found in one tube; printed, it is the tree of populations with their counts."""

    tube: str
    strategy: GatingStrategy
    membership: Membership
    spillover: Spillover | None
    gates: tuple[GateRecord, ...]

    def __str__(self) -> str:
        held = self.membership
        lines = [f"{ALL_EVENTS}  {held.n_events:,}"]
        for path, count in held.counts().items():
            share = f"{100 * held.fraction(path):.3g} % of parent" if count else "none"
            lines.append(f"{'  ' * (path.count('/') + 1)}{path.rsplit('/', 1)[-1]}  {count:,}  ({share})")
        lines += [f"no gate: {r.population}: {r.reason}" for r in self.gates if r.status == ABSTAINED]
        return "\n".join(lines)

    def __repr__(self) -> str:
        held = self.membership
        return f"GatedTube({self.tube!r}: {held.n_events:,} events, {len(held.populations)} populations)"


@contextmanager
def written_aside(path: Path) -> Iterator[Path]:
    """Give a name beside ``path`` to write to, and rename it into place if all went well.

    Raises
    ------
    RunError
        If the folder cannot be made or written.
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
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
    """Make a result folder ready: see that it can be written, and take away what an earlier run left there.

    A tube, stain or figure that the new run does not have must not be taken for one of its results. Files that
    no run writes stay.

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
    earlier = any((folder / name).is_file() for name in (MARK, "run.json"))
    write_text(folder / MARK, "a run could write here\n")
    for pattern in RESULTS if earlier else ():
        for path in folder.glob(pattern):
            try:
                path.unlink()
            except OSError as error:
                msg = f"cannot remove {path} of an earlier run: {error.strerror or error}; choose another folder"
                raise RunError(msg) from error


def save_tube(folder: Path, number: int, found: GatedTube) -> None:
    """Write one tube's strategy, records and codes."""
    said = {
        "tube": found.tube,
        "strategy": found.strategy.to_dict(),
        "spillover": spillover_to_dict(found.spillover),
        "gates": [_finite(asdict(record)) for record in found.gates],
    }
    text = json.dumps(said, indent=1, allow_nan=False)
    write_text(folder / "gating" / "tubes" / f"{number:04d}.json", f"{text}\n")
    with written_aside(folder / ".cache" / f"{number:04d}.npz") as aside, aside.open("wb") as handle:
        membership = found.membership
        np.savez_compressed(handle, codes=membership.codes, sets=np.packbits(membership.sets, axis=1))


def tubes_since(folder: Path, moment: float) -> int:
    """Return how many tubes' results were written since a moment, in seconds of the system clock."""
    written = (folder / "gating" / "tubes").glob("*.json")
    return sum(path.stat().st_mtime >= moment for path in written)


def load_tube(folder: Path, number: int, tube: str) -> GatedTube:
    """Read what :func:`save_tube` wrote.

    Raises
    ------
    RunError
        If a file is missing or belongs to another tube.
    """
    try:
        said = json.loads((folder / "gating" / "tubes" / f"{number:04d}.json").read_text(encoding="utf-8"))
        codes_file = folder / ".cache" / f"{number:04d}.npz"
        with codes_file.open("rb") as handle, np.load(handle) as cached:
            codes, packed = cached["codes"], cached["sets"]
    except (OSError, EOFError, KeyError, ValueError, BadZipFile) as error:
        msg = f"the result of tube {tube} cannot be read ({error}); run the study again"
        raise RunError(msg) from error
    if said["tube"] != tube:
        msg = f"the result folder holds tube {said['tube']} where {tube} should be; run the study again"
        raise RunError(msg)
    strategy = GatingStrategy.from_dict(said["strategy"])
    sets = np.unpackbits(packed, axis=1, count=len(strategy.paths)).astype(np.bool_)
    records = tuple(_record(gate) for gate in said["gates"])
    spillover = said["spillover"]
    matrix = spillover and Spillover(tuple(spillover["detectors"]), np.array(spillover["matrix"]))
    return GatedTube(tube, strategy, Membership(strategy.paths, codes, sets), matrix, records)


def spillover_to_dict(spillover: Spillover | None) -> Mapping[str, Any] | None:
    """Return detectors and matrix as plain values, for JSON."""
    if spillover is None:
        return None
    return {"detectors": list(spillover.detectors), "matrix": spillover.matrix.tolist()}


def _finite(value: Any) -> Any:
    """Return plain values with ``None`` for a number that is none: JSON knows no NaN."""
    match value:
        case dict():
            return {key: _finite(inner) for key, inner in value.items()}
        case float():
            return value if np.isfinite(value) else None
    return value


def _record(gate: dict[str, Any]) -> GateRecord:
    """Return a gate's record as it was, from what JSON keeps of it."""
    numbers = {key: np.nan if gate[key] is None else gate[key] for key in ("value", "linear")}
    saw = {key: np.nan if seen is None else seen for key, seen in gate["saw"].items()}
    return GateRecord(**{**gate, **numbers, "saw": saw, "learnt_from": tuple(gate["learnt_from"])})
