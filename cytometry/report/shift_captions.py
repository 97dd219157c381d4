"""Captions of the figures of what a comparison rests on: what is drawn, n, base, test, and what it is not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cytometry.report.words import counted, name_of
from cytometry.table import NET_FRACTION_OF_PARENT

if TYPE_CHECKING:
    import pandas as pd


def forest_caption(contrasts: pd.DataFrame) -> str:
    """Return the caption of a forest."""
    return f"{_of(contrasts)} Marks: estimate with its {_level(contrasts)}. {_tests(contrasts)}"


def volcano_caption(contrasts: pd.DataFrame) -> str:
    """Return the caption of a volcano."""
    return (
        f"{_of(contrasts)} Across: effect size; up: p before adjustment, on a log scale. Filled: adjusted p under "
        f"0.05 in its own family; diamonds and squares: declared endpoints. {_tests(contrasts)}"
    )


def heatmap_caption(table: pd.DataFrame) -> str:
    """Return the caption of a heat map of populations and specimens."""
    n = table.loc[table["kind"] == "sample", "specimen"].nunique()
    return (
        f"Fractions of the parent of {counted(n, 'specimen')}: log odds, each row standardised. Rows "
        f"and columns in the order of average linkage; the treatment does not enter it. Crossed: no value. Nothing "
        f"is tested."
    )


def functions_caption(subsets: pd.DataFrame, parent: str, *, pies: bool = False) -> str:
    """Return the caption of combinations of functions, as bars or pies."""
    rows = subsets[(subsets["kind"] == "sample") & (subsets["base"].str.endswith(parent))]
    net = ", net of the unstimulated tube of the same specimen" * bool(
        (rows["statistic"] == NET_FRACTION_OF_PARENT).any()
    )
    marks = (
        "Means over subjects of the responders by number of functions; means below zero are drawn as zero."
        if pies
        else "Bars: means over subjects; marks: subjects. Filled circles: the functions of a combination."
    )
    n = counted(rows["subject"].nunique(), "subject")
    return f"Combinations of functions, % of {name_of(parent)}{net}; {n}. {marks} Nothing is tested."


def memory_caption(fractions: pd.DataFrame, path: str) -> str:
    """Return the caption of a fraction within each memory subset."""
    n = counted(fractions["subject"].nunique(), "subject")
    return (
        f"{name_of(path)} in % of each memory subset of {name_of(path.rpartition('/')[0])}; {n}. Lines join the two "
        f"values of a subject; black bars: means; hollow: fewer than 20 events. Nothing is tested."
    )


def parts_caption(parts: pd.DataFrame, path: str) -> str:
    """Return the caption of the parts of a shift."""
    first = parts.iloc[0]
    return (
        f"Shift of {name_of(path)} of {name_of(path.rpartition('/')[0])} and its parts ({first['method']}), percentage "
        f"points with {100 * first['confidence']:g} % t intervals over subjects. Composition and within subsets add up "
        f"to the total."
    )


def cuts_caption(cuts: pd.DataFrame, path: str) -> str:
    """Return the caption of a shift at other cuts."""
    return (
        f"{name_of(path)} of {name_of(path.rpartition('/')[0])} at {counted(len(cuts), 'cut')}: the shift with its "
        f"{_level(cuts)} over subjects, and above it both means. Diamond: the cut of the run; grey: its 95 % "
        f"interval. One endpoint throughout, hence no p."
    )


def course_caption(row: dict[str, Any], along: str) -> str:
    """Return the caption of an endpoint over times or doses."""
    return (
        f"{name_of(str(row['population']))} of {name_of(str(row['base']))} over {along.replace('_', ' ')}. Thin: "
        f"subjects; thick: means with their 95 % t intervals at each step, which test no trend."
    )


def embedding_caption(said: dict[str, Any], colour: str) -> str:
    """Return the caption of a UMAP."""
    return (
        f"UMAP of {said['n_events']:,} events, an equal share of {counted(said['n_specimens'], 'specimen')}, on "
        f"{', '.join(said['markers'])}; seed {said['seed']}; coloured by {colour}. An illustration: distances between "
        f"islands and their sizes mean nothing, and no number is read from it."
    )


def tree_caption(n_events: int, markers: list[str], colour: str) -> str:
    """Return the caption of a tree of FlowSOM clusters."""
    return (
        f"FlowSOM of {n_events:,} events on {', '.join(markers)}: clusters as a minimum spanning tree, area by their "
        f"share of the events, shade by the median of {colour}, numbers by metacluster. An illustration."
    )


def _of(contrasts: pd.DataFrame) -> str:
    first = contrasts.iloc[0]
    n = int(contrasts["p"].notna().sum())
    return f"{first['comparison']}: {counted(len(contrasts), 'endpoint')}, {n} of them tested; n counts subjects."


def _level(rows: pd.DataFrame) -> str:
    return f"{100 * float(rows['confidence'].iloc[0]):g} % interval"


def _tests(contrasts: pd.DataFrame) -> str:
    tests = sorted({str(test) for test in contrasts["test"]} - {""})
    families = contrasts.groupby("family", sort=False)[["adjustment", "m"]].first()
    adjusted = "; ".join(
        f"{name}: {row['adjustment']}, m = {int(row['m'])}" for name, row in families.iterrows()
    )
    return f"Tests: {', '.join(tests)}. p adjusted by family ({adjusted})."
