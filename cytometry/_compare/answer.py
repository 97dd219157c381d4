"""Answer: one row of the contrasts before its family is known, which decides on whose variance it is tested."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cytometry._compare.linear import Fit
from cytometry._compare.tubes import AnalysisScale
from cytometry.effects import Effect, dunnett


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """One row of the contrasts, as far as it follows from one endpoint.

    ``counting`` is what counting alone adds to the residual variance; ``own`` the test on the endpoint's own variance.
    """

    row: dict[str, Any]
    scale: AnalysisScale
    test: str
    own: Effect
    found: Fit | None = None
    at: int = 0
    counting: float = 0.0
    confidence: float = 0.95

    @property
    def tested(self) -> bool:
        """Return whether there is a p."""
        return not self.row["reason"]

    def p_dunnett(self) -> float:
        """Return the p adjusted for the other arms; NaN where there are none."""
        if self.found is None or not self.tested or self.found.estimates.size < 2:
            return np.nan
        errors = np.sqrt(np.diag(self.found.unscaled))
        t = self.found.estimates / (errors * np.sqrt(self.found.variance))
        correlation = self.found.unscaled / np.outer(errors, errors)
        return float(dunnett(t, correlation, self.found.df, at=self.at))

    def finished(
        self, *, variance: float = np.nan, df: float = np.nan, prior_df: float = np.nan
    ) -> dict[str, Any]:
        """Return the row with its test: on the endpoint's own variance, or on a moderated one."""
        effect, test = self.own, self.test
        if self.found is not None and self.tested and np.isfinite(variance):
            effect = self.found.effect(self.at, variance=variance, df=df, confidence=self.confidence)
            test = f"moderated {test.removeprefix('Welch ')}"
        with np.errstate(over="ignore"):  # one degree of freedom can reach to infinity
            ratio = (
                np.exp([effect.estimate, effect.low, effect.high]) if self.scale.ratio else np.full(3, np.nan)
            )
        blank = not self.tested
        return {
            **self.row,
            "ratio_kind": self.scale.ratio,
            **dict(zip(("ratio", "ratio_low", "ratio_high"), ratio.tolist(), strict=True)),
            "test": "" if blank else test,
            **{key: np.nan if blank else getattr(effect, key) for key in ("t", "df", "p")},
            "p_own": np.nan if blank else self.own.p,
            "prior_df": prior_df,
        }
