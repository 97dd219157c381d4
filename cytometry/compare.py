"""Compare treated with control: the tidy table in, one row per endpoint out. ``n`` counts subjects.

A table row is one tube, and tubes of one subject are averaged before anything is tested, so that neither
events nor tubes can stand as replicates. The test is a t on the scale that suits the measure
(:mod:`cytometry.contrast`), with the exact rank test beside it.

Three families share nothing: Holm over the primary endpoints, Holm over the secondary ones, Benjamini and
Hochberg over all others. ``m`` is the size of the family: for Holm the endpoints that were named, whether
or not they could be tested; for the others those that have a p.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from cytometry.contrast import NAMED_AT_MOST, Question, Tubes, contrast
from cytometry.effects import benjamini_hochberg, holm
from cytometry.errors import CompareError
from cytometry.table import COUNT, FRACTION_OF_PARENT, MEASURED_COLUMNS, Endpoint, check_table
from cytometry.wording import sentence
from gating.errors import StrategyError
from gating.strategy import find_path

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CONTRAST_COLUMNS", "FAMILIES", "compare", "resolve", "sentence"]

CONTRAST_COLUMNS = (
    "comparison", "family", "stain", "population", "marker", "statistic", "base", "unit",
    "factor", "control", "treated", "design", "n_control", "n_treated", "n_pairs",
    "mean_control", "mean_treated", "shift", "shift_low", "shift_high",
    "ratio_kind", "ratio", "ratio_low", "ratio_high", "confidence",
    "test", "t", "df", "p", "adjustment", "m", "p_adjusted", "rank_test", "rank_p", "flag", "reason",
)  # fmt: skip
FAMILIES = ("primary", "secondary", "exploratory")
_ENDPOINT = ("stain", "population", "marker", "statistic", "base", "unit")
# Tubes of one subject at one level that differ in these are no technical replicates.
_NO_REPLICATE = ("arm", "timepoint", "stimulus", "tissue")
_NO_FACTOR = {*MEASURED_COLUMNS, "subject", "tube", "specimen", "stain", "kind"}

Design = Literal["auto", "paired", "unpaired"]
Key = tuple[str, ...]


def compare(
    table: pd.DataFrame,
    *,
    control: str,
    treated: str,
    factor: str = "arm",
    design: Design = "auto",
    where: Mapping[str, object] | None = None,
    primary: Sequence[Endpoint] = (),
    secondary: Sequence[Endpoint] = (),
    name: str = "",
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Return the contrast of treated with control for every endpoint of a table.

    Parameters
    ----------
    table
        Tidy table. Only tubes of kind ``sample`` enter; an unstimulated tube enters through the net
        fractions that were made with it.
    control, treated
        Two levels of ``factor``, a column of the sheet; a shift is treated minus control.
    design
        ``"paired"``: subjects that have both levels, the others left out and named. ``"unpaired"``: each
        subject has one. ``"auto"``: unpaired where no subject has both, paired where at least half have,
        and a question back where it is neither.
    where
        Columns of the table and the value, or values, to keep.
    primary, secondary
        Endpoints declared beforehand. Event counts are compared only where they are named here: how many
        events a tube holds is how long it ran.
    name
        Of the comparison, for its column.
    confidence
        Of the intervals, between 0 and 1.

    Returns
    -------
    DataFrame
        Columns ``CONTRAST_COLUMNS``; primary and secondary endpoints in the order named, then the others by
        p. An endpoint that cannot be tested keeps its row, with NaN and the reason.

    Raises
    ------
    TableError
        If the table is not tidy: rows per event, for one.
    CompareError
        If a level, column or endpoint is not there, with near matches; if subjects have both levels in a
        part of the study only; if tubes of one subject at one level differ in time, stimulus, arm or tissue.
    """
    import pandas as pd

    check_table(table)
    _check_options(table, control=control, treated=treated, factor=factor, confidence=confidence)
    tubes = _entering(table, factor, (control, treated), where=where or {})
    paired = _paired(tubes, factor, (control, treated), design=design)
    question = Question(factor, control, treated, paired, confidence)
    columns = Tubes.of(tubes, factor)
    groups = tubes.groupby(list(_ENDPOINT), sort=False).indices
    by_endpoint = {_key(key): columns.take(np.asarray(rows)) for key, rows in groups.items()}
    families = _families(list(by_endpoint), primary, secondary)
    said = {
        "comparison": name,
        "factor": factor,
        "control": control,
        "treated": treated,
        "design": "paired" if paired else "unpaired",
    }
    contrasts = [
        {**said, "family": family, **dict(zip(_ENDPOINT, key, strict=True))}
        | contrast(by_endpoint[key], question, statistic=key[3])
        for family, keys in families.items()
        for key in keys
    ]
    return _adjusted(pd.DataFrame(contrasts, columns=list(CONTRAST_COLUMNS)))


