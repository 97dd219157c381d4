"""Heat map: every specimen's populations at once, each against its own mean over the specimens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cytometry.plots.axes import elided
from cytometry.plots.forest import NARROW_PAGE
from cytometry.plots.style import GREY, OKABE_ITO, Size, axes_at, new_figure, style
from cytometry.plots.views import short_name
from cytometry.table import FRACTION_OF_PARENT
from gating.scales import Floats

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ANNOTATED = ("arm", "timepoint", "batch")
COLOURS = tuple(OKABE_ITO[c] for c in ("blue", "vermilion", "sky blue", "orange", "reddish purple", "yellow"))
ENDS = 2.5  # standard deviations: where the colours end
NAMES, TOP, SIDE, BAND = 34.0, 7.0, 22.0, 2.2  # mm at scale 1
ROW = (1.9, 3.4)  # the lowest and highest row
LETTERS = 26
LINE, MOST_LEVELS = 2.5, 5  # of the legend


def population_matrix(
    table: pd.DataFrame, *, statistic: str = FRACTION_OF_PARENT
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return populations x specimens of one statistic, and what is known of each specimen.

    Fractions are log odds, with half an event more on either side so that none is infinite; all else is as it
    stands. Samples only. The tubes of one specimen and stain are averaged. A population's row is named by its path and
    stain where several stains have it.

    Returns
    -------
    values, about
        Values of shape (populations, specimens), NaN where there is none; ``about`` has a row per specimen: subject,
        arm, timepoint, batch.
    """
    rows = table[(table["kind"] == "sample") & (table["statistic"] == statistic)].copy()
    keep = ["subject", *ANNOTATED]
    about = rows.groupby("specimen", sort=False)[keep].first().astype(str)
    if rows["unit"].eq("fraction").all() and len(rows):
        n, base = (rows[column].to_numpy(dtype=np.float64, na_value=np.nan) for column in ("n", "n_base"))
        odds = np.log((n + 0.5) / (base - n + 0.5))
        rows["value"] = np.where(rows["value"].notna(), odds, np.nan)
    names = rows["population"] + (" [" + rows["stain"] + "]" if rows["stain"].nunique() > 1 else "")
    values = rows.assign(row=names).pivot_table(
        index="row", columns="specimen", values="value", aggfunc="mean", sort=False, dropna=False
    )
    return values.reindex(columns=about.index), about


def heat_map(
    table: pd.DataFrame,
    *,
    statistic: str = FRACTION_OF_PARENT,
    populations: Sequence[str] | None = None,
    size: str = "nature2",
) -> Figure:
    """Draw populations x specimens, clustered, with arm, timepoint and batch above.

    Parameters
    ----------
    table
        The tidy table of a run.
    populations
        Names or paths to draw; all that vary if not given.

    Returns
    -------
    Figure
        Each row is standardised over the specimens (of fractions, the log odds), so that colours compare specimens and
        not populations. A crossed cell has no value. Rows and columns are ordered by average linkage of their
        distances, with rows' missing values at the row's mean; the treatment is not used. At most as many rows as the
        page has room for, those with the largest spread; the title says how many.

    Raises
    ------
    ValueError
        If no population has values in three specimens or more.
    """
    values, about = population_matrix(table, statistic=statistic)
    if populations is not None:
        values = values[[_is_among(str(row), populations) for row in values.index]]
        if values.empty:
            msg = f"no population is called {' or '.join(map(repr, populations))}"
            raise ValueError(msg)
    z = _standardised(values)
    if z.empty:
        msg = f"no population has a {statistic} in three specimens or more: nothing to compare by colour"
        raise ValueError(msg)
    with style(size) as page:
        most = int((page.height / page.scale - 40.0) / ROW[0])
        n_all = len(z)
        z = z.loc[_widest(values.loc[z.index], most)]
        z = z.iloc[_order(z.to_numpy()), _order(z.to_numpy().T)]
        return _drawn(z, about.loc[z.columns], n_all=n_all, statistic=statistic, page=page)


def _is_among(row: str, wanted: Sequence[str]) -> bool:
    path = row.partition(" [")[0]
    return any(path == name or path.endswith(f"/{name}") for name in wanted)


def _standardised(values: pd.DataFrame) -> pd.DataFrame:
    kept = values[(values.notna().sum(axis=1) >= 3) & (values.std(axis=1) > 0)]
    return kept.sub(kept.mean(axis=1), axis=0).div(kept.std(axis=1), axis=0)


def _widest(values: pd.DataFrame, most: int) -> list[str]:
    spread = values.std(axis=1).sort_values(ascending=False, kind="stable")
    chosen = set(spread.index[:most])
    return [row for row in values.index if row in chosen]


def _order(z: Floats) -> NDArray[np.intp]:
    """Return rows in the order of their tree's leaves."""
    from scipy.cluster.hierarchy import leaves_list, linkage

    if len(z) < 3:
        return np.arange(len(z))
    return np.asarray(leaves_list(linkage(np.nan_to_num(z), "average", optimal_ordering=True)))


