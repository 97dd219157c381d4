"""Scores of tests over simulated studies: error rate, false discoveries, coverage, bias, power, each with its error."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from calibrating.drawn import POPULATIONS, Setting, closed, draw, effects
from calibrating.rivals import (
    OURS_DECLARED,
    OURS_EXPLORED,
    PAIRED,
    UNPAIRED,
    Floats,
    Studies,
    adjusted,
    ours_explored,
)

from cytometry._compare.linear import fit
from cytometry.effects import paired_t

Row = dict[str, Any]
LEVEL = 0.05
COUNTED_ONLY = ("pooled binomial, cells as n",)


def share(found: Floats) -> tuple[float, float]:
    """Return the mean over studies of a share, and its Monte-Carlo error; ``found`` has one value per study."""
    return float(found.mean()), float(found.std(ddof=1) / np.sqrt(found.size))


def nulls(setting: Setting, studies: int, rng: np.random.Generator) -> Iterator[Row]:
    """Give, of each test, how often it errs where nothing changed: over the family, and in its worst population."""
    s = draw(setting, studies, rng)
    for name, test in (PAIRED if setting.paired else UNPAIRED).items():
        if (name in COUNTED_ONLY and s.n is None) or (s.scale != "logit" and "logit" in name):
            continue
        found = test(s)
        wrong = found.p < LEVEL
        each = wrong.mean(0)
        family, error = share(wrong.mean(1))
        worst = float(each.max())
        row = {
            "design": setting.design, "measure": setting.measure, "spread": setting.spread, "test": name,
            "family": family, "family_error": error, "worst": worst,
            "worst_error": float(np.sqrt(worst * (1 - worst) / studies)), "quietest": float(each.min()),
        }  # fmt: skip
        if name in (OURS_DECLARED, OURS_EXPLORED):
            held = (found.low <= 0) & (found.high >= 0)
            row["coverage"], row["coverage_error"] = share(held.mean(1))
        yield row


def shifts(setting: Setting, studies: int, rng: np.random.Generator) -> Iterator[Row]:
    """Give, of each test, false discoveries and power after Benjamini and Hochberg, bias and coverage of ours."""
    s, truth = draw(setting, studies, rng), effects(setting)
    changed = truth != 0
    for name, test in (PAIRED if setting.paired else UNPAIRED).items():
        found = test(s)
        called = adjusted(found.p) <= LEVEL
        fdr, fdr_error = share((called & ~changed).sum(1) / np.maximum(called.sum(1), 1))
        power, power_error = share(called[:, changed].mean(1))
        alone, alone_error = share((found.p < LEVEL)[:, changed].mean(1))
        row = {
            "design": setting.design, "spread": setting.spread, "fold": setting.fold, "test": name,
            "fdr": fdr, "fdr_error": fdr_error, "power": power, "power_error": power_error,
            "power_unadjusted": alone, "power_unadjusted_error": alone_error,
        }  # fmt: skip
        if name in (OURS_DECLARED, OURS_EXPLORED):
            held = (found.low <= truth) & (truth <= found.high)
            row["coverage"], row["coverage_error"] = share(held.mean(1))
            row["bias"], row["bias_error"] = share((found.estimate - truth)[:, 8:].mean(1))
        yield row


def batches(
    setting: Setting, studies: int, rng: np.random.Generator, *, spread: float = 0.5
) -> Iterator[Row]:
    """Give how often the model errs with batches in the studies: blocked as the package does, and not.

    Two arms: two batches, two thirds of the control arm in one and of the treated in the other. Pairs: a third of the
    subjects were run in another batch the second time.
    """
    s = draw(setting, studies, rng)
    y = s.analysed
    of = rng.normal(0, spread, (studies, 2, POPULATIONS))
    n, third = setting.n, max(setting.n // 3, 1)
    first = np.arange(n) >= third if setting.paired else np.arange(n) < third
    second = np.zeros(n, dtype=bool) if setting.paired else ~first
    batch = np.stack([first, second], axis=1).astype(int)
    y = y + of[:, batch]
    if setting.paired:
        values = y[:, :, 1] - y[:, :, 0]
        tested, others = np.ones((n, 1)), (batch[:, 1] - batch[:, 0]).astype(float)[:, None]
        plain = np.empty((n, 0))
    else:
        values = np.concatenate([y[:, :, 0], y[:, :, 1]], axis=1)
        tested = np.repeat([0.0, 1.0], n)[:, None]
        plain = np.ones((2 * n, 1))
        others = np.column_stack([plain, np.concatenate([batch[:, 0], batch[:, 1]]).astype(float)])
    for name, beside in (("ours, batch taken out", others), ("batch left in", plain)):
        p = np.array([
            [fit(values[at, :, one], tested, beside).effect(confidence=0.95).p for one in range(0, POPULATIONS, 4)]
            for at in range(studies)
        ])  # fmt: skip
        rate, error = share((p < LEVEL).mean(1))
        yield {"design": setting.design, "test": name, "family": rate, "family_error": error}


def closure(n: int, fold: float, studies: int, rng: np.random.Generator) -> Iterator[Row]:
    """Give false discoveries against unchanged absolute numbers: closure moves the shares of what did not change."""
    k, cells, changed = closed(n, fold, studies, rng)
    logs = np.log(k + 0.5)
    ratios = np.exp(logs - logs.mean(-1, keepdims=True))
    for name, s in (
        ("ours, logit of the share", Studies(k, cells, paired=True)),
        (
            "ours, log ratio among siblings",
            Studies(ratios, None, paired=True, scale="log", noise=1 / (k + 0.5)),
        ),
    ):
        called = adjusted(ours_explored(s).p) <= LEVEL
        fdr, error = share((called & ~changed).sum(1) / np.maximum(called.sum(1), 1))
        power, power_error = share(called[:, changed].mean(1))
        yield {
            "design": f"{n} pairs", "fold": fold, "test": name, "fdr": fdr, "fdr_error": error,
            "power": power, "power_error": power_error,
        }  # fmt: skip


def points(n: int, studies: int, rng: np.random.Generator) -> Row:
    """Return coverage and bias of the mean shift in points, whose truth is over all possible subjects."""
    eta = -1.706 + rng.normal(0, 0.55, (studies, n)) + np.zeros((2, 1, 1))
    eta = eta + rng.normal(0, 0.18, eta.shape)
    eta[1] += -0.356 + rng.normal(0, 0.2, (studies, n))
    p = rng.binomial(3000, 1 / (1 + np.exp(-eta))) / 3000
    d = p[1] - p[0]
    nodes, weights = np.polynomial.hermite_e.hermegauss(61)

    def mean(middle: float, sd: float) -> float:
        return float((weights / (1 + np.exp(-(middle + sd * nodes)))).sum() / weights.sum())

    own = np.hypot(0.55, 0.18)
    truth = mean(-1.706 - 0.356, float(np.hypot(own, 0.2))) - mean(-1.706, float(own))
    found = [paired_t(one) for one in d]
    held = np.array([one.low <= truth <= one.high for one in found], dtype=float)
    coverage, error = share(held)
    bias, bias_error = share(d.mean(1) - truth)
    return {
        "design": f"{n} pairs",
        "coverage": coverage,
        "coverage_error": error,
        "bias": bias,
        "bias_error": bias_error,
    }
