"""The run's contrasts as the page prints them: counts whole, namesakes told apart, shared caveats said once."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from cytometry.store import Run

COUNTS = ("n_control", "n_treated", "n_pairs", "m")
NAMED = "named"


def contrasts_of(run: Run) -> pd.DataFrame:
    """Return the contrasts with one more column, ``named``: what to call the population.

    That is its name, with its parent's before it where the stain has another of the same name.
    """
    found = run.contrasts
    whole = {column: found[column].fillna(0).astype(int) for column in COUNTS}
    return found.assign(**whole, **{NAMED: _names(found)})


def shared_flags(contrasts: pd.DataFrame) -> list[str]:
    """Return the caveats that every contrast has: they are of the design, and need saying once."""
    flags = [set(_parts(str(flag))) for flag in contrasts["flag"]]
    if len(flags) < 2:
        return []
    common = set.intersection(*flags)
    return [part for part in _parts(str(contrasts["flag"].iloc[0])) if part in common]


def without_shared(contrasts: pd.DataFrame) -> pd.DataFrame:
    """Return the contrasts without the caveats that all of them have."""
    common = shared_flags(contrasts)
    own = ["; ".join(part for part in _parts(str(flag)) if part not in common) for flag in contrasts["flag"]]
    return contrasts.assign(flag=own)


def not_tested(contrasts: pd.DataFrame) -> str:
    """Say how many were not tested by rule, being outside the family, and how many could not be."""
    untested = contrasts[contrasts["p"].isna()]
    outside = untested["outside"] if "outside" in untested.columns else untested["reason"].str.slice(0, 0)
    by_rule = int((outside.fillna("").astype(str) != "").sum())
    rest = len(untested) - by_rule
    said = [
        f"{by_rule} {'was' if by_rule == 1 else 'were'} not tested, by rule" if by_rule else "",
        f"{rest} could not be tested" if rest else "",
    ]
    return " and ".join(part for part in said if part)


def _names(contrasts: pd.DataFrame) -> list[str]:
    places = contrasts[["stain", "population"]].drop_duplicates()
    last = places["population"].str.rsplit("/", n=1).str[-1]
    twice = last.groupby([places["stain"], last]).transform("size") > 1
    namesakes = set(zip(places["stain"][twice], places["population"][twice], strict=True))
    return [
        " ".join(path.split("/")[-2 if (stain, path) in namesakes else -1 :])
        for stain, path in zip(contrasts["stain"], contrasts["population"], strict=True)
    ]


def _parts(flag: str) -> list[str]:
    return [part for part in flag.split("; ") if part]