def _check_options(
    table: pd.DataFrame, *, control: str, treated: str, factor: str, confidence: float
) -> None:
    if not 0 < confidence < 1:
        msg = f"confidence lies between 0 and 1, unlike {confidence}"
        raise CompareError(msg)
    if factor in _NO_FACTOR:
        msg = (
            f"{factor!r} is not what two groups of subjects differ in; a factor is arm, timepoint or the like"
        )
        raise CompareError(msg)
    _known(factor, table.columns, "the table has no column")
    for level in (control, treated):
        _known(level, sorted(set(table[factor].astype(str)) - {""}), f"no tube has the {factor}")
    if control == treated:
        msg = f"control and treated are both {control!r}"
        raise CompareError(msg)


def _entering(
    table: pd.DataFrame, factor: str, levels: tuple[str, str], *, where: Mapping[str, object]
) -> pd.DataFrame:
    """Return the rows that answer the question: samples at the two levels, where asked for."""
    table = table.assign(**{factor: table[factor].astype(str)})
    keep = (table["kind"] == "sample") & table[factor].isin(levels)
    for column, wanted in where.items():
        _known(column, table.columns, "the table has no column")
        values = [wanted] if isinstance(wanted, str) or not isinstance(wanted, Iterable) else list(wanted)
        cells = table[column].astype(str)
        for value in values:
            _known(str(value), sorted(set(cells)), f"no tube has the {column}")
        keep &= cells.isin([str(value) for value in values])
    rows = table[keep]
    for level in levels:
        if not (rows[factor] == level).any():
            filtered = ", ".join(f"{column} = {value!r}" for column, value in where.items())
            msg = f"no tube of kind 'sample' has the {factor} {level!r}" + f" where {filtered}" * bool(where)
            raise CompareError(msg)
    if (rows["subject"] == "").any():
        tube = rows.loc[rows["subject"] == "", "tube"].iloc[0]
        msg = f"tube {tube!r} has no subject; the subject is what is counted, so the sheet must name it"
        raise CompareError(msg)
    for column in (c for c in _NO_REPLICATE if c in rows.columns and c != factor):
        _check_replicates(rows, factor, column)
    return rows


def _check_replicates(rows: pd.DataFrame, factor: str, column: str) -> None:
    kinds = rows.groupby(["stain", "subject", factor])[column].nunique(dropna=False)
    if (kinds <= 1).all():
        return
    stain, subject, level = kinds.index[kinds > 1][0]
    here = rows[(rows["stain"] == stain) & (rows["subject"] == subject) & (rows[factor] == level)]
    values = ", ".join(repr(value) for value in sorted(set(here[column].astype(str))))
    msg = (
        f"subject {subject!r} has tubes of more than one {column} at {factor} {level!r} ({values}), which are "
        f"not replicates of each other; choose one with where={{{column!r}: ...}}"
    )
    raise CompareError(msg)


def _paired(rows: pd.DataFrame, factor: str, levels: tuple[str, str], *, design: Design) -> bool:
    if design not in {"auto", "paired", "unpaired"}:
        msg = f"design is auto, paired or unpaired, not {design!r}"
        raise CompareError(msg)
    control, treated = (set(rows.loc[rows[factor] == level, "subject"]) for level in levels)
    both, everyone = sorted(control & treated), control | treated
    if design == "paired" or (design == "auto" and both and 2 * len(both) >= len(everyone)):
        return True
    if not both:
        return False
    shown = ", ".join(both[:NAMED_AT_MOST]) + ", ..." * (len(both) > NAMED_AT_MOST)
    msg = (
        f"{len(both)} of {len(everyone)} subjects occur at both {levels[0]!r} and {levels[1]!r} ({shown}): "
        "they would be counted twice in an unpaired comparison; say design='paired' to compare them alone, "
        "or leave them out with where={'subject': [...]}"
    )
    raise CompareError(msg)


