"""Recipe: the kinds of cell in one tube, each a stratum in one state, and how often each is expected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cytometry.simulate import cytokine_states
from cytometry.simulate.biology import Specimen
from cytometry.simulate.calibrate import expit, logit, root
from cytometry.simulate.tables import rows, settings


@dataclass(frozen=True)
class Recipe:
    """The kinds of cell of a tube; arrays have one entry per kind, and the last kind is the platelet.

    Parameters
    ----------
    stratum
        Row of ``strata.csv``.
    pd1, tim3
        Whether the cell is in that state.
    cytokines
        Bits IFN-g 4, TNF-a 2, IL-2 1.
    expected
        Share of the live single cells; sums to 1, and is 0 for the platelet.
    """

    stratum: NDArray[np.intp]
    pd1: NDArray[np.bool_]
    tim3: NDArray[np.bool_]
    cytokines: NDArray[np.uint8]
    expected: NDArray[np.float64]

    @property
    def platelet(self) -> int:
        """Return the kind that is a platelet."""
        return self.stratum.size - 1

    @cached_property
    def cumulative(self) -> NDArray[np.float64]:
        """Return the sums by which a uniform number becomes a kind."""
        sums = np.cumsum(self.expected)
        return np.asarray(sums / sums[-1])

    def attribute(self, name: str) -> NDArray[np.str_]:
        """Return a column of ``strata.csv`` for each kind."""
        return np.array([row[name] for row in rows("strata")])[self.stratum]

    @property
    def cells(self) -> dict[str, NDArray[Any]]:
        """Return what each kind is, as the sidecar names it; the platelet has no leaf."""
        return {
            **{column: self.attribute(column) for column in ("leaf", "subset", "fraction")},
            "pd1_state": self.pd1,
            "tim3_state": self.tim3,
            "cytokines": self.cytokines,
        }


def recipe(specimen: Specimen, markers: tuple[str, ...], *, stimulated: bool) -> Recipe:
    """Return the kinds of cell of a tube of this specimen whose panel shows ``markers``.

    States that no marker shows are left out.
    """
    strata = rows("strata")
    shares = _shares(specimen)
    pd1 = _pd1(specimen, shares) if "PD-1" in markers else np.zeros(len(strata))
    columns: list[list[float]] = []
    for number, row in enumerate(strata[:-1]):
        if row["species"] != specimen.species:
            continue
        joint = _states(specimen, row, float(pd1[number]), markers=markers, stimulated=stimulated)
        for place in np.argwhere(joint > 0):
            columns.append([number, *place.tolist(), shares[number] * joint[tuple(place)]])
    columns.append([len(strata) - 1, 0, 0, 0, 0.0])
    number, positive, tim3, cytokines, expected = np.array(columns).T
    return Recipe(
        stratum=number.astype(np.intp),
        pd1=positive.astype(bool),
        tim3=tim3.astype(bool),
        cytokines=cytokines.astype(np.uint8),
        expected=expected,
    )


def _shares(specimen: Specimen) -> NDArray[np.float64]:
    """Return the share of each stratum among live cells; 0 for the platelet and for strata of other species."""
    species, leaves = specimen.species, {**specimen.leaves, **specimen.others}
    shares = np.array(
        [
            leaves.get(row["leaf"], 0.0)
            * (specimen.parts[row["leaf"]][row["part"]] if row["part"] else 1.0)
            * float(row["share"])
            if row["species"] == species
            else 0.0
            for row in rows("strata")
        ]
    )
    return shares / (1 + sum(specimen.others.values()))


def _pd1(specimen: Specimen, shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the PD-1+ fraction of each stratum.

    Where a leaf's fraction is planted, the odds of all its strata are multiplied alike so that it comes out.
    """
    strata = rows("strata")
    fractions = np.array([float(row["pd1"]) for row in strata])
    leaves = np.array([row["leaf"] if row["species"] == specimen.species else "" for row in strata])
    for leaf, planted in specimen.pd1.items():
        here = leaves == leaf
        weights, start = shares[here] / shares[here].sum(), logit(fractions[here])
        shift = root(lambda log_odds, w=weights, s=start, p=planted: float(w @ expit(s + log_odds)) - p)  # type: ignore[misc]
        fractions[here] = expit(start + shift)
    return fractions


def _states(
    specimen: Specimen, row: Mapping[str, str], pd1: float, *, markers: tuple[str, ...], stimulated: bool
) -> NDArray[np.float64]:
    """Return the joint shares of PD-1 x TIM-3 x cytokines in a stratum; shape (2, 2, 8), sums to 1."""
    leaf = row["leaf"]
    tim3 = np.zeros(2)
    if "TIM-3" in markers and leaf in specimen.pd1:
        tim3 = expit(np.array(specimen.tim3))
    joint = np.zeros((2, 2, cytokine_states.COMBINATIONS))
    given = _cytokines(specimen, leaf, markers=markers, stimulated=stimulated)
    for positive, share in enumerate((1 - pd1, pd1)):
        joint[positive] = share * np.outer([1 - tim3[positive], tim3[positive]], given[positive])
    return joint


def _cytokines(
    specimen: Specimen, leaf: str, *, markers: tuple[str, ...], stimulated: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the shares of the combinations among PD-1- and PD-1+ cells of a leaf."""
    said = settings("states")["cytokines"]
    if not set(said["markers"]) & set(markers):
        none = np.eye(cytokine_states.COMBINATIONS)[cytokine_states.NONE]
        return none, none
    if not stimulated:
        return specimen.background, specimen.background
    if leaf in specimen.cytokines:
        return cytokine_states.given_pd1(specimen.cytokines[leaf], specimen.pd1[leaf], specimen.silence[leaf])
    made = said["stimulated_others"].get(leaf)
    shares = cytokine_states.by_themselves(made) if made else specimen.background
    return shares, shares