def _drawn(z: pd.DataFrame, about: pd.DataFrame, *, n_all: int, statistic: str, page: Size) -> Figure:
    import seaborn as sns

    k = page.scale
    bands = [name for name in ANNOTATED if about[name].nunique() > 1]
    row = float(np.clip((page.height / k - 40.0) / len(z), *ROW))
    top = TOP + BAND * len(bands) + 1.0
    height = len(z) * row
    figure = new_figure(page.width, (top + height + 14.0) * k)
    width = page.width / k - NAMES - SIDE
    ax = axes_at(figure, NAMES * k, top * k, width=width * k, height=height * k)
    bar = axes_at(figure, (NAMES + width + 4.0) * k, top * k, width=2.5 * k, height=min(height, 25.0) * k)
    sns.heatmap(
        z, ax=ax, cmap="PuOr_r", vmin=-ENDS, vmax=ENDS, mask=z.isna(), cbar_ax=bar, xticklabels=False,
        yticklabels=False, rasterized=False, linewidths=0.0,
    )  # fmt: skip
    _crosses(ax, z.isna().to_numpy(), scale=k)
    _rows(ax, [str(name) for name in z.index], row=row, page=page)
    _columns(ax, about, width=width, page=page)
    key = axes_at(
        figure, (NAMES + width + 4.0) * k, (top + min(height, 25.0) + 4.0) * k, width=SIDE * k, height=k
    )
    key.set_axis_off()
    colours = [
        _band(ax, about[name].tolist(), name=name, at=place, height=height, page=page)
        for place, name in enumerate(bands)
    ]
    _legend(key, bands, colours, page=page)
    bar.set_ylabel("SD from the row's mean", fontsize=page.small)
    bar.tick_params(labelsize=page.small, length=1.5 * k, width=0.4 * k)
    what = "log odds of the fraction of the parent" if statistic == FRACTION_OF_PARENT else statistic
    many = f"{len(z)} of {n_all} populations (largest spread)" if len(z) < n_all else f"{len(z)} populations"
    left = -NAMES / width if page.width / k < NARROW_PAGE else 0.0
    ax.text(
        left, 1.0 + (top - 2.5) / height, f"{many} x {len(about)} specimens: {what}",
        fontsize=page.medium, transform=ax.transAxes, va="center",
    )  # fmt: skip
    return figure


def _crosses(ax: Axes, missing: NDArray[np.bool_], *, scale: float) -> None:
    ax.set_facecolor("white")
    y, x = np.nonzero(missing)
    ax.scatter(
        x + 0.5, y + 0.5, marker="x", s=3 * scale**2, color=GREY, linewidths=0.4 * scale, gid="missing"
    )


def _rows(ax: Axes, names: list[str], *, row: float, page: Size) -> None:
    paths = [name.partition(" [")[0] for name in names]
    for y, (name, path) in enumerate(zip(names, paths, strict=True)):
        stain = name[len(path) :]
        ax.text(
            -0.008, y + 0.5, elided(short_name(path, paths) + stain, LETTERS), ha="right", va="center",
            transform=ax.get_yaxis_transform(), fontsize=min(page.small, page.small * row / ROW[0]),
        )  # fmt: skip
    ax.set_xlabel("")
    ax.set_ylabel("")


def _columns(ax: Axes, about: pd.DataFrame, *, width: float, page: Size) -> None:
    """Write whose specimen each column is, where there is room for it."""
    room = width / max(len(about), 1)
    if room < 2.0:
        ax.set_xlabel(f"{len(about)} specimens", fontsize=page.medium)
        return
    for x, subject in enumerate(about["subject"]):
        ax.text(
            x + 0.5, -0.012, elided(subject, 9), ha="center", va="top", rotation=90, fontsize=page.small,
            transform=ax.get_xaxis_transform(),
        )  # fmt: skip


def _band(ax: Axes, levels: list[str], *, name: str, at: int, height: float, page: Size) -> dict[str, str]:
    """Draw one strip of colours above the map, and return each level's colour."""
    from matplotlib.patches import Rectangle

    known = list(dict.fromkeys(sorted(levels)))
    tall = 0.8 * BAND / height
    bottom = 1.0 + (at * BAND + 0.8) / height
    colour = {level: COLOURS[(i + 2 * at) % len(COLOURS)] for i, level in enumerate(known)}
    for x, level in enumerate(levels):
        ax.add_patch(
            Rectangle(
                (x, bottom), 1.0, tall, transform=ax.get_xaxis_transform(), color=colour[level], linewidth=0,
                clip_on=False,
            )
        )  # fmt: skip
    middle = bottom + tall / 2
    ax.text(-0.008, middle, name, transform=ax.transAxes, ha="right", va="center", fontsize=page.small)
    return colour


def _legend(ax: Axes, bands: list[str], colours: list[dict[str, str]], *, page: Size) -> None:
    """Name the levels of each strip below the colour bar; the axes are 1 mm high and ``SIDE`` wide."""
    y = 0.0
    for name, levels in zip(bands, colours, strict=True):
        ax.text(0.0, y, name, transform=ax.transAxes, ha="left", va="center", fontsize=page.small)
        shown = list(levels)[:MOST_LEVELS]
        for level in shown:
            y -= LINE
            ax.scatter(
                1.0 / SIDE, y, marker="s", s=5 * page.scale**2, color=levels[level], linewidths=0,
                transform=ax.transAxes, clip_on=False,
            )  # fmt: skip
            _say(ax, y, elided(level, 14), page=page)
        if len(levels) > len(shown):
            y -= LINE
            _say(ax, y, f"and {len(levels) - len(shown)} more", page=page)
        y -= 1.6 * LINE


def _say(ax: Axes, y: float, text: str, *, page: Size) -> None:
    ax.text(2.4 / SIDE, y, text, transform=ax.transAxes, ha="left", va="center", fontsize=page.small)
