"""Closure: shares sum to one, so that one can fall without a cell being lost; shares and numbers, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from cytometry.readouts import DOWN, OPEN, UP, one_comparison, reads
from cytometry.table import CELLS_PER_MG, CELLS_PER_UL

if TYPE_CHECKING:
    import pandas as pd

BESIDE_COLUMNS = (
    "stain", "population", "base", "share_shift", "share_shift_low", "share_shift_high", "share_reads",
    "number_unit", "number_ratio", "number_ratio_low", "number_ratio_high", "number_reads", "conclusion",
)  # fmt: skip
_CLOSURE = "the share moves, and the number is not shown to: other populations may have moved it (closure)"
CONCLUSIONS = MappingProxyType(
    {
        (UP, UP): "there are more of these cells, and they are a larger share",
        (DOWN, DOWN): "there are fewer of these cells, and they are a smaller share",
        (UP, OPEN): _CLOSURE,
        (DOWN, OPEN): _CLOSURE,
        (UP, DOWN): "there are fewer of these cells: the share rises because others fall more (closure)",
        (DOWN, UP): "there are more of these cells: the share falls because others rise more (closure)",
        (OPEN, UP): "there are more of these cells, as there may be of the others",
        (OPEN, DOWN): "there are fewer of these cells, as there may be of the others",
    }
)
_FRACTION_OF = "fraction_of_"


def share_and_number(contrasts: pd.DataFrame) -> pd.DataFrame:
    """Return the shift of each population's share beside that of its absolute count.

    Shares sum to one: where one population grows, the others fall in their share and lose no cell. A fall that is
    one of cells shows in both.

    Parameters
    ----------
    contrasts
        Of one comparison, with the rows of :func:`cytometry.counts.absolute_counts` among what was compared.

    Returns
    -------
    DataFrame
        A row per population and share that has a count too: ``stain``, ``population``, ``base``; ``share_shift`` with
        its interval, in fractions of the base; ``number_ratio`` with its interval, treated over control; and what each
        ``reads``, by the interval of its shift. ``conclusion`` says what both together allow. Empty where nothing was
        counted.

    Raises
    ------
    CompareError
        If the contrasts hold several comparisons.
    """
    import pandas as pd

    one_comparison(contrasts)
    numbers = contrasts[contrasts["statistic"].isin([CELLS_PER_UL, CELLS_PER_MG])]
    shares = contrasts[contrasts["statistic"].str.startswith(_FRACTION_OF)]
    # A fraction of the parent and of an ancestor that is the parent are one.
    shares = shares.drop_duplicates(["stain", "population", "base"])
    rows = []
    for number in _records(numbers):
        of = (shares["stain"] == number["stain"]) & (shares["population"] == number["population"])
        rows += [_beside(share, number) for share in _records(shares[of])]
    return pd.DataFrame(rows, columns=list(BESIDE_COLUMNS))


def _beside(share: Mapping[str, Any], number: Mapping[str, Any]) -> dict[str, Any]:
    said = reads(share), reads(number)
    return {
        **{column: share[column] for column in ("stain", "population", "base")},
        **{f"share_{column}": share[column] for column in ("shift", "shift_low", "shift_high")},
        **{"share_reads": said[0], "number_unit": number["unit"]},
        **{f"number_{column}": number[column] for column in ("ratio", "ratio_low", "ratio_high")},
        "number_reads": said[1],
        "conclusion": CONCLUSIONS.get(said, "nothing is shown of either"),
    }


def _records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(column): cell for column, cell in row.items()} for row in rows.to_dict("records")]
