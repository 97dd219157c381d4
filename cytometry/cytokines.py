"""Cytokines: what the stimulus added over the same cells left alone, and which functions go together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from cytometry.table import (
    COLUMNS,
    FRACTION_OF_PARENT,
    NET_FRACTION_OF_PARENT,
    TableError,
    as_table,
    check_table,
)
from gating.membership import Membership
from gating.strategy import find_path

if TYPE_CHECKING:
    import pandas as pd

MOST_FUNCTIONS = 10
# An unstimulated tube answers for a stimulated one that agrees with it in all of these.
_SAME = ("stain", "subject", "arm", "timepoint", "tissue")


def subtract_background(table: pd.DataFrame, *, populations: Sequence[str] | None = None) -> pd.DataFrame:
    """Return net fractions: stimulated minus unstimulated fraction of the parent, as rows of the table.

    A stimulated tube is of kind ``sample`` and has a stimulus. Its partners are the tubes of kind
    ``unstimulated`` of the same stain, subject, arm, timepoint and batch, of the same specimen where there is
    one, of the same tissue where the table says it. Several partners are averaged, which the flag says. A
    difference below zero stays below zero: cut at zero, the noise of the background would add up. Cells positive for
    nothing have no net fraction: a stimulus does not add them. Only a table of all subsets keeps it, as what makes
    them sum to 0.

    Parameters
    ----------
    table
        Tidy table with both kinds of tube.
    populations
        Names, paths or ends of paths to which to keep; all if not given.

    Returns
    -------
    DataFrame
        Rows with the labels, ``n`` and ``n_base`` of the stimulated tube, statistic
        ``net_fraction_of_parent``, value in [-1, 1]. NaN with its reason where the stimulated value or the
        background is missing. Empty where no tube was stimulated.

    Raises
    ------
    TableError
        If the table is not tidy, or holds no population of a given name.
    """
    import pandas as pd

    check_table(table)
    fractions = table[table["statistic"] == FRACTION_OF_PARENT]
    if "n_functions" not in table.columns and populations is not None:
        populations = [name for name in populations if not only_negatives(name)]
    if "n_functions" not in table.columns:
        fractions = fractions[~fractions["population"].map(only_negatives).astype(bool)]
    rows = [_net(*one) for one in background_of(fractions, populations=populations)]
    return as_table(pd.DataFrame(rows, columns=list(table.columns if rows else COLUMNS)))


def only_negatives(population: str) -> bool:
    """Return whether a population's name says only what its cells are not: ``CD3-``, ``CD14-CD16-``."""
    name = population.rsplit("/", 1)[-1]
    return "+" not in name and bool(name) and all(word.endswith("-") for word in name.split())


def background_of(
    fractions: pd.DataFrame, *, populations: Sequence[str] | None = None
) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]], str]]:
    """Yield every stimulated row with the rows that are its background, and why it has no answer, ``""`` if it has.

    The partners are those of :func:`subtract_background`. ``fractions`` are rows of one statistic of the tidy table.
    The reason is that of the stimulated row, of the background, or that there is no partner; partners without a value
    are left out.

    Raises
    ------
    TableError
        If the table holds no population of a given name.
    """
    if populations is not None:
        fractions = fractions[fractions["population"].isin(_chosen(populations, fractions))]
    stimulated = fractions[(fractions["kind"] == "sample") & (fractions["stimulus"] != "")]
    unstimulated = fractions[fractions["kind"] == "unstimulated"]
    same = [column for column in _SAME if column in fractions.columns]
    labels = unstimulated.drop_duplicates("tube")
    by_place = {(row["tube"], row["population"]): row for row in _records(unstimulated)}
    for _, of_tube in stimulated.groupby("tube", sort=False):
        records = _records(of_tube)
        partners, why = _partners(records[0], labels, same)
        for record in records:
            found = [by_place.get((tube, record["population"])) for tube in partners]
            yield record, *_usable(record, [row for row in found if row is not None], why)