def _families(
    keys: list[Key], primary: Sequence[Endpoint], secondary: Sequence[Endpoint]
) -> dict[str, list[Key]]:
    """Return the endpoints of each family; the exploratory ones are all others, each measure once."""
    problems: list[str] = []
    named: dict[str, list[Key]] = {}
    seen: set[Key] = set()
    for family, endpoints in (("primary", primary), ("secondary", secondary)):
        named[family] = []
        for endpoint in endpoints:
            try:
                key = resolve(endpoint, keys)
            except CompareError as error:
                problems.append(f"{family} endpoint {endpoint}: {error}")
                continue
            if _measure(key) in seen:
                problems.append(f"{family} endpoint {endpoint}: named twice, in this family or the other")
            seen.add(_measure(key))
            named[family].append(key)
    if problems:
        raise CompareError("\n".join(problems))
    others: dict[Key, Key] = {}
    for key in sorted(keys, key=lambda key: key[3] != FRACTION_OF_PARENT):
        if key[3] != COUNT and _measure(key) not in seen:
            others.setdefault(_measure(key), key)
    named["exploratory"] = list(others.values())
    if not any(named.values()):
        msg = "the table holds only event counts, which are compared where they are named: primary=[Endpoint(...)]"
        raise CompareError(msg)
    return named


def resolve(endpoint: Endpoint, keys: Sequence[Key]) -> Key:
    """Return the one of ``keys`` (stain, population, marker, statistic, base, unit) that is meant.

    Raises
    ------
    CompareError
        If none is, with near matches, or several are, with what tells them apart.
    """
    left = list(keys)
    for place, wanted in ((0, endpoint.stain), (3, endpoint.statistic), (2, endpoint.marker)):
        if wanted:
            _known(wanted, sorted({key[place] for key in left} - {""}), f"there is no {_ENDPOINT[place]}")
            left = [key for key in left if key[place] == wanted]
    try:
        path = find_path(endpoint.population, tuple(dict.fromkeys(key[1] for key in left)))
    except StrategyError as error:
        raise CompareError(str(error)) from error
    left = [key for key in left if key[1] == path]
    if len(left) > 1:
        places = ", ".join(f"stain {key[0]!r} of base {key[4]!r}" for key in left)
        msg = f"{path!r} is measured in {len(left)} ways: {places}; name the stain"
        raise CompareError(msg)
    return left[0]


def _key(labels: Any) -> Key:
    return tuple(str(label) for label in labels)


def _measure(key: Key) -> Key:
    """Return what is measured: a fraction of the parent and of an ancestor that is the parent are one."""
    stain, population, marker, statistic, base, _ = key
    kind = "fraction" if statistic.startswith("fraction_of_") else statistic
    return stain, population, marker, kind, base


def _known(name: str, names: Iterable[Any], complaint: str) -> None:
    choice = [str(known) for known in names]
    if name in choice:
        return
    near = difflib.get_close_matches(name, choice, n=3)
    hint = f"did you mean {', '.join(near)}?" if near else f"there are {', '.join(choice) or 'none'}"
    msg = f"{complaint} {name!r}; {hint}"
    raise CompareError(msg)


def _adjusted(contrasts: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    parts = []
    for family in FAMILIES:
        part = contrasts[contrasts["family"] == family]
        p = part["p"].to_numpy(dtype=np.float64)
        exploratory = family == "exploratory"
        m = int(np.isfinite(p).sum()) if exploratory else len(part)
        adjusted = benjamini_hochberg(p) if exploratory else holm(p, m=m)
        part = part.assign(adjustment="BH" if exploratory else "Holm", m=m, p_adjusted=adjusted)
        if exploratory:
            part = part.sort_values(["p", *_ENDPOINT[:5]], na_position="last", kind="stable")
        parts.append(part)
    return pd.concat([part for part in parts if len(part)], ignore_index=True)
