"""Recipe: the kinds of cell in one tube, each a stratum in one state, and how often each is expected."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cytometry.simulate import cytokine_states
from cytometry.simulate.biology import Specimen
from cytometry.simulate.calibrate import expit, logit, shift_to
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
    joint = _states(specimen, pd1, markers=markers, stimulated=stimulated) * shares[:, None, None, None]
    # The platelet is the last kind, though it is none of the cells.
    joint[-1, 0, 0, 0] = 1.0
    number, positive, tim3, cytokines = np.nonzero(joint > 0)
    expected = joint[number, positive, tim3, cytokines]
    expected[-1] = 0.0
    return Recipe(
        stratum=number.astype(np.intp),
        pd1=positive.astype(bool),
        tim3=tim3.astype(bool),
        cytokines=cytokines.astype(np.uint8),
        expected=expected,
    )


def _shares(specimen: Specimen) -> NDArray[np.float64]:
    """Return the share of each stratum among live cells; 0 for the platelet and for strata of other species."""
    leaves = {**specimen.leaves, **specimen.others}
    shares = np.array(
        [
            leaves.get(leaf, 0.0) * (specimen.parts[leaf][part] if part and leaf else 1.0) * share
            for leaf, (part, share) in zip(_leaves(specimen.species), _parts(), strict=True)
        ]
    )
    return np.asarray(shares / (1 + sum(specimen.others.values())))


@cache
def _parts() -> tuple[tuple[str, float], ...]:
    return tuple((row["part"], float(row["share"])) for row in rows("strata"))


def _pd1(specimen: Specimen, shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the PD-1+ fraction of each stratum.

    Where a leaf's fraction is planted, the odds of all its strata are multiplied alike so that it comes out.
    """
    fractions = np.array([float(row["pd1"]) for row in rows("strata")])
    leaves = np.array(_leaves(specimen.species))
    for leaf, planted in specimen.pd1.items():
        here = leaves == leaf
        weights, start = shares[here] / shares[here].sum(), logit(fractions[here])
        fractions[here] = expit(start + shift_to(planted, weights=weights, log_odds=start))
    return fractions


def _states(
    specimen: Specimen, pd1: NDArray[np.float64], *, markers: tuple[str, ...], stimulated: bool
) -> NDArray[np.float64]:
    """Return the joint shares of PD-1 x TIM-3 x cytokines of each stratum; shape (n, 2, 2, 8), each sums to 1."""
    leaves = _leaves(specimen.species)
    tim3 = np.zeros((len(leaves), 2))
    if "TIM-3" in markers:
        tim3[np.isin(leaves, tuple(specimen.pd1))] = expit(np.array(specimen.tim3))
    with_pd1 = np.stack([1 - pd1, pd1], axis=1)
    with_tim3 = with_pd1[:, :, None] * np.stack([1 - tim3, tim3], axis=2)
    if not set(settings("states")["cytokines"]["markers"]) & set(markers):
        made = np.zeros((1, 1, 1, cytokine_states.COMBINATIONS))
        made[..., cytokine_states.NONE] = 1.0
        return with_tim3[..., None] * made
    of_leaf = {
        leaf: np.stack(_cytokines(specimen, leaf, stimulated=stimulated)) for leaf in dict.fromkeys(leaves)
    }
    return with_tim3[..., None] * np.stack([of_leaf[leaf] for leaf in leaves])[:, :, None, :]


def _cytokines(
    specimen: Specimen, leaf: str, *, stimulated: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the shares of the combinations among PD-1- and PD-1+ cells of a leaf."""
    if not stimulated:
        return specimen.background, specimen.background
    if leaf in specimen.cytokines:
        return cytokine_states.given_pd1(specimen.cytokines[leaf], specimen.pd1[leaf], specimen.silence[leaf])
    made = settings("states")["cytokines"]["stimulated_others"].get(leaf)
    shares = cytokine_states.by_themselves(made) if made else specimen.background
    return shares, shares


@cache
def _leaves(species: str) -> tuple[str, ...]:
    """Return the leaf of each stratum, blank for one of another species."""
    return tuple(row["leaf"] if row["species"] == species else "" for row in rows("strata"))
