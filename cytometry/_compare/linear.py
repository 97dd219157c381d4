"""Linear models of subjects: one value per subject in, one tested coefficient out. Numbers only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cytometry.effects import Effect, Floats, t_effect

_ALIASED = 1e-9  # of a column's squared length: what is left of it beside the others


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """Least squares of ``y`` on the columns of a design.

    Parameters
    ----------
    estimates
        Of the tested columns, shape ``(k,)``.
    unscaled
        Their covariance divided by the residual variance, shape ``(k, k)``.
    variance, df
        Of the residuals; NaN without degrees of freedom.
    residuals
        Shape ``(n,)``.
    """

    estimates: Floats
    unscaled: Floats
    variance: float
    df: float
    residuals: Floats

    def effect(
        self, tested: int = 0, *, variance: float = np.nan, df: float = np.nan, confidence: float
    ) -> Effect:
        """Return a tested coefficient with its interval, on its own variance or on one that is given."""
        s2, freedom = (variance, df) if np.isfinite(variance) else (self.variance, self.df)
        if not np.isfinite(s2):
            return Effect(float(self.estimates[tested]))
        error = float(np.sqrt(s2 * self.unscaled[tested, tested]))
        width = float(np.abs(self.residuals).max(initial=0.0)) + float(abs(self.estimates[tested]))
        return t_effect(float(self.estimates[tested]), error, freedom, width=width, confidence=confidence)


def fit(y: Floats, tested: Floats, others: Floats) -> Fit:
    """Return the least-squares fit of ``y`` on tested columns beside others.

    Parameters
    ----------
    y
        One value per subject, shape ``(n,)``.
    tested
        The columns whose coefficients are asked for, shape ``(n, k)``.
    others
        Blocks and covariates, shape ``(n, q)``; those that say nothing new beside earlier ones are left out.

    Raises
    ------
    ValueError
        If a tested column is a combination of the others: see :func:`aliased`.
    """
    basis = _orthonormal(others)
    inner = tested - basis @ (basis.T @ tested)
    gram = inner.T @ inner
    if np.linalg.eigvalsh(gram).min(initial=np.inf) <= _ALIASED * float((tested**2).sum()):
        msg = "a tested column is a combination of the blocks and covariates"
        raise ValueError(msg)
    left = y - basis @ (basis.T @ y)
    unscaled = np.linalg.inv(gram)
    estimates = unscaled @ (inner.T @ left)
    residuals = left - inner @ estimates
    df = y.size - basis.shape[1] - tested.shape[1]
    variance = float(residuals @ residuals) / df if df > 0 else np.nan
    return Fit(estimates, np.asarray(unscaled, dtype=np.float64), variance, float(df), residuals)


def aliased(column: Floats, others: Floats) -> float:
    """Return the share of a column's spread that the others explain: 1 where the two cannot be told apart."""
    centred = column - column.mean()
    length = float(centred @ centred)
    if length <= 0:
        return 1.0
    basis = _orthonormal(np.column_stack([np.ones(column.size), others]))
    left = column - basis @ (basis.T @ column)
    return 1.0 - float(left @ left) / length


def sandwich(y: Floats, tested: Floats, others: Floats, *, confidence: float) -> Effect:
    """Return the first tested coefficient with an interval that lets the spread differ from subject to subject.

    Residuals are divided by what their leverage left of them (HC2), the degrees of freedom are those of Bell and
    McCaffrey. For two arms and nothing else the error is Welch's.

    References
    ----------
    Bell RM, McCaffrey DF. Surv Methodol 2002;28:169-181. Imbens GW, Kolesar M. Rev Econ Stat 2016;98:701-712.
    """
    basis = _orthonormal(np.column_stack([others, tested[:, 1:]]))
    inner = tested[:, 0] - basis @ (basis.T @ tested[:, 0])
    weights = inner / float(inner @ inner)
    whole = _orthonormal(np.column_stack([others, tested]))
    left = np.eye(y.size) - whole @ whole.T
    kept = np.maximum(np.diag(left), 1e-9)
    scaled = weights / np.sqrt(kept)
    error = float(np.sqrt(((scaled * (left @ y)) ** 2).sum()))
    spread = left * scaled  # its eigenvalues are those of the estimated variance, were all spreads the same
    inner_product = spread.T @ spread
    df = float(np.trace(inner_product) ** 2 / (inner_product**2).sum())
    width = float(np.abs(y).max(initial=0.0))
    return t_effect(float(weights @ y), error, df, width=width, confidence=confidence)


def _orthonormal(columns: NDArray[np.float64]) -> Floats:
    """Return an orthonormal basis of what the columns span, shape ``(n, rank)``."""
    if not columns.shape[1]:
        return np.empty((columns.shape[0], 0))
    lengths = np.linalg.norm(columns, axis=0)
    u, s, _ = np.linalg.svd(columns / np.where(lengths > 0, lengths, 1.0), full_matrices=False)
    return np.asarray(u[:, s > 1e-9 * max(float(s.max(initial=0.0)), 1e-300)], dtype=np.float64)
