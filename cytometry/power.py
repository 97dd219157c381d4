"""Power: how many subjects a shift needs, and what a study of a given size could have seen, by simulation.

Fractions are drawn as logit-normal: subjects differ, visits of one subject differ, and so do the effects of a
treatment on different subjects. Each simulated study is tested as :func:`cytometry.compare.compare` tests a primary
endpoint. Every power comes with its Monte-Carlo error and seed; it is for planning, and says nothing of data at hand
that their interval does not say better.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from cytometry._power import Plan, Spread, significant
from cytometry.asked import asked_of, population_of
from cytometry.effects import Floats
from cytometry.errors import CompareError
from cytometry.store import Run
from cytometry.table import FRACTION_OF_PARENT, check_table, counts

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "Detectable",
    "Plan",
    "Power",
    "Spread",
    "detectable_in",
    "detectable_shift",
    "power",
    "power_table",
    "spread_of",
    "subjects_needed",
]
LEAST_FRACTION = 1e-4
PLANNED = Plan()


@dataclass(frozen=True, slots=True)
class Power:
    """The share of simulated studies that found the shift, with its Monte-Carlo error (one standard error)."""

    n: int
    power: float
    error: float
    plan: Plan

    def __str__(self) -> str:
        plan = self.plan
        size = f"{self.n} pairs" if plan.design == "paired" else f"{self.n} subjects an arm"
        return (
            f"{size}, {100 * plan.control:.1f} to {100 * plan.treated:.1f} %: power {self.power:.2f} "
            f"(Monte-Carlo error {self.error:.3f}; {plan.simulations:,} simulated studies, seed {plan.seed})"
        )


@dataclass(frozen=True, slots=True)
class Detectable:
    """The smallest shift that a study finds with the power asked for; NaN with the reason where it finds none."""

    n: int
    treated: float
    shift: float
    found: Power | None
    reason: str = ""

    def __str__(self) -> str:
        if self.found is None:
            return f"n = {self.n}: {self.reason}"
        return f"smallest detectable shift {100 * self.shift:+.1f} points; {self.found}"


def power(n: int, plan: Plan = PLANNED) -> Power:
    """Return the power of a study of ``n`` pairs, or of ``n`` subjects in each arm.

    Raises
    ------
    CompareError
        If ``n`` is under 2.
    """
    if n < 2:
        msg = f"no test has power with fewer than 2 subjects, and n is {n}"
        raise CompareError(msg)
    found = float(np.mean(significant(n, plan)))
    return Power(n, found, float(np.sqrt(found * (1 - found) / plan.simulations)), plan)


def power_table(sizes: Sequence[int], plans: Sequence[Plan] = (PLANNED,)) -> pd.DataFrame:
    """Return a row per plan and size: ``n``, ``design``, ``test``, ``power``, ``error``, and what the plan says.

    It is what :func:`cytometry.plots.power_curve` draws.
    """
    import pandas as pd

    rows = []
    for plan in plans:
        for n in sizes:
            one = power(n, plan)
            said = {name: getattr(plan, name) for name in ("design", "test", "control", "treated", "alpha")}
            rows.append({"n": n, **said, "power": one.power, "error": one.error, "seed": plan.seed})
    columns = ["n", "design", "test", "control", "treated", "alpha", "power", "error", "seed"]
    return pd.DataFrame(rows, columns=columns)


def subjects_needed(plan: Plan = PLANNED, *, target: float = 0.8, most: int = 500) -> Power:
    """Return the fewest subjects (pairs, or per arm) whose power reaches ``target``.

    The number is uncertain by what the Monte-Carlo error allows: with a power curve of slope 0.03 a subject and an
    error of 0.01, by less than one.

    Raises
    ------
    CompareError
        If ``target`` is not between alpha and 1, or ``most`` subjects do not reach it.
    """
    _check_target(target, plan)
    low, high = 1, 2
    while power(high, plan).power < target:
        if high >= most:
            said = power(most, plan)
            msg = (
                f"{most} subjects do not reach power {target:g}: {said}; the shift is small beside the spread"
            )
            raise CompareError(msg)
        low, high = high, min(2 * high, most)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power(middle, plan).power >= target else (middle, high)
    return power(high, plan)


def detectable_shift(
    n: int, plan: Plan = PLANNED, *, target: float = 0.8, direction: Literal["down", "up"] = "down"
) -> Detectable:
    """Return the smallest shift from ``plan.control`` that ``n`` subjects find with the power asked for.

    ``plan.treated`` is not used. The answer is exact to a thousandth of the way to 0 or 1, apart from Monte-Carlo
    error. Where no shift is found often enough (five pairs by ranks: no p is under 0.05), NaN with the reason.

    Raises
    ------
    CompareError
        If ``target`` is not between alpha and 1, or ``n`` is under 2.
    """
    _check_target(target, plan)
    end = LEAST_FRACTION if direction == "down" else 1 - LEAST_FRACTION

    def at(share: float) -> Power:
        return power(n, replace(plan, treated=plan.control + share * (end - plan.control)))

    if at(1.0).power < target:
        why = f"even a shift to {100 * end:g} % is found in {at(1.0).power:.2f} of studies, under {target:g}"
        return Detectable(n, np.nan, np.nan, None, why)
    low, high = 0.0, 1.0
    while high - low > 1e-3:
        middle = (low + high) / 2
        low, high = (low, middle) if at(middle).power >= target else (middle, high)
    found = at(high)
    return Detectable(n, found.plan.treated, found.plan.treated - plan.control, found)


def spread_of(
    table: pd.DataFrame, *, control: str, treated: str, factor: str = "arm", upper: float | None = None
) -> tuple[Spread, float, int]:
    """Return the spread that a study shows on the logit scale, the mean fraction at control, and its subjects.

    Parameters
    ----------
    table
        Rows of one population's fraction, at both levels; tubes of one subject at one level are averaged.
    control, treated
        Levels of ``factor``. Where subjects have both, the spread of their changes is taken as that of two visits, the
        heterogeneity of the effect and the counting of events inside it, and that of subjects from the covariance
        of their two values. Where none has both, the two arms' spread is that between subjects, and that
        between visits is NaN: an unpaired study does not show it.
    upper
        A one-sided confidence, such as 0.8: every SD is then the upper limit of its chi-square interval. A small
        pilot's own SD is as often too small as too large, and a plan made on it too optimistic as often.

    Raises
    ------
    CompareError
        If these are not the rows of one fraction, or fewer than three subjects can be used.

    References
    ----------
    Browne RH. On the use of a pilot sample for sample size determination. Stat Med 1995;14:1933-1940.
    """
    check_table(table)
    rows = table[(table["kind"] == "sample") & (table["value"].notna())]
    endpoints = rows[["stain", "population", "statistic", "base"]].drop_duplicates()
    if len(endpoints) != 1 or not str(endpoints["statistic"].iloc[0]).startswith("fraction_of_"):
        msg = f"a spread is that of one fraction, and these rows hold {len(endpoints)} endpoints; choose those of one"
        raise CompareError(msg)
    n, base = counts(rows, "n"), counts(rows, "n_base")
    logits = rows.assign(logit=np.log((n + 0.5) / (base - n + 0.5)), level=rows[factor].astype(str))
    wide = logits.pivot_table(index="subject", columns="level", values="logit")
    for level in (control, treated):
        if level not in wide:
            msg = f"no tube has the {factor} {level!r}; there are {', '.join(map(str, wide.columns))}"
            raise CompareError(msg)
    mean = float(logits.loc[logits["level"] == control].groupby("subject")["value"].mean().mean())
    both = wide[[control, treated]].dropna()
    if len(both):
        return _of_pairs(both.to_numpy(), upper), mean, len(both)
    return _of_arms([wide[level].dropna().to_numpy() for level in (control, treated)], upper), mean, len(wide)


def detectable_in(
    run: Run,
    population: str,
    *,
    comparison: str = "",
    treated: str = "",
    stain: str = "",
    target: float = 0.8,
    direction: Literal["down", "up"] = "down",
    seed: int = 1,
) -> Detectable:
    """Return the smallest shift that a finished study could have found, from its own size and spread.

    It is about studies of this size, not about this one's result: that is the interval of its contrast. Two arms are
    taken as equally large, with half of the subjects each. The spread is that of the study itself, counting included.

    Raises
    ------
    CompareError
        If the population or comparison is not there, or too few subjects have it.

    References
    ----------
    Hoenig JM, Heisey DM. The abuse of power. Am Stat 2001;55:19-24.
    """
    question = asked_of(run, comparison, treated=treated)
    of_stain, path = population_of(run, population, stain)
    table = run.table
    chosen = (table["stain"] == of_stain) & (table["population"] == path)
    rows = table[chosen & (table["statistic"] == FRACTION_OF_PARENT)]
    for column, wanted in question.get("where", {}).items():
        rows = rows[rows[column].astype(str).isin([str(one) for one in wanted])]
    factor = question.get("factor", "arm")
    spread, mean, n = spread_of(rows, control=question["control"], treated=question["treated"], factor=factor)
    paired = not np.isnan(spread.visit)
    plan = Plan(control=mean, spread=spread, design="paired" if paired else "unpaired", seed=seed)
    return detectable_shift(n if paired else n // 2, plan, target=target, direction=direction)


def _of_pairs(values: Floats, upper: float | None) -> Spread:
    if len(values) < 3:
        msg = f"a spread needs three subjects with both levels, and there are {len(values)}"
        raise CompareError(msg)
    within = float(np.var(values[:, 1] - values[:, 0], ddof=1))
    between = max(float(np.cov(values.T)[0, 1]), 0.0)
    wider = _wider(len(values) - 1, upper)
    return Spread(float(np.sqrt(between)) * wider, float(np.sqrt(within / 2)) * wider, 0.0)


def _of_arms(arms: Sequence[Floats], upper: float | None) -> Spread:
    if min(map(len, arms)) < 2 or sum(map(len, arms)) < 3:
        msg = f"a spread needs three subjects, two in each arm, and there are {' and '.join(str(len(a)) for a in arms)}"
        raise CompareError(msg)
    df = sum(map(len, arms)) - 2
    variance = sum(float(np.var(arm, ddof=1)) * (len(arm) - 1) for arm in arms) / df
    return Spread(float(np.sqrt(variance)) * _wider(df, upper), np.nan, 0.0)


def _wider(df: int, upper: float | None) -> float:
    if upper is None:
        return 1.0
    if not 0.5 <= upper < 1:
        msg = f"an upper confidence lies between 0.5 and 1, unlike {upper}"
        raise CompareError(msg)
    from scipy.special import chdtri

    return float(
        np.sqrt(df / chdtri(df, upper))
    )  # chdtri: the value that chi-square exceeds with this probability


def _check_target(target: float, plan: Plan) -> None:
    if not plan.alpha < target < 1:
        msg = f"a power to be reached lies between alpha ({plan.alpha:g}) and 1, unlike {target}"
        raise CompareError(msg)
