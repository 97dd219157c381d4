"""The other designs through ``compare`` itself: null studies of ten populations, six subjects to an arm."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from cytometry.compare import Change, compare
from cytometry.table import Endpoint

Row = dict[str, Any]
ARMS, TIMES, EACH, POPULATIONS = ("vehicle", "1 mg", "5 mg"), ("pre", "post"), 6, 10
DRUG = {"control": "vehicle", "treated": "1 mg"}
EVERY = {"control": "vehicle", "treated": ["1 mg", "5 mg"]}
TWO = {"arm": ["vehicle", "1 mg"]}
ASKED: dict[str, dict[str, Any]] = {
    "arm x timepoint": {**DRUG, "where": TWO, "change": Change("timepoint", "pre", "post")},
    "baseline as covariate": {
        **DRUG,
        "where": TWO,
        "change": Change("timepoint", "pre", "post", "covariate"),
    },
    "trend over doses": {**EVERY, "where": {"timepoint": "pre"}, "design": "trend"},
    "two arms, batch and age": {**DRUG, "where": {**TWO, "timepoint": "pre"}, "covariates": ["age"]},
    "cages of three": {**DRUG, "where": {**TWO, "timepoint": "pre"}, "unit": "cage"},
    "cages of three, mice counted (the usual error)": {**DRUG, "where": {**TWO, "timepoint": "pre"}},
    "three arms, Dunnett": {**EVERY, "where": {"timepoint": "pre"}, "primary": [Endpoint("p3")]},
}


def study(rng: np.random.Generator, *, cage_sd: float) -> pd.DataFrame:
    """Return the table of a study in which nothing changes: subjects, batches and visits vary, and cages may."""
    rows = []
    level = np.log(np.geomspace(0.005, 0.3, POPULATIONS))
    batches = rng.normal(0, 0.3, (3, POPULATIONS))
    for arm in ARMS:
        cages = rng.normal(0, cage_sd, (2, POPULATIONS))
        for number in range(EACH):
            own = rng.normal(0, 0.5, POPULATIONS) + cages[number // 3] + batches[number % 3]
            age = round(float(rng.normal(50, 10)), 1)
            for time in TIMES:
                p = 1 / (1 + np.exp(-(level + own + rng.normal(0, 0.2, POPULATIONS))))
                n_base = int(rng.integers(5_000, 50_000))
                tube = f"{arm} {number} {time}"
                for one, n in enumerate(rng.binomial(n_base, p)):
                    sheet = (
                        tube,
                        f"{arm} {number}",
                        arm,
                        time,
                        f"b{number % 3}",
                        age,
                        f"{arm} {number // 3}",
                    )
                    rows.append((*sheet, f"CD45+/p{one}", int(n), n_base, n / n_base))
    columns = [
        "tube",
        "subject",
        "arm",
        "timepoint",
        "batch",
        "age",
        "cage",
        "population",
        "n",
        "n_base",
        "value",
    ]
    same = {"stain": "T", "kind": "sample", "stimulus": "", "marker": "", "statistic": "fraction_of_parent",
            "base": "CD45+", "unit": "fraction", "flag": "", "reason": ""}  # fmt: skip
    return pd.DataFrame(rows, columns=columns).assign(**same, specimen=lambda table: table["tube"])


def found(seeds: range) -> list[tuple[str, float, bool]]:
    """Return, of each null study and question, the share of p below 0.05, and whether a primary endpoint was called."""
    errors = []
    for seed in seeds:
        tables = {sd: study(np.random.default_rng([seed, 9]), cage_sd=sd) for sd in (0.0, 0.5)}
        for name, question in ASKED.items():
            contrasts = compare(tables[0.5 if name.startswith("cages") else 0.0], **question)
            primary = contrasts["family"] == "primary"
            errors.append(
                (
                    name,
                    float((contrasts["p_own"] < 0.05).mean()),
                    bool((contrasts["p_adjusted"][primary] < 0.05).any()),
                )
            )
    return errors


def tallied(errors: list[tuple[str, float, bool]]) -> Iterator[Row]:
    """Give the error rate of each question, on the endpoints' own variance; of several arms, of any of them."""
    for name, question in ASKED.items():
        some = [(rate, called) for one, rate, called in errors if one == name]
        rates = np.array([float(called) if "primary" in question else rate for rate, called in some])
        yield {
            "test": name,
            "family": float(rates.mean()),
            "family_error": float(rates.std(ddof=1) / np.sqrt(rates.size)),
        }
