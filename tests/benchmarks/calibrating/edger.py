"""edgeR's negative-binomial tests, as ``inmoose`` (GPL-3, optional) has them: quasi-likelihood, likelihood ratio."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from calibrating.drawn import Setting, draw, effects
from calibrating.rivals import adjusted
from calibrating.scored import LEVEL, share

TESTS = ("edgeR QLF", "edgeR LRT")


def edger_rows(*, studies: int) -> Iterator[dict[str, Any]]:
    """Give, of both tests, how often they err where nothing changed, and false discoveries and power where four did."""
    for n in (3, 5):
        for paired in (True, False):
            for fold in (1.0, 1.6 if paired else 2.0):
                setting = Setting(n, paired, fold=fold)
                yield from _scored(setting, studies, np.random.default_rng([n, paired, int(10 * fold)]))


def _scored(setting: Setting, studies: int, rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    drawn, changed = draw(setting, studies, rng), effects(setting) != 0
    found = np.array([_p(k, n, paired=setting.paired) for k, n in zip(drawn.k, drawn.n, strict=True)])
    for place, name in enumerate(TESTS):
        p = found[:, place]
        row: dict[str, Any] = {"design": setting.design, "fold": setting.fold, "test": name}
        row["family"], row["family_error"] = share((p[:, ~changed] < LEVEL).mean(1))
        if changed.any():
            called = adjusted(p) <= LEVEL
            row["fdr"], row["fdr_error"] = share((called & ~changed).sum(1) / np.maximum(called.sum(1), 1))
            row["power"], row["power_error"] = share(called[:, changed].mean(1))
        yield row


def _p(k: np.ndarray, n: np.ndarray, *, paired: bool) -> np.ndarray:
    """Return the p of both tests for each population of one study, shape ``(2, populations)``."""
    from inmoose import edgepy
    from patsy import DesignInfo, DesignMatrix

    subjects, _, populations = k.shape
    counts = k.transpose(2, 1, 0).reshape(populations, 2 * subjects).astype(int)
    treated = np.repeat([0.0, 1.0], subjects)
    blocks = np.tile(np.eye(subjects), (2, 1)) if paired else np.ones((2 * subjects, 1))
    columns = np.column_stack([blocks, treated])
    names = [f"column {place}" for place in range(columns.shape[1])]
    design = DesignMatrix(columns, DesignInfo(names))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table = edgepy.DGEList(counts=counts, lib_size=n[..., 0].T.ravel(), group=treated.astype(int))
        table.estimateGLMCommonDisp(design)
        table.estimateGLMTagwiseDisp(design)
        quasi = edgepy.glmQLFTest(table.glmQLFit(design), coef=design.shape[1] - 1)
        ratio = edgepy.glmLRT(table.glmFit(design), coef=design.shape[1] - 1)
    return np.array(
        [np.asarray(one["pvalue"] if "pvalue" in one else one["PValue"]) for one in (quasi, ratio)]
    )