def boolean_subsets(membership: Membership, populations: Sequence[str], parent: str) -> pd.DataFrame:
    """Return the events of every combination of ``populations`` inside ``parent``.

    Parameters
    ----------
    membership
        Of one tube's events.
    populations
        The k positive populations of single functions, all below ``parent``: IFN-g+, TNF+, IL-2+.
    parent
        Whose events are divided.

    Returns
    -------
    DataFrame
        2^k rows, from all positive to none: a bool column per population (its path), ``subset`` (as
        "IFN-g+ TNF+ IL-2-"), ``n_functions``, ``count`` and ``fraction`` of the parent. The counts sum to
        the parent's; the fractions are NaN for an empty parent.

    Raises
    ------
    TableError
        If there are no populations or more than ten, one is named twice or is not below the parent.
    """
    import pandas as pd

    above = _path(parent, membership.populations)
    paths = [_path(name, membership.populations) for name in populations]
    _check_functions(paths, above)
    k = len(paths)
    inside = membership.of(above)
    codes = np.zeros(int(inside.sum()), dtype=np.intp)
    for bit, path in enumerate(paths):
        codes += membership.of(path)[inside].astype(np.intp) << (k - 1 - bit)
    order = np.array(sorted(range(2**k), key=lambda code: (-code.bit_count(), -code)))
    counted = np.bincount(codes, minlength=2**k)[order]
    positive = (order[:, None] >> np.arange(k - 1, -1, -1) & 1).astype(bool)
    names = [path.rsplit("/", 1)[-1] for path in paths]
    return pd.DataFrame(
        {
            **{path: positive[:, column] for column, path in enumerate(paths)},
            "subset": [_subset(names, row.tolist()) for row in positive],
            "n_functions": positive.sum(axis=1),
            "count": counted,
            "fraction": counted / codes.size if codes.size else np.full(2**k, np.nan),
        }
    )


def _records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(column): cell for column, cell in row.items()} for row in rows.to_dict("records")]


def _partners(record: dict[str, Any], labels: pd.DataFrame, same: list[str]) -> tuple[list[str], str]:
    """Return the unstimulated tubes that answer for a stimulated one, or why there is none."""
    agree = np.ones(len(labels), dtype=bool)
    for column in same:
        agree &= (labels[column] == record[column]).to_numpy()
    candidates = labels[agree]
    where = f"{record['subject']!r} at {record['arm'] or 'its arm'} {record['timepoint']}".strip()
    if candidates.empty:
        return [], f"no unstimulated tube of {where} in stain {record['stain']!r}"
    in_batch = candidates[candidates["batch"] == record["batch"]]
    if in_batch.empty:
        batches = ", ".join(sorted(set(candidates["batch"])))
        return [], f"the unstimulated tube of {where} is of batch {batches!r}, not {record['batch']!r}"
    of_specimen = in_batch[in_batch["specimen"] == record["specimen"]]
    return list((of_specimen if len(of_specimen) else in_batch)["tube"]), ""


def _usable(
    record: dict[str, Any], found: list[dict[str, Any]], why: str
) -> tuple[list[dict[str, Any]], str]:
    usable = [row for row in found if not np.isnan(row["value"])]
    if np.isnan(record["value"]):
        why = record["reason"]
    elif not why and not found:
        why = "the unstimulated tube has no row for this population"
    elif not why and not usable:
        why = f"unstimulated tube {found[0]['tube']}: {found[0]['reason']}"
    return usable, why


def _net(record: dict[str, Any], usable: list[dict[str, Any]], why: str) -> dict[str, Any]:
    flags = [
        record["flag"],
        *(f"background: {flag}" for flag in dict.fromkeys(row["flag"] for row in usable) if flag),
    ]
    if len(usable) > 1:
        flags.append(f"mean of {len(usable)} unstimulated tubes")
    background = float(np.mean([row["value"] for row in usable])) if usable else np.nan
    return record | {
        "statistic": NET_FRACTION_OF_PARENT,
        "value": np.nan if why else record["value"] - background,
        "flag": "" if why else "; ".join(flag for flag in flags if flag),
        "reason": why,
    }


def _chosen(names: Sequence[str], fractions: pd.DataFrame) -> set[str]:
    paths = tuple(dict.fromkeys(fractions["population"]))
    chosen: set[str] = set()
    for name in names:
        ends = [path for path in paths if path == name or path.endswith(f"/{name}")]
        chosen.update(ends or [_path(name, paths)])
    return chosen


def _path(name: str, paths: tuple[str, ...]) -> str:
    try:
        return find_path(name, paths)
    except ValueError as error:
        raise TableError(str(error)) from error


def _check_functions(paths: list[str], above: str) -> None:
    if not 1 <= len(paths) <= MOST_FUNCTIONS:
        msg = f"subsets of {len(paths)} functions cannot be made; name 1 to {MOST_FUNCTIONS}"
        raise TableError(msg)
    if len(set(paths)) < len(paths):
        msg = f"a function is named twice among {', '.join(paths)}"
        raise TableError(msg)
    outside = [path for path in paths if not path.startswith(f"{above}/")]
    if outside:
        msg = f"{', '.join(outside)} is not below {above}, so that its subsets do not divide {above}"
        raise TableError(msg)


def _subset(names: Sequence[str], positive: Sequence[bool]) -> str:
    signs = ("+" if is_positive else "-" for is_positive in positive)
    return " ".join(f"{name.removesuffix('+')}{sign}" for name, sign in zip(names, signs, strict=True))
