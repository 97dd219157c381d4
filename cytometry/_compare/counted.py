"""Counts as counts: logistic regression whose scatter is learnt from the subjects (quasi-binomial).

Beside the main test, not instead of it: it weighs a tube by its events, and takes zeros as they are.
"""

from __future__ import annotations

import numpy as np

from cytometry.effects import Effect, Floats, t_effect

_STEPS = 50
_WIDEST = 15.0  # a logit beyond this is a level without a single event: nothing can be estimated


def quasi_binomial(n: Floats, n_base: Floats, columns: Floats, *, tested: int, confidence: float) -> Effect:
    """Return the log odds ratio of a column, its error scaled by Pearson's chi-squared over its degrees of freedom.

    Parameters
    ----------
    n, n_base
        Events of the population and of its base, shape ``(n_rows,)``, one row per subject and level.
    columns
        The design, shape ``(n_rows, p)``, subjects among its columns where they are paired.
    tested
        Which column is asked for.

    Returns
    -------
    Effect
        On the log-odds scale, with a t test on the residual degrees of freedom; NaN where there are none, where the
        column is a combination of others, or where a level has no event at all.

    References
    ----------
    McCullagh P, Nelder JA. Generalized Linear Models, 2nd ed. 1989, section 4.5.
    """
    df = n.size - columns.shape[1]
    if df < 1 or np.linalg.matrix_rank(columns) < columns.shape[1]:
        return Effect(np.nan)
    eta = np.log((n + 0.5) / (n_base - n + 0.5))
    beta = np.linalg.lstsq(columns, eta, rcond=None)[0]
    for _ in range(_STEPS):
        eta = np.clip(columns @ beta, -30.0, 30.0)
        p = 1.0 / (1.0 + np.exp(-eta))
        weight = np.maximum(n_base * p * (1 - p), 1e-12)
        information = columns.T @ (weight[:, None] * columns)
        try:
            step = np.linalg.solve(information, columns.T @ (n - n_base * p))
        except np.linalg.LinAlgError:
            return Effect(np.nan)
        beta = beta + np.clip(step, -5.0, 5.0)
        if np.abs(step).max() < 1e-10:
            break
    if np.abs(columns @ beta).max() > _WIDEST:
        return Effect(np.nan)
    scatter = float(((n - n_base * p) ** 2 / weight).sum()) / df
    error = float(np.sqrt(scatter * np.linalg.inv(information)[tested, tested]))
    return t_effect(float(beta[tested]), error, float(df), width=1.0, confidence=confidence)
