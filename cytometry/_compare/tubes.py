"""Tubes of one endpoint as arrays, and the scale on which it is analysed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cytometry.effects import Floats
from cytometry.table import (
    CELLS_PER_MG,
    CELLS_PER_UL,
    COUNT,
    MEAN_FUNCTIONS,
    MEDIAN_INTENSITY,
    NET_FRACTION_OF_PARENT,
    POLYFUNCTIONAL_SHARE,
    POLYFUNCTIONALITY_INDEX,
    counts,
)

if TYPE_CHECKING:
    import pandas as pd

COFACTOR = 150.0
Words = NDArray[np.object_]
_WORDS = ("subject", "tube", "specimen", "arm", "timepoint", "batch", "flag", "reason")


@dataclass(frozen=True, slots=True, eq=False)
class Tubes:
    """Columns of the tidy table as arrays of shape ``(n_rows,)``.

    ``level`` is that of the factor, ``composition`` the centred log ratio among the population's siblings, NaN where
    there is none, ``more`` the columns that enter a model.
    """

    level: Words
    subject: Words
    tube: Words
    specimen: Words
    arm: Words
    timepoint: Words
    batch: Words
    flag: Words
    reason: Words
    value: Floats
    n: Floats
    n_base: Floats
    composition: Floats
    more: Mapping[str, Words]

    @classmethod
    def of(cls, table: pd.DataFrame, factor: str, *, columns: tuple[str, ...], composition: Floats) -> Tubes:
        """Return the columns that a contrast reads."""
        words = {name: table[name].to_numpy(dtype=object) for name in _WORDS}
        return cls(
            level=table[factor].to_numpy(dtype=object),
            **words,
            value=table["value"].to_numpy(dtype=np.float64),
            n=counts(table, "n"),
            n_base=counts(table, "n_base"),
            composition=composition,
            more={name: table[name].to_numpy(dtype=object) for name in columns},
        )

    def __len__(self) -> int:
        return len(self.value)

    def take(self, rows: NDArray[Any]) -> Tubes:
        """Return some of the rows."""
        own = {f.name: getattr(self, f.name)[rows] for f in fields(self) if f.name != "more"}
        return replace(self, **own, more={name: column[rows] for name, column in self.more.items()})


@dataclass(frozen=True, slots=True)
class AnalysisScale:
    """The scale on which an endpoint is tested.

    Parameters
    ----------
    forward
        The values of tubes on it.
    counting
        The variance that counting events alone gives each; 0 where that is not known.
    ratio
        What a difference is once transformed back.
    """

    name: str
    forward: Callable[[Tubes], Floats]
    counting: Callable[[Tubes], Floats]
    ratio: str = ""


def _unknown(tubes: Tubes) -> Floats:
    return np.zeros(len(tubes))


def _binomial(tubes: Tubes) -> Floats:
    p = (tubes.n + 0.5) / (tubes.n_base + 1)
    return np.nan_to_num(p * (1 - p) / tubes.n_base)


def _concentration(tubes: Tubes) -> Floats:
    """Return the logarithm of a concentration, half an event added as to fractions; ``value / n`` is one event's."""
    with np.errstate(divide="ignore", invalid="ignore"):
        each = np.where(tubes.n > 0, tubes.value / tubes.n, np.nan)
    return np.asarray(np.log((tubes.n + 0.5) * np.where(np.isnan(each), np.nanmedian(each), each)))


def _counted_by_beads(tubes: Tubes) -> Floats:
    with np.errstate(divide="ignore"):
        of_beads = np.where(tubes.n_base > 0, 1 / tubes.n_base, 0.0)
    return np.asarray(1 / (tubes.n + 0.5) + np.nan_to_num(of_beads))


LOGIT = AnalysisScale(
    "logit",
    lambda t: np.log((t.n + 0.5) / (t.n_base - t.n + 0.5)),
    lambda t: 1 / (t.n + 0.5) + 1 / (t.n_base - t.n + 0.5),
    "odds ratio",
)
POINTS = AnalysisScale("percentage points", lambda t: t.value, _binomial)
LOG_COUNT = AnalysisScale("log", lambda t: np.log(t.value + 0.5), lambda t: 1 / (t.value + 0.5), "fold")
LOG = AnalysisScale("log", lambda t: np.log(t.value), _unknown, "fold")
ASINH = AnalysisScale(f"asinh(value / {COFACTOR:g})", lambda t: np.arcsinh(t.value / COFACTOR), _unknown)
CONCENTRATION = AnalysisScale("log", _concentration, _counted_by_beads, "fold")
PLAIN = AnalysisScale("plain values", lambda t: t.value, _unknown)
PLAINLY = frozenset({MEAN_FUNCTIONS, POLYFUNCTIONAL_SHARE, POLYFUNCTIONALITY_INDEX})


def scale_of(usable: Tubes, statistic: str) -> AnalysisScale:
    """Return the scale that suits a statistic and its values."""
    if statistic == MEDIAN_INTENSITY:
        return LOG if (usable.value > 0).all() else ASINH
    if statistic in {CELLS_PER_UL, CELLS_PER_MG}:
        return CONCENTRATION if (usable.n > 0).any() else PLAIN
    if statistic in PLAINLY:
        return PLAIN
    return {NET_FRACTION_OF_PARENT: POINTS, COUNT: LOG_COUNT}.get(statistic, LOGIT)
