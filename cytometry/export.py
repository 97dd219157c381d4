"""Export: the events of a population, or the tables of a run, for other programs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cytometry.errors import RunError
from cytometry.events import COMPENSATED
from cytometry.folder import write_anndata, written_aside
from cytometry.store import Run

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

FORMATS = ("h5ad", "csv")
TABLES = ("xlsx", "prism", "miflowcyt")
FORBIDDEN = frozenset('/\\:*?"<>|')  # in a file's name, on one system or another


def export_events(
    run: Run,
    *,
    to: str = "h5ad",
    population: str = "",
    stain: str | None = None,
    tubes: Sequence[str] | None = None,
    folder: str | Path | None = None,
) -> list[Path]:
    """Write every event of a population, one file per stain, or the tables of a run; return the files.

    Parameters
    ----------
    to
        ``"h5ad"``, the AnnData of :meth:`Run.events`; or ``"csv"``: tube, event, population, and each marker on
        the compensated linear scale. Of the tables: ``"xlsx"``, the workbook; ``"prism"``, tables for Prism;
        ``"miflowcyt"``, the checklist. These are of the whole run, and lie in its own folder.
    population
        A name, path or end of a path; all events if ``""``.
    stain, tubes
        Which; every stain's samples if neither is given.
    folder
        Where to write; ``export`` in the result folder if not given.

    Raises
    ------
    RunError
        If there is no such format, stain, tube or population, or the folder cannot be written; if a part of the
        tables is asked for.
    """
    if to in TABLES:
        if population or stain or tubes or folder:
            msg = f"{to} holds the tables of the whole run, in its folder; name no population, stain, tube or folder"
            raise RunError(msg)
        return export_tables(run, to)
    if to not in FORMATS:
        msg = f"events are exported to {' or '.join(FORMATS)}, tables to {' or '.join(TABLES)}, not to {to!r}"
        raise RunError(msg)
    place = Path(folder) if folder is not None else run.folder / "export"
    of = "_" + "".join("_" if letter in FORBIDDEN else letter for letter in population) if population else ""
    written = []
    for name in [None] if tubes is not None else [stain] if stain is not None else run.stains:
        adata = run.events(population, tubes=tubes, stain=name)
        said = name or str(run.info["tubes"][str(adata.obs["tube"].iloc[0])]["stain"])
        path = place / f"events_{said}{of}.{to}"
        if to == "h5ad":
            write_anndata(path, adata)
        else:
            with written_aside(path) as aside:
                _frame(adata).to_csv(aside, index=False)
        written.append(path)
    return written


def export_tables(run: Run, to: str) -> list[Path]:
    """Write the tables of a run for another program, into its folder, and return the files."""
    from cytometry import miflowcyt, prism, workbook

    if to == "xlsx":
        return [workbook.write_workbook(run)]
    if to == "prism":
        return prism.write_prism(run)
    miflowcyt.write_checklist(run)
    return sorted(run.folder.glob(f"{miflowcyt.STEM}.*"))


def _frame(adata: AnnData) -> pd.DataFrame:
    import pandas as pd

    linear = pd.DataFrame(adata.layers[COMPENSATED], columns=list(adata.var_names), index=adata.obs_names)
    return pd.concat([adata.obs[["tube", "event", "population"]], linear], axis=1)
