"""The AnnData of events: its keys in one place, how it is built, and what it must hold.

``X`` is on the display scale (float32), ``layers["compensated"]`` and ``layers["raw"]`` on the linear one.
``obsm["membership"]`` has one bool column per population; its names join the path's parts with ``|``, since
HDF5 keeps ``/`` for itself. ``var`` keeps the columns that readfcs, pytometry and FlowSOM look for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cytometry.errors import CytometryError
from cytometry.panel import Panel
from gating.columns import Columns, Dimension
from gating.membership import Membership

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

UNS = "cytometry"
MEMBERSHIP = "membership"
COMPENSATED = "compensated"
RAW = "raw"
OBS = (
    "tube",
    "specimen",
    "subject",
    "arm",
    "timepoint",
    "batch",
    "tissue",
    "qc_pass",
    "event",
    "weight",
    "population",
)
VAR = ("channel", "marker", "fluorochrome", "role", "scale")
UNGATED = "other"


@dataclass(frozen=True, slots=True, eq=False)
class TubeEvents:
    """Some events of one tube, with all that a row of the AnnData says of them.

    Parameters
    ----------
    rows
        Row numbers in the FCS file, ascending.
    weight
        How many of the tube's events each row stands for: 1 where nothing was left out.
    labels
        ``specimen``, ``subject``, ``arm``, ``timepoint``, ``batch``, ``tissue`` of the tube.
    """

    tube: str
    columns: Columns
    membership: Membership
    rows: NDArray[np.intp]
    weight: float = 1.0
    labels: Mapping[str, str] = field(default_factory=dict)
    qc_pass: bool = True


def column_name(path: str) -> str:
    """Return a population path as the name of its column in ``obsm["membership"]``."""
    return path.replace("/", "|")


def build_events(
    pieces: Sequence[TubeEvents],
    *,
    panel: Panel,
    lineage: Sequence[str] = (),
    record: Mapping[str, Any] | None = None,
) -> AnnData:
    """Return one AnnData of the tubes' events, tube after tube.

    Parameters
    ----------
    pieces
        Tubes of one stain: the same dimensions in each.
    panel
        Names marker, fluorochrome and role of each channel.
    lineage
        Paths of the populations that partition the cells; ``obs["population"]`` is the deepest of them that
        holds the event, else ``"other"``.
    record
        Goes to ``uns["cytometry"]``, each value as JSON.

    Raises
    ------
    CytometryError
        If there is no piece, or two have different dimensions.
    """
    import anndata

    from gating.engine import read

    if not pieces:
        msg = "an AnnData of events needs at least one tube"
        raise CytometryError(msg)
    dimensions = pieces[0].columns.dimensions
    strangers = [piece.tube for piece in pieces if list(piece.columns.dimensions) != list(dimensions)]
    if strangers:
        msg = (
            f"{', '.join(strangers)} and {pieces[0].tube} have other dimensions; export each stain by itself"
        )
        raise CytometryError(msg)
    names = list(dimensions)
    built = anndata.AnnData(
        X=np.vstack([read(piece.columns, names, rows=piece.rows) for piece in pieces]),
        obs=_obs(pieces, lineage),
        var=_var(dimensions, panel),
    )
    built.layers[COMPENSATED] = np.vstack(
        [read(piece.columns, names, rows=piece.rows, display=False) for piece in pieces]
    )
    built.layers[RAW] = np.vstack([_raw(piece, names) for piece in pieces])
    built.obsm[MEMBERSHIP] = _membership(pieces, built.obs_names)
    built.uns[UNS] = {key: json.dumps(value, default=str) for key, value in (record or {}).items()}
    return built


def validate_events(adata: AnnData) -> None:
    """Check that an AnnData keeps the contract of this module.

    Raises
    ------
    CytometryError
        Naming everything that is missing or does not fit, at once.
    """
    wrong = [f"obs has no {key!r}" for key in OBS if key not in adata.obs]
    wrong += [f"var has no {key!r}" for key in VAR if key not in adata.var]
    wrong += [f"layers has no {key!r}" for key in (COMPENSATED, RAW) if key not in adata.layers]
    if MEMBERSHIP not in adata.obsm:
        wrong.append(f"obsm has no {MEMBERSHIP!r}")
    elif not all(kind == np.bool_ for kind in adata.obsm[MEMBERSHIP].dtypes):
        wrong.append(f"obsm[{MEMBERSHIP!r}] is not bool throughout")
    if UNS not in adata.uns:
        wrong.append(f"uns has no {UNS!r}")
    if not adata.obs_names.is_unique or not adata.var_names.is_unique:
        wrong.append("an event or a marker occurs twice")
    if wrong:
        msg = "this AnnData is not one of events: " + "; ".join(wrong)
        raise CytometryError(msg)


def deepest(membership: Membership, lineage: Sequence[str], rows: NDArray[np.intp]) -> NDArray[np.str_]:
    """Return the name of the deepest population of ``lineage`` that holds each event, else ``"other"``."""
    held = sorted((p for p in membership.populations if p in lineage), key=lambda p: p.count("/"))
    per_set = np.full(len(membership.sets), UNGATED, dtype=object)
    for path in held:
        per_set[membership.sets[:, membership.populations.index(path)]] = path.rsplit("/", 1)[-1]
    return np.asarray(per_set[membership.codes[rows]])


def _obs(pieces: Sequence[TubeEvents], lineage: Sequence[str]) -> pd.DataFrame:
    import pandas as pd

    tables = []
    for piece in pieces:
        labels = {
            key: piece.labels.get(key, "")
            for key in ("specimen", "subject", "arm", "timepoint", "batch", "tissue")
        }
        values: dict[str, Any] = {
            "tube": piece.tube,
            **labels,
            "qc_pass": piece.qc_pass,
            "event": piece.rows.astype(np.int64),
            "weight": np.float32(piece.weight),
            "population": deepest(piece.membership, lineage, piece.rows),
        }
        tables.append(pd.DataFrame(values, index=[f"{piece.tube}:{row}" for row in piece.rows]))
    obs = pd.concat(tables)
    for key in OBS:
        if key not in {"qc_pass", "event", "weight"}:
            obs[key] = obs[key].astype(str).astype("category")
    return obs


def _var(dimensions: Mapping[str, Dimension], panel: Panel) -> pd.DataFrame:
    import pandas as pd

    channels = {channel.detector: channel for channel in panel.channels}
    rows = []
    for name, dimension in dimensions.items():
        known = channels.get(dimension.channel)
        rows.append(
            {
                "channel": dimension.channel,
                "marker": name,
                "fluorochrome": known.fluorochrome if known else "",
                "role": known.role if known else "",
                "scale": dimension.scale.name,
            }
        )
    return pd.DataFrame(rows, index=list(dimensions))


def _raw(piece: TubeEvents, names: Sequence[str]) -> NDArray[np.float32]:
    """Return channels as the detectors reported them; where a dimension is a ratio, the channel above the line."""
    from gating.engine import read

    as_recorded = {
        name: Dimension(piece.columns.dimension(name).channel, compensated=False) for name in names
    }
    columns = piece.columns.with_dimensions(as_recorded)
    return read(columns, names, rows=piece.rows, display=False)


def _membership(pieces: Sequence[TubeEvents], index: pd.Index[str]) -> pd.DataFrame:
    """Join the tubes' memberships; the column is False where a tube's gate abstained."""
    import pandas as pd

    paths = list(dict.fromkeys(path for piece in pieces for path in piece.membership.populations))
    parts = []
    for piece in pieces:
        part = np.zeros((len(piece.rows), len(paths)), dtype=np.bool_)
        places = [paths.index(path) for path in piece.membership.populations]
        part[:, places] = piece.membership.sets[piece.membership.codes[piece.rows]]
        parts.append(part)
    return pd.DataFrame(np.vstack(parts), index=index, columns=[column_name(path) for path in paths])


def build_specimens(table: pd.DataFrame) -> AnnData:
    """Return one row per specimen and one column per population, from the tidy table.

    ``X`` is the fraction of the parent; each other fraction, and the count, is a layer. Only tubes of kind
    ``sample`` enter; several tubes of one specimen and stain are averaged. ``var`` has stain and population.
    """
    import anndata
    import numpy as np
    import pandas as pd

    rows = table[(table["kind"] == "sample") & (table["marker"] == "")]
    labels = ["specimen", "subject", "arm", "timepoint", "batch"]
    obs = rows[labels].drop_duplicates("specimen").set_index("specimen")
    rows = rows.assign(column=rows["stain"] + "|" + rows["population"].map(column_name))
    var = rows[["column", "stain", "population"]].drop_duplicates("column").set_index("column")
    built = anndata.AnnData(obs=obs, var=var)
    for statistic, part in rows.groupby("statistic", sort=False):
        wide = part.pivot_table(
            index="specimen", columns="column", values="value", aggfunc="mean", dropna=False
        )
        values = wide.reindex(index=obs.index, columns=var.index).to_numpy(dtype=np.float64)
        built.layers[str(statistic).replace("/", "|")] = values
    built.X = built.layers["fraction_of_parent"].copy()
    built.var["population"] = pd.Series(var["population"].to_numpy(), index=var.index)
    return built


def draw(rows: np.ndarray, most: int | None, *, seed: int, tube: str) -> np.ndarray:
    """Return at most ``most`` of the rows, ascending; the same ones for the same seed and tube."""
    if most is None or len(rows) <= most:
        return rows
    rng = np.random.default_rng([seed, *tube.encode()])
    return np.sort(rng.choice(rows, most, replace=False))
